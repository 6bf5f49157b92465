//! The right to use one upstream connection, counted against its upstream until the connection is closed or
//! back among the idle ones.

use super::Pools;
use super::answers::Reply;
use super::connection::Connection;
use super::fate::Fate;
use super::parking::Stand;
use super::transport::Transport;
use crate::base::now;
use crate::config;
use crate::launch::Instance;
use crate::net::Stream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// The right to use one upstream connection. Dropped, it closes the connection and counts it down.
pub struct Lease {
    pools: Rc<Pools>,
    /// Taken only by what consumes the lease.
    connection: Option<Connection>,
    reused: bool,
    tunnel: bool,
    reply: Reply,
}

impl Lease {
    pub(super) fn new(pools: Rc<Pools>, connection: Connection) -> Self {
        let reused = connection.has_served();
        Self { pools, connection: Some(connection), reused, tunnel: false, reply: Reply::NotDue }
    }

    /// The connection, by the version spoken on it.
    pub(super) fn transport(&mut self) -> &mut Transport {
        &mut self.connection_mut().transport
    }

    /// The stream of a connection that speaks HTTP/1.
    pub(super) fn stream(&mut self) -> &mut Stream {
        match self.transport() {
            Transport::Http1(stream) => stream,
            Transport::Http2(_) => unreachable!("{FRAMED}"),
        }
    }

    /// The settings the connection was made with: protocol, host.
    pub fn spec(&self) -> &Arc<config::Upstream> {
        match &self.connection {
            Some(connection) => &connection.provenance.spec,
            None => unreachable!("{GONE}"),
        }
    }

    /// The instance of the upstream's program that it leads to; `None`: somebody else runs the server.
    pub fn instance(&self) -> Option<Instance> {
        self.stand().map(|stand| stand.instance)
    }

    /// Whether the connection served another request before: if it breaks before the answer began, the
    /// upstream may simply have closed it.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// The request was sent whole: whoever was asked owes an answer, unless that has begun already.
    pub(super) fn is_asked(&mut self) {
        if self.reply == Reply::NotDue {
            self.reply = Reply::Due;
            if let Some(stand) = self.stand() {
                stand.answers.asked(now());
            }
        }
    }

    /// The answer has begun.
    pub(super) fn is_answered(&mut self) {
        if std::mem::replace(&mut self.reply, Reply::Done) == Reply::Due
            && let Some(stand) = self.stand()
        {
            stand.answers.answered(now());
        }
    }

    /// Nobody waits for the answer any more: where it is `overdue`, whoever owes it may hang.
    pub(super) fn is_given_up(&mut self, overdue: bool) {
        if std::mem::replace(&mut self.reply, Reply::Done) == Reply::Due
            && let Some(stand) = self.stand()
        {
            stand.answers.given_up(overdue);
        }
    }

    /// What becomes of the program behind it, where it is one of ours.
    pub fn fate(&self) -> Option<Arc<Fate>> {
        self.stand().map(|stand| Arc::clone(&stand.fate))
    }

    fn stand(&self) -> Option<&Stand> {
        self.connection.as_ref()?.provenance.stand.as_deref()
    }

    /// Gives the connection back for the next request, at `now`: the answer was read to its end and the
    /// connection can carry another. It is closed all the same where the upstream keeps none, has too many, or
    /// sent more than it should.
    pub fn keep(mut self, now: Instant) {
        if !self.tunnel
            && let Some(connection) = self.connection.take()
        {
            self.pools.keep(connection, now);
        }
    }

    /// The connection is a tunnel from here on, after a 101 or a 2xx to CONNECT: its place among the upstream's
    /// connections is free for another, and it cannot be kept.
    pub fn become_tunnel(&mut self) {
        if !std::mem::replace(&mut self.tunnel, true) {
            self.connection_mut().upstream.tunnel_began();
        }
    }

    fn connection_mut(&mut self) -> &mut Connection {
        match &mut self.connection {
            Some(connection) => connection,
            None => unreachable!("{GONE}"),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.is_given_up(false);
        let Some(connection) = self.connection.take() else { return };
        let upstream = self.pools.discard(connection);
        if self.tunnel {
            upstream.tunnel_ended();
        } else {
            upstream.ledger.close();
        }
    }
}

/// Who asks for the stream has looked at the transport.
const FRAMED: &str = "the stream of a session is its task's";

/// `keep` and `drop` take the connection, and nothing can be called after them.
const GONE: &str = "a lease has its connection until it is consumed";
