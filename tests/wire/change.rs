//! Changes while running: documents written, broken, removed; reload and drain; and what no change may do to the
//! connections of anyone.

use crate::support::edge::Files;
use crate::support::{Edge, End, Message, Origin, Raw, Recorder, account, wait};
use rustix::process::Signal;
use std::time::Duration;

#[test]
fn documents_come_change_and_go() {
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let edge = Edge::with(&[]);
    let mut raw = edge.connect();
    assert_eq!(get(&mut raw, "a.test").word(), "unknown_host");
    edge.write_document("alice", &account("\"a.test\"", &one.address()));
    expect_text(&mut raw, "a.test", "one");
    edge.write_document("alice", &account("\"a.test\"", &two.address()));
    expect_text(&mut raw, "a.test", "two");
    edge.write_document("alice", &account("\"other.test\"", &two.address()));
    expect_text(&mut raw, "other.test", "two");
    assert_eq!(get(&mut raw, "a.test").word(), "unknown_host");
    edge.remove_document("alice");
    wait::until("the account to be gone", || (get(&mut raw, "other.test").status() == 404).then_some(()));
    // All of it on one connection, which no change closed.
}

/// A change reaches its first request in well under the 100 ms that are promised.
#[test]
fn a_change_arrives_at_once() {
    let origin = Origin::saying("here");
    let edge = Edge::with(&[]);
    let mut raw = edge.connect();
    let mut times: Vec<Duration> = (0..20)
        .map(|n| {
            let host = format!("h{n}.test");
            edge.write_document("alice", &account(&format!("\"{host}\""), &origin.address()));
            wait::timed(|| expect_text(&mut raw, &host, "here")).1
        })
        .collect();
    times.sort();
    assert!(times[10] < Duration::from_millis(100), "median {:?}", times[10]);
}

/// A bad document changes nothing: the account keeps its last good form, and file, line and hint are told.
#[test]
fn a_bad_document_changes_nothing() {
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let good = account("\"a.test\"", &one.address());
    let edge = Edge::with(&[("alice", &good)]);
    let mut raw = edge.connect();
    for (bad, told) in [
        ("not toml at all [", "alice.toml"),
        (&*good.replace("upstream = \"web\"", "upstream = \"nobody\""), "nobody"),
        (&*good.replace("addresses", "adresses"), "addresses"),
        (&*good.replace("a.test", "a_b.test"), "underscore"),
        (&*good.replace("127.0.0.1", "127.0.0.1.1"), "alice.toml"),
    ] {
        edge.write_document("alice", bad);
        edge.write_document("bob", &account("\"b.test\"", &two.address()));
        edge.expect_log(told);
        expect_text(&mut raw, "b.test", "two");
        assert_eq!(get(&mut raw, "a.test").text(), "one", "{bad}");
        edge.remove_document("bob");
        wait::until("bob to be gone", || (get(&mut raw, "b.test").status() == 404).then_some(()));
    }
    // The next good one counts.
    edge.write_document("alice", &account("\"a.test\"", &two.address()));
    expect_text(&mut raw, "a.test", "two");
}

/// A bad document at start leaves out its account and nobody else.
#[test]
fn a_bad_document_at_start_hurts_its_account_alone() {
    let origin = Origin::saying("here");
    let edge = Edge::with(&[("alice", "nonsense = ["), ("bob", &account("\"b.test\"", &origin.address()))]);
    let mut raw = edge.connect();
    assert_eq!(get(&mut raw, "b.test").text(), "here");
    assert!(edge.log().contains("alice.toml"));
}

/// No connection, no WebSocket, no download of anyone is closed by a change, not even of the changed account.
#[test]
fn no_connection_is_closed_by_a_change() {
    let recorder = Recorder::new();
    let origin = Origin::saying("here");
    let document = account("\"a.test\"", &recorder.address());
    let edge = Edge::with(&[("alice", &document), ("bob", &account("\"b.test\"", &origin.address()))]);

    let mut tunnel = edge.connect();
    tunnel.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    let mut tunnel_end = recorder.accept();
    tunnel_end.request();
    tunnel_end.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    tunnel.head();

    let mut download = edge.connect_tls("a.test");
    download.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut download_end = recorder.accept();
    download_end.request();
    download_end.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    download.head();
    assert_eq!(download.exactly(5), b"hello");

    let mut kept = edge.connect();
    assert_eq!(get(&mut kept, "b.test").text(), "here");

    // The account moves to another upstream; the node file is read again. A new host tells when: asked before, the
    // old upstream would be waited for.
    edge.write_document("alice", &account("\"a.test\", \"moved.test\"", &origin.address()));
    expect_text(&mut kept, "moved.test", "here");
    assert_eq!(get(&mut kept, "a.test").text(), "here");
    edge.signal(Signal::HUP);
    edge.write_document("carol", &account("\"c.test\"", &origin.address()));
    expect_text(&mut kept, "c.test", "here");

    // What was begun keeps the form it began with.
    tunnel.send("up");
    assert_eq!(tunnel_end.exactly(2), b"up");
    tunnel_end.send("down");
    assert_eq!(tunnel.exactly(4), b"down");
    download_end.send("world");
    assert_eq!(download.exactly(5), b"world");
    assert_eq!(get(&mut kept, "b.test").text(), "here");
}

