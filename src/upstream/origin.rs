//! The upstream's end of one exchange over HTTP/1.1: the request goes out, heads and body come back. Owns the
//! lease while the exchange lasts; decides whether the connection may be kept.

use super::Lease;
use crate::base::{Buffer, Cause, Refusal};
use crate::message::h1::{BodyDecoder, ResponseParser};
use crate::message::{BodyLength, Fields, RequestHead, ResponseHead};
use crate::net::{BodyError, HoldsStream, Http1, Piece, Sink, Source, Stream};
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// A leased connection with a request on it.
pub struct Origin {
    http1: Http1<Lease>,
    parser: ResponseParser,
    header_bytes: usize,
    /// Whether a single byte of an answer was received.
    touched: bool,
    /// Whether the last head allows another request on this connection.
    keep_alive: bool,
}

impl Origin {
    /// Takes a lease up; answers' heads may have at most `header_bytes`.
    pub fn new(lease: Lease, header_bytes: usize) -> Self {
        Self {
            http1: Http1::new(lease),
            parser: ResponseParser::new(),
            header_bytes,
            touched: false,
            keep_alive: false,
        }
    }

    /// Where the request's head is written; it leaves with the first bytes of the body.
    pub fn out(&mut self) -> &mut Buffer {
        self.http1.out()
    }

    /// A body of this length follows the request's head.
    pub fn begin_request(&mut self, length: BodyLength) {
        self.http1.begin_outgoing(length);
    }

    /// The next head of the answer, interim or final.
    ///
    /// # Errors
    /// `Closed` when the upstream ended or broke the connection first, `InvalidAnswer` and
    /// `AnswerHeaderTooLarge` for heads that break the rules.
    pub fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        request: &RequestHead,
    ) -> Poll<Result<ResponseHead, Refusal>> {
        loop {
            let input = self.http1.stream().input();
            if !input.is_empty()
                && let Some(head) = self.parser.parse(input, self.header_bytes)?
            {
                self.keep_alive = head.keep_alive() && request.upgrade().is_none();
                return Poll::Ready(Ok(head));
            }
            match ready!(self.http1.stream().poll_fill(cx)) {
                Ok(0) => return Poll::Ready(Err(self.closed(None))),
                Ok(_) => self.touched = true,
                Err(error) => return Poll::Ready(Err(self.closed(Some(&error)))),
            }
        }
    }

    fn closed(&self, error: Option<&io::Error>) -> Refusal {
        let when =
            if self.touched { "in the middle of its answer's head" } else { "before its answer began" };
        match error {
            Some(error) => Refusal::new(Cause::Closed, format!("broken {when}: {error}")),
            None => Refusal::new(Cause::Closed, format!("closed {when}")),
        }
    }

    /// A body of this length follows the answer's head.
    pub fn begin_body(&mut self, length: BodyLength) {
        self.keep_alive &= length != BodyLength::UntilClose;
        self.http1.begin_incoming(BodyDecoder::of_response(length));
    }

    /// Both directions are raw bytes from here on; the connection leaves its place to another.
    pub fn begin_tunnel(&mut self) {
        self.http1.holder_mut().become_tunnel();
        self.keep_alive = false;
        self.http1.begin_incoming(BodyDecoder::of_response(BodyLength::UntilClose));
        self.http1.begin_outgoing(BodyLength::UntilClose);
    }

    /// Bytes of the request's body sent so far.
    pub fn body_sent(&self) -> u64 {
        self.http1.sent()
    }

    /// Bytes of the answer's body received so far.
    pub fn body_received(&self) -> u64 {
        self.http1.received()
    }

    /// Whether the exchange failed without a byte of an answer and without a byte of the request's body gone:
    /// then, and only then, the upstream may be asked again.
    pub fn is_untouched(&self) -> bool {
        !self.touched && self.http1.sent() == 0
    }

    /// Whether the connection came from the pool.
    pub fn is_reused(&self) -> bool {
        self.http1.holder().is_reused()
    }

    /// Ends the exchange: the connection is kept where request and answer were whole and nothing came behind.
    pub fn finish(mut self, now: Instant) {
        let whole = self.http1.has_received_all() && self.http1.has_sent_all();
        if self.keep_alive && whole && self.http1.stream().input().is_empty() {
            self.http1.into_stream().keep(now);
        }
    }
}

impl HoldsStream for Lease {
    fn stream(&mut self) -> &mut Stream {
        Lease::stream(self)
    }
}

impl Source for Origin {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece<'_>, BodyError>> {
        self.http1.poll_piece(cx)
    }

    fn consume(&mut self, count: usize) {
        self.http1.consume(count);
    }
}

impl Sink for Origin {
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyError>> {
        self.http1.poll_write(cx, data)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        self.http1.poll_flush(cx)
    }

    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), BodyError>> {
        self.http1.poll_finish(cx, trailers)
    }
}
