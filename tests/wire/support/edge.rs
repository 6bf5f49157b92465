//! The real binary with a node file and documents in a directory of its own: written, started, changed, stopped,
//! and its log read. A test that ends well also proves that the process neither panicked nor failed to drain.

use super::raw::Raw;
use super::wait::{self, PATIENCE};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tempfile::TempDir;

/// A running edge.
pub struct Edge {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    listening: Vec<(SocketAddr, String)>,
    directory: TempDir,
    inherited: Vec<OwnedFd>,
    ended: bool,
}

/// How many descriptors a process has open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptors {
    /// TCP, unix and others.
    pub sockets: usize,
    /// Ends of pipes.
    pub pipes: usize,
    /// Files, epoll, inotify and the like.
    pub others: usize,
}

/// The files of an edge that does not run yet.
pub struct Files {
    directory: TempDir,
    node: String,
    listeners: usize,
    inherited: Vec<OwnedFd>,
    stdout: Option<PathBuf>,
}

impl Edge {
    /// An edge with these documents, each a name and its text, and everything else as [`Files::new`] has it.
    #[track_caller]
    pub fn with(documents: &[(&str, &str)]) -> Self {
        let mut files = Files::new();
        for (name, text) in documents {
            files = files.document(name, text);
        }
        files.start()
    }

    /// Where the clear IPv4 listener is.
    pub fn address(&self) -> SocketAddr {
        self.listener("127.0.0.1", "clear")
    }

    /// Where the TLS IPv4 listener is.
    pub fn tls_address(&self) -> SocketAddr {
        self.listener("127.0.0.1", "tls")
    }

    /// Where the listener of this IP address and kind (`clear`, `tls`, `metrics`) is.
    #[track_caller]
    pub fn listener(&self, ip: &str, kind: &str) -> SocketAddr {
        let found = self.listening.iter().find(|(address, k)| address.ip().to_string() == ip && k == kind);
        found.unwrap_or_else(|| panic!("no {kind} listener on {ip}: {:?}", self.listening)).0
    }

    /// A clear connection over IPv4.
    #[track_caller]
    pub fn connect(&self) -> Raw {
        Raw::clear(self.address())
    }

    /// A TLS connection over IPv4 for `name`, HTTP/1.1.
    #[track_caller]
    pub fn connect_tls(&self, name: &str) -> Raw {
        Raw::tls(self.tls_address(), name, &["http/1.1"])
    }

    /// The directory that holds its files.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a document the way a control panel does: a temporary file, then a rename.
    pub fn write_document(&self, name: &str, text: &str) {
        write_whole(&self.path().join("accounts.d"), &format!("{name}.toml"), text);
    }

    /// Writes any file below the directory in the same way.
    pub fn write_file(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        let name = path.file_name().and_then(|name| name.to_str()).expect("a file's path").to_owned();
        write_whole(path.parent().expect("a file's path"), &name, text);
    }

    /// Writes a certificate below the certificates' directory.
    pub fn write_certificate(&self, path: &str, pem: &str) {
        let path = format!("certificates/{path}");
        fs::create_dir_all(self.path().join(&path).parent().expect("a file's path")).expect("a directory");
        self.write_file(&path, pem);
    }

    /// Removes an account.
    pub fn remove_document(&self, name: &str) {
        fs::remove_file(self.path().join("accounts.d").join(format!("{name}.toml"))).expect("a document");
    }

    /// Runs `parvis ARGUMENTS --config` with this edge's node file.
    pub fn command(&self, arguments: &[&str]) -> Output {
        run(self.path(), arguments)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the edge runs");
    }

