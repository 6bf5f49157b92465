//! Answers rustls which certificate a handshake shows. Holds no state of a connection, so that it gives the same
//! answer again after a HelloRetryRequest.

use super::holders::Holders;
use super::index::Index;
use crate::base::{self, Host};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// The certificates of an [`Index`], by SNI.
#[derive(Debug)]
pub struct Resolver {
    index: Arc<Index>,
    holders: Arc<dyn Holders>,
}

impl Resolver {
    /// A resolver over `index`, with accounts' certificates shown for the hosts that `holders` gives them.
    pub fn new(index: Arc<Index>, holders: Arc<dyn Holders>) -> Self {
        Self { index, holders }
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let sni = hello.server_name().and_then(|name| Host::parse(name.as_bytes()).ok());
        let holder = sni.as_ref().and_then(|host| self.holders.holder(host));
        let account = holder.as_ref().map(|holder| &holder.account);
        Some(self.index.find(sni.as_ref(), account, base::wall()).entry.certificate.key())
    }
}

/// One certificate, whoever asks: what was decided by more than a ClientHello says.
#[derive(Debug)]
pub(super) struct Decided(pub(super) Arc<CertifiedKey>);

impl ResolvesServerCert for Decided {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests;
