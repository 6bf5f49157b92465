//! The visitor's end of one request over HTTP/2: its DATA as a source, the answer's as a sink, both held to the
//! windows. Knows frames only through the h2 crate.

use super::tally::Tally;
use crate::base::{Buffer, Refusal, now};
use crate::message::{
    BodyLength, Fields, Known, KnownSet, Persistence, ResponseEdits, ResponseHead, h2 as translate, push_line,
};
use crate::net::{BodyError, Http2, Piece, Sink, Source};
use crate::proxy::{self, Client, Connection, Ending, Extra};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use std::rc::Rc;
use std::task::{Context, Poll};

/// The visitor's end of one request over HTTP/2.
pub struct Visitor {
    tally: Rc<Tally>,
    bodies: Http2,
    /// Until the answer's head is sent.
    respond: SendResponse<Bytes>,
    begun: bool,
    given_up: bool,
}

impl Visitor {
    /// The end of a stream whose HEADERS were read, and declared a body of this length.
    pub fn new(body: RecvStream, length: BodyLength, respond: SendResponse<Bytes>, tally: Rc<Tally>) -> Self {
        let mut bodies = Http2::new(translate::request_trailers);
        bodies.begin_incoming(body);
        if let BodyLength::Length(bytes) = length {
            bodies.declare_incoming(bytes);
        }
        Self { tally, bodies, respond, begun: false, given_up: false }
    }

    /// Answers a head that is no request (RFC 9113 §8.1.1 leaves us the choice of an answer).
    pub fn refuse_head(
        &mut self,
        connection: &Connection,
        refusal: &Refusal,
        fields: &http::HeaderMap,
    ) -> Ending {
        let id = proxy::refused_head(connection, refusal);
        let mut answer = proxy::page_of_head(connection, refusal, id, fields);
        let length = answer.length(false);
        let mut lines = Buffer::new();
        push_line(&mut lines, "date", &connection.worker.date(now()));
        lines.extend(answer.lines());
        self.begin(&answer.head(), length, &Extra::lines(lines.filled()));
        self.bodies.send_last(answer.body());
        Ending::Close
    }

    fn send_head(&mut self, response: http::Response<()>, length: BodyLength) {
        self.begun = true;
        let ends = matches!(length, BodyLength::None | BodyLength::Length(0));
        // Where this fails the stream or the connection is gone: the next poll says so.
        let stream = self.respond.send_response(response, ends).ok();
        self.given_up |= stream.is_none();
        self.bodies.begin_outgoing(stream, length, ends);
    }

    /// Ends the stream as the request ended; whether the visitor had given it up.
    pub fn end(mut self, ending: Ending) -> bool {
        // A whole answer needs no word of ours: when its stream is dropped, the h2 crate sends what waits, and then,
        // where a body has not come whole, RST_STREAM with NO_ERROR (RFC 9113 §8.1). A reset of ours would overtake
        // the answer.
        if ending == Ending::Abort {
            match self.bodies.outgoing() {
                Some(stream) => stream.send_reset(Reason::INTERNAL_ERROR),
                None => self.respond.send_reset(Reason::INTERNAL_ERROR),
            }
        }
        self.given_up
    }
}

impl Client for Visitor {
    fn interim(&mut self, head: &ResponseHead) {
        if self.tally.is_blocked() {
            // They know no window: what nobody reads must not pile up.
            return;
        }
        // An interim answer that cannot be sent is lost, as on any version.
        let _ = self.respond.send_informational(translated(head, None, BodyLength::None, &Extra::lines(b"")));
    }

    fn begin(&mut self, head: &ResponseHead, length: BodyLength, extra: &Extra<'_>) {
        self.send_head(translated(head, None, length, extra), length);
    }

    fn begin_tunnel(&mut self, head: &ResponseHead, _protocol: &[u8], extra: &Extra<'_>) {
        // RFC 8441 §5: what is 101 over HTTP/1.1 is 200 here, and the key's answer goes no further.
        let extra = Extra { drop: extra.drop.and(KnownSet::of(&[Known::SecWebSocketAccept])), ..*extra };
        let length = BodyLength::UntilClose;
        self.send_head(translated(head, Some(200), length, &extra), length);
    }

    fn refuse_body(&mut self, _keep: bool) {
        // The stream alone ends: see `end`.
    }

    fn has_begun(&self) -> bool {
        self.begun
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let gone = match self.bodies.outgoing() {
            Some(stream) => stream.poll_reset(cx),
            // Its head was all, or could not be sent.
            None if self.begun => return Poll::Pending,
            None => self.respond.poll_reset(cx),
        };
        self.given_up |= gone.is_ready();
        gone.map(|_| ())
    }
}

impl Source for Visitor {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece<'_>, BodyError>> {
        let Self { bodies, given_up, .. } = self;
        bodies.poll_piece(cx).map(|piece| noting(given_up, piece))
    }

    fn consume(&mut self, count: usize) {
        self.bodies.consume(count);
    }
}

impl Sink for Visitor {
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyError>> {
        let Self { bodies, given_up, .. } = self;
        let written = bodies.poll_write(cx, data).map(|written| noting(given_up, written));
        if written.is_ready() {
            self.tally.queued();
        }
        written
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        self.bodies.poll_flush(cx)
    }

    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), BodyError>> {
        self.bodies.poll_finish(cx, trailers)
    }
}

/// Notes that the visitor gave its stream up.
fn noting<T>(given_up: &mut bool, result: Result<T, BodyError>) -> Result<T, BodyError> {
    *given_up |= matches!(result, Err(BodyError::Stream(_) | BodyError::Io(_)));
    result
}

fn translated(
    head: &ResponseHead,
    status: Option<u16>,
    body: BodyLength,
    extra: &Extra<'_>,
) -> http::Response<()> {
    let persistence = Persistence::Implied;
    let edits = ResponseEdits { status, body, persistence, drop: extra.drop, append: extra.append };
    translate::response(head, &edits)
}
