//! HTTP/2 requests that would become other requests in HTTP/1.1: each is refused, nothing of it reaches an upstream,
//! and the connection goes on where it can (RFC 9113 §8).

use crate::support::h2::*;
use crate::support::{Edge, Origin, Recorder, account};

type Field = (&'static [u8], &'static [u8]);

/// What the four pseudo-fields usually are.
const METHOD: Field = (b":method", b"GET");
const SCHEME: Field = (b":scheme", b"https");
const AUTHORITY: Field = (b":authority", b"a.test");
const PATH: Field = (b":path", b"/");

/// Refused as malformed: by RST_STREAM of PROTOCOL_ERROR or by 400.
const MALFORMED: &[(&str, &[Field])] = &[
    ("no :method", &[SCHEME, AUTHORITY, PATH]),
    ("no :scheme", &[METHOD, AUTHORITY, PATH]),
    ("no :path", &[METHOD, SCHEME, AUTHORITY]),
    ("no host at all", &[METHOD, SCHEME, PATH]),
    ("nothing", &[]),
    (":method twice", &[METHOD, METHOD, SCHEME, AUTHORITY, PATH]),
    (":scheme twice", &[METHOD, SCHEME, SCHEME, AUTHORITY, PATH]),
    (":authority twice", &[METHOD, SCHEME, AUTHORITY, AUTHORITY, PATH]),
    (":path twice", &[METHOD, SCHEME, AUTHORITY, PATH, (b":path", b"/2")]),
    (":path late", &[METHOD, SCHEME, AUTHORITY, (b"x", b"y"), PATH]),
    (":authority late", &[METHOD, SCHEME, PATH, (b"x", b"y"), AUTHORITY]),
    (":status", &[METHOD, SCHEME, AUTHORITY, PATH, (b":status", b"200")]),
    (":protocol without CONNECT", &[METHOD, SCHEME, AUTHORITY, PATH, (b":protocol", b"websocket")]),
    ("an empty :path", &[METHOD, SCHEME, AUTHORITY, (b":path", b"")]),
    (":path without slash", &[METHOD, SCHEME, AUTHORITY, (b":path", b"x")]),
    (":path of an asterisk with GET", &[METHOD, SCHEME, AUTHORITY, (b":path", b"*")]),
    (":path absolute", &[METHOD, SCHEME, AUTHORITY, (b":path", b"https://b.test/")]),
    // What RFC 3986 has no place for, the h2 crate has none either; HTTP/1.1 passes it on.
    (":path with a quote", &[METHOD, SCHEME, AUTHORITY, (b":path", b"/?a=\"b\"")]),
    (":path with an angle", &[METHOD, SCHEME, AUTHORITY, (b":path", b"/<a>")]),
    (":path with a backtick", &[METHOD, SCHEME, AUTHORITY, (b":path", b"/`a`")]),
    (":path with a blank", &[METHOD, SCHEME, AUTHORITY, (b":path", b"/a b")]),
    (
        ":path with a request behind it",
        &[METHOD, SCHEME, AUTHORITY, (b":path", b"/ HTTP/1.1\r\nX: y\r\n\r\nGET /")],
    ),
    (":path with CR", &[METHOD, SCHEME, AUTHORITY, (b":path", b"/a\rb")]),
    (":path with LF", &[METHOD, SCHEME, AUTHORITY, (b":path", b"/a\nb")]),
    (":path with NUL", &[METHOD, SCHEME, AUTHORITY, (b":path", b"/a\0b")]),
    (":path with a byte over 127", &[METHOD, SCHEME, AUTHORITY, (b":path", b"/\xc3\xa4")]),
    (":scheme with a break", &[METHOD, (b":scheme", b"http\r\nX: y"), AUTHORITY, PATH]),
    (":scheme of something else", &[METHOD, (b":scheme", b"ftp"), AUTHORITY, PATH]),
    (":authority empty", &[METHOD, SCHEME, (b":authority", b""), PATH]),
    (":authority with userinfo", &[METHOD, SCHEME, (b":authority", b"user@a.test"), PATH]),
    (":authority with a path", &[METHOD, SCHEME, (b":authority", b"a.test/x"), PATH]),
    (":authority with a break", &[METHOD, SCHEME, (b":authority", b"a.test\r\nX: y"), PATH]),
    (":authority list", &[METHOD, SCHEME, (b":authority", b"a.test,b.test"), PATH]),
    (":authority with a percent", &[METHOD, SCHEME, (b":authority", b"%61.test"), PATH]),
    ("Host that differs", &[METHOD, SCHEME, AUTHORITY, PATH, (b"host", b"b.test")]),
    ("Host twice", &[METHOD, SCHEME, PATH, (b"host", b"a.test"), (b"host", b"a.test")]),
    ("Connection", &[METHOD, SCHEME, AUTHORITY, PATH, (b"connection", b"close")]),
    (
        "Connection: upgrade",
        &[METHOD, SCHEME, AUTHORITY, PATH, (b"connection", b"upgrade"), (b"upgrade", b"websocket")],
    ),
    ("Keep-Alive", &[METHOD, SCHEME, AUTHORITY, PATH, (b"keep-alive", b"timeout=5")]),
    ("Proxy-Connection", &[METHOD, SCHEME, AUTHORITY, PATH, (b"proxy-connection", b"close")]),
    ("Transfer-Encoding", &[METHOD, SCHEME, AUTHORITY, PATH, (b"transfer-encoding", b"chunked")]),
    ("Upgrade", &[METHOD, SCHEME, AUTHORITY, PATH, (b"upgrade", b"websocket")]),
    ("TE of something else", &[METHOD, SCHEME, AUTHORITY, PATH, (b"te", b"gzip")]),
    (
        "Content-Length twice",
        &[METHOD, SCHEME, AUTHORITY, PATH, (b"content-length", b"0"), (b"content-length", b"1")],
    ),
    ("Content-Length no number", &[METHOD, SCHEME, AUTHORITY, PATH, (b"content-length", b"+0")]),
    ("Content-Length without DATA", &[METHOD, SCHEME, AUTHORITY, PATH, (b"content-length", b"5")]),
];

