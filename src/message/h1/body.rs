//! Where the bytes of a received body stand among its framing (RFC 9112 §6 and §7). Looks at bytes and moves
//! none; the caller forwards or splices them.

use super::chunk;
use super::scan::{ScanError, Scanner, Section};
use super::trailers;
use crate::base::{Cause, Refusal};
use crate::message::{BodyLength, Fields};

/// Finds the data of one received body, from any pieces.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
    sender: Sender,
    received: u64,
    /// Bytes of chunk extensions so far.
    extensions: u64,
    trailers: Option<Fields>,
}

/// What stands at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// `skip` bytes of framing, then `len` bytes (at least one) of the body. Consume both, then go on.
    Data {
        /// Bytes of framing in front.
        skip: usize,
        /// Bytes of the body behind them.
        len: usize,
    },
    /// Consume `skip` bytes of framing and come back when more bytes stand behind what is left.
    More {
        /// Bytes of framing in front.
        skip: usize,
    },
    /// Consume `skip` bytes: the body is complete. Whatever follows belongs to the next message.
    End {
        /// Bytes of framing in front.
        skip: usize,
    },
}

/// How a body breaks its framing. Who is to blame, the caller knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The syntax of chunks or trailers is broken.
    #[error("{0}")]
    Syntax(&'static str),
    /// The trailer section is too large.
    #[error("trailers are larger or more than allowed")]
    TrailersTooLarge,
    /// The connection ended before the body did.
    #[error("the connection ended inside the body")]
    Truncated,
    /// More bytes than the length declared, or fewer.
    #[error("the body does not have the length declared")]
    Length,
}

/// Whose body it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    Upstream,
}

#[derive(Debug)]
enum State {
    /// So many bytes of data are left of a declared length.
    Length(u64),
    /// All that comes is data.
    UntilClose,
    /// The line of a chunk's size is next.
    ChunkLine,
    /// So many bytes of data are left of this chunk: at least one.
    Chunk(u64),
    /// The CRLF behind a chunk's data is next.
    ChunkEnd,
    /// The trailer section is next.
    Trailers(Scanner),
    Complete,
}

impl BodyDecoder {
    /// For the body of a request: trailers that may not be there are an error.
    pub fn of_request(length: BodyLength) -> Self {
        Self::new(length, Sender::Client)
    }

    /// For the body of a response: trailers that may not be there are left out.
    pub fn of_response(length: BodyLength) -> Self {
        Self::new(length, Sender::Upstream)
    }

    fn new(length: BodyLength, sender: Sender) -> Self {
        let state = match length {
            BodyLength::None | BodyLength::Length(0) => State::Complete,
            BodyLength::Length(length) => State::Length(length),
            BodyLength::Chunked => State::ChunkLine,
            BodyLength::UntilClose => State::UntilClose,
        };
        Self { state, sender, received: 0, extensions: 0, trailers: None }
    }

