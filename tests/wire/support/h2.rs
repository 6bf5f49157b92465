//! An HTTP/2 client that sends the frames a test writes, right or wrong, and reads what comes back frame by frame.

use super::hpack::{self, Decoder};
use super::raw::{End, Raw};
use super::{Edge, Message};
use std::collections::VecDeque;

/// A client's connection.
pub struct H2 {
    raw: Raw,
    decoder: Decoder,
    /// Frames that were read while waiting for another stream's.
    waiting: VecDeque<Frame>,
}

/// One frame (RFC 9113 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// One of the constants here.
    pub kind: u8,
    /// One bit each.
    pub flags: u8,
    /// 0: the connection.
    pub stream: u32,
    /// Without the nine bytes in front.
    pub payload: Vec<u8>,
}

/// How a stream ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// With a whole response.
    Answered(Message),
    /// With RST_STREAM of this code, and what had come before.
    Reset(u32, Message),
    /// With the connection: GOAWAY of this code, if there was one.
    Gone(Option<u32>),
}

impl H2 {
    /// Connects over TLS for `name`, with windows so large that they never count.
    #[track_caller]
    pub fn connect(edge: &Edge, name: &str) -> Self {
        let mut h2 = Self::over(Raw::tls(edge.tls_address(), name, &["h2"]));
        h2.open(&[(INITIAL_WINDOW_SIZE, LARGEST_WINDOW)]);
        h2.send(WINDOW_UPDATE, 0, 0, (LARGEST_WINDOW - 65_535).to_be_bytes());
        h2
    }

    /// Over a connection that is there, nothing sent yet.
    pub fn over(raw: Raw) -> Self {
        Self { raw, decoder: Decoder::default(), waiting: VecDeque::new() }
    }

    /// Sends the preface and settings, waits for the peer's and acknowledges them.
    #[track_caller]
    pub fn open(&mut self, settings: &[(u16, u32)]) {
        self.raw.send(PREFACE);
        self.settings(settings);
        let first = self.frame().expect("the peer's settings");
        assert_eq!((first.kind, first.flags, first.stream), (SETTINGS, 0, 0), "{first:?}");
        self.send(SETTINGS, ACK, 0, []);
    }

    /// Sends SETTINGS.
    pub fn settings(&mut self, settings: &[(u16, u32)]) {
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        self.send(SETTINGS, 0, 0, payload);
    }

