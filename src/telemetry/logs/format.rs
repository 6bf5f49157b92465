//! The text of a line: which parts it has in which order, and how what came from the network is written so
//! that it can neither end a field nor a line. The two formats that nearly everybody has allocate nothing once the buffer is
//! large enough.

use super::local_time::LocalTime;
use super::site::is_plain as is_plain_text;
use super::{LogProtocol, Record};
use crate::base::{AddressText, Wait, Waits};
use crate::config::{LogFormat, LogPart};
use crate::telemetry::TlsVersion;
use http::Version;
use jiff::Timestamp;
use std::borrow::Cow;
use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

/// Appends the record's line, its line end included.
pub(super) fn write_line(line: &mut Vec<u8>, record: &Record<'_>, local_time: &mut LocalTime) {
    match record.format {
        LogFormat::Standard => write_parts(line, STANDARD, record, local_time),
        LogFormat::Advanced => {
            write_parts(line, STANDARD, record, local_time);
            write_parts(line, ADVANCED, record, local_time);
        }
        LogFormat::Json => write_json(line, record, local_time),
        LogFormat::Own(parts) => write_parts(line, parts, record, local_time),
    }
    line.push(b'\n');
}

fn write_parts(line: &mut Vec<u8>, parts: &[LogPart], record: &Record<'_>, local_time: &mut LocalTime) {
    // The fields of the answer stand in the order in which the parts ask for them.
    let mut response_headers = record.response_headers.iter();
    for part in parts {
        if let LogPart::ResponseHeader(_) = part {
            write_quoted(line, response_headers.next().and_then(Option::as_deref));
        } else {
            write_part(line, part, record, local_time);
        }
    }
}

/// Apache's vhost-combined.
static STANDARD: &[LogPart] = &[
    LogPart::RequestHostname,
    text(" "),
    LogPart::ClientIp,
    text(" - - ["),
    LogPart::CompletionDateCommon,
    text("] \""),
    LogPart::Request,
    text("\" "),
    LogPart::Status,
    text(" "),
    LogPart::ResponseSize,
    text(" \""),
    LogPart::Referer,
    text("\" \""),
    LogPart::UserAgent,
    text("\""),
];

/// What stands behind it in the advanced format.
static ADVANCED: &[LogPart] = &[text(" "), LogPart::Protocol, text(" "), LogPart::Duration];

const fn text(text: &'static str) -> LogPart {
    LogPart::Text(Cow::Borrowed(text))
}

fn write_part(line: &mut Vec<u8>, part: &LogPart, record: &Record<'_>, local_time: &mut LocalTime) {
    match part {
        LogPart::Text(text) => line.extend_from_slice(text.as_bytes()),
        LogPart::RequestHostname => write_word(line, record.host),
        LogPart::ClientIp => line.extend_from_slice(record.client.as_bytes()),
        LogPart::ClientIpAnonymous => line.extend_from_slice(anonymous(record.client).as_bytes()),
        LogPart::ClientPort => match record.client_port {
            Some(port) => write_number(line, u64::from(port)),
            None => line.push(b'-'),
        },
        LogPart::PeerIp => line.extend_from_slice(AddressText::new(record.peer.0.ip()).as_bytes()),
        LogPart::RequestTime(format) => {
            write_date(line, format, record.completed.saturating_sub(record.duration), local_time);
        }
        LogPart::CompletionDate(format) => write_date(line, format, record.completed, local_time),
        LogPart::CompletionDateCommon => write_common_date(line, record.completed, local_time),
        LogPart::Request => {
            write_escaped(line, record.method);
            line.push(b' ');
            write_escaped(line, record.target);
            line.push(b' ');
            line.extend_from_slice(version(record.version));
        }
        LogPart::RequestMethod => write_word(line, Some(record.method)),
        LogPart::RequestPath => write_word(line, Some(record.target)),
        LogPart::RequestProtocol => line.extend_from_slice(version(record.version)),
        LogPart::RequestHeader(name) => write_quoted(line, record.request_headers.header(name)),
        LogPart::ResponseHeader(_) => line.push(b'-'),
        LogPart::Status => write_number(line, u64::from(record.status)),
        LogPart::ResponseSize => write_number(line, record.body_bytes),
        LogPart::Referer => write_quoted(line, record.referer),
        LogPart::UserAgent => write_quoted(line, record.user_agent),
        LogPart::Protocol => line.extend_from_slice(record.protocol.word().as_bytes()),
        LogPart::Duration => write_seconds(line, record.duration),
        LogPart::SslVersion => {
            line.extend_from_slice(record.tls.map_or("-", TlsVersion::label).as_bytes());
        }
        LogPart::RequestId => line.extend_from_slice(record.request_id.to_string().as_bytes()),
        LogPart::Cause => {
            line.extend_from_slice(record.cause.map_or("-", |cause| cause.verdict().word).as_bytes());
        }
        LogPart::Wait(wait) => write_seconds(line, record.waits.of(*wait)),
    }
}

