//! From a worker's record to its line in a file, through the thread.

use super::*;
use crate::base::{ClientAddr, LocalAddr, UpstreamName};
use crate::config::Retention;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

const PATIENCE: Duration = Duration::from_secs(20);

fn logs(directory: Option<&Path>) -> Logs {
    Logs { directory: directory.map(Path::to_owned), http: "{account}/{file}.log".into(), ..Logs::default() }
}

static NO_WAITS: Waits = Waits::NONE;

fn record<'a>(account: Option<&'a AccountName>, target: &'a str) -> Record<'a> {
    Record {
        account,
        site_file: "http",
        format: &LogFormat::Standard,
        host: Some(b"a.test"),
        client: AddressText::new("192.0.2.7".parse().unwrap()),
        client_port: None,
        peer: PeerAddr("192.0.2.7:1".parse().unwrap()),
        completed: base::wall(),
        duration: Duration::ZERO,
        waits: &NO_WAITS,
        tls: None,
        protocol: LogProtocol::Http,
        method: b"GET",
        target: target.as_bytes(),
        version: http::Version::HTTP_11,
        status: 200,
        body_bytes: 0,
        referer: None,
        user_agent: None,
        request_headers: &(),
        response_headers: &[],
        request_id: RequestId::from_random(0),
        cause: None,
    }
}

/// The targets of a log's lines, in their order.
fn targets(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| line.split(' ').nth(7).unwrap().to_owned()).collect()
}

/// Waits until something has come about on the writer's thread.
fn until(what: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !what() {
        assert!(Instant::now() < deadline, "it never came about");
        thread::yield_now();
    }
}

#[test]
fn every_line_of_every_worker_stands_in_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, factory) = LogWriter::start(&logs(Some(directory.path())), None).unwrap();
    let alice = AccountName::new("alice").unwrap();
    let names: Vec<String> = (0..2000).map(|n| format!("/{n}")).collect();
    thread::scope(|scope| {
        for _ in 0..3 {
            let log = factory.worker();
            let (alice, names) = (&alice, &names);
            scope.spawn(move || {
                for target in names {
                    log.write(&record(Some(alice), target));
                    log.write(&record(None, target));
                }
            });
        }
    });
    let tally = writer.tally();
    assert!(writer.finish(PATIENCE));
    assert_eq!(tally(), LogTally { written: 12_000, dropped: 0, lost: 0 });
    for account in ["alice", "_node"] {
        let written = targets(&directory.path().join(account).join("http.log"));
        for name in &names {
            assert_eq!(written.iter().filter(|target| *target == name).count(), 3, "{name}");
        }
    }
}

#[test]
fn a_line_is_written_without_being_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, factory) = LogWriter::start(&logs(Some(directory.path())), None).unwrap();
    factory.worker().write(&record(None, "/"));
    let tally = writer.tally();
    until(|| tally().written == 1);
    assert_eq!(targets(&directory.path().join("_node/http.log")), ["/"]);
}

#[test]
fn a_writer_that_is_behind_costs_lines_and_no_time() {
    // Nobody empties this ring.
    let shared = Arc::new(Shared::default());
    let factory = LogFactory { shared: Arc::clone(&shared), thread: thread::current() };
    let log = factory.worker();
    let long = format!("/{}", "x".repeat(7000));
    (0..200).for_each(|_| log.write(&record(None, &long)));
    let kept = RING_BYTES as u64 / (long.len() as u64 + 100);
    let dropped = shared.tally().dropped;
    assert!((200 - kept - 10..=200 - kept + 10).contains(&dropped), "{dropped}");
    // The thread was told to hurry.
    let begin = Instant::now();
    thread::park_timeout(PATIENCE);
    assert!(begin.elapsed() < PATIENCE);
}

#[test]
fn a_wrong_directory_loses_lines_and_says_how_many() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, factory) = LogWriter::start(&logs(Some(&directory.path().join("absent"))), None).unwrap();
    let log = factory.worker();
    (0..5).for_each(|_| log.write(&record(None, "/")));
    let tally = writer.tally();
    assert!(writer.finish(PATIENCE));
    assert_eq!(tally(), LogTally { written: 0, dropped: 0, lost: 5 });
}

#[test]
fn a_template_that_is_none_is_refused_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let broken = Logs { http: "{host}.log".into(), ..logs(Some(directory.path())) };
    assert_eq!(LogWriter::start(&broken, None).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    let (writer, factory) = LogWriter::start(&logs(Some(directory.path())), None).unwrap();
    assert!(writer.reload(&broken, None).is_err());
    factory.worker().write(&record(None, "/"));
    assert!(writer.finish(PATIENCE));
    assert_eq!(targets(&directory.path().join("_node/http.log")), ["/"]);
}

