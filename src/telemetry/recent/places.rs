//! Which slot a failure takes, so that whoever fails most gives way: while there is room any, then the oldest of the party that
//! has the most. A party with few keeps what it has for as long as others have more. Owns no slot, only their numbers.

use std::collections::HashMap;

/// The slots of failures on one worker. Memory: some 70 bytes a slot, taken at the start; nothing later.
#[derive(Debug)]
pub(super) struct Places {
    /// Of each slot the next newer one of the same party.
    newer: Box<[u32]>,
    /// Slots that were ever taken: the first so many.
    used: u32,
    /// Whose number each party has among `parties`.
    known: HashMap<u64, u32>,
    /// As many as slots; those with no slot are `unused`.
    parties: Box<[Party]>,
    unused: Vec<u32>,
    /// Of the parties with so many slots each, who has had so many for longest, and who for shortest.
    by_count: Box<[Ends]>,
    /// How many slots they have who have the most.
    most: u32,
}

/// Whoever failures are counted for, with its slots from the oldest to the newest.
#[derive(Clone, Copy, Debug)]
struct Party {
    key: u64,
    count: u32,
    slots: Ends,
    /// Its neighbours among those with as many.
    before: u32,
    after: u32,
}

/// Both ends of a list of numbers.
#[derive(Clone, Copy, Debug)]
struct Ends {
    first: u32,
    last: u32,
}

impl Places {
    pub(super) fn new(slots: usize) -> Self {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX - 1);
        let party = Party { key: 0, count: 0, slots: NOBODY, before: NONE, after: NONE };
        Self {
            newer: vec![NONE; slots as usize].into(),
            used: 0,
            // It never has more than one entry beyond, and so never grows.
            known: HashMap::with_capacity(slots as usize + 1),
            parties: vec![party; slots as usize].into(),
            unused: (0..slots).rev().collect(),
            by_count: vec![NOBODY; slots as usize + 1].into(),
            most: 0,
        }
    }

    /// The slot for the next failure of the party `key`; `None`: there are none at all. Cost: two look-ups, whatever is full.
    pub(super) fn take(&mut self, key: u64) -> Option<usize> {
        let slot = if (self.used as usize) < self.newer.len() {
            self.used += 1;
            self.used - 1
        } else {
            self.give_up()?
        };
        let party = self.known.get(&key).copied().or_else(|| {
            let party = self.unused.pop()?;
            self.known.insert(key, party);
            self.parties[party as usize].key = key;
            Some(party)
        })?;
        self.recount(party, 1);
        self.newer[slot as usize] = NONE;
        let of_party = &mut self.parties[party as usize].slots;
        match of_party.last {
            NONE => of_party.first = slot,
            last => self.newer[last as usize] = slot,
        }
        of_party.last = slot;
        Some(slot as usize)
    }

    /// Takes the oldest slot from whoever has the most, for longest among equals.
    fn give_up(&mut self) -> Option<u32> {
        let party = self.by_count.get(self.most as usize)?.first;
        let slot = self.parties.get(party as usize)?.slots.first;
        let newer = self.newer[slot as usize];
        self.parties[party as usize].slots.first = newer;
        if newer == NONE {
            self.parties[party as usize].slots.last = NONE;
        }
        self.recount(party, -1);
        if self.parties[party as usize].count == 0 {
            self.known.remove(&self.parties[party as usize].key);
            self.unused.push(party);
        }
        Some(slot)
    }

    /// Puts a party among those with one slot more or less than it has.
    fn recount(&mut self, party: u32, by: i32) {
        let Party { count, before, after, .. } = self.parties[party as usize];
        if count > 0 {
            match before {
                NONE => self.by_count[count as usize].first = after,
                before => self.parties[before as usize].after = after,
            }
            match after {
                NONE => self.by_count[count as usize].last = before,
                after => self.parties[after as usize].before = before,
            }
        }
        let count = count.saturating_add_signed(by);
        let mut last = NONE;
        if count > 0 {
            let ends = &mut self.by_count[count as usize];
            last = std::mem::replace(&mut ends.last, party);
            match last {
                NONE => ends.first = party,
                last => self.parties[last as usize].after = party,
            }
        }
        let moved = &mut self.parties[party as usize];
        (moved.count, moved.before, moved.after) = (count, last, NONE);
        // A count changes by one, and so does the greatest.
        self.most = self.most.max(count);
        if self.by_count[self.most as usize].first == NONE {
            self.most = self.most.saturating_sub(1);
        }
    }
}

const NONE: u32 = u32::MAX;

const NOBODY: Ends = Ends { first: NONE, last: NONE };

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same by looking at everything: slots with their parties, the oldest first, and parties in the order in which they
    /// came to have as many as they have.
    #[derive(Default)]
    struct Plain {
        slots: Vec<(usize, u64)>,
        parties: Vec<(u64, usize)>,
    }

    impl Plain {
        fn take(&mut self, key: u64, all: usize) -> Option<usize> {
            let slot = if self.slots.len() < all {
                self.slots.len()
            } else {
                let most = self.parties.iter().map(|(_, count)| *count).max()?;
                let party = self.parties.iter().find(|(_, count)| *count == most)?.0;
                let place = self.slots.iter().position(|(_, key)| *key == party)?;
                self.recount(party, -1);
                self.slots.remove(place).0
            };
            self.recount(key, 1);
            self.slots.push((slot, key));
            Some(slot)
        }

        fn recount(&mut self, party: u64, by: isize) {
            let place = self.parties.iter().position(|(key, _)| *key == party);
            let count = place.map_or(0, |place| self.parties.remove(place).1).saturating_add_signed(by);
            if count > 0 {
                self.parties.push((party, count));
            }
        }
    }

    proptest! {
        #[test]
        fn whoever_has_the_most_gives_way(all in 0_usize..12, keys in prop::collection::vec(0_u64..9, 0..200)) {
            let (mut places, mut plain) = (Places::new(all), Plain::default());
            for key in keys {
                prop_assert_eq!(places.take(key), plain.take(key, all));
            }
            prop_assert!(places.known.len() <= all && places.known.capacity() < 4 * (all + 4));
        }
    }

    /// Nine that fail all the time take nothing from one that failed a few times.
    #[test]
    fn a_flood_takes_nothing_from_those_with_few() {
        let mut places = Places::new(100);
        let few: Vec<_> = (0..5).map(|_| places.take(0)).collect();
        for turn in 0..10_000 {
            let slot = places.take(1 + turn % 9);
            assert!(slot.is_some() && !few.contains(&slot));
        }
    }
}
