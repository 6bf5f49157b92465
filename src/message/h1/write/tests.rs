//! Heads as they go on, byte by byte: what stays behind, what is said anew.

use super::*;
use crate::config::HeadLimits;
use crate::message::h1::{RequestParser, ResponseParser};
use crate::message::{hop, push_line};
use proptest::prelude::*;

const LIMITS: HeadLimits =
    HeadLimits { header_bytes: 8192, header_count: 100, url_bytes: 1024, mends: false };

fn request(bytes: &[u8]) -> Option<RequestHead> {
    let mut input = Buffer::new();
    input.extend(bytes);
    RequestParser::new().parse(&mut input, &LIMITS).ok().flatten()
}

fn response(bytes: &[u8]) -> ResponseHead {
    let mut input = Buffer::new();
    input.extend(bytes);
    ResponseParser::new().parse(&mut input, 8192).unwrap().unwrap()
}

/// Edits that change as little as can be.
fn plain(head: &RequestHead) -> RequestEdits<'_> {
    RequestEdits {
        host: b"a.test",
        target: Target { base: b"", path_and_query: head.path_and_query() },
        body: head.body(),
        persistence: Persistence::Implied,
        expect_continue: false,
        drop: KnownSet::EMPTY,
        append: b"",
    }
}

fn plain_response(body: BodyLength) -> ResponseEdits<'static> {
    ResponseEdits {
        status: None,
        body,
        persistence: Persistence::Implied,
        drop: KnownSet::EMPTY,
        append: b"",
    }
}

