//! What a TLS connection was opened for, and which hosts it may therefore be asked for.

use crate::base::{AccountName, Host};
use crate::config::TlsProfile;

/// Who holds a host, and what that account asks of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The account.
    pub account: AccountName,
    /// Its `tls_profile`.
    pub profile: TlsProfile,
}

/// What a TLS connection was opened for; a connection keeps one of these.
#[derive(Clone, Debug)]
pub struct Identity {
    profile: TlsProfile,
}

impl Identity {
    /// Whether this connection may be asked for `host`, which `holder` holds (`None`: nobody). If not, the
    /// answer is 421 (RFC 9110 §15.5.20).
    pub fn may_serve(&self, _host: &Host, _holder: Option<&Holder>) -> bool {
        todo!()
    }

    /// The policy of the handshake.
    pub fn profile(&self) -> TlsProfile {
        self.profile
    }

    /// The name the visitor sent (RFC 6066 §3), lower case.
    pub fn sni(&self) -> Option<&str> {
        todo!()
    }
}
