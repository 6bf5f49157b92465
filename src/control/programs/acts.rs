//! What a life says is done: orders to the launcher, and what requests find at the upstream.

use super::Programs;
use super::probe::{Found, Probe};
use super::running::Running;
use super::usage;
use crate::base::{Cause, DocumentHash, Refusal, now, wall};
use crate::config::UpstreamAddress;
use crate::launch::{Instance, Order, Process};
use crate::net::owner;
use crate::telemetry::StartResult;
use crate::upstream::{Action, Event, Phase, Stand, Terms, UpstreamId};
use std::sync::Arc;

impl Programs {
    /// Tells a life what happened and does what it says.
    pub(super) fn happen(&mut self, id: UpstreamId, event: Event) {
        let drain = self.node.load().timeouts.drain;
        let overlap = self.may_overlap(id, event);
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let start_timeout = entry.wanted.program.start_timeout;
        let terms = Terms { start_timeout, drain, overlap };
        let before = entry.life.phase();
        let fresh = &mut self.fresh;
        let actions = entry.life.on(event, now(), &terms, || {
            *fresh = fresh.wrapping_add(1);
            Instance(*fresh)
        });
        let after = entry.life.phase();
        if after != before {
            entry.since = wall();
            self.metrics.programs().moved(Some(before.word()), Some(after.word()));
            if matches!(after, Phase::Serving { .. } | Phase::Stopped) {
                // Nobody listens while the node ends.
                let _ = self.settled.send(entry.account.clone());
            }
            if before.instance() != after.instance() {
                entry.health = None;
            }
            self.is_renewed(event, before, after);
            match (event, before, after) {
                (Event::Time, Phase::Replacing { .. }, _) => self.late(id),
                (Event::Time, Phase::Renewing { .. }, _) => self.note_lost_renewal(id),
                (Event::Ready(_), Phase::Renewing { .. }, Phase::Serving { .. }) => self.note_renewal(id),
                _ => {}
            }
        }
        for action in actions {
            self.act(id, action);
        }
        self.tell(id);
    }

    /// Who was told to renew himself is what he was told to become once he answers, and not if he is replaced.
    fn is_renewed(&mut self, event: Event, before: Phase, after: Phase) {
        let Some(running) = before.instance().and_then(|instance| self.running.get_mut(&instance)) else {
            return;
        };
        match (event, after) {
            (Event::Ready(_), Phase::Serving { .. }) if running.renews_to.is_some() => {
                running.wanted = running.renews_to.take();
            }
            (Event::Time, _) => running.renews_to = None,
            _ => {}
        }
    }

    /// Whether two instances may run at a time. Where one would be started beside another that serves, the account's memory
    /// has to have room for both.
    fn may_overlap(&self, id: UpstreamId, event: Event) -> bool {
        let Some(entry) = self.entries.get(&id).filter(|entry| entry.wanted.program.overlap) else {
            return false;
        };
        let (Event::Restart | Event::Renew | Event::Time | Event::Hung(_), Some(instance)) =
            (event, entry.life.phase().instance())
        else {
            return true;
        };
        if !matches!(entry.life.phase(), Phase::Serving { .. } | Phase::Renewing { .. }) {
            return true;
        }
        let cgroup =
            self.running.get(&instance).and_then(|running| running.process.as_ref()?.cgroup.as_deref());
        let has_room = cgroup.is_none_or(usage::has_room_for_two);
        if !has_room && event != Event::Renew {
            let why = "its memory_max has no room for two instances: one after the other";
            tracing::warn!(account = %entry.account, upstream = %entry.name, "Upstream restarting: {why}");
            entry.note(&self.site_log, format_args!("Upstream restarting: {why}"));
        }
        has_room
    }

