//! A bounded queue of byte strings between one worker and the writer thread. Pushing is a copy and two atomic
//! stores: no lock, no wait, no syscall. Knows nothing of what the bytes mean.
//!
//! The bytes live in a ring of atomic words, so that two threads may look at the same memory without `unsafe`.

use crate::telemetry::cell::{Count, Padded};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Makes a ring of `bytes` bytes (rounded up to a power of two) and hands out its two ends.
pub(super) fn ring(bytes: usize) -> (Producer, Consumer) {
    let words = bytes.div_ceil(WORD).next_power_of_two();
    let ring = Arc::new(Ring {
        words: std::iter::repeat_with(AtomicU64::default).take(words).collect(),
        written: Padded::default(),
        read: Padded::default(),
        dropped: Arc::default(),
        closed: AtomicBool::new(false),
    });
    let producer = Producer { ring: Arc::clone(&ring), written: Cell::new(0), read_seen: Cell::new(0) };
    (producer, Consumer { ring, read: 0 })
}

/// The worker's end.
#[derive(Debug)]
pub(super) struct Producer {
    ring: Arc<Ring>,
    written: Cell<usize>,
    /// Where the consumer was when it was last looked for.
    read_seen: Cell<usize>,
}

/// What became of a pushed string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It is in the ring.
    Queued,
    /// It is in the ring, which is more than half full since: the consumer should hurry.
    HalfFull,
    /// It was dropped, and counted: the ring is full.
    Dropped,
}

/// The writer's end.
#[derive(Debug)]
pub(super) struct Consumer {
    ring: Arc<Ring>,
    read: usize,
}

/// Positions count words since the beginning and never wrap around (at 10 GB/s, in four hundred years).
#[derive(Debug)]
struct Ring {
    words: Box<[AtomicU64]>,
    written: Padded<AtomicUsize>,
    read: Padded<AtomicUsize>,
    dropped: Arc<Padded<Count>>,
    closed: AtomicBool,
}

impl Producer {
    /// Copies `bytes` into the ring, or drops them whole.
    pub(super) fn push(&self, bytes: &[u8]) -> Pushed {
        let ring = &*self.ring;
        let (capacity, written) = (ring.words.len(), self.written.get());
        let needed = 1 + bytes.len().div_ceil(WORD);
        // The consumer's position is asked for only where the one remembered does not prove enough room.
        if written + needed - self.read_seen.get() > capacity / 2 {
            self.read_seen.set(ring.read.load(Acquire));
            if written + needed - self.read_seen.get() > capacity {
                ring.dropped.add(1);
                return Pushed::Dropped;
            }
        }
        ring.word(written).store(bytes.len() as u64, Relaxed);
        let (words, rest) = bytes.as_chunks::<WORD>();
        for (place, word) in words.iter().enumerate() {
            ring.word(written + 1 + place).store(u64::from_le_bytes(*word), Relaxed);
        }
        if !rest.is_empty() {
            let mut word = [0; WORD];
            word[..rest.len()].copy_from_slice(rest);
            ring.word(written + 1 + words.len()).store(u64::from_le_bytes(word), Relaxed);
        }
        self.written.set(written + needed);
        ring.written.store(written + needed, Release);
        let (before, after) = (written - self.read_seen.get(), written + needed - self.read_seen.get());
        if before <= capacity / 2 && after > capacity / 2 { Pushed::HalfFull } else { Pushed::Queued }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.ring.closed.store(true, Release);
    }
}

impl Consumer {
    /// Takes the oldest string out of the ring into `bytes`, replacing what was there.
    pub(super) fn pop(&mut self, bytes: &mut Vec<u8>) -> bool {
        let ring = &*self.ring;
        if ring.written.load(Acquire) == self.read {
            return false;
        }
        let length = ring.word(self.read).load(Relaxed) as usize;
        let words = length.div_ceil(WORD);
        bytes.clear();
        for place in 0..words {
            bytes.extend_from_slice(&ring.word(self.read + 1 + place).load(Relaxed).to_le_bytes());
        }
        bytes.truncate(length);
        self.read += 1 + words;
        ring.read.store(self.read, Release);
        true
    }

