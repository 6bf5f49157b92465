//! HTTP/2 connections and streams: frames where they may not be, of sizes they may not have, and floods of frames
//! that are each allowed (RFC 9113 §4–6, §10.5).

use crate::support::h2::*;
use crate::support::{Edge, Origin, Raw, Recorder, account, certificate, hpack, wait};
use std::time::Duration;

/// What a client does on a fresh connection, and the code of the GOAWAY (or RST_STREAM of stream 1) it gets.
type Case = (&'static str, u32, fn(&mut H2));

/// RFC 9113, in the order of its sections. Either a stream error or a connection error will do (§5.4.1), and the
/// unspecific code in place of the one named here (§7): the h2 crate says `PROTOCOL_ERROR` for whatever it cannot parse.
const FORBIDDEN: &[Case] = &[
    ("a frame over 16,384 bytes (4.2)", FRAME_SIZE_ERROR, |h2| h2.send(DATA, 0, 1, vec![0; 16_385])),
    ("fields that do not decode (4.3)", COMPRESSION_ERROR, |h2| {
        h2.send(HEADERS, END_HEADERS | END_STREAM, 1, [0xff; 9]);
    }),
    ("an index of nothing (4.3)", COMPRESSION_ERROR, |h2| {
        h2.send(HEADERS, END_HEADERS | END_STREAM, 1, [0x80]);
    }),
    ("an index past the tables (4.3)", COMPRESSION_ERROR, |h2| {
        h2.send(HEADERS, END_HEADERS | END_STREAM, 1, [0xff, 0x20]);
    }),
    ("a field cut short (4.3)", COMPRESSION_ERROR, |h2| {
        h2.send(HEADERS, END_HEADERS | END_STREAM, 1, [0x00, 0x05, b'a']);
    }),
    ("Huffman padding of zeros (4.3)", COMPRESSION_ERROR, |h2| {
        h2.send(HEADERS, END_HEADERS | END_STREAM, 1, [0x00, 0x81, 0x00, 0x01, b'a']);
    }),
    ("a table larger than allowed (4.3)", COMPRESSION_ERROR, |h2| {
        h2.send(HEADERS, END_HEADERS | END_STREAM, 1, [0x3f, 0xff, 0xff, 0x03]);
    }),
    ("DATA of an idle stream (5.1)", PROTOCOL_ERROR, |h2| h2.data(1, "x", true)),
    ("RST_STREAM of an idle stream (5.1)", PROTOCOL_ERROR, |h2| h2.reset(1, CANCEL)),
    ("WINDOW_UPDATE of an idle stream (5.1)", PROTOCOL_ERROR, |h2| {
        h2.send(WINDOW_UPDATE, 0, 1, 1u32.to_be_bytes());
    }),
    ("CONTINUATION of an idle stream (5.1)", PROTOCOL_ERROR, |h2| {
        h2.send(CONTINUATION, END_HEADERS, 1, hpack::encode(&[]));
    }),
    ("DATA behind the end of the stream (5.1)", STREAM_CLOSED, |h2| {
        h2.get(1, "a.test", "/");
        h2.data(1, "x", true);
    }),
    ("HEADERS behind the end of the stream (5.1)", STREAM_CLOSED, |h2| {
        h2.get(1, "a.test", "/");
        h2.get(1, "a.test", "/");
    }),
    ("an even stream (5.1.1)", PROTOCOL_ERROR, |h2| h2.get(2, "a.test", "/")),
    ("a stream below the last (5.1.1)", PROTOCOL_ERROR, |h2| {
        h2.get(5, "a.test", "/");
        h2.get(3, "a.test", "/");
    }),
    ("DATA of the connection (6.1)", PROTOCOL_ERROR, |h2| h2.data(0, "x", true)),
    ("DATA with more padding than there is (6.1)", PROTOCOL_ERROR, |h2| {
        h2.request(1, "POST", "a.test", "/", &[], false);
        h2.send(DATA, PADDED | END_STREAM, 1, [9, b'x']);
    }),
    ("HEADERS of the connection (6.2)", PROTOCOL_ERROR, |h2| h2.get(0, "a.test", "/")),
    ("HEADERS with more padding than there is (6.2)", PROTOCOL_ERROR, |h2| {
        h2.send(HEADERS, PADDED | END_HEADERS | END_STREAM, 1, [200, 0x82, 0x86, 0x84]);
    }),
    ("PRIORITY of four bytes (6.3)", FRAME_SIZE_ERROR, |h2| h2.send(PRIORITY, 0, 1, [0; 4])),
    ("PRIORITY of the connection (6.3)", PROTOCOL_ERROR, |h2| h2.send(PRIORITY, 0, 0, [0; 5])),
    ("RST_STREAM of the connection (6.4)", PROTOCOL_ERROR, |h2| h2.reset(0, CANCEL)),
    ("RST_STREAM of three bytes (6.4)", FRAME_SIZE_ERROR, |h2| {
        h2.request(1, "POST", "a.test", "/", &[], false);
        h2.send(RST_STREAM, 0, 1, [0; 3]);
    }),
    ("SETTINGS of five bytes (6.5)", FRAME_SIZE_ERROR, |h2| h2.send(SETTINGS, 0, 0, [0; 5])),
    ("SETTINGS of a stream (6.5)", PROTOCOL_ERROR, |h2| h2.send(SETTINGS, 0, 1, [])),
    ("SETTINGS acknowledged with more (6.5)", FRAME_SIZE_ERROR, |h2| h2.send(SETTINGS, ACK, 0, [0; 6])),
    ("ENABLE_PUSH of two (6.5.2)", PROTOCOL_ERROR, |h2| h2.settings(&[(ENABLE_PUSH, 2)])),
    ("a window over 2^31-1 (6.5.2)", FLOW_CONTROL_ERROR, |h2| h2.settings(&[(INITIAL_WINDOW_SIZE, 1 << 31)])),
    ("frames below 16,384 bytes (6.5.2)", PROTOCOL_ERROR, |h2| h2.settings(&[(MAX_FRAME_SIZE, 16_383)])),
    ("frames over 2^24-1 bytes (6.5.2)", PROTOCOL_ERROR, |h2| h2.settings(&[(MAX_FRAME_SIZE, 1 << 24)])),
    ("ENABLE_CONNECT_PROTOCOL of two (RFC 8441 3)", PROTOCOL_ERROR, |h2| {
        h2.settings(&[(ENABLE_CONNECT_PROTOCOL, 2)]);
    }),
    ("PUSH_PROMISE of a client (6.6)", PROTOCOL_ERROR, |h2| {
        h2.request(1, "POST", "a.test", "/", &[], false);
        h2.send(PUSH_PROMISE, END_HEADERS, 1, [&2u32.to_be_bytes()[..], &hpack::encode(&[])].concat());
    }),
    ("PING of seven bytes (6.7)", FRAME_SIZE_ERROR, |h2| h2.send(PING, 0, 0, [0; 7])),
    ("PING of a stream (6.7)", PROTOCOL_ERROR, |h2| h2.send(PING, 0, 1, [0; 8])),
    ("GOAWAY of a stream (6.8)", PROTOCOL_ERROR, |h2| h2.send(GOAWAY, 0, 1, [0; 8])),
    ("WINDOW_UPDATE of nothing (6.9)", PROTOCOL_ERROR, |h2| h2.send(WINDOW_UPDATE, 0, 0, [0; 4])),
    ("WINDOW_UPDATE of nothing on a stream (6.9)", PROTOCOL_ERROR, |h2| {
        h2.request(1, "POST", "a.test", "/", &[], false);
        h2.send(WINDOW_UPDATE, 0, 1, [0; 4]);
    }),
    ("WINDOW_UPDATE of three bytes (6.9)", FRAME_SIZE_ERROR, |h2| h2.send(WINDOW_UPDATE, 0, 0, [0; 3])),
    ("a connection's window over 2^31-1 (6.9.1)", FLOW_CONTROL_ERROR, |h2| {
        h2.send(WINDOW_UPDATE, 0, 0, LARGEST_WINDOW.to_be_bytes());
    }),
    ("a stream's window over 2^31-1 (6.9.1)", FLOW_CONTROL_ERROR, |h2| {
        h2.request(1, "POST", "a.test", "/", &[], false);
        h2.send(WINDOW_UPDATE, 0, 1, LARGEST_WINDOW.to_be_bytes());
    }),
    ("CONTINUATION of another stream (6.10)", PROTOCOL_ERROR, |h2| {
        h2.send(HEADERS, END_STREAM, 1, hpack::encode(&[]));
        h2.send(CONTINUATION, END_HEADERS, 3, hpack::encode(&[]));
    }),
    ("another frame inside a head (6.10)", PROTOCOL_ERROR, |h2| {
        h2.send(HEADERS, END_STREAM, 1, hpack::encode(&[]));
        h2.send(PING, 0, 0, [0; 8]);
    }),
    ("CONTINUATION without HEADERS (6.10)", PROTOCOL_ERROR, |h2| {
        h2.request(1, "POST", "a.test", "/", &[], false);
        h2.send(CONTINUATION, END_HEADERS, 1, hpack::encode(&[]));
    }),
];

#[test]
fn forbidden_frames() {
    let (edge, _recorder) = recorded();
    for (what, code, act) in FORBIDDEN {
        let mut h2 = H2::connect(&edge, "a.test");
        act(&mut h2);
        let outcome = h2.outcome(1);
        let refused = outcome.is_error(*code) || outcome.is_error(PROTOCOL_ERROR);
        assert!(refused, "{what}: {outcome:?} instead of {code}");
    }
}

#[test]
fn no_preface_no_http2() {
    let (edge, recorder) = recorded();
    for bytes in
        [&b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", &[0; 100]]
    {
        let mut raw = Raw::tls(edge.tls_address(), "a.test", &["h2"]);
        raw.send(bytes);
        raw.read_to_end();
    }
    recorder.expect_nothing();
    // Nor does anyone wait for it for ever.
    let edge = crate::support::edge::Files::new()
        .set("timeouts", "handshake", "\"300ms\"")
        .set("timeouts", "header", "\"300ms\"")
        .start();
    let mut raw = Raw::tls(edge.tls_address(), "a.test", &["h2"]);
    raw.read_to_end();
}

/// What RFC 9113 says to ignore is ignored.
#[test]
fn what_must_be_ignored() {
    let origin = Origin::saying("here");
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &origin.address()))]);
    // With windows that still have room.
    let mut h2 = H2::over(Raw::tls(edge.tls_address(), "a.test", &["h2"]));
    h2.open(&[]);
    // Unknown kinds, unknown settings, unknown flags, the reserved bit (4.1, 5.5, 6.5.2).
    h2.send(0x16, 0xff, 0, [1, 2, 3]);
    h2.send(0x16, 0, 7, [0; 100]);
    h2.settings(&[(0x99, 7)]);
    h2.send(PING, 0xfe, 1 << 31, [0; 8]);
    h2.send(PRIORITY, 0, 1, [0, 0, 0, 0, 16]);
    h2.send(WINDOW_UPDATE, 0, 0, (1u32 << 31 | 1).to_be_bytes());
    h2.get(1, "a.test", "/");
    assert_eq!(h2.response(1).text(), "here");
    // Late frames of a stream that has ended (5.1).
    h2.send(WINDOW_UPDATE, 0, 1, 1u32.to_be_bytes());
    h2.send(PRIORITY, 0, 1, [0, 0, 0, 0, 16]);
    h2.reset(1, CANCEL);
    h2.get(3, "a.test", "/");
    assert_eq!(h2.response(3).text(), "here");
    // Padding counts and is thrown away (6.1, 6.2).
    let head = hpack::encode(&[
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", b"a.test"),
        (b":path", b"/"),
    ]);
    h2.send(HEADERS, PADDED | END_HEADERS, 5, [&[3][..], &head, &[0; 3]].concat());
    h2.send(DATA, PADDED | END_STREAM, 5, [&[200][..], b"hello", &[0; 200]].concat());
    assert_eq!(h2.response(5).text(), "here");
    assert_eq!(origin.requests().pop().expect("a request").text(), "hello");
}

