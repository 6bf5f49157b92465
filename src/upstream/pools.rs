//! A worker's idle connections, and how it comes to a lease. Belongs to one thread.

use super::{Lease, Seat, Upstream};
use crate::base::Refusal;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
}

/// The idle upstream connections of one worker.
#[derive(Debug)]
pub struct Pools {}

impl Pools {
    /// The pools of the worker in `seat`. Call it on the worker's thread, within its runtime: it spawns the
    /// task that watches idle connections and reads the mailbox.
    pub fn new(_seat: Seat) -> Rc<Self> {
        todo!()
    }

    /// Lends a connection of `upstream`, at `now`. Waits for nothing where this worker keeps one.
    ///
    /// # Errors
    /// `QueueTimeout` and `QueueFull` when all connections are in use; `Refused`, `Unreachable`,
    /// `ConnectTimeout`, `DnsError` from connecting.
    #[allow(clippy::unused_async)]
    pub async fn lease(
        self: &Rc<Self>,
        _upstream: &Arc<Upstream>,
        _want: Want,
        _patience: Patience,
        _now: Instant,
    ) -> Result<Lease, Refusal> {
        todo!()
    }
}
