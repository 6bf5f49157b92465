//! TLS handshakes on a [`Stream`], either end: who is asked for, what is agreed, and an alert where nothing is.
//! Knows no certificates and no policy: its callers choose the configuration.

mod session;

pub(in crate::net) use session::{Session, failed};

use self::session::Side;
use super::Stream;
use crate::base::{Buffer, Host};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::{Accepted, Acceptor, ClientHello, UnbufferedServerConnection};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, ServerConfig};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;

/// What a handshake agreed on.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The name the client asked for (RFC 6066 §3); `None` where it sent none, and as client.
    pub server_name: Option<Host>,
    /// What is spoken inside (RFC 7301); `None`: nothing was agreed.
    pub protocol: Option<Protocol>,
    /// TLS 1.2 or 1.3.
    pub version: ProtocolVersion,
    /// Whether a session was resumed.
    pub resumed: bool,
}

/// An ALPN protocol that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `http/1.1`.
    Http1,
    /// `h2`.
    Http2,
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError<E = Infallible> {
    /// The connection broke, or ended before the handshake did.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer broke the rules of TLS, sent an alert, or nothing in common was found. Unless it was an alert
    /// that came, one was sent.
    #[error(transparent)]
    Tls(rustls::Error),
    /// `choose` had no configuration for the client. An alert (unrecognized_name) was sent.
    #[error("no configuration for this client hello")]
    Choice(E),
}

/// Reads the ClientHello, lets `choose` pick the configuration by it, and drives the handshake to its end.
/// Bytes already in the stream's input are its beginning. No deadline in here: the caller sets one.
///
/// Cost: a full handshake takes 0.3 ms of CPU, nearly all of it the signature and the key exchange; the hello
/// is parsed twice (a few µs) so that the connection never needs buffers of its own.
pub async fn accept<E>(
    mut stream: Stream,
    choose: impl FnOnce(&ClientHello<'_>) -> Result<Arc<ServerConfig>, E>,
) -> Result<(Stream, Handshake), HandshakeError<E>> {
    let accepted = read_hello(&mut stream).await?;
    let hello = accepted.client_hello();
    let server_name = hello.server_name().and_then(|name| Host::parse(name.as_bytes()).ok());
    let config = match choose(&hello) {
        Ok(config) => config,
        Err(error) => {
            farewell(&mut stream, UNRECOGNIZED_NAME).await;
            return Err(HandshakeError::Choice(error));
        }
    };
    // Not held over the handshake: it is as large as a connection.
    drop(accepted);
    let connection = UnbufferedServerConnection::new(config).map_err(HandshakeError::Tls)?;
    complete(stream, Side::Server(connection), server_name).await
}

/// Speaks TLS to an upstream and drives the handshake to its end. No deadline in here.
pub async fn connect(
    stream: Stream,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> Result<(Stream, Handshake), HandshakeError> {
    let connection = UnbufferedClientConnection::new(config, name).map_err(HandshakeError::Tls)?;
    complete(stream, Side::Client(connection), None).await
}

async fn read_hello<E>(stream: &mut Stream) -> Result<Accepted, HandshakeError<E>> {
    let mut acceptor = Acceptor::default();
    let mut seen = 0;
    loop {
        let mut unseen = &stream.input().filled()[seen..];
        // Every turn takes a byte at least: an acceptor that takes none has failed before.
        while !unseen.is_empty() {
            let count = acceptor.read_tls(&mut unseen)?;
            seen += count;
            match acceptor.accept() {
                Ok(Some(accepted)) => return Ok(accepted),
                Ok(None) => {}
                Err((error, mut alert)) => {
                    let mut bytes = Vec::new();
                    alert.write_all(&mut bytes)?;
                    // For a few mistakes rustls has an error and no alert.
                    let alert = if bytes.is_empty() { DECODE_ERROR } else { &bytes };
                    farewell(stream, alert).await;
                    return Err(HandshakeError::Tls(error));
                }
            }
        }
        if seen > HELLO_BYTES {
            farewell(stream, DECODE_ERROR).await;
            return Err(HandshakeError::Tls(rustls::InvalidMessage::HandshakePayloadTooLarge.into()));
        }
        if stream.fill().await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

async fn complete<E>(
    stream: Stream,
    side: Side,
    server_name: Option<Host>,
) -> Result<(Stream, Handshake), HandshakeError<E>> {
    let (mut socket, received) = stream.into_parts();
    let mut session = Box::new(Session::new(side, received));
    let mut input = Buffer::new();
    // Bounded by the handshake, of which rustls knows every message that may come, and by the room for one.
    loop {
        let opened = session.open(&mut input);
        if opened.is_ok() && session.has_only_tickets_to_send() {
            session.hold_back();
            break;
        }
        let sent = poll_fn(|cx| socket.poll_send_all(cx, session.sealed())).await;
        if let Err(error) = opened {
            let _ = socket.end_sending();
            return Err(HandshakeError::Tls(error));
        }
        sent?;
        if !session.agreed().is_handshaking() {
            break;
        }
        let room = session.room(false)?;
        let received = poll_fn(|cx| socket.poll_receive(cx, session.received(), room)).await?;
        if received == 0 || session.peer_closed() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    let agreed = session.agreed();
    let handshake = Handshake {
        server_name,
        protocol: agreed.alpn_protocol().and_then(Protocol::from_alpn),
        version: agreed.protocol_version().unwrap_or(ProtocolVersion::TLSv1_2),
        resumed: agreed.handshake_kind() == Some(HandshakeKind::Resumed),
    };
    Ok((Stream::secured(socket, input, session), handshake))
}

impl Protocol {
    /// As ALPN names it (RFC 7301 §6, RFC 9113 §3.1).
    pub const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }

    fn from_alpn(name: &[u8]) -> Option<Self> {
        [Self::Http1, Self::Http2].into_iter().find(|protocol| protocol.alpn() == name)
    }
}

/// Sends a last alert and ends our direction, so that the peer can read it.
async fn farewell(stream: &mut Stream, alert: &[u8]) {
    // Whether the peer still takes it makes no difference: the handshake has failed already.
    if stream.send(alert).await.is_ok() {
        let _ = poll_fn(|cx| stream.poll_close_write(cx)).await;
    }
}

/// Bytes of a ClientHello with its record headers: with a post-quantum key share it has 2 KiB; the rest is for
/// those that cut it into many records.
const HELLO_BYTES: usize = 32 * 1024;

/// A fatal alert record: unrecognized_name (RFC 6066 §3).
const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];

/// A fatal alert record: decode_error (RFC 8446 §6.2).
const DECODE_ERROR: &[u8] = &[21, 3, 3, 0, 2, 2, 50];

#[cfg(test)]
mod tests;