    /// Sends any frame.
    #[track_caller]
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) {
        self.raw.send(frame(kind, flags, stream, payload.as_ref()));
    }

    /// Sends any bytes, or says that the peer takes none any more.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.raw.try_send(bytes)
    }

    /// Sends HEADERS with these fields as they are, in one frame.
    #[track_caller]
    pub fn headers(&mut self, stream: u32, fields: &[(&[u8], &[u8])], end_stream: bool) {
        let flags = END_HEADERS | if end_stream { END_STREAM } else { 0 };
        self.send(HEADERS, flags, stream, hpack::encode(fields));
    }

    /// Sends a sound request without a body.
    #[track_caller]
    pub fn get(&mut self, stream: u32, host: &str, path: &str) {
        self.request(stream, "GET", host, path, &[], true);
    }

    /// Sends a sound request with further fields.
    #[track_caller]
    pub fn request(
        &mut self,
        stream: u32,
        method: &str,
        host: &str,
        path: &str,
        more: &[(&str, &str)],
        end_stream: bool,
    ) {
        let mut fields: Vec<(&[u8], &[u8])> = vec![
            (b":method", method.as_bytes()),
            (b":scheme", b"https"),
            (b":authority", host.as_bytes()),
            (b":path", path.as_bytes()),
        ];
        fields.extend(more.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        self.headers(stream, &fields, end_stream);
    }

    /// Sends DATA.
    #[track_caller]
    pub fn data(&mut self, stream: u32, bytes: impl AsRef<[u8]>, end_stream: bool) {
        self.send(DATA, if end_stream { END_STREAM } else { 0 }, stream, bytes);
    }

    /// Sends RST_STREAM.
    #[track_caller]
    pub fn reset(&mut self, stream: u32, code: u32) {
        self.send(RST_STREAM, 0, stream, code.to_be_bytes());
    }

    /// The next frame as it comes, or how the connection ended.
    pub fn frame(&mut self) -> Result<Frame, End> {
        let head = self.raw.try_exactly(9)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Ok(Frame { kind: head[3], flags: head[4], stream, payload: self.raw.try_exactly(length)? })
    }

    /// The next frame, if all of it has come. Does not wait.
    pub fn ready_frame(&mut self) -> Option<Frame> {
        let input = self.raw.input();
        let length = match input {
            [a, b, c, ..] => usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c),
            _ => return None,
        };
        (input.len() >= 9 + length).then(|| self.frame().expect("a whole frame is there"))
    }

    /// The next frame of `stream`, or the connection's GOAWAY; others are kept for whoever asks, but what is only
    /// about the connection is answered and forgotten.
    pub fn frame_of(&mut self, stream: u32) -> Result<Frame, End> {
        let found = self.waiting.iter().position(|frame| frame.stream == stream);
        if let Some(frame) = found.and_then(|at| self.waiting.remove(at)) {
            return Ok(frame);
        }
        loop {
            let frame = self.frame()?;
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => {
                    // The peer may be gone by now; what it said before still counts.
                    let _ = self.try_send(self::frame(SETTINGS, ACK, 0, &[]));
                }
                PING if frame.flags & ACK == 0 => {
                    let _ = self.try_send(self::frame(PING, ACK, 0, &frame.payload));
                }
                SETTINGS | PING | WINDOW_UPDATE => {}
                GOAWAY => return Ok(frame),
                _ if frame.stream == stream => return Ok(frame),
                _ => self.waiting.push_back(frame),
            }
        }
    }

    /// The next head of `stream`: of an interim answer, of the answer, or trailers; and whether it ends the stream.
    #[track_caller]
    pub fn head(&mut self, stream: u32) -> (Message, bool) {
        let frame = self.frame_of(stream).expect("the connection goes on");
        assert_eq!(frame.kind, HEADERS, "{frame:?}");
        self.head_from(frame)
    }

    /// Reads `stream` to its end, interim answers left out.
    pub fn outcome(&mut self, stream: u32) -> Outcome {
        self.rest(stream, Message::default())
    }

    /// Reads what follows a head on `stream`, to its end.
    pub fn rest(&mut self, stream: u32, mut message: Message) -> Outcome {
        loop {
            let Ok(frame) = self.frame_of(stream) else { return Outcome::Gone(None) };
            let ends = match frame.kind {
                HEADERS => {
                    let (head, ends) = self.head_from(frame);
                    if head.start.is_empty() {
                        message.trailers = head.fields;
                    } else if head.status() >= 200 {
                        message = head;
                    }
                    ends
                }
                DATA => {
                    message.body.extend(&frame.payload);
                    frame.flags & END_STREAM != 0
                }
                RST_STREAM => return Outcome::Reset(code_of(&frame.payload), message),
                // One with NO_ERROR announces an end and does not make it.
                GOAWAY if code_at(&frame.payload, 4) == NO_ERROR => false,
                GOAWAY => return Outcome::Gone(Some(code_at(&frame.payload, 4))),
                _ => panic!("a frame no server sends here: {frame:?}"),
            };
            if ends {
                return Outcome::Answered(message);
            }
        }
    }

    /// The whole response of `stream`.
    #[track_caller]
    pub fn response(&mut self, stream: u32) -> Message {
        match self.outcome(stream) {
            Outcome::Answered(message) => message,
            other => panic!("stream {stream} was not answered: {other:?}"),
        }
    }

    /// Reads until GOAWAY; its code and the last stream it names.
    #[track_caller]
    pub fn goaway(&mut self) -> (u32, u32) {
        loop {
            match self.frame() {
                Ok(frame) if frame.kind == GOAWAY => {
                    return (code_at(&frame.payload, 4), code_at(&frame.payload, 0));
                }
                Ok(_) => {}
                Err(end) => panic!("{end:?} without GOAWAY"),
            }
        }
    }

    /// The connection underneath.
    pub fn raw(&mut self) -> &mut Raw {
        &mut self.raw
    }

    fn head_from(&mut self, frame: Frame) -> (Message, bool) {
        let (ends, mut done) = (frame.flags & END_STREAM != 0, frame.flags & END_HEADERS != 0);
        let mut block = frame.payload;
        while !done {
            let next = self.frame().expect("the rest of the head");
            assert_eq!((next.kind, next.stream), (CONTINUATION, frame.stream), "nothing comes between");
            done = next.flags & END_HEADERS != 0;
            block.extend(next.payload);
        }
        let mut fields = self.decoder.decode(&block);
        let mut message = Message::default();
        if fields.first().is_some_and(|(name, _)| name == ":status") {
            message.start = format!("HTTP/2 {}", fields.remove(0).1);
        }
        assert!(fields.iter().all(|(name, _)| !name.contains(|c: char| c == ':' || c.is_ascii_uppercase())));
        message.fields = fields;
        (message, ends)
    }
}

impl Outcome {
    /// Whether the stream or its connection was refused with `code`.
    pub fn is_error(&self, code: u32) -> bool {
        matches!(self, Self::Reset(found, _) | Self::Gone(Some(found)) if *found == code)
    }
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn code_of(payload: &[u8]) -> u32 {
    code_at(payload, 0)
}

fn code_at(payload: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"))
}

/// What a client's connection begins with (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;

pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const FLOW_CONTROL_ERROR: u32 = 3;
pub const STREAM_CLOSED: u32 = 5;
pub const FRAME_SIZE_ERROR: u32 = 6;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const COMPRESSION_ERROR: u32 = 9;

pub const HEADER_TABLE_SIZE: u16 = 1;
pub const ENABLE_PUSH: u16 = 2;
pub const INITIAL_WINDOW_SIZE: u16 = 4;
pub const MAX_FRAME_SIZE: u16 = 5;
pub const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// The largest window there is (RFC 9113 §6.9.1).
pub const LARGEST_WINDOW: u32 = (1 << 31) - 1;
