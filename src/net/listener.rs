//! A listening socket in the worker's reactor: takes connections off its queue, one at a time. Decides nothing
//! about them.

use super::{Socket, unsafe_register};
use rustix::io::Errno;
use rustix::net::{self, SocketFlags};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A listening TCP socket.
pub struct Listener {
    io: AsyncFd<OwnedFd>,
}

impl Listener {
    /// Takes a listening socket over: makes it non-blocking and registers it with the reactor of the runtime this
    /// is called in. It should have NODELAY set, which its connections inherit.
    pub fn adopt(fd: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Self { io: unsafe_register::register(fd, Interest::READABLE)? })
    }

    /// The next connection and who opened it. Two syscalls: to accept it, and to register it. Connections that
    /// failed while they waited are passed over.
    ///
    /// # Errors
    /// Descriptors or memory ran out: the connection stays in the queue, and the next call tries again at once.
    /// Anything else says that this is no listening socket.
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, SocketAddr)>> {
        // Ends with the queue, or with the reactor's budget for one poll of a task.
        loop {
            let mut edge = ready!(self.io.poll_read_ready(cx))?;
            match self.accept_now() {
                Ok(Some(accepted)) => return Poll::Ready(Ok(accepted)),
                Ok(None) => edge.clear_ready(),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// The same without waiting, and without having been told that somebody is there: `None` where nobody is.
    pub fn accept_now(&self) -> io::Result<Option<(Socket, SocketAddr)>> {
        for _ in 0..FAILED_IN_A_ROW {
            match net::acceptfrom_with(&self.io, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok((fd, peer)) => {
                    if let Some(peer) = peer.and_then(|peer| SocketAddr::try_from(peer).ok()) {
                        return Socket::accepted(fd).map(|socket| Some((socket, peer)));
                    }
                }
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) if UNABLE.contains(&error) => return Err(error.into()),
                // The connection failed while it waited (accept(2)): the next one may be fine.
                Err(_) => {}
            }
        }
        Err(io::Error::other("too many failed connections in a row"))
    }
}

/// Why no connection can be accepted, whichever it is.
const UNABLE: [Errno; 8] = [
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOBUFS,
    Errno::NOMEM,
    Errno::BADF,
    Errno::INVAL,
    Errno::NOTSOCK,
    Errno::FAULT,
];

/// Failed connections that are passed over before the caller has its turn.
const FAILED_IN_A_ROW: usize = 64;
