//! What customers are told of their programs' lives, in the site log. The node's log is told beside it, where things happen.

use super::wanted::Wanted;
use super::{Entry, Programs};
use crate::base::written_duration;
use crate::launch::{Instance, Process};
use crate::telemetry::{SiteLog, StartResult};
use crate::upstream::{Phase, Standing, UpstreamId};
use std::fmt::Display;
use std::time::Duration;

impl Entry {
    /// Tells the customer.
    pub(super) fn note(&self, log: &SiteLog, text: impl Display) {
        log.tell(&self.account, &self.name, text);
    }
}

impl Programs {
    /// An instance serves: so long after it was ordered, and perhaps in the place of another.
    pub(super) fn note_ready(&self, instance: Instance, took: Duration) {
        // Who was admitted before and only did not answer for a while was neither started nor stopped.
        let Some(running) = self.running.get(&instance).filter(|running| running.turn == 1) else { return };
        let (Some(entry), Some(process)) = (self.entries.get(&running.upstream), &running.process) else {
            return;
        };
        let replaces = self.running.iter().any(|(other, one)| {
            *other != instance && one.upstream == running.upstream && one.turn > 0 && !one.stopped
        });
        let over = if replaces { ", takes over from the one before" } else { "" };
        let (seconds, pid) = (took.as_secs_f64(), process.pid);
        entry.note(&self.site_log, format_args!("Upstream ready after {seconds:.3} s (pid {pid}){over}"));
    }

    /// A program that runs is about to be started anew.
    pub(super) fn note_restart(&self, id: UpstreamId, why: &str) {
        // Those that are on their way out were told of already.
        self.note_where(id, "restarting", why, |phase| {
            !matches!(phase, Phase::Draining { .. } | Phase::Stopping { .. })
        });
    }

    /// A program has renewed itself: it answered after it was told to.
    pub(super) fn note_renewal(&self, id: UpstreamId) {
        if let Some(entry) = self.entries.get(&id) {
            let pid = self.serving(entry).map(|process| process.pid);
            tracing::info!(account = %entry.account, upstream = %entry.name, pid, "renewed");
            entry.note(
                &self.site_log,
                format_args!("Upstream renewed by its signal (pid {})", pid.unwrap_or(0)),
            );
        }
    }

    /// A program that was told to renew itself does not answer.
    pub(super) fn note_lost_renewal(&self, id: UpstreamId) {
        if let Some(entry) = self.entries.get(&id) {
            let patience = written_duration(entry.wanted.program.start_timeout);
            let why = format!("not ready {patience} after its signal: it is replaced");
            tracing::warn!(account = %entry.account, upstream = %entry.name, "Upstream restarting: {why}");
            entry.note(&self.site_log, format_args!("Upstream restarting: {why}"));
        }
    }

    /// A program is about to be taken away.
    pub(super) fn note_withdrawal(&self, id: UpstreamId) {
        self.note_where(id, "stopping", "it is not in the document any more", |_| true);
    }

    /// The node is about to end, and with it what it started itself.
    pub(super) fn note_end(&self) {
        if self.link.is_ours() {
            for id in self.entries.keys() {
                self.note_where(*id, "stopping", "the node ends", |_| true);
            }
        }
    }

    /// Tells what becomes of a program that runs, and why.
    pub(super) fn note_where(&self, id: UpstreamId, what: &str, why: &str, fits: impl FnOnce(Phase) -> bool) {
        if let Some(entry) = self.entries.get(&id)
            && entry.life.phase().instance().is_some()
            && fits(entry.life.phase())
        {
            entry.note(&self.site_log, format_args!("Upstream {what}: {why}"));
        }
    }

    /// Notes and tells why an instance is of no use.
    pub(super) fn fails(&mut self, id: UpstreamId, instance: Instance, why: String, last_words: &[String]) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let serves = match entry.life.phase() {
            Phase::Serving { instance: one, .. }
            | Phase::Renewing { instance: one, .. }
            | Phase::Recovering { instance: one, .. }
            | Phase::Replacing { old: one, .. } => one == instance,
            _ => false,
        };
        let result = if serves { StartResult::Crashed } else { StartResult::Failed };
        self.metrics.programs().started(result, Duration::ZERO);
        let (account, upstream) = (&entry.account, &entry.name);
        let command = &entry.wanted.program.command;
        let what = if serves { "ended by itself" } else { "starting failed" };
        tracing::warn!(%account, %upstream, "Upstream {what}: {command} ({why})");
        entry.note(&self.site_log, format_args!("Upstream {what}: {command} ({why})"));
        if !serves {
            entry.failed_revision = Some(entry.wanted.program.revision.clone());
        }
        entry.failure = Some(why);
        self.quote(id, last_words);
    }

    /// Tells what a program said last.
    pub(super) fn quote(&self, id: UpstreamId, last_words: &[String]) {
        let Some(entry) = self.entries.get(&id) else { return };
        for line in last_words {
            tracing::warn!(account = %entry.account, upstream = %entry.name, "STDERR: {line}");
            entry.note(&self.site_log, format_args!("STDERR: {line}"));
        }
    }

    /// Notes and tells that what was started is not ready in time.
    pub(super) fn late(&mut self, id: UpstreamId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        self.metrics.programs().started(StartResult::Late, Duration::ZERO);
        let unread = self.running.values().any(|one| one.upstream == id && one.awaits_document);
        let why = if unread {
            "the document on disk is not the one in effect".to_owned()
        } else {
            format!("not ready after {}", written_duration(entry.wanted.program.start_timeout))
        };
        let command = &entry.wanted.program.command;
        tracing::warn!(account = %entry.account, upstream = %entry.name, "Upstream starting failed: {command} ({why})");
        entry.note(&self.site_log, format_args!("Upstream starting failed: {command} ({why})"));
        entry.failed_revision = Some(entry.wanted.program.revision.clone());
        entry.failure = Some(why);
    }

    /// Tells status and metrics how the program is.
    pub(super) fn tell(&mut self, id: UpstreamId) {
        let Some(entry) = self.entries.get(&id) else { return };
        let phase = entry.life.phase();
        if matches!(phase, Phase::Stopped | Phase::Failed { .. }) {
            self.active.remove(&id);
        } else {
            self.active.insert(id);
        }
        let process = self.serving(entry);
        entry.upstream.set_standing(Some(Standing {
            state: phase.word(),
            since: entry.since,
            pid: process.map(|process| process.pid),
            cgroup: process.and_then(|process| process.cgroup.clone()),
            revision: self.running_wanted(entry).map(|wanted| wanted.program.revision.clone()),
            failed_revision: entry.failed_revision.clone(),
            starts: entry.starts,
            hangs: entry.health.and_then(|health| health.hangs).map(|hang| hang.told),
            memory_kills: entry.memory_kills,
            failure: entry.failure.clone(),
        }));
    }

    /// What the instance that serves, or is about to, was started by.
    fn running_wanted(&self, entry: &Entry) -> Option<&Wanted> {
        self.running.get(&entry.life.phase().instance()?)?.wanted.as_deref()
    }

    /// The process of the instance that serves, or is about to.
    fn serving(&self, entry: &Entry) -> Option<&Process> {
        self.running.get(&entry.life.phase().instance()?)?.process.as_ref()
    }
}
