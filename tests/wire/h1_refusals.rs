//! Requests that HTTP/1.1 forbids, byte for byte: each is refused with the same answer whether it comes whole,
//! byte by byte or over TLS, its connection is closed, and **nothing** of it reaches an upstream.

use crate::support::edge::Files;
use crate::support::{Edge, End, Origin, Raw, Recorder, account, wait};
use crate::vectors::{ALLOWED, CHUNKED, CHUNKS, Case, FRAMING, NOT_DONE, SYNTAX};
use std::time::Duration;

#[test]
fn doubtful_framing() {
    refused(FRAMING);
}

#[test]
fn doubtful_syntax() {
    refused(SYNTAX);
}

#[test]
fn what_a_front_does_not_do() {
    refused(NOT_DONE);
}

#[test]
fn odd_but_allowed() {
    let origin = Origin::saying("here");
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &origin.address()))]);
    for (what, bytes) in ALLOWED {
        for (how, raw) in each_way(&edge, bytes) {
            let mut raw = raw;
            let response = raw.response();
            assert_eq!((response.status(), response.text()), (200, "here"), "{what}, {how}");
        }
    }
    assert_eq!(origin.requests().len(), ALLOWED.len() * 3);
}

#[test]
fn broken_chunks() {
    let recorder = Recorder::new();
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]);
    for (what, chunks) in CHUNKS {
        let bytes = [CHUNKED, chunks].concat();
        for (how, mut raw) in each_way(&edge, &bytes) {
            let response = raw.response();
            assert_eq!((response.status(), response.word()), (400, "bad_request"), "{what}, {how}");
            assert!(response.says_close(), "{what}, {how}");
            raw.expect_close();
            // What was good may have been forwarded; what was bad must not look complete.
            if let Some(mut upstream) = recorder.try_accept() {
                let request = upstream.try_request();
                assert!(request.is_err(), "{what}, {how}: the upstream saw a whole request: {request:?}");
            }
        }
    }
}

#[test]
fn heads_too_large() {
    let long = "x".repeat(40 * 1024);
    let many = "X: y\r\n".repeat(1000);
    let url = format!("GET /{long} HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let endless_url = format!("GET /{long}{long}");
    let endless_method = long.clone();
    let value = format!("GET / HTTP/1.1\r\nHost: a.test\r\nX: {long}\r\n\r\n");
    let endless_value = format!("GET / HTTP/1.1\r\nHost: a.test\r\nX: {long}");
    let endless_name = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{long}");
    let count = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{many}\r\n");
    let sum = format!(
        "GET / HTTP/1.1\r\nHost: a.test\r\n{}\r\n",
        format!("X: {}\r\n", "y".repeat(1000)).repeat(40)
    );
    let table = [
        ("a long target", 414, "url_too_long", &url),
        ("a target without end", 414, "url_too_long", &endless_url),
        ("a method without end", 400, "bad_request", &endless_method),
        ("a long value", 431, "header_too_large", &value),
        ("a value without end", 431, "header_too_large", &endless_value),
        ("a name without end", 431, "header_too_large", &endless_name),
        ("many fields", 431, "header_too_large", &count),
        ("large in sum", 431, "header_too_large", &sum),
    ];
    let recorder = Recorder::new();
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]);
    for (what, status, word, request) in table {
        for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
            raw.send_in_pieces(request.as_bytes(), 1000);
            expect_refusal(&mut raw, what, status, word);
        }
    }
    recorder.expect_nothing();
}

