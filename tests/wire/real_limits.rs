//! What `[run]` promises, seen under a kernel that can keep it: a virtual machine with a launcher, a node and two
//! accounts, one of which takes all there is and one of which tries to get at the other. Its first process,
//! `real/limits/init`, does everything in one boot and tells what it saw; what that has to be is said here.
//!
//! Where an emulator or a kernel is missing the test is left out, as in `real_programs`.

use crate::support::edge::BINARY;
use crate::support::machine::{Image, Told};
use crate::support::program;
use std::path::Path;

#[test]
fn limits_hold_and_accounts_are_kept_apart() {
    if !program::HAS_MACHINES {
        return;
    }
    let [emulator, busybox, modprobe] = ["qemu-system-x86_64", "busybox", "modprobe"].map(program::find);
    let (Some(emulator), Some(busybox), Some(modprobe)) = (emulator, busybox, modprobe) else { return };
    let Some((kernel, modules)) = program::kernel() else { return };
    let told = image(&busybox, &modprobe, &modules).boot(&emulator, &kernel);
    // Where it waited for something in vain it did not come that far.
    told.of("end");
    assert!(!told.console().contains("panicked at"), "{}", told.console());
    // Kept by the harness unless something below does not hold.
    println!("{}", told.console());
    users(&told);
    limits_are_set(&told);
    sockets_are_walls(&told);
    memory_ends(&told);
    nobody_else_has_the_port(&told);
    processes_end(&told);
    nothing_is_left(&told);
}

/// The node is nobody, the launcher stands aside in its service, and programs are their account's user in its cgroup.
fn users(told: &Told) {
    // 0x400: it may bind ports below 1024.
    let node = "Uid:\t200\t200\t200\t200\nGid:\t200\t200\t200\t200\nGroups:\t200 \nCapEff:\t0000000000000400";
    assert_eq!(told.of("the node"), node);
    let launcher = "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n0::/parvis.slice/parvis-launcher.service/launcher";
    assert_eq!(told.of("the launcher"), launcher);
    for (account, uid, groups) in [("alice", "5001", "5001 5001 6001"), ("bob", "5002", "5002 5002")] {
        let who = Who::of(told, account);
        assert_eq!((who.uid, who.groups), (uid, groups), "{account}");
        let cgroup = format!("0::/parvis.slice/parvis-launcher.service/accounts/{account}/web-");
        assert!(who.cgroup.starts_with(&cgroup), "{account}: {}", who.cgroup);
    }
}

/// As the documents have them, and the kernel's own where they have none.
fn limits_are_set(told: &Told) {
    let expected = [
        "alice memory.max 67108864",
        "alice memory.high max",
        "alice cpu.weight 50",
        "alice io.weight default 100",
        "alice pids.max 20",
        "bob memory.max max",
        "bob memory.high 100663296",
        "bob cpu.weight 100",
        "bob io.weight default 200",
        "bob pids.max max",
    ];
    assert_eq!(told.of("limits").lines().collect::<Vec<_>>(), expected);
    assert!(!told.of("log of the launcher").contains("no such controller"));
}

/// A program of bob's gets neither to alice's socket, which itself lets everybody connect, nor to the launcher's.
fn sockets_are_walls(told: &Told) {
    assert_eq!(told.of("alice connects to her socket"), "200\nconnected");
    assert_eq!(told.of("bob connects to her socket"), "200\nPermission denied");
    assert_eq!(told.of("bob connects to the launcher"), "200\nPermission denied");
}

