//! Bodies in chunks: where their data stands, and what goes around data that is sent. No byte of it is moved.

use crate::{Part, Prepared};
use parvis::message::BodyLength;
use parvis::message::h1::{BodyDecoder, BodyEncoder, Decoded};

/// The parts.
pub fn parts() -> Vec<Part> {
    vec![
        Part { name: "decode chunks: 16 of 64 B", prepare: || decode(16, 64) },
        Part { name: "decode chunks: 1 of 16 KiB", prepare: || decode(1, 16 * 1024) },
        Part { name: "encode chunk", prepare: encode },
    ]
}

/// A whole body that is there at once.
fn decode(chunks: usize, bytes: usize) -> Prepared {
    let chunk = format!("{bytes:x}\r\n{}\r\n", "x".repeat(bytes));
    let body = format!("{}0\r\n\r\n", chunk.repeat(chunks));
    Prepared::new(move || {
        let mut decoder = BodyDecoder::of_request(BodyLength::Chunked);
        let mut rest = body.as_bytes();
        loop {
            match decoder.decode(rest).expect("sound chunks") {
                Decoded::Data { skip, len } => rest = &rest[skip + len..],
                Decoded::More { .. } => unreachable!("all of it is there"),
                Decoded::End { .. } => return decoder.received(),
            }
        }
    })
}

fn encode() -> Prepared {
    let mut encoder = BodyEncoder::new(BodyLength::Chunked);
    Prepared::new(move || encoder.frame(16 * 1024).expect("a chunk"))
}
