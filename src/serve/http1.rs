//! HTTP/1 to visitors: heads off the wire one after the other, each request answered before the next is looked
//! at, so that pipelined requests are answered in order (RFC 9112 §9.3.2).

use crate::base::{BUFFER_BYTES, Buffer, Cause, FieldLines, Refusal, now};
use crate::message::h1::{BodyDecoder, RequestParser, write_response};
use crate::message::{
    BodyLength, Fields, KnownSet, Persistence, RequestHead, ResponseEdits, ResponseHead, Version, push_line,
};
use crate::net::{BodyError, Deadline, Http1, Piece, Sink, Socket, Source, Stream, within};
use crate::proxy::{self, Client, Connection, Ending, Extra, Worker};
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

/// Serves a connection until it ends. While it waits for a request its future is small: what a request needs is boxed and
/// gone with it.
pub async fn serve(mut stream: Stream, connection: Connection) {
    let ending = requests(&mut stream, &connection).await;
    let unread = match ending {
        // Nothing is unread: the end is said (close_notify on TLS), and that is all.
        Ending::Keep => 0,
        Ending::Close => LINGER_BYTES,
        Ending::Abort => return stream.abort(),
    };
    Box::pin(stream.linger(unread, now() + LINGER_TIME)).await;
}

/// Serves requests until the last. `Keep` means that the visitor ended the connection.
async fn requests(stream: &mut Stream, connection: &Connection) -> Ending {
    let mut deadline = Deadline::new();
    let mut grace = FIRST_REQUEST_GRACE;
    loop {
        if stream.input().is_empty() && !wait_for_request(stream, connection, &mut deadline, grace).await {
            return Ending::Keep;
        }
        grace = Duration::ZERO;
        match Box::pin(one_request(stream, connection, &mut deadline)).await {
            Some(Ending::Keep) => {}
            Some(ending) => return ending,
            None => return Ending::Keep,
        }
    }
}

/// Reads a request and answers it; `None` when the visitor ended the connection before one began.
async fn one_request(
    stream: &mut Stream,
    connection: &Connection,
    deadline: &mut Deadline,
) -> Option<Ending> {
    let head = match read_head(stream, connection, deadline).await {
        Ok(head) => head?,
        Err(refusal) => return Some(refuse_head(stream, connection, &refusal).await),
    };
    deadline.clear();
    let mut visitor = Visitor::new(stream, connection, &head);
    let ending = proxy::request(connection, &head, &mut visitor).await;
    Some(visitor.settle(ending))
}

/// Waits for the first byte of a request, holding no buffer; whether one came before the idle deadline, the
/// visitor's end, or the drain and its `grace`.
async fn wait_for_request(
    stream: &mut Stream,
    connection: &Connection,
    deadline: &mut Deadline,
    grace: Duration,
) -> bool {
    stream.input().release();
    deadline.set(now() + connection.node.timeouts.idle);
    let mut is_drained = false;
    poll_fn(|cx| {
        if let Poll::Ready(readable) = stream.poll_readable(cx) {
            return Poll::Ready(readable.is_ok());
        }
        if !is_drained && connection.worker.is_draining() {
            is_drained = true;
            deadline.set(now() + grace.min(connection.node.timeouts.idle));
        }
        deadline.poll_expired(cx).map(|()| false)
    })
    .await
}

/// Reads one head; `None` when the visitor ended the connection before one began. One that is here whole needs no
/// deadline.
async fn read_head(
    stream: &mut Stream,
    connection: &Connection,
    deadline: &mut Deadline,
) -> Result<Option<RequestHead>, Refusal> {
    let mut parser = RequestParser::new();
    let limits = &connection.node.limits.head;
    let mut is_timed = false;
    poll_fn(|cx| {
        loop {
            let input = stream.input();
            if !input.is_empty()
                && let Some(head) = parser.parse(input, limits)?
            {
                return Poll::Ready(Ok(Some(head)));
            }
            match stream.poll_fill(cx) {
                Poll::Ready(Ok(0)) if stream.input().is_empty() => return Poll::Ready(Ok(None)),
                Poll::Ready(Ok(0) | Err(_)) => {
                    return Poll::Ready(Err(Refusal::new(Cause::ClientGone, "left in the middle of a head")));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => break,
            }
        }
        if !is_timed {
            is_timed = true;
            deadline.set(now() + connection.node.timeouts.header);
        }
        if deadline.poll_expired(cx).is_ready() {
            return Poll::Ready(Err(Refusal::new(Cause::HeaderTimeout, "the head did not arrive in time")));
        }
        Poll::Pending
    })
    .await
}

/// Answers a head that is no request: there is nobody to account it to but the node.
async fn refuse_head(stream: &mut Stream, connection: &Connection, refusal: &Refusal) -> Ending {
    let id = proxy::refused_head(connection, refusal);
    if refusal.cause == Cause::ClientGone {
        return Ending::Abort;
    }
    // As far as it has come: the parser leaves what it refuses.
    let fields = FieldLines(stream.input().filled());
    let mut answer = proxy::page_of_head(connection, refusal, id, &fields);
    let mut lines = Buffer::new();
    push_line(&mut lines, "date", &connection.worker.date(now()));
    lines.extend(answer.lines());
    let edits = ResponseEdits {
        status: None,
        body: answer.length(false),
        persistence: Persistence::Close,
        drop: KnownSet::EMPTY,
        append: lines.filled(),
    };
    let mut bytes = Buffer::new();
    write_response(&mut bytes, &answer.head(), &edits);
    bytes.extend(answer.body());
    match within(now() + connection.node.timeouts.write_idle, stream.send(bytes.filled())).await {
        Ok(Ok(())) => Ending::Close,
        _ => Ending::Abort,
    }
}

/// The visitor's end of one request over HTTP/1.
struct Visitor<'a> {
    http1: Http1<&'a mut Stream>,
    worker: &'a Worker,
    version: Version,
    /// Whether another request may follow this one.
    keep: bool,
    begun: bool,
    /// Whether the visitor ended its direction: no further request, but this one is answered.
    half_closed: bool,
}

