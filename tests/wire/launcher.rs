//! The node and the launcher as two processes: a program outlives the node that had it started, a launcher that comes
//! back is used again, and nothing is started without one or by a document that others can write.

use crate::programs::{SERVER, runs};
use crate::support::edge::Files;
use crate::support::program::{is_root, own_address};
use crate::support::{Edge, Launcher, Message, wait};
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[test]
fn a_launcher_of_its_own_starts_who_is_asked_for() {
    let files = files();
    let launcher = Launcher::start(files.path());
    let edge = files.start();
    assert!(starts(&edge, "alice").is_empty(), "nobody has asked");
    let pid = served(&edge, "alice");
    assert_eq!(starts(&edge, "alice"), [pid.as_str()]);
    assert!(starts(&edge, "bob").is_empty(), "nobody has asked for him");
    launcher.expect_log(&format!("pid={pid}"));
    assert_eq!(parent(&pid), launcher.pid(), "it is the launcher's child");
}

/// All of them, not only those of the first account; and though a document has changed since they were started, in what
/// does not concern how they run.
#[test]
fn programs_outlive_the_node_and_are_taken_over() {
    let files = files();
    let launcher = Launcher::start(files.path());
    let edge = files.start();
    let before: Vec<String> = ACCOUNTS.iter().map(|account| served(&edge, account)).collect();
    edge.write_document("alice", &document(edge.path(), "alice", "idle_time = \"never\"\n"));
    edge.expect_log("document applied");
    let edge = edge.restart();
    let after: Vec<String> = ACCOUNTS.iter().map(|account| served(&edge, account)).collect();
    assert_eq!(after, before);
    for (account, pid) in ACCOUNTS.iter().zip(before) {
        assert_eq!(starts(&edge, account), [pid.as_str()], "no second start");
        edge.expect_log(&format!("runs already account={account} upstream=web pid={pid}"));
    }
    drop(launcher);
}

/// In order and by force: the programs end with it. Until it is back who asks for one of them waits, and who asks for a
/// sleeping one is told; then both are served.
#[test]
fn a_launcher_that_comes_back_is_used_again() {
    for signal in [Signal::TERM, Signal::KILL] {
        let files = files();
        let launcher = Launcher::start(files.path());
        let edge = files.start();
        let before = served(&edge, "alice");
        if signal == Signal::KILL {
            launcher.kill();
        } else {
            launcher.signal(signal);
            launcher.wait();
        }
        wait::until("the program to end with it", || (!runs(&before)).then_some(()));
        edge.expect_log(
            "the launcher is gone: programs that run go on, and none is started until it is back",
        );
        let mut waiting = edge.connect();
        waiting.send("GET / HTTP/1.1\r\nHost: alice.test\r\n\r\n");
        let told = get(&edge, "bob");
        assert_eq!((told.status(), told.word()), (502, "start_failed"), "{signal:?}");
        assert!(waiting.is_quiet_for(Duration::from_millis(500)), "{signal:?}");
        let _launcher = Launcher::start(edge.path());
        let answer = waiting.response();
        assert_eq!(answer.status(), 200, "{signal:?}: {}", answer.text());
        if signal == Signal::TERM {
            wait::until("it to be told", || {
                let told = fs::read_to_string(site_log(&edge, "alice")?).ok()?;
                told.contains("web: Upstream stopped: the launcher ends\n").then_some(())
            });
        }
        assert!(!edge.log().contains("ended by itself"), "{signal:?}");
        let after = answer.text().trim().to_owned();
        assert_ne!(after, before);
        assert_eq!(starts(&edge, "alice"), [before, after]);
        served(&edge, "bob");
    }
}

/// More often than a program may crash: that its launcher ends is no crash, whether or not two of it may overlap.
#[test]
fn a_launcher_may_be_restarted_as_often_as_one_likes() {
    let mut files = files();
    for (account, overlap) in ACCOUNTS.iter().zip([true, false]) {
        let text = document(files.path(), account, &format!("overlap = {overlap}\n"));
        files = files.document(account, &text);
    }
    let mut launcher = Launcher::start(files.path());
    let edge = files.start();
    for turn in 0..8 {
        for account in ACCOUNTS {
            served(&edge, account);
        }
        launcher.signal(Signal::TERM);
        launcher.wait();
        launcher = Launcher::start(edge.path());
        wait::until("another start", || (starts(&edge, "bob").len() > turn + 1).then_some(()));
    }
    let log = edge.log();
    assert!(!log.contains("starting failed") && !log.contains("ended by itself"), "{log}");
}

