//! What accounts and sites bound for themselves: sizes, times, and whom they let in.

use crate::support::edge::Files;
use crate::support::h2::H2;
use crate::support::{Edge, Message, Origin, Raw, Recorder, account, wait};

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

/// Nothing is said to whom the node refuses; whom a believed peer names is told, on a connection that was open before too.
#[test]
fn the_node_refuses_networks() {
    let upstream = Recorder::new();
    let edge = Files::new()
        .tables(CDN)
        .tables("[deny]\nfile = \"deny.txt\"\n")
        .file("deny.txt", "192.0.2.0/24\n::1\n")
        .document("alice", &account("\"a.test\"", &upstream.address()))
        .start();
    for kind in ["clear", "tls"] {
        let (rest, _) = Raw::clear(edge.listener("::1", kind)).read_to_end();
        assert_eq!(rest, b"", "{kind}");
    }
    let mut cdn = edge.connect();
    let denied = ask(&mut cdn, "192.0.2.7");
    assert_eq!((denied.status(), denied.word()), (403, "denied"));
    assert_eq!(denied.error_type(), "http_request_denied");
    let mut tls = edge.connect_tls("a.test");
    assert_eq!(ask(&mut tls, "192.0.2.7").word(), "denied");
    upstream.expect_nothing();
    let line = wait::until("the log", || edge.access_log("alice").lines().next().map(str::to_owned));
    assert!(line.starts_with("a.test 192.0.2.7 - - [") && line.contains("\" 403 "), "{line}");

    edge.write_file("deny.txt", "");
    edge.expect_log("networks read file=deny.txt ranges=0");
    cdn.send(request("192.0.2.7"));
    let mut served = upstream.accept();
    served.request();
    served.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(cdn.response().status(), 204);
    let _open =
        Raw::clear(edge.listener("::1", "clear")).send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").response();
}

/// An account lets in whom it says, whoever else the node does; challenges are answered to everybody.
#[test]
fn an_account_refuses_networks() {
    let origin = Origin::saying("here");
    let access = "[deny]\nfrom = [\"192.0.2.66\"]\n[allow]\nfrom = [\"192.0.2.0/24\"]\n";
    let alice = format!("trust = [\"cdn\"]\n{access}{}", account("\"a.test\"", &origin.address()));
    let edge = Files::new()
        .tables(CDN)
        .set("acme", "tokens", "\"tokens\"")
        .file("tokens/t", "t.digest")
        .document("alice", &alice)
        .document("bob", &account("\"b.test\"", &origin.address()))
        .start();
    let mut raw = edge.connect();
    for (client, status) in [("192.0.2.7", 200), ("192.0.2.66", 403), ("198.51.100.1", 403), ("::1", 403)] {
        assert_eq!(ask(&mut raw, client).status(), status, "{client}");
    }
    let mut h2 = H2::connect(&edge, "a.test");
    for (stream, client, status) in [(1, "192.0.2.66", 403), (3, "192.0.2.7", 200)] {
        h2.request(stream, "GET", "a.test", "/", &[("x-forwarded-for", client)], true);
        assert_eq!(h2.response(stream).status(), status);
    }
    let challenge = "GET /.well-known/acme-challenge/t HTTP/1.1\r\nHost: a.test\r\n\r\n";
    assert_eq!(edge.connect().send(challenge).response().text(), "t.digest");
    assert_eq!(edge.connect().send("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n").response().text(), "here");
    assert_eq!(origin.requests().len(), 3);
    edge.write_document("alice", &alice.replace(access, ""));
    wait::until("the document", || (ask(&mut raw, "198.51.100.1").status() == 200).then_some(()));
}

/// 127.0.0.1 is believed for every account.
const CDN: &str = "[[trust]]\nname = \"cdn\"\nfrom = [\"127.0.0.1\"]\neverywhere = true\n";

fn request(client: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: {client}\r\n\r\n")
}

fn ask(raw: &mut Raw, client: &str) -> Message {
    raw.send(request(client)).response()
}

fn site(name: &str, addresses: &str, upstream: &str) -> String {
    format!(
        "[[upstream]]\nname = \"{name}\"\naddress = \"{upstream}\"\n\
         [[site]]\nname = \"{name}\"\naddresses = [{addresses}]\nupstream = \"{name}\"\n"
    )
}
