//! The wheel itself: which deadlines are due at a time that is passed in. Pure: reads no clock, wakes nobody.
//!
//! A hashed wheel of lists. A deadline stands in the bucket of the tick it is looked at next, which is never
//! later than the tick it is due: moving it further away only writes the new tick, and the look sends it on;
//! moving it nearer relinks it. Distances beyond one turn of the wheel are looked at once a turn.

use slab::Slab;
use std::task::Waker;
use std::time::{Duration, Instant};

/// Deadlines in ticks since an origin.
pub(super) struct Wheel {
    origin: Instant,
    /// The last tick whose bucket was emptied.
    tick: u64,
    entries: Slab<Entry>,
    /// The first entry of each bucket.
    heads: [u32; BUCKETS],
    /// A bit for each bucket that is not empty.
    occupied: [u64; BUCKETS / 64],
}

struct Entry {
    /// The tick it is due, [`NEVER`] while no deadline is set.
    due: u64,
    /// The tick it is looked at, [`NEVER`] while it stands in no bucket.
    look: u64,
    previous: u32,
    next: u32,
    expired: bool,
    waker: Option<Waker>,
}

impl Wheel {
    /// A wheel that counts from `origin`.
    pub(super) fn new(origin: Instant) -> Self {
        let (heads, occupied) = ([NOBODY; BUCKETS], [0; BUCKETS / 64]);
        Self { origin, tick: 0, entries: Slab::new(), heads, occupied }
    }

    /// A place with no deadline set. Slab places are far below 2³²: each has a descriptor behind it.
    pub(super) fn insert(&mut self) -> u32 {
        let entry =
            Entry { due: NEVER, look: NEVER, previous: NOBODY, next: NOBODY, expired: false, waker: None };
        self.entries.insert(entry) as u32
    }

    /// Gives a place up. What is returned is to be dropped when the wheel is no longer borrowed.
    pub(super) fn remove(&mut self, place: u32) -> Option<Waker> {
        self.unlink(place);
        self.entries.try_remove(place as usize).and_then(|entry| entry.waker)
    }

    /// Sets or moves a deadline. One that the hand has passed is expired as it is set, so that to set the same time
    /// again and again never puts it off; nobody is woken for it.
    pub(super) fn set(&mut self, place: u32, at: Instant) {
        let due = self.tick_after(at);
        let entry = &mut self.entries[place as usize];
        entry.expired = due <= self.tick;
        entry.due = if entry.expired { NEVER } else { due };
        if entry.due < entry.look {
            self.unlink(place);
            self.link(place);
        }
    }

    /// Unsets a deadline. It leaves its bucket when that is looked at.
    pub(super) fn clear(&mut self, place: u32) {
        let entry = &mut self.entries[place as usize];
        entry.due = NEVER;
        entry.expired = false;
    }

    /// Whether the deadline set has passed.
    pub(super) fn is_expired(&self, place: u32) -> bool {
        self.entries[place as usize].expired
    }

    /// Who is to be told when the deadline passes. What is returned is to be dropped when the wheel is no longer
    /// borrowed.
    pub(super) fn watch(&mut self, place: u32, waker: &Waker) -> Option<Waker> {
        match &mut self.entries[place as usize].waker {
            Some(known) if known.will_wake(waker) => None,
            known => known.replace(waker.clone()),
        }
    }

