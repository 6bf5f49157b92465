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

/// An account may name the node's own doors as its upstreams, and its visitors find them closed.
#[test]
fn no_visitor_comes_in_by_the_doors_of_the_operator() {
    let files = Files::new().set("admin", "page", "\"127.0.0.1:0\"");
    let socket = files.path().join("admin.sock");
    let edge = files.start();
    let (metrics, page) = (edge.listener("127.0.0.1", "metrics"), edge.listener("127.0.0.1", "page"));
    let doors = [format!("unix:{}", socket.display()), metrics.to_string(), page.to_string()];
    // The page in clear answers to these names alone.
    let hosts = ["eve.test", "mallory.test", "localhost"];
    for (host, door) in hosts.into_iter().zip(&doors) {
        let name = host.split('.').next().expect("a name");
        edge.write_document(name, &account(&format!("\"{host}\""), door));
        edge.expect_log(&format!("document applied account={name}"));
        for request in ["POST /drain", "GET /status", "GET /metrics", "GET /"] {
            let request = format!("{request} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
            let answer = edge.connect().send(request).response();
            assert_eq!((answer.status(), answer.text()), (403, "this is no upstream\n"), "{door}");
        }
    }
    assert!(edge.command(&["status"]).status.success());
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

/// The node comes first, then who needs somebody, the worst first, with an id to go on with.
#[test]
fn status_shows_first_who_needs_somebody() {
    let gone =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("a socket");
    let edge = Edge::with(&[
        ("alice", &account("\"a.test\"", &gone.to_string())),
        ("bob", &account("\"b.test\"", &Origin::saying("fine").address())),
        ("carol", "state = \"nowhere\""),
    ]);
    let ask = |host: &str| edge.connect().send(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n")).response();
    let id = ask("a.test").one("x-request-id").to_owned();
    assert_eq!(ask("b.test").status(), 200);
    assert_eq!(ask("nobody.test").status(), 404);
    let said = crate::support::wait::until("both to be told", || {
        let said = text(&edge.command(&["status"]));
        said.contains("2 accounts need attention").then_some(said)
    });
    let (node, rest) = said.split_once("2 accounts need attention").expect("a heading");
    assert!(
        node.starts_with("front1  parvis ") && node.contains("failures by whose fault: client 1, site 1"),
        "{said}"
    );
    let carol = rest.find("carol  nothing of it is served, its document is wrong").expect("carol");
    let alice = rest.find(&format!("alice  refused once lately, last {id}")).expect("alice");
    assert!(carol < alice, "{said}");
    assert!(!rest.contains("bob "), "{said}");
    let said = text(&edge.command(&["status", "alice"]));
    assert!(said.contains(&format!("{id}  site: refused  GET a.test/x")), "{said}");
}

/// On a terminal of its own: it draws, follows, and gives the terminal back.
#[test]
fn status_is_watched_on_the_whole_screen() {
    use std::io::{Read, Write};
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &Origin::saying("here").address()))]);
    let line = format!(
        "stty rows 40 cols 100; exec {} status --watch --config parvis.toml",
        crate::support::edge::BINARY
    );
    let mut script = std::process::Command::new("/usr/bin/script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(edge.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("script is part of every Debian");
    let mut screen = script.stdout.take().expect("piped");
    let mut seen = Vec::new();
    let mut block = [0; 4096];
    let mut pressed = script.stdin.take().expect("piped");
    while !String::from_utf8_lossy(&seen).contains("q ends") {
        let count = screen.read(&mut block).expect("a terminal");
        assert!(count > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&block[..count]);
    }
    pressed.write_all(b"q").expect("a terminal");
    screen.read_to_end(&mut seen).expect("a terminal");
    assert!(script.wait().expect("a child").success());
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(seen.contains("front1  parvis ") && seen.contains("no account needs attention"), "{seen}");
    assert!(seen.contains("\u{1b}[?1049h") && seen.trim_end().ends_with("\u{1b}[?1049l"), "{seen:?}");
    // Without a terminal there is nothing to draw on.
    assert!(text(&edge.command(&["status", "--watch"])).contains("needs a terminal"));
}

