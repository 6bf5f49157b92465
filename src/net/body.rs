//! A body on its way: where it comes from, where it goes. Two small traits that every end of an exchange
//! implements, so that one pump moves them all.

use super::Socket;
use crate::base::Refusal;
use crate::message::{Fields, h1};
use std::io;
use std::task::{Context, Poll};

/// What comes next of a body.
#[derive(Debug)]
pub enum Piece<'a> {
    /// Bytes of the body; say how many were taken with [`Source::consume`].
    Data(&'a [u8]),
    /// The end, with the trailer fields that stood behind it.
    End(Option<Fields>),
}

/// Why a body did not get through. Which side is to blame follows from which side it came from.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke.
    #[error("connection broken: {0}")]
    Io(#[from] io::Error),
    /// The bytes break the rules of the body's framing, or end too early.
    #[error(transparent)]
    Framing(#[from] h1::BodyError),
    /// The stream was reset, or its frames break the rules (RFC 9113).
    #[error("{0}")]
    Stream(h2::Error),
    /// What came with it breaks the rules.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl BodyError {
    /// The stream is gone, and nothing was told of why.
    pub(super) fn gone() -> Self {
        Self::Io(io::ErrorKind::BrokenPipe.into())
    }
}

/// Where a body comes from.
pub trait Source {
    /// The next piece, or a wait for it. The same bytes come again until they are consumed; after
    /// [`Piece::End`] it is not asked again.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece<'_>, BodyError>>;

    /// Takes the first `count` bytes of the last piece.
    fn consume(&mut self, count: usize);

    /// How many bytes of the body are still to be taken, where that is known.
    fn left(&self) -> Option<u64> {
        None
    }

    /// A run: how many bytes of the body certainly come next, as they are and none of them received yet, where they are
    /// worth to be moved inside the kernel; [`u64::MAX`] where they come until the end.
    fn run_bytes(&mut self) -> Option<u64> {
        None
    }

    /// The socket that they come off.
    fn source_socket(&mut self) -> Option<&mut Socket> {
        None
    }

    /// So many bytes of a run were taken off its socket.
    fn taken(&mut self, _count: u64) {}
}

/// Where a body goes.
pub trait Sink {
    /// Takes at least one byte of `data`, or waits until it can.
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyError>>;

    /// Pushes out what was taken and not sent yet, heads included.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>>;

    /// Marks the end of the body, with these trailers where the framing has a place for them, and flushes.
    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: Option<&Fields>)
    -> Poll<Result<(), BodyError>>;

    /// Frames a run of `bytes`, [`u64::MAX`] for one until the end; whether they can go to a socket as they are. Then
    /// nothing else is written before they all have, or the run [ends](Self::end_run).
    fn begin_run(&mut self, _bytes: u64) -> Result<bool, BodyError> {
        Ok(false)
    }

    /// The socket that the bytes of a run go to, once all before them has been flushed.
    fn sink_socket(&mut self) -> Option<&mut Socket> {
        None
    }

    /// So many bytes of a run were given to its socket.
    fn given(&mut self, _count: u64) {}

    /// The run is over: all of its bytes have gone, or it was one until the end and has paused.
    fn end_run(&mut self) {}
}
