//! A host, parsed once into one type: lower case, without trailing dot, without port. And the addresses an
//! operator writes: a host or wildcard, with or without a path.

use smallvec::SmallVec;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host name or IP literal in its one normal form. Up to 56 bytes stand in it, so that it is moved and copied at
/// little cost and parsing nearly every name allocates nothing.
#[derive(Clone)]
pub struct Host {
    /// ASCII.
    bytes: SmallVec<[u8; INLINE_BYTES]>,
}

/// A host with the port that stood behind it (RFC 9110 §7.2: `uri-host [ ":" port ]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port, where one was written.
    pub port: Option<u16>,
}

/// Why text is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing, or only a dot.
    #[error("empty")]
    Empty,
    /// Over 253 bytes, or a label over 63.
    #[error("too long")]
    TooLong,
    /// Two dots in a row, or a dot in front.
    #[error("an empty label")]
    EmptyLabel,
    /// A character no host holds: `%`, `@`, a space, a comma, a byte ≥ 0x80 …
    #[error("a character that no host name holds")]
    BadCharacter,
    /// `_`: on the wire it is let through, in a document it is a mistake.
    #[error("underscore")]
    Underscore,
    /// Brackets without an IPv6 address between them, or behind.
    #[error("not an IPv6 address in brackets")]
    BadLiteral,
    /// A port that is no number up to 65535.
    #[error("not a port")]
    BadPort,
}

/// What a site's address says about the host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This host alone.
    Exact(Host),
    /// `*.x`: every host with one label or more in front of `x`; never `x` itself.
    Wildcard(Host),
}

/// A path prefix of whole segments, without a slash at its end: `/app`; empty for the whole host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PathPrefix(Box<str>);

/// An address as an operator writes it: `host`, `*.host`, either with `/path`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SiteAddress {
    /// The host part.
    pub host: HostPattern,
    /// The path part; empty when none was written.
    pub path: PathPrefix,
}

impl Host {
    /// Parses a host without a port, as it comes from the wire.
    pub fn parse(text: &[u8]) -> Result<Self, HostError> {
        if text.first() == Some(&b'[') {
            let inner = text.strip_prefix(b"[").and_then(|t| t.strip_suffix(b"]"));
            return Self::ipv6(inner.ok_or(HostError::BadLiteral)?);
        }
        let text = text.strip_suffix(b".").unwrap_or(text);
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        if text.len() > MAX_HOST_BYTES {
            return Err(HostError::TooLong);
        }
        let mut label = 0usize;
        for byte in text {
            match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => label += 1,
                b'A'..=b'Z' => label += 1,
                b'.' if label == 0 => return Err(HostError::EmptyLabel),
                b'.' => label = 0,
                _ => return Err(HostError::BadCharacter),
            }
            if label > 63 {
                return Err(HostError::TooLong);
            }
        }
        if label == 0 {
            return Err(HostError::EmptyLabel);
        }
        let mut bytes = SmallVec::from_slice(text);
        bytes.make_ascii_lowercase();
        Ok(Self { bytes })
    }

    fn ipv6(inner: &[u8]) -> Result<Self, HostError> {
        let text = std::str::from_utf8(inner).map_err(|_| HostError::BadLiteral)?;
        let ip: Ipv6Addr = text.parse().map_err(|_| HostError::BadLiteral)?;
        Ok(Self::from_ip(IpAddr::V6(ip)))
    }

    /// The host that is this IP address, IPv6 in brackets.
    pub fn from_ip(ip: IpAddr) -> Self {
        use std::io::Write;
        let mut bytes = SmallVec::new();
        // Memory does not refuse.
        let _ = match ip {
            IpAddr::V4(ip) => write!(bytes, "{ip}"),
            IpAddr::V6(ip) => write!(bytes, "[{ip}]"),
        };
        Self { bytes }
    }

    /// The host as bytes: lower-case ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The host as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The IP address, where the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        let text = self.as_str();
        match text.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            None => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        }
    }

    /// Every name of which this host is a subdomain, longest first: `b.c`, `c` for `a.b.c`. An IP address has
    /// none. What a wildcard lookup walks; at most 126 steps by the length of a name.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        let text = if self.ip().is_some() { "" } else { self.as_str() };
        std::iter::successors(text.split_once('.').map(|(_, rest)| rest), |rest| {
            rest.split_once('.').map(|(_, rest)| rest)
        })
    }
}

