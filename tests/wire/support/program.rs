//! Programs of the system: found or left out, started and stopped, their output read.

use super::wait::{self, PATIENCE};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// A server that runs as long as this lives.
pub struct Server {
    child: Child,
    announced: String,
}

/// Where a program is; `None` where it is missing and may be. The names of Python modules find the interpreter
/// that has them, `mod_php` Apache's module.
#[track_caller]
pub fn find(name: &str) -> Option<PathBuf> {
    let found = located(name);
    assert!(found.is_some() || !mandatory(), "{name} is missing, and PARVIS_REAL_PROGRAMS=1 demands it");
    found
}

/// Whether Node finds this module.
#[track_caller]
pub fn has_node_module(name: &str) -> bool {
    let found = on_path("node").is_some_and(|node| {
        let mut command = Command::new(node);
        command.args(["-e", &format!("require('{name}')")]).env("NODE_PATH", "/usr/share/nodejs");
        succeeds(&mut command)
    });
    assert!(found || !mandatory(), "Node's {name} is missing, and PARVIS_REAL_PROGRAMS=1 demands it");
    found
}

/// Whether the tests can be somebody else, which takes root; where they cannot it is said, past the capture of their
/// output, `what` is left out.
pub fn is_root(what: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        let line = format!("left out, because this is not root: {what}\n");
        std::io::stderr().write_all(line.as_bytes()).expect("stderr");
    }
    is_root
}

/// A file system in memory over a directory, as long as this lives.
pub struct Disk(PathBuf);

impl Disk {
    /// One of so many KiB. Where it cannot be had, which takes root, it is said that `what` is left out, or the test fails where
    /// nothing may be.
    #[track_caller]
    pub fn over(directory: &Path, kib: usize, what: &str) -> Option<Self> {
        let size = format!("size={kib}k");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(directory);
        let mounted = is_root(what) && succeeds(&mut mount);
        assert!(
            mounted || !mandatory(),
            "no file system can be mounted, and PARVIS_REAL_PROGRAMS=1 demands: {what}"
        );
        if !mounted {
            let line = format!("left out, because no file system can be mounted: {what}\n");
            std::io::stderr().write_all(line.as_bytes()).expect("stderr");
        }
        mounted.then(|| Self(directory.to_owned()))
    }

    /// Mounts it anew with other options.
    #[track_caller]
    pub fn change(&self, options: &str) {
        let mut mount = Command::new("mount");
        assert!(succeeds(mount.args(["-o", &format!("remount,{options}")]).arg(&self.0)), "{options}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever has files open there may keep them.
        succeeds(Command::new("umount").arg("-l").arg(&self.0));
    }
}

/// A kernel of Debian's that a virtual machine can boot, and its modules: the newest of those for clouds, or else the
/// newest.
#[track_caller]
pub fn kernel() -> Option<(PathBuf, PathBuf)> {
    let found = newest_kernel();
    assert!(found.is_some() || !mandatory(), "{KERNEL} is missing, and PARVIS_REAL_PROGRAMS=1 demands it");
    found
}

/// Tells, past the capture of the test's output, what the other tests leave out.
pub fn report() {
    let names = PROGRAMS.iter().chain(MACHINE).copied();
    let mut missing: Vec<&str> = names.filter(|name| located(name).is_none()).collect();
    missing.extend((HAS_MACHINES && newest_kernel().is_none()).then_some(KERNEL));
    assert!(missing.is_empty() || !mandatory(), "missing: {}", missing.join(", "));
    if !missing.is_empty() {
        let line = format!(
            "left out, because missing: tests with {} (scripts/test installs them)\n",
            missing.join(", ")
        );
        std::io::stderr().write_all(line.as_bytes()).expect("stderr");
    }
}

/// Runs a program to its end; its standard output. Fails the test with its standard error if it fails.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("a program that was found");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{error}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A port that was free a moment ago, for servers that cannot be given port 0.
pub fn free_port(address: &str) -> u16 {
    TcpListener::bind(address).and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// An address that nobody else is given: for programs that sleep, while others take whatever port is free on 127.0.0.1. Each
/// has an IP address of its own.
pub fn own_address() -> SocketAddr {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let [high, low] = GIVEN.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let [_, _, _, process] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 64 + high % 64, low, process);
    TcpListener::bind((ip, 0)).and_then(|listener| listener.local_addr()).expect("a free port")
}

/// A control group for one test, with what it leaves behind.
pub struct ControlGroup(PathBuf);

impl ControlGroup {
    /// One of this name; `None`, and that is said past the capture of the test's output, where none can be made.
    pub fn new(name: &str) -> Option<Self> {
        let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let made = mounts.into_iter().find(|mount| mount.join("cgroup.subtree_control").exists()).and_then(
            |mount| {
                let path = mount.join(format!("parvis-wire-{name}-{}", std::process::id()));
                fs::create_dir(&path).is_ok().then_some(Self(path))
            },
        );
        if made.is_none() {
            let line =
                "left out, because no control group (version 2) can be made here: a test that needs one\n";
            std::io::stderr().write_all(line.as_bytes()).expect("stderr");
        }
        made
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        remove_group(&self.0);
    }
}

/// Removes a control group and those in it, as far as nothing runs there.
fn remove_group(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&entry.path());
        }
    }
    let _ = fs::remove_dir(path);
}

