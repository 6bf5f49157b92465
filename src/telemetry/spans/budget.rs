//! How many requests are exported because somebody else said so: a bucket that all workers share. Decides, counts nothing.

use crate::base::{Rate, now};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// A bucket that fills at a rate and holds what one period brings.
#[derive(Debug)]
pub(super) struct Budget {
    origin: Instant,
    /// When the bucket is full again, in nanoseconds after the origin.
    full_at: AtomicU64,
}

impl Budget {
    /// A full one.
    pub(super) fn new() -> Self {
        Self { origin: now(), full_at: AtomicU64::new(0) }
    }

    /// Takes one, where there is one at `now`. Cost: an exchange of a word that the workers share.
    pub(super) fn take(&self, rate: Rate, now: Instant) -> bool {
        let nanos = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let (period, now) = (nanos(rate.period), nanos(now.saturating_duration_since(self.origin)));
        let Some(each) = period.checked_div(rate.count) else { return false };
        let take = |full_at: u64| {
            let next = full_at.max(now).saturating_add(each);
            (next - now <= period).then_some(next)
        };
        self.full_at.fetch_update(Relaxed, Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_period_brings_what_the_rate_says() {
        let (budget, rate) = (Budget::new(), Rate { count: 10, period: Duration::from_secs(1) });
        let taken = |at| (0..100).filter(|_| budget.take(rate, at)).count();
        let start = budget.origin;
        assert_eq!(taken(start), 10);
        assert_eq!(taken(start + Duration::from_millis(50)), 0);
        assert_eq!(taken(start + Duration::from_millis(350)), 3);
        assert_eq!(taken(start + Duration::from_secs(60)), 10, "what nobody took is not kept");
        assert!(!budget.take(Rate { count: 0, ..rate }, start + Duration::from_secs(600)));
    }
}
