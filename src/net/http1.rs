//! One HTTP/1 connection as a pair of bodies: what comes in is taken out of its framing (RFC 9112 §6), what
//! goes out is put into one. Visitors' and upstreams' connections are the same thing seen from two ends. Knows
//! framing only: heads are parsed and written elsewhere.

use super::Socket;
use super::body::{BodyError, Piece, Sink, Source};
use super::splice::LEAST_RUN;
use super::stream::Stream;
use crate::base::Buffer;
use crate::message::h1::{self, BodyDecoder, BodyEncoder, Decoded};
use crate::message::{BodyLength, Fields};
use std::io::IoSlice;
use std::task::{Context, Poll, ready};

/// A stream with the state of the body that comes in and the body that goes out. `S` is the stream, owned,
/// borrowed or leased.
pub struct Http1<S> {
    stream: S,
    decoder: BodyDecoder,
    /// Bytes at the front of the input that are known to be body.
    known: usize,
    encoder: BodyEncoder,
    /// Bytes that are missing from the unit (the chunk) whose framing was begun.
    unit: usize,
    /// What goes behind the unit.
    suffix: &'static [u8],
    outgoing: Outgoing,
    /// Heads and chunk framing not sent yet: a few hundred bytes, sent before and together with the next body bytes.
    out: Buffer,
    /// Body bytes sent, framing not counted.
    sent: u64,
}

/// Whoever has the use of a stream.
pub trait HoldsStream {
    /// The stream.
    fn stream(&mut self) -> &mut Stream;
}

impl HoldsStream for Stream {
    fn stream(&mut self) -> &mut Stream {
        self
    }
}

impl HoldsStream for &mut Stream {
    fn stream(&mut self) -> &mut Stream {
        self
    }
}

/// How far the outgoing body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outgoing {
    /// Nothing more may be sent.
    Ended,
    /// Its end stands in its framing.
    Framed,
    /// It ends when our end closes: answers to HTTP/1.0, tunnels.
    UntilClose,
}

impl<S: HoldsStream> Http1<S> {
    /// A connection on which no body is under way.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            decoder: BodyDecoder::of_request(BodyLength::None),
            known: 0,
            encoder: BodyEncoder::new(BodyLength::None),
            unit: 0,
            suffix: b"",
            outgoing: Outgoing::Ended,
            out: Buffer::new(),
            sent: 0,
        }
    }

    /// The stream below.
    pub fn stream(&mut self) -> &mut Stream {
        self.stream.stream()
    }

    /// What holds the stream: a lease, a reference, the stream itself.
    pub fn holder(&self) -> &S {
        &self.stream
    }

    /// The same, to be changed; its stream stays where it is.
    pub fn holder_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Gives the stream back.
    pub fn into_stream(self) -> S {
        self.stream
    }

    /// Where heads are written: they leave with the next body bytes or flush.
    pub fn out(&mut self) -> &mut Buffer {
        &mut self.out
    }

    /// A body comes in from here on, framed as `decoder` says.
    pub fn begin_incoming(&mut self, decoder: BodyDecoder) {
        self.decoder = decoder;
        self.known = 0;
    }

    /// A body of this length goes out from here on.
    pub fn begin_outgoing(&mut self, length: BodyLength) {
        self.encoder = BodyEncoder::new(length);
        self.unit = 0;
        self.outgoing = match length {
            BodyLength::UntilClose => Outgoing::UntilClose,
            _ => Outgoing::Framed,
        };
    }

    /// Whether the incoming body was read to its end.
    pub fn has_received_all(&self) -> bool {
        self.known == 0 && self.decoder.is_complete()
    }

    /// Whether the outgoing body was sent to its end.
    pub fn has_sent_all(&self) -> bool {
        self.outgoing == Outgoing::Ended && self.out.is_empty()
    }

    /// Body bytes received so far.
    pub fn received(&self) -> u64 {
        self.decoder.received()
    }

    /// Body bytes sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Takes and forgets what of the incoming body was received already; whether that was all of it.
    pub fn skip_received(&mut self) -> bool {
        loop {
            match self.step() {
                Ok(Step::Data) => self.consume(self.known),
                Ok(Step::End) => return true,
                Ok(Step::More) | Err(_) => return false,
            }
        }
    }

    /// Looks at what was received, without waiting for more.
    fn step(&mut self) -> Result<Step, BodyError> {
        if self.known > 0 {
            return Ok(Step::Data);
        }
        let input = self.stream.stream().input();
        Ok(match self.decoder.decode(input.filled())? {
            Decoded::Data { skip, len } => {
                input.consume(skip);
                self.known = len;
                Step::Data
            }
            Decoded::More { skip } => {
                input.consume(skip);
                Step::More
            }
            Decoded::End { skip } => {
                input.consume(skip);
                Step::End
            }
        })
    }

    /// How many of `offered` bytes the unit under way takes; begins a unit of them where none is.
    fn room(&mut self, offered: usize) -> Result<usize, BodyError> {
        if self.unit == 0 {
            let (prefix, suffix) = self.encoder.frame(offered as u64)?;
            self.out.extend(prefix.as_bytes());
            self.unit = offered;
            self.suffix = suffix;
        }
        Ok(self.unit.min(offered))
    }

    /// Counts body bytes that were sent; ends the unit where it is full.
    fn count_sent(&mut self, count: usize) {
        self.sent += count as u64;
        self.unit -= count;
        if self.unit == 0 {
            self.out.extend(self.suffix);
        }
    }
}

