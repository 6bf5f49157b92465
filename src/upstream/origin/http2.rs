//! An exchange with an upstream that speaks HTTP/2: one stream of a session that the exchange has for itself.

use super::super::Lease;
use crate::base::{Cause, Refusal};
use crate::message::{BodyLength, Persistence, RequestEdits, RequestHead, ResponseHead, h2 as translate};
use crate::net::{BodyError, Http2, Piece, Source};
use h2::client::{ResponseFuture, SendRequest};
use http::HeaderMap;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// A leased session with a request on it.
pub struct Http2Origin {
    lease: Lease,
    bodies: Http2,
    header_bytes: usize,
    /// Until the request's head is sent.
    sender: Option<SendRequest<bytes::Bytes>>,
    /// From then on.
    response: Option<ResponseFuture>,
    /// A head that declares an empty body, until that has ended (RFC 9113 §8.1.1).
    held: Option<ResponseHead>,
    /// Whether the upstream has shown that it saw the request.
    touched: bool,
}

impl Http2Origin {
    pub(super) fn new(lease: Lease, sender: SendRequest<bytes::Bytes>, header_bytes: usize) -> Self {
        Self {
            lease,
            bodies: Http2::new(|map| Ok(translate::response_trailers(map))),
            header_bytes,
            sender: Some(sender),
            response: None,
            held: None,
            touched: false,
        }
    }

    /// Keeps the request's head for the moment when the session has room for it.
    pub(super) fn send(&mut self, head: &RequestHead, edits: &RequestEdits<'_>) -> Result<(), Refusal> {
        if matches!(edits.persistence, Persistence::Upgrade(_)) {
            return Err(Refusal::new(Cause::UpgradeFailed, "upgrades do not go to upstreams over HTTP/2"));
        }
        let request = translate::request(head, edits)?;
        let ends = matches!(edits.body, BodyLength::None | BodyLength::Length(0));
        let Some(mut sender) = self.sender.take() else {
            return Err(Refusal::new(Cause::Internal, "a request was sent twice"));
        };
        // The session is this exchange's alone: there is room for its one stream, or the connection has ended.
        let (response, stream) = sender.send_request(request, ends).map_err(|error| self.failed(&error))?;
        self.response = Some(response);
        self.bodies.begin_outgoing(Some(stream), edits.body, ends);
        Ok(())
    }

    /// The right to the connection.
    pub(super) fn lease(&mut self) -> &mut Lease {
        &mut self.lease
    }

    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, Refusal>> {
        let head = if let Some(head) = self.held.take() {
            head
        } else {
            let (head, ends) = ready!(self.poll_next_head(cx))?;
            if ends || head.is_interim() || head.declared_length() != Some(0) {
                return Poll::Ready(Ok(head));
            }
            self.bodies.declare_incoming(0);
            head
        };
        match self.bodies.poll_piece(cx) {
            Poll::Ready(Ok(Piece::End(_))) => Poll::Ready(Ok(head)),
            Poll::Ready(Ok(Piece::Data(_))) => {
                Poll::Ready(Err(Refusal::new(Cause::InvalidAnswer, "a body that was said to be none")))
            }
            Poll::Ready(Err(BodyError::Stream(error))) => Poll::Ready(Err(self.failed(&error))),
            Poll::Ready(Err(error)) => {
                Poll::Ready(Err(Refusal::new(Cause::InvalidAnswer, error.to_string())))
            }
            Poll::Pending => {
                self.held = Some(head);
                Poll::Pending
            }
        }
    }

    /// The next head as it comes, and whether it ends the stream.
    fn poll_next_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<(ResponseHead, bool), Refusal>> {
        let Some(response) = &mut self.response else {
            return Poll::Ready(Err(Refusal::new(Cause::Internal, "an answer without a request")));
        };
        if let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
            let (parts, ()) = interim.map_err(|error| self.failed(&error))?.into_parts();
            self.touched = true;
            self.check_size(&parts.headers)?;
            return Poll::Ready(translate::response_head(parts, false).map(|head| (head, false)));
        }
        let answer = ready!(Pin::new(response).poll(cx)).map_err(|error| self.failed(&error))?;
        self.touched = true;
        let (parts, body) = answer.into_parts();
        self.check_size(&parts.headers)?;
        let ends = body.is_end_stream();
        self.bodies.begin_incoming(body);
        Poll::Ready(translate::response_head(parts, ends).map(|head| (head, ends)))
    }

    fn check_size(&self, fields: &HeaderMap) -> Result<(), Refusal> {
        // As lines of HTTP/1 would have it.
        let bytes = fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>();
        if bytes > self.header_bytes {
            return Err(Refusal::new(Cause::AnswerHeaderTooLarge, format!("{bytes} bytes of header fields")));
        }
        Ok(())
    }

    fn failed(&mut self, error: &h2::Error) -> Refusal {
        if error.is_library() {
            return Refusal::new(Cause::InvalidAnswer, error.to_string());
        }
        // REFUSED_STREAM says that the request was not processed (RFC 9113 §8.7); any other reset may come after that.
        self.touched |= error.is_reset() && error.reason() != Some(h2::Reason::REFUSED_STREAM);
        Refusal::new(Cause::Closed, format!("ended before its answer began: {error}"))
    }

    pub(super) fn begin_body(&mut self, length: BodyLength) {
        match length {
            // Its frames tell the length, but not that there may be none.
            BodyLength::None => self.bodies.forbid_incoming(),
            BodyLength::Length(bytes) => self.bodies.declare_incoming(bytes),
            BodyLength::Chunked | BodyLength::UntilClose => {}
        }
    }

    pub(super) fn bodies(&mut self) -> &mut Http2 {
        &mut self.bodies
    }

    pub(super) fn body_sent(&self) -> u64 {
        self.bodies.sent()
    }

    pub(super) fn body_received(&self) -> u64 {
        self.bodies.received()
    }

    pub(super) fn is_untouched(&self) -> bool {
        !self.touched && self.bodies.sent() == 0
    }

    pub(super) fn is_reused(&self) -> bool {
        self.lease.is_reused()
    }

    /// Keeps the session where the stream was ended both ways.
    pub(super) fn finish(self, now: Instant) {
        if self.bodies.has_received_all() && self.bodies.has_sent_all() {
            self.lease.keep(now);
        }
    }
}
