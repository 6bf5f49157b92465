//! The gate of an account: every request passes it once and holds its [`Admission`] until its answer ends.
//! Counts; knows no account and no request.
//!
//! The ordinary request makes two compare-and-swaps, one in and one out. Once all places are taken, the next
//! stands in a line under a lock and says so in the word; from then on places change hands under that lock, so
//! that nobody overtakes.

use super::rate::Meter;
use crate::base::queue::{Line, Queue, Ticket, Wake};
use crate::base::{Cause, Refusal, now as read_clock};
use crate::config::AccountLimits;
use crate::net::within;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The gate of an account, shared by all workers. What requests write is on cache lines of its own.
#[derive(Debug)]
#[repr(align(64))]
pub struct Gate {
    /// Requests in flight, and [`WAITING`].
    word: AtomicU64,
    in_flight: AtomicU32,
    queue: AtomicU32,
    queue_timeout: AtomicU64,
    tunnels: AtomicU32,
    tunnels_now: AtomicU32,
    meter: Meter,
    /// What the meter counts the time from.
    origin: Instant,
    line: Queue<(), ()>,
}

/// The right to be in flight; given back when dropped.
#[derive(Debug)]
#[must_use = "dropped, it is given back"]
pub struct Admission {
    gate: Arc<Gate>,
}

/// A place among the account's tunnels, taken before the upstream is asked to switch protocols, so that nothing
/// has to be refused once it did; given back when dropped.
#[derive(Debug)]
#[must_use = "dropped, it is given back"]
pub struct TunnelPlace {
    gate: Arc<Gate>,
}

impl Gate {
    /// The gate for `limits`.
    pub fn new(limits: &AccountLimits) -> Arc<Self> {
        Arc::new(Self {
            word: AtomicU64::new(0),
            in_flight: AtomicU32::new(limits.in_flight),
            queue: AtomicU32::new(limits.queue),
            queue_timeout: AtomicU64::new(milliseconds(limits.queue_timeout)),
            tunnels: AtomicU32::new(limits.tunnels),
            tunnels_now: AtomicU32::new(0),
            meter: Meter::new(limits.rate),
            origin: read_clock(),
            line: Queue::new(),
        })
    }

    /// Takes over changed limits; who waits and now has room is let in. Nobody is put out.
    pub fn retune(&self, limits: &AccountLimits) {
        self.queue.store(limits.queue, Ordering::Relaxed);
        self.queue_timeout.store(milliseconds(limits.queue_timeout), Ordering::Relaxed);
        self.tunnels.store(limits.tunnels, Ordering::Relaxed);
        self.meter.retune(limits.rate);
        self.in_flight.store(limits.in_flight, Ordering::Relaxed);
        self.locked(|_| ());
    }

    /// Admits a request at `now` if it need not wait: the ordinary case. `Ok(None)`: all places are taken, or
    /// others wait; call [`wait`](Self::wait). The rate is counted here, once a request.
    ///
    /// # Errors
    /// `Rate`.
    pub fn try_admit(self: &Arc<Self>, now: Instant) -> Result<Option<Admission>, Refusal> {
        if !self.meter.admits(now.saturating_duration_since(self.origin)) {
            return Err(Refusal::new(Cause::Rate, "more requests than the account's rate allows"));
        }
        let taken = self.swap(|word| if somebody_waits(word) { None } else { self.one_more(word) });
        Ok(taken.map(|_| self.admission()))
    }

    /// Waits for a place, first come, first served, for the account's `queue_timeout` from `now`: for a request
    /// that [`try_admit`](Self::try_admit) told to. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// `QueueFull`, `QueueTimeout`.
    pub async fn wait(self: &Arc<Self>, now: Instant) -> Result<Admission, Refusal> {
        let Some(ticket) = self.join()? else { return Ok(self.admission()) };
        let deadline = now + Duration::from_millis(self.queue_timeout.load(Ordering::Relaxed));
        let waiting = self.line.wait(ticket, |()| self.give_back());
        match within(deadline, waiting).await {
            Ok(()) => Ok(self.admission()),
            Err(_) => Err(Refusal::new(Cause::QueueTimeout, "no request of the account ended in time")),
        }
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

    /// Takes a place among the tunnels, for a request that asks for an upgrade.
    ///
    /// # Errors
    /// `TunnelLimit`.
    pub fn reserve_tunnel(self: &Arc<Self>) -> Result<TunnelPlace, Refusal> {
        let most = self.tunnels.load(Ordering::Relaxed);
        let one_more = |tunnels: u32| (tunnels < most).then(|| tunnels + 1);
        match self.tunnels_now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => Ok(TunnelPlace { gate: self.clone() }),
            Err(_) => Err(Refusal::new(Cause::TunnelLimit, "the account has all the tunnels it may have")),
        }
    }

