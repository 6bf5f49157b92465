//! Who may hold a host: the rules by which accounts come to hold what their documents claim. Pure: it decides,
//! and touches neither the table nor the journal.
//!
//! * A pattern is held by one account. The holder keeps it until its own document gives it up: nothing that
//!   another account does takes it away.
//! * A pattern under another account's wildcard (the longest that covers it) is refused, unless that wildcard is
//!   lent. One that is held already stays held when a wildcard is put over it, or is lent no more.
//! * Who is refused waits. Whatever becomes free goes to the earliest who may have it.

use super::remembered::{Record, Remembered};
use crate::account::{Claim, Pattern};
use crate::base::AccountName;
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Who holds what, and who waits for what. Cost: about 80 bytes for each pattern held, besides its text.
#[derive(Debug, Default)]
pub struct Claims {
    exact: HashMap<Arc<str>, Hold, RandomState>,
    wildcards: HashMap<Arc<str>, Hold, RandomState>,
    waits: HashMap<(Pattern, AccountName), Wait, RandomState>,
    /// The waiting by what stands in their way: whose end makes them worth another look.
    behind: HashMap<Pattern, BTreeMap<u64, Waiter>, RandomState>,
    /// Counts those who ever waited.
    order: u64,
}

/// What a change of one account's document comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Patterns the account comes to hold.
    pub enter: Vec<Pattern>,
    /// Patterns that go to accounts that waited for them.
    pub pass: Vec<(Pattern, AccountName)>,
    /// Patterns the account held, and nobody holds now.
    pub leave: Vec<Pattern>,
    /// What the account claims and does not hold.
    pub refused: Vec<Refusal>,
    /// What the journal is to keep, in order.
    pub records: Vec<Record>,
}

/// A claim that was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Refusal {
    /// What was claimed.
    pub pattern: Pattern,
    /// What stands in the way: the same pattern, or a wildcard over it that is not lent.
    pub obstacle: Pattern,
    /// Who holds that.
    pub holder: AccountName,
}

/// A pattern that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Contest {
    /// Who waits.
    pub account: AccountName,
    /// For what, and what stands in the way.
    #[serde(flatten)]
    pub refusal: Refusal,
}

#[derive(Clone, Debug)]
struct Hold {
    account: AccountName,
    lend: bool,
}

#[derive(Clone, Debug)]
struct Wait {
    order: u64,
    obstacle: Pattern,
}

#[derive(Clone, Debug)]
struct Waiter {
    order: u64,
    pattern: Pattern,
    account: AccountName,
    lend: bool,
}

impl Claims {
    /// Who holds what after a cold start on `documents` and what the journal remembers; and the records by which
    /// the journal comes to say the same. The remembered holders keep what they still claim, those remembered as
    /// waiting come next, in their order, then all other claims by the accounts' names.
    pub fn restore(
        mut remembered: Remembered,
        documents: &[(AccountName, Vec<Claim>)],
    ) -> (Self, Vec<Record>) {
        let mut claims = Self::default();
        let mut records = Vec::new();
        let mut rest = Vec::new();
        for (account, wanted) in documents {
            for claim in wanted {
                if remembered.take_hold(account, &claim.pattern) {
                    claims.hold(account, claim);
                } else {
                    rest.push((remembered.take_wait(account, &claim.pattern), account, claim));
                }
            }
        }
        records.extend(remembered.into_dropped());
        rest.sort_unstable_by_key(|(order, account, claim)| (order.unwrap_or(u64::MAX), *account, *claim));
        let mut settling = Settling::default();
        for (order, account, claim) in rest {
            let waiter = claims.waiter(account, claim);
            if let Err(waiter) = claims.place(waiter, &mut settling)
                && order.is_none()
            {
                records.push(Record::Wait(waiter.account, waiter.pattern));
            }
        }
        claims.settle(&mut settling);
        records.extend(settling.grants.iter().map(Grant::record));
        (claims, records)
    }

