//! Which account and site a request reaches, or none: matching, isolation, and the answers that need no upstream.

use crate::support::edge::Files;
use crate::support::{Edge, Message, Origin, Raw, Recorder, account, certificate, wait};

/// Every address form of one account, each site with an upstream that says its name.
const ALICE: &str = r#"
[[site]]
name = "exact"
addresses = ["www.alice.test", "alice.test"]
upstream = "exact"
[[site]]
name = "app"
addresses = ["alice.test/app", "alice.test/app/deep", "shop.alice.test/only"]
upstream = "app"
[[site]]
name = "wild"
addresses = ["*.alice.test"]
upstream = "wild"
[[site]]
name = "wild-deep"
addresses = ["*.deep.alice.test", "*.alice.test/wildpath"]
upstream = "deep"
[[site]]
name = "literal"
addresses = ["192.0.2.7", "[2001:db8::7]"]
upstream = "exact"
"#;

#[test]
fn hosts_and_paths_match_as_documented() {
    const TABLE: &[(&str, &str, &str)] = &[
        ("alice.test", "/", "exact"),
        ("www.alice.test", "/any", "exact"),
        ("alice.test", "/app", "app"),
        ("alice.test", "/app/", "app"),
        ("alice.test", "/app/x", "app"),
        ("alice.test", "/app?x=/", "app"),
        ("alice.test", "/app/deep/x", "app"),
        // Whole segments, in the case they are written.
        ("alice.test", "/apple", "exact"),
        ("alice.test", "/App", "exact"),
        ("alice.test", "/x/app", "exact"),
        ("www.alice.test", "/app", "exact"),
        // One label or more, the longest wildcard first.
        ("x.alice.test", "/", "wild"),
        ("x.y.alice.test", "/", "wild"),
        ("x.deep.alice.test", "/", "deep"),
        ("deep.alice.test", "/", "wild"),
        ("x.alice.test", "/wildpath/x", "deep"),
        // No path of the host matches: the same account's wildcard.
        ("shop.alice.test", "/only", "app"),
        ("shop.alice.test", "/", "wild"),
        // One host, however it is written.
        ("ALICE.test", "/", "exact"),
        ("aLiCe.TeSt.", "/app", "app"),
        ("alice.test:8443", "/app", "app"),
        ("alice.test.:80", "/", "exact"),
        ("X.Alice.Test", "/", "wild"),
        ("192.0.2.7", "/", "exact"),
        ("192.0.2.7:80", "/", "exact"),
        ("[2001:db8::7]", "/", "exact"),
        ("[2001:DB8:0::0:7]:80", "/", "exact"),
    ];
    let edge = alice();
    let mut clear = edge.connect();
    for (host, path, expected) in TABLE {
        let response = get(&mut clear, host, path);
        assert_eq!((response.status(), response.text()), (200, *expected), "{host}{path}");
    }
}

/// A host nobody holds reaches nobody, however near it comes to one that is held.
#[test]
fn a_host_that_is_not_held_reaches_no_account() {
    let edge = alice();
    let mut raw = edge.connect();
    for host in [
        "bob.test",
        "test",
        "alice.test.evil.test",
        "evil-alice.test",
        "xalice.test",
        "alice.tes",
        "www.alice.test.x",
        "192.0.2.8",
        "[2001:db8::8]",
        "localhost",
        "127.0.0.1",
        "_.test",
        "xn--lice-8ya.test",
    ] {
        let response = get(&mut raw, host, "/");
        assert_eq!((response.status(), response.word()), (404, "unknown_host"), "{host}");
    }
}

/// Held hosts whose paths match nothing are a 404 of that account, and never the default site.
#[test]
fn a_held_host_is_never_the_default_sites() {
    let (platform, bob) = (Origin::echoing_heads(), Origin::saying("bob"));
    let edge = Files::new()
        .set("accounts", "default_site", "\"platform/welcome\"")
        .document("platform", &account("\"welcome.test\"", &platform.address()).replace("main", "welcome"))
        .document("bob", &account("\"b.test/app\"", &bob.address()))
        .start();
    let mut raw = edge.connect();
    assert_eq!(get(&mut raw, "b.test", "/app").text(), "bob");
    let response = get(&mut raw, "b.test", "/");
    assert_eq!((response.status(), response.word()), (404, "unknown_path"));
    // Everyone else is the default site's, with the name the visitor typed.
    for host in ["unknown.test", "Unknown2.TEST:81", "192.0.2.1"] {
        assert_eq!(get(&mut raw, host, "/x").status(), 200);
        let seen = platform.requests().pop().expect("a request");
        assert_eq!(seen.target(), "/x");
        assert!(seen.one("host").eq_ignore_ascii_case(host), "{seen:?}");
    }
    // Over TLS as well, whatever the SNI.
    let mut tls = edge.connect_tls("unknown.test");
    assert_eq!(get(&mut tls, "unknown.test", "/").status(), 200);
}