/// Names and values that are none. The h2 crate takes them for a block that does not decode: the connection may end
/// as well (RFC 9113 §5.4.1).
const UNDECODED: &[(&str, &[Field])] = &[
    ("an unknown pseudo-field", &[METHOD, SCHEME, AUTHORITY, PATH, (b":x", b"y")]),
    ("an empty :method", &[(b":method", b""), SCHEME, AUTHORITY, PATH]),
    ("a blank in :method", &[(b":method", b"GET /x HTTP/1.1\r\nX:"), SCHEME, AUTHORITY, PATH]),
    ("a name in capitals", &[METHOD, SCHEME, AUTHORITY, PATH, (b"X", b"y")]),
    ("an empty name", &[METHOD, SCHEME, AUTHORITY, PATH, (b"", b"y")]),
    ("a name with a colon", &[METHOD, SCHEME, AUTHORITY, PATH, (b"x:", b"y")]),
    ("a name with a blank", &[METHOD, SCHEME, AUTHORITY, PATH, (b"x y", b"z")]),
    ("a name with a break", &[METHOD, SCHEME, AUTHORITY, PATH, (b"x\r\ny", b"z")]),
    ("a name with NUL", &[METHOD, SCHEME, AUTHORITY, PATH, (b"x\0", b"y")]),
    ("a name with a byte over 127", &[METHOD, SCHEME, AUTHORITY, PATH, (b"\xc3\xa4", b"y")]),
    ("a value with CR", &[METHOD, SCHEME, AUTHORITY, PATH, (b"x", b"a\rb")]),
    ("a value with LF", &[METHOD, SCHEME, AUTHORITY, PATH, (b"x", b"a\nb")]),
    (
        "a value with a request behind it",
        &[METHOD, SCHEME, AUTHORITY, PATH, (b"x", b"y\r\n\r\nGET /smuggled HTTP/1.1\r\n")],
    ),
    ("a value with NUL", &[METHOD, SCHEME, AUTHORITY, PATH, (b"x", b"a\0b")]),
];

