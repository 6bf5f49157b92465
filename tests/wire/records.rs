//! What operators and customers can read afterwards: access logs, metrics.

use crate::support::edge::Files;
use crate::support::h2::H2;
use crate::support::{Edge, Message, Origin, Raw, Recorder, account, wait};

#[test]
fn the_access_log_has_apaches_columns() {
    let origin = Origin::saying("here");
    let document = account("\"a.test\"", &origin.address());
    let edge = Edge::with(&[
        ("alice", &format!("{document}log_format = \"standard\"\n")),
        ("bob", &account("\"b.test\"", &origin.address())),
    ]);
    let mut raw = edge.connect();
    let fields = "Referer: http://r.test/\r\nUser-Agent: T/1 \"quoted\"\r\n";
    raw.send(format!("GET /p?q=1 HTTP/1.1\r\nHost: A.test:80\r\n{fields}\r\n")).response();
    raw.send(format!("GET /p?q=1 HTTP/1.1\r\nHost: b.test\r\n{fields}\r\n")).response();
    let mut h2 = H2::connect(&edge, "b.test");
    h2.get(1, "b.test", "/h2");
    h2.response(1);

    let line = one_line(&edge, "alice", "/p");
    let (before, rest) = line.split_once(" [").expect("a date");
    let (date, rest) = rest.split_once("] ").expect("a date");
    assert_eq!(before, "a.test 127.0.0.1 - -");
    assert!(date.len() == "22/Nov/2026:16:37:25 +0000".len() && date.as_bytes()[11] == b':', "{date}");
    assert_eq!(rest, "\"GET /p?q=1 HTTP/1.1\" 200 4 \"http://r.test/\" \"T/1 \\\"quoted\\\"\"");

    // The advanced format, the default, adds how it came and how long it took.
    let line = one_line(&edge, "bob", "/p");
    let (start, duration) = line.rsplit_once(' ').expect("columns");
    assert!(start.ends_with(" http"), "{line}");
    assert!(duration.split_once('.').is_some_and(|(_, micros)| micros.len() == 6), "{line}");
    let line = one_line(&edge, "bob", "/h2");
    assert!(line.contains("\"GET /h2 HTTP/2.0\" 200 4") && line.contains(" https "), "{line}");
}

/// A visitor cannot write a line of their own into anyone's log.
#[test]
fn a_log_line_is_one_line() {
    let origin = Origin::saying("here");
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &origin.address()))]);
    let mut raw = edge.connect();
    let request = b"GET /\"\\x?%0a HTTP/1.1\r\nHost: a.test\r\nUser-Agent: \xff\x80\"\\\tforged\r\n\r\n";
    raw.send(request).response();
    let line = one_line(&edge, "alice", "/");
    assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
    assert!(line.contains("\\xff\\x80\\\""), "{line}");
}

/// What never reached a site is in the account's log where there is an account, with our status.
#[test]
fn refusals_are_logged_too() {
    let edge = Edge::with(&[("alice", &account("\"a.test/app\"", &Recorder::new().address()))]);
    let mut raw = edge.connect();
    assert_eq!(get(&mut raw, "a.test", "/app").word(), "refused");
    assert_eq!(get(&mut raw, "a.test", "/none").word(), "unknown_path");
    assert!(one_line(&edge, "alice", "/app").contains("\" 502 "));
    assert!(one_line(&edge, "alice", "/none").contains("\" 404 "));
}

#[test]
fn metrics_count_what_happened() {
    let origin = Origin::saying("here");
    let document = account("\"a.test\"", &origin.address());
    let edge = Files::new().set("node", "workers", "1").document("alice", &document).start();
    let mut raw = edge.connect();
    // An account has a series of its own from the first scrape after its first request; that one is among the others,
    // so that the sum of all rates is the rate of all.
    get(&mut raw, "a.test", "/");
    wait::until("alice by name", || value(&metrics(&edge), ALICE));
    for _ in 0..5 {
        get(&mut raw, "a.test", "/");
    }
    get(&mut edge.connect_tls("a.test"), "a.test", "/");
    get(&mut raw, "nobody.test", "/");
    raw.send("BAD\r\n\r\n").response();

    let page = wait::until("the counters", || {
        let page = metrics(&edge);
        (value(&page, ALICE) == Some(6.0)).then_some(page)
    });
    for (series, expected) in [
        (
            "parvis_failures_total{cause=\"unknown_host\",error=\"destination_not_found\",blame=\"client\"}",
            1.0,
        ),
        ("parvis_failures_total{cause=\"bad_request\",error=\"http_request_error\",blame=\"client\"}", 1.0),
        ("parvis_upstream_connections_total", 1.0),
        ("parvis_upstream_connections_open", 1.0),
        ("parvis_upstream_reuses_total", 6.0),
        ("parvis_accounts", 1.0),
        ("parvis_hosts", 1.0),
        ("parvis_workers", 1.0),
        ("parvis_ready", 1.0),
    ] {
        assert_eq!(value(&page, series), Some(expected), "{series} in\n{page}");
    }
    assert!(page.contains("parvis_tls_handshakes_total{"), "{page}");
    // Labels come from the table of accounts, never from what visitors type.
    assert!(!page.contains("nobody.test") && !page.contains("a.test"));
}

