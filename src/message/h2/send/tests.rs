//! Heads and trailers from either version into HTTP/2, and from HTTP/2 into HTTP/1.

use super::*;
use crate::base::Buffer;
use crate::config::HeadLimits;
use crate::message::h1::{RequestParser, ResponseParser, write_request};
use crate::message::{Target, h2};

const LIMITS: HeadLimits =
    HeadLimits { header_bytes: 8192, header_count: 100, url_bytes: 1024, mends: false };

fn h1_request(bytes: &str) -> RequestHead {
    let mut input = Buffer::new();
    input.extend(bytes.as_bytes());
    RequestParser::new().parse(&mut input, &LIMITS).unwrap().unwrap()
}

fn h1_response(bytes: &str) -> ResponseHead {
    let mut input = Buffer::new();
    input.extend(bytes.as_bytes());
    ResponseParser::new().parse(&mut input, 8192).unwrap().unwrap()
}

fn edits(body: BodyLength) -> ResponseEdits<'static> {
    ResponseEdits { status: None, body, persistence: Persistence::Close, drop: KnownSet::EMPTY, append: b"" }
}

fn texts(map: &HeaderMap) -> Vec<String> {
    map.iter().map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii())).collect()
}

#[test]
fn a_response_from_http_1() {
    let head = h1_response(
        "HTTP/1.1 404 Nothing\r\nServer: x\r\nX-Custom:  \u{e9} \r\nSet-Cookie: a\r\nset-cookie: b\r\n\
         Connection: close, X-Mine\r\nKeep-Alive: 5\r\nX-Mine: 1\r\nTransfer-Encoding: chunked\r\nEmpty:\r\n\r\n",
    );
    let edits = ResponseEdits {
        drop: KnownSet::of(&[Known::Server]),
        append: b"Via: 1.1 parvis\r\nX-Two: 2\r\n",
        ..edits(BodyLength::Chunked)
    };
    let response = response(&head, &edits);
    assert_eq!(response.status(), 404);
    let expected =
        ["x-custom: \\xc3\\xa9", "set-cookie: a", "set-cookie: b", "empty: ", "via: 1.1 parvis", "x-two: 2"];
    assert_eq!(texts(response.headers()), expected);
}

#[test]
fn lengths_of_responses() {
    let head = h1_response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n");
    let said = |head: &ResponseHead, body| texts(response(head, &edits(body)).headers());
    assert_eq!(said(&head, BodyLength::Length(5)), ["content-length: 5"]);
    assert_eq!(said(&head, BodyLength::None), ["content-length: 5"]);
    assert!(said(&head, BodyLength::Chunked).is_empty());
    assert!(said(&h1_response("HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n"), BodyLength::None).is_empty());
    assert_eq!(said(&ResponseHead::new(200), BodyLength::Length(0)), ["content-length: 0"]);
    let switched = h1_response(
        "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
    );
    let accepted = ResponseEdits {
        status: Some(200),
        drop: KnownSet::of(&[Known::SecWebSocketAccept]),
        ..edits(BodyLength::None)
    };
    let response = response(&switched, &accepted);
    assert_eq!((response.status().as_u16(), response.headers().len()), (200, 0));
}

fn request_edits<'a>(head: &'a RequestHead, persistence: Persistence<'a>) -> RequestEdits<'a> {
    RequestEdits {
        host: b"a.test:8080",
        target: Target { base: b"", path_and_query: head.path_and_query() },
        body: head.body(),
        persistence,
        expect_continue: head.expects_continue(),
        drop: KnownSet::EMPTY,
        append: b"X-Request-ID: 7\r\n",
    }
}