#[test]
fn malformed_requests() {
    let recorder = Recorder::new();
    let edge = Edge::with(&[("alice", &account("\"a.test\", \"b.test\"", &recorder.address()))]);
    for (what, fields) in MALFORMED {
        let mut h2 = H2::connect(&edge, "a.test");
        h2.headers(1, fields, true);
        match h2.outcome(1) {
            Outcome::Reset(PROTOCOL_ERROR, _) => {}
            Outcome::Answered(response) => {
                assert_eq!((response.status(), response.word()), (400, "bad_request"), "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
        recorder.expect_nothing();
        // The others on the connection are not to blame.
        h2.get(3, "nobody.test", "/");
        let response = h2.response(3);
        assert!([404, 421].contains(&response.status()), "{what}: {response:?}");
    }
    for (what, fields) in UNDECODED {
        let mut h2 = H2::connect(&edge, "a.test");
        h2.headers(1, fields, true);
        let outcome = h2.outcome(1);
        assert!(outcome.is_error(PROTOCOL_ERROR), "{what}: {outcome:?}");
        recorder.expect_nothing();
    }
}

/// DATA that is not as long as it was said to be: the upstream sees no whole request, however late that shows
/// (RFC 9113 §8.1.1).
#[test]
fn content_length_and_data_must_agree() {
    // What comes at once, and what ends the stream when that has gone as far as it goes.
    const TABLE: &[(&str, &[&str], &str)] = &[
        ("5", &[], ""),
        ("5", &["hell"], ""),
        ("5", &["hello"], "!"),
        ("5", &["he", "llo"], "!"),
        ("5", &["he", "llo", ""], "!"),
        ("5", &["hell"], "o!"),
        ("5", &["hello!"], ""),
        ("0", &[], "x"),
        ("0", &[""], "x"),
        ("0", &["x"], ""),
    ];
    let recorder = Recorder::new();
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]);
    for (length, first, last) in TABLE {
        let what = format!("{length} {first:?} {last:?}");
        let mut h2 = H2::connect(&edge, "a.test");
        h2.request(1, "POST", "a.test", "/", &[("content-length", length)], false);
        for piece in *first {
            h2.data(1, piece, false);
        }
        // By the time a later request is at the upstream, so is what goes there of the first one.
        h2.get(3, "a.test", "/later");
        let mut others = Vec::new();
        let mut later = loop {
            let mut upstream = recorder.accept();
            match upstream.read_until(b"\r\n\r\n") {
                Ok(head) if head.starts_with(b"GET /later ") => break upstream,
                Ok(_) => others.push(upstream),
                // Opened for a request that turned out to be none.
                Err(_) => {}
            }
        };
        later.send(crate::support::origin::answer("here"));
        assert_eq!(h2.response(3).text(), "here", "{what}");
        h2.data(1, last, true);
        match h2.outcome(1) {
            Outcome::Reset(PROTOCOL_ERROR, _) => {}
            Outcome::Answered(response) => assert_eq!(response.status(), 400, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
        assert!(*length != "0" || others.is_empty(), "{what}: the upstream saw a whole request");
        for mut upstream in others {
            let (body, _) = upstream.read_to_end();
            assert!(body.len() < 5, "{what}: the upstream saw a whole request");
        }
    }
}

/// The end of a body comes late, or with trailers: the request goes on then. Where it never comes the answer is 408.
#[test]
fn the_end_of_a_body_is_waited_for() {
    let origin = Origin::echoing_bodies();
    let edge = crate::support::edge::Files::new()
        .set("timeouts", "body_idle", "\"1s\"")
        .document("alice", &account("\"a.test\"", &origin.address()))
        .start();
    let mut h2 = H2::connect(&edge, "a.test");
    for (n, body) in ["", "hello"].into_iter().enumerate() {
        let length = body.len().to_string();
        let streams = |kind: u32| kind * 2 + 1 + n as u32 * 100;
        for kind in 0..3 {
            let stream = streams(kind);
            h2.request(stream, "POST", "a.test", "/", &[("content-length", &length)], false);
            if !body.is_empty() {
                h2.data(stream, body, false);
            }
        }
        h2.get(streams(3), "a.test", "/");
        assert_eq!(h2.response(streams(3)).status(), 200);
        assert!(origin.requests().pop().expect("a request").start.starts_with("GET"), "length {length}");
        h2.data(streams(0), "", true);
        h2.headers(streams(1), &[(b"x", b"y")], true);
        for kind in 0..2 {
            assert_eq!(h2.response(streams(kind)).text(), body, "length {length}");
        }
        let response = match h2.outcome(streams(2)) {
            Outcome::Answered(response) | Outcome::Reset(NO_ERROR, response) => response,
            other => panic!("{other:?}"),
        };
        assert_eq!((response.status(), response.word()), (408, "body_timeout"), "length {length}");
    }
}

#[test]
fn trailers_that_are_none() {
    const BAD: &[(&str, &[Field])] = &[
        ("Host", &[(b"host", b"b.test")]),
        ("Content-Length", &[(b"content-length", b"5")]),
        ("Transfer-Encoding", &[(b"transfer-encoding", b"chunked")]),
        ("Connection", &[(b"connection", b"close")]),
        ("X-Forwarded-For", &[(b"x-forwarded-for", b"6.6.6.6")]),
        ("X_Forwarded_For", &[(b"x_forwarded_for", b"6.6.6.6")]),
        ("a break", &[(b"x", b"y\r\nz")]),
        ("a name in capitals", &[(b"X", b"y")]),
    ];
    let recorder = Recorder::new();
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]);
    for (what, trailers) in BAD {
        let mut h2 = H2::connect(&edge, "a.test");
        h2.request(1, "POST", "a.test", "/", &[], false);
        h2.data(1, "hello", false);
        let mut upstream = recorder.accept();
        upstream.head();
        h2.headers(1, trailers, true);
        let outcome = h2.outcome(1);
        let refused = match &outcome {
            Outcome::Answered(response) => response.status() == 400,
            Outcome::Reset(code, _) | Outcome::Gone(Some(code)) => *code == PROTOCOL_ERROR,
            Outcome::Gone(None) => false,
        };
        assert!(refused, "{what}: {outcome:?}");
        let (rest, _) = upstream.read_to_end();
        assert!(!rest.ends_with(b"0\r\n\r\n") && !rest.windows(5).any(|w| w == b"6.6.6"), "{what}");
    }
    // The h2 crate forgets pseudo-fields among trailers: nothing of them goes on.
    let mut h2 = H2::connect(&edge, "a.test");
    h2.request(1, "POST", "a.test", "/", &[], false);
    h2.data(1, "hello", false);
    h2.headers(1, &[(b":path", b"/"), (b"x", b"y")], true);
    let mut upstream = recorder.accept();
    let request = upstream.request();
    assert_eq!((request.target(), request.text()), ("/", "hello"));
    assert_eq!(request.trailers, [("x".to_owned(), "y".to_owned())]);
    // HEADERS in the middle of a body that do not end the stream (RFC 9113 §8.1).
    let mut h2 = H2::connect(&edge, "a.test");
    h2.request(1, "POST", "a.test", "/", &[], false);
    h2.headers(1, &[(b"x", b"y")], false);
    assert!(h2.outcome(1).is_error(PROTOCOL_ERROR));
}

/// What looks odd and is allowed.
#[test]
fn odd_but_allowed() {
    const TABLE: &[(&str, &[Field])] = &[
        ("Host in place of :authority", &[METHOD, SCHEME, PATH, (b"host", b"a.test")]),
        ("Host that agrees", &[METHOD, SCHEME, AUTHORITY, PATH, (b"host", b"a.test")]),
        (":authority in capitals", &[METHOD, SCHEME, (b":authority", b"A.TEST"), PATH]),
        (":authority with dot and port", &[METHOD, SCHEME, (b":authority", b"a.test.:8443"), PATH]),
        ("pseudo-fields in another order", &[PATH, AUTHORITY, METHOD, SCHEME]),
        ("TE: trailers", &[METHOD, SCHEME, AUTHORITY, PATH, (b"te", b"trailers")]),
        ("Content-Length of nothing", &[METHOD, SCHEME, AUTHORITY, PATH, (b"content-length", b"0")]),
        ("a method nobody knows", &[(b":method", b"BREW"), SCHEME, AUTHORITY, PATH]),
        ("an empty value", &[METHOD, SCHEME, AUTHORITY, PATH, (b"x", b"")]),
        ("a byte over 127 in a value", &[METHOD, SCHEME, AUTHORITY, PATH, (b"x", b"\xc3\xa4")]),
        ("an asterisk for OPTIONS", &[(b":method", b"OPTIONS"), SCHEME, AUTHORITY, (b":path", b"*")]),
    ];
    let origin = Origin::saying("here");
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &origin.address()))]);
    let mut h2 = H2::connect(&edge, "a.test");
    // A fragment is no part of a path: the h2 crate cuts it off, and nobody behind it sees any.
    h2.get(99, "a.test", "/a?b#c");
    assert_eq!(h2.response(99).text(), "here");
    assert_eq!(origin.requests().pop().expect("a request").target(), "/a?b");
    let mut h2 = H2::connect(&edge, "a.test");
    for (n, (what, fields)) in TABLE.iter().enumerate() {
        let stream = 1 + 2 * n as u32;
        h2.headers(stream, fields, true);
        let response = h2.response(stream);
        assert_eq!((response.status(), response.text()), (200, "here"), "{what}");
    }
}

