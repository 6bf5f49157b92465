//! Bodies over HTTP/1.1: lengths and chunks both ways, trailers, order, early and interim answers, half-close,
//! cancellation, back-pressure, truncation. Both ends are driven by the test, so that what overlaps is certain.

use crate::support::edge::Files;
use crate::support::message::Framing;
use crate::support::{Edge, End, Origin, Raw, Recorder, account, wait};
use std::time::Duration;

#[test]
fn lengths_and_chunks_arrive_as_they_were_meant() {
    let origin = Origin::echoing_bodies();
    let as_it_comes = edge_for(&origin.address());
    let read_first = Edge::with(&[("alice", &account("\"a.test\"", &origin.address()))]);
    let over = |edge: &Edge| [edge.connect(), edge.connect_tls("a.test")];
    for mut raw in [over(&as_it_comes), over(&read_first)].into_iter().flatten() {
        for size in SIZES {
            let body = pattern(size);
            raw.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {size}\r\n\r\n"))
                .send(&body);
            assert_same(&raw.response().body, &body, "by length");
            let seen = origin.requests().pop().expect("a request");
            assert_eq!(seen.one("content-length"), size.to_string());
            assert!(!seen.has("transfer-encoding"));

            raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
                .send(chunked(&body, 1000));
            assert_same(&raw.response().body, &body, "in chunks");
            let seen = origin.requests().pop().expect("a request");
            assert_eq!(seen.one("transfer-encoding"), "chunked");
            assert!(!seen.has("content-length"));
        }
    }
}

#[test]
fn answers_arrive_as_they_were_meant() {
    let (edge, recorder) = recorded();
    for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
        for size in SIZES {
            let body = pattern(size);
            let mut answers = vec![
                format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes(),
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
                b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec(),
                b"HTTP/1.0 200 OK\r\n\r\n".to_vec(),
            ];
            answers[0].extend(&body);
            answers[1].extend(chunked(&body, 777));
            answers[2].extend(&body);
            answers[3].extend(&body);
            for answer in answers {
                raw.send("GET / HTTP/1.1\r\nHost: a.test\r\nX: y\r\n\r\n");
                // A connection each: the closing ones would otherwise race with the kept ones.
                let mut upstream = recorder.accept();
                upstream.request();
                let (sender, reader) = (&mut upstream, &mut raw);
                let response = std::thread::scope(|scope| {
                    scope.spawn(move || {
                        sender.send(&answer);
                        sender.finish();
                    });
                    reader.response()
                });
                assert_same(&response.body, &body, "an answer");
                assert!(!response.says_close(), "the visitor's connection stays: {response:?}");
            }
        }
    }
}

#[test]
fn trailers_pass_both_ways() {
    let (edge, recorder) = recorded();
    let mut raw = edge.connect();
    raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n");
    raw.send("5;ext=\"x\"\r\nhello\r\n0\r\nX-Sum: abc\r\n\r\n");
    let mut upstream = recorder.accept();
    let request = upstream.request();
    assert_eq!(request.text(), "hello");
    assert_eq!(request.trailers, [("X-Sum".to_owned(), "abc".to_owned())]);
    assert!(
        !upstream.received().windows(3).any(|w| w == b"ext"),
        "chunk extensions belong to one connection"
    );

    upstream.send("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n");
    upstream.send("5\r\nhello\r\n0\r\nX-Sum: def\r\nContent-Length: 7\r\nSet-Cookie: a=b\r\n\r\n");
    let response = raw.response();
    assert_eq!(response.text(), "hello");
    // What frames or sets state is no trailer (RFC 9110 §6.5.1).
    assert_eq!(response.trailers, [("X-Sum".to_owned(), "def".to_owned())]);
}

#[test]
fn a_body_on_get_is_forwarded() {
    let (edge, recorder) = recorded();
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello");
    let mut upstream = recorder.accept();
    assert_eq!(upstream.request().text(), "hello");
    upstream.send(OK);
    assert_eq!(raw.response().text(), "ok");
}

