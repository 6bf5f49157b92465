//! Days that pass, by a clock that is moved, and files that are nobody's business.

use super::*;
use flate2::read::MultiGzDecoder;
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;

const NOON: Duration = Duration::from_secs(1_773_489_600); // 2026-03-14 12:00 UTC
const DAY: Duration = Duration::from_hours(24);

/// A directory of logs, and who looks after it.
struct Logged {
    directory: tempfile::TempDir,
    kept: Kept,
}

impl Logged {
    fn new(retention: Option<Duration>, gzip: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let logs = Logs {
            directory: Some(directory.path().to_owned()),
            http: "{account}/http/{year}/{file}-{date}.log".into(),
            sites: "{account}/sites/{date}.log".into(),
            gzip,
            retention: Retention(retention),
            ..Logs::default()
        };
        let kept = Kept::default();
        kept.set_places(Place::of_accounts(&logs, &TimeZone::UTC).unwrap().into_iter().collect());
        Self { directory, kept }
    }

    /// Writes a file, last at noon of the 14th.
    fn write(&self, path: &str) {
        let path = self.directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
        touch(&path, NOON);
    }

    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut directories = vec![self.directory.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    directories.push(entry.path());
                } else {
                    let below = entry.path().strip_prefix(self.directory.path()).unwrap().to_owned();
                    files.push(below.to_str().unwrap().to_owned());
                }
            }
        }
        files.sort();
        files
    }
}

fn touch(path: &Path, at: Duration) {
    let file = fs::File::open(path).unwrap();
    let time = rustix::fs::Timespec { tv_sec: i64::try_from(at.as_secs()).unwrap(), tv_nsec: 0 };
    rustix::fs::futimens(&file, &rustix::fs::Timestamps { last_access: time, last_modification: time })
        .unwrap();
}

#[test]
fn a_finished_day_is_compressed_an_hour_after_its_midnight() {
    let logged = Logged::new(None, true);
    let today = "alice/http/2026/http-2026-03-14.log";
    logged.write(today);
    logged.write("alice/sites/2026-03-14.log");
    for hours in [0, 11, 12] {
        assert_eq!(logged.kept.pass(NOON + Duration::from_hours(hours)), Done::default(), "{hours}");
    }
    assert_eq!(logged.kept.pass(NOON + Duration::from_hours(13)), Done { compressed: 2, ..Done::default() });
    assert_eq!(logged.files(), ["alice/http/2026/http-2026-03-14.log.gz", "alice/sites/2026-03-14.log.gz"]);
    let mut text = String::new();
    let file = fs::File::open(logged.directory.path().join(format!("{today}.gz"))).unwrap();
    MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    assert_eq!(text, "http-2026-03-14.log");
    assert_eq!(logged.kept.pass(NOON + 1000 * DAY), Done::default(), "kept for ever, and compressed once");
}

#[test]
fn what_is_still_written_is_left_for_another_time() {
    let logged = Logged::new(None, true);
    logged.write("alice/http/2026/http-2026-03-14.log");
    let late = NOON + Duration::from_hours(13);
    touch(&logged.directory.path().join("alice/http/2026/http-2026-03-14.log"), late);
    assert_eq!(logged.kept.pass(late + SETTLED / 2), Done::default());
    assert_eq!(logged.kept.pass(late + SETTLED).compressed, 1);
}

#[test]
fn each_account_has_its_logs_as_long_as_it_says() {
    let logged = Logged::new(Some(3 * DAY), true);
    let accounts = [("short", Some(DAY)), ("long", Some(30 * DAY)), ("ever", None)];
    logged.kept.set_accounts(Box::new(move |name| {
        accounts.iter().find(|(account, _)| *account == name).map(|(_, retention)| Retention(*retention))
    }));
    for account in ["short", "long", "ever", "gone", "_node"] {
        logged.write(&format!("{account}/http/2026/http-2026-03-14.log"));
    }
    let midnight = NOON + DAY / 2;
    let left = |at: Duration| {
        logged.kept.pass(at);
        let name = |file: String| file.split('/').next().unwrap().to_owned();
        logged.files().into_iter().map(name).collect::<Vec<_>>()
    };
    let second = Duration::from_secs(1);
    assert_eq!(left((midnight + DAY).saturating_sub(second)), ["_node", "ever", "gone", "long", "short"]);
    assert_eq!(left(midnight + DAY), ["_node", "ever", "gone", "long"]);
    assert_eq!(left((midnight + 3 * DAY).saturating_sub(second)), ["_node", "ever", "gone", "long"]);
    // Whoever is gone, and nobody, have what the node says.
    assert_eq!(left(midnight + 3 * DAY), ["ever", "long"]);
    assert_eq!(left(midnight + 30 * DAY), ["ever"]);
    assert_eq!(left(midnight + 3000 * DAY), ["ever"]);
}

