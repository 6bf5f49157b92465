//! Whom a request waited for, and for how long. What is left of its time is our own.

use super::now;
use std::time::{Duration, Instant};

/// What a request may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Wait {
    /// For a place among the account's requests, or for one of the upstream's connections to become free.
    Queued,
    /// For the program of its upstream to start.
    Parked,
    /// For a new connection to its upstream, TLS handshake included.
    Connecting,
    /// For the head of the answer, from the request's last byte.
    FirstByte,
    /// For the visitor: to send the request's body, to take the answer's.
    Client,
}

/// How long a request waited for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits([Duration; Wait::ALL.len()]);

/// A wait under way: it is added when this is dropped, so that it counts too where the visitor leaves in the middle.
#[derive(Debug)]
pub struct Waiting<'a> {
    since: Instant,
    sum: &'a mut Duration,
}

impl Wait {
    /// All of them, in the order in which a request meets them.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Parked, Self::Connecting, Self::FirstByte, Self::Client];

    /// The word for it; `{WORD_time}` is its variable of a log format.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Parked => "parked",
            Self::Connecting => "connecting",
            Self::FirstByte => "first_byte",
            Self::Client => "client",
        }
    }
}

impl Waits {
    /// It waited for nobody.
    pub const NONE: Self = Self([Duration::ZERO; Wait::ALL.len()]);

    /// How long it waited for this.
    pub fn of(&self, wait: Wait) -> Duration {
        self.0[wait as usize]
    }

    /// It waited for this so long, or so much longer.
    pub fn add(&mut self, wait: Wait, time: Duration) {
        self.0[wait as usize] += time;
    }

    /// Adds all that `others` say.
    pub fn add_all(&mut self, others: Self) {
        for wait in Wait::ALL {
            self.add(wait, others.of(wait));
        }
    }

    /// It waits for this until what is returned is dropped. Cost: the clock is read twice.
    pub fn begin(&mut self, wait: Wait) -> Waiting<'_> {
        Waiting { since: now(), sum: &mut self.0[wait as usize] }
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        self.0.iter().sum()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        *self.sum += now().saturating_duration_since(self.since);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_add_up() {
        let mut waits = Waits::default();
        waits.add(Wait::Parked, Duration::from_secs(2));
        waits.add(Wait::Parked, Duration::from_secs(1));
        drop(waits.begin(Wait::Client));
        let mut all = Waits::default();
        all.add_all(waits);
        assert_eq!(all, waits);
        assert_eq!(all.of(Wait::Parked), Duration::from_secs(3));
        assert_eq!(all.sum(), Duration::from_secs(3) + all.of(Wait::Client));
        for (place, wait) in Wait::ALL.into_iter().enumerate() {
            assert_eq!(wait as usize, place, "the list is the order of the discriminants");
        }
    }
}