/// One program takes its time to end, and the launcher with it. The other is gone by then, and who asks for it waits.
#[test]
fn a_launcher_that_is_long_in_ending_refuses_nobody() {
    let files = files();
    let slow = "stop_timeout = \"1s\"\nenvironment = { MODE = \"stubborn\" }\n";
    let text = document(files.path(), "bob", slow);
    let files = files.document("bob", &text);
    let launcher = Launcher::start(files.path());
    let edge = files.start();
    let pids = ACCOUNTS.map(|account| served(&edge, account));
    launcher.signal(Signal::TERM);
    wait::until("the first to end", || (!runs(&pids[0])).then_some(()));
    assert!(runs(&pids[1]), "the other does not");
    let mut waiting = edge.connect();
    waiting.send("GET / HTTP/1.1\r\nHost: alice.test\r\n\r\n");
    launcher.wait();
    let _launcher = Launcher::start(edge.path());
    let answer = waiting.response();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert!(!edge.log().contains("starting failed"));
}

#[test]
fn without_a_launcher_nothing_is_started_and_the_log_says_why() {
    let edge = files().start();
    let answer = get(&edge, "alice");
    assert_eq!((answer.status(), answer.word()), (502, "start_failed"));
    edge.expect_log("no launcher");
    edge.expect_log("Upstream starting failed: /usr/bin/perl server.pl (the launcher cannot be reached)");
    assert!(starts(&edge, "alice").is_empty());
}

/// Her program's file hangs whoever opens it.
#[test]
fn whose_start_hangs_keeps_nobody_waiting() {
    let Some((files, hang)) = hanging(files(), "start_timeout = \"1s\"\n") else { return };
    let launcher = Launcher::start(files.path());
    let edge = files.start();
    let mut waiting = edge.connect();
    waiting.send("GET / HTTP/1.1\r\nHost: alice.test\r\n\r\n");
    edge.expect_log("starting account=alice");
    served(&edge, "bob");
    let answer = waiting.response();
    assert_eq!((answer.status(), answer.word()), (502, "start_failed"), "{}", answer.text());
    let why = "./program cannot be executed: it takes longer than 900ms";
    launcher.expect_log(why);
    edge.expect_log(&format!("Upstream starting failed: ./program ({why})"));
    let children = format!("/proc/{0}/task/{0}/children", launcher.pid());
    let pids = fs::read_to_string(children).expect("it runs");
    assert_eq!(pids.split_whitespace().count(), 1, "nothing is left of it");
    drop(hang);
    wait::until("the site", || (get(&edge, "alice").status() == 200).then_some(()));
}

/// Who was not there when it was ordered finds it, and orders no second one.
#[test]
fn a_start_under_way_is_taken_over() {
    let Some((files, hang)) = hanging(files(), "") else { return };
    let _launcher = Launcher::start(files.path());
    let edge = files.start();
    let mut waiting = edge.connect();
    waiting.send("GET / HTTP/1.1\r\nHost: alice.test\r\n\r\n");
    let inode = fs::metadata(edge.path().join("alice/program")).expect("our own files").ino();
    wait::until("it to hang", || {
        let locks = fs::read_to_string("/proc/locks").expect("the kernel's");
        let is_it = |line: &str| line.contains("BREAKING") && line.contains(&format!(":{inode} "));
        locks.lines().any(is_it).then_some(())
    });
    drop(waiting);
    let edge = edge.restart();
    let mut waiting = edge.connect();
    waiting.send("GET / HTTP/1.1\r\nHost: alice.test\r\n\r\n");
    assert!(waiting.is_quiet_for(Duration::from_millis(500)));
    drop(hang);
    let answer = waiting.response();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(starts(&edge, "alice"), [answer.text().trim()]);
}

/// As systemd's `Type=notify` expects; what it started knows nothing of that.
#[test]
fn the_service_manager_is_told_when_it_is_ready_and_that_it_ends() {
    let files = files();
    let socket = files.path().join("notify");
    let manager = UnixDatagram::bind(&socket).expect("our own directory");
    manager.set_read_timeout(Some(wait::PATIENCE)).expect("a socket");
    let told = || {
        let mut bytes = [0; 100];
        let length = manager.recv(&mut bytes).expect("a word");
        String::from_utf8(bytes[..length].to_vec()).expect("UTF-8")
    };
    let launcher = Launcher::start_with(files.path(), &[("NOTIFY_SOCKET", &socket)]);
    assert_eq!(told(), "READY=1\n");
    assert!(files.path().join("launcher.sock").exists());
    let edge = files.start();
    served(&edge, "alice");
    let variables = edge.connect().send("GET /env HTTP/1.1\r\nHost: alice.test\r\n\r\n").response();
    assert!(!variables.text().contains("NOTIFY"), "{}", variables.text());
    launcher.signal(Signal::TERM);
    assert_eq!(told(), "STOPPING=1\n");
    launcher.wait();
}

