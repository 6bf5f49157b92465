//! The life of an upstream's program: what happened becomes what is to be done. Pure: it reads no clock, starts nothing
//! and admits nobody.
//!
//! ```text
//! stopped ──wanted──▶ starting ──ready──▶ serving ──rested──▶ stopping ──ended──▶ stopped
//!    ▲                   │ ended, late       │ ended (crash): starting again
//!    └──── wanted ◀── failed (until) ◀───────┘ and again and again: failed
//! serving ──lost──▶ recovering ──ready──▶ serving         it takes no connection: it died, or is busy with itself
//! serving ──renew──▶ renewing ──ready──▶ serving          by a signal, and in the same process
//! serving ──hung──▶ stopping or starting                   it takes connections and answers nobody
//! serving ──restart──▶ replacing ──ready──▶ serving the new one      where two may overlap
//!                  └─▶ draining ──deserted──▶ stopping ──ended──▶ starting      where not
//! ```

use crate::launch::Instance;
use smallvec::{SmallVec, smallvec};
use std::time::{Duration, Instant};

/// Where a program is in its life, and how often it failed of late.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    phase: Phase,
    /// Failures in a row, crashes that were not forgiven included.
    failures: u32,
    /// When the last crash is worked off; each adds [`CRASH_COST`].
    crashes: Option<Instant>,
}

/// Where a program is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It does not run, and nobody asks for it.
    #[default]
    Stopped,
    /// An instance was started and is not ready yet; requests wait.
    Starting {
        /// Which.
        instance: Instance,
        /// Until when it has to be ready.
        by: Instant,
    },
    /// An instance serves.
    Serving {
        /// Which.
        instance: Instance,
        /// Since when.
        since: Instant,
    },
    /// The instance that served takes no connection any more: it has just died, or is busy with itself. Requests wait.
    Recovering {
        /// Which.
        instance: Instance,
        /// Since when it had served.
        since: Instant,
        /// Until when it has to answer again.
        by: Instant,
    },
    /// It serves, and was told to renew itself.
    Renewing {
        /// Which.
        instance: Instance,
        /// Since when it has served.
        since: Instant,
        /// Until when it has to be ready again; else it is replaced.
        by: Instant,
    },
    /// One serves, and another that shall take its place was started.
    Replacing {
        /// Which serves.
        old: Instance,
        /// Since when.
        since: Instant,
        /// Which was started.
        new: Instance,
        /// Until when it has to be ready.
        by: Instant,
    },
    /// It shall be started anew and finishes what is under way; requests wait.
    Draining {
        /// Which.
        instance: Instance,
        /// How long it may take to finish.
        by: Instant,
    },
    /// It was asked to end.
    Stopping {
        /// Which.
        instance: Instance,
        /// Whether another is to be started then; requests wait.
        again: bool,
    },
    /// The last start failed.
    Failed {
        /// When the next may be tried.
        until: Instant,
        /// What was started and has not ended yet, though it was killed.
        lingering: Option<Instance>,
    },
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request waits for the program.
    Wanted,
    /// This instance answers.
    Ready(Instance),
    /// This instance cannot be used: it was not started, or somebody else has its address.
    Unusable(Instance),
    /// This instance, which served, takes no connection any more; requests wait already.
    Lost(Instance),
    /// This instance has ended.
    Ended(Instance),
    /// This instance takes connections and answers nobody, for longer than it may.
    Hung(Instance),
    /// Nothing is under way at this instance, and nothing will be.
    Deserted(Instance),
    /// Nothing is under way, and whoever comes waits: see [`Upstream::rest`](super::Upstream::rest).
    Rested,
    /// What is to be run changed, or somebody wants it restarted.
    Restart,
    /// The same, where what serves can do that by itself when it is told.
    Renew,
    /// There is no such program any more.
    Withdrawn,
    /// Time has passed: [`Lifecycle::next`] is there.
    Time,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start an instance.
    Start(Instance),
    /// Find out whether this instance, which runs, answers.
    Probe(Instance),
    /// Let requests to this instance, those who wait first.
    Admit(Instance),
    /// Let no request to any instance: they wait.
    Hold,
    /// Tell this instance to renew itself, and once it was told find out whether it answers.
    Renew(Instance),
    /// Let this instance finish what is under way, then stop it.
    Retire(Instance),
    /// Ask this instance to end.
    Stop(Instance),
    /// End this instance by force.
    Kill(Instance),
    /// Tell those who wait, and those who come before `until`, that there will be nothing.
    Fail {
        /// When the next start may be tried.
        until: Instant,
        /// Whether it was not ready in time; else it ended or was not started.
        late: bool,
    },
    /// What failed before counts no more.
    Forgive,
}

/// What one event asks for, in this order.
pub type Actions = SmallVec<[Action; 3]>;