impl<'a> Visitor<'a> {
    fn new(stream: &'a mut Stream, connection: &'a Connection, head: &RequestHead) -> Self {
        let mut http1 = Http1::new(stream);
        http1.begin_incoming(BodyDecoder::of_request(head.body()));
        Self {
            http1,
            worker: &connection.worker,
            version: head.version(),
            keep: head.keep_alive(),
            begun: false,
            half_closed: false,
        }
    }

    /// What the connection may do after the request.
    fn settle(&mut self, ending: Ending) -> Ending {
        match ending {
            Ending::Keep if self.half_closed => Ending::Close,
            Ending::Keep if self.keep && self.http1.has_received_all() && self.http1.has_sent_all() => {
                Ending::Keep
            }
            Ending::Keep => Ending::Close,
            ending => ending,
        }
    }

    /// The framing of an answer's body towards this visitor, and whether the connection outlives it.
    fn frame(&mut self, length: BodyLength) -> BodyLength {
        match length {
            BodyLength::Chunked | BodyLength::UntilClose if self.version == Version::Http10 => {
                self.keep = false;
                BodyLength::UntilClose
            }
            BodyLength::UntilClose => BodyLength::Chunked,
            length => length,
        }
    }
}

impl Visitor<'_> {
    fn write_head(
        &mut self,
        head: &ResponseHead,
        body: BodyLength,
        persistence: Persistence<'_>,
        extra: &Extra<'_>,
    ) {
        let edits = ResponseEdits { status: None, body, persistence, drop: extra.drop, append: extra.append };
        write_response(self.http1.out(), head, &edits);
    }
}

impl Client for Visitor<'_> {
    fn interim(&mut self, head: &ResponseHead) {
        if self.version != Version::Http10 {
            self.write_head(head, BodyLength::None, Persistence::Implied, &Extra::lines(b""));
        }
    }

    fn begin(&mut self, head: &ResponseHead, length: BodyLength, extra: &Extra<'_>) {
        let length = self.frame(length);
        // An error given before all of the body came: the rest will not be read.
        let early = head.status() >= 300 && !self.http1.has_received_all();
        self.keep &= !early && !self.worker.is_draining();
        let persistence = match (self.keep, self.version) {
            (false, _) => Persistence::Close,
            (true, Version::Http10) => Persistence::KeepAlive,
            (true, _) => Persistence::Implied,
        };
        self.write_head(head, length, persistence, extra);
        self.http1.begin_outgoing(length);
        self.begun = true;
    }

    fn begin_tunnel(&mut self, head: &ResponseHead, protocol: &[u8], extra: &Extra<'_>) {
        self.write_head(head, BodyLength::None, Persistence::Upgrade(protocol), extra);
        self.http1.begin_incoming(BodyDecoder::of_request(BodyLength::UntilClose));
        self.http1.begin_outgoing(BodyLength::UntilClose);
        self.begun = true;
        self.keep = false;
    }

    fn refuse_body(&mut self, keep: bool) {
        // What is here of the body is forgotten; what is not would have to be waited for.
        self.keep &= keep && self.http1.skip_received();
    }

    fn has_begun(&self) -> bool {
        self.begun
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let stream = self.http1.stream();
        while !self.half_closed {
            // Bytes of the next request may wait here, up to a block; beyond that the visitor has to.
            if stream.input().len() >= BUFFER_BYTES {
                return Poll::Pending;
            }
            match stream.poll_fill(cx) {
                // Over TLS nobody half-closes: whoever says that it is done has left.
                Poll::Ready(Ok(0)) if stream.is_tls() => return Poll::Ready(()),
                Poll::Ready(Ok(0)) => self.half_closed = true,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        stream.poll_reset(cx)
    }
}

impl Source for Visitor<'_> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece<'_>, BodyError>> {
        self.http1.poll_piece(cx)
    }

    fn consume(&mut self, count: usize) {
        self.http1.consume(count);
    }

    fn run_bytes(&mut self) -> Option<u64> {
        self.http1.run_bytes()
    }

    fn source_socket(&mut self) -> Option<&mut Socket> {
        self.http1.source_socket()
    }

    fn taken(&mut self, count: u64) {
        self.http1.taken(count);
    }
}

impl Sink for Visitor<'_> {
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

    fn begin_run(&mut self, bytes: u64) -> Result<bool, BodyError> {
        self.http1.begin_run(bytes)
    }

    fn sink_socket(&mut self) -> Option<&mut Socket> {
        self.http1.sink_socket()
    }

    fn given(&mut self, count: u64) {
        self.http1.given(count);
    }

    fn end_run(&mut self) {
        self.http1.end_run();
    }
}

/// How long a connection that was accepted may still send its first request once the drain has begun: the request may
/// be on its way, and nobody told its visitor to go elsewhere. Connections opened on the off chance wait in vain.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);

/// Unread bytes taken after an answer before the connection is closed all the same: a client that still sends
/// after that much is not listening.
const LINGER_BYTES: usize = 256 * 1024;

/// How long that may take.
const LINGER_TIME: Duration = Duration::from_secs(2);
