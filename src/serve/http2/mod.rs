//! HTTP/2 to visitors (RFC 9113): the h2 crate frames; here is what it is allowed. Decides nothing about a request.

mod bandwidth;
mod guard;
mod streams;
mod tally;
mod visitor;

use crate::base::now;
use crate::config::Limits;
use crate::net::{SEND_BYTES, Stream, within};
use crate::proxy::{Connection, Ending};
use guard::Guard;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use streams::Streams;
use tally::Tally;

/// Serves a connection until it ends.
pub async fn serve(stream: Stream, connection: Connection) {
    let connection = Rc::new(connection);
    let tally = Rc::new(Tally::new(now()));
    let after = Rc::new(Cell::new(None));
    let guard = Guard::new(stream, Rc::clone(&tally), Rc::clone(&after));
    let handshake = builder(&connection.node.limits).handshake(guard);
    let ending = match within(now() + connection.node.timeouts.header, handshake).await {
        Ok(Ok(h2)) => Streams::new(h2, &connection, &tally).serve().await,
        Ok(Err(error)) => {
            tracing::debug!(client = %connection.client, %error, "no HTTP/2 preface");
            Ending::Close
        }
        Err(_) => {
            tracing::debug!(client = %connection.client, "no HTTP/2 preface in time");
            Ending::Close
        }
    };
    match (after.take(), ending) {
        (Some(stream), Ending::Abort) => stream.abort(),
        // Frames still under way must not turn the last GOAWAY into a reset.
        (Some(stream), _) => stream.linger(LINGER_BYTES, now() + LINGER_TIME).await,
        (None, _) => {}
    }
}

/// What the h2 crate holds a visitor to.
fn builder(limits: &Limits) -> h2::server::Builder {
    let head = &limits.head;
    let fields = u32::try_from(head.header_count).unwrap_or(u32::MAX);
    let head_bytes = u32::try_from(head.header_bytes).unwrap_or(u32::MAX);
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(limits.streams_per_connection)
        .max_header_list_size(head_bytes.saturating_mul(2).saturating_add(fields.saturating_mul(FIELD_BYTES)))
        .max_frame_size(FRAME_BYTES)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buffer_size(SEND_BYTES)
        .max_concurrent_reset_streams(RESET_STREAMS)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(Some(LOCAL_ERROR_RESETS))
        .reset_stream_duration(RESET_MEMORY)
        .enable_connect_protocol();
    builder
}

/// What a header list counts for each field beside its name and value (RFC 9113 §6.5.2).
///
/// The crate's bound on a list is twice our own on a head, and this for each field: a head that is too large reaches
/// us, and is refused with a page, a word and a record like any other. The crate's own answers are the last wall: a
/// bare 431 beyond its bound, the end of the connection beyond four times that (the HPACK bomb).
const FIELD_BYTES: u32 = 32;

/// DATA frames as large as one TLS record's plaintext.
const FRAME_BYTES: u32 = 16 * 1024;

/// What a visitor may send on one stream before its upstream has taken any of it, at first: 20 Mbit/s at 100 ms.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// The same for a visitor who has shown that so much is under way to us within a round trip: 80 Mbit/s at 100 ms.
const FAST_STREAM_WINDOW_BYTES: u32 = 4 * STREAM_WINDOW_BYTES;

/// The same over all streams of a connection, and the most its uploads hold here: sixteen uploads whose upstreams
/// stand still leave the others their windows (four of a fast visitor's). What an account's visitors can make us hold is
/// bounded by what it admits, a stream's window each.
const CONNECTION_WINDOW_BYTES: u32 = 16 * STREAM_WINDOW_BYTES;

/// Streams reset by us that are remembered, so that frames under way to them are no error: all that one connection
/// may have open, and some. 0.4 kB each.
const RESET_STREAMS: usize = 256;

/// How long: longer than frames are under way.
const RESET_MEMORY: Duration = Duration::from_secs(5);

/// Streams reset by the visitor before we have seen them, at once: what a busy page cancels in one go.
const PENDING_RESETS: usize = 32;

/// Streams reset by the crate over the life of a connection because of the visitor's mistakes (CVE-2025-8671). Those
/// that reached an upstream are also held to [`Tally::is_abusive`], which looks at their share; this one must let a
/// content network's connection live for days.
const LOCAL_ERROR_RESETS: usize = 1024;

/// Bytes taken after the last GOAWAY before the connection is closed all the same: a window's worth.
const LINGER_BYTES: usize = 256 * 1024;

/// How long that may take.
const LINGER_TIME: Duration = Duration::from_secs(2);
