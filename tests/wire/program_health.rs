//! Programs that renew themselves by a signal, and programs that take connections and answer nobody.

use crate::programs::{Asleep, document, get, runs, sleeping};
use crate::support::wait;
use std::time::Duration;

/// By the command and by a new revision: the same process goes on, and each signal arrives.
#[test]
fn a_program_that_renews_itself_is_told_to_and_stays() {
    let lines = |revision: u32| {
        format!(
            "hot_restart = \"SIGUSR2\"\nready_path = \"/\"\nrevision = \"{revision}\"\nenvironment = {{ MODE = \"renews\" }}"
        )
    };
    for address in ["auto".to_owned(), crate::support::program::own_address().to_string()] {
        let edge = sleeping(&address, &lines(0));
        let pid = get(&mut edge.connect(), "/").text().trim().to_owned();
        for revision in 1..=4 {
            if revision % 2 == 0 {
                assert!(edge.command(&["restart", "alice/web"]).status.success());
            } else {
                edge.write_document("alice", &document(&edge, &address, &lines(revision)));
            }
            wait::until("it to have renewed itself", || {
                let answer = get(&mut edge.connect(), "/renewals");
                assert_eq!(answer.status(), 200);
                (answer.text() == format!("{pid} {revision}\n")).then_some(())
            });
            wait::until("that to be told", || {
                (edge.status()["state"] == "ready" && edge.status()["starts"] == 1).then_some(())
            });
        }
        assert_eq!(edge.starts(), [pid.as_str()]);
        edge.told(&format!("web: Upstream renewed by its signal (pid {pid})"));
        // No signal brings another environment.
        let changed = document(&edge, &address, &lines(9).replace("MODE =", "COLOUR = \"red\", MODE ="));
        edge.write_document("alice", &changed);
        wait::until("a new instance", || (get(&mut edge.connect(), "/").text().trim() != pid).then_some(()));
        assert!(get(&mut edge.connect(), "/env").text().contains("COLOUR=red"));
    }
}

/// One that does not survive its signal, and one that hangs after it: another takes its place.
#[test]
fn a_program_that_does_not_come_back_from_its_signal_is_replaced() {
    for (mode, told) in [
        ("renews and hangs", "web: Upstream restarting: not ready 1s after its signal: it is replaced"),
        ("", "web: Upstream ended by itself: /usr/bin/perl server.pl (signal: SIGUSR2 (12))"),
    ] {
        let edge = sleeping(
            "auto",
            &format!(
                "hot_restart = \"SIGUSR2\"\nready_path = \"/\"\nstart_timeout = \"1s\"\nstop_timeout = \"100ms\"\n\
                 environment = {{ MODE = \"{mode}\" }}"
            ),
        );
        let before = get(&mut edge.connect(), "/").text().trim().to_owned();
        assert!(edge.command(&["restart", "alice/web"]).status.success());
        edge.told(told);
        assert!(!edge.log().contains("renewed"), "an answer of before its signal is none");
        wait::until("another", || (pid(&edge) != before && edge.status()["state"] == "ready").then_some(()));
        assert_eq!(get(&mut edge.connect(), "/").status(), 200);
    }
}

/// Requests that get no answer in their time show it, in the status and in the log; nobody is restarted for it where the
/// document does not say so.
#[test]
fn a_program_that_answers_nobody_is_told_of() {
    let edge = hanging("");
    let (before, started) = (pid(&edge), edge.starts());
    let mut raw = edge.connect();
    raw.send("GET /hang HTTP/1.1\r\nHost: a.test\r\n\r\n");
    wait::until("it to owe an answer", || (edge.status()["unanswered"] == 1).then_some(()));
    assert!(edge.status()["hangs_seconds"].is_null(), "it may be at work");
    let answer = raw.response();
    assert_eq!((answer.status(), answer.word()), (504, "timed_out"));
    wait::until("it to be told", || edge.status()["hangs_seconds"].is_u64().then_some(()));
    edge.told("web: Upstream hangs: it has answered nobody for ");
    edge.expect_log("Upstream hangs: it has answered nobody for ");
    assert_eq!((pid(&edge), edge.starts()), (before, started));
}

#[test]
fn a_program_that_hangs_for_too_long_is_restarted() {
    for lines in ["hang_timeout = \"1s\"", "hang_timeout = \"1s\"\noverlap = false"] {
        let edge = hanging(&format!("{lines}\nstop_timeout = \"100ms\""));
        let before = pid(&edge);
        let mut raw = edge.connect();
        raw.send("GET /hang HTTP/1.1\r\nHost: a.test\r\n\r\n");
        wait::until("it to owe an answer", || (edge.status()["unanswered"] == 1).then_some(()));
        // Whoever comes meanwhile waits with it, and those who come after are answered by another.
        let answer = wait::until("another", || {
            let answer = get(&mut edge.connect(), "/");
            (answer.status() == 200).then(|| answer.text().trim().to_owned())
        });
        assert_ne!(answer, before);
        edge.told("web: Upstream restarting: it hangs, for more than 1s");
        wait::until("the one that hung to be gone", || (!runs(&before)).then_some(()));
        assert_eq!(edge.starts().len(), 2);
    }
}