#[test]
fn a_reload_moves_to_another_directory_and_switches_off() {
    let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (writer, factory) = LogWriter::start(&logs(Some(first.path())), None).unwrap();
    let (log, tally) = (factory.worker(), writer.tally());
    log.write(&record(None, "/1"));
    until(|| tally().written == 1);
    writer.reload(&logs(Some(second.path())), None).unwrap();
    log.write(&record(None, "/2"));
    until(|| tally().written == 2);
    writer.reload(&Logs { access: false, ..logs(Some(second.path())) }, None).unwrap();
    assert!(!log.is_on());
    assert!(writer.finish(PATIENCE));
    assert_eq!(targets(&first.path().join("_node/http.log")), ["/1"]);
    assert_eq!(targets(&second.path().join("_node/http.log")), ["/2"]);
}

#[test]
fn a_site_log_has_a_file_a_day_whatever_the_clock_does() {
    let directory = tempfile::tempdir().unwrap();
    // What is no request is told even where requests are not.
    let settings = Logs { access: false, ..logs(Some(directory.path())) };
    let (writer, factory) = LogWriter::start(&settings, None).unwrap();
    let (log, tally) = (factory.sites(), writer.tally());
    let (alice, web) = (AccountName::new("alice").unwrap(), UpstreamName::new("web").unwrap());
    let day = Duration::from_hours(24);
    for (at, text) in [(day * 100, "one"), (day * 102, "two"), (day * 100, "three"), (base::wall(), "four")] {
        log.tell_at(at, &alice, &web, text);
    }
    assert!(writer.finish(PATIENCE));
    assert_eq!(tally(), LogTally { written: 4, dropped: 0, lost: 0 });
    let mut files: Vec<_> = fs::read_dir(directory.path().join("alice/sites"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let said = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| line.rsplit_once(" web: ").unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(files.iter().map(said).collect::<Vec<_>>(), [vec!["one", "three"], vec!["two"], vec!["four"]]);
}

#[test]
fn a_site_log_that_nobody_writes_costs_lines_and_no_time() {
    // Nobody empties this ring.
    let shared = Arc::new(Shared::default());
    let factory = LogFactory { shared: Arc::clone(&shared), thread: thread::current() };
    let log = factory.sites();
    let (alice, web) = (AccountName::new("alice").unwrap(), UpstreamName::new("web").unwrap());
    (0..RING_BYTES / 1000).for_each(|_| log.tell(&alice, &web, "x".repeat(2000)));
    assert!(shared.tally().dropped > 0);
}

/// Each connection leaves one line, whatever its visitor makes of it.
#[test]
fn a_connection_is_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let legal = Legal { directory: directory.path().to_owned(), retention: Retention(None) };
    let (writer, factory) = LogWriter::start(&Logs { access: false, ..logs(None) }, Some(&legal)).unwrap();
    let (log, tally) = (Rc::new(factory.worker()), writer.tally());
    let client = ClientAddr("[2001:db8::7]:50123".parse().unwrap());
    let local = LocalAddr("198.51.100.7:443".parse().unwrap());
    let visit = || Visit::begin(&log, client, local).unwrap();
    drop(visit());
    visit().tell(b"a.test", None);
    let mut named = visit();
    named.is_between(ClientAddr("192.0.2.7:1".parse().unwrap()), local);
    named.asks_for("b.test");
    named.tell(b"a b\t\n\"", Some(&AccountName::new("alice").unwrap()));
    until(|| tally().written == 3);
    writer.reload(&logs(None), None).unwrap();
    assert!(Visit::begin(&log, client, local).is_none(), "switched off");
    assert!(writer.finish(PATIENCE));
    let file = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap();
    let (name, text) = (file.file_name().into_string().unwrap(), fs::read_to_string(file.path()).unwrap());
    let mut lines = Vec::new();
    for line in text.lines() {
        let (time, rest) = line.split_once('\t').unwrap();
        assert!(name == format!("connections-{}.log", &time[..10]), "{name} {time}");
        assert!(time.len() == "2026-03-14T13:37:00.123Z".len() && time.ends_with('Z'), "{time}");
        lines.push(rest.to_owned());
    }
    assert_eq!(
        lines,
        [
            "2001:db8::7\t50123\t198.51.100.7\t443\t-\t-\t-",
            "2001:db8::7\t50123\t198.51.100.7\t443\t-\ta.test\t-",
            "192.0.2.7\t1\t198.51.100.7\t443\tb.test\ta_b\\t\\n\\\"\talice",
        ]
    );
}
