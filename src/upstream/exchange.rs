//! How workers reach each other: one mailbox each, the only wake across workers.

/// A worker's place among the workers, with its mailbox; moved into the worker's thread, where
/// [`Pools::new`](super::Pools::new) takes it.
#[derive(Debug)]
pub struct Seat {
    index: usize,
}

impl Seat {
    /// Which worker this is, from 0.
    pub fn index(&self) -> usize {
        self.index
    }
}

/// A seat for each of `workers` workers.
pub fn seats(workers: usize) -> Vec<Seat> {
    (0..workers).map(|index| Seat { index }).collect()
}
