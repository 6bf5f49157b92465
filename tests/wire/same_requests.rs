//! A request is the same request whatever way it comes: whole or cut anywhere, alone or between others, in the clear or
//! over TLS, by HTTP/1.1 or HTTP/2. Its upstream sees the same, the visitor is told the same, and what is refused on one
//! way is refused on all of them.

use crate::support::edge::Files;
use crate::support::way::*;
use crate::support::{Edge, Message, Origin, Recorder};
use crate::vectors::{ALLOWED, CHUNKED, CHUNKS, Case, FRAMING, NOT_DONE, SYNTAX};
use proptest::test_runner::{Config, TestRunner};
use proptest::{prop_assert_eq, strategy::Strategy};
use std::net::SocketAddr;

#[test]
fn by_every_way_of_http_1() {
    let place = Node::new();
    for (what, bytes) in corpus() {
        let expected = place.seen(&Way::WHOLE, &bytes);
        for tls in [false, true] {
            for at in [Place::First, Place::Kept, Place::Behind, Place::Before] {
                let way = Way { tls, place: at, cuts: Vec::new() };
                assert_eq!(place.seen(&way, &bytes), expected, "{what}, {way:?}");
            }
            let way = Way { tls, cuts: everywhere(&bytes), ..Way::WHOLE };
            assert_eq!(place.seen(&way, &bytes), expected, "{what}, byte by byte, TLS: {tls}");
        }
    }
}

#[test]
fn cut_in_two_anywhere() {
    let place = Node::new();
    for (what, bytes) in corpus() {
        let expected = place.seen(&Way::WHOLE, &bytes);
        for cut in everywhere(&bytes) {
            let way = Way { cuts: vec![cut], ..Way::WHOLE };
            assert_eq!(place.seen(&way, &bytes), expected, "{what}, cut at {cut}");
        }
    }
}

