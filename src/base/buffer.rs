//! A byte buffer that belongs to its worker: taken from a per-thread pool, given back when dropped. It owns
//! memory and two positions; it does no I/O and knows nothing of what the bytes mean.

use super::Pooled;
use std::cell::RefCell;
use std::fmt;

/// A growable window of bytes: `[filled]` between a read and a write position.
///
/// An empty buffer that was never written holds no memory. The first write takes a block of [`BUFFER_BYTES`]
/// from the thread's pool, or of [`LARGE_BUFFER_BYTES`] where that much room is asked for; blocks of other sizes
/// are freed instead of pooled.
#[derive(Default)]
pub struct Buffer {
    block: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// An empty buffer that holds no memory yet.
    pub const fn new() -> Self {
        Self { block: Vec::new(), start: 0, end: 0 }
    }

    /// The bytes written and not yet consumed.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        &self.block[self.start..self.end]
    }

    /// The same bytes, writable: for code that opens or rewrites them in place.
    #[inline]
    pub fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.block[self.start..self.end]
    }

    /// How many bytes are filled.
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether nothing is filled.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes of memory held, filled or not.
    pub fn capacity(&self) -> usize {
        self.block.len()
    }

    /// Forgets the first `count` filled bytes. A buffer emptied this way starts again at its beginning.
    ///
    /// # Panics
    /// When `count` is larger than [`len`](Self::len): a mistake of the caller, never of the network.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "consumed more than was filled");
        self.start += count;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Forgets everything and keeps the block.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Forgets everything and gives the block back to the pool: what an idle connection does.
    #[inline]
    pub fn release(&mut self) {
        self.clear();
        if !self.block.is_empty() {
            give_back(std::mem::take(&mut self.block));
        }
    }

    /// Writable room of at least `least` bytes after the filled ones. Moves the filled bytes to the front, or
    /// grows the block, only where there is no other way. Follow with [`advance`](Self::advance).
    pub fn spare(&mut self, least: usize) -> &mut [u8] {
        if self.block.is_empty() {
            self.block = take(least);
        } else if self.block.len() - self.end < least {
            self.make_room(least);
        }
        &mut self.block[self.end..]
    }

    /// Counts `count` bytes of the spare room as filled.
    ///
    /// # Panics
    /// When that is more than the room there is.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        assert!(self.end + count <= self.block.len(), "advanced past the block");
        self.end += count;
    }

    /// Appends a copy of `bytes`.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        let end = self.end + bytes.len();
        // Heads are put together from dozens of small pieces: where there is room, one is a copy and no call.
        let Some(room) = self.block.get_mut(self.end..end) else { return self.extend_with_room(bytes) };
        room.copy_from_slice(bytes);
        self.end = end;
    }

    #[cold]
    fn extend_with_room(&mut self, bytes: &[u8]) {
        self.spare(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.advance(bytes.len());
    }

    /// Takes the block with its first `count` filled bytes away; what was filled behind them is copied into a
    /// block of its own and stays here. The bytes returned have not moved in memory.
    #[must_use]
    pub fn split_front(&mut self, count: usize) -> Buffer {
        assert!(count <= self.len(), "split past what was filled");
        let mut rest = Buffer::new();
        if self.len() > count {
            rest.extend(&self.filled()[count..]);
        }
        let mut front = std::mem::replace(self, rest);
        front.end = front.start + count;
        front
    }

    fn make_room(&mut self, least: usize) {
        let filled = self.len();
        if self.block.len() - filled >= least {
            self.block.copy_within(self.start..self.end, 0);
        } else {
            let wanted = (filled + least).next_power_of_two();
            let mut larger = take(wanted);
            larger[..filled].copy_from_slice(&self.block[self.start..self.end]);
            give_back(std::mem::replace(&mut self.block, larger));
        }
        self.start = 0;
        self.end = filled;
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        if !self.block.is_empty() {
            give_back(std::mem::take(&mut self.block));
        }
    }
}

