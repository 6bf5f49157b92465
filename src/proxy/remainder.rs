//! What is left of an answer for a slow visitor once the upstream has given all of it: the upstream is free for others, and
//! the visitor takes his time.

use super::client::Client;
use super::exchange::client_failed;
use crate::base::{Cause, Refusal, now};
use crate::message::Fields;
use crate::net::{BodyError, Deadline, Piece, Progress, Source, Transfer, TransferError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The end of an answer on its way to its visitor.
pub struct Remainder<'a, C> {
    client: &'a mut C,
    download: Transfer<'a>,
    stage: Stage,
    deadline: &'a mut Deadline,
    /// When something moved last, and for how long nothing may.
    moved: Instant,
    write_idle: Duration,
}

/// How far it is.
enum Stage {
    /// Bytes are on their way.
    Bytes,
    /// All are, and the end follows with these trailers.
    End(Option<Fields>),
}

/// An upstream that has given all it had.
struct Spent;

impl Source for Spent {
    fn poll_piece(&mut self, _: &mut Context<'_>) -> Poll<Result<Piece<'_>, BodyError>> {
        Poll::Ready(Ok(Piece::End(None)))
    }

    fn consume(&mut self, _: usize) {}
}

impl<'a, C: Client> Remainder<'a, C> {
    /// What `download` holds, since `moved`.
    pub fn new(
        client: &'a mut C,
        download: Transfer<'a>,
        deadline: &'a mut Deadline,
        moved: Instant,
        write_idle: Duration,
    ) -> Self {
        Self { client, download, stage: Stage::Bytes, deadline, moved, write_idle }
    }

    /// Moves what can be moved; ready once the visitor has it all.
    ///
    /// # Errors
    /// `ClientGone` and `ClientStalled`.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        let mut has_moved = false;
        for _ in 0..TURNS_PER_WAKE {
            if let Stage::End(trailers) = &self.stage {
                match self.client.poll_finish(cx, trailers.as_ref()) {
                    Poll::Ready(done) => return Poll::Ready(done.map_err(client_failed)),
                    Poll::Pending => return self.poll_waiting(cx, has_moved),
                }
            }
            match self.download.step(cx, &mut Spent, self.client) {
                Ok(Progress::Moved) => has_moved = true,
                Ok(Progress::End(trailers)) => self.stage = Stage::End(trailers),
                Ok(Progress::Waits(_)) => return self.poll_waiting(cx, has_moved),
                Err(TransferError::Source(error) | TransferError::Sink(error)) => {
                    return Poll::Ready(Err(client_failed(error)));
                }
            }
        }
        self.moved = now();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>, has_moved: bool) -> Poll<Result<(), Refusal>> {
        if let Poll::Ready(flushed) = self.client.poll_flush(cx) {
            flushed.map_err(client_failed)?;
        }
        if self.client.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Cause::ClientGone.into()));
        }
        if has_moved {
            self.moved = now();
        }
        self.deadline.set(self.moved + self.write_idle);
        self.deadline.poll_expired(cx).map(|()| Err(Cause::ClientStalled.into()))
    }
}

/// Steps before other connections of the worker have their turn, as in an exchange.
const TURNS_PER_WAKE: usize = 16;
