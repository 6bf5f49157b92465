//! A connection with its unread bytes: TCP or unix, clear or TLS, either end. Owns the order of input, sealed
//! output and ends; what the bytes mean is for the caller.

use super::tls::{Session, failed};
use super::{Socket, within};
use crate::base::{BUFFER_BYTES, Buffer, LARGE_BUFFER_BYTES};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// A connection with its unread bytes.
pub struct Stream {
    socket: Socket,
    input: Buffer,
    tls: Option<Box<Session>>,
    ended: bool,
    bulk: bool,
    /// Whether the last fill took all the room that was offered, and none has found nothing since.
    busy: bool,
}

impl Stream {
    /// A clear stream over `socket`.
    pub fn new(socket: Socket) -> Self {
        Self { socket, input: Buffer::new(), tls: None, ended: false, bulk: false, busy: false }
    }

    /// A stream whose handshake is complete; `input` is what came with its end.
    pub(super) fn secured(socket: Socket, input: Buffer, session: Box<Session>) -> Self {
        Self { tls: Some(session), input, ..Self::new(socket) }
    }

    /// The socket and what was received and not consumed, to begin with something else on it.
    pub(super) fn into_parts(self) -> (Socket, Buffer) {
        (self.socket, self.input)
    }

    /// Takes the descriptor out of this thread's reactor, so that another thread can
    /// [`adopt`](Socket::adopt) it.
    ///
    /// # Errors
    /// The stream itself, where more than the descriptor would have to move: TLS, or bytes received.
    pub fn detach(self) -> Result<OwnedFd, Box<Self>> {
        if self.tls.is_some() || self.ended || !self.input.is_empty() {
            return Err(Box::new(self));
        }
        Ok(self.socket.into_fd())
    }

    /// Everything the stream holds.
    #[cfg(test)]
    pub(super) fn parts(&mut self) -> (&mut Socket, &mut Buffer, Option<&mut Session>) {
        (&mut self.socket, &mut self.input, self.tls.as_deref_mut())
    }

