//! Who asks: the visitor of one request, and how the visitor came. The connection's own client and scheme, unless that
//! client is a proxy whose word is believed and that names another. Found once, with the account.

use super::connection::Connection;
use crate::base::{AddressText, TrustName};
use crate::message::{RequestHead, Scheme, Told, told};
use std::net::IpAddr;

/// The visitor of one request.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// The visitor's address, canonical.
    pub ip: IpAddr,
    /// The same as logs and forwarding fields write it.
    pub text: AddressText,
    /// How the visitor came: to us, or to the proxy that is believed.
    pub scheme: Scheme,
}

impl Asker {
    /// Whoever opened the connection.
    pub fn of_connection(connection: &Connection) -> Self {
        let scheme = if connection.tls.is_some() { Scheme::Https } else { Scheme::Http };
        Self { ip: connection.client.ip(), text: connection.client_text, scheme }
    }

    /// Whom the connection's client names, where it is believed for an account that names the sets `trust`; else what
    /// stands here already.
    pub fn believe(&mut self, connection: &Connection, head: &RequestHead, trust: &[TrustName]) {
        let Some(rules) = connection.worker.lists.rules() else { return };
        let Some(set) = rules.believes(self.ip, trust) else { return };
        let is_believed = |ip| rules.believes(ip, trust).is_some();
        let Told { client, scheme } = told(head.fields(), &set.header, self.ip, is_believed);
        if client != self.ip {
            (self.ip, self.text) = (client, AddressText::new(client));
        }
        self.scheme = scheme.unwrap_or(self.scheme);
    }
}
