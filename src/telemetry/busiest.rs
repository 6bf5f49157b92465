//! The ten busiest accounts by name and all others as one, so that a hundred thousand accounts cost eleven
//! series.

use crate::base::AccountName;

/// An account's counters, which only grow while it exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountSample {
    /// Requests answered, whoever answered them.
    pub requests: u64,
    /// Answers with a status of 500 and above.
    pub server_errors: u64,
    /// Body bytes received from visitors.
    pub body_received: u64,
    /// Body bytes sent to visitors.
    pub body_sent: u64,
}

/// Hands every account's name and counters to the visitor it is given. Called at a scrape, on the thread that
/// scrapes; its cost is the caller's to bound.
pub type AccountSource = Box<dyn Fn(&mut dyn FnMut(&AccountName, AccountSample)) + Send + Sync>;
