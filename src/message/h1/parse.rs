//! Heads as they arrive, in any pieces, each byte looked at once until the head is whole. Strict: what two
//! recipients might read differently is refused, never mended.

use crate::base::{Buffer, Refusal};
use crate::config::HeadLimits;
use crate::message::{RequestHead, ResponseHead};

/// Takes request heads off a connection, one after the other.
#[derive(Debug, Default)]
pub struct RequestParser {}

/// Takes response heads off a connection, one after the other.
#[derive(Debug, Default)]
pub struct ResponseParser {}

impl RequestParser {
    /// At the beginning of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next head, once the whole of it stands at the front of `input`; its bytes leave `input` with it
    /// without moving. `None`: more bytes are needed. After a refusal nobody knows where the next head would
    /// start: the connection is closed.
    pub fn parse(
        &mut self,
        _input: &mut Buffer,
        _limits: &HeadLimits,
    ) -> Result<Option<RequestHead>, Refusal> {
        todo!()
    }
}

impl ResponseParser {
    /// At the beginning of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next head, once the whole of it stands at the front of `input`, at most `max_bytes` long.
    pub fn parse(&mut self, _input: &mut Buffer, _max_bytes: usize) -> Result<Option<ResponseHead>, Refusal> {
        todo!()
    }
}