impl Authority {
    /// Parses `host`, `host:port` or `[ipv6]:port`. An empty port (`host:`) is none (RFC 3986 §3.2.3).
    pub fn parse(text: &[u8]) -> Result<Self, HostError> {
        let colon = match memchr::memrchr(b':', text) {
            // A colon inside brackets belongs to the address.
            Some(place) if memchr::memchr(b']', &text[place..]).is_none() => Some(place),
            _ => None,
        };
        let Some(colon) = colon else {
            return Ok(Self { host: Host::parse(text)?, port: None });
        };
        Ok(Self { host: Host::parse(&text[..colon])?, port: parse_port(&text[colon + 1..])? })
    }
}

fn parse_port(digits: &[u8]) -> Result<Option<u16>, HostError> {
    if digits.is_empty() {
        return Ok(None);
    }
    if digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(HostError::BadPort);
    }
    let number = digits.iter().fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    u16::try_from(number).map(Some).map_err(|_| HostError::BadPort)
}

impl SiteAddress {
    /// Parses an address of a document: `www.alice.test`, `*.alice.test`, `shop.alice.test/app`.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let (host, path) = match text.find('/') {
            Some(slash) => text.split_at(slash),
            None => (text, ""),
        };
        let host = match host.strip_prefix("*.") {
            Some(parent) => {
                let parent = document_host(parent)?;
                if parent.ip().is_some() {
                    return Err(HostError::BadCharacter);
                }
                HostPattern::Wildcard(parent)
            }
            None => HostPattern::Exact(document_host(host)?),
        };
        Ok(Self { host, path: PathPrefix::parse(path)? })
    }
}

fn document_host(text: &str) -> Result<Host, HostError> {
    if text.contains('_') {
        return Err(HostError::Underscore);
    }
    Host::parse(text.as_bytes())
}

impl PathPrefix {
    /// Parses `/path`; a slash at the end means nothing, `` and `/` are the whole host.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(HostError::BadCharacter);
        }
        let fits =
            |b: u8| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'*' | b'"' | b'<' | b'>' | b'\\');
        if !text.bytes().all(fits) {
            return Err(HostError::BadCharacter);
        }
        let text = text.trim_end_matches('/');
        if text.split('/').skip(1).any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(HostError::EmptyLabel);
        }
        Ok(Self(text.into()))
    }

    /// The prefix as text, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `path` (a request's, without its query) lies under this prefix, by whole segments.
    pub fn covers(&self, path: &[u8]) -> bool {
        match path.strip_prefix(self.0.as_bytes()) {
            Some(rest) => self.0.is_empty() || rest.is_empty() || rest[0] == b'/',
            None => false,
        }
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Host {}

impl std::hash::Hash for Host {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl std::borrow::Borrow<str> for Host {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({})", self.as_str())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::Wildcard(parent) => write!(f, "*.{parent}"),
        }
    }
}

impl fmt::Display for SiteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.host, self.path.as_str())
    }
}

/// The longest host name DNS knows, in bytes (RFC 1035 §2.3.4, without the root's dot).
const MAX_HOST_BYTES: usize = 253;

