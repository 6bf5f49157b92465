//! Events that repeat: the first one is told, the rest are counted until some time has passed.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// One kind of event, told at most once per [`TELL_EVERY`]. Fit for a `static`; any thread may ask.
#[derive(Debug, Default)]
pub struct Sparse {
    origin: OnceLock<Instant>,
    /// Milliseconds after the origin until which nothing is told.
    silent_until: AtomicU64,
    untold: AtomicU64,
}

/// The same for events with a key (an account, an upstream), for the one thread that owns it.
#[derive(Debug)]
pub struct Repeated<K> {
    most_keys: usize,
    seen: HashMap<K, Seen>,
    others: Seen,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    silent_until: Option<Instant>,
    untold: u64,
}

impl Sparse {
    /// An event that has not happened yet.
    pub const fn new() -> Self {
        Self { origin: OnceLock::new(), silent_until: AtomicU64::new(0), untold: AtomicU64::new(0) }
    }

    /// Whether to tell of the event that happens `now`, and then of how many before it nobody was told.
    pub fn tell(&self, now: Instant) -> Option<u64> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let age = millis(now.saturating_duration_since(*self.origin.get_or_init(|| now)));
        let silent_until = self.silent_until.load(Relaxed);
        let next = age.saturating_add(millis(TELL_EVERY));
        // Of several threads that find the silence over, one tells.
        if age < silent_until
            || self.silent_until.compare_exchange(silent_until, next, Relaxed, Relaxed).is_err()
        {
            self.untold.fetch_add(1, Relaxed);
            return None;
        }
        Some(self.untold.swap(0, Relaxed))
    }
}

impl<K: Hash + Eq> Repeated<K> {
    /// Nothing happened yet. At most `most_keys` keys are told apart at a time; further ones share one silence.
    pub fn new(most_keys: usize) -> Self {
        Self { most_keys, seen: HashMap::new(), others: Seen::default() }
    }

    /// Whether to tell of the event with `key` that happens `now`, and then of how many before it nobody was
    /// told.
    pub fn tell(&mut self, key: K, now: Instant) -> Option<u64> {
        if let Some(seen) = self.seen.get_mut(&key) {
            return seen.tell(now);
        }
        if self.seen.len() >= self.most_keys {
            let others = &mut self.others;
            self.seen.retain(|_, seen| {
                let keep = seen.is_silent(now);
                others.untold += if keep { 0 } else { seen.untold };
                keep
            });
        }
        if self.seen.len() >= self.most_keys {
            return self.others.tell(now);
        }
        self.seen.entry(key).or_default().tell(now)
    }
}

impl Seen {
    fn is_silent(&self, now: Instant) -> bool {
        self.silent_until.is_some_and(|until| now < until)
    }

    fn tell(&mut self, now: Instant) -> Option<u64> {
        if self.is_silent(now) {
            self.untold += 1;
            return None;
        }
        self.silent_until = Some(now + TELL_EVERY);
        Some(std::mem::take(&mut self.untold))
    }
}

/// The silence after an event was told: short enough to follow an incident, long enough to read the log in one.
pub const TELL_EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base;

    #[test]
    fn the_first_is_told_and_the_rest_counted() {
        let (event, start) = (Sparse::new(), base::now());
        assert_eq!(event.tell(start), Some(0));
        assert_eq!(event.tell(start + TELL_EVERY / 2), None);
        assert_eq!(event.tell(start + TELL_EVERY / 2), None);
        assert_eq!(event.tell(start + TELL_EVERY), Some(2));
        assert_eq!(event.tell(start + TELL_EVERY), None);
        assert_eq!(event.tell(start + 3 * TELL_EVERY), Some(1));
    }

    #[test]
    fn of_many_threads_one_tells() {
        let (event, start) = (Sparse::new(), base::now());
        let told = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| event.tell(start))).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).count()
        });
        assert_eq!(told, 1);
        assert_eq!(event.tell(start + TELL_EVERY), Some(7));
    }

    #[test]
    fn keys_beyond_the_bound_share_a_silence() {
        let (mut events, start) = (Repeated::new(2), base::now());
        assert_eq!(events.tell("a", start), Some(0));
        assert_eq!(events.tell("b", start), Some(0));
        assert_eq!(events.tell("a", start), None);
        assert_eq!(events.tell("c", start), Some(0));
        assert_eq!(events.tell("d", start), None);
        let later = start + TELL_EVERY;
        assert_eq!(events.tell("e", later), Some(0));
        assert_eq!(events.tell("f", later), Some(0));
        assert_eq!(events.tell("g", later), Some(2), "what a and d left untold");
    }
}
