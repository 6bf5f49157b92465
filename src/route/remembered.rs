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
    holds: HashMap<Pattern, AccountName, RandomState>,
    waits: HashMap<(Pattern, AccountName), u64, RandomState>,
    order: u64,
}

impl Remembered {
    /// Takes over one record. Any sequence of records has a meaning: a journal never contradicts itself so far
    /// that a node could not start.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Hold(account, pattern) => {
                self.waits.remove(&(pattern.clone(), account.clone()));
                self.holds.insert(pattern, account);
            }
            Record::Wait(account, pattern) => {
                self.order += 1;
                self.waits.insert((pattern, account), self.order);
            }
            Record::Drop(account, pattern) => {
                if self.holds.get(&pattern) == Some(&account) {
                    self.holds.remove(&pattern);
                }
                self.waits.remove(&(pattern, account));
            }
        }
    }

    /// The fewest records that add up to the same, ordered by account; the waiting last, in their order.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let mut holds: Vec<_> = self.holds.iter().collect();
        holds.sort_unstable_by_key(|(pattern, account)| (*account, *pattern));
        let mut waits: Vec<_> = self.waits.iter().collect();
        waits.sort_unstable_by_key(|(_, order)| **order);
        let holds =
            holds.into_iter().map(|(pattern, account)| Record::Hold(account.clone(), pattern.clone()));
        holds.chain(
            waits.into_iter().map(|((pattern, account), _)| Record::Wait(account.clone(), pattern.clone())),
        )
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
        self.holds.get(pattern) == Some(account) && self.holds.remove(pattern).is_some()
    }

    /// Forgets that `account` waits for `pattern`; its place among those who wait, if it did.
    pub(super) fn take_wait(&mut self, account: &AccountName, pattern: &Pattern) -> Option<u64> {
        self.waits.remove(&(pattern.clone(), account.clone()))
    }

    /// Records that end what is still here.
    pub(super) fn into_dropped(self) -> impl Iterator<Item = Record> {
        let holds = self.holds.into_iter().map(|(pattern, account)| Record::Drop(account, pattern));
        holds.chain(self.waits.into_keys().map(|(pattern, account)| Record::Drop(account, pattern)))
    }
}
