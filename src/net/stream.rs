//! A connection with its unread bytes: TCP or unix, clear or TLS, either end. Owns the order of input, sealed
//! output and ends; what the bytes mean is for the caller.

use super::{Socket, within};
use crate::base::{BUFFER_BYTES, Buffer};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// A connection with its unread bytes.
pub struct Stream {
    socket: Socket,
    input: Buffer,
}

impl Stream {
    /// A clear stream over `socket`.
    pub fn new(socket: Socket) -> Self {
        Self { socket, input: Buffer::new() }
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
    /// connection waits on. Says nothing about bytes that are in [`input`](Self::input) already.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.input.is_empty() {
            self.input.release();
        }
        self.socket.poll_readable(cx)
    }

    /// Receives once into [`input`](Self::input); how many bytes, 0 at the end (FIN, close_notify). At least
    /// [`BUFFER_BYTES`] of room are offered when the input is empty; the caller bounds how much it lets pile
    /// up. While there is nothing to receive, an empty input holds no buffer.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let room = if self.input.is_empty() { BUFFER_BYTES } else { LEAST_ROOM };
        self.socket.poll_receive(cx, &mut self.input, room)
    }

    /// After [`poll_fill`](Self::poll_fill) gave 0: whether the peer said that this is the end. A FIN on a
    /// clear stream, close_notify on TLS; a FIN without close_notify is a truncation (RFC 8446 §6.1).
    pub fn ended_cleanly(&self) -> bool {
        true
    }

    /// Sends what fits of `slices`, at least one byte, or waits. TLS: sealed bytes may wait for
    /// [`poll_flush`](Self::poll_flush).
    pub fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.socket.poll_send(cx, slices)
    }

    /// Sends what a write left behind. Clear streams leave nothing.
    pub fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends our direction: close_notify and FIN.
    pub fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        false
    }

    /// Whether nothing was received since the last fill, not even an end: what a kept connection must be
    /// before it is used again. One syscall.
    pub fn is_quiet(&mut self) -> bool {
        self.input.is_empty() && self.socket.is_quiet()
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