/// RFC 9112 §9.3.2: pipelined requests are answered in their order, and each is its own request upstream.
#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::answering(|request| {
        crate::support::origin::answer(&format!("{}{}", request.target(), request.text()))
    });
    let edge = edge_for(&origin.address());
    let pipelined = "GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n\
                     POST /2 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello\
                     POST /3 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n\
                     GET /4 HTTP/1.1\r\nHost: nobody.test\r\n\r\n\
                     \r\nGET /5 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n\
                     GET /6 HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for size in [pipelined.len(), 1, 7, 100] {
        for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
            raw.send_in_pieces(pipelined.as_bytes(), size);
            for expected in ["/1", "/2hello", "/3hi"] {
                assert_eq!(raw.response().text(), expected);
            }
            assert_eq!(raw.response().word(), "unknown_host");
            let last = raw.response();
            assert_eq!((last.text(), last.says_close()), ("/5", true));
            raw.expect_close();
        }
    }
    assert!(
        origin.requests().iter().all(|request| request.target() != "/6"),
        "nothing behind close is served"
    );
}

/// A pipelined request waits: the upstream never has two of one visitor on one connection.
#[test]
fn an_upstream_is_never_pipelined() {
    let (edge, recorder) = recorded();
    let mut raw = edge.connect();
    raw.send("GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    assert_eq!(upstream.request().target(), "/1");
    assert!(upstream.is_quiet_for(Duration::from_millis(100)));
    assert!(recorder.try_accept().is_none());
    upstream.send(OK);
    assert_eq!(upstream.request().target(), "/2");
    upstream.send(OK);
    assert_eq!((raw.response().text(), raw.response().text()), ("ok", "ok"));
}

#[test]
fn upload_and_answer_overlap() {
    let (edge, recorder) = recorded();
    for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
        raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        let mut upstream = recorder.accept();
        upstream.head();
        assert_eq!(upstream.exactly(10), b"5\r\nhello\r\n");
        upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
        raw.head();
        // Echo by turns, long after the answer began.
        for round in 0..3 {
            let piece = format!("6\r\nround{round}\r\n");
            raw.send(&piece);
            assert_eq!(upstream.exactly(piece.len()), piece.as_bytes());
            upstream.send(&piece);
            assert_eq!(raw.exactly(piece.len()), piece.as_bytes());
        }
        raw.send("0\r\n\r\n");
        assert_eq!(upstream.exactly(5), b"0\r\n\r\n");
        upstream.send("0\r\n\r\n").finish();
        assert_eq!(raw.exactly(5), b"0\r\n\r\n");
    }
}

/// An upstream may answer before it has read the body, and close; the visitor gets the answer nevertheless.
#[test]
fn an_early_answer_passes() {
    let (edge, recorder) = recorded();
    for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
        raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nhello");
        let mut upstream = recorder.accept();
        upstream.head();
        upstream.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno").finish();
        let response = raw.response();
        assert_eq!((response.status(), response.text()), (403, "no"));
        // The rest of the body is either still taken, or refused by closing; it is never the next request.
        let rest = pattern(1_000_000 - 5);
        let sent = raw.try_send(&rest).is_ok();
        if response.says_close() || !sent {
            drop(raw);
        } else {
            raw.send("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n");
            assert_eq!(raw.response().word(), "unknown_host");
        }
    }
}

#[test]
fn expectations_and_interim_answers_pass() {
    let (edge, recorder) = recorded();
    let mut raw = edge.connect();
    raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let mut upstream = recorder.accept();
    assert_eq!(upstream.head().one("expect"), "100-continue");
    upstream.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(raw.response().status(), 100);
    raw.send("hello");
    assert_eq!(upstream.exactly(5), b"hello");
    upstream.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-A\r\nX-A: 1\r\n\r\n");
    let hints = raw.response();
    assert_eq!((hints.status(), hints.one("link")), (103, "</a>"));
    assert!(!hints.has("x-a") && !hints.has("connection"));
    upstream.send("HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n");
    assert_eq!((raw.response().status(), raw.response().status()), (103, 102));
    upstream.send(OK);
    assert_eq!(raw.response().text(), "ok");
}

