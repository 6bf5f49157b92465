//! The order in which a change becomes visible, so that every request meets a host's old answer or its new one,
//! never a third.
//!
//! Adding: form first, then entry. Removing: entry first, then form. A document that does both, and hosts that pass
//! to accounts that waited for them, ask for this order:
//!
//! | step | what | what a host's answer becomes |
//! |---|---|---|
//! | 1 | every account that gains an entry learns of its next form, for those entries alone | the same: no entry leads there yet |
//! | 2 | entries are made, the most specific first | what the next form says, at the host's own last entry; no host is answered by an entry that a more specific one will take it from |
//! | 3 | the forms of those whom hosts passed to are swapped | what the form says: nobody takes an entry from them |
//! | 4 | entries are removed | what the entry over it says; where that is an old one of the same account, its running form still knows better |
//! | 5 | the account's form is swapped | what the form says, for the entries that are left |
//!
//! Between the steps a lookup that is under way is told to start again ([`Hosts::resolve`]).

use super::{Decision, Hosts};
use crate::account::{Account, Form, Pattern};
use crate::base::AccountName;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

impl Hosts {
    /// Makes a decision about `account` visible, with the `form` of its document (without what the decision
    /// refuses). Returns the forms that are served no more. Called by the control thread alone. Cost: grows with
    /// what changes hands.
    pub fn publish(&self, account: &Arc<Account>, form: Form, decision: &Decision) -> Vec<Arc<Form>> {
        self.publish_observed(account, form, decision, &mut || {})
    }

    /// Ends an account whose document is gone, by a decision that leaves it nothing. What it has open, tunnels and
    /// long answers, drains until `deadline`.
    pub fn retire(&self, account: &Arc<Account>, decision: &Decision, deadline: Instant) -> Vec<Arc<Form>> {
        let empty = account.form().emptied();
        let before = self.publish(account, empty, decision);
        self.leave_account(account);
        account.end(deadline);
        before
    }

    /// [`publish`](Self::publish), calling `observe` whenever something has become visible.
    pub(super) fn publish_observed(
        &self,
        account: &Arc<Account>,
        form: Form,
        decision: &Decision,
        observe: &mut dyn FnMut(),
    ) -> Vec<Arc<Form>> {
        self.enter_account(account);
        let form = Arc::new(form);
        account.prepare(&form, decision.enter.iter().cloned());
        observe();
        let mut entries: Vec<_> = decision.enter.iter().map(|pattern| (pattern, account.clone())).collect();
        let mut heirs = Vec::new();
        for (heir, patterns) in self.heirs(decision) {
            let form = Arc::new(allowing(&heir.form(), &patterns));
            heir.prepare(&form, patterns.iter().copied().cloned());
            observe();
            entries.extend(patterns.into_iter().map(|pattern| (pattern, heir.clone())));
            heirs.push((heir, form));
        }
        self.step();

        entries.sort_by_cached_key(|(pattern, _)| rank(pattern));
        for alike in entries.chunk_by(|(one, _), (other, _)| rank(one) == rank(other)) {
            for (pattern, account) in alike {
                self.enter(pattern, account);
                observe();
            }
            self.step();
        }

        let mut served_no_more = Vec::with_capacity(heirs.len() + 1);
        for (heir, form) in heirs {
            served_no_more.push(heir.publish(form));
            self.step();
            observe();
        }

        for pattern in &decision.leave {
            self.leave(pattern, account);
            observe();
        }
        self.step();

        let before = account.publish(form.clone());
        self.reach().moved(account.name(), before.specs(), form.specs());
        served_no_more.push(before);
        self.step();
        observe();
        served_no_more
    }

    /// The accounts that hosts are passed to, with what each of them gets. Who waits for a host stands in the table
    /// of accounts as long as it has a document.
    fn heirs<'a>(&self, decision: &'a Decision) -> Vec<(Arc<Account>, HashSet<&'a Pattern>)> {
        let mut heirs: BTreeMap<&AccountName, HashSet<&Pattern>> = BTreeMap::new();
        for (pattern, heir) in &decision.pass {
            heirs.entry(heir).or_default().insert(pattern);
        }
        heirs
            .into_iter()
            .filter_map(|(name, patterns)| Some((self.account(name.as_str())?, patterns)))
            .collect()
    }
}

/// The most specific comes first: names, then wildcards by their length in labels. A host lies under one pattern of
/// each rank at most.
fn rank(pattern: &Pattern) -> (bool, Reverse<usize>) {
    let labels = if pattern.is_wildcard() { pattern.parents().count() } else { 0 };
    (pattern.is_wildcard(), Reverse(labels))
}

/// The same form with patterns that were refused until now.
fn allowing(form: &Form, patterns: &HashSet<&Pattern>) -> Form {
    form.refusing(form.refused().filter(|refused| !patterns.contains(refused)))
}

#[cfg(test)]
mod tests;
