//! A line of waiters, first come, first served, who may stand on any thread. Owns their order and what they
//! were granted; does not know what a grant is, and who leaves with one hands it back.
//!
//! Whoever shares something scarce keeps its count in an atomic word with one bit for "somebody waits", and
//! touches the line only where that bit is set or a waiter joins. All changes of the bit happen while the line
//! is locked, so a word that says nobody waits is the truth for whoever swaps it.

use super::sync::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

/// A line of waiters that all threads share. `W` says who waits, `G` is what is granted.
#[derive(Debug)]
pub struct Queue<W, G> {
    line: Mutex<Line<W, G>>,
}

/// The line itself: pure, and only seen while it is locked.
#[derive(Debug)]
pub struct Line<W, G> {
    next: u64,
    waiting: BTreeMap<Ticket, Waiter<W>>,
    granted: BTreeMap<Ticket, G>,
}

/// A waiter's place: lower is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// The line is as long as it may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct Full;

/// Wakes a waiter who was granted something; to be called once the line is unlocked, because waking another
/// thread is a syscall.
#[derive(Debug, Default)]
#[must_use = "the waiter sleeps until it is woken"]
pub struct Wake(Option<Waker>);

/// Waits for a grant. Dropped before it is ready, it leaves the line and gives what it was granted meanwhile to
/// `pass_on`, unlocked.
pub struct Waiting<'a, W, G, F: FnMut(G)> {
    queue: &'a Queue<W, G>,
    ticket: Option<Ticket>,
    pass_on: F,
}

#[derive(Debug)]
struct Waiter<W> {
    who: W,
    waker: Option<Waker>,
}

impl<W, G> Queue<W, G> {
    /// An empty line.
    pub fn new() -> Self {
        Self { line: Mutex::new(Line::new()) }
    }

    /// Locks the line. Held for a few steps that wait for nothing, never over an `.await`.
    pub fn lock(&self) -> MutexGuard<'_, Line<W, G>> {
        // Each method leaves the line whole, so a panic elsewhere while it was locked has broken nothing.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for what is granted to `ticket`.
    pub fn wait<F: FnMut(G)>(&self, ticket: Ticket, pass_on: F) -> Waiting<'_, W, G, F> {
        Waiting { queue: self, ticket: Some(ticket), pass_on }
    }
}

impl<W, G> Default for Queue<W, G> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W, G> Line<W, G> {
    fn new() -> Self {
        Self { next: 0, waiting: BTreeMap::new(), granted: BTreeMap::new() }
    }

    /// How many wait who were granted nothing yet.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Who comes first.
    pub fn first(&self) -> Option<&W> {
        self.waiting.first_key_value().map(|(_, waiter)| &waiter.who)
    }

    /// Stands `who` at the end of a line of at most `bound`. Follow with [`Queue::wait`].
    pub fn join(&mut self, who: W, bound: usize) -> Result<Ticket, Full> {
        if self.waiting.len() >= bound {
            return Err(Full);
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.insert(ticket, Waiter { who, waker: None });
        Ok(ticket)
    }

    /// Grants the first waiter what `make` makes for it; nothing is made where nobody waits.
    pub fn grant_with(&mut self, make: impl FnOnce(&W) -> G) -> Option<Wake> {
        let (ticket, waiter) = self.waiting.pop_first()?;
        self.granted.insert(ticket, make(&waiter.who));
        Some(Wake(waiter.waker))
    }

    /// What was granted to `ticket`, which then has left the line; or remembers whom to wake.
    fn poll(&mut self, ticket: Ticket, waker: &Waker) -> Poll<G> {
        if let Some(grant) = self.granted.remove(&ticket) {
            return Poll::Ready(grant);
        }
        if let Some(waiter) = self.waiting.get_mut(&ticket) {
            match &mut waiter.waker {
                Some(known) => known.clone_from(waker),
                None => waiter.waker = Some(waker.clone()),
            }
        }
        Poll::Pending
    }

    /// Takes `ticket` out of the line, and with it what it was granted meanwhile.
    fn leave(&mut self, ticket: Ticket) -> Option<G> {
        self.waiting.remove(&ticket);
        self.granted.remove(&ticket)
    }
}

impl Wake {
    /// Wakes the waiter.
    pub fn wake(self) {
        if let Some(waker) = self.0 {
            waker.wake();
        }
    }
}

impl<W, G, F: FnMut(G) + Unpin> Future for Waiting<'_, W, G, F> {
    type Output = G;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<G> {
        let Some(ticket) = self.ticket else { return Poll::Pending };
        let polled = self.queue.lock().poll(ticket, cx.waker());
        if polled.is_ready() {
            self.ticket = None;
        }
        polled
    }
}

impl<W, G, F: FnMut(G)> Drop for Waiting<'_, W, G, F> {
    fn drop(&mut self) {
        let left = self.ticket.and_then(|ticket| self.queue.lock().leave(ticket));
        if let Some(grant) = left {
            (self.pass_on)(grant);
        }
    }
}

#[cfg(test)]
mod tests;