/// The upstream may refuse the body that was only announced; the visitor then need not send it.
#[test]
fn an_expectation_may_be_refused() {
    let (edge, recorder) = recorded();
    let mut raw = edge.connect();
    raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let mut upstream = recorder.accept();
    upstream.head();
    upstream.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    let response = raw.response();
    assert_eq!((response.status(), response.text()), (403, "no"));
    // Whether the body follows is unknown (RFC 9110 §10.1.1), so this connection serves nothing more.
    assert!(response.says_close());
    raw.expect_fin();
    upstream.expect_close();
}

/// Whoever answers without having said 100 may never read the body that was sent all the same: for such an upstream it is
/// the next request, so nobody else's follows it.
#[test]
fn an_expectation_passed_over_is_the_last_of_its_connection() {
    let (edge, recorder) = one_worker("1m");
    let mut raw = edge.connect();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let post = format!(
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n{smuggled}",
        smuggled.len()
    );
    raw.send(&post);
    let mut passed_over = recorder.accept();
    passed_over.request();
    passed_over.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(raw.response().status(), 403);
    passed_over.expect_fin();
    raw.send(&post);
    let mut met = recorder.accept();
    met.request();
    met.send("HTTP/1.1 100 Continue\r\n\r\n").send(OK);
    assert_eq!(raw.head().status(), 100);
    assert_eq!(raw.response().status(), 200);
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(met.request().start, "GET / HTTP/1.1");
}

#[test]
fn server_sent_events_are_not_held_back() {
    let (edge, recorder) = recorded();
    for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\nAccept: text/event-stream\r\n\r\n");
        let mut upstream = recorder.accept();
        upstream.request();
        upstream
            .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(raw.head().one("content-type"), "text/event-stream");
        for _ in 0..5 {
            upstream.send("9\r\ndata: x\n\n\r\n");
            assert_eq!(raw.exactly(14), b"9\r\ndata: x\n\n\r\n");
        }
        drop(upstream);
    }
}

/// On a clear connection FIN is a half-close: the visitor has said all and still listens.
#[test]
fn a_half_closed_visitor_is_answered() {
    let (edge, recorder) = recorded();
    let mut raw = edge.connect();
    raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello").finish();
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send(OK);
    assert_eq!(raw.response().text(), "ok");
    raw.expect_fin();
}

/// A visitor that leaves cancels its upstream request, wherever that stands.
#[test]
fn a_visitor_that_leaves_is_seen() {
    let (edge, recorder) = recorded();
    type Leaving = (&'static str, fn(&Edge) -> Raw, fn(Raw));
    let ways: [Leaving; 4] = [
        ("a reset", Edge::connect, Raw::reset),
        ("a reset on TLS", |edge| edge.connect_tls("a.test"), Raw::reset),
        (
            "close_notify",
            |edge| edge.connect_tls("a.test"),
            |mut raw| {
                raw.finish();
            },
        ),
        ("FIN on TLS", |edge| edge.connect_tls("a.test"), drop),
    ];
    for (how, connect, leave) in ways {
        // While the upstream thinks.
        let mut raw = connect(&edge);
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let mut upstream = recorder.accept();
        upstream.request();
        leave(raw);
        let (rest, _) = upstream.read_to_end();
        assert!(rest.is_empty(), "{how}");

        // While the visitor uploads.
        let mut raw = connect(&edge);
        raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nhello");
        let mut upstream = recorder.accept();
        upstream.head();
        assert_eq!(upstream.exactly(5), b"hello");
        leave(raw);
        let (rest, _) = upstream.read_to_end();
        assert!(rest.is_empty(), "{how}");

        // While the upstream answers.
        let mut raw = connect(&edge);
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let mut upstream = recorder.accept();
        upstream.request();
        upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        raw.head();
        raw.exactly(10);
        leave(raw);
        upstream.read_to_end();
    }
}

/// A half-closed upload is cut, not complete: the upstream must not take it for whole.
#[test]
fn a_cut_upload_looks_cut() {
    let (edge, recorder) = recorded();
    for framing in ["Content-Length: 100\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"] {
        let mut raw = edge.connect();
        raw.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\n{framing}")).finish();
        let mut upstream = recorder.accept();
        let cut = upstream.try_request().expect_err("the upload was cut");
        assert_eq!(cut.message.body, b"hello");
        assert_ne!(cut.end, End::Truncated);
    }
}

/// A visitor who does not read holds a bounded number of bytes of an answer without end.
#[test]
fn a_slow_reader_holds_back_the_upstream() {
    let (edge, recorder) = recorded();
    for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let mut upstream = recorder.accept();
        upstream.request();
        upstream.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        let taken = upstream.send_until_full(MUCH, PAUSE);
        assert!(taken < MUCH, "all of {MUCH} bytes were taken for a visitor who does not read");
        // Who reads again gets everything.
        upstream.finish();
        assert_eq!(raw.response().body.len(), taken);
    }
}

