//! Upstreams that break the rules, by mistake or on purpose: the visitor gets one right answer with whose fault it
//! is, or a cut that looks cut; never a byte of what was wrong, never another visitor's.

use crate::support::edge::Files;
use crate::support::{Edge, End, Raw, Recorder, account, wait};
use std::time::Duration;

/// Answers of which nothing may reach the visitor: 502 in their place.
const INVALID: &[(&str, &[u8])] = &[
    (
        "CL and TE",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    ("two CL that differ", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    ("CL with plus", b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello"),
    ("CL negative", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
    ("CL of two to the 64", b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nhello"),
    ("TE twice chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ("TE with an empty element", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"),
    ("TE unknown", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("TE identity", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello"),
    ("TE on 1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("obs-fold behind the status line", b"HTTP/1.1 200 OK\r\n X: a\r\nContent-Length: 0\r\n\r\n"),
    ("obs-fold in a length", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 0\r\n\r\nhellohello"),
    ("blank before colon", b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"),
    ("bare LF", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    ("bare LF behind a field", b"HTTP/1.1 200 OK\r\nX: y\nContent-Length: 0\r\n\r\n"),
    ("bare CR in a value", b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n"),
    ("NUL in a value", b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n"),
    ("NUL in the reason", b"HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n"),
    ("NUL in a name", b"HTTP/1.1 200 OK\r\nX\x00: y\r\nContent-Length: 0\r\n\r\n"),
    ("name with a byte over 127", b"HTTP/1.1 200 OK\r\nX\xc3\xa4: y\r\nContent-Length: 0\r\n\r\n"),
    ("field without colon", b"HTTP/1.1 200 OK\r\nX\r\nContent-Length: 0\r\n\r\n"),
    ("no status line", b"hello\r\n\r\n"),
    ("HTTP/0.9", b"<html>hello</html>"),
    ("HTTP/2.0 in text", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n"),
    ("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x28"),
    ("status of two digits", b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
    ("status of four digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
    ("status below 100", b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"),
    ("status over 599", b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n"),
    ("status no number", b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n"),
    ("an empty line first", b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
];

#[test]
fn invalid_answers() {
    let (edge, recorder) = recorded();
    for (what, answer) in INVALID {
        for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
            for size in [answer.len(), 1] {
                raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
                let mut upstream = recorder.accept();
                upstream.request();
                upstream.send_in_pieces(answer, size).finish();
                let response = raw.response();
                assert_eq!((response.status(), response.word()), (502, "invalid_answer"), "{what}");
                assert_eq!(response.error_type(), "http_protocol_error");
                assert!(!response.says_close(), "{what}: the visitor did nothing wrong");
                // Nobody knows where the next answer would begin.
                upstream.expect_close();
            }
        }
    }
}

#[test]
fn equal_lengths_count_once() {
    let (edge, recorder) = recorded();
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello");
    let response = raw.response();
    assert_eq!((response.one("content-length"), response.text()), ("5", "hello"));
}

#[test]
fn heads_too_large() {
    let (edge, recorder) = recorded();
    let long = "x".repeat(300 * 1024);
    let many = "X: y\r\n".repeat(50_000);
    for head in [
        format!("HTTP/1.1 200 OK\r\nX: {long}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
        format!("HTTP/1.1 200 OK\r\n{long}"),
        format!("HTTP/1.1 200 {long}"),
    ] {
        let mut raw = edge.connect();
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let mut upstream = recorder.accept();
        upstream.request();
        // It is closed before all of it is taken.
        let _ = upstream.try_send(&head);
        let response = raw.response();
        assert_eq!((response.status(), response.word()), (502, "answer_header_too_large"));
        assert_eq!(response.error_type(), "http_response_header_section_size");
        upstream.read_to_end();
    }
}

#[test]
fn interim_answers_without_end() {
    let (edge, recorder) = recorded();
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    upstream.request();
    let flood = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(10_000);
    let _ = upstream.try_send(&flood);
    let mut interim = 0;
    let last = loop {
        let response = raw.response();
        if response.status() != 103 {
            break response;
        }
        interim += 1;
        assert!(interim < 1000, "interim answers without bound");
    };
    assert_eq!((last.status(), last.word()), (502, "invalid_answer"));
}

/// Bytes behind an answer are nobody's: the answer passes, the connection is not used again.
#[test]
fn bytes_behind_an_answer() {
    let (edge, recorder) = one_worker();
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let mut raw = edge.connect();
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let mut upstream = recorder.accept();
        upstream.request();
        upstream.send(format!("{answer}{poison}"));
        assert_eq!(raw.response().text(), "ok");
        upstream.read_to_end();

        // The same when they come later, while the connection idles.
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let mut upstream = recorder.accept();
        upstream.request();
        upstream.send(answer);
        assert_eq!(raw.response().text(), "ok");
        upstream.send(poison);
        upstream.read_to_end();

        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let mut upstream = recorder.accept();
        upstream.request();
        upstream.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nnext");
        assert_eq!(raw.response().text(), "next");
    }
}

/// An answer to HEAD, 204 or 304 has no body, whatever the upstream sends behind it.
#[test]
fn bodies_where_there_are_none() {
    let (edge, recorder) = one_worker();
    for (method, status) in [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified")] {
        let mut raw = edge.connect();
        raw.send(format!("{method} / HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        let mut upstream = recorder.accept();
        upstream.request();
        upstream.send(format!(
            "HTTP/1.1 {status}\r\nContent-Length: 39\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n!"
        ));
        raw.response_to_head();
        upstream.read_to_end();
        raw.send("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n");
        assert_eq!(raw.response().word(), "unknown_host");
    }
}

#[test]
fn chunks_that_break_mid_answer() {
    let (edge, recorder) = recorded();
    for rest in [
        "5\nhello\r\n",
        "x\r\n",
        "5\r\nhelloX",
        "fffffffffffffffff\r\n",
        "0\r\nX : y\r\n\r\n",
        "5;\x00\r\nhello\r\n",
    ] {
        for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
            raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
            let mut upstream = recorder.accept();
            upstream.request();
            upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
            raw.head();
            assert_eq!(raw.exactly(7), b"2\r\nok\r\n");
            upstream.send(rest);
            let (body, _) = raw.read_to_end();
            assert!(!body.ends_with(b"0\r\n\r\n"), "{rest:?} looks whole: {}", body.escape_ascii());
            upstream.read_to_end();
        }
    }
}

#[test]
fn nobody_listens() {
    // A port that was the kernel's choice a moment ago and is closed now.
    let address = Recorder::new().address();
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &address))]);
    refused(&edge, 502, "refused", "connection_refused");

    let edge = Files::new();
    let socket = format!("unix:{}/nobody.sock", edge.path().display());
    let edge = edge.document("alice", &account("\"a.test\"", &socket)).start();
    refused(&edge, 502, "refused", "connection_refused");
}

#[test]
fn a_connection_closed_without_an_answer() {
    let (edge, recorder) = recorded();
    for method in ["GET", "POST"] {
        for (how, end) in [("FIN", drop as fn(Raw)), ("reset", Raw::reset)] {
            let mut raw = edge.connect();
            raw.send(format!("{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n"));
            let mut upstream = recorder.accept();
            upstream.request();
            end(upstream);
            let response = raw.response();
            assert_eq!((response.status(), response.word()), (502, "closed"), "{method}, {how}");
            assert_eq!(response.error_type(), "connection_terminated");
            assert!(!response.says_close());
            recorder.expect_nothing();
        }
    }
}

#[test]
fn a_head_cut_short() {
    let (edge, recorder) = recorded();
    for part in
        ["H", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "HTTP/1.1 100 Continue\r\n\r\n"]
    {
        let mut raw = edge.connect();
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let mut upstream = recorder.accept();
        upstream.request();
        upstream.send(part).finish();
        let mut response = raw.response();
        if response.status() == 100 {
            response = raw.response();
        }
        assert_eq!(response.status(), 502, "{part:?}");
        assert!(["closed", "answer_incomplete"].contains(&response.word()), "{part:?}: {}", response.word());
    }
}

#[test]
fn an_upstream_that_never_answers() {
    let recorder = Recorder::new();
    let edge = Files::new()
        .set("timeouts", "response_header", "\"1s\"")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .start();
    // Silent, or dripping a head.
    for part in ["", "HTTP/1.1 200 OK\r\nX:"] {
        let mut raw = edge.connect();
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let mut upstream = recorder.accept();
        upstream.request();
        upstream.send(part);
        let response = raw.response();
        assert_eq!((response.status(), response.word()), (504, "timed_out"));
        assert_eq!(response.error_type(), "http_response_timeout");
        upstream.expect_close();
    }
}

#[test]
fn an_answer_that_stalls() {
    let recorder = Recorder::new();
    let edge = Files::new()
        .set("timeouts", "response_idle", "\"1s\"")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .start();
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    raw.head();
    assert_eq!(raw.exactly(5), b"hello");
    let (rest, _) = raw.read_to_end();
    assert!(rest.is_empty());
    upstream.expect_close();
}

/// Pieces that come time and again are no stall, however the work on them is cut up: sixteen chunks at once are as many
/// steps as a connection may take before others have their turn.
#[test]
fn an_answer_in_bursts_has_not_stalled() {
    let recorder = Recorder::new();
    let edge = Files::new()
        .set("timeouts", "response_idle", "\"1s\"")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .start();
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    raw.head();
    let burst = "1\r\nx\r\n".repeat(16);
    for _ in 0..6 {
        upstream.send(&burst);
        assert_eq!(raw.exactly(burst.len()), burst.as_bytes());
        assert!(raw.is_quiet_for(Duration::from_millis(400)));
    }
    upstream.send("0\r\n\r\n");
    assert_eq!(raw.exactly(5), b"0\r\n\r\n");
}

/// An upstream whose backlog is full takes no connection: the visitor is told in time.
#[test]
fn an_upstream_that_never_accepts() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket
        .bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().expect("an address").into())
        .expect("a free port");
    socket.listen(0).expect("a socket");
    let address = socket.local_addr().expect("a socket").as_socket().expect("IPv4");
    // A backlog of 0 holds one connection; more are left unanswered.
    let _holders: Vec<_> = (0..3)
        .map(|_| {
            let holder =
                socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
            holder.set_nonblocking(true).expect("a socket");
            let _ = holder.connect(&address.into());
            holder
        })
        .collect();
    let edge = Files::new()
        .set("timeouts", "connect", "\"1s\"")
        .document("alice", &account("\"a.test\"", &address.to_string()))
        .start();
    refused(&edge, 504, "connect_timeout", "connection_timeout");
}

/// An upstream that stops reading an upload does not hold it for ever.
#[test]
fn an_upstream_that_stops_reading() {
    let recorder = Recorder::new();
    let edge = Files::new()
        .set("timeouts", "write_idle", "\"1s\"")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .start();
    let mut raw = edge.connect();
    raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000000\r\n\r\n");
    let mut upstream = recorder.accept();
    upstream.head();
    raw.send_until_full(100_000_000, Duration::from_millis(200));
    let response = raw.response();
    assert_eq!((response.status(), response.word()), (504, "upstream_stalled"));
    assert_eq!(response.error_type(), "connection_write_timeout");
}

/// What a visitor may not be late with is its own: the time in which the upstream takes nothing is not asked of it.
#[test]
fn an_upstream_that_pauses_is_no_slow_visitor() {
    let recorder = Recorder::new();
    let edge = Files::new()
        .set("timeouts", "body_idle", "\"1s\"")
        .set("timeouts", "body_min_rate", "\"1G/s\"")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .start();
    let mut raw = edge.connect();
    raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000000\r\n\r\n");
    let mut upstream = recorder.accept();
    upstream.head();
    let sent = raw.send_until_full(100_000_000, Duration::from_millis(1500));
    upstream.exactly(sent);
    assert!(raw.is_quiet_for(Duration::from_millis(300)), "{:?}", raw.response());
    // Its own pause is another matter.
    assert_eq!(raw.response().word(), "body_timeout");
}

/// A visitor who stops reading is cut off, and the upstream is free again.
#[test]
fn a_visitor_that_stops_reading() {
    let recorder = Recorder::new();
    let edge = Files::new()
        .set("timeouts", "write_idle", "\"1s\"")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .start();
    let mut raw = edge.connect();
    raw.receive_at_most(4096);
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
    upstream.send_until_full(100_000_000, Duration::from_millis(200));
    let ((_, end), took) = wait::timed(|| upstream.read_to_end());
    assert_ne!(end, End::Truncated);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// A second answer that came before its request is never given to anyone.
#[test]
fn an_answer_before_its_request() {
    let (edge, recorder) = one_worker();
    let mut raw = edge.connect();
    raw.send("GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    // Before it has even read the first: one answer for now, one for later.
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
    assert_eq!(raw.response().text(), "first");
    raw.send("GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut second = recorder.accept();
    second.request();
    second.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
    assert_eq!(raw.response().text(), "second");
}

#[track_caller]
fn refused(edge: &Edge, status: u16, word: &str, error: &str) {
    for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let response = raw.response();
        assert_eq!((response.status(), response.word(), response.error_type()), (status, word, error));
        assert!(!response.says_close());
    }
}

fn recorded() -> (Edge, Recorder) {
    let recorder = Recorder::new();
    (Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]), recorder)
}

/// One worker, so that it is certain which idle connections a request can find.
fn one_worker() -> (Edge, Recorder) {
    let recorder = Recorder::new();
    let files = Files::new().set("node", "workers", "1");
    (files.document("alice", &account("\"a.test\"", &recorder.address())).start(), recorder)
}
