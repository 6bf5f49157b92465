//! The two listeners: a TCP address for metrics, a unix socket for the admin. Binds them; speaks nothing.

use crate::net::PrivateSocket;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use tokio::net::{TcpListener, TcpStream, UnixStream};

/// The listener of `[metrics] address`.
#[derive(Debug)]
pub struct MetricsListener(TcpListener);

/// The socket of `[admin] socket`. Removes its file when it is dropped.
#[derive(Debug)]
pub struct AdminSocket(PrivateSocket);

impl MetricsListener {
    /// Binds `address`, an IPv6 one for IPv6 only. Call it within the runtime that will serve.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket =
            Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into()).map(Self)
    }

    /// The address that was bound, with the port the kernel chose where it was to choose.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    pub(super) async fn accept(&self) -> io::Result<TcpStream> {
        self.0.accept().await.map(|(stream, _)| stream)
    }
}

impl AdminSocket {
    /// Binds `path`, for the process's user and group. Call it within the runtime that will serve.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens there; `AlreadyExists` when the file is no socket; the system's.
    pub fn bind(path: &Path) -> io::Result<Self> {
        PrivateSocket::bind(path, None).map(Self)
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.0.accept().await
    }
}

/// Connections that wait to be accepted: more than may be open at a time.
const BACKLOG: i32 = 128;
