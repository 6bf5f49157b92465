//! Heads by exact bytes: what is read, what is refused and with which cause, in any pieces.

use super::*;
use crate::message::{BodyLength, Known};
use proptest::prelude::*;

const LIMITS: HeadLimits = HeadLimits { header_bytes: 1024, header_count: 8, url_bytes: 128, mends: false };

/// What comes of `bytes` when they arrive in pieces that end at `cuts`.
fn request_in_pieces(bytes: &[u8], cuts: &[usize]) -> Result<Option<RequestHead>, Cause> {
    let mut parser = RequestParser::new();
    let mut input = Buffer::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        input.extend(&bytes[start..end]);
        start = end;
        match parser.parse(&mut input, &LIMITS) {
            Ok(None) => {}
            Ok(Some(head)) => return Ok(Some(head)),
            Err(refusal) => return Err(refusal.cause),
        }
    }
    Ok(None)
}

/// What comes of `bytes` in one piece; byte by byte it must be the same.
fn request(bytes: &[u8]) -> Result<Option<RequestHead>, Cause> {
    let whole = request_in_pieces(bytes, &[]);
    let dripped = request_in_pieces(bytes, &(1..bytes.len()).collect::<Vec<_>>());
    assert_eq!(told(&whole), told(&dripped), "{:?}", String::from_utf8_lossy(bytes));
    whole
}

fn response(bytes: &[u8]) -> Result<Option<ResponseHead>, Cause> {
    let mut whole = Buffer::new();
    whole.extend(bytes);
    let whole = ResponseParser::new().parse(&mut whole, 1024);
    let (mut parser, mut input, mut dripped) = (ResponseParser::new(), Buffer::new(), Ok(None));
    for byte in bytes {
        input.extend(&[*byte]);
        dripped = parser.parse(&mut input, 1024);
        if !matches!(dripped, Ok(None)) {
            break;
        }
    }
    // What begins like nothing we know is quoted as far as it has come.
    let told = |parsed: &Result<_, Refusal>| {
        let text = format!("{parsed:?}");
        text.split("does not begin like").next().map(str::to_owned)
    };
    assert_eq!(told(&whole), told(&dripped), "{:?}", String::from_utf8_lossy(bytes));
    whole.map_err(|refusal| refusal.cause)
}

/// A head as text, to compare and to read.
fn told(parsed: &Result<Option<RequestHead>, Cause>) -> Result<Option<String>, Cause> {
    let head = match parsed {
        Ok(Some(head)) => head,
        Ok(None) => return Ok(None),
        Err(cause) => return Err(*cause),
    };
    let mut text = format!(
        "{} {} {} {:?} {:?}",
        String::from_utf8_lossy(head.method()),
        String::from_utf8_lossy(head.path_and_query()),
        head.version().as_str(),
        head.authority(),
        head.body(),
    );
    for field in head.fields().iter() {
        let (name, value) = (String::from_utf8_lossy(field.name), field.value.escape_ascii());
        text = format!("{text}\n{name}={value} ({:?})", field.known);
    }
    Ok(Some(text))
}

fn parsed(bytes: &str) -> RequestHead {
    request(bytes.as_bytes()).unwrap_or_else(|cause| panic!("{cause:?}: {bytes:?}")).unwrap()
}

fn refused(bytes: impl AsRef<[u8]>, cause: Cause) {
    let bytes = bytes.as_ref();
    match request(bytes) {
        Err(found) => assert_eq!(found, cause, "{:?}", String::from_utf8_lossy(bytes)),
        Ok(head) => panic!("{:?} was let through as {head:?}", String::from_utf8_lossy(bytes)),
    }
}

/// A request with these lines beside `Host`.
fn with(lines: &str) -> String {
    format!("POST /p HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n")
}

