//! The right to use one upstream connection, counted against its upstream until the connection is closed or
//! back among the idle ones.

use crate::config;
use crate::net::Stream;
use std::sync::Arc;
use std::time::Instant;

/// The right to use one upstream connection. Dropped, it closes the connection and counts it down.
pub struct Lease {
    stream: Stream,
    spec: Arc<config::Upstream>,
}

/// A connection that left HTTP: counted as a tunnel of its upstream, no longer as a connection.
pub struct Tunnel {
    stream: Stream,
}

impl Lease {
    /// The connection.
    pub fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// The settings the connection was made with: protocol, host.
    pub fn spec(&self) -> &Arc<config::Upstream> {
        &self.spec
    }

    /// Whether the connection served another request before: if it breaks before the answer began, the
    /// upstream may simply have closed it.
    pub fn is_reused(&self) -> bool {
        todo!()
    }

    /// Gives the connection back for the next request, at `now`: the answer was read to its end and the
    /// connection can carry another. It is closed all the same where the upstream keeps none, has too many, or
    /// sent more than it should.
    pub fn keep(self, _now: Instant) {
        todo!()
    }

    /// Makes the connection a tunnel, after a 101 or a 2xx to CONNECT: its place is free for another.
    pub fn into_tunnel(self) -> Tunnel {
        todo!()
    }
}

impl Tunnel {
    /// The connection.
    pub fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }
}
