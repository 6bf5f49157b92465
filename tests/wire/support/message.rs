//! An HTTP/1 message as a test looks at it: start line, fields in order, body, trailers. Parses strictly: what
//! the edge writes must be right to the byte, so a chunk that is not, fails the test.

use super::raw::{End, Raw};
use std::fmt;

/// A request or response, read whole.
#[derive(Clone, Default)]
pub struct Message {
    /// The first line, without its line end.
    pub start: String,
    /// Names as written, values without the blanks around them.
    pub fields: Vec<(String, String)>,
    /// The body with its chunking undone.
    pub body: Vec<u8>,
    /// The fields behind a chunked body.
    pub trailers: Vec<(String, String)>,
    /// The head as it came, with its empty line.
    pub head: Vec<u8>,
}

/// A message that ended before its end.
#[derive(Debug)]
pub struct Cut {
    /// What had come.
    pub message: Box<Message>,
    /// How the connection ended.
    pub end: End,
}

/// How a message's body ends (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// `Content-Length`.
    Length(usize),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// With the connection.
    Close,
}

impl Message {
    /// The status code of a response.
    pub fn status(&self) -> u16 {
        let rest = self.start.strip_prefix("HTTP/1.1 ").or_else(|| self.start.strip_prefix("HTTP/2 "));
        let code = rest.and_then(|rest| rest.get(..3));
        code.and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status line: {:?}", self.start))
    }

    /// The request target of a request.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).expect("a request line has three words")
    }

    /// All values of a field, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        values(&self.fields, name)
    }

    /// The value of a field that must stand there exactly once.
    #[track_caller]
    pub fn one(&self, name: &str) -> &str {
        match self.all(name)[..] {
            [value] => value,
            ref other => panic!("{name} stands {} times in {self:?}", other.len()),
        }
    }

    /// Whether a field is there at all.
    pub fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// Our word for what went wrong: the `details` of `Proxy-Status` (RFC 9209), whose form is checked.
    #[track_caller]
    pub fn word(&self) -> &str {
        let status = self.one("proxy-status");
        let rest = status.strip_prefix("parvis; error=").unwrap_or_else(|| panic!("Proxy-Status: {status}"));
        let (_, word) = rest.split_once("; details=\"").unwrap_or_else(|| panic!("Proxy-Status: {status}"));
        word.strip_suffix('"').unwrap_or_else(|| panic!("Proxy-Status: {status}"))
    }

    /// The RFC 9209 error type of `Proxy-Status`.
    #[track_caller]
    pub fn error_type(&self) -> &str {
        let status = self.one("proxy-status");
        let rest = status.strip_prefix("parvis; error=").unwrap_or_else(|| panic!("Proxy-Status: {status}"));
        rest.split(';').next().unwrap_or_default()
    }

    /// Whether the sender says that this is the connection's last message.
    pub fn says_close(&self) -> bool {
        self.all("connection").iter().any(|value| value.eq_ignore_ascii_case("close"))
    }

    /// The body as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text body")
    }

    /// How the body of this message is delimited; `bodiless` for answers to HEAD.
    pub fn framing(&self, bodiless: bool) -> Framing {
        let is_response = self.start.starts_with("HTTP/");
        let without = is_response && (matches!(self.status(), 100..=199 | 204 | 304) || bodiless);
        if without {
            return Framing::None;
        }
        match (&self.all("transfer-encoding")[..], &self.all("content-length")[..]) {
            (["chunked"], []) => Framing::Chunked,
            ([], [length]) => Framing::Length(length.parse().expect("a Content-Length is a number")),
            ([], []) if is_response => Framing::Close,
            ([], []) => Framing::None,
            _ => panic!("ambiguous framing: {self:?}"),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.body.len().min(200);
        write!(f, "{} {:?} {} bytes: ", self.start, self.fields, self.body.len())?;
        write!(f, "\"{}\" {:?}", self.body[..shown].escape_ascii(), self.trailers)
    }
}

/// Reads a head; `Err` when the connection ended first.
pub fn read_head(raw: &mut Raw) -> Result<Message, Cut> {
    let head = match raw.read_until(b"\r\n\r\n") {
        Ok(head) => head,
        Err(end) => {
            let message = Message { head: raw.take_unread(), ..Message::default() };
            return Err(Cut { message: Box::new(message), end });
        }
    };
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut lines = text.split("\r\n");
    let start = lines.next().unwrap_or_default().to_owned();
    let fields = lines.filter(|line| !line.is_empty()).map(field).collect();
    Ok(Message { start, fields, head, ..Message::default() })
}

/// Reads the body and trailers that `message`'s head announces.
pub fn read_body(raw: &mut Raw, mut message: Message, bodiless: bool) -> Result<Message, Cut> {
    let result = match message.framing(bodiless) {
        Framing::None => Ok(()),
        Framing::Length(length) => read_length(raw, length, &mut message.body),
        Framing::Chunked => read_chunks(raw, &mut message),
        Framing::Close => match raw.read_to_end() {
            (rest, End::Fin) => {
                message.body = rest;
                Ok(())
            }
            (rest, end) => {
                message.body = rest;
                Err(end)
            }
        },
    };
    match result {
        Ok(()) => Ok(message),
        Err(end) => Err(Cut { message: Box::new(message), end }),
    }
}

fn read_length(raw: &mut Raw, length: usize, body: &mut Vec<u8>) -> Result<(), End> {
    match raw.try_exactly(length) {
        Ok(bytes) => body.extend(bytes),
        Err(end) => {
            body.extend(raw.take_unread());
            return Err(end);
        }
    }
    Ok(())
}

fn read_chunks(raw: &mut Raw, message: &mut Message) -> Result<(), End> {
    loop {
        let line = raw.read_until(b"\r\n")?;
        let text = std::str::from_utf8(&line[..line.len() - 2]).expect("a chunk size is ASCII");
        let size = usize::from_str_radix(text, 16).unwrap_or_else(|_| panic!("chunk size {text:?}"));
        if size == 0 {
            break;
        }
        read_length(raw, size, &mut message.body)?;
        assert_eq!(raw.try_exactly(2)?, b"\r\n", "a chunk ends with CRLF");
    }
    loop {
        let line = raw.read_until(b"\r\n")?;
        if line == b"\r\n" {
            return Ok(());
        }
        message.trailers.push(field(&String::from_utf8_lossy(&line[..line.len() - 2])));
    }
}

/// The values of the fields called `name`, in order.
pub fn values<'a>(fields: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("not a field line: {line:?}"));
    assert!(!name.is_empty() && !name.contains([' ', '\t', '\r', '\n']), "not a field name: {name:?}");
    (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
}
