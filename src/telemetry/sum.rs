//! The sum of all workers' counters, taken when somebody scrapes.

use super::cell::{Count, TallySum};
use super::counters::{
    ConnectionCounters, Counters, HANDSHAKE_BOUNDS, OWN_BOUNDS, REQUEST_BOUNDS, STATUS_CLASSES,
};
use super::family::{
    CONNECTIONS, CONNECTIONS_OPEN, FAILURES, Family, HANDSHAKE_DURATION, HANDSHAKE_FAILURES, HANDSHAKES,
    MOVED_REQUESTS, OWN_TIME, REPAIRS, REQUEST_BODY_BYTES, REQUEST_DURATION, REQUESTS, REQUESTS_IN_FLIGHT,
    RESPONSE_BODY_BYTES, TUNNELS, TUNNELS_OPEN, UPSTREAM_CONNECTIONS, UPSTREAM_CONNECTIONS_OPEN,
    UPSTREAM_REUSES, UPSTREAM_TIME, WORKER_CONNECTIONS, WORKER_CPU, WORKER_REQUESTS,
};
use super::process;
use super::shard::{ConnectionProtocol, HandshakeFailure, Protocol, Shard, TlsVersion};
use crate::base::{Blame, Cause, Repair};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Metric, MetricFamily};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

/// Knows every worker's counters. Clones share them. A worker that ended stays: its counts happened.
#[derive(Clone)]
pub(super) struct ShardCollector {
    descs: Arc<[Desc]>,
    shards: Arc<Mutex<Vec<Arc<Counters>>>>,
}

impl ShardCollector {
    pub(super) fn new() -> prometheus::Result<Self> {
        let descs = COLLECTED.iter().map(Family::desc).collect::<prometheus::Result<_>>()?;
        Ok(Self { descs, shards: Arc::default() })
    }

    /// Counters for one more worker.
    pub(super) fn shard(&self) -> Shard {
        let shard = Shard::new();
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).push(shard.counters());
        shard
    }
}

impl Collector for ShardCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sum = Sum(&shards);
        let mut families = Vec::with_capacity(COLLECTED.len());
        sum.requests(&mut families);
        sum.connections(&mut families);
        sum.upstreams(&mut families);
        sum.workers(&mut families);
        families
    }
}

/// What the node's requests and connections came to, and what is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Requests answered, by status class: 1xx to 5xx.
    pub requests: [u64; STATUS_CLASSES.len()],
    /// Requests and connections that failed, by whose fault it was.
    pub failures: BTreeMap<&'static str, u64>,
    /// Requests under way.
    pub in_flight: u64,
    /// Connections of visitors that are open.
    pub connections: u64,
    /// Tunnels that are open.
    pub tunnels: u64,
    /// Connections to upstreams that are open.
    pub upstream_connections: u64,
    /// Body bytes received from visitors.
    pub received_bytes: u64,
    /// Body bytes sent to visitors.
    pub sent_bytes: u64,
}

impl ShardCollector {
    /// The totals at this moment.
    pub(super) fn totals(&self) -> Totals {
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut totals = Totals::default();
        for blame in Blame::ALL {
            totals.failures.insert(blame.word(), 0);
        }
        for counters in &shards {
            for requests in &counters.by_protocol {
                for (total, count) in totals.requests.iter_mut().zip(&requests.requests) {
                    *total += count.value();
                }
                let ended = requests.ended.value();
                totals.in_flight += requests.started.value().saturating_sub(ended);
            }
            for cause in Cause::ALL {
                *totals.failures.entry(cause.verdict().blame.word()).or_default() +=
                    counters.failures[*cause as usize].value();
            }
            for connections in &counters.connections {
                for (opened, closed) in connections.opened.iter().zip(&connections.closed) {
                    let closed = closed.value();
                    totals.connections += opened.value().saturating_sub(closed);
                }
            }
            let closed = counters.tunnels_closed.value();
            totals.tunnels += counters.tunnels_opened.value().saturating_sub(closed);
            let closed = counters.upstream_closed.value();
            let opened = counters.upstream_opened.value() + counters.upstream_adopted.value();
            totals.upstream_connections += opened.saturating_sub(closed);
            totals.received_bytes += counters.body_received.value();
            totals.sent_bytes += counters.body_sent.value();
        }
        totals
    }
}

