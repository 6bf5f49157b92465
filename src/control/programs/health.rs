//! Whether a program that serves answers: what requests show, and what it says when it is asked. One that takes
//! connections and answers nobody is told of, and restarted where its document says after how long.

use super::{Entry, Programs, usage};
use crate::base::{now, wall, written_duration};
use crate::launch::Instance;
use crate::telemetry::StartResult;
use crate::upstream::{Event, Phase, UpstreamId};
use std::time::{Duration, Instant};

/// What is known of the health of an instance that serves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Health {
    /// Of which.
    instance: Instance,
    /// Since when it has answered nobody, if that is sure.
    pub(super) hangs: Option<Hang>,
    /// When it was last asked.
    asked: Instant,
    /// Since when it did not answer when it was asked.
    failing: Option<Instant>,
    /// When its memory was last looked at.
    memory: Instant,
}

/// Since when an instance has answered nobody.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hang {
    since: Instant,
    /// The same, as wall time.
    pub(super) told: Duration,
}

impl Health {
    fn new(instance: Instance) -> Self {
        let now = now();
        Self { instance, hangs: None, asked: now, failing: None, memory: now }
    }
}

impl Programs {
    /// Looks at an instance that serves, at `now`.
    pub(super) fn examine(&mut self, id: UpstreamId, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let (Phase::Serving { instance, .. } | Phase::Replacing { old: instance, .. }) = entry.life.phase()
        else {
            entry.health = None;
            return;
        };
        let health = entry.health.get_or_insert_with(|| Health::new(instance));
        let program = &entry.wanted.program;
        let silence = entry.upstream.silence(now).filter(|silence| {
            silence.overdue || program.hang_timeout.is_some_and(|longest| longest <= silence.lasting)
        });
        let silent = silence.map(|silence| now.checked_sub(silence.lasting).unwrap_or(now));
        let since = if program.ready_path.is_some() {
            // Who did not answer is asked soon again: until he does nobody knows better.
            let usual = program.health_interval;
            let doubts = silent.is_some() || health.failing.is_some();
            let pace = if doubts { Some(usual.map_or(PACE, |usual| usual.min(PACE))) } else { usual };
            if pace.is_some_and(|pace| health.asked + pace <= now) {
                health.asked = now;
                self.ask(instance);
            }
            // Requests that wait for long are no proof against one who answers when he is asked.
            let Some(Entry { health: Some(health), .. }) = self.entries.get(&id) else { return };
            health.failing.map(|failing| silent.map_or(failing, |silent| failing.min(silent)))
        } else {
            silent
        };
        self.judge(id, since, now);
        self.count_kills(id, instance, now);
    }

    /// Notes and tells whether a program hangs, and since when; one that does so for too long is restarted.
    fn judge(&mut self, id: UpstreamId, since: Option<Instant>, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let Some(health) = &mut entry.health else { return };
        let (account, upstream, instance) = (&entry.account, &entry.name, health.instance);
        let lasting = |since| written_duration(whole_seconds(now.saturating_duration_since(since)));
        let before = health.hangs;
        health.hangs = since
            .map(|since| Hang { since, told: wall().saturating_sub(now.saturating_duration_since(since)) });
        match (before, since) {
            (None, Some(since)) => {
                let lasting = lasting(since);
                tracing::warn!(%account, %upstream, "Upstream hangs: it has answered nobody for {lasting}");
                entry.note(
                    &self.site_log,
                    format_args!("Upstream hangs: it has answered nobody for {lasting}"),
                );
            }
            (Some(hang), None) => {
                let lasting = lasting(hang.since);
                tracing::info!(%account, %upstream, "Upstream answers again: it had not for {lasting}");
                entry.note(&self.site_log, format_args!("Upstream answers again: it had not for {lasting}"));
            }
            _ => {}
        }
        let is_over = |longest: &Duration| since.is_some_and(|since| since + *longest <= now);
        if let Some(longest) = entry.wanted.program.hang_timeout.filter(is_over) {
            let longest = written_duration(longest);
            tracing::warn!(%account, %upstream, "Upstream restarting: it hangs, for more than {longest}");
            entry
                .note(&self.site_log, format_args!("Upstream restarting: it hangs, for more than {longest}"));
            entry.failure = Some(format!("it answered nobody for {longest}"));
            entry.health = None;
            self.metrics.programs().started(StartResult::Hung, Duration::ZERO);
            self.happen(id, Event::Hung(instance));
        } else if before.is_some() != since.is_some() {
            self.tell(id);
        }
    }

    /// Asks an instance that serves once, unless it is being asked.
    fn ask(&mut self, instance: Instance) {
        if self.running.get(&instance).is_some_and(|running| !running.is_probed()) {
            self.inquire(instance, 0, async |probe| probe.once().await);
        }
    }

    /// An instance that serves was asked, and did not answer.
    pub(super) fn is_silent(&mut self, id: UpstreamId, instance: Instance) {
        if let Some(health) = self.health_of(id, instance) {
            health.failing.get_or_insert(health.asked);
        }
    }

    /// An instance that serves was asked, and answered.
    pub(super) fn is_well(&mut self, id: UpstreamId, instance: Instance) {
        if let Some(health) = self.health_of(id, instance) {
            health.failing = None;
        }
    }

    /// What is known of this instance, if it is the one that serves.
    fn health_of(&mut self, id: UpstreamId, instance: Instance) -> Option<&mut Health> {
        self.entries.get_mut(&id)?.health.as_mut().filter(|health| health.instance == instance)
    }

    /// Tells of processes that were killed for want of memory while the program goes on.
    fn count_kills(&mut self, id: UpstreamId, instance: Instance, now: Instant) {
        let Some(Entry { health: Some(health), .. }) = self.entries.get_mut(&id) else { return };
        if health.memory + MEMORY_PACE > now {
            return;
        }
        health.memory = now;
        let Some(running) = self.running.get_mut(&instance) else { return };
        let Some(cgroup) = running.process.as_ref().and_then(|process| process.cgroup.as_deref()) else {
            return;
        };
        let kills = usage::kills(cgroup);
        let more = kills.saturating_sub(std::mem::replace(&mut running.memory_kills, kills));
        self.killed(id, more);
    }

    /// So many processes of a program were killed for want of memory.
    pub(super) fn killed(&mut self, id: UpstreamId, count: u64) {
        let Some(entry) = self.entries.get_mut(&id).filter(|_| count > 0) else { return };
        entry.memory_kills += count;
        self.metrics.programs().killed(count);
        let what = "killed because the account's memory is used up";
        tracing::warn!(account = %entry.account, upstream = %entry.name, count, "Upstream processes {what}");
        entry.note(&self.site_log, format_args!("Upstream processes {what}: {count}"));
        self.tell(id);
    }
}

fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

/// How often a program that seems to hang is asked.
const PACE: Duration = Duration::from_secs(5);

/// How often is looked for processes that were killed for want of memory.
const MEMORY_PACE: Duration = Duration::from_secs(5);
