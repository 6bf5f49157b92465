//! A worker's connections to upstreams, and how a request comes to a lease. Belongs to one thread; what it shares
//! with other workers goes through the upstream's ledger and the mailboxes.

use super::connect::connect;
use super::connection::{Connection, Provenance};
use super::exchange::Exchange;
use super::handed::{Handed, Moved};
use super::holders::Holders;
use super::idle::{Idle, Taken};
use super::ledger::{Acquired, Grant, Own, Returned};
use super::transport::Transport;
use super::watch::Watch;
use super::{Lease, Seat, Upstream, keeper};
use crate::base::queue::Ticket;
use crate::base::{Cause, Refusal, Wait, Waits, now as read_clock};
use crate::net::{Socket, Stream, within};
use crate::telemetry::{Shard, UpstreamGauge};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// What a request asks of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// A kept connection is fine: the request can be repeated should the upstream close it just now.
    Any,
    /// The request must not be repeated: a new connection, or one idle for less than a second and checked.
    Fresh,
}

/// How long a request waits for its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until when it waits for one of the upstream's connections to become free.
    pub queue: Instant,
    /// How long connecting may take, from its beginning.
    pub connect: Duration,
    /// How long a program may take to finish what is under way before it is started anew.
    pub drain: Duration,
}

/// The upstream connections of one worker.
pub struct Pools {
    index: usize,
    exchange: Arc<Exchange>,
    metrics: Rc<Shard>,
    pub(super) idle: RefCell<Idle<Connection>>,
    pub(super) watch: Arc<Watch>,
    keeper: JoinHandle<()>,
}

/// The outcome of asking for a lease, so far.
enum Claim {
    Lease(Lease),
    Place(Place),
    Waits(Ticket),
}

/// A connection that is counted as in use and does not exist; counted down when dropped before it does.
struct Place {
    upstream: Arc<Upstream>,
    taken: bool,
}

impl Pools {
    /// The pools of the worker in `seat`. Call it on the worker's thread, within its local runtime: it spawns
    /// the task that watches idle connections and reads the mailbox. `metrics` are the worker's.
    pub fn new(seat: Seat, metrics: Rc<Shard>) -> Rc<Self> {
        let Seat { index, exchange, mailbox } = seat;
        Rc::new_cyclic(|pools| Self {
            index,
            exchange,
            metrics,
            idle: RefCell::new(Idle::new()),
            watch: Arc::new(Watch::default()),
            keeper: tokio::task::spawn_local(keeper::keep(pools.clone(), mailbox)),
        })
    }

    /// Lends a connection of `upstream`, at `now`. Where this worker keeps one and nobody waits it is lent at
    /// once: no lock, no syscall (one for [`Want::Fresh`]). What was waited for is added to `waits`.
    ///
    /// # Errors
    /// `QueueTimeout` and `QueueFull` when all connections are in use; `Refused`, `Unreachable`,
    /// `ConnectTimeout`, `DnsError`, `UpstreamTls`, `UpstreamCertificate`, `Overloaded` from connecting.
    pub async fn lease(
        self: &Rc<Self>,
        upstream: &Arc<Upstream>,
        want: Want,
        patience: Patience,
        now: Instant,
        waits: &mut Waits,
    ) -> Result<Lease, Refusal> {
        match self.claim(upstream, want, now)? {
            Claim::Lease(lease) => Ok(lease),
            // Boxed: a request that finds a connection does not carry the room for those that do not.
            claim => Box::pin(self.obtain(upstream, want, patience, claim, waits)).await,
        }
    }

    /// Opens a connection or waits for one. Where the program turns out to have ended just now, waits for the next: the
    /// request has not been seen by anyone.
    async fn obtain(
        self: &Rc<Self>,
        upstream: &Arc<Upstream>,
        want: Want,
        patience: Patience,
        mut claim: Claim,
        waits: &mut Waits,
    ) -> Result<Lease, Refusal> {
        for _ in 0..MOST_INSTANCES {
            let opened = match claim {
                Claim::Lease(lease) => return Ok(lease),
                Claim::Place(place) => self.open(place, patience, waits).await?,
                Claim::Waits(ticket) => self.wait(upstream, want, patience, ticket, waits).await?,
            };
            if let Some(lease) = opened {
                return Ok(lease);
            }
            claim = self.claim(upstream, want, read_clock())?;
        }
        Err(Refusal::new(Cause::Refused, "the program ends again and again"))
    }

