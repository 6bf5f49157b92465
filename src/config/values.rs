//! What texts mean: pure functions from a string of a document to a value, or to what is wrong with it and what
//! to write instead.

use super::scalar::{Wrong, quoted};
use crate::base::{Authority, Host, HostError, HostPattern, SiteAddress};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// `"[::]:443"`, `"127.0.0.1:80"`.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, Wrong> {
    let port = text.rsplit_once(':').map_or("443", |(_, port)| port);
    let both = || format!("write \"[::]:{port}\" for IPv6, \"0.0.0.0:{port}\" for IPv4: both are explicit");
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().to_canonical() != address.ip() => Err(Wrong::new(format!(
            "{} is an IPv4 address in IPv6's clothes",
            quoted(text)
        ))
        .hint(format!("write \"{}:{}\"", address.ip().to_canonical(), address.port()))),
        Ok(address) => Ok(address),
        Err(_) if text.parse::<IpAddr>().is_ok() => {
            Err(Wrong::new(format!("{} has no port", quoted(text))).hint("write it as in \"[::]:443\""))
        }
        Err(_) if text.starts_with(':') || text.starts_with("*:") => {
            Err(Wrong::new(format!("{} names no address", quoted(text))).hint(both()))
        }
        Err(_) => Err(Wrong::new(format!("{} is not an IP address and a port", quoted(text))).hint(both())),
    }
}

/// `"192.0.2.0/24"`, or a single address.
pub(super) fn network(text: &str) -> Result<IpNet, Wrong> {
    let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
    match text.parse::<IpNet>().ok().or_else(address) {
        Some(network) if network.trunc() == network => Ok(network),
        Some(network) => {
            let wrong = Wrong::new(format!("{} has bits behind its prefix", quoted(text)));
            Err(wrong.hint(format!("write \"{}\"", network.trunc())))
        }
        None => Err(Wrong::new(format!("{} is not a network", quoted(text)))
            .hint("write an address and a prefix, as in \"192.0.2.0/24\"")),
    }
}

/// A host name or IP literal in its normal form.
pub(super) fn host_name(text: &str) -> Result<Host, Wrong> {
    Host::parse(text.as_bytes())
        .map_err(|error| Wrong::new(format!("{} is not a host name ({error})", quoted(text))))
}

/// Whether this is the name of a field: a token (RFC 9110 §5.6.2).
pub(super) fn is_field_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(fits)
}

/// `"www.alice.test"`, `"*.alice.test"`, either with a path.
pub(super) fn site_address(text: &str) -> Result<SiteAddress, Wrong> {
    let error = match SiteAddress::parse(text) {
        Ok(address) => return Ok(address),
        Err(error) => error,
    };
    let (host, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    if SiteAddress::parse(host).is_ok() {
        let wrong = Wrong::new(format!("{} has a path that no request matches", quoted(text)));
        return Err(wrong.hint(if path.contains(['?', '#', '*']) {
            "a path is a prefix of whole segments, as in \"/app\": no `?`, `#` or `*`"
        } else {
            "write whole segments, as in \"/app\", without `..` or `//`, percent-encoded"
        }));
    }
    let wrong = Wrong::new(format!("{} is not a host name ({error})", quoted(text)));
    Err(match address_hint(text, host, error) {
        Some(hint) => wrong.hint(hint),
        None => wrong,
    })
}

fn address_hint(text: &str, host: &str, error: HostError) -> Option<String> {
    if let Some((_, rest)) = text.split_once("://") {
        return Some(format!("write it without the scheme: {}", quoted(rest)));
    }
    if let Ok(Authority { host, port: Some(_) }) = Authority::parse(host.as_bytes()) {
        return Some(format!("ports belong to listeners: write \"{host}\""));
    }
    if matches!(host, "*" | "*.") {
        return Some("hosts that no document holds go to the node's `default_site`".to_owned());
    }
    if host.contains('*') {
        return Some("a wildcard stands for whole labels in front: \"*.host\"".to_owned());
    }
    if !host.is_ascii() {
        return Some("write it as DNS does, in punycode: \"xn--…\"".to_owned());
    }
    (error == HostError::Underscore)
        .then(|| "browsers and certificates take a dash where this has `_`".to_owned())
}

/// A host or wildcard without a path.
pub(super) fn host_pattern(text: &str) -> Result<HostPattern, Wrong> {
    let address = site_address(text)?;
    match address.path.as_str() {
        "" => Ok(address.host),
        _ => {
            Err(Wrong::new(format!("{} has a path", quoted(text)))
                .hint(format!("write \"{}\"", address.host)))
        }
    }
}

/// The parts of an absolute URL that matter here. Borrowed: nothing is decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'t> {
    /// Whether it is `https`.
    pub(super) is_https: bool,
    /// The host.
    pub(super) host: Host,
    /// The port, where one is written.
    pub(super) port: Option<u16>,
    /// The path with its leading slash, or nothing.
    pub(super) path: &'t str,
    /// Query and fragment, with the `?` or `#` in front.
    pub(super) rest: &'t str,
}

impl<'t> Url<'t> {
    /// Parses `http://…` and `https://…`; `None` where the text begins with neither.
    pub(super) fn parse(text: &'t str) -> Option<Result<Self, Wrong>> {
        let (scheme, after) = text.split_once("://")?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let (authority, target) = after.split_at(after.find(['/', '?', '#']).unwrap_or(after.len()));
        let (path, rest) = target.split_at(target.find(['?', '#']).unwrap_or(target.len()));
        Some(Self::checked(text, is_https, authority, path, rest))
    }

    fn checked(
        text: &str,
        is_https: bool,
        authority: &str,
        path: &'t str,
        rest: &'t str,
    ) -> Result<Self, Wrong> {
        if authority.contains('@') {
            // The text may hold a password: it is not repeated.
            return Err(Wrong::new("a URL with a user name").hint("write it without the part before the `@`"));
        }
        let Authority { host, port } = Authority::parse(authority.as_bytes()).map_err(|error| {
            let why = match error {
                HostError::Empty => "it has no host".to_owned(),
                HostError::TooLong => "its host is too long".to_owned(),
                HostError::BadPort => "its port is not a number up to 65535".to_owned(),
                HostError::BadLiteral => "its host is not an IPv6 address in brackets".to_owned(),
                error => format!("its host has {error}"),
            };
            Wrong::new(format!("{} is not a URL: {why}", quoted(text)))
        })?;
        if port == Some(0) {
            return Err(Wrong::new(format!("{} has port 0", quoted(text))));
        }
        check_visible(text)?;
        Ok(Self { is_https, host, port, path, rest })
    }

    /// The port, written or meant.
    pub(super) fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.is_https { 443 } else { 80 })
    }

    /// Whether the port is the scheme's own.
    pub(super) fn has_default_port(&self) -> bool {
        self.port_or_default() == if self.is_https { 443 } else { 80 }
    }
}

/// A URL or path goes into a header as it is: visible ASCII, nothing that could end a line or a quotation.
pub(super) fn check_visible(text: &str) -> Result<(), Wrong> {
    let fits = |b: u8| {
        b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
    };
    match text.chars().find(|c| !u8::try_from(*c).is_ok_and(fits)) {
        Some(c) => {
            Err(Wrong::new(format!("{} has {c:?} in it", quoted(text))).hint("write it percent-encoded"))
        }
        None => Ok(()),
    }
}