#[test]
fn bounds_are_the_settings() {
    let origin = Origin::saying("here");
    let edge = Files::new()
        .set("limits", "header_bytes", "\"4K\"")
        .set("limits", "header_count", "16")
        .set("limits", "url_bytes", "\"1K\"")
        .document("alice", &account("\"a.test\"", &origin.address()))
        .start();
    // The bound itself passes, one more does not.
    let url = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a.test\r\n\r\n", "x".repeat(bytes - 1));
    let count =
        |fields: usize| format!("GET / HTTP/1.1\r\nHost: a.test\r\n{}\r\n", "X: y\r\n".repeat(fields - 1));
    let bytes = |whole: usize| {
        let rest = "GET / HTTP/1.1\r\nHost: a.test\r\nX: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: a.test\r\nX: {}\r\n\r\n", "y".repeat(whole - rest))
    };
    for request in [url(1024), count(16), bytes(4096)] {
        assert_eq!(edge.connect().send(request).response().status(), 200);
    }
    for (request, status, word) in [
        (url(1025), 414, "url_too_long"),
        (count(17), 431, "header_too_large"),
        (bytes(4097), 431, "header_too_large"),
    ] {
        let mut raw = edge.connect();
        raw.send(request);
        expect_refusal(&mut raw, "one more than the bound", status, word);
    }
}

#[test]
fn bodies_too_large() {
    let recorder = Recorder::new();
    let document = format!("[limits]\nbody_bytes = \"1K\"\n{}", account("\"a.test\"", &recorder.address()));
    let edge = Edge::with(&[("alice", &document)]);

    // Announced: nothing is asked of the upstream.
    let mut raw = edge.connect();
    raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1025\r\n\r\n");
    expect_refusal(&mut raw, "announced", 413, "body_too_large");
    recorder.expect_nothing();

    // With an expectation: the body is never asked for.
    let mut raw = edge.connect();
    raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1025\r\nExpect: 100-continue\r\n\r\n");
    expect_refusal(&mut raw, "announced with an expectation", 413, "body_too_large");
    recorder.expect_nothing();

    // In chunks: seen when the bound is passed, and the upstream sees no whole request.
    let mut raw = edge.connect();
    raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    raw.send(format!("400\r\n{}\r\n", "x".repeat(1024)));
    let mut upstream = recorder.accept();
    upstream.head();
    raw.send("1\r\nx\r\n0\r\n\r\n");
    expect_refusal(&mut raw, "in chunks", 413, "body_too_large");
    let (body, _) = upstream.read_to_end();
    assert!(!body.ends_with(b"0\r\n\r\n"), "the upstream saw a whole request");
}

/// After an answer of our own the rest of a body is either skipped or never read: no byte of it is ever taken for
/// a request (Pingora's undrained bodies).
#[test]
fn a_body_is_never_the_next_request() {
    let recorder = Recorder::new();
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for head in [
        format!("POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: {}\r\n\r\n", smuggled.len()),
        format!(
            "POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: {}\r\n\r\n",
            smuggled.len() + (1 << 30)
        ),
        "POST / HTTP/1.1\r\nHost: nobody.test\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
    ] {
        let mut raw = edge.connect();
        raw.send(&head);
        let response = raw.response();
        assert_eq!((response.status(), response.word()), (404, "unknown_host"));
        // It may be too late to send: then the connection was closed, which is as good.
        let _ = raw.try_send(smuggled);
        if response.says_close() {
            raw.expect_close();
        } else {
            // Kept: then the body was skipped, and what follows it is the next request.
            raw.send("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n");
            assert_eq!(raw.response().word(), "unknown_host");
        }
        recorder.expect_nothing();
    }
}

#[test]
fn a_head_must_come_in_time() {
    let recorder = Recorder::new();
    let edge = Files::new()
        .set("timeouts", "header", "\"300ms\"")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .start();
    for part in [
        "GET",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nX: y",
        "GET / HTTP/1.1\r\nHost: a.test\r\n\r",
    ] {
        for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
            raw.send(part);
            expect_refusal(&mut raw, part, 408, "header_timeout");
        }
    }
    // A drip does not restart the deadline: it counts from the first byte.
    let mut raw = edge.connect();
    let (response, took) = wait::timed(|| {
        while raw.is_quiet_for(Duration::from_millis(50)) {
            if raw.try_send("X").is_err() {
                break;
            }
        }
        raw.response()
    });
    assert_eq!((response.status(), response.word()), (408, "header_timeout"));
    assert!(took < Duration::from_secs(3), "{took:?}");
    recorder.expect_nothing();
}

