//! The clients of one part of the table: pure, the time is passed in.
//!
//! Handshakes are counted by the generic cell rate algorithm: one time per client, that at which its allowance will
//! be whole again. A client is forgotten when it has no connection and its allowance is whole.

use super::Reached;
use crate::base::{ClientKey, Rate};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Clients with a connection, or with handshakes not long ago.
#[derive(Debug)]
pub(super) struct Table {
    origin: Instant,
    clients: HashMap<ClientKey, Client, RandomState>,
    /// Connections until the clients are looked through.
    until_look: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Client {
    connections: u32,
    /// When the handshake allowance is whole again, since the origin.
    whole: Duration,
}

/// The limits in effect for a connection: `None` is unlimited, or does not apply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) connections: Option<u32>,
    pub(super) handshakes: Option<Rate>,
}

impl Table {
    /// Nobody is known. The hasher is seeded: the keys come from whoever connects.
    pub(super) fn new(origin: Instant, hasher: RandomState) -> Self {
        Self { origin, clients: HashMap::with_hasher(hasher), until_look: LOOK_EVERY }
    }

    /// Counts a connection, and a handshake where those are limited.
    pub(super) fn open(&mut self, key: ClientKey, asked: Asked, now: Instant) -> Result<(), Reached> {
        let now = now.saturating_duration_since(self.origin);
        if self.until_look == 0 {
            self.forget(now);
            // As many connections as there are clients pay for looking at them.
            self.until_look = self.clients.len().max(LOOK_EVERY);
        }
        self.until_look -= 1;
        let mut client = self.clients.get(&key).copied().unwrap_or_default();
        if asked.connections.is_some_and(|most| client.connections >= most) {
            return Err(Reached::Connections);
        }
        if let Some(rate) = asked.handshakes {
            client.whole = next_whole(rate, client.whole, now).ok_or(Reached::Handshakes)?;
        }
        client.connections = client.connections.saturating_add(1);
        self.clients.insert(key, client);
        Ok(())
    }

    /// Gives a connection back.
    pub(super) fn close(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        client.connections = client.connections.saturating_sub(1);
        if client.connections == 0 && client.whole == Duration::ZERO {
            self.clients.remove(&key);
        }
    }

    /// Forgets who has no connection and a whole allowance, and gives memory back.
    fn forget(&mut self, now: Duration) {
        self.clients.retain(|_, client| client.connections > 0 || client.whole > now);
        let connected = self.clients.values().filter(|client| client.connections > 0).count();
        if self.clients.len() - connected > connected.max(MOST_IDLE) {
            // Handshakes of so many clients that telling them apart is no defence any more.
            self.clients.retain(|_, client| client.connections > 0);
        }
        self.clients.shrink_to(2 * self.clients.len());
    }
}

/// When the allowance is whole after one more handshake `now`; `None` when there is nothing left of it. As many as
/// the rate's count may come at once, and then one at a time as they come back.
fn next_whole(rate: Rate, whole: Duration, now: Duration) -> Option<Duration> {
    let period = u64::try_from(rate.period.as_nanos()).ok()?;
    let each = Duration::from_nanos(period.checked_div(rate.count)?);
    let next = whole.max(now).checked_add(each)?;
    (next <= now.checked_add(rate.period)?).then_some(next)
}

/// Connections after which the clients are looked through, at least.
const LOOK_EVERY: usize = 1024;

/// Clients without a connection whose handshakes a table remembers, at least: 0.5 MiB a table, 32 MiB of all, which
/// only an attack from that many networks takes.
const MOST_IDLE: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ClientAddr, now};
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, SocketAddr};

    const UNLIMITED: Asked = Asked { connections: None, handshakes: None };

    fn key(number: u32) -> ClientKey {
        ClientAddr(SocketAddr::from((Ipv4Addr::from(number), 1))).key()
    }

    fn handshakes(count: u64, period: Duration) -> Asked {
        Asked { connections: None, handshakes: Some(Rate { count, period }) }
    }

    #[test]
    fn a_burst_of_a_period_and_then_one_at_a_time() {
        let begin = now();
        let mut table = Table::new(begin, RandomState::default());
        let asked = handshakes(5, Duration::from_secs(1));
        let mut at =
            |milliseconds| table.open(key(1), asked, begin + Duration::from_millis(milliseconds)).is_ok();
        assert_eq!([0; 7].map(&mut at), [true, true, true, true, true, false, false]);
        assert_eq!([199, 200, 201, 400].map(&mut at), [false, true, false, true]);
        assert_eq!([5000; 6].map(&mut at), [true, true, true, true, true, false]);
    }

    #[test]
    fn zero_is_zero_and_much_is_much() {
        let mut table = Table::new(now(), RandomState::default());
        let second = Duration::from_secs(1);
        assert_eq!(table.open(key(1), handshakes(0, second), now()), Err(Reached::Handshakes));
        assert_eq!(table.open(key(1), handshakes(u64::MAX, second), now()), Ok(()));
        let none = Asked { connections: Some(0), handshakes: None };
        assert_eq!(table.open(key(2), none, now()), Err(Reached::Connections));
    }

    #[test]
    fn a_flood_of_clients_is_forgotten_with_its_memory() {
        let begin = now();
        let mut table = Table::new(begin, RandomState::default());
        let asked = handshakes(1, Duration::from_secs(10));
        for number in 0..100_000 {
            table.open(key(number), asked, begin).unwrap();
            table.close(key(number));
            assert!(table.clients.len() <= 3 * MOST_IDLE, "{} clients", table.clients.len());
        }
        for _ in 0..2 * MOST_IDLE {
            table.open(key(0), UNLIMITED, begin + Duration::from_secs(20)).unwrap();
        }
        assert_eq!(table.clients.len(), 1);
        assert!(table.clients.capacity() < 16);
    }

    proptest! {
        /// Whatever the times: never more than the rate allows, never less, and connections as counted.
        #[test]
        fn agrees_with_a_bucket(
            count in 1..10u64,
            most in 1..6u32,
            events in proptest::collection::vec((0..3u32, 0..400u64, any::<bool>()), 1..200),
        ) {
            let period = Duration::from_millis(1000 * count);
            let asked = Asked { connections: Some(most), ..handshakes(count, period) };
            let mut time = now();
            let mut table = Table::new(time, RandomState::default());
            // A bucket of `count` thousandths-of-handshakes that fills by one a millisecond.
            let mut buckets = [1000 * count; 3];
            let mut open = [0u32; 3];
            for (client, pause, close) in events {
                time += Duration::from_millis(pause);
                buckets = buckets.map(|bucket| (bucket + pause).min(1000 * count));
                let place = client as usize;
                if close {
                    table.close(key(client));
                    open[place] = open[place].saturating_sub(1);
                    continue;
                }
                let expected = match (open[place] < most, buckets[place] >= 1000) {
                    (false, _) => Err(Reached::Connections),
                    (true, false) => Err(Reached::Handshakes),
                    (true, true) => {
                        open[place] += 1;
                        buckets[place] -= 1000;
                        Ok(())
                    }
                };
                prop_assert_eq!(table.open(key(client), asked, time), expected);
            }
        }
    }
}
