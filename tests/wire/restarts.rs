//! The service restarts on sockets that were handed in, as systemd does, while everything else goes on: traffic,
//! changes of documents and certificates, WebSockets. Nobody is refused, nothing is lost.

use crate::support::edge::Files;
use crate::support::{Edge, Origin, Raw, account, certificate, wait};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Visitors who arrive during a restart wait in the queue of the socket; requests that were begun are answered.
#[test]
fn a_restart_on_inherited_sockets_refuses_nobody() {
    let origin = Origin::saying("here");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a socket");
    let mut edge = Files::only(&[&format!("address = \"{address}\"")])
        .document("alice", &account("\"a.test\"", &origin.address()))
        .inherit(&[&listener])
        .start();
    let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        visit(address, 5);
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for _ in 0..5 {
            let before = served.load(Ordering::Relaxed);
            edge = edge.restart();
            wait::until("traffic after the restart", || {
                (served.load(Ordering::Relaxed) > before + 20).then_some(())
            });
        }
        done.store(true, Ordering::Relaxed);
        for visitor in visitors {
            visitor.join().expect("no request failed");
        }
    });
}

/// Mixed traffic, a thousand changes of documents and certificates: no request fails, no WebSocket is closed.
#[test]
fn a_soak() {
    let origin = Origin::serving("127.0.0.1:0", |raw, request| {
        if request.has("upgrade") {
            let switch =
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
            return raw.try_send(switch).is_ok() && echo(raw);
        }
        raw.try_send(crate::support::origin::answer_bytes(&request.body)).is_ok()
    });
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &origin.address()))]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..6)
            .map(|n| {
                let (edge, done) = (&edge, &done);
                scope.spawn(move || match n {
                    0 | 1 => socket_visitor(edge, n == 1, done),
                    _ => request_visitor(edge, n % 2 == 0, done),
                })
            })
            .collect();
        let changes = 1000;
        for n in 0..changes {
            let (name, host) = (format!("c{}", n % 40), format!("h{n}.test"));
            edge.write_document(&name, &account(&format!("\"{host}\""), &origin.address()));
            if n % 50 == 0 {
                edge.write_certificate(&format!("{name}/c.pem"), &certificate::pem(&[&host]));
                // The visited account changes as well.
                edge.write_document(
                    "alice",
                    &account(&format!("\"a.test\", \"{host}.a.test\""), &origin.address()),
                );
            }
            if n % 100 == 0 {
                edge.signal(rustix::process::Signal::HUP);
            }
            wait::pause(soak() / changes);
        }
        let mut raw = edge.connect();
        wait::until("the last change", || {
            raw.send(format!("GET / HTTP/1.1\r\nHost: h{}.test\r\n\r\n", changes - 1));
            (raw.response().status() == 200).then_some(())
        });
        done.store(true, Ordering::Relaxed);
        for visitor in visitors {
            visitor.join().expect("nothing failed");
        }
    });
}

/// A minute where everything is run, a few seconds otherwise.
fn soak() -> Duration {
    let whole = std::env::var_os("PARVIS_REAL_PROGRAMS").is_some();
    Duration::from_secs(if whole { 60 } else { 3 })
}

fn request_visitor(edge: &Edge, tls: bool, done: &AtomicBool) {
    let mut round = 0;
    while !done.load(Ordering::Relaxed) {
        let mut raw = if tls { edge.connect_tls("a.test") } else { edge.connect() };
        for _ in 0..20 {
            round += 1;
            let body = vec![b'x'; round * 997 % 40_000];
            raw.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n", body.len()))
                .send(&body);
            let response = raw.response();
            assert!(response.status() == 200 && response.body == body, "{response:?}");
        }
    }
}

fn socket_visitor(edge: &Edge, tls: bool, done: &AtomicBool) {
    let mut raw = if tls { edge.connect_tls("a.test") } else { edge.connect() };
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(raw.head().status(), 101);
    while !done.load(Ordering::Relaxed) {
        raw.send("ping");
        assert_eq!(raw.exactly(4), b"ping");
        wait::pause(Duration::from_millis(1));
    }
}

/// Sends back what comes in, until the other side ends.
fn echo(raw: &mut Raw) -> bool {
    while let Ok(bytes) = raw.try_exactly(4) {
        if raw.try_send(bytes).is_err() {
            break;
        }
    }
    false
}

/// A connection with some requests. A `Connection: close` among the answers is the edge's right while it drains;
/// a connection that ends without an answer, or between a request and its answer, is not.
fn visit(address: SocketAddr, requests: usize) {
    let mut raw = Raw::clear(address);
    for n in 0..requests {
        let sent = raw.try_send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        match raw.try_response() {
            Ok(response) => {
                assert_eq!(response.text(), "here");
                if response.says_close() {
                    return;
                }
            }
            // A kept connection may be closed while it idles; what crossed on the wire was not taken (RFC 9112
            // §9.6), and a client repeats it.
            Err(cut) => {
                assert!(n > 0 && cut.message.head.is_empty(), "lost: {sent:?} {cut:?}");
                return;
            }
        }
    }
}