    /// Everybody who was to be told, for who will wake them.
    pub(super) fn take_wakers(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.entries.iter_mut().filter_map(|(_, entry)| entry.waker.take()));
    }

    /// Looks at everything that is to be looked at until `now`, `most` entries at most; the wakers of what has
    /// expired go to `woken`. Whether that was all.
    pub(super) fn advance(&mut self, now: Instant, mut most: usize, woken: &mut Vec<Waker>) -> bool {
        let now = self.tick_before(now);
        while let Some(tick) = self.next_tick().filter(|tick| *tick <= now) {
            self.tick = self.tick.max(tick - 1);
            let place = self.heads[bucket(tick)];
            if most == 0 {
                return false;
            }
            most -= 1;
            self.unlink(place);
            let entry = &mut self.entries[place as usize];
            if entry.due <= now {
                entry.due = NEVER;
                entry.expired = true;
                woken.extend(entry.waker.take());
            } else if entry.due != NEVER {
                self.link(place);
            }
        }
        self.tick = self.tick.max(now);
        true
    }

    /// When the wheel is to be advanced next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next_tick().map(|tick| self.origin + Duration::from_nanos(tick.saturating_mul(TICK_NANOS)))
    }

    /// How many places are taken.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The tick of the first bucket that is not empty, in the order in which the hand passes them.
    fn next_tick(&self) -> Option<u64> {
        let first = bucket(self.tick + 1);
        let word_of = |bucket: usize| bucket / 64;
        // One word more than there are: the first is looked at twice, first its upper bits, last the lower.
        for turn in 0..=self.occupied.len() {
            let word = (word_of(first) + turn) % self.occupied.len();
            let mut bits = self.occupied[word];
            if turn == 0 {
                bits &= u64::MAX << (first % 64);
            }
            if bits != 0 {
                let found = word * 64 + bits.trailing_zeros() as usize;
                let ahead = (found + BUCKETS - first) % BUCKETS;
                return Some(self.tick + 1 + ahead as u64);
            }
        }
        None
    }

    fn link(&mut self, place: u32) {
        let horizon = self.tick + BUCKETS as u64;
        let entry = &mut self.entries[place as usize];
        entry.look = entry.due.min(horizon);
        let bucket = bucket(entry.look);
        entry.previous = NOBODY;
        entry.next = std::mem::replace(&mut self.heads[bucket], place);
        let next = entry.next;
        if let Some(next) = self.entries.get_mut(next as usize) {
            next.previous = place;
        }
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
    }

    fn unlink(&mut self, place: u32) {
        let Some(entry) = self.entries.get_mut(place as usize).filter(|entry| entry.look != NEVER) else {
            return;
        };
        let (bucket, previous, next) = (bucket(entry.look), entry.previous, entry.next);
        entry.look = NEVER;
        if let Some(next) = self.entries.get_mut(next as usize) {
            next.previous = previous;
        }
        match self.entries.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => self.heads[bucket] = next,
        }
        if self.heads[bucket] == NOBODY {
            self.occupied[bucket / 64] &= !(1 << (bucket % 64));
        }
    }

    /// The first tick at or after `at`.
    fn tick_after(&self, at: Instant) -> u64 {
        (at.saturating_duration_since(self.origin).as_nanos() as u64).div_ceil(TICK_NANOS)
    }

    /// The last tick at or before `at`.
    fn tick_before(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.origin).as_nanos() as u64 / TICK_NANOS
    }
}

fn bucket(tick: u64) -> usize {
    tick as usize % BUCKETS
}

/// How coarse deadlines are: the shortest setting is a second, and ten wake-ups a second cost nothing.
pub(super) const TICK: Duration = Duration::from_millis(100);

const TICK_NANOS: u64 = TICK.as_nanos() as u64;

/// Buckets: one turn is 102 s, so that only tunnels and the like are looked at more than once before they are
/// due. 4 KiB a worker.
const BUCKETS: usize = 1024;

/// No tick.
const NEVER: u64 = u64::MAX;