#[test]
fn a_plain_request() {
    let head = parsed(
        "GET /a/b?c=d HTTP/1.1\r\nHost: A.Test:8080\r\nX-Custom: \t two words \t\r\nEmpty:\r\nCookie: \u{e9}\r\n\r\n",
    );
    assert_eq!(
        (head.method(), head.path_and_query(), head.path()),
        (&b"GET"[..], &b"/a/b?c=d"[..], &b"/a/b"[..])
    );
    assert_eq!((head.authority().host.as_str(), head.authority().port), ("a.test", Some(8080)));
    assert_eq!((head.version(), head.body()), (Version::Http11, BodyLength::None));
    assert!(head.keep_alive() && head.is_safe() && head.is_idempotent() && !head.is_head());
    assert!(!head.expects_continue() && head.upgrade().is_none());
    let values: Vec<&[u8]> = head.fields().iter().map(|field| field.value).collect();
    assert_eq!(values, [&b"A.Test:8080"[..], b"two words", b"", "\u{e9}".as_bytes()]);
    assert_eq!(head.fields().find("x-CUSTOM"), Some(&b"two words"[..]));
    assert_eq!(head.fields().first(Known::Cookie), Some("\u{e9}".as_bytes()));
    assert_eq!(head.line_for_log(), (&b"GET"[..], &b"/a/b?c=d"[..], "HTTP/1.1"));
}

#[test]
fn what_follows_a_head_stays() {
    let mut input = Buffer::new();
    input.extend(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\nrest");
    let mut parser = RequestParser::new();
    let first = parser.parse(&mut input, &LIMITS).unwrap().unwrap();
    let second = parser.parse(&mut input, &LIMITS).unwrap().unwrap();
    assert_eq!((first.path(), second.path()), (&b"/"[..], &b"/2"[..]));
    assert_eq!(input.filled(), b"rest");
    assert_eq!(first.fields().first(Known::Host), Some(&b"a"[..]));
}

#[test]
fn head_bytes_do_not_move() {
    let mut input = Buffer::new();
    input.extend(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody");
    let place = input.filled().as_ptr();
    let head = RequestParser::new().parse(&mut input, &LIMITS).unwrap().unwrap();
    assert_eq!(head.method().as_ptr(), place);
}

#[test]
fn refused_before_the_head_is_whole() {
    for (bytes, cause) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00"[..], Cause::BadRequest),
        (b"\n", Cause::BadRequest),
        (b"\rG", Cause::BadRequest),
        (b"\r\n\r\n\r\n", Cause::BadRequest),
        (b" GET", Cause::BadRequest),
        (b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Cause::BadRequest),
        (b"GET / HTTP/1.1\nHost: a.test", Cause::BadRequest),
        (b"GET /\r\n", Cause::BadRequest),
        (b"GET\r\n", Cause::BadRequest),
        (b"GET / HTTP/1.1\r\nHost: a.test\n", Cause::BadRequest),
    ] {
        refused(bytes, cause);
    }
    let long = format!("GET /{}", "a".repeat(LIMITS.url_bytes));
    refused(&long, Cause::UrlTooLong);
    assert!(request(&long.as_bytes()[..long.len() - 1]).unwrap().is_none());
    refused(format!("GET / HTTP/1.1\r\nx: {}", "a".repeat(LIMITS.header_bytes - 19)), Cause::HeaderTooLarge);
    refused(
        format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(LIMITS.header_count + 1)),
        Cause::HeaderTooLarge,
    );
}

#[test]
fn limits_are_met_exactly() {
    let url = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(bytes - 1));
    parsed(&url(LIMITS.url_bytes));
    refused(url(LIMITS.url_bytes + 1), Cause::UrlTooLong);
    let count = |fields: usize| with(&"a: b\r\n".repeat(fields - 1));
    parsed(&count(LIMITS.header_count));
    refused(count(LIMITS.header_count + 1), Cause::HeaderTooLarge);
    let bytes = |all: usize| with(&format!("a: {}\r\n", "b".repeat(all - with("a: \r\n").len())));
    assert_eq!(bytes(LIMITS.header_bytes).len(), LIMITS.header_bytes);
    parsed(&bytes(LIMITS.header_bytes));
    refused(bytes(LIMITS.header_bytes + 1), Cause::HeaderTooLarge);
}