    /// What can be had without waiting.
    fn claim(self: &Rc<Self>, upstream: &Arc<Upstream>, want: Want, now: Instant) -> Result<Claim, Refusal> {
        let own = self.own(upstream, want, now);
        let acquired = upstream.ledger.acquire(self.index, own, LINE_MOST);
        match acquired {
            Ok(Acquired::Own) if own == Own::Idle => {
                let taken = self.idle.borrow_mut().take_newest(upstream.id());
                self.note(upstream);
                match taken {
                    Some(taken) => Ok(Claim::Lease(self.lend(taken.connection))),
                    None => Err(Refusal::new(Cause::Internal, "an idle connection was lent twice")),
                }
            }
            Ok(Acquired::Own) => {
                let taken = self.idle.borrow_mut().take_oldest(upstream.id());
                self.note(upstream);
                if let Some(taken) = taken {
                    self.discard(taken.connection);
                }
                Ok(Claim::Place(Place::of(upstream)))
            }
            Ok(Acquired::Place) => Ok(Claim::Place(Place::of(upstream))),
            Ok(Acquired::Waits(ticket)) if upstream.ledger.is_away() => {
                // Its program does not run: after joining, so that whoever starts it finds this request in line.
                match upstream.parking.ring(upstream) {
                    Ok(()) => Ok(Claim::Waits(ticket)),
                    Err(why) => {
                        drop(upstream.ledger.wait(ticket, |grant| self.decline(upstream, grant)));
                        Err(why)
                    }
                }
            }
            Ok(Acquired::Waits(ticket)) => {
                self.attend(upstream);
                Ok(Claim::Waits(ticket))
            }
            Err(full) => Err(Refusal::new(Cause::QueueFull, full.to_string())),
        }
    }

    /// What this worker itself can offer; closes what turns out to be dead.
    fn own(&self, upstream: &Arc<Upstream>, want: Want, now: Instant) -> Own {
        // Each turn but the last takes one of the worker's idle connections away.
        loop {
            let mut idle = self.idle.borrow_mut();
            let Some(newest) = idle.newest(upstream.id()) else { return Own::Nothing };
            if newest.is_alive(now) {
                return match want {
                    Want::Any => Own::Idle,
                    Want::Fresh if newest.is_fresh(now) => Own::Idle,
                    Want::Fresh => Own::Unfit,
                };
            }
            let dead = idle.take_newest(upstream.id());
            drop(idle);
            self.close_idle(upstream, dead);
        }
    }

    async fn wait(
        self: &Rc<Self>,
        upstream: &Arc<Upstream>,
        want: Want,
        patience: Patience,
        ticket: Ticket,
        waits: &mut Waits,
    ) -> Result<Option<Lease>, Refusal> {
        let waiting = upstream.ledger.wait(ticket, |grant| self.decline(upstream, grant));
        let what = if upstream.ledger.is_away() { Wait::Parked } else { Wait::Queued };
        let clock = waits.begin(what);
        let granted = within(patience.queue + upstream.start_patience(patience.drain), waiting).await;
        drop(clock);
        let Ok(grant) = granted else {
            let (cause, what) = if upstream.ledger.is_away() {
                (Cause::StartTimeout, "the program was not ready in time:")
            } else {
                (Cause::QueueTimeout, "no connection became free:")
            };
            let name = &upstream.spec().name;
            return Err(Refusal::new(cause, format!("{what} upstream {}/{name}", upstream.account())));
        };
        if let Grant::Nothing(why) = grant {
            return Err(why);
        }
        let place = Place::of(upstream);
        let mut connection = match grant {
            Grant::Nothing(_) => None,
            Grant::Place => None,
            Grant::Connection(Handed::Here(at)) => self.idle.borrow_mut().take_granted(at),
            Grant::Connection(Handed::Moved(moved)) => self.adopt(upstream, moved),
        };
        let fits = |connection: &mut Connection| want == Want::Any || connection.is_fresh(read_clock());
        if let Some(fit) = connection.take_if(fits) {
            place.take();
            return Ok(Some(self.lend(fit)));
        }
        if let Some(unfit) = connection {
            self.discard(unfit);
        }
        self.open(place, patience, waits).await
    }