/// Deleting an account ends what it has open, after its drain, and nothing of anybody else's.
#[test]
fn what_a_deleted_account_has_open_ends_with_its_drain() {
    let (alice, bob) = (Recorder::new(), Recorder::new());
    let edge = Edge::with(&[
        ("alice", &account("\"a.test\"", &alice.address())),
        ("bob", &account("\"b.test\"", &bob.address())),
    ]);
    let open = |host: &str, recorder: &Recorder| {
        let mut tunnel = edge.connect();
        tunnel.send(format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        ));
        let mut tunnel_end = recorder.accept();
        tunnel_end.request();
        tunnel_end
            .send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
        tunnel.head();
        let mut events = edge.connect();
        events.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let mut events_end = recorder.accept();
        events_end.request();
        events_end.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
        events.head();
        assert_eq!(events.exactly(7), b"2\r\nok\r\n");
        // An answer that has not begun.
        let mut poll = edge.connect();
        poll.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let mut poll_end = recorder.accept();
        poll_end.request();
        ([tunnel, events, poll], [tunnel_end, events_end, poll_end])
    };
    let ([mut tunnel, mut events, mut poll], _ends) = open("a.test", &alice);
    let (
        [mut other_tunnel, mut other_events, mut other_poll],
        [mut tunnel_end, mut events_end, mut poll_end],
    ) = open("b.test", &bob);
    edge.remove_document("alice");
    tunnel.expect_close();
    events.expect_close();
    let response = poll.response();
    assert_eq!((response.status(), response.word()), (404, "unknown_host"));

    tunnel_end.send("tunnel");
    assert_eq!(other_tunnel.exactly(6), b"tunnel");
    events_end.send("0\r\n\r\n");
    assert_eq!(other_events.exactly(5), b"0\r\n\r\n");
    poll_end.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(other_poll.response().text(), "ok");
}

/// SIGHUP reads everything again and says what cannot change while running.
#[test]
fn a_hangup_reloads() {
    let origin = Origin::saying("here");
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &origin.address()))]);
    let mut raw = edge.connect();
    let node = std::fs::read_to_string(edge.path().join("parvis.toml")).expect("the node file");
    edge.write_file(
        "parvis.toml",
        &node.replace("workers = 2", "workers = 3").replace("[limits]\n", "[limits]\nurl_bytes = \"1K\"\n"),
    );
    edge.signal(Signal::HUP);
    edge.expect_log("workers");
    let long = format!("/{}", "x".repeat(2000));
    wait::until("the new bound", || {
        let mut raw = edge.connect();
        (raw.send(format!("GET {long} HTTP/1.1\r\nHost: a.test\r\n\r\n")).response().status() == 414)
            .then_some(())
    });
    assert_eq!(get(&mut raw, "a.test").text(), "here");

    // A node file that is wrong changes nothing.
    edge.write_file("parvis.toml", "nonsense = [");
    edge.signal(Signal::HUP);
    edge.expect_log("parvis.toml");
    assert_eq!(get(&mut raw, "a.test").text(), "here");
}

/// A cold start on documents and journal ends where the running node was, whatever the order of the files.
#[test]
fn a_cold_start_ends_where_the_running_node_was() {
    let (alice, bob) = (Origin::saying("alice"), Origin::saying("bob"));
    let mut edge = Edge::with(&[("bob", &account("\"contested.test\", \"b.test\"", &bob.address()))]);
    edge.write_document("alice", &account("\"contested.test\", \"a.test\"", &alice.address()));
    let mut raw = edge.connect();
    expect_text(&mut raw, "a.test", "alice");
    assert_eq!(get(&mut raw, "contested.test").text(), "bob");
    drop(raw);
    for _ in 0..2 {
        edge = edge.restart();
        let mut raw = edge.connect();
        assert_eq!(get(&mut raw, "contested.test").text(), "bob");
        assert_eq!(get(&mut raw, "a.test").text(), "alice");
    }
    // The holder lets go: the other gets it without writing again.
    edge.write_document("bob", &account("\"b.test\"", &bob.address()));
    let mut raw = edge.connect();
    expect_text(&mut raw, "contested.test", "alice");
}