#[test]
fn a_slow_upstream_holds_back_the_upload() {
    let (edge, recorder) = recorded();
    let mut raw = edge.connect();
    raw.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {MUCH}\r\n\r\n"));
    let mut upstream = recorder.accept();
    upstream.head();
    let taken = raw.send_until_full(MUCH, PAUSE);
    assert!(taken < MUCH, "all of {MUCH} bytes were taken for an upstream that does not read");
    assert_eq!(upstream.exactly(taken).len(), taken);
    // An early answer ends it without the rest.
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").finish();
    assert_eq!(raw.response().text(), "ok");
}

/// An answer cut short never looks complete: not by length, not by chunks, not by the end of the connection, not
/// on TLS.
#[test]
fn a_cut_answer_looks_cut() {
    let (edge, recorder) = recorded();
    for cut in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        for reset in [false, true] {
            for (version, mut raw) in [
                ("1.1", edge.connect()),
                ("1.1", edge.connect_tls("a.test")),
                ("1.0", edge.connect()),
                ("1.0", edge.connect_tls("a.test")),
            ] {
                raw.send(format!("GET / HTTP/{version}\r\nHost: a.test\r\n\r\n"));
                let mut upstream = recorder.accept();
                upstream.request();
                upstream.send(cut);
                // What was good arrives before the end is known.
                let framing = raw.head().framing(false);
                if reset {
                    upstream.reset();
                } else {
                    drop(upstream);
                }
                let (rest, end) = raw.read_to_end();
                let looks_whole = match framing {
                    Framing::Length(length) => rest.len() >= length,
                    Framing::Chunked => rest.ends_with(b"0\r\n\r\n"),
                    Framing::Close => end == End::Fin,
                    Framing::None => true,
                };
                assert!(!looks_whole, "{cut:?} on HTTP/{version}: {} {end:?}", rest.escape_ascii());
            }
        }
    }
}

/// An upstream that closes an idle connection costs nobody anything: what cannot be repeated is not sent on a
/// connection that may just be closing.
#[test]
fn a_post_is_not_lost_on_a_closing_connection() {
    let (edge, recorder) = one_worker("10m");
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut first = recorder.accept();
    first.request();
    first.send(OK);
    assert_eq!(raw.response().text(), "ok");

    // Closed in the meantime: seen, and not used.
    drop(first);
    raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello");
    let mut second = recorder.accept();
    assert_eq!(second.request().text(), "hello");
    second.send(OK);
    assert_eq!(raw.response().text(), "ok");

    // Idle for a second and open: not trusted with a POST, which may not be repeated.
    assert!(second.is_quiet_for(Duration::from_millis(1100)));
    raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello");
    let mut third = recorder.accept();
    assert_eq!(third.request().text(), "hello");
    third.send(OK);
    assert_eq!(raw.response().text(), "ok");
}