#[test]
fn logs_are_printed_and_followed() {
    use std::io::{BufRead, BufReader};
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &Origin::saying("here").address()))]);
    // One connection: lines of several workers have no order.
    let mut raw = edge.connect();
    let mut ask = |path: &str| {
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n")).response();
    };
    assert_eq!(edge.command(&["logs", "alice"]).status.code(), Some(1), "nothing was written yet");
    (0..3).for_each(|number| ask(&format!("/{number}")));
    crate::support::wait::until("three lines", || {
        (edge.access_log("alice").lines().count() == 3).then_some(())
    });
    let said = text(&edge.command(&["logs", "alice", "-n", "2"]));
    assert_eq!(said.lines().count(), 2);
    assert!(said.contains("GET /1 ") && said.contains("GET /2 "), "{said}");
    assert_eq!(edge.command(&["logs", "../alice"]).status.code(), Some(1));
    let mut follows = std::process::Command::new(crate::support::edge::BINARY)
        .args(["logs", "alice", "--follow", "-n", "1", "--config", "parvis.toml"])
        .current_dir(edge.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary was built");
    let mut lines = BufReader::new(follows.stdout.take().expect("piped")).lines();
    assert!(lines.next().expect("a line").expect("text").contains("GET /2 "));
    ask("/new");
    assert!(lines.next().expect("a line").expect("text").contains("GET /new "));
    follows.kill().expect("a child");
    follows.wait().expect("a child");
}

/// Whoever follows a log follows its name: it may come to be another file, or an empty one.
#[test]
fn a_followed_log_may_be_renamed_and_emptied() {
    use std::io::{BufRead, BufReader, Write};
    let files = Files::new().set("logs", "http", "\"{account}.log\"");
    files.write();
    let logs = files.path().join("logs");
    let log = logs.join("alice.log");
    let write = |text: &str| {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(&log);
        file.expect("a log").write_all(text.as_bytes()).expect("a log");
    };
    write("zero\none\n");
    let mut follows = std::process::Command::new(crate::support::edge::BINARY)
        .args(["logs", "alice", "--follow", "-n", "1", "--config", "parvis.toml"])
        .current_dir(files.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary was built");
    let mut lines = BufReader::new(follows.stdout.take().expect("piped")).lines();
    let mut expect = |line: &str| assert_eq!(lines.next().expect("a line").expect("text"), line);
    expect("one");
    // What is written to the old file before the new one is there comes first.
    std::fs::rename(&log, logs.join("alice.log.1")).expect("a log");
    std::fs::OpenOptions::new()
        .append(true)
        .open(logs.join("alice.log.1"))
        .expect("a log")
        .write_all(b"late\n")
        .expect("a log");
    write("new\n");
    expect("late");
    expect("new");
    std::fs::File::create(&log).expect("a log");
    write("a\n");
    expect("a");
    follows.kill().expect("a child");
    follows.wait().expect("a child");
}

/// What is missing is named.
#[test]
fn restart_says_what_there_is_not() {
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &Origin::saying("here").address()))]);
    for (which, why) in [
        ("nobody", "the node has no account nobody\n"),
        ("alice", "alice has no program: none of its upstreams has a `command` that runs\n"),
        ("alice/web", "alice has no program: none of its upstreams has a `command` that runs\n"),
    ] {
        let output = edge.command(&["restart", which]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).ends_with(why), "{}", text(&output));
    }
}

#[test]
fn completions_and_manual_pages_are_written() {
    let files = Files::new();
    let command = |arguments: &[&str]| {
        std::process::Command::new(crate::support::edge::BINARY)
            .args(arguments)
            .current_dir(files.path())
            .output()
            .expect("the binary was built")
    };
    for shell in ["bash", "zsh", "fish"] {
        let output = command(&["completions", shell]);
        assert!(output.status.success() && text(&output).contains("explain"), "{shell}");
    }
    assert!(command(&["man", "."]).status.success());
    for page in ["parvis.1", "parvis-explain.1", "parvis-run.1"] {
        let page = std::fs::read_to_string(files.path().join(page)).expect("a page");
        assert!(page.contains(".TH parvis"), "{page}");
    }
    assert!(!command(&["man", "absent"]).status.success());
}