    /// Lets it have so many descriptors for now; `None`: as many as it may.
    pub fn limit_descriptors(&self, most: Option<u64>) {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.child.id())).expect("the edge runs");
        let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
        let maximum = line.split_ascii_whitespace().nth(4).and_then(|hard| hard.parse().ok());
        let limit = Rlimit { current: most.or(maximum), maximum };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).expect("the edge runs");
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("no reader panics").clone()
    }

    /// What is in the access logs of an account so far; `_node` are requests that are nobody's.
    pub fn access_log(&self, account: &str) -> String {
        self.log_of(&format!("{account}/http"))
    }

    /// What is in the site log of an account so far.
    pub fn site_log(&self, account: &str) -> String {
        self.log_of(&format!("{account}/sites"))
    }

    fn log_of(&self, directory: &str) -> String {
        let mut log = String::new();
        let mut directories = vec![self.path().join("logs").join(directory)];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                if entry.file_type().expect("a type").is_dir() {
                    directories.push(entry.path());
                } else {
                    log += &fs::read_to_string(entry.path()).expect("a log");
                }
            }
        }
        log
    }

    /// Waits until its log holds `text`.
    #[track_caller]
    pub fn expect_log(&self, text: &str) {
        wait::until(text, || self.log().contains(text).then_some(()));
    }

    /// Bytes of memory it has in use (resident).
    pub fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the edge runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        let kilobytes = line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number");
        kilobytes << 10
    }

    /// Its open descriptors, by kind.
    pub fn descriptors(&self) -> Descriptors {
        let mut found = Descriptors::default();
        for entry in fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("the edge runs") {
            // One may be closed meanwhile.
            let Ok(target) = fs::read_link(entry.expect("a directory").path()) else { continue };
            let target = target.to_string_lossy();
            match target.split(':').next() {
                Some("socket") => found.sockets += 1,
                Some("pipe") => found.pipes += 1,
                _ => found.others += 1,
            }
        }
        found
    }

    /// Drains it and starts it again on the same files.
    #[must_use]
    pub fn restart(mut self) -> Self {
        self.signal(Signal::TERM);
        assert!(self.wait().success(), "the edge did not drain");
        let node = fs::read_to_string(self.path().join("parvis.toml")).expect("the node file");
        let listeners = self.listening.len();
        // What is left behind is an edge that has ended, in a directory without files.
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir().expect("a directory"));
        let inherited = std::mem::take(&mut self.inherited);
        Files { directory, node, listeners, inherited, stdout: None }.start()
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let status = wait::until("the edge to end", || self.child.try_wait().expect("a child"));
        self.ended = true;
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the log's reader");
        }
        status
    }
}

impl Files {
    /// Two workers; a clear and a TLS listener on each family; deadlines as in production, but a drain that does
    /// not wait.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for name in ["accounts.d", "certificates", "state", "logs"] {
            fs::create_dir(directory.path().join(name)).expect("a temporary directory");
        }
        Self { directory, node: format!("{NODE}{LISTEN}"), listeners: 5, inherited: Vec::new(), stdout: None }
    }

    /// The same, but with these listeners alone, each by its TOML lines.
    pub fn only(listeners: &[&str]) -> Self {
        let mut files = Self::new();
        NODE.clone_into(&mut files.node);
        files.listeners = 1;
        listeners.iter().fold(files, |files, lines| files.listen(lines))
    }

    /// Hands these sockets to the edge, as systemd does for a socket unit.
    #[must_use]
    pub fn inherit(mut self, listeners: &[&TcpListener]) -> Self {
        let copy = |listener: &&TcpListener| rustix::io::dup(listener).expect("a descriptor");
        self.inherited = listeners.iter().map(copy).collect();
        self
    }

    /// Lets standard output go to this file.
    #[must_use]
    pub fn stdout_to(mut self, path: &str) -> Self {
        self.stdout = Some(self.path().join(path));
        self
    }

    /// Where the files are.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Adds the document of an account.
    #[must_use]
    pub fn document(self, name: &str, text: &str) -> Self {
        self.file(&format!("accounts.d/{name}.toml"), text)
    }

    /// Adds any file.
    #[must_use]
    pub fn file(self, path: &str, text: &str) -> Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a file's path")).expect("a temporary directory");
        fs::write(path, text).expect("a temporary directory");
        self
    }

    /// Sets `key` of `[table]` in the node file to the TOML `value`.
    #[must_use]
    pub fn set(mut self, table: &str, key: &str, value: &str) -> Self {
        // One more line tells that it listens.
        self.listeners += usize::from((table, key) == ("admin", "page"));
        let header = format!("[{table}]\n");
        let line = format!("{key} = {value}\n");
        let Some(at) = self.node.find(&header) else {
            self.node.extend([header, line]);
            return self;
        };
        let start = at + header.len();
        let end = self.node[start..].find("\n[").map_or(self.node.len(), |end| start + end + 1);
        let rest =
            self.node[start..end].split_inclusive('\n').filter(|old| !old.starts_with(&format!("{key} =")));
        let rest: String = rest.collect();
        self.node.replace_range(start..end, &(line + &rest));
        self
    }

    /// Adds a `[[listen]]` with these TOML lines.
    #[must_use]
    pub fn listen(mut self, lines: &str) -> Self {
        self.node.extend(["[[listen]]\n", lines, "\n"]);
        self.listeners += 1;
        self
    }

    /// Adds these lines, a table or several, to the node file.
    #[must_use]
    pub fn tables(mut self, lines: &str) -> Self {
        self.node.extend([lines, "\n"]);
        self
    }

    /// Writes the node file.
    pub fn write(&self) {
        fs::write(self.path().join("parvis.toml"), &self.node).expect("a temporary directory");
    }

    /// Runs `parvis ARGUMENTS --config` with the node file, without starting an edge.
    pub fn command(&self, arguments: &[&str]) -> Output {
        self.write();
        run(self.path(), arguments)
    }

    /// Starts the edge and waits until it listens.
    #[track_caller]
    pub fn start(self) -> Edge {
        self.write();
        let mut child = service(&self.inherited)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(self.stdout.as_ref().map_or_else(Stdio::null, |path| {
                fs::File::create(path).expect("a temporary directory").into()
            }))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let (log, reader) = collect(child.stderr.take().expect("piped"));
        let mut edge = Edge {
            child,
            log,
            reader: Some(reader),
            listening: Vec::new(),
            directory: self.directory,
            inherited: self.inherited,
            ended: false,
        };
        edge.listening = wait::until("the edge to listen", || {
            if let Some(status) = edge.child.try_wait().expect("a child") {
                edge.ended = true;
                panic!("the edge ended at once: {status}");
            }
            let found: Vec<_> = edge.log().lines().filter_map(announced).collect();
            (found.len() >= self.listeners).then_some(found)
        });
        edge
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            eprintln!("--- the edge's log ---\n{}---", self.log());
            return;
        }
        if !self.ended {
            self.signal(Signal::TERM);
            let status = wait::try_until(PATIENCE, || self.child.try_wait().expect("a child"));
            if status.is_none() {
                self.child.kill().expect("a child");
            }
            if let Some(reader) = self.reader.take() {
                reader.join().expect("the log's reader");
            }
            let how = status.map_or("not at all".to_owned(), |status| status.to_string());
            assert!(status.is_some_and(|s| s.success()), "the edge ended: {how}; its log:\n{}", self.log());
        }
        assert!(!self.log().contains("panicked at"), "the edge panicked; its log:\n{}", self.log());
    }
}

