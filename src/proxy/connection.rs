//! What is known of a connection before its first request, the same for every request on it.

use super::worker::Worker;
use crate::base::{AccountName, AddressText, ClientAddr, Host, LocalAddr, PeerAddr};
use crate::config::{Node, Terms, TlsProfile};
use crate::telemetry::{TlsVersion, Visit};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

/// A visitor's connection.
pub struct Connection {
    /// The worker it lives on.
    pub worker: Rc<Worker>,
    /// Who opened it.
    pub peer: PeerAddr,
    /// The visitor.
    pub client: ClientAddr,
    /// Its IP address as logs and forwarding fields write it.
    pub client_text: AddressText,
    /// Our address and port as the visitor sees them.
    pub local: LocalAddr,
    /// What TLS agreed on; `None` on a clear connection.
    pub tls: Option<Rc<dyn Secured>>,
    /// The node's settings when the connection began: what holds for requests that no account holds.
    pub node: Arc<Node>,
    /// Its line in the node's log of connections, until a request begins.
    pub visit: Cell<Option<Box<Visit>>>,
}

/// What a TLS connection was opened for: enough to say which hosts it may ask for.
pub trait Secured {
    /// The protocol version.
    fn version(&self) -> TlsVersion;

    /// Whether a request for `host`, held by an account on these terms (`None`: by nobody), by HTTP/2 or not, may be
    /// answered here: the SNI ≠ Host rule (RFC 9110 §7.4).
    fn may_serve(&self, host: &Host, holder: Option<(&AccountName, Terms)>, is_http2: bool) -> bool;

    /// Whether the handshake agreed on no less than `profile` asks for.
    fn satisfies(&self, profile: TlsProfile) -> bool;

    /// Whether the certificate shown was another than the default, and has the name `host`.
    fn is_certified(&self, host: &Host) -> bool;
}

impl Connection {
    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The port of the scheme, which a `Host` need not name.
    pub fn default_port(&self) -> u16 {
        if self.tls.is_some() { 443 } else { 80 }
    }
}
