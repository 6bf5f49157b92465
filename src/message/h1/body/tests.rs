//! Bodies by exact bytes and by any pieces: data, trailers, and every way to break them.

use super::*;
use crate::base::Buffer;
use crate::message::h1::BodyEncoder;
use crate::message::{Field, Known};
use proptest::prelude::*;

/// What comes of a body: its data, its trailers, and the bytes behind it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    data: Vec<u8>,
    trailers: Vec<(String, String)>,
    rest: Vec<u8>,
}

/// Decodes `bytes` when they arrive in pieces that end at `cuts`, as a connection would: what was not consumed
/// stays in front.
fn decode_in_pieces(
    decoder: &mut BodyDecoder,
    bytes: &[u8],
    cuts: &[usize],
) -> Result<Option<Outcome>, BodyError> {
    let (mut input, mut data, mut start) = (Buffer::new(), Vec::new(), 0);
    for end in cuts.iter().copied().chain([bytes.len()]) {
        input.extend(&bytes[start..end]);
        start = end;
        loop {
            match decoder.decode(input.filled())? {
                Decoded::Data { skip, len } => {
                    assert!(len > 0);
                    data.extend_from_slice(&input.filled()[skip..skip + len]);
                    input.consume(skip + len);
                }
                Decoded::More { skip } => {
                    input.consume(skip);
                    assert!(input.len() < crate::message::h1::LONGEST_FRAMING);
                    break;
                }
                Decoded::End { skip } => {
                    input.consume(skip);
                    input.extend(&bytes[end..]);
                    assert!(decoder.is_complete());
                    assert_eq!(decoder.received(), data.len() as u64);
                    let trailers = decoder.take_trailers().map(|fields| texts(&fields)).unwrap_or_default();
                    return Ok(Some(Outcome { data, trailers, rest: input.filled().to_vec() }));
                }
            }
        }
    }
    Ok(None)
}

fn texts(fields: &Fields) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    fields.iter().map(|Field { name, value, .. }| (text(name), text(value))).collect()
}

/// Decodes in one piece; byte by byte it must be the same.
fn decode(make: impl Fn() -> BodyDecoder, bytes: &[u8]) -> Result<Option<Outcome>, BodyError> {
    let whole = decode_in_pieces(&mut make(), bytes, &[]);
    let dripped = decode_in_pieces(&mut make(), bytes, &(0..bytes.len()).collect::<Vec<_>>());
    assert_eq!(whole, dripped, "{:?}", String::from_utf8_lossy(bytes));
    whole
}

fn chunked_request() -> BodyDecoder {
    BodyDecoder::of_request(BodyLength::Chunked)
}

fn chunked_response() -> BodyDecoder {
    BodyDecoder::of_response(BodyLength::Chunked)
}

fn outcome(data: &str, trailers: &[(&str, &str)], rest: &str) -> Outcome {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Outcome { data: data.into(), trailers: trailers.iter().map(owned).collect(), rest: rest.into() }
}

#[test]
fn bodies_of_a_declared_length() {
    let of = |length| move || BodyDecoder::of_request(length);
    assert_eq!(decode(of(BodyLength::None), b"next"), Ok(Some(outcome("", &[], "next"))));
    assert_eq!(decode(of(BodyLength::Length(0)), b""), Ok(Some(outcome("", &[], ""))));
    assert_eq!(decode(of(BodyLength::Length(5)), b"hellonext"), Ok(Some(outcome("hello", &[], "next"))));
    assert_eq!(decode(of(BodyLength::Length(6)), b"hello"), Ok(None));
    assert_eq!(decode(of(BodyLength::UntilClose), b"hello"), Ok(None));
}

#[test]
fn chunked_bodies() {
    for (bytes, expected) in [
        ("0\r\n\r\n", outcome("", &[], "")),
        ("5\r\nhello\r\n0\r\n\r\nGET /", outcome("hello", &[], "GET /")),
        ("1\r\na\r\n2;x=\"y\"\r\nbc\r\n000\r\n\r\n", outcome("abc", &[], "")),
        ("A\r\n0123456789\r\n0;last\r\n\r\n", outcome("0123456789", &[], "")),
        ("4\r\n\r\n\r\n\r\n0\r\n\r\n", outcome("\r\n\r\n", &[], "")),
        (
            "0\r\nGrpc-Status: 0\r\nx: \t y \r\n\r\nnext",
            outcome("", &[("Grpc-Status", "0"), ("x", "y")], "next"),
        ),
    ] {
        assert_eq!(decode(chunked_request, bytes.as_bytes()), Ok(Some(expected)), "{bytes:?}");
    }
}

