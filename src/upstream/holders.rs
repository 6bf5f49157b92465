//! Which workers hold idle connections of one upstream and since when, and the asking for them. Says where to
//! ask; whether there really is a connection is decided by the word and by its holder.
//!
//! A holder writes here **before** it counts a connection as idle. Whoever joins the line does so after reading
//! that count, and therefore finds every holder here. What stands here may be too much (a connection lent again
//! a moment ago): the holder asked in vain asks the next.

use super::Upstream;
use super::exchange::Exchange;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// The holders of one upstream's idle connections.
#[derive(Debug)]
pub(super) struct Holders {
    exchange: Arc<Exchange>,
    workers: Box<[Holder]>,
}

#[derive(Debug, Default)]
struct Holder {
    /// Since when its oldest connection idles, as the exchange stamps it; 0: it has none.
    oldest: AtomicU64,
    /// A letter about this upstream is in its mailbox.
    asked: AtomicBool,
}

impl Holders {
    pub(super) fn new(exchange: Arc<Exchange>) -> Self {
        let workers = (0..exchange.workers()).map(|_| Holder::default()).collect();
        Self { exchange, workers }
    }

    /// Worker `index` holds idle connections, the oldest since then; or none. Written by that worker alone.
    pub(super) fn note(&self, index: usize, oldest: Option<Instant>) {
        if let Some(holder) = self.workers.get(index) {
            // The swap of the word that follows publishes it.
            holder.oldest.store(oldest.map_or(0, |at| self.exchange.stamp(at)), Ordering::Relaxed);
        }
    }

    /// Asks the worker with the oldest idle connection, other than `asker`, to serve the line.
    pub(super) fn ask_oldest(&self, upstream: &Arc<Upstream>, asker: usize) {
        // Each turn asks a worker that was not asked before: at most one turn a worker.
        for _ in 0..self.workers.len() {
            let others = self.workers.iter().enumerate().filter(|(index, _)| *index != asker);
            let oldest = others
                .filter(|(_, holder)| !holder.asked.load(Ordering::Acquire))
                .map(|(index, holder)| (holder.oldest.load(Ordering::Relaxed), index))
                .filter(|(since, _)| *since > 0)
                .min();
            let Some((_, index)) = oldest else { return };
            if self.ask(upstream, index) {
                return;
            }
        }
    }

    /// Asks every worker to look after the upstream: its settings changed.
    pub(super) fn ask_all(&self, upstream: &Arc<Upstream>) {
        for index in 0..self.workers.len() {
            self.ask(upstream, index);
        }
    }

    /// Worker `index` took the letter out of its mailbox, and looks after the upstream now.
    pub(super) fn answered(&self, index: usize) {
        if let Some(holder) = self.workers.get(index) {
            holder.asked.store(false, Ordering::Release);
        }
    }

    /// Sends a letter where none is on its way. A worker that has ended stays "asked" and is never chosen again.
    fn ask(&self, upstream: &Arc<Upstream>, index: usize) -> bool {
        !self.workers[index].asked.swap(true, Ordering::AcqRel) && self.exchange.send(index, upstream)
    }
}

#[cfg(test)]
mod tests {
    use super::super::exchange::{Seat, seats};
    use super::super::testing;
    use super::*;
    use std::time::Duration;

    fn letters(seat: &mut Seat) -> usize {
        std::iter::from_fn(|| seat.mailbox.try_recv().ok()).count()
    }

    #[test]
    fn the_holder_of_the_oldest_is_asked_once_until_it_answers() {
        let start = crate::base::now();
        let mut seats = seats(3, &Arc::default());
        let holders = Holders::new(seats[0].exchange.clone());
        let upstream = testing::upstream(1);
        holders.ask_oldest(&upstream, 0);
        holders.note(1, Some(start + Duration::from_secs(2)));
        holders.note(2, Some(start + Duration::from_secs(1)));
        for _ in 0..2 {
            holders.ask_oldest(&upstream, 0);
        }
        assert_eq!(letters(&mut seats[2]), 1, "the oldest first");
        assert_eq!(letters(&mut seats[1]), 1, "then the next: the first is at it");
        holders.ask_oldest(&upstream, 0);
        assert_eq!(letters(&mut seats[2]) + letters(&mut seats[1]), 0);
        holders.answered(2);
        holders.ask_oldest(&upstream, 2);
        assert_eq!(letters(&mut seats[2]), 0, "nobody asks itself");
        holders.note(2, None);
        holders.ask_oldest(&upstream, 0);
        assert_eq!(letters(&mut seats[2]), 0, "it has none");
        assert_eq!(letters(&mut seats[0]), 0);
    }

    #[test]
    fn a_worker_that_ended_is_passed_over() {
        let start = crate::base::now();
        let mut seats = seats(3, &Arc::default());
        let holders = Holders::new(seats[0].exchange.clone());
        for index in [1, 2] {
            holders.note(index, Some(start + Duration::from_secs(index as u64)));
        }
        drop(seats.remove(1));
        holders.ask_oldest(&testing::upstream(1), 0);
        assert_eq!(letters(&mut seats[1]), 1);
    }
}
