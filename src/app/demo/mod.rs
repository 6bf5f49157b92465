//! `parvis demo`: a node with everything on loopback and nothing to install. Certificates are made at start, the
//! accounts' servers are small ones of our own, and what is printed works as printed.

mod upstream;

pub use upstream::serve_program;

use crate::listen::Inherited;
use crate::tls::dev::Ca;
use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// A demo that is ready to run: its files stand in a directory of their own, which goes with it.
pub struct Demo {
    directory: PathBuf,
    ports: Ports,
    /// The demo's upstreams run as long as this does.
    _upstreams: upstream::Upstreams,
}

#[derive(Clone, Copy)]
struct Ports {
    clear: u16,
    tls: u16,
}

impl Demo {
    /// Makes certificates, starts the upstreams and writes the node's files into a fresh directory. The sockets of
    /// its listeners are bound already, so that nobody takes a port that was found free.
    pub fn prepare() -> io::Result<(Self, Inherited)> {
        let directory = std::env::temp_dir().join(format!("parvis-demo-{}", std::process::id()));
        make_private(&directory)?;
        for part in ["accounts.d", "certificates", "state"] {
            std::fs::create_dir_all(directory.join(part))?;
        }
        let (clear, clear_sockets) = bind(8080)?;
        let (tls, tls_sockets) = bind(8443)?;
        let ports = Ports { clear, tls };
        let ca = Ca::new().map_err(io::Error::other)?;
        ca.write(&directory.join("ca.pem")).map_err(io::Error::other)?;
        let issued = ca.issue(NAMES).map_err(io::Error::other)?;
        issued.write(&directory.join("certificates").join("demo.pem")).map_err(io::Error::other)?;
        let upstreams = upstream::Upstreams::start(&directory)?;
        std::fs::write(directory.join("parvis.toml"), node_file(ports))?;
        let program = program(&directory)?;
        for (account, document) in DOCUMENTS {
            let document = document
                .replace("{dir}", &directory.display().to_string())
                .replace("{program}", &program.display().to_string())
                .replace("{tls}", &ports.tls.to_string());
            std::fs::write(directory.join("accounts.d").join(format!("{account}.toml")), document)?;
        }
        let sockets = clear_sockets.into_iter().chain(tls_sockets);
        let sockets = sockets.map(|socket| ("demo".to_owned(), OwnedFd::from(socket)));
        Ok((Self { directory, ports, _upstreams: upstreams }, Inherited::from_sockets(sockets)))
    }

    /// The node file to run.
    pub fn node_file(&self) -> PathBuf {
        self.directory.join("parvis.toml")
    }

    /// What to try, as a table of URLs and lines to paste.
    pub fn invitation(&self, page: Option<SocketAddr>) -> String {
        let Ports { clear, tls } = self.ports;
        let ca = self.directory.join("ca.pem");
        let ca = ca.display();
        let program = std::env::current_exe().unwrap_or_else(|_| "parvis".into());
        let (program, node_file) = (program.display(), self.node_file());
        let node_file = node_file.display();
        let mut text = String::new();
        let urls = [
            (format!("https://alice.localhost:{tls}/"), "a page"),
            (format!("https://chat.localhost:{tls}/"), "a page that speaks to a WebSocket echo"),
            (format!("https://bob.localhost:{tls}/"), "an answer after two seconds"),
            (format!("https://bob.localhost:{tls}/events"), "server-sent events, one a second"),
            (
                format!("https://dora.localhost:{tls}/"),
                "a server that is started when you ask, and sleeps after 10 s",
            ),
            (format!("https://carol.localhost:{tls}/"), "a server that is down: 502, and whose fault it is"),
            (format!("https://old.localhost:{tls}/some/path"), "a redirect"),
            (format!("http://alice.localhost:{clear}/"), "force_https: to the first line"),
            (format!("https://nobody.localhost:{tls}/"), "a host that no account holds: 404"),
        ];
        let _ =
            writeln!(text, "\nParvis is running. Ctrl-C ends it and removes {}\n", self.directory.display());
        for (url, what) in &urls {
            let _ = writeln!(text, "  {url:<44} {what}");
        }
        if let Some(page) = page {
            let _ = writeln!(text, "  {:<44} the node itself, live", format!("http://{page}/"));
        }
        let _ = writeln!(text, "\nTry:\n");
        for line in [
            format!("curl --cacert {ca} https://alice.localhost:{tls}/"),
            format!("curl --cacert {ca} --http1.1 -4 https://alice.localhost:{tls}/headers"),
            format!("curl --cacert {ca} -6 https://alice.localhost:{tls}/headers"),
            format!("curl --cacert {ca} -i https://carol.localhost:{tls}/"),
            format!("curl --cacert {ca} -N --max-time 5 https://bob.localhost:{tls}/events"),
            format!("curl -i http://old.localhost:{clear}/some/path"),
            format!("{program} status --config {node_file}"),
        ] {
            let _ = writeln!(text, "  {line}");
        }
        let accounts = self.directory.join("accounts.d");
        let _ = writeln!(
            text,
            "\nChange {}/alice.toml and ask again: the change is live as soon as it is written.\n",
            accounts.display()
        );
        text
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Left over in the temporary directory at the worst.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn make_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    // Others pass through to what is theirs, and see nothing: the sleeping server's socket is in it.
    std::fs::DirBuilder::new().mode(0o711).create(directory)
}

/// The program of the account that sleeps: this one. A demo of root's starts it as somebody else, who may have no way to
/// where it stands; for him it is put beside the rest.
fn program(directory: &Path) -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    if !rustix::process::geteuid().is_root() {
        return Ok(own);
    }
    let program = directory.join("server");
    std::fs::hard_link(&own, &program).or_else(|_| std::fs::copy(&own, &program).map(drop))?;
    Ok(program)
}

