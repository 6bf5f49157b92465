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
    /// Nothing happened yet.
    pub fn new() -> Self {
        Self { seen: HashMap::new(), others: Seen::default() }
    }

    /// Whether to tell of the event with `key` that happens `now`, and then of how many before it nobody was
    /// told. At most [`MOST_KEYS`] keys are told apart at a time; further ones share one silence.
    pub fn tell(&mut self, key: K, now: Instant) -> Option<u64> {
        if let Some(seen) = self.seen.get_mut(&key) {
            return seen.tell(now);
        }
        if self.seen.len() >= MOST_KEYS {
            let others = &mut self.others;
            self.seen.retain(|_, seen| {
                let keep = seen.is_silent(now);
                others.untold += if keep { 0 } else { seen.untold };
                keep
            });
        }
        if self.seen.len() >= MOST_KEYS {
            return self.others.tell(now);
        }
        self.seen.entry(key).or_default().tell(now)
    }
}

impl<K: Hash + Eq> Default for Repeated<K> {
    fn default() -> Self {
        Self::new()
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

/// Keys told apart at a time (about 100 KiB): more accounts than an operator can look after at once.
const MOST_KEYS: usize = 1024;
