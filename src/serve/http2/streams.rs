//! One HTTP/2 connection from its preface to its end: gives every stream a local task that runs the one request
//! function, and says GOAWAY when the connection idles, drains, stalls or is abused. Knows nothing of what the
//! streams carry.

use super::bandwidth::Bandwidth;
use super::tally::Tally;
use super::visitor::Visitor;
use super::{FAST_STREAM_WINDOW_BYTES, STREAM_WINDOW_BYTES};
use crate::base::now;
use crate::message::{BodyLength, RequestHead, h2 as translate};
use crate::net::Deadline;
use crate::proxy::{self, Connection, Ending};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Ping, PingPong, Reason, RecvStream};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection's streams, and what the connection waits for.
pub struct Streams<S> {
    h2: h2::server::Connection<S, Bytes>,
    connection: Rc<Connection>,
    tally: Rc<Tally>,
    phase: Phase,
    waiting: Waiting,
    deadline: Deadline,
    /// [`Tally::written`] when the wait began.
    written: u64,
    bandwidth: Bandwidth,
    /// By which the bandwidth is asked for.
    pings: Option<PingPong>,
}

/// What was said about the end of the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing.
    Open,
    /// A GOAWAY that still lets streams in which were under way (RFC 9113 §6.8).
    Leaving,
    /// The last GOAWAY.
    Closed,
}

/// What the connection waits for, and so which deadline holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// Nothing yet.
    Nothing,
    /// For streams under way: each has deadlines of its own.
    Streams,
    /// For the visitor to take what waits: its socket is full, or answers are whole and their windows shut.
    Reader,
    /// For the next request.
    Request,
    /// For the visitor to see that we are leaving.
    Acknowledgement,
    /// For the last GOAWAY to leave.
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Streams<S> {
    /// The streams of a connection whose preface was read.
    pub fn new(
        mut h2: h2::server::Connection<S, Bytes>,
        connection: &Rc<Connection>,
        tally: &Rc<Tally>,
    ) -> Self {
        Self {
            pings: h2.ping_pong(),
            bandwidth: Bandwidth::new(STREAM_WINDOW_BYTES, FAST_STREAM_WINDOW_BYTES),
            h2,
            connection: Rc::clone(connection),
            tally: Rc::clone(tally),
            phase: Phase::Open,
            waiting: Waiting::Nothing,
            deadline: Deadline::new(),
            written: 0,
        }
    }

    /// Serves until the connection ends; `Abort` where its last bytes find no reader.
    pub async fn serve(mut self) -> Ending {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        // Turns are bounded by the frames that one wake finds: the reactor's budget for a task.
        loop {
            match self.h2.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    self.begin(request, respond);
                    continue;
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(client = %self.connection.client, %error, "HTTP/2 connection failed");
                    return Poll::Ready(Ending::Close);
                }
                Poll::Ready(None) => return Poll::Ready(Ending::Close),
                Poll::Pending => {}
            }
            if self.widen(cx) {
                continue;
            }
            if self.phase == Phase::Open && self.connection.worker.is_draining() {
                self.leave();
                continue;
            }
            self.watch();
            if self.waiting == Waiting::Streams {
                self.tally.wake_after_last(cx.waker());
            }
            ready!(self.deadline.poll_expired(cx));
            if !self.on_deadline() {
                return Poll::Ready(Ending::Abort);
            }
        }
    }

    fn begin(&mut self, request: http::Request<RecvStream>, respond: SendResponse<Bytes>) {
        self.tally.begin();
        tokio::task::spawn_local(one_stream(
            request,
            respond,
            Rc::clone(&self.connection),
            Rc::clone(&self.tally),
        ));
        if self.tally.is_abusive(now) && self.phase != Phase::Closed {
            tracing::info!(client = %self.connection.client, "HTTP/2 streams reset over and over: connection ended");
            self.close(Reason::ENHANCE_YOUR_CALM);
        }
    }

    /// Asks whether the windows hold a fast visitor up, and widens them where they do; whether there are frames to send.
    fn widen(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(pings) = &mut self.pings else { return false };
        if self.bandwidth.has_asked() {
            match pings.poll_pong(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => {
                    self.pings = None;
                    return false;
                }
                Poll::Pending => return false,
            }
            let wider = self.bandwidth.answered(self.tally.received());
            // Settings that the visitor has not acknowledged yet are no reason to end anything.
            return wider.is_some_and(|window| self.h2.set_initial_window_size(window).is_ok());
        }
        self.bandwidth.asks(self.tally.received()) && pings.send_ping(Ping::opaque()).is_ok()
    }

    /// Sets the deadline of what the connection has come to wait for.
    fn watch(&mut self) {
        let waiting = match self.phase {
            Phase::Closed => Waiting::End,
            _ if self.tally.is_blocked() => Waiting::Reader,
            _ if self.tally.open() > 0 => Waiting::Streams,
            _ if self.h2.has_streams() => Waiting::Reader,
            Phase::Leaving => Waiting::Acknowledgement,
            Phase::Open => Waiting::Request,
        };
        if waiting != self.waiting {
            self.waiting = waiting;
            self.set_deadline();
        }
    }

    fn set_deadline(&mut self) {
        let timeouts = &self.connection.node.timeouts;
        let limit = match self.waiting {
            Waiting::Nothing | Waiting::Streams => return self.deadline.clear(),
            Waiting::Reader => timeouts.write_idle,
            Waiting::Request => timeouts.idle,
            Waiting::Acknowledgement | Waiting::End => GRACE,
        };
        self.written = self.tally.written();
        self.deadline.set(now() + limit);
    }

    /// The deadline has passed; whether there is anything left to wait for.
    fn on_deadline(&mut self) -> bool {
        match self.waiting {
            Waiting::Nothing | Waiting::Streams => self.deadline.clear(),
            Waiting::Request => self.leave(),
            Waiting::Reader if self.tally.written() != self.written => self.set_deadline(),
            Waiting::Reader => {
                tracing::debug!(client = %self.connection.client, "HTTP/2 answers are not taken: connection ended");
                self.close(Reason::NO_ERROR);
            }
            Waiting::Acknowledgement => self.close(Reason::NO_ERROR),
            Waiting::End => return false,
        }
        true
    }

    /// Says that no further streams should come; those under way are served.
    fn leave(&mut self) {
        self.phase = Phase::Leaving;
        self.h2.graceful_shutdown();
    }

    /// Says the last GOAWAY, with the last stream that was served.
    fn close(&mut self, reason: Reason) {
        self.phase = Phase::Closed;
        self.h2.abrupt_shutdown(reason);
    }
}

async fn one_stream(
    request: http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
    connection: Rc<Connection>,
    tally: Rc<Tally>,
) {
    let (mut parts, body) = request.into_parts();
    // Frames that came together with the HEADERS were looked at before this task: a body that is only an empty
    // DATA frame behind them is no body.
    let ends = body.is_end_stream();
    let head = translate::request_head(&mut parts, ends, &connection.node.limits.head);
    let length = head.as_ref().map_or(BodyLength::None, RequestHead::body);
    let mut visitor = Visitor::new(body, length, respond, Rc::clone(&tally));
    let ending = match head {
        Ok(head) => Box::pin(proxy::request(&connection, &head, &mut visitor)).await,
        Err(refusal) => visitor.refuse_head(&connection, &refusal, &parts.headers),
    };
    let given_up = visitor.end(ending);
    tally.end(given_up);
}

/// How long a visitor has to see a GOAWAY before the connection ends: three times a round trip by satellite.
const GRACE: Duration = Duration::from_secs(2);
