//! Upstreams that speak HTTP/2 with prior knowledge, as gRPC servers do.

use crate::support::edge::Files;
use crate::support::h2_origin::H2Origin;
use crate::support::program::{self, Server, run};
use crate::support::{Edge, account, wait};
use std::path::Path;
use std::time::Duration;

#[test]
fn requests_of_http_1_are_translated_and_connections_kept() {
    let (edge, origin) = started("");
    let mut raw = edge.connect();
    for round in 0..5 {
        let body = "x".repeat(round * 40_000);
        raw.send(format!(
            "POST /echo HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: te\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let response = raw.response();
        assert_eq!((response.status(), response.text()), (200, body.as_str()));
        assert_eq!(response.one("x-authority"), "a.test");
        assert_eq!(response.one("x-got-te"), "trailers");
        assert_eq!(response.one("x-got-x-forwarded-for"), "127.0.0.1");
        for name in ["x-got-host", "x-got-connection", "x-got-upgrade"] {
            assert!(!response.has(name), "{name}");
        }
    }
    assert_eq!((origin.connections(), origin.requests()), (1, 5));
}

/// `connections` means the same as over HTTP/1: one request at a time on each.
#[test]
fn connections_are_counted() {
    let (edge, origin) = started("connections = 2\n");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let edge = &edge;
            scope.spawn(move || {
                let mut raw = if n % 2 == 0 { edge.connect() } else { edge.connect_tls("a.test") };
                for _ in 0..20 {
                    let response = raw.send("GET /busy HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
                    assert_eq!(response.status(), 200, "{response:?}");
                }
            });
        }
    });
    assert_eq!(origin.requests(), 160);
    let most = origin.most_at_once();
    assert!((1..=2).contains(&most), "{most} requests at once");
}

#[test]
fn an_upstream_that_says_goodbye_costs_nobody_anything() {
    let (edge, origin) = started("");
    let mut raw = edge.connect();
    for _ in 0..10 {
        for path in ["/echo", "/last"] {
            raw.send(format!("POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi"));
            let response = raw.response();
            assert_eq!((response.status(), response.text()), (200, "hi"), "{path}");
        }
    }
    assert!(origin.connections() >= 10, "each goodbye ends a connection");
}

#[test]
fn interim_answers_pass() {
    let (edge, _origin) = started("");
    let mut raw = edge.connect();
    raw.send("GET /interim HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let early = raw.head();
    assert_eq!((early.status(), early.one("link")), (103, "</style.css>"));
    assert_eq!(raw.response().status(), 200);
}

#[test]
fn failures_are_told_apart() {
    let (edge, origin) = started("");
    let mut raw = edge.connect();
    for (path, status, word) in
        [("/reset", 502, "closed"), ("/large", 502, "answer_header_too_large"), ("/echo", 200, "")]
    {
        let response = raw.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n")).response();
        assert_eq!(response.status(), status, "{path}: {response:?}");
        assert!(word.is_empty() || response.word() == word, "{path}: {response:?}");
    }
    assert_eq!(origin.requests(), 3);
    // What was not processed is asked again, once, on a new connection (RFC 9113 §8.7).
    let (edge, origin) = started("");
    let mut raw = edge.connect();
    for _ in 0..2 {
        let response = raw.send("GET /refuse-once HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
        assert_eq!(response.status(), 200, "{response:?}");
    }
    assert_eq!((origin.connections(), origin.requests()), (2, 3));
}

/// DATA behind a head that has no body is nobody's: the answer passes, the connection is not used again.
#[test]
fn bodies_where_there_are_none() {
    let (edge, origin) = started("");
    let mut raw = edge.connect();
    for status in [204, 304] {
        raw.send(format!("GET /{status} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        assert_eq!(raw.response_to_head().status(), status);
    }
    let response = raw.send("GET /echo HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
    assert_eq!(response.status(), 200);
    assert_eq!(origin.connections(), 3);
}

/// An answer with more DATA than it declared is malformed, however late that shows: its end does not pass
/// (RFC 9113 §8.1.1).
#[test]
fn content_length_and_data_must_agree() {
    let (edge, _origin) = started("");
    let ask = |path: &str| {
        let mut raw = edge.connect();
        raw.send(format!("POST /{path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\n"));
        raw
    };
    for path in ["late-end-of-0", "more-than-0"] {
        let mut raw = ask(path);
        assert!(raw.is_quiet_for(Duration::from_millis(50)), "{path}");
        let response = raw.send("x").response();
        match path {
            "late-end-of-0" => assert_eq!((response.status(), response.text()), (200, "")),
            _ => assert_eq!((response.status(), response.word()), (502, "invalid_answer")),
        }
    }
    for (path, body) in [("late-end-of-5", "hello"), ("more-than-5", "")] {
        let mut raw = ask(path);
        assert_eq!(raw.head().status(), 200, "{path}");
        let (rest, _) = raw.send("x").finish().read_to_end();
        assert_eq!(rest, body.as_bytes(), "{path}");
    }
}

#[test]
fn an_upgrade_is_refused() {
    let (edge, origin) = started("");
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    let response = raw.response();
    assert_eq!((response.status(), response.word()), (502, "upgrade_failed"));
    assert_eq!(origin.requests(), 0);
}

/// A server that ends is noticed while its connection idles.
#[test]
fn a_server_that_ends_is_noticed() {
    let Some(nghttpd) = program::find("nghttpd") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("page.html"), "a page\n").expect("a file");
    let port = program::free_port("127.0.0.1:0");
    let start = || {
        Server::start(
            std::process::Command::new(&nghttpd)
                .args(["--no-tls", "--address=127.0.0.1", "--htdocs"])
                .arg(directory.path())
                .arg(port.to_string()),
            || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(),
        )
    };
    let server = start();
    let document = document(&format!("127.0.0.1:{port}"), "");
    let edge = Edge::with(&[("alice", &document)]);
    let mut raw = edge.connect();
    let mut get = || raw.send("GET /page.html HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
    assert_eq!(get().text(), "a page\n");
    drop(server);
    wait::until("the end to be noticed", || (get().status() == 502).then_some(()));
    let _server = start();
    assert_eq!(get().text(), "a page\n");
}

/// gRPC through the edge: unary calls, a refusal in trailers alone, streams of either side and of both at once.
#[test]
fn grpc_of_python() {
    let Some(python) = program::find("python3-grpc") else { return };
    let script = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/real").join(name);
    let server = Server::announcing(std::process::Command::new(&python).arg(script("grpc_server.py")));
    let document = document(&format!("127.0.0.1:{}", server.announced()), "");
    let edge = Files::only(&["address = \"127.0.0.1:0\"\nprotocols = [\"h2c\"]"])
        .document("alice", &document)
        .start();
    let address = edge.listener("127.0.0.1", "clear").to_string();
    let output =
        run(std::process::Command::new(&python).arg(script("grpc_client.py")).args([&address, "a.test"]));
    assert_eq!(output, "ok\n");
}

/// One worker, so that every request could take any connection.
fn started(upstream: &str) -> (Edge, H2Origin) {
    let origin = H2Origin::start();
    let document = document(&origin.address(), upstream);
    // Bodies are passed on as they come.
    let files = Files::new().set("node", "workers", "1").set("limits", "request_buffer", "\"0\"");
    (files.document("alice", &document).start(), origin)
}

fn document(address: &str, upstream: &str) -> String {
    let lines = format!("name = \"web\"\nprotocol = \"h2c\"\n{upstream}");
    account("\"a.test\"", address).replace("name = \"web\"\n", &lines)
}