#[test]
fn request_lines() {
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET\t/ HTTP/1.1",
        "GET /",
        "GET",
        "GET / http/1.1",
        "GET / HTTP/1",
        "GET / HTTP/1.1.1",
        "GET / HTTP/11",
        "GET / XHTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /\x01 HTTP/1.1",
        "GET /\x7f HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /\u{e9} HTTP/1.1",
        "GET /\t HTTP/1.1",
        "GET /\r HTTP/1.1",
        "GET /#f HTTP/1.1",
        "GET * HTTP/1.1",
        "GET a.test/ HTTP/1.1",
        "GET a.test:80 HTTP/1.1",
        "GET ?q HTTP/1.1",
        "GET ftp://a.test/ HTTP/1.1",
        "GET http:/a.test/ HTTP/1.1",
        "GET http:///path HTTP/1.1",
        "GET http://u@a.test/ HTTP/1.1",
        "GET http://a.test:x/ HTTP/1.1",
        "GET http://a.test#f HTTP/1.1",
        "OPTIONS ** HTTP/1.1",
        "G(T / HTTP/1.1",
        "G\0T / HTTP/1.1",
        "GET:x / HTTP/1.1",
    ] {
        refused(format!("{line}\r\nHost: a.test\r\n\r\n"), Cause::BadRequest);
    }
    refused("GET /\r\n\r\n", Cause::BadRequest);
    for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.0"] {
        refused(format!("GET / {version}\r\nHost: a.test\r\n\r\n"), Cause::VersionNotSupported);
    }
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Cause::VersionNotSupported);
    refused("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", Cause::NotImplemented);
    refused("TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", Cause::NotImplemented);
}