#[test]
fn a_request_from_http_1() {
    let head = h1_request(
        "POST /a?b HTTP/1.1\r\nHost: a.test\r\nX-A: 1\r\nTE: trailers\r\nContent-Length: 5\r\n\
         X_Real_IP: ::1\r\nExpect: 100-continue\r\nConnection: TE\r\n\r\n",
    );
    let asked = request(&head, &request_edits(&head, Persistence::Implied)).unwrap();
    assert_eq!((asked.method().as_str(), asked.uri().to_string()), ("POST", "http://a.test:8080/a?b".into()));
    let expected = ["x-a: 1", "content-length: 5", "expect: 100-continue", "te: trailers", "x-request-id: 7"];
    assert_eq!(texts(asked.headers()), expected);

    let mut edits = request_edits(&head, Persistence::Implied);
    edits.target = Target { base: b"/base", path_and_query: b"?q" };
    assert_eq!(request(&head, &edits).unwrap().uri().path_and_query().unwrap().as_str(), "/base/?q");
    edits.target = Target { base: b"/base", path_and_query: b"*" };
    assert_eq!(request(&head, &edits).unwrap().uri().path(), "*");
}

#[test]
fn a_websocket_from_http_1() {
    let head = h1_request(
        "GET /chat HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    let asked = request(&head, &request_edits(&head, Persistence::Upgrade(b"websocket"))).unwrap();
    assert_eq!(asked.method(), Method::CONNECT);
    assert_eq!(asked.extensions().get::<Protocol>().unwrap().as_str(), "websocket");
    assert_eq!(texts(asked.headers()), ["sec-websocket-version: 13", "x-request-id: 7"]);
}

/// What came by HTTP/2 goes on by HTTP/1 as one sound request: crumbs joined, a WebSocket as its GET.
#[test]
fn from_http_2_to_http_1() {
    let mut asked = http::Request::builder()
        .method("CONNECT")
        .uri("https://a.test/chat?x")
        .extension(Protocol::from("websocket"))
        .body(())
        .unwrap();
    for (name, value) in [
        ("cookie", "a=b"),
        ("sec-websocket-version", "13"),
        ("cookie", "c=d"),
        ("x-forwarded-for", "::1"),
        ("x_forwarded_for", "::1"),
        ("sec-websocket-key", "forged"),
        ("te", "trailers"),
    ] {
        asked.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let head = h2::request_head(&mut asked.into_parts().0, false, &LIMITS).unwrap();
    let upgrade = head.upgrade().unwrap();
    let mut out = Buffer::new();
    write_request(&mut out, &head, &request_edits(&head, Persistence::Upgrade(upgrade.protocol)));
    let expected = "GET /chat?x HTTP/1.1\r\nHost: a.test:8080\r\ncookie: a=b; c=d\r\nsec-websocket-version: 13\r\n\
                    TE: trailers\r\nUpgrade: websocket\r\nConnection: upgrade, TE\r\nX-Request-ID: 7\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(out.filled()), expected);
}

#[test]
fn from_http_2_to_http_2() {
    let mut asked = http::Request::builder().uri("https://a.test/b").body(()).unwrap();
    asked.headers_mut().insert("x-a", HeaderValue::from_static("1"));
    asked.headers_mut().insert("via", HeaderValue::from_static("2 x"));
    let head = h2::request_head(&mut asked.into_parts().0, true, &LIMITS).unwrap();
    let on = request(&head, &request_edits(&head, Persistence::Implied)).unwrap();
    assert_eq!(texts(on.headers()), ["x-a: 1", "x-request-id: 7"]);
}

#[test]
fn trailers_of_either_version() {
    let mut map = HeaderMap::new();
    map.insert("grpc-status", HeaderValue::from_static("0"));
    map.insert("set-cookie", HeaderValue::from_static("a"));
    assert_eq!(texts(&trailers(&Fields::in_map(map))), ["grpc-status: 0"]);
}

/// What the HPACK table keeps of a large head is a value, not the head.
#[test]
fn values_of_a_large_head_stand_alone() {
    for (filler, together) in [(100, true), (2000, false)] {
        let head = h1_response(&format!(
            "HTTP/1.1 200 OK\r\nA: 1\r\nFiller: {}\r\nB: 2\r\n\r\n",
            "x".repeat(filler)
        ));
        let response = response(&head, &edits(BodyLength::None));
        let at = |name: &str| response.headers()[name].as_bytes().as_ptr().addr();
        let near = at("b").wrapping_sub(at("a")) == filler + "1\r\nFiller: \r\nB: ".len();
        assert_eq!(near, together, "{filler}");
    }
}
