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
        push_via(out, self.received, self.version);
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
pub fn push_via(out: &mut Buffer, received: &Fields, version: Version) {
    out.extend(b"Via: ");
    for hops in received.all(Known::Via).filter(|hops| !hops.is_empty()) {
        push_parts(out, [hops, b", "]);
    }
    let version: &[u8] = match version {
        Version::Http10 => b"1.0 ",
        Version::Http11 => b"1.1 ",
        Version::Http2 => b"2.0 ",
    };
    push_parts(out, [version, PSEUDONYM, b"\r\n"]);
}

/// How many hops named as we are a message has passed already, by its `Via`.
pub fn hops(fields: &Fields) -> usize {
    let received_by = |member: &[u8]| {
        let mut words = member.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
        words.nth(1).is_some_and(|name| name.eq_ignore_ascii_case(PSEUDONYM))
    };
    fields.members(Known::Via).filter(|member| received_by(member)).count()
}

/// What we are called in `Via`: the same on every node, as nobody outside needs to know which.
const PSEUDONYM: &[u8] = b"parvis";

#[cfg(test)]
mod tests;
