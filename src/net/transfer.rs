//! One direction of an exchange: a body on its way from its source to its sink, copied through a buffer or, in long
//! stretches from one clear connection to another, moved inside the kernel without being seen.

use super::ahead::Ahead;
use super::body::{BodyError, Piece, Sink, Source};
use super::splice::{Broken, Splice, Step};
use crate::base::Allowance;
use crate::message::{Fields, h1};
use std::task::{Context, Poll};

/// The state of one direction.
#[derive(Default)]
pub struct Transfer<'a> {
    run: Option<Run>,
    ahead: Ahead<'a>,
    /// Bytes that may be read ahead of the sink.
    most_ahead: usize,
    /// Whether nothing is moved inside the kernel.
    copies: bool,
}

/// What a step of a transfer came to.
#[derive(Debug)]
pub enum Progress {
    /// Something moved.
    Moved,
    /// All of the body did; its end and trailers are to follow.
    End(Option<Fields>),
    /// Nothing, because of this end.
    Waits(End),
}

/// An end of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Whence the body comes.
    Source,
    /// Where it goes.
    Sink,
}

/// Which end of a transfer failed.
#[derive(Debug)]
pub enum TransferError {
    /// Whence the body comes.
    Source(BodyError),
    /// Where it goes.
    Sink(BodyError),
}

/// A stretch that moves inside the kernel.
struct Run {
    splice: Splice,
    /// Bytes still to be taken; [`u64::MAX`] until the end.
    left: u64,
}

impl<'a> Transfer<'a> {
    /// One that reads its source up to `most` bytes ahead of a sink that takes none, where that may bring all of it and
    /// `payer` may hold as much.
    pub fn reading_ahead(most: usize, payer: &'a Allowance) -> Self {
        Self { ahead: Ahead::charged_to(payer), most_ahead: most, ..Self::default() }
    }

    /// Nothing is moved inside the kernel: every byte is copied.
    pub fn copy_all(&mut self) {
        self.copies = true;
    }

    /// Nothing further is read ahead; what was goes its way.
    pub fn stop_reading_ahead(&mut self) {
        self.most_ahead = 0;
    }

    /// Reads what its source has, as far as it may be read ahead; whether all of the body was. Pending, the task is woken by
    /// the source.
    pub fn fill(&mut self, cx: &mut Context<'_>, source: &mut impl Source) -> Filled {
        self.ahead.fill(cx, source, self.most_ahead)
    }

    /// Why the source of a [filling](Self::fill) gave no more, where it failed.
    pub fn take_failure(&mut self) -> Option<BodyError> {
        self.ahead.take_failure()
    }

    /// Whether all of the body was read from its source, and what is left of it is here.
    pub fn holds_the_rest(&self) -> bool {
        self.ahead.is_whole()
    }

    /// Moves what can be moved at once, or says who is waited for.
    ///
    /// # Errors
    /// Either end's.
    pub fn step(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl Source,
        sink: &mut impl Sink,
    ) -> Result<Progress, TransferError> {
        let progress = self.pass_on(cx, source, sink)?;
        if matches!(progress, Progress::Waits(End::Sink)) && self.most_ahead > 0 {
            self.read_ahead(cx, source);
        }
        Ok(progress)
    }

    fn pass_on(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl Source,
        sink: &mut impl Sink,
    ) -> Result<Progress, TransferError> {
        if self.run.is_none() {
            if !self.ahead.is_idle() {
                return self.ahead.give(cx, sink);
            }
            if !self.copies {
                self.run = Run::begin(source, sink).map_err(TransferError::Sink)?;
            }
        }
        let Some(run) = &mut self.run else {
            return copy(cx, source, sink).map(|(progress, _)| progress);
        };
        let progress = run.step(cx, source, sink, &mut self.ahead)?;
        if !run.is_over(&progress, &self.ahead) {
            return Ok(progress);
        }
        self.run = None;
        sink.end_run();
        match progress {
            Progress::Waits(End::Source) if !self.ahead.is_idle() => self.ahead.give(cx, sink),
            // A pause, or the end: whoever copies sees which.
            Progress::Waits(End::Source) => copy(cx, source, sink).map(|(progress, _)| progress),
            progress => Ok(progress),
        }
    }

    /// The sink takes nothing: reads what comes meanwhile. Of what is certainly longer than may be held nothing: its source
    /// would be kept waiting for as long, and every byte would be copied once more.
    fn read_ahead(&mut self, cx: &mut Context<'_>, source: &mut impl Source) {
        let held = self.ahead.bytes();
        let room = self.most_ahead.saturating_sub(held) as u64;
        let in_run = self.run.as_ref().map_or(0, |run| run.left);
        if source.left().unwrap_or(in_run) > room {
            return;
        }
        if let Some(run) = self.run.as_mut().filter(|run| run.left > 0) {
            // Not beyond it: it has a framing of its own.
            let Filled { moved, .. } = self.ahead.fill(cx, source, held + run.left as usize);
            run.take(moved as u64);
            if run.left > 0 {
                return;
            }
        }
        self.ahead.fill(cx, source, self.most_ahead);
    }
}

