//! An account's counters. Every worker adds to them, so they stand on cache lines of their own.

use crate::telemetry::AccountSample;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What an account's requests came to, from the account's first request on. Two cache lines, which the CPU
/// fetches as a pair: one account's traffic does not slow another's.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Live {
    by_class: [AtomicU64; CLASSES],
    body_received: AtomicU64,
    body_sent: AtomicU64,
    moved_on: AtomicU64,
}

impl Live {
    /// Counts a request that ended with `status`, after so many bytes of body from and to the visitor. Cost: an
    /// atomic add, and one more for each direction that carried bytes.
    pub fn answered(&self, status: u16, body_received: u64, body_sent: u64) {
        let class = usize::from(status / 100).clamp(1, CLASSES) - 1;
        self.by_class[class].fetch_add(1, Relaxed);
        if body_received > 0 {
            self.body_received.fetch_add(body_received, Relaxed);
        }
        if body_sent > 0 {
            self.body_sent.fetch_add(body_sent, Relaxed);
        }
    }

    /// Counts a request that is passed on to the node that the account has moved to.
    pub fn moved_on(&self) {
        self.moved_on.fetch_add(1, Relaxed);
    }

    /// How many those were.
    pub fn has_moved_on(&self) -> u64 {
        self.moved_on.load(Relaxed)
    }

    /// Requests answered, by the class of their status: `[0]` is 1xx (a tunnel's 101), `[4]` is 5xx.
    pub fn by_class(&self) -> [u64; CLASSES] {
        std::array::from_fn(|class| self.by_class[class].load(Relaxed))
    }

    /// The counters at this moment, as metrics take them.
    pub fn sample(&self) -> AccountSample {
        let by_class = self.by_class();
        AccountSample {
            requests: by_class.iter().sum(),
            server_errors: by_class[4],
            body_received: self.body_received.load(Relaxed),
            body_sent: self.body_sent.load(Relaxed),
        }
    }
}

/// 1xx to 5xx.
const CLASSES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_once_by_their_class() {
        let live = Live::default();
        for (status, received, sent) in [(101, 0, 0), (200, 10, 100), (204, 0, 0), (499, 0, 1), (503, 0, 5)] {
            live.answered(status, received, sent);
        }
        assert_eq!(live.by_class(), [1, 2, 0, 1, 1]);
        let sample = live.sample();
        assert_eq!((sample.requests, sample.server_errors), (5, 1));
        assert_eq!((sample.body_received, sample.body_sent), (10, 106));
    }

    #[test]
    fn a_status_outside_all_classes_counts_and_does_not_panic() {
        let live = Live::default();
        live.answered(0, 0, 0);
        live.answered(999, 0, 0);
        assert_eq!(live.by_class(), [1, 0, 0, 0, 1]);
    }
}