#[test]
fn targets() {
    for (method, target, expected) in [
        ("GET", "/", "/"),
        ("GET", "//a/../b?c=/d?e", "//a/../b?c=/d?e"),
        ("GET", "/%00%0d%0a|{}^\"<>\\`", "/%00%0d%0a|{}^\"<>\\`"),
        ("OPTIONS", "*", "*"),
        ("GET", "http://a.test/b?c", "/b?c"),
        ("GET", "HTTP://A.test.:80/b", "/b"),
        ("GET", "http://a.test", "/"),
        ("GET", "http://a.test?c=/", "/?c=/"),
        ("OPTIONS", "http://a.test", "*"),
        ("OPTIONS", "http://a.test/", "/"),
        ("OPTIONS", "http://a.test?c", "/?c"),
    ] {
        let head = parsed(&format!("{method} {target} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        assert_eq!(head.path_and_query(), expected.as_bytes(), "{target}");
        assert_eq!(head.authority().host.as_str(), "a.test");
    }
}

#[test]
fn hosts() {
    for lines in [
        "",
        "Host: a.test\r\nHost: a.test\r\n",
        "Host: a.test\r\nhost: b.test\r\n",
        "Host:\r\n",
        "Host: a.test, b.test\r\n",
        "Host: a.test b.test\r\n",
        "Host: u@a.test\r\n",
        "Host: u:p@a.test\r\n",
        "Host: a%2etest\r\n",
        "Host: a.test/\r\n",
        "Host: a.test:80:80\r\n",
        "Host: a.test:+80\r\n",
        "Host: http://a.test\r\n",
        "Host: a..test\r\n",
        "Host: .\r\n",
        "Host: ::1\r\n",
        "Host: [::1\r\n",
        "Host: [::1]x\r\n",
        "Host: \u{e9}.test\r\n",
        "Host: a\ttest\r\n",
        "Host: \"a.test\"\r\n",
    ] {
        refused(format!("GET / HTTP/1.1\r\n{lines}\r\n"), Cause::BadRequest);
    }
    for (host, expected) in [
        ("A.TEST", "a.test"),
        ("a.test.", "a.test"),
        ("a_b.test", "a_b.test"),
        ("[2001:DB8::1]:443", "[2001:db8::1]"),
        ("192.0.2.1", "192.0.2.1"),
    ] {
        let head = parsed(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(head.authority().host.as_str(), expected);
    }
}

#[test]
fn the_target_wins_and_host_must_agree() {
    let ask = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\n{host}\r\n");
    for (target, host) in [
        ("http://a.test/", ""),
        ("http://a.test/", "Host: b.test\r\n"),
        ("http://a.test/", "Host:\r\n"),
        ("http://a.test:8080/", "Host: a.test\r\n"),
        ("https://a.test/", "Host: a.test:80\r\n"),
    ] {
        refused(ask(target, host), Cause::BadRequest);
    }
    for (target, host) in [
        ("http://a.test:80/", "Host: A.test\r\n"),
        ("https://a.test/", "Host: a.test:443\r\n"),
        ("http://a.test:8080/", "Host: a.test:8080\r\n"),
    ] {
        assert_eq!(parsed(&ask(target, host)).authority().host.as_str(), "a.test");
    }
    let old = parsed("GET http://a.test/ HTTP/1.0\r\n\r\n");
    assert_eq!(old.authority().host.as_str(), "a.test");
    refused("GET / HTTP/1.0\r\n\r\n", Cause::BadRequest);
}

#[test]
fn field_syntax() {
    for lines in [
        "a : b\r\n",
        "a\t: b\r\n",
        " a: b\r\n",
        "a: b\r\n c\r\n",
        "a: b\r\n\tc\r\n",
        "a: b\rc: d\r\n",
        "a: b\r\r\n",
        "a: b\0\r\n",
        "a: \x01\r\n",
        "a: \x7f\r\n",
        "a\0: b\r\n",
        "a(b): c\r\n",
        "\u{e9}: b\r\n",
        ": b\r\n",
        "a\r\n",
        "a: b\x0b\r\n",
    ] {
        refused(with(lines), Cause::BadRequest);
    }
    refused("GET / HTTP/1.1\r\n Host: a.test\r\n\r\n", Cause::BadRequest);
}

#[test]
fn framing_of_requests() {
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\ncontent-LENGTH: 0\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5,6\r\n",
        "Content-Length:\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 5_0\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length: 9223372036854775808\r\n",
        "Content-Length: 18446744073709551621\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunkedx\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;a=b\r\n",
        "Transfer-Encoding: chun\tked\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\r\n : chunked\r\n",
    ] {
        refused(with(lines), Cause::BadRequest);
    }
    refused(with("Transfer-Encoding: gzip, chunked\r\n"), Cause::NotImplemented);
    refused("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Cause::BadRequest);
    for (lines, expected) in [
        ("", BodyLength::None),
        ("Content-Length: 0\r\n", BodyLength::Length(0)),
        ("Content-Length: \t5 \r\n", BodyLength::Length(5)),
        ("content-length: 9223372036854775807\r\n", BodyLength::Length(i64::MAX as u64)),
        ("Transfer-Encoding: chunked\r\n", BodyLength::Chunked),
        ("transfer-encoding:CHUNKED\r\n", BodyLength::Chunked),
    ] {
        assert_eq!(parsed(&with(lines)).body(), expected, "{lines}");
    }
    let get = parsed("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(get.body(), BodyLength::Length(5), "a GET with a body has one");
}

#[test]
fn expectations() {
    refused(with("Expect: 200-ok\r\n"), Cause::ExpectationFailed);
    refused(with("Expect: 100-continue, x\r\n"), Cause::ExpectationFailed);
    refused(with("Expect: 100-continue\r\nExpect: x\r\n"), Cause::ExpectationFailed);
    assert!(parsed(&with("Expect: 100-Continue\r\nContent-Length: 5\r\n")).expects_continue());
    assert!(!parsed(&with("Expect: 100-continue\r\nContent-Length: 0\r\n")).expects_continue());
    assert!(!parsed(&with("Expect: 100-continue\r\n")).expects_continue());
    let old = "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    assert!(!parsed(old).expects_continue());
}

#[test]
fn persistence_and_options() {
    let ask = |version: &str, options: &str| {
        parsed(&format!("GET / HTTP/{version}\r\nHost: a\r\n{options}\r\n")).keep_alive()
    };
    for (version, options, expected) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, CLOSE\r\n", false),
        ("1.1", "Connection: x\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        assert_eq!(ask(version, options), expected, "{version} {options}");
    }
    for option in [
        "Host",
        "content-length",
        "Cookie",
        "Authorization",
        "X-Forwarded-For",
        "X_Forwarded_For",
        "X-Forwarded-Anything",
        "Forwarded",
        "Via",
        "Sec-WebSocket-Key",
        "a b",
        "\"close\"",
        "close;x",
    ] {
        refused(with(&format!("Connection: close, {option}\r\n")), Cause::BadRequest);
    }
    refused(with(&format!("Connection: {}\r\n", "a,".repeat(33))), Cause::BadRequest);
    parsed(&with(&format!("Connection: {}\r\n", "a,".repeat(32))));
    parsed(&with("Connection: Keep-Alive, TE, Upgrade, HTTP2-Settings, X-Mine, Transfer-Encoding\r\n"));
}

#[test]
fn upgrades() {
    let ask = |version: &str, lines: &str| {
        let head = parsed(&format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n"));
        head.upgrade()
            .map(|upgrade| (String::from_utf8_lossy(upgrade.protocol).into_owned(), upgrade.is_websocket()))
    };
    let websocket = "Connection: Upgrade\r\nUpgrade: WebSocket\r\n";
    assert_eq!(ask("1.1", websocket), Some(("WebSocket".into(), true)));
    assert_eq!(ask("1.1", "Connection: upgrade\r\nUpgrade: h2c, a/1, b\r\n"), Some(("a/1".into(), false)));
    for (version, lines) in [
        ("1.0", websocket),
        ("1.1", "Upgrade: websocket\r\n"),
        ("1.1", "Connection: upgrade\r\n"),
        ("1.1", "Connection: upgrade\r\nUpgrade: h2c\r\n"),
        ("1.1", "Connection: upgrade\r\nUpgrade: TLS/1.2\r\n"),
        ("1.1", "Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n"),
        ("1.1", "Connection: upgrade\r\nUpgrade: a b\r\n"),
        ("1.1", "Connection: upgrade\r\nUpgrade: a/b/c\r\n"),
        ("1.1", "Connection: upgrade\r\nUpgrade: ,\r\n"),
    ] {
        assert_eq!(ask(version, lines), None, "{version} {lines}");
    }
}

#[test]
fn many_fields_are_read_like_few() {
    let limits = HeadLimits { header_bytes: 65536, header_count: 500, url_bytes: 128, mends: false };
    let mut input = Buffer::new();
    input.extend(with(&"a: b\r\n".repeat(499)).as_bytes());
    let head = RequestParser::new().parse(&mut input, &limits).unwrap().unwrap();
    assert_eq!(head.fields().len(), 500);
    assert!(head.fields().iter().skip(1).all(|field| (field.name, field.value) == (b"a", b"b")));
}

#[test]
fn plain_responses() {
    let head =
        response(b"HTTP/1.1 200 Fine \xe9\r\nContent-Length: 5\r\nX: \xff\r\n\r\nhello").unwrap().unwrap();
    assert_eq!((head.status(), head.reason(), head.version()), (200, &b"Fine \xe9"[..], Version::Http11));
    assert_eq!((head.body(b"GET"), head.body(b"HEAD")), (BodyLength::Length(5), BodyLength::None));
    assert_eq!(head.declared_length(), Some(5));
    assert_eq!(head.fields().find("x"), Some(&b"\xff"[..]));
    for (line, reason) in [
        ("HTTP/1.1 404 ", "Not Found"),
        ("HTTP/1.1 404", "Not Found"),
        ("HTTP/1.0 599 ", ""),
        ("HTTP/1.1 200  x ", " x "),
    ] {
        let head = response(format!("{line}\r\n\r\n").as_bytes()).unwrap().unwrap();
        assert_eq!(head.reason(), reason.as_bytes(), "{line}");
    }
}

#[test]
fn responses_that_are_none() {
    for bytes in [
        &b"\r\nHTTP/1.1 200 OK\r\n\r\n"[..],
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.2 200 OK\r\n\r\n",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"<html>",
        b"\x15\x03\x01",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 +20 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 600 OK\r\n\r\n",
        b"HTTP/1.1 999 OK\r\n\r\n",
        b"HTTP/1.1 200\tOK\r\n\r\n",
        b"HTTP/1.1 200 O\0K\r\n\r\n",
        b"HTTP/1.1 200 O\rK\r\n\r\n",
        b"HTTP/1.1 200 OK\n\n",
        b"HTTP/1.1 200 OK\r\na: b\n\r\n",
        b"HTTP/1.1 200 OK\r\n a: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: b\0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: a b\r\n\r\n",
    ] {
        assert_eq!(response(bytes).err(), Some(Cause::InvalidAnswer), "{:?}", String::from_utf8_lossy(bytes));
    }
    let long = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(1024));
    assert_eq!(response(long.as_bytes()).err(), Some(Cause::AnswerHeaderTooLarge));
    let mut input = Buffer::new();
    input.extend(format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(1001)).as_bytes());
    let many = ResponseParser::new().parse(&mut input, usize::MAX).unwrap_err();
    assert_eq!(many.cause, Cause::AnswerHeaderTooLarge);
}

#[test]
fn framing_of_responses() {
    let ask = |head: &str| response(format!("{head}\r\n\r\n").as_bytes()).unwrap().unwrap();
    for (head, method, expected) in [
        ("HTTP/1.1 200 OK", "GET", BodyLength::UntilClose),
        ("HTTP/1.0 200 OK", "GET", BodyLength::UntilClose),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0", "GET", BodyLength::Length(0)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5", "GET", BodyLength::Length(5)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked", "GET", BodyLength::Chunked),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "HEAD", BodyLength::None),
        ("HTTP/1.1 200 OK", "head", BodyLength::UntilClose),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5", "GET", BodyLength::None),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5", "GET", BodyLength::None),
        ("HTTP/1.1 103 Early Hints", "GET", BodyLength::None),
        ("HTTP/1.1 101 Switching Protocols", "GET", BodyLength::None),
    ] {
        assert_eq!(ask(head).body(method.as_bytes()), expected, "{head}");
    }
    for (head, expected) in [
        ("HTTP/1.1 200 OK", true),
        ("HTTP/1.1 200 OK\r\nConnection: close", false),
        ("HTTP/1.0 200 OK", false),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive", true),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 0", true),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5", false),
        ("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked", false),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5", true),
    ] {
        assert_eq!(ask(head).keep_alive(), expected, "{head}");
    }
    assert!(ask("HTTP/1.1 100 Continue").is_interim() && ask("HTTP/1.1 103 x").is_interim());
    assert!(!ask("HTTP/1.1 101 x").is_interim() && !ask("HTTP/1.1 200 x").is_interim());
    let switched = |lines: &str| ask(&format!("HTTP/1.1 101 x{lines}")).upgraded_to().map(<[u8]>::to_vec);
    assert_eq!(switched("\r\nConnection: Upgrade\r\nUpgrade: websocket"), Some(b"websocket".to_vec()));
    assert_eq!(switched("\r\nUpgrade: websocket"), None);
    assert_eq!(switched("\r\nConnection: upgrade\r\nUpgrade: a, b"), None);
    assert_eq!(switched("\r\nConnection: upgrade"), None);
}

/// Bytes that are nearly a request: pieces that parsers trip over, in any order.
fn nearly_a_request() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"GET / HTTP/1.1\r\n"[..],
        b"OPTIONS * HTTP/1.1\r\n",
        b"POST http://a.test?q HTTP/1.0\r\n",
        b"Host: a.test\r\n",
        b"Host: a.test:80\r\n",
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close, x-a, te\r\n",
        b"Upgrade: websocket\r\n",
        b"X-A:  b \r\n",
        b"X_Forwarded_For: c\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"\0",
        b":",
        b"\xff",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ]);
    let random = prop::collection::vec(any::<u8>(), 0..4);
    let pieces = prop::collection::vec(prop_oneof![8 => piece.prop_map(<[u8]>::to_vec), 1 => random], 0..24);
    (any::<bool>(), pieces).prop_map(|(begun, pieces)| {
        let start: &[u8] = if begun { b"GET / HTTP/1.1\r\nHost: a.test\r\n" } else { b"" };
        [start, &pieces.concat(), if begun { b"\r\n" } else { b"" }].concat()
    })
}

