//! Coarse deadlines of a worker's connections: one wheel a thread, no syscall and no allocation to move one.

use std::task::{Context, Poll};
use std::time::Instant;

/// A place in the worker's wheel that a connection keeps for its life. It expires at most one tick late,
/// never early.
#[derive(Debug)]
pub struct Deadline {
    place: u32,
}

/// The deadline came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("deadline elapsed")]
pub struct Elapsed;

impl Deadline {
    /// A place in this thread's wheel, with no deadline set.
    pub fn new() -> Self {
        Self { place: 0 }
    }

    /// Sets or moves the deadline, and forgets an expiry.
    pub fn set(&mut self, _at: Instant) {
        todo!()
    }

    /// No deadline until the next [`set`](Self::set).
    pub fn clear(&mut self) {
        todo!()
    }

    /// Ready once the deadline set has passed, and from then on until it is moved.
    pub fn poll_expired(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        todo!("place {}", self.place)
    }
}

impl Default for Deadline {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs `future` until `deadline`.
pub async fn within<F: Future>(_deadline: Instant, future: F) -> Result<F::Output, Elapsed> {
    Ok(future.await)
}