#[test]
fn cut_at_random() {
    let place = Node::new();
    let corpus = corpus();
    let expected: Vec<_> = corpus.iter().map(|(_, bytes)| place.seen(&Way::WHOLE, bytes)).collect();
    let cases = (0..corpus.len(), ways());
    let ran = runner(300).run(&cases, |(index, mut way)| {
        let bytes = &corpus[index].1;
        way.cuts_within(bytes.len());
        prop_assert_eq!(&place.seen(&way, bytes), &expected[index], "{}", corpus[index].0);
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn by_frames_of_http_2() {
    let place = Node::new();
    for request in requests() {
        let (seen, answer) = place.seen(&Way::WHOLE, &request.bytes());
        let expected = (seen.map(Seen::in_any_version), answer.in_any_version());
        for frames in every_framing() {
            let outcome = frames.go(&place.edge, place.h2c, &request);
            let found = place.after(&answered(request.what, outcome));
            let found = (found.0.map(Seen::in_any_version), found.1.in_any_version());
            assert_eq!(found, expected, "{}, {frames:?}", request.what);
        }
    }
}

#[test]
fn refusals_by_every_way_of_http_1() {
    let (recorder, companion) = (Recorder::new(), companion());
    let edge = files("\"a.test\", \"b.test\"", &recorder.address(), &companion).start();
    let refused = |case: &Case, way: &Way| {
        let (answer, mut raw) = way.go(&edge, "a.test", &case.bytes(), true);
        raw.expect_close();
        recorder.expect_nothing();
        Seen::by_visitor(&answer)
    };
    let cases: Vec<&Case> = [FRAMING, SYNTAX, NOT_DONE].into_iter().flatten().collect();
    let mut expected = Vec::new();
    for case in &cases {
        let seen = refused(case, &Way::WHOLE);
        for tls in [false, true] {
            for place in [Place::First, Place::Kept, Place::Behind, Place::Before] {
                let way = Way { tls, place, cuts: Vec::new() };
                assert_eq!(refused(case, &way), seen, "{}, {way:?}", case.what);
            }
        }
        let way = Way { cuts: everywhere(&case.bytes()), ..Way::WHOLE };
        assert_eq!(refused(case, &way), seen, "{}, byte by byte", case.what);
        expected.push(seen);
    }
    let ran = runner(500).run(&(0..cases.len(), ways()), |(index, mut way)| {
        way.cuts_within(cases[index].bytes().len());
        prop_assert_eq!(&refused(cases[index], &way), &expected[index], "{}", cases[index].what);
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}

/// Of a body that goes wrong, the beginning may have gone on; a whole request never has.
#[test]
fn broken_bodies_by_every_way_of_http_1() {
    let place = Node::new();
    let refused = |bytes: &[u8], way: &Way| {
        let (answer, mut raw) = way.go(&place.edge, "a.test", bytes, false);
        raw.expect_close();
        (place.origin.take_requests().len(), Seen::by_visitor(&answer))
    };
    let cases: Vec<Vec<u8>> = CHUNKS.iter().map(|(_, chunks)| [CHUNKED, chunks].concat()).collect();
    let expected: Vec<_> = cases.iter().map(|bytes| refused(bytes, &Way::WHOLE)).collect();
    for (n, bytes) in cases.iter().enumerate() {
        assert_eq!(expected[n].0, 0, "{}: the upstream saw a whole request", CHUNKS[n].0);
        for cut in CHUNKED.len()..bytes.len() {
            let way = Way { cuts: vec![cut], ..Way::WHOLE };
            assert_eq!(refused(bytes, &way), expected[n], "{}, cut at {cut}", CHUNKS[n].0);
        }
    }
    let ran = runner(300).run(&(0..cases.len(), ways()), |(index, mut way)| {
        way.cuts_within(cases[index].len());
        prop_assert_eq!(&refused(&cases[index], &way), &expected[index], "{}", CHUNKS[index].0);
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn refusals_of_any_version() {
    let (recorder, companion) = (Recorder::new(), companion());
    let edge = files("\"a.test/app\"", &recorder.address(), &companion)
        .set("limits", "header_bytes", "\"4K\"")
        .set("limits", "header_count", "32")
        .set("limits", "url_bytes", "\"1K\"")
        .start();
    let h2c = edge.listener("127.0.0.2", "clear");
    let many = |count: usize| (0..count).map(|_| ("x-many", "y".to_owned())).collect::<Vec<_>>();
    let table = [
        (404, "unknown_host", Request { host: "nobody.test", ..request("an unknown host", "GET", "/") }),
        (404, "unknown_path", request("an unknown path", "GET", "/nothing")),
        (
            404,
            "unknown_path",
            Request {
                body: Body::Length(pattern(99)),
                ..request("the same with a body", "POST", "/nothing")
            },
        ),
        (501, "not_implemented", request("TRACE", "TRACE", "/app")),
        (400, "bad_request", request("an asterisk", "GET", "*")),
        (414, "url_too_long", request("a long target", "GET", &format!("/app{}", "x".repeat(2000)))),
        (431, "header_too_large", with("many fields", many(40))),
        (431, "header_too_large", with("a large field", vec![("x", "y".repeat(5000))])),
        (
            413,
            "body_too_large",
            Request { body: Body::Length(pattern(60 * 1024 + 1)), ..request("a large body", "POST", "/app") },
        ),
        (
            417,
            "expectation_failed",
            with("an expectation nobody knows", vec![("expect", "200-ok".to_owned())]),
        ),
        (508, "loop", with("a loop", vec![("via", "1.1 parvis, ".repeat(5) + "1.1 x")])),
    ];
    for (status, word, request) in table {
        let (answer, _) = Way::WHOLE.go(&edge, request.host, &request.bytes(), false);
        assert_eq!((answer.status(), answer.word()), (status, word), "{}", request.what);
        let expected = Seen::by_visitor(&answer).in_any_version();
        let (answer, _) = Way { tls: true, ..Way::WHOLE }.go(&edge, request.host, &request.bytes(), false);
        assert_eq!(Seen::by_visitor(&answer).in_any_version(), expected, "{} over TLS", request.what);
        for frames in every_framing() {
            let answer = answered(request.what, frames.go(&edge, h2c, &request));
            assert_eq!(Seen::by_visitor(&answer).in_any_version(), expected, "{}, {frames:?}", request.what);
        }
        recorder.expect_nothing();
    }
}

/// A node in front of an upstream that notes what reached it.
struct Node {
    edge: Edge,
    h2c: SocketAddr,
    origin: Origin,
    _companion: Origin,
}

impl Node {
    fn new() -> Self {
        let origin = Origin::answering(|request| {
            let body = if request.start.starts_with("HEAD") { "" } else { "here" };
            format!("HTTP/1.1 200 OK\r\nX-Kept: 1\r\nContent-Length: 4\r\n\r\n{body}").into_bytes()
        });
        let companion = companion();
        let edge = files("\"a.test\", \"b.test\"", &origin.address(), &companion).start();
        Self { h2c: edge.listener("127.0.0.2", "clear"), edge, origin, _companion: companion }
    }

    /// What the upstream and the visitor see of `bytes`.
    #[track_caller]
    fn seen(&self, way: &Way, bytes: &[u8]) -> (Option<Seen>, Seen) {
        let (answer, mut raw) = way.go(&self.edge, "a.test", bytes, false);
        let found = self.after(&answer);
        if way.place == Place::Before {
            if answer.says_close() || answer.start.starts_with("HTTP/1.0") {
                raw.expect_close();
            } else {
                raw.expect_companion();
            }
        }
        found
    }

    #[track_caller]
    fn after(&self, answer: &Message) -> (Option<Seen>, Seen) {
        let mut requests = self.origin.take_requests();
        assert!(requests.len() <= 1, "{requests:?}");
        (requests.pop().as_ref().map(Seen::by_upstream), Seen::by_visitor(answer))
    }
}

/// One account with two sites: what is looked at, and the one that keeps it company.
fn files(addresses: &str, upstream: &str, companion: &Origin) -> Files {
    let main = site("main", addresses, upstream);
    let companion = site("companion", "\"c.test\"", &companion.address());
    Files::new()
        .set("node", "workers", "1")
        .set("limits", "handshakes_per_client", "\"unlimited\"")
        .listen("address = \"127.0.0.2:0\"\nprotocols = [\"h2c\"]")
        .document("alice", &format!("[limits]\nbody_bytes = \"60K\"\n{main}{companion}"))
}

fn every_framing() -> Vec<Frames> {
    let mut all = Vec::new();
    for tls in [false, true] {
        for kept in [false, true] {
            for (data, head, late_end) in
                [(usize::MAX, usize::MAX, false), (7, 5, false), (1000, 40, true), (usize::MAX, 1, true)]
            {
                all.push(Frames { tls, kept, data, head, late_end });
            }
        }
    }
    all
}

/// Requests that are sound, from the vectors and from [`requests`].
fn corpus() -> Vec<(&'static str, Vec<u8>)> {
    let allowed = ALLOWED.iter().map(|(what, bytes)| (*what, bytes.to_vec()));
    allowed.chain(requests().into_iter().map(|request| (request.what, request.bytes()))).collect()
}

fn request(what: &'static str, method: &'static str, target: &str) -> Request {
    Request { what, method, host: "a.test", target: target.to_owned(), fields: Vec::new(), body: Body::None }
}

fn with(what: &'static str, fields: Vec<(&'static str, String)>) -> Request {
    Request { fields, ..request(what, "GET", "/app") }
}

/// Requests that every version can say; no body larger than the first window of HTTP/2.
fn requests() -> Vec<Request> {
    let fields = |fields: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    };
    let body = |what, body| Request { body, ..request(what, "POST", "/p?q=1") };
    vec![
        request("a GET", "GET", "/"),
        request("a HEAD", "HEAD", "/h"),
        request("a DELETE", "DELETE", "/d"),
        request("OPTIONS of everything", "OPTIONS", "*"),
        request("a method nobody knows", "BREW", "/pot"),
        request("an odd target", "GET", "//a/../%2e?x=[]{}|\\^`&y=%00"),
        Request { host: "A.Test.:8443", ..request("another spelling of the host", "GET", "/") },
        with(
            "a browser",
            fields(&[
                ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
                ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
                ("accept-language", "de,en-US;q=0.7,en;q=0.3"),
                ("accept-encoding", "gzip, deflate, br, zstd"),
                ("referer", "https://a.test/from"),
                ("cookie", "session=0123456789abcdef; theme=dark"),
                ("upgrade-insecure-requests", "1"),
                ("sec-fetch-dest", "document"),
                ("if-none-match", "W/\"x\""),
                ("priority", "u=0, i"),
            ]),
        ),
        with(
            "forged fields",
            fields(&[
                ("x-forwarded-for", "6.6.6.6"),
                ("x_forwarded_for", "6.6.6.6"),
                ("x.forwarded.for", "6.6.6.6"),
                ("x-real-ip", "6.6.6.6"),
                ("forwarded", "for=6.6.6.6"),
                ("x-request-id", "evil"),
                ("content_length", "666"),
                ("proxy", "http://evil.test"),
                ("via", "1.1 before"),
            ]),
        ),
        with(
            "values of all kinds",
            fields(&[("x-empty", ""), ("x-tab", "a\tb"), ("x-high", "\u{e4}\u{ff}")]),
        ),
        with("a field twice", fields(&[("x-twice", "1"), ("x-twice", "2")])),
        with("trailers wanted", fields(&[("te", "trailers")])),
        with(
            "credentials",
            fields(&[("authorization", "Basic eA=="), ("proxy-authorization", "Basic eA==")]),
        ),
        body("no byte", Body::Length(Vec::new())),
        body("a byte", Body::Length(pattern(1))),
        body("a form", Body::Length(b"a=1&b=2&c=%20".to_vec())),
        body(
            "a request for a body",
            Body::Length(b"GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n".to_vec()),
        ),
        body("chunks", Body::Chunked(pattern(50), 7, vec![])),
        body("chunks and trailers", Body::Chunked(pattern(40), 40, vec![("x-sum", "abc"), ("x-more", "")])),
        body("a large body", Body::Length(pattern(60_000))),
        body("large chunks", Body::Chunked(pattern(50_000), 20_001, vec![("x-sum", "abc")])),
        Request { body: Body::Length(pattern(30)), ..request("a PUT", "PUT", "/put") },
        Request { body: Body::Length(pattern(30)), ..request("a GET with a body", "GET", "/") },
        Request {
            fields: fields(&[("expect", "100-continue")]),
            ..body("an expectation", Body::Length(pattern(30)))
        },
    ]
}

/// Every place within the head and the first bytes behind it.
fn everywhere(bytes: &[u8]) -> Vec<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
    (1..bytes.len().min(head + 80)).collect()
}

fn ways() -> impl Strategy<Value = Way> {
    use proptest::prelude::*;
    let places = prop::sample::select(vec![Place::First, Place::Kept, Place::Behind, Place::Before]);
    (any::<bool>(), places, prop::collection::vec(any::<prop::sample::Index>(), 0..6)).prop_map(
        |(tls, place, cuts)| Way { tls, place, cuts: cuts.iter().map(|cut| cut.index(1 << 20)).collect() },
    )
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 50, ..Config::default() })
}
