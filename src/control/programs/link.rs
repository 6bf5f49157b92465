//! The connection to the launcher: made when there is a program to start, and made again when it breaks.

use super::{Programs, Running, usage};
use crate::base::{AccountName, DocumentHash, UpstreamName, now};
use crate::launch::{self, Instance, Notice, Notices, Order, Orders, Process};
use crate::upstream::{Event, Lifecycle, Phase};
use std::cmp::Reverse;
use std::collections::HashSet;
use std::future::pending;
use std::time::{Duration, Instant};

/// The connection to the launcher.
#[derive(Default)]
pub(super) enum Link {
    /// Nothing was to be started yet.
    #[default]
    Unneeded,
    /// It stands.
    Up(Orders, Notices, Whose),
    /// It broke, or could not be made.
    Down {
        /// When it is tried again.
        until: Instant,
        /// How long was waited for that.
        pause: Duration,
    },
}

/// Whose launcher it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Part of this process.
    Ours,
    /// A process of its own.
    Its,
    /// The same, and it ends: what it is ordered now is for the next one.
    Leaving,
}

impl Link {
    /// Whether it should be made now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        match self {
            Self::Unneeded => true,
            Self::Up(..) => false,
            Self::Down { until, .. } => *until <= now,
        }
    }

    /// Whether it stands, or nobody needs it.
    pub(super) fn is_up(&self) -> bool {
        !matches!(self, Self::Down { .. })
    }

    /// Whether the launcher, and with it what runs, ends with this process.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Up(_, _, Whose::Ours))
    }

    /// The next notice; `None`: it broke. Never, where there is none.
    pub(super) async fn notice(&mut self) -> Option<Notice> {
        match self {
            Self::Up(_, notices, _) => notices.next().await,
            Self::Unneeded | Self::Down { .. } => pending().await,
        }
    }

    /// Sends an order. Whether there is somebody to read it, or soon will be.
    pub(super) fn send(&self, order: Order) -> bool {
        match self {
            Self::Up(orders, _, whose) => orders.send(order).is_ok() || *whose == Whose::Leaving,
            Self::Unneeded | Self::Down { .. } => false,
        }
    }

    /// Lets go of the launcher, and waits for the programs of one that is part of this process to end. Those of a launcher
    /// of its own go on, and the connection says nothing more.
    pub(super) async fn end(&mut self) {
        if let Self::Up(orders, mut notices, Whose::Ours) = std::mem::take(self) {
            drop(orders);
            while notices.next().await.is_some() {}
        }
    }

    /// It broke.
    pub(super) fn lost(&mut self, now: Instant) {
        let pause = match self {
            Self::Down { pause, .. } => (*pause * 2).min(LONGEST_PAUSE),
            Self::Unneeded | Self::Up(..) => {
                tracing::warn!(
                    "the launcher is gone: programs that run go on, and none is started until it is back"
                );
                FIRST_PAUSE
            }
        };
        *self = Self::Down { until: now + pause, pause };
    }
}

/// What a launcher tells of one that runs, as [`Notice::Running`] has it.
struct Told {
    instance: Instance,
    account: AccountName,
    upstream: UpstreamName,
    hash: DocumentHash,
    process: Option<Process>,
    stopping: bool,
}

impl Programs {
    /// Makes the connection and takes over what runs already. Nothing else is done meanwhile: whoever started a program
    /// before knowing that it runs would start it twice.
    pub(super) async fn connect(&mut self) {
        let socket = self.node.load().launcher.socket.clone();
        let made = match &socket {
            Some(socket) => launch::connect(socket).await,
            None => launch::embedded(self.node.clone()),
        };
        let whose = if socket.is_some() { Whose::Its } else { Whose::Ours };
        let (orders, mut notices) = match made {
            Ok(made) => made,
            Err(error) => {
                let place = socket.map_or_else(|| "here".to_owned(), |socket| socket.display().to_string());
                tracing::error!(%error, "no launcher {place}");
                return self.link.lost(now());
            }
        };
        let (mut listed, mut told) = (HashSet::new(), Vec::new());
        loop {
            match tokio::time::timeout(LISTING, notices.next()).await {
                Ok(Some(Notice::Running { instance, account, upstream, hash, process, stopping })) => {
                    listed.insert(instance);
                    told.push(Told { instance, account, upstream, hash, process, stopping });
                }
                Ok(Some(Notice::Listed)) => break,
                Ok(Some(other)) => self.noticed(other),
                Ok(None) | Err(_) => return self.link.lost(now()),
            }
        }
        // Of several of one program the newest that goes on is the one that served.
        told.sort_by_key(|one| (one.stopping, Reverse(one.instance)));
        for one in told {
            self.take_over(&orders, one);
        }
        self.link = Link::Up(orders, notices, whose);
        self.make_up(&listed);
    }

