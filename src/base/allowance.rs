//! How much of something one party may hold at a time, whichever threads hold it.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What one party holds, in bytes, and the most that it may.
#[derive(Debug)]
pub struct Allowance {
    held: AtomicUsize,
    most: AtomicUsize,
}

impl Allowance {
    /// Nothing is held, of `most`.
    pub const fn new(most: usize) -> Self {
        Self { held: AtomicUsize::new(0), most: AtomicUsize::new(most) }
    }

    /// Changes the most. What is held beyond it stays until it is given back.
    pub fn set_most(&self, most: usize) {
        self.most.store(most, Relaxed);
    }

    /// Holds `bytes` more, unless that were too much. Cost: an atomic addition, and another one where it is refused.
    pub fn take(&self, bytes: usize) -> bool {
        let before = self.held.fetch_add(bytes, Relaxed);
        let fits = before.saturating_add(bytes) <= self.most.load(Relaxed);
        if !fits {
            self.give_back(bytes);
        }
        fits
    }

    /// Holds so many bytes less, which were [taken](Self::take).
    pub fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Relaxed);
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.held.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_holds_more_than_allowed() {
        let allowance = Allowance::new(10);
        assert!(allowance.take(6) && !allowance.take(5) && allowance.take(4));
        assert_eq!(allowance.held(), 10);
        allowance.set_most(3);
        allowance.give_back(8);
        assert!(!allowance.take(2) && allowance.take(1));
        allowance.give_back(3);
        assert_eq!(allowance.held(), 0);
    }
}
