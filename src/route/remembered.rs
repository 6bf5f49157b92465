//! What the journal says about hosts: records of who came to hold or to wait for what, and what they add up to.
//! Pure; the journal's file is the control thread's.

use crate::account::Pattern;
use crate::base::AccountName;
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// One thing the journal keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The account holds the pattern from now on, whoever held it.
    Hold(AccountName, Pattern),
    /// The account waits for the pattern, behind all who wait already.
    Wait(AccountName, Pattern),
    /// The account neither holds the pattern nor waits for it any more.
    Drop(AccountName, Pattern),
}

/// What the records so far add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    holds: HashMap<Pattern, Holding, RandomState>,
    waits: HashMap<(Pattern, AccountName), Waiting, RandomState>,
    order: u64,
}

/// Who holds a pattern, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Who.
    pub account: AccountName,
    /// Since when, in seconds since the epoch.
    pub since: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    order: u64,
    since: u64,
}

impl Remembered {
    /// Takes over one record, made `at` this time in seconds since the epoch. Any sequence of records has a meaning: a
    /// journal never contradicts itself so far that a node could not start.
    pub fn apply(&mut self, record: Record, at: u64) {
        match record {
            Record::Hold(account, pattern) => {
                self.waits.remove(&(pattern.clone(), account.clone()));
                self.holds.insert(pattern, Holding { account, since: at });
            }
            Record::Wait(account, pattern) => {
                self.order += 1;
                self.waits.insert((pattern, account), Waiting { order: self.order, since: at });
            }
            Record::Drop(account, pattern) => {
                if self.holds.get(&pattern).is_some_and(|holding| holding.account == account) {
                    self.holds.remove(&pattern);
                }
                self.waits.remove(&(pattern, account));
            }
        }
    }

    /// The fewest records that add up to the same, each with its time, ordered by account; the waiting last, in their
    /// order.
    pub fn records(&self) -> impl Iterator<Item = (Record, u64)> {
        let mut holds: Vec<_> = self.holds.iter().collect();
        holds.sort_unstable_by_key(|(pattern, holding)| (&holding.account, *pattern));
        let mut waits: Vec<_> = self.waits.iter().collect();
        waits.sort_unstable_by_key(|(_, waiting)| waiting.order);
        let holds = holds.into_iter().map(|(pattern, Holding { account, since })| {
            (Record::Hold(account.clone(), pattern.clone()), *since)
        });
        holds.chain(waits.into_iter().map(|((pattern, account), waiting)| {
            (Record::Wait(account.clone(), pattern.clone()), waiting.since)
        }))
    }

    /// Who holds exactly this pattern.
    pub fn holding(&self, pattern: &Pattern) -> Option<&Holding> {
        self.holds.get(pattern)
    }

    /// Patterns held and waited for.
    pub fn len(&self) -> usize {
        self.holds.len() + self.waits.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets that `account` holds `pattern`; whether it did.
    pub(super) fn take_hold(&mut self, account: &AccountName, pattern: &Pattern) -> bool {
        self.holds.get(pattern).is_some_and(|holding| holding.account == *account)
            && self.holds.remove(pattern).is_some()
    }

    /// Forgets that `account` waits for `pattern`; its place among those who wait, if it did.
    pub(super) fn take_wait(&mut self, account: &AccountName, pattern: &Pattern) -> Option<u64> {
        self.waits.remove(&(pattern.clone(), account.clone())).map(|waiting| waiting.order)
    }

    /// Records that end what is still here.
    pub(super) fn into_dropped(self) -> impl Iterator<Item = Record> {
        let holds = self.holds.into_iter().map(|(pattern, holding)| Record::Drop(holding.account, pattern));
        holds.chain(self.waits.into_keys().map(|(pattern, account)| Record::Drop(account, pattern)))
    }
}
