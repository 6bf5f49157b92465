//! The commands that start a node or talk to one, run as an operator runs them.

use crate::support::edge::Files;
use crate::support::{Edge, Origin, account};
use std::process::Output;

/// A bind failure names the address and the cause.
#[test]
fn run_names_the_address_it_cannot_bind() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = holder.local_addr().expect("a socket").to_string();
    let output = Files::new().listen(&format!("address = \"{address}\"")).command(&["run"]);
    assert!(!output.status.success());
    assert!(text(&output).contains(&address) && text(&output).contains("in use"), "{}", text(&output));
}

/// As below /run, which is empty after a boot.
#[test]
fn the_admin_sockets_directory_is_made() {
    let edge = Files::new().set("admin", "socket", "\"run/admin.sock\"").start();
    assert!(edge.command(&["status"]).status.success());
}

/// What the system refuses is named by its key and value.
#[test]
fn run_names_the_socket_it_cannot_have() {
    for (table, key, value) in
        [("admin", "socket", "no/where/admin.sock"), ("metrics", "address", "192.0.2.1:9000")]
    {
        let output = Files::new().set(table, key, &format!("\"{value}\"")).command(&["run"]);
        assert_eq!(output.status.code(), Some(71));
        let text = text(&output);
        assert!(text.contains(&format!("[{table}] {key}")) && text.contains(value), "{text}");
    }
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
    let expected = serde_json::json!({
        "address": edge.address().to_string(), "kind": "clear", "inherited": false,
    });
    assert!(listen.contains(&expected), "{json}");

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
