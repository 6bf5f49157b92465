//! The files of logs: who writes which, and what becomes of them when a disk fails or a visitor tries to write in them.

use crate::support::edge::Files;
use crate::support::{Edge, Origin, account, wait};

/// Sites of one account write files of their own; what no site has goes to the account's first.
#[test]
fn sites_write_files_of_their_own() {
    let origin = Origin::saying("here");
    let document = account("\"a.test/app\"", &origin.address())
        + "[[site]]\nname = \"shop\"\naddresses = [\"shop.test\"]\nupstream = \"web\"\nlog_file = \"shop\"\n";
    let edge = Files::new()
        .set("logs", "http", "\"{account}/http/{file}.log\"")
        .document("alice", &document)
        .start();
    let mut raw = edge.connect();
    for (host, path) in [("a.test", "/app"), ("shop.test", "/b"), ("a.test", "/none")] {
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).response();
    }
    let [http, shop] = ["http", "shop"].map(|file| format!("alice/http/{file}.log"));
    wait::until("the lines", || (lines(&edge, &http).len() + lines(&edge, &shop).len() == 3).then_some(()));
    assert!(lines(&edge, &shop)[0].starts_with("shop.test "));
    let first: Vec<_> =
        lines(&edge, &http).iter().map(|line| line.split('"').nth(1).unwrap_or("").to_owned()).collect();
    assert_eq!(first, ["GET /app HTTP/1.1", "GET /none HTTP/1.1"]);
}

/// The lines of a file below the logs' directory, none where it is not there yet.
fn lines(edge: &Edge, file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(edge.path().join("logs").join(file)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
