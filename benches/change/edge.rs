//! The node that is measured: the binary with documents in a directory of its own, an upstream in this process, and
//! visitors on kept connections. Judges nothing.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use tempfile::TempDir;

/// A running node.
pub struct Edge {
    child: Child,
    address: SocketAddr,
    upstream: SocketAddr,
    directory: TempDir,
}

/// A visitor on one connection.
pub struct Visitor(BufReader<TcpStream>);

impl Edge {
    /// A node whose accounts hold `hosts` hosts, ten each, and that serves.
    pub fn start(hosts: usize) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for name in ["accounts.d", "state", "logs"] {
            fs::create_dir(directory.path().join(name)).expect("a temporary directory");
        }
        fs::write(directory.path().join("parvis.toml"), NODE).expect("a temporary directory");
        let upstream = upstream();
        let write = |name: &str, hosts: &[String]| {
            let file = directory.path().join(format!("accounts.d/{name}.toml"));
            fs::write(file, document(upstream, hosts)).expect("a temporary directory");
        };
        write("steady", &[STEADY.to_owned()]);
        for first in (1..hosts).step_by(HOSTS_PER_ACCOUNT) {
            let last = hosts.min(first + HOSTS_PER_ACCOUNT);
            write(&format!("a{first}"), &(first..last).map(|n| format!("h{n}.test")).collect::<Vec<_>>());
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_parvis"))
            .args(["run", "--config", "parvis.toml"])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
        let address = log
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("listening on ")?.1.split(' ').next()?.parse().ok())
            .expect("the node listens");
        // Somebody must read it, or the node's log drops lines.
        thread::spawn(move || log.for_each(drop));
        Self { child, address, upstream, directory }
    }

    /// A visitor.
    pub fn visitor(&self) -> Visitor {
        let stream = TcpStream::connect(self.address).expect("the node accepts");
        stream.set_nodelay(true).expect("a socket");
        Visitor(BufReader::new(stream))
    }

    /// Writes a document of `account` with `host` aside.
    pub fn prepare(&self, account: &str, host: &str) -> PathBuf {
        let aside = self.directory.path().join(format!("accounts.d/.{account}.new"));
        fs::write(&aside, document(self.upstream, &[host.to_owned()])).expect("a temporary directory");
        aside
    }

    /// Renames it into place.
    pub fn put_in_place(&self, account: &str, aside: PathBuf) {
        let file = self.directory.path().join(format!("accounts.d/{account}.toml"));
        fs::rename(aside, file).expect("a temporary directory");
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Visitor {
    /// Asks for `host`; the status of the answer.
    pub fn status(&mut self, host: &str) -> u16 {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).expect("the node reads");
        let (mut status, mut length, mut line) = (0, 0, String::new());
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("the node answers");
            assert!(!line.is_empty(), "the node closed the connection");
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest[..3].parse().expect("a status");
            } else if line.to_ascii_lowercase().starts_with("content-length:") {
                length = line[15..].trim().parse().expect("a length");
            } else if line == "\r\n" {
                break;
            }
        }
        std::io::copy(&mut self.0.by_ref().take(length), &mut std::io::sink()).expect("the node answers");
        status
    }
}

/// An HTTP server that answers everything.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a socket");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream) {
    let (mut received, mut block) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut block) {
        received.extend_from_slice(&block[..count]);
        if received.ends_with(b"\r\n\r\n") {
            received.clear();
            if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                return;
            }
        }
    }
}

fn document(upstream: SocketAddr, hosts: &[String]) -> String {
    format!(
        "[[upstream]]\nname = \"web\"\naddress = \"{upstream}\"\n[[site]]\nname = \"main\"\naddresses = {hosts:?}\n\
         upstream = \"web\"\n"
    )
}

const NODE: &str = r#"
[node]
name = "bench"
state = "state"
[[listen]]
address = "127.0.0.1:0"
[accounts]
directory = "accounts.d"
[admin]
socket = "admin.sock"
[logs]
directory = "logs"
access = false
"#;

/// The host that nobody changes.
pub const STEADY: &str = "steady.test";

/// Hosts of an account, of those that only fill the table.
const HOSTS_PER_ACCOUNT: usize = 10;