/// By what the life is led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// From a start to being ready.
    pub start_timeout: Duration,
    /// How long what is under way may take where requests wait for its end.
    pub drain: Duration,
    /// Whether two instances may run at a time.
    pub overlap: bool,
}

impl Phase {
    /// The word for it, as status and metrics print it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting { .. } | Self::Recovering { .. } => "starting",
            Self::Serving { .. } => "ready",
            Self::Renewing { .. }
            | Self::Replacing { .. }
            | Self::Draining { .. }
            | Self::Stopping { again: true, .. } => "restarting",
            Self::Stopping { again: false, .. } => "stopping",
            Self::Failed { .. } => "failed",
        }
    }

    /// The instance that runs, or is about to.
    pub fn instance(self) -> Option<Instance> {
        match self {
            Self::Starting { instance, .. }
            | Self::Recovering { instance, .. }
            | Self::Serving { instance, .. }
            | Self::Renewing { instance, .. }
            | Self::Replacing { old: instance, .. }
            | Self::Draining { instance, .. }
            | Self::Stopping { instance, .. } => Some(instance),
            Self::Stopped | Self::Failed { .. } => None,
        }
    }
}

impl Lifecycle {
    /// A program that runs already, as a launcher tells that outlived us: it serves as soon as it answers.
    pub fn adopted(instance: Instance, by: Instant) -> Self {
        Self { phase: Phase::Starting { instance, by }, ..Self::default() }
    }

    /// A program of which an instance was told to end, and has not yet: as such a launcher tells, or because its upstream
    /// was away for a moment.
    pub fn stopping(instance: Instance) -> Self {
        Self { phase: Phase::Stopping { instance, again: false }, ..Self::default() }
    }

    /// Where it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// When [`Event::Time`] is to be told.
    pub fn next(&self) -> Option<Instant> {
        match self.phase {
            Phase::Starting { by, .. }
            | Phase::Recovering { by, .. }
            | Phase::Renewing { by, .. }
            | Phase::Replacing { by, .. }
            | Phase::Draining { by, .. } => Some(by),
            Phase::Stopped | Phase::Serving { .. } | Phase::Stopping { .. } | Phase::Failed { .. } => None,
        }
    }

    /// Takes up what happened at `now`. `fresh` gives the name of an instance that never was before.
    pub fn on(
        &mut self,
        event: Event,
        now: Instant,
        terms: &Terms,
        fresh: impl FnOnce() -> Instance,
    ) -> Actions {
        match event {
            Event::Wanted => self.wanted(now, terms, fresh),
            Event::Ready(instance) => self.ready(instance, now),
            Event::Unusable(instance) => self.unusable(instance, now),
            Event::Lost(instance) => self.lost(instance, now, terms),
            Event::Ended(instance) => self.ended(instance, now, terms, fresh),
            Event::Deserted(instance) => match self.phase {
                Phase::Draining { instance: draining, .. } if draining == instance => {
                    self.stop(instance, true)
                }
                _ => Actions::new(),
            },
            Event::Rested => match self.phase {
                Phase::Serving { instance, .. } => {
                    self.failures = 0;
                    self.stop(instance, false)
                }
                _ => Actions::new(),
            },
            Event::Hung(instance) => self.hung(instance, now, terms, fresh),
            Event::Restart => self.restart(now, terms, fresh),
            Event::Renew => self.renew(now, terms, fresh),
            Event::Withdrawn => self.withdrawn(),
            Event::Time => self.time(now, terms, fresh),
        }
    }

    fn wanted(&mut self, now: Instant, terms: &Terms, fresh: impl FnOnce() -> Instance) -> Actions {
        match self.phase {
            Phase::Stopped => self.start(now, terms, fresh()),
            Phase::Failed { until, .. } if now < until => Actions::new(),
            Phase::Failed { lingering: Some(instance), .. } if !terms.overlap => {
                self.phase = Phase::Stopping { instance, again: true };
                Actions::new()
            }
            Phase::Failed { .. } => self.start(now, terms, fresh()),
            // What is ending will be told to have ended, and then it is nobody's.
            Phase::Stopping { .. } if terms.overlap => self.start(now, terms, fresh()),
            Phase::Stopping { instance, .. } => {
                self.phase = Phase::Stopping { instance, again: true };
                Actions::new()
            }
            Phase::Starting { .. }
            | Phase::Recovering { .. }
            | Phase::Serving { .. }
            | Phase::Renewing { .. }
            | Phase::Replacing { .. }
            | Phase::Draining { .. } => Actions::new(),
        }
    }

