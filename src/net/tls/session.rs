//! The TLS state of one connection: opens records in the buffer they were received into, seals into pooled
//! buffers, answers what the protocol asks for. Does no I/O.
//!
//! rustls is driven through its unbuffered interface, so an idle connection holds neither a read nor a write
//! buffer. Received bytes are always offered to it from their first unconsumed one, also when the purpose is to
//! send: it remembers places in them.

use crate::base::{BUFFER_BYTES, Buffer, LARGE_BUFFER_BYTES};
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{CommonState, Error, InvalidMessage, ProtocolVersion};
use std::io::{self, IoSlice};

/// The TLS state of one connection.
pub(in crate::net) struct Session {
    side: Side,
    received: Buffer,
    sealed: Buffer,
    /// Whether what is sealed may wait for what is sealed next.
    held_back: bool,
    /// Whether rustls had nothing more to say when it was asked last: only what is received can change that.
    settled: bool,
    peer_closed: bool,
    closed: bool,
    failed: Option<Error>,
}

/// Which end we are.
pub(super) enum Side {
    /// A visitor connected to us.
    Server(UnbufferedServerConnection),
    /// We connected to an upstream.
    Client(UnbufferedClientConnection),
}

impl Session {
    /// A session whose peer has sent `received` already.
    pub(super) fn new(side: Side, received: Buffer) -> Self {
        let (sealed, settled) = (Buffer::new(), false);
        Self {
            side,
            received,
            sealed,
            held_back: false,
            settled,
            peer_closed: false,
            closed: false,
            failed: None,
        }
    }

    /// Records received and not yet opened: at most the beginning of one, after [`open`](Self::open).
    pub(in crate::net) fn received(&mut self) -> &mut Buffer {
        &mut self.received
    }

    /// How much room the next receive offers behind what waits to be opened; large when the last took all of it.
    ///
    /// # Errors
    /// When the peer's handshake message is longer than any.
    pub(in crate::net) fn room(&self, bulk: bool) -> io::Result<usize> {
        match self.received.len() {
            0 if bulk => Ok(LARGE_BUFFER_BYTES),
            0 => Ok(BUFFER_BYTES),
            RECEIVED_BYTES.. => Err(failed(InvalidMessage::HandshakePayloadTooLarge.into())),
            // A record that does not fit its block: more of that size will come.
            waiting if bulk || waiting + LEAST_ROOM > BUFFER_BYTES => Ok(RECEIVED_BYTES - waiting),
            // The beginning of a record: it may be all that ever comes, so it gets no larger block.
            _ => Ok(LEAST_ROOM),
        }
    }

    /// Sealed records on their way out.
    pub(in crate::net) fn sealed(&mut self) -> &mut Buffer {
        &mut self.sealed
    }

    /// What is sealed now waits for what is sealed next, or until the connection idles.
    pub(super) fn hold_back(&mut self) {
        self.held_back = !self.sealed.is_empty();
    }

    /// Whether sealed records wait for company.
    pub(in crate::net) fn holds_back(&self) -> bool {
        self.held_back
    }

    /// What is sealed waits for nothing any more: all of it leaves together.
    pub(in crate::net) fn let_go(&mut self) {
        self.held_back = false;
    }

    /// Whether the peer said that it sends no more (close_notify).
    pub(in crate::net) fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Whether we have said so.
    pub(in crate::net) fn closed(&self) -> bool {
        self.closed
    }

    /// Opens every whole record received and appends what was in them to `input`; at most as many bytes as
    /// were received. Answers to the peer, alerts included, are sealed.
    pub(in crate::net) fn open(&mut self, input: &mut Buffer) -> Result<(), Error> {
        self.drive(&mut Purpose::Open(input))
    }