#[test]
fn a_head_may_come_in_pieces() {
    let origin = Origin::saying("here");
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &origin.address()))]);
    let mut h2 = H2::connect(&edge, "a.test");
    let block = hpack::encode(&[
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"a.test"),
        (b":path", b"/x"),
    ]);
    // Six at most, or it is a flood (§10.5.1).
    for (n, count) in [6, 3, 2, 1].into_iter().enumerate() {
        let stream = 1 + 2 * n as u32;
        let pieces: Vec<&[u8]> = block.chunks(block.len().div_ceil(count)).collect();
        for (at, piece) in pieces.iter().enumerate() {
            let (first, last) = (at == 0, at + 1 == pieces.len());
            let flags = if last { END_HEADERS } else { 0 } | if first { END_STREAM } else { 0 };
            h2.send(if first { HEADERS } else { CONTINUATION }, flags, stream, piece);
        }
        assert_eq!(h2.response(stream).text(), "here");
    }
    assert!(origin.requests().iter().all(|request| request.target() == "/x"));
}

#[test]
fn streams_beyond_the_bound_are_refused_and_no_more() {
    let recorder = Recorder::new();
    let edge = crate::support::edge::Files::new()
        .set("limits", "streams_per_connection", "10")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .start();
    let mut h2 = H2::connect(&edge, "a.test");
    for n in 0..11 {
        h2.get(1 + 2 * n, "a.test", "/");
    }
    assert!(h2.outcome(21).is_error(REFUSED_STREAM));
    // The ten go on.
    let mut upstreams: Vec<Raw> = (0..10).map(|_| recorder.accept()).collect();
    for upstream in &mut upstreams {
        upstream.request();
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
    for n in 0..10 {
        assert_eq!(h2.response(1 + 2 * n).text(), "ok");
    }
}

/// Each of these is allowed once; without end it is an attack, and the connection ends, soon and whole.
#[test]
fn floods() {
    type Flood = (&'static str, fn(u32) -> Vec<u8>);
    const HEAD: &[(&[u8], &[u8])] =
        &[(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a.test"), (b":path", b"/")];
    let floods: &[Flood] = &[
        ("rapid reset", |n| {
            let head = frame(HEADERS, END_HEADERS, 1 + 2 * n, &hpack::encode(HEAD));
            [head, frame(RST_STREAM, 0, 1 + 2 * n, &CANCEL.to_be_bytes())].concat()
        }),
        ("MadeYouReset by WINDOW_UPDATE", |n| {
            let head = frame(HEADERS, END_HEADERS, 1 + 2 * n, &hpack::encode(HEAD));
            [head, frame(WINDOW_UPDATE, 0, 1 + 2 * n, &[0; 4])].concat()
        }),
        ("MadeYouReset by DATA behind the end", |n| {
            let head = frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * n, &hpack::encode(HEAD));
            [head, frame(DATA, 0, 1 + 2 * n, b"x")].concat()
        }),
        ("MadeYouReset by PRIORITY of itself", |n| {
            let head = frame(HEADERS, END_HEADERS, 1 + 2 * n, &hpack::encode(HEAD));
            let priority = [&(1 + 2 * n).to_be_bytes()[..], &[0]].concat();
            [
                head,
                frame(PRIORITY, 0, 1 + 2 * n, &priority),
                frame(RST_STREAM, 0, 1 + 2 * n, &CANCEL.to_be_bytes()),
            ]
            .concat()
        }),
        ("malformed requests", |n| {
            frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * n, &hpack::encode(&[(b"X", b"y")]))
        }),
        ("CONTINUATION", |n| {
            let field = hpack::encode(&[(b"x", &[b'y'; 1000])]);
            if n == 0 { frame(HEADERS, END_STREAM, 1, &field) } else { frame(CONTINUATION, 0, 1, &field) }
        }),
        ("empty CONTINUATION", |n| {
            if n == 0 {
                frame(HEADERS, END_STREAM, 1, &hpack::encode(HEAD))
            } else {
                frame(CONTINUATION, 0, 1, &[])
            }
        }),
        ("empty DATA", |n| {
            if n == 0 { frame(HEADERS, END_HEADERS, 1, &hpack::encode(HEAD)) } else { frame(DATA, 0, 1, &[]) }
        }),
        ("DATA of padding alone", |n| {
            if n == 0 {
                frame(HEADERS, END_HEADERS, 1, &hpack::encode(HEAD))
            } else {
                frame(DATA, PADDED, 1, &[0])
            }
        }),
        ("SETTINGS", |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255])),
        ("PING", |_| frame(PING, 0, 0, &[0; 8])),
    ];
    let (edge, _recorder) = recorded();
    for (what, one) in floods {
        let before = edge.memory();
        let mut h2 = H2::connect(&edge, "a.test");
        let ended = wait::try_until(Duration::from_secs(60), || {
            // In batches, never read: what the edge answers piles up, or is bounded.
            let mut n = 0;
            loop {
                let batch: Vec<u8> = (n..n + 100).flat_map(one).collect();
                n += 100;
                if h2.try_send(batch).is_err() {
                    return Some(n);
                }
                if n > 1_000_000 {
                    return None;
                }
            }
        });
        assert!(ended.is_some(), "{what}: a million frames and still open");
        let grown = edge.memory().saturating_sub(before);
        assert!(grown < 64 << 20, "{what}: {grown} bytes grown");
        // Everyone else is served.
        assert_eq!(H2::connect(&edge, "a.test").raw().tls_state().alpn_protocol(), Some(&b"h2"[..]));
    }
}

