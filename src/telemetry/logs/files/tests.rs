//! Files that appear, fill up, break, rest and are deleted.

use super::*;
use crate::base;
use crate::config::Logs;
use crate::telemetry::logs::entry::Log;
use jiff::tz::TimeZone;
use std::fs;

const NOON: i64 = 1_773_489_600; // 2026-03-14 12:00 UTC

fn files(directory: &Path, template: &str) -> LogFiles {
    let logs = Logs { http: template.into(), ..Logs::default() };
    LogFiles::new(directory.to_owned(), Templates::parse(&logs).unwrap(), LocalTime::new(TimeZone::UTC))
}

fn entry<'a>(account: &'a str, line: &'a str) -> Entry<'a> {
    Entry { log: Log::Access, seconds: NOON, account, file: "http", line: line.as_bytes() }
}

fn written(lines: u64) -> Outcome {
    Outcome { written: lines, ..Outcome::default() }
}

#[test]
fn the_path_follows_the_date_of_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let now = base::now();
    let mut files = files(directory.path(), "{account}/http/{year}/{file}-{date}.log");
    for (seconds, line) in
        [(NOON + 43_199, "before\n"), (NOON + 43_200, "after\n"), (NOON + 43_199, "late\n")]
    {
        assert_eq!(files.take(&Entry { seconds, ..entry("alice", line) }, now), Outcome::default());
    }
    assert_eq!(files.flush(now), written(3));
    let read = |path: &str| fs::read_to_string(directory.path().join("alice/http/2026").join(path)).unwrap();
    assert_eq!(read("http-2026-03-14.log"), "before\nlate\n");
    assert_eq!(read("http-2026-03-15.log"), "after\n");
}

/// Of a disk that was full: whoever opens the file next does not know what was written last.
#[test]
fn what_follows_half_a_line_begins_a_line() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("alice")).unwrap();
    let path = directory.path().join("alice/http.log");
    let now = base::now();
    for (before, after) in
        [("whole\nhalf", "whole\nhalf\nline\n"), ("whole\n", "whole\nline\n"), ("", "line\n")]
    {
        fs::write(&path, before).unwrap();
        let mut files = files(directory.path(), "{account}/http.log");
        files.take(&entry("alice", "line\n"), now);
        assert_eq!(files.flush(now), written(1));
        assert_eq!(fs::read_to_string(&path).unwrap(), after);
    }
}

/// Somebody makes room and reloads: what was lost until then is told all the same.
#[test]
fn a_reload_forgets_no_loss() {
    let directory = tempfile::tempdir().unwrap();
    let now = base::now();
    let absent = directory.path().join("logs");
    let mut old = files(&absent, "{account}/http.log");
    old.take(&entry("alice", "one\ntwo\n"), now);
    assert_eq!(old.flush(now).lost, 2);
    fs::create_dir(&absent).unwrap();
    let mut files = files(&absent, "{account}/http.log");
    files.inherit(old, now);
    files.take(&entry("alice", "three\n"), now);
    // And a line in the site log.
    assert_eq!(files.flush(now), written(2));
    let told = fs::read_to_string(absent.join("alice/sites/2026-03-14.log")).unwrap();
    assert!(told.contains("access log: 2 lines of \"http\" are missing: No such file"), "{told}");
}

#[test]
fn each_log_has_a_path_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let now = base::now();
    let mut files = files(directory.path(), "{account}/http.log");
    let site = |seconds, line| Entry { log: Log::Site, seconds, ..entry("alice", line) };
    for entry in [
        entry("alice", "access\n"),
        site(NOON + 43_199, "before\n"),
        site(NOON + 43_200, "after\n"),
        site(NOON + 43_198, "the clock was set back\n"),
    ] {
        assert_eq!(files.take(&entry, now), Outcome::default());
    }
    assert_eq!(files.flush(now), written(4));
    let read = |path: &str| fs::read_to_string(directory.path().join("alice").join(path)).unwrap();
    assert_eq!(read("http.log"), "access\n");
    assert_eq!(read("sites/2026-03-14.log"), "before\nthe clock was set back\n");
    assert_eq!(read("sites/2026-03-15.log"), "after\n");
}

#[test]
fn few_files_are_open_however_many_accounts_write() {
    let directory = tempfile::tempdir().unwrap();
    let now = base::now();
    let mut files = files(directory.path(), "{account}.log");
    let mut lines = 0;
    for round in 0..3 {
        for account in 0..1000 {
            lines += files.take(&entry(&format!("a{account}"), &format!("{round}\n")), now).written;
            assert!(files.files.len() <= MOST_FILES);
        }
        lines += files.flush(now).written;
    }
    assert_eq!(lines, 3000);
    for account in 0..1000 {
        assert_eq!(
            fs::read_to_string(directory.path().join(format!("a{account}.log"))).unwrap(),
            "0\n1\n2\n"
        );
    }
}

