//! The service restarts on sockets that were handed in, as systemd does, while everything else goes on: traffic,
//! changes of documents and certificates, WebSockets. Nobody is refused, nothing is lost.

use crate::support::edge::Files;
use crate::support::{Origin, Raw, account, certificate, wait};
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

/// Mixed traffic over a thousand changes of documents and certificates and five restarts: no request fails, no
/// WebSocket is closed by a change.
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
    let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let [clear, tls] = sockets.each_ref().map(|socket| socket.local_addr().expect("a socket"));
    let listen = [format!("address = \"{clear}\""), format!("address = \"{tls}\"\ntls = true")];
    let mut edge = Files::only(&listen.each_ref().map(String::as_str))
        // Its visitors come from one address and never pause.
        .set("limits", "handshakes_per_client", "\"unlimited\"")
        .document("alice", &account("\"a.test\"", &origin.address()))
        .inherit(&sockets.each_ref())
        .start();
    let soak = Soak { clear, tls, done: AtomicBool::new(false), restarts: AtomicUsize::new(0) };
    std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..6)
            .map(|n| {
                let soak = &soak;
                scope.spawn(move || match n {
                    0 | 1 => soak.socket_visitor(n == 1),
                    _ => soak.request_visitor(n % 2 == 0),
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
            if n % 200 == 150 {
                soak.restarts.fetch_add(1, Ordering::SeqCst);
                edge = edge.restart();
            }
            wait::pause(duration() / changes);
        }
        wait::until("the last change", || {
            let mut raw = Raw::clear(clear);
            raw.send(format!("GET / HTTP/1.1\r\nHost: h{}.test\r\n\r\n", changes - 1));
            (raw.response().status() == 200).then_some(())
        });
        soak.done.store(true, Ordering::Relaxed);
        for visitor in visitors {
            visitor.join().expect("nothing failed");
        }
    });
}

/// A minute where everything is run, a few seconds otherwise.
fn duration() -> Duration {
    let whole = std::env::var_os("PARVIS_REAL_PROGRAMS").is_some();
    Duration::from_secs(if whole { 60 } else { 3 })
}

/// What the visitors of the soak know.
struct Soak {
    clear: SocketAddr,
    tls: SocketAddr,
    done: AtomicBool,
    /// Counted before each begins.
    restarts: AtomicUsize,
}

impl Soak {
    fn connect(&self, tls: bool) -> Raw {
        if tls { Raw::tls(self.tls, "a.test", &["http/1.1"]) } else { Raw::clear(self.clear) }
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    fn request_visitor(&self, tls: bool) {
        let mut round = 0;
        while !self.is_done() {
            let restarts = self.restarts.load(Ordering::SeqCst);
            let mut raw = self.connect(tls);
            for n in 0..20 {
                round += 1;
                let body = vec![b'x'; round * 997 % 40_000];
                let head =
                    format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n", body.len());
                let sent = raw.try_send([head.as_bytes(), &body].concat());
                match raw.try_response() {
                    Ok(response) => {
                        assert!(response.status() == 200 && response.body == body, "{response:?}");
                        if response.says_close() {
                            break;
                        }
                    }
                    // As for `visit`; and only a restart may close what is kept.
                    Err(cut) => {
                        let restarted = self.restarts.load(Ordering::SeqCst) > restarts;
                        assert!(n > 0 && restarted && cut.message.head.is_empty(), "lost: {sent:?} {cut:?}");
                        break;
                    }
                }
            }
        }
    }

    fn socket_visitor(&self, tls: bool) {
        while !self.is_done() {
            let restarts = self.restarts.load(Ordering::SeqCst);
            let mut raw = self.connect(tls);
            raw.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
            assert_eq!(raw.head().status(), 101);
            while !self.is_done() {
                let sent = raw.try_send("ping");
                match raw.try_exactly(4) {
                    Ok(bytes) => assert_eq!(bytes, b"ping"),
                    Err(cut) => {
                        let restarted = self.restarts.load(Ordering::SeqCst) > restarts;
                        assert!(restarted, "closed without a restart: {sent:?} {cut:?}");
                        break;
                    }
                }
                wait::pause(Duration::from_millis(1));
            }
        }
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