proptest! {
    #[test]
    fn any_pieces_parse_the_same(bytes in nearly_a_request(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = told(&request_in_pieces(&bytes, &[]));
        prop_assert_eq!(&whole, &told(&request_in_pieces(&bytes, &cuts)));
        let dripped: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(&whole, &told(&request_in_pieces(&bytes, &dripped)));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = request(&bytes);
        let _ = response(&bytes);
        let _ = response(&[b"HTTP/1.1 200 OK\r\n", &bytes[..], b"\r\n\r\n"].concat());
    }
}

/// What was wrong with an answer is told to whoever has to mend it, with the line.
#[test]
fn a_wrong_line_of_an_answer_is_quoted() {
    for (answer, said) in [
        ("HTTP/1.1 200 OK\r\nA: b\r\nBad Name: c\r\n\r\n", "a field name that is no token: \"Bad Name: c\""),
        ("HTTP/1.1 200 OK\r\nA: b\r\nno colon\r\n\r\n", "a field name that is no token: \"no colon\""),
        ("HTTP/1.1 200 OK\r\nA: b\r\nX: \u{1}\r\n\r\n", "a control character in a field: \"X: \\x01\""),
        ("HTTP/1.1 2x0 OK\r\n\r\n", "a status line that is none: \"HTTP/1.1 2x0 OK\""),
        ("HTTP/1.1 600 No\r\n\r\n", "a status outside 100 to 599: \"600\""),
        ("HTTP/1.1 200 OK\r\nA: b\r\nC: d\nE: f\r\n\r\n", "a line that ends in LF without CR: \"C: d\""),
        ("HTTP/1.1 200 OK\nA: b\r\n\r\n", "a line that ends in LF without CR: \"HTTP/1.1 200 OK\""),
        ("<html>no\r\n", "does not begin like HTTP/1: \"<html>no\\r\""),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\ncontent-length: 6\r\n\r\n",
            "Content-Length fields that differ: \"Content-Length: 5, content-length: 6\"",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "a transfer coding other than chunked: \"Transfer-Encoding: gzip, chunked\"",
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: a b\r\n\r\n",
            "a connection option that is no token: \"Connection: a b\"",
        ),
    ] {
        let mut input = Buffer::new();
        input.extend(answer.as_bytes());
        let refusal = ResponseParser::new().parse(&mut input, 1024).unwrap_err();
        assert_eq!(refusal.detail, said);
    }
    let long = format!("HTTP/1.1 200 OK\r\nBad Name: {}\r\n\r\n", "x".repeat(500));
    let mut input = Buffer::new();
    input.extend(long.as_bytes());
    let refusal = ResponseParser::new().parse(&mut input, 1024).unwrap_err();
    assert!(refusal.detail.ends_with("xxx\" …") && refusal.detail.len() < 300, "{}", refusal.detail);
}

