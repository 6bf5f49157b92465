//! HTTP/2 in front, HTTP/1.1 behind: heads, bodies, trailers, interim answers, flow control, cancellation, WebSockets,
//! drains.

use crate::support::edge::Files;
use crate::support::h2::*;
use crate::support::{Edge, End, Origin, Raw, Recorder, account};
use rustix::process::Signal;
use std::time::Duration;

#[test]
fn the_upstream_sees_http_1_1() {
    let origin = Origin::saying("here");
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &origin.address()))]);
    let mut h2 = H2::connect(&edge, "a.test");
    h2.request(
        1,
        "GET",
        "a.test:8443",
        "/p?q",
        &[("cookie", "a=b"), ("cookie", "c=d"), ("te", "trailers"), ("x-kept", "1")],
        true,
    );
    let response = h2.response(1);
    assert_eq!((response.status(), response.text()), (200, "here"));
    let seen = origin.requests().pop().expect("a request");
    assert_eq!(seen.start, "GET /p?q HTTP/1.1");
    assert_eq!(seen.one("host"), "a.test:8443");
    assert_eq!(seen.one("x-forwarded-host"), "a.test:8443");
    assert_eq!(seen.one("x-forwarded-proto"), "https");
    assert_eq!(seen.one("x-forwarded-for"), "127.0.0.1");
    assert!(seen.one("via").starts_with("2.0 parvis-"), "{}", seen.one("via"));
    assert_eq!(seen.one("x-kept"), "1");
    // One Cookie line for HTTP/1.1 (RFC 9113 §8.2.3).
    assert_eq!(seen.one("cookie"), "a=b; c=d");
    assert_eq!((seen.one("te"), seen.one("connection")), ("trailers", "TE"));
    assert!(!seen.has("content-length") && !seen.has("transfer-encoding"));
}

/// The incident: a CDN sends HEADERS without END_STREAM, then an empty DATA with it.
#[test]
fn an_empty_data_frame_ends_a_request() {
    let origin = Origin::saying("here");
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &origin.address()))]);
    let mut h2 = H2::connect(&edge, "a.test");
    for (n, (method, length)) in
        [("GET", None), ("GET", Some("0")), ("POST", None), ("POST", Some("0")), ("HEAD", None)]
            .into_iter()
            .enumerate()
    {
        let stream = 1 + 2 * n as u32;
        let fields: Vec<(&str, &str)> = length.map(|length| ("content-length", length)).into_iter().collect();
        h2.request(stream, method, "a.test", "/", &fields, false);
        h2.data(stream, "", true);
        assert_eq!(h2.response(stream).status(), 200, "{method} {length:?}");
        let seen = origin.requests().pop().expect("a request");
        assert!(seen.start.starts_with(method) && seen.body.is_empty(), "{seen:?}");
    }
    // The same over empty trailers, and with the empty frame much later.
    h2.request(21, "GET", "a.test", "/", &[], false);
    h2.headers(21, &[(b"x-t", b"1")], true);
    assert_eq!(h2.response(21).text(), "here");
    h2.request(23, "GET", "a.test", "/", &[], false);
    h2.get(25, "a.test", "/");
    assert_eq!(h2.response(25).text(), "here");
    h2.data(23, "", true);
    assert_eq!(h2.response(23).text(), "here");
}

#[test]
fn bodies_both_ways() {
    let origin = Origin::echoing_bodies();
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &origin.address()))]);
    let mut h2 = H2::connect(&edge, "a.test");
    for (n, size) in [0, 1, 16_383, 16_384, 16_385, 60_000].into_iter().enumerate() {
        let body: Vec<u8> = (0..size).map(|at| (at / 256 + at) as u8).collect();
        for (with_length, stream) in [(true, 1 + 4 * n as u32), (false, 3 + 4 * n as u32)] {
            let length = size.to_string();
            let fields: &[(&str, &str)] = if with_length { &[("content-length", &length)] } else { &[] };
            h2.request(stream, "POST", "a.test", "/", fields, false);
            for piece in body.chunks(10_000) {
                h2.data(stream, piece, false);
            }
            h2.data(stream, "", true);
            let response = h2.response(stream);
            assert!(response.body == body, "{size} with length: {with_length}");
            assert_eq!(response.one("content-length"), length);
            let seen = origin.requests().pop().expect("a request");
            assert_eq!(seen.has("content-length"), with_length);
        }
    }
}

