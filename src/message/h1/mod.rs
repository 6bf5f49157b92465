//! HTTP/1 on the wire (RFC 9112): heads in, heads out, bodies through.

mod body;
mod encode;
mod parse;
mod write;

pub use body::{BodyDecoder, BodyError, Decoded};
pub use encode::{BodyEncoder, ChunkPrefix};
pub use parse::{RequestParser, ResponseParser};
pub use write::{write_request, write_response};