#[test]
fn broken_chunks() {
    for bytes in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5;\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "-0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "0\r\n\n",
        "0\r\na: b\n\r\n",
        "0\r\na b: c\r\n\r\n",
        "0\r\na : b\r\n\r\n",
        "0\r\n a: b\r\n\r\n",
        "0\r\na: b\r\n c\r\n\r\n",
        "0\r\na: b\rc\r\n\r\n",
        "0\r\na: \0\r\n\r\n",
        "0\r\nGET / HTTP/1.1\r\n\r\n",
        "fffffffffffffffff\r\n",
        "ffffffffffffffff\r\n",
    ] {
        for decoder in [chunked_request, chunked_response] {
            let found = decode(decoder, bytes.as_bytes());
            assert!(matches!(found, Err(BodyError::Syntax(_))), "{bytes:?}: {found:?}");
        }
    }
}

#[test]
fn trailers_that_may_not_be_there() {
    for name in [
        "Content-Length",
        "Transfer-Encoding",
        "transfer_encoding",
        "Host",
        "Trailer",
        "Connection",
        "Upgrade",
        "TE",
        "Expect",
        "Authorization",
        "Cookie",
        "Set-Cookie",
        "X-Forwarded-For",
        "X_Real_IP",
        "Via",
        "Content-Type",
        "Content-Encoding",
        "Cache-Control",
        "Location",
        "Proxy-Authorization",
    ] {
        let bytes = format!("0\r\na: b\r\n{name}: 5\r\nc: d\r\n\r\n");
        let refused = decode(chunked_request, bytes.as_bytes());
        assert!(matches!(refused, Err(BodyError::Syntax(_))), "{name}");
        let left_out = decode(chunked_response, bytes.as_bytes());
        assert_eq!(left_out, Ok(Some(outcome("", &[("a", "b"), ("c", "d")], ""))), "{name}");
    }
    assert_eq!(decode(chunked_response, b"0\r\nVia: a\r\n\r\n"), Ok(Some(outcome("", &[], ""))));
}

#[test]
fn trailers_are_bounded() {
    let count = |fields: usize| format!("0\r\n{}\r\n", "a: b\r\n".repeat(fields));
    assert!(decode(chunked_request, count(trailers::MOST_FIELDS).as_bytes()).unwrap().is_some());
    let many = decode(chunked_request, count(trailers::MOST_FIELDS + 1).as_bytes());
    assert_eq!(many, Err(BodyError::TrailersTooLarge));
    let long = format!("0\r\na: {}", "b".repeat(trailers::MOST_BYTES - 3));
    assert_eq!(decode(chunked_request, long.as_bytes()), Err(BodyError::TrailersTooLarge));
    assert_eq!(decode(chunked_request, &long.as_bytes()[..long.len() - 1]), Ok(None));
}

#[test]
fn extensions_are_paid_for_by_data() {
    let extended = format!("1;{}\r\na\r\n", "x".repeat(200));
    let body = extended.repeat(100);
    let found = decode(chunked_request, body.as_bytes());
    assert_eq!(found, Err(BodyError::Syntax("more chunk extensions than data")));
    let signed = format!("1000;{}\r\n{}\r\n", "x".repeat(200), "d".repeat(0x1000));
    assert!(decode_in_pieces(&mut chunked_request(), signed.repeat(100).as_bytes(), &[]).is_ok());
}

#[test]
fn the_end_of_the_connection() {
    let after = |length, bytes: &[u8]| {
        let mut decoder = BodyDecoder::of_response(length);
        decode_in_pieces(&mut decoder, bytes, &[]).unwrap();
        decoder.end_of_input()
    };
    assert_eq!(after(BodyLength::UntilClose, b"abc"), Ok(()));
    assert_eq!(after(BodyLength::Length(3), b"abc"), Ok(()));
    assert_eq!(after(BodyLength::Length(4), b"abc"), Err(BodyError::Truncated));
    assert_eq!(after(BodyLength::Chunked, b"3\r\nabc"), Err(BodyError::Truncated));
    assert_eq!(after(BodyLength::Chunked, b"3\r\nabc\r\n0\r\n"), Err(BodyError::Truncated));
    assert_eq!(after(BodyLength::Chunked, b""), Err(BodyError::Truncated));
}

