//! The node's metrics: the workers' shards, the control thread's figures, and the page that Prometheus reads.

use super::busiest::{AccountSource, Busiest};
use super::family::{
    ACCESS_LOG_LINES, ACCOUNTS, BUILD_INFO, CERTIFICATE_EXPIRY, CERTIFICATE_PROBLEMS, CERTIFICATES,
    CHANGE_DURATION, CHANGES, CONNECTIONS_LIMIT, DOCUMENT_GENERATION, DOCUMENT_PROBLEMS, Family, HOSTS,
    NODE_LOG_DROPPED, READY, RELOADS, WORKERS,
};
use super::logs::LogTally;
use super::node_log;
use super::pools::PoolCollector;
use super::process::ProcessCollector;
use super::programs::ProgramFigures;
use super::shard::Shard;
use super::spans::SpanCollector;
use super::sum::{ShardCollector, Totals};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Histogram, IntCounterVec, IntGauge, Registry, TextEncoder};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// All metrics of the node. Shared by whoever counts outside the workers; workers take a [`Shard`].
pub struct Metrics {
    registry: Registry,
    shards: ShardCollector,
    busiest: Busiest,
    logs: LogCollector,
    changes: IntCounterVec,
    change_duration: Histogram,
    reloads: IntCounterVec,
    documents: [IntGauge; DOCUMENT_FIGURES.len()],
    expiry: ExpiryCollector,
    connections_limit: IntGauge,
    ready: IntGauge,
    workers: IntGauge,
    programs: ProgramFigures,
}

/// What became of a changed document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeResult {
    /// Published whole.
    Applied,
    /// Published, but for what it may not have (a host another account holds).
    Partial,
    /// Refused: the account keeps its last good form.
    Refused,
    /// The account was removed.
    Removed,
}

/// The documents of the node at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DocumentCounts {
    /// Accounts in service.
    pub accounts: u64,
    /// Host names and wildcards they hold.
    pub hosts: u64,
    /// Documents refused, or applied in part.
    pub with_problems: u64,
    /// Certificates in service.
    pub certificates: u64,
    /// Certificate files that are corrupt, without their key, or expired.
    pub certificate_problems: u64,
    /// When the first certificate expires of those that have not, as wall time.
    pub certificates_expire: Option<Duration>,
    /// Counts up with every published change.
    pub generation: u64,
}

impl Metrics {
    /// What the node's requests and connections came to by now.
    pub fn totals(&self) -> Totals {
        self.shards.totals()
    }

    /// Metrics that have counted nothing.
    ///
    /// # Errors
    /// When the table of families contradicts itself, which a test rules out.
    pub fn new() -> prometheus::Result<Self> {
        let gauge = |family: &Family| IntGauge::with_opts(family.opts());
        let [accounts, hosts, problems, certificates, certificate_problems, generation] = &DOCUMENT_FIGURES;
        let metrics = Self {
            registry: Registry::new(),
            shards: ShardCollector::new()?,
            busiest: Busiest::new()?,
            logs: LogCollector::new()?,
            changes: IntCounterVec::new(CHANGES.opts(), CHANGES.labels)?,
            change_duration: Histogram::with_opts(CHANGE_DURATION.histogram_opts(&CHANGE_BOUNDS))?,
            reloads: IntCounterVec::new(RELOADS.opts(), RELOADS.labels)?,
            documents: [
                gauge(accounts)?,
                gauge(hosts)?,
                gauge(problems)?,
                gauge(certificates)?,
                gauge(certificate_problems)?,
                gauge(generation)?,
            ],
            expiry: ExpiryCollector::new()?,
            connections_limit: gauge(&CONNECTIONS_LIMIT)?,
            ready: gauge(&READY)?,
            workers: gauge(&WORKERS)?,
            programs: ProgramFigures::new()?,
        };
        metrics.register()?;
        Ok(metrics)
    }

    fn register(&self) -> prometheus::Result<()> {
        // A rate needs a first value to grow from, so that every series is there from the start.
        for result in ChangeResult::ALL {
            self.changes.with_label_values(&[result.label()]);
        }
        for success in [true, false] {
            self.reloads.with_label_values(&[reload_label(success)]);
        }
        let build = IntGauge::with_opts(BUILD_INFO.opts().const_label("version", env!("CARGO_PKG_VERSION")))?;
        build.set(1);
        let mut collectors: Vec<Box<dyn Collector>> = vec![
            Box::new(self.shards.clone()),
            Box::new(self.busiest.clone()),
            Box::new(self.logs.clone()),
            Box::new(self.changes.clone()),
            Box::new(self.change_duration.clone()),
            Box::new(self.reloads.clone()),
            Box::new(self.expiry.clone()),
            Box::new(self.connections_limit.clone()),
            Box::new(self.ready.clone()),
            Box::new(self.workers.clone()),
            Box::new(build),
            Box::new(PoolCollector::new()?),
            Box::new(SpanCollector::new()?),
            Box::new(ProcessCollector::new()?),
        ];
        for gauge in &self.documents {
            collectors.push(Box::new(gauge.clone()));
        }
        collectors.extend(self.programs.collectors());
        collectors.into_iter().try_for_each(|collector| self.registry.register(collector))
    }

