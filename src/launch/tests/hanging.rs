//! Starts that hang, really: in a program's file that somebody holds a lease on, in a directory and in a document of a
//! file system that never answers. Nobody else waits for them, and they end in the end.

use super::super::client::over;
use super::super::server::{Event, Kind, Launcher as Standing};
use super::super::testing::start_of;
use super::super::wire::halves;
use super::*;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{ChildStdout, Command, Stdio};
use tokio::net::UnixStream;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;

/// What makes something hang until it is dropped.
struct Hang {
    holder: Killed,
    words: BufReader<ChildStdout>,
    mounted: Option<PathBuf>,
}

impl Hang {
    /// Whoever opens the file waits for the kernel to break the lease on it, which takes 45 seconds; he can be killed.
    fn file(path: &Path) -> Option<Self> {
        let script = "$SIG{IO} = 'IGNORE'; open F, '<', $ARGV[0] or exit; fcntl(F, 1024, 1) or exit; \
                      $| = 1; print \"ready\\n\"; sleep 1000";
        Self::by(script, path, None)
    }

    /// Whoever looks at what is there waits for a file system that takes the question and never answers: he cannot even
    /// be killed. `kind` is the mode of what is there.
    fn mount(path: &Path, kind: u32) -> Option<Self> {
        let script = "open F, '+<', '/dev/fuse' or exit; \
            my ($s, $d, $t, $o) = ('hang', $ARGV[0], 'fuse', \
                'fd=' . fileno(F) . \",rootmode=$ARGV[1],user_id=0,group_id=0,allow_other\"); \
            syscall(165, $s, $d, $t, 0, $o) == 0 or exit; \
            sysread F, my $ask, 1 << 18 or exit; my ($length, $what, $number) = unpack 'LLQ', $ask; \
            syswrite F, pack 'LlQ LLLL SSLL SSLL7', 80, 0, $number, 7, 31, 65536, 0, 16, 12, 65536, 1, (0) x 10; \
            $| = 1; print \"ready\\n\"; print \"asked\\n\" while sysread F, $ask, 1 << 18; sleep 1000";
        Self::by(script, path, Some(kind))
    }

    fn by(script: &str, path: &Path, kind: Option<u32>) -> Option<Self> {
        let mut command = Command::new("perl");
        command.args(["-e", script]).arg(path).args(kind.map(|kind| format!("{kind:o}")));
        let mut holder = Killed(command.stdout(Stdio::piped()).spawn().unwrap());
        let words = BufReader::new(holder.0.stdout.take().unwrap());
        let mut hang = Self { holder, words, mounted: kind.map(|_| path.to_owned()) };
        if hang.word() == "ready\n" {
            return Some(hang);
        }
        println!("skipped: nothing can be made to hang here");
        None
    }

    /// The next word of what makes it hang: of a file system, that it was asked.
    fn word(&mut self) -> String {
        let mut word = String::new();
        self.words.read_line(&mut word).unwrap();
        word
    }
}

impl Drop for Hang {
    fn drop(&mut self) {
        // The end of the file system comes first: a look at a dead one is an error and no hang.
        let _ = self.holder.0.kill();
        let _ = self.holder.0.wait();
        if let Some(path) = &self.mounted {
            let _ = Command::new("umount").arg("-l").arg(path).status();
        }
    }
}

/// Whether somebody waits for the lease on a file to be broken.
fn is_waited_for(path: &Path) -> bool {
    let inode = format!(":{} ", fs::metadata(path).unwrap().ino());
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| line.contains("BREAKING") && line.contains(&inode))
}

const FILE: u32 = 0o100_644;
const DIRECTORY: u32 = 0o40_755;