/// Heads, framing and small pieces of bodies that are put together to leave by one call: copying so much costs less than
/// a second call, or than a call with two pieces.
const TOGETHER_BYTES: usize = 4096;

/// What stands at the front of the input.
enum Step {
    Data,
    More,
    End,
}

impl<S: HoldsStream> Source for Http1<S> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece<'_>, BodyError>> {
        loop {
            match self.step()? {
                Step::Data => break,
                Step::End => return Poll::Ready(Ok(Piece::End(self.decoder.take_trailers()))),
                Step::More => {}
            }
            if ready!(self.stream.stream().poll_fill(cx))? == 0 {
                if !self.stream.stream().ended_cleanly() {
                    return Poll::Ready(Err(h1::BodyError::Truncated.into()));
                }
                self.decoder.end_of_input()?;
                return Poll::Ready(Ok(Piece::End(None)));
            }
        }
        Poll::Ready(Ok(Piece::Data(&self.stream.stream().input().filled()[..self.known])))
    }

    fn consume(&mut self, count: usize) {
        self.stream.stream().input().consume(count);
        self.known -= count;
    }

    fn left(&self) -> Option<u64> {
        Some(self.decoder.left()? + self.known as u64)
    }

    fn run_bytes(&mut self) -> Option<u64> {
        let bytes = self.decoder.remaining();
        let stream = self.stream.stream();
        // Bytes without a known end are worth a pipe only while they come fast.
        let worth = bytes >= LEAST_RUN && (bytes < u64::MAX || stream.is_busy());
        (worth && self.known == 0 && stream.unread_socket().is_some()).then_some(bytes)
    }

    fn source_socket(&mut self) -> Option<&mut Socket> {
        self.stream.stream().unread_socket()
    }

    fn taken(&mut self, count: u64) {
        self.decoder.moved(count);
    }
}

impl<S: HoldsStream> Sink for Http1<S> {
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyError>> {
        let room = self.room(data.len())?;
        if !self.out.is_empty() && self.out.len() + room <= TOGETHER_BYTES {
            // What follows at once, more of the body or its end, goes with it; else a flush does.
            self.out.extend(&data[..room]);
            self.count_sent(room);
            return Poll::Ready(Ok(room));
        }
        loop {
            let ahead = self.out.len();
            let slices = [IoSlice::new(self.out.filled()), IoSlice::new(&data[..room])];
            let slices = if ahead == 0 { &slices[1..] } else { &slices[..] };
            let written = ready!(self.stream.stream().poll_write(cx, slices))?;
            self.out.consume(written.min(ahead));
            if let Some(sent) = written.checked_sub(ahead).filter(|sent| *sent > 0) {
                self.count_sent(sent);
                return Poll::Ready(Ok(sent));
            }
            // Only framing went out, or not even all of it: the body's turn comes with the next write.
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        while !self.out.is_empty() {
            let written = ready!(self.stream.stream().poll_write(cx, &[IoSlice::new(self.out.filled())]))?;
            self.out.consume(written);
        }
        self.stream.stream().poll_flush(cx).map_err(BodyError::Io)
    }

    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), BodyError>> {
        if self.outgoing == Outgoing::Framed {
            self.encoder.finish(trailers, &mut self.out)?;
            self.outgoing = Outgoing::Ended;
        }
        ready!(self.poll_flush(cx))?;
        if self.outgoing == Outgoing::UntilClose {
            ready!(self.stream.stream().poll_close_write(cx))?;
            self.outgoing = Outgoing::Ended;
        }
        Poll::Ready(Ok(()))
    }

    fn begin_run(&mut self, bytes: u64) -> Result<bool, BodyError> {
        let until_close = self.outgoing == Outgoing::UntilClose;
        let fits = if bytes == u64::MAX { until_close } else { self.outgoing != Outgoing::Ended };
        if !fits || self.unit > 0 || self.stream.stream().is_tls() {
            return Ok(false);
        }
        let (prefix, suffix) = self.encoder.frame(bytes)?;
        self.out.extend(prefix.as_bytes());
        // A run that does not fit is no run on this machine.
        self.unit = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.suffix = suffix;
        Ok(true)
    }

    fn sink_socket(&mut self) -> Option<&mut Socket> {
        self.stream.stream().clear_socket()
    }

    fn given(&mut self, count: u64) {
        self.count_sent(count as usize);
    }

    fn end_run(&mut self) {
        if self.outgoing == Outgoing::UntilClose {
            self.unit = 0;
        }
    }
}
