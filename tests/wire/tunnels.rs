//! Upgrades over HTTP/1.1 (WebSocket): bytes pass both ways once the upstream has agreed, and not one before.

use crate::support::edge::Files;
use crate::support::{Edge, End, Raw, Recorder, account};
use std::time::Duration;

#[test]
fn a_websocket_passes_both_ways() {
    let (edge, recorder) = recorded();
    for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
        let mut upstream = open(&mut raw, &recorder);
        for round in 0..3 {
            let (up, down) = (format!("up{round}"), format!("down{round}"));
            raw.send(&up);
            assert_eq!(upstream.exactly(up.len()), up.as_bytes());
            upstream.send(&down);
            assert_eq!(raw.exactly(down.len()), down.as_bytes());
        }
        upstream.finish();
        raw.finish();
        assert_eq!(raw.read_to_end(), (Vec::new(), End::Fin));
        upstream.expect_fin();
    }
}

#[test]
fn the_handshake_is_the_upstreams() {
    let (edge, recorder) = recorded();
    let mut raw = edge.connect();
    raw.send(HANDSHAKE);
    let mut upstream = recorder.accept();
    let request = upstream.request();
    assert_eq!(request.one("upgrade"), "websocket");
    assert!(request.one("connection").eq_ignore_ascii_case("upgrade"));
    assert_eq!(request.one("sec-websocket-key"), "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(request.one("sec-websocket-version"), "13");
    assert_eq!(request.one("sec-websocket-protocol"), "chat");
    assert_eq!(request.one("x-forwarded-for"), "127.0.0.1");
    upstream.send(SWITCH);
    let response = raw.head();
    assert_eq!(response.status(), 101);
    assert_eq!(response.one("upgrade"), "websocket");
    assert!(response.one("connection").eq_ignore_ascii_case("upgrade"));
    assert_eq!(response.one("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/// What the first frame of the upstream's answer carries with it is not lost.
#[test]
fn bytes_behind_the_101_pass() {
    let (edge, recorder) = recorded();
    let mut raw = edge.connect();
    raw.send(HANDSHAKE);
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send(format!("{SWITCH}early"));
    raw.head();
    assert_eq!(raw.exactly(5), b"early");
}

/// Nothing is tunnelled before 101: what a visitor sends ahead waits, and is no tunnel where the upstream refuses.
#[test]
fn nothing_is_tunnelled_before_the_upstream_agrees() {
    let (edge, recorder) = recorded();
    let mut raw = edge.connect();
    raw.send(format!("{HANDSHAKE}ahead"));
    let mut upstream = recorder.accept();
    upstream.request();
    assert!(upstream.is_quiet_for(Duration::from_millis(100)), "tunnelled before 101");
    upstream.send(SWITCH);
    assert_eq!(upstream.exactly(5), b"ahead");
    raw.head();

    let mut raw = edge.connect();
    raw.send(format!("{HANDSHAKE}GET /smuggled HTTP/1.1\r\nHost: nobody.test\r\n\r\n"));
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(raw.response().status(), 426);
    // Refused, so what follows is the next request, and routed like one.
    assert_eq!(raw.response().word(), "unknown_host");
    let (tunnelled, _) = upstream.read_to_end();
    assert!(tunnelled.is_empty(), "tunnelled after a refusal: {}", tunnelled.escape_ascii());
}

/// A 101 that nobody asked for would turn the rest of the connection into a hole.
#[test]
fn an_unasked_101_is_refused() {
    let (edge, recorder) = recorded();
    let asked = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    for (request, answer) in [
        ("", SWITCH.to_owned()),
        ("", "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned()),
        ("Upgrade: websocket\r\n", SWITCH.to_owned()),
        (
            "Connection: upgrade\r\nUpgrade: h2c\r\n",
            "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n".to_owned(),
        ),
        (asked, "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n".to_owned()),
        (asked, "HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n".to_owned()),
        (asked, "HTTP/1.1 101 X\r\nConnection: upgrade\r\n\r\n".to_owned()),
    ] {
        let mut raw = edge.connect();
        raw.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{request}\r\n"));
        let mut upstream = recorder.accept();
        upstream.request();
        upstream.send(&answer).send("tunnelled?");
        let response = raw.response();
        assert_eq!((response.status(), response.word()), (502, "upgrade_failed"), "{request:?} {answer:?}");
        upstream.expect_close();
        drop(raw);
    }
}

#[test]
fn an_end_on_one_side_ends_the_other() {
    let (edge, recorder) = recorded();
    let mut raw = edge.connect();
    let upstream = open(&mut raw, &recorder);
    upstream.reset();
    let (rest, _) = raw.read_to_end();
    assert!(rest.is_empty());

    let mut raw = edge.connect();
    let mut upstream = open(&mut raw, &recorder);
    raw.reset();
    let (rest, _) = upstream.read_to_end();
    assert!(rest.is_empty());
}

#[test]
fn a_silent_tunnel_ends_in_time() {
    let recorder = Recorder::new();
    let edge = Files::new()
        .set("timeouts", "tunnel_idle", "\"2s\"")
        .set("timeouts", "idle", "\"1s\"")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .start();
    let mut raw = edge.connect();
    let mut upstream = open(&mut raw, &recorder);
    // Life in one direction is life.
    for _ in 0..3 {
        assert!(raw.is_quiet_for(Duration::from_millis(1200)));
        upstream.send("x");
        raw.exactly(1);
    }
    raw.read_to_end();
    upstream.read_to_end();
}

/// The silence of a tunnel begins when it is one, however long the upstream thought about it.
#[test]
fn a_tunnel_agreed_to_late_is_not_idle() {
    let recorder = Recorder::new();
    let edge = Files::new()
        .set("timeouts", "tunnel_idle", "\"1s\"")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .start();
    let mut raw = edge.connect();
    raw.send(HANDSHAKE);
    let mut upstream = recorder.accept();
    upstream.request();
    assert!(raw.is_quiet_for(Duration::from_millis(1500)));
    upstream.send(SWITCH);
    assert_eq!(raw.head().status(), 101);
    assert!(raw.is_quiet_for(Duration::from_millis(500)));
    upstream.send("hello");
    assert_eq!(raw.exactly(5), b"hello");
}

#[test]
fn tunnels_are_counted() {
    let recorder = Recorder::new();
    let document = format!("[limits]\ntunnels = 1\n{}", account("\"a.test\"", &recorder.address()));
    let edge = Edge::with(&[("alice", &document)]);
    let mut first = edge.connect();
    let upstream = open(&mut first, &recorder);
    let mut second = edge.connect();
    second.send(HANDSHAKE);
    let response = second.response();
    assert_eq!((response.status(), response.word()), (503, "tunnel_limit"));
    // Its end makes room.
    drop((first, upstream));
    crate::support::wait::until("room for a tunnel", || {
        let mut raw = edge.connect();
        raw.send(HANDSHAKE);
        let mut upstream = crate::support::wait::until("an answer", || {
            recorder.try_accept().map(Some).or_else(|| raw.has_input().then_some(None))
        })?;
        upstream.request();
        upstream.send(SWITCH);
        Some(raw.head())
    });
}

/// Tunnels leave `in_flight` and `connections` after the 101: as many as one likes with room for one request.
#[test]
fn tunnels_hold_no_request_places() {
    let recorder = Recorder::new();
    let document = account("\"a.test\"", &recorder.address());
    let document = document.replace("name = \"web\"\n", "name = \"web\"\nconnections = 1\n");
    let edge = Edge::with(&[("alice", &format!("[limits]\nin_flight = 1\n{document}"))]);
    let mut tunnels = Vec::new();
    for _ in 0..3 {
        let mut raw = edge.connect();
        let upstream = open(&mut raw, &recorder);
        tunnels.push((raw, upstream));
    }
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(raw.response().status(), 200);
}

fn recorded() -> (Edge, Recorder) {
    let recorder = Recorder::new();
    (Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]), recorder)
}

/// Opens a WebSocket on `raw`; the upstream's end of it.
fn open(raw: &mut Raw, recorder: &Recorder) -> Raw {
    raw.send(HANDSHAKE);
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send(SWITCH);
    assert_eq!(raw.head().status(), 101);
    upstream
}

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
