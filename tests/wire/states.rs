//! Accounts that are suspended, or have moved to another node, and sites that always give the same answer.

use crate::programs::{document, get, runs, sleeping};
use crate::support::certificate::pem;
use crate::support::dns::{NameServer, Word};
use crate::support::edge::Files;
use crate::support::{Edge, Raw, Recorder, account, wait};
use std::fs;
use std::time::Duration;

/// Everybody is told so, what is open is closed after the drain, and nothing of it reaches the account or anybody else.
#[test]
fn a_suspended_account_is_closed_after_a_drain_and_open_again_at_once() {
    let (alices, bobs) = (Recorder::new(), Recorder::new());
    let alice = account("\"a.test\"", &alices.address());
    let edge = Edge::with(&[("alice", &alice), ("bob", &account("\"b.test\"", &bobs.address()))]);
    let (mut tunnel, mut far) = tunnelled(&edge, "a.test", &alices);
    let (mut other, mut others_far) = tunnelled(&edge, "b.test", &bobs);
    edge.write_document("alice", &format!("state = \"suspended\"\n{alice}"));
    edge.expect_log("document applied account=alice");
    let told = edge.connect().send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
    assert_eq!((told.word(), told.error_type()), ("suspended", "http_request_denied"));
    far.expect_close();
    tunnel.expect_close();
    other.send("ping");
    assert_eq!(others_far.exactly(4), b"ping");
    alices.expect_nothing();
    // As before, tunnels included: the drain of then is not theirs.
    edge.write_document("alice", &alice);
    wait::until("it to be open again", || {
        let mut raw = edge.connect();
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        if let Some(mut upstream) = wait::try_until(Duration::from_millis(100), || alices.try_accept()) {
            upstream.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").finish();
        }
        (raw.response().status() == 204).then_some(())
    });
    let (mut tunnel, mut far) = tunnelled(&edge, "a.test", &alices);
    assert!(far.is_quiet_for(Duration::from_millis(500)), "longer than the drain");
    tunnel.send("ping");
    assert_eq!(far.exactly(4), b"ping");
}

#[test]
fn a_suspended_accounts_programs_are_stopped() {
    let edge = sleeping("auto", "");
    let pid = get(&mut edge.connect(), "/").text().trim().to_owned();
    let text = document(&edge, "auto", "");
    edge.write_document("alice", &format!("state = \"suspended\"\n{text}"));
    wait::until("it to be stopped", || (!runs(&pid)).then_some(()));
    assert_eq!(get(&mut edge.connect(), "/").word(), "suspended");
    assert_eq!(edge.starts().len(), 1, "nobody starts it");
    edge.write_document("alice", &text);
    wait::until("it to be served", || (get(&mut edge.connect(), "/").status() == 200).then_some(()));
    assert_eq!(edge.starts().len(), 2);
}

/// Whatever its sites say: a redirect, a page, a path that nobody has, an upgrade, a challenge.
#[test]
fn what_has_moved_is_passed_on_whole() {
    let origin = Recorder::new();
    let (names, there) = (NameServer::start(), node_there(&origin.address()));
    names.say("node7.test", Word::Has(&["127.0.0.1"], 3600));
    let alice = "[[site]]\nname = \"www\"\naddresses = [\"a.test/only\"]\nforce_https = true\n\
                 hsts = { max_age = \"365d\" }\nredirect = { to = \"https://elsewhere.test\" }\n";
    let edge = here(&names, &there, alice);
    for target in ["/only/x", "/other?q=%2F", "/.well-known/acme-challenge/token"] {
        for (mut raw, scheme) in [(edge.connect(), "http"), (edge.connect_tls("a.test"), "https")] {
            raw.send(format!("GET {target} HTTP/1.1\r\nHost: a.test\r\nCookie: a=b\r\n\r\n"));
            let mut upstream = origin.accept();
            let seen = upstream.request();
            assert_eq!((seen.target(), seen.one("host"), seen.one("cookie")), (target, "a.test", "a=b"));
            assert_eq!(seen.one("x-forwarded-proto"), "https", "as the other node met us");
            assert_eq!(seen.all("via").join(", ").matches("parvis-").count(), 2, "{scheme}");
            upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nthere");
            let answer = raw.response();
            assert_eq!((answer.status(), answer.text()), (200, "there"));
            assert!(!answer.has("strict-transport-security"));
        }
    }
    let (mut tunnel, mut far) = tunnelled(&edge, "a.test", &origin);
    tunnel.send("ping");
    assert_eq!(far.exactly(4), b"ping");
    assert!(far.is_quiet_for(Duration::from_millis(500)), "longer than a drain");
    let status: serde_json::Value =
        serde_json::from_slice(&edge.command(&["status", "alice", "--json"]).stdout).expect("JSON");
    assert_eq!((&status["state"], &status["moved_on"]), (&"moved".into(), &7.into()));
    let mut metrics = Raw::clear(edge.listener("127.0.0.1", "metrics"));
    let page = metrics.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").response();
    assert!(page.text().contains("\nparvis_moved_requests_total 7\n"), "{}", page.text());
}

