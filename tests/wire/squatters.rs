//! Another user of the machine who listens where an account's program should: visitors are told that there is nothing,
//! nobody's cookie reaches him, and when he leaves the site is there again. Needs root, for who the others are.

use crate::programs::{Asleep, document, get, sleeping};
use crate::support::program::{is_root, own_address};
use crate::support::{Message, wait};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// He takes the port while alice's program sleeps.
#[test]
fn a_squatter_of_another_user_gets_nothing() {
    if !is_root("squatters of another user") {
        return;
    }
    let address = own_address();
    let edge = sleeping(&address.to_string(), "idle_time = \"1s\"");
    let own = get(&mut edge.connect(), "/").text().to_owned();
    wait::until("it to be stopped", || (edge.status()["state"] == "stopped").then_some(()));
    let squatter = Squatter::at(&edge, address);
    squatter.listens();
    for _ in 0..3 {
        is_told(&edge, &asks_with_a_cookie(&edge));
    }
    assert_eq!(edge.starts(), [own.trim()], "nothing is started beside him");
    assert_eq!(squatter.leaves(), "");
    wait::until("the site", || (get(&mut edge.connect(), "/").status() == 200).then_some(()));
    assert_eq!(edge.starts().len(), 2);
}

/// He takes it in the moment between: the program was started, because nobody was there, and is late to listen.
#[test]
fn a_squatter_in_the_moment_between_gets_nothing() {
    if !is_root("squatters of another user") {
        return;
    }
    let address = own_address();
    let edge = sleeping(&address.to_string(), LATE);
    let mut waiting = edge.connect();
    waiting.send(WITH_A_COOKIE);
    wait::until("it to be started", || edge.starts().first().cloned());
    let squatter = Squatter::at(&edge, address);
    is_told(&edge, &waiting.response());
    assert_eq!(squatter.leaves(), "");
    edge.write_file("home/gate", "");
    wait::until("the site", || (get(&mut edge.connect(), "/").status() == 200).then_some(()));
}

/// He waits for a restart, and is there before the next instance: the visitors of that moment wait, and are told.
#[test]
fn a_squatter_at_a_restart_gets_nothing() {
    if !is_root("squatters of another user") {
        return;
    }
    let address = own_address();
    let edge = sleeping(&address.to_string(), "");
    get(&mut edge.connect(), "/");
    let mut kept = edge.connect();
    get(&mut kept, "/");
    let squatter = Squatter::at(&edge, address);
    squatter.tries();
    edge.write_document("alice", &document(&edge, &address.to_string(), LATE));
    squatter.listens();
    is_told(&edge, &asks_with_a_cookie(&edge));
    is_told(&edge, &kept.send(WITH_A_COOKIE).response());
    assert_eq!(squatter.leaves(), "");
    edge.write_file("home/gate", "");
    wait::until("the site", || (get(&mut edge.connect(), "/").status() == 200).then_some(()));
}

/// He takes a port that the program gave up though it lives on, or that it left behind when it died: nobody has looked
/// since it was ready.
#[test]
fn a_squatter_of_a_port_that_was_given_up_gets_nothing() {
    if !is_root("squatters of another user") {
        return;
    }
    for what in ["/leave", "/die"] {
        let address = own_address();
        let edge = sleeping(&address.to_string(), &format!("keep_alive = \"0s\"\n{LATE}"));
        edge.write_file("home/gate", "");
        get(&mut edge.connect(), "/");
        fs::remove_file(edge.path().join("home/gate")).expect("it was there");
        let squatter = Squatter::at(&edge, address);
        squatter.tries();
        get(&mut edge.connect(), what);
        // At once, which the one who dies may still take, and then with him there for certain.
        let hasty: Vec<Message> = (0..5).map(|_| asks_with_a_cookie(&edge)).collect();
        squatter.listens();
        let last = asks_with_a_cookie(&edge);
        assert_eq!(squatter.leaves(), "", "{what}");
        for answer in hasty {
            assert!(["start_failed", "closed"].contains(&answer.word()), "{what}: {answer:?}");
        }
        assert_eq!((last.status(), last.word()), (502, "start_failed"), "{what}: {}", last.text());
        edge.expect_log(&format!("address taken by uid {OTHER}"));
        edge.write_file("home/gate", "");
        wait::until("the site", || (get(&mut edge.connect(), "/").status() == 200).then_some(()));
    }
}

fn asks_with_a_cookie(edge: &Asleep) -> Message {
    edge.connect().send(WITH_A_COOKIE).response()
}

/// The visitor, the operator by both of his ways.
#[track_caller]
fn is_told(edge: &Asleep, answer: &Message) {
    assert_eq!((answer.status(), answer.word()), (502, "start_failed"), "{}", answer.text());
    let why = format!("address taken by uid {OTHER}");
    edge.expect_log(&format!("Upstream starting failed: /usr/bin/perl server.pl ({why})"));
    assert_eq!(edge.status()["failure"], why.as_str());
    let told = edge.command(&["status", "alice"]);
    let told = String::from_utf8(told.stdout).expect("text");
    assert!(told.contains(&why), "{told}");
}

/// Somebody of another user.
struct Squatter {
    child: Child,
    records: PathBuf,
}

impl Squatter {
    /// He listens at `address` as soon as it is free.
    fn at(edge: &Asleep, address: SocketAddr) -> Self {
        let records = edge.path().join("records");
        let child = Command::new("/usr/bin/perl")
            .args(["-e", include_str!("support/squatter.pl")])
            .args([address.ip().to_string(), address.port().to_string()])
            .uid(OTHER)
            .gid(OTHER)
            .stdin(Stdio::null())
            .stdout(File::create(&records).expect("a temporary directory"))
            .spawn()
            .expect("every Debian has Perl");
        Self { child, records }
    }

    #[track_caller]
    fn tries(&self) {
        wait::until("the squatter to try", || self.recorded().contains("trying\n").then_some(()));
    }

    #[track_caller]
    fn listens(&self) {
        wait::until("the squatter to listen", || self.recorded().contains("listening\n").then_some(()));
    }

    /// Waits until he has ended; what reached him.
    #[track_caller]
    fn leaves(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a child");
        assert!(self.child.wait().expect("a child").success());
        let recorded = self.recorded();
        recorded.strip_prefix("trying\nlistening\n").expect("he listened").to_owned()
    }

    fn recorded(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.records).expect("his records")).into_owned()
    }
}

impl Drop for Squatter {
    fn drop(&mut self) {
        // Gone already, as a rule.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const WITH_A_COOKIE: &str = "GET / HTTP/1.1\r\nHost: a.test\r\nCookie: session=secret\r\n\r\n";

/// A program that listens once a file `gate` is there.
const LATE: &str = "environment = { MODE = \"gate\" }";

/// `daemon` on every Debian; the programs of these tests run as `nobody`.
const OTHER: u32 = 1;
