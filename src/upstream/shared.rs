//! An upstream as all workers share it: its settings, its counts, and who waits for it. Opens nothing itself.

use super::answers::Silence;
use super::exchange::Exchange;
use super::handed::Handed;
use super::holders::Holders;
use super::ledger::Ledger;
use super::names::Meaning;
use super::parking::{Bell, Outlook, Parking, Stand, Standing};
use super::security::client_config;
use super::word::Generation;
use crate::base::{AccountName, Cause, Refusal};
use crate::config;
use arc_swap::ArcSwap;
use rustls::ClientConfig;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What tells upstreams apart in this process; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamId(u64);

/// An upstream of an account. It stands for the server, not for one version of its settings: an account's new
/// form keeps the `Upstream` of the same name and calls [`retune`](Self::retune), so that the old settings'
/// connections and the new ones' are counted together.
#[derive(Debug)]
pub struct Upstream {
    pub(super) ledger: Ledger<Handed>,
    pub(super) parking: Parking,
    id: UpstreamId,
    account: AccountName,
    spec: ArcSwap<config::Upstream>,
    security: ArcSwap<Security>,
    meaning: Meaning,
    keep_alive: AtomicU64,
    tunnels: AtomicU32,
    holders: OnceLock<Holders>,
}

/// A TLS configuration, or why there is none; `None` for clear upstreams.
pub(super) type Security = Option<Result<Arc<ClientConfig>, String>>;

/// What an upstream has at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections open, idle ones included; never more than `connections`.
    pub open: u32,
    /// Connections lent out.
    pub in_use: u32,
    /// Connections that became tunnels: they count nowhere else.
    pub tunnels: u32,
    /// Requests that wait for a connection.
    pub waiting: usize,
}

#[cfg(test)]
impl UpstreamId {
    /// An id for tests that have no upstream.
    pub(super) fn testing(number: u64) -> Self {
        Self(number)
    }
}

