//! HTTP/1 on the wire (RFC 9112): heads in, heads out, bodies through.

mod body;
mod chunk;
mod encode;
mod mend;
mod parse;
mod scan;
mod trailers;
mod write;

pub use body::{BodyDecoder, BodyError, Decoded};
pub use encode::{BodyEncoder, ChunkPrefix};
pub(super) use mend::target as mend_target;
pub use parse::{RequestParser, ResponseParser};
pub use write::{write_request, write_response};

/// Bytes of framing that a [`BodyDecoder`] may ask to see at once, at most: a whole trailer section.
pub const LONGEST_FRAMING: usize = trailers::MOST_BYTES;