/// Listens on `wanted` where it is free on both families, else on a port of the kernel's choice.
fn bind(wanted: u16) -> io::Result<(u16, [TcpListener; 2])> {
    let on_both = |port: u16| -> io::Result<(u16, [TcpListener; 2])> {
        let ipv4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let port = ipv4.local_addr()?.port();
        Ok((port, [ipv4, TcpListener::bind((Ipv6Addr::LOCALHOST, port))?]))
    };
    // The kernel's choice is free on IPv4; on IPv6 somebody may have it.
    std::iter::once(wanted)
        .chain(std::iter::repeat_n(0, PORT_TRIES))
        .find_map(|port| on_both(port).ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "no port is free on 127.0.0.1 and on [::1]"))
}

fn node_file(ports: Ports) -> String {
    let Ports { clear, tls } = ports;
    let mut text = String::from("[node]\nname = \"demo\"\nstate = \"state\"\n");
    for (address, port, tls) in
        [("127.0.0.1", clear, false), ("[::1]", clear, false), ("127.0.0.1", tls, true), ("[::1]", tls, true)]
    {
        let _ = write!(text, "\n[[listen]]\naddress = \"{address}:{port}\"\ntls = {tls}\n");
    }
    text.push_str(
        "\n[accounts]\ndirectory = \"accounts.d\"\n\n[certificates]\ndirectory = \"certificates\"\n\n\
         [admin]\nsocket = \"admin.sock\"\npage = \"127.0.0.1:0\"\n\n[launcher]\ndirectory = \"programs\"\nuid_min = 1\n",
    );
    text
}

/// Every name of the demo: one certificate covers them.
const NAMES: &[&str] = &[
    "alice.localhost",
    "chat.localhost",
    "bob.localhost",
    "carol.localhost",
    "dora.localhost",
    "old.localhost",
    "nobody.localhost",
];

/// How often another port of the kernel's choice is tried.
const PORT_TRIES: usize = 16;

const DOCUMENTS: &[(&str, &str)] = &[
    (
        "alice",
        r#"# The whole of one account. Change it while the demo runs.
[[upstream]]
name = "web"
address = "unix:{dir}/web.sock"

[[site]]
name = "home"
addresses = ["alice.localhost"]
upstream = "web"
force_https = true

[[site]]
name = "chat"
addresses = ["chat.localhost"]
upstream = "web"

[[site]]
name = "old"
addresses = ["old.localhost"]
redirect = { to = "https://alice.localhost:{tls}", status = 301, keep_path = true }
"#,
    ),
    (
        "bob",
        r#"# Bob's server thinks for two seconds before it answers.
[[upstream]]
name = "slow"
address = "unix:{dir}/slow.sock"

[[site]]
name = "home"
addresses = ["bob.localhost"]
upstream = "slow"
"#,
    ),
    (
        "dora",
        r#"# Dora's server runs only while somebody asks for it.
[run]
user = "nobody"                    # where the demo is run by root; else whoever runs it
home = "/"

[[upstream]]
name = "app"
address = "auto"
command = ["{program}", "demo", "--server"]
idle_time = "10s"

[[site]]
name = "home"
addresses = ["dora.localhost"]
upstream = "app"
"#,
    ),
    (
        "carol",
        r#"# Nothing listens here: whose fault is it?
[[upstream]]
name = "web"
address = "unix:{dir}/nobody-listens.sock"

[[site]]
name = "home"
addresses = ["carol.localhost"]
upstream = "web"
"#,
    ),
];
