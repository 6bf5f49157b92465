//! One HTTP/2 stream as a pair of bodies (RFC 9113 §8.1): the h2 crate's frames as the pieces that every end of an
//! exchange gives and takes. Visitors' and upstreams' streams are the same thing seen from two ends. Heads are sent and
//! received elsewhere.

use super::body::{BodyError, Piece, Sink, Source};
use crate::base::Refusal;
use crate::message::{BodyLength, Fields, h1, h2 as translate};
use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use http::HeaderMap;
use std::task::{Context, Poll, ready};

/// The bodies of one stream. Before [`begin_incoming`](Self::begin_incoming) nothing comes, before
/// [`begin_outgoing`](Self::begin_outgoing) nothing can be sent.
pub struct Http2 {
    /// What trailers may say.
    check_trailers: fn(HeaderMap) -> Result<Fields, Refusal>,
    incoming: Option<RecvStream>,
    /// Whether what comes is no body, whatever it is.
    bodiless: bool,
    /// Body bytes that the head declared and that are still to come.
    missing: Option<u64>,
    /// Received, not yet consumed.
    piece: Bytes,
    received: u64,
    received_all: bool,
    /// They came while the last piece was held back.
    trailers: Option<Fields>,
    outgoing: Option<SendStream<Bytes>>,
    /// Body bytes that the head promised and that are still to be sent; the last of them carry the end of the stream.
    promised: Option<u64>,
    sent: u64,
    sent_all: bool,
}

impl Http2 {
    /// A stream on which no body is under way.
    pub fn new(check_trailers: fn(HeaderMap) -> Result<Fields, Refusal>) -> Self {
        Self {
            check_trailers,
            incoming: None,
            bodiless: false,
            missing: None,
            piece: Bytes::new(),
            received: 0,
            received_all: false,
            trailers: None,
            outgoing: None,
            promised: None,
            sent: 0,
            sent_all: false,
        }
    }

    /// A body comes in.
    pub fn begin_incoming(&mut self, body: RecvStream) {
        self.received_all = body.is_end_stream();
        self.incoming = Some(body);
    }

    /// The head declared so many bytes. Their last piece is given once the stream has ended: a message with more is
    /// malformed, and must not go on whole (RFC 9113 §8.1.1).
    pub fn declare_incoming(&mut self, bytes: u64) {
        self.missing = Some(bytes);
    }

    /// The message whose body would come has none (RFC 9110 §6.4.1). What comes nevertheless is not received: then the
    /// body never [has been](Self::has_received_all).
    pub fn forbid_incoming(&mut self) {
        self.bodiless = true;
    }

    /// A head went out: a body of this length follows, unless the head `ended` the stream. `None` for the stream says
    /// that it is gone, which the next write tells.
    pub fn begin_outgoing(&mut self, stream: Option<SendStream<Bytes>>, length: BodyLength, ended: bool) {
        self.promised = match length {
            BodyLength::Length(bytes) => Some(bytes),
            _ => None,
        };
        self.outgoing = stream;
        self.sent_all = ended;
    }

    /// Body bytes received so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Body bytes sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether the peer has ended the stream, and all of it was consumed.
    pub fn has_received_all(&self) -> bool {
        self.received_all && self.piece.is_empty()
    }

    /// Whether our end of the stream was ended.
    pub fn has_sent_all(&self) -> bool {
        self.sent_all
    }

    /// Sends all of a body that is small enough to wait for its window inside the h2 crate.
    pub fn send_last(&mut self, body: &[u8]) {
        if let Some(stream) = self.outgoing.as_mut().filter(|_| !self.sent_all) {
            // Where this fails the stream is gone, and nobody is left to tell.
            let _ = stream.send_data(Bytes::copy_from_slice(body), true);
            self.sent_all = true;
        }
    }

    /// Whether all that was declared has come, and not yet the end of the stream.
    fn waits_for_end(&self) -> bool {
        self.missing == Some(0) && !self.received_all
    }

    /// The sending half, once there is one: to be reset.
    pub fn outgoing(&mut self) -> Option<&mut SendStream<Bytes>> {
        self.outgoing.as_mut()
    }
}

impl Source for Http2 {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece<'_>, BodyError>> {
        // Turns are bounded by the frames that are here.
        while self.piece.is_empty() || self.waits_for_end() {
            let Some(body) = self.incoming.as_mut().filter(|_| !self.received_all) else {
                return Poll::Ready(Ok(Piece::End(self.trailers.take())));
            };
            match ready!(body.poll_data(cx)).transpose().map_err(BodyError::Stream)? {
                Some(data) if data.is_empty() => {}
                Some(_) if self.bodiless => self.incoming = None,
                Some(data) => {
                    if let Some(missing) = &mut self.missing {
                        // The h2 crate has counted as well.
                        let left = missing.checked_sub(data.len() as u64);
                        *missing = left.ok_or(h1::BodyError::Length)?;
                        self.received_all = *missing == 0 && body.is_end_stream();
                    }
                    self.piece = data;
                }
                None => {
                    let trailers = ready!(body.poll_trailers(cx)).map_err(BodyError::Stream)?;
                    self.trailers = trailers.map(self.check_trailers).transpose()?;
                    self.received_all = true;
                }
            }
        }
        Poll::Ready(Ok(Piece::Data(&self.piece)))
    }

    fn consume(&mut self, count: usize) {
        self.piece.advance(count);
        self.received += count as u64;
        if let Some(body) = &mut self.incoming {
            // The window opens as the other side takes the bytes: back-pressure reaches the sender.
            let _ = body.flow_control().release_capacity(count);
        }
    }
}

impl Sink for Http2 {
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyError>> {
        let Some(stream) = self.outgoing.as_mut().filter(|_| !self.sent_all) else {
            return Poll::Ready(Err(BodyError::gone()));
        };
        let wanted = data.len().min(SEND_BYTES);
        stream.reserve_capacity(wanted);
        while stream.capacity() == 0 {
            match ready!(stream.poll_capacity(cx)) {
                Some(capacity) => _ = capacity.map_err(BodyError::Stream)?,
                None => return Poll::Ready(Err(BodyError::gone())),
            }
        }
        let count = stream.capacity().min(wanted);
        let last = match &mut self.promised {
            Some(left) => {
                *left = left.saturating_sub(count as u64);
                *left == 0
            }
            None => false,
        };
        stream.send_data(Bytes::copy_from_slice(&data[..count]), last).map_err(BodyError::Stream)?;
        self.sent += count as u64;
        self.sent_all = last;
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
        if self.sent_all {
            return Poll::Ready(Ok(()));
        }
        let Some(stream) = &mut self.outgoing else { return Poll::Ready(Err(BodyError::gone())) };
        let sent = match trailers.map(translate::trailers) {
            Some(map) if !map.is_empty() => stream.send_trailers(map),
            _ => stream.send_data(Bytes::new(), true),
        };
        self.sent_all = true;
        Poll::Ready(sent.map_err(BodyError::Stream))
    }
}

/// The most of a body that is handed to the h2 crate at once, and that waits there for one stream: what goes out in one
/// turn of the connection's task.
pub const SEND_BYTES: usize = 64 * 1024;