    /// Two connected clear streams, for tests and loopbacks: what one writes the other reads.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = Socket::pair()?;
        Ok((Self::new(one), Self::new(other)))
    }

    /// The bytes received and not yet consumed; split heads off it with [`Buffer::split_front`].
    pub fn input(&mut self) -> &mut Buffer {
        &mut self.input
    }

    /// The socket below: addresses, and its readiness for code that moves bytes inside the kernel.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Waits until a fill would find something (bytes or an end), and holds no buffer meanwhile: what an idle
    /// connection waits on. Says nothing about bytes that are in [`input`](Self::input) already. On TLS what
    /// is found may turn out to be no more than the protocol's own messages.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.input.is_empty() {
            self.input.release();
        }
        if let Some(session) = &mut self.tls {
            if session.peer_closed() {
                return Poll::Ready(Ok(()));
            }
            if session.received().is_empty() {
                session.received().release();
            }
            if session.holds_back() {
                session.let_go();
                // What the kernel does not take of it, and errors, are the next write's matter.
                let _ = self.socket.poll_send_all(cx, session.sealed());
            }
        }
        self.socket.poll_readable(cx)
    }

    /// Receives once into [`input`](Self::input); how many bytes, 0 at the end (FIN, close_notify). At least
    /// [`BUFFER_BYTES`] of room are offered when the input is empty, and up to [`LARGE_BUFFER_BYTES`] where the
    /// last fill took all of it; the caller bounds how much it lets pile up. While there is nothing to receive,
    /// an empty input holds no buffer.
    ///
    /// # Errors
    /// The kernel's; on TLS also [`io::ErrorKind::InvalidData`] with the [`rustls::Error`] inside, after the
    /// alert that tells the peer.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.tls.is_some() {
            return self.poll_fill_tls(cx);
        }
        let room = match (self.input.is_empty(), self.bulk) {
            (true, false) => BUFFER_BYTES,
            (true, true) => LARGE_BUFFER_BYTES,
            (false, _) => LEAST_ROOM,
        };
        let received = self.socket.poll_receive(cx, &mut self.input, room);
        self.busy = false;
        let count = ready!(received)?;
        self.bulk = self.input.len() == self.input.capacity();
        self.busy = self.bulk;
        self.ended = count == 0;
        Poll::Ready(Ok(count))
    }

    fn poll_fill_tls(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { socket, input, tls: Some(session), ended, bulk, .. } = self else {
            return Poll::Ready(Ok(0));
        };
        let before = input.len();
        // Records in a row that hold no byte for us are bounded by rustls, and turns by the reactor's budget.
        loop {
            let held = if session.holds_back() { session.sealed().len() } else { 0 };
            let opened = session.open(input);
            if session.sealed().len() > held {
                // Answers of the protocol's own: sent as far as that goes without waiting, the rest by a flush.
                // If the peer takes no more, that is told when something is written.
                session.let_go();
                let _ = socket.poll_send_all(cx, session.sealed());
            }
            opened.map_err(failed)?;
            if input.len() > before {
                return Poll::Ready(Ok(input.len() - before));
            }
            if *ended || session.peer_closed() {
                *ended = true;
                return Poll::Ready(Ok(0));
            }
            if input.is_empty() {
                input.release();
            }
            let room = session.room(*bulk)?;
            let received = session.received();
            *ended = ready!(socket.poll_receive(cx, received, room))? == 0;
            *bulk = received.len() == received.capacity();
        }
    }

    /// After [`poll_fill`](Self::poll_fill) gave 0: whether the peer said that this is the end. A FIN on a
    /// clear stream, close_notify on TLS; a FIN without close_notify is a truncation (RFC 8446 §6.1).
    pub fn ended_cleanly(&self) -> bool {
        self.ended && self.tls.as_ref().is_none_or(|session| session.peer_closed())
    }

    /// Sends what fits of `slices`, at least one byte, or waits. TLS: up to 64 KiB are sealed at once, and what
    /// the kernel does not take of them waits for [`poll_flush`](Self::poll_flush) or the next write, which
    /// takes nothing before that has left.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let Some(session) = &mut self.tls else { return self.socket.poll_send(cx, slices) };
        if session.holds_back() {
            session.let_go();
        } else {
            ready!(self.socket.poll_send_all(cx, session.sealed()))?;
        }
        if session.closed() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let sealed = session.seal(slices).map_err(failed)?;
        match self.socket.poll_send_all(cx, session.sealed()) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(sealed)),
        }
    }

    /// Sends what a write left behind. Clear streams leave nothing; what a handshake left waits for the first write, or
    /// until the stream [idles](Self::poll_readable).
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.tls {
            Some(session) if !session.holds_back() => self.socket.poll_send_all(cx, session.sealed()),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Ends our direction: close_notify and FIN.
    pub fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(session) = self.tls.as_mut().filter(|session| !session.closed()) {
            session.let_go();
            session.close().map_err(failed)?;
        }
        ready!(self.poll_flush(cx))?;
        Poll::Ready(self.socket.end_sending())
    }

    /// Waits, after the end was read on a clear stream, until the peer resets the connection. Also ready once
    /// both directions have ended, as nothing can come after that.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_gone(cx)
    }

    /// [`poll_fill`](Self::poll_fill) as a future.
    pub async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// [`poll_readable`](Self::poll_readable) as a future.
    pub async fn readable(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_readable(cx)).await
    }

    /// Writes all of `bytes` and flushes: for heads and small answers outside the pump.
    pub async fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let sent = poll_fn(|cx| self.poll_write(cx, &[IoSlice::new(bytes)])).await?;
            bytes = &bytes[sent..];
        }
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Whether more comes than is asked for: the last fill took all the room that was offered.
    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    /// The socket of a clear stream, to send by.
    pub(super) fn clear_socket(&mut self) -> Option<&mut Socket> {
        self.tls.is_none().then_some(&mut self.socket)
    }

    /// The socket of a clear stream of which nothing is received and not consumed: what it says next comes next.
    pub(super) fn unread_socket(&mut self) -> Option<&mut Socket> {
        if self.ended || !self.input.is_empty() {
            return None;
        }
        self.clear_socket()
    }

    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether nothing was received since the last fill, not even an end: what a kept connection must be
    /// before it is used again. One syscall.
    pub fn is_quiet(&mut self) -> bool {
        let sealed =
            self.tls.as_mut().is_some_and(|session| session.peer_closed() || !session.received().is_empty());
        self.input.is_empty() && !sealed && self.socket.is_quiet()
    }

    /// Closes at once and without a reset for what has arrived so far: for connections that are not let in.
    pub fn close_quietly(self) {
        self.socket.close_quietly();
    }

    /// Closes with a reset, so that the peer sees a broken connection and no clean end. A unix socket knows no
    /// reset: there the missing bytes (or, on TLS, the missing close_notify) are what tells.
    pub fn abort(self) {
        self.socket.abort();
    }

    /// Closes after an answer that was given before all of the request was read: ends our direction, then
    /// reads and forgets until the peer's end, `limit_bytes` or the deadline. Without this the unread bytes
    /// would make the kernel send a reset that destroys the answer on its way (RFC 9112 §9.6).
    pub async fn linger(mut self, limit_bytes: usize, deadline: Instant) {
        if self.ended && self.tls.is_none() && self.input.is_empty() {
            // Nothing more can come, so nothing can be destroyed: closing is all there is to say.
            return;
        }
        // Whatever goes wrong or runs out here, the connection is closed: there is nobody left to tell.
        let _ = within(deadline, async {
            poll_fn(|cx| self.poll_close_write(cx)).await?;
            let mut left = limit_bytes;
            while left > 0 {
                self.input.clear();
                let count = poll_fn(|cx| self.socket.poll_receive(cx, &mut self.input, BUFFER_BYTES)).await?;
                if count == 0 {
                    break;
                }
                left = left.saturating_sub(count);
            }
            io::Result::Ok(())
        })
        .await;
    }
}

/// Bytes of room for a fill behind bytes that wait for more: a head that does not fit its block doubles it
/// instead of arriving in slivers.
const LEAST_ROOM: usize = 1024;

#[cfg(test)]
mod tests;
