//! Sites that share a host by their paths, and what an upstream sees of a path.

use crate::support::h2::H2;
use crate::support::{Edge, Origin, Recorder, wait};

/// What the address names is left out, and told; the visitor's own word on it is not believed.
#[test]
fn a_trimmed_path_is_told_beside_what_is_left() {
    let (app, whole) = (Origin::echoing_heads(), Origin::echoing_heads());
    let edge = edge(&app.address(), &whole.address());
    for (target, seen, prefix) in [
        ("/app/x?y=/app", "/x?y=/app", Some("/app")),
        ("/app", "/", Some("/app")),
        ("/app?q", "/?q", Some("/app")),
        ("/app/", "/", Some("/app")),
        ("/app/sub/y", "/y", Some("/app/sub")),
        ("/app/%2Fx/%61", "/%2Fx/%61", Some("/app")),
        ("/%61pp/x", "/x", Some("/app")),
        ("//app/x", "/x", Some("/app")),
        ("//evil.test/../app/x", "/x", Some("/app")),
        ("/app/../app/x", "/x", Some("/app")),
        ("/application", "/application", None),
        ("/other/app", "/other/app", None),
    ] {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Prefix: /forged\r\nX_Forwarded_Prefix: /forged\r\n\r\n"
        );
        for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
            let head = raw.send(&request).response().text().to_owned();
            assert!(head.starts_with(&format!("GET {seen} HTTP/1.1\r\n")), "{target}: {head}");
            let told: Vec<&str> =
                head.lines().filter_map(|line| line.strip_prefix("X-Forwarded-Prefix: ")).collect();
            assert_eq!(told, prefix.into_iter().collect::<Vec<_>>(), "{target}: {head}");
            assert!(!head.contains("forged"), "{head}");
        }
    }
    let mut h2 = H2::connect(&edge, "a.test");
    h2.get(1, "a.test", "/app/x");
    let head = h2.response(1).text().to_owned();
    assert!(
        head.starts_with("GET /x HTTP/1.1\r\n") && head.contains("X-Forwarded-Prefix: /app\r\n"),
        "{head}"
    );
}

/// A path that leads out of what it was cut from, to some programs, would mean another place behind it.
#[test]
fn a_path_that_leads_out_of_its_prefix_reaches_nobody() {
    let (app, whole) = (Recorder::new(), Recorder::new());
    let edge = edge(&app.address(), &whole.address());
    for target in ["/app/..;/app/x", "/app/..%2Fapp", "/app/x/..;/..;/app"] {
        let refused =
            edge.connect().send(format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n")).response();
        assert_eq!((refused.status(), refused.word()), (404, "unknown_path"), "{target}");
    }
    app.expect_nothing();
    whole.expect_nothing();
}

/// The answer is not looked into: where a program thinks it is, is its own word.
#[test]
fn answers_keep_their_paths() {
    let app = Origin::answering(|_| {
        b"HTTP/1.1 302 Found\r\nLocation: /login\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
            .to_vec()
    });
    let edge = edge(&app.address(), &app.address());
    let answer = edge.connect().send("GET /app/x HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
    assert_eq!((answer.one("location"), answer.one("set-cookie")), ("/login", "a=b; Path=/"));
}

#[test]
fn a_redirect_keeps_what_is_left_of_the_path() {
    let document = "[[site]]\nname = \"old\"\naddresses = [\"a.test/old\"]\ntrim_path = true\n\
                    redirect = { to = \"https://www.a.test/new\" }\n";
    let edge = Edge::with(&[("alice", document)]);
    for (target, location) in [
        ("/old/x?y", "https://www.a.test/new/x?y"),
        ("/old", "https://www.a.test/new"),
        ("/old?y", "https://www.a.test/new?y"),
    ] {
        let answer = edge.connect().send(format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n")).response();
        assert_eq!((answer.status(), answer.one("location")), (301, location));
    }
}

/// A change of it is a change like any other.
#[test]
fn trimming_may_begin_and_end() {
    let app = Origin::echoing_heads();
    let edge = edge(&app.address(), &app.address());
    let text = std::fs::read_to_string(edge.path().join("accounts.d/alice.toml")).expect("our own file");
    let mut raw = edge.connect();
    let mut seen = |expected: &str| {
        wait::until(expected, || {
            let head = raw.send("GET /app/x HTTP/1.1\r\nHost: a.test\r\n\r\n").response().text().to_owned();
            head.starts_with(&format!("GET {expected} ")).then_some(())
        });
    };
    seen("/x");
    edge.write_document("alice", &text.replace("trim_path = true", "trim_path = false"));
    seen("/app/x");
    edge.write_document("alice", &text);
    seen("/x");
}

/// `a.test/app` and what is below it, trimmed, and the rest of the host, whole.
fn edge(app: &str, whole: &str) -> Edge {
    let upstream =
        |name: &str, address: &str| format!("[[upstream]]\nname = \"{name}\"\naddress = \"{address}\"\n");
    let site = |name: &str, addresses: &str, lines: &str| {
        format!("[[site]]\nname = \"{name}\"\naddresses = [{addresses}]\nupstream = \"{name}\"\n{lines}\n")
    };
    let document = upstream("app", app)
        + &upstream("whole", whole)
        + &site("app", "\"a.test/app\", \"a.test/app/sub\"", "trim_path = true")
        + &site("whole", "\"a.test\"", "");
    Edge::with(&[("alice", &document)])
}
