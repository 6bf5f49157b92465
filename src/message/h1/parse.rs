//! Heads as they arrive, in any pieces, each byte looked at once until the head is whole. Strict: what two
//! recipients might read differently is refused, never mended.

use super::scan::{ScanError, Scanner, Section};
use crate::base::{Buffer, Cause, Refusal};
use crate::config::HeadLimits;
use crate::message::fields::{Line, Lines};
use crate::message::framing::is_token_byte;
use crate::message::request::{self, LONGEST_METHOD, RequestLine};
use crate::message::response;
use crate::message::{RequestHead, ResponseHead, Version};
use httparse::{Header, ParserConfig, Status};
use memchr::memchr;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Takes request heads off a connection, one after the other.
#[derive(Debug, Default)]
pub struct RequestParser {
    scanner: Scanner,
    skipped_lines: u8,
}

/// Takes response heads off a connection, one after the other.
#[derive(Debug, Default)]
pub struct ResponseParser {
    scanner: Scanner,
}

impl RequestParser {
    /// At the beginning of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next head, once the whole of it stands at the front of `input`; its bytes leave `input` with it
    /// without moving. `None`: more bytes are needed. After a refusal nobody knows where the next head would
    /// start: the connection is closed.
    pub fn parse(&mut self, input: &mut Buffer, limits: &HeadLimits) -> Result<Option<RequestHead>, Refusal> {
        if self.scanner.lines() == 0 {
            self.skip_empty_lines(input);
            if let [] | [b'\r'] = input.filled() {
                return Ok(None);
            }
            check_request_line_so_far(input.filled(), limits)?;
        }
        let found = self.scanner.scan(input.filled(), limits.header_bytes, limits.header_count + 1);
        let Some(section) = found.map_err(refuse_request_scan)? else { return Ok(None) };
        *self = Self::default();

        let (line, lines) = tokenise_request(&input.filled()[..section.len], section)?;
        RequestHead::from_block(input.split_front(section.len), line, lines).map(Some)
    }

    /// Skips the empty lines that some clients send after a body (RFC 9112 §2.2), but only so many.
    fn skip_empty_lines(&mut self, input: &mut Buffer) {
        while self.skipped_lines < MOST_EMPTY_LINES && input.filled().starts_with(b"\r\n") {
            input.consume(2);
            self.skipped_lines += 1;
        }
    }
}

impl ResponseParser {
    /// At the beginning of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next head, once the whole of it stands at the front of `input`, at most `max_bytes` long. `None`:
    /// more bytes are needed. After a refusal the connection is of no use.
    pub fn parse(&mut self, input: &mut Buffer, max_bytes: usize) -> Result<Option<ResponseHead>, Refusal> {
        if self.scanner.lines() == 0 {
            check_status_line_so_far(input.filled())?;
        }
        let found = self.scanner.scan(input.filled(), max_bytes, MOST_RESPONSE_FIELDS + 1);
        let Some(section) = found.map_err(refuse_response_scan)? else { return Ok(None) };
        self.scanner = Scanner::default();

        let (line, lines) = tokenise_response(&input.filled()[..section.len], section)?;
        let block = input.split_front(section.len);
        ResponseHead::from_block(block, line.version, line.status, line.reason, lines).map(Some)
    }
}

struct StatusLine {
    version: Version,
    status: u16,
    reason: Range<usize>,
}

/// Refuses what cannot become a request line, as soon as that is certain: a TLS hello on a clear port, a
/// method without end, a target over its limit.
fn check_request_line_so_far(input: &[u8], limits: &HeadLimits) -> Result<(), Refusal> {
    if !input.first().is_some_and(|first| is_token_byte(*first)) {
        return Err(request::bad("does not begin like a request"));
    }
    let window = &input[..input.len().min(limits.header_bytes)];
    let line = &window[..memchr(b'\n', window).unwrap_or(window.len())];
    let is_whole = line.len() < window.len();
    let Some(space) = memchr(b' ', &line[..line.len().min(LONGEST_METHOD + 1)]) else {
        return match line.len() {
            len if len > LONGEST_METHOD => Err(request::bad("a method longer than any")),
            _ if is_whole => Err(request::bad("a request line without a target")),
            _ => Ok(()),
        };
    };
    let rest = &line[space + 1..];
    match rest.get(..=limits.url_bytes) {
        Some(target) if target.iter().all(|byte| *byte > b' ') => {
            Err(Refusal::new(Cause::UrlTooLong, "the target is longer than allowed"))
        }
        // HTTP/0.9: no empty line will follow, so there is nothing to wait for.
        _ if is_whole && memchr(b' ', rest).is_none() => {
            Err(request::bad("a request line without a version"))
        }
        _ => Ok(()),
    }
}

/// Refuses what cannot become a status line.
fn check_status_line_so_far(input: &[u8]) -> Result<(), Refusal> {
    const START: &[u8] = b"HTTP/1.";
    let len = input.len().min(START.len());
    if input[..len] == START[..len] { Ok(()) } else { Err(response::invalid("does not begin like HTTP/1")) }
}

