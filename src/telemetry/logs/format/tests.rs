//! The exact text of both formats, and requests that try to break a line.

use super::*;
use crate::base::{AddressText, ClientAddr, Headers, PeerAddr, RequestId};
use crate::telemetry::TlsVersion;
use jiff::tz::{Offset, TimeZone};
use proptest::prelude::*;

static NO_WAITS: Waits = Waits::NONE;

fn record() -> Record<'static> {
    Record {
        account: None,
        site_file: "http",
        format: &LogFormat::Advanced,
        host: Some(b"www.alice.test"),
        client: AddressText::new(ClientAddr("[2001:db8::7]:51234".parse().unwrap()).ip()),
        client_port: None,
        peer: PeerAddr("192.0.2.1:443".parse().unwrap()),
        completed: Duration::from_secs(1_773_495_420),
        duration: Duration::from_micros(1_002_030),
        waits: &NO_WAITS,
        tls: Some(TlsVersion::Tls13),
        protocol: LogProtocol::Https,
        method: b"GET",
        target: b"/a?b=c",
        version: Version::HTTP_11,
        status: 200,
        body_bytes: 4_711,
        referer: Some(b"https://example.test/"),
        user_agent: Some(b"curl/8.0"),
        request_headers: &(),
        response_headers: &[],
        request_id: RequestId::from_random(0),
        cause: None,
    }
}

fn line(record: &Record<'_>) -> String {
    let mut line = Vec::new();
    let zone = TimeZone::fixed(Offset::from_seconds(3600).unwrap());
    write_line(&mut line, record, &mut LocalTime::new(zone));
    String::from_utf8(line).unwrap()
}

#[test]
fn the_advanced_format() {
    let expected = "www.alice.test 2001:db8::7 - - [14/Mar/2026:14:37:00 +0100] \"GET /a?b=c HTTP/1.1\" 200 4711 \
                    \"https://example.test/\" \"curl/8.0\" https 1.002030\n";
    assert_eq!(line(&record()), expected);
}

#[test]
fn the_standard_format_is_vhost_combined() {
    let expected = "- 192.0.2.9 - - [14/Mar/2026:14:37:00 +0100] \"POST / HTTP/2.0\" 499 0 \"-\" \"\"\n";
    let standard = Record {
        format: &LogFormat::Standard,
        host: None,
        client: AddressText::new(ClientAddr("[::ffff:192.0.2.9]:1".parse().unwrap()).ip()),
        method: b"POST",
        target: b"/",
        version: Version::HTTP_2,
        status: 499,
        body_bytes: 0,
        referer: None,
        user_agent: Some(b""),
        ..record()
    };
    assert_eq!(line(&standard), expected);
}

#[test]
fn every_protocol_and_duration_is_written_in_full() {
    for (protocol, duration, end) in [
        (LogProtocol::Http, Duration::ZERO, " http 0.000000\n"),
        (LogProtocol::Ws, Duration::from_nanos(1_999), " ws 0.000001\n"),
        (LogProtocol::Wss, Duration::from_secs(86_400), " wss 86400.000000\n"),
    ] {
        let line = line(&Record { duration, protocol, ..record() });
        assert!(line.ends_with(end), "{line}");
    }
    let largest = Record { status: u16::MAX, body_bytes: u64::MAX, completed: Duration::MAX, ..record() };
    assert!(line(&largest).contains(" 65535 18446744073709551615 "));
}

