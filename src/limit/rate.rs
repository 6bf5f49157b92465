//! How many requests a period an account may make: one atomic, no lock, no timer. Takes the time as an argument.

use crate::base::Rate;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The generic cell rate algorithm (GCRA, ITU-T I.371) over one atomic.
///
/// Requests are spaced `period / count` apart on a schedule that may run ahead of the time by one whole period:
/// so an account that was quiet may send `count` at once, and from then on one for each `period / count`.
#[derive(Debug)]
pub(super) struct Meter {
    /// When the next request is due by the schedule.
    due: AtomicU64,
    /// Nanoseconds between two requests of the schedule, [`UNLIMITED`] or [`NONE`].
    spacing: AtomicU64,
    /// How far the schedule may be ahead.
    ahead: AtomicU64,
}

impl Meter {
    /// A meter for `rate`; `None` is unlimited, a count of zero lets nothing pass.
    pub(super) fn new(rate: Option<Rate>) -> Self {
        let (spacing, ahead) = schedule(rate);
        Self { due: AtomicU64::new(0), spacing: AtomicU64::new(spacing), ahead: AtomicU64::new(ahead) }
    }

    /// Takes another rate over. It begins as after a quiet period: what the old rate has put on the schedule
    /// would be wrong by the new one.
    pub(super) fn retune(&self, rate: Option<Rate>) {
        let (spacing, ahead) = schedule(rate);
        let before = self.spacing.swap(spacing, Ordering::Relaxed);
        if before != spacing || self.ahead.load(Ordering::Relaxed) != ahead {
            self.ahead.store(ahead, Ordering::Relaxed);
            self.due.store(0, Ordering::Relaxed);
        }
    }

    /// Counts a request at `now`, given as the time since any fixed moment. Whether it may pass.
    pub(super) fn admits(&self, now: Duration) -> bool {
        let spacing = self.spacing.load(Ordering::Relaxed);
        match spacing {
            UNLIMITED => return true,
            NONE => return false,
            _ => {}
        }
        let (now, ahead) = (nanoseconds(now), self.ahead.load(Ordering::Relaxed));
        let schedule = |due: u64| {
            let next = due.max(now).saturating_add(spacing);
            (next - now <= ahead).then_some(next)
        };
        self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, schedule).is_ok()
    }
}

/// The spacing of a rate, and how far its schedule may be ahead. What is faster than one a nanosecond is
/// unlimited.
fn schedule(rate: Option<Rate>) -> (u64, u64) {
    let Some(rate) = rate else { return (UNLIMITED, 0) };
    if rate.count == 0 {
        return (NONE, 0);
    }
    let spacing = nanoseconds(rate.period) / rate.count;
    (spacing, spacing.saturating_mul(rate.count))
}

/// Enough for 584 years.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX - 1)
}

const UNLIMITED: u64 = 0;
const NONE: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn meter(count: u64) -> Meter {
        Meter::new(Some(Rate { count, period: SECOND }))
    }

    fn passes(meter: &Meter, at: Duration, requests: usize) -> usize {
        (0..requests).filter(|_| meter.admits(at)).count()
    }

    #[test]
    fn a_periods_worth_at_once_and_then_one_by_one() {
        let meter = meter(10);
        assert_eq!(passes(&meter, SECOND, 50), 10);
        assert_eq!(passes(&meter, SECOND + Duration::from_millis(99), 50), 0);
        assert_eq!(passes(&meter, SECOND + Duration::from_millis(100), 50), 1);
        assert_eq!(passes(&meter, SECOND + Duration::from_millis(450), 50), 3);
        assert_eq!(passes(&meter, 60 * SECOND, 50), 10);
    }

    #[test]
    fn words_at_the_ends() {
        assert_eq!(passes(&Meter::new(None), SECOND, 1000), 1000);
        assert_eq!(passes(&meter(0), SECOND, 1000), 0);
        assert_eq!(passes(&meter(1), SECOND, 1000), 1);
        assert_eq!(passes(&meter(u64::MAX), SECOND, 1000), 1000);
    }

    #[test]
    fn another_rate_begins_anew_and_the_same_goes_on() {
        let hourly = Some(Rate { count: 1, period: 3600 * SECOND });
        let meter = Meter::new(hourly);
        assert_eq!(passes(&meter, SECOND, 5), 1);
        meter.retune(hourly);
        assert_eq!(passes(&meter, SECOND, 5), 0);
        meter.retune(Some(Rate { count: 100, period: SECOND }));
        assert_eq!(passes(&meter, SECOND, 500), 100, "an hour on the old schedule is no hour on the new");
        meter.retune(None);
        assert_eq!(passes(&meter, SECOND, 500), 500);
    }

    proptest! {
        /// In no stretch of time do more pass than a period's worth and what the rate adds meanwhile; and who
        /// keeps to the rate is never refused.
        #[test]
        fn the_rate_holds_over_any_stretch(
            count in 1u64..200,
            pauses in proptest::collection::vec(0u64..50_000_000, 1..400),
        ) {
            let meter = meter(count);
            let mut passed = Vec::new();
            let mut now = Duration::ZERO;
            for pause in pauses {
                now += Duration::from_nanos(pause);
                if meter.admits(now) { passed.push(now); }
            }
            for (first, from) in passed.iter().enumerate() {
                let most = count as f64 + now.saturating_sub(*from).as_secs_f64() * count as f64;
                prop_assert!((passed.len() - first) as f64 <= most + 1e-3);
            }
        }

        #[test]
        fn who_keeps_to_the_rate_is_never_refused(count in 1u64..5000, start in 0u64..10) {
            let meter = meter(count);
            let spacing = SECOND / count as u32 + Duration::from_nanos(1);
            for turn in 0..(3 * count as u32) {
                prop_assert!(meter.admits(SECOND * start as u32 + spacing * turn));
            }
        }
    }
}