/// A launcher that is root believes only what root alone can write: who else can, would choose who programs run as.
#[test]
fn a_document_that_others_can_write_starts_nothing() {
    if !is_root("documents that others can write") {
        return;
    }
    let files = files();
    let document = files.path().join("accounts.d/alice.toml");
    mode(&document, 0o666);
    let launcher = Launcher::start(files.path());
    let edge = files.start();
    let answer = get(&edge, "alice");
    assert_eq!((answer.status(), answer.word()), (502, "start_failed"));
    edge.expect_log("not trusted: it is writable by others than root");
    launcher.expect_log("not trusted: it is writable by others than root");
    assert!(starts(&edge, "alice").is_empty());
    mode(&document, 0o644);
    wait::until("the site", || (get(&edge, "alice").status() == 200).then_some(()));
}

/// As a platform has them: the launcher is root, the node a user of its own, the program another; and whoever else is on
/// the machine gets neither at the program's socket nor into its directory.
#[test]
fn the_account_and_the_node_alone_get_at_a_programs_socket() {
    if !is_root("a node and a program of users of their own") {
        return;
    }
    let mut files = Files::new()
        .set("node", "user", "\"nobody\"")
        .set("admin", "socket", "\"state/admin.sock\"")
        .set("launcher", "socket", "\"launcher.sock\"")
        .set("launcher", "directory", "\"programs\"")
        .set("launcher", "uid_min", &DAEMON.to_string());
    mode(files.path(), 0o755);
    for (account, address) in [("alice", "auto".to_owned()), ("bob", own_address().to_string())] {
        files = files.file(&format!("{account}/server.pl"), SERVER);
        mode(&files.path().join(account), 0o777);
        let text = document(files.path(), account, "").replace("\"nobody\"", "\"daemon\"");
        files = files.document(account, &text.replace("\"auto\"", &format!("\"{address}\"")));
    }
    for name in ["state", "logs"] {
        chown(files.path().join(name), Some(NOBODY), Some(NOBODY)).expect("our own files");
    }
    files.write();
    let _launcher = Launcher::start(files.path());
    let edge = files.start();
    edge.expect_log("no longer root user=\"nobody\"");
    // Who listens at a port can be seen without being root.
    served(&edge, "bob");
    let first = served(&edge, "alice");
    let owner = fs::metadata(format!("/proc/{first}")).expect("it runs");
    assert_eq!((owner.uid(), owner.gid()), (DAEMON, DAEMON));

    let directory = edge.path().join("programs/alice");
    let metadata = fs::metadata(&directory).expect("it was made");
    assert_eq!(
        (metadata.mode() & 0o7777, metadata.uid(), metadata.gid()),
        (0o2750, DAEMON, NOBODY),
        "its user's, whose group is the node's"
    );
    let socket = only_entry(&directory);
    for (user, connects, lists, makes) in
        [(DAEMON, 0, 0, 0), (NOBODY, 0, 0, EACCES), (STRANGER, EACCES, EACCES, EACCES)]
    {
        assert_eq!(tries(user, CONNECTS, &socket), connects, "{user} connects");
        assert_eq!(tries(user, LISTS, &directory), lists, "{user} lists");
        assert_eq!(tries(user, MAKES, &directory.join("more")), makes, "{user} makes something");
    }
    fs::remove_file(directory.join("more")).expect("daemon's");
    // Nor do accounts give orders to the launcher or the node.
    for socket in ["launcher.sock", "state/admin.sock"] {
        let socket = edge.path().join(socket);
        for (user, connects) in [(NOBODY, 0), (DAEMON, EACCES), (STRANGER, EACCES)] {
            assert_eq!(tries(user, CONNECTS, &socket), connects, "{user} at {}", socket.display());
        }
    }

    // The next instance has a socket of its own, and takes the old one's along.
    assert!(edge.command(&["restart", "alice"]).status.success());
    wait::until("the next instance", || (served(&edge, "alice") != first).then_some(()));
    wait::until("the one before to be gone", || (!runs(&first)).then_some(()));
    wait::until("its socket to be gone", || (fs::read_dir(&directory).ok()?.count() == 1).then_some(()));
    let next = only_entry(&directory);
    assert_ne!(next, socket);
    assert_eq!(tries(NOBODY, CONNECTS, &next), 0);
    assert_eq!(tries(STRANGER, CONNECTS, &next), EACCES);
}

