//! Accepting: connections off one worker's share of the listening sockets, to a handler with their addresses known
//! and their client's limits asked. Reads nothing of them but a PROXY header.

use super::listeners::{Bound, Listening};
use super::proxy_header::{self, HeaderError};
use super::sockets::BACKLOG;
use crate::base::{Cause, ClientAddr, Drain, LocalAddr, PeerAddr, now};
use crate::config::{self, Listen, ListenId, Node};
use crate::limit::{Clients, ConnectionGuard, Lists, Reached};
use crate::net::{Listener, Socket, Stream, until, within};
use crate::telemetry::{AccessLog, HandshakeFailure, Shard, Sparse, Visit};
use arc_swap::ArcSwap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, spawn_local, yield_now};

/// A connection that was let in. Of what the client says nothing has been read, but what came with a PROXY
/// header may stand in the stream's input.
pub struct Accepted {
    /// The connection, still clear.
    pub stream: Stream,
    /// Who opened it.
    pub peer: PeerAddr,
    /// Who speaks: the peer, or whom its PROXY header names.
    pub client: ClientAddr,
    /// The address asked for: ours, or what the PROXY header says.
    pub local: LocalAddr,
    /// What is to be spoken: the setting as it was when the connection was accepted.
    pub listen: Arc<Listen>,
    /// When it was accepted: the handshake's deadline counts from here.
    pub at: Instant,
    /// Counts it as open; to be kept as long as the stream.
    pub guard: ConnectionGuard,
    /// Its line in the node's log of connections, where there is one.
    pub visit: Option<Box<Visit>>,
}

/// Which part of every address's sockets a worker serves.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// The worker, from 0.
    pub worker: usize,
    /// How many workers there are.
    pub workers: usize,
}

/// What accepting needs to know and to tell.
#[derive(Clone)]
pub struct Entrance {
    /// The node's settings, swapped whole by a reload; new connections get the new ones.
    pub node: Arc<ArcSwap<Node>>,
    /// Whom the node believes.
    pub lists: Arc<Lists>,
    /// Who has how many connections.
    pub clients: Arc<Clients>,
    /// The worker's counters.
    pub metrics: Rc<Shard>,
    /// Where connections are told of.
    pub log: Rc<AccessLog>,
    /// The node's drain: it ends the accepting.
    pub drain: Drain,
}

/// Accepts on this worker's share of every listening socket, follows their changes, and gives each connection
/// to a local task of `handle`. Returns when the drain has begun, or the sockets are closed, and what had queued up
/// by then is accepted.
///
/// # Panics
/// Outside of a runtime of local tasks.
pub async fn accept_all<H, F>(mut listening: Listening, share: Share, entrance: Entrance, handle: H)
where
    H: Fn(Accepted) -> F + 'static,
    F: Future<Output = ()> + 'static,
{
    let (entrance, handle) = (Rc::new(entrance), Rc::new(handle));
    let mut served: Vec<Arc<Bound>> = Vec::new();
    let mut loops = JoinSet::new();
    let mut drained = pin!(entrance.drain.clone().into_begun());
    loop {
        let bound = listening.bound();
        served.retain(|one| bound.iter().any(|bound| Arc::ptr_eq(one, bound)));
        for bound in bound {
            if !served.iter().any(|one| Arc::ptr_eq(one, &bound)) {
                for listener in adopt(&bound, share) {
                    let settings = Settings::new(entrance.node.load_full(), bound.id);
                    let (bound, entrance, handle) = (bound.clone(), entrance.clone(), handle.clone());
                    let closing = closing(listening.clone(), bound.clone(), entrance.drain.clone());
                    let door = Door { bound, entrance, handle, settings };
                    loops.spawn_local(door.accept(listener, closing));
                }
                served.push(bound);
            }
        }
        tokio::select! {
            more = listening.changed() => if !more { break },
            _ = &mut drained => break,
        }
    }
    drop(served);
    while loops.join_next().await.is_some() {}
}

