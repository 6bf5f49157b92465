//! TLS handshakes on a [`Stream`], either end.

use super::Stream;
use crate::base::Host;
use rustls::pki_types::ServerName;
use rustls::server::ClientHello;
use rustls::{ClientConfig, ProtocolVersion, ServerConfig};
use std::io;
use std::sync::Arc;

/// What a handshake agreed on.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The name the client asked for (RFC 6066 §3); `None` where it sent none, or as client.
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
pub enum HandshakeError<E> {
    /// The connection broke, or ended before the handshake did.
    #[error(transparent)]
    Io(io::Error),
    /// The peer broke the rules of TLS, sent an alert, or nothing in common was found. An alert was sent.
    #[error(transparent)]
    Tls(rustls::Error),
    /// The choice of a configuration failed. An alert (unrecognized_name) was sent.
    #[error("no configuration for this client hello")]
    Choice(E),
}

/// Reads the ClientHello, lets `choose` pick the configuration by it, and drives the handshake to its end.
/// Bytes already in the stream's input are its beginning.
pub async fn accept<E>(
    _stream: Stream,
    _choose: impl FnOnce(&ClientHello<'_>) -> Result<Arc<ServerConfig>, E>,
) -> Result<(Stream, Handshake), HandshakeError<E>> {
    todo!()
}

/// Speaks TLS to an upstream and drives the handshake to its end.
pub async fn connect(
    _stream: Stream,
    _config: Arc<ClientConfig>,
    _name: ServerName<'static>,
) -> Result<(Stream, Handshake), HandshakeError<std::convert::Infallible>> {
    todo!()
}
