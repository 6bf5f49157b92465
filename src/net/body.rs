//! A body on its way: where it comes from, where it goes. Two small traits that every end of an exchange
//! implements, so that one pump moves them all.

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

/// Where a body comes from.
pub trait Source {
    /// The next piece, or a wait for it. The same bytes come again until they are consumed; after
    /// [`Piece::End`] it is not asked again.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece<'_>, BodyError>>;

    /// Takes the first `count` bytes of the last piece.
    fn consume(&mut self, count: usize);
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
}
