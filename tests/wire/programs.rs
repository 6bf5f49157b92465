//! The accounts' programs: started when somebody asks, stopped when nobody does, replaced without a request lost; and
//! what a visitor is told where a program cannot be had.

use crate::support::edge::Files;
use crate::support::program::own_address;
use crate::support::{Edge, Message, Origin, Raw, account, wait};
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// A server in Perl, which is part of every Debian.
pub(crate) const SERVER: &str = include_str!("support/server.pl");

#[test]
fn a_crowd_at_a_sleeping_site_starts_it_once() {
    let edge = sleeping("auto", "");
    assert!(edge.starts().is_empty(), "nobody has asked");
    let pids: Vec<String> = thread::scope(|scope| {
        let ask = || scope.spawn(|| get(&mut edge.connect(), "/").text().to_owned());
        let asked: Vec<_> = std::iter::repeat_with(ask).take(100).collect();
        asked.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    assert_eq!(edge.starts().len(), 1);
    let starts = edge.starts();
    assert!(pids.iter().all(|pid| pid.trim() == starts[0]), "{pids:?}");
    let status = edge.status();
    assert_eq!(status["state"], "ready");
    assert_eq!(status["pid"].to_string(), starts[0]);
    assert_eq!(status["starts"], 1);
}

/// What it is told, and nothing else: no variable of the node's own.
#[test]
fn a_program_is_told_where_to_listen_and_what_its_document_says() {
    let edge = sleeping("auto", "environment = { MODE = \"\", COLOUR = \"green\" }");
    let told = get(&mut edge.connect(), "/env").text().to_owned();
    let names: Vec<&str> = told.lines().map(|line| line.split_once('=').expect("a variable").0).collect();
    assert_eq!(names, ["COLOUR", "HOME", "LOGNAME", "MODE", "PATH", "SHELL", "SOCKET", "TZ", "USER"]);
    assert!(told.contains("COLOUR=green\n") && told.contains("TZ=Europe/Paris\n"), "{told}");
    assert!(told.contains(&format!("HOME={}\n", edge.home().display())), "{told}");
    let address = own_address();
    let edge = sleeping(&address.to_string(), "");
    let told = get(&mut edge.connect(), "/env").text().to_owned();
    assert!(told.contains(&format!("ADDRESS={address}\nHOME=")), "{told}");
    assert!(told.contains(&format!("HOST={0}\nIP={0}\n", address.ip())), "{told}");
    assert!(told.contains(&format!("PORT={}\n", address.port())), "{told}");
}

#[test]
fn who_is_not_asked_is_stopped_and_starts_again() {
    let edge = sleeping("auto", "idle_time = \"1s\"");
    let first = get(&mut edge.connect(), "/").text().trim().to_owned();
    wait::until("it to be stopped", || (!runs(&first)).then_some(()));
    wait::until("that to be told", || (edge.status()["state"] == "stopped").then_some(()));
    let second = get(&mut edge.connect(), "/").text().trim().to_owned();
    assert_ne!(first, second);
    assert_eq!(edge.starts(), [first, second]);
}

/// A request under way is use: the program is not stopped under it.
#[test]
fn who_is_being_asked_is_not_stopped() {
    let edge = sleeping("auto", "idle_time = \"1s\"");
    let pid = get(&mut edge.connect(), "/").text().trim().to_owned();
    let mut raw = edge.connect();
    raw.send("GET /stall HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(raw.is_quiet_for(Duration::from_secs(3)));
    assert!(runs(&pid));
    raw.reset();
    wait::until("it to be stopped", || (!runs(&pid)).then_some(()));
}

/// Everybody who waits is told at once, whoever comes soon after likewise, and nothing is started for them.
#[test]
fn a_program_that_fails_is_told_of_and_not_tried_again_at_once() {
    let edge = sleeping("auto", "environment = { MODE = \"fail\" }");
    let answers: Vec<Message> = thread::scope(|scope| {
        let ask = || scope.spawn(|| get(&mut edge.connect(), "/"));
        let asked: Vec<_> = std::iter::repeat_with(ask).take(20).collect();
        asked.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    for answer in &answers {
        assert_eq!((answer.status(), answer.word()), (502, "start_failed"));
        assert_eq!(answer.error_type(), "destination_unavailable");
        assert!(answer.text().contains("could not be started"), "{}", answer.text());
    }
    assert_eq!(edge.starts().len(), 1);
    edge.expect_log("Upstream starting failed: /usr/bin/perl");
    edge.expect_log("(return code: 1)");
    edge.expect_log("STDERR: Error: Cannot find module 'express'");
    let status = edge.status();
    assert_eq!((&status["state"], &status["failure"]), (&"failed".into(), &"return code: 1".into()));
    // After a second somebody may try, and then it works: the document was mended.
    edge.write_document("alice", &document(&edge, "auto", "environment = { MODE = \"\" }"));
    wait::until("the mended program", || (get(&mut edge.connect(), "/").status() == 200).then_some(()));
    assert_eq!(edge.starts().len(), 2);
}

/// The customer's own account of it: what was started, how it went, why it was stopped.
#[test]
fn a_customer_is_told_what_his_program_went_through() {
    let edge = sleeping("auto", "environment = { MODE = \"fail\" }");
    assert_eq!(get(&mut edge.connect(), "/").status(), 502);
    let failed = edge.told("web: STDERR: ");
    assert_eq!(
        failed,
        [
            "web: Upstream starting: /usr/bin/perl server.pl",
            "web: Upstream starting failed: /usr/bin/perl server.pl (return code: 1)",
            "web: STDERR: Error: Cannot find module 'express'",
        ]
    );
    wait::until("the request", || {
        edge.site_log("alice").contains("web: Request failed: start_failed: ").then_some(())
    });
    edge.write_document("alice", &document(&edge, "auto", "idle_time = \"1s\""));
    wait::until("the mended program", || (get(&mut edge.connect(), "/").status() == 200).then_some(()));
    let pid = edge.starts().pop().expect("a start");
    let told = edge.told("web: Upstream stopped: ");
    let [.., starting, ready, stopping, stopped] = &told[..] else { panic!("{told:?}") };
    assert_eq!(*starting, failed[0]);
    assert!(ready.starts_with("web: Upstream ready after 0."), "{ready}");
    assert!(ready.ends_with(&format!(" s (pid {pid})")), "{ready}");
    assert_eq!(stopping, "web: Upstream stopping: idle for 1s");
    assert!(stopped.starts_with(&format!("web: Upstream stopped: pid {pid} (signal: SIGTERM")), "{stopped}");
}

#[test]
fn a_customer_is_told_why_his_program_was_restarted() {
    let edge = sleeping("auto", "");
    get(&mut edge.connect(), "/");
    assert!(edge.command(&["restart", "alice/web"]).status.success());
    let told = edge.told("web: Upstream stopped: ");
    assert_eq!(told[2], "web: Upstream restarting: asked for");
    assert_eq!(told[3], told[0]);
    assert!(told[4].ends_with(", takes over from the one before"), "{told:?}");
    edge.write_document("alice", &document(&edge, "auto", "revision = \"2\""));
    edge.told("web: Upstream restarting: its document changed");
    get(&mut edge.connect(), "/die");
    edge.told("web: Upstream ended by itself: /usr/bin/perl server.pl (return code: 3)");
    edge.told("web: STDERR: out of ideas");
}

/// The one whose request was to be the next try may hang up: others try all the same.
#[test]
fn who_tries_and_leaves_keeps_nobody_from_trying() {
    let edge = sleeping("auto", "environment = { MODE = \"fail\" }");
    assert_eq!(get(&mut edge.connect(), "/").word(), "start_failed");
    for turn in 2..4 {
        wait::until("another try", || {
            for _ in 0..20 {
                let mut raw = edge.connect();
                raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
                raw.reset();
            }
            (edge.starts().len() >= turn).then_some(())
        });
    }
}

#[test]
fn a_program_that_is_never_ready_is_given_up() {
    let edge = sleeping("auto", "start_timeout = \"500ms\"\nenvironment = { MODE = \"never\" }");
    let answer = get(&mut edge.connect(), "/");
    assert_eq!((answer.status(), answer.word()), (504, "start_timeout"));
    edge.expect_log("STDERR: waiting for a database");
    let pid = edge.starts()[0].clone();
    wait::until("it to be gone", || (!runs(&pid)).then_some(()));
}

#[test]
fn a_command_that_does_not_exist_is_named() {
    let edge = sleeping("auto", "");
    let text = document(&edge, "auto", "").replace("/usr/bin/perl", "/no/such/program");
    edge.write_document("alice", &text);
    wait::until("the answer", || (get(&mut edge.connect(), "/").status() == 502).then_some(()));
    edge.expect_log("Upstream starting failed: /no/such/program");
}

/// The request in flight gets an honest answer, the next waits for the new instance.
#[test]
fn a_crash_costs_the_requests_in_flight_and_no_other() {
    let edge = sleeping("auto", "");
    let first = get(&mut edge.connect(), "/").text().to_owned();
    let died = get(&mut edge.connect(), "/die");
    assert_eq!((died.status(), died.word()), (502, "closed"));
    let second = get(&mut edge.connect(), "/");
    assert_eq!(second.status(), 200);
    assert_ne!(second.text(), first);
    edge.expect_log("Upstream ended by itself: /usr/bin/perl");
    edge.expect_log("STDERR: out of ideas");
}

/// By the command and by a change of the document, beside the old instance and in its place: a server that handles no
/// signal, and not a request lost.
#[test]
fn restarts_lose_no_request() {
    for address in ["auto".to_owned(), own_address().to_string()] {
        let edge = sleeping(&address, "connections = 8");
        let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            let load = || {
                scope.spawn(|| {
                    let mut raw = edge.connect();
                    while !done.load(Ordering::Relaxed) {
                        let answer = get(&mut raw, "/");
                        assert_eq!(answer.status(), 200, "{address}: {}", answer.text());
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                })
            };
            let _visitors: Vec<_> = std::iter::repeat_with(load).take(4).collect();
            for number in 0..10 {
                let (starts, seen) = (edge.starts().len(), asked.load(Ordering::Relaxed));
                if number % 2 == 0 {
                    assert!(edge.command(&["restart", "alice/web"]).status.success());
                } else {
                    let revision = format!("connections = 8\nrevision = \"{number}\"");
                    edge.write_document("alice", &document(&edge, &address, &revision));
                }
                wait::until("a new instance", || (edge.starts().len() > starts).then_some(()));
                wait::until("it to serve", || (edge.status()["state"] == "ready").then_some(()));
                wait::until("requests", || (asked.load(Ordering::Relaxed) > seen + 20).then_some(()));
            }
            done.store(true, Ordering::Relaxed);
        });
        let starts = edge.starts();
        let (newest, old) = starts.split_last().expect("instances");
        assert!(runs(newest));
        for pid in old {
            wait::until("the old ones to be gone", || (!runs(pid)).then_some(()));
        }
    }
}

/// The one that serves goes on where the one that shall take its place comes to nothing, and that is told.
#[test]
fn a_restart_that_comes_to_nothing_is_told_and_costs_nothing() {
    let edge = sleeping("auto", "");
    let pid = get(&mut edge.connect(), "/").text().to_owned();
    for (mode, why) in [("never", "not ready after 500ms"), ("fail", "return code: 1")] {
        let lines = format!("start_timeout = \"500ms\"\nenvironment = {{ MODE = \"{mode}\" }}");
        edge.write_document("alice", &document(&edge, "auto", &lines));
        let line = format!("Upstream starting failed: /usr/bin/perl server.pl ({why})");
        edge.told(&format!("web: {line}"));
        edge.expect_log(&line);
        assert_eq!(get(&mut edge.connect(), "/").text(), pid);
    }
}

/// Where somebody else listens at the address, nothing is sent to him.
#[test]
fn a_squatter_gets_nothing() {
    let squatter = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = squatter.local_addr().expect("a socket");
    let edge = sleeping(&address.to_string(), "");
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\nCookie: session=secret\r\n\r\n");
    let answer = raw.response();
    assert_eq!((answer.status(), answer.word()), (502, "start_failed"));
    edge.expect_log("address taken by uid");
    squatter.set_nonblocking(true).expect("a socket");
    assert!(squatter.accept().is_err(), "somebody connected to the squatter");
}

#[test]
fn a_program_ends_with_its_document_and_with_all_that_it_started() {
    for (mode, members) in [("stubborn", 1), ("child", 2), ("grandchildren", 4)] {
        let edge =
            sleeping("auto", &format!("stop_timeout = \"100ms\"\nenvironment = {{ MODE = \"{mode}\" }}"));
        let pid = get(&mut edge.connect(), "/").text().trim().to_owned();
        let family = edge.family(&pid);
        assert!(family.len() == members && family.iter().all(|one| runs(one)), "{mode}: {family:?}");
        edge.remove_document("alice");
        for one in &family {
            wait::until("all of it to be gone", || (!runs(one)).then_some(()));
        }
        edge.told(&format!("web: Upstream stopped: pid {pid} "));
    }
}

/// Whoever waits for a program whose account goes is told so, at once.
#[test]
fn who_waits_for_what_is_deleted_is_told() {
    let edge = sleeping("auto", "environment = { MODE = \"never\" }");
    let mut raw = edge.connect();
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    wait::until("it to be started", || edge.starts().first().cloned());
    edge.remove_document("alice");
    let answer = raw.response();
    assert_eq!((answer.status(), answer.word()), (404, "unknown_host"));
}

/// An upstream that was somebody else's to run gets a program, and loses it again: no visitor notices.
#[test]
fn a_server_changes_hands() {
    let origin = Origin::saying("somebody else");
    let address = own_address();
    let edge = sleeping(&address.to_string(), "");
    let own = get(&mut edge.connect(), "/").text().to_owned();
    let by_hand = account("\"a.test\"", &origin.address());
    for turn in 0..3 {
        edge.write_document("alice", &by_hand);
        wait::until("the other server", || {
            let answer = get(&mut edge.connect(), "/");
            assert_eq!(answer.status(), 200, "turn {turn}: {}", answer.text());
            (answer.text() == "somebody else").then_some(())
        });
        edge.write_document("alice", &document(&edge, &address.to_string(), ""));
        wait::until("the program", || {
            let answer = get(&mut edge.connect(), "/");
            assert_eq!(answer.status(), 200, "turn {turn}: {}", answer.text());
            (answer.text() != "somebody else" && answer.text() != own).then_some(())
        });
    }
}

/// A document that goes and comes back while its program is long in ending: the next one waits for that.
#[test]
fn who_comes_back_waits_for_what_was_there_to_end() {
    let address = own_address().to_string();
    let lines = "stop_timeout = \"700ms\"\nenvironment = { MODE = \"stubborn\" }";
    let edge = sleeping(&address, lines);
    let first = get(&mut edge.connect(), "/").text().trim().to_owned();
    edge.write_document("alice", &account("\"a.test\"", &address));
    wait::until("its program to be told to end", || edge.log().contains("hosts=0").then_some(()));
    edge.write_document("alice", &document(&edge, &address, lines));
    let answer = wait::until("the next one", || {
        let answer = get(&mut edge.connect(), "/");
        assert_eq!(answer.status(), 200, "{}", answer.text());
        (answer.text().trim() != first).then_some(answer)
    });
    assert_eq!(answer.text().trim(), edge.starts()[1]);
    assert!(!runs(&first), "two at a time");
}

/// A visitor who leaves frees his place, and the start goes on for the others.
#[test]
fn who_leaves_while_waiting_is_not_missed() {
    let edge = sleeping("auto", "environment = { MODE = \"late:0.3\" }");
    for _ in 0..20 {
        let mut raw = edge.connect();
        raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        raw.reset();
    }
    assert_eq!(get(&mut edge.connect(), "/").status(), 200);
    assert_eq!(edge.starts().len(), 1);
    wait::until("nobody to wait", || (edge.account()["upstreams"][0]["waiting"] == 0).then_some(()));
}

/// An edge whose one account has a program that does not run yet.
pub fn sleeping(address: &str, lines: &str) -> Asleep {
    asleep(Files::new(), address, lines)
}

/// The same on these files.
pub fn asleep(files: Files, address: &str, lines: &str) -> Asleep {
    let files = files.file("home/server.pl", SERVER);
    // Where the tests are run by root the program is somebody else's, who has to get there.
    for (path, mode) in [(files.path().to_owned(), 0o755), (files.path().join("home"), 0o777)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a temporary directory");
    }
    let text = text(&files.path().join("home"), address, lines);
    Asleep(files.document("alice", &text).start())
}

/// An edge with such an account.
pub struct Asleep(Edge);

impl std::ops::Deref for Asleep {
    type Target = Edge;

    fn deref(&self) -> &Edge {
        &self.0
    }
}

impl Asleep {
    fn home(&self) -> std::path::PathBuf {
        self.path().join("home")
    }

    /// The processes that were started so far.
    pub fn starts(&self) -> Vec<String> {
        let text = fs::read_to_string(self.home().join("starts")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What the account's site log tells of its programs, without the times, once a line of it begins with `until`.
    #[track_caller]
    pub fn told(&self, until: &str) -> Vec<String> {
        wait::until(until, || {
            // Not there yet: nothing was written yet.
            let mut files: Vec<_> = fs::read_dir(self.path().join("logs/alice/sites"))
                .ok()?
                .flatten()
                .map(|file| file.path())
                .collect();
            files.sort();
            let text: String = files.iter().map(|file| fs::read_to_string(file).expect("UTF-8")).collect();
            let told: Vec<_> = text
                .lines()
                .map(|line| {
                    let (time, told) = line.split_once(' ').expect("a time");
                    assert_eq!(time.len(), "2026-11-26T21:14:03+01:00".len(), "{line}");
                    told.to_owned()
                })
                // Of requests other tests ask.
                .filter(|told| !told.contains(": Request failed: "))
                .collect();
            told.iter().any(|line| line.starts_with(until)).then_some(told)
        })
    }

    /// A process and its living children, and who came of them.
    fn family(&self, pid: &str) -> BTreeSet<String> {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let further = fs::read_to_string(self.home().join("family")).unwrap_or_default();
        let children = children.split_whitespace().filter(|child| runs(child));
        children.chain(further.lines()).chain([pid]).map(str::to_owned).collect()
    }

    pub fn account(&self) -> serde_json::Value {
        serde_json::from_slice(&self.command(&["status", "alice", "--json"]).stdout).expect("JSON")
    }

    /// What is told of the program.
    pub fn status(&self) -> serde_json::Value {
        self.account()["upstreams"][0]["program"].clone()
    }
}

pub fn document(edge: &Asleep, address: &str, lines: &str) -> String {
    text(&edge.home(), address, lines)
}

fn text(home: &Path, address: &str, lines: &str) -> String {
    format!(
        "[run]\nhome = \"{}\"\nuser = \"nobody\"\nenvironment = {{ TZ = \"Europe/Paris\" }}\n[[upstream]]\nname = \"web\"\n\
         address = \"{address}\"\ncommand = [\"/usr/bin/perl\", \"server.pl\"]\n{lines}\n\
         [[site]]\nname = \"www\"\naddresses = [\"a.test\"]\nupstream = \"web\"\n",
        home.display()
    )
}

pub fn get(raw: &mut Raw, path: &str) -> Message {
    raw.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n")).response()
}

/// Whether a process runs: not even as a zombie.
pub(crate) fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}
