//! An exchange with an upstream that speaks HTTP/1.1.

use super::super::Lease;
use crate::base::{Cause, Refusal};
use crate::message::h1::{BodyDecoder, ResponseParser, write_request};
use crate::message::{BodyLength, RequestEdits, RequestHead, ResponseHead};
use crate::net::{HoldsStream, Http1, Source, Stream};
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// A leased connection with a request on it.
pub struct Http1Origin {
    http1: Http1<Lease>,
    parser: ResponseParser,
    header_bytes: usize,
    /// Whether a single byte of an answer was received.
    touched: bool,
    /// Whether the upstream was asked to say that it will read the body, and has not.
    expecting: bool,
    /// Whether the last head allows another request on this connection.
    keep_alive: bool,
}

impl Http1Origin {
    pub(super) fn new(lease: Lease, header_bytes: usize) -> Self {
        Self {
            http1: Http1::new(lease),
            parser: ResponseParser::new(),
            header_bytes,
            touched: false,
            expecting: false,
            keep_alive: false,
        }
    }

    /// Queues the head; it leaves with the first bytes of the body.
    pub(super) fn send(&mut self, head: &RequestHead, edits: &RequestEdits<'_>) {
        write_request(self.http1.out(), head, edits);
        self.http1.begin_outgoing(edits.body);
        self.expecting = edits.expect_continue;
    }

    /// The right to the connection.
    pub(super) fn lease(&mut self) -> &mut Lease {
        self.http1.holder_mut()
    }

    /// The bodies of both directions.
    pub(super) fn body(&mut self) -> &mut Http1<Lease> {
        &mut self.http1
    }

    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        request: &RequestHead,
    ) -> Poll<Result<ResponseHead, Refusal>> {
        loop {
            let input = self.http1.stream().input();
            if !input.is_empty()
                && let Some(head) = self.parser.parse(input, self.header_bytes)?
            {
                self.expecting &= head.status() != 100;
                // Who answers without the 100 need not have read the body (RFC 9110 §10.1.1), though all of it was sent:
                // it may stand where the next request would.
                self.keep_alive = head.keep_alive() && request.upgrade().is_none() && !self.expecting;
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

    pub(super) fn begin_body(&mut self, length: BodyLength) {
        self.keep_alive &= length != BodyLength::UntilClose;
        self.http1.begin_incoming(BodyDecoder::of_response(length));
    }

    pub(super) fn begin_tunnel(&mut self) {
        self.http1.holder_mut().become_tunnel();
        self.keep_alive = false;
        self.http1.begin_incoming(BodyDecoder::of_response(BodyLength::UntilClose));
        self.http1.begin_outgoing(BodyLength::UntilClose);
    }

    /// How many bytes of the answer's body are still to come, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        self.http1.left()
    }

    pub(super) fn body_sent(&self) -> u64 {
        self.http1.sent()
    }

    pub(super) fn body_received(&self) -> u64 {
        self.http1.received()
    }

    pub(super) fn is_untouched(&self) -> bool {
        !self.touched && self.http1.sent() == 0
    }

    pub(super) fn is_reused(&self) -> bool {
        self.http1.holder().is_reused()
    }

    pub(super) fn finish(mut self, now: Instant) {
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