/// A program's own file, and the keys for it.
fn own_program(place: &Place, lines: &str) -> (PathBuf, String) {
    let path = place.path("home/program");
    fs::write(&path, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let keys = format!("command = [{path:?}]\naddress = \"[::1]:8100\"\n{lines}");
    (path, keys)
}

fn kill(instance: u64) -> Order {
    Order::Kill { instance: Instance(instance) }
}

impl Launcher {
    /// Waits for the word that an instance was not started.
    async fn not_started(&mut self, number: u64) -> String {
        match self.next().await {
            Notice::NotStarted { instance, why } if instance == Instance(number) => why,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "local")]
async fn whose_program_hangs_keeps_nobody_waiting_and_is_told_why() {
    let place = Place::new();
    let (path, keys) = own_program(&place, "start_timeout = \"1s\"");
    let Some(_hang) = Hang::file(&path) else { return };
    let (alice, bob) = (place.program("alice", &keys), place.program("bob", &sh("exec sleep 1000")));
    let mut launcher = Launcher::new(place.node()).await;
    launcher.orders.send(start(1, alice)).unwrap();
    let (pid, ..) = launcher.started(start_of("bob", 2, bob)).await;
    launcher.orders.send(kill(2)).unwrap();
    assert_eq!(launcher.ended().await.0, Ending::Signal(9));
    assert!(!is_alive(pid));
    let why = launcher.not_started(1).await;
    assert_eq!(why, format!("{} cannot be executed: it takes longer than 900ms", path.display()));
    assert_eq!(launcher.end().await, []);
}

/// By either order, and told once.
#[tokio::test(flavor = "local")]
async fn a_start_that_hangs_can_be_stopped() {
    let place = Place::new();
    let (path, keys) = own_program(&place, "");
    let hash = place.program("alice", &keys);
    let mut launcher = Launcher::new(place.node()).await;
    for (number, order) in [(1, Order::Stop { instance: Instance(1) }), (2, kill(2))] {
        let Some(_hang) = Hang::file(&path) else { return };
        launcher.orders.send(start(number, hash)).unwrap();
        until("it hangs", || is_waited_for(&path)).await;
        assert!(launcher.refused(start(number, hash)).await.contains("runs already"));
        launcher.orders.send(order).unwrap();
        let why = launcher.not_started(number).await;
        let expected = format!("{} cannot be executed: it was to end before it had begun", path.display());
        assert_eq!(why, expected);
    }
    launcher.started(start(3, hash)).await;
    launcher.orders.send(kill(3)).unwrap();
    assert_eq!(launcher.ended().await.0, Ending::Signal(9));
    assert_eq!(launcher.end().await, []);
}

/// A process that hangs in the kernel does not die. It counts as long as it is there, and nobody waits for it.
#[tokio::test(flavor = "local")]
async fn who_cannot_be_killed_is_given_up_and_counts() {
    let place = Place::new();
    let directory = place.path("home/app");
    fs::create_dir(&directory).unwrap();
    let keys = format!("{}\ndirectory = \"app\"\nstart_timeout = \"1s\"", sh("exec sleep 1000"));
    let hash = place.program("alice", &keys);
    let Some(hang) = Hang::mount(&directory, DIRECTORY) else { return };
    let mut launcher = Launcher::new(place.node()).await;
    for number in 1..=8 {
        launcher.orders.send(start(number, hash)).unwrap();
    }
    let mut given_up = Vec::new();
    while given_up.len() < 8 {
        let Notice::NotStarted { instance, why } = launcher.next().await else { panic!("it was started") };
        let expected = "its directory cannot be entered: it takes longer than 900ms (directory ";
        assert_eq!(why, format!("{expected}{})", directory.display()));
        given_up.push(instance.0);
    }
    given_up.sort_unstable();
    assert_eq!(given_up, (1..=8).collect::<Vec<_>>());
    assert_eq!(launcher.refused(start(9, hash)).await, "8 instances of it run already");
    drop(hang);
    for number in 10.. {
        launcher.orders.send(start(number, hash)).unwrap();
        match launcher.next().await {
            Notice::Started { .. } => break,
            Notice::NotStarted { why, .. } => assert_eq!(why, "8 instances of it run already"),
            other => panic!("{other:?}"),
        }
    }
    launcher.end().await;
}

#[tokio::test(flavor = "local")]
async fn whose_document_hangs_keeps_nobody_waiting() {
    let place = Place::new();
    let (alice, bob) =
        (place.program("alice", &sh("exec sleep 1000")), place.program("bob", &sh("exec sleep 1000")));
    let Some(mut hang) = Hang::mount(&place.path("accounts.d/alice.toml"), FILE) else { return };
    let mut launcher = Launcher::new(place.node()).await;
    launcher.orders.send(start(1, alice)).unwrap();
    let (_hang, word) = tokio::task::spawn_blocking(move || {
        let word = hang.word();
        (hang, word)
    })
    .await
    .unwrap();
    assert_eq!(word, "asked\n");
    launcher.orders.send(start(2, alice)).unwrap();
    launcher.started(start_of("bob", 3, bob)).await;
    launcher.orders.send(kill(1)).unwrap();
    let why = launcher.not_started(1).await;
    assert_eq!(why, "its document cannot be read: it was to end before it had begun");
    launcher.orders.send(kill(2)).unwrap();
    let why = launcher.not_started(2).await;
    assert!(why.starts_with("another start of this account"), "{why}");
    launcher.orders.send(start(4, alice)).unwrap();
    // Its end waits for neither the thread nor the one that has not begun.
    let last = launcher.end().await;
    assert!(last.iter().any(|one| matches!(one, Notice::Ended { instance: Instance(3), .. })), "{last:?}");
}

/// The directory of its socket is the account's own: it may mount there what it likes.
#[tokio::test(flavor = "local")]
async fn who_lets_his_sockets_directory_hang_keeps_nobody_waiting() {
    let place = Place::new();
    let mut node = place.node();
    node.user = Some("nobody".to_owned());
    let alice = place.program("alice", &sh("exec sleep 1000").replace("[::1]:8100", "auto"));
    let bob = place.program("bob", &sh("exec sleep 1000"));
    let mut launcher = Launcher::new(node).await;
    let (.., socket) = launcher.started(start(1, alice)).await;
    let Some(_hang) = Hang::mount(socket.unwrap().parent().unwrap(), DIRECTORY) else { return };
    // Again and again it is looked whether the socket is there.
    tokio::time::sleep(Duration::from_millis(100)).await;
    launcher.started(start_of("bob", 2, bob)).await;
    for number in [1, 2] {
        launcher.orders.send(kill(number)).unwrap();
        assert_eq!(launcher.ended().await.0, Ending::Signal(9));
    }
    assert_eq!(launcher.end().await, []);
}

/// A launcher of its own, within this process.
fn standing(node: Node) -> (Sender<Event>, JoinHandle<()>) {
    let (launcher, mut events) = Standing::new(Kind::Standing, Arc::new(ArcSwap::from_pointee(node)));
    let happens = launcher.events();
    let running = tokio::task::spawn_local(async move { launcher.run(None, &mut events).await });
    (happens, running)
}

async fn connected(launcher: &Sender<Event>) -> (Orders, Notices) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (incoming, outgoing) = halves(theirs);
    launcher.send(Event::Connected(incoming, outgoing)).await.unwrap();
    let (incoming, outgoing) = halves(ours);
    over(incoming, outgoing)
}

/// Whoever connects meanwhile is told that it is under way, and then what came of it.
#[tokio::test(flavor = "local")]
async fn a_start_under_way_is_listed() {
    let place = Place::new();
    let (path, keys) = own_program(&place, "");
    let Some(hang) = Hang::file(&path) else { return };
    let hash = place.program("alice", &keys);
    let (launcher, running) = standing(place.node());
    let (orders, mut before) = connected(&launcher).await;
    assert_eq!(next(&mut before).await, Some(Notice::Listed));
    orders.send(start(1, hash)).unwrap();
    // What is answered after it shows that it was taken up.
    orders.send(start(1, hash)).unwrap();
    assert!(matches!(next(&mut before).await, Some(Notice::NotStarted { .. })));
    let (orders, mut notices) = connected(&launcher).await;
    let listed = next(&mut notices).await;
    let Some(Notice::Running { instance: Instance(1), process: None, stopping: false, .. }) = listed else {
        panic!("{listed:?}")
    };
    assert_eq!(next(&mut notices).await, Some(Notice::Listed));
    assert_eq!(next(&mut before).await, None);
    drop(hang);
    let started = next(&mut notices).await;
    assert!(matches!(started, Some(Notice::Started { instance: Instance(1), .. })), "{started:?}");
    orders.send(kill(1)).unwrap();
    assert!(matches!(next(&mut notices).await, Some(Notice::Ended { .. })));
    launcher.send(Event::Stop).await.unwrap();
    assert_eq!(next(&mut notices).await, None);
    running.await.unwrap();
}

/// Nor for one that cannot be killed. Nothing is told of them: their orders are given again, to the next launcher.
#[tokio::test(flavor = "local")]
async fn the_end_waits_for_no_start_that_hangs() {
    let place = Place::new();
    let (path, keys) = own_program(&place, "");
    fs::create_dir(place.path("home/app")).unwrap();
    let (Some(_file), Some(_directory)) =
        (Hang::file(&path), Hang::mount(&place.path("home/app"), DIRECTORY))
    else {
        return;
    };
    let alice = place.program("alice", &keys);
    let bob = place.program("bob", &format!("{}\ndirectory = \"app\"", sh("exec sleep 1000")));
    let (launcher, running) = standing(place.node());
    let (orders, mut notices) = connected(&launcher).await;
    assert_eq!(next(&mut notices).await, Some(Notice::Listed));
    for order in [start(1, alice), start_of("bob", 2, bob), start(1, alice)] {
        orders.send(order).unwrap();
    }
    assert!(matches!(next(&mut notices).await, Some(Notice::NotStarted { .. })));
    launcher.send(Event::Stop).await.unwrap();
    assert_eq!(next(&mut notices).await, None);
    timeout(PATIENCE, running).await.unwrap().unwrap();
}