    fn lost(&mut self, lost: Instance, now: Instant, terms: &Terms) -> Actions {
        match self.phase {
            Phase::Serving { instance, since } | Phase::Renewing { instance, since, .. }
                if instance == lost =>
            {
                self.phase = Phase::Recovering { instance, since, by: now + terms.start_timeout };
                smallvec![Action::Probe(instance)]
            }
            // Another is on its way.
            Phase::Replacing { old, new, by, .. } if old == lost => {
                self.phase = Phase::Starting { instance: new, by };
                smallvec![Action::Retire(old)]
            }
            _ => Actions::new(),
        }
    }

    fn ready(&mut self, ready: Instance, now: Instant) -> Actions {
        match self.phase {
            Phase::Starting { instance, .. } if instance == ready => {
                self.phase = Phase::Serving { instance, since: now };
                smallvec![Action::Admit(instance)]
            }
            Phase::Recovering { instance, since, .. } if instance == ready => {
                self.phase = Phase::Serving { instance, since };
                smallvec![Action::Admit(instance)]
            }
            Phase::Renewing { instance, since, .. } if instance == ready => {
                self.phase = Phase::Serving { instance, since };
                Actions::new()
            }
            Phase::Replacing { old, new, .. } if new == ready => {
                self.phase = Phase::Serving { instance: new, since: now };
                smallvec![Action::Admit(new), Action::Retire(old)]
            }
            _ => Actions::new(),
        }
    }

    /// It may still run, and is not wanted.
    fn unusable(&mut self, unusable: Instance, now: Instant) -> Actions {
        match self.phase {
            Phase::Starting { instance, .. } | Phase::Recovering { instance, .. } if instance == unusable => {
                self.fail(now, Some(instance), false)
            }
            Phase::Serving { instance, .. } | Phase::Renewing { instance, .. } if instance == unusable => {
                let mut actions: Actions = smallvec![Action::Hold];
                actions.extend(self.fail(now, Some(instance), false));
                actions
            }
            Phase::Replacing { old, since, new, .. } if new == unusable => {
                self.phase = Phase::Serving { instance: old, since };
                smallvec![Action::Kill(new)]
            }
            _ => Actions::new(),
        }
    }

    fn ended(
        &mut self,
        ended: Instance,
        now: Instant,
        terms: &Terms,
        fresh: impl FnOnce() -> Instance,
    ) -> Actions {
        match self.phase {
            Phase::Starting { instance, .. } if instance == ended => self.fail(now, None, false),
            Phase::Serving { instance, since }
            | Phase::Renewing { instance, since, .. }
            | Phase::Recovering { instance, since, .. }
                if instance == ended =>
            {
                if now.saturating_duration_since(since) >= STABLE {
                    self.failures = 0;
                }
                let mut actions: Actions = smallvec![Action::Hold];
                if self.is_forgiven(now) {
                    actions.extend(self.start(now, terms, fresh()));
                } else {
                    actions.extend(self.fail(now, None, false));
                }
                actions
            }
            Phase::Replacing { old, new, by, .. } if old == ended => {
                self.phase = Phase::Starting { instance: new, by };
                smallvec![Action::Hold]
            }
            Phase::Replacing { old, since, new, .. } if new == ended => {
                self.phase = Phase::Serving { instance: old, since };
                Actions::new()
            }
            Phase::Draining { instance, .. } | Phase::Stopping { instance, again: true }
                if instance == ended =>
            {
                self.start(now, terms, fresh())
            }
            Phase::Stopping { instance, again: false } if instance == ended => {
                self.phase = Phase::Stopped;
                Actions::new()
            }
            Phase::Failed { until, lingering: Some(instance) } if instance == ended => {
                self.phase = Phase::Failed { until, lingering: None };
                Actions::new()
            }
            _ => Actions::new(),
        }
    }

    fn restart(&mut self, now: Instant, terms: &Terms, fresh: impl FnOnce() -> Instance) -> Actions {
        match self.phase {
            Phase::Stopped | Phase::Draining { .. } | Phase::Stopping { .. } => Actions::new(),
            Phase::Failed { lingering, .. } => {
                self.failures = 0;
                self.phase =
                    lingering.map_or(Phase::Stopped, |instance| Phase::Stopping { instance, again: false });
                smallvec![Action::Forgive]
            }
            Phase::Starting { instance, .. } | Phase::Recovering { instance, .. } => {
                self.stop(instance, true)
            }
            Phase::Serving { instance, since } | Phase::Renewing { instance, since, .. } if terms.overlap => {
                let (new, by) = (fresh(), now + terms.start_timeout);
                self.phase = Phase::Replacing { old: instance, since, new, by };
                smallvec![Action::Start(new)]
            }
            Phase::Serving { instance, .. } | Phase::Renewing { instance, .. } => {
                self.phase = Phase::Draining { instance, by: now + terms.drain };
                smallvec![Action::Hold]
            }
            Phase::Replacing { old, since, new, .. } if terms.overlap => {
                let (newer, by) = (fresh(), now + terms.start_timeout);
                self.phase = Phase::Replacing { old, since, new: newer, by };
                smallvec![Action::Kill(new), Action::Start(newer)]
            }
            Phase::Replacing { old, new, .. } => {
                self.phase = Phase::Draining { instance: old, by: now + terms.drain };
                smallvec![Action::Kill(new), Action::Hold]
            }
        }
    }

