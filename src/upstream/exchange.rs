//! How workers reach each other: one mailbox each, the only wake across workers. Carries upstreams to look
//! after; what that means is for [`Pools`](super::Pools).

use super::{Reach, Upstream};
use crate::base::now;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A worker's place among the workers, with its mailbox; moved into the worker's thread, where
/// [`Pools::new`](super::Pools::new) takes it.
#[derive(Debug)]
pub struct Seat {
    pub(super) index: usize,
    pub(super) exchange: Arc<Exchange>,
    pub(super) mailbox: Mailbox,
}

/// What a worker is asked to look after.
///
/// Unbounded, yet it never holds more than one letter for each upstream: [`Holders`](super::holders::Holders)
/// asks a worker again only once it has taken the letter out.
pub(super) type Mailbox = UnboundedReceiver<Arc<Upstream>>;

/// The mailboxes of all workers.
#[derive(Debug)]
pub(super) struct Exchange {
    slots: Box<[UnboundedSender<Arc<Upstream>>]>,
    /// What idle times are counted from, so that they fit an atomic.
    origin: Instant,
    pub(super) reach: Arc<Reach>,
}

/// A seat for each of `workers` workers, who all reach as far as `reach` says.
pub fn seats(workers: usize, reach: &Arc<Reach>) -> Vec<Seat> {
    let (slots, mailboxes): (Vec<_>, Vec<_>) = (0..workers).map(|_| unbounded_channel()).unzip();
    let exchange = Arc::new(Exchange { slots: slots.into(), origin: now(), reach: reach.clone() });
    let seat = |(index, mailbox)| Seat { index, exchange: exchange.clone(), mailbox };
    mailboxes.into_iter().enumerate().map(seat).collect()
}

impl Seat {
    /// Which worker this is, from 0.
    pub fn index(&self) -> usize {
        self.index
    }
}

impl Exchange {
    /// How many workers there are.
    pub(super) fn workers(&self) -> usize {
        self.slots.len()
    }

    /// Puts a letter into a worker's mailbox. Whether there is still somebody to read it.
    pub(super) fn send(&self, worker: usize, upstream: &Arc<Upstream>) -> bool {
        self.slots.get(worker).is_some_and(|slot| slot.send(upstream.clone()).is_ok())
    }

    /// A moment as a number: milliseconds since the seats were made, from 1.
    pub(super) fn stamp(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.origin).as_millis() as u64 + 1
    }
}
