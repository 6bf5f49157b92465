//! Heads on their way through, both directions: what is removed, what is rebuilt, what stays as it was, and the
//! bytes around them.

use crate::support::edge::Files;
use crate::support::{Edge, Message, Origin, Raw, Recorder, account};

#[test]
fn the_upstream_learns_who_asked_for_what() {
    let (edge, origin) = echo();
    let port = edge.address().port();
    let seen = heads_seen(&origin, edge.connect().send("GET /p?q=1 HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    assert_eq!(seen.start, "GET /p?q=1 HTTP/1.1");
    assert_eq!(seen.one("host"), "a.test");
    assert_eq!(seen.one("x-forwarded-for"), "127.0.0.1");
    assert_eq!(seen.one("x-real-ip"), "127.0.0.1");
    assert_eq!(seen.one("x-forwarded-proto"), "http");
    assert_eq!(seen.one("x-forwarded-host"), "a.test");
    assert_eq!(seen.one("x-forwarded-port"), port.to_string());
    assert_eq!(seen.one("forwarded"), "for=127.0.0.1;host=a.test;proto=http");
    assert!(seen.one("via").starts_with("1.1 parvis-"), "{}", seen.one("via"));
    assert!(!seen.one("x-request-id").is_empty());
    assert!(!seen.has("connection") && !seen.has("content-length") && !seen.has("transfer-encoding"));
}

#[test]
fn over_tls_and_ipv6_it_learns_that() {
    let (edge, origin) = echo();
    let address = edge.listener("::1", "tls");
    let mut raw = Raw::tls(address, "a.test", &["http/1.1"]);
    let host = format!("a.test:{}", address.port());
    let seen = heads_seen(&origin, raw.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")));
    assert_eq!(seen.one("host"), host);
    assert_eq!(seen.one("x-forwarded-for"), "::1");
    assert_eq!(seen.one("x-real-ip"), "::1");
    assert_eq!(seen.one("x-forwarded-proto"), "https");
    assert_eq!(seen.one("x-forwarded-host"), host);
    assert_eq!(seen.one("x-forwarded-port"), address.port().to_string());
    // RFC 7239 §6: an IPv6 address is quoted and in brackets, a host with a port is quoted.
    assert_eq!(seen.one("forwarded"), format!("for=\"[::1]\";host=\"{host}\";proto=https"));
}

/// Nobody is believed: every field that tells of the way here is rebuilt, in whatever spelling it came.
#[test]
fn forged_fields_are_replaced() {
    const FORGED: &[&str] = &[
        "X-Forwarded-For: 6.6.6.6",
        "x-forwarded-for: 6.6.6.6",
        "X_Forwarded_For: 6.6.6.6",
        "X-Forwarded_For: 6.6.6.6",
        "X_FORWARDED-FOR: 6.6.6.6",
        "X.Forwarded.For: 6.6.6.6",
        "X-Forwarded-Proto: evil",
        "X_Forwarded_Proto: evil",
        "X-Forwarded-Host: evil.test",
        "X_Forwarded_Host: evil.test",
        "X-Forwarded-Port: 666",
        "X_Forwarded_Port: 666",
        "X-Forwarded-Prefix: /evil",
        "X_Forwarded_Prefix: /evil",
        "X-Forwarded-Server: evil",
        "X_Forwarded_Server: evil",
        "X-Forwarded-Ssl: evil",
        "X-Real-IP: 6.6.6.6",
        "X_Real_IP: 6.6.6.6",
        "Forwarded: for=6.6.6.6",
        "X-Request-ID: evil",
        "X_Request_ID: evil",
        "Content_Length: 666",
        "Transfer_Encoding: evil",
        "Proxy: http://evil.test",
    ];
    let (edge, origin) = echo();
    let mut raw = edge.connect();
    for forged in FORGED {
        let seen =
            heads_seen(&origin, raw.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{forged}\r\n\r\n")));
        let text = String::from_utf8_lossy(&seen.head).into_owned();
        assert!(
            !text.contains("evil") && !text.contains("6.6.6.6") && !text.contains("666"),
            "{forged}: {text}"
        );
        for name in ["x-forwarded-for", "x-real-ip", "x-forwarded-proto", "x-forwarded-host", "x-request-id"]
        {
            seen.one(name);
        }
    }
}

#[test]
fn hop_by_hop_fields_of_a_request_end_here() {
    let (edge, origin) = echo();
    let seen = heads_seen(
        &origin,
        edge.connect().send(
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: X-Secret, keep-alive, x-other\r\nX-Secret: 1\r\n\
             X-Other: 2\r\nX-Kept: 3\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n\
             Proxy-Authorization: Basic x\r\nTE: gzip;q=0.5, trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        ),
    );
    // What trailers need is asked anew, for this connection (RFC 9110 §10.1.4).
    assert_eq!((seen.one("te"), seen.one("connection")), ("trailers", "TE"));
    for name in [
        "x-secret",
        "x-other",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "upgrade",
        "http2-settings",
    ] {
        assert!(!seen.has(name), "{name} reached the upstream: {seen:?}");
    }
    assert_eq!(seen.one("x-kept"), "3");
}

/// `h2c` by upgrade is never offered on, and what else is offered beside it is not tunnelled by accident.
#[test]
fn an_upgrade_to_h2c_is_stripped() {
    let (edge, origin) = echo();
    let mut raw = edge.connect();
    let seen = heads_seen(
        &origin,
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"),
    );
    assert!(!seen.has("upgrade") && !seen.has("connection") && !seen.has("http2-settings"), "{seen:?}");
}

#[test]
fn what_is_end_to_end_stays_as_it_was() {
    let (edge, origin) = echo();
    let fields = "accept: */*\r\nCookie: a=b; c=\"d\"\r\nX-Twice: 1\r\nX-Empty:\r\nx-twice: 2\r\nUser-Agent: T/1 (x; y)\r\n\
                  Accept-Encoding: gzip;q=1.0, *;q=0\r\nAuthorization: Basic eA==\r\nX-Under_Score: kept\r\nDNT: 1\r\n";
    let seen =
        heads_seen(&origin, edge.connect().send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")));
    // Order, spelling and doubles are the visitor's.
    let sent: Vec<(String, String)> = fields
        .split_terminator("\r\n")
        .map(|line| line.split_once(':').expect("a field"))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let kept: Vec<_> = seen.fields.iter().filter(|field| sent.contains(field)).cloned().collect();
    assert_eq!(kept, sent);
}

#[test]
fn every_request_has_an_id_of_its_own() {
    let (edge, origin) = echo();
    let mut raw = edge.connect();
    let mut ids = std::collections::HashSet::new();
    for _ in 0..20 {
        let seen = heads_seen(&origin, raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        assert!(ids.insert(seen.one("x-request-id").to_owned()));
    }
}

/// RFC 9112 §3.2.2: the host of an absolute target is the host, and the upstream is asked in origin form.
#[test]
fn absolute_form_becomes_origin_form() {
    let (edge, origin) = echo();
    let mut raw = edge.connect();
    for (target, expected) in [
        ("http://a.test/x?y", "/x?y"),
        ("http://a.test", "/"),
        ("http://a.test?y", "/?y"),
        ("HTTP://A.Test/x", "/x"),
    ] {
        let seen = heads_seen(&origin, raw.send(format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n")));
        assert_eq!(seen.target(), expected, "{target}");
        assert_eq!(seen.one("host"), "a.test");
    }
    let seen = heads_seen(&origin, raw.send("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    assert_eq!(seen.start, "OPTIONS * HTTP/1.1");
}

#[test]
fn targets_pass_unchanged() {
    let (edge, origin) = echo();
    let mut raw = edge.connect();
    for target in [
        "/",
        "//",
        "/a//b",
        "/a/../b",
        "/%2e%2e/%00%0d%0a",
        "/?",
        "/??",
        "/a?b=c&d=%20+",
        "/;x=y",
        "/a:b@c",
        "/~!$&'()*+,;=",
    ] {
        let seen = heads_seen(&origin, raw.send(format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n")));
        assert_eq!(seen.target(), target);
    }
}

#[test]
fn the_host_an_upstream_sees_is_a_setting() {
    let origin = Origin::echoing_heads();
    for (setting, expected) in [
        ("\"visitor\"", "a.test:8080".to_owned()),
        ("\"upstream\"", origin.address()),
        ("\"inside.test\"", "inside.test".to_owned()),
    ] {
        let document = account("\"a.test\"", &origin.address())
            .replace("name = \"web\"\n", &format!("name = \"web\"\nhost = {setting}\n"));
        let edge = Edge::with(&[("alice", &document)]);
        let seen = heads_seen(&origin, edge.connect().send("GET / HTTP/1.1\r\nHost: a.test:8080\r\n\r\n"));
        assert_eq!(seen.one("host"), expected);
        assert_eq!(seen.one("x-forwarded-host"), "a.test:8080");
    }
}

#[test]
fn hop_by_hop_fields_of_an_answer_end_here() {
    let (edge, recorder) = recorded();
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send(
        "HTTP/1.1 200 Fine\r\nConnection: X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\n\
         Upgrade: h2c\r\nSet-Cookie: a=1\r\nServer: theirs\r\nSet-Cookie: b=2\r\nX-Kept: 3\r\nContent-Length: 2\r\n\r\nok",
    );
    let response = raw.response();
    assert_eq!(response.start, "HTTP/1.1 200 Fine");
    for name in ["connection", "x-secret", "keep-alive", "proxy-authenticate", "upgrade", "proxy-status"] {
        assert!(!response.has(name), "{name} reached the visitor: {response:?}");
    }
    assert_eq!(response.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!((response.one("server"), response.one("x-kept"), response.text()), ("theirs", "3", "ok"));
}

/// Two requests of one visitor, and requests of two, use the kept connection to the upstream; a `close` of the
/// upstream ends it.
#[test]
fn upstream_connections_are_kept_and_reused() {
    let (edge, recorder) = one_worker();
    let (mut one, mut other) = (edge.connect(), edge.connect());
    let mut upstream = None;
    for raw in [&mut one, &mut other] {
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let upstream = upstream.get_or_insert_with(|| recorder.accept());
        upstream.request();
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        assert_eq!(raw.response().text(), "ok");
    }
    assert!(recorder.try_accept().is_none());

    let mut upstream = upstream.expect("a connection");
    one.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    upstream.request();
    upstream.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    let response = one.response();
    assert!(!response.says_close(), "the upstream's close is not the visitor's");
    one.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut second = recorder.accept();
    second.request();
    second.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(one.response().text(), "ok");
}

/// An upstream's connection never goes to another account, even where both name the same address.
#[test]
fn connections_are_never_shared_between_accounts() {
    let recorder = Recorder::new();
    let edge = Files::new()
        .set("node", "workers", "1")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .document("bob", &account("\"b.test\"", &recorder.address()))
        .start();
    let mut raw = edge.connect();
    let mut connections = Vec::new();
    for host in ["a.test", "b.test"] {
        raw.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let mut upstream = recorder.accept();
        assert_eq!(upstream.request().one("host"), host);
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        raw.response();
        connections.push(upstream);
    }
}

#[test]
fn answers_without_a_body() {
    let (edge, recorder) = recorded();
    let mut raw = edge.connect();
    raw.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    for (method, answer, status, length) in [
        ("HEAD", "200 OK\r\nContent-Length: 5\r\n", 200, Some("5")),
        ("HEAD", "200 OK\r\n", 200, None),
        ("GET", "304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n", 304, Some("5")),
        ("GET", "304 Not Modified\r\n", 304, None),
        ("GET", "204 No Content\r\n", 204, None),
        ("GET", "200 OK\r\nContent-Length: 0\r\n", 200, Some("0")),
        ("POST", "205 Reset Content\r\nContent-Length: 0\r\n", 205, Some("0")),
    ] {
        if method != "HEAD" || length.is_none() {
            raw.send(format!("{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n"));
        }
        assert!(upstream.request().start.starts_with(method));
        upstream.send(format!("HTTP/1.1 {answer}\r\n"));
        let response = raw.response_to_head();
        assert_eq!(
            (response.status(), response.all("content-length").first().copied()),
            (status, length),
            "{answer}"
        );
        assert!(!response.has("transfer-encoding"), "{answer}");
    }
}

/// RFC 9112 §2.3, §9.3: a client of HTTP/1.0 gets no chunks, no interim answers, and keep-alive only if it asks.
#[test]
fn clients_of_http_1_0() {
    let (edge, recorder) = one_worker();
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    assert_eq!(upstream.request().start, "GET / HTTP/1.1");
    upstream.send("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n");
    let response = raw.response();
    assert_eq!((response.status(), response.text()), (200, "hello"));
    assert!(!response.has("transfer-encoding") && !response.has("trailer"));

    let mut raw = edge.connect();
    for _ in 0..2 {
        raw.send("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n");
        let seen = upstream.request();
        assert_eq!(seen.start, "GET / HTTP/1.1");
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        let response = raw.response();
        assert_eq!((response.text(), response.one("connection")), ("hello", "keep-alive"));
    }
    raw.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    upstream.request();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(raw.response().text(), "hello");
    raw.expect_fin();
}

#[test]
fn a_client_that_says_close_is_closed() {
    let (edge, _) = echo();
    for close in ["close", "Close", "x-y, close"] {
        let mut raw = edge.connect();
        raw.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: {close}\r\n\r\n"));
        assert!(raw.response().says_close());
        raw.expect_fin();
    }
}

/// A request that has been through this node comes back: refused before it goes round for ever.
#[test]
fn a_loop_is_seen() {
    let files = Files::new();
    // The upstream is the edge itself, whose port is known only once it runs: the document comes afterwards.
    let edge = files.start();
    edge.write_document("alice", &account("\"a.test\"", &edge.address().to_string()));
    let response = crate::support::wait::until("the document to be applied", || {
        let response = edge.connect().send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
        (response.status() != 404).then_some(response)
    });
    assert_eq!((response.status(), response.word()), (508, "loop"));
    assert_eq!(response.error_type(), "proxy_loop_detected");
}

/// An edge and an upstream that answers with the head it saw.
fn echo() -> (Edge, Origin) {
    let origin = Origin::echoing_heads();
    (Edge::with(&[("alice", &account("\"a.test\"", &origin.address()))]), origin)
}

fn recorded() -> (Edge, Recorder) {
    let recorder = Recorder::new();
    (Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]), recorder)
}

/// One worker, so that it is certain which idle connections a request can find.
fn one_worker() -> (Edge, Recorder) {
    let recorder = Recorder::new();
    let files = Files::new().set("node", "workers", "1");
    (files.document("alice", &account("\"a.test\"", &recorder.address())).start(), recorder)
}

/// The head that reached the upstream for the request just sent on `raw`.
#[track_caller]
fn heads_seen(origin: &Origin, raw: &mut Raw) -> Message {
    let response = raw.response();
    assert_eq!(response.status(), 200, "{response:?}");
    origin.requests().pop().expect("a request")
}