    /// Where the producer is now: how far one round of popping should go.
    pub(super) fn written(&self) -> usize {
        self.ring.written.load(Acquire)
    }

    /// Whether everything up to `position` was taken.
    pub(super) fn has_reached(&self, position: usize) -> bool {
        self.read >= position
    }

    /// How many strings the producer dropped so far, for whoever wants to know it later too.
    pub(super) fn dropped(&self) -> Arc<Padded<Count>> {
        Arc::clone(&self.ring.dropped)
    }

    /// Whether the producer is gone and nothing is left.
    pub(super) fn is_finished(&self) -> bool {
        self.ring.closed.load(Acquire) && self.written() == self.read
    }
}

impl Ring {
    fn word(&self, position: usize) -> &AtomicU64 {
        &self.words[position & (self.words.len() - 1)]
    }
}

const WORD: usize = size_of::<u64>();

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_does_not_fit_is_dropped_whole_and_counted() {
        let (producer, mut consumer) = ring(64);
        let mut bytes = b"old".to_vec();
        assert!(!consumer.pop(&mut bytes));
        assert_eq!(producer.push(b"0123456789abcdef"), Pushed::Queued);
        assert_eq!(producer.push(b"x"), Pushed::HalfFull);
        assert_eq!(producer.push(b"0123456789abcdefg"), Pushed::Dropped);
        assert_eq!(producer.push(b""), Pushed::Queued);
        assert_eq!(consumer.dropped().value(), 1);
        let mut popped = Vec::new();
        while consumer.pop(&mut bytes) {
            popped.push(bytes.clone());
        }
        assert_eq!(popped, [b"0123456789abcdef".as_slice(), b"x", b""]);
        assert_eq!(producer.push(&[7; 56]), Pushed::HalfFull);
        assert_eq!(producer.push(b""), Pushed::Dropped);
        drop(producer);
        assert!(!consumer.is_finished());
        assert!(consumer.pop(&mut bytes) && bytes == [7; 56] && consumer.is_finished());
    }

    #[test]
    fn what_is_larger_than_the_ring_never_fits() {
        let (producer, _consumer) = ring(64);
        assert_eq!(producer.push(&[0; 57]), Pushed::Dropped);
        assert_eq!(producer.push(&[0; 56]), Pushed::HalfFull);
    }

    #[test]
    fn two_threads_see_the_same_strings_in_the_same_order() {
        let (producer, mut consumer) = ring(1024);
        let text = |n: u64| format!("{n}:").repeat((n % 40) as usize);
        let sender = std::thread::spawn(move || {
            let sent = (0..100_000).filter(|n| producer.push(text(*n).as_bytes()) != Pushed::Dropped);
            sent.collect::<Vec<u64>>()
        });
        let mut received = Vec::new();
        let mut bytes = Vec::new();
        while !consumer.is_finished() {
            if consumer.pop(&mut bytes) {
                received.push(String::from_utf8(bytes.clone()).unwrap());
            } else {
                std::hint::spin_loop();
            }
        }
        let sent = sender.join().unwrap();
        assert_eq!(sent.len() as u64 + consumer.dropped().value(), 100_000);
        assert_eq!(received, sent.into_iter().map(text).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn it_is_a_queue(steps in proptest::collection::vec(proptest::option::of(0..100_usize), 1..300)) {
            let (producer, mut consumer) = ring(256);
            let mut model = std::collections::VecDeque::new();
            let mut bytes = Vec::new();
            for (n, step) in steps.into_iter().enumerate() {
                if let Some(length) = step {
                    let string = vec![n as u8; length];
                    if producer.push(&string) != Pushed::Dropped {
                        model.push_back(string);
                    }
                } else {
                    let popped = consumer.pop(&mut bytes).then(|| bytes.clone());
                    prop_assert_eq!(popped, model.pop_front());
                }
            }
        }
    }
}
