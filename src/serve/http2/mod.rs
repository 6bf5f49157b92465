//! HTTP/2 to visitors (RFC 9113): the h2 crate frames, this file gives every stream a local task that runs the
//! one request function. Decides nothing about a request.

mod guard;

use crate::answer::Answer;
use crate::base::{Buffer, Refusal, now};
use crate::message::{
    BodyLength, Fields, Persistence, ResponseEdits, ResponseHead, h2 as translate, push_line,
};
use crate::net::{BodyError, Deadline, Piece, Sink, Source, Stream};
use crate::proxy::{self, Client, Connection, Ending, Extra};
use bytes::{Buf, Bytes};
use guard::Guard;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// Serves a connection until it ends.
pub async fn serve(stream: Stream, connection: Connection) {
    let connection = Rc::new(connection);
    let limits = &connection.node.limits;
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(limits.streams_per_connection)
        .max_header_list_size(u32::try_from(limits.head.header_bytes).unwrap_or(u32::MAX))
        .max_frame_size(FRAME_BYTES)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .max_concurrent_reset_streams(RESET_STREAMS)
        .max_pending_accept_reset_streams(RESET_STREAMS)
        .max_local_error_reset_streams(Some(LOCAL_ERROR_RESETS))
        .reset_stream_duration(RESET_MEMORY)
        .enable_connect_protocol();
    let handshake =
        crate::net::within(now() + connection.node.timeouts.header, builder.handshake(Guard::new(stream)));
    match handshake.await {
        Ok(Ok(h2)) => streams(h2, &connection).await,
        Ok(Err(error)) => tracing::debug!(client = %connection.client, %error, "no HTTP/2 preface"),
        Err(_) => tracing::debug!(client = %connection.client, "no HTTP/2 preface in time"),
    }
}

/// Accepts streams until the connection ends; every stream is a task of its own on this worker.
async fn streams(mut h2: h2::server::Connection<Guard, Bytes>, connection: &Rc<Connection>) {
    let tally = Rc::new(Tally::default());
    let mut drained = std::pin::pin!(connection.worker.drain.clone().into_begun());
    let mut draining: Option<Instant> = None;
    let mut idle = Deadline::new();
    idle.set(now() + connection.node.timeouts.idle);
    loop {
        let accepted = poll_fn(|cx| {
            if let Poll::Ready(accepted) = h2.poll_accept(cx) {
                return Poll::Ready(Event::Stream(accepted));
            }
            if draining.is_none()
                && let Poll::Ready(deadline) = drained.as_mut().poll(cx)
            {
                return Poll::Ready(Event::Drain(deadline));
            }
            idle.poll_expired(cx).map(|()| Event::Idle)
        });
        match accepted.await {
            Event::Stream(Some(Ok((request, respond)))) => {
                idle.clear();
                tally.begin();
                let stream = one_stream(request, respond, Rc::clone(connection), Rc::clone(&tally));
                tokio::task::spawn_local(stream);
                if tally.is_abusive() {
                    tracing::info!(client = %connection.client, "HTTP/2 streams reset over and over: connection ended");
                    h2.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                }
            }
            Event::Stream(Some(Err(error))) => {
                tracing::debug!(client = %connection.client, %error, "HTTP/2 connection failed");
                return;
            }
            Event::Stream(None) => return,
            Event::Drain(deadline) => {
                draining = Some(deadline);
                h2.graceful_shutdown();
            }
            Event::Idle if tally.open.get() == 0 => {
                if draining.is_none() {
                    draining = Some(now());
                    h2.graceful_shutdown();
                    idle.set(now() + connection.node.timeouts.header);
                } else {
                    return;
                }
            }
            Event::Idle => idle.set(now() + connection.node.timeouts.idle),
        }
    }
}

enum Event {
    Stream(Option<Result<Begun, h2::Error>>),
    Drain(Instant),
    Idle,
}

/// A stream that a visitor began.
type Begun = (http::Request<RecvStream>, SendResponse<Bytes>);

/// What a connection's streams came to: the measure of a flood of resets (CVE-2023-44487).
#[derive(Default)]
struct Tally {
    open: Cell<u32>,
    begun: Cell<u32>,
    /// Streams that the visitor gave up before their answer.
    given_up: Cell<u32>,
}

impl Tally {
    fn begin(&self) {
        self.open.set(self.open.get() + 1);
        self.begun.set(self.begun.get().saturating_add(1));
    }

    fn end(&self, given_up: bool) {
        self.open.set(self.open.get() - 1);
        self.given_up.set(self.given_up.get().saturating_add(u32::from(given_up)));
    }

    fn is_abusive(&self) -> bool {
        self.given_up.get() > GIVEN_UP_FREE && self.given_up.get() > self.begun.get() / 2
    }
}

async fn one_stream(
    request: http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
    connection: Rc<Connection>,
    tally: Rc<Tally>,
) {
    let (parts, body) = request.into_parts();
    // Frames that came together with the HEADERS were looked at before this task: a body that is only an empty
    // DATA frame behind them is no body.
    let ends = body.is_end_stream();
    let mut visitor = Visitor::new(body, respond);
    let ending = match translate::request_head(parts, ends, &connection.node.limits.head) {
        Ok(head) => Box::pin(proxy::request(&connection, &head, &mut visitor)).await,
        Err(refusal) => visitor.refuse_head(&connection, &refusal),
    };
    let given_up = visitor.given_up;
    visitor.end(ending);
    tally.end(given_up);
}

/// The visitor's end of one request over HTTP/2.
struct Visitor {
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
    fn new(body: RecvStream, respond: SendResponse<Bytes>) -> Self {
        Self {
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
    fn refuse_head(&mut self, connection: &Connection, refusal: &Refusal) -> Ending {
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
    }

    /// Ends the stream as the request ended (RFC 9113 §8.1).
    fn end(mut self, ending: Ending) {
        let reason = match ending {
            Ending::Abort => Reason::INTERNAL_ERROR,
            // The answer is whole: the rest of the body is not wanted.
            Ending::Keep | Ending::Close if self.ended && !self.received_all => Reason::NO_ERROR,
            Ending::Keep | Ending::Close => return,
        };
        match &mut self.send {
            Some(send) => send.send_reset(reason),
            None => self.respond.send_reset(reason),
        }
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
        // RFC 8441 §5: what is 101 over HTTP/1.1 is 200 here.
        self.send_head(translated(head, Some(200), BodyLength::UntilClose, extra), false);
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
                None => return Poll::Ready(Err(gone())),
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

/// DATA frames as large as one TLS record's plaintext.
const FRAME_BYTES: u32 = 16 * 1024;

/// What a visitor may send on one stream before its upstream has taken any of it.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// The same over all streams of a connection: the most a connection's uploads hold here.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Bytes of an answer that wait on one stream for the visitor's window.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// Streams reset by the visitor that are remembered, so that frames still under way are no error of it.
const RESET_STREAMS: usize = 32;

/// Streams reset by us because of the visitor's mistakes before the connection ends (CVE-2025-8671).
const LOCAL_ERROR_RESETS: usize = 128;

/// How long they are remembered: longer than frames are under way.
const RESET_MEMORY: Duration = Duration::from_secs(5);

/// Streams a visitor may give up on one connection before the share of them counts: someone who browses fast.
const GIVEN_UP_FREE: u32 = 100;
