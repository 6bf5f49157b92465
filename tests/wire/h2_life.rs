//! How long HTTP/2 connections live, what ends them, and what one of their streams may take from the others.

use crate::support::edge::Files;
use crate::support::h2::*;
use crate::support::{Edge, Origin, Raw, Recorder, account, wait};

/// Idle from the first moment or after a request: GOAWAY, and the end, whether or not the client answers.
#[test]
fn an_idle_connection_ends() {
    let origin = Origin::saying("here");
    let edge = Files::new()
        .set("timeouts", "idle", "\"1s\"")
        .document("alice", &account("\"a.test\"", &origin.address()))
        .start();
    for requests in 0..3 {
        let mut h2 = H2::connect(&edge, "a.test");
        for n in 0..requests {
            h2.get(1 + 2 * n, "a.test", "/");
            assert_eq!(h2.response(1 + 2 * n).text(), "here");
        }
        assert_eq!(h2.goaway().0, NO_ERROR);
        h2.raw().read_to_end();
    }
    // One that answers is let go at once, and a request that was under way is served.
    let mut h2 = H2::connect(&edge, "a.test");
    assert_eq!(h2.goaway(), (NO_ERROR, LARGEST_WINDOW));
    h2.get(1, "a.test", "/");
    assert_eq!(h2.response(1).text(), "here");
    h2.raw().read_to_end();
}

/// An answer is whole as soon as the h2 crate has it; who never opens a window for it is not waited for.
#[test]
fn an_answer_that_is_not_taken_ends_the_connection() {
    let edge = Files::new()
        .set("timeouts", "write_idle", "\"1s\"")
        .document("alice", &account("\"a.test\"", &Recorder::new().address()))
        .start();
    let mut h2 = H2::over(Raw::tls(edge.tls_address(), "a.test", &["h2"]));
    h2.open(&[(INITIAL_WINDOW_SIZE, 0)]);
    h2.request(1, "GET", "a.test", "/", &[("host", "b.test")], true);
    assert_eq!(h2.head(1).0.status(), 400);
    assert_eq!(h2.goaway().0, NO_ERROR);
    h2.raw().read_to_end();
}

/// Uploads that wait for their upstream leave the connection's other streams a window.
#[test]
fn uploads_that_wait_leave_room_for_others() {
    let (busy, quick) = (Recorder::new(), Origin::echoing_bodies());
    let edge = Edge::with(&[(
        "alice",
        &format!(
            "[[upstream]]\nname = \"busy\"\naddress = \"{}\"\nconnections = 1\n\
             [[upstream]]\nname = \"quick\"\naddress = \"{}\"\n\
             [[site]]\nname = \"one\"\naddresses = [\"a.test/busy\"]\nupstream = \"busy\"\n\
             [[site]]\nname = \"two\"\naddresses = [\"a.test\"]\nupstream = \"quick\"\n",
            busy.address(),
            quick.address()
        ),
    )]);
    let mut h2 = H2::connect(&edge, "a.test");
    h2.get(1, "a.test", "/busy");
    let mut upstream = busy.accept();
    upstream.request();
    // All of these wait for the only connection.
    for n in 1..8 {
        h2.request(1 + 2 * n, "POST", "a.test", "/busy", &[], false);
        (0..12).for_each(|_| h2.data(1 + 2 * n, [b'x'; 16_000], false));
    }
    h2.request(101, "POST", "a.test", "/", &[], false);
    (0..10).for_each(|_| h2.data(101, [b'y'; 16_000], false));
    h2.data(101, "", true);
    assert_eq!(h2.response(101).body.len(), 160_000);
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(h2.response(1).text(), "ok");
}

/// A client that measures its bandwidth pings after what it receives: that is no flood.
#[test]
fn pings_that_answer_data_are_no_flood() {
    let recorder = Recorder::new();
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]);
    let mut h2 = H2::connect(&edge, "a.test");
    h2.get(1, "a.test", "/");
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n");
    h2.head(1);
    for _ in 0..3000 {
        upstream.send("x");
        assert_eq!(h2.frame_of(1).expect("data").payload, b"x");
        h2.send(PING, 0, 0, [7; 8]);
    }
    h2.get(3, "nobody.test", "/");
    h2.response(3);
}

/// Streams that we reset are remembered: what was under way to them is no mistake of the client's.
#[test]
fn frames_under_way_to_refused_uploads_are_no_mistake() {
    let edge = Files::new()
        .document(
            "alice",
            &format!("[limits]\nbody_bytes = \"1K\"\n{}", account("\"a.test\"", &Recorder::new().address())),
        )
        .start();
    let mut h2 = H2::connect(&edge, "a.test");
    for round in 0..2 {
        let streams: Vec<u32> = (0..90).map(|n| round * 200 + 1 + 2 * n).collect();
        for stream in &streams {
            h2.request(*stream, "POST", "a.test", "/", &[("content-length", "100000")], false);
        }
        for stream in &streams {
            assert_eq!(h2.response(*stream).status(), 413);
        }
        for stream in &streams {
            (0..20).for_each(|_| h2.data(*stream, [b'x'; 100], false));
        }
    }
    h2.get(999, "nobody.test", "/");
    h2.response(999);
}

/// A slow reader of the connection itself holds little, and not for ever.
#[test]
fn a_connection_that_is_not_read_holds_little() {
    let origin = Origin::answering(|_| crate::support::origin::answer_bytes(&vec![b'x'; 200_000]));
    let edge = Files::new()
        .set("timeouts", "write_idle", "\"1s\"")
        .set("timeouts", "idle", "\"1s\"")
        .document("alice", &account("\"a.test\"", &origin.address()))
        .start();
    let before = edge.memory();
    let mut h2 = H2::connect(&edge, "a.test");
    // One stream that never ends keeps nothing of the others.
    h2.request(1, "POST", "a.test", "/", &[], false);
    for n in 1..100 {
        h2.get(1 + 2 * n, "a.test", "/");
    }
    wait::until("the end of the connection", || {
        h2.try_send(frame(PING, 0, 0, &[0; 8])).is_err().then_some(())
    });
    let grown = edge.memory().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes grown");
}