fn tokenise_request(head: &[u8], section: Section) -> Result<(RequestLine, Lines), Refusal> {
    let (mut common, mut many) = (Room::common(), Vec::new());
    let room = Room::of(section, &mut common, &mut many);
    let mut parsed = httparse::Request::new(&mut []);
    let status = parsed.parse_with_uninit_headers(head, room);
    let whole = status == Ok(Status::Complete(section.len));
    let (Some(method), Some(target), Some(minor), true) = (parsed.method, parsed.path, parsed.version, whole)
    else {
        return Err(refuse_request_syntax(head, status));
    };
    let line = RequestLine {
        method: range_in(head, method.as_bytes()),
        target: range_in(head, target.as_bytes()),
        version: version(minor),
    };
    Ok((line, lines_of(head, parsed.headers)))
}

fn tokenise_response(head: &[u8], section: Section) -> Result<(StatusLine, Lines), Refusal> {
    let (mut common, mut many) = (Room::common(), Vec::new());
    let room = Room::of(section, &mut common, &mut many);
    let mut parsed = httparse::Response::new(&mut []);
    let parser = ParserConfig::default();
    let status = parser.parse_response_with_uninit_headers(&mut parsed, head, room);
    let whole = status == Ok(Status::Complete(section.len));
    let (Some(code), Some(minor), true) = (parsed.code, parsed.version, whole) else {
        return Err(response::invalid(match status {
            Err(httparse::Error::HeaderName) => "a field name that is no token",
            Err(httparse::Error::HeaderValue) => "a control character in a field",
            _ => "a status line that is none",
        }));
    };
    // Taken from the line itself: httparse leaves reasons with bytes ≥ 0x80 out.
    let line_end = memchr(b'\r', head).unwrap_or(head.len());
    let reason = REASON_AT.min(line_end)..line_end;
    Ok((StatusLine { version: version(minor), status: code, reason }, lines_of(head, parsed.headers)))
}

/// Where httparse puts the fields it finds.
struct Room;

impl Room {
    /// A place on the stack, which nobody writes before it is used.
    const fn common<'h>() -> [MaybeUninit<Header<'h>>; COMMON_FIELDS] {
        [const { MaybeUninit::uninit() }; COMMON_FIELDS]
    }

    /// Room for as many fields as the section has: `common`, or for the few heads that have more, on the heap.
    fn of<'r, 'h>(
        section: Section,
        common: &'r mut [MaybeUninit<Header<'h>>],
        many: &'r mut Vec<MaybeUninit<Header<'h>>>,
    ) -> &'r mut [MaybeUninit<Header<'h>>] {
        let fields = section.lines.saturating_sub(1);
        if fields <= common.len() {
            return &mut common[..fields];
        }
        many.resize_with(fields, MaybeUninit::uninit);
        many
    }
}

/// The lines of a head as httparse found them.
pub(super) fn lines_of(head: &[u8], headers: &[Header<'_>]) -> Lines {
    let mut lines = Lines::new();
    for header in headers {
        let (name, value) = (range_in(head, header.name.as_bytes()), range_in(head, header.value));
        lines.push(Line::new(head, name, value));
    }
    lines
}

/// Where `part`, which httparse cut out of `head`, stands in it.
fn range_in(head: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).wrapping_sub(head.as_ptr() as usize).min(head.len());
    start..(start + part.len()).min(head.len())
}

const fn version(minor: u8) -> Version {
    if minor == 0 { Version::Http10 } else { Version::Http11 }
}

fn refuse_request_scan(error: ScanError) -> Refusal {
    match error {
        ScanError::BareLf => request::bad("a line that ends in LF without CR"),
        ScanError::TooLong => Refusal::new(Cause::HeaderTooLarge, "the head is longer than allowed"),
        ScanError::TooManyLines => Refusal::new(Cause::HeaderTooLarge, "more fields than allowed"),
    }
}

fn refuse_response_scan(error: ScanError) -> Refusal {
    match error {
        ScanError::BareLf => response::invalid("a line that ends in LF without CR"),
        ScanError::TooLong => Refusal::new(Cause::AnswerHeaderTooLarge, "the head is longer than allowed"),
        ScanError::TooManyLines => Refusal::new(Cause::AnswerHeaderTooLarge, "more fields than any"),
    }
}

#[cold]
fn refuse_request_syntax(head: &[u8], status: Result<Status<usize>, httparse::Error>) -> Refusal {
    use httparse::Error;
    match status {
        Err(Error::Version) if has_other_version(head) => {
            Refusal::new(Cause::VersionNotSupported, "neither HTTP/1.0 nor HTTP/1.1")
        }
        Err(Error::HeaderName) => request::bad("a field name that is no token, or a folded line"),
        Err(Error::HeaderValue) => request::bad("a control character in a field"),
        _ => request::bad("a request line that is none"),
    }
}

/// Whether the request line is sound but for a version of HTTP that is not ours (RFC 9112 §2.3).
fn has_other_version(head: &[u8]) -> bool {
    let line = &head[..memchr(b'\r', head).unwrap_or(head.len())];
    let mut words = line.splitn(3, |byte| *byte == b' ');
    matches!(words.nth(2), Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// Empty lines skipped in front of a request: one is what old clients sent after a body, two is kind.
const MOST_EMPTY_LINES: u8 = 2;

/// Fields of a head that cost no allocation: browsers send about twenty (32 bytes of stack each).
const COMMON_FIELDS: usize = 64;

/// Fields an upstream may answer with; the bytes of its head are limited besides.
const MOST_RESPONSE_FIELDS: usize = 1000;

/// Where a reason phrase begins: behind `HTTP/1.1 200 `.
const REASON_AT: usize = 13;

#[cfg(test)]
mod tests;
