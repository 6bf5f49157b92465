//! The counters of one worker: plain numbers on cache lines of its own, added to by that worker alone and
//! summed over all workers when somebody asks. Adding costs no lock, no hash and no allocation.

use super::counters::{Counters, status_class};
use crate::base::{Cause, Repair};
use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The writing end of one worker's counters. `Send`, so that it can be made before its worker starts; not
/// `Sync`, because only one thread may add. Workers hold it in an [`Rc`].
#[derive(Debug)]
pub struct Shard {
    counters: Arc<Counters>,
    one_writer: PhantomData<Cell<()>>,
}

/// How one request went.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// The protocol it arrived by.
    pub protocol: Protocol,
    /// The status of the final answer; 499 where the visitor left before there was one.
    pub status: u16,
    /// From the head's first byte to the answer's last.
    pub duration: Duration,
    /// Of the time to the answer's head, what Parvis itself took; `None` where nobody measured it.
    pub own: Option<Duration>,
    /// From the head sent upstream to the answer's head received; `None` without an upstream.
    pub upstream: Option<Duration>,
    /// Why the site did not answer, where it did not.
    pub cause: Option<Cause>,
}

/// What a request arrived by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What a client connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionProtocol {
    /// Nothing yet: it is in its PROXY header, its TLS handshake, or before its first byte.
    None,
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The TLS version of a handshake that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// Why a handshake with a client failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// It was not done in time.
    TimedOut,
    /// The client left in the middle, or before its first byte.
    ClientGone,
    /// What arrived is no TLS.
    NotTls,
    /// No version, suite or group in common.
    Incompatible,
    /// The client sent an alert: it does not like our certificate, as a rule.
    Alert,
    /// No certificate for the name, and no default.
    NoCertificate,
    /// More handshakes than one client may have.
    Limited,
    /// Anything else the TLS library refuses.
    Invalid,
}

/// Counts a request as in flight until it is dropped.
#[derive(Debug)]
pub struct InFlight {
    shard: Rc<Shard>,
    protocol: Protocol,
}

/// Counts a client connection as open until it is dropped.
#[derive(Debug)]
pub struct ConnectionGauge {
    shard: Rc<Shard>,
    tls: bool,
    speaks: Cell<ConnectionProtocol>,
}

/// Counts an upgraded request (WebSocket) as open until it is dropped.
#[derive(Debug)]
pub struct TunnelGauge {
    shard: Rc<Shard>,
}

/// Counts an upstream connection as open on this worker until it is dropped.
#[derive(Debug)]
pub struct UpstreamGauge {
    shard: Rc<Shard>,
}

