//! Programs that really run, under a launcher within the test's process.

use super::protocol::{Ending, Instance, Notice, Order, Process};
use super::testing::{Place, cgroup, start};
use super::{Notices, Orders, connect, embedded};
use crate::base::{AccountName, DocumentHash, UpstreamName};
use crate::config::Node;
use arc_swap::ArcSwap;
use nix::unistd::{Pid, Uid};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

mod hanging;

/// Far longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A launcher, after it listed that nothing runs.
struct Launcher {
    orders: Orders,
    notices: Notices,
}

impl Launcher {
    async fn new(node: Node) -> Self {
        let (orders, notices) = embedded(Arc::new(ArcSwap::from_pointee(node))).unwrap();
        let mut launcher = Self { orders, notices };
        assert_eq!(launcher.next().await, Notice::Listed);
        launcher
    }

    async fn next(&mut self) -> Notice {
        next(&mut self.notices).await.expect("the launcher is there")
    }

    async fn started(&mut self, order: Order) -> (u32, u32, Option<PathBuf>) {
        self.orders.send(order).unwrap();
        match self.next().await {
            Notice::Started { process: Process { pid, uid, socket, .. }, .. } => (pid, uid, socket),
            other => panic!("{other:?}"),
        }
    }

    async fn refused(&mut self, order: Order) -> String {
        self.orders.send(order).unwrap();
        match self.next().await {
            Notice::NotStarted { why, .. } => why,
            Notice::Changed { .. } => "the document has changed".to_owned(),
            other => panic!("{other:?}"),
        }
    }