/// An object: what a program reads.
fn write_json(line: &mut Vec<u8>, record: &Record<'_>, local_time: &mut LocalTime) {
    let text = |bytes: &[u8]| {
        let kept = &bytes[..bytes.len().min(MOST_FIELD_BYTES)];
        String::from_utf8_lossy(kept).into_owned()
    };
    let of_client = String::from_utf8_lossy(record.client.as_bytes()).into_owned();
    let object = serde_json::json!({
        "time": dated("%Y-%m-%dT%H:%M:%S%.6f%:z", record.completed, local_time),
        "host": record.host.map(text),
        "client_ip": of_client,
        "method": text(record.method),
        "path": text(record.target),
        "http": String::from_utf8_lossy(version(record.version)),
        "protocol": record.protocol.word(),
        "tls": record.tls.map(TlsVersion::label),
        "status": record.status,
        "size": record.body_bytes,
        "duration": record.duration.as_secs_f64(),
        "referer": record.referer.map(text),
        "user_agent": record.user_agent.map(text),
        "request_id": record.request_id.to_string(),
        "cause": record.cause.map(|cause| cause.verdict().word),
        "waits": waits(record.waits),
    });
    // What would do something to whoever reads it stands within a string: there it may be escaped.
    for char in object.to_string().chars() {
        if is_plain_text(char) {
            line.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            // A vector takes everything.
            let _ = write!(line, "\\u{unit:04x}");
        }
    }
}

/// What was waited for, in seconds; what was not is left out.
fn waits(waits: &Waits) -> serde_json::Map<String, serde_json::Value> {
    let waited = Wait::ALL.into_iter().filter(|wait| !waits.of(*wait).is_zero());
    waited.map(|wait| (wait.word().to_owned(), waits.of(wait).as_secs_f64().into())).collect()
}

/// The network of a client: /24 or /48, as an address.
fn anonymous(client: AddressText) -> AddressText {
    let parsed = std::str::from_utf8(client.as_bytes()).ok().and_then(|text| text.parse::<IpAddr>().ok());
    match parsed {
        Some(IpAddr::V4(ip)) => AddressText::new(IpAddr::V4((u32::from(ip) & !0xff).into())),
        Some(IpAddr::V6(ip)) => AddressText::new(IpAddr::V6((u128::from(ip) & (!0 << 80)).into())),
        None => client,
    }
}

impl LogProtocol {
    /// As the access log prints it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }
}

/// Something that stands between quotes; `-` where there is none.
fn write_quoted(line: &mut Vec<u8>, value: Option<&[u8]>) {
    write_escaped(line, value.unwrap_or(b"-"));
}

/// Something that ends at a space; `-` where there is none.
pub(super) fn write_word(line: &mut Vec<u8>, value: Option<&[u8]>) {
    let begin = line.len();
    write_escaped(line, value.filter(|value| !value.is_empty()).unwrap_or(b"-"));
    // Only a broken host would have one; its line must not have one column more.
    line[begin..].iter_mut().filter(|byte| **byte == b' ').for_each(|space| *space = b'_');
}

