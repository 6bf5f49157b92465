//! What accounts and sites bound for themselves: sizes, times, and whom they let in.

use crate::support::edge::Files;
use crate::support::{Edge, Origin, Recorder};

/// A site takes what its own limit allows, above the account's and below the node's; the others take the account's.
#[test]
fn a_site_has_limits_of_its_own() {
    let origin = Origin::echoing_bodies();
    let document = "[limits]\nbody_bytes = \"1K\"\n".to_owned()
        + &site("small", "\"a.test\"", &origin.address())
        + &site("large", "\"a.test/upload\"", &origin.address())
        + "limits = { body_bytes = \"4K\" }\n";
    let edge = Files::new().set("limits", "body_bytes", "\"8K\"").document("alice", &document).start();
    let post = |path: &str, bytes: usize, chunked: bool| {
        let mut raw = edge.connect();
        let body = "x".repeat(bytes);
        raw.send(if chunked {
            format!("POST {path} HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n{body}\r\n0\r\n\r\n")
        } else {
            format!("POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: {bytes}\r\n\r\n{body}")
        });
        raw.response().status()
    };
    for chunked in [false, true] {
        assert_eq!(post("/", 1024, chunked), 200);
        assert_eq!(post("/", 1025, chunked), 413);
        assert_eq!(post("/upload", 4096, chunked), 200);
        assert_eq!(post("/upload", 4097, chunked), 413);
    }
}

/// The site's time is over where the account's would not be, and the other way round.
#[test]
fn a_site_has_timeouts_of_its_own() {
    let recorder = Recorder::new();
    let document = "[timeouts]\nresponse_header = \"1s\"\ntunnel_idle = \"30s\"\n".to_owned()
        + &site("patient", "\"a.test/report\"", &recorder.address())
        + "timeouts = { response_header = \"30s\", tunnel_idle = \"1s\" }\n"
        + &site("other", "\"a.test\"", &recorder.address());
    let edge = Edge::with(&[("alice", &document)]);
    let mut report = edge.connect();
    report.send("GET /report HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut report_end = recorder.accept();
    report_end.request();
    let response = edge.connect().send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
    assert_eq!((response.status(), response.word()), (504, "timed_out"));
    report_end.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlate");
    assert_eq!(report.response().text(), "late");

    drop(recorder.accept());
    let mut tunnel = edge.connect();
    tunnel.send("GET /report HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    let mut tunnel_end = recorder.accept();
    tunnel_end.request();
    tunnel_end.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(tunnel.head().status(), 101);
    tunnel.expect_close();
}

fn site(name: &str, addresses: &str, upstream: &str) -> String {
    format!(
        "[[upstream]]\nname = \"{name}\"\naddress = \"{upstream}\"\n\
         [[site]]\nname = \"{name}\"\naddresses = [{addresses}]\nupstream = \"{name}\"\n"
    )
}
