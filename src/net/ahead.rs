//! Bytes of a body that were read before whoever they are for could take them: of an answer whose reader is slow, so that
//! the upstream is free for others, and of a request before a connection is taken for it. Bounded for each body by whoever
//! reads ahead, for all of an account, and for all of a thread.

use super::body::{BodyError, Piece, Sink, Source};
use super::transfer::{End, Filled, Progress, TransferError};
use crate::base::{Allowance, BUFFER_BYTES, Buffer};
use crate::message::Fields;
use std::cell::Cell;
use std::collections::VecDeque;
use std::task::{Context, Poll};

/// What was read ahead of a body. Empty it holds no memory.
#[derive(Default)]
pub struct Ahead<'a> {
    /// Who pays for it: without anybody nothing is held.
    payer: Option<&'a Allowance>,
    blocks: VecDeque<Buffer>,
    bytes: usize,
    /// How the body ended at its source, once all of it was read.
    end: Option<Result<Option<Fields>, BodyError>>,
}

impl<'a> Ahead<'a> {
    /// What `payer` pays for.
    pub(super) fn charged_to(payer: &'a Allowance) -> Self {
        let mut ahead = Self::default();
        ahead.payer = Some(payer);
        ahead
    }

    /// Whether nothing was read ahead: the source itself has what comes next.
    pub(super) fn is_idle(&self) -> bool {
        self.bytes == 0 && self.end.is_none()
    }

    /// How many bytes are held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the source has given all it had, well or not.
    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Whether the source has given all of the body.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.end, Some(Ok(_)))
    }

    /// Reads what is there, up to `most` bytes held in all. Where there is more to come and room for it the task is woken by
    /// the source.
    pub(super) fn fill(&mut self, cx: &mut Context<'_>, source: &mut impl Source, most: usize) -> Filled {
        let before = self.bytes;
        let mut is_stuck = false;
        // Each turn takes bytes, or is the last.
        while self.end.is_none() && self.bytes < most {
            match source.poll_piece(cx) {
                Poll::Ready(Ok(Piece::Data(data))) => {
                    let count = self.push(&data[..data.len().min(most - self.bytes)]);
                    if count == 0 {
                        is_stuck = true;
                        break;
                    }
                    source.consume(count);
                }
                Poll::Ready(Ok(Piece::End(trailers))) => self.end = Some(Ok(trailers)),
                Poll::Ready(Err(error)) => self.end = Some(Err(error)),
                Poll::Pending => break,
            }
        }
        let is_done = self.end.is_some() || is_stuck || self.bytes >= most;
        Filled { moved: self.bytes - before, is_done }
    }

    /// Why the source gave no more, where it failed.
    pub(super) fn take_failure(&mut self) -> Option<BodyError> {
        self.end.take_if(|end| end.is_err())?.err()
    }

    /// Keeps a copy of as many of `data` as fit the last block and one more; fewer where too much is held.
    fn push(&mut self, data: &[u8]) -> usize {
        if self.blocks.back_mut().is_none_or(|block| block.spare(0).is_empty()) {
            if !self.take() {
                return 0;
            }
            let mut block = Buffer::new();
            block.spare(BUFFER_BYTES);
            self.blocks.push_back(block);
        }
        let Some(block) = self.blocks.back_mut() else { return 0 };
        let count = data.len().min(block.spare(0).len());
        block.extend(&data[..count]);
        self.bytes += count;
        count
    }

    /// One block more, unless the payer or the thread holds too many.
    fn take(&self) -> bool {
        if !self.payer.is_some_and(|payer| payer.take(BUFFER_BYTES)) {
            return false;
        }
        let fits = Held::take();
        if !fits {
            self.payer.iter().for_each(|payer| payer.give_back(BUFFER_BYTES));
        }
        fits
    }

    fn give_back(&self, blocks: usize) {
        Held::give_back(blocks);
        self.payer.iter().for_each(|payer| payer.give_back(blocks * BUFFER_BYTES));
    }

    /// Gives the sink what comes next, bytes or the end.
    pub(super) fn give(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut impl Sink,
    ) -> Result<Progress, TransferError> {
        if let Some(front) = self.blocks.front_mut().filter(|block| !block.is_empty()) {
            return match sink.poll_write(cx, front.filled()).map_err(TransferError::Sink)? {
                Poll::Ready(count) => {
                    front.consume(count);
                    let is_empty = front.is_empty();
                    self.bytes -= count;
                    if is_empty {
                        self.blocks.pop_front();
                        self.give_back(1);
                    }
                    Ok(Progress::Moved)
                }
                Poll::Pending => Ok(Progress::Waits(End::Sink)),
            };
        }
        match self.end.take() {
            Some(Ok(trailers)) => Ok(Progress::End(trailers)),
            Some(Err(error)) => {
                // Whoever is at the other end shall have what there was, and see that it is not all.
                let _ = sink.poll_flush(cx);
                Err(TransferError::Source(error))
            }
            None => Ok(Progress::Waits(End::Source)),
        }
    }
}

impl Drop for Ahead<'_> {
    fn drop(&mut self) {
        if !self.blocks.is_empty() {
            self.give_back(self.blocks.len());
        }
    }
}

/// The blocks of a thread that hold what was read ahead.
struct Held;

impl Held {
    /// One more, unless there are too many.
    fn take() -> bool {
        HELD.with(|held| {
            let fits = held.get() < BLOCKS_MOST;
            held.set(held.get() + usize::from(fits));
            fits
        })
    }

    fn give_back(count: usize) {
        // At the end of a thread nobody counts any more.
        let _ = HELD.try_with(|held| held.set(held.get() - count));
    }
}

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Blocks of a worker that may hold what was read ahead: 64 MiB, some 300 slow readers of whole buffers. Who comes later is
/// read for as fast as he takes it.
const BLOCKS_MOST: usize = (64 << 20) / BUFFER_BYTES;

/// The blocks that this thread holds.
#[cfg(test)]
pub(super) fn held() -> usize {
    HELD.get()
}
