//! The files of logs: who writes which, and what becomes of them when a disk fails.

use crate::support::edge::Files;
use crate::support::program::{Disk, run};
use crate::support::{Edge, Origin, Raw, account, wait};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Sites of one account write files of their own; what no site has goes to the account's first.
#[test]
fn sites_write_files_of_their_own() {
    let origin = Origin::saying("here");
    let document = account("\"a.test/app\"", &origin.address())
        + "[[site]]\nname = \"shop\"\naddresses = [\"shop.test\"]\nupstream = \"web\"\nlog_file = \"shop\"\n";
    let edge = Files::new()
        .set("logs", "http", "\"{account}/http/{file}.log\"")
        .document("alice", &document)
        .start();
    let mut raw = edge.connect();
    for (host, path) in [("a.test", "/app"), ("shop.test", "/b"), ("a.test", "/none")] {
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).response();
    }
    let [http, shop] = ["http", "shop"].map(|file| format!("alice/http/{file}.log"));
    wait::until("the lines", || (lines(&edge, &http).len() + lines(&edge, &shop).len() == 3).then_some(()));
    assert!(lines(&edge, &shop)[0].starts_with("shop.test "));
    let first: Vec<_> =
        lines(&edge, &http).iter().map(|line| line.split('"').nth(1).unwrap_or("").to_owned()).collect();
    assert_eq!(first, ["GET /app HTTP/1.1", "GET /none HTTP/1.1"]);
}

