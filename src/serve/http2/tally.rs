//! What the streams of one HTTP/2 connection came to, counted where it happens and read where the connection is
//! judged: floods, stalls, idleness. Counts; decides only what is too much.

use std::cell::Cell;
use std::task::Waker;

/// The counts of one connection.
#[derive(Default)]
pub struct Tally {
    open: Cell<u32>,
    begun: Cell<u32>,
    given_up: Cell<u32>,
    pieces: Cell<u32>,
    written: Cell<u64>,
    blocked: Cell<bool>,
    /// The connection's task, where it waits for the last stream.
    waiting: Cell<Option<Waker>>,
}

impl Tally {
    /// A stream's task begins.
    pub fn begin(&self) {
        self.open.set(self.open.get() + 1);
        self.begun.set(self.begun.get().saturating_add(1));
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
        self.pieces.set(self.pieces.get().wrapping_add(1));
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
        self.begun.get().wrapping_add(self.pieces.get())
    }

    /// Whether streams are begun only to be given up (CVE-2023-44487, and by mistakes that make us reset them
    /// CVE-2025-8671): each is work for an upstream that nobody reads.
    pub fn is_abusive(&self) -> bool {
        self.given_up.get() > GIVEN_UP_FREE && self.given_up.get() > self.begun.get() / 2
    }
}

/// Streams a visitor may give up on one connection before the share of them counts: someone who browses fast.
const GIVEN_UP_FREE: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_given_up_are_nothing_and_then_the_share_counts() {
        let tally = Tally::default();
        for _ in 0..GIVEN_UP_FREE {
            tally.begin();
            tally.end(true);
        }
        assert!(!tally.is_abusive());
        for _ in 0..GIVEN_UP_FREE {
            tally.begin();
            tally.end(false);
        }
        tally.begin();
        tally.end(true);
        assert!(tally.is_abusive());
        for _ in 0..2 {
            tally.begin();
            tally.end(false);
        }
        assert!(!tally.is_abusive());
        assert_eq!(tally.open(), 0);
    }
}