/// The other node's own name is another account's there: who is believed may ask for all accounts over one name.
#[test]
fn what_has_moved_may_come_by_a_name_that_somebody_holds() {
    let (origin, names) = (Recorder::new(), NameServer::start());
    names.say("node7.test", Word::Has(&["127.0.0.1"], 3600));
    let there = |tables: &str| {
        Files::new()
            .tables(tables)
            .file("certificates/node7.pem", &pem(&["node7.test"]))
            .document("alice", &account("\"a.test\"", &origin.address()))
            .document("status", &account("\"node7.test\"", "127.0.0.1:1"))
            .start()
    };
    let site = "[[site]]\nname = \"www\"\naddresses = [\"a.test\"]\nanswer = { status = 410 }\n";
    let ask = |edge: &Edge| {
        let mut raw = edge.connect();
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        raw
    };
    let stranger = there("");
    assert_eq!(ask(&here(&names, &stranger, site)).response().word(), "misdirected");
    origin.expect_nothing();
    let believes = there("[[trust]]\nname = \"nodes\"\nfrom = [\"127.0.0.1\"]\neverywhere = true\n");
    let edge = here(&names, &believes, site);
    let mut raw = ask(&edge);
    origin.accept().send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(raw.response().status(), 204);
}

/// The other node is not who it should be: nothing is said to it.
#[test]
fn what_has_moved_is_passed_on_to_nobody_else() {
    let origin = Recorder::new();
    let (names, there) = (NameServer::start(), node_there(&origin.address()));
    names.say("node8.test", Word::Has(&["127.0.0.1"], 3600));
    let edge = here(
        &names,
        &there,
        "[[site]]\nname = \"www\"\naddresses = [\"a.test\"]\nanswer = { status = 410 }\n",
    );
    let text = fs::read_to_string(edge.path().join("accounts.d/alice.toml")).expect("our own file");
    edge.write_document("alice", &text.replace("node7", "node8"));
    wait::until("the other name", || {
        let answer = edge.connect().send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
        (answer.status() == 502 && answer.word() == "upstream_certificate").then_some(())
    });
    origin.expect_nothing();
}

/// Two nodes that think the account is with the other.
#[test]
fn moving_in_a_circle_ends_in_the_first_round() {
    let names = NameServer::start();
    let there = node_there("127.0.0.1:1");
    names.say("node7.test", Word::Has(&["127.0.0.1"], 3600));
    let edge = here(
        &names,
        &there,
        "[[site]]\nname = \"www\"\naddresses = [\"a.test\"]\nanswer = { status = 410 }\n",
    );
    // The other node sends everything back: by a URL, which needs no certificate here.
    there.write_document("alice", &account("\"a.test\"", &edge.address().to_string()));
    let looped = wait::until("the circle", || {
        let answer = edge.connect().send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
        (answer.status() == 508).then_some(answer)
    });
    assert_eq!(looped.word(), "loop");
    edge.expect_log("leads back here");
}

