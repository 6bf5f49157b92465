//! How many of the pooled things are in use: each thread counts what it took and gave back, whoever asks adds them up.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// What is taken from a pool, and comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooled {
    /// A buffer's block of memory, of any size.
    Block,
    /// A pipe.
    Pipe,
}

/// What one thread took less what it gave back, on cache lines of its own. What is given back by another thread than took
/// it makes one count pass zero, and the sum is right all the same.
#[derive(Default)]
#[repr(align(128))]
struct Counts([AtomicU64; 2]);

impl Pooled {
    /// Counts one that was taken. Cost: a load, an add and a store.
    #[inline]
    pub fn took(self) {
        self.count(1);
    }

    /// Counts one that came back.
    #[inline]
    pub fn gave_back(self) {
        self.count(u64::MAX);
    }

    /// How many are in use, over all threads.
    pub fn in_use(self) -> u64 {
        let all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().fold(0_u64, |sum, counts| sum.wrapping_add(counts.0[self as usize].load(Relaxed)))
    }

    #[inline]
    fn count(self, amount: u64) {
        let counts = MINE.get().unwrap_or_else(begin);
        // Nobody else writes here.
        let count = &counts.0[self as usize];
        count.store(count.load(Relaxed).wrapping_add(amount), Relaxed);
    }
}

/// A thread's first: its counts stay for ever, since what it took may be given back later by another.
#[cold]
fn begin() -> &'static Counts {
    let counts: &'static Counts = Box::leak(Box::default());
    ALL.lock().unwrap_or_else(PoisonError::into_inner).push(counts);
    MINE.set(Some(counts));
    counts
}

/// One for each thread there ever was: workers and a few more.
static ALL: Mutex<Vec<&'static Counts>> = Mutex::new(Vec::new());

thread_local! {
    static MINE: Cell<Option<&'static Counts>> = const { Cell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_thread_gives_back_is_back() {
        let mine = |pooled: Pooled| MINE.get().map_or(0, |counts| counts.0[pooled as usize].load(Relaxed));
        let before = mine(Pooled::Pipe);
        Pooled::Pipe.took();
        Pooled::Pipe.took();
        assert_eq!(mine(Pooled::Pipe), before + 2);
        let other = std::thread::spawn(move || {
            Pooled::Pipe.gave_back();
            mine(Pooled::Pipe)
        });
        assert_eq!(other.join().expect("no panic"), u64::MAX);
        Pooled::Pipe.gave_back();
        assert_eq!(mine(Pooled::Pipe).wrapping_add(u64::MAX), before);
    }
}
