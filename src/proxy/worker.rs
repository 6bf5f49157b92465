//! What one worker thread shares among its connections. `!Send` by intent: a worker is an island.

use crate::base::{AccountName, Cause, Clock, Drain, Host, Repair, RequestId, UpstreamName};
use crate::config::Node;
use crate::limit::{Clients, Lists};
use crate::message::{Pseudonym, WebSocketKey};
use crate::route::Hosts;
use crate::telemetry::{AccessLog, Recaller, Repeated, Shard, SiteLog, Tracer};
use crate::upstream::Pools;
use arc_swap::ArcSwap;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// What all workers share.
#[derive(Clone)]
pub struct Shared {
    /// The node's settings, swapped whole by a reload.
    pub node: Arc<ArcSwap<Node>>,
    /// Which account holds a host.
    pub hosts: Arc<Hosts>,
    /// Which names have a certificate.
    pub certificates: Arc<dyn Certified>,
    /// Whom the node believes.
    pub lists: Arc<Lists>,
    /// Who has how many connections.
    pub clients: Arc<Clients>,
    /// The node's drain.
    pub drain: Drain,
    /// What the node is called by other proxies.
    pub pseudonym: Pseudonym,
    /// Where spans of requests go.
    pub spans: Tracer,
}

/// Tells which names have a certificate. Asked for a clear request of a site that forces https: must not wait.
pub trait Certified: Send + Sync {
    /// Whether a visitor who comes for `host`, which `account` holds (`None`: nobody), is shown another certificate
    /// than the default.
    fn is_certified(&self, host: &Host, account: Option<&AccountName>) -> bool;
}

/// A worker's own things, and its views of what all workers share.
pub struct Worker {
    /// The node's settings, swapped whole by a reload.
    pub node: Arc<ArcSwap<Node>>,
    /// Which account holds a host.
    pub hosts: Arc<Hosts>,
    /// Which names have a certificate.
    pub certificates: Arc<dyn Certified>,
    /// Whom the node believes.
    pub lists: Arc<Lists>,
    /// Who has how many connections.
    pub clients: Arc<Clients>,
    /// Idle upstream connections.
    pub pools: Rc<Pools>,
    /// This worker's counters.
    pub metrics: Rc<Shard>,
    /// This worker's end of the access log.
    pub access_log: Rc<AccessLog>,
    /// Its end of the site logs.
    pub site_log: SiteLog,
    /// Where it remembers its requests.
    pub recent: Recaller,
    /// Where spans of its requests go.
    pub spans: Tracer,
    /// Whether the node's drain has begun: the worker's own copy, which costs its connections no shared memory.
    draining: Cell<bool>,
    /// What the node is called by other proxies.
    pub pseudonym: Pseudonym,
    /// Wall time from monotonic time.
    pub clock: Clock,
    /// What the node's log was told already.
    pub(super) told: RefCell<Repeated<(Option<AccountName>, Event)>>,
    ids: RequestIds,
    date: RefCell<(u64, DateText)>,
}

/// What is told of an account once in a while, however often it happens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Event {
    /// A request failed, at an upstream's where there is one to name.
    Failed(Cause, Option<UpstreamName>),
    /// A message was mended.
    Repaired(Repair),
}

/// Random ids: a seed from the system, then a counter through a mixing function (SplitMix64), so that ids are
/// unpredictable enough to be no oracle of traffic and cost no system call.
struct RequestIds {
    state: Cell<u64>,
    salt: u64,
}

/// An IMF-fixdate (RFC 9110 §5.6.7): always 29 bytes.
type DateText = [u8; 29];

impl Worker {
    /// A worker's things. `seed` is random; see [`random_seed`].
    pub fn new(
        shared: Shared,
        pools: Rc<Pools>,
        metrics: Rc<Shard>,
        access_log: Rc<AccessLog>,
        site_log: SiteLog,
        recent: Recaller,
        seed: [u64; 2],
    ) -> Self {
        let Shared { node, hosts, certificates, lists, clients, drain, pseudonym, spans } = shared;
        let draining = Cell::new(drain.has_begun());
        Self {
            node,
            hosts,
            certificates,
            lists,
            clients,
            pools,
            metrics,
            access_log,
            site_log,
            recent,
            spans,
            draining,
            pseudonym,
            clock: Clock::new(),
            told: RefCell::new(Repeated::new(TOLD_KINDS)),
            ids: RequestIds { state: Cell::new(seed[0]), salt: seed[1] },
            date: RefCell::new((u64::MAX, [b' '; 29])),
        }
    }

    /// Whether the node's drain has begun. Who waits for anything waits for a deadline too, and is woken when it begins.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// The node's drain has begun.
    pub fn begin_drain(&self) {
        self.draining.set(true);
    }

    /// A fresh request id.
    pub fn request_id(&self) -> RequestId {
        self.ids.next()
    }

    /// Fresh random bits.
    pub fn random(&self) -> u128 {
        self.ids.bits()
    }

    /// A key for a WebSocket handshake with an upstream.
    pub fn websocket_key(&self) -> WebSocketKey {
        WebSocketKey::from_random(self.ids.bits())
    }

    /// The `Date` of an answer given at `at`. Formatted once a second.
    pub fn date(&self, at: Instant) -> DateText {
        let second = self.clock.wall_at(at).as_secs();
        let mut cached = self.date.borrow_mut();
        if cached.0 != second {
            *cached = (second, imf_fixdate(second));
        }
        cached.1
    }
}

impl RequestIds {
    fn next(&self) -> RequestId {
        RequestId::from_random(self.bits())
    }

    fn bits(&self) -> u128 {
        u128::from(self.step()) << 64 | u128::from(self.step())
    }

    fn step(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mut mixed = state ^ self.salt;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Randomness for a worker's ids, from the system.
pub fn random_seed() -> [u64; 2] {
    let mut bytes = [0; 16];
    // Without randomness ids would only be guessable: never a reason not to serve.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    let number = u128::from_le_bytes(bytes);
    [number as u64, (number >> 64) as u64]
}

fn imf_fixdate(second: u64) -> DateText {
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    let stamp = i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    if let Some(stamp) = stamp {
        let written = stamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if written.len() == text.len() {
            text.copy_from_slice(written.as_bytes());
        }
    }
    text
}

/// Kinds of failures (account and cause) that are told apart in the node's log at a time, a worker.
const TOLD_KINDS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_imf_fixdates() {
        assert_eq!(&imf_fixdate(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn ids_differ() {
        let ids = RequestIds { state: Cell::new(1), salt: 2 };
        let made: std::collections::HashSet<_> = (0..10_000).map(|_| ids.next()).collect();
        assert_eq!(made.len(), 10_000);
    }
}
