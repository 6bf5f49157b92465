//! What a believed peer tells of the visitor: the address and the scheme, read from the end of its lists, where the
//! peer itself wrote. Whom to believe is asked of the caller. Nothing a visitor puts in front of what a believed peer
//! wrote changes what is found.

use super::fields::trim;
use super::{Fields, Known, Scheme};
use crate::config::TrustHeader;
use smallvec::SmallVec;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The visitor: the first address from the end that is not believed itself; where all are, the first of all; the
    /// peer, where it names nobody.
    pub client: IpAddr,
    /// How the visitor came; `None` where nothing is said, or something else than `http` and `https`.
    pub scheme: Option<Scheme>,
}

/// What `peer`, which is believed, says of the visitor in `header` and, where that is not `Forwarded`, in
/// `X-Forwarded-Proto`. A list is walked as long as `is_believed` says so of each address. What is no address ends the
/// walk: the last good one holds. Cost: linear in the bytes of these fields, and at most 32 addresses.
pub fn told(
    fields: &Fields,
    header: &TrustHeader,
    peer: IpAddr,
    is_believed: impl Fn(IpAddr) -> bool,
) -> Told {
    let nobody = Told { client: peer, scheme: None };
    match header {
        TrustHeader::XForwardedFor => {
            let lines: Lines<'_> = fields.all(Known::XForwardedFor).collect();
            let members = lines.iter().rev().flat_map(|line| line.rsplit(|b| *b == b','));
            let hop = |member| address(member).map(|client| Told { client, scheme: None });
            Told { scheme: scheme_of(fields), ..walk(nobody, members, hop, is_believed) }
        }
        TrustHeader::Forwarded => {
            let lines: Lines<'_> = fields.all(Known::Forwarded).collect();
            let elements = lines.iter().rev().flat_map(|line| FromEnd::of(line, b','));
            walk(nobody, elements, element, is_believed)
        }
        TrustHeader::Single(name) => {
            let mut values = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
            let only = values.next().filter(|_| values.next().is_none());
            let client = only.and_then(|field| address(field.value)).unwrap_or(peer);
            Told { client, scheme: scheme_of(fields) }
        }
    }
}

/// The values of the lines of a field.
type Lines<'a> = SmallVec<[&'a [u8]; 4]>;

/// Walks `members`, of which the last was written by the peer, and each other by whom the one behind it names.
fn walk<'a>(
    nobody: Told,
    members: impl Iterator<Item = &'a [u8]>,
    hop: impl Fn(&'a [u8]) -> Option<Told>,
    is_believed: impl Fn(IpAddr) -> bool,
) -> Told {
    let mut found = nobody;
    // Empty members are none (RFC 9110 §5.6.1).
    for member in members.map(trim).filter(|member| !member.is_empty()).take(MOST_HOPS) {
        let Some(told) = hop(member) else { break };
        found = told;
        if !is_believed(told.client) {
            break;
        }
    }
    found
}

/// What an element of `Forwarded` says (RFC 7239 §4): whom its writer saw, and by which scheme. `None` where it says
/// that in no way that can be understood, or twice.
fn element(element: &[u8]) -> Option<Told> {
    let (mut client, mut scheme) = (None, None);
    for pair in FromEnd::of(element, b';').map(trim).filter(|pair| !pair.is_empty()) {
        let equals = memchr::memchr(b'=', pair)?;
        let (name, value) = (&pair[..equals], &pair[equals + 1..]);
        if name.eq_ignore_ascii_case(b"for") {
            let named = address(unquoted(value)?)?;
            if client.replace(named).is_some() {
                return None;
            }
        } else if name.eq_ignore_ascii_case(b"proto")
            && scheme.replace(scheme_named(unquoted(value)?)).is_some()
        {
            return None;
        }
    }
    Some(Told { client: client?, scheme: scheme.flatten() })
}

/// A token or a quoted string without what either cannot need here.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    let inside = match value {
        [b'"', inside @ .., b'"'] => inside,
        token => token,
    };
    (!inside.iter().any(|b| matches!(b, b'"' | b'\\'))).then_some(inside)
}

/// The parts of a list, the last first. A separator within a quoted string is none; which strings there are is read
/// from the end as well, so that a quote left open in front closes nothing behind it.
struct FromEnd<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> FromEnd<'a> {
    fn of(list: &'a [u8], separator: u8) -> Self {
        Self { rest: Some(list), separator }
    }
}

impl<'a> Iterator for FromEnd<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let mut is_quoted = false;
        for (at, byte) in rest.iter().enumerate().rev() {
            match byte {
                b'"' if !is_quoted => is_quoted = true,
                b'"' => {
                    let escapes = rest[..at].iter().rev().take_while(|b| **b == b'\\').count();
                    is_quoted = escapes % 2 == 1;
                }
                byte if *byte == self.separator && !is_quoted => {
                    self.rest = Some(&rest[..at]);
                    return Some(&rest[at + 1..]);
                }
                _ => {}
            }
        }
        Some(rest)
    }
}

/// An address as these fields have it: `192.0.2.1`, `192.0.2.1:567`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:80`. The port is nobody's business. An IPv4-mapped address is the IPv4 address.
fn address(text: &[u8]) -> Option<IpAddr> {
    if text.len() > LONGEST_ADDRESS {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    if let Some(bracketed) = text.strip_prefix('[') {
        let (ip, port) = bracketed.split_once(']')?;
        let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return is_whole
            .then(|| ip.parse::<Ipv6Addr>().ok())
            .flatten()
            .map(|ip| IpAddr::V6(ip).to_canonical());
    }
    match text.split_once(':') {
        None => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Some((ip, port)) if is_port(port) && ip.contains('.') => ip.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Some(_) => text.parse::<Ipv6Addr>().ok().map(|ip| IpAddr::V6(ip).to_canonical()),
    }
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// What `X-Forwarded-Proto` says: where it is a list its last member, which is the peer's own.
fn scheme_of(fields: &Fields) -> Option<Scheme> {
    scheme_named(fields.members(Known::XForwardedProto).last()?)
}

fn scheme_named(name: &[u8]) -> Option<Scheme> {
    let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
    // Some proxies name WebSocket's schemes.
    match () {
        () if is("https") || is("wss") => Some(Scheme::Https),
        () if is("http") || is("ws") => Some(Scheme::Http),
        () => None,
    }
}

/// Addresses that are walked: more believed proxies one behind the other than anybody has.
const MOST_HOPS: usize = 32;

/// Bytes of the longest address with brackets and port.
const LONGEST_ADDRESS: usize = 45 + "[]:65535".len();

#[cfg(test)]
mod tests;