/// What reading ahead came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Bytes that were read.
    pub moved: usize,
    /// Whether there is nothing more to be read, or no room for it.
    pub is_done: bool,
}

/// A step through the source's buffer, and how many bytes it moved.
fn copy(
    cx: &mut Context<'_>,
    source: &mut impl Source,
    sink: &mut impl Sink,
) -> Result<(Progress, u64), TransferError> {
    let data = match source.poll_piece(cx) {
        Poll::Ready(Ok(Piece::Data(data))) => data,
        Poll::Ready(Ok(Piece::End(trailers))) => return Ok((Progress::End(trailers), 0)),
        Poll::Ready(Err(error)) => {
            // Whoever is at the other end shall have what there was, and see that it is not all.
            let _ = sink.poll_flush(cx);
            return Err(TransferError::Source(error));
        }
        Poll::Pending => return Ok((Progress::Waits(End::Source), 0)),
    };
    match sink.poll_write(cx, data).map_err(TransferError::Sink)? {
        Poll::Ready(count) => {
            source.consume(count);
            Ok((Progress::Moved, count as u64))
        }
        Poll::Pending => Ok((Progress::Waits(End::Sink), 0)),
    }
}

impl Run {
    /// A run, where what comes next can be one. Cost where it cannot: a few comparisons.
    fn begin(source: &mut impl Source, sink: &mut impl Sink) -> Result<Option<Self>, BodyError> {
        let Some(left) = source.run_bytes() else { return Ok(None) };
        if !sink.begin_run(left)? {
            return Ok(None);
        }
        // Without a pipe its bytes are copied, framed as the run they are.
        Ok(Splice::begin().map(|splice| Self { splice, left }))
    }

    fn step(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl Source,
        sink: &mut impl Sink,
        ahead: &mut Ahead<'_>,
    ) -> Result<Progress, TransferError> {
        // The head, or the framing of the run.
        if sink.poll_flush(cx).map_err(TransferError::Sink)?.is_pending() {
            return Ok(Progress::Waits(End::Sink));
        }
        let is_empty = self.splice.is_empty();
        if is_empty && !ahead.is_idle() {
            // It came behind what was in the pipe.
            return if ahead.bytes() > 0 { ahead.give(cx, sink) } else { Ok(Progress::Waits(End::Source)) };
        }
        if is_empty && source.source_socket().is_none() {
            // Somebody looked whether the source is still there, and received what it said.
            let (progress, count) = copy(cx, source, sink)?;
            self.take(count);
            return Ok(progress);
        }
        let Some(to) = sink.sink_socket() else { return Err(TransferError::Sink(BodyError::gone())) };
        let step = match source.source_socket() {
            Some(from) => self.splice.poll_step(cx, from, to, self.left),
            None => self.splice.poll_give(cx, to).map(|gave| gave.map(Step::Given).map_err(Broken::Sink)),
        };
        match step {
            Poll::Ready(Ok(Step::Taken(bytes))) => {
                source.taken(bytes as u64);
                self.take(bytes as u64);
            }
            Poll::Ready(Ok(Step::Given(bytes))) => sink.given(bytes as u64),
            Poll::Ready(Ok(Step::Ended)) if self.is_endless() => return Ok(Progress::Waits(End::Source)),
            Poll::Ready(Ok(Step::Ended)) => {
                return Err(TransferError::Source(h1::BodyError::Truncated.into()));
            }
            Poll::Ready(Err(Broken::Source(error))) => return Err(TransferError::Source(error.into())),
            Poll::Ready(Err(Broken::Sink(error))) => return Err(TransferError::Sink(error.into())),
            Poll::Pending => return Ok(Progress::Waits(if is_empty { End::Source } else { End::Sink })),
        }
        Ok(Progress::Moved)
    }

    fn take(&mut self, count: u64) {
        if !self.is_endless() {
            self.left -= count;
        }
    }

    fn is_endless(&self) -> bool {
        self.left == u64::MAX
    }

    /// All of it has moved. One until the end is over where its source pauses: what comes then may be little.
    fn is_over(&self, progress: &Progress, ahead: &Ahead<'_>) -> bool {
        match progress {
            Progress::End(_) => true,
            Progress::Waits(End::Source) if self.is_endless() || ahead.has_ended() => self.splice.is_empty(),
            // What was read behind it needs no pipe.
            _ => self.left == 0 && self.splice.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests;