impl std::io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} of {} bytes)", self.len(), self.capacity())
    }
}

fn take(least: usize) -> Vec<u8> {
    let size = if least <= BUFFER_BYTES { BUFFER_BYTES } else { least };
    Pooled::Block.took();
    pooled(size, Vec::pop).flatten().unwrap_or_else(|| vec![0; size])
}

fn give_back(block: Vec<u8>) {
    Pooled::Block.gave_back();
    pooled(block.len(), |blocks| {
        if blocks.len() < POOL_BYTES / block.len() {
            blocks.push(block);
        }
    });
}

/// Runs `with` on the thread's spare blocks of `size` bytes: `None` where that size is not kept. A buffer
/// dropped while its thread ends finds no pool; its memory is simply freed.
fn pooled<R>(size: usize, with: impl FnOnce(&mut Vec<Vec<u8>>) -> R) -> Option<R> {
    let pool = match size {
        BUFFER_BYTES => &POOL,
        LARGE_BUFFER_BYTES => &LARGE_POOL,
        _ => return None,
    };
    pool.try_with(|pool| with(&mut pool.borrow_mut())).ok()
}

/// Bytes of a pooled block: a full TLS record's plaintext, and room for nearly every head.
pub const BUFFER_BYTES: usize = 16 * 1024;

/// Bytes of a large pooled block: a batch of TLS records, or of a body that arrives faster than block by block.
pub const LARGE_BUFFER_BYTES: usize = 64 * 1024;

/// Bytes of spare blocks that a thread keeps of each size: enough for a burst, little enough to forget after
/// one.
const POOL_BYTES: usize = 4 * 1024 * 1024;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static LARGE_POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unused_buffer_holds_no_memory_and_a_released_one_neither() {
        let mut buffer = Buffer::new();
        assert_eq!(buffer.capacity(), 0);
        buffer.extend(b"hello");
        assert_eq!(buffer.capacity(), BUFFER_BYTES);
        buffer.release();
        assert_eq!((buffer.capacity(), buffer.len()), (0, 0));
    }

    #[test]
    fn blocks_of_both_sizes_come_back_from_the_pool() {
        for size in [BUFFER_BYTES, LARGE_BUFFER_BYTES] {
            let mut buffer = Buffer::new();
            buffer.spare(size)[0] = 7;
            let block = buffer.spare(size).as_ptr();
            buffer.release();
            let mut next = Buffer::new();
            assert_eq!((next.spare(size).as_ptr(), next.capacity()), (block, size));
        }
    }

    #[test]
    fn splitting_keeps_both_parts() {
        let mut buffer = Buffer::new();
        buffer.extend(b"xxheadbody");
        buffer.consume(2);
        let head = buffer.split_front(4);
        assert_eq!(head.filled(), b"head");
        assert_eq!(buffer.filled(), b"body");
        let all = buffer.split_front(4);
        assert_eq!(all.filled(), b"body");
        assert_eq!(buffer.capacity(), 0);
    }

    #[test]
    fn growing_keeps_what_was_filled() {
        let mut buffer = Buffer::new();
        let bytes: Vec<u8> = (0..50_000u32).map(|n| n as u8).collect();
        for piece in bytes.chunks(777) {
            buffer.extend(piece);
        }
        assert_eq!(buffer.filled(), bytes);
        buffer.consume(49_990);
        buffer.extend(b"tail");
        assert_eq!(&buffer.filled()[10..], b"tail");
    }

    #[test]
    fn room_is_made_by_moving_before_growing() {
        let mut buffer = Buffer::new();
        buffer.extend(&[1; BUFFER_BYTES]);
        buffer.consume(BUFFER_BYTES - 3);
        assert!(buffer.spare(100).len() >= 100);
        assert_eq!(buffer.capacity(), BUFFER_BYTES);
        assert_eq!(buffer.filled(), [1, 1, 1]);
    }
}
