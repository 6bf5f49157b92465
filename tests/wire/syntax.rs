//! What breaks the rules and passes nevertheless, mended and counted; and what parts of the edge can be switched off.

use crate::support::edge::Files;
use crate::support::h2::H2;
use crate::support::{Edge, Message, Origin, Raw, Recorder, account, wait};

/// What the real world's servers get wrong reaches the visitor as it should have been.
#[test]
fn answers_that_are_not_quite_right_pass() {
    let recorder = Recorder::new();
    let edge = edge(&recorder.address(), "");
    for (answer, line) in [
        (
            &b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\tc\r\nContent-Length: 2\r\n\r\nok"[..],
            &b"\r\nX: a   b  \tc\r\n"[..],
        ),
        (b"HTTP/1.1 200 OK\r\nX: caf\xe9\r\nContent-Length: 2\r\n\r\nok", b"\r\nX: caf\xe9\r\n"),
        (b"HTTP/1.1 200\r\nX: y\r\nContent-Length: 2\r\n\r\nok", b"\r\nX: y\r\n"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
            b"\r\nContent-Length: 2\r\n",
        ),
    ] {
        for size in [answer.len(), 1] {
            let mut raw = edge.connect();
            raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
            let mut upstream = recorder.accept();
            upstream.request();
            upstream.send_in_pieces(answer, size);
            let response = raw.response();
            assert!(response.head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", response.head.escape_ascii());
            assert_eq!(response.text(), "ok");
            let found = response.head.windows(line.len()).filter(|window| *window == line).count();
            assert_eq!(found, 1, "{}", response.head.escape_ascii());
            // Nothing was wrong with where it ended.
            raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
            upstream.request();
            upstream.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").finish();
            assert_eq!(raw.response().status(), 204);
        }
    }
    for what in ["folded_line", "high_bytes", "missing_reason", "same_lengths"] {
        expect_count(&edge, &format!("parvis_repairs_total{{of=\"answer\",what=\"{what}\"}} 2"));
    }
}

/// Whoever has to mend the site reads what was wrong in its own log, with the line.
#[test]
fn a_bad_answer_is_quoted_in_the_site_log() {
    let recorder = Recorder::new();
    let edge = edge(&recorder.address(), "");
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send("HTTP/1.1 200 OK\r\nServer: x\r\nContent Type: text/html\r\n\r\nhello").finish();
    let page = raw.response();
    assert_eq!((page.status(), page.word()), (502, "invalid_answer"));
    assert!(!page.text().contains("Content Type"), "not on the page");
    let line = wait::until("the site log", || edge.site_log("alice").lines().next().map(str::to_owned));
    let said = "web: Request failed: invalid_answer: a field name that is no token: \"Content Type: text/html\" (request ";
    assert!(line.contains(said), "{line}");
    drop(recorder);
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(raw.response().word(), "refused");
    wait::until("the site log", || {
        edge.site_log("alice").contains("web: Request failed: refused: ").then_some(())
    });
}

/// Refused until somebody asks for it, without a restart; then mended, counted and told; what could be an attack never.
#[test]
fn requests_are_observed_before_they_are_refused() {
    let origin = Origin::echoing_heads();
    let edge = edge(&origin.address(), "");
    const MENDED: [(&[u8], &str, &str); 4] = [
        (
            b"GET /caf\xc3\xa9?q=\xe9 HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET /caf%C3%A9?q=%E9 HTTP/1.1\r\n",
            "target_bytes",
        ),
        (b"GET /page#part HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET /page HTTP/1.1\r\n", "target_fragment"),
        (b"GET / HTTP/1.1\r\nX[1]: bad\r\nHost: a.test\r\n\r\n", "GET / HTTP/1.1\r\n", "field_name"),
        (b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\x01b\r\n\r\n", "X: a b\r\n", "control_character"),
    ];
    for (request, _, _) in MENDED {
        assert_eq!(edge.connect().send(request).response().status(), 400);
    }
    assert!(origin.requests().is_empty());
    reload(&edge, "[switches]\nrequest_syntax = \"observe\"\n");
    for (request, seen, what) in MENDED {
        for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
            let head = raw.send_in_pieces(request, 7).response().text().to_owned();
            assert!(head.contains(seen) && !head.contains("bad"), "{head}");
            // What comes next begins where it does.
            raw.send("GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n");
            assert!(raw.response().text().starts_with("GET /next "));
        }
        expect_count(&edge, &format!("parvis_repairs_total{{of=\"request\",what=\"{what}\"}} 2"));
        edge.expect_log(&format!("what=\"{what}\""));
    }
    let mut h2 = H2::connect(&edge, "a.test");
    let fields: [(&[u8], &[u8]); 4] =
        [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a.test"), (b":path", b"/\xc3\xa9")];
    h2.headers(1, &fields, true);
    assert!(h2.response(1).text().starts_with("GET /%C3%A9 HTTP/1.1\r\n"));
    origin.take_requests();
    for request in [
        &b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\n b\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX : a\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a.test\n\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\rHost: b.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX[1]: y\r\nHost: a.test\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nX[1]: y\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"GET /a b\xe9 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ] {
        let refused = edge.connect().send(request).response();
        assert_eq!((refused.status(), refused.word()), (400, "bad_request"), "{}", request.escape_ascii());
    }
    assert!(origin.requests().is_empty());
}

/// Connections to the upstream are kept, or not, from the next request on; the visitor's stays open.
#[test]
fn connections_to_upstreams_need_not_be_kept() {
    let recorder = Recorder::new();
    let edge = edge(&recorder.address(), "");
    let mut raw = edge.connect();
    let mut ask = |upstream: Option<Raw>| {
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let mut upstream = upstream.unwrap_or_else(|| recorder.accept());
        upstream.request();
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        assert_eq!(raw.response().text(), "ok");
        upstream
    };
    let first = ask(None);
    reload(&edge, "[switches]\nupstream_keepalive = false\n");
    // One that idles already serves once more.
    ask(Some(first)).expect_close();
    ask(None).expect_close();
    reload(&edge, "");
    let kept = ask(None);
    ask(Some(kept));
}

/// The same bytes, whether they are moved inside the kernel or copied: both ways, and through a tunnel.
#[test]
fn long_bodies_need_not_be_spliced() {
    let origin = Origin::echoing_bodies();
    let edge = edge(&origin.address(), "[switches]\nsplice = false\n");
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n ^ (n >> 8)) as u8).collect();
    let mut raw = edge.connect();
    let pipes = edge.descriptors().pipes;
    for splice in [false, true] {
        raw.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n", body.len()));
        raw.send(&body);
        assert!(raw.response().body == body, "{splice}");
        // A worker keeps the pipes that it moves bodies through.
        assert_eq!(edge.descriptors().pipes > pipes, splice);
        reload(&edge, "");
    }
}

fn edge(upstream: &str, tables: &str) -> Edge {
    Files::new()
        .listen("address = \"127.0.0.4:0\"")
        .tables(tables)
        .document("alice", &account("\"a.test\"", upstream))
        .start()
}

/// Puts `tables` into the node file, in place of those that were put there before.
fn reload(edge: &Edge, tables: &str) {
    let node = std::fs::read_to_string(edge.path().join("parvis.toml")).expect("the node file");
    let kept = node.split("[switches]").next().unwrap_or_default();
    edge.write_file("parvis.toml", &format!("{kept}{tables}"));
    assert!(edge.command(&["reload"]).status.success());
}

fn expect_count(edge: &Edge, series: &str) {
    wait::until(series, || metrics(edge).lines().any(|line| line == series).then_some(()));
}

fn metrics(edge: &Edge) -> String {
    let mut raw = Raw::clear(edge.listener("127.0.0.1", "metrics"));
    let page: Message = raw.send("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").response();
    page.text().to_owned()
}
