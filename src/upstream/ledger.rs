//! Who may have a connection of an upstream: the word, its cap, and the line of those who wait, kept consistent
//! with each other. Moves counts and grants; knows no connection (`C` is whatever is handed over) and no worker
//! but its number.
//!
//! While nobody waits, every change is one compare-and-swap. Somebody who must wait sets the word's bit under
//! the line's lock, and from then on every change is made under that lock, so that what becomes free goes to
//! the first in line and nobody overtakes.

use super::word::{Generation, MOST, State, Word};
use crate::base::Refusal;
use crate::base::queue::{Full, Line, Queue, Ticket, Waiting, Wake};
use crate::base::sync::{AtomicU32, AtomicU64, Ordering};
use smallvec::SmallVec;

/// The counts and the line of one upstream.
#[derive(Debug)]
pub(super) struct Ledger<C> {
    counts: CountsLine,
    line: Queue<usize, Grant<C>>,
}

/// What every lease writes, on a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct CountsLine {
    word: AtomicU64,
    cap: AtomicU32,
    /// Whether a connection was lent or opened since somebody last asked.
    used: AtomicU32,
}

/// What a waiter is granted; the connection it may use is counted as in use already.
#[derive(Debug)]
pub(super) enum Grant<C> {
    /// It may open one.
    Place,
    /// There will be none, for this reason; nothing is counted for it.
    Nothing(Refusal),
    /// It may use this one.
    Connection(C),
}

/// What the asking worker has itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// An idle connection that will do.
    Idle,
    /// An idle connection that will not do, but can be closed to make room.
    Unfit,
    /// None.
    Nothing,
}

/// How a connection is come by.
#[derive(Debug)]
pub(super) enum Acquired {
    /// The worker's own idle one is in use now.
    Own,
    /// It may open one; it is counted.
    Place,
    /// It has to wait.
    Waits(Ticket),
}

/// What becomes of a connection that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returned {
    /// It idles now.
    Idle,
    /// It must be closed, and then counted down.
    MustClose,
    /// Somebody waits: [`Ledger::pass_on`].
    SomebodyWaits,
}

impl<C> Ledger<C> {
    pub(super) fn new(cap: u32) -> Self {
        let counts = CountsLine {
            word: AtomicU64::new(Word::NEW.bits()),
            cap: AtomicU32::new(cap.min(MOST)),
            used: AtomicU32::new(0),
        };
        Self { counts, line: Queue::new() }
    }

    /// The word of this moment.
    pub(super) fn word(&self) -> Word {
        Word::from_bits(self.counts.word.load(Ordering::Acquire))
    }

    /// How many wait at this moment.
    pub(super) fn waiting(&self) -> usize {
        if self.word().somebody_waits() { self.line.lock().len() } else { 0 }
    }

    /// Comes by a connection for worker `who`, or stands it in the line of at most `bound`.
    pub(super) fn acquire(&self, who: usize, own: Own, bound: usize) -> Result<Acquired, Full> {
        // On the cache line that the swap has taken anyway.
        self.counts.used.store(1, Ordering::Relaxed);
        let swapped = self.swap(|word| if word.somebody_waits() { None } else { self.attempt(word, own) });
        if let Some((before, after)) = swapped {
            return Ok(acquired(before, after));
        }
        self.locked(|line| {
            if line.is_empty()
                && let Some((before, after)) =
                    self.swap(|word| self.attempt(word, own).or_else(|| Some(word.with_waiting(true))))
                && before.in_use() != after.in_use()
            {
                return Ok(acquired(before, after));
            }
            line.join(who, bound).map(Acquired::Waits)
        })
    }