    /// Seals from the front of `slices` as much as one batch takes; how many bytes. Only when nothing sealed
    /// waits, so that what waits is one batch at most.
    pub(in crate::net) fn seal(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, Error> {
        if self.closed {
            return Err(Error::General("sealing after close_notify".into()));
        }
        let mut gathered = Buffer::new();
        let mut taken = 0;
        let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
        if wanted > RECORD_BYTES {
            self.sealed.spare(LARGE_BUFFER_BYTES);
        }
        for slice in slices {
            let mut rest = &slice[..];
            while !rest.is_empty() && taken < BATCH_BYTES {
                let count = rest.len().min(RECORD_BYTES - gathered.len()).min(BATCH_BYTES - taken);
                let (now, later) = rest.split_at(count);
                taken += count;
                rest = later;
                if gathered.is_empty() && (count == RECORD_BYTES || taken == wanted) {
                    self.drive(&mut Purpose::Seal(now))?;
                    continue;
                }
                gathered.extend(now);
                if gathered.len() == RECORD_BYTES {
                    self.drive(&mut Purpose::Seal(gathered.filled()))?;
                    gathered.clear();
                }
            }
        }
        if !gathered.is_empty() {
            self.drive(&mut Purpose::Seal(gathered.filled()))?;
        }
        Ok(taken)
    }

    /// Seals close_notify: we send no more.
    pub(in crate::net) fn close(&mut self) -> Result<(), Error> {
        self.closed = true;
        match self.drive(&mut Purpose::Close) {
            // The alert has said it already.
            Err(_) if self.failed.is_some() => Ok(()),
            closed => closed,
        }
    }

    /// What both ends have agreed on.
    pub(super) fn agreed(&self) -> &CommonState {
        match &self.side {
            Side::Server(connection) => connection,
            Side::Client(connection) => connection,
        }
    }

    /// Whether the handshake is done and the visitor waits for nothing that is sealed: in TLS 1.3 a server is done with
    /// what it receives, and answers with tickets (RFC 8446 §4.6.1).
    pub(super) fn has_only_tickets_to_send(&self) -> bool {
        let agreed = self.agreed();
        matches!(self.side, Side::Server(_))
            && !agreed.is_handshaking()
            && agreed.protocol_version() == Some(ProtocolVersion::TLSv1_3)
    }

    fn drive(&mut self, purpose: &mut Purpose<'_>) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        // Ends by itself: a turn consumes what was received, or seals an answer to it, or is the last.
        while !self.has_opened_all(purpose) {
            match self.turn(purpose) {
                Ok(Next::Opened) => {}
                Ok(Next::Again) => self.settled = false,
                Ok(Next::PeerClosed) => (self.settled, self.peer_closed) = (false, true),
                Ok(Next::Done) => {
                    self.settled = true;
                    return Ok(());
                }
                Err(error) => {
                    self.seal_alert();
                    self.failed = Some(error.clone());
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Whether there is nothing to open, and nothing to be said because of what was: to ask rustls would cost nearly as
    /// much as to open a record.
    fn has_opened_all(&self, purpose: &Purpose<'_>) -> bool {
        matches!(purpose, Purpose::Open(_))
            && self.received.is_empty()
            && self.settled
            && !self.agreed().wants_write()
    }

    /// After an error rustls still hands out the alert that tells the peer. It is not to be asked for anything
    /// else: it would read the record that failed a second time.
    fn seal_alert(&mut self) {
        let mut forgotten = Buffer::new();
        while self.agreed().wants_write() {
            if !matches!(self.turn(&mut Purpose::Open(&mut forgotten)), Ok(Next::Again | Next::Opened)) {
                break;
            }
        }
    }

    fn turn(&mut self, purpose: &mut Purpose<'_>) -> Result<Next, Error> {
        let received = self.received.filled_mut();
        let (consumed, next) = match &mut self.side {
            Side::Server(connection) => {
                handle(connection.process_tls_records(received), &mut self.sealed, purpose)
            }
            Side::Client(connection) => {
                handle(connection.process_tls_records(received), &mut self.sealed, purpose)
            }
        };
        self.received.consume(consumed);
        next
    }
}

/// What rustls is driven for.
enum Purpose<'a> {
    /// To open what was received, into this buffer.
    Open(&'a mut Buffer),
    /// To seal these bytes: one record.
    Seal(&'a [u8]),
    /// To seal close_notify.
    Close,
}

enum Next {
    /// Records were opened.
    Opened,
    /// There may be more to do.
    Again,
    /// The same, and the peer has said that it sends no more.
    PeerClosed,
    /// The purpose is served, as far as what was received allows.
    Done,
}

/// Handles one state of rustls: how many received bytes it is through with, and what comes next.
fn handle<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    sealed: &mut Buffer,
    purpose: &mut Purpose<'_>,
) -> (usize, Result<Next, Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let next = match (state, purpose) {
        (Err(error), _) => Err(error),
        (Ok(ConnectionState::ReadTraffic(mut traffic)), Purpose::Open(input)) => loop {
            match traffic.next_record() {
                Some(Ok(record)) => {
                    discard += record.discard;
                    input.extend(record.payload);
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(Next::Opened),
            }
        },
        (Ok(ConnectionState::EncodeTlsData(mut data)), _) => {
            let count = data.encode(sealed.spare(BUFFER_BYTES)).or_else(|error| match error {
                EncodeError::InsufficientSize(short) => data.encode(sealed.spare(short.required_size)),
                EncodeError::AlreadyEncoded => Ok(0),
            });
            count
                .map(|count| sealed.advance(count))
                .map_err(|error| Error::General(error.to_string()))
                .map(|()| Next::Again)
        }
        (Ok(ConnectionState::TransmitTlsData(data)), _) => {
            // What is sealed leaves in order, so to hold it is as good as to have sent it.
            data.done();
            Ok(Next::Again)
        }
        (Ok(ConnectionState::PeerClosed), _) => Ok(Next::PeerClosed),
        (Ok(ConnectionState::WriteTraffic(mut traffic)), Purpose::Seal(plain)) => {
            encrypt(sealed, |room| traffic.encrypt(plain, room))
        }
        (Ok(ConnectionState::WriteTraffic(mut traffic)), Purpose::Close) => {
            encrypt(sealed, |room| traffic.queue_close_notify(room))
        }
        (Ok(ConnectionState::WriteTraffic(_)), Purpose::Open(_)) => Ok(Next::Done),
        (Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed), purpose) => match purpose {
            Purpose::Seal(_) => Err(Error::HandshakeNotComplete),
            Purpose::Open(_) | Purpose::Close => Ok(Next::Done),
        },
        // Early data is offered by no configuration of ours, and received records are opened before anything
        // is sealed.
        (Ok(_), _) => Err(Error::General("unexpected state of the TLS connection".into())),
    };
    (discard, next)
}

/// A failure of TLS as the I/O error that a stream reports.
pub(in crate::net) fn failed(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn encrypt(
    sealed: &mut Buffer,
    mut encrypt: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<Next, Error> {
    let count = encrypt(sealed.spare(BUFFER_BYTES)).or_else(|error| match error {
        // A key update or an alert goes in front.
        EncryptError::InsufficientSize(short) => encrypt(sealed.spare(short.required_size)),
        exhausted @ EncryptError::EncryptExhausted => Err(exhausted),
    });
    match count {
        Ok(count) => {
            sealed.advance(count);
            Ok(Next::Done)
        }
        Err(_) => Err(Error::EncryptError),
    }
}

/// Plaintext bytes of a full record: with its header, tag, explicit nonce and content type (29 bytes in TLS 1.2,
/// 22 in 1.3) it fills a pooled block, and four of them a large one.
const RECORD_BYTES: usize = BUFFER_BYTES - 64;

/// Plaintext bytes sealed before they are sent: four records, what one large block holds.
const BATCH_BYTES: usize = 4 * RECORD_BYTES;

/// Bytes of room behind the beginning of a record.
const LEAST_ROOM: usize = 1024;

/// Bytes that may wait to be opened: the longest handshake message that rustls takes (64 KiB) with its record
/// headers, hence also the longest record (18 KiB).
const RECEIVED_BYTES: usize = LARGE_BUFFER_BYTES;
