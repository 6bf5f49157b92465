//! Who holds a host and what that account asks of TLS, as a handshake asks it.

use crate::base::{AccountName, Host};
use crate::config::TlsProfile;
use crate::route::Hosts;

/// Tells which account holds a host. Asked at every handshake: must not wait.
pub trait Holders: Send + Sync + std::fmt::Debug {
    /// Who holds `host`; `None`: nobody.
    fn holder(&self, host: &Host) -> Option<Holder>;
}

/// Who holds a host, and what that account asks of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The account.
    pub account: AccountName,
    /// Its `tls_profile`.
    pub profile: TlsProfile,
}

impl Holders for Hosts {
    fn holder(&self, host: &Host) -> Option<Holder> {
        let account = self.find(host)?;
        Some(Holder { account: account.name().clone(), profile: account.form().tls_profile })
    }
}
