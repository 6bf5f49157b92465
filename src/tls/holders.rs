//! Who holds a host and what that account asks of TLS, as a handshake asks it.

use crate::base::{AccountName, Host};
use crate::config::Terms;
use crate::route::Hosts;
use std::net::IpAddr;

/// Tells which account holds a host. Asked at every handshake: must not wait.
pub trait Holders: Send + Sync + std::fmt::Debug {
    /// Who holds `host`; `None`: nobody.
    fn holder(&self, host: &Host) -> Option<Holder>;

    /// Whose own the local address is, and the host whose certificate is shown there to visitors who name none, or one
    /// that nobody holds.
    fn dedicated(&self, local: IpAddr) -> Option<(Holder, Option<Host>)>;
}

/// Who holds a host, and what that account asks of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The account.
    pub account: AccountName,
    /// What it asks of connections.
    pub terms: Terms,
}

impl Holders for Hosts {
    fn holder(&self, host: &Host) -> Option<Holder> {
        let account = self.find(host)?;
        Some(Holder { account: account.name().clone(), terms: account.form().terms })
    }

    fn dedicated(&self, local: IpAddr) -> Option<(Holder, Option<Host>)> {
        let account = Hosts::dedicated(self, local)?;
        let form = account.form();
        Some((Holder { account: account.name().clone(), terms: form.terms }, form.default_host().cloned()))
    }
}