#[test]
fn trailers_and_interim_answers_pass() {
    let (edge, recorder) = recorded();
    let mut h2 = H2::connect(&edge, "a.test");
    h2.request(1, "POST", "a.test", "/", &[("te", "trailers"), ("trailer", "x-sum")], false);
    h2.data(1, "hello", false);
    h2.headers(1, &[(b"x-sum", b"abc")], true);
    let mut upstream = recorder.accept();
    let seen = upstream.request();
    assert_eq!(seen.text(), "hello");
    assert_eq!(seen.trailers, [("x-sum".to_owned(), "abc".to_owned())]);
    upstream.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    let (hints, ends) = h2.head(1);
    assert_eq!((hints.status(), hints.one("link"), ends), (103, "</a>", false));
    upstream
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nGrpc-Status: 0\r\n\r\n");
    let response = h2.response(1);
    assert_eq!(response.text(), "ok");
    assert!(!response.has("transfer-encoding"));
    assert_eq!(response.trailers, [("grpc-status".to_owned(), "0".to_owned())]);
}

#[test]
fn upload_and_answer_overlap() {
    let (edge, recorder) = recorded();
    let mut h2 = H2::connect(&edge, "a.test");
    h2.request(1, "POST", "a.test", "/", &[], false);
    let mut upstream = recorder.accept();
    upstream.head();
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(h2.head(1).0.status(), 200);
    for round in 0..3 {
        let piece = format!("round{round}");
        h2.data(1, &piece, false);
        let chunk = format!("6\r\n{piece}\r\n");
        assert_eq!(upstream.exactly(chunk.len()), chunk.as_bytes());
        upstream.send(&chunk);
        let frame = h2.frame_of(1).expect("the echo");
        assert_eq!((frame.kind, frame.payload), (DATA, piece.into_bytes()));
    }
    h2.data(1, "", true);
    assert_eq!(upstream.exactly(5), b"0\r\n\r\n");
    upstream.send("0\r\n\r\n");
    let last = h2.frame_of(1).expect("the end");
    assert_eq!((last.kind, last.flags & END_STREAM), (DATA, END_STREAM));
}

/// An answer that does not wait for the body arrives whole, and only then is the visitor told to stop (RFC 9113 §8.1).
#[test]
fn an_early_answer_arrives_whole() {
    let (edge, recorder) = recorded();
    let mut h2 = H2::connect(&edge, "a.test");
    for (n, (length, body)) in
        [(None, ""), (Some("100"), ""), (None, "ok"), (Some("100"), "ok")].into_iter().enumerate()
    {
        let stream = 1 + 2 * n as u32;
        let fields: Vec<(&str, &str)> = length.map(|length| ("content-length", length)).into_iter().collect();
        h2.request(stream, "POST", "a.test", "/", &fields, false);
        let mut upstream = recorder.accept();
        upstream.head();
        upstream.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        assert_eq!(h2.response(stream).text(), body, "content-length {length:?}");
        let last = h2.frame_of(stream).expect("a word about the body");
        assert_eq!((last.kind, last.payload), (RST_STREAM, NO_ERROR.to_be_bytes().to_vec()));
    }
}

#[test]
fn each_stream_is_routed_by_itself() {
    let (alice, bob) = (Origin::saying("alice"), Origin::saying("bob"));
    // Without certificates of their own both hosts are behind the default one, which covers neither.
    let edge = Edge::with(&[
        ("alice", &account("\"a.test\", \"x.a.test\"", &alice.address())),
        ("bob", &account("\"b.test\"", &bob.address())),
    ]);
    let mut h2 = H2::connect(&edge, "a.test");
    h2.get(1, "a.test", "/");
    h2.get(3, "X.A.Test", "/");
    h2.get(5, "b.test", "/");
    assert_eq!(h2.response(1).text(), "alice");
    assert_eq!(h2.response(3).text(), "alice");
    let response = h2.response(5);
    assert_eq!((response.status(), response.word()), (421, "misdirected"));
}

#[test]
fn refusals_are_answers_of_the_stream() {
    let edge = Edge::with(&[("alice", &account("\"a.test/app\"", &Recorder::new().address()))]);
    let mut h2 = H2::connect(&edge, "a.test");
    h2.get(1, "a.test", "/");
    h2.get(3, "a.test", "/app");
    let first = h2.response(1);
    assert_eq!((first.status(), first.word()), (404, "unknown_path"));
    assert!(!first.has("connection"));
    let second = h2.response(3);
    assert_eq!((second.status(), second.word()), (502, "refused"));
}