#[test]
fn each_request_of_a_connection_is_routed_by_itself() {
    let (alice, bob) = (Origin::saying("alice"), Origin::saying("bob"));
    let edge = Edge::with(&[
        ("alice", &account("\"a.test\"", &alice.address())),
        ("bob", &account("\"b.test\"", &bob.address())),
    ]);
    let mut raw = edge.connect();
    for _ in 0..3 {
        assert_eq!(get(&mut raw, "a.test", "/").text(), "alice");
        assert_eq!(get(&mut raw, "b.test", "/").text(), "bob");
        assert_eq!(get(&mut raw, "c.test", "/").word(), "unknown_host");
    }
}

#[test]
fn upstreams_are_reached_on_every_kind_of_address() {
    let files = Files::new();
    let socket = files.path().join("web.sock");
    for recorder in [Recorder::at("127.0.0.1:0"), Recorder::at("[::1]:0"), Recorder::unix(&socket)] {
        let edge = Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]);
        let mut raw = edge.connect();
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let mut upstream = recorder.accept();
        assert_eq!(upstream.request().one("host"), "a.test");
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        assert_eq!(raw.response().text(), "ok", "{}", recorder.address());
    }
}

#[test]
fn redirects() {
    let edge = Edge::with(&[("alice", &redirects_document())]);
    for (host, path, status, location) in [
        ("keep.test", "/a/b?c=d", 301, "https://www.alice.test/a/b?c=d"),
        ("keep.test", "/", 301, "https://www.alice.test/"),
        ("keep.test", "/%2e%0d%0aX:%20y", 301, "https://www.alice.test/%2e%0d%0aX:%20y"),
        ("under.test", "/a?b", 308, "https://www.alice.test/base/a?b"),
        ("drop.test", "/a/b?c=d", 302, "https://www.alice.test/there"),
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let mut raw = edge.connect();
            raw.send(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"));
            let response = if method == "HEAD" { raw.response_to_head() } else { raw.response() };
            assert_eq!((response.status(), response.one("location")), (status, location), "{host}{path}");
            assert!(!response.has("proxy-status"), "a redirect is no failure");
            // The connection goes on.
            raw.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert_eq!(raw.response().status(), status);
        }
    }
}

/// Https is forced only once a certificate of the account covers the name: a redirect to a warning helps nobody.
#[test]
fn https_is_forced_once_a_certificate_covers_the_name() {
    let origin = Origin::saying("here");
    let document = format!(
        "{}force_https = true\nhsts = {{ max_age = \"365d\", include_subdomains = true, preload = true }}\n",
        account("\"a.test\"", &origin.address())
    );
    let edge = Edge::with(&[("alice", &document)]);
    let mut raw = edge.connect();
    assert_eq!(get(&mut raw, "a.test", "/").text(), "here");

    edge.write_certificate("alice/a.pem", &certificate::pem(&["a.test"]));
    let response = wait::until("the certificate to be served", || {
        let response = get(&mut raw, "a.test", "/x?y=z");
        (response.status() != 200).then_some(response)
    });
    assert_eq!((response.status(), response.one("location")), (301, "https://a.test/x?y=z"));
    assert!(!response.has("strict-transport-security"), "HSTS means nothing on a clear connection");
    raw.send("POST /x HTTP/1.1\r\nHost: A.test:80\r\nContent-Length: 0\r\n\r\n");
    let response = raw.response();
    assert_eq!((response.status(), response.one("location")), (308, "https://a.test/x"));

    let mut tls = edge.connect_tls("a.test");
    let response = get(&mut tls, "a.test", "/");
    assert_eq!(response.text(), "here");
    assert_eq!(response.one("strict-transport-security"), "max-age=31536000; includeSubDomains; preload");
}

#[test]
fn maintenance_is_a_page_of_ours() {
    let recorder = Recorder::new();
    let document = format!("state = \"maintenance\"\n{}", account("\"a.test\"", &recorder.address()));
    let edge = Edge::with(&[("alice", &document)]);
    for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
        for _ in 0..2 {
            let response = get(&mut raw, "a.test", "/");
            assert_eq!((response.status(), response.word()), (503, "maintenance"));
            assert_eq!(response.error_type(), "http_request_denied");
            assert!(response.has("retry-after") && !response.says_close());
        }
    }
    recorder.expect_nothing();
}

/// Pages of ours are small, are not cached, and repeat nothing a visitor sent.
#[test]
fn our_own_pages() {
    let edge = Edge::with(&[]);
    let mut raw = edge.connect();
    let response = get(&mut raw, "evil.test", "/<script>alert(1)</script>?<b>");
    assert_eq!(response.status(), 404);
    assert!(response.one("content-type").starts_with("text/html"));
    assert!(response.one("cache-control").contains("no-store"));
    assert!(!response.text().contains("script>alert") && !response.text().contains("<b>"));
    raw.send("HEAD / HTTP/1.1\r\nHost: evil.test\r\n\r\n");
    let response = raw.response_to_head();
    assert_eq!(response.status(), 404);
    // And no body came, or this answer could not be read.
    assert_eq!(get(&mut raw, "evil.test", "/").status(), 404);
}

