//! The gate of an account: every request passes it once and holds its [`Admission`] until its answer ends.

use crate::base::Refusal;
use crate::config::AccountLimits;
use std::sync::Arc;
use std::time::Instant;

/// The gate of an account, shared by all workers.
#[derive(Debug)]
pub struct Gate {}

/// The right to be in flight; given back when dropped.
#[derive(Debug)]
pub struct Admission {
    _gate: Arc<Gate>,
}

/// A place among the account's tunnels, taken before the upstream is asked to switch protocols; given back when
/// dropped.
#[derive(Debug)]
pub struct TunnelPlace {
    _gate: Arc<Gate>,
}

/// An admitted tunnel: it left `in_flight` and counts among the tunnels until dropped.
pub type Tunnel = TunnelPlace;

impl Gate {
    /// The gate for `limits`.
    pub fn new(_limits: &AccountLimits) -> Arc<Self> {
        todo!()
    }

    /// Takes over changed limits; who waits and now has room is let in. Nobody is put out.
    pub fn retune(&self, _limits: &AccountLimits) {
        todo!()
    }

    /// Admits a request at `now` if it need not wait: the ordinary case. `Ok(None)`: it must wait, call
    /// [`admit`](Self::admit). The rate is counted here, once per request.
    ///
    /// # Errors
    /// `Rate`.
    pub fn try_admit(self: &Arc<Self>, _now: Instant) -> Result<Option<Admission>, Refusal> {
        todo!()
    }

    /// Waits for a place, first come, first served, for the account's `queue_timeout` from `now`. For a request
    /// that [`try_admit`](Self::try_admit) told to wait.
    ///
    /// # Errors
    /// `QueueFull`, `QueueTimeout`.
    #[allow(clippy::unused_async)]
    pub async fn wait(self: &Arc<Self>, _now: Instant) -> Result<Admission, Refusal> {
        todo!()
    }

    /// Both in one: admits at once, or waits.
    ///
    /// # Errors
    /// `Rate`, `QueueFull`, `QueueTimeout`.
    pub async fn admit(self: &Arc<Self>, now: Instant) -> Result<Admission, Refusal> {
        match self.try_admit(now)? {
            Some(admission) => Ok(admission),
            None => self.wait(now).await,
        }
    }

    /// Takes a place among the tunnels.
    ///
    /// # Errors
    /// `TunnelLimit`.
    pub fn reserve_tunnel(self: &Arc<Self>) -> Result<TunnelPlace, Refusal> {
        todo!()
    }

    /// Requests in flight at this moment.
    pub fn in_flight(&self) -> u32 {
        todo!()
    }

    /// Requests waiting at this moment.
    pub fn waiting(&self) -> u32 {
        todo!()
    }

    /// Tunnels at this moment.
    pub fn tunnels(&self) -> u32 {
        todo!()
    }
}

impl Admission {
    /// Leaves `in_flight` for `place` among the tunnels, once the upstream has switched protocols.
    pub fn into_tunnel(self, place: TunnelPlace) -> Tunnel {
        place
    }
}