/// A queue at the site's server is not time that we took.
#[test]
fn waiting_for_the_upstream_is_not_our_own_time() {
    let recorder = Recorder::new();
    let document = account("\"a.test\"", &recorder.address())
        .replace("name = \"web\"\n", "name = \"web\"\nconnections = 1\n");
    let edge = Files::new().set("node", "workers", "1").document("alice", &document).start();
    let (mut first, mut second) = (edge.connect(), edge.connect());
    first.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut upstream = recorder.accept();
    upstream.request();
    second.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(second.is_quiet_for(std::time::Duration::from_millis(500)));
    for raw in [&mut first, &mut second] {
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        assert_eq!(raw.response().status(), 200);
    }
    let own = wait::until("both requests", || {
        let page = metrics(&edge);
        let both = value(&page, "parvis_own_time_seconds_count") == Some(2.0);
        both.then(|| value(&page, "parvis_own_time_seconds_sum").expect("a sum"))
    });
    assert!(own < 0.25, "{own} s");
}

/// A hundred accounts by name however many there are, and the rest under `_other`.
#[test]
fn metrics_are_bounded() {
    let origin = Origin::saying("here");
    let mut files = Files::new();
    for n in 0..ACCOUNTS {
        files = files.document(&format!("c{n}"), &account(&format!("\"c{n}.test\""), &origin.address()));
    }
    let edge = files.start();
    let mut raw = edge.connect();
    let mut expected = 0.0;
    let mut named = Vec::new();
    // What happens before an account is named goes to the others.
    for _ in 0..2 {
        // All are busy, and one is busier than the others.
        for n in (0..ACCOUNTS).chain(0..ACCOUNTS).chain([ACCOUNTS - 1; 30]) {
            get(&mut raw, &format!("c{n}.test"), "/");
        }
        expected += f64::from(2 * ACCOUNTS + 30);
        named = wait::until("the counters", || {
            let named = series(&metrics(&edge), "parvis_account_requests_total");
            (named.iter().map(|(_, value)| value).sum::<f64>() >= expected).then_some(named)
        });
        assert_eq!(named.len(), 101, "{named:?}");
    }
    let busiest = format!("\"c{}\"", ACCOUNTS - 1);
    assert!(named.iter().any(|(name, value)| name.contains(&busiest) && *value >= 30.0), "{named:?}");
    assert!(named.iter().any(|(name, _)| name.contains("\"_other\"")), "{named:?}");
}

/// One account whole: what it did, what it may, and whom it asks.
#[test]
fn an_account_has_a_page_of_its_own() {
    let origin = Origin::saying("here");
    let document = account("\"a.test/app\"", &origin.address());
    let gone = account("\"b.test\"", &Recorder::new().address());
    let edge = Edge::with(&[("alice", &document), ("bob", &gone)]);
    let mut raw = edge.connect();
    for (host, path, status) in [
        ("a.test", "/app", 200),
        ("a.test", "/app", 200),
        ("a.test", "/none", 404),
        ("b.test", "/", 502),
        ("nobody.test", "/", 404),
    ] {
        assert_eq!(get(&mut raw, host, path).status(), status, "{host}{path}");
    }
    let mut raw = Raw::clear(edge.listener("127.0.0.1", "metrics"));
    let page = wait::until("what alice did", || {
        let page = get(&mut raw, "x", "/metrics/accounts/alice");
        assert_eq!(page.status(), 200);
        let page = page.text().to_owned();
        (single(&page, "requests_total", ",status=\"4xx\"") == Some(1.0)).then_some(page)
    });
    for (name, labels, expected) in [
        ("requests_total", ",status=\"2xx\"", 2.0),
        ("failures_total", ",cause=\"unknown_path\",error=\"destination_not_found\",blame=\"client\"", 1.0),
        ("failures_total", ",cause=\"refused\",error=\"connection_refused\",blame=\"site\"", 0.0),
        ("state", ",state=\"active\"", 1.0),
        ("hosts", "", 1.0),
        ("requests_in_flight", "", 0.0),
        ("response_body_bytes_total", "", 8.0),
        ("upstream_connections_open", ",upstream=\"web\"", 1.0),
        ("upstream_connections_in_use", ",upstream=\"web\"", 0.0),
    ] {
        let found = single(&page, name, labels);
        if name == "response_body_bytes_total" {
            // The page of the 404 beside what the site said.
            assert!(found > Some(expected), "{found:?}");
        } else {
            assert_eq!(found, Some(expected), "{name}{labels} in\n{page}");
        }
    }
    assert!(!page.contains("bob") && !page.contains("a.test"), "{page}");
    for name in ["nobody", "a.test", "Alice", "..", "alice/web"] {
        assert_eq!(get(&mut raw, "x", &format!("/metrics/accounts/{name}")).status(), 404, "{name}");
    }
}

