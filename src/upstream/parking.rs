//! What requests find where the program of an upstream does not run: who is told that somebody waits, what became of
//! the last start, and the instance that serves. They wait in the upstream's line; the life of the program is led
//! elsewhere, and this is how it is told of them and they of it.

use super::Upstream;
use super::answers::{Answers, Silence};
use super::fate::Fate;
use crate::base::{Refusal, now};
use crate::config::UpstreamAddress;
use crate::launch::Instance;
use crate::net::owner::Holder;
use arc_swap::{ArcSwap, ArcSwapOption};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// Tells whoever leads the programs' lives. Unbounded, yet it never holds more than one wish for each upstream, and one
/// word for each instance that ended.
pub type Bell = UnboundedSender<Ring>;

/// What the bell says.
#[derive(Debug)]
pub enum Ring {
    /// A request waits for this upstream's program.
    Wanted(Arc<Upstream>),
    /// The last connection to this instance was closed, and none will be opened, since it was admitted for this time.
    Deserted(Instance, u32),
    /// This instance takes no connection; requests wait.
    Lost(Instance),
}

/// The place of an upstream where requests wait for its program.
#[derive(Debug, Default)]
pub(super) struct Parking {
    bell: OnceLock<Bell>,
    /// Whether the bell was rung and nobody has looked yet.
    rung: AtomicBool,
    outlook: ArcSwap<Outlook>,
    stand: ArcSwapOption<Stand>,
    standing: ArcSwapOption<Standing>,
}

/// How a program is, for status and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where it is in its life: `stopped`, `starting`, `ready`, `restarting`, `stopping`, `failed`.
    pub state: &'static str,
    /// Since when, as wall time.
    pub since: Duration,
    /// Its process.
    pub pid: Option<u32>,
    /// What holds all its processes, and tells what they use.
    pub cgroup: Option<PathBuf>,
    /// The `revision` of the instance that serves, or is about to.
    pub revision: Option<String>,
    /// The `revision` that the last start failed with, until one succeeds.
    pub failed_revision: Option<String>,
    /// How often it was started since the node was.
    pub starts: u64,
    /// Since when it has answered nobody, as wall time, though it takes connections.
    pub hangs: Option<Duration>,
    /// How many of its processes the kernel has killed for want of memory since the node was started.
    pub memory_kills: u64,
    /// Why it last failed or ended by itself.
    pub failure: Option<String>,
}

/// What a request may expect that finds the program away.
#[derive(Debug, Default)]
pub(super) enum Outlook {
    /// It will be started.
    #[default]
    Good,
    /// The last start failed: nothing is tried until then, and after that by one request at a time.
    Failed {
        /// When the next try may begin.
        until: Instant,
        /// What everybody else is told.
        why: Refusal,
        /// Whether somebody tries.
        tried: AtomicBool,
    },
}

/// An instance of the program, as connections know it. Held by each of them: once nobody holds it, nothing is under way.
pub struct Stand {
    /// Which.
    pub instance: Instance,
    /// Where it listens.
    pub address: UpstreamAddress,
    /// Whose socket that is, if it is known: on nobody else's anything is said.
    pub(super) holder: Option<Holder>,
    /// What it owes to whom.
    pub(super) answers: Answers,
    /// What becomes of it.
    pub(super) fate: Arc<Fate>,
    turn: u32,
    bell: Bell,
}

impl Parking {
    /// Tells from now on who waits.
    pub(super) fn attach(&self, bell: Bell) -> bool {
        self.bell.set(bell).is_ok()
    }

    /// Somebody looks at what was rung for: the next who waits rings again.
    pub(super) fn answered(&self) {
        // A swap: what is read of the line after this must not be older.
        self.rung.swap(false, Ordering::AcqRel);
    }

    /// A request waits: rings, where nobody has.
    ///
    /// # Errors
    /// Why the last start failed, where that is too short a time ago or somebody else is trying.
    pub(super) fn ring(&self, upstream: &Arc<Upstream>) -> Result<(), Refusal> {
        if let Outlook::Failed { until, why, tried } = &**self.outlook.load()
            && (now() < *until || tried.swap(true, Ordering::AcqRel))
        {
            return Err(why.clone());
        }
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Some(bell) = self.bell.get()
        {
            // Nobody listens while the node ends: those who wait have a deadline.
            let _ = bell.send(Ring::Wanted(upstream.clone()));
        }
        Ok(())
    }

    /// What requests may expect from now on.
    pub(super) fn expect(&self, outlook: Outlook) {
        self.outlook.store(Arc::new(outlook));
    }

    /// How the program is; `None`: nobody leads its life yet, or there is none.
    pub(super) fn standing(&self) -> Option<Arc<Standing>> {
        self.standing.load_full()
    }

    /// Tells how the program is.
    pub(super) fn set_standing(&self, standing: Option<Standing>) {
        self.standing.store(standing.map(Arc::new));
    }

    /// For how long the instance that serves has answered nobody who asked.
    pub(super) fn silence(&self, at: Instant) -> Option<Silence> {
        self.stand.load().as_ref()?.answers.silence(at)
    }

    /// The instance that serves, if one does.
    pub(super) fn stand(&self) -> Option<Arc<Stand>> {
        self.stand.load_full()
    }

    /// This instance takes no connection, and whoever comes waits already.
    pub(super) fn lose(&self, lost: &Arc<Stand>) {
        // Another may serve by now.
        self.stand.compare_and_swap(lost, None);
        // Nobody listens while the node ends.
        let _ = lost.bell.send(Ring::Lost(lost.instance));
    }

    /// This instance serves from now on, or none.
    pub(super) fn set_stand(&self, stand: Option<Arc<Stand>>) {
        self.stand.store(stand);
    }
}

impl Outlook {
    /// A start failed, and nothing is tried before `until`.
    pub(super) fn failed(until: Instant, why: Refusal) -> Self {
        Self::Failed { until, why, tried: AtomicBool::new(false) }
    }
}

impl Stand {
    /// An instance that listens at `address` as one of `holder` and is admitted for this `turn`; `bell` is told when its
    /// last connection is gone, and `fate` tells how it ended.
    pub fn new(
        instance: Instance,
        fate: Arc<Fate>,
        turn: u32,
        address: UpstreamAddress,
        holder: Option<Holder>,
        bell: Bell,
    ) -> Arc<Self> {
        Arc::new(Self { instance, address, holder, answers: Answers::new(), fate, turn, bell })
    }
}

impl fmt::Debug for Stand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.instance, self.address)
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        // Nobody listens while the node ends.
        let _ = self.bell.send(Ring::Deserted(self.instance, self.turn));
    }
}
