//! The node's metrics: the workers' shards, the control thread's figures, and the page that Prometheus reads.

use super::access_log::LogTally;
use super::busiest::AccountSource;
use super::shard::Shard;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// All metrics of the node. Shared by whoever counts outside the workers; workers take a [`Shard`].
pub struct Metrics {}

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
    /// Certificate files that are corrupt, mismatched or expired.
    pub certificate_problems: u64,
    /// Counts up with every published change.
    pub generation: u64,
}

impl Metrics {
    /// Metrics that have counted nothing.
    pub fn new() -> Self {
        Self {}
    }

    /// Counters for one more worker.
    pub fn shard(&self) -> Shard {
        Shard::new()
    }

    /// Counts a document whose change was dealt with `took` after it was noticed.
    pub fn change(&self, _result: ChangeResult, _took: Duration) {}

    /// Counts a reload of the node file.
    pub fn reloaded(&self, _success: bool) {}

    /// Takes over how many documents, hosts and certificates there are now.
    pub fn set_documents(&self, _counts: DocumentCounts) {}

    /// Says whether the node asks for traffic: `/ready`.
    pub fn set_ready(&self, _ready: bool) {}

    /// Names who tells of the accounts; at most one, the last counts.
    pub fn observe_accounts(&self, _source: AccountSource) {}

    /// Names who tells of the access log's lines; at most one, the last counts.
    pub fn observe_access_log(&self, _tally: Arc<dyn Fn() -> LogTally + Send + Sync>) {}

    /// The page in Prometheus' text format (version 0.0.4).
    pub fn render(&self, _now: Instant) -> String {
        String::new()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
