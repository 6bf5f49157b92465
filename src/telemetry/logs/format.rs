//! The text of a line: which parts it has in which order, and how what came from the network is written so
//! that it can neither end a field nor a line. Allocates nothing once its buffer is large enough.

use super::local_time::LocalTime;
use super::{LogProtocol, Record};
use crate::config::LogFormat;
use http::Version;
use std::time::Duration;

/// A part of a line, named after the variable it stands for.
#[derive(Clone, Copy, Debug)]
enum Part {
    Text(&'static str),
    /// `{request_hostname}`
    RequestHostname,
    /// `{client_ip}`
    ClientIp,
    /// `{completion_date:%d/%b/%Y:%H:%M:%S %z}`
    CompletionDate,
    /// `{request}`
    Request,
    /// `{status}`
    Status,
    /// `{response_size}`
    ResponseSize,
    /// `{referer}`
    Referer,
    /// `{user_agent}`
    UserAgent,
    /// `{protocol}`
    Protocol,
    /// `{duration}`
    Duration,
}

/// Appends the record's line, its line end included.
pub(super) fn write_line(line: &mut Vec<u8>, record: &Record<'_>, local_time: &mut LocalTime) {
    for part in parts(record.format) {
        part.write(line, record, local_time);
    }
    line.push(b'\n');
}

fn parts(format: LogFormat) -> impl Iterator<Item = Part> {
    let more: &[Part] = match format {
        LogFormat::Standard => &[],
        LogFormat::Advanced => ADVANCED,
    };
    STANDARD.iter().chain(more).copied()
}

/// Apache's vhost-combined.
const STANDARD: &[Part] = &[
    Part::RequestHostname,
    Part::Text(" "),
    Part::ClientIp,
    Part::Text(" - - ["),
    Part::CompletionDate,
    Part::Text("] \""),
    Part::Request,
    Part::Text("\" "),
    Part::Status,
    Part::Text(" "),
    Part::ResponseSize,
    Part::Text(" \""),
    Part::Referer,
    Part::Text("\" \""),
    Part::UserAgent,
    Part::Text("\""),
];

/// What stands behind it in the advanced format.
const ADVANCED: &[Part] = &[Part::Text(" "), Part::Protocol, Part::Text(" "), Part::Duration];

impl Part {
    fn write(self, line: &mut Vec<u8>, record: &Record<'_>, local_time: &mut LocalTime) {
        match self {
            Self::Text(text) => line.extend_from_slice(text.as_bytes()),
            Self::RequestHostname => write_word(line, record.host),
            Self::ClientIp => line.extend_from_slice(record.client.as_bytes()),
            Self::CompletionDate => write_date(line, record.completed, local_time),
            Self::Request => {
                write_escaped(line, record.method);
                line.push(b' ');
                write_escaped(line, record.target);
                line.push(b' ');
                line.extend_from_slice(version(record.version));
            }
            Self::Status => write_number(line, u64::from(record.status)),
            Self::ResponseSize => write_number(line, record.body_bytes),
            Self::Referer => write_quoted(line, record.referer),
            Self::UserAgent => write_quoted(line, record.user_agent),
            Self::Protocol => line.extend_from_slice(record.protocol.word().as_bytes()),
            Self::Duration => write_seconds(line, record.duration),
        }
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
fn write_word(line: &mut Vec<u8>, value: Option<&[u8]>) {
    let begin = line.len();
    write_escaped(line, value.filter(|value| !value.is_empty()).unwrap_or(b"-"));
    // Only a broken host would have one; its line must not have one column more.
    line[begin..].iter_mut().filter(|byte| **byte == b' ').for_each(|space| *space = b'_');
}

/// Writes bytes of the network as Apache does: `"` and `\` behind a backslash, tabs and line ends by their
/// letter, other control characters and all above ASCII as `\xhh`. At most [`MOST_FIELD_BYTES`] of them.
fn write_escaped(line: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = &bytes[..bytes.len().min(MOST_FIELD_BYTES)];
    // Looked at without a way out in the middle, many bytes are looked at at a time: nearly always that is all.
    let all_plain = rest.iter().fold(true, |plain, byte| plain & is_plain(*byte));
    if all_plain {
        line.extend_from_slice(rest);
        rest = &[];
    }
    while let Some(plain) = rest.iter().position(|byte| !is_plain(*byte)) {
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
    line.extend_from_slice(rest);
    if bytes.len() > MOST_FIELD_BYTES {
        line.extend_from_slice(b"...");
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn write_date(line: &mut Vec<u8>, completed: Duration, local_time: &mut LocalTime) {
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

fn write_number(line: &mut Vec<u8>, mut number: u64) {
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

fn version(version: Version) -> &'static [u8] {
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
