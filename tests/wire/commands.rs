//! The command line, run as an operator runs it.

use crate::support::edge::Files;
use crate::support::{Edge, Origin, account, certificate};
use std::process::Output;

#[test]
fn check_says_that_all_is_well() {
    let files = Files::new().document("alice", &account("\"a.test\"", "127.0.0.1:8100"));
    let output = files.command(&["check"]);
    assert!(output.status.success(), "{}", text(&output));
}

/// All errors at once, each with file, line and hint; 78 is EX_CONFIG.
#[test]
fn check_tells_every_error_at_once() {
    let files = Files::new()
        .set("limits", "hedaer_bytes", "\"32K\"")
        .set("timeouts", "idle", "\"fast\"")
        .document("alice", &account("\"a_b.test\"", "127.0.0.1:8100"))
        .document("bob", &account("\"b.test\"", "nowhere"))
        .document("carol", "x = [")
        .document("Dave", &account("\"d.test\"", "127.0.0.1:8100"))
        .document("erin", &format!("[waf]\n{}", account("\"e.test\"", "127.0.0.1:8100")));
    let output = files.command(&["check"]);
    assert_eq!(output.status.code(), Some(78));
    let text = text(&output);
    for told in [
        "hedaer_bytes",
        "header_bytes",
        "timeouts.idle",
        "alice.toml",
        "site[0].addresses[0]",
        "underscore",
        "bob.toml",
        "carol.toml",
        "Dave",
        "waf",
    ] {
        assert!(text.contains(told), "nothing about {told} in:\n{text}");
    }
}

#[test]
fn run_refuses_a_wrong_node_file() {
    let files = Files::new().set("limits", "nonsense", "1");
    let output = files.command(&["run"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output).contains("nonsense"));
}

/// A bind failure names the address and the cause.
#[test]
fn run_names_the_address_it_cannot_bind() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = holder.local_addr().expect("a socket").to_string();
    let output = Files::new().listen(&format!("address = \"{address}\"")).command(&["run"]);
    assert!(!output.status.success());
    assert!(text(&output).contains(&address) && text(&output).contains("in use"), "{}", text(&output));
}

#[test]
fn route_says_who_answers_and_why() {
    let files = Files::new()
        .document("alice", &account("\"a.test\", \"*.a.test\"", "127.0.0.1:8100"))
        .file("certificates/alice/a.pem", &certificate::pem(&["a.test"]));
    for (asked, told) in [
        ("a.test", &["alice", "main", "web", "127.0.0.1:8100", "a.pem"][..]),
        ("X.A.Test/path", &["alice", "*.a.test"]),
        ("unknown.test", &["unknown.test"]),
    ] {
        let output = files.command(&["route", asked]);
        for word in told {
            assert!(text(&output).contains(word), "{asked}: nothing about {word} in:\n{}", text(&output));
        }
        assert_eq!(output.status.success(), asked != "unknown.test", "{asked}");
    }
    let output = files.command(&["route", "a.test", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["account"], "alice");
}

#[test]
fn status_reload_and_drain_talk_to_the_node() {
    let origin = Origin::saying("here");
    let mut edge = Edge::with(&[("alice", &account("\"a.test\"", &origin.address())), ("bob", "x = [")]);
    let status = edge.command(&["status"]);
    assert!(status.status.success(), "{}", text(&status));
    assert!(text(&status).contains("bob.toml"), "{}", text(&status));
    let json: serde_json::Value =
        serde_json::from_slice(&edge.command(&["status", "--json"]).stdout).expect("JSON");
    let listen = json["listen"].as_array().expect("a list");
    let address = edge.address().to_string();
    assert!(listen.iter().any(|listener| listener["address"] == address.as_str()), "{json}");

    edge.write_document("carol", &account("\"c.test\"", &origin.address()));
    let reload = edge.command(&["reload"]);
    assert!(reload.status.success(), "{}", text(&reload));
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: c.test\r\n\r\n");
    assert_eq!(raw.response().text(), "here", "what was there at the reload is served after it");

    let drain = edge.command(&["drain"]);
    assert!(drain.status.success(), "{}", text(&drain));
    raw.expect_fin();
    assert!(edge.wait().success());
    // Nobody is there any more, and that is said.
    let status = edge.command(&["status"]);
    assert!(!status.status.success() && text(&status).contains("admin.sock"), "{}", text(&status));
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
