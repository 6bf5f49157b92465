//! An upstream as all workers share it: its settings, its counts, and who waits for it. Opens nothing itself.

use crate::base::AccountName;
use crate::config;
use std::sync::Arc;

/// What tells upstreams apart in this process; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamId(u64);

/// An upstream of an account. It stands for the server, not for one version of its settings: an account's new
/// form keeps the `Upstream` of the same name and calls [`retune`](Self::retune).
#[derive(Debug)]
pub struct Upstream {
    id: UpstreamId,
    account: AccountName,
    spec: Arc<config::Upstream>,
}

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
    pub waiting: u32,
}

impl Upstream {
    /// The upstream `spec` of `account`.
    pub fn new(account: AccountName, spec: config::Upstream) -> Arc<Self> {
        Arc::new(Self { id: UpstreamId(0), account, spec: Arc::new(spec) })
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
        self.spec.clone()
    }

    /// Takes over changed settings. Fewer connections close idle ones; another address, protocol or TLS setting
    /// closes idle ones and those in use when they come back; nothing in use is cut.
    pub fn retune(self: &Arc<Self>, _spec: config::Upstream) {
        todo!()
    }

    /// Keeps no connection from now on and closes the idle ones: its account is gone. Requests that still hold
    /// the upstream end as they would have.
    pub fn retire(self: &Arc<Self>) {
        todo!()
    }

    /// The counts of this moment, for status and metrics.
    pub fn counts(&self) -> Counts {
        todo!()
    }
}
