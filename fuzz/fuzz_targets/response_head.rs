//! Any bytes as a response head: the same whatever pieces they come in; what is let through goes on as one sound
//! response, by either version.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parvis::base::{Buffer, Cause};
use parvis::message::h1::{ResponseParser, write_response};
use parvis::message::{BodyLength, Known, KnownSet, Persistence, ResponseEdits, ResponseHead, h2};

fuzz_target!(|bytes: &[u8]| {
    let whole = parse(bytes, bytes.len().max(1));
    let dripped = parse(bytes, 1);
    match (&whole, &dripped) {
        (Ok(Some(whole)), Ok(Some(dripped))) => assert_eq!(summary(whole), summary(dripped)),
        (Ok(None), Ok(None)) => {}
        (Err(whole), Err(dripped)) => assert_eq!(whole, dripped),
        _ => panic!("pieces matter: {whole:?} and {dripped:?}"),
    }
    if let Ok(Some(head)) = whole {
        goes_on(&head, b"GET");
        goes_on(&head, b"HEAD");
    }
});

/// What comes of `bytes` in pieces of `size`.
fn parse(bytes: &[u8], size: usize) -> Result<Option<ResponseHead>, Cause> {
    let (mut parser, mut input) = (ResponseParser::new(), Buffer::new());
    for piece in bytes.chunks(size) {
        input.extend(piece);
        match parser.parse(&mut input, 2048) {
            Ok(None) => {}
            Ok(Some(head)) => return Ok(Some(head)),
            Err(refusal) => return Err(refusal.cause),
        }
    }
    Ok(None)
}

fn summary(head: &ResponseHead) -> Vec<Vec<u8>> {
    let mut all = vec![head.reason().to_vec()];
    all.push(format!("{} {:?} {:?}", head.status(), head.version(), head.body(b"GET")).into_bytes());
    for field in head.fields().iter() {
        all.extend([field.name.to_vec(), field.value.to_vec()]);
    }
    all
}

fn goes_on(head: &ResponseHead, method: &[u8]) {
    let edits = ResponseEdits {
        status: None,
        body: head.body(method),
        persistence: Persistence::Close,
        drop: KnownSet::EMPTY,
        append: b"",
    };
    let mut out = Buffer::new();
    write_response(&mut out, head, &edits);
    let mut rest = Buffer::new();
    rest.extend(out.filled());
    let again = ResponseParser::new().parse(&mut rest, 1 << 16).expect("sound").expect("whole");
    assert!(rest.is_empty(), "one head is written, and nothing behind it");
    assert_eq!((again.status(), again.reason()), (head.status(), head.reason()));
    assert_eq!(again.body(method), head.body(method));
    assert!(!again.keep_alive() && !again.fields().has(Known::KeepAlive));

    let response = h2::response(head, &edits);
    assert_eq!(response.status().as_u16(), head.status());
    for name in ["connection", "transfer-encoding", "keep-alive", "upgrade"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    if let BodyLength::Length(length) = edits.body {
        assert_eq!(response.headers().get_all("content-length").iter().count(), 1);
        assert_eq!(response.headers()["content-length"], length.to_string());
    }
}
