//! A name of a certificate, and which hosts it covers (RFC 6125 §6.4). Knows no certificate and no account.

use crate::base::{Host, HostPattern};
use std::fmt;

/// A dNSName or iPAddress of a certificate (RFC 5280 §4.2.1.6) in the one normal form of [`Host`].
///
/// A wildcard stands for exactly one label here, unlike the wildcard of a site's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertificateName {
    /// The name; for a wildcard what stands behind its `*.`. A few bytes on the heap where a [`Host`] takes 254.
    text: Box<str>,
    wildcard: bool,
}

impl CertificateName {
    /// Parses a dNSName. `None` for what no host ever matches: a `*` that is not the whole first label
    /// (RFC 6125 §6.4.3), a wildcard above an IP address, characters that no host name holds.
    pub fn parse(text: &str) -> Option<Self> {
        let (wildcard, rest) = match text.strip_prefix("*.") {
            Some(parent) => (true, parent),
            None => (false, text),
        };
        let host = Host::parse(rest.as_bytes()).ok()?;
        if host.ip().is_some() && wildcard {
            return None;
        }
        Some(Self { text: host.as_str().into(), wildcard })
    }

    /// The name that is this host alone.
    pub fn exact(host: &Host) -> Self {
        Self { text: host.as_str().into(), wildcard: false }
    }

    /// Whether `host` is this name, or has this wildcard's one label more.
    pub fn covers(&self, host: &Host) -> bool {
        if self.wildcard { parent(host) == Some(&*self.text) } else { *self.text == *host.as_str() }
    }

    /// The part of `pattern`, as a document writes it, that this name covers: what a certificate attached to
    /// the pattern may be shown for. `None` when they have no host in common.
    pub fn within(&self, pattern: &HostPattern) -> Option<Self> {
        match pattern {
            HostPattern::Exact(host) => self.covers(host).then(|| Self::exact(host)),
            HostPattern::Wildcard(above) => {
                let below = self.text.strip_suffix(above.as_str())?;
                let inside = below.ends_with('.') || (below.is_empty() && self.wildcard);
                inside.then(|| self.clone())
            }
        }
    }

    /// The name without its `*.`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is a wildcard.
    pub fn is_wildcard(&self) -> bool {
        self.wildcard
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.wildcard { "*." } else { "" })?;
        f.write_str(&self.text)
    }
}

/// What a wildcard must be for to cover `host`: the name without its first label.
pub(super) fn parent(host: &Host) -> Option<&str> {
    host.parents().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SiteAddress;

    fn name(text: &str) -> CertificateName {
        CertificateName::parse(text).unwrap()
    }

    fn host(text: &str) -> Host {
        Host::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_wildcard_covers_exactly_one_label() {
        for (certificate, asked, covered) in [
            ("alice.test", "ALICE.test.", true),
            ("alice.test", "www.alice.test", false),
            ("*.alice.test", "www.alice.test", true),
            ("*.alice.test", "alice.test", false),
            ("*.alice.test", "a.b.alice.test", false),
            ("*.alice.test", "wwwalice.test", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("*.0.2.1.test", "192.0.2.1", false),
            ("[2001:DB8::1]", "[2001:db8:0::1]", true),
        ] {
            assert_eq!(name(certificate).covers(&host(asked)), covered, "{certificate} {asked}");
        }
    }

    #[test]
    fn names_no_host_matches_are_none() {
        for text in ["", "*", "*.", "w*.alice.test", "a.*.test", "*.192.0.2.1", "*.*.test", "a b", "é.test"]
        {
            assert_eq!(CertificateName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_pattern_and_a_name_have_in_common() {
        let within = |certificate: &str, pattern: &str| {
            name(certificate)
                .within(&SiteAddress::parse(pattern).unwrap().host)
                .map(|common| common.to_string())
        };
        for (certificate, pattern, common) in [
            ("a.test", "a.test", Some("a.test")),
            ("a.test", "b.test", None),
            ("*.a.test", "www.a.test", Some("www.a.test")),
            ("*.a.test", "a.test", None),
            ("www.a.test", "*.a.test", Some("www.a.test")),
            ("x.www.a.test", "*.a.test", Some("x.www.a.test")),
            ("*.a.test", "*.a.test", Some("*.a.test")),
            ("*.www.a.test", "*.a.test", Some("*.www.a.test")),
            ("a.test", "*.a.test", None),
            ("xa.test", "*.a.test", None),
            ("*.xa.test", "*.a.test", None),
            ("*.test", "*.a.test", None),
        ] {
            assert_eq!(within(certificate, pattern).as_deref(), common, "{certificate} in {pattern}");
        }
    }
}