/// Writes bytes of the network as Apache does: `"` and `\` behind a backslash, tabs and line ends by their
/// letter, other control characters and all above ASCII as `\xhh`. Ends when it has written [`MOST_FIELD_BYTES`].
fn write_escaped(line: &mut Vec<u8>, bytes: &[u8]) {
    let most = line.len() + MOST_FIELD_BYTES;
    let mut rest = &bytes[..bytes.len().min(MOST_FIELD_BYTES)];
    let mut is_cut = rest.len() < bytes.len();
    // Looked at without a way out in the middle, many bytes are looked at at a time: nearly always that is all.
    let all_plain = rest.iter().fold(true, |plain, byte| plain & is_plain(*byte));
    if all_plain {
        line.extend_from_slice(rest);
        rest = &[];
    }
    while let Some(plain) = rest.iter().position(|byte| !is_plain(*byte)) {
        if line.len() + plain >= most {
            (rest, is_cut) = (&rest[..most.saturating_sub(line.len()).min(plain)], true);
            break;
        }
        line.extend_from_slice(&rest[..plain]);
        match rest[plain] {
            special @ (b'"' | b'\\') => line.extend_from_slice(&[b'\\', special]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            other => {
                let digit = |value: u8| HEX[usize::from(value)];
                line.extend_from_slice(&[b'\\', b'x', digit(other >> 4), digit(other & 15)]);
            }
        }
        rest = &rest[plain + 1..];
    }
    let left = most.saturating_sub(line.len()).min(rest.len());
    line.extend_from_slice(&rest[..left]);
    if is_cut || left < rest.len() {
        line.extend_from_slice(b"...");
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn write_date(line: &mut Vec<u8>, format: &str, at: Duration, local_time: &LocalTime) {
    // The form was checked with the document; what it makes of names of zones is the network's no more than ours.
    write_escaped(line, dated(format, at, local_time).as_bytes());
}

fn dated(format: &str, at: Duration, local_time: &LocalTime) -> String {
    let nanoseconds = i128::try_from(at.as_nanos()).unwrap_or(i128::MAX);
    let at = Timestamp::from_nanosecond(nanoseconds).unwrap_or_default();
    jiff::fmt::strtime::format(format, &at.to_zoned(local_time.zone())).unwrap_or_else(|_| "-".to_owned())
}

fn write_common_date(line: &mut Vec<u8>, completed: Duration, local_time: &mut LocalTime) {
    let seconds = super::seconds(completed);
    let day = local_time.day(seconds);
    line.extend_from_slice(&day.date);
    line.push(b':');
    line.extend_from_slice(&day.time(seconds));
    line.push(b' ');
    line.extend_from_slice(&day.offset);
}

/// Seconds with six digits behind the point.
fn write_seconds(line: &mut Vec<u8>, duration: Duration) {
    write_number(line, duration.as_secs());
    let mut micros = duration.subsec_micros();
    let mut digits = *b".000000";
    for digit in digits[1..].iter_mut().rev() {
        *digit = b'0' + (micros % 10) as u8;
        micros /= 10;
    }
    line.extend_from_slice(&digits);
}

pub(super) fn write_number(line: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut begin = digits.len();
    loop {
        begin -= 1;
        digits[begin] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    line.extend_from_slice(&digits[begin..]);
}

/// A version as request lines write it.
pub fn version(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_09 => b"HTTP/0.9",
        Version::HTTP_10 => b"HTTP/1.0",
        Version::HTTP_2 => b"HTTP/2.0",
        Version::HTTP_3 => b"HTTP/3.0",
        _ => b"HTTP/1.1",
    }
}

/// Bytes of a target, referer or user agent that a line keeps; `...` says that there was more. A line is at most
/// three times four times that and a little, whatever a visitor sends.
const MOST_FIELD_BYTES: usize = 8 * 1024;

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests;
