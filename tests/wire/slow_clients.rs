//! Visitors who are slow to send or to take: the account's server is not theirs meanwhile.

use crate::support::edge::Files;
use crate::support::h2::H2;
use crate::support::origin::answer_bytes;
use crate::support::{Edge, Origin, Raw, Recorder, account, wait};
use std::time::Duration;

/// A short body is read before anybody is connected to; it arrives whole, and framed as it was.
#[test]
fn a_form_that_comes_slowly_keeps_no_connection() {
    let recorder = Recorder::new();
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]);
    let body = pattern(60_000);
    for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
        raw.send("POST /form HTTP/1.1\r\nHost: a.test\r\nContent-Length: 60000\r\n\r\n");
        for piece in body.chunks(15_000) {
            assert!(raw.is_quiet_for(Duration::from_millis(50)));
            assert!(recorder.try_accept().is_none(), "not all of it is there");
            raw.send(piece);
        }
        let mut upstream = recorder.accept();
        let seen = upstream.request();
        assert_eq!(seen.one("content-length"), "60000");
        assert!(seen.body == body);
        upstream.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        assert_eq!(raw.response().status(), 204);
    }
}

#[test]
fn a_stream_that_comes_slowly_keeps_no_connection() {
    let recorder = Recorder::new();
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]);
    let mut visitor = H2::connect(&edge, "a.test");
    let body = pattern(30_000);
    for (stream, more) in [(1, &[("content-length", "30000")][..]), (3, &[])] {
        visitor.request(stream, "POST", "a.test", "/", more, false);
        for piece in body.chunks(10_000) {
            visitor.raw().is_quiet_for(Duration::from_millis(50));
            assert!(recorder.try_accept().is_none(), "not all of it is there");
            visitor.data(stream, piece, false);
        }
        visitor.data(stream, b"", true);
        let mut upstream = recorder.accept();
        assert!(upstream.request().body == body);
        upstream.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        assert_eq!(visitor.response(stream).status(), 204);
    }
}

/// What is longer, what asks first, what is said not to be buffered and what may be a conversation goes on as it comes.
#[test]
fn what_is_not_short_goes_on_as_it_comes() {
    for (limit, head, piece) in [
        ("64K", "Content-Length: 65537", "x"),
        ("64K", "Content-Length: 5\r\nExpect: 100-continue", ""),
        ("0", "Content-Length: 5", "x"),
        ("64K", "Transfer-Encoding: chunked\r\nContent-Type: application/grpc+proto", "1\r\nx\r\n"),
        ("64K", "Transfer-Encoding: chunked", "1\r\nx\r\n"),
    ] {
        let recorder = Recorder::new();
        let limits = format!("[limits]\nrequest_buffer = \"{limit}\"\n");
        let document = limits + &account("\"a.test\"", &recorder.address());
        let edge = Edge::with(&[("alice", &document)]);
        let mut raw = edge.connect();
        raw.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\n{head}\r\n\r\n{piece}"));
        let mut upstream = recorder.accept();
        upstream.head();
        if !piece.is_empty() {
            assert_eq!(upstream.exactly(piece.len()), piece.as_bytes(), "{head}");
        }
    }
}

/// Chunks that come whole are a body that comes whole; trailers are not lost on the way.
#[test]
fn chunks_are_read_to_their_end() {
    let recorder = Recorder::new();
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]);
    let mut raw = edge.connect();
    raw.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n",
    );
    assert!(raw.is_quiet_for(Duration::from_millis(100)));
    assert!(recorder.try_accept().is_none(), "it may end at once");
    raw.send("2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n");
    let mut upstream = recorder.accept();
    let seen = upstream.request();
    assert_eq!(seen.text(), "abcde");
    assert_eq!(seen.trailers, [("X-Sum".to_owned(), "5".to_owned())]);
}

/// Who stalls, trickles or leaves is told as ever, and nobody was connected to for him.
#[test]
fn a_body_that_does_not_come_reaches_nobody() {
    let recorder = Recorder::new();
    let timeouts = "[timeouts]\nbody_idle = \"1s\"\nbody_min_rate = \"10K/s\"\n";
    let document = timeouts.to_owned() + &account("\"a.test\"", &recorder.address());
    let edge = Edge::with(&[("alice", &document)]);
    let stalls =
        edge.connect().send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nab").response();
    assert_eq!((stalls.status(), stalls.word()), (408, "body_timeout"));
    let mut raw = edge.connect();
    raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 50000\r\n\r\n");
    let trickles = wait::until("it to be told", || {
        // A byte now and then is no pause.
        if raw.is_quiet_for(Duration::from_millis(50)) {
            let _ = raw.try_send("x");
            return None;
        }
        Some(raw.response())
    });
    assert_eq!((trickles.status(), trickles.word()), (408, "body_timeout"));
    let broken = edge
        .connect()
        .send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nx")
        .response();
    assert_eq!((broken.status(), broken.word()), (400, "bad_request"));
    edge.connect().send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nab").finish();
    recorder.expect_nothing();
}