    pub(super) fn act(&mut self, id: UpstreamId, action: Action) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        match action {
            Action::Start(instance) => self.start(id, instance),
            Action::Probe(instance) => self.probe(instance),
            Action::Admit(instance) => {
                let Some(running) = self.running.get_mut(&instance) else { return };
                running.is_ready();
                let process = running.process.as_ref();
                let (pid, holder) = (process.map(|one| one.pid), process.map(Process::holder));
                entry.used = now();
                let took = running.age();
                if running.turn == 1 {
                    entry.failed_revision = None;
                    self.metrics.programs().started(StartResult::Ready, took);
                }
                let took_ms = took.as_secs_f64() * 1000.0;
                tracing::info!(account = %entry.account, upstream = %entry.name, pid, took_ms, "ready");
                entry.upstream.admit(Stand::new(
                    instance,
                    Arc::clone(&running.fate),
                    running.turn,
                    running.address.clone(),
                    holder,
                    self.bell.clone(),
                ));
                self.note_ready(instance, took);
            }
            Action::Hold => entry.upstream.hold(),
            Action::Renew(instance) => {
                if let Some(running) = self.running.get_mut(&instance) {
                    running.renews_to = Some(entry.wanted.clone());
                    // What it was about to answer it may have been asked before its signal.
                    running.end_probe();
                }
                let runs_as = entry.wanted.hash();
                self.order(Order::Renew { instance, runs_as });
            }
            Action::Retire(instance) => {
                let by = now() + self.node.load().timeouts.drain;
                if let Some(running) = self.running.get_mut(&instance) {
                    running.retire_by = Some(by);
                }
            }
            Action::Stop(instance) => self.order(Order::Stop { instance }),
            Action::Kill(instance) => self.order(Order::Kill { instance }),
            Action::Fail { until, late } => {
                if late {
                    self.late(id);
                }
                let Some(entry) = self.entries.get(&id) else { return };
                let why = entry.failure.clone().unwrap_or_default();
                let cause = match (late, entry.starved) {
                    (true, _) => Cause::StartTimeout,
                    (false, true) => Cause::OutOfMemory,
                    (false, false) => Cause::StartFailed,
                };
                entry.upstream.fail(
                    until,
                    &Refusal::new(cause, format!("upstream {}/{}: {why}", entry.account, entry.name)),
                );
            }
            Action::Forgive => entry.upstream.forgive(),
        }
    }

    /// An instance has its signal: now it is asked whether it answers. One that was told something else meanwhile is not.
    pub(super) fn is_told_to_renew(&mut self, instance: Instance, runs_as: DocumentHash) {
        let Some(running) = self.running.get(&instance) else { return };
        let is_meant = running.renews_to.as_ref().is_some_and(|wanted| wanted.hash() == runs_as);
        let phase = self.entries.get(&running.upstream).map(|entry| entry.life.phase());
        if is_meant && matches!(phase, Some(Phase::Renewing { instance: one, .. }) if one == instance) {
            self.probe(instance);
        }
    }

    pub(super) fn start(&mut self, id: UpstreamId, instance: Instance) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.starts += 1;
        entry.starved = false;
        let (account, upstream) = (entry.account.clone(), entry.name.clone());
        self.running.insert(instance, Running::new(entry));
        tracing::info!(%account, %upstream, instance = format_args!("{:016x}", instance.0), "starting");
        entry.note(&self.site_log, format_args!("Upstream starting: {}", entry.wanted.program.command));
        if let (UpstreamAddress::Ip(address), false) = (&entry.wanted.address, entry.wanted.program.overlap) {
            let why = match owner::listener(*address) {
                Ok(None) => None,
                Ok(Some(owner)) => Some(format!("address taken by {owner}")),
                Err(error) => Some(format!("who listens at its address cannot be found out: {error}")),
            };
            if let Some(why) = why {
                return self.never(instance, why);
            }
        }
        let order = Order::Start { instance, account, upstream, hash: entry.hash };
        if !self.link.send(order) {
            self.never(instance, "the launcher cannot be reached".to_owned());
        }
    }

    /// The document was written just before a start: by now it may be the one that is meant.
    pub(super) fn order_again(&mut self, id: UpstreamId) {
        let Some(entry) = self.entries.get(&id) else { return };
        let (Phase::Starting { instance, .. } | Phase::Replacing { new: instance, .. }) = entry.life.phase()
        else {
            return;
        };
        if self.running.get(&instance).is_some_and(|running| running.awaits_document) {
            self.order_start(instance);
        }
    }

    /// Orders a start that was ordered before, and of which nothing came.
    pub(super) fn order_start(&mut self, instance: Instance) {
        let Some(running) = self.running.get_mut(&instance) else { return };
        running.awaits_document = false;
        let Some(entry) = self.entries.get(&running.upstream) else { return };
        let (account, upstream) = (entry.account.clone(), entry.name.clone());
        self.link.send(Order::Start { instance, account, upstream, hash: entry.hash });
    }

    /// An instance that was not even asked for.
    pub(super) fn never(&mut self, instance: Instance, why: String) {
        let Some(running) = self.running.remove(&instance) else { return };
        self.fails(running.upstream, instance, why, &[]);
        self.later.push_back((running.upstream, Event::Ended(instance)));
    }

    pub(super) fn order(&mut self, order: Order) {
        if let Order::Stop { instance } | Order::Kill { instance } = order
            && let Some(running) = self.running.get_mut(&instance)
        {
            running.is_stopped();
            if running.awaits_document {
                // There is nothing to stop.
                let upstream = running.upstream;
                self.running.remove(&instance);
                return self.later.push_back((upstream, Event::Ended(instance)));
            }
        }
        // Where the launcher is gone, what runs is told when it is back.
        self.link.send(order);
    }

    /// Asks an instance from now on whether it is ready.
    pub(super) fn probe(&mut self, instance: Instance) {
        let beside = self.running.values().filter(|running| running.is_probed()).count();
        self.inquire(instance, beside, async |probe| probe.run().await);
    }

    /// Has an instance asked, and told what was found.
    pub(super) fn inquire(
        &mut self,
        instance: Instance,
        beside: usize,
        ask: impl AsyncFnOnce(Probe) -> Found + 'static,
    ) {
        let Some(running) = self.running.get_mut(&instance) else { return };
        let Some(holder) = running.process.as_ref().map(Process::holder) else { return };
        let path =
            self.entries.get(&running.upstream).and_then(|entry| entry.wanted.program.ready_path.clone());
        let probe = Probe { address: running.address.clone(), holder, path, beside };
        let found = self.found.0.clone();
        running.probed(|number| async move {
            // Nobody listens while the node ends.
            let _ = found.send((instance, number, ask(probe).await));
        });
    }
}