/// SIGTERM: `/ready` turns red first, what was begun is finished, every connection is told, the exit is clean.
#[test]
fn a_drain_loses_nothing() {
    let recorder = Recorder::new();
    let mut edge = Files::new()
        .set("timeouts", "drain", "\"30s\"")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .start();
    let (mut idle, mut fresh) = (edge.connect(), edge.connect());
    let mut busy = [edge.connect(), edge.connect_tls("a.test")];
    let mut upstreams = Vec::new();
    for raw in &mut busy {
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let mut upstream = recorder.accept();
        upstream.request();
        upstreams.push(upstream);
    }
    assert_eq!(get(&mut idle, "nobody.test").status(), 404);
    assert_eq!(ready(&edge), 200);

    edge.signal(Signal::TERM);
    // Idle connections end in order; one that never asked as well.
    idle.expect_fin();
    fresh.expect_fin();
    // Answers that were awaited come whole, and say that they are the last.
    for (raw, upstream) in busy.iter_mut().zip(&mut upstreams) {
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let response = raw.response();
        assert_eq!((response.text(), response.says_close()), ("ok", true));
        raw.expect_fin();
    }
    assert!(edge.wait().success());
}

/// What has not ended by the deadline is cut, and the exit is clean nevertheless.
#[test]
fn a_drain_has_a_deadline() {
    let recorder = Recorder::new();
    let mut edge = Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]);
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
    raw.head();
    raw.exactly(7);
    edge.signal(Signal::TERM);
    let (rest, end) = raw.read_to_end();
    assert!(rest.is_empty(), "{}", rest.escape_ascii());
    assert_ne!(end, End::Truncated);
    assert!(edge.wait().success());
}

/// During `drain_delay` the node serves as before, so that balancers can look away first.
#[test]
fn readiness_turns_red_before_the_drain() {
    let origin = Origin::saying("here");
    let mut edge = Files::new()
        .set("timeouts", "drain_delay", "\"1s\"")
        .document("alice", &account("\"a.test\"", &origin.address()))
        .start();
    let mut raw = edge.connect();
    edge.signal(Signal::TERM);
    wait::until("/ready to turn red", || (ready(&edge) == 503).then_some(()));
    let response = get(&mut raw, "a.test");
    assert_eq!((response.text(), response.says_close()), ("here", false));
    assert_eq!(get(&mut edge.connect(), "a.test").text(), "here");
    let (_, end) = raw.read_to_end();
    assert_eq!(end, End::Fin);
    assert!(edge.wait().success());
}

/// Five hundred documents, and traffic that notices nothing.
#[test]
fn many_changes_disturb_nobody() {
    let origin = Origin::saying("here");
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &origin.address()))]);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut raw, mut served) = (edge.connect(), 0);
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        assert_eq!(get(&mut raw, "a.test").text(), "here");
                        served += 1;
                    }
                    served
                })
            })
            .collect();
        for n in 0..500 {
            let name = format!("c{}", n % 50);
            edge.write_document(
                &name,
                &account(&format!("\"{name}.test\", \"x{n}.test\""), &origin.address()),
            );
        }
        let mut raw = edge.connect();
        expect_text(&mut raw, "x499.test", "here");
        assert_eq!(get(&mut raw, "x449.test").status(), 404, "an older form of c49");
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for visitor in visitors {
            assert!(visitor.join().expect("no request failed") > 0);
        }
    });
}

/// What a shell or systemd sets as the soft limit of descriptors bounds nothing.
#[test]
fn all_descriptors_are_used() {
    let edge = Edge::with(&[]);
    let mut raw = Raw::clear(edge.listener("127.0.0.1", "metrics"));
    let page = raw.send("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").response();
    let line = page
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("process_max_fds "))
        .expect("a figure")
        .to_owned();
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.expect("a limit");
    assert_eq!(line.parse::<f64>().expect("a number") as u64, most);
    assert_ne!(most, 1024);
}

fn ready(edge: &Edge) -> u16 {
    let mut raw = Raw::clear(edge.listener("127.0.0.1", "metrics"));
    raw.send("GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").response().status()
}

#[track_caller]
fn expect_text(raw: &mut Raw, host: &str, text: &str) {
    wait::until(&format!("{host} to say {text}"), || {
        let response = get(raw, host);
        (response.status() == 200 && response.text() == text).then_some(())
    });
}

#[track_caller]
fn get(raw: &mut Raw, host: &str) -> Message {
    raw.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).response()
}
