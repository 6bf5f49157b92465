//! What `parvis status` shows: the node at one moment, or one account. Takes figures; changes nothing.

use super::attention::{Attention, attention};
use super::documents::{Change, Documents};
use super::programs::Usage;
use crate::account::Account;
use crate::base::{AccountName, Host, now, wall};
use crate::config::{AccountState, Node, TlsProfile};
use crate::listen::{Bound, Listeners};
use crate::route::{Contest, Hosts};
use crate::telemetry::{self, Metrics, Recalled, Recent, Totals};
use crate::tls::{Certificates, Rank};
use crate::upstream::Upstream;
use serde::Serialize;
use std::time::{Duration, Instant};

/// What there is to look at.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    /// The settings.
    pub node: &'a Node,
    /// The documents.
    pub documents: &'a Documents,
    /// The accounts.
    pub hosts: &'a Hosts,
    /// The certificates.
    pub certificates: &'a Certificates,
    /// The listening sockets.
    pub listeners: &'a Listeners,
    /// The node's metrics.
    pub metrics: &'a Metrics,
    /// The requests of the last while.
    pub recent: &'a Recent,
    /// When the node started.
    pub started: Instant,
}

/// The status of the node or of an account.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Status {
    /// The node.
    Node(Box<NodeStatus>),
    /// One account.
    Account(Box<AccountStatus>),
}

/// The node at one moment.
#[derive(Debug, Serialize)]
pub struct NodeStatus {
    name: String,
    version: &'static str,
    uptime_seconds: u64,
    workers: usize,
    listen: Vec<ListenStatus>,
    accounts: u64,
    hosts: u64,
    generation: u64,
    certificates: CertificateStatus,
    /// What its requests and connections came to.
    totals: Totals,
    /// What its process uses.
    process: telemetry::Usage,
    /// The accounts that somebody should look at, the worst first, and how many those are.
    attention: Vec<Attention>,
    attention_total: usize,
    /// What is wrong, a line each: documents, certificates, files of networks.
    problems: Vec<String>,
    contested: Vec<Contest>,
    contested_total: usize,
    recent_changes: Vec<Change>,
}

/// An address that is listened on.
#[derive(Debug, Serialize)]
struct ListenStatus {
    /// As bound: the kernel's choice where port 0 is configured.
    address: String,
    kind: &'static str,
    /// Whether the sockets were handed in.
    inherited: bool,
}

#[derive(Debug, Serialize)]
struct CertificateStatus {
    attached: usize,
    customer: usize,
    automatic: usize,
    expired: usize,
    expires_soonest: Option<Expiry>,
}

#[derive(Debug, Serialize)]
struct Expiry {
    file: String,
    in_days: i64,
}

/// An account at one moment.
#[derive(Debug, Serialize)]
pub struct AccountStatus {
    name: AccountName,
    state: AccountState,
    tls_profile: TlsProfile,
    generation: u64,
    in_flight: u32,
    queued: usize,
    tunnels: u32,
    /// Bytes read ahead of its upstreams and of its visitors.
    buffered_bytes: usize,
    /// Requests answered, by status class: 1xx to 5xx.
    requests: [u64; 5],
    /// Requests passed on to the node that the account has moved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_on: Option<u64>,
    holds: Vec<String>,
    refused: Vec<String>,
    upstreams: Vec<UpstreamStatus>,
    /// Upstreams whose new revision addresses of the document wait for.
    awaited: Vec<String>,
    problems: Vec<String>,
    /// Its last failures that are remembered, the newest first.
    failures: Vec<Recalled<String>>,
    /// The certificates that its hosts are shown.
    certificates: Vec<Covered>,
}

/// Which certificate a host of an account is shown.
#[derive(Debug, Serialize)]
struct Covered {
    host: String,
    file: Option<String>,
    rank: String,
    in_days: Option<i64>,
}

#[derive(Debug, Serialize)]
struct UpstreamStatus {
    name: String,
    connections_open: u32,
    connections_in_use: u32,
    waiting: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<ProgramStatus>,
}

/// The program behind an upstream.
#[derive(Debug, Serialize)]
struct ProgramStatus {
    state: &'static str,
    seconds: u64,
    pid: Option<u32>,
    starts: u64,
    memory_bytes: Option<u64>,
    cpu_seconds: Option<f64>,
    memory_kills: u64,
    /// Requests that it has whole and has not answered, and since when nobody got an answer.
    unanswered: u64,
    unanswered_seconds: u64,
    /// Since when it is sure that it hangs.
    hangs_seconds: Option<u64>,
    failure: Option<String>,
}

impl ProgramStatus {
    fn of(upstream: &Upstream) -> Option<Self> {
        let standing = upstream.standing()?;
        let usage = Usage::of_program(&standing);
        let silence = upstream.silence(now());
        let since = |wall_time: Duration| wall().saturating_sub(wall_time).as_secs();
        Some(Self {
            state: standing.state,
            seconds: since(standing.since),
            pid: standing.pid,
            starts: standing.starts,
            memory_bytes: usage.memory,
            cpu_seconds: usage.cpu.map(|cpu| cpu.as_secs_f64()),
            memory_kills: standing.memory_kills,
            unanswered: silence.map_or(0, |silence| silence.requests),
            unanswered_seconds: silence.map_or(0, |silence| silence.lasting.as_secs()),
            hangs_seconds: standing.hangs.map(since),
            failure: standing.failure.clone(),
        })
    }
}