struct Sum<'a>(&'a [Arc<Counters>]);

impl Sum<'_> {
    fn requests(&self, families: &mut Vec<MetricFamily>) {
        let mut requests = Vec::new();
        let mut in_flight = Vec::new();
        let mut durations = Vec::new();
        for protocol in Protocol::ALL {
            let (of, label) = (protocol as usize, protocol.label());
            for (class, status) in STATUS_CLASSES.iter().enumerate() {
                let count = self.count(|c| c.by_protocol[of].requests[class].value());
                requests.push(REQUESTS.series(&[label, status], count));
            }
            let open = self.open(|c| c.by_protocol[of].started.value(), |c| c.by_protocol[of].ended.value());
            in_flight.push(REQUESTS_IN_FLIGHT.series(&[label], open));
            let tally = self.tally(|c, sum| c.by_protocol[of].durations.add_to(sum));
            durations.push(REQUEST_DURATION.histogram(&[label], &REQUEST_BOUNDS, &tally));
        }
        let own = OWN_TIME.histogram(&[], &OWN_BOUNDS, &self.tally(|c, sum| c.own.add_to(sum)));
        let upstream = self.tally(|c, sum| c.upstream.add_to(sum));
        let upstream = UPSTREAM_TIME.histogram(&[], &REQUEST_BOUNDS, &upstream);
        families.extend([
            REQUESTS.with(requests),
            REQUESTS_IN_FLIGHT.with(in_flight),
            REQUEST_DURATION.with(durations),
            OWN_TIME.with(vec![own]),
            UPSTREAM_TIME.with(vec![upstream]),
            FAILURES.with(Cause::ALL.iter().map(|cause| self.failures(*cause)).collect()),
            REPAIRS.with(Repair::ALL.map(|repair| self.repairs(repair)).into()),
            REQUEST_BODY_BYTES.with_one(self.count(|c| c.body_received.value())),
            RESPONSE_BODY_BYTES.with_one(self.count(|c| c.body_sent.value())),
            MOVED_REQUESTS.with_one(self.count(|c| c.moved_on.value())),
            TUNNELS.with_one(self.count(|c| c.tunnels_opened.value())),
            TUNNELS_OPEN.with_one(self.open(|c| c.tunnels_opened.value(), |c| c.tunnels_closed.value())),
        ]);
    }

    fn failures(&self, cause: Cause) -> Metric {
        let verdict = cause.verdict();
        let count = self.count(|c| c.failures[cause as usize].value());
        FAILURES.series(&[verdict.word, verdict.error, verdict.blame.word()], count)
    }

    fn repairs(&self, repair: Repair) -> Metric {
        let count = self.count(|c| c.repairs[repair as usize].value());
        REPAIRS.series(&[repair.of(), repair.word()], count)
    }

    fn connections(&self, families: &mut Vec<MetricFamily>) {
        let mut connections = Vec::new();
        let mut connections_open = Vec::new();
        for (tls, label) in ["false", "true"].into_iter().enumerate() {
            for protocol in ConnectionProtocol::ALL {
                let (of, labels) = (protocol as usize, [protocol.label(), label]);
                let count = self.count(|c| match protocol {
                    ConnectionProtocol::None => c.connections[tls].silent.value(),
                    _ => c.connections[tls].opened[of].value(),
                });
                connections.push(CONNECTIONS.series(&labels, count));
                let open = self.open(
                    |c| c.connections[tls].opened[of].value(),
                    |c| c.connections[tls].closed[of].value(),
                );
                connections_open.push(CONNECTIONS_OPEN.series(&labels, open));
            }
        }
        let mut handshakes = Vec::new();
        for version in TlsVersion::ALL {
            for (resumed, result) in ["full", "resumed"].into_iter().enumerate() {
                let count = self.count(|c| c.handshakes[version as usize][resumed].value());
                handshakes.push(HANDSHAKES.series(&[version.label(), result], count));
            }
        }
        let failures = HandshakeFailure::ALL.map(|failure| {
            let count = self.count(|c| c.handshake_failures[failure as usize].value());
            HANDSHAKE_FAILURES.series(&[failure.word()], count)
        });
        let durations = self.tally(|c, sum| c.handshake_durations.add_to(sum));
        families.extend([
            CONNECTIONS.with(connections),
            CONNECTIONS_OPEN.with(connections_open),
            HANDSHAKES.with(handshakes),
            HANDSHAKE_FAILURES.with(failures.into()),
            HANDSHAKE_DURATION.with(vec![HANDSHAKE_DURATION.histogram(&[], &HANDSHAKE_BOUNDS, &durations)]),
        ]);
    }

    fn upstreams(&self, families: &mut Vec<MetricFamily>) {
        let opened = |c: &Counters| c.upstream_opened.value() + c.upstream_adopted.value();
        families.extend([
            UPSTREAM_CONNECTIONS.with_one(self.count(|c| c.upstream_opened.value())),
            UPSTREAM_CONNECTIONS_OPEN.with_one(self.open(opened, |c| c.upstream_closed.value())),
            UPSTREAM_REUSES.with_one(self.count(|c| c.upstream_reused.value())),
        ]);
    }

    /// Each worker for itself, by its place: what is uneven shows here alone. Cost: a small file for each.
    fn workers(&self, families: &mut Vec<MetricFamily>) {
        let mut series = [Vec::new(), Vec::new(), Vec::new()];
        for (worker, counters) in self.0.iter().enumerate() {
            let (label, one) = (worker.to_string(), Sum(std::slice::from_ref(counters)));
            let requests =
                one.count(|c| c.by_protocol.iter().flat_map(|of| &of.requests).map(Count::value).sum());
            let all = |c: &Counters, of: fn(&ConnectionCounters) -> &[Count]| {
                c.connections.iter().flat_map(of).map(Count::value).sum()
            };
            let connections = one.open(|c| all(c, |of| &of.opened), |c| all(c, |of| &of.closed));
            let cpu = process::thread_cpu(counters.thread.load(Relaxed));
            series[0].push(WORKER_REQUESTS.series(&[&label], requests));
            series[1].push(WORKER_CONNECTIONS.series(&[&label], connections));
            series[2].extend(cpu.map(|cpu| WORKER_CPU.series(&[&label], cpu)));
        }
        let [requests, connections, cpu] = series;
        families.extend([
            WORKER_REQUESTS.with(requests),
            WORKER_CONNECTIONS.with(connections),
            WORKER_CPU.with(cpu),
        ]);
    }

    fn count(&self, of: impl Fn(&Counters) -> u64) -> f64 {
        self.0.iter().map(|counters| of(counters)).sum::<u64>() as f64
    }

    /// How many were opened and not closed. The closings are read first: what opens meanwhile is open.
    fn open(&self, opened: impl Fn(&Counters) -> u64, closed: impl Fn(&Counters) -> u64) -> f64 {
        let open = self.0.iter().map(|counters| {
            let closed = closed(counters);
            opened(counters).saturating_sub(closed)
        });
        open.sum::<u64>() as f64
    }

    fn tally<const N: usize>(&self, add: impl Fn(&Counters, &mut TallySum<N>)) -> TallySum<N> {
        let mut sum = TallySum::new();
        self.0.iter().for_each(|counters| add(counters, &mut sum));
        sum
    }
}

const COLLECTED: [Family; 23] = [
    REQUESTS,
    REQUESTS_IN_FLIGHT,
    REQUEST_DURATION,
    OWN_TIME,
    UPSTREAM_TIME,
    FAILURES,
    REPAIRS,
    REQUEST_BODY_BYTES,
    RESPONSE_BODY_BYTES,
    TUNNELS,
    TUNNELS_OPEN,
    CONNECTIONS,
    CONNECTIONS_OPEN,
    HANDSHAKES,
    HANDSHAKE_FAILURES,
    HANDSHAKE_DURATION,
    UPSTREAM_CONNECTIONS,
    UPSTREAM_CONNECTIONS_OPEN,
    UPSTREAM_REUSES,
    MOVED_REQUESTS,
    WORKER_REQUESTS,
    WORKER_CONNECTIONS,
    WORKER_CPU,
];