impl Server {
    /// Starts a server and waits until it is `ready`.
    #[track_caller]
    pub fn start(command: &mut Command, ready: impl Fn() -> bool) -> Self {
        let child = apart(command).stdout(Stdio::null()).spawn().expect("a program that was found");
        let mut server = Self { child, announced: String::new() };
        wait::until(&format!("{command:?} to listen"), || {
            let ended = server.child.try_wait().expect("a child");
            assert!(ended.is_none(), "{command:?} ended at once");
            ready().then_some(())
        });
        server
    }

    /// Starts a server that prints where it listens as its first line.
    #[track_caller]
    pub fn announcing(command: &mut Command) -> Self {
        let mut child = apart(command).stdout(Stdio::piped()).spawn().expect("a program that was found");
        let mut announced = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut announced).expect("a line");
        let announced = announced.trim().to_owned();
        assert!(!announced.is_empty(), "{command:?} ended at once");
        Self { child, announced }
    }

    /// What it printed.
    pub fn announced(&self) -> &str {
        &self.announced
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // In order first, so that servers with children take them along.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        if wait::try_until(PATIENCE, || self.child.try_wait().expect("a child")).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// In a process group of its own: Apache ends its whole group with itself, and that would be the tests.
fn apart(command: &mut Command) -> &mut Command {
    command.process_group(0).stdin(Stdio::null())
}

fn mandatory() -> bool {
    std::env::var_os("PARVIS_REAL_PROGRAMS").is_some_and(|value| value == "1")
}

fn located(name: &str) -> Option<PathBuf> {
    match name {
        "mod_php" => mod_php(),
        "wordpress" => Some(PathBuf::from(WORDPRESS)).filter(|path| path.is_dir()),
        _ => name.strip_prefix("python3-").map_or_else(|| on_path(name), python_with),
    }
}

/// Its name holds its version.
fn mod_php() -> Option<PathBuf> {
    let modules = std::fs::read_dir("/usr/lib/apache2/modules").ok()?.filter_map(Result::ok);
    modules.map(|entry| entry.path()).find(|path| path.to_string_lossy().contains("/libphp"))
}

/// Servers are in sbin, which is not on everyone's path.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories = std::env::split_paths(&path).collect::<Vec<_>>();
    directories.extend(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from));
    directories.into_iter().map(|directory| directory.join(name)).find(|file| file.is_file())
}

fn newest_kernel() -> Option<(PathBuf, PathBuf)> {
    let files = std::fs::read_dir("/boot").ok()?.flatten().map(|entry| entry.path());
    let kernels = files.filter_map(|file| {
        let name = file.file_name()?.to_str()?.strip_prefix("vmlinuz-")?.to_owned();
        let modules = Path::new("/lib/modules").join(&name);
        // Some systems let only root read it.
        let built = std::fs::File::open(&file).ok()?.metadata().ok()?.modified().ok()?;
        modules.is_dir().then(|| (name.contains("-cloud-"), built, file, modules))
    });
    kernels.max().map(|(.., file, modules)| (file, modules))
}

/// The system's Python first: it is the one Debian's modules belong to.
fn python_with(module: &str) -> Option<PathBuf> {
    let pythons = [Some(PathBuf::from("/usr/bin/python3")), on_path("python3")];
    pythons.into_iter().flatten().find(|python| has_python_module(python, module))
}

fn has_python_module(python: &Path, module: &str) -> bool {
    succeeds(Command::new(python).args(["-c", &format!("import {module}")]))
}

fn succeeds(command: &mut Command) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

/// Where Debian has WordPress.
pub const WORDPRESS: &str = "/usr/share/wordpress";

/// What the tests start, but for the virtual machine.
const PROGRAMS: &[&str] = &[
    "apache2",
    "nginx",
    "uwsgi",
    "node",
    "curl",
    "h2load",
    "nghttpd",
    "chromium",
    "mariadbd",
    "prometheus",
    "promtool",
    "cargo-deb",
    "dpkg-shlibdeps",
    "lintian",
    "systemd-analyze",
    "adduser",
    "ip",
    "man",
    "mod_php",
    "wordpress",
    "python3-jsonschema",
    "python3-django",
    "python3-h2",
    "python3-websockets",
    "python3-grpc",
];

/// What boots the virtual machine, which is of this machine's kind and so of the one kind the tests know.
const MACHINE: &[&str] = if HAS_MACHINES { &["qemu-system-x86_64", "busybox", "modprobe"] } else { &[] };
pub const HAS_MACHINES: bool = cfg!(target_arch = "x86_64");

/// What stands for its kernel where that is missing.
const KERNEL: &str = "a kernel in /boot";
