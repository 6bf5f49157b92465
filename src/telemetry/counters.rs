//! What one worker counts, as plain memory, and the bounds that durations are counted by.

use super::cell::{Count, Tally};
use super::shard::{ConnectionProtocol, HandshakeFailure, Protocol, TlsVersion};
use crate::base::{Cause, Repair};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Everything one worker counts. The alignment keeps two workers' counters off a common cache line.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Counters {
    pub(super) by_protocol: [RequestCounters; Protocol::ALL.len()],
    pub(super) own: Tally<{ OWN_BOUNDS.len() }>,
    pub(super) upstream: Tally<{ REQUEST_BOUNDS.len() }>,
    pub(super) failures: [Count; Cause::ALL.len()],
    pub(super) repairs: [Count; Repair::ALL.len()],
    pub(super) body_received: Count,
    pub(super) body_sent: Count,
    /// Clear connections, then TLS ones.
    pub(super) connections: [ConnectionCounters; 2],
    /// By version, then full and resumed.
    pub(super) handshakes: [[Count; 2]; TlsVersion::ALL.len()],
    pub(super) handshake_durations: Tally<{ HANDSHAKE_BOUNDS.len() }>,
    pub(super) handshake_failures: [Count; HandshakeFailure::ALL.len()],
    pub(super) upstream_opened: Count,
    pub(super) upstream_adopted: Count,
    pub(super) upstream_closed: Count,
    pub(super) upstream_reused: Count,
    pub(super) tunnels_opened: Count,
    pub(super) tunnels_closed: Count,
    pub(super) moved_on: Count,
    /// The kernel's number of the thread that counts; 0 before it runs.
    pub(super) thread: AtomicU32,
}

/// The requests of one protocol.
#[derive(Debug)]
pub(super) struct RequestCounters {
    /// By status class: `1xx` first.
    pub(super) requests: [Count; STATUS_CLASSES.len()],
    pub(super) durations: Tally<{ REQUEST_BOUNDS.len() }>,
    pub(super) started: Count,
    pub(super) ended: Count,
}

/// The client connections of one kind, by what they speak.
#[derive(Debug, Default)]
pub(super) struct ConnectionCounters {
    pub(super) opened: [Count; ConnectionProtocol::ALL.len()],
    pub(super) closed: [Count; ConnectionProtocol::ALL.len()],
    /// Ended before they spoke anything.
    pub(super) silent: Count,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            by_protocol: std::array::from_fn(|_| RequestCounters::default()),
            own: Tally::new(&OWN_BOUNDS),
            upstream: Tally::new(&REQUEST_BOUNDS),
            failures: std::array::from_fn(|_| Count::default()),
            repairs: Default::default(),
            body_received: Count::default(),
            body_sent: Count::default(),
            connections: Default::default(),
            handshakes: Default::default(),
            handshake_durations: Tally::new(&HANDSHAKE_BOUNDS),
            handshake_failures: Default::default(),
            upstream_opened: Count::default(),
            upstream_adopted: Count::default(),
            upstream_closed: Count::default(),
            upstream_reused: Count::default(),
            tunnels_opened: Count::default(),
            tunnels_closed: Count::default(),
            moved_on: Count::default(),
            thread: AtomicU32::default(),
        }
    }
}

impl Default for RequestCounters {
    fn default() -> Self {
        Self {
            requests: Default::default(),
            durations: Tally::new(&REQUEST_BOUNDS),
            started: Count::default(),
            ended: Count::default(),
        }
    }
}

/// The place of a status among [`STATUS_CLASSES`]. What is no status counts as `5xx`: it would be our mistake.
pub(super) fn status_class(status: u16) -> usize {
    match status / 100 {
        class @ 1..=5 => usize::from(class) - 1,
        _ => STATUS_CLASSES.len() - 1,
    }
}

/// Classes of statuses (RFC 9110 §15), as labels print them.
pub(super) const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Requests: from a cached page of a local server to a report that runs for minutes (PHP may take 300 s).
pub(super) static REQUEST_BOUNDS: [Duration; 17] = [
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
];

/// Our own work: some ten microseconds, and what a busy worker makes of them.
pub(super) static OWN_BOUNDS: [Duration; 15] = [
    Duration::from_micros(10),
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
];

/// Handshakes: two round trips to the visitor, from the next room to the other side of the world.
pub(super) static HANDSHAKE_BOUNDS: [Duration; 10] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A quantile is read between two bounds: they ascend, and none is far from the next. What Parvis takes itself is told
    /// in microseconds, what upstreams take up to the minutes that a report may last.
    #[test]
    fn bounds_are_close_enough_to_read_a_quantile_between_them() {
        let (own, request, handshake) = (&OWN_BOUNDS[..], &REQUEST_BOUNDS[..], &HANDSHAKE_BOUNDS[..]);
        for bounds in [own, request, handshake] {
            let steps = bounds.windows(2).map(|pair| pair[1].as_secs_f64() / pair[0].as_secs_f64());
            assert!(steps.clone().all(|step| step > 1.0 && step <= 5.0), "{:?}", steps.collect::<Vec<_>>());
        }
        assert!(own[0] <= Duration::from_micros(10) && own.contains(&Duration::from_millis(10)));
        let minutes = [1, 2, 5].map(|minutes| Duration::from_secs(60 * minutes));
        assert!(request[0] <= Duration::from_millis(1) && request.ends_with(&minutes));
    }
}