/// A node with a launcher of its own, which is not there yet, and two accounts with a program each.
fn files() -> Files {
    let mut files = Files::new().set("launcher", "socket", "\"launcher.sock\"");
    // Where the tests are run by root the programs are somebody else's, who has to get there.
    mode(files.path(), 0o755);
    mode(&files.path().join("accounts.d"), 0o755);
    for account in ACCOUNTS {
        files = files.file(&format!("{account}/server.pl"), SERVER);
        mode(&files.path().join(account), 0o777);
        let text = document(files.path(), account, "");
        files = files.document(account, &text);
        mode(&files.path().join(format!("accounts.d/{account}.toml")), 0o644);
    }
    files.write();
    files
}

/// The same with a program of alice's in a file of her own, which hangs whoever opens it for as long as the other is there:
/// a process that holds a lease on it, and gives that back at the end of its input. `None`: there are no leases here.
fn hanging(files: Files, lines: &str) -> Option<(Files, Hang)> {
    let program = files.path().join("alice/program");
    fs::write(&program, "#!/bin/sh\nexec /usr/bin/perl server.pl\n").expect("our own files");
    mode(&program, 0o755);
    let text =
        document(files.path(), "alice", lines).replace("\"/usr/bin/perl\", \"server.pl\"", "\"./program\"");
    let files = files.document("alice", &text);
    let hold = "$SIG{IO} = 'IGNORE'; open F, '<', $ARGV[0] or exit; fcntl(F, 1024, 1) or exit; \
                $| = 1; print \"held\\n\"; <STDIN>";
    let mut command = Command::new("/usr/bin/perl");
    command.args(["-e", hold]).arg(&program).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut hang = Hang(command.spawn().expect("perl is part of every Debian"));
    let mut word = String::new();
    BufReader::new(hang.0.stdout.take().expect("piped")).read_line(&mut word).expect("UTF-8");
    if word != "held\n" {
        let line = b"left out, because there are no leases here: a start that hangs\n";
        std::io::stderr().write_all(line).expect("stderr");
        return None;
    }
    Some((files, hang))
}

/// What makes a file hang.
struct Hang(Child);

impl Drop for Hang {
    fn drop(&mut self) {
        // Its input ends first.
        let _ = self.0.wait();
    }
}

/// The document of an account, with further lines for its upstream.
fn document(directory: &Path, account: &str, lines: &str) -> String {
    format!(
        "[run]\nhome = \"{}\"\nuser = \"nobody\"\n[[upstream]]\nname = \"web\"\naddress = \"auto\"\n\
         command = [\"/usr/bin/perl\", \"server.pl\"]\n{lines}[[site]]\nname = \"www\"\n\
         addresses = [\"{account}.test\"]\nupstream = \"web\"\n",
        directory.join(account).display()
    )
}

fn get(edge: &Edge, account: &str) -> Message {
    edge.connect().send(format!("GET / HTTP/1.1\r\nHost: {account}.test\r\n\r\n")).response()
}

/// Asks for the site, which must be answered; the process that did.
#[track_caller]
fn served(edge: &Edge, account: &str) -> String {
    let answer = get(edge, account);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.text().trim().to_owned()
}

/// The processes that were started so far.
fn starts(edge: &Edge, account: &str) -> Vec<String> {
    let text = fs::read_to_string(edge.path().join(account).join("starts")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Where a customer is told of his programs, once he is.
fn site_log(edge: &Edge, account: &str) -> Option<PathBuf> {
    Some(fs::read_dir(edge.path().join("logs").join(account).join("sites")).ok()?.flatten().next()?.path())
}

/// The process that started this one.
fn parent(pid: &str) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("PPid");
    parent.trim().parse().expect("a number")
}

/// What becomes of it when this user does such a thing in Perl: 0 or the kernel's error.
fn tries(user: u32, what: &str, path: &Path) -> i32 {
    let mut command = Command::new("/usr/bin/perl");
    command.args(["-MIO::Socket::UNIX", "-e", &format!("exit({what} ? 0 : $!{{EACCES}} ? {EACCES} : 1)")]);
    command.arg(path).uid(user).gid(user).current_dir("/");
    command.status().expect("every Debian has Perl").code().expect("an exit")
}

fn only_entry(directory: &Path) -> PathBuf {
    let mut entries = fs::read_dir(directory).expect("it was made").flatten().map(|entry| entry.path());
    let first = entries.next().expect("a socket");
    assert!(entries.next().is_none(), "one instance, one socket");
    first
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("our own files");
}

const CONNECTS: &str = "IO::Socket::UNIX->new(Peer => $ARGV[0])";
const LISTS: &str = "opendir(my $directory, $ARGV[0])";
const MAKES: &str = "open(my $file, '>', $ARGV[0])";

/// `EACCES`.
const EACCES: i32 = 13;

/// Users of every Debian, each with a group of the same number, and one that none has.
const DAEMON: u32 = 1;
const NOBODY: u32 = 65534;
const STRANGER: u32 = 54321;

const ACCOUNTS: [&str; 2] = ["alice", "bob"];
