//! The provider's own log of connections (`[legal]`): one line for each, whatever is done on it.

use crate::support::edge::Files;
use crate::support::h2::H2;
use crate::support::{Edge, Origin, Raw, account, certificate, wait};
use rustix::process::Signal;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

#[test]
fn a_connection_has_a_line_and_requests_have_none_of_their_own() {
    let mut edge = edge(&[]);
    let tcp = TcpStream::connect(edge.address()).expect("the edge listens");
    let client = tcp.local_addr().expect("a socket");
    let mut raw = Raw::from_tcp(tcp);
    for (host, path) in [("a.test", "/secret?query"), ("b.test", "/"), ("nobody.test", "/")] {
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: secret\r\n\r\n")).response();
    }
    let line = wait::until("its line", || lines(&edge).pop());
    assert_eq!(line, told(client, edge.address(), ["-", "a.test", "alice"]));
    drop(raw);
    assert_eq!(at_the_end(&mut edge), [line]);
}

#[test]
fn a_connection_over_tls_tells_the_name_it_was_opened_for() {
    let mut edge = edge(&[]);
    let mut h2 = H2::connect(&edge, "a.test");
    for (stream, path) in [(1, "/"), (3, "/more")] {
        h2.get(stream, "a.test", path);
        h2.response(stream);
    }
    let line = wait::until("its line", || lines(&edge).pop());
    assert!(line.ends_with("\ta.test\ta.test\talice"), "{line}");
    assert!(line.contains(&format!("\t127.0.0.1\t{}\t", edge.tls_address().port())), "{line}");
    // What was asked for first, whatever the connection was opened for, and hosts that nobody holds.
    let mut raw = edge.connect_tls("b.test");
    raw.send("GET / HTTP/1.1\r\nHost: Nobody.test:443\r\n\r\n").response();
    wait::until("its line", || {
        lines(&edge).into_iter().find(|line| line.ends_with("\tb.test\tnobody.test\t-"))
    });
    drop((h2, raw));
    assert_eq!(at_the_end(&mut edge).len(), 2);
}

/// Who only connects, fails at TLS or says what is no request, leaves a line too: when the connection is over.
#[test]
fn a_connection_without_a_request_has_a_line() {
    let mut edge = edge(&[]);
    let tcp = TcpStream::connect(edge.address()).expect("the edge listens");
    let client = tcp.local_addr().expect("a socket");
    drop(tcp);
    let line = wait::until("its line", || lines(&edge).pop());
    assert_eq!(line, told(client, edge.address(), ["-", "-", "-"]));
    Raw::clear(edge.tls_address()).send("GET / HTTP/1.1\r\n\r\n").read_to_end();
    edge.connect().send("NO REQUEST\r\n\r\n").read_to_end();
    drop(edge.connect_tls("a.test"));
    wait::until("four lines", || (lines(&edge).len() == 4).then_some(()));
    let all = at_the_end(&mut edge);
    assert_eq!(
        (all.len(), all.iter().filter(|line| line.ends_with("\ta.test\t-\t-")).count()),
        (4, 1),
        "{all:?}"
    );
}

/// Behind a balancer it is the visitor's address that counts, with the port, and the address that was asked for.
#[test]
fn a_proxy_header_tells_who_came() {
    let mut edge = edge(&["address = \"127.0.0.2:0\"\nproxy_protocol_from = [\"127.0.0.0/8\"]"]);
    let mut raw = Raw::clear(edge.listener("127.0.0.2", "clear"));
    raw.send("PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .response();
    let line = wait::until("its line", || lines(&edge).pop());
    assert_eq!(line, "2001:db8::7\t4711\t2001:db8::1\t443\t-\ta.test\talice");
    drop(raw);
    assert_eq!(at_the_end(&mut edge), [line]);
}

/// Who may read it is said by the directory.
#[test]
fn the_file_has_the_directory_s_group() {
    let files = files();
    let directory = files.path().join("legal");
    if rustix::process::geteuid().is_root() {
        chown(&directory, None, Some(4711)).expect("root");
    }
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o2750)).expect("our own");
    let edge = files.start();
    drop(edge.connect());
    wait::until("its line", || lines(&edge).pop());
    let file = fs::read_dir(&directory).expect("a directory").next().expect("a file").expect("a file");
    let (metadata, above) =
        (file.metadata().expect("a file"), fs::metadata(&directory).expect("a directory"));
    assert_eq!((metadata.mode() & 0o777, metadata.gid()), (0o640, above.gid()));
    assert_eq!(
        fs::read_dir(edge.path().join("logs")).expect("a directory").count(),
        0,
        "it is not among the customers'"
    );
}

fn files() -> Files {
    let origin = Origin::saying("here");
    let files = Files::new()
        .set("legal", "directory", "\"legal\"")
        .document("alice", &account("\"a.test\"", &origin.address()))
        .document("bob", &account("\"b.test\"", &origin.address()))
        .file("certificates/alice/a.pem", &certificate::pem(&["a.test"]))
        .file("certificates/bob/b.pem", &certificate::pem(&["b.test"]));
    fs::create_dir(files.path().join("legal")).expect("a directory");
    files
}

fn edge(listeners: &[&str]) -> Edge {
    listeners.iter().fold(files(), |files, lines| files.listen(lines)).start()
}

/// The log so far, each line without its time.
fn lines(edge: &Edge) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(edge.path().join("legal")).expect("a directory") {
        let path = entry.expect("a file").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("text");
        for line in fs::read_to_string(&path).expect("the log").lines() {
            let (time, rest) = line.split_once('\t').expect("a time");
            assert_eq!(name, format!("connections-{}.log", &time[..10]));
            assert!(time.ends_with('Z'), "{time}");
            lines.push(rest.to_owned());
        }
    }
    lines
}

/// All there is when the edge has ended.
fn at_the_end(edge: &mut Edge) -> Vec<String> {
    edge.signal(Signal::TERM);
    assert!(edge.wait().success());
    lines(edge)
}

fn told(client: SocketAddr, local: SocketAddr, names: [&str; 3]) -> String {
    let ends = [client, local].map(|end| format!("{}\t{}", end.ip(), end.port()));
    format!("{}\t{}", ends.join("\t"), names.join("\t"))
}
