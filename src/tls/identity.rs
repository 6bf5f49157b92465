//! What a TLS connection was opened for, and which hosts it may therefore be asked for. Pure.

use super::index::Entry;
use super::place::Source;
use crate::base::{AccountName, Host};
use crate::config::{Terms, TlsProfile};
use std::sync::Arc;

/// What a TLS connection was opened for, as of its handshake. A connection keeps one: five words.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Lower case, without a dot at its end. A few bytes on the heap where a [`Host`] takes 254.
    sni: Option<Box<str>>,
    /// Who held the SNI.
    account: Option<AccountName>,
    profile: TlsProfile,
    /// The profile of hosts nobody holds.
    node: TlsProfile,
    shown: Arc<Entry>,
}

impl Identity {
    /// The identity of a handshake with this SNI, held by `account`, under `profile`, to which `shown` was shown;
    /// `node` is the profile of hosts nobody holds.
    pub fn new(
        sni: Option<&Host>,
        account: Option<AccountName>,
        profile: TlsProfile,
        node: TlsProfile,
        shown: Arc<Entry>,
    ) -> Self {
        Self { sni: sni.map(|host| host.as_str().into()), account, profile, node, shown }
    }

    /// Whether a request for `host`, which `holder` holds and serves on these terms (`None`: nobody), may be served on
    /// this connection, by HTTP/2 or not. If not, the answer is 421 (RFC 9110 §15.5.20), and the visitor comes again on a
    /// connection of its own.
    ///
    /// A visitor may send a request for another name than the one it opened the connection with (RFC 9113
    /// §9.1.1). It is served where nothing is lost by that: both names are one account's, or the certificate shown
    /// is good for both, and in either case under the same policy.
    pub fn may_serve(&self, host: &Host, holder: Option<(&AccountName, Terms)>, is_http2: bool) -> bool {
        if self.sni.as_deref() == Some(host.as_str()) {
            return true;
        }
        if let Some((_, terms)) = holder {
            // An address cannot be named at the handshake (RFC 6066 §3).
            let is_too_strict = terms.strict_sni && host.ip().is_none();
            if is_too_strict || (is_http2 && !terms.protocols.http2) {
                return false;
            }
        }
        let asked = holder.map_or(self.node, |(_, terms)| terms.tls_profile);
        match (&self.sni, &self.account) {
            // A name nobody holds was asked of nobody: the Host alone decides, unless its account asks for more.
            (None, _) | (_, None) => !demands_more(asked, self.profile),
            (Some(_), Some(account)) => {
                let same_account = holder.is_some_and(|(name, _)| name == account);
                asked == self.profile && (same_account || self.certificate_serves(host))
            }
        }
    }

    /// Whether the handshake agreed on no less than `profile` asks for.
    pub fn satisfies(&self, profile: TlsProfile) -> bool {
        !demands_more(profile, self.profile)
    }

    /// Whether the certificate shown was another than the default, and has the name `host`. Cost: by the names of the
    /// certificate.
    pub fn is_certified(&self, host: &Host) -> bool {
        self.shown.source != Source::Default && self.shown.certificate.covers(host)
    }

    /// The name the visitor sent (RFC 6066 §3), lower case, without a dot at its end.
    pub fn sni(&self) -> Option<&str> {
        self.sni.as_deref()
    }

    /// The account that held the name at the handshake.
    pub fn account(&self) -> Option<&AccountName> {
        self.account.as_ref()
    }

    /// The policy of the handshake.
    pub fn profile(&self) -> TlsProfile {
        self.profile
    }

    /// Whether the certificate shown covers `host`, another account's or nobody's. An account's certificate serves
    /// only hosts that account holds, so that only the platform's do.
    fn certificate_serves(&self, host: &Host) -> bool {
        self.shown.source.account().is_none() && self.shown.certificate.covers(host)
    }
}

/// Whether `asked` refuses what `given` allowed.
fn demands_more(asked: TlsProfile, given: TlsProfile) -> bool {
    asked == TlsProfile::Modern && given != TlsProfile::Modern
}

#[cfg(test)]
mod tests;