#[test]
fn a_directory_that_appears_later_is_used_then() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("logs");
    let now = base::now();
    let mut files = files(&directory, "{account}.log");
    files.take(&entry("alice", "lost\n"), now);
    let lost = |lost| Outcome { lost, error: Some(Errno::NOENT), ..Outcome::default() };
    assert_eq!(files.flush(now), lost(1));
    fs::create_dir(&directory).unwrap();
    files.take(&entry("alice", "too early\n"), now);
    assert_eq!(files.flush(now), Outcome { lost: 1, ..Outcome::default() });
    files.take(&entry("alice", "kept\n"), now);
    assert_eq!(files.flush(now + RETRY_AFTER), written(2));
    assert_eq!(fs::read_to_string(directory.join("alice.log")).unwrap(), "kept\n");
    // Whose log it is learns what is missing, in their own log.
    assert_eq!(
        fs::read_to_string(directory.join("alice/sites/2026-03-14.log")).unwrap(),
        "2026-03-14T12:00:00+00:00 access log: 2 lines of \"http\" are missing: No such file or directory (os error 2)\n"
    );
}

#[test]
fn one_account_s_broken_place_is_its_own() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("bob"), "a file where a directory should be").unwrap();
    let now = base::now();
    let mut files = files(directory.path(), "{account}/{file}.log");
    for account in ["alice", "bob", "carol", ".."] {
        let lost = files.take(&entry(account, "line\n"), now).lost;
        assert_eq!(lost, u64::from(account == ".."));
    }
    let outcome = files.flush(now);
    assert_eq!((outcome.written, outcome.lost), (2, 1));
    let below = fs::read_dir(directory.path()).unwrap().count();
    assert_eq!((below, fs::read_dir(directory.path().join("alice")).unwrap().count()), (3, 1));
}

#[test]
fn a_full_disk_is_counted_and_survived() {
    let directory = tempfile::tempdir().unwrap();
    let now = base::now();
    let mut files = files(directory.path(), "{account}.log");
    files.take(&entry("alice", "one\n"), now);
    files.flush(now);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for file in files.files.values_mut() {
        file.file = Some(full.try_clone().unwrap());
    }
    files.take(&entry("alice", "two\nthree\n"), now);
    assert_eq!(files.flush(now), Outcome { written: 0, lost: 2, error: Some(Errno::NOSPC) });
    files.take(&entry("alice", "four\n"), now);
    assert_eq!(files.flush(now + RETRY_AFTER), written(2));
    assert_eq!(fs::read_to_string(directory.path().join("alice.log")).unwrap(), "one\nfour\n");
    let told = fs::read_to_string(directory.path().join("alice/sites/2026-03-14.log")).unwrap();
    assert!(told.contains(" access log: 2 lines of \"http\" are missing: No space left on device"), "{told}");
}

#[test]
fn lines_for_a_file_that_is_deleted_meanwhile_are_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let now = base::now();
    let mut files = files(directory.path(), "{account}.log");
    let path = directory.path().join("alice.log");
    for line in ["one\n", "two\n", "three\n"] {
        files.take(&entry("alice", line), now);
        assert_eq!(files.flush(now), written(1));
        assert_eq!(fs::read_to_string(&path).unwrap(), line);
        fs::remove_file(&path).unwrap();
    }
}

/// A disk that is full for very many accounts: each learns what it lacks, however few files are remembered.
#[test]
fn ten_thousand_accounts_lose_lines_and_are_told_of_each() {
    // In memory: the disk of a test machine would keep other tests waiting.
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let logs = directory.path().join("logs");
    let mut files = files(&logs, "{account}.log");
    let now = base::now();
    let mut sum = Outcome::default();
    let line = |files: &mut LogFiles, account: usize, now| {
        let outcome = files.take(&entry(&format!("a{account}"), "line\n"), now);
        assert!(files.files.len() <= MOST_FILES);
        outcome
    };
    for account in 0..10_000 {
        sum.add(line(&mut files, account, now));
    }
    sum.add(files.sweep(now));
    assert_eq!((sum.written, sum.lost), (0, 10_000));
    fs::create_dir(&logs).unwrap();
    let mut sum = Outcome::default();
    for account in 0..10_000 {
        sum.add(line(&mut files, account, now + RETRY_AFTER));
    }
    sum.add(files.flush(now + RETRY_AFTER));
    assert_eq!((sum.written, sum.lost), (20_000, 0));
    for account in 0..10_000 {
        assert_eq!(fs::read_to_string(logs.join(format!("a{account}.log"))).unwrap(), "line\n");
        let told = fs::read_to_string(logs.join(format!("a{account}/sites/2026-03-14.log"))).unwrap();
        assert!(told.contains("access log: 1 line of \"http\" is missing: "), "{told}");
    }
}

#[test]
fn resting_files_are_closed_and_deleted_ones_opened_anew() {
    let directory = tempfile::tempdir().unwrap();
    let now = base::now();
    let mut files = files(directory.path(), "{account}.log");
    let line = |files: &mut LogFiles, account, text| {
        files.take(&entry(account, text), now);
        files.flush(now);
    };
    line(&mut files, "alice", "one\n");
    line(&mut files, "bob", "one\n");
    files.sweep(now);
    line(&mut files, "alice", "two\n");
    fs::remove_file(directory.path().join("alice.log")).unwrap();
    files.sweep(now);
    assert_eq!(files.files.len(), 1, "bob rests");
    line(&mut files, "alice", "three\n");
    line(&mut files, "bob", "two\n");
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!((read("alice.log"), read("bob.log")), ("three\n".into(), "one\ntwo\n".into()));
}
