//! Counters that one thread writes and any thread reads: a load, an add and a store, no locked instruction.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A number that only grows. One thread adds; a reader on another thread sees an old or a new value, never
/// half of one. Two adding threads would lose counts, which is why the types that hold these are `!Sync`.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// Adds `amount`.
    pub(super) fn add(&self, amount: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(amount), Relaxed);
    }

    /// The count now.
    pub(super) fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Durations counted by size: one [`Count`] for each of `N` upper bounds, one for what is longer, and the sum.
#[derive(Debug)]
pub(super) struct Tally<const N: usize> {
    bounds: &'static [Duration; N],
    within: [Count; N],
    longer: Count,
    sum_nanos: Count,
}

impl<const N: usize> Tally<N> {
    /// An empty tally over `bounds`, which ascend.
    pub(super) fn new(bounds: &'static [Duration; N]) -> Self {
        let within = std::array::from_fn(|_| Count::default());
        Self { bounds, within, longer: Count::default(), sum_nanos: Count::default() }
    }

    /// Counts one duration. Cost: a comparison for each bound below it and two adds.
    pub(super) fn observe(&self, duration: Duration) {
        let place = self.bounds.iter().position(|bound| duration <= *bound);
        place.map_or(&self.longer, |place| &self.within[place]).add(1);
        self.sum_nanos.add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds what was counted here to `sum`.
    pub(super) fn add_to(&self, sum: &mut TallySum<N>) {
        for (total, count) in sum.within.iter_mut().zip(&self.within) {
            *total += count.value();
        }
        sum.longer += self.longer.value();
        sum.seconds += self.sum_nanos.value() as f64 / 1e9;
    }
}

/// The tallies of all workers together.
#[derive(Clone, Copy, Debug)]
pub(super) struct TallySum<const N: usize> {
    /// How many fell under each bound and over the one before it.
    pub(super) within: [u64; N],
    /// How many were longer than the last bound.
    pub(super) longer: u64,
    /// All of them added up.
    pub(super) seconds: f64,
}

impl<const N: usize> TallySum<N> {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Self { within: [0; N], longer: 0, seconds: 0.0 }
    }
}

/// Keeps a value on cache lines of its own: two lines, because the CPU fetches them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Padded<T>(pub(super) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_under_the_first_bound_that_holds_them() {
        static BOUNDS: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(10)];
        let tally = Tally::new(&BOUNDS);
        for micros in [0, 1_000, 1_001, 10_000, 10_001] {
            tally.observe(Duration::from_micros(micros));
        }
        let mut sum = TallySum::new();
        tally.add_to(&mut sum);
        tally.add_to(&mut sum);
        assert_eq!((sum.within, sum.longer), ([4, 4], 2));
        assert!((sum.seconds - 0.044_004).abs() < 1e-9);
    }
}
