//! Heads as they arrive, in any pieces, each byte looked at once until the head is whole. Strict: what two
//! recipients might read differently is refused; [`mend`] says what may be put right.

use super::mend;
use super::scan::{ScanError, Scanner, Section};
use crate::base::{Buffer, Cause, Refusal, Repair, Repairs};
use crate::config::HeadLimits;
use crate::message::fields::{Line, Lines};
use crate::message::framing::{is_token, is_token_byte};
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

        let head = &input.filled()[..section.len];
        let tokens = tokenise_request(head, section);
        if limits.mends && needs_mending(head, &tokens) {
            return mended(input, section, tokens).map(Some);
        }
        let (line, lines) = tokens?;
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

/// Whether a head may be one that [`mend`] can put right.
fn needs_mending(head: &[u8], tokens: &Result<(RequestLine, Lines), Refusal>) -> bool {
    match tokens {
        Ok((line, _)) => {
            !head[line.target.clone()].iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#')
        }
        Err(refusal) => refusal.cause == Cause::BadRequest,
    }
}

/// The head at the front of `input` as it should have been; where it cannot be put right, as it is.
#[cold]
fn mended(
    input: &mut Buffer,
    section: Section,
    tokens: Result<(RequestLine, Lines), Refusal>,
) -> Result<RequestHead, Refusal> {
    let Some((bytes, repairs)) = mend::request(&input.filled()[..section.len]) else {
        let (line, lines) = tokens?;
        return RequestHead::from_block(input.split_front(section.len), line, lines);
    };
    let mut block = Buffer::new();
    block.extend(&bytes);
    input.consume(section.len);
    let (line, lines) = tokenise_request(&bytes, Section { len: bytes.len(), ..section })?;
    RequestHead::from_block(block, line, lines).map(|head| head.repaired(repairs))
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
        let found = found.map_err(|error| refuse_response_scan(error, self.scanner.line(input.filled())))?;
        let Some(section) = found else { return Ok(None) };
        self.scanner = Scanner::default();

        let mut repairs = Repairs::default();
        let (line, lines) = match tokenise_response(&input.filled()[..section.len], section) {
            Ok(found) => found,
            Err(_) if mend::unfold(&mut input.filled_mut()[..section.len]) => {
                repairs.insert(Repair::FoldedLine);
                tokenise_response(&input.filled()[..section.len], section)?
            }
            Err(refusal) => return Err(refusal),
        };
        let block = input.split_front(section.len);
        if !block.filled().is_ascii() {
            repairs.insert(Repair::HighBytes);
        }
        if line.is_short {
            repairs.insert(Repair::MissingReason);
        }
        ResponseHead::from_block(block, line.version, line.status, line.reason, lines)
            .map(|head| Some(head.repaired(repairs)))
    }
}

struct StatusLine {
    version: Version,
    status: u16,
    reason: Range<usize>,
    /// Whether it ends with the status.
    is_short: bool,
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
    if input[..len] == START[..len] {
        return Ok(());
    }
    let line = &input[..memchr(b'\n', input).unwrap_or(input.len())];
    Err(response::invalid_line("does not begin like HTTP/1", line))
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
        return Err(refuse_response_syntax(head, status));
    };
    // Taken from the line itself: httparse leaves reasons with bytes ≥ 0x80 out.
    let line_end = memchr(b'\r', head).unwrap_or(head.len());
    let reason = REASON_AT.min(line_end)..line_end;
    let line = StatusLine { version: version(minor), status: code, reason, is_short: line_end < REASON_AT };
    Ok((line, lines_of(head, parsed.headers)))
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

fn refuse_response_scan(error: ScanError, line: &[u8]) -> Refusal {
    match error {
        ScanError::BareLf => response::invalid_line("a line that ends in LF without CR", line),
        ScanError::TooLong => Refusal::new(Cause::AnswerHeaderTooLarge, "the head is longer than allowed"),
        ScanError::TooManyLines => Refusal::new(Cause::AnswerHeaderTooLarge, "more fields than any"),
    }
}

#[cold]
fn refuse_response_syntax(head: &[u8], status: Result<Status<usize>, httparse::Error>) -> Refusal {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    let name_of = |line: &[u8]| memchr(b':', line).map(|colon| &line[..colon]).map(<[u8]>::to_vec);
    let (what, line) = match status {
        Err(httparse::Error::HeaderName) => {
            let is_bad = |line: &&[u8]| name_of(line).is_none_or(|name| !is_token(&name));
            ("a field name that is no token", lines.find(is_bad))
        }
        Err(httparse::Error::HeaderValue) => {
            let is_control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
            ("a control character in a field", lines.find(|line| line.iter().any(is_control)))
        }
        _ => ("a status line that is none", Some(first)),
    };
    response::invalid_line(what, line.unwrap_or_default())
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
