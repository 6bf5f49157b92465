//! The visitor's end of one request over HTTP/2: its DATA as a source, the answer's as a sink, both held to the
//! windows. Knows frames only through the h2 crate.

use super::tally::Tally;
use crate::answer::Answer;
use crate::base::{Buffer, Refusal, now};
use crate::message::{
    BodyLength, Fields, Known, KnownSet, Persistence, ResponseEdits, ResponseHead, h2 as translate, push_line,
};
use crate::net::{BodyError, Piece, Sink, Source};
use crate::proxy::{self, Client, Connection, Ending, Extra};
use bytes::{Buf, Bytes};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// The visitor's end of one request over HTTP/2.
pub struct Visitor {
    tally: Rc<Tally>,
    body: RecvStream,
    /// Received, not yet consumed.
    piece: Bytes,
    received_all: bool,
    /// Until the answer's head is sent.
    respond: SendResponse<Bytes>,
    /// From then on, unless the head was all.
    send: Option<SendStream<Bytes>>,
    /// Body bytes that the answer still promises; the last of them carry the end of the stream.
    promised: Option<u64>,
    begun: bool,
    ended: bool,
    given_up: bool,
}

impl Visitor {
    /// The end of a stream whose HEADERS were read.
    pub fn new(body: RecvStream, respond: SendResponse<Bytes>, tally: Rc<Tally>) -> Self {
        Self {
            tally,
            received_all: body.is_end_stream(),
            body,
            piece: Bytes::new(),
            respond,
            send: None,
            promised: None,
            begun: false,
            ended: false,
            given_up: false,
        }
    }

    /// Answers a head that is no request (RFC 9113 §8.1.1 leaves us the choice of an answer).
    pub fn refuse_head(&mut self, connection: &Connection, refusal: &Refusal) -> Ending {
        let id = proxy::refused_head(connection, refusal);
        let mut answer = Answer::refusal(refusal, id);
        let length = answer.length(false);
        let mut lines = Buffer::new();
        push_line(&mut lines, "date", &connection.worker.date(now()));
        lines.extend(answer.lines());
        self.begin(&answer.head(), length, &Extra::lines(lines.filled()));
        if let Some(send) = &mut self.send {
            // A page of ours is small: it waits for its window inside the h2 crate.
            let _ = send.send_data(Bytes::copy_from_slice(answer.body()), true);
            self.ended = true;
        }
        Ending::Close
    }

    fn send_head(&mut self, response: http::Response<()>, end: bool) {
        self.begun = true;
        self.ended = end;
        // Where this fails the stream or the connection is gone: the next poll says so.
        self.send = self.respond.send_response(response, end).ok();
        self.given_up |= self.send.is_none();
    }

    /// Ends the stream as the request ended; whether the visitor had given it up.
    pub fn end(mut self, ending: Ending) -> bool {
        // A whole answer needs no word of ours: when its stream is dropped, the h2 crate sends what waits, and then,
        // where a body has not come whole, RST_STREAM with NO_ERROR (RFC 9113 §8.1). A reset of ours would overtake
        // the answer.
        if ending == Ending::Abort {
            match &mut self.send {
                Some(send) => send.send_reset(Reason::INTERNAL_ERROR),
                None => self.respond.send_reset(Reason::INTERNAL_ERROR),
            }
        }
        self.given_up
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reason, h2::Error>> {
        match &mut self.send {
            Some(send) => send.poll_reset(cx),
            None => self.respond.poll_reset(cx),
        }
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
        self.promised = match length {
            BodyLength::Length(bytes) => Some(bytes),
            _ => None,
        };
        let bare = matches!(length, BodyLength::None | BodyLength::Length(0));
        self.send_head(translated(head, None, length, extra), bare);
    }

    fn begin_tunnel(&mut self, head: &ResponseHead, _protocol: &[u8], extra: &Extra<'_>) {
        // RFC 8441 §5: what is 101 over HTTP/1.1 is 200 here, and the key's answer goes no further.
        let extra = Extra { drop: extra.drop.and(KnownSet::of(&[Known::SecWebSocketAccept])), ..*extra };
        self.send_head(translated(head, Some(200), BodyLength::UntilClose, &extra), false);
    }

    fn refuse_body(&mut self, _keep: bool) {
        // The stream alone ends: see `end`.
    }

    fn has_begun(&self) -> bool {
        self.begun
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ended && self.send.is_none() {
            return Poll::Pending;
        }
        let gone = self.poll_reset(cx).map(|_| ());
        self.given_up |= gone.is_ready();
        gone
    }
}

impl Source for Visitor {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece<'_>, BodyError>> {
        while self.piece.is_empty() {
            if self.received_all {
                return Poll::Ready(Ok(Piece::End(None)));
            }
            match ready!(self.body.poll_data(cx)) {
                Some(Ok(data)) => self.piece = data,
                Some(Err(error)) => {
                    self.given_up = true;
                    return Poll::Ready(Err(broken(error)));
                }
                None => {
                    let trailers = ready!(self.body.poll_trailers(cx)).map_err(broken)?;
                    self.received_all = true;
                    let trailers = trailers.map(translate::request_trailers).transpose()?;
                    return Poll::Ready(Ok(Piece::End(trailers)));
                }
            }
        }
        Poll::Ready(Ok(Piece::Data(&self.piece)))
    }

    fn consume(&mut self, count: usize) {
        self.piece.advance(count);
        // The window opens as the other side takes the bytes: back-pressure reaches the visitor.
        let _ = self.body.flow_control().release_capacity(count);
    }
}

impl Sink for Visitor {
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyError>> {
        let Some(send) = &mut self.send else {
            return Poll::Ready(Err(gone()));
        };
        let wanted = data.len().min(SEND_BUFFER_BYTES);
        send.reserve_capacity(wanted);
        while send.capacity() == 0 {
            match ready!(send.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    self.given_up = true;
                    return Poll::Ready(Err(broken(error)));
                }
                None => {
                    self.given_up = true;
                    return Poll::Ready(Err(gone()));
                }
            }
        }
        let count = send.capacity().min(wanted);
        let last = match &mut self.promised {
            Some(left) => {
                *left = left.saturating_sub(count as u64);
                *left == 0
            }
            None => false,
        };
        send.send_data(Bytes::copy_from_slice(&data[..count]), last).map_err(broken)?;
        self.tally.queued();
        self.ended |= last;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        // The connection's task writes.
        Poll::Ready(Ok(()))
    }

    fn poll_finish(
        &mut self,
        _cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), BodyError>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        self.ended = true;
        let Some(send) = &mut self.send else {
            return Poll::Ready(Err(gone()));
        };
        let sent = match trailers.map(translate::trailers) {
            Some(map) if !map.is_empty() => send.send_trailers(map),
            _ => send.send_data(Bytes::new(), true),
        };
        Poll::Ready(sent.map_err(broken))
    }
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

fn broken(error: h2::Error) -> BodyError {
    BodyError::Stream(error)
}

fn gone() -> BodyError {
    BodyError::Io(io::ErrorKind::BrokenPipe.into())
}

/// The most of an answer that is handed to the h2 crate at once, and that waits there for one stream: what goes out
/// in one turn of the connection's task.
pub const SEND_BUFFER_BYTES: usize = 64 * 1024;