impl Status {
    /// The node's status, or that of `account`; `None` where there is no such account and nothing wrong with it.
    pub fn take(account: Option<&AccountName>, sight: &Sight<'_>) -> Option<Self> {
        match account {
            None => Some(Self::Node(Box::new(node_status(sight)))),
            Some(name) => {
                let account = sight.hosts.account(name.as_str())?;
                Some(Self::Account(Box::new(account_status(&account, sight))))
            }
        }
    }

    /// Something else of the node is wrong. An account's status does not say so.
    pub fn add_problems(&mut self, lines: impl Iterator<Item = String>) {
        if let Self::Node(status) = self {
            status.problems.extend(lines.take(SHOWN));
        }
    }
}

fn node_status(sight: &Sight<'_>) -> NodeStatus {
    let Sight { node, documents, hosts, certificates, listeners, metrics, recent, started } = *sight;
    let (attention, attention_total) = attention(hosts, documents, recent, wall(), SHOWN);
    let counts = documents.counts();
    let at = wall();
    let summary = certificates.summary(at);
    let of_documents = documents.problems().values().flat_map(|report| &report.problems);
    let mut problems: Vec<String> = of_documents.take(SHOWN).map(crate::config::Problem::one_line).collect();
    problems.extend(
        certificates
            .problems(at)
            .iter()
            .take(SHOWN)
            .map(|problem| format!("{}: {}", problem.file.display(), problem.reason)),
    );
    let (contested, contested_total) = documents.contests(SHOWN);
    NodeStatus {
        name: node.name.clone(),
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: now().saturating_duration_since(started).as_secs(),
        workers: node.workers,
        listen: listeners.bound().iter().map(|bound| listen_status(node, bound)).collect(),
        accounts: counts.accounts,
        hosts: counts.hosts,
        generation: counts.generation,
        certificates: CertificateStatus {
            attached: summary.attached,
            customer: summary.customer,
            automatic: summary.automatic,
            expired: summary.expired,
            expires_soonest: summary.expires_soonest.map(|(when, file)| Expiry {
                file: file.display().to_string(),
                in_days: (when.as_secs().cast_signed() - at.as_secs().cast_signed()) / 86_400,
            }),
        },
        totals: metrics.totals(),
        process: telemetry::Usage::now(),
        attention,
        attention_total,
        problems,
        contested,
        contested_total,
        recent_changes: documents.recent().cloned().collect(),
    }
}

fn listen_status(node: &Node, bound: &Bound) -> ListenStatus {
    let tls = node.listener(bound.id).is_some_and(|listen| listen.tls);
    ListenStatus {
        address: bound.local.to_string(),
        kind: if tls { "tls" } else { "clear" },
        inherited: bound.inherited,
    }
}

fn account_status(account: &Account, sight: &Sight<'_>) -> AccountStatus {
    let Sight { documents, certificates, recent, .. } = *sight;
    let form = account.form();
    let refused: Vec<String> = form.refused().map(|pattern| pattern.to_string()).collect();
    let mut holds: Vec<String> = form.claims().map(|claim| claim.pattern.to_string()).collect();
    holds.retain(|host| !refused.contains(host));
    holds.sort_unstable();
    let covered = covered(account, &holds, certificates);
    AccountStatus {
        name: account.name().clone(),
        state: form.state,
        tls_profile: form.terms.tls_profile,
        generation: form.generation,
        in_flight: account.gate().in_flight(),
        queued: account.gate().waiting(),
        tunnels: account.gate().tunnels(),
        buffered_bytes: account.buffers().held(),
        requests: account.live().by_class(),
        moved_on: form.moved().map(|_| account.live().has_moved_on()),
        holds,
        refused,
        upstreams: form
            .upstreams()
            .map(|upstream| {
                let counts = upstream.counts();
                UpstreamStatus {
                    name: upstream.spec().name.to_string(),
                    connections_open: counts.open,
                    connections_in_use: counts.in_use,
                    waiting: counts.waiting,
                    program: ProgramStatus::of(upstream),
                }
            })
            .collect(),
        awaited: documents.awaited(account.name()).map(ToString::to_string).collect(),
        problems: documents
            .problems()
            .get(account.name().as_str())
            .map(|report| report.problems.iter().map(crate::config::Problem::one_line).collect())
            .unwrap_or_default(),
        failures: recent.failures(account.name().as_str(), FAILURES),
        certificates: covered,
    }
}

/// The certificates that an account's hosts are shown, of the first [`SHOWN`].
fn covered(account: &Account, holds: &[String], certificates: &Certificates) -> Vec<Covered> {
    let at = wall();
    let of_host = |name: &String| {
        // A wildcard is shown what any name under it is.
        let asked = name.strip_prefix("*.").map_or_else(|| name.clone(), |parent| format!("any.{parent}"));
        let host = Host::parse(asked.as_bytes()).ok()?;
        let shown = certificates.index().find(Some(&host), Some(account.name()), at);
        let file = shown.entry.place.as_ref().map(|place| place.path().display().to_string());
        let end = shown.entry.certificate.validity().not_after;
        let in_days = (shown.rank != Rank::Default)
            .then(|| (end.as_secs().cast_signed() - at.as_secs().cast_signed()) / 86_400);
        Some(Covered { host: name.clone(), file, rank: shown.rank.to_string(), in_days })
    };
    holds.iter().take(SHOWN).filter_map(of_host).collect()
}

/// Failures of an account that its status shows.
const FAILURES: usize = 20;

/// Problems and contests a status shows of each kind: a screen or two.
const SHOWN: usize = 100;