/// A connection on which nothing was ever sent is closed without an answer: nobody asked.
#[test]
fn silence_is_closed_without_an_answer() {
    let edge = Files::new()
        .set("timeouts", "header", "\"300ms\"")
        .set("timeouts", "idle", "\"1s\"")
        .set("timeouts", "handshake", "\"300ms\"")
        .start();
    edge.connect().expect_fin();
    edge.connect_tls("a.test").expect_fin();
    // A handshake that never begins, and one that never ends.
    Raw::clear(edge.tls_address()).expect_close();
    Raw::clear(edge.tls_address()).send(b"\x16\x03\x01\x02\x00\x01").read_to_end();
}

#[test]
fn a_body_must_come_in_time() {
    let recorder = Recorder::new();
    let edge = Files::new()
        .set("timeouts", "body_idle", "\"1s\"")
        .set("limits", "request_buffer", "\"0\"")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .start();
    let mut raw = edge.connect();
    raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhello");
    let mut upstream = recorder.accept();
    upstream.head();
    expect_refusal(&mut raw, "a body that stalls", 408, "body_timeout");
    let (body, _) = upstream.read_to_end();
    assert_eq!(body, b"hello");
}

/// Refusals that leave no doubt about where the next request begins keep the connection.
#[test]
fn a_clear_refusal_keeps_the_connection() {
    let origin = Origin::saying("here");
    let edge = Edge::with(&[("alice", &account("\"a.test/app\"", &origin.address()))]);
    let mut raw = edge.connect();
    for (host, path, word) in [("b.test", "/", "unknown_host"), ("a.test", "/other", "unknown_path")] {
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let response = raw.response();
        assert_eq!((response.status(), response.word()), (404, word));
        assert_eq!(response.error_type(), "destination_not_found");
        assert!(!response.says_close());
    }
    raw.send("GET /app HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(raw.response().text(), "here");
}

/// Sends each case whole, byte by byte, and over TLS.
fn refused(cases: &[Case]) {
    let recorder = Recorder::new();
    let edge = Edge::with(&[("alice", &account("\"a.test\", \"b.test\"", &recorder.address()))]);
    for case @ Case { what, status, word, .. } in cases {
        for (how, mut raw) in each_way(&edge, &case.bytes()) {
            // HTTP/0.9 and the like end without an empty line: the end of the stream says that no more comes.
            raw.finish();
            expect_refusal(&mut raw, &format!("{what}, {how}"), *status, word);
            recorder.expect_nothing();
        }
    }
}

/// The connections on which `bytes` were sent in each way that must make no difference.
fn each_way(edge: &Edge, bytes: &[u8]) -> [(&'static str, Raw); 3] {
    let (mut whole, mut pieces, mut tls) = (edge.connect(), edge.connect(), edge.connect_tls("a.test"));
    whole.send(bytes);
    pieces.send_in_pieces(bytes, 1);
    tls.send(bytes);
    [("whole", whole), ("in pieces", pieces), ("over TLS", tls)]
}

#[track_caller]
fn expect_refusal(raw: &mut Raw, what: &str, status: u16, word: &str) {
    let response = raw.try_response().unwrap_or_else(|cut| panic!("{what}: no whole answer: {cut:?}"));
    assert_eq!((response.status(), response.word()), (status, word), "{what}");
    assert_eq!(response.error_type(), "http_request_error", "{what}");
    assert!(response.says_close(), "{what}: {response:?}");
    let (rest, end) = raw.read_to_end();
    assert!(rest.is_empty(), "{what}: more behind the answer: {}", rest.escape_ascii());
    assert_ne!(end, End::Truncated, "{what}");
}
