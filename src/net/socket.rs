//! A non-blocking stream socket in the worker's reactor, TCP and unix the same. Owns the descriptor and what is
//! known of its readiness; holds no bytes.
//!
//! The reactor reports edges. A direction is tried without waiting while nothing is known about it (a fresh
//! socket), else only after an edge; a short read or write means the kernel had no more, and the next call
//! waits without a syscall that would say so. No edge is lost by that: one that comes between the attempt
//! and the clearing carries a newer tick, and the end of the peer's bytes is never cleared.

use super::{Endpoint, unsafe_register};
use crate::base::{Buffer, LARGE_BUFFER_BYTES};
use rustix::io::Errno;
use rustix::net::{
    self, AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType, sockopt,
};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

/// A connected stream socket.
pub struct Socket {
    io: AsyncFd<OwnedFd>,
    try_receive: bool,
    try_send: bool,
}

/// What one attempt on the descriptor moved.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// How many bytes.
    pub bytes: usize,
    /// Whether the kernel could have moved more: false when it stopped short of what was offered.
    pub more: bool,
}

impl Socket {
    /// Takes a connected socket over: makes it non-blocking, sets NODELAY on TCP, registers it with the
    /// reactor of the runtime this is called in. At most five syscalls, once in a connection's life.
    pub fn adopt(fd: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        if sockopt::socket_domain(&fd)? != AddressFamily::UNIX {
            sockopt::set_tcp_nodelay(&fd, true)?;
        }
        Self::register(fd)
    }

    /// Takes the socket out of the reactor: it can be adopted again, on any thread. One syscall.
    pub fn into_fd(self) -> OwnedFd {
        self.io.into_inner()
    }

    /// Takes over what a listening socket gave: non-blocking already, with the listener's NODELAY.
    pub(super) fn accepted(fd: OwnedFd) -> io::Result<Self> {
        Self::register(fd)
    }

    /// Registers a socket that is non-blocking already.
    fn register(fd: OwnedFd) -> io::Result<Self> {
        let io = unsafe_register::register(fd, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { io, try_receive: true, try_send: true })
    }

    /// Opens a connection; see [`super::connect`].
    pub(super) async fn connect(to: &Endpoint) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (fd, begun) = match to {
            Endpoint::Ip(address) => {
                let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
                let fd = net::socket_with(family, SocketType::STREAM, flags, None)?;
                sockopt::set_tcp_nodelay(&fd, true)?;
                let begun = net::connect(&fd, address);
                (fd, begun)
            }
            Endpoint::Unix(path) => {
                let address = net::SocketAddrUnix::new(path.as_path())?;
                let fd = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
                let begun = net::connect(&fd, &address);
                (fd, begun)
            }
        };
        match begun {
            Ok(()) => Self::register(fd),
            Err(Errno::INPROGRESS) => {
                // Registered only now: a socket that is not connecting yet reports a hang-up, which stays.
                let socket = Self::register(fd)?;
                socket.io.writable().await?.retain_ready();
                sockopt::socket_error(&socket)??;
                Ok(socket)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Two connected unix sockets.
    pub(super) fn pair() -> io::Result<(Self, Self)> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (one, other) = net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        Ok((Self::register(one)?, Self::register(other)?))
    }

    /// Waits until a receive would find bytes, an end or an error.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_read_ready(cx).map_ok(|mut guard| guard.retain_ready())
    }

