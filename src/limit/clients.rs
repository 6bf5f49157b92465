//! How many connections the node has, and how many connections and handshakes each client: shared by all workers,
//! bounded whatever addresses come. Asked once or twice a connection; for requests only where a proxy that is believed
//! brings them: each counts as a connection of the visitor whom it names.

mod table;

use self::table::{Asked, Table};
use crate::base::ClientKey;
use crate::config::Limits;
use foldhash::fast::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The connections of the node, by client.
#[derive(Debug)]
pub struct Clients {
    open: AtomicUsize,
    hasher: RandomState,
    tables: Box<[Line]>,
}

/// A table on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Line(Mutex<Table>);

/// Counts a connection as open until it is dropped; against a client, once it was [let in](Self::admit).
#[derive(Debug)]
pub struct ConnectionGuard {
    clients: Arc<Clients>,
    key: Option<ClientKey>,
}

/// Counts a request that a proxy brings as a connection of its visitor, until it is dropped.
#[derive(Debug)]
pub struct VisitorGuard {
    clients: Arc<Clients>,
    key: ClientKey,
}

/// Which limit a client has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// `connections_per_client`.
    Connections,
    /// `handshakes_per_client`.
    Handshakes,
}

impl Clients {
    /// Nobody is connected; `now` is what later times are counted from.
    pub fn new(now: Instant) -> Arc<Self> {
        let hasher = RandomState::default();
        let table = || Line(Mutex::new(Table::new(now, hasher.clone())));
        let tables = std::iter::repeat_with(table).take(TABLES).collect();
        Arc::new(Self { open: AtomicUsize::new(0), hasher, tables })
    }

    /// Connections open on the node.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Counts a connection of a client not known yet.
    pub fn connection(self: &Arc<Self>) -> ConnectionGuard {
        self.open.fetch_add(1, Relaxed);
        ConnectionGuard { clients: Arc::clone(self), key: None }
    }

    /// Counts a request against the visitor whom its proxy names.
    ///
    /// # Errors
    /// The visitor has as many connections, requests of proxies among them, as one may have.
    pub fn visitor(
        self: &Arc<Self>,
        key: ClientKey,
        limits: &Limits,
        now: Instant,
    ) -> Result<VisitorGuard, Reached> {
        let asked = Asked { connections: limits.connections_per_client, handshakes: None };
        lock(self.table(key)).open(key, asked, now)?;
        Ok(VisitorGuard { clients: Arc::clone(self), key })
    }

    fn table(&self, key: ClientKey) -> &Mutex<Table> {
        // The table's own map uses the lower and the uppermost bits of this hash.
        &self.tables[(self.hasher.hash_one(key) >> 32) as usize % TABLES].0
    }
}

impl ConnectionGuard {
    /// Counts the connection against its client, and its handshake where it begins with one.
    ///
    /// # Errors
    /// The limit that the client has reached; the connection is not counted against it then.
    pub fn admit(&mut self, key: ClientKey, tls: bool, limits: &Limits, now: Instant) -> Result<(), Reached> {
        let asked = Asked {
            connections: limits.connections_per_client,
            handshakes: limits.handshakes_per_client.filter(|_| tls),
        };
        lock(self.clients.table(key)).open(key, asked, now)?;
        self.key = Some(key);
        Ok(())
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.clients.open.fetch_sub(1, Relaxed);
        if let Some(key) = self.key {
            lock(self.clients.table(key)).close(key);
        }
    }
}

impl Drop for VisitorGuard {
    fn drop(&mut self) {
        lock(self.clients.table(self.key)).close(self.key);
    }
}

/// Counts stay right under a panic elsewhere: nothing in here panics half way.
fn lock(table: &Mutex<Table>) -> std::sync::MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tables: so many that the workers of a large machine, each there for a fraction of a microsecond a connection,
/// do not meet.
const TABLES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ClientAddr, Rate, now};
    use std::time::Duration;

    fn key(address: &str) -> ClientKey {
        ClientAddr(address.parse().unwrap()).key()
    }

    #[test]
    fn a_client_has_its_connections_and_gets_them_back() {
        let limits = Limits { connections_per_client: Some(2), ..Limits::default() };
        let clients = Clients::new(now());
        let enter = |address: &str| {
            let mut guard = clients.connection();
            guard.admit(key(address), false, &limits, now()).map(|()| guard)
        };
        let one = enter("[2001:db8::1]:1").unwrap();
        let _two = enter("[2001:db8::2]:1").unwrap();
        assert_eq!(enter("[2001:db8::3]:1").unwrap_err(), Reached::Connections, "one network, one client");
        let _other = enter("[2001:db8:0:1::1]:1").unwrap();
        assert_eq!(clients.open(), 3);
        // A request that a proxy brings is one of the visitor's connections, and none of the node's.
        assert_eq!(
            clients.visitor(key("[2001:db8::5]:0"), &limits, now()).unwrap_err(),
            Reached::Connections
        );
        let brought = clients.visitor(key("[2001:db8:0:1::2]:0"), &limits, now()).unwrap();
        assert_eq!(enter("[2001:db8:0:1::3]:1").unwrap_err(), Reached::Connections);
        drop(brought);
        assert_eq!(clients.open(), 3);
        drop(one);
        let _again = enter("[2001:db8::4]:1").unwrap();
        assert_eq!(clients.open(), 3);
    }

    #[test]
    fn handshakes_are_counted_on_tls_alone() {
        let rate = Rate { count: 1, period: Duration::from_secs(60) };
        let limits = Limits { handshakes_per_client: Some(rate), ..Limits::default() };
        let clients = Clients::new(now());
        let enter = |tls| clients.connection().admit(key("192.0.2.1:1"), tls, &limits, now());
        assert_eq!(enter(true), Ok(()));
        assert_eq!(enter(true), Err(Reached::Handshakes));
        assert_eq!(enter(false), Ok(()));
        assert_eq!(clients.open(), 0);
    }
}
