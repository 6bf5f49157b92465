//! The connections of one worker by upstream: which idle, since when, which of them next. Order and time only:
//! `T` is the connection, and nothing here counts, closes or waits.

use super::UpstreamId;
use foldhash::fast::RandomState;
use slab::Slab;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// A worker's connections. Each has a place from its opening to its close; the connection itself is here only
/// while nobody uses it.
#[derive(Debug)]
pub(super) struct Idle<T> {
    places: Slab<Place<T>>,
    /// The idle ones of each upstream, longest idle first.
    shelves: HashMap<UpstreamId, VecDeque<usize>, RandomState>,
    count: usize,
}

#[derive(Debug)]
enum Place<T> {
    InUse,
    Idle { upstream: UpstreamId, since: Instant, connection: T },
    Granted(T),
}

/// An idle connection that was taken to be used or closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken<T> {
    pub(super) place: usize,
    pub(super) connection: T,
}

impl<T> Idle<T> {
    /// What one idle connection costs here: its place and its entry in the shelf.
    #[cfg(test)]
    pub(super) const BYTES_EACH: usize = size_of::<Place<T>>() + 2 * size_of::<usize>();

    pub(super) fn new() -> Self {
        Self { places: Slab::new(), shelves: HashMap::default(), count: 0 }
    }

    /// A place for a connection that is in use.
    pub(super) fn reserve(&mut self) -> usize {
        self.places.insert(Place::InUse)
    }

    /// Frees the place of a connection that is no more.
    pub(super) fn free(&mut self, place: usize) {
        self.places.try_remove(place);
    }

    /// The connection of `place` idles since then: the next to be used.
    pub(super) fn put(&mut self, place: usize, upstream: UpstreamId, since: Instant, connection: T) {
        self.places[place] = Place::Idle { upstream, since, connection };
        self.count += 1;
        self.shelves.entry(upstream).or_default().push_back(place);
    }

    /// Takes the connection of `upstream` that has idled the shortest: the most likely to be alive.
    pub(super) fn take_newest(&mut self, upstream: UpstreamId) -> Option<Taken<T>> {
        let place = self.shelves.get_mut(&upstream)?.pop_back()?;
        self.take_off(place)
    }

    /// Takes the connection of `upstream` that has idled the longest.
    pub(super) fn take_oldest(&mut self, upstream: UpstreamId) -> Option<Taken<T>> {
        let place = self.shelves.get_mut(&upstream)?.pop_front()?;
        self.take_off(place)
    }

    /// Takes the connection of `place`, if it idles. Cost: grows with the idle ones of its upstream.
    pub(super) fn take(&mut self, place: usize) -> Option<Taken<T>> {
        let Some(Place::Idle { upstream, .. }) = self.places.get(place) else { return None };
        self.shelves.get_mut(upstream)?.retain(|other| *other != place);
        self.take_off(place)
    }

    fn take_off(&mut self, place: usize) -> Option<Taken<T>> {
        match std::mem::replace(self.places.get_mut(place)?, Place::InUse) {
            Place::Idle { connection, .. } => {
                self.count -= 1;
                Some(Taken { place, connection })
            }
            other => {
                self.places[place] = other;
                None
            }
        }
    }

    /// The connection of `place`, if it idles.
    pub(super) fn at(&mut self, place: usize) -> Option<&mut T> {
        match self.places.get_mut(place)? {
            Place::Idle { connection, .. } => Some(connection),
            _ => None,
        }
    }

    /// The idle connection of `upstream` that is used next.
    pub(super) fn newest(&mut self, upstream: UpstreamId) -> Option<&mut T> {
        let place = *self.shelves.get(&upstream)?.back()?;
        self.at(place)
    }

    /// The idle connection of `upstream` that has idled the longest.
    pub(super) fn eldest(&mut self, upstream: UpstreamId) -> Option<&mut T> {
        let place = *self.shelves.get(&upstream)?.front()?;
        self.at(place)
    }

    /// Puts the connection of `place` by for the waiter of this worker who was granted it.
    pub(super) fn grant(&mut self, place: usize, connection: T) {
        self.places[place] = Place::Granted(connection);
    }

    /// Takes a connection that was put by.
    pub(super) fn take_granted(&mut self, place: usize) -> Option<T> {
        match std::mem::replace(self.places.get_mut(place)?, Place::InUse) {
            Place::Granted(connection) => Some(connection),
            other => {
                self.places[place] = other;
                None
            }
        }
    }

    /// Since when the longest idle connection of `upstream` idles.
    pub(super) fn oldest(&self, upstream: UpstreamId) -> Option<Instant> {
        match self.places.get(*self.shelves.get(&upstream)?.front()?)? {
            Place::Idle { since, .. } => Some(*since),
            _ => None,
        }
    }

    /// How many of `upstream` idle.
    pub(super) fn of(&self, upstream: UpstreamId) -> usize {
        self.shelves.get(&upstream).map_or(0, VecDeque::len)
    }

    /// How many idle.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// How many are open, idle or not.
    pub(super) fn open(&self) -> usize {
        self.places.len()
    }

    /// Every upstream of which something idles; forgets the others.
    pub(super) fn upstreams(&mut self) -> Vec<UpstreamId> {
        self.shelves.retain(|_, shelf| !shelf.is_empty());
        self.shelves.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_newest_is_used_and_the_oldest_leaves_first() {
        let mut idle = Idle::new();
        let start = crate::base::now();
        let (one, other) = (UpstreamId::testing(1), UpstreamId::testing(2));
        let places: Vec<usize> = (0..4).map(|_| idle.reserve()).collect();
        for (age, place) in places.iter().enumerate() {
            let upstream = if age == 3 { other } else { one };
            idle.put(*place, upstream, start + Duration::from_secs(age as u64), age);
        }
        assert_eq!((idle.of(one), idle.of(other), idle.len(), idle.open()), (3, 1, 4, 4));
        assert_eq!(idle.oldest(one), Some(start));
        assert_eq!((idle.newest(one).copied(), idle.eldest(one).copied()), (Some(2), Some(0)));
        assert_eq!(idle.take_newest(one), Some(Taken { place: places[2], connection: 2 }));
        assert_eq!(idle.take_oldest(one), Some(Taken { place: places[0], connection: 0 }));
        assert_eq!(idle.take(places[0]), None, "it is in use");
        assert_eq!(idle.take(places[1]), Some(Taken { place: places[1], connection: 1 }));
        assert_eq!((idle.oldest(one), idle.of(one), idle.len()), (None, 0, 1));
        assert_eq!(idle.upstreams(), [other]);
        assert_eq!(idle.open(), 4, "a place is kept while its connection is in use");
        places[..3].iter().for_each(|place| idle.free(*place));
        assert_eq!(idle.open(), 1);
    }

    #[test]
    fn what_is_granted_is_not_idle() {
        let mut idle = Idle::new();
        let upstream = UpstreamId::testing(1);
        let place = idle.reserve();
        assert_eq!(idle.take_granted(place), None);
        idle.grant(place, 'x');
        assert_eq!((idle.len(), idle.at(place)), (0, None));
        assert_eq!(idle.take_newest(upstream), None);
        assert_eq!(idle.take_granted(place), Some('x'));
        assert_eq!(idle.take_granted(place), None);
    }
}
