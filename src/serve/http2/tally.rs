//! What the streams of one HTTP/2 connection came to, counted where it happens and read where the connection is
//! judged: floods, stalls, idleness. Counts; decides only what is too much.

use std::cell::Cell;
use std::task::Waker;
use std::time::{Duration, Instant};

/// The counts of one connection.
pub struct Tally {
    open: Cell<u32>,
    /// Streams begun and given up since `since`.
    begun: Cell<u32>,
    given_up: Cell<u32>,
    since: Cell<Instant>,
    work: Cell<u32>,
    received: Cell<u64>,
    written: Cell<u64>,
    blocked: Cell<bool>,
    /// The connection's task, where it waits for the last stream.
    waiting: Cell<Option<Waker>>,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(now: Instant) -> Self {
        Self {
            open: Cell::new(0),
            begun: Cell::new(0),
            given_up: Cell::new(0),
            since: Cell::new(now),
            work: Cell::new(0),
            received: Cell::new(0),
            written: Cell::new(0),
            blocked: Cell::new(false),
            waiting: Cell::new(None),
        }
    }

    /// A stream's task begins.
    pub fn begin(&self) {
        self.open.set(self.open.get() + 1);
        self.begun.set(self.begun.get().saturating_add(1));
        self.worked();
    }

    /// It ends; `given_up`: the visitor (or a mistake of it) reset the stream before its answer was whole.
    pub fn end(&self, given_up: bool) {
        self.open.set(self.open.get().saturating_sub(1));
        self.given_up.set(self.given_up.get().saturating_add(u32::from(given_up)));
        if self.open.get() == 0
            && let Some(waker) = self.waiting.take()
        {
            waker.wake();
        }
    }

    /// Wakes the connection's task at the end of the last stream. The h2 crate does not while its socket is blocked.
    pub fn wake_after_last(&self, waker: &Waker) {
        let known = self.waiting.take().filter(|known| known.will_wake(waker));
        self.waiting.set(Some(known.unwrap_or_else(|| waker.clone())));
    }

    /// Streams whose tasks run.
    pub fn open(&self) -> u32 {
        self.open.get()
    }

    /// A piece of an answer was queued for the visitor.
    pub fn queued(&self) {
        self.worked();
    }

    fn worked(&self) {
        self.work.set(self.work.get().wrapping_add(1));
    }

    /// Bytes came off the socket.
    pub fn read(&self, bytes: usize) {
        self.received.set(self.received.get().wrapping_add(bytes as u64));
    }

    /// Bytes that came off the socket so far.
    pub fn received(&self) -> u64 {
        self.received.get()
    }

    /// The socket took bytes.
    pub fn wrote(&self, bytes: usize) {
        self.written.set(self.written.get().wrapping_add(bytes as u64));
        self.blocked.set(false);
    }

    /// Whether the socket takes no more for now.
    pub fn set_blocked(&self, blocked: bool) {
        self.blocked.set(blocked);
    }

    /// Whether bytes wait for a visitor that does not read.
    pub fn is_blocked(&self) -> bool {
        self.blocked.get()
    }

    /// Bytes that the socket took so far.
    pub fn written(&self) -> u64 {
        self.written.get()
    }

    /// What was done for the visitor so far: streams begun and pieces of answers queued, wrapping.
    pub fn work(&self) -> u32 {
        self.work.get()
    }

    /// Whether streams are begun only to be given up (CVE-2023-44487, and by mistakes that make us reset them
    /// CVE-2025-8671): each is work for an upstream that nobody reads. The clock is read where there are many.
    pub fn is_abusive(&self, now: impl FnOnce() -> Instant) -> bool {
        if self.given_up.get() <= GIVEN_UP_FREE || self.given_up.get() <= self.begun.get() / 2 {
            return false;
        }
        let now = now();
        if now.saturating_duration_since(self.since.get()) < WINDOW {
            return true;
        }
        self.since.set(now);
        self.begun.set(0);
        self.given_up.set(0);
        false
    }
}

/// Streams a visitor may give up in a window before their share counts: someone who browses fast.
const GIVEN_UP_FREE: u32 = 100;

/// The window they are counted in. A client that ends most of its streams itself, as those that watch something do,
/// takes longer.
const WINDOW: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::now;

    fn streams(tally: &Tally, count: u32, given_up: bool) {
        for _ in 0..count {
            tally.begin();
            tally.end(given_up);
        }
    }

    #[test]
    fn a_hundred_given_up_are_nothing_and_then_the_share_counts() {
        let begun = now();
        let tally = Tally::new(begun);
        let soon = || begun + WINDOW / 2;
        streams(&tally, GIVEN_UP_FREE, true);
        assert!(!tally.is_abusive(soon));
        streams(&tally, GIVEN_UP_FREE, false);
        streams(&tally, 1, true);
        assert!(tally.is_abusive(soon));
        streams(&tally, 2, false);
        assert!(!tally.is_abusive(soon));
        assert_eq!(tally.open(), 0);
    }

    #[test]
    fn those_given_up_slowly_are_no_abuse() {
        let mut at = now();
        let tally = Tally::new(at);
        for _ in 0..50 {
            streams(&tally, GIVEN_UP_FREE, true);
            at += WINDOW;
            assert!(!tally.is_abusive(|| at));
        }
        // But a burst is.
        assert!(!tally.is_abusive(|| at));
        streams(&tally, 2 * GIVEN_UP_FREE + 1, true);
        assert!(tally.is_abusive(|| at));
    }
}
