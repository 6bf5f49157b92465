//! Any bytes as a request head: the same whatever pieces they come in; what is let through goes on as one sound
//! request that means the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parvis::base::{Buffer, Cause};
use parvis::config::HeadLimits;
use parvis::message::h1::{RequestParser, write_request};
use parvis::message::{Known, KnownSet, Persistence, RequestEdits, RequestHead, Target};

const LIMITS: HeadLimits = HeadLimits { header_bytes: 2048, header_count: 32, url_bytes: 256, mends: false };

fuzz_target!(|bytes: &[u8]| {
    check(bytes, false);
    check(bytes, true);
});

fn check(bytes: &[u8], mends: bool) {
    let whole = parse(bytes, bytes.len().max(1), mends);
    let dripped = parse(bytes, 1, mends);
    match (&whole, &dripped) {
        (Ok(Some(whole)), Ok(Some(dripped))) => assert_eq!(summary(whole), summary(dripped)),
        (Ok(None), Ok(None)) => {}
        (Err(whole), Err(dripped)) => assert_eq!(whole, dripped),
        _ => panic!("pieces matter: {whole:?} and {dripped:?}"),
    }
    if let Ok(Some(head)) = whole {
        assert!(mends || head.repairs().is_empty());
        goes_on(&head);
    }
}

/// What comes of `bytes` in pieces of `size`.
fn parse(bytes: &[u8], size: usize, mends: bool) -> Result<Option<RequestHead>, Cause> {
    let limits = HeadLimits { mends, ..LIMITS };
    let (mut parser, mut input) = (RequestParser::new(), Buffer::new());
    for piece in bytes.chunks(size) {
        input.extend(piece);
        match parser.parse(&mut input, &limits) {
            Ok(None) => {}
            Ok(Some(head)) => return Ok(Some(head)),
            Err(refusal) => return Err(refusal.cause),
        }
    }
    Ok(None)
}

fn summary(head: &RequestHead) -> Vec<Vec<u8>> {
    let mut all = vec![head.method().to_vec(), head.path_and_query().to_vec()];
    all.push(format!("{:?} {:?} {:?}", head.version(), head.authority(), head.body()).into_bytes());
    for field in head.fields().iter() {
        all.extend([field.name.to_vec(), field.value.to_vec()]);
    }
    all
}

fn goes_on(head: &RequestHead) {
    let edits = RequestEdits {
        host: head.authority().host.as_bytes(),
        target: Target { base: b"", path_and_query: head.path_and_query() },
        body: head.body(),
        persistence: head
            .upgrade()
            .map_or(Persistence::Implied, |upgrade| Persistence::Upgrade(upgrade.protocol)),
        expect_continue: head.expects_continue(),
        drop: KnownSet::EMPTY,
        append: b"",
    };
    let mut out = Buffer::new();
    write_request(&mut out, head, &edits);
    let limits = HeadLimits { header_bytes: 1 << 16, header_count: 64, url_bytes: 1024, mends: false };
    let mut rest = Buffer::new();
    rest.extend(out.filled());
    let again = RequestParser::new().parse(&mut rest, &limits).expect("sound").expect("whole");
    assert!(rest.is_empty(), "one head is written, and nothing behind it");
    assert_eq!(again.method(), head.method());
    assert_eq!(again.path_and_query(), head.path_and_query());
    assert_eq!(again.authority().host, head.authority().host);
    assert_eq!(again.body(), head.body());
    assert_eq!(again.upgrade().is_some(), head.upgrade().is_some());
    assert_eq!(again.fields().all(Known::Host).count(), 1);
    for dropped in [Known::Lookalike, Known::XForwardedFor, Known::KeepAlive, Known::Via, Known::Proxy] {
        assert!(!again.fields().has(dropped), "{dropped:?}");
    }
}