/// Bytes of a host that need no memory of their own: with their length a cache line. Names in use have twenty.
const INLINE_BYTES: usize = 56;

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Result<String, HostError> {
        Host::parse(text.as_bytes()).map(|host| host.to_string())
    }

    #[test]
    fn a_host_is_a_cache_line() {
        assert_eq!(size_of::<Host>(), 64);
        let long = "a.".repeat(126) + "a";
        assert_eq!(host(&long.to_uppercase()), Ok(long), "longer ones are whole");
    }

    #[test]
    fn one_form_for_every_spelling() {
        assert_eq!(host("WWW.Alice.TEST."), Ok("www.alice.test".into()));
        assert_eq!(host("[2001:DB8:0:0::1]"), Ok("[2001:db8::1]".into()));
        assert_eq!(host("a_b.test"), Ok("a_b.test".into()));
        for (bad, why) in [
            ("", HostError::Empty),
            (".", HostError::Empty),
            ("a..test", HostError::EmptyLabel),
            ("a.test..", HostError::EmptyLabel),
            (".a", HostError::EmptyLabel),
            ("a%2e.test", HostError::BadCharacter),
            ("u@a.test", HostError::BadCharacter),
            ("a.test,b.test", HostError::BadCharacter),
            ("a b", HostError::BadCharacter),
            ("é.test", HostError::BadCharacter),
            ("[::1", HostError::BadLiteral),
            ("[::1]x", HostError::BadLiteral),
            ("[a.test]", HostError::BadLiteral),
        ] {
            assert_eq!(host(bad), Err(why), "{bad}");
        }
        assert_eq!(host(&format!("{}.test", "a".repeat(64))), Err(HostError::TooLong));
        assert!(host(&format!("{}.test", "a".repeat(63))).is_ok());
        assert_eq!(host(&"a.".repeat(127)), Ok("a.".repeat(127)[..253].to_owned()));
        assert_eq!(host(&"aa.".repeat(86)), Err(HostError::TooLong));
    }

    #[test]
    fn authorities_carry_a_port_or_none() {
        let parse = |text: &str| Authority::parse(text.as_bytes()).map(|a| (a.host.to_string(), a.port));
        assert_eq!(parse("a.test"), Ok(("a.test".into(), None)));
        assert_eq!(parse("a.test:"), Ok(("a.test".into(), None)));
        assert_eq!(parse("a.test:8443"), Ok(("a.test".into(), Some(8443))));
        assert_eq!(parse("[::1]:80"), Ok(("[::1]".into(), Some(80))));
        assert_eq!(parse("[::1]"), Ok(("[::1]".into(), None)));
        for bad in
            ["a.test:65536", "a.test:x", "a.test:+1", "a.test:000080", "a:1:2", "::1", ":80", "u:p@a.test"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn parents_walk_up_by_labels() {
        let host = Host::parse(b"a.b.c").unwrap();
        assert_eq!(host.parents().collect::<Vec<_>>(), ["b.c", "c"]);
        assert_eq!(Host::parse(b"192.0.2.1").unwrap().parents().count(), 0);
        assert_eq!(Host::parse(b"[::1]").unwrap().parents().count(), 0);
    }

    #[test]
    fn addresses_of_a_document() {
        let parse = |text: &str| SiteAddress::parse(text).map(|a| a.to_string());
        assert_eq!(parse("Shop.alice.test/app/"), Ok("shop.alice.test/app".into()));
        assert_eq!(parse("*.alice.test"), Ok("*.alice.test".into()));
        assert_eq!(parse("a_b.test"), Err(HostError::Underscore));
        for bad in
            ["", "*", "*.", "*.192.0.2.1", "a.*.test", "a.test/a//b", "a.test/../b", "a.test/?q", "a.test:80"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_match_whole_segments() {
        let app = PathPrefix::parse("/app").unwrap();
        for (path, covered) in [
            ("/app", true),
            ("/app/", true),
            ("/app/x", true),
            ("/apple", false),
            ("/", false),
            ("/APP", false),
        ] {
            assert_eq!(app.covers(path.as_bytes()), covered, "{path}");
        }
        assert!(PathPrefix::default().covers(b"/anything"));
    }
}
