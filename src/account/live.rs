//! An account's counters. Every worker adds to them, so they stand on cache lines of their own.

use crate::base::Cause;
use crate::telemetry::{AccountRank, AccountSample};
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// What an account's requests came to, from the account's first request on. Two cache lines, which the CPU
/// fetches as a pair: one account's traffic does not slow another's. In this order: a request writes to the first
/// of them alone.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub struct Live {
    by_class: [AtomicU64; CLASSES],
    body_received: AtomicU64,
    body_sent: AtomicU64,
    moved_on: AtomicU64,
    /// Made at the first failure: most accounts have none.
    failures: OnceLock<Box<Failures>>,
    rank: AccountRank,
}

/// Failures by cause.
#[derive(Debug)]
struct Failures([AtomicU64; CAUSES]);

impl Live {
    /// Counts a request that ended with `status`, after so many bytes of body from and to the visitor. Cost: an
    /// atomic add, and one more for each direction that carried bytes.
    pub fn answered(&self, status: u16, body_received: u64, body_sent: u64) {
        if body_received > 0 {
            self.body_received.fetch_add(body_received, Relaxed);
        }
        if body_sent > 0 {
            self.body_sent.fetch_add(body_sent, Relaxed);
        }
        let class = usize::from(status / 100).clamp(1, CLASSES) - 1;
        // Last: whoever sees the request sees all of it, and may leave alone who has no new one.
        self.by_class[class].fetch_add(1, Release);
    }

    /// Counts the failure of a request that will be [answered](Self::answered). Cost: some hundred bytes at an
    /// account's first one, then an atomic add.
    #[cold]
    pub fn failed(&self, cause: Cause) {
        self.failures.get_or_init(Box::default).0[cause as usize].fetch_add(1, Relaxed);
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
        std::array::from_fn(|class| self.by_class[class].load(Acquire))
    }

    /// Requests answered, whoever answered them.
    pub fn requests(&self) -> u64 {
        self.by_class().iter().sum()
    }

    /// Failures in the order of [`Cause::ALL`].
    pub fn by_cause(&self) -> [u64; CAUSES] {
        let failures = self.failures.get();
        std::array::from_fn(|cause| failures.map_or(0, |failures| failures.0[cause].load(Relaxed)))
    }

    /// Bytes of bodies from and to visitors.
    pub fn bodies(&self) -> (u64, u64) {
        (self.body_received.load(Relaxed), self.body_sent.load(Relaxed))
    }

    /// Its place among the accounts.
    pub fn rank(&self) -> &AccountRank {
        &self.rank
    }

    /// The counters at this moment, as metrics take them.
    pub fn sample(&self) -> AccountSample {
        let by_class = self.by_class();
        let (body_received, body_sent) = self.bodies();
        let mut sample = AccountSample {
            requests: by_class.iter().sum(),
            server_errors: by_class[4],
            body_received,
            body_sent,
            ..AccountSample::default()
        };
        if self.failures.get().is_some() {
            for (cause, count) in Cause::ALL.iter().zip(self.by_cause()) {
                sample.failures[cause.verdict().blame as usize] += count;
                sample.limited += if LIMITED.contains(cause) { count } else { 0 };
            }
        }
        sample
    }
}

impl Default for Failures {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::default()))
    }
}

/// 1xx to 5xx.
const CLASSES: usize = 5;

const CAUSES: usize = Cause::ALL.len();

/// What is refused because the account wants more than it may have.
const LIMITED: [Cause; 4] = [Cause::Rate, Cause::QueueFull, Cause::QueueTimeout, Cause::TunnelLimit];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Blame;

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

    #[test]
    fn failures_are_counted_by_cause_and_by_whose_fault_they_are() {
        let live = Live::default();
        assert_eq!((live.sample(), live.failures.get().is_none()), (AccountSample::default(), true));
        for cause in Cause::ALL {
            live.failed(*cause);
        }
        live.failed(Cause::Rate);
        let counts = live.by_cause();
        assert_eq!((counts[Cause::Rate as usize], counts.iter().sum::<u64>()), (2, CAUSES as u64 + 1));
        let sample = live.sample();
        let of = |blame| Cause::ALL.iter().filter(|cause| cause.verdict().blame == blame).count() as u64;
        let expected = Blame::ALL.map(|blame| of(blame) + u64::from(blame == Blame::Limit));
        assert_eq!((sample.failures, sample.limited), (expected, 5));
    }

    /// What is counted of an account is in two cache lines, and what few need is elsewhere.
    #[test]
    fn an_account_that_never_failed_pays_nothing_for_failures() {
        assert_eq!(size_of::<Live>(), 128);
        assert_eq!(std::mem::offset_of!(Live, failures), 64, "a request writes to one line");
    }
}