    /// What stands at the front of `input`. Bytes it did not tell to skip or forward must come again, with more
    /// behind them: never more than [`LONGEST_FRAMING`](super::LONGEST_FRAMING). After an error the connection
    /// is of no use.
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, BodyError> {
        let mut skip = 0;
        // Each turn consumes framing or returns: at most the line end, the size line and the trailers.
        loop {
            let rest = &input[skip..];
            match &mut self.state {
                State::Complete => return Ok(Decoded::End { skip }),
                _ if rest.is_empty() => return Ok(Decoded::More { skip }),
                State::UntilClose => return Ok(self.data(skip, rest.len())),
                State::Length(left) | State::Chunk(left) => {
                    let len = usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                    return Ok(self.data(skip, len));
                }
                State::ChunkEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        skip += 2;
                        self.state = State::ChunkLine;
                    }
                    [b'\r'] => return Ok(Decoded::More { skip }),
                    _ => return Err(BodyError::Syntax("no CRLF behind a chunk")),
                },
                State::ChunkLine => {
                    let Some(line) = chunk::parse_line(rest)? else { return Ok(Decoded::More { skip }) };
                    skip += line.len;
                    self.count_extension(line.extension_len)?;
                    self.state = match line.size {
                        0 => State::Trailers(Scanner::default()),
                        size => State::Chunk(size),
                    };
                }
                State::Trailers(scanner) => {
                    let found = scanner.scan(rest, trailers::MOST_BYTES, trailers::MOST_FIELDS);
                    let Some(section) = found.map_err(refuse_scan)? else {
                        return Ok(Decoded::More { skip });
                    };
                    self.end(&rest[..section.len], section)?;
                    skip += section.len;
                }
            }
        }
    }

    /// The connection has ended: the end of the body where that is its framing, else a truncated body.
    pub fn end_of_input(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Complete | State::UntilClose => {
                self.state = State::Complete;
                Ok(())
            }
            _ => Err(BodyError::Truncated),
        }
    }

    /// Whether the body is complete.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    /// Bytes of data that certainly follow without framing between them, for moving them unseen: the rest of
    /// the length or of the chunk; `u64::MAX` until close. After moving some, tell [`moved`](Self::moved).
    pub fn remaining(&self) -> u64 {
        match self.state {
            State::Length(left) | State::Chunk(left) => left,
            State::UntilClose => u64::MAX,
            State::ChunkLine | State::ChunkEnd | State::Trailers(_) | State::Complete => 0,
        }
    }

    /// How many bytes of the whole body are still to be found, where its framing says so.
    pub fn left(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Complete => Some(0),
            _ => None,
        }
    }

    /// `count` bytes of data were taken off the connection unseen: never more than
    /// [`remaining`](Self::remaining).
    pub fn moved(&mut self, count: u64) {
        debug_assert!(count <= self.remaining(), "moved bytes that are not certainly data");
        self.received += count;
        match &mut self.state {
            State::Length(left) => {
                *left = left.saturating_sub(count);
                if *left == 0 {
                    self.state = State::Complete;
                }
            }
            State::Chunk(left) => {
                *left = left.saturating_sub(count);
                if *left == 0 {
                    self.state = State::ChunkEnd;
                }
            }
            _ => {}
        }
    }

    /// Bytes of data so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The trailers, once the body is complete and where it had some.
    pub fn take_trailers(&mut self) -> Option<Fields> {
        self.trailers.take()
    }

    fn data(&mut self, skip: usize, len: usize) -> Decoded {
        self.moved(len as u64);
        Decoded::Data { skip, len }
    }

    /// Extensions mean nothing to us and are not passed on: a body of little else is an attack on whoever reads
    /// it.
    fn count_extension(&mut self, len: usize) -> Result<(), BodyError> {
        self.extensions += len as u64;
        if self.extensions > self.received.saturating_add(SPARE_EXTENSION_BYTES) {
            return Err(BodyError::Syntax("more chunk extensions than data"));
        }
        Ok(())
    }

    fn end(&mut self, section: &[u8], found: Section) -> Result<(), BodyError> {
        if found.lines > 0 {
            self.trailers = trailers::parse(section, found, self.sender)?;
        }
        self.state = State::Complete;
        Ok(())
    }
}

impl BodyError {
    /// The refusal when a client sent the body.
    pub fn of_client(self) -> Refusal {
        match self {
            Self::Syntax(what) => Refusal::new(Cause::BadRequest, what),
            Self::TrailersTooLarge => Refusal::new(Cause::HeaderTooLarge, self.to_string()),
            Self::Truncated => Refusal::new(Cause::ClientGone, "left inside the body"),
            Self::Length => Refusal::new(Cause::BadRequest, self.to_string()),
        }
    }

    /// The refusal when an upstream sent the body.
    pub fn of_upstream(self) -> Refusal {
        match self {
            Self::Syntax(what) => Refusal::new(Cause::InvalidAnswer, what),
            Self::TrailersTooLarge => Refusal::new(Cause::AnswerHeaderTooLarge, self.to_string()),
            Self::Truncated | Self::Length => Refusal::new(Cause::AnswerIncomplete, self.to_string()),
        }
    }
}

fn refuse_scan(error: ScanError) -> BodyError {
    match error {
        ScanError::BareLf => BodyError::Syntax("a trailer that ends in LF without CR"),
        ScanError::TooLong | ScanError::TooManyLines => BodyError::TrailersTooLarge,
    }
}

/// Bytes of chunk extensions beyond those that data pays for, one for one: room for a few signed chunks.
const SPARE_EXTENSION_BYTES: u64 = 8 * 1024;

#[cfg(test)]
mod tests;