/// An answer cut short ends with RST_STREAM, never with END_STREAM; the others go on.
#[test]
fn a_cut_answer_looks_cut() {
    let (edge, recorder) = recorded();
    let mut h2 = H2::connect(&edge, "a.test");
    for (n, cut) in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nbad",
    ]
    .into_iter()
    .enumerate()
    {
        let stream = 1 + 2 * n as u32;
        h2.get(stream, "a.test", "/");
        let mut upstream = recorder.accept();
        upstream.request();
        upstream.send(cut).finish();
        let outcome = h2.outcome(stream);
        assert!(matches!(outcome, Outcome::Reset(code, _) if code != NO_ERROR), "{cut:?}: {outcome:?}");
    }
    h2.get(21, "nobody.test", "/");
    h2.response(21);
}

#[test]
fn a_cancelled_stream_cancels_its_upstream_request() {
    let (edge, recorder) = recorded();
    let mut h2 = H2::connect(&edge, "a.test");
    // While the upstream thinks, while the visitor uploads, while the upstream answers.
    h2.get(1, "a.test", "/");
    let mut thinking = recorder.accept();
    thinking.request();
    h2.request(3, "POST", "a.test", "/", &[], false);
    h2.data(3, "hello", false);
    let mut reading = recorder.accept();
    reading.head();
    reading.exactly(10);
    h2.get(5, "a.test", "/");
    let mut answering = recorder.accept();
    answering.request();
    answering.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
    h2.head(5);
    for (stream, upstream) in [(1, &mut thinking), (3, &mut reading), (5, &mut answering)] {
        h2.reset(stream, CANCEL);
        let (rest, _) = upstream.read_to_end();
        assert!(rest.is_empty(), "{stream}: {}", rest.escape_ascii());
    }
    // The connection lives; when it goes, all of its streams are cancelled.
    h2.get(7, "a.test", "/");
    let mut upstream = recorder.accept();
    upstream.request();
    drop(h2);
    upstream.read_to_end();
}

/// How long an answer may wait for a window counts from when it began to wait, not from what moved before: the upstream
/// may have been silent for longer than that.
#[test]
fn a_closed_window_has_its_time_after_a_silence() {
    let recorder = Recorder::new();
    let edge = Files::new()
        .set("timeouts", "write_idle", "\"1s\"")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .start();
    let mut h2 = H2::over(Raw::tls(edge.tls_address(), "a.test", &["h2"]));
    h2.open(&[(INITIAL_WINDOW_SIZE, 0)]);
    h2.get(1, "a.test", "/");
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    h2.head(1);
    assert!(upstream.is_quiet_for(Duration::from_millis(1500)));
    upstream.send("hello");
    assert!(upstream.is_quiet_for(Duration::from_millis(500)));
    h2.send(WINDOW_UPDATE, 0, 1, 5u32.to_be_bytes());
    let data = h2.frame_of(1).expect("the answer");
    assert_eq!((data.kind, data.payload), (DATA, b"hello".to_vec()));
}

/// A stream that is not read stands still without holding up the others, and its upstream feels it.
#[test]
fn flow_control_holds_back_one_stream() {
    let (edge, recorder) = recorded();
    let mut h2 = H2::over(Raw::tls(edge.tls_address(), "a.test", &["h2"]));
    h2.open(&[(INITIAL_WINDOW_SIZE, 1000)]);
    h2.send(WINDOW_UPDATE, 0, 0, (1u32 << 30).to_be_bytes());
    h2.get(1, "a.test", "/slow");
    let mut slow = recorder.accept();
    slow.request();
    slow.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
    let taken = slow.send_until_full(100_000_000, Duration::from_millis(300));
    assert!(taken < 50_000_000, "{taken} bytes taken for a stream that is not read");
    h2.get(3, "a.test", "/quick");
    let mut quick = recorder.accept();
    quick.request();
    quick.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(h2.response(3).text(), "ok");
    // Its window opens by so much, and so much comes.
    assert_eq!(h2.head(1).0.status(), 200);
    let mut got = h2.frame_of(1).expect("data").payload.len();
    h2.send(WINDOW_UPDATE, 0, 1, 5000u32.to_be_bytes());
    while got < 6000 {
        got += h2.frame_of(1).expect("data").payload.len();
    }
    assert_eq!(got, 6000);
}