/// Ready when nothing more is to be accepted on `bound`.
async fn closing(listening: Listening, bound: Arc<Bound>, drain: Drain) {
    tokio::select! {
        () = listening.gone(&bound) => {}
        _ = drain.into_begun() => {}
    }
}

fn adopt(bound: &Bound, share: Share) -> Vec<Listener> {
    let listeners = bound.share(share).and_then(|sockets| sockets.into_iter().map(Listener::adopt).collect());
    listeners.unwrap_or_else(|error: io::Error| {
        tracing::error!(address = %bound.local, worker = share.worker, %error, "cannot accept connections");
        Vec::new()
    })
}

/// One listening socket's way in.
struct Door<H> {
    bound: Arc<Bound>,
    entrance: Rc<Entrance>,
    handle: Rc<H>,
    settings: Settings,
}

/// The settings that the last connection was accepted with.
struct Settings {
    node: Arc<Node>,
    /// `None` where the settings do not name the address (any more): nobody is let in.
    listen: Option<Arc<Listen>>,
}

impl<H, F> Door<H>
where
    H: Fn(Accepted) -> F + 'static,
    F: Future<Output = ()> + 'static,
{
    /// Accepts until `closing` is ready and the queue is empty.
    async fn accept(mut self, mut listener: Listener, closing: impl Future) {
        let mut closing = pin!(closing);
        let mut is_closing = false;
        let mut in_batch = 0;
        // Connections that may still come once we are closing: what the queue can have held.
        let mut left = BACKLOG;
        while left > 0 {
            let next = poll_fn(|cx| {
                is_closing = is_closing || closing.as_mut().poll(cx).is_ready();
                if !self.has_room() {
                    return Poll::Ready(Next::Full);
                }
                if is_closing && self.bound.inherited {
                    // Who queues there is for whoever has the socket next.
                    return Poll::Ready(Next::Closed);
                }
                if is_closing {
                    // Whoever is there, whether the reactor has told of them or not.
                    return Poll::Ready(listener.accept_now().transpose().map_or(Next::Closed, Next::from));
                }
                listener.poll_accept(cx).map(Next::from)
            });
            match next.await {
                Next::Connection(socket, peer) => {
                    self.let_in(socket, peer);
                    in_batch += 1;
                    left -= i32::from(is_closing);
                }
                Next::Closed => return,
                Next::Full | Next::Failed(_) if is_closing => return,
                Next::Full => self.pause("the node has all the connections it may have").await,
                Next::Failed(error) => self.pause(&error.to_string()).await,
            }
            if in_batch == BATCH {
                in_batch = 0;
                yield_now().await;
            }
        }
    }

    fn has_room(&mut self) -> bool {
        self.settings.refresh(&self.entrance.node, self.bound.id);
        self.entrance.clients.open() < self.settings.node.limits.connections
    }

    /// Nothing can be accepted: tells it now and then, counts it, and leaves the queue alone for a while.
    async fn pause(&self, why: &str) {
        static TOLD: Sparse = Sparse::new();
        self.entrance.metrics.failed(Cause::Overloaded);
        if let Some(untold) = TOLD.tell(now()) {
            tracing::error!(address = %self.bound.local, why, untold, "accepting pauses");
        }
        until(now() + PAUSE).await;
    }

    fn let_in(&self, socket: Socket, peer: SocketAddr) {
        let guard = self.entrance.clients.connection();
        let Some(listen) = self.settings.listen.clone() else { return };
        let bound = self.bound.local;
        let local = if bound.ip().is_unspecified() { socket.local_address() } else { None };
        let (client, local) = (ClientAddr(peer), LocalAddr(local.unwrap_or(bound)));
        let accepted = Accepted {
            stream: Stream::new(socket),
            peer: PeerAddr(peer),
            client,
            local,
            listen,
            at: now(),
            guard,
            visit: Visit::begin(&self.entrance.log, client, local),
        };
        let node = self.settings.node.clone();
        if config::contains(&accepted.listen.proxy_protocol_from, peer.ip()) {
            let (entrance, handle) = (self.entrance.clone(), self.handle.clone());
            spawn_local(async move {
                if let Some(accepted) = after_header(accepted, &node, &entrance).await {
                    spawn_local(handle(accepted));
                }
            });
        } else if let Some(accepted) = within_limits(accepted, &node, &self.entrance) {
            spawn_local((self.handle)(accepted));
        }
    }
}

