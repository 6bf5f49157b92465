//! Where the bytes of a received body stand among its framing (RFC 9112 §6 and §7). Looks at bytes and moves
//! none; the caller forwards or splices them.

use crate::base::Refusal;
use crate::message::{BodyLength, Fields};

/// Finds the data of one received body, from any pieces.
#[derive(Debug)]
pub struct BodyDecoder {}

/// What stands at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// `skip` bytes of framing, then `len` bytes (at least one) of the body. Consume both, then go on.
    Data {
        /// Bytes of framing in front.
        skip: usize,
        /// Bytes of the body behind them.
        len: usize,
    },
    /// Consume `skip` bytes of framing and come back when more bytes stand behind what is left.
    More {
        /// Bytes of framing in front.
        skip: usize,
    },
    /// Consume `skip` bytes: the body is complete. Whatever follows belongs to the next message.
    End {
        /// Bytes of framing in front.
        skip: usize,
    },
}

/// How a body breaks its framing. Who is to blame, the caller knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The syntax of chunks or trailers is broken.
    #[error("{0}")]
    Syntax(&'static str),
    /// The trailer section is too large.
    #[error("trailers are too large")]
    TrailersTooLarge,
    /// The connection ended before the body did.
    #[error("the connection ended inside the body")]
    Truncated,
    /// More bytes than the length declared, or fewer.
    #[error("the body does not have the length declared")]
    Length,
}

impl BodyError {
    /// The refusal when a client sent the body.
    pub fn of_client(self) -> Refusal {
        todo!()
    }

    /// The refusal when an upstream sent the body.
    pub fn of_upstream(self) -> Refusal {
        todo!()
    }
}

impl BodyDecoder {
    /// For the body of a request: trailers that may not be there are an error.
    pub fn of_request(_length: BodyLength) -> Self {
        todo!()
    }

    /// For the body of a response: trailers that may not be there are left out.
    pub fn of_response(_length: BodyLength) -> Self {
        todo!()
    }

    /// What stands at the front of `input`. Bytes it did not tell to skip or forward must come again.
    pub fn decode(&mut self, _input: &[u8]) -> Result<Decoded, BodyError> {
        todo!()
    }

    /// The connection has ended: the end of the body where that is its framing, else a truncated body.
    pub fn end_of_input(&mut self) -> Result<(), BodyError> {
        todo!()
    }

    /// Whether the body is complete.
    pub fn is_complete(&self) -> bool {
        todo!()
    }

    /// Bytes of data that certainly follow without framing between them, for moving them unseen: the rest of
    /// the length or of the chunk; `u64::MAX` until close. After moving some, tell [`moved`](Self::moved).
    pub fn remaining(&self) -> u64 {
        todo!()
    }

    /// `count` bytes of data were taken off the connection unseen.
    pub fn moved(&mut self, _count: u64) {
        todo!()
    }

    /// Bytes of data so far.
    pub fn received(&self) -> u64 {
        todo!()
    }

    /// The trailers, once the body is complete and where it had some.
    pub fn take_trailers(&mut self) -> Option<Fields> {
        todo!()
    }
}