    /// An instance was stopped because its launcher ends: no crash. What takes its place waits for the next launcher.
    pub(super) fn ended_with_launcher(&mut self, instance: Instance) {
        if let Link::Up(_, _, whose @ Whose::Its) = &mut self.link {
            *whose = Whose::Leaving;
        }
        let Some(running) = self.running.get(&instance) else { return };
        let (id, was_to_end) = (running.upstream, running.stopped || running.retire_by.is_some());
        self.note_where(id, "stopped", "the launcher ends", |_| true);
        if !was_to_end {
            self.happen(id, Event::Restart);
        }
        self.running.remove(&instance);
        self.happen(id, Event::Ended(instance));
    }

    /// Takes over one that a launcher runs; one that is nobody's any more is stopped.
    fn take_over(&mut self, orders: &Orders, told: Told) {
        let Told { instance, account, upstream, hash, process, stopping } = told;
        if let Some(known) = self.running.get(&instance) {
            if known.stopped {
                let _ = orders.send(Order::Stop { instance });
            } else if let (None, Some(process)) = (&known.process, process) {
                self.started(instance, process);
            } else if let Some(wanted) = &known.renews_to {
                // Whether it was told to is not known: told twice, it comes back twice.
                let _ = orders.send(Order::Renew { instance, runs_as: wanted.hash() });
            }
            return;
        }
        let ids = self.accounts.get(&account).into_iter().flatten().copied();
        let id = ids.into_iter().find(|id| {
            let entry = self.entries.get(id);
            entry.is_some_and(|entry| entry.name == upstream && entry.life.phase() == Phase::Stopped)
        });
        let Some(entry) = id.and_then(|id| self.entries.get_mut(&id)) else {
            let _ = orders.send(Order::Stop { instance });
            return;
        };
        let id = entry.upstream.id();
        if let Some(Process { pid, .. }) = process {
            tracing::info!(%account, %upstream, pid, "runs already");
            entry.note(&self.site_log, format_args!("Upstream runs already (pid {pid})"));
        }
        let by = now() + entry.wanted.program.start_timeout;
        let before = entry.life.phase();
        entry.life = if stopping { Lifecycle::stopping(instance) } else { Lifecycle::adopted(instance, by) };
        let outdated = match &process {
            Some(process) => process.runs_as != entry.wanted.hash(),
            None => entry.hash != hash,
        };
        self.metrics.programs().moved(Some(before.word()), Some(entry.life.phase().word()));
        let mut running = Running::taken_over(entry, stopping, outdated);
        // Those of before were told of.
        let cgroup = process.as_ref().and_then(|process| process.cgroup.as_deref());
        running.memory_kills = cgroup.map_or(0, usage::kills);
        self.running.insert(instance, running);
        match process {
            Some(process) => self.started(instance, process),
            None => self.tell(id),
        }
    }

    /// Brings the programs into line with a launcher that is back and runs what is `listed`.
    fn make_up(&mut self, listed: &HashSet<Instance>) {
        let missing: Vec<_> = self.running.keys().filter(|one| !listed.contains(one)).copied().collect();
        for instance in missing {
            let Some(running) = self.running.get(&instance) else { continue };
            let upstream = running.upstream;
            if running.process.is_none() && !running.stopped {
                // The launcher before never took the order; requests wait for it.
                self.order_start(instance);
            } else {
                self.running.remove(&instance);
                if let Some(entry) = self.entries.get(&upstream) {
                    entry.note(&self.site_log, "Upstream ended: the launcher was restarted");
                }
                self.later.push_back((upstream, Event::Ended(instance)));
            }
        }
        // That nothing could be started says nothing of a program.
        let failed =
            self.entries.iter().filter(|(_, entry)| matches!(entry.life.phase(), Phase::Failed { .. }));
        self.later.extend(failed.map(|(id, _)| (*id, Event::Restart)));
    }
}

/// The pause after a connection broke, doubled each time it cannot be made.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// How late it may be noticed that the launcher is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long the launcher may take to say what runs.
const LISTING: Duration = Duration::from_secs(5);