/// A small block that unfolds to a large head (the HPACK bomb) is refused before it costs memory.
#[test]
fn a_head_that_unfolds() {
    let (edge, recorder) = recorded();
    let before = edge.memory();
    let mut h2 = H2::connect(&edge, "a.test");
    let mut block = hpack::encode(&[
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"a.test"),
        (b":path", b"/"),
    ]);
    block.extend(hpack::encode_indexed(b"x", &[b'y'; 4000]));
    // Each byte is another 4,000 bytes of the newest entry.
    block.extend([0xbe; 10_000]);
    h2.send(HEADERS, END_HEADERS | END_STREAM, 1, &block);
    match h2.outcome(1) {
        Outcome::Answered(response) => {
            assert_eq!((response.status(), response.word()), (431, "header_too_large"));
        }
        Outcome::Reset(..) | Outcome::Gone(Some(_)) => {}
        Outcome::Gone(None) => panic!("closed without a word"),
    }
    assert!(edge.memory().saturating_sub(before) < 16 << 20);
    recorder.expect_nothing();
}

/// Streams whose windows never open hold little, and not for ever.
#[test]
fn windows_of_zero() {
    let body = vec![b'x'; 1 << 20];
    let origin = Origin::answering(move |_| crate::support::origin::answer_bytes(&body));
    let edge = crate::support::edge::Files::new()
        .set("timeouts", "write_idle", "\"1s\"")
        .document("alice", &account("\"a.test\"", &origin.address()))
        .start();
    let before = edge.memory();
    let mut h2 = H2::over(Raw::tls(edge.tls_address(), "a.test", &["h2"]));
    h2.open(&[(INITIAL_WINDOW_SIZE, 0)]);
    for n in 0..50 {
        h2.get(1 + 2 * n, "a.test", "/");
    }
    for n in 0..50 {
        let outcome = h2.outcome(1 + 2 * n);
        assert!(matches!(outcome, Outcome::Reset(..) | Outcome::Gone(_)), "{outcome:?}");
    }
    assert!(edge.memory().saturating_sub(before) < 32 << 20);
}