/// The window of an upload opens as the upstream takes the bytes, no sooner.
#[test]
fn an_upload_waits_for_its_upstream() {
    let (edge, recorder) = recorded();
    let mut h2 = H2::connect(&edge, "a.test");
    h2.request(1, "POST", "a.test", "/", &[], false);
    let mut upstream = recorder.accept();
    upstream.head();
    let mut sent = 0;
    let mut window = 65_535i64;
    // As much as the windows allow, until they stay shut.
    loop {
        while window >= 1000 {
            h2.data(1, [b'x'; 1000], false);
            window -= 1000;
            sent += 1000;
        }
        assert!(sent < 64 << 20, "{sent} bytes taken for an upstream that does not read");
        if h2.raw().is_quiet_for(Duration::from_millis(300)) {
            break;
        }
        while let Some(frame) = h2.ready_frame() {
            if (frame.kind, frame.stream) == (WINDOW_UPDATE, 1) {
                window += i64::from(u32::from_be_bytes(frame.payload.try_into().expect("four bytes")));
            }
        }
    }
    h2.data(1, "", true);
    // Chunked, so more than the body comes; all of the body comes.
    let mut body = 0;
    while body < sent {
        let line = upstream.read_until(b"\r\n").expect("a chunk");
        let size = usize::from_str_radix(std::str::from_utf8(&line[..line.len() - 2]).expect("ASCII"), 16)
            .expect("a size");
        upstream.exactly(size + 2);
        body += size;
    }
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(h2.response(1).text(), "ok");
}

/// A visitor who fills its window within a round trip is given a larger one, up to an end.
#[test]
fn a_fast_upload_widens_its_window() {
    const PIECE: i64 = 16_000;
    const LENGTH: i64 = 1000 * PIECE;
    let (edge, recorder) = recorded();
    let mut h2 = H2::connect(&edge, "a.test");
    h2.request(1, "POST", "a.test", "/", &[("content-length", &LENGTH.to_string())], false);
    let mut upstream = recorder.accept();
    upstream.head();
    let upstream = std::thread::spawn(move || {
        upstream.exactly(LENGTH as usize);
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        upstream
    });
    let (mut sent, mut windows, mut questions) = (0, vec![256 * 1024], 0);
    let (mut of_stream, mut of_connection) = (256 * 1024, 65_535);
    let mut asked: Option<(Vec<u8>, i64)> = None;
    loop {
        while of_stream.min(of_connection) >= PIECE && sent < LENGTH {
            sent += PIECE;
            of_stream -= PIECE;
            of_connection -= PIECE;
            h2.data(1, [b'x'; PIECE as usize], sent == LENGTH);
        }
        // The round trip lasts as long as a window does.
        if let Some((question, _)) = asked.take_if(|(_, due)| sent >= *due) {
            h2.send(PING, ACK, 0, question);
        }
        if sent == LENGTH {
            break;
        }
        let frame = h2.frame().expect("the connection goes on");
        let number =
            |at: usize| u32::from_be_bytes(frame.payload[at..at + 4].try_into().expect("four bytes"));
        match (frame.kind, frame.flags & ACK, frame.stream) {
            (WINDOW_UPDATE, _, 0) => of_connection += i64::from(number(0)),
            (WINDOW_UPDATE, _, 1) => of_stream += i64::from(number(0)),
            (PING, 0, 0) => {
                questions += 1;
                asked = Some((frame.payload, sent + windows[windows.len() - 1]));
            }
            (SETTINGS, 0, 0) => {
                assert_eq!(&frame.payload[..2], INITIAL_WINDOW_SIZE.to_be_bytes());
                let wider = i64::from(number(2));
                of_stream += wider - windows[windows.len() - 1];
                windows.push(wider);
                h2.send(SETTINGS, ACK, 0, []);
            }
            _ => assert!(frame.flags & ACK != 0, "{frame:?}"),
        }
    }
    assert_eq!(h2.response(1).text(), "ok");
    assert_eq!((windows, questions), (vec![256 * 1024, 512 * 1024, 1024 * 1024], 2));
    upstream.join().expect("the upstream had all of it");
}

