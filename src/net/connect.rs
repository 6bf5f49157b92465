//! Opens connections to upstreams. No deadline in here: the caller knows how long it can wait.

use super::{Socket, Stream};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where an upstream listens, names resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// TCP on either family.
    Ip(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// Opens a connection: without blocking, NODELAY on TCP. Dropping the future closes the socket.
///
/// # Errors
/// The kernel's, as [`io::ErrorKind`] names it (`ConnectionRefused`, `NotFound`, `HostUnreachable` …); a unix
/// socket whose queue is full is `WouldBlock`, and nothing tells when there is room.
pub async fn connect(to: &Endpoint) -> io::Result<Stream> {
    Ok(Stream::new(Socket::connect(to).await?))
}