/// No place.
const NOBODY: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn turn(wheel: &mut Wheel, now: Instant) {
        assert!(wheel.advance(now, usize::MAX, &mut Vec::new()));
    }

    #[test]
    fn a_deadline_is_a_tick_late_at_most_and_never_early() {
        let origin = crate::base::now();
        for milliseconds in [0, 1, 99, 100, 101, 250, 60_000, 102_399, 102_400, 102_401, 3_600_000] {
            let mut wheel = Wheel::new(origin);
            let place = wheel.insert();
            let at = origin + Duration::from_millis(milliseconds);
            wheel.set(place, at);
            let mut turns = 0;
            while !wheel.is_expired(place) {
                let now = wheel.next().unwrap();
                assert!(now < at + TICK || milliseconds == 0, "{milliseconds} ms");
                turn(&mut wheel, now);
                assert!(!wheel.is_expired(place) || now >= at, "{milliseconds} ms: early");
                turns += 1;
                assert!(turns <= 37, "looked at too often");
            }
            assert_eq!(wheel.next(), None);
        }
    }

    #[test]
    fn moving_a_deadline_away_costs_no_move_and_moving_it_near_is_heard() {
        let origin = crate::base::now();
        let mut wheel = Wheel::new(origin);
        let place = wheel.insert();
        let second = |count: u64| origin + Duration::from_secs(count);
        wheel.set(place, second(10));
        wheel.set(place, second(60));
        assert_eq!(wheel.next(), Some(second(10)), "the old look stands");
        turn(&mut wheel, second(10));
        assert!(!wheel.is_expired(place));
        assert_eq!(wheel.next(), Some(second(60)));
        wheel.set(place, second(11));
        assert_eq!(wheel.next(), Some(second(11)));
        wheel.clear(place);
        turn(&mut wheel, second(61));
        assert!(!wheel.is_expired(place));
        assert_eq!(wheel.next(), None, "nothing is armed");
    }

    #[test]
    fn a_deadline_set_again_after_it_passed_has_passed() {
        let origin = crate::base::now();
        let mut wheel = Wheel::new(origin);
        let place = wheel.insert();
        wheel.set(place, origin + TICK);
        turn(&mut wheel, origin + TICK);
        for _ in 0..2 {
            wheel.set(place, origin + TICK);
            assert!(wheel.is_expired(place));
        }
        wheel.set(place, origin + 2 * TICK);
        assert!(!wheel.is_expired(place));
        turn(&mut wheel, origin + 2 * TICK);
        assert!(wheel.is_expired(place));
    }

    #[test]
    fn work_is_bounded_and_what_is_left_comes_next() {
        let origin = crate::base::now();
        let mut wheel = Wheel::new(origin);
        let places: Vec<u32> = (0..10).map(|_| wheel.insert()).collect();
        for place in &places {
            wheel.watch(*place, Waker::noop());
            wheel.set(*place, origin + TICK);
        }
        let mut woken = Vec::new();
        assert!(!wheel.advance(origin + TICK, 4, &mut woken));
        assert_eq!((woken.len(), wheel.next()), (4, Some(origin + TICK)));
        assert!(!wheel.advance(origin + TICK, 4, &mut woken));
        assert!(wheel.advance(origin + TICK, 4, &mut woken));
        assert_eq!(woken.len(), 10);
        assert!(places.iter().all(|place| wheel.is_expired(*place)));
    }

    #[derive(Clone, Debug)]
    enum Event {
        Insert,
        Remove(usize),
        Set(usize, u64),
        Clear(usize),
        Pass(u64, usize),
    }

    fn event() -> impl Strategy<Value = Event> {
        let milliseconds = prop_oneof![0..500u64, 0..150_000u64, 0..4_000_000u64];
        prop_oneof![
            1 => Just(Event::Insert),
            1 => (0..20usize).prop_map(Event::Remove),
            4 => (0..20usize, milliseconds.clone()).prop_map(|(which, ms)| Event::Set(which, ms)),
            1 => (0..20usize).prop_map(Event::Clear),
            3 => (milliseconds, 1..30usize).prop_map(|(ms, most)| Event::Pass(ms, most)),
        ]
    }

    proptest! {
        /// Against a list of times: whatever is done, each deadline passes within its tick.
        #[test]
        fn agrees_with_a_list(events in proptest::collection::vec(event(), 1..120)) {
            let origin = crate::base::now();
            let mut now = origin;
            let mut wheel = Wheel::new(origin);
            let mut list: HashMap<u32, Option<Instant>> = HashMap::new();
            for event in events {
                let which = |index: usize| list.keys().nth(index % list.len().max(1)).copied();
                match event {
                    Event::Insert => {
                        list.insert(wheel.insert(), None);
                    }
                    Event::Remove(index) => {
                        if let Some(place) = which(index) {
                            wheel.remove(place);
                            list.remove(&place);
                        }
                    }
                    Event::Set(index, milliseconds) => {
                        if let Some(place) = which(index) {
                            let at = now + Duration::from_millis(milliseconds);
                            wheel.set(place, at);
                            list.insert(place, Some(at));
                            prop_assert!(milliseconds == 0 || !wheel.is_expired(place));
                        }
                    }
                    Event::Clear(index) => {
                        if let Some(place) = which(index) {
                            wheel.clear(place);
                            list.insert(place, None);
                        }
                    }
                    Event::Pass(milliseconds, most) => {
                        now += Duration::from_millis(milliseconds);
                        // However little is done at a time, it comes to an end.
                        let mut turns = 0;
                        while !wheel.advance(now, most, &mut Vec::new()) {
                            turns += 1;
                            prop_assert!(turns <= 1000);
                        }
                    }
                }
                for (place, at) in &list {
                    let expired = wheel.is_expired(*place);
                    match at {
                        None => prop_assert!(!expired),
                        Some(at) if *at > now => prop_assert!(!expired, "early"),
                        // Set since the last advance, or within the tick.
                        Some(at) if now < *at + TICK => {}
                        Some(_) => prop_assert!(expired || wheel.next().is_some_and(|next| next <= now + TICK)),
                    }
                }
                prop_assert_eq!(wheel.len(), list.len());
            }
            now += Duration::from_secs(5000);
            turn(&mut wheel, now);
            for (place, at) in &list {
                prop_assert_eq!(wheel.is_expired(*place), at.is_some());
            }
        }
    }
}
