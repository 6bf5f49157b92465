//! Any bytes as a chunked body: the same data whatever pieces they come in; encoded again, they decode to it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parvis::base::Buffer;
use parvis::message::BodyLength;
use parvis::message::h1::{BodyDecoder, BodyEncoder, BodyError, Decoded, LONGEST_FRAMING};

fuzz_target!(|bytes: &[u8]| {
    for make in [BodyDecoder::of_request, BodyDecoder::of_response] {
        let whole = decode(make(BodyLength::Chunked), bytes, bytes.len().max(1));
        let dripped = decode(make(BodyLength::Chunked), bytes, 1);
        assert_eq!(whole, dripped);
        if let Ok(Some((data, _))) = whole {
            encodes(&data);
        }
    }
});

/// The data of a body that came in pieces of `size`, and how many bytes it took.
fn decode(
    mut decoder: BodyDecoder,
    bytes: &[u8],
    size: usize,
) -> Result<Option<(Vec<u8>, usize)>, BodyError> {
    let (mut input, mut data, mut taken) = (Buffer::new(), Vec::new(), 0);
    for piece in bytes.chunks(size) {
        input.extend(piece);
        loop {
            let (skip, len, over) = match decoder.decode(input.filled())? {
                Decoded::Data { skip, len } => (skip, len, None),
                Decoded::More { skip } => (skip, 0, Some(false)),
                Decoded::End { skip } => (skip, 0, Some(true)),
            };
            data.extend_from_slice(&input.filled()[skip..skip + len]);
            input.consume(skip + len);
            taken += skip + len;
            match over {
                None => assert!(len > 0),
                Some(true) => return Ok(Some((data, taken))),
                Some(false) => break,
            }
        }
        assert!(input.len() < LONGEST_FRAMING, "what waits is bounded");
    }
    Ok(None)
}

fn encodes(data: &[u8]) {
    let mut out = Buffer::new();
    let mut encoder = BodyEncoder::new(BodyLength::Chunked);
    for piece in data.chunks(7) {
        let (prefix, suffix) = encoder.frame(piece.len() as u64).expect("chunks have no limit");
        out.extend(prefix.as_bytes());
        out.extend(piece);
        out.extend(suffix);
    }
    encoder.finish(None, &mut out).expect("chunks end anywhere");
    let decoder = BodyDecoder::of_request(BodyLength::Chunked);
    assert_eq!(decode(decoder, out.filled(), 3), Ok(Some((data.to_vec(), out.len()))));
}