fn written(bytes: &str, edit: impl FnOnce(&mut RequestEdits<'_>)) -> String {
    let head = request(bytes.as_bytes()).unwrap();
    let mut edits = plain(&head);
    edit(&mut edits);
    let mut out = Buffer::new();
    write_request(&mut out, &head, &edits);
    String::from_utf8(out.filled().to_vec()).unwrap()
}

fn answered(bytes: &str, edits: ResponseEdits<'_>) -> String {
    let mut out = Buffer::new();
    write_response(&mut out, &response(bytes.as_bytes()), &edits);
    String::from_utf8(out.filled().to_vec()).unwrap()
}

#[test]
fn a_request_goes_on_with_what_is_end_to_end() {
    let received =
        "GET /a?b HTTP/1.1\r\nAccept: */*\r\nHOST: A.test\r\nX-One:1\r\nX-Two: 2\r\nX-Three: \t3 \r\n\r\n";
    let expected =
        "GET /a?b HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nX-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\n\r\n";
    assert_eq!(written(received, |_| {}), expected);
}

#[test]
fn what_is_of_the_connection_stays_behind() {
    for line in [
        "Connection: close",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic eDp5",
        "Proxy-Authenticate: Basic",
        "TE: gzip",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
        "Trailer: X-Sum",
        "Expect: 100-continue",
        "Content-Length: 0",
        "X-Forwarded-For: 192.0.2.1",
        "x-forwarded-proto: https",
        "X-Forwarded-Host: b.test",
        "X-Forwarded-Port: 443",
        "X-Forwarded-Prefix: /x",
        "X-Forwarded-Server: x",
        "X-Real-IP: 192.0.2.1",
        "Forwarded: for=192.0.2.1",
        "Via: 1.1 x",
        "X-Request-ID: x",
        "Proxy: http://192.0.2.1/",
        "X_Forwarded_For: 192.0.2.1",
        "X_Real-IP: 192.0.2.1",
        "X.Forwarded.For: 192.0.2.1",
        "Content_Length: 5",
        "Transfer_Encoding: chunked",
        "Host_: b.test",
    ] {
        let received = format!("GET / HTTP/1.1\r\nHost: a.test\r\nA: 1\r\n{line}\r\nB: 2\r\n\r\n");
        let expected = "GET / HTTP/1.1\r\nHost: a.test\r\nA: 1\r\nB: 2\r\n";
        let written = written(&received, |edits| edits.body = BodyLength::None);
        assert_eq!(written, format!("{expected}\r\n"), "{line}");
    }
}

#[test]
fn what_is_nominated_stays_behind() {
    let received = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Mine: 1\r\nx-other: 2\r\nX-Kept: 3\r\nAccept: x\r\n\
                    Connection: x-mine, Accept\r\nConnection: close, X-OTHER, , \r\n\r\n";
    assert_eq!(written(received, |_| {}), "GET / HTTP/1.1\r\nHost: a.test\r\nX-Kept: 3\r\n\r\n");
    let answer = "HTTP/1.1 200 OK\r\nX-Mine: 1\r\nSet-Cookie: a\r\nConnection: X-Mine, set-cookie\r\n\r\n";
    let expected = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(answered(answer, plain_response(BodyLength::Length(0))), expected);
}

#[test]
fn framing_is_said_anew() {
    let received = "POST / HTTP/1.1\r\nHost: a.test\r\ncontent-length: 0005\r\n\r\n";
    for (body, line) in [
        (BodyLength::None, ""),
        (BodyLength::Length(5), "Content-Length: 5\r\n"),
        (BodyLength::Length(i64::MAX as u64), "Content-Length: 9223372036854775807\r\n"),
        (BodyLength::Chunked, "Transfer-Encoding: chunked\r\n"),
    ] {
        let expected = format!("POST / HTTP/1.1\r\nHost: a.test\r\n{line}\r\n");
        assert_eq!(written(received, |edits| edits.body = body), expected);
    }
    let trailing = "POST / HTTP/1.1\r\nHost: a.test\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n";
    let expected = "POST / HTTP/1.1\r\nHost: a.test\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(written(trailing, |_| {}), expected);
}

#[test]
fn what_the_edits_say_is_written() {
    let received =
        "POST /x HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nUser-Agent: u\r\nContent-Length: 5\r\n\r\n";
    let written = written(received, |edits| {
        edits.host = b"[::1]:8080";
        edits.target = Target { base: b"/base", path_and_query: b"?q" };
        edits.expect_continue = true;
        edits.persistence = Persistence::Close;
        edits.drop = KnownSet::of(&[Known::UserAgent]);
        edits.append = b"Via: 1.1 parvis\r\n";
    });
    let expected = "POST /base/?q HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\
                    TE: trailers\r\nConnection: close, TE\r\nVia: 1.1 parvis\r\n\r\n";
    assert_eq!(written, expected);
}

#[test]
fn connection_lines() {
    let received = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for (persistence, lines) in [
        (Persistence::Implied, ""),
        (Persistence::KeepAlive, "Connection: keep-alive\r\n"),
        (Persistence::Close, "Connection: close\r\n"),
        (Persistence::Upgrade(b"websocket"), "Upgrade: websocket\r\nConnection: upgrade\r\n"),
    ] {
        let expected = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n");
        assert_eq!(written(received, |edits| edits.persistence = persistence), expected);
    }
    let trailers = "GET / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\n\r\n";
    let expected = "GET / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: TE\r\n\r\n";
    assert_eq!(written(trailers, |_| {}), expected);
}

#[test]
fn targets_in_two_pieces() {
    let received = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for (base, path_and_query, expected) in [
        ("", "/a?b", "/a?b"),
        ("", "", "/"),
        ("", "?b", "/?b"),
        ("/base", "/a", "/base/a"),
        ("/base", "", "/base/"),
        ("/base", "*", "*"),
        ("", "/a b\r\nX: y", "/a?b??X:?y"),
    ] {
        let target = Target { base: base.as_bytes(), path_and_query: path_and_query.as_bytes() };
        let written = written(received, |edits| edits.target = target);
        assert_eq!(written, format!("GET {expected} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    }
}

#[test]
fn a_response_goes_on() {
    let received = "HTTP/1.0 404 Nothing Here\r\nServer: x\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\
                    Set-Cookie: a\r\nset-cookie: b\r\nX_Forwarded_For: kept\r\nContent-Length: 5\r\n\r\n";
    let edits = ResponseEdits {
        persistence: Persistence::Close,
        drop: KnownSet::of(&[Known::Server]),
        append: b"Strict-Transport-Security: max-age=1\r\n",
        ..plain_response(BodyLength::Length(5))
    };
    let expected = "HTTP/1.1 404 Nothing Here\r\nSet-Cookie: a\r\nset-cookie: b\r\nX_Forwarded_For: kept\r\n\
                    Content-Length: 5\r\nConnection: close\r\nStrict-Transport-Security: max-age=1\r\n\r\n";
    assert_eq!(answered(received, edits), expected);
}

#[test]
fn a_response_without_body_keeps_its_length_where_it_may() {
    for (received, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
        (
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        ),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
    ] {
        assert_eq!(answered(received, plain_response(BodyLength::None)), expected);
    }
    let equal = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n";
    let once = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(answered(equal, plain_response(BodyLength::Length(5))), once);
}

#[test]
fn answers_of_our_own() {
    let mut out = Buffer::new();
    let mut lines = Buffer::new();
    push_line(&mut lines, "Content-Type", b"text/html");
    let edits = ResponseEdits { append: lines.filled(), ..plain_response(BodyLength::Length(0)) };
    write_response(&mut out, &ResponseHead::new(421), &edits);
    let expected = "HTTP/1.1 421 Misdirected Request\r\nContent-Length: 0\r\nContent-Type: text/html\r\n\r\n";
    assert_eq!(out.filled(), expected.as_bytes());
    let mut out = Buffer::new();
    let edits = ResponseEdits { status: Some(299), ..plain_response(BodyLength::Length(0)) };
    write_response(&mut out, &ResponseHead::new(200), &edits);
    assert_eq!(out.filled(), b"HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n");
}

/// Heads that parse, more often than not, with lines a smuggler would send.
fn a_request() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "Accept: */*\r\n",
        "A:b\r\n",
        "A: \t b \t \r\n",
        "Empty:\r\n",
        "High: \u{e9}\u{fc}\r\n",
        "Cookie: a=b\r\n",
        "Connection: close, x-dropped, keep-alive\r\n",
        "X-Dropped: 1\r\n",
        "Keep-Alive: 5\r\n",
        "TE: trailers, deflate\r\n",
        "Upgrade: websocket\r\n",
        "Transfer_Encoding: chunked\r\n",
        "Content-Length : 5\r\n",
        "X-Forwarded-For: ::1\r\n",
        "X_Real.IP: ::1\r\n",
        "Via: 1.1 x\r\n",
        "Expect: 100-continue\r\n",
        "Proxy: x\r\n",
    ]);
    let framing = prop::sample::select(vec![
        "",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\nContent-Length: 0\r\n",
    ]);
    let start = prop::sample::select(vec!["GET /a?b", "POST http://a.test?c", "OPTIONS *", "X-Y /"]);
    let lines = prop::collection::vec(line, 0..12);
    (start, framing, lines).prop_map(|(start, framing, lines)| {
        format!("{start} HTTP/1.1\r\nHost: a.test\r\n{framing}{}\r\n", lines.concat()).into_bytes()
    })
}

proptest! {
    /// Whatever parses and is written parses again to the same request, and says nothing that was to be dropped.
    #[test]
    fn what_is_written_is_what_was_read(bytes in a_request()) {
        let Some(head) = request(&bytes) else { return Ok(()) };
        let mut out = Buffer::new();
        write_request(&mut out, &head, &plain(&head));
        let again = request(out.filled()).expect("what is written parses");

        prop_assert_eq!(again.method(), head.method());
        prop_assert_eq!(again.path_and_query(), head.path_and_query());
        prop_assert_eq!(again.authority(), head.authority());
        prop_assert_eq!(again.body(), head.body());
        prop_assert!(again.keep_alive() && hop::check_request_options(again.fields()).is_ok());

        let said = KnownSet::of(&[Known::Host, Known::ContentLength, Known::TransferEncoding, Known::Te, Known::Connection]);
        let nominated = |name: &[u8]| head.fields().members(Known::Connection).any(|o| o.eq_ignore_ascii_case(name));
        let end_to_end = |head: &RequestHead| -> Vec<(Vec<u8>, Vec<u8>)> {
            let passes = |known| !KnownSet::GUARDED.contains(known) && known != Known::Lookalike;
            head.fields().iter()
                .filter(|field| passes(field.known) && !nominated(field.name))
                .map(|field| (field.name.to_vec(), field.value.to_vec()))
                .collect()
        };
        prop_assert_eq!(end_to_end(&again), end_to_end(&head));
        for field in again.fields().iter() {
            let ours = said.contains(field.known);
            prop_assert!(ours || !KnownSet::GUARDED.contains(field.known), "{:?}", field);
            prop_assert!(field.known != Known::Lookalike && !nominated(field.name) || ours, "{:?}", field);
        }
        prop_assert_eq!(again.fields().all(Known::Host).count(), 1);
        prop_assert!(again.fields().all(Known::ContentLength).count() + again.fields().all(Known::TransferEncoding).count() <= 1);
    }
}
