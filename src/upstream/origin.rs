//! The upstream's end of one exchange, whatever version it speaks: the request goes out, heads and body come back. Owns
//! the lease while the exchange lasts; decides whether the connection may be kept.

mod http1;
mod http2;

use super::transport::Transport;
use super::{Fate, Lease};
use crate::base::Refusal;
use crate::message::{BodyLength, Fields, RequestEdits, RequestHead, ResponseHead};
use crate::net::{BodyError, Piece, Sink, Socket, Source};
use http1::Http1Origin;
use http2::Http2Origin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// A leased connection with a request on it.
pub enum Origin {
    /// HTTP/1.1.
    Http1(Http1Origin),
    /// HTTP/2; boxed, since few upstreams speak it.
    Http2(Box<Http2Origin>),
}

impl Origin {
    /// Takes a lease up; answers' heads may have at most `header_bytes`.
    pub fn new(mut lease: Lease, header_bytes: usize) -> Self {
        match lease.transport() {
            Transport::Http1(_) => Self::Http1(Http1Origin::new(lease, header_bytes)),
            Transport::Http2(session) => {
                let sender = session.sender();
                Self::Http2(Box::new(Http2Origin::new(lease, sender, header_bytes)))
            }
        }
    }

    /// Queues the request's head; its body follows.
    ///
    /// # Errors
    /// `UpgradeFailed` for an upgrade where the upstream speaks HTTP/2, `BadRequest` for what HTTP/2 cannot say.
    pub fn send(&mut self, head: &RequestHead, edits: &RequestEdits<'_>) -> Result<(), Refusal> {
        match self {
            Self::Http1(origin) => {
                origin.send(head, edits);
                Ok(())
            }
            Self::Http2(origin) => origin.send(head, edits),
        }
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
        let head = match self {
            Self::Http1(origin) => origin.poll_head(cx, request),
            Self::Http2(origin) => origin.poll_head(cx),
        };
        // An interim one promises an answer and is none; 101 is the last there will be.
        if let Poll::Ready(Ok(head)) = &head
            && (head.status() == 101 || head.status() >= 200)
        {
            self.lease().is_answered();
        }
        head
    }

    /// The answer did not begin in its time.
    pub fn is_overdue(&mut self) {
        self.lease().is_given_up(true);
    }

    /// What becomes of the program behind it, where it is one of ours.
    pub fn fate(&mut self) -> Option<Arc<Fate>> {
        self.lease().fate()
    }

    fn lease(&mut self) -> &mut Lease {
        match self {
            Self::Http1(origin) => origin.lease(),
            Self::Http2(origin) => origin.lease(),
        }
    }

    /// A body of this length follows the answer's head.
    pub fn begin_body(&mut self, length: BodyLength) {
        match self {
            Self::Http1(origin) => origin.begin_body(length),
            Self::Http2(origin) => origin.begin_body(length),
        }
    }

    /// Both directions are raw bytes from here on; the connection leaves its place to another.
    pub fn begin_tunnel(&mut self) {
        match self {
            Self::Http1(origin) => origin.begin_tunnel(),
            // No upgrade was sent, so none was agreed to.
            Self::Http2(_) => {}
        }
    }

    /// Bytes of the request's body sent so far.
    pub fn body_sent(&self) -> u64 {
        match self {
            Self::Http1(origin) => origin.body_sent(),
            Self::Http2(origin) => origin.body_sent(),
        }
    }

    /// Bytes of the answer's body received so far.
    pub fn body_received(&self) -> u64 {
        match self {
            Self::Http1(origin) => origin.body_received(),
            Self::Http2(origin) => origin.body_received(),
        }
    }

    /// Whether the exchange failed without a byte of an answer and without a byte of the request's body gone:
    /// then, and only then, the upstream may be asked again.
    pub fn is_untouched(&self) -> bool {
        match self {
            Self::Http1(origin) => origin.is_untouched(),
            Self::Http2(origin) => origin.is_untouched(),
        }
    }

    /// Whether the connection came from the pool.
    pub fn is_reused(&self) -> bool {
        match self {
            Self::Http1(origin) => origin.is_reused(),
            Self::Http2(origin) => origin.is_reused(),
        }
    }

    /// Ends the exchange: the connection is kept where request and answer were whole and nothing came behind.
    pub fn finish(self, now: Instant) {
        match self {
            Self::Http1(origin) => origin.finish(now),
            Self::Http2(origin) => origin.finish(now),
        }
    }
}

impl Source for Origin {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece<'_>, BodyError>> {
        match self {
            Self::Http1(origin) => origin.body().poll_piece(cx),
            Self::Http2(origin) => origin.bodies().poll_piece(cx),
        }
    }

    fn consume(&mut self, count: usize) {
        match self {
            Self::Http1(origin) => origin.body().consume(count),
            Self::Http2(origin) => origin.bodies().consume(count),
        }
    }

    fn left(&self) -> Option<u64> {
        match self {
            Self::Http1(origin) => origin.left(),
            Self::Http2(_) => None,
        }
    }

    fn run_bytes(&mut self) -> Option<u64> {
        match self {
            Self::Http1(origin) => origin.body().run_bytes(),
            Self::Http2(_) => None,
        }
    }

    fn source_socket(&mut self) -> Option<&mut Socket> {
        match self {
            Self::Http1(origin) => origin.body().source_socket(),
            Self::Http2(_) => None,
        }
    }

    fn taken(&mut self, count: u64) {
        if let Self::Http1(origin) = self {
            origin.body().taken(count);
        }
    }
}

impl Sink for Origin {
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyError>> {
        match self {
            Self::Http1(origin) => origin.body().poll_write(cx, data),
            Self::Http2(origin) => origin.bodies().poll_write(cx, data),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        match self {
            Self::Http1(origin) => origin.body().poll_flush(cx),
            Self::Http2(origin) => origin.bodies().poll_flush(cx),
        }
    }

    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), BodyError>> {
        let finished = match self {
            Self::Http1(origin) => origin.body().poll_finish(cx, trailers),
            Self::Http2(origin) => origin.bodies().poll_finish(cx, trailers),
        };
        if let Poll::Ready(Ok(())) = finished {
            self.lease().is_asked();
        }
        finished
    }

    fn begin_run(&mut self, bytes: u64) -> Result<bool, BodyError> {
        match self {
            Self::Http1(origin) => origin.body().begin_run(bytes),
            Self::Http2(_) => Ok(false),
        }
    }

    fn sink_socket(&mut self) -> Option<&mut Socket> {
        match self {
            Self::Http1(origin) => origin.body().sink_socket(),
            Self::Http2(_) => None,
        }
    }

    fn given(&mut self, count: u64) {
        if let Self::Http1(origin) = self {
            origin.body().given(count);
        }
    }

    fn end_run(&mut self) {
        if let Self::Http1(origin) = self {
            origin.body().end_run();
        }
    }
}
