//! A connection with its unread bytes: TCP or unix, clear or TLS, either end.

use super::Socket;
use crate::base::Buffer;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};
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

    /// Two connected clear streams, for tests: what one writes the other reads.
    pub fn pair() -> io::Result<(Self, Self)> {
        todo!()
    }

    /// The bytes received and not yet consumed; split heads off it with [`Buffer::split_front`].
    pub fn input(&mut self) -> &mut Buffer {
        &mut self.input
    }

    /// The socket below: addresses, and its readiness for code that moves bytes inside the kernel.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Waits until a fill would find something (bytes or an end), and holds no buffer meanwhile: what an idle
    /// connection waits on.
    pub fn poll_readable(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        todo!()
    }

    /// Receives once into [`input`](Self::input); how many bytes, 0 at the end (FIN, close_notify). At least
    /// [`crate::base::BUFFER_BYTES`] of room are offered when the input is empty; the caller bounds how much
    /// it lets pile up.
    pub fn poll_fill(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        todo!()
    }

    /// After [`poll_fill`](Self::poll_fill) gave 0: whether the peer said that this is the end. A FIN on a
    /// clear stream, close_notify on TLS; a FIN without close_notify is a truncation (RFC 8446 §6.1).
    pub fn ended_cleanly(&self) -> bool {
        todo!()
    }

    /// Sends what fits of `slices`, at least one byte, or waits. TLS: sealed bytes may wait for
    /// [`poll_flush`](Self::poll_flush).
    pub fn poll_write(&mut self, _cx: &mut Context<'_>, _slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        todo!()
    }

    /// Sends what a write left behind. Clear streams leave nothing.
    pub fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        todo!()
    }

    /// Ends our direction: close_notify and FIN.
    pub fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        todo!()
    }

    /// Waits, after the end was read on a clear stream, until the peer resets the connection.
    pub fn poll_reset(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        todo!()
    }

    /// [`poll_fill`](Self::poll_fill) as a future.
    pub async fn fill(&mut self) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// Writes all of `bytes` and flushes: for heads and small answers outside the pump.
    pub async fn send(&mut self, _bytes: &[u8]) -> io::Result<()> {
        todo!()
    }

    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        todo!()
    }

    /// Whether nothing was received since the last fill, not even an end: what a kept connection must be
    /// before it is used again. One syscall.
    pub fn is_quiet(&mut self) -> bool {
        todo!()
    }

    /// Closes with a reset, so that the peer sees a broken connection and no clean end.
    pub fn abort(self) {
        todo!()
    }

    /// Closes after an answer that was given before all of the request was read: ends our direction, then
    /// reads and forgets until the peer's end, `limit_bytes` or the deadline. Without this the unread bytes
    /// would make the kernel send a reset that destroys the answer on its way (RFC 9112 §9.6).
    pub async fn linger(self, _limit_bytes: usize, _deadline: Instant) {
        todo!()
    }
}