#[test]
fn what_is_not_quite_right_with_an_answer_passes() {
    for (answer, repairs) in [
        ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", &[][..]),
        ("HTTP/1.1 200 \r\nA: b\r\n\r\n", &[]),
        ("HTTP/1.1 200\r\nA: b\r\n\r\n", &[Repair::MissingReason]),
        ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n", &[Repair::FoldedLine]),
        ("HTTP/1.1 200 OK\r\nA: caf\u{e9}\r\n\r\n", &[Repair::HighBytes]),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", &[Repair::SameLengths]),
        ("HTTP/1.1 200 OK\r\nContent-Length: 7, 7\r\n\r\n", &[Repair::SameLengths]),
    ] {
        let head = response(answer.as_bytes()).unwrap().unwrap();
        assert_eq!(head.repairs().iter().collect::<Vec<_>>(), repairs, "{answer:?}");
        assert_eq!(head.reason(), b"OK");
    }
    let folded = response(b"HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\nTransfer-Encoding:\r\n chunked\r\n\r\n")
        .unwrap()
        .unwrap();
    let values: Vec<_> = folded.fields().iter().map(|field| field.value.to_vec()).collect();
    assert_eq!(values, [b"b  \tc".to_vec(), b"chunked".to_vec()]);
    assert_eq!(folded.body(b"GET"), BodyLength::Chunked);
}