#[test]
fn data_may_be_moved_unseen() {
    let mut decoder = chunked_request();
    assert_eq!(decoder.remaining(), 0);
    assert_eq!(decoder.decode(b"10\r\nabc"), Ok(Decoded::Data { skip: 4, len: 3 }));
    assert_eq!(decoder.remaining(), 13);
    decoder.moved(12);
    assert_eq!(decoder.decode(b"x\r\n0\r\n\r\n"), Ok(Decoded::Data { skip: 0, len: 1 }));
    assert_eq!(decoder.decode(b"\r\n0\r\n\r\n"), Ok(Decoded::End { skip: 7 }));
    assert_eq!(decoder.received(), 16);

    let mut decoder = BodyDecoder::of_request(BodyLength::Length(10));
    decoder.moved(10);
    assert!(decoder.is_complete());
    assert_eq!(decoder.remaining(), 0);
    let mut decoder = BodyDecoder::of_response(BodyLength::UntilClose);
    decoder.moved(1 << 40);
    assert_eq!((decoder.remaining(), decoder.received()), (u64::MAX, 1 << 40));
}

#[test]
fn everybody_is_blamed_for_their_own() {
    for (error, client, upstream) in [
        (BodyError::Syntax("x"), Cause::BadRequest, Cause::InvalidAnswer),
        (BodyError::TrailersTooLarge, Cause::HeaderTooLarge, Cause::AnswerHeaderTooLarge),
        (BodyError::Truncated, Cause::ClientGone, Cause::AnswerIncomplete),
        (BodyError::Length, Cause::BadRequest, Cause::AnswerIncomplete),
    ] {
        assert_eq!((error.of_client().cause, error.of_upstream().cause), (client, upstream));
    }
}

#[test]
fn trailers_are_written_where_they_have_a_place() {
    let mut decoder = chunked_response();
    let body = b"0\r\nGrpc-Status: 0\r\nX:y\r\n\r\n";
    assert_eq!(decoder.decode(body), Ok(Decoded::End { skip: body.len() }));
    let fields = decoder.take_trailers().unwrap();
    assert!(decoder.take_trailers().is_none());
    assert!(!fields.has(Known::Te));
    let mut out = Buffer::new();
    BodyEncoder::new(BodyLength::Chunked).finish(Some(&fields), &mut out).unwrap();
    assert_eq!(out.filled(), b"0\r\nGrpc-Status: 0\r\nX: y\r\n\r\n");
    let mut out = Buffer::new();
    BodyEncoder::new(BodyLength::Length(0)).finish(Some(&fields), &mut out).unwrap();
    assert!(out.is_empty());
}

/// Bytes that are nearly a chunked body.
fn nearly_chunked() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"5\r\nhello\r\n"[..],
        b"0\r\n",
        b"\r\n",
        b"a;b=\"c\"\r\n0123456789\r\n",
        b"x: y\r\n",
        b"5",
        b"\r",
        b"\n",
        b";",
        b"\0",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut out = Buffer::new();
        let mut encoder = BodyEncoder::new(BodyLength::Chunked);
        for piece in &pieces {
            let (prefix, suffix) = encoder.frame(piece.len() as u64).unwrap();
            out.extend(prefix.as_bytes());
            out.extend(piece);
            out.extend(suffix);
        }
        encoder.finish(None, &mut out).unwrap();
        out.extend(b"next");
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(out.len() + 1)).collect();
        cuts.sort_unstable();
        let found = decode_in_pieces(&mut chunked_request(), out.filled(), &cuts).unwrap().unwrap();
        prop_assert_eq!(found.data, pieces.concat());
        prop_assert_eq!(found.rest, b"next");
    }

    #[test]
    fn any_pieces_decode_the_same(bytes in nearly_chunked(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = decode(chunked_request, &bytes);
        prop_assert_eq!(whole, decode_in_pieces(&mut chunked_request(), &bytes, &cuts));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(chunked_request, &bytes);
        let _ = decode(chunked_response, &bytes);
    }
}
