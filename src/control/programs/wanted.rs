//! What the documents want of programs: a change of them is a change of what runs.

use super::{Entry, Programs};
use crate::account::Form;
use crate::base::{AccountName, DocumentHash, now, wall};
use crate::config::{Program, Run, UpstreamAddress};
use crate::upstream::{Event, Lifecycle, Upstream, UpstreamId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a program is by its document: when any of it changes it is started anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) run: Arc<Run>,
    pub(super) program: Program,
    pub(super) address: UpstreamAddress,
}

impl Wanted {
    /// Whether it is the same but for what only says how its life is led.
    fn runs_as(&self, other: &Self) -> bool {
        self.is_renewed_as(other) && self.program.revision == other.program.revision
    }

    /// Whether it is the same but for its revision, and what only says how its life is led.
    fn is_renewed_as(&self, other: &Self) -> bool {
        let same = |one: &Program, other: &Program| {
            one.command == other.command
                && one.directory == other.directory
                && one.environment == other.environment
        };
        self.run == other.run && self.address == other.address && same(&self.program, &other.program)
    }

    /// What an instance of it is told to run as.
    pub(super) fn hash(&self) -> DocumentHash {
        self.program.runs_as(&self.run, &self.address)
    }

    /// Whether an instance that was started by it becomes one of `other` by the signal that it was started to renew itself
    /// by: no signal brings another command, directory or environment.
    fn renews_to(&self, other: &Self) -> bool {
        let signal = self.program.hot_restart;
        signal.is_some() && signal == other.program.hot_restart && self.is_renewed_as(other)
    }
}

impl Programs {
    /// Compares what the account's form wants with what is there.
    pub(super) fn follow(&mut self, name: &AccountName) {
        let form = self.hosts.account(name.as_str()).map(|account| account.form());
        let before = self.accounts.remove(name).unwrap_or_default();
        let mut after = BTreeSet::new();
        // What is suspended or has moved runs nowhere here.
        if let Some(form) = form.as_ref().filter(|form| form.state.is_served()) {
            for (upstream, spec) in form.wanted() {
                if let Some(program) = &spec.program {
                    let wanted = Arc::new(Wanted {
                        run: form.run.clone(),
                        program: Program::clone(program),
                        address: spec.address.clone(),
                    });
                    after.insert(upstream.id());
                    self.want(name, upstream, wanted, form);
                }
            }
        }
        for id in before.difference(&after) {
            self.withdraw(*id);
        }
        if !after.is_empty() {
            self.accounts.insert(name.clone(), after);
        }
    }

    pub(super) fn want(
        &mut self,
        account: &AccountName,
        upstream: &Arc<Upstream>,
        wanted: Arc<Wanted>,
        form: &Form,
    ) {
        let id = upstream.id();
        if let Some(entry) = self.entries.get_mut(&id) {
            let changed = !entry.wanted.runs_as(&wanted);
            entry.wanted = wanted;
            entry.hash = form.hash;
            if changed {
                self.restart(id, "its document changed");
            }
            return;
        }
        // What it ran before it was last withdrawn may not have ended yet.
        let before = self.running.iter().find(|(_, running)| running.upstream == id);
        let entry = Entry {
            upstream: upstream.clone(),
            account: account.clone(),
            name: upstream.spec().name.clone(),
            life: before.map_or_else(Lifecycle::default, |(instance, _)| Lifecycle::stopping(*instance)),
            wanted,
            hash: form.hash,
            used: now(),
            since: wall(),
            starts: 0,
            failure: None,
            starved: false,
            failed_revision: None,
            memory_kills: 0,
            health: None,
        };
        self.metrics.programs().moved(None, Some(entry.life.phase().word()));
        self.entries.insert(id, entry);
        upstream.attach(self.bell.clone());
        // Somebody else may have run the server until now.
        upstream.hold();
        upstream.forgive();
        self.tell(id);
        if upstream.is_waited_for() {
            self.later.push_back((id, Event::Wanted));
        }
    }

    pub(super) fn restart(&mut self, id: UpstreamId, why: &str) {
        self.note_restart(id, why);
        let serves = self.entries.get(&id).and_then(|entry| Some((entry, entry.life.phase().instance()?)));
        let by =
            serves.and_then(|(entry, instance)| Some((entry, self.running.get(&instance)?.wanted.as_ref()?)));
        let renews = by.is_some_and(|(entry, wanted)| wanted.renews_to(&entry.wanted));
        self.happen(id, if renews { Event::Renew } else { Event::Restart });
    }

    /// The upstream has no such program any more, or is gone.
    pub(super) fn withdraw(&mut self, id: UpstreamId) {
        self.note_withdrawal(id);
        self.happen(id, Event::Withdrawn);
        let Some(entry) = self.entries.remove(&id) else { return };
        self.active.remove(&id);
        self.metrics.programs().moved(Some(entry.life.phase().word()), None);
        entry.upstream.set_standing(None);
        if entry.upstream.spec().program.is_none() {
            entry.upstream.release();
        } else {
            entry.upstream.dismiss();
        }
    }
}