/// The upstream has one connection. A visitor who takes nothing of a long answer has it only as long as it may not be read
/// ahead of him.
#[test]
fn an_answer_that_is_taken_slowly_keeps_no_connection() {
    let page = pattern(PAGE);
    for tls in [false, true] {
        for (buffer, paid, chunked) in
            [("16M", "32M", false), ("16M", "32M", true), ("0", "32M", false), ("16M", "64K", false)]
        {
            let waits = (buffer, paid) != ("16M", "32M");
            let page_of = page.clone();
            let origin = Origin::serving("127.0.0.1:0", move |raw, request| {
                let long = request.target() == "/long";
                let answer = match (long, chunked) {
                    (false, _) => answer_bytes(b"short"),
                    (true, false) => answer_bytes(&page_of),
                    (true, true) => in_chunks(&page_of),
                };
                raw.try_send(answer).is_ok()
            });
            let document = format!(
                "[limits]\nresponse_buffer = \"{buffer}\"\nbuffered_bytes = \"{paid}\"\n{}",
                account("\"a.test\"", &origin.address()).replacen("[[site]]", "connections = 1\n[[site]]", 1)
            );
            let files = Files::new().set("limits", "response_buffer", "\"16M\"");
            let edge = files.document("alice", &document).start();
            let connect = || if tls { edge.connect_tls("a.test") } else { edge.connect() };
            let mut slow: Raw = connect();
            slow.send("GET /long HTTP/1.1\r\nHost: a.test\r\n\r\n");
            wait::until("the answer to begin", || slow.has_input().then_some(()));
            let mut other = connect();
            other.send("GET /short HTTP/1.1\r\nHost: a.test\r\n\r\n");
            if waits {
                assert!(other.is_quiet_for(Duration::from_millis(500)), "somebody else has the connection");
            }
            let (got, answered) = std::thread::scope(|scope| {
                let other = scope.spawn(move || other.response());
                if !waits {
                    // Before the first has read on. The account pays for what is held.
                    let answered = other.join().expect("an answer");
                    assert!((1 << 20..16 << 20).contains(&held(&edge)), "{}", held(&edge));
                    return (slow.response(), answered);
                }
                (slow.response(), other.join().expect("an answer"))
            });
            assert_eq!(answered.text(), "short");
            assert!(got.body == page, "{buffer} {paid} {chunked} {tls}: {} bytes", got.body.len());
            wait::until("nothing to be held", || (held(&edge) == 0).then_some(()));
            assert_eq!(origin.most_open(), 1);
            // The connection of the slow one goes on.
            assert_eq!(slow_again(&mut slow).text(), "short");
        }
    }
}

/// He leaves, or takes nothing for too long: what was read for him is forgotten.
#[test]
fn who_leaves_before_he_has_taken_his_answer_is_forgotten() {
    let page = pattern(PAGE);
    let origin = Origin::answering(move |request| {
        if request.target() == "/long" { answer_bytes(&page) } else { answer_bytes(b"short") }
    });
    let document = format!("[timeouts]\nwrite_idle = \"1s\"\n{}", account("\"a.test\"", &origin.address()));
    let files = Files::new().set("limits", "response_buffer", "\"16M\"");
    let edge = files.document("alice", &document).start();
    let ask = || {
        let mut raw = edge.connect();
        raw.receive_at_most(4096);
        raw.send("GET /long HTTP/1.1\r\nHost: a.test\r\n\r\n");
        wait::until("the answer to begin", || raw.has_input().then_some(()));
        raw
    };
    ask().reset();
    let stays = ask();
    edge.expect_log("cause=\"client_stalled\"");
    drop(stays);
    // An account that is deleted takes what is left along.
    let document = document.replace("\"1s\"", "\"30s\"");
    edge.write_document("alice", &document);
    let mut left = ask();
    edge.remove_document("alice");
    let (body, _) = left.read_to_end();
    assert!(body.len() < PAGE, "{}", body.len());
}

/// Bytes that are held for the account.
fn held(edge: &Edge) -> u64 {
    let said = edge.command(&["status", "alice", "--json"]).stdout;
    let status: serde_json::Value = serde_json::from_slice(&said).expect("JSON");
    status["buffered_bytes"].as_u64().expect("a number")
}

fn slow_again(raw: &mut Raw) -> crate::support::Message {
    raw.send("GET /short HTTP/1.1\r\nHost: a.test\r\n\r\n").response()
}

fn in_chunks(body: &[u8]) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in body.chunks(100_000) {
        answer.extend(format!("{:x}\r\n", piece.len()).bytes());
        answer.extend(piece);
        answer.extend(b"\r\n");
    }
    answer.extend(b"0\r\n\r\n");
    answer
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at / 251 + at) as u8).collect()
}

/// More than the kernel holds for a connection whose other end takes nothing.
const PAGE: usize = 12_000_000;