    /// Takes over that `account`, whose document claimed `old`, now claims `new`. Cost: grows with the two, and
    /// with the claims that wait for what is given up.
    pub fn change(&mut self, account: &AccountName, old: &[Claim], new: &[Claim]) -> Decision {
        let mut decision = Decision::default();
        let kept: HashSet<&Pattern, RandomState> = new.iter().map(|claim| &claim.pattern).collect();
        let had: HashSet<&Pattern, RandomState> = old.iter().map(|claim| &claim.pattern).collect();
        let dropped = |claim: &&Claim| !kept.contains(&claim.pattern);
        let mut settling = Settling::default();
        for claim in old.iter().filter(dropped) {
            if self.stop_waiting(account, &claim.pattern) {
                decision.records.push(Record::Drop(account.clone(), claim.pattern.clone()));
            }
        }
        for claim in new {
            if had.contains(&claim.pattern) && self.relend(account, claim) {
                settling.freed.push(claim.pattern.clone());
            }
        }
        // New claims come before old ones are given up: who narrows a wildcard to names keeps those names.
        let mut added: Vec<_> = new.iter().filter(|claim| !had.contains(&claim.pattern)).collect();
        added.sort_unstable();
        for claim in added {
            let waiter = self.waiter(account, claim);
            if let Err(waiter) = self.place(waiter, &mut settling) {
                decision.records.push(Record::Wait(waiter.account, waiter.pattern));
            }
        }
        let mut given_up: Vec<_> = old.iter().filter(dropped).map(|claim| claim.pattern.clone()).collect();
        given_up.sort_unstable();
        given_up.retain(|pattern| self.release(account, pattern));
        for pattern in &given_up {
            decision.records.push(Record::Drop(account.clone(), pattern.clone()));
        }
        settling.freed.extend(given_up.iter().cloned());
        self.settle(&mut settling);

        decision.records.extend(settling.grants.iter().map(Grant::record));
        for Grant { pattern, account: heir } in settling.grants {
            if heir == *account { decision.enter.push(pattern) } else { decision.pass.push((pattern, heir)) }
        }
        decision.leave = given_up.into_iter().filter(|pattern| self.holder(pattern).is_none()).collect();
        decision.refused = self.refusals(account, new);
        decision
    }

    /// Who holds exactly this pattern.
    pub fn holder(&self, pattern: &Pattern) -> Option<&AccountName> {
        let table = if pattern.is_wildcard() { &self.wildcards } else { &self.exact };
        table.get(&**pattern.text()).map(|hold| &hold.account)
    }

    /// Which of `claims` are refused to `account`, sorted.
    pub fn refusals(&self, account: &AccountName, claims: &[Claim]) -> Vec<Refusal> {
        if self.waits.is_empty() {
            return Vec::new();
        }
        let keys = claims.iter().map(|claim| (claim.pattern.clone(), account.clone()));
        let waiting = keys.filter(|key| self.waits.contains_key(key));
        let mut refusals: Vec<_> = waiting.filter_map(|key| self.refusal(&key)).collect();
        refusals.sort_unstable();
        refusals
    }

    /// Everybody who waits, at most `most` of them, in no particular order; and how many there are.
    pub fn contests(&self, most: usize) -> (Vec<Contest>, usize) {
        let contest = |key: &(Pattern, AccountName)| {
            self.refusal(key).map(|refusal| Contest { account: key.1.clone(), refusal })
        };
        (self.waits.keys().filter_map(contest).take(most).collect(), self.waits.len())
    }

    fn refusal(&self, (pattern, account): &(Pattern, AccountName)) -> Option<Refusal> {
        let obstacle = self.obstacle(pattern, account)?;
        let holder = self.holder(&obstacle)?.clone();
        Some(Refusal { pattern: pattern.clone(), obstacle, holder })
    }

    fn waiter(&mut self, account: &AccountName, claim: &Claim) -> Waiter {
        self.order += 1;
        Waiter {
            order: self.order,
            pattern: claim.pattern.clone(),
            account: account.clone(),
            lend: claim.lend,
        }
    }

    /// Gives the waiter its pattern, or lets it wait and returns it.
    fn place(&mut self, waiter: Waiter, settling: &mut Settling) -> Result<(), Waiter> {
        if let Some(obstacle) = self.obstacle(&waiter.pattern, &waiter.account) {
            self.wait(waiter.clone(), obstacle);
            return Err(waiter);
        }
        self.grant(waiter, settling);
        Ok(())
    }

