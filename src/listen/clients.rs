//! How many connections and handshakes each client has: shared by all workers, bounded whatever addresses come.

use std::sync::Arc;

/// The connections of the node, by client.
#[derive(Debug)]
pub struct Clients {}

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
pub struct ConnectionGuard {
    clients: Arc<Clients>,
}

impl Clients {
    /// Nobody is connected.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {})
    }

    /// Connections open on the node.
    pub fn open(&self) -> usize {
        0
    }
}

impl ConnectionGuard {
    /// A guard for a connection that was not accepted here.
    pub fn new(clients: Arc<Clients>) -> Self {
        Self { clients }
    }
}