/// A document with one site for `addresses` (a TOML list's inside) on one upstream at `upstream`.
pub fn account(addresses: &str, upstream: &str) -> String {
    format!(
        "[[upstream]]\nname = \"web\"\naddress = \"{upstream}\"\n\
         [[site]]\nname = \"main\"\naddresses = [{addresses}]\nupstream = \"web\"\n"
    )
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(arguments)
        .args(["--config", "parvis.toml"])
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .expect("the binary was built")
}

/// `parvis run`, with these sockets from descriptor 3 on. A shell puts them there and says so in the variables of
/// sd_listen_fds(3), which must name the process that was `exec`ed. Bash, since others know no descriptor above 9.
fn service(inherited: &[OwnedFd]) -> Command {
    let mut script = String::new();
    if !inherited.is_empty() {
        script = format!("export LISTEN_PID=$$ LISTEN_FDS={}; ", inherited.len());
    }
    // As systemd starts services, whatever the shell of the tests allows.
    script += "ulimit -S -n 1024; exec \"$0\" run --config parvis.toml";
    for (fd, at) in inherited.iter().zip(3..) {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).expect("a descriptor");
        script.extend([" ", &format!("{at}<&{}", fd.as_raw_fd())]);
    }
    let mut shell = Command::new("/bin/bash");
    shell.args(["-c", &script, BINARY]);
    shell
}

/// Reads a process's log to its end, on a thread of its own.
pub(super) fn collect(pipe: ChildStderr) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let log = Arc::new(Mutex::new(String::new()));
    let shared = log.clone();
    let reader = std::thread::spawn(move || {
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            shared.lock().expect("no test panics with the log").push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    (log, reader)
}

/// What a line of the log says about a listener: `listening on ADDRESS (KIND)`.
fn announced(line: &str) -> Option<(SocketAddr, String)> {
    let (_, rest) = line.split_once("listening on ")?;
    let (address, rest) = rest.split_once(" (")?;
    let (kind, _) = rest.split_once(')')?;
    Some((address.parse().ok()?, kind.to_owned()))
}

fn write_whole(directory: &Path, name: &str, text: &str) {
    let temporary: PathBuf = directory.join(format!(".{name}.new"));
    fs::write(&temporary, text).expect("a temporary directory");
    fs::rename(&temporary, directory.join(name)).expect("a temporary directory");
}

pub const BINARY: &str = env!("CARGO_BIN_EXE_parvis");

const NODE: &str = r#"
[node]
name = "front1"
workers = 2
state = "state"
[accounts]
directory = "accounts.d"
[certificates]
directory = "certificates"
[admin]
socket = "admin.sock"
[metrics]
address = "127.0.0.1:0"
[logs]
directory = "logs"
[limits]
[timeouts]
drain = "250ms"
drain_delay = "0"
"#;

const LISTEN: &str = r#"[[listen]]
address = "127.0.0.1:0"
[[listen]]
address = "127.0.0.1:0"
tls = true
[[listen]]
address = "[::1]:0"
[[listen]]
address = "[::1]:0"
tls = true
"#;