    async fn ended(&mut self) -> (Ending, Vec<String>) {
        match self.next().await {
            Notice::Ended { ending, last_words, memory_kills: 0, launcher_ends: false, .. } => {
                (ending, last_words)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Ends it, and waits until it has.
    async fn end(mut self) -> Vec<Notice> {
        drop(self.orders);
        let mut last = Vec::new();
        while let Some(notice) = next(&mut self.notices).await {
            last.push(notice);
        }
        last
    }
}

async fn next(notices: &mut Notices) -> Option<Notice> {
    timeout(PATIENCE, notices.next()).await.expect("a notice comes in time")
}

/// Waits until something is so: a process is gone, a file is there.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, wait).await.is_ok(), "{what}");
}

/// Whether a process is there and no zombie: who waits for an orphan is not ours to say.
fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
}

fn sh(script: &str) -> String {
    format!("command = [\"/bin/sh\", \"-c\", '''{script}''']\naddress = \"[::1]:8100\"")
}

fn number(text: &str) -> u32 {
    text.trim().parse().unwrap()
}

#[tokio::test(flavor = "local")]
async fn a_program_has_the_variables_it_is_told_and_no_others() {
    let place = Place::new();
    let keys = format!("{}\nenvironment = {{ COLOUR = \"blue\" }}", sh("exec /usr/bin/env >&2"));
    let hash = place.program("alice", &keys);
    let mut launcher = Launcher::new(place.node()).await;
    let (pid, uid, socket) = launcher.started(start(1, hash)).await;
    let (ending, mut words) = launcher.ended().await;
    assert_eq!((ending, socket), (Ending::Code(0), None));
    assert_ne!(pid, std::process::id());
    let user = nix::unistd::User::from_uid(Uid::from_raw(uid)).unwrap().unwrap().name;
    let home = format!("HOME={}", place.path("home").display());
    let work = format!("PWD={}", place.path("home").display());
    let (name, logname) = (format!("USER={user}"), format!("LOGNAME={user}"));
    // What the shell adds.
    words.retain(|line| !line.starts_with("PWD=") && !line.starts_with("SHLVL=") && !line.starts_with("_="));
    words.push(work.clone());
    words.sort();
    let mut expected = vec![
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "SHELL=/bin/sh",
        "IP=::1",
        "HOST=[::1]",
        "PORT=8100",
        "ADDRESS=[::1]:8100",
        "COLOUR=blue",
        &home,
        &work,
        &name,
        &logname,
    ];
    expected.sort_unstable();
    assert_eq!(words, expected);
}

#[tokio::test(flavor = "local")]
async fn a_program_is_who_and_what_it_shall_be() {
    let place = Place::new();
    fs::create_dir(place.path("home/app")).unwrap();
    let script = "n=0; while [ $n -lt 99 ]; do [ -e /proc/$$/fd/$n ] && printf \"$n \"; n=$((n+1)); done; echo; pwd; umask; ulimit -S -n; ulimit -c; \
                  echo $$; exec grep -E \"^(Uid|Gid|Groups|NoNewPrivs|SigBlk|SigIgn|NSsid|NSpgid|CapEff)\" /proc/self/status";
    let hash = place.program("alice", &format!("{}\ndirectory = \"app\"", sh(script)));
    let node = place.node();
    let mut launcher = Launcher::new(node).await;
    let (pid, uid, _) = launcher.started(start(1, hash)).await;
    let (_, words) = launcher.ended().await;
    assert_eq!(words[0], "0 1 2", "{words:?}");
    let home = place.path("home/app");
    assert_eq!(words[1..5], [home.to_str().unwrap(), "0027", "1024", "0"], "{words:?}");
    let field = |name: &str| {
        let line = words.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(field("Uid"), format!("{uid} {uid} {uid} {uid}"));
    assert_eq!(field("NoNewPrivs"), "1");
    assert_eq!(u64::from_str_radix(&field("SigBlk"), 16).unwrap(), 0);
    assert_eq!(u64::from_str_radix(&field("SigIgn"), 16).unwrap(), 0);
    assert_eq!((field("NSsid"), field("NSpgid")), (pid.to_string(), pid.to_string()));
    if Uid::effective().is_root() {
        let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
        assert_eq!(uid, nobody.uid.as_raw());
        let gid = nobody.gid;
        assert_eq!((field("Gid"), field("Groups")), (format!("{gid} {gid} {gid} {gid}"), gid.to_string()));
        assert_eq!(u64::from_str_radix(&field("CapEff"), 16).unwrap(), 0);
    }
}

#[tokio::test(flavor = "local")]
async fn how_it_ended_and_what_it_said_comes_back() {
    let place = Place::new();
    let mut launcher = Launcher::new(place.node()).await;
    let hash = place.program("alice", &sh("echo out; echo err >&2; exit 3"));
    launcher.started(start(1, hash)).await;
    assert_eq!(launcher.ended().await, (Ending::Code(3), vec!["out".to_owned(), "err".to_owned()]));
    // A line is read by a shell that the program takes the place of.
    let hash = place.program("alice", "command = \"sh -c 'kill -9 $$'\"\naddress = \"[::1]:8100\"");
    launcher.started(start(2, hash)).await;
    assert_eq!(launcher.ended().await.0, Ending::Signal(9));
    // More than any pipe holds.
    let hash = place.program("alice", &sh("yes a-line | head -c 3000000; echo; echo the end"));
    launcher.started(start(3, hash)).await;
    let (ending, words) = launcher.ended().await;
    assert_eq!((ending, words.len(), words[19].as_str()), (Ending::Code(0), 20, "the end"));
    assert_eq!(launcher.end().await, []);
}

#[tokio::test(flavor = "local")]
async fn what_it_started_dies_with_it() {
    let place = Place::new();
    let mut launcher = Launcher::new(place.node()).await;
    let hash = place.program("alice", &sh("sleep 1000 & echo $!"));
    launcher.started(start(1, hash)).await;
    let (_, words) = launcher.ended().await;
    let child = number(&words[0]);
    until("the child of an ended program is killed", || !is_alive(child)).await;
}

#[tokio::test(flavor = "local")]
async fn a_stop_is_asked_for_and_then_enforced() {
    let place = Place::new();
    let mut launcher = Launcher::new(place.node()).await;
    let ready = |name: &str| place.path("home").join(name);
    fs::set_permissions(place.path("home"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let obeys = "trap \"echo bye; exit 7\" USR1; touch one; while :; do sleep 0.01; done";
    let hash = place.program("alice", &format!("{}\nstop_signal = \"SIGUSR1\"", sh(obeys)));
    launcher.started(start(1, hash)).await;
    until("it is ready", || ready("one").exists()).await;
    launcher.orders.send(Order::Stop { instance: Instance(1) }).unwrap();
    assert_eq!(launcher.ended().await, (Ending::Code(7), vec!["bye".to_owned()]));

    let ignores = "trap \"\" TERM; touch two; while :; do sleep 0.01; done";
    let hash = place.program("alice", &format!("{}\nstop_timeout = \"1s\"", sh(ignores)));
    launcher.started(start(2, hash)).await;
    until("it is ready", || ready("two").exists()).await;
    launcher.orders.send(Order::Stop { instance: Instance(2) }).unwrap();
    assert_eq!(launcher.ended().await.0, Ending::Signal(9));

    let hash = place.program("alice", &sh("sleep 1000"));
    launcher.started(start(3, hash)).await;
    // One that is no more, or never was, is none that runs.
    launcher.orders.send(Order::Kill { instance: Instance(2) }).unwrap();
    launcher.orders.send(Order::Kill { instance: Instance(3) }).unwrap();
    assert_eq!(launcher.ended().await.0, Ending::Signal(9));
}

#[tokio::test(flavor = "local")]
async fn who_renews_himself_gets_the_signal_for_it_and_lives_on() {
    let place = Place::new();
    let mut launcher = Launcher::new(place.node()).await;
    let there = |name: &str| place.path("home").join(name).exists();
    fs::set_permissions(place.path("home"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let renews =
        "n=0; trap \"n=\\$((n+1)); touch renewed\\$n\" USR2; touch one; while :; do sleep 0.01; done";
    let hash = place.program("alice", &format!("{}\nhot_restart = \"SIGUSR2\"", sh(renews)));
    let (pid, ..) = launcher.started(start(1, hash)).await;
    until("it is ready", || there("one")).await;
    for name in ["renewed1", "renewed2"] {
        launcher.orders.send(Order::Renew { instance: Instance(1), runs_as: hash }).unwrap();
        assert_eq!(launcher.next().await, Notice::Renewed { instance: Instance(1), runs_as: hash });
        until("it renews itself", || there(name)).await;
    }
    assert!(is_alive(pid));
    // One that does not say by what is left alone.
    let hash =
        place.program("alice", &sh("trap \"exit 3\" HUP USR1 USR2; touch two; while :; do sleep 0.01; done"));
    launcher.started(start(2, hash)).await;
    until("it is ready", || there("two")).await;
    for order in
        [Order::Renew { instance: Instance(2), runs_as: hash }, Order::Stop { instance: Instance(2) }]
    {
        launcher.orders.send(order).unwrap();
    }
    assert_eq!(launcher.ended().await.0, Ending::Signal(15));
}

#[tokio::test(flavor = "local")]
async fn what_cannot_be_started_is_refused_with_a_word() {
    let place = Place::new();
    let mut launcher = Launcher::new(place.node()).await;
    let hash = place.program("alice", &sh("exec sleep 1000"));
    let why = launcher.refused(start(1, DocumentHash::of(b"another"))).await;
    assert_eq!(why, "the document has changed");
    let unknown = Order::Start {
        instance: Instance(1),
        account: AccountName::new("alice").unwrap(),
        upstream: UpstreamName::new("api").unwrap(),
        hash,
    };
    assert_eq!(launcher.refused(unknown).await, "the document has no upstream \"api\"");
    launcher.started(start(1, hash)).await;
    assert_eq!(launcher.refused(start(1, hash)).await, "instance 0000000000000001 runs already");

    let address = "address = \"[::1]:8100\"";
    let hash = place.program("alice", &format!("command = [\"no-such-program\"]\n{address}"));
    let why = launcher.refused(start(2, hash)).await;
    assert_eq!(why, "no-such-program cannot be executed: No such file or directory (os error 2)");
    let hash = place.program("alice", &format!("command = [\"ls\"]\ndirectory = \"none\"\n{address}"));
    let why = launcher.refused(start(2, hash)).await;
    assert!(why.starts_with("its directory cannot be entered: No such file or directory"), "{why}");
    let hash = place.program("alice", address);
    assert_eq!(launcher.refused(start(2, hash)).await, "the upstream \"web\" has no command");
    let hash = place.write("alice", &format!("[[upstream]]\nname = \"web\"\ncommand = 5\n{address}\n"));
    assert!(launcher.refused(start(2, hash)).await.contains("alice.toml:3"));
    let missing = Order::Start {
        instance: Instance(2),
        account: AccountName::new("bob").unwrap(),
        upstream: UpstreamName::new("web").unwrap(),
        hash,
    };
    assert!(launcher.refused(missing).await.contains("bob.toml: No such file"));
    if Uid::effective().is_root() {
        let of = |user: &str| {
            format!("[run]\nuser = \"{user}\"\n[[upstream]]\nname = \"web\"\ncommand = \"ls\"\n{address}\n")
        };
        let hash = place.write("alice", &of("no-such-user"));
        let why = launcher.refused(start(2, hash)).await;
        assert_eq!(why, "there is no user \"no-such-user\" on this machine");
        let hash = place.write("alice", &of("root"));
        assert!(launcher.refused(start(2, hash)).await.contains("root"));
    }
    // The end of the launcher is the end of what it started.
    let last = launcher.end().await;
    assert!(matches!(last[..], [Notice::Ended { ending: Ending::Signal(9), .. }]), "{last:?}");
}

#[tokio::test(flavor = "local")]
async fn an_auto_socket_is_told_and_reached_and_removed() {
    let place = Place::new();
    let mut node = place.node();
    // Whoever runs the test connects; as root, the group is somebody's who exists.
    node.user = Some("nobody".to_owned());
    let script = "umask 077; exec perl -MIO::Socket::UNIX -e \"my \\$l = IO::Socket::UNIX->new(Local => \\$ENV{SOCKET}, \
                  Listen => 1); my \\$c = \\$l->accept; syswrite(\\$c, q(x)); \\$l->accept\"";
    let keys = sh(script).replace("[::1]:8100", "auto");
    let hash = place.program("alice", &keys);
    let mut launcher = Launcher::new(node).await;
    let (_, uid, socket) = launcher.started(start(0x10, hash)).await;
    let socket = socket.unwrap();
    assert_eq!(socket, place.path("programs/alice/0000000000000010.sock"));
    let directory = fs::metadata(socket.parent().unwrap()).unwrap();
    let is_root = Uid::effective().is_root();
    let mode = if is_root { 0o2750 } else { 0o700 };
    assert_eq!((directory.uid(), directory.mode() & 0o7777), (uid, mode));
    let is_open = |path: &Path| fs::metadata(path).is_ok_and(|m| !is_root || m.mode() & 0o060 == 0o060);
    until("the socket is there, and open to the node", || is_open(&socket)).await;
    launcher.orders.send(Order::Stop { instance: Instance(0x10) }).unwrap();
    assert_eq!(launcher.ended().await.0, Ending::Signal(15));
    assert!(!socket.exists());

    let mut node = place.node();
    node.launcher.directory = place.path(&"x".repeat(90));
    let mut launcher = Launcher::new(node).await;
    assert!(launcher.refused(start(1, hash)).await.contains("longer than a socket's path may be"));
}

#[tokio::test(flavor = "local")]
async fn a_wrapper_stands_in_front() {
    let place = Place::new();
    let mut node = place.node();
    node.launcher.wrapper = ["/bin/echo", "{account}", "--"].map(str::to_owned).to_vec();
    let hash = place.program("alice", "command = \"ls -l\"\naddress = \"[::1]:8100\"");
    let mut launcher = Launcher::new(node).await;
    launcher.started(start(1, hash)).await;
    assert_eq!(launcher.ended().await.1, ["alice -- /bin/sh -c exec ls -l"]);
}

#[tokio::test(flavor = "local")]
async fn nothing_leaves_its_cgroup() {
    let Some(root) = cgroup("leave") else {
        return println!("skipped: no cgroup can be made here");
    };
    let place = Place::new();
    let mut node = place.node();
    node.launcher.cgroup_root = Some(root.clone());
    // A launcher that was killed left this.
    let leftover = root.join("bob/web-0000000000000001");
    fs::create_dir_all(&leftover).unwrap();
    let mut left = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    fs::write(leftover.join("cgroup.procs"), left.id().to_string()).unwrap();

    let hash = place.program("alice", &sh("setsid sleep 1000 & echo $!; grep 0:: /proc/self/cgroup"));
    let mut launcher = Launcher::new(node).await;
    assert!(!left.wait().unwrap().success());
    until("its cgroup is removed", || !root.join("bob").exists()).await;
    launcher.started(start(2, hash)).await;
    let (_, words) = launcher.ended().await;
    let name = root.file_name().unwrap().to_str().unwrap();
    assert_eq!(words[1], format!("0::/{name}/alice/web-0000000000000002"));
    let child = number(&words[0]);
    until("what took a session of its own is killed", || !is_alive(child)).await;
    until("the cgroups are removed", || !root.join("alice").exists()).await;
    launcher.end().await;
    fs::remove_dir(root).unwrap();
}

/// The platform's own cgroup for an account: ours is made in it and goes, it and what else is in it stay.
#[tokio::test(flavor = "local")]
async fn a_container_holds_what_its_account_starts_and_stays() {
    let Some(container) = cgroup("container") else {
        return println!("skipped: no cgroup can be made here");
    };
    let place = Place::new();
    let sleep_in = |name: &str| {
        let cgroup = container.join(name);
        fs::create_dir(&cgroup).unwrap();
        let sleep = Killed(std::process::Command::new("sleep").arg("1000").spawn().unwrap());
        fs::write(cgroup.join("cgroup.procs"), sleep.0.id().to_string()).unwrap();
        sleep
    };
    let (mut left, others) = (sleep_in("web-0000000000000001"), sleep_in("init.scope"));
    let document = |cgroup: &Path, script: &str| {
        let home = place.path("home");
        format!(
            "[run]\nuser = \"nobody\"\nhome = {home:?}\ncgroup = {cgroup:?}\n[[upstream]]\nname = \"web\"\n{}\n",
            sh(script)
        )
    };
    let mut launcher = Launcher::new(place.node()).await;
    let script = "setsid sleep 1000 & echo $!; grep 0:: /proc/self/cgroup";
    let hash = place.write("alice", &document(&container, script));
    launcher.orders.send(start(2, hash)).unwrap();
    let Notice::Started { process, .. } = launcher.next().await else { panic!("not started") };
    assert!(!left.0.wait().unwrap().success(), "what was left behind is ended first");
    assert_eq!(process.cgroup, Some(container.join("web-0000000000000002")));
    let (_, words) = launcher.ended().await;
    let name = container.file_name().unwrap().to_str().unwrap();
    assert_eq!(words[1], format!("0::/{name}/web-0000000000000002"));
    let child = number(&words[0]);
    until("what took a session of its own is killed", || !is_alive(child)).await;
    let held = || fs::read_dir(&container).unwrap().flatten().filter(|one| one.path().is_dir()).count();
    assert_eq!(held(), 1, "ours are gone");
    assert!(is_alive(others.0.id()));
    // What is there by then is no leftover, and one that is not started leaves nothing.
    let hash = place.write("alice", &document(&container, "sleep 1000"));
    launcher.started(start(3, hash)).await;
    launcher.started(start(4, hash)).await;
    let hash = place.write("alice", &document(&container, "x").replace("/bin/sh", "/no/such"));
    assert!(launcher.refused(start(5, hash)).await.starts_with("/no/such cannot be executed"));
    assert_eq!(held(), 3);

    let none = container.join("none");
    let hash = place.write("alice", &document(&none, "sleep 1000"));
    let why = launcher.refused(start(6, hash)).await;
    assert_eq!(why, format!("[run] cgroup {}: No such file or directory (os error 2)", none.display()));
    assert!(!none.exists(), "none is made");
    assert_eq!(launcher.end().await.len(), 2);
    drop(others);
    until("what was there before", || fs::remove_dir(container.join("init.scope")).is_ok()).await;
    fs::remove_dir(container).unwrap();
}

/// The launcher as a process of its own: signals are a process's, so the test starts itself again.
#[tokio::test(flavor = "local")]
async fn a_launcher_of_its_own_keeps_programs_running_from_node_to_node() {
    const CHILD: &str = "PARVIS_TEST_LAUNCHER";
    if let Some(file) = std::env::var_os(CHILD) {
        let mut node = crate::config::load_node(Path::new(&file)).unwrap();
        node.launcher.socket = Some(Path::new(&file).with_file_name("launcher.sock"));
        // A runtime of its own, on a thread of its own.
        return std::thread::spawn(move || super::serve(node).unwrap()).join().unwrap();
    }
    let place = Place::new();
    place.node();
    let name = "launch::tests::a_launcher_of_its_own_keeps_programs_running_from_node_to_node";
    let mut launcher = Killed(
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(CHILD, place.path("parvis.toml"))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap(),
    );
    let socket = place.path("launcher.sock");
    until("the launcher listens", || socket.exists()).await;
    let hash = place.program("alice", &sh("sleep 1000"));
    let (orders, mut notices) = connect(&socket).await.unwrap();
    assert_eq!(next(&mut notices).await, Some(Notice::Listed));
    orders.send(start(5, hash)).unwrap();
    let Some(Notice::Started { process, .. }) = next(&mut notices).await else { panic!("not started") };
    let pid = process.pid;
    drop((orders, notices));

    let (orders, mut notices) = connect(&socket).await.unwrap();
    let Some(Notice::Running { instance, account, process: told, hash: by, .. }) = next(&mut notices).await
    else {
        panic!("it does not run any more")
    };
    assert_eq!((instance, account.as_str(), told, by), (Instance(5), "alice", Some(process), hash));
    assert_eq!(next(&mut notices).await, Some(Notice::Listed));

    // The newest is told, and the one before sees that it is not.
    let (newest, mut told) = connect(&socket).await.unwrap();
    assert_eq!(next(&mut notices).await, None);
    assert!(matches!(next(&mut told).await, Some(Notice::Running { .. })));
    assert_eq!(next(&mut told).await, Some(Notice::Listed));
    drop(orders);

    let launcher_pid = Pid::from_raw(i32::try_from(launcher.0.id()).unwrap());
    // The settings are read again, and no program is the worse for it.
    nix::sys::signal::kill(launcher_pid, nix::sys::signal::Signal::SIGHUP).unwrap();
    newest.send(start(6, DocumentHash::of(b"another"))).unwrap();
    assert!(matches!(next(&mut told).await, Some(Notice::Changed { instance: Instance(6) })));
    nix::sys::signal::kill(launcher_pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let ended = next(&mut told).await;
    let Some(Notice::Ended { instance, ending, launcher_ends, .. }) = ended else { panic!("{ended:?}") };
    assert_eq!((instance, ending, launcher_ends), (Instance(5), Ending::Signal(15), true));
    assert_eq!(next(&mut told).await, None);
    assert!(launcher.0.wait().unwrap().success());
    assert!(!socket.exists() && !is_alive(pid));
}

/// A child that does not outlive its test, however that ends.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "local")]
async fn nobody_who_is_not_the_node_is_spoken_to() {
    if !Uid::effective().is_root() {
        return println!("skipped: only root can be somebody else");
    }
    let place = Place::new();
    let node = place.node();
    let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
    assert_eq!(super::outside::refusal(&ours, &node), None);
    drop(theirs);
    let socket = place.path("somebody.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    // Perl is part of every Debian.
    let script =
        "use IO::Socket::UNIX; my $c = IO::Socket::UNIX->new(Peer => $ARGV[0]); sysread($c, my $b, 1)";
    let mut somebody = std::process::Command::new("perl");
    std::os::unix::process::CommandExt::uid(&mut somebody, 65534).args(["-e", script]).arg(&socket);
    let mut somebody = somebody.spawn().unwrap();
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let why = super::outside::refusal(&stream, &node);
    assert_eq!(why.as_deref(), Some("user 65534 is not the node's"));
    let node = Node { user: Some("nobody".to_owned()), ..node };
    assert_eq!(super::outside::refusal(&stream, &node), None);
    drop(stream);
    somebody.wait().unwrap();
}