impl Shard {
    pub(super) fn new() -> Self {
        Self { counters: Arc::default(), one_writer: PhantomData }
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Says that the calling thread is the one that counts here: its processor time is told from now on.
    pub fn runs_here(&self) {
        self.counters.thread.store(nix::unistd::gettid().as_raw().cast_unsigned(), Relaxed);
    }

    /// Counts a finished request with its duration, and its cause where it has one.
    pub fn request_done(&self, done: &Done) {
        let counters = &*self.counters;
        let by_protocol = &counters.by_protocol[done.protocol as usize];
        by_protocol.requests[status_class(done.status)].add(1);
        by_protocol.durations.observe(done.duration);
        if let Some(own) = done.own {
            counters.own.observe(own);
        }
        if let Some(upstream) = done.upstream {
            counters.upstream.observe(upstream);
        }
        if let Some(cause) = done.cause {
            self.failed(cause);
        }
    }

    /// Counts a failure that belongs to no request that will be [done](Self::request_done): a connection
    /// refused, a head that never became a request.
    pub fn failed(&self, cause: Cause) {
        self.counters.failures[cause as usize].add(1);
    }

    /// Counts something that was mended in a message.
    pub fn repaired(&self, repair: Repair) {
        self.counters.repairs[repair as usize].add(1);
    }

    /// Counts a request as in flight until the result is dropped.
    pub fn in_flight(self: &Rc<Self>, protocol: Protocol) -> InFlight {
        self.counters.by_protocol[protocol as usize].started.add(1);
        InFlight { shard: Rc::clone(self), protocol }
    }

    /// Counts a request that is passed on to the node that its account has moved to.
    pub fn moved_on(&self) {
        self.counters.moved_on.add(1);
    }

    /// Counts body bytes received from a client, as they come.
    pub fn body_received(&self, bytes: u64) {
        self.counters.body_received.add(bytes);
    }

    /// Counts body bytes sent to a client, as they go.
    pub fn body_sent(&self, bytes: u64) {
        self.counters.body_sent.add(bytes);
    }

    /// Counts an accepted connection as open until the result is dropped. It speaks nothing yet.
    pub fn connection(self: &Rc<Self>, tls: bool) -> ConnectionGauge {
        self.counters.connections[usize::from(tls)].opened[ConnectionProtocol::None as usize].add(1);
        ConnectionGauge { shard: Rc::clone(self), tls, speaks: Cell::new(ConnectionProtocol::None) }
    }

    /// Counts a handshake with a client that succeeded after `duration`.
    pub fn handshake(&self, version: TlsVersion, resumed: bool, duration: Duration) {
        self.counters.handshakes[version as usize][usize::from(resumed)].add(1);
        self.counters.handshake_durations.observe(duration);
    }

    /// Counts a handshake with a client that failed.
    pub fn handshake_failed(&self, failure: HandshakeFailure) {
        self.counters.handshake_failures[failure as usize].add(1);
    }

    /// Counts a new upstream connection, open until the result is dropped.
    pub fn upstream_opened(self: &Rc<Self>) -> UpstreamGauge {
        self.counters.upstream_opened.add(1);
        UpstreamGauge { shard: Rc::clone(self) }
    }

    /// Counts an upstream connection that another worker handed over: open here from now on, but not new.
    pub fn upstream_adopted(self: &Rc<Self>) -> UpstreamGauge {
        self.counters.upstream_adopted.add(1);
        UpstreamGauge { shard: Rc::clone(self) }
    }

    /// Counts a request that took an upstream connection used before.
    pub fn upstream_reused(&self) {
        self.counters.upstream_reused.add(1);
    }

    /// Counts an upgraded request (WebSocket) as open until the result is dropped.
    pub fn tunnel(self: &Rc<Self>) -> TunnelGauge {
        self.counters.tunnels_opened.add(1);
        TunnelGauge { shard: Rc::clone(self) }
    }
}

impl ConnectionGauge {
    /// Says what the connection turned out to speak. The first word counts; a later one changes the gauge only.
    pub fn speaks(&self, protocol: ConnectionProtocol) {
        let connections = &self.shard.counters.connections[usize::from(self.tls)];
        connections.closed[self.speaks.replace(protocol) as usize].add(1);
        connections.opened[protocol as usize].add(1);
    }
}

impl Drop for ConnectionGauge {
    fn drop(&mut self) {
        let connections = &self.shard.counters.connections[usize::from(self.tls)];
        let spoke = self.speaks.get();
        connections.closed[spoke as usize].add(1);
        if spoke == ConnectionProtocol::None {
            connections.silent.add(1);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.shard.counters.by_protocol[self.protocol as usize].ended.add(1);
    }
}

impl Drop for TunnelGauge {
    fn drop(&mut self) {
        self.shard.counters.tunnels_closed.add(1);
    }
}

impl Drop for UpstreamGauge {
    fn drop(&mut self) {
        self.shard.counters.upstream_closed.add(1);
    }
}

impl Protocol {
    /// Both, in the order of their counters.
    pub(super) const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
        }
    }
}

impl ConnectionProtocol {
    pub(super) const ALL: [Self; 3] = [Self::None, Self::Http1, Self::Http2];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Http1 => "http1",
            Self::Http2 => "http2",
        }
    }
}

impl TlsVersion {
    pub(super) const ALL: [Self; 2] = [Self::Tls12, Self::Tls13];

    /// As labels and the access log's `{ssl_version}` print it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

impl HandshakeFailure {
    pub(super) const ALL: [Self; 8] = [
        Self::TimedOut,
        Self::ClientGone,
        Self::NotTls,
        Self::Incompatible,
        Self::Alert,
        Self::NoCertificate,
        Self::Limited,
        Self::Invalid,
    ];

    /// The word for it, as the metric and the node's log print it.
    pub fn word(self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::ClientGone => "client_gone",
            Self::NotTls => "not_tls",
            Self::Incompatible => "incompatible",
            Self::Alert => "alert",
            Self::NoCertificate => "no_certificate",
            Self::Limited => "limited",
            Self::Invalid => "invalid",
        }
    }
}
