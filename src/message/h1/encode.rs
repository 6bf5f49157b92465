//! Framing for a body that is sent: what goes before and after each piece of data. Writes no data itself.

use super::BodyError;
use crate::base::Buffer;
use crate::message::{BodyLength, Fields};

/// Frames one body that is sent.
#[derive(Debug)]
pub struct BodyEncoder {}

/// The line in front of a chunk, in place.
#[derive(Clone, Copy, Debug)]
pub struct ChunkPrefix {
    bytes: [u8; 18],
    start: u8,
}

impl ChunkPrefix {
    /// The bytes to send: nothing, or `1a2b CRLF`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}

impl BodyEncoder {
    /// For a body framed this way.
    pub fn new(_length: BodyLength) -> Self {
        todo!()
    }

    /// What goes in front of and behind `len` bytes of data (at least one). An error when the length declared
    /// is exceeded.
    pub fn frame(&mut self, _len: u64) -> Result<(ChunkPrefix, &'static [u8]), BodyError> {
        todo!()
    }

    /// Appends what ends the body. An error when the length declared is not reached. Trailers are written
    /// where the framing has a place for them.
    pub fn finish(&mut self, _trailers: Option<&Fields>, _out: &mut Buffer) -> Result<(), BodyError> {
        todo!()
    }
}