/// Finished days are compressed and old ones deleted, as the node file and the accounts say, as soon as it says so.
#[test]
fn old_days_are_put_away() {
    let never = "[logs]\nretention = \"never\"\n";
    let mut files = Files::new()
        .set("logs", "http", "\"{account}/http/{date}.log\"")
        .set("logs", "gzip", "false")
        .document("alice", &account("\"a.test\"", "127.0.0.1:9"))
        .document("bob", &format!("{never}{}", account("\"b.test\"", "127.0.0.1:9")));
    let days = [3, 29, 33, 400].map(|days| {
        let day = jiff::Zoned::now().checked_sub(jiff::SignedDuration::from_hours(24 * days));
        day.expect("a day").strftime("%Y-%m-%d").to_string()
    });
    for name in ["alice", "bob", "gone"] {
        for day in &days {
            files = files.file(&format!("logs/{name}/http/{day}.log"), &format!("{name} on {day}\n"));
            settle(&files.path().join(format!("logs/{name}/http/{day}.log")));
        }
    }
    // What is not the node's to put away.
    for other in ["logs/alice/http/notes.log", "logs/alice/notes-2001-01-01.log"] {
        files = files.file(other, "mine\n");
        settle(&files.path().join(other));
    }
    let edge = files.start();
    let node = fs::read_to_string(edge.path().join("parvis.toml")).expect("the node file");
    edge.write_file("parvis.toml", &node.replace("gzip = false", "gzip = true\nretention = \"30d\""));
    assert!(edge.command(&["reload"]).status.success());
    edge.expect_log("old logs were put away compressed=8 deleted=4 failed=0");
    let found = |name: &str| {
        let mut names: Vec<_> = fs::read_dir(edge.path().join("logs").join(name).join("http"))
            .expect("a directory")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
            .collect();
        names.sort_unstable();
        names
    };
    let zipped = |days: &[String]| {
        let mut names: Vec<_> = days.iter().map(|day| format!("{day}.log.gz")).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(found("alice"), [&zipped(&days[..2])[..], &["notes.log".to_owned()]].concat());
    assert_eq!(found("bob"), zipped(&days));
    assert_eq!(found("gone"), zipped(&days[..2]));
    assert!(edge.path().join("logs/alice/notes-2001-01-01.log").exists());
    let log = edge.path().join(format!("logs/bob/http/{}.log.gz", days[3]));
    let text = run(Command::new("gzip").args(["--decompress", "--stdout"]).arg(log));
    assert_eq!(text, format!("bob on {}\n", days[3]));
}

/// Nobody has written it for an hour.
fn settle(path: &Path) {
    let hour_ago = SystemTime::now() - Duration::from_hours(1);
    fs::File::options().write(true).open(path).and_then(|file| file.set_modified(hour_ago)).expect("a log");
}

/// A full disk costs lines, and no request waits for it. When there is room again, the node's log and the customer's tell how many
/// lines are missing, and why.
#[test]
fn a_full_disk_slows_nobody_and_is_told() {
    let origin = Origin::saying("here");
    let files = plain_files().document("alice", &account("\"a.test\"", &origin.address()));
    let Some(disk) = Disk::over(&files.path().join("logs"), 64, "logs on a full disk") else { return };
    let edge = files.start();
    let mut raw = edge.connect();
    let mut asked = 0;
    wait::until("lost lines", || {
        asked += ask_quickly(&mut raw, "a.test", 20);
        (counted(&edge, "lost") > 0).then_some(())
    });
    edge.expect_log("log cannot be written path=\"alice/http.log\"");
    edge.expect_log("No space left on device");
    asked += ask_quickly(&mut raw, "a.test", 50);
    disk.change("size=16m");
    asked += until_written_again(&edge, &mut raw, "a.test");
    let lost = all_counted(&edge, asked + 1);
    let told =
        format!(" access log: {lost} lines of \"http\" are missing: No space left on device (os error 28)");
    let site_log = wait::until("the site log", || {
        Some(lines(&edge, "alice/sites.log")).filter(|lines| !lines.is_empty())
    });
    assert!(site_log.len() == 1 && site_log[0].ends_with(&told), "{site_log:?}: {lost}");
    drop(edge);
}

/// A directory that nobody may write to is the same.
#[test]
fn a_read_only_disk_slows_nobody_and_is_told() {
    let origin = Origin::saying("here");
    let files = plain_files().document("alice", &account("\"a.test\"", &origin.address()));
    let Some(disk) = Disk::over(&files.path().join("logs"), 1024, "logs on a read-only disk") else { return };
    let edge = files.start();
    disk.change("ro");
    let mut raw = edge.connect();
    let mut asked = ask_quickly(&mut raw, "a.test", 50);
    edge.expect_log("Read-only file system");
    disk.change("rw");
    asked += until_written_again(&edge, &mut raw, "a.test");
    let lost = all_counted(&edge, asked + 1);
    let told =
        format!(" access log: {lost} lines of \"http\" are missing: Read-only file system (os error 30)");
    assert!(lines(&edge, "alice/sites.log")[0].ends_with(&told), "{lost}");
    drop(edge);
}

/// So is one that is removed under way; its files are made anew when it is there again.
#[test]
fn a_removed_directory_slows_nobody_and_is_told() {
    let origin = Origin::saying("here");
    let edge = plain_files().document("alice", &account("\"a.test\"", &origin.address())).start();
    let mut raw = edge.connect();
    let mut asked = ask_quickly(&mut raw, "a.test", 1);
    wait::until("the first line", || (lines(&edge, "alice/http.log").len() == 1).then_some(()));
    fs::remove_dir_all(edge.path().join("logs")).expect("a directory");
    asked += ask_quickly(&mut raw, "a.test", 50);
    edge.expect_log("log cannot be written");
    wait::until("lost lines", || (counted(&edge, "lost") > 0).then_some(()));
    fs::create_dir(edge.path().join("logs")).expect("a directory");
    asked += until_written_again(&edge, &mut raw, "a.test");
    let lost = all_counted(&edge, asked + 1);
    assert!(lines(&edge, "alice/sites.log")[0].contains(&format!(" access log: {lost} lines of")), "{lost}");
    assert_eq!(lines(&edge, "alice/http.log").len() as u64 + lost, asked - 1);
}

/// A directory that is not there is named, and what is lost is counted.
#[test]
fn a_wrong_directory_is_named() {
    let origin = Origin::saying("here");
    let files = plain_files().set("logs", "directory", "\"absent\"");
    // Before anything is lost: by whoever checks, and at the start.
    let check = files.command(&["check"]);
    let warned = String::from_utf8(check.stderr).expect("text");
    assert!(
        check.status.success()
            && warned.contains("absent: No such file or directory (os error 2): its lines are lost")
    );
    let edge = files.document("alice", &account("\"a.test\"", &origin.address())).start();
    edge.expect_log("absent: No such file or directory (os error 2): its lines are lost until it is there");
    let mut raw = edge.connect();
    let asked = ask_quickly(&mut raw, "a.test", 3);
    wait::until("lost lines", || (counted(&edge, "lost") == asked).then_some(()));
    wait::until("its name", || {
        let log = edge.log();
        let mut lines = log.lines().filter(|line| line.contains("log cannot be written"));
        lines.find(|line| line.contains("absent") && line.contains("No such file or directory")).map(drop)
    });
    // A reload says what it changed, and what is still wrong.
    let reload = || String::from_utf8(edge.command(&["reload"]).stdout).expect("text");
    let node = fs::read_to_string(edge.path().join("parvis.toml")).expect("the node file");
    edge.write_file("parvis.toml", &node.replace("[timeouts]\n", "[timeouts]\nconnect = \"3s\"\n"));
    let said = reload();
    assert!(said.contains("[timeouts]") && said.contains("its lines are lost until it is there"), "{said}");
    assert!(!said.contains("certificates") && !said.contains("[logs]"), "{said}");
}

/// Whoever may write where their logs are leads the node nowhere else, and holds nobody up.
#[test]
fn links_and_pipes_get_no_line() {
    let origin = Origin::saying("here");
    let files = plain_files();
    let logs = files.path().join("logs");
    fs::create_dir(files.path().join("elsewhere")).expect("a directory");
    symlink(files.path().join("elsewhere"), logs.join("mallory")).expect("a link");
    fs::create_dir(logs.join("trudy")).expect("a directory");
    nix::unistd::mkfifo(&logs.join("trudy/http.log"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let edge = ["mallory", "trudy", "alice"]
        .into_iter()
        .fold(files, |files, name| {
            files.document(name, &account(&format!("\"{name}.test\""), &origin.address()))
        })
        .start();
    let mut raw = edge.connect();
    for name in ["mallory", "trudy", "alice"] {
        ask_quickly(&mut raw, &format!("{name}.test"), 1);
    }
    wait::until("the lines", || {
        (counted(&edge, "lost") == 2 && counted(&edge, "written") == 1).then_some(())
    });
    edge.expect_log("path=\"mallory/http.log\"");
    edge.expect_log("path=\"trudy/http.log\"");
    assert_eq!(fs::read_dir(edge.path().join("elsewhere")).expect("a directory").count(), 0);
    assert_eq!(lines(&edge, "alice/http.log").len(), 1);
}

/// What a container's user reads: the access log as it is, and lines of site logs that are told apart from it.
#[test]
fn standard_output_has_both_logs() {
    let origin = Origin::saying("here");
    let gone = "127.0.0.1:1";
    let edge = plain_files()
        .set("logs", "output", "\"stdout\"")
        .stdout_to("stdout")
        .document("alice", &account("\"a.test\"", &origin.address()))
        .document("bob", &account("\"b.test\"", gone))
        .document(
            "eve",
            &(account("\"e.test\"", &origin.address()) + "log_format = \"site:bob {status} web: mine\"\n"),
        )
        .start();
    let mut raw = edge.connect();
    for host in ["a.test", "b.test", "e.test"] {
        raw.send(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n")).response();
    }
    let mut said: Vec<String> = wait::until("four lines", || {
        let text = fs::read_to_string(edge.path().join("stdout")).expect("standard output");
        (text.lines().count() == 4).then(|| text.lines().map(str::to_owned).collect())
    });
    said.sort_unstable();
    assert!(said[0].starts_with("a.test 127.0.0.1 - - ["), "{said:?}");
    // Nobody writes a line of somebody else's site log.
    assert_eq!(said[1], "access:eve site:bob 200 web: mine");
    assert!(said[2].starts_with("b.test 127.0.0.1 - - ["), "{said:?}");
    assert!(said[3].starts_with("site:bob 20") && said[3].contains(" web: Request failed: "), "{said:?}");
    assert_eq!(fs::read_dir(edge.path().join("logs")).expect("a directory").count(), 0);
}

/// A file of each log, whatever the day.
fn plain_files() -> Files {
    Files::new().set("logs", "http", "\"{account}/{file}.log\"").set(
        "logs",
        "sites",
        "\"{account}/sites.log\"",
    )
}

/// Asks so often, with requests that make long lines, none of which takes long: how often that was.
#[track_caller]
fn ask_quickly(raw: &mut Raw, host: &str, times: u64) -> u64 {
    let path = "x".repeat(2000);
    for _ in 0..times {
        let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let (response, took) = wait::timed(|| raw.send(request).response());
        assert_eq!(response.text(), "here");
        assert!(took < LONGEST, "{took:?}");
    }
    times
}

/// Asks until the node's log says that the log is written again: how often that was.
#[track_caller]
fn until_written_again(edge: &Edge, raw: &mut Raw, host: &str) -> u64 {
    let mut asked = 0;
    wait::until("the log to be written again", || {
        asked += ask_quickly(raw, host, 1);
        edge.log().contains("log is written again").then_some(())
    });
    asked
}

/// Waits until what became of so many lines is counted: how many of them were lost.
#[track_caller]
fn all_counted(edge: &Edge, lines: u64) -> u64 {
    wait::until("every line to be counted", || {
        let lost = counted(edge, "lost");
        assert_eq!(counted(edge, "dropped"), 0);
        (lost + counted(edge, "written") == lines).then_some(lost)
    })
}

/// Log lines with this result, as the metrics count them.
fn counted(edge: &Edge, result: &str) -> u64 {
    let mut raw = Raw::clear(edge.listener("127.0.0.1", "metrics"));
    let page = raw.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").response().text().to_owned();
    let series = format!("parvis_access_log_lines_total{{result=\"{result}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap_or_else(|| panic!("{page}"))
}

/// The lines of a file below the logs' directory, none where it is not there yet.
fn lines(edge: &Edge, file: &str) -> Vec<String> {
    let text = fs::read_to_string(edge.path().join("logs").join(file)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What nobody would call slow, on a machine that does much else: a write to a disk that hangs takes longer.
const LONGEST: Duration = Duration::from_secs(2);