    /// Opens a connection in a place that is counted already. `None`: its program takes none any more, and whoever comes
    /// from now on waits for one that does.
    async fn open(
        self: &Rc<Self>,
        place: Place,
        patience: Patience,
        waits: &mut Waits,
    ) -> Result<Option<Lease>, Refusal> {
        let upstream = &place.upstream;
        // The number before the settings and the instance; see `Upstream::retune`.
        let generation = upstream.ledger.word().generation();
        let provenance = Provenance { spec: upstream.spec(), generation, stand: upstream.parking.stand() };
        let stand = provenance.stand.as_ref();
        if stand.is_none() && provenance.spec.program.is_some() {
            // It was taken away since the place was.
            return Ok(None);
        }
        let clock = waits.begin(Wait::Connecting);
        let connected = connect(
            upstream,
            &provenance.spec,
            stand.map(|stand| &**stand),
            patience.connect,
            &self.exchange.reach,
        )
        .await;
        drop(clock);
        let transport = match (connected, stand) {
            (Err(refused), Some(stand)) if refused.cause == Cause::Refused => {
                upstream.lose(stand, generation);
                return Ok(None);
            }
            (connected, _) => connected?,
        };
        let connection = self.house(upstream, transport, provenance, None, self.metrics.upstream_opened());
        place.take();
        Ok(Some(self.lend(connection)))
    }

    /// The lease of a connection that is counted as in use.
    fn lend(self: &Rc<Self>, connection: Connection) -> Lease {
        if connection.has_served() {
            self.metrics.upstream_reused();
        }
        Lease::new(self.clone(), connection)
    }

    /// Takes up a connection that another worker had.
    fn adopt(&self, upstream: &Arc<Upstream>, moved: Moved) -> Option<Connection> {
        let Moved { fd, provenance, idle_since } = moved;
        let transport = Transport::Http1(Stream::new(Socket::adopt(fd).ok()?));
        Some(self.house(upstream, transport, provenance, idle_since, self.metrics.upstream_adopted()))
    }

    /// Gives a connection a place among this worker's.
    fn house(
        &self,
        upstream: &Arc<Upstream>,
        transport: Transport,
        provenance: Provenance,
        idle_since: Option<Instant>,
        gauge: UpstreamGauge,
    ) -> Connection {
        let mut idle = self.idle.borrow_mut();
        let place = idle.reserve();
        if idle.open() == 1 {
            // The keeper looks at the time only while there are connections.
            self.watch.call();
        }
        let watched = self.watch.over(place);
        Connection {
            transport,
            upstream: upstream.clone(),
            provenance,
            place,
            watched,
            idle_since,
            _gauge: gauge,
        }
    }

    /// Gives back a grant that nobody took.
    fn decline(&self, upstream: &Arc<Upstream>, grant: Grant<Handed>) {
        match grant {
            Grant::Nothing(_) => {}
            Grant::Place => upstream.ledger.close(),
            Grant::Connection(Handed::Here(at)) => {
                let connection = self.idle.borrow_mut().take_granted(at);
                match connection {
                    Some(connection) => self.keep(connection, read_clock()),
                    None => upstream.ledger.close(),
                }
            }
            Grant::Connection(Handed::Moved(moved)) => {
                drop(moved);
                upstream.ledger.close();
            }
        }
    }

    /// A connection of `upstream` was closed under a request: closes those that idle here and are closed likewise, before
    /// another request is sent to whoever is not there any more. A syscall for each.
    pub fn look_after(&self, upstream: &Arc<Upstream>) {
        let here = self.idle.borrow().of(upstream.id());
        for _ in 0..here {
            let Some(mut taken) = self.idle.borrow_mut().take_oldest(upstream.id()) else { break };
            if !taken.connection.transport.is_quiet() {
                self.close_idle(upstream, Some(taken));
                continue;
            }
            let since = taken.connection.idle_since.unwrap_or_else(read_clock);
            self.idle.borrow_mut().put(taken.place, upstream.id(), since, taken.connection);
        }
        self.note(upstream);
    }

    /// Takes a connection in use back: for the first in line, or to idle, or to be closed.
    pub(super) fn keep(&self, mut connection: Connection, now: Instant) {
        let upstream = connection.upstream.clone();
        let kept = !upstream.keep_alive().is_zero() && self.idle.borrow().len() < IDLE_MOST;
        if !kept || !connection.begin_idle(now) {
            self.discard(connection);
            upstream.ledger.close();
            return;
        }
        let (place, generation) = (connection.place, connection.provenance.generation);
        self.idle.borrow_mut().put(place, upstream.id(), now, connection);
        self.note(&upstream);
        match upstream.ledger.keep(generation) {
            Returned::Idle => return,
            Returned::SomebodyWaits => {
                upstream.ledger.pass_on(|who| {
                    let taken = self.idle.borrow_mut().take(place);
                    self.hand(taken, who)
                });
            }
            Returned::MustClose => {
                let taken = self.idle.borrow_mut().take(place);
                if let Some(taken) = taken {
                    self.discard(taken.connection);
                }
                upstream.ledger.close();
            }
        }
        self.note(&upstream);
    }