impl Upstream {
    /// The upstream `spec` of `account`.
    pub fn new(account: AccountName, spec: config::Upstream) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let ledger = Ledger::new(spec.connections);
        if spec.program.is_some() {
            ledger.leave();
        }
        Arc::new(Self {
            ledger,
            parking: Parking::default(),
            id: UpstreamId(NEXT.fetch_add(1, Ordering::Relaxed)),
            account,
            keep_alive: AtomicU64::new(milliseconds(spec.keep_alive)),
            security: ArcSwap::from_pointee(security(&spec)),
            spec: ArcSwap::from_pointee(spec),
            meaning: Meaning::default(),
            tunnels: AtomicU32::new(0),
            holders: OnceLock::new(),
        })
    }

    /// What tells it apart.
    pub fn id(&self) -> UpstreamId {
        self.id
    }

    /// The account it belongs to.
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// The settings that new connections are made with. A request asks its [`Lease`](super::Lease), or the form
    /// it started with.
    pub fn spec(&self) -> Arc<config::Upstream> {
        self.spec.load_full()
    }

    /// What TLS to it is made with; `None` where it is spoken to in clear.
    pub(super) fn security(&self) -> Arc<Security> {
        self.security.load_full()
    }

    /// What the name of its URL was last found to mean.
    pub(super) fn meaning(&self) -> &Meaning {
        &self.meaning
    }

    /// Takes over changed settings. Fewer connections close idle ones; another address, protocol or TLS setting
    /// closes idle ones, and those in use when they come back; nothing in use is cut. Who waits and now has
    /// room is let in.
    pub fn retune(self: &Arc<Self>, spec: config::Upstream) {
        let (connections, spec) = (spec.connections, Arc::new(spec));
        let before = self.spec.load_full();
        if before.tls != spec.tls {
            self.security.store(Arc::new(security(&spec)));
        }
        if before.program.is_none() && spec.program.is_some() {
            // Before the settings: whoever finds them finds nobody to connect to.
            self.ledger.leave();
        }
        self.spec.store(spec.clone());
        if (&before.address, before.protocol, &before.tls) != (&spec.address, spec.protocol, &spec.tls) {
            // After the settings: a connection that takes the old number for new settings is closed once too
            // often, the other way round it would be kept.
            self.ledger.renew();
        }
        self.keep_alive.store(milliseconds(spec.keep_alive), Ordering::Relaxed);
        self.ledger.set_cap(connections);
        self.ask_all();
    }

    /// Who leads the life of its program, and wants to know when somebody waits for it. Whether this is the first
    /// time; who waits already has to be asked for with [`is_waited_for`](Self::is_waited_for).
    pub fn attach(&self, bell: Bell) -> bool {
        self.parking.attach(bell)
    }

    /// Whether somebody waits for the program; the next who does rings the bell again.
    pub fn is_waited_for(&self) -> bool {
        self.parking.answered();
        self.ledger.is_away() && self.ledger.waiting() > 0
    }

    /// The program serves: those who wait are let in, in order, as far as there is room for connections.
    pub fn admit(self: &Arc<Self>, stand: Arc<Stand>) {
        self.parking.set_stand(Some(stand));
        self.parking.expect(Outlook::Good);
        // After the stand, for the same reason as in `retune`.
        self.ledger.come_anew();
        self.ask_all();
    }

    /// The program does not serve any more: whoever comes waits for another. What is under way goes on.
    pub fn hold(self: &Arc<Self>) {
        self.ledger.leave();
        self.parking.set_stand(None);
        self.ask_all();
    }

    /// An instance that served when `generation` was read takes no connection: whoever comes waits until it does, or for
    /// another.
    pub(super) fn lose(self: &Arc<Self>, lost: &Arc<Stand>, generation: Generation) {
        if self.ledger.leave_if(generation) {
            self.parking.lose(lost);
            self.ask_all();
        }
    }

    /// The same, where nothing is under way: no connection in use, no tunnel, and nobody waits. Whether it was so.
    pub fn rest(self: &Arc<Self>) -> bool {
        if !self.ledger.rest() {
            return false;
        }
        // A tunnel is counted before its connection is no longer in use.
        if self.tunnels.load(Ordering::Acquire) > 0 {
            self.ledger.come_back();
            return false;
        }
        self.parking.set_stand(None);
        self.ask_all();
        true
    }

    /// There will be no program: those who wait are told why, and so is whoever comes before `until`.
    pub fn fail(&self, until: Instant, why: &Refusal) {
        // In this order: whoever joins the line behind those who are told finds this.
        self.parking.expect(Outlook::failed(until, why.clone()));
        self.ledger.refuse(why);
    }

    /// What failed is forgotten: whoever comes next is waited with.
    pub fn forgive(&self) {
        self.parking.expect(Outlook::Good);
    }

    /// There is no such upstream any more: those who wait for its program are told so.
    pub fn dismiss(self: &Arc<Self>) {
        self.hold();
        self.ledger.refuse(&Refusal::new(Cause::UnknownHost, "the upstream was deleted meanwhile"));
    }

    /// It has no program any more and is served by somebody else.
    pub fn release(self: &Arc<Self>) {
        self.parking.set_stand(None);
        self.ledger.come_anew();
        self.ask_all();
    }

    /// How its program is; `None`: it has none.
    pub fn standing(&self) -> Option<Arc<Standing>> {
        self.parking.standing()
    }

    /// Tells how its program is.
    pub fn set_standing(&self, standing: Option<Standing>) {
        self.parking.set_standing(standing);
    }

    /// For how long its program has answered nobody who asked it; `None`: it owes no answer, or does not serve.
    pub fn silence(&self, at: Instant) -> Option<Silence> {
        self.parking.silence(at)
    }

    /// Whether a connection was asked for, is in use or is a tunnel since this was last asked.
    pub fn was_used(&self) -> bool {
        self.ledger.was_used()
            | (self.ledger.word().in_use() > 0)
            | (self.tunnels.load(Ordering::Relaxed) > 0)
    }

    /// Keeps no connection from now on and closes the idle ones: its account is gone. Requests that still hold
    /// the upstream end as they would have.
    pub fn retire(self: &Arc<Self>) {
        self.ledger.retire();
        self.ask_all();
    }

    /// The counts of this moment, for status and metrics.
    pub fn counts(&self) -> Counts {
        let word = self.ledger.word();
        Counts {
            open: word.open(),
            in_use: word.in_use(),
            tunnels: self.tunnels.load(Ordering::Relaxed),
            waiting: self.ledger.waiting(),
        }
    }

    /// How much longer a request waits for a connection where a program may have to be started first: it ends sooner,
    /// with the start.
    pub(super) fn start_patience(&self, drain: Duration) -> Duration {
        match &self.spec.load().program {
            Some(program) if self.ledger.is_away() => {
                program.start_timeout
                    + program.stop_timeout
                    + if program.overlap { Duration::ZERO } else { drain }
            }
            _ => Duration::ZERO,
        }
    }

    /// How long an idle connection is kept.
    pub(super) fn keep_alive(&self) -> Duration {
        Duration::from_millis(self.keep_alive.load(Ordering::Relaxed))
    }

    /// Who holds idle connections; made by the first worker that has to do with the upstream.
    pub(super) fn holders(&self, exchange: &Arc<Exchange>) -> &Holders {
        self.holders.get_or_init(|| Holders::new(exchange.clone()))
    }

    /// One tunnel more. Counted before its connection leaves the word, so that "none in use and no tunnel" is
    /// never seen while there is one.
    pub(super) fn tunnel_began(&self) {
        self.tunnels.fetch_add(1, Ordering::AcqRel);
        self.ledger.close();
    }

    pub(super) fn tunnel_ended(&self) {
        self.tunnels.fetch_sub(1, Ordering::AcqRel);
    }

    fn ask_all(self: &Arc<Self>) {
        // No holders: no worker has ever had a connection.
        if let Some(holders) = self.holders.get() {
            holders.ask_all(self);
        }
    }
}

fn security(spec: &config::Upstream) -> Security {
    spec.tls.as_ref().map(client_config)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
