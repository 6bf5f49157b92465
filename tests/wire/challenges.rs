//! Challenges of ACME, for whoever issues the platform's certificates.

use crate::support::edge::Files;
use crate::support::h2::H2;
use crate::support::{Edge, Message, Origin, Recorder, account};
use std::fs;

/// Every host, whatever its account says, clear and over TLS; nothing of it reaches a site.
#[test]
fn tokens_are_answered_before_anything_else() {
    let site = Recorder::new();
    let edge = files(&site.address()).set("acme", "tokens", "\"tokens\"").start();
    for host in ["a.test", "deep.wild.test", "m.test", "s.test", "nobody.test", "192.0.2.1"] {
        let answer = ask(&edge, host, "GET", "token_1-X?x=y");
        assert_eq!((answer.status(), answer.text()), (200, "token_1-X.digest"), "{host}");
    }
    let mut raw = edge.connect_tls("a.test");
    let answer = raw.send(request("GET", "other.test", "token_1-X")).response();
    assert_eq!(answer.text(), "token_1-X.digest", "over TLS, and whatever the SNI was");
    let mut h2 = H2::connect(&edge, "a.test");
    h2.get(1, "a.test", "/.well-known/acme-challenge/token_1-X");
    assert_eq!(h2.response(1).text(), "token_1-X.digest");
    let mut raw = edge.connect();
    let head = raw.send(request("HEAD", "a.test", "token_1-X")).response_to_head();
    assert_eq!((head.status(), head.one("content-length")), (200, "16"));
    for token in ["none", "", "..", "a%2fb", "../secret", "directory", "link"] {
        let answer = ask(&edge, "a.test", "GET", token);
        assert_eq!((answer.status(), answer.word()), (404, "unknown_path"), "{token}");
    }
    site.expect_nothing();
    fs::write(edge.path().join("tokens/new"), "new.digest").expect("our own directory");
    assert_eq!(ask(&edge, "a.test", "GET", "new").text(), "new.digest");
}

/// Whoever answers sees the host and the path; a reload changes who that is, and whether anybody does.
#[test]
fn challenges_are_passed_on_and_given_back() {
    let (site, issuer) = (Origin::saying("the site's"), Origin::echoing_heads());
    let edge =
        files(&site.address()).set("acme", "forward", &format!("\"http://{}\"", issuer.address())).start();
    for host in ["a.test", "m.test", "s.test", "nobody.test"] {
        let answer = ask(&edge, host, "GET", "token?x=y");
        let head = answer.text();
        assert!(head.starts_with("GET /.well-known/acme-challenge/token?x=y HTTP/1.1\r\n"), "{host}: {head}");
        assert!(head.contains(&format!("\r\nHost: {host}\r\n")), "{head}");
    }
    assert_eq!(site.requests().len(), 0);
    let node = fs::read_to_string(edge.path().join("parvis.toml")).expect("our own file");
    let reload = |text: &str| {
        edge.write_file("parvis.toml", text);
        assert!(edge.command(&["reload"]).status.success());
    };
    let without = node.replace("[acme]\n", "");
    let without: Vec<&str> = without.lines().filter(|line| !line.starts_with("forward =")).collect();
    reload(&without.join("\n"));
    assert_eq!(ask(&edge, "a.test", "GET", "token").status(), 301, "it is the site's, which forces https");
    let issued = issuer.requests().len();
    reload(&node);
    assert_eq!(ask(&edge, "a.test", "GET", "token").status(), 200);
    assert_eq!(issuer.requests().len(), issued + 1);
}

/// Somebody asks for many tokens at once: nobody else waits, and all are answered.
#[test]
fn a_flood_of_challenges_is_answered_in_turn() {
    let site = Origin::saying("the site's");
    let edge = files(&site.address()).set("acme", "tokens", "\"tokens\"").start();
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| assert_eq!(ask(&edge, "a.test", "GET", "token_1-X").status(), 200));
        }
        assert_eq!(ask(&edge, "a.test", "POST", "x").status(), 308, "it is the site's");
    });
}

fn request(method: &str, host: &str, token: &str) -> String {
    let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
    format!("{method} /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: {host}\r\n{length}\r\n")
}

fn ask(edge: &Edge, host: &str, method: &str, token: &str) -> Message {
    edge.connect().send(request(method, host, token)).response()
}

/// Accounts that force https, redirect, are in maintenance and suspended; and a directory of tokens.
fn files(upstream: &str) -> Files {
    let main = account("\"a.test\"", upstream) + "force_https = true\n";
    let wild =
        "[[site]]\nname = \"wild\"\naddresses = [\"*.wild.test\"]\nredirect = { to = \"https://x.test\" }\n";
    let state = |state: &str, host: &str| {
        format!("state = \"{state}\"\n{}", account(&format!("\"{host}\""), upstream))
    };
    let files = Files::new()
        .file("tokens/token_1-X", "token_1-X.digest")
        .file("tokens/directory/x", "x")
        .file("certificates/alice/a.pem", &crate::support::certificate::pem(&["a.test"]))
        .file("secret", "secret")
        .document("alice", &format!("{main}{wild}"))
        .document("mary", &state("maintenance", "m.test"))
        .document("sam", &state("suspended", "s.test"));
    std::os::unix::fs::symlink("../secret", files.path().join("tokens/link")).expect("our own directory");
    files
}
