//! Visitors who would like to write in somebody's log: whatever they send, a request is one line, and its parts stay in their place.

use crate::support::edge::Files;
use crate::support::h2::{H2, Outcome};
use crate::support::{Edge, Origin, wait};

/// The parts of a request that a visitor chooses and a log may print.
const PLACES: [&str; 5] = ["path", "Host", "User-Agent", "Referer", "Authorization"];

/// What they are filled with. Some of it never passes; then there is no line.
const VALUES: [&[u8]; 17] = [
    b"\"",
    b"\\",
    b"\\\"",
    b"x\" 200 4 \"-\" \"forged",
    b"x\",\"status\":500,\"y\":\"",
    b"\ta\tb",
    b"a b",
    b"\xff\xfe\x80",
    b"\xe9t\xe9",
    b"\xe2\x80\xa8line\xe2\x80\xa9",
    b"\xe2\x80\xaeright to left",
    b"\xc2\x9b31m",
    b"\x1b[31mred",
    b"\x7f\x08\x00",
    b"\r\n\r\nforged line",
    b"a\rb\nc",
    b"{status} %n ${x} %0d%0a",
];

#[test]
fn no_request_writes_more_than_its_line() {
    let edge = edge("enforce");
    attack(&edge);
}

/// Where more passes than is right, no more is written all the same.
#[test]
fn what_is_mended_writes_no_more_than_its_line() {
    let edge = edge("observe");
    attack(&edge);
}

fn edge(syntax: &str) -> Edge {
    let origin = Origin::saying("here");
    let mut document = format!("[[upstream]]\nname = \"web\"\naddress = \"{}\"\n", origin.address());
    for (format, _) in FORMATS {
        let name = name_of(format);
        document += format!(
            "[[site]]\nname = \"{name}\"\naddresses = [\"{name}.test\"]\nupstream = \"web\"\nlog_format = '{format}'\n\
             log_file = \"{name}\"\n"
        )
        .as_str();
    }
    Files::new()
        .set("logs", "http", "\"{account}/{file}.log\"")
        .set("logs", "credentials", "true")
        .set("switches", "request_syntax", &format!("\"{syntax}\""))
        .document("alice", &document)
        .start()
}

fn attack(edge: &Edge) {
    for (format, check) in FORMATS {
        let name = name_of(format);
        let host = format!("{name}.test");
        let mut passed = 0;
        for place in PLACES {
            for value in VALUES {
                passed += usize::from(passes_over_http1(edge, &host, place, value));
            }
        }
        for value in VALUES {
            passed += usize::from(passes_over_http2(edge, &host, value));
        }
        assert!(passed > 20, "{format}: {passed} passed");
        let path = edge.path().join(format!("logs/alice/{name}.log"));
        let text = wait::until("every line", || {
            let bytes = std::fs::read(&path).ok()?;
            let text = String::from_utf8(bytes).expect("a log is UTF-8");
            assert!(text.chars().all(|char| char == '\n' || !is_wild(char)), "{text}");
            (text.lines().count() >= passed).then_some(text)
        });
        assert_eq!(text.lines().count(), passed, "{format}:\n{text}");
        for line in text.lines() {
            check(line);
        }
    }
}

/// A character that does something where it is shown.
fn is_wild(char: char) -> bool {
    char.is_control() || matches!(char, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}')
}

/// Looks at a line.
type Check = fn(&str);

/// The formats, and what is asked of each line of them.
const FORMATS: [(&str, Check); 4] = [
    ("standard", |line| assert_columns(line, 10, 6)),
    ("advanced", |line| assert_columns(line, 12, 6)),
    ("json", |line| {
        let object: serde_json::Value = serde_json::from_str(line).expect(line);
        assert_eq!(object.as_object().expect(line).len(), 16, "{line}");
        assert_eq!(object["status"], 200, "{line}");
    }),
    ("\"{request_header:Authorization}\" {status} \"{user_agent}\" {request_path}", |line| {
        assert_columns(line, 4, 1);
    }),
];

fn name_of(format: &str) -> &str {
    if format.contains('{') { "own" } else { format }
}

/// A line of so many columns, quoted or in brackets where they may have spaces; this one says 200.
#[track_caller]
fn assert_columns(line: &str, count: usize, status: usize) {
    let (mut columns, mut column, mut end) = (Vec::new(), String::new(), None);
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match (char, end) {
            (' ', None) => columns.push(std::mem::take(&mut column)),
            ('"', None) if column.is_empty() => end = Some('"'),
            ('[', None) if column.is_empty() => end = Some(']'),
            ('\\', Some(_)) => column.extend(chars.next()),
            (char, Some(last)) if char == last => end = None,
            _ => column.push(char),
        }
    }
    columns.push(column);
    assert_eq!((columns.len(), end), (count, None), "{line}");
    assert_eq!(columns[status], "200", "{line}");
}

fn passes_over_http1(edge: &Edge, host: &str, place: &str, value: &[u8]) -> bool {
    let mut request = b"GET /".to_vec();
    if place == "path" {
        request.extend_from_slice(value);
    }
    request.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    request.extend_from_slice(host.as_bytes());
    if place == "Host" {
        request.extend_from_slice(value);
    }
    request.extend_from_slice(b"\r\n");
    if place.len() > 4 {
        request.extend([place.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    request.extend_from_slice(b"Connection: close\r\n\r\n");
    let mut raw = edge.connect();
    // Whoever is refused may be cut off before all is sent.
    let _ = raw.try_send(request);
    raw.try_response().is_ok_and(|response| response.status() == 200)
}

fn passes_over_http2(edge: &Edge, host: &str, value: &[u8]) -> bool {
    let mut h2 = H2::connect(edge, host);
    let fields: [(&[u8], &[u8]); 7] = [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", host.as_bytes()),
        (b":path", b"/"),
        (b"user-agent", value),
        (b"referer", value),
        (b"authorization", value),
    ];
    h2.headers(1, &fields, true);
    matches!(h2.outcome(1), Outcome::Answered(response) if response.status() == 200)
}
