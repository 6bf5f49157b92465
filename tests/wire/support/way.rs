//! The ways by which one request can come and its answer go, and what must be the same on each of them.

use super::h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, H2, HEADERS, INITIAL_WINDOW_SIZE, LARGEST_WINDOW, NO_ERROR,
    Outcome,
};
use super::{Edge, Message, Raw, h2, hpack, origin};
use std::fmt;

/// A request that every version can say.
#[derive(Clone, Debug)]
pub struct Request {
    /// Names it in a failure.
    pub what: &'static str,
    /// A token.
    pub method: &'static str,
    /// `Host` or `:authority`.
    pub host: &'static str,
    /// In origin form.
    pub target: String,
    /// In lower case, none of them about framing.
    pub fields: Vec<(&'static str, String)>,
    /// What follows.
    pub body: Body,
}

/// A request's body.
#[derive(Clone, Debug)]
pub enum Body {
    /// None, and no word of one.
    None,
    /// With its length declared.
    Length(Vec<u8>),
    /// In chunks, or frames, of this size, with these trailers.
    Chunked(Vec<u8>, usize, Vec<(&'static str, &'static str)>),
}

/// How a request of HTTP/1.1 comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Whether over TLS.
    pub tls: bool,
    /// Where on its connection.
    pub place: Place,
    /// Where it is cut into segments that are read one by one.
    pub cuts: Vec<usize>,
}

/// Where on its connection a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The first.
    First,
    /// After another was answered.
    Kept,
    /// In the segment of another before it.
    Behind,
    /// In the segment of another behind it.
    Before,
}

/// How a request of HTTP/2 comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frames {
    /// Whether over TLS.
    pub tls: bool,
    /// Whether the connection has served another request.
    pub kept: bool,
    /// The most bytes of a frame of DATA, and of one of the first frames of the head.
    pub data: usize,
    pub head: usize,
    /// Whether the end comes by itself, behind the last byte.
    pub late_end: bool,
}

/// A message as it must be whatever way it went.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    /// The request line, or the status.
    pub start: String,
    /// The fields, those that differ by nature left out or made equal.
    pub fields: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// The fields behind it.
    pub trailers: Vec<(String, String)>,
}