/// RFC 8441: a WebSocket on one stream, HTTP/1.1's handshake behind it.
#[test]
fn a_websocket_on_a_stream() {
    let (edge, recorder) = recorded();
    let mut h2 = H2::over(Raw::tls(edge.tls_address(), "a.test", &["h2"]));
    h2.raw().send(PREFACE);
    h2.settings(&[(INITIAL_WINDOW_SIZE, LARGEST_WINDOW)]);
    let settings = h2.frame().expect("settings");
    let enabled = settings.payload.chunks(6).any(|s| s == [0, ENABLE_CONNECT_PROTOCOL as u8, 0, 0, 0, 1]);
    assert!(enabled, "extended CONNECT is announced");

    let connect: &[(&[u8], &[u8])] = &[
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        (b":scheme", b"https"),
        (b":authority", b"a.test"),
        (b":path", b"/ws"),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-protocol", b"chat"),
    ];
    h2.headers(1, connect, false);
    h2.data(1, "ahead", false);
    let mut upstream = recorder.accept();
    let request = upstream.request();
    assert_eq!(request.start, "GET /ws HTTP/1.1");
    assert_eq!((request.one("upgrade"), request.one("sec-websocket-protocol")), ("websocket", "chat"));
    assert!(request.one("connection").eq_ignore_ascii_case("upgrade"));
    let key = request.one("sec-websocket-key").to_owned();
    assert_eq!(key.len(), 24);
    assert!(upstream.is_quiet_for(Duration::from_millis(100)), "tunnelled before 101");
    upstream.send(format!("{SWITCH}Sec-WebSocket-Accept: {}\r\n\r\n", accept_of(&key)));
    assert_eq!(upstream.exactly(5), b"ahead");
    let (head, ends) = h2.head(1);
    assert_eq!((head.status(), ends), (200, false));
    assert!(!head.has("connection") && !head.has("upgrade") && !head.has("sec-websocket-accept"));
    for _ in 0..3 {
        h2.data(1, "up", false);
        assert_eq!(upstream.exactly(2), b"up");
        upstream.send("down");
        assert_eq!(h2.frame_of(1).expect("data").payload, b"down");
    }
    // Each side ends by itself.
    h2.data(1, "", true);
    assert_eq!(upstream.read_to_end().1, End::Fin);
    upstream.finish();
    loop {
        let frame = h2.frame_of(1).expect("the end");
        if frame.kind == RST_STREAM || frame.flags & END_STREAM != 0 {
            break;
        }
    }

    // Refused by the upstream: an answer like any other.
    h2.headers(3, connect, false);
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    let (head, _) = h2.head(3);
    assert_eq!(head.status(), 403);

    // With the wrong key: nobody knows what is spoken there.
    h2.headers(5, connect, false);
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send(format!("{SWITCH}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"));
    let (head, _) = h2.head(5);
    assert_eq!((head.status(), head.word()), (502, "upgrade_failed"));
}

/// CONNECT without a protocol would make a proxy for the world.
#[test]
fn connect_is_refused() {
    let (edge, recorder) = recorded();
    let mut h2 = H2::connect(&edge, "a.test");
    h2.headers(1, &[(b":method", b"CONNECT"), (b":authority", b"a.test:443")], false);
    match h2.outcome(1) {
        Outcome::Answered(response) => assert_eq!(response.status(), 501),
        Outcome::Reset(..) => {}
        Outcome::Gone(code) => panic!("{code:?}"),
    }
    recorder.expect_nothing();
}

/// SIGTERM: GOAWAY first, with room for what is under way; streams that were begun are finished.
#[test]
fn a_drain_says_goaway() {
    let recorder = Recorder::new();
    let mut edge = Files::new()
        .set("timeouts", "drain", "\"30s\"")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .start();
    let mut idle = H2::connect(&edge, "a.test");
    idle.get(1, "nobody.test", "/");
    idle.outcome(1);
    let mut busy = H2::connect(&edge, "a.test");
    busy.get(1, "a.test", "/");
    let mut upstream = recorder.accept();
    upstream.request();
    edge.signal(Signal::TERM);
    assert_eq!(idle.goaway().0, NO_ERROR);
    idle.raw().read_to_end();
    let (code, last) = busy.goaway();
    assert!(code == NO_ERROR && last >= 1);
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(busy.response(1).text(), "ok");
    busy.raw().read_to_end();
    assert!(edge.wait().success());
}

/// An edge that passes every body on as it comes.
fn recorded() -> (Edge, Recorder) {
    let recorder = Recorder::new();
    let files = Files::new().set("limits", "request_buffer", "\"0\"");
    (files.document("alice", &account("\"a.test\"", &recorder.address())).start(), recorder)
}

/// RFC 6455 §4.2.2.
fn accept_of(key: &str) -> String {
    let digest = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes(),
    );
    base64(digest.as_ref())
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().chain(&[0; 2]).take(3).fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