#[test]
fn what_would_end_a_field_is_escaped() {
    for (value, written) in [
        (b"\" 200 0 \"-\" \"-\"".as_slice(), r#"\" 200 0 \"-\" \"-\""#),
        (b"a\\\"b\\", r#"a\\\"b\\"#),
        (b"a\r\nb\tc", r"a\r\nb\tc"),
        (b"\x00\x1b[2J\x7f", r"\x00\x1b[2J\x7f"),
        ("é".as_bytes(), r"\xc3\xa9"),
    ] {
        let record = Record { user_agent: Some(value), ..record() };
        assert!(line(&record).ends_with(&format!(" \"{written}\" https 1.002030\n")), "{written}");
    }
    let record = Record { host: Some(b"a b\n"), ..record() };
    assert!(line(&record).starts_with(r"a_b\n 2001:db8::7 - - "));
}

#[test]
fn a_line_has_a_longest_length() {
    let long = vec![0xff; 100_000];
    let record = Record { target: &long, referer: Some(&long), user_agent: Some(&long), ..record() };
    let line = line(&record);
    assert!(line.len() < 100_000, "{}", line.len());
    assert!(line.contains(r"\xff... HTTP/1.1"));
}

/// Reads a line back as the tools that read Apache's logs do: quoted fields end at a quote without a backslash.
fn fields(line: &str) -> Vec<Vec<u8>> {
    let mut fields = Vec::new();
    let mut rest = line.strip_suffix('\n').unwrap().as_bytes();
    while !rest.is_empty() {
        let (end, close): (u8, &[u8]) = match rest[0] {
            b'"' => (b'"', b"\""),
            b'[' => (b']', b"]"),
            _ => (b' ', b""),
        };
        rest = &rest[close.len()..];
        let mut field = Vec::new();
        while let Some(&byte) = rest.first().filter(|byte| **byte != end) {
            let (value, length) = match (byte, rest.get(1)) {
                (b'\\', Some(b'x')) => {
                    (u8::from_str_radix(str::from_utf8(&rest[2..4]).unwrap(), 16).unwrap(), 4)
                }
                (b'\\', Some(b'n')) => (b'\n', 2),
                (b'\\', Some(b'r')) => (b'\r', 2),
                (b'\\', Some(b't')) => (b'\t', 2),
                (b'\\', Some(&quoted)) => (quoted, 2),
                _ => (byte, 1),
            };
            field.push(value);
            rest = &rest[length..];
        }
        fields.push(field);
        rest = rest.strip_prefix(close).unwrap();
        rest = rest.strip_prefix(b" ").unwrap_or(rest);
    }
    fields
}

proptest! {
    #[test]
    fn no_request_breaks_its_line(
        method in proptest::collection::vec(any::<u8>(), 1..20),
        target in proptest::collection::vec(any::<u8>(), 0..200),
        referer in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
        agent in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let record =
            Record { method: &method, target: &target, referer: referer.as_deref(), user_agent: Some(&agent), ..record() };
        let line = line(&record);
        prop_assert_eq!(line.matches('\n').count(), 1);
        prop_assert!(line.trim_end_matches('\n').bytes().all(|byte| matches!(byte, b' '..=b'~')));
        let fields = fields(&line);
        prop_assert_eq!(fields.len(), 12);
        prop_assert_eq!(&fields[5], &[method.as_slice(), b" ", &target, b" HTTP/1.1"].concat());
        prop_assert_eq!(fields[8].as_slice(), referer.as_deref().unwrap_or(b"-"));
        prop_assert_eq!(&fields[9], &agent);
    }
}

#[test]
fn the_documentation_shows_a_line_as_it_is() {
    let documentation = include_str!("../../../../docs/logs.md");
    assert!(documentation.contains(&format!("```text\n{}```\n", line(&record()))));
}

/// What a site makes of all variables.
#[test]
fn a_format_of_ones_own() {
    struct Sent;
    impl Headers for Sent {
        fn header(&self, name: &str) -> Option<&[u8]> {
            (name == "accept").then_some(b"*/*\n\"")
        }
    }
    let own = |parts: &[LogPart]| LogFormat::Own(parts.into());
    let header = |name: &str| LogPart::RequestHeader(name.into());
    let answered = |name: &str| LogPart::ResponseHeader(name.into());
    let format = own(&[
        LogPart::ClientIpAnonymous,
        text(" "),
        LogPart::ClientPort,
        text(" "),
        LogPart::PeerIp,
        text(" "),
        LogPart::RequestTime("%H:%M:%S".into()),
        text(" "),
        LogPart::CompletionDate("%Y-%m-%dT%H:%M:%S%:z".into()),
        text(" "),
        LogPart::RequestMethod,
        text(" "),
        LogPart::RequestPath,
        text(" "),
        LogPart::RequestProtocol,
        text(" \""),
        header("accept"),
        text("\" \""),
        header("x-none"),
        text("\" "),
        answered("server"),
        text(" "),
        answered("x-none"),
        text(" "),
        LogPart::SslVersion,
        text(" "),
        LogPart::Cause,
    ]);
    let record = Record {
        format: &format,
        client_port: Some(51234),
        request_headers: &Sent,
        response_headers: &[Some(b"x\r".as_slice().into()), None],
        cause: Some(crate::base::Cause::Rate),
        ..record()
    };
    let expected = "2001:db8:: 51234 192.0.2.1 14:36:58 2026-03-14T14:37:00+01:00 GET /a?b=c HTTP/1.1 \"*/*\\n\\\"\" \"-\" x\\r - \
                    TLSv1.3 rate\n";
    assert_eq!(line(&record), expected);
    let v4 = AddressText::new("192.0.2.77".parse().unwrap());
    assert_eq!(anonymous(v4).as_bytes(), b"192.0.2.0");
}

#[test]
fn an_object_a_line() {
    let told = line(&Record {
        format: &LogFormat::Json,
        user_agent: Some(b"a\"\n\xff{"),
        referer: None,
        ..record()
    });
    assert_eq!(told.matches('\n').count(), 1);
    let object: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(object["time"], "2026-03-14T14:37:00.000000+01:00");
    assert_eq!(
        (&object["user_agent"], &object["referer"]),
        (&"a\"\n\u{fffd}{".into(), &serde_json::Value::Null)
    );
    assert_eq!(
        (&object["status"], &object["size"], &object["duration"]),
        (&200.into(), &4711.into(), &1.00203.into())
    );
    assert_eq!((&object["tls"], &object["path"]), (&"TLSv1.3".into(), &"/a?b=c".into()));
}
