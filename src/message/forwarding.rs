//! The fields that tell an upstream who asked, for what and by which way. All are rebuilt from what we know;
//! only `Via` continues what was received.

use super::{Fields, Version};
use crate::base::{Authority, Buffer, ClientAddr, RequestId};

/// What the visitor typed in front of `://`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Clear.
    Http,
    /// Over TLS, ours or a believed peer's.
    Https,
}

/// What a request's forwarding fields are made of.
#[derive(Clone, Copy, Debug)]
pub struct Forwarding<'a> {
    /// The visitor.
    pub client: ClientAddr,
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
    pub fn push(&self, _out: &mut Buffer) {
        todo!()
    }
}

/// Appends a `Via` line: what `received` holds, then this hop (RFC 9110 §7.6.3). `version` is the one the
/// message came by.
pub fn push_via(_out: &mut Buffer, _received: &Fields, _version: Version) {
    todo!()
}

/// How many hops named as we are a message has passed already, by its `Via`.
pub fn hops(_fields: &Fields) -> usize {
    todo!()
}

/// Appends `host[:port]`.
pub fn push_authority(_out: &mut Buffer, _authority: &Authority) {
    todo!()
}

/// Appends `name: value CRLF`. Whatever could break the line apart comes out as a space.
pub fn push_line(_out: &mut Buffer, _name: &str, _value: &[u8]) {
    todo!()
}
