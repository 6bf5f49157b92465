//! Many who stay: a thousand WebSockets and a hundred event streams of one account's Node, and ordinary visitors beside
//! them. What has become a tunnel takes no place of a request and no connection of the account's any more.
//!
//! Where Node is missing the test is left out, as in `real_programs`.

use crate::support::edge::Files;
use crate::support::program::{self, Server};
use crate::support::{Edge, Raw, account};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The account has places and connections for the streams and the visitors, none for tunnels, and no queue: whoever had to
/// wait would be refused.
#[test]
fn nobody_waits_beside_those_who_stay() {
    let Some(node) = program::find("node") else { return };
    if !program::has_node_module("ws") {
        return;
    }
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("its own maximum");
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/real/app.js");
    let server = Server::announcing(Command::new(node).arg(app).env("NODE_PATH", "/usr/share/nodejs"));
    let places = STREAMS + VISITORS;
    let document = format!(
        "[limits]\nin_flight = {places}\nqueue = 0\ntunnels = {SOCKETS}\n{}",
        account("\"a.test\"", &format!("[::1]:{}", server.announced()))
    );
    let edge = Files::new()
        .set("limits", "connections_per_client", "2000")
        .set("limits", "handshakes_per_client", "\"unlimited\"")
        .document("alice", &document)
        .start();

    let connect = |n: usize| if n.is_multiple_of(2) { edge.connect() } else { edge.connect_tls("a.test") };
    let mut sockets: Vec<Raw> = (0..SOCKETS).map(|n| websocket(connect(n))).collect();
    let mut streams: Vec<Raw> = (0..STREAMS).map(|n| stream(connect(n))).collect();
    assert_eq!(held(&edge), (SOCKETS, STREAMS));

    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..VISITORS)
            .map(|n| {
                let (answered, mut raw) = (&answered, connect(n));
                scope.spawn(move || {
                    for _ in 0..REQUESTS {
                        let response = raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
                        assert_eq!(response.status(), 200, "{}", response.text());
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for socket in &mut sockets {
            // A text frame of four bytes, masked with zeros (RFC 6455 §5.2), and its echo.
            socket.send(b"\x81\x84\0\0\0\0ping");
            assert_eq!(socket.exactly(6), b"\x81\x04ping");
        }
        for visitor in visitors {
            visitor.join().expect("nobody waits");
        }
    });
    assert_eq!(answered.into_inner(), VISITORS * REQUESTS);
    let told = edge.connect().send("GET /publish HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
    assert_eq!(told.text(), STREAMS.to_string());
    for stream in &mut streams {
        stream.read_until(b"data: news\n\n").expect("the news");
    }
    assert_eq!(held(&edge), (SOCKETS, STREAMS), "all of them are still there");
}

fn websocket(mut raw: Raw) -> Raw {
    raw.send(
        "GET /socket HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(raw.head().status(), 101);
    raw
}

fn stream(mut raw: Raw) -> Raw {
    raw.send("GET /feed HTTP/1.1\r\nHost: a.test\r\n\r\n");
    raw.read_until(b"data: 0\n\n").expect("the first event");
    raw
}

/// Tunnels and requests in flight, as the node tells them; nobody is queued.
fn held(edge: &Edge) -> (usize, usize) {
    let said = edge.command(&["status", "alice", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&said.stdout).expect("JSON");
    let number = |name: &str| status[name].as_u64().expect("a number") as usize;
    assert_eq!(number("queued"), 0);
    assert_eq!(status["upstreams"][0]["waiting"], 0);
    (number("tunnels"), number("in_flight"))
}

const SOCKETS: usize = 1000;
const STREAMS: usize = 100;
const VISITORS: usize = 8;

/// Of each visitor.
const REQUESTS: usize = 250;
