//! The visitor's end of one request, whatever version of HTTP it came in: what the request function needs of
//! it, and nothing more. `serve` has one implementation per version.

use crate::message::{BodyLength, KnownSet, ResponseHead};
use crate::net::{Sink, Source};
use std::task::{Context, Poll};

/// One request's visitor: a source of its body, a sink for the answer's.
pub trait Client: Source + Sink {
    /// Queues an interim answer (1xx, RFC 9110 §15.2). A visitor whose version knows none never sees it.
    fn interim(&mut self, head: &ResponseHead);

    /// Queues the head of the answer; a body of `length` follows.
    fn begin(&mut self, head: &ResponseHead, length: BodyLength, extra: &Extra<'_>);

    /// Queues the head that turns this request into a tunnel to `protocol`; from here on both directions are raw
    /// bytes.
    fn begin_tunnel(&mut self, head: &ResponseHead, protocol: &[u8], extra: &Extra<'_>);

    /// Before [`begin`](Self::begin): the answer does not depend on the rest of the request's body, and `keep`
    /// says whether another request may follow. What was received of the body is forgotten.
    fn refuse_body(&mut self, keep: bool);

    /// Whether the head of an answer was queued: from then on a failure can only be shown by breaking off.
    fn has_begun(&self) -> bool;

    /// Ready once the visitor is known to have left. A half-close is no leaving on clear HTTP/1.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// What an answer's head gets from us.
#[derive(Clone, Copy, Debug)]
pub struct Extra<'a> {
    /// Further lines, each `name: value CRLF`.
    pub append: &'a [u8],
    /// Fields of the answer that are left out.
    pub drop: KnownSet,
}

impl<'a> Extra<'a> {
    /// These lines, nothing left out.
    pub fn lines(append: &'a [u8]) -> Self {
        Self { append, drop: KnownSet::EMPTY }
    }
}

/// What becomes of the visitor's connection (HTTP/1) or stream (HTTP/2) after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything went through: another request may follow.
    Keep,
    /// The answer is whole, but no other request may follow.
    Close,
    /// The answer is not whole, and the visitor must see that.
    Abort,
}