/// Retried only where nothing was received and the request can be repeated.
#[test]
fn what_may_be_repeated_is_retried_on_a_dead_connection() {
    for (method, retried) in
        [("GET", true), ("HEAD", true), ("PUT", true), ("DELETE", true), ("POST", false), ("PATCH", false)]
    {
        let (edge, recorder) = one_worker("10m");
        let mut raw = edge.connect();
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let mut first = recorder.accept();
        first.request();
        first.send(OK);
        raw.response();

        // Taken at once, so the connection is fresh enough for anything; closed without an answer.
        raw.send(format!("{method} / HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        let mut connection = first;
        let request = connection.try_request();
        if retried {
            assert!(request.is_ok(), "{method}");
            drop(connection);
            let mut second = recorder.accept();
            assert!(second.request().start.starts_with(method));
            second.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(raw.response().status(), 200, "{method}");
        } else {
            assert!(request.is_ok(), "{method}");
            drop(connection);
            let response = raw.response();
            assert_eq!((response.status(), response.word()), (502, "closed"), "{method}");
            recorder.expect_nothing();
        }
    }
}

/// Nothing is repeated once a byte of the answer came.
#[test]
fn a_begun_answer_is_never_retried() {
    let (edge, recorder) = one_worker("10m");
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut first = recorder.accept();
    first.request();
    first.send(OK);
    raw.response();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    first.request();
    first.send("HTTP/1.1 2").finish();
    let response = raw.response();
    assert_eq!(response.status(), 502);
    recorder.expect_nothing();
}

/// Idle connections to the upstream end after the account's `keep_alive`, so that they end before the server's own.
#[test]
fn idle_upstream_connections_are_closed_in_time() {
    let (edge, recorder) = one_worker("300ms");
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send(OK);
    raw.response();
    let ((), took) = wait::timed(|| upstream.expect_fin());
    assert!(took > Duration::from_millis(250) && took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn an_upload_whose_answer_has_begun_has_no_deadline() {
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
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok");
    raw.head();
    assert_eq!(raw.exactly(2), b"ok");
    assert!(raw.is_quiet_for(Duration::from_millis(1500)));
    raw.send("world");
    assert_eq!(upstream.exactly(10), b"helloworld");
    upstream.send("ay");
    assert_eq!(raw.exactly(2), b"ay");
}

/// An edge that passes every body on as it comes.
fn edge_for(upstream: &str) -> Edge {
    let files = Files::new().set("limits", "request_buffer", "\"0\"");
    files.document("alice", &account("\"a.test\"", upstream)).start()
}

fn recorded() -> (Edge, Recorder) {
    let recorder = Recorder::new();
    (edge_for(&recorder.address()), recorder)
}

/// One worker, so that it is certain which idle connections a request can find; they are kept for `keep_alive`.
fn one_worker(keep_alive: &str) -> (Edge, Recorder) {
    let recorder = Recorder::new();
    let document = account("\"a.test\"", &recorder.address())
        .replace("name = \"web\"\n", &format!("name = \"web\"\nkeep_alive = \"{keep_alive}\"\n"));
    (Files::new().set("node", "workers", "1").document("alice", &document).start(), recorder)
}

/// Bytes in which a lost, doubled or moved block shows.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at / 256 + at) as u8).collect()
}

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// Compares without printing a megabyte.
#[track_caller]
fn assert_same(found: &[u8], expected: &[u8], what: &str) {
    let differs = found.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!((found.len(), differs), (expected.len(), None), "{what}: length, first byte that differs");
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Around the sizes of buffers, records and pipes.
const SIZES: [usize; 10] = [0, 1, 999, 16_383, 16_384, 16_385, 65_535, 65_536, 300_000, 1_048_577];

/// More than all buffers between two ends can hold.
const MUCH: usize = 64 << 20;

/// How long nothing must move before a buffer counts as full.
const PAUSE: Duration = Duration::from_millis(500);