    /// Looks again at everybody behind what has become free, the earliest first, until nobody else can be given
    /// anything. Ends because each turn takes a waiter away for good, or puts it behind what truly is in its
    /// way.
    fn settle(&mut self, settling: &mut Settling) {
        let mut again = BTreeMap::new();
        loop {
            for obstacle in settling.freed.drain(..) {
                again.append(&mut self.behind.remove(&obstacle).unwrap_or_default());
            }
            let Some((_, waiter)) = again.pop_first() else { return };
            self.waits.remove(&(waiter.pattern.clone(), waiter.account.clone()));
            // Who cannot have it goes on waiting, and is told of nothing new.
            let _ = self.place(waiter, settling);
        }
    }

    /// Gives the waiter its pattern. A wildcard may come between others and a wildcard over it, so those are
    /// worth another look.
    fn grant(&mut self, waiter: Waiter, settling: &mut Settling) {
        let Waiter { pattern, account, lend, .. } = waiter;
        if pattern.is_wildcard()
            && let Some((over, _)) = self.nearest(&pattern)
        {
            settling.freed.push(over);
        }
        self.hold(&account, &Claim { pattern: pattern.clone(), lend });
        settling.grants.push(Grant { pattern, account });
    }

    fn hold(&mut self, account: &AccountName, claim: &Claim) {
        let table = if claim.pattern.is_wildcard() { &mut self.wildcards } else { &mut self.exact };
        table.insert(claim.pattern.text().clone(), Hold { account: account.clone(), lend: claim.lend });
    }

    fn release(&mut self, account: &AccountName, pattern: &Pattern) -> bool {
        let table = if pattern.is_wildcard() { &mut self.wildcards } else { &mut self.exact };
        let theirs = table.get(&**pattern.text()).is_some_and(|hold| hold.account == *account);
        theirs && table.remove(&**pattern.text()).is_some()
    }

    /// Notes whether a claim lends its wildcard. Says whether names under it have become free that were not.
    fn relend(&mut self, account: &AccountName, claim: &Claim) -> bool {
        if !claim.pattern.is_wildcard() {
            return false;
        }
        if let Some(wait) = self.waits.get(&(claim.pattern.clone(), account.clone())) {
            let waiters = self.behind.get_mut(&wait.obstacle);
            if let Some(waiter) = waiters.and_then(|waiters| waiters.get_mut(&wait.order)) {
                waiter.lend = claim.lend;
            }
            return false;
        }
        match self.wildcards.get_mut(&**claim.pattern.text()) {
            Some(hold) if hold.account == *account => {
                let lent_before = std::mem::replace(&mut hold.lend, claim.lend);
                claim.lend && !lent_before
            }
            _ => false,
        }
    }

    fn wait(&mut self, waiter: Waiter, obstacle: Pattern) {
        let key = (waiter.pattern.clone(), waiter.account.clone());
        self.waits.insert(key, Wait { order: waiter.order, obstacle: obstacle.clone() });
        self.behind.entry(obstacle).or_default().insert(waiter.order, waiter);
    }

    fn stop_waiting(&mut self, account: &AccountName, pattern: &Pattern) -> bool {
        let Some(wait) = self.waits.remove(&(pattern.clone(), account.clone())) else { return false };
        if let Some(waiters) = self.behind.get_mut(&wait.obstacle) {
            waiters.remove(&wait.order);
            if waiters.is_empty() {
                self.behind.remove(&wait.obstacle);
            }
        }
        true
    }

    /// What keeps `account` from holding `pattern`: the same pattern, or the longest wildcard over it.
    fn obstacle(&self, pattern: &Pattern, account: &AccountName) -> Option<Pattern> {
        if self.holder(pattern).is_some() {
            return Some(pattern.clone());
        }
        let (over, hold) = self.nearest(pattern)?;
        (hold.account != *account && !hold.lend).then_some(over)
    }

    /// The longest wildcard that is held over `pattern`.
    fn nearest(&self, pattern: &Pattern) -> Option<(Pattern, &Hold)> {
        let found = pattern.parents().find_map(|parent| self.wildcards.get_key_value(parent));
        found.map(|(parent, hold)| (Pattern::Wildcard(parent.clone()), hold))
    }
}

/// What has become free and was given away while one change is dealt with.
#[derive(Default)]
struct Settling {
    freed: Vec<Pattern>,
    grants: Vec<Grant>,
}

/// A pattern that was given to an account.
struct Grant {
    pattern: Pattern,
    account: AccountName,
}

impl Grant {
    fn record(&self) -> Record {
        Record::Hold(self.account.clone(), self.pattern.clone())
    }
}

#[cfg(test)]
mod tests;
