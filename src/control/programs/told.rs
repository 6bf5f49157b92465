//! What customers are told of their programs' lives, in the site log. The node's log is told beside it, where things happen.

use super::{Entry, Programs};
use crate::launch::Instance;
use crate::telemetry::SiteLog;
use crate::upstream::{Phase, UpstreamId};
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
    fn note_where(&self, id: UpstreamId, what: &str, why: &str, fits: impl FnOnce(Phase) -> bool) {
        if let Some(entry) = self.entries.get(&id)
            && entry.life.phase().instance().is_some()
            && fits(entry.life.phase())
        {
            entry.note(&self.site_log, format_args!("Upstream {what}: {why}"));
        }
    }
}