enum Next {
    Connection(Socket, SocketAddr),
    /// Descriptors or memory ran out.
    Failed(io::Error),
    /// The node has as many connections as it may have.
    Full,
    /// Nobody waits, and nobody is to come.
    Closed,
}

impl From<io::Result<(Socket, SocketAddr)>> for Next {
    fn from(accepted: io::Result<(Socket, SocketAddr)>) -> Self {
        match accepted {
            Ok((socket, peer)) => Self::Connection(socket, peer),
            Err(error) => Self::Failed(error),
        }
    }
}

impl Settings {
    fn new(node: Arc<Node>, id: ListenId) -> Self {
        let listen = node.listener(id).cloned().map(Arc::new);
        Self { node, listen }
    }

    fn refresh(&mut self, current: &ArcSwap<Node>, id: ListenId) {
        let current = current.load();
        if !Arc::ptr_eq(&current, &self.node) {
            *self = Self::new(Arc::clone(&current), id);
        }
    }
}

/// The connection with the ends that its PROXY header names. A load balancer that speaks for itself counts against no
/// client; whoever it names does.
async fn after_header(mut accepted: Accepted, node: &Node, entrance: &Entrance) -> Option<Accepted> {
    static TOLD: Sparse = Sparse::new();
    let deadline = accepted.at + node.timeouts.handshake;
    let cause = match within(deadline, proxy_header::read(&mut accepted.stream)).await {
        Ok(Ok(Some(ends))) => {
            accepted.client = ClientAddr(ends.client);
            accepted.local = LocalAddr(ends.destination);
            if let Some(visit) = &mut accepted.visit {
                visit.is_between(accepted.client, accepted.local);
            }
            return within_limits(accepted, node, entrance);
        }
        Ok(Ok(None)) => return Some(accepted),
        // Health checks that only connect are no news.
        Ok(Err(HeaderError::Gone(_))) => return None,
        Ok(Err(HeaderError::Malformed)) => Cause::BadRequest,
        Err(_) => Cause::HeaderTimeout,
    };
    entrance.metrics.failed(cause);
    if let Some(untold) = TOLD.tell(now()) {
        let word = cause.verdict().word;
        tracing::warn!(peer = %accepted.peer, cause = word, untold, "no PROXY header from a peer that must send one");
    }
    accepted.stream.close_quietly();
    None
}

/// The connection, unless its client is not let in or has as many as it may have: then it is closed before anything is
/// said. A proxy that is believed counts against no client, and is no client: it brings many, and names them.
fn within_limits(mut accepted: Accepted, node: &Node, entrance: &Entrance) -> Option<Accepted> {
    if let Some(rules) = entrance.lists.rules() {
        let ip = accepted.client.ip();
        if rules.is_proxy(ip) {
            return Some(accepted);
        }
        if !rules.access.lets_in(ip) {
            entrance.metrics.failed(Cause::Denied);
            tracing::debug!(client = %accepted.client, "connection denied");
            accepted.stream.close_quietly();
            return None;
        }
    }
    let tls = accepted.listen.tls;
    let reached = accepted.guard.admit(accepted.client.key(), tls, &node.limits, accepted.at).err();
    let Some(reached) = reached else { return Some(accepted) };
    entrance.metrics.failed(Cause::ClientLimit);
    if reached == Reached::Handshakes {
        entrance.metrics.handshake_failed(HandshakeFailure::Limited);
    }
    tracing::debug!(client = %accepted.client, ?reached, "connection refused");
    accepted.stream.close_quietly();
    None
}

/// Connections accepted before the worker's other tasks have their turn: taking these off the queue costs less than
/// the handshake of one.
const BATCH: usize = 32;

/// The pause where nothing can be accepted: long enough for something to end, short for whoever waits in the queue.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
