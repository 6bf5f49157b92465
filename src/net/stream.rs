//! A connection with its unread bytes: TCP or unix, clear or TLS, either end.

use crate::base::Buffer;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

/// A connection with its unread bytes.
pub struct Stream {
    input: Buffer,
}

impl Stream {
    /// The bytes received and not yet consumed; split heads off it with [`Buffer::split_front`].
    pub fn input(&mut self) -> &mut Buffer {
        &mut self.input
    }

    /// Receives once into [`input`](Self::input); how many bytes, 0 at the end (FIN, close_notify). At least
    /// [`crate::base::BUFFER_BYTES`] of room are offered when the input is empty; the caller bounds how much
    /// it lets pile up.
    pub fn poll_fill(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
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
}