/// Mending is asked for, and changes nothing of what is right or cannot be mended.
#[test]
fn requests_are_mended_where_that_is_asked_for() {
    let mends = HeadLimits { mends: true, ..LIMITS };
    let parse = |bytes: &str, limits: &HeadLimits| {
        let mut input = Buffer::new();
        input.extend(bytes.as_bytes());
        input.extend(b"GET /next HTTP/1.1\r\nHost: b\r\n\r\n");
        let mut parser = RequestParser::new();
        let head = parser.parse(&mut input, limits).map_err(|refusal| refusal.cause)?.unwrap();
        // The next request begins where it did.
        let next = parser.parse(&mut input, limits).unwrap().unwrap();
        assert_eq!((next.path_and_query(), input.len()), (&b"/next"[..], 0));
        Ok::<_, Cause>(head)
    };
    for head in [
        "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: a\r\nX[]: y\r\nB: c\u{1}\r\n\r\n",
    ] {
        assert_eq!(parse(head, &LIMITS).err(), Some(Cause::BadRequest), "{head:?}");
        assert!(!parse(head, &mends).unwrap().repairs().is_empty());
    }
    let mended =
        parse("GET http://a/x#b HTTP/1.1\r\nHost: a\r\nX[]: y\r\nB: c\u{1}d\r\n\r\n", &mends).unwrap();
    let fields: Vec<_> = mended.fields().iter().map(|field| (field.name, field.value)).collect();
    assert_eq!(
        (mended.path_and_query(), &fields[..]),
        (&b"/x"[..], &[(&b"Host"[..], &b"a"[..]), (b"B", b"c d")][..])
    );
    assert!(parse("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", &mends).unwrap().repairs().is_empty());
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\nX[]: y\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded[]: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\u{1}\r\n\r\n",
        "GET / HTTP/1.1\r\nX[]: y\r\n\r\n",
    ] {
        let mut input = Buffer::new();
        input.extend(head.as_bytes());
        assert_eq!(
            RequestParser::new().parse(&mut input, &mends).unwrap_err().cause,
            Cause::BadRequest,
            "{head:?}"
        );
    }
}