    /// Requests in flight at this moment.
    pub fn in_flight(&self) -> u32 {
        in_flight(self.word.load(Ordering::Relaxed))
    }

    /// Requests waiting at this moment.
    pub fn waiting(&self) -> usize {
        if somebody_waits(self.word.load(Ordering::Relaxed)) { self.line.lock().len() } else { 0 }
    }

    /// Tunnels at this moment, those included that are still asked for.
    pub fn tunnels(&self) -> u32 {
        self.tunnels_now.load(Ordering::Relaxed)
    }

    fn admission(self: &Arc<Self>) -> Admission {
        Admission { gate: self.clone() }
    }

    /// A place in the line; `None`: a place in flight, after all.
    fn join(&self) -> Result<Option<Ticket>, Refusal> {
        let bound = self.queue.load(Ordering::Relaxed) as usize;
        self.locked(|line| {
            if line.is_empty()
                && let Some(after) = self.swap(|word| {
                    // Nobody does, whatever the word still says.
                    let word = word & !WAITING;
                    self.one_more(word).or(Some(word | WAITING))
                })
                && !somebody_waits(after)
            {
                return Ok(None);
            }
            line.join((), bound).map(Some)
        })
        .map_err(|_| Refusal::new(Cause::QueueFull, "the account's queue is full"))
    }

    fn give_back(&self) {
        let one_less = |word: u64| (in_flight(word) > 0).then(|| word - 1);
        let given_back = self.swap(|word| if somebody_waits(word) { None } else { one_less(word) });
        if given_back.is_none() {
            self.locked(|_| {
                let given_back = self.swap(one_less);
                debug_assert!(given_back.is_some(), "a place was given back twice");
            });
        }
    }

    fn one_more(&self, word: u64) -> Option<u64> {
        (in_flight(word) < self.in_flight.load(Ordering::Relaxed)).then(|| word + 1)
    }

    /// Changes the word; what it is then, or `None` where `change` refuses.
    fn swap(&self, change: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        let mut after = None;
        let update = |word| {
            after = change(word);
            after
        };
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).ok().and(after)
    }

    /// Acts under the line's lock, then settles: free places go to the first in line, and the word says whether
    /// somebody waits. Wakes after unlocking.
    fn locked<R>(&self, act: impl FnOnce(&mut Line<(), ()>) -> R) -> R {
        let mut wakes: SmallVec<[Wake; 4]> = SmallVec::new();
        let mut line = self.line.lock();
        let result = act(&mut line);
        while !line.is_empty() && self.swap(|word| self.one_more(word)).is_some() {
            wakes.extend(line.grant_with(|()| ()));
        }
        if line.is_empty() {
            self.word.fetch_and(!WAITING, Ordering::AcqRel);
        }
        drop(line);
        wakes.into_iter().for_each(Wake::wake);
        result
    }
}

impl Admission {
    /// Leaves `in_flight` for `place` among the tunnels, once the upstream has switched protocols.
    pub fn into_tunnel(self, place: TunnelPlace) -> TunnelPlace {
        drop(self);
        place
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.gate.give_back();
    }
}

impl Drop for TunnelPlace {
    fn drop(&mut self) {
        self.gate.tunnels_now.fetch_sub(1, Ordering::Relaxed);
    }
}

fn in_flight(word: u64) -> u32 {
    word as u32
}

fn somebody_waits(word: u64) -> bool {
    word & WAITING != 0
}

fn milliseconds(duration: Duration) -> u64 {
    duration.min(LONGEST_WAIT).as_millis() as u64
}

/// No request waits longer, whatever the settings say; a deadline can always be computed.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Somebody waits: places change hands under the line's lock.
const WAITING: u64 = 1 << 63;

#[cfg(test)]
mod tests;