    /// Counters for one more worker.
    pub fn shard(&self) -> Shard {
        self.workers.inc();
        self.shards.shard()
    }

    /// Counts a document whose change was dealt with `took` after it was noticed.
    pub fn change(&self, result: ChangeResult, took: Duration) {
        self.changes.with_label_values(&[result.label()]).inc();
        self.change_duration.observe(took.as_secs_f64());
    }

    /// Counts a reload of the node file.
    pub fn reloaded(&self, success: bool) {
        self.reloads.with_label_values(&[reload_label(success)]).inc();
    }

    /// Takes over how many documents, hosts and certificates there are now.
    pub fn set_documents(&self, counts: DocumentCounts) {
        let DocumentCounts {
            accounts,
            hosts,
            with_problems,
            certificates,
            certificate_problems,
            certificates_expire,
            generation,
        } = counts;
        self.expiry.set(certificates_expire);
        let figures = [accounts, hosts, with_problems, certificates, certificate_problems, generation];
        for (gauge, figure) in self.documents.iter().zip(figures) {
            gauge.set(i64::try_from(figure).unwrap_or(i64::MAX));
        }
    }

    /// So many connections of visitors the node may hold.
    pub fn set_connections_limit(&self, most: usize) {
        self.connections_limit.set(i64::try_from(most).unwrap_or(i64::MAX));
    }

    /// The figures of the accounts' programs.
    pub fn programs(&self) -> &ProgramFigures {
        &self.programs
    }

    /// Says whether the node asks for traffic: `/ready`.
    pub fn set_ready(&self, ready: bool) {
        self.ready.set(i64::from(ready));
    }

    /// Names who tells of the accounts; at most one, the last counts.
    pub fn observe_accounts(&self, source: AccountSource) {
        self.busiest.observe(source);
    }

    /// Names who tells of the access log's lines; at most one, the last counts.
    pub fn observe_access_log(&self, tally: LogTallySource) {
        *self.logs.tally.lock().unwrap_or_else(PoisonError::into_inner) = Some(tally);
    }

    /// The page in Prometheus' text format (version 0.0.4). Cost: a walk over all workers' counters and all
    /// accounts; no worker notices.
    ///
    /// # Errors
    /// When a family cannot be written as text, which a test rules out.
    pub fn render(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Tells what became of the access log's lines so far.
pub type LogTallySource = Arc<dyn Fn() -> LogTally + Send + Sync>;

/// The figures of both logs.
#[derive(Clone)]
struct LogCollector {
    descs: Arc<[Desc; 2]>,
    tally: Arc<Mutex<Option<LogTallySource>>>,
}

impl LogCollector {
    fn new() -> prometheus::Result<Self> {
        let descs = [ACCESS_LOG_LINES.desc()?, NODE_LOG_DROPPED.desc()?];
        Ok(Self { descs: Arc::new(descs), tally: Arc::default() })
    }
}

impl Collector for LogCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let source = self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let LogTally { written, dropped, lost } = source.map(|tally| tally()).unwrap_or_default();
        let lines = [("written", written), ("dropped", dropped), ("lost", lost)];
        let series = lines.map(|(result, lines)| ACCESS_LOG_LINES.series(&[result], lines as f64));
        vec![ACCESS_LOG_LINES.with(series.into()), NODE_LOG_DROPPED.with_one(node_log::dropped() as f64)]
    }
}

/// When the first certificate expires. A gauge that may be missing: zero would be a date.
#[derive(Clone)]
struct ExpiryCollector {
    desc: Desc,
    /// Seconds since the epoch; 0: there is no certificate.
    at: Arc<AtomicU64>,
}

impl ExpiryCollector {
    fn new() -> prometheus::Result<Self> {
        Ok(Self { desc: CERTIFICATE_EXPIRY.desc()?, at: Arc::default() })
    }

    fn set(&self, at: Option<Duration>) {
        self.at.store(at.map_or(0, |at| at.as_secs()), Relaxed);
    }
}

impl Collector for ExpiryCollector {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        match self.at.load(Relaxed) {
            0 => Vec::new(),
            at => vec![CERTIFICATE_EXPIRY.with_one(at as f64)],
        }
    }
}

impl ChangeResult {
    const ALL: [Self; 4] = [Self::Applied, Self::Partial, Self::Refused, Self::Removed];

    fn label(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Partial => "partial",
            Self::Refused => "refused",
            Self::Removed => "removed",
        }
    }
}

fn reload_label(success: bool) -> &'static str {
    if success { "applied" } else { "refused" }
}

/// In the order of [`Metrics::documents`].
const DOCUMENT_FIGURES: [Family; 6] =
    [ACCOUNTS, HOSTS, DOCUMENT_PROBLEMS, CERTIFICATES, CERTIFICATE_PROBLEMS, DOCUMENT_GENERATION];

/// A change takes a millisecond as a rule, and must take less than a hundred.
const CHANGE_BOUNDS: [Duration; 10] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(10),
];

#[cfg(test)]
mod tests;
