//! Addresses that come with a new revision of a program: visitors meet them once it is ready, and not before.

use crate::programs::{Asleep, asleep, document, runs, sleeping};
use crate::support::edge::Files;
use crate::support::program::{ControlGroup, own_address};
use crate::support::{Message, Raw, wait};
use std::time::Duration;

#[test]
fn addresses_that_come_with_a_revision_go_live_when_it_is_ready() {
    for address in ["auto".to_owned(), own_address().to_string()] {
        // What the old one was asked it may answer in its own time, however busy the machine is.
        let files = Files::new().set("timeouts", "drain", "\"20s\"");
        let edge = asleep(files, &address, "revision = \"1\"");
        let first = answer(&mut edge.connect(), "a.test").text().trim().to_owned();
        write(
            &edge,
            &address,
            "revision = \"2\"\nenvironment = { MODE = \"late:0.7\" }",
            "\"a.test\", \"b.test\"",
        );
        wait::until("the change", || {
            edge.log().contains("addresses wait for its new revision").then_some(())
        });
        assert_eq!(answer(&mut edge.connect(), "b.test").status(), 404, "{address}: too early");
        assert_eq!(edge.account()["awaited"], serde_json::json!(["web"]));
        let second = wait::until("the new address", || {
            let old = answer(&mut edge.connect(), "a.test");
            assert_eq!(old.status(), 200, "{address}: {}", old.text());
            let new = answer(&mut edge.connect(), "b.test");
            (new.status() != 404).then_some(new)
        });
        assert_eq!(second.status(), 200, "{}", second.text());
        assert_ne!(second.text().trim(), first, "{address}: answered by the old revision");
        assert_eq!(edge.account()["awaited"], serde_json::json!([]));
        assert_eq!(edge.starts().len(), 2);
    }
}

/// Where the new one comes to nothing the sites stay as they are, whatever else the document says; a revision that is
/// mended takes its place.
#[test]
fn a_revision_that_fails_leaves_the_old_addresses() {
    let edge = sleeping("auto", "revision = \"1\"");
    let first = answer(&mut edge.connect(), "a.test").text().to_owned();
    let failing = "revision = \"2\"\nenvironment = { MODE = \"fail\" }";
    write(&edge, "auto", failing, "\"b.test\"");
    edge.told("web: Upstream starting failed: /usr/bin/perl server.pl (return code: 1)");
    for _ in 0..3 {
        assert_eq!(answer(&mut edge.connect(), "a.test").text(), first);
        assert_eq!(answer(&mut edge.connect(), "b.test").status(), 404);
    }
    // Written again, with something else changed: the same revision has not become ready.
    write(&edge, "auto", &format!("{failing}\nidle_time = \"never\""), "\"b.test\"");
    wait::until("the change", || (edge.log().matches("addresses wait for").count() == 2).then_some(()));
    assert_eq!(answer(&mut edge.connect(), "a.test").text(), first);
    assert_eq!(answer(&mut edge.connect(), "b.test").status(), 404);
    write(&edge, "auto", "revision = \"3\"\nenvironment = { MODE = \"\" }", "\"b.test\"");
    let mended = wait::until("the new address", || {
        let new = answer(&mut edge.connect(), "b.test");
        (new.status() != 404).then_some(new)
    });
    assert_eq!(mended.status(), 200);
    assert_ne!(mended.text(), first);
    assert_eq!(answer(&mut edge.connect(), "a.test").status(), 404, "it is not in the document any more");
}

/// Nothing runs, so nothing is waited for: who comes by the new address has it started.
#[test]
fn addresses_of_a_sleeping_program_go_live_at_once() {
    let edge = sleeping("auto", "revision = \"1\"");
    write(&edge, "auto", "revision = \"2\"", "\"a.test\", \"b.test\"");
    wait::until("the new address", || (answer(&mut edge.connect(), "b.test").status() == 200).then_some(()));
    assert_eq!(edge.starts().len(), 1);
}

/// The same where it renews itself by a signal: an answer of before that is none, and one that does not come back from it
/// is replaced by another, with which they go live.
#[test]
fn addresses_wait_for_the_answer_after_the_signal() {
    let lines = |revision: u32, mode: &str| {
        format!(
            "hot_restart = \"SIGUSR2\"\nready_path = \"/\"\nstart_timeout = \"4s\"\nstop_timeout = \"100ms\"\n\
             revision = \"{revision}\"\nenvironment = {{ MODE = \"{mode}\" }}"
        )
    };
    let edge = sleeping("auto", &lines(1, "renews and hangs"));
    let first = answer(&mut edge.connect(), "a.test").text().trim().to_owned();
    write(&edge, "auto", &lines(2, "renews and hangs"), "\"a.test\", \"b.test\"");
    let new = wait::until("the new address", || {
        let new = answer(&mut edge.connect(), "b.test");
        (new.status() != 404).then_some(new)
    });
    assert_eq!(new.status(), 200, "{}", new.text());
    assert_ne!(new.text().trim(), first, "answered by one that hangs");
    assert!(!edge.log().contains("renewed"));
}

/// Two instances share a port: that somebody accepts there says nothing of the new one. Where control groups tell them
/// apart it is ready when it listens itself.
#[test]
fn one_that_shares_its_port_is_ready_when_it_listens_itself() {
    let Some(cgroup) = ControlGroup::new("shares") else { return };
    let (address, root) = (own_address().to_string(), format!("{:?}", cgroup.path()));
    let lines = |mode: &str| format!("overlap = true\nenvironment = {{ MODE = \"{mode}\" }}");
    let edge = asleep(Files::new().set("launcher", "cgroup_root", &root), &address, &lines("shares"));
    let first = answer(&mut edge.connect(), "a.test").text().trim().to_owned();
    let lines = format!("{}\nrevision = \"2\"", lines("shares, gate"));
    write(&edge, &address, &lines, "\"a.test\", \"b.test\"");
    wait::until("a second one", || (edge.starts().len() == 2).then_some(()));
    // More than enough for an answer of the first to be taken for one of the second.
    for _ in 0..20 {
        let mut raw = edge.connect();
        assert_eq!(answer(&mut raw, "a.test").text().trim(), first);
        assert_eq!(answer(&mut raw, "b.test").status(), 404);
        assert!(raw.is_quiet_for(Duration::from_millis(20)));
    }
    assert_eq!(edge.status()["state"], "restarting");
    edge.write_file("home/gate", "");
    let second = edge.starts()[1].parse::<u32>().expect("a process");
    wait::until("the second one", || (edge.status()["pid"] == second).then_some(()));
    wait::until("the first to be gone", || (!runs(&first)).then_some(()));
    let moved = answer(&mut edge.connect(), "b.test");
    assert_eq!((moved.status(), moved.text().trim()), (200, second.to_string().as_str()));
}

/// Writes the account's document with these addresses.
fn write(edge: &Asleep, address: &str, lines: &str, addresses: &str) {
    edge.write_document("alice", &document(edge, address, lines).replace("\"a.test\"", addresses));
}

fn answer(raw: &mut Raw, host: &str) -> Message {
    raw.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).response()
}