    fn renew(&mut self, now: Instant, terms: &Terms, fresh: impl FnOnce() -> Instance) -> Actions {
        match self.phase {
            Phase::Serving { instance, since } | Phase::Renewing { instance, since, .. } => {
                self.phase = Phase::Renewing { instance, since, by: now + terms.start_timeout };
                smallvec![Action::Renew(instance)]
            }
            _ => self.restart(now, terms, fresh),
        }
    }

    /// What it has not answered is lost; nobody else is sent to it.
    fn hung(
        &mut self,
        hung: Instance,
        now: Instant,
        terms: &Terms,
        fresh: impl FnOnce() -> Instance,
    ) -> Actions {
        match self.phase {
            Phase::Serving { instance, .. } | Phase::Renewing { instance, .. } if instance == hung => {
                let mut actions: Actions = smallvec![Action::Hold];
                actions.extend(self.stop(instance, true));
                if terms.overlap {
                    actions.extend(self.start(now, terms, fresh()));
                }
                actions
            }
            Phase::Replacing { old, new, by, .. } if old == hung => {
                self.phase = Phase::Starting { instance: new, by };
                smallvec![Action::Hold, Action::Stop(old)]
            }
            _ => Actions::new(),
        }
    }

    fn withdrawn(&mut self) -> Actions {
        let phase = std::mem::take(&mut self.phase);
        match phase {
            Phase::Starting { instance, .. }
            | Phase::Recovering { instance, .. }
            | Phase::Draining { instance, .. } => {
                smallvec![Action::Stop(instance)]
            }
            Phase::Serving { instance, .. } | Phase::Renewing { instance, .. } => {
                smallvec![Action::Retire(instance)]
            }
            Phase::Replacing { old, new, .. } => smallvec![Action::Kill(new), Action::Retire(old)],
            Phase::Stopped | Phase::Stopping { .. } | Phase::Failed { .. } => Actions::new(),
        }
    }

    fn time(&mut self, now: Instant, terms: &Terms, fresh: impl FnOnce() -> Instance) -> Actions {
        match self.phase {
            Phase::Renewing { by, .. } if by <= now => self.restart(now, terms, fresh),
            Phase::Starting { instance, by } | Phase::Recovering { instance, by, .. } if by <= now => {
                self.fail(now, Some(instance), true)
            }
            Phase::Replacing { old, since, new, by } if by <= now => {
                self.phase = Phase::Serving { instance: old, since };
                smallvec![Action::Kill(new)]
            }
            Phase::Draining { instance, by } if by <= now => self.stop(instance, true),
            _ => Actions::new(),
        }
    }

    /// Whether a crash is followed by a start at once: now and then, not in a loop.
    fn is_forgiven(&mut self, now: Instant) -> bool {
        let worked_off = self.crashes.map_or(now, |until| until.max(now)) + CRASH_COST;
        let is_forgiven = worked_off <= now + CRASH_COST * CRASHES_AT_ONCE;
        if is_forgiven {
            self.crashes = Some(worked_off);
        }
        is_forgiven
    }

    fn start(&mut self, now: Instant, terms: &Terms, instance: Instance) -> Actions {
        self.phase = Phase::Starting { instance, by: now + terms.start_timeout };
        smallvec![Action::Start(instance)]
    }

    fn stop(&mut self, instance: Instance, again: bool) -> Actions {
        self.phase = Phase::Stopping { instance, again };
        smallvec![Action::Stop(instance)]
    }

    fn fail(&mut self, now: Instant, lingering: Option<Instance>, late: bool) -> Actions {
        self.failures = self.failures.saturating_add(1);
        let until = now + pause(self.failures);
        self.phase = Phase::Failed { until, lingering };
        let kill = lingering.map(Action::Kill);
        kill.into_iter().chain([Action::Fail { until, late }]).collect()
    }
}

/// How long nothing is tried after so many failures in a row: doubled each time.
fn pause(failures: u32) -> Duration {
    SHORTEST_PAUSE.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST_PAUSE)
}

/// After the first failure: a visitor who tries again at once need not find it failed for long.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// A broken site costs one start a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Whoever served so long and then crashed has not failed before.
const STABLE: Duration = Duration::from_secs(60);

/// A program that crashes more often than this is in a loop, once it has done so [`CRASHES_AT_ONCE`] times.
const CRASH_COST: Duration = Duration::from_secs(5);

/// Crashes that are followed by a start at once however fast they come.
const CRASHES_AT_ONCE: u32 = 5;

#[cfg(test)]
mod tests;
