//! The policies of this node: one rustls configuration per profile and set of protocols.

use super::identity::{Holder, Identity};
use super::index::Index;
use crate::base::Host;
use crate::config::{Protocols, TlsProfile};
use rustls::ServerConfig;
use rustls::server::ClientHello;
use std::sync::Arc;

/// Tells which account holds a host. Asked at every handshake: must not wait.
pub trait Holders: Send + Sync + std::fmt::Debug {
    /// Who holds `host`.
    fn holder(&self, host: &Host) -> Option<Holder>;
}

/// What a handshake goes on with.
#[derive(Clone, Debug)]
pub struct Choice {
    /// For [`rustls::server::Accepted::into_connection`].
    pub config: Arc<ServerConfig>,
    /// For the connection to keep.
    pub identity: Identity,
}

/// The policies of this node.
#[derive(Debug)]
pub struct Policies {}

impl Policies {
    /// The policies over `index`; `default` serves names nobody holds.
    pub fn new(
        _index: Arc<Index>,
        _holders: Arc<dyn Holders>,
        _default: TlsProfile,
    ) -> Result<Self, rustls::Error> {
        todo!()
    }

    /// The policy for a ClientHello received on a listener that speaks `protocols`.
    pub fn choose(&self, _hello: &ClientHello<'_>, _protocols: Protocols) -> Choice {
        todo!()
    }
}
