//! The fields that tell an upstream who asked, for what and by which way. All are rebuilt from what we know;
//! only `Via` continues what was received.

use super::text::{Decimal, push_authority, push_line, push_parts};
use super::{Fields, Known, Scheme, Version};
use crate::base::{AddressText, Authority, Buffer, RequestId};

/// What a request's forwarding fields are made of.
#[derive(Clone, Copy, Debug)]
pub struct Forwarding<'a> {
    /// The visitor.
    pub client: &'a AddressText,
    /// How the visitor came.
    pub scheme: Scheme,
    /// What the visitor asked for.
    pub authority: &'a Authority,
    /// The port the visitor came to.
    pub port: u16,
    /// The path that was trimmed, where one was.
    pub prefix: Option<&'a str>,
    /// The version the request came by.
    pub version: Version,
    /// The fields it came with: `Via` is continued.
    pub received: &'a Fields,
    /// The request's id.
    pub id: RequestId,
    /// What this node is called.
    pub pseudonym: Pseudonym,
}

/// What a node is called in `Via`: `parvis-` and a number of its own, which tells those who see it nothing (RFC 9110
/// §7.6.3). A node that meets its own has met a circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pseudonym([u8; 15]);

impl Pseudonym {
    /// One that no other node has, by a number drawn at random.
    pub fn from_random(number: u32) -> Self {
        let mut name = *b"parvis-00000000";
        for (digit, at) in name[NAME.len() + 1..].iter_mut().zip((0..8).rev()) {
            *digit = HEX[(number >> (4 * at)) as usize & 0xf];
        }
        Self(name)
    }

    /// As `Via` has it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Forwarding<'_> {
    /// Appends `X-Forwarded-For`, `-Proto`, `-Host`, `-Port`, `-Prefix`, `X-Real-IP`, `Forwarded` (RFC 7239),
    /// `Via` and `X-Request-ID`.
    pub fn push(&self, out: &mut Buffer) {
        let (address, scheme) = (self.client.as_bytes(), self.scheme.as_str().as_bytes());
        push_parts(out, [b"X-Forwarded-For: ", address, b"\r\nX-Forwarded-Proto: ", scheme]);
        push_parts(out, [b"\r\nX-Forwarded-Host: "]);
        push_authority(out, self.authority);
        push_parts(out, [b"\r\nX-Forwarded-Port: ", Decimal::new(u64::from(self.port)).as_bytes(), b"\r\n"]);
        if let Some(prefix) = self.prefix {
            push_line(out, "X-Forwarded-Prefix", prefix.as_bytes());
        }
        push_parts(out, [b"X-Real-IP: ", address, b"\r\n"]);
        self.push_forwarded(out);
        push_via(out, self.received, self.version, &self.pseudonym);
        push_parts(out, [b"X-Request-ID: ", self.id.as_bytes(), b"\r\n"]);
    }

    /// Colons and brackets ask for quotes (RFC 7239 §4, §6).
    fn push_forwarded(&self, out: &mut Buffer) {
        let address = self.client.as_bytes();
        if address.contains(&b':') {
            push_parts(out, [b"Forwarded: for=\"[", address, b"]\";host="]);
        } else {
            push_parts(out, [b"Forwarded: for=", address, b";host="]);
        }
        let quote: &[u8] =
            if self.authority.port.is_some() || self.authority.host.as_bytes().starts_with(b"[") {
                b"\""
            } else {
                b""
            };
        push_parts(out, [quote]);
        push_authority(out, self.authority);
        push_parts(out, [quote, b";proto=", self.scheme.as_str().as_bytes(), b"\r\n"]);
    }
}

/// Appends a `Via` line: what `received` holds, then this hop (RFC 9110 §7.6.3). `version` is the one the
/// message came by.
fn push_via(out: &mut Buffer, received: &Fields, version: Version, pseudonym: &Pseudonym) {
    out.extend(b"Via: ");
    for hops in received.all(Known::Via).filter(|hops| !hops.is_empty()) {
        push_parts(out, [hops, b", "]);
    }
    let version: &[u8] = match version {
        Version::Http10 => b"1.0 ",
        Version::Http11 => b"1.1 ",
        Version::Http2 => b"2.0 ",
    };
    push_parts(out, [version, pseudonym.as_bytes(), b"\r\n"]);
}

/// Which nodes of our kind a message has passed already, by its `Via`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hops {
    /// Whether this very node is one of them.
    pub own: bool,
    /// How many there are, this one included.
    pub all: usize,
}

/// The nodes of our kind that a message has passed, of which one may be called `own`.
pub fn hops(fields: &Fields, own: &Pseudonym) -> Hops {
    let mut hops = Hops::default();
    for member in fields.members(Known::Via) {
        let mut words = member.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
        let Some(name) = words.nth(1) else { continue };
        let is_ours = name.get(..NAME.len()).is_some_and(|start| start.eq_ignore_ascii_case(NAME))
            && matches!(name.get(NAME.len()), None | Some(b'-'));
        hops.all += usize::from(is_ours);
        hops.own |= name.eq_ignore_ascii_case(own.as_bytes());
    }
    hops
}

/// How all of our kind are called.
const NAME: &[u8] = b"parvis";

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests;