/// The log of connections has days of its own, in UTC, and a retention that no account can change.
#[test]
fn connections_have_a_retention_of_their_own() {
    let logged = Logged::new(None, false);
    let legal = Legal { directory: logged.directory.path().to_owned(), retention: Retention(Some(2 * DAY)) };
    logged.kept.set_places(vec![Place::of_connections(&legal)]);
    logged.kept.set_accounts(Box::new(|_| Some(Retention(None))));
    logged.write("connections-2026-03-14.log");
    logged.write("other-2026-03-14.log");
    assert_eq!(logged.kept.pass(NOON + DAY / 2), Done::default());
    assert_eq!(logged.kept.pass(NOON + DAY).compressed, 1);
    assert_eq!(logged.files(), ["connections-2026-03-14.log.gz", "other-2026-03-14.log"]);
    assert_eq!(logged.kept.pass(NOON + 2 * DAY), Done::default());
    assert_eq!(logged.kept.pass(NOON + 3 * DAY).deleted, 1);
    assert_eq!(logged.files(), ["other-2026-03-14.log"]);
}

#[test]
fn what_no_template_made_is_never_touched() {
    let logged = Logged::new(Some(DAY), true);
    let foreign = [
        ".hidden/http/2020/http-2020-03-14.log",
        "alice/backup/2020-03-14.log",
        "alice/http/2020/deep/http-2020-03-14.log",
        "alice/http/2020/http-2020-03-14.log.bak",
        "alice/http/2020/http-2020-03-14.log.gz.gz",
        "alice/http/2020/http-2021-03-14.log",
        "alice/http/2020/notes.gz.tmp",
        "alice/http/2020/notes.txt",
        "alice/sites/2020-02-30.log",
        "http-2020-03-14.log",
    ];
    for path in foreign {
        logged.write(path);
    }
    assert_eq!(logged.kept.pass(NOON + 1000 * DAY), Done::default());
    assert_eq!(logged.files(), foreign);
}

#[test]
fn what_somebody_was_stopped_at_is_removed_once_it_rests() {
    let logged = Logged::new(None, true);
    logged.write("alice/http/2026/http-2026-03-14.log.gz.tmp");
    logged.kept.pass(NOON + SETTLED / 2);
    assert_eq!(logged.files(), ["alice/http/2026/http-2026-03-14.log.gz.tmp"]);
    logged.kept.pass(NOON + SETTLED);
    assert_eq!(logged.files(), [""; 0]);
}

#[test]
fn links_and_pipes_are_neither_followed_nor_opened_nor_deleted() {
    let logged = Logged::new(Some(DAY), true);
    let elsewhere = Logged::new(None, true);
    elsewhere.write("http/2026/http-2026-03-14.log");
    elsewhere.write("victim");
    let path = |path: &str| logged.directory.path().join(path);
    symlink(elsewhere.directory.path(), path("mallory")).unwrap();
    fs::create_dir_all(path("alice/http/2026")).unwrap();
    fs::create_dir_all(path("alice/sites/2026-03-14.log")).unwrap();
    symlink(elsewhere.directory.path().join("victim"), path("alice/http/2026/http-2026-03-14.log")).unwrap();
    let pipe = path("alice/http/2026/pipe-2026-03-14.log");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for days in [1, 1000] {
        assert_eq!(logged.kept.pass(NOON + days * DAY), Done::default());
    }
    assert_eq!(logged.files().len(), 3);
    assert_eq!(elsewhere.files(), ["http/2026/http-2026-03-14.log", "victim"]);
}

#[test]
fn a_directory_that_is_not_there_is_no_failure_of_this_thread() {
    let logged = Logged::new(Some(DAY), true);
    fs::remove_dir(logged.directory.path()).unwrap();
    assert_eq!(logged.kept.pass(NOON), Done::default());
}

#[test]
fn it_goes_through_them_after_the_start_and_after_each_midnight() {
    let begun = base::now();
    let mut schedule = Schedule::new(NOON, begun, TimeZone::posix("CET-1").unwrap());
    let mut times = Vec::new();
    for minutes in 0..3 * 24 * 60 {
        let passed = minutes * MINUTE;
        if schedule.is_due(NOON + passed, begun + passed, false) {
            times.push(minutes);
        }
    }
    // Midnight is in 11 hours here and in 12 in UTC; then an hour and ten minutes.
    let first = |hours: u32| (11 + hours) * 60 + 70;
    assert_eq!(times, [5, first(0), first(1), first(24), first(25), first(48), first(49)]);
}

#[test]
fn a_clock_that_was_set_is_believed_after_an_hour() {
    let begun = base::now();
    let mut schedule = Schedule::new(NOON, begun, TimeZone::UTC);
    let mut times = Vec::new();
    for minutes in 0..300 {
        let passed = minutes * MINUTE;
        // Ten years ahead for half an hour; later an hour on, for good. What changes the settings meanwhile waits as well.
        let wall = match minutes {
            10..40 => NOON + passed + Duration::from_hours(87_600),
            180.. => NOON + passed + Duration::from_hours(1),
            _ => NOON + passed,
        };
        if schedule.is_due(wall, begun + passed, minutes == 20 || minutes >= 200 && times.len() < 2) {
            times.push(minutes);
        }
    }
    assert_eq!(times, [5, 240]);
}

#[test]
fn it_goes_through_them_when_settings_change() {
    let begun = base::now();
    let mut schedule = Schedule::new(NOON, begun, TimeZone::UTC);
    assert!(schedule.is_due(NOON + MINUTE, begun + MINUTE, true));
    assert!(!schedule.is_due(NOON + 6 * MINUTE, begun + 6 * MINUTE, false));
    assert!(schedule.is_due(NOON + 7 * MINUTE, begun + 7 * MINUTE, true));
}

const MINUTE: Duration = Duration::from_mins(1);
