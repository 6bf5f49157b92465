//! A non-blocking stream socket in the worker's reactor, TCP and unix the same. Owns the descriptor and its
//! readiness; holds no bytes.

use super::Endpoint;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};
use tokio::io::unix::AsyncFd;

/// A connected stream socket.
pub struct Socket {
    io: AsyncFd<OwnedFd>,
}

impl Socket {
    /// Takes a connected socket over: makes it non-blocking, sets NODELAY on TCP, registers it with the
    /// reactor of the runtime this is called in.
    pub fn adopt(_fd: OwnedFd) -> io::Result<Self> {
        todo!()
    }

    /// Opens a connection.
    pub async fn connect(_to: &Endpoint) -> io::Result<Self> {
        todo!()
    }

    /// Receives once; 0 is the end.
    pub fn poll_receive(&mut self, _cx: &mut Context<'_>, _room: &mut [u8]) -> Poll<io::Result<usize>> {
        todo!()
    }

    /// Sends what fits of `slices`.
    pub fn poll_send(&mut self, _cx: &mut Context<'_>, _slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        todo!()
    }

    /// The address of the other end; `None` on a unix socket. One syscall.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        todo!()
    }

    /// The address of our end; `None` on a unix socket. One syscall.
    pub fn local_address(&self) -> Option<SocketAddr> {
        todo!()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.get_ref().as_fd()
    }
}