    /// Looks after an upstream: closes what is not wanted any more, serves those who wait from what idles here,
    /// and asks the next worker where that is not enough.
    pub(super) fn attend(&self, upstream: &Arc<Upstream>) {
        let (id, ledger) = (upstream.id(), &upstream.ledger);
        let here = self.idle.borrow().of(id);
        for _ in 0..here {
            let mut idle = self.idle.borrow_mut();
            let unwanted = idle.eldest(id).is_some_and(|eldest| !eldest.is_wanted());
            if !unwanted && ledger.word().open() <= ledger.cap() {
                break;
            }
            let taken = idle.take_oldest(id);
            drop(idle);
            self.close_idle(upstream, taken);
        }
        let here = self.idle.borrow().of(id);
        let more = ledger.serve(here, |who| {
            let taken = self.idle.borrow_mut().take_newest(id);
            self.hand(taken.and_then(|taken| self.checked(taken)), who)
        });
        self.note(upstream);
        if more {
            self.holders(upstream).ask_oldest(upstream, self.index);
        }
    }

    /// Closes a connection at whose end something came, though no event told yet.
    fn checked(&self, mut taken: Taken<Connection>) -> Option<Taken<Connection>> {
        if taken.connection.transport.is_quiet() {
            return Some(taken);
        }
        self.discard(taken.connection);
        None
    }

    /// Makes a connection a grant for worker `who`: a place, where there is none or it cannot move.
    fn hand(&self, taken: Option<Taken<Connection>>, who: usize) -> Grant<Handed> {
        let Some(Taken { place, connection }) = taken else { return Grant::Place };
        if who == self.index {
            self.idle.borrow_mut().grant(place, connection);
            return Grant::Connection(Handed::Here(place));
        }
        self.idle.borrow_mut().free(place);
        connection.detach().map_or(Grant::Place, |moved| Grant::Connection(Handed::Moved(moved)))
    }

    /// Closes an idle connection and counts it down.
    pub(super) fn close_idle(&self, upstream: &Arc<Upstream>, taken: Option<Taken<Connection>>) {
        if let Some(taken) = taken {
            self.discard(taken.connection);
            self.note(upstream);
            upstream.ledger.close_idle();
        }
    }

    /// Closes a connection. What it counted as must be counted down **after** this, so that there are never more
    /// connections than are counted.
    pub(super) fn discard(&self, connection: Connection) -> Arc<Upstream> {
        let Connection { transport, upstream, place, .. } = connection;
        drop(transport);
        self.idle.borrow_mut().free(place);
        upstream
    }

    /// Tells the other workers what idles here.
    fn note(&self, upstream: &Arc<Upstream>) {
        let oldest = self.idle.borrow().oldest(upstream.id());
        self.holders(upstream).note(self.index, oldest);
    }

    fn holders<'a>(&self, upstream: &'a Arc<Upstream>) -> &'a Holders {
        upstream.holders(&self.exchange)
    }

    /// A letter about `upstream` came.
    pub(super) fn answer(&self, upstream: &Arc<Upstream>) {
        self.holders(upstream).answered(self.index);
        self.attend(upstream);
    }
}

impl Drop for Pools {
    fn drop(&mut self) {
        self.keeper.abort();
        let upstreams = self.idle.borrow_mut().upstreams();
        for id in upstreams {
            loop {
                let taken = self.idle.borrow_mut().take_oldest(id);
                let Some(taken) = taken else { break };
                let upstream = taken.connection.upstream.clone();
                self.close_idle(&upstream, Some(taken));
            }
        }
    }
}

impl Place {
    fn of(upstream: &Arc<Upstream>) -> Self {
        Self { upstream: upstream.clone(), taken: false }
    }

    /// The connection exists and is counted by its lease.
    fn take(mut self) {
        self.taken = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.taken {
            self.upstream.ledger.close();
        }
    }
}

/// Requests that may wait for a connection of one upstream. They were admitted, so the account's `in_flight`
/// bounds them first; this holds where that is set without measure (some 200 bytes each).
const LINE_MOST: usize = 16 * 1024;

/// Instances of a program that one request may meet at their end.
const MOST_INSTANCES: usize = 16;

/// Connections a worker keeps idle, of all upstreams: under 1 KiB each, and far less than its descriptors.
const IDLE_MOST: usize = 8 * 1024;

#[cfg(test)]
mod tests;
