//! One connection to an upstream, with what must be known to count, check and hand it over. Speaks nothing.

use super::Upstream;
use super::handed::Moved;
use super::parking::Stand;
use super::transport::Transport;
use super::watch::Watched;
use super::word::Generation;
use crate::config;
use crate::telemetry::UpstreamGauge;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An open connection of a worker.
pub(super) struct Connection {
    pub(super) transport: Transport,
    pub(super) upstream: Arc<Upstream>,
    pub(super) provenance: Provenance,
    /// Its place among the worker's connections.
    pub(super) place: usize,
    pub(super) watched: Watched,
    /// Since when it idles, or idled last; `None`: it has not served yet.
    pub(super) idle_since: Option<Instant>,
    /// Counts it among the worker's open connections.
    pub(super) _gauge: UpstreamGauge,
}

/// The settings a connection was made with.
#[derive(Clone, Debug)]
pub(super) struct Provenance {
    pub(super) spec: Arc<config::Upstream>,
    pub(super) generation: Generation,
    /// The instance of the program; `None`: somebody else runs the server.
    pub(super) stand: Option<Arc<Stand>>,
}

impl Connection {
    /// Begins to idle: gives its buffer back and watches for the upstream's end. Whether nothing came yet.
    pub(super) fn begin_idle(&mut self, now: Instant) -> bool {
        self.idle_since = Some(now);
        self.transport.is_empty() && self.is_calm()
    }

    /// Whether a stirring was a false alarm. Reads what is there: a protocol's own messages are not noticed by
    /// anyone, everything else means that the connection must be closed.
    pub(super) fn is_calm(&mut self) -> bool {
        self.transport.is_calm(&mut self.watched.calm())
    }

    /// Whether an idle connection may still serve at `now`, as far as is known without a syscall.
    pub(super) fn is_alive(&mut self, now: Instant) -> bool {
        !self.is_over(now) && self.is_wanted() && (!self.has_stirred() || self.is_calm())
    }

    /// Whether it has idled for as long as it may.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.idle_for(now) >= self.upstream.keep_alive()
    }

    /// Whether anything happened at its end since it was last looked at.
    pub(super) fn has_stirred(&self) -> bool {
        self.watched.has_stirred()
    }

    /// Whether connections like this one are still kept.
    pub(super) fn is_wanted(&self) -> bool {
        let ledger = &self.upstream.ledger;
        !ledger.is_retired() && ledger.word().generation() == self.provenance.generation
    }

    /// Whether a request that must not be repeated may use it: it was in use a moment ago, and nothing came
    /// since. One syscall.
    pub(super) fn is_fresh(&mut self, now: Instant) -> bool {
        self.idle_for(now) < FRESH && self.transport.is_quiet()
    }

    /// Whether it has served before.
    pub(super) fn has_served(&self) -> bool {
        self.idle_since.is_some()
    }

    /// Takes it out of this worker's reactor, to be used by another worker. Where more than the
    /// descriptor would have to move it is closed.
    pub(super) fn detach(self) -> Option<Moved> {
        let idle_since = self.idle_since;
        let fd = self.transport.detach()?;
        Some(Moved { fd, provenance: self.provenance, idle_since })
    }

    fn idle_for(&self, now: Instant) -> Duration {
        self.idle_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

/// How long a connection may have idled for a request that must not be repeated: no server in use closes one
/// sooner after its last answer, and what closes later is seen by the check.
const FRESH: Duration = Duration::from_secs(1);