impl Request {
    /// As HTTP/1.1 spells it.
    pub fn bytes(&self) -> Vec<u8> {
        let Self { method, host, target, fields, .. } = self;
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\n");
        for (name, value) in fields {
            head.extend([*name, ": ", value, "\r\n"]);
        }
        if fields.iter().any(|(name, _)| *name == "te") {
            head += "connection: te\r\n";
        }
        match &self.body {
            Body::None => [head.as_bytes(), b"\r\n"].concat(),
            Body::Length(body) => {
                [format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
            }
            Body::Chunked(body, size, trailers) => {
                let mut bytes = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
                bytes.extend(chunked(body, *size, trailers));
                bytes
            }
        }
    }

    /// Sends it as stream `stream` and returns how that ended.
    pub fn by_frames(&self, h2: &mut H2, stream: u32, frames: Frames) -> Outcome {
        let mut fields: Vec<(&[u8], &[u8])> = vec![
            (b":method", self.method.as_bytes()),
            (b":scheme", if frames.tls { b"https" } else { b"http" }),
            (b":authority", self.host.as_bytes()),
            (b":path", self.target.as_bytes()),
        ];
        fields.extend(self.fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let (body, size, trailers): (&[u8], usize, &[(&str, &str)]) = match &self.body {
            Body::None => (b"", usize::MAX, &[]),
            Body::Length(body) => (body, usize::MAX, &[]),
            Body::Chunked(body, size, trailers) => (body, *size, trailers),
        };
        let length = body.len().to_string();
        if matches!(self.body, Body::Length(_)) {
            fields.push((b"content-length", length.as_bytes()));
        }
        let ends = matches!(self.body, Body::None) || body.is_empty() && trailers.is_empty();
        let head = hpack::encode(&fields);
        // Three at most: heads in many frames are a flood.
        let cuts = [frames.head, frames.head.saturating_mul(2)].map(|cut| cut.min(head.len()));
        let end = if ends && !frames.late_end { END_STREAM } else { 0 };
        h2.send(HEADERS, end | if cuts[0] == head.len() { END_HEADERS } else { 0 }, stream, &head[..cuts[0]]);
        for (from, to) in [(cuts[0], cuts[1]), (cuts[1], head.len())] {
            if from < to {
                let flags = if to == head.len() { END_HEADERS } else { 0 };
                h2.send(CONTINUATION, flags, stream, &head[from..to]);
            }
        }
        // Small frames in numbers are a flood.
        let piece_bytes = frames.data.max(body.len() / 500).min(size).min(16_384);
        let mut pieces = body.chunks(piece_bytes).peekable();
        while let Some(piece) = pieces.next() {
            let last = pieces.peek().is_none() && trailers.is_empty() && !frames.late_end;
            // Who was refused meanwhile need not go on.
            if h2.try_send(h2::frame(DATA, u8::from(last), stream, piece)).is_err() {
                break;
            }
        }
        if !trailers.is_empty() {
            let trailers: Vec<(&[u8], &[u8])> =
                trailers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            h2.headers(stream, &trailers, true);
        } else if frames.late_end {
            let _ = h2.try_send(h2::frame(DATA, END_STREAM, stream, b""));
        }
        h2.outcome(stream)
    }
}

impl Way {
    /// The simplest: alone on a clear connection, in one segment.
    pub const WHOLE: Self = Self { tls: false, place: Place::First, cuts: Vec::new() };

    /// Brings its cuts, which may be any numbers, into `length` bytes.
    pub fn cuts_within(&mut self, length: usize) {
        for cut in &mut self.cuts {
            *cut %= length;
        }
        self.cuts.sort_unstable();
    }

    /// Sends `bytes` for `host` on its way, and returns the answer and its connection. `last`: the visitor says that
    /// nothing more comes.
    #[track_caller]
    pub fn go(&self, edge: &Edge, host: &str, bytes: &[u8], last: bool) -> (Message, Raw) {
        let mut raw = if self.tls { edge.connect_tls(host) } else { edge.connect() };
        if self.place == Place::Kept {
            raw.send(COMPANION).expect_companion();
        }
        match self.place {
            Place::First | Place::Kept => raw.send_cut(bytes, &self.cuts),
            Place::Behind => {
                let cuts: Vec<usize> = self.cuts.iter().map(|cut| cut + COMPANION.len()).collect();
                raw.send_cut(&[COMPANION, bytes].concat(), &cuts).expect_companion()
            }
            Place::Before => raw.send_cut(&[bytes, COMPANION].concat(), &self.cuts),
        };
        if last {
            raw.finish();
        }
        let response = if bytes.starts_with(b"HEAD ") {
            raw.response_to_head()
        } else {
            raw.try_response().unwrap_or_else(|cut| panic!("{self:?}: no whole answer: {cut:?}"))
        };
        (response, raw)
    }
}

impl Raw {
    /// Reads the answer to [`COMPANION`].
    #[track_caller]
    pub fn expect_companion(&mut self) -> &mut Self {
        assert_eq!(self.response().text(), "companion");
        self
    }
}

impl Frames {
    /// Sends `request` on its way and returns how that ended. `clear` is where HTTP/2 is spoken without TLS.
    pub fn go(&self, edge: &Edge, clear: std::net::SocketAddr, request: &Request) -> Outcome {
        let mut h2 = if self.tls {
            let name = request.host.to_ascii_lowercase();
            H2::connect(edge, name.split(".:").next().unwrap_or_default())
        } else {
            let mut h2 = H2::over(Raw::clear(clear));
            h2.open(&[(INITIAL_WINDOW_SIZE, LARGEST_WINDOW)]);
            h2
        };
        if self.kept {
            h2.get(1, "c.test", "/");
            assert_eq!(h2.response(1).text(), "companion");
        }
        request.by_frames(&mut h2, 3, *self)
    }
}

impl Seen {
    /// What reached an upstream. What we say ourselves of the way it came differs by nature.
    pub fn by_upstream(request: &Message) -> Self {
        let mut seen = Self::of(request, request.start.clone());
        for (name, value) in &mut seen.fields {
            match name.as_str() {
                "X-Request-ID" => {
                    assert!(!value.is_empty());
                    "id".clone_into(value);
                }
                "X-Forwarded-Proto" => "scheme".clone_into(value),
                "X-Forwarded-Port" => "port".clone_into(value),
                "Forwarded" => *value = value.replace("proto=https", "proto=http"),
                _ => {}
            }
        }
        seen
    }

    /// What reached a visitor. Its moment and the request's id differ by nature.
    pub fn by_visitor(response: &Message) -> Self {
        let mut seen = Self::of(response, response.start.clone());
        seen.fields.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
        if response.has("proxy-status") {
            let id = response.one("x-request-id");
            assert!(response.body.is_empty() || response.text().contains(id), "{}", response.text());
            seen.body = response.text().replace(id, "id").into_bytes();
            for (_, value) in
                seen.fields.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("x-request-id"))
            {
                "id".clone_into(value);
            }
        }
        seen
    }

    /// The same without what the versions of HTTP spell differently: case and order of fields, fields about the
    /// connection, the version itself.
    #[must_use]
    pub fn in_any_version(mut self) -> Self {
        let connection = ["connection", "transfer-encoding"]
            .map(|name| move |found: &str| found.eq_ignore_ascii_case(name));
        self.fields.retain(|(name, _)| !connection.iter().any(|is| is(name)));
        for (name, value) in self.fields.iter_mut().chain(&mut self.trailers) {
            name.make_ascii_lowercase();
            if name == "via" {
                *value = value.replace("2.0 parvis", "1.1 parvis");
            }
        }
        self.fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        if self.start.starts_with("HTTP/") {
            self.start = self.start.split(' ').nth(1).unwrap_or_default().to_owned();
        }
        self
    }

    fn of(message: &Message, start: String) -> Self {
        let Message { fields, body, trailers, .. } = message.clone();
        Self { start, fields, body, trailers }
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.body.len().min(800);
        write!(f, "{} {:?} {} bytes: ", self.start, self.fields, self.body.len())?;
        write!(f, "\"{}\" {:?}", self.body[..shown].escape_ascii(), self.trailers)
    }
}

/// A site at `addresses` with an upstream of its own at `upstream`, both called `name`, as lines of a document.
pub fn site(name: &str, addresses: &str, upstream: &str) -> String {
    super::account(addresses, upstream)
        .replace("\"web\"", &format!("\"{name}\""))
        .replace("\"main\"", &format!("\"{name}\""))
}

/// The answer of a stream, which may have been told to send no more.
#[track_caller]
pub fn answered(what: &str, outcome: Outcome) -> Message {
    match outcome {
        Outcome::Answered(message) | Outcome::Reset(NO_ERROR, message) => message,
        other => panic!("{what}: no answer: {other:?}"),
    }
}

/// An upstream for the requests that only keep others company.
pub fn companion() -> origin::Origin {
    origin::Origin::saying("companion")
}

/// `body` in chunks of `size`, with trailers.
pub fn chunked(body: &[u8], size: usize, trailers: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n");
    for (name, value) in trailers {
        bytes.extend(format!("{name}: {value}\r\n").bytes());
    }
    bytes.extend(b"\r\n");
    bytes
}

/// Bytes in which a lost, doubled or moved block shows.
pub fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at / 256 + at) as u8).collect()
}

/// A request for another site of the same account, on the same connection.
pub const COMPANION: &[u8] = b"GET /companion HTTP/1.1\r\nHost: c.test\r\n\r\n";