/// Who waits for a place waits in order and within bounds; an upstream never sees more connections than it may.
#[test]
fn an_upstream_never_sees_one_connection_too_many() {
    let origin = Origin::serving("127.0.0.1:0", |raw, _| {
        std::thread::yield_now();
        raw.try_send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok()
    });
    let document = account("\"a.test\"", &origin.address())
        .replace("name = \"web\"\n", "name = \"web\"\nconnections = 5\n");
    let edge = Files::new().set("node", "workers", "4").document("alice", &document).start();
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                let mut raw = edge.connect();
                for _ in 0..50 {
                    assert_eq!(get(&mut raw, "a.test", "/").status(), 200);
                }
            });
        }
    });
    assert!(origin.most_open() <= 5, "{} connections at once", origin.most_open());
}

/// A place that idles on one worker is found by a visitor on another.
#[test]
fn nobody_waits_while_a_connection_idles() {
    let origin = Origin::saying("here");
    let document = account("\"a.test\"", &origin.address())
        .replace("name = \"web\"\n", "name = \"web\"\nconnections = 1\nkeep_alive = \"10m\"\n");
    let edge = Files::new().set("node", "workers", "4").document("alice", &document).start();
    // Many connections, so that every worker has some; each request comes while another worker's idles.
    let mut visitors: Vec<Raw> = (0..32).map(|_| edge.connect()).collect();
    let ((), took) = wait::timed(|| {
        for raw in &mut visitors {
            assert_eq!(get(raw, "a.test", "/").text(), "here");
        }
    });
    assert!(took < std::time::Duration::from_secs(5), "{took:?}");
    assert_eq!(origin.most_open(), 1);
}

#[test]
fn a_full_queue_is_an_answer() {
    let recorder = Recorder::new();
    let document = format!(
        "[limits]\nin_flight = 1\nqueue = 1\nqueue_timeout = \"300ms\"\n{}",
        account("\"a.test\"", &recorder.address())
    );
    let edge = Files::new().set("node", "workers", "1").document("alice", &document).start();
    let (mut first, mut second, mut third) = (edge.connect(), edge.connect(), edge.connect());
    first.send("GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    upstream.request();
    second.send("GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    // The second waits; only then is the queue full.
    assert!(second.is_quiet_for(std::time::Duration::from_millis(50)));
    let response = get(&mut third, "a.test", "/3");
    assert_eq!((response.status(), response.word()), (503, "queue_full"));
    let response = second.response();
    assert_eq!((response.status(), response.word()), (503, "queue_timeout"));
    assert_eq!(response.error_type(), "connection_limit_reached");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(first.response().text(), "ok");
    recorder.expect_nothing();
}

/// Two accounts that name one host: the first keeps it, the other is told, the rest of its document applies.
#[test]
fn a_contested_host_stays_with_its_holder() {
    let (alice, bob) = (Origin::saying("alice"), Origin::saying("bob"));
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &alice.address()))]);
    edge.write_document("bob", &account("\"a.test\", \"b.test\"", &bob.address()));
    let mut raw = edge.connect();
    wait::until("bob's other host", || (get(&mut raw, "b.test", "/").status() == 200).then_some(()));
    assert_eq!(get(&mut raw, "a.test", "/").text(), "alice");
    edge.expect_log("a.test");
}

/// A name under another account's wildcard is that account's, unless it lends.
#[test]
fn names_under_a_wildcard_are_lent_or_not() {
    let (alice, bob) = (Origin::saying("alice"), Origin::saying("bob"));
    for (lend, expected) in [("", "alice"), ("lend = true\n", "bob")] {
        let wildcard = format!("{}{lend}", account("\"*.a.test\"", &alice.address()));
        let edge = Edge::with(&[("alice", &wildcard)]);
        edge.write_document("bob", &account("\"x.a.test\", \"b.test\"", &bob.address()));
        let mut raw = edge.connect();
        wait::until("bob's other host", || (get(&mut raw, "b.test", "/").status() == 200).then_some(()));
        assert_eq!(get(&mut raw, "x.a.test", "/").text(), expected);
        assert_eq!(get(&mut raw, "y.a.test", "/").text(), "alice");
    }
}

fn alice() -> Edge {
    let upstream =
        |name| format!("[[upstream]]\nname = \"{name}\"\naddress = \"{}\"\n", Origin::saying(name).address());
    let upstreams = ["exact", "app", "wild", "deep"].map(upstream).concat();
    Edge::with(&[("alice", &(upstreams + ALICE))])
}

fn redirects_document() -> String {
    let site = |name: &str, redirect: &str| {
        format!("[[site]]\nname = \"{name}\"\naddresses = [\"{name}.test\"]\nredirect = {redirect}\n")
    };
    site("keep", r#"{ to = "https://www.alice.test/", status = 301, keep_path = true }"#)
        + &site("under", r#"{ to = "https://www.alice.test/base/", status = 308, keep_path = true }"#)
        + &site("drop", r#"{ to = "https://www.alice.test/there", status = 302, keep_path = false }"#)
}

#[track_caller]
fn get(raw: &mut Raw, host: &str, path: &str) -> Message {
    raw.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).response()
}
