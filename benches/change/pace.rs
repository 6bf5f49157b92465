//! The pace of the bench: work that is due at fixed times. Waits for no event.

use std::thread;
use std::time::Instant;

/// Returns at `due`, or at once where that has passed.
pub fn until(due: Instant) {
    thread::sleep(due.saturating_duration_since(Instant::now()));
}
