//! Framing for a body that is sent: what goes before and after each piece of data. Writes no data itself.

use super::BodyError;
use super::trailers::push_last_chunk;
use crate::base::Buffer;
use crate::message::{BodyLength, Fields};

/// Frames one body that is sent.
#[derive(Debug)]
pub struct BodyEncoder {
    /// What may still come: the declared length's rest in `Length`.
    rest: BodyLength,
}

/// The line in front of a chunk, in place.
#[derive(Clone, Copy, Debug)]
pub struct ChunkPrefix {
    bytes: [u8; LONGEST_PREFIX],
    start: u8,
}

impl BodyEncoder {
    /// For a body framed this way.
    pub fn new(length: BodyLength) -> Self {
        Self { rest: length }
    }

    /// What goes in front of and behind `len` bytes of data (at least one). An error when the length declared
    /// is exceeded: nothing of the piece may be sent then.
    pub fn frame(&mut self, len: u64) -> Result<(ChunkPrefix, &'static [u8]), BodyError> {
        debug_assert!(len > 0, "an empty chunk would end the body");
        match &mut self.rest {
            BodyLength::Chunked => Ok((ChunkPrefix::new(len), b"\r\n")),
            BodyLength::UntilClose => Ok((ChunkPrefix::EMPTY, b"")),
            BodyLength::Length(rest) => {
                *rest = rest.checked_sub(len).ok_or(BodyError::Length)?;
                Ok((ChunkPrefix::EMPTY, b""))
            }
            BodyLength::None => Err(BodyError::Length),
        }
    }

    /// Appends what ends the body. An error when the length declared is not reached. Trailers are written
    /// where the framing has a place for them: behind chunks.
    pub fn finish(&mut self, trailers: Option<&Fields>, out: &mut Buffer) -> Result<(), BodyError> {
        match std::mem::replace(&mut self.rest, BodyLength::None) {
            BodyLength::Chunked => {
                push_last_chunk(out, trailers);
                Ok(())
            }
            BodyLength::None | BodyLength::Length(0) | BodyLength::UntilClose => Ok(()),
            BodyLength::Length(_) => Err(BodyError::Length),
        }
    }
}

impl ChunkPrefix {
    const EMPTY: Self = Self { bytes: [0; LONGEST_PREFIX], start: LONGEST_PREFIX as u8 };

    fn new(mut len: u64) -> Self {
        let mut bytes = [0; LONGEST_PREFIX];
        let mut start = LONGEST_PREFIX - 2;
        bytes[start..].copy_from_slice(b"\r\n");
        // One turn for each of at most sixteen digits.
        loop {
            start -= 1;
            bytes[start] = b"0123456789abcdef"[(len & 0xf) as usize];
            len >>= 4;
            if len == 0 {
                return Self { bytes, start: start as u8 };
            }
        }
    }

    /// The bytes to send: nothing, or `1a2b CRLF`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}

/// Sixteen digits and CRLF.
const LONGEST_PREFIX: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(encoder: &mut BodyEncoder, len: u64) -> String {
        let (prefix, suffix) = encoder.frame(len).unwrap();
        String::from_utf8([prefix.as_bytes(), b"|", suffix].concat()).unwrap()
    }

    #[test]
    fn chunks_carry_their_size() {
        let mut encoder = BodyEncoder::new(BodyLength::Chunked);
        for (len, expected) in
            [(1, "1\r\n|\r\n"), (0x1a2b, "1a2b\r\n|\r\n"), (u64::MAX, "ffffffffffffffff\r\n|\r\n")]
        {
            assert_eq!(framed(&mut encoder, len), expected);
        }
        let mut out = Buffer::new();
        encoder.finish(None, &mut out).unwrap();
        assert_eq!(out.filled(), b"0\r\n\r\n");
        assert_eq!(encoder.frame(1).unwrap_err(), BodyError::Length, "nothing follows the end");
    }

    #[test]
    fn a_declared_length_is_met_or_it_is_an_error() {
        let mut out = Buffer::new();
        let mut encoder = BodyEncoder::new(BodyLength::Length(5));
        assert_eq!(framed(&mut encoder, 3), "|");
        assert_eq!(encoder.frame(3).unwrap_err(), BodyError::Length);
        assert_eq!(framed(&mut encoder, 2), "|");
        assert_eq!(encoder.finish(None, &mut out), Ok(()));

        let mut encoder = BodyEncoder::new(BodyLength::Length(5));
        assert_eq!(framed(&mut encoder, 3), "|");
        assert_eq!(encoder.finish(None, &mut out), Err(BodyError::Length));
        assert_eq!(BodyEncoder::new(BodyLength::None).frame(1).unwrap_err(), BodyError::Length);
        assert!(out.is_empty());
    }

    #[test]
    fn until_close_says_nothing() {
        let mut encoder = BodyEncoder::new(BodyLength::UntilClose);
        assert_eq!(framed(&mut encoder, 70_000), "|");
        assert_eq!(encoder.finish(None, &mut Buffer::new()), Ok(()));
    }
}
