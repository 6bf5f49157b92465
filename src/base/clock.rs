//! The one file that reads a clock. Everything else takes the time as an argument, or asks the worker's
//! [`Clock`], which reads once per wake-up.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Reads the monotonic clock: for deadlines and durations.
pub fn now() -> Instant {
    Instant::now()
}

/// Reads the wall clock, as the time since the Unix epoch: for logs and certificates.
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The wall time that is so long after the Unix epoch, for libraries that ask for it in this form.
pub fn system_time(wall: Duration) -> SystemTime {
    UNIX_EPOCH + wall
}

/// A worker's pair of clocks read together at its start, so that one monotonic reading gives both times.
#[derive(Debug)]
pub struct Clock {
    origin: Instant,
    origin_wall: Cell<Duration>,
}

impl Clock {
    /// Reads both clocks.
    pub fn new() -> Self {
        Self { origin: now(), origin_wall: Cell::new(wall()) }
    }

    /// The wall time at the monotonic time `at`.
    pub fn wall_at(&self, at: Instant) -> Duration {
        self.origin_wall.get() + at.saturating_duration_since(self.origin)
    }

    /// Takes a changed wall clock over: called now and then by the worker, never per request.
    pub fn adjust(&self) {
        self.origin_wall.set(wall().saturating_sub(self.origin.elapsed()));
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