/// A program that is slow to one and answers its `ready_path` all the same is none that hangs.
#[test]
fn a_program_that_answers_its_ready_path_is_left_alone() {
    let edge = hanging("hang_timeout = \"1s\"\nready_path = \"/\"\nhealth_interval = \"1s\"");
    let before = pid(&edge);
    let mut raw = edge.connect();
    raw.send("GET /stall HTTP/1.1\r\nHost: a.test\r\n\r\n");
    wait::until("it to owe an answer for long", || {
        (edge.status()["unanswered_seconds"].as_u64() >= Some(3)).then_some(())
    });
    assert!(raw.is_quiet_for(Duration::from_secs(2)));
    assert!(edge.status()["hangs_seconds"].is_null());
    assert_eq!(pid(&edge), before);
}

/// Though nobody visits it: it is asked, and restarted.
#[test]
fn a_program_that_hangs_while_nobody_asks_is_found_by_asking() {
    let edge = hanging(
        "hang_timeout = \"1s\"\nready_path = \"/\"\nhealth_interval = \"1s\"\nstop_timeout = \"100ms\"",
    );
    let before = pid(&edge);
    let mut raw = edge.connect();
    raw.send("GET /hang HTTP/1.1\r\nHost: a.test\r\n\r\n");
    wait::until("it to owe an answer", || (edge.status()["unanswered"] == 1).then_some(()));
    raw.reset();
    wait::until("another", || (pid(&edge) != before).then_some(()));
    edge.told("web: Upstream hangs: it has answered nobody for ");
    assert_eq!(get(&mut edge.connect(), "/").status(), 200);
}

/// It was sick for a while, and nobody restarts it for that once it is well again: not where it is asked all the time, and
/// not where it is asked in doubt alone.
#[test]
fn a_program_that_was_sick_and_is_well_again_is_left_alone() {
    for interval in ["1s", "never"] {
        let lines =
            format!("ready_path = \"/health\"\nhealth_interval = \"{interval}\"\nhang_timeout = \"1h\"");
        let edge = sleeping("auto", &lines);
        let text = format!("[timeouts]\nresponse_header = \"1s\"\n{}", document(&edge, "auto", &lines));
        edge.write_document("alice", &text);
        wait::until("the document", || edge.log().contains("document applied").then_some(()));
        assert_eq!(get(&mut edge.connect(), "/").status(), 200);
        let sick = edge.path().join("home/sick");
        std::fs::write(&sick, "").expect("our own files");
        assert_eq!(get(&mut edge.connect(), "/stall").word(), "timed_out");
        wait::until("it to hang", || edge.status()["hangs_seconds"].is_u64().then_some(()));
        std::fs::remove_file(&sick).expect("our own files");
        assert_eq!(get(&mut edge.connect(), "/").status(), 200);
        wait::until("it to be well", || edge.status()["hangs_seconds"].is_null().then_some(()));
        edge.told("web: Upstream answers again: it had not for ");
        assert_eq!(edge.starts().len(), 1, "{interval}");
    }
}

/// A status tells what a program uses.
#[test]
fn a_status_tells_what_a_program_uses() {
    let edge = hanging("");
    let status = edge.status();
    assert!(status["memory_bytes"].as_u64() > Some(1 << 20), "{status}");
    assert_eq!(status["memory_kills"], 0);
    assert_eq!(status["unanswered"], 0);
}

/// The process that serves.
fn pid(edge: &Asleep) -> String {
    edge.status()["pid"].to_string()
}

/// An edge with a program that runs, whose account gives an answer two seconds to begin.
fn hanging(lines: &str) -> Asleep {
    let timeouts = "[timeouts]\nresponse_header = \"2s\"\n";
    let edge = sleeping("auto", lines);
    let text = format!("{timeouts}{}", document(&edge, "auto", lines));
    // Where it is asked for its health it is not asked for anything else for long.
    let text = if lines.contains("ready_path") { text.replace("\"2s\"", "\"1m\"") } else { text };
    edge.write_document("alice", &text);
    wait::until("the document", || edge.log().contains("document applied").then_some(()));
    assert_eq!(get(&mut edge.connect(), "/").status(), 200);
    edge
}