/// Who takes more than `memory_max` is killed, told why, and started again; beside it bob does not notice.
fn memory_ends(told: &Told) {
    assert_eq!(told.of("alice eats"), failed("destination_unavailable", "out_of_memory"));
    let (first, second) = (Who::of(told, "alice"), Who::of(told, "alice after eating"));
    assert_ne!(first.pid, second.pid);
    let killed = format!("Upstream ended by itself: {COMMAND} (signal: SIGKILL (9), {MEMORY})");
    let site_log = told.of("site log of alice");
    let log = told.of("log of the node");
    assert!(log.contains(&format!("{killed} account=alice upstream=web\n")));
    assert_eq!(count(site_log, &killed), 1);
    assert_eq!(count(site_log, "web: Request failed: out_of_memory: "), 1);

    // A child of it alone: the program goes on, and says nothing of it when it is stopped.
    assert_eq!(told.of("alice feeds a child"), "200\nsignal=9");
    assert_eq!(Who::of(told, "alice after feeding").pid, second.pid);
    let of_child = "Upstream processes killed because the account's memory is used up";
    assert_eq!(count(site_log, &format!("web: {of_child}: 1")), 2, "with the one before");
    assert!(log.contains(&format!("{of_child} account=alice upstream=web count=1\n")));

    // Of two instances at a time one would be killed.
    assert_eq!(told.of("alice holds much"), "200\n40 MB");
    let status: serde_json::Value = serde_json::from_str(told.of("status of alice")).expect("JSON");
    let program = &status["upstreams"][0]["program"];
    let memory = program["memory_bytes"].as_u64().expect("the cgroup tells");
    assert!((40 << 20..64 << 20).contains(&memory), "{memory}");
    assert!(program["cpu_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{program}");
    assert_eq!(program["memory_kills"], 2);
    assert_ne!(Who::of(told, "alice restarted").pid, second.pid);
    let no_room =
        "web: Upstream restarting: its memory_max has no room for two instances: one after the other";
    assert_eq!(count(site_log, no_room), 1);
    let stopped = format!("web: Upstream stopped: pid {} (signal: SIGTERM (15))", second.pid);
    assert_eq!(count(site_log, &stopped), 1);

    assert_eq!(Who::of(told, "bob after all that eating").pid, Who::of(told, "bob").pid);
    assert!(!told.of("site log of bob").contains("killed"));
}

/// While alice's program sleeps bob listens at its address: nothing is sent to him, and the log says who it is.
fn nobody_else_has_the_port(told: &Told) {
    assert_eq!(told.of("bob squats"), "Uid:\t5002\t5002\t5002\t5002");
    assert_eq!(told.of("who visits the port of alice"), failed("destination_unavailable", "start_failed"));
    assert_eq!(told.of("what the squatter heard"), "");
    assert_eq!(told.of("what the squatter hears of others"), "somebody came\nhello");
    let taken = format!("Upstream starting failed: {COMMAND} (address taken by uid 5002)");
    assert!(told.of("log of the node").contains(&format!("{taken} account=alice upstream=port\n")));
    assert!(told.of("site log of alice").contains(&format!("port: {taken}\n")));
    let who = Who::of(told, "who visits the port once it is free");
    assert_eq!(who.uid, "5001");
}

/// There are never more than `pids_max`, and who is beside them is served.
fn processes_end(told: &Told) {
    assert!(told.of("alice forks").starts_with("200\n"));
    assert_eq!(told.of("processes in alice's cgroup"), "20");
    let processes = told.of("processes of alice");
    assert_eq!(processes.lines().count(), 20, "{processes}");
    assert_eq!(Who::of(told, "bob beside the bomb").pid, Who::of(told, "bob").pid);
    assert_eq!(Who::of(told, "alice beside her bomb").pid, Who::of(told, "alice restarted").pid);
}

/// With a program ends what it started, whatever session that is in: when its document goes, and when the launcher does.
fn nothing_is_left(told: &Told) {
    let left = told.of("alice leaves a process");
    let leader = Who::of(told, "alice restarted").pid;
    assert!(left.starts_with("parent=1\n"), "{left}");
    for wrong in [format!("group={leader}\n"), format!("session={leader}\n")] {
        assert!(!format!("{left}\n").contains(&wrong), "{left}");
    }
    assert_eq!(told.of("the process that alice left"), "gone");
    assert_eq!(told.of("processes of alice once she is gone"), "");
    assert_eq!(told.of("cgroups once she is gone"), format!("{ACCOUNTS}/bob"));
    assert_eq!(Who::of(told, "bob once she is gone").pid, Who::of(told, "bob").pid);

    let bob = told.of("bob leaves a process");
    assert!(bob.starts_with("200\n") && count(bob, "bob ") == 2, "{bob}");
    assert_eq!(told.of("the launcher ended"), "code=0");
    assert_eq!(told.of("processes of bob once the launcher is gone"), "");
    assert_eq!(told.of("cgroups once the launcher is gone"), "");
}

/// What a program says of itself.
struct Who<'a> {
    pid: &'a str,
    uid: &'a str,
    groups: &'a str,
    cgroup: &'a str,
}

impl<'a> Who<'a> {
    #[track_caller]
    fn of(told: &'a Told, title: &str) -> Self {
        let text = told.of(title);
        let values: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once('=')?.1)).collect();
        let ("200", [pid, uid, groups, cgroup]) = (text.lines().next().unwrap_or(""), &values[..]) else {
            panic!("\"{title}\": {text}")
        };
        Self { pid, uid, groups, cgroup }
    }
}

/// The files of the machine.
fn image(busybox: &Path, modprobe: &Path, modules: &Path) -> Image {
    Image::default()
        .script("/init", include_str!("real/limits/init"))
        .program("/bin/busybox", busybox)
        .program("/usr/bin/parvis", Path::new(BINARY))
        .program(PERL, Path::new(PERL))
        .tree(Path::new(PERL_BASE), |_| true)
        // The kernel starts it itself, when it is first asked who listens at a port.
        .program("/sbin/modprobe", modprobe)
        .tree(modules, |name| {
            ["modules.", "inet_diag.", "tcp_diag."].iter().any(|wanted| name.starts_with(wanted))
        })
        .file("/srv/customer.pl", include_str!("real/limits/customer.pl"))
        .file("/etc/passwd", PASSWD)
        .file("/etc/group", GROUP)
        .file("/etc/parvis/parvis.toml", include_str!("real/limits/parvis.toml"))
        .file("/etc/parvis/accounts.d/alice.toml", include_str!("real/limits/alice.toml"))
        .file("/etc/parvis/accounts.d/bob.toml", include_str!("real/limits/bob.toml"))
}

/// What a visitor is told who gets no answer.
fn failed(kind: &str, word: &str) -> String {
    format!("502\nProxy-Status: parvis; error={kind}; details=\"{word}\"")
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

const COMMAND: &str = "/usr/bin/perl /srv/customer.pl";
const MEMORY: &str = "killed because its memory was used up";
const ACCOUNTS: &str = "/sys/fs/cgroup/parvis.slice/parvis-launcher.service/accounts";

/// Part of every Debian, with the modules that are.
const PERL: &str = "/usr/bin/perl";
const PERL_BASE: &str = "/usr/lib/x86_64-linux-gnu/perl-base";

const PASSWD: &str = "root:x:0:0::/:/bin/sh
parvis:x:200:200::/var/lib/parvis:/bin/false
alice:x:5001:5001::/home/alice:/bin/sh
bob:x:5002:5002::/home/bob:/bin/sh
";

const GROUP: &str = "root:x:0:
parvis:x:200:
alice:x:5001:
bob:x:5002:
editors:x:6001:alice
";