    /// Waits for what `ticket` is granted; a grant that comes too late goes to `pass_on`.
    pub(super) fn wait<F: FnMut(Grant<C>)>(
        &self,
        ticket: Ticket,
        pass_on: F,
    ) -> Waiting<'_, usize, Grant<C>, F> {
        self.line.wait(ticket, pass_on)
    }

    /// Makes a connection in use an idle one, where it may be kept and nobody waits. Whoever must find the
    /// holder of an idle connection looks after seeing the count: so tell where it is **before** this.
    pub(super) fn keep(&self, generation: Generation) -> Returned {
        let mut returned = Returned::Idle;
        self.swap(|word| {
            returned = if !word.may_keep(generation, self.cap()) {
                Returned::MustClose
            } else if word.somebody_waits() {
                Returned::SomebodyWaits
            } else {
                return word.kept();
            };
            None
        });
        returned
    }

    /// Gives a connection in use to the first in line, as `deliver` makes it a grant for that worker; or makes
    /// it idle, if the line turns out to be empty. Whether it was given away.
    pub(super) fn pass_on(&self, deliver: impl FnOnce(usize) -> Grant<C>) -> bool {
        self.locked_waking(|line, wakes| {
            let wake = line.grant_with(|who| deliver(*who));
            if wake.is_none() {
                self.change(Word::kept);
            }
            let given = wake.is_some();
            wakes.extend(wake);
            given
        })
    }

    /// A connection in use was closed, a place was not used, or the connection became a tunnel: one less.
    pub(super) fn close(&self) {
        self.count_down(Word::closed);
    }

    /// An idle connection was closed.
    pub(super) fn close_idle(&self) {
        self.count_down(Word::idle_closed);
    }

    /// Serves the line from `idle_here` idle connections of the calling worker: `take` makes one a grant for
    /// the worker it is given. Whether somebody still waits although another worker has an idle one.
    pub(super) fn serve(&self, idle_here: usize, mut take: impl FnMut(usize) -> Grant<C>) -> bool {
        if !self.word().somebody_waits() {
            return false;
        }
        self.locked_waking(|line, wakes| {
            for _ in 0..idle_here.min(line.len()) {
                if self.swap(Word::lent).is_none() {
                    // They wait for a program, and what idles is left from the one before.
                    return false;
                }
                wakes.extend(line.grant_with(|who| take(*who)));
            }
            !line.is_empty() && self.word().idle() > 0
        })
    }

    /// The most connections there may be.
    pub(super) fn cap(&self) -> u32 {
        self.counts.cap.load(Ordering::Acquire)
    }

    /// Changes the most connections there may be; who waits and now has room is granted a place.
    pub(super) fn set_cap(&self, cap: u32) {
        self.counts.cap.store(cap.min(MOST), Ordering::Release);
        self.locked(|_| ());
    }

    /// No connection opened until now is kept.
    pub(super) fn renew(&self) {
        self.swap(|word| Some(word.renewed()));
    }

    /// No connection is kept any more.
    pub(super) fn retire(&self) {
        self.swap(|word| Some(word.retired()));
    }

    /// The program is not there any more: whoever comes waits, and no connection opened until now is kept.
    pub(super) fn leave(&self) {
        self.swap(|word| Some(word.away()));
    }

    /// The same, where the program is still the one that served when `generation` was read; whether it was so.
    pub(super) fn leave_if(&self, generation: Generation) -> bool {
        let is_it = |word: Word| word.state() == State::Ready && word.generation() == generation;
        self.swap(|word| is_it(word).then(|| word.away())).is_some()
    }

    /// The same, where nothing is in use and nobody waits; whether it was so.
    pub(super) fn rest(&self) -> bool {
        self.swap(Word::at_rest).is_some()
    }

    /// The program serves after all: who waits is let in, in order, as far as there is room.
    pub(super) fn come_back(&self) {
        self.locked(|_| self.swap(|word| Some(word.back())));
    }

    /// The same, and it is another than before: no connection opened until now is kept.
    pub(super) fn come_anew(&self) {
        self.locked(|_| self.swap(|word| Some(word.back().renewed())));
    }

    /// Tells everybody who waits for the program that there will be none.
    pub(super) fn refuse(&self, why: &Refusal) {
        self.locked_waking(|line, wakes| {
            while let Some(wake) = line.grant_with(|_| Grant::Nothing(why.clone())) {
                wakes.push(wake);
            }
        });
    }

    /// Whether the program is away.
    pub(super) fn is_away(&self) -> bool {
        self.word().state() == State::Away
    }

    /// Whether a connection was asked for since this was last asked.
    pub(super) fn was_used(&self) -> bool {
        self.counts.used.swap(0, Ordering::Relaxed) != 0
    }

    /// Whether nothing is kept any more.
    pub(super) fn is_retired(&self) -> bool {
        self.word().state() == State::Retired
    }

    fn attempt(&self, word: Word, own: Own) -> Option<Word> {
        match own {
            Own::Idle => word.lent(),
            Own::Unfit => word.opened(self.cap()).or_else(|| word.lent()),
            Own::Nothing => word.opened(self.cap()),
        }
    }

    fn count_down(&self, change: fn(Word) -> Option<Word>) {
        let swapped = self.swap(|word| if word.somebody_waits() { None } else { change(word) });
        if swapped.is_none() {
            self.locked(|_| self.change(change));
        }
    }

    /// A change that the caller knows to be possible: it holds the connection that is counted.
    fn change(&self, change: fn(Word) -> Option<Word>) {
        let changed = self.swap(change);
        debug_assert!(changed.is_some(), "a connection was counted twice");
    }

    fn swap(&self, mut change: impl FnMut(Word) -> Option<Word>) -> Option<(Word, Word)> {
        let mut after = Word::NEW;
        let update = |bits| {
            after = change(Word::from_bits(bits))?;
            Some(after.bits())
        };
        let before = self.counts.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).ok()?;
        Some((Word::from_bits(before), after))
    }

    fn locked<R>(&self, act: impl FnOnce(&mut Line<usize, Grant<C>>) -> R) -> R {
        self.locked_waking(|line, _| act(line))
    }

    /// Acts under the line's lock, then settles: places that are free go to the first in line, and the word
    /// says whether somebody waits. Wakes after unlocking.
    fn locked_waking<R>(&self, act: impl FnOnce(&mut Line<usize, Grant<C>>, &mut Wakes) -> R) -> R {
        let mut wakes = Wakes::new();
        let mut line = self.line.lock();
        let result = act(&mut line, &mut wakes);
        while !line.is_empty() && self.swap(|word| word.opened(self.cap())).is_some() {
            wakes.extend(line.grant_with(|_| Grant::Place));
        }
        if line.is_empty() && self.word().somebody_waits() {
            self.swap(|word| Some(word.with_waiting(false)));
        }
        drop(line);
        wakes.into_iter().for_each(Wake::wake);
        result
    }
}

/// What an attempt that changed `before` to `after` came by.
fn acquired(before: Word, after: Word) -> Acquired {
    if after.open() > before.open() { Acquired::Place } else { Acquired::Own }
}

type Wakes = SmallVec<[Wake; 4]>;

#[cfg(all(test, loom_model))]
mod model;
#[cfg(test)]
mod tests;