/// `protocols` is a kill switch: what a listener does not speak is not offered.
#[test]
fn protocols_of_a_listener() {
    let origin = Origin::saying("here");
    let edge = crate::support::edge::Files::new()
        .listen("address = \"127.0.0.2:0\"\ntls = true\nprotocols = [\"http/1.1\"]")
        .listen("address = \"127.0.0.2:0\"\nprotocols = [\"h2c\", \"http/1.1\"]")
        .document("alice", &account("\"a.test\"", &origin.address()))
        .start();
    let config = certificate::trusting(&["h2", "http/1.1"]);
    let raw = Raw::try_tls(edge.listener("127.0.0.2", "tls"), config, Some("a.test")).expect("a handshake");
    assert_eq!(raw.tls_state().alpn_protocol(), Some(&b"http/1.1"[..]));
    // Prior knowledge in the clear, beside HTTP/1.1 on one port.
    let mut h2 = H2::over(Raw::clear(edge.listener("127.0.0.2", "clear")));
    h2.open(&[]);
    h2.request(1, "GET", "a.test", "/", &[], true);
    assert_eq!(h2.response(1).text(), "here");
    let mut raw = Raw::clear(edge.listener("127.0.0.2", "clear"));
    assert_eq!(raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response().text(), "here");
    // And not where it was not asked for.
    let mut raw = edge.connect();
    raw.send(PREFACE);
    assert_eq!(raw.response().status(), 505);
}

fn recorded() -> (Edge, Recorder) {
    let recorder = Recorder::new();
    (Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]), recorder)
}