#[test]
fn bounds_are_the_settings() {
    let origin = Origin::saying("here");
    let edge = crate::support::edge::Files::new()
        .set("limits", "header_bytes", "\"4K\"")
        .set("limits", "header_count", "20")
        .set("limits", "url_bytes", "\"1K\"")
        .document(
            "alice",
            &format!("[limits]\nbody_bytes = \"1K\"\n{}", account("\"a.test\"", &origin.address())),
        )
        .start();
    let mut h2 = H2::connect(&edge, "a.test");
    let long = "x".repeat(5000);
    h2.request(1, "GET", "a.test", "/", &[("x", &long)], true);
    let url = format!("/{}", "x".repeat(1024));
    h2.get(3, "a.test", &url);
    h2.request(5, "GET", "a.test", "/", &[("x", "y"); 21], true);
    h2.request(7, "POST", "a.test", "/", &[("content-length", "1025")], false);
    for (stream, status, word) in [
        (1, 431, "header_too_large"),
        (3, 414, "url_too_long"),
        (5, 431, "header_too_large"),
        (7, 413, "body_too_large"),
    ] {
        let response = match h2.outcome(stream) {
            Outcome::Answered(response) | Outcome::Reset(NO_ERROR, response) => response,
            other => panic!("{stream}: {other:?}"),
        };
        assert_eq!((response.status(), response.word()), (status, word));
    }
    h2.get(9, "a.test", &url[..1024]);
    assert_eq!(h2.response(9).text(), "here");
}
