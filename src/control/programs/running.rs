//! An instance that was ordered, until the launcher says that it has ended.

use super::Entry;
use super::wanted::Wanted;
use crate::base::{AccountName, UpstreamName, now};
use crate::config::UpstreamAddress;
use crate::launch::Process;
use crate::upstream::{Fate, UpstreamId};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

/// An instance that runs, or is about to.
pub(super) struct Running {
    /// Whose.
    pub(super) upstream: UpstreamId,
    /// The names of that.
    pub(super) whose: (AccountName, UpstreamName),
    /// Where it listens; `"auto"` until the launcher says where.
    pub(super) address: UpstreamAddress,
    /// Its process, once it has one.
    pub(super) process: Option<Process>,
    /// What it was started by, or has renewed itself by; `None`: a document of which nothing is known.
    pub(super) wanted: Option<Arc<Wanted>>,
    /// What it was told to renew itself to.
    pub(super) renews_to: Option<Arc<Wanted>>,
    /// How many of its processes were killed for want of memory, as far as that was told.
    pub(super) memory_kills: u64,
    /// What those are told whose request it takes with it.
    pub(super) fate: Arc<Fate>,
    /// How often it was admitted.
    pub(super) turn: u32,
    /// Another serves in its place: until when it may finish what is under way.
    pub(super) retire_by: Option<Instant>,
    /// Whether the launcher found another document than the one meant, and started nothing.
    pub(super) awaits_document: bool,
    /// Whether it was taken over and is of another document than the one in effect: another takes its place.
    pub(super) outdated: bool,
    /// Whether it was told to end: then its end is no failure.
    pub(super) stopped: bool,
    begun: Instant,
    /// Who asks it, by his number.
    probe: Option<(u64, AbortHandle)>,
    probes: u64,
}

impl Running {
    /// An instance that is ordered now.
    pub(super) fn new(entry: &Entry) -> Self {
        let wanted = &entry.wanted;
        Self {
            upstream: entry.upstream.id(),
            whose: (entry.account.clone(), entry.name.clone()),
            address: wanted.address.clone(),
            process: None,
            wanted: Some(wanted.clone()),
            renews_to: None,
            memory_kills: 0,
            fate: Arc::default(),
            turn: 0,
            retire_by: None,
            awaits_document: false,
            outdated: false,
            stopped: false,
            begun: now(),
            probe: None,
            probes: 0,
        }
    }

    /// One that runs already: whether it was told to end, and whether it is of another document than the one in effect.
    pub(super) fn taken_over(entry: &Entry, stopped: bool, outdated: bool) -> Self {
        let mut running = Self::new(entry);
        (running.stopped, running.outdated) = (stopped, outdated);
        if outdated {
            running.wanted = None;
        }
        running
    }

    /// Has it asked by this from now on, and by nothing else.
    pub(super) fn probed<F: Future<Output = ()> + 'static>(&mut self, asking: impl FnOnce(u64) -> F) {
        self.end_probe();
        self.probes += 1;
        let asking = tokio::task::spawn_local(asking(self.probes)).abort_handle();
        self.probe = Some((self.probes, asking));
    }

    /// Whether somebody asks.
    pub(super) fn is_probed(&self) -> bool {
        self.probe.is_some()
    }

    /// It is admitted.
    pub(super) fn is_ready(&mut self) {
        self.turn += 1;
    }

    /// Whoever asked has his answer. `false`: another asks by now.
    pub(super) fn is_answered(&mut self, number: u64) -> bool {
        self.probe.take_if(|(asking, _)| *asking == number).is_some()
    }

    /// It was told to end.
    pub(super) fn is_stopped(&mut self) {
        self.stopped = true;
        self.end_probe();
    }

    /// Since it was ordered.
    pub(super) fn age(&self) -> Duration {
        now().saturating_duration_since(self.begun)
    }

    /// Nobody asks it any more.
    pub(super) fn end_probe(&mut self) {
        if let Some((_, probe)) = self.probe.take() {
            probe.abort();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end_probe();
    }
}