#[test]
fn a_site_may_give_the_same_answer_to_everybody() {
    let site = |name: &str, lines: &str| {
        format!("[[site]]\nname = \"{name}\"\naddresses = [\"{name}.test\"]\n{lines}\n")
    };
    let document = site("a", "answer = { status = 451, page = \"../pages/gone.html\" }")
        + &site("b", "answer = { status = 410 }")
        + &site("c", "answer = { status = 200, page = \"../pages/data.json\" }")
        + &site("d", "answer = { status = 503, page = \"../pages/none.txt\" }");
    let files = Files::new().file("pages/gone.html", "<p>gone</p>").file("pages/data.json", "{}");
    let edge = files.document("alice", &document).start();
    let ask = |method: &str, host: &str| {
        let mut raw = edge.connect();
        raw.send(format!("{method} /x HTTP/1.1\r\nHost: {host}.test\r\n\r\n"));
        if method == "HEAD" { raw.response_to_head() } else { raw.response() }
    };
    let gone = ask("GET", "a");
    assert_eq!(
        (gone.status(), gone.text(), gone.one("content-type")),
        (451, "<p>gone</p>", "text/html; charset=utf-8")
    );
    assert!(!gone.has("proxy-status"), "nothing has failed");
    let head = ask("HEAD", "a");
    assert_eq!((head.status(), head.one("content-length"), head.text()), (451, "11", ""));
    let own = ask("POST", "b");
    assert_eq!(own.status(), 410);
    assert!(own.text().contains("<title>410 Gone</title>"), "{}", own.text());
    assert_eq!((ask("GET", "c").text(), ask("GET", "c").one("content-type")), ("{}", "application/json"));
    assert_eq!(ask("GET", "d").status(), 503);
    edge.expect_log("site d: the page of its answer cannot be read: ");
    let status =
        |account: &str| String::from_utf8_lossy(&edge.command(&["status", account]).stdout).into_owned();
    assert!(status("alice").contains("none.txt: No such file"), "{}", status("alice"));
    // What is shown is what was read with the document.
    edge.write_file("pages/gone.html", "<p>still gone</p>");
    assert_eq!(ask("GET", "a").text(), "<p>gone</p>");
    edge.write_document("alice", &format!("{document}\n# again"));
    wait::until("the new page", || (ask("GET", "a").text() == "<p>still gone</p>").then_some(()));
    // Or when somebody says so.
    edge.write_file("pages/gone.html", "<p>back</p>");
    edge.write_file("pages/none.txt", "there");
    assert!(edge.command(&["reload"]).status.success());
    assert_eq!((ask("GET", "a").text(), ask("GET", "d").text()), ("<p>back</p>", "there"));
    assert!(!status("alice").contains("none.txt"), "{}", status("alice"));
}

/// A WebSocket through the edge, both ends.
fn tunnelled(edge: &Edge, host: &str, recorder: &Recorder) -> (Raw, Raw) {
    let mut raw = edge.connect();
    raw.send(format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    let mut far = recorder.accept();
    far.head();
    far.send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
    assert_eq!(raw.head().status(), 101);
    (raw, far)
}

/// The node that alice has moved to, which shows a certificate for `node7.test`.
fn node_there(upstream: &str) -> Edge {
    let files = Files::new().set("limits", "handshakes_per_client", "\"unlimited\"");
    let files = files.file("certificates/node7.pem", &pem(&["node7.test"]));
    files.document("alice", &account("\"a.test\"", upstream)).start()
}

/// The node that she has moved from, by this document of hers.
fn here(names: &NameServer, there: &Edge, alice: &str) -> Edge {
    let port = there.tls_address().port();
    let ca = fs::read_to_string(there.path().join("certificates/node7.pem")).expect("our own file");
    let document = format!(
        "state = \"moved\"\nmoved_to = \"https://node7.test:{port}\"\nmoved_ca = \"../ca.pem\"\n{alice}"
    );
    let files = Files::new().set("upstreams", "resolvers", &names.address()).file("ca.pem", &ca);
    files.document("alice", &document).start()
}