/// What a page of alice's says.
fn single(page: &str, name: &str, labels: &str) -> Option<f64> {
    value(page, &format!("parvis_single_account_{name}{{account=\"alice\"{labels}}}"))
}

#[test]
fn live_and_ready() {
    let edge = Edge::with(&[]);
    let mut raw = Raw::clear(edge.listener("127.0.0.1", "metrics"));
    for (path, status) in [("/live", 200), ("/ready", 200), ("/metrics", 200), ("/other", 404)] {
        assert_eq!(get(&mut raw, "x", path).status(), status, "{path}");
    }
}

const ACCOUNTS: u32 = 120;

const ALICE: &str = "parvis_account_requests_total{account=\"alice\"}";

fn metrics(edge: &Edge) -> String {
    let mut raw = Raw::clear(edge.listener("127.0.0.1", "metrics"));
    get(&mut raw, "x", "/metrics").text().to_owned()
}

fn value(page: &str, series: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn series(page: &str, family: &str) -> Vec<(String, f64)> {
    let of_family = |line: &&str| line.strip_prefix(family).is_some_and(|rest| rest.starts_with('{'));
    let split = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        (name.to_owned(), value.parse().expect("a number"))
    };
    page.lines().filter(of_family).map(split).collect()
}

/// The first line of the account's access logs whose target begins with `path`.
#[track_caller]
fn one_line(edge: &Edge, account: &str, path: &str) -> String {
    let directory = edge.path().join("logs").join(account);
    let about = |line: &&String| {
        let request = line.split('"').nth(1).unwrap_or_default();
        request.split(' ').nth(1).is_some_and(|target| target.starts_with(path))
    };
    wait::until(&format!("a line about {path}"), || {
        let mut lines = Vec::new();
        read_logs(&directory, &mut lines);
        lines.iter().find(about).cloned()
    })
}

fn read_logs(directory: &std::path::Path, lines: &mut Vec<String>) {
    // Not there yet: nothing was written yet.
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            read_logs(&entry.path(), lines);
        } else {
            let text = std::fs::read_to_string(entry.path()).expect("an access log is UTF-8");
            lines.extend(text.lines().map(str::to_owned));
        }
    }
}

#[track_caller]
fn get(raw: &mut Raw, host: &str, path: &str) -> Message {
    raw.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).response()
}

/// Formats of a site's own and for programs: what is asked for, as it came, and no credentials.
#[test]
fn sites_have_formats_of_their_own() {
    let origin = Origin::answering(|_| {
        b"HTTP/1.1 200 OK\r\nX-Cache: HIT\r\nSet-Cookie: secret=1\r\nContent-Length: 2\r\n\r\nok".to_vec()
    });
    let own = "log_format = '{client_ip:anonymous} {client_port} \"{request_header:X-Kind}\" \"{request_header:Cookie}\" \
               {response_header:X-Cache} {response_header:Set-Cookie} {status} {cause} {request_id}'\n";
    let document = account("\"own.test\"", &origin.address())
        + own
        + "[[site]]\nname = \"json\"\naddresses = [\"json.test\"]\nupstream = \"web\"\nlog_format = \"json\"\n";
    let edge = Files::new().document("alice", &document).start();
    let mut raw = edge.connect();
    raw.send("GET /a HTTP/1.1\r\nHost: own.test\r\nX-Kind: a\"b\r\nCookie: secret=2\r\n\r\n");
    assert_eq!(raw.response().text(), "ok");
    raw.send("GET /b HTTP/1.1\r\nHost: own.test\r\n\r\n");
    assert_eq!(raw.response().text(), "ok");
    raw.send("GET /c?d HTTP/1.1\r\nHost: json.test\r\nUser-Agent: \"{}\r\n\r\n");
    assert_eq!(raw.response().text(), "ok");
    let log = wait::until("the log", || {
        let log = edge.access_log("alice");
        (log.lines().count() == 3).then_some(log)
    });
    let lines: Vec<&str> = log.lines().collect();
    let begins = |line: &str| line.starts_with("127.0.0.0 ") && !line.contains("secret");
    assert!(begins(lines[0]) && lines[0].contains(" \"a\\\"b\" \"-\" HIT - 200 - "), "{log}");
    assert!(begins(lines[1]) && lines[1].contains(" \"-\" \"-\" HIT - 200 - "), "{log}");
    let object: serde_json::Value = serde_json::from_str(lines[2]).expect("JSON");
    assert_eq!((&object["host"], &object["path"]), (&"json.test".into(), &"/c?d".into()));
    assert_eq!((&object["status"], &object["user_agent"]), (&200.into(), &"\"{}".into()));
}