    /// Receives once into `input`, which has room for at least `room` bytes made only when there is something
    /// to receive; while there is not, an empty `input` gives its block back. 0 is the end.
    pub fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut Buffer,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        let received = self.poll_receive_with(cx, |fd| {
            let spare = input.spare(room);
            let offered = spare.len();
            let (bytes, _) = net::recv(fd, spare, RecvFlags::empty())?;
            input.advance(bytes);
            Ok(Moved { bytes, more: bytes == offered || bytes == 0 })
        });
        if received.is_pending() && input.is_empty() {
            input.release();
        }
        received
    }

    /// Receives once into `room`; 0 is the end.
    pub fn poll_receive_slice(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_receive_with(cx, |fd| {
            let (bytes, _) = net::recv(fd, &mut *room, RecvFlags::empty())?;
            Ok(Moved { bytes, more: bytes == room.len() || bytes == 0 })
        })
    }

    /// Sends what fits of `slices`, without a signal when the peer is gone.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        self.poll_send_with(cx, |fd| {
            let bytes = match slices {
                [one] => net::send(fd, one, SendFlags::NOSIGNAL)?,
                many => net::sendmsg(fd, many, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)?,
            };
            Ok(Moved { bytes, more: bytes == offered })
        })
    }

    /// Sends all of `output` and gives its block back.
    pub fn poll_send_all(&mut self, cx: &mut Context<'_>, output: &mut Buffer) -> Poll<io::Result<()>> {
        // Each turn sends a byte at least.
        while !output.is_empty() {
            let count = ready!(self.poll_send(cx, &[IoSlice::new(output.filled())]))?;
            output.consume(count);
        }
        output.release();
        Poll::Ready(Ok(()))
    }

    /// Runs `attempt` when the socket may have something to receive, until it does not block. For code that
    /// moves the bytes inside the kernel.
    pub fn poll_receive_with(
        &mut self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> Result<Moved, Errno>,
    ) -> Poll<io::Result<usize>> {
        // Ends by itself: a turn that moves nothing clears the readiness, and the reactor's budget for one
        // poll of a task bounds what new edges can add.
        loop {
            let mut edge = match self.io.poll_read_ready(cx)? {
                Poll::Ready(edge) => Some(edge),
                Poll::Pending if self.try_receive => None,
                Poll::Pending => return Poll::Pending,
            };
            let result = attempt(self.io.get_ref().as_fd());
            let more = settle(&result, edge.as_mut());
            self.try_receive &= more && edge.is_none();
            match result {
                Ok(moved) => return Poll::Ready(Ok(moved.bytes)),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Runs `attempt` when the socket may have room to send, until it does not block.
    pub fn poll_send_with(
        &mut self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> Result<Moved, Errno>,
    ) -> Poll<io::Result<usize>> {
        // Bounded like the loop above.
        loop {
            let mut edge = match self.io.poll_write_ready(cx)? {
                Poll::Ready(edge) => Some(edge),
                Poll::Pending if self.try_send => None,
                Poll::Pending => return Poll::Pending,
            };
            let result = attempt(self.io.get_ref().as_fd());
            let more = settle(&result, edge.as_mut());
            self.try_send &= more && edge.is_none();
            match result {
                Ok(moved) => return Poll::Ready(Ok(moved.bytes)),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Waits until both directions are gone: the peer reset the connection, or closed a unix socket, or we
    /// ended our direction after the peer had ended its own.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Two turns: the second finds the edge of the first cleared, or the end.
        loop {
            let Ok(mut edge) = ready!(self.io.poll_write_ready(cx)) else { return Poll::Ready(()) };
            if edge.ready().is_write_closed() {
                return Poll::Ready(());
            }
            // The edge may have been a sender's: let it find out by trying.
            edge.clear_ready_matching(Ready::WRITABLE);
            self.try_send = true;
        }
    }

    /// Whether nothing waits to be received, neither bytes nor an end nor an error. One syscall.
    pub fn is_quiet(&self) -> bool {
        let mut byte = [0u8; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        net::recv(&self.io, &mut byte[..], flags).is_err_and(|error| error == Errno::AGAIN)
    }

    /// Ends our direction (FIN). Nothing to do, and no error, where the connection is gone already.
    pub fn end_sending(&self) -> io::Result<()> {
        match net::shutdown(&self.io, net::Shutdown::Write) {
            Ok(()) | Err(Errno::NOTCONN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Closes after forgetting what has arrived, which would make the kernel send a reset. Never waits: what
    /// arrives later is answered with one nevertheless.
    pub fn close_quietly(self) {
        let _ = self.end_sending();
        let mut forgotten = Buffer::new();
        let room = forgotten.spare(LARGE_BUFFER_BYTES);
        let _ = net::recv(&self.io, room, RecvFlags::DONTWAIT);
    }

    /// Closes TCP with a reset; a unix socket just closes.
    pub fn abort(self) {
        // What cannot be set is a connection that is gone.
        let _ = sockopt::set_socket_linger(&self.io, Some(Duration::ZERO));
    }

    /// The address of the other end; `None` on a unix socket. One syscall.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        net::getpeername(&self.io).ok().flatten().and_then(|address| address.try_into().ok())
    }

    /// The address of our end; `None` on a unix socket. One syscall.
    pub fn local_address(&self) -> Option<SocketAddr> {
        net::getsockname(&self.io).ok().and_then(|address| address.try_into().ok())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.get_ref().as_fd()
    }
}

/// Whether a further attempt makes sense without a new edge; forgets the edge where it does not.
fn settle(
    result: &Result<Moved, Errno>,
    edge: Option<&mut tokio::io::unix::AsyncFdReadyGuard<'_, OwnedFd>>,
) -> bool {
    let more = match result {
        Ok(moved) => moved.more,
        Err(error) => *error != Errno::AGAIN,
    };
    if let (false, Some(edge)) = (more, edge) {
        edge.clear_ready();
    }
    more
}
