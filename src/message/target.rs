//! What a request asks for: the forms of a target (RFC 9112 §3.2) brought to one, and the host that `Host` and
//! target agree on. Reads and compares; looks nothing up.

use super::request::bad;
use super::{Fields, Known};
use crate::base::{Authority, Buffer, Cause, Refusal};
use std::ops::Range;

/// What a URL has in front of `://`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Clear.
    Http,
    /// Over TLS, ours or a believed peer's.
    Https,
}

/// A target in its block.
pub(super) struct Target {
    /// Where its origin form stands: begins with `/`, or is `*`.
    pub(super) origin_form: Range<usize>,
    /// What an absolute target said in front of it.
    pub(super) absolute: Option<(Scheme, Authority)>,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that an authority without one means.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Target {
    /// Reads the target at `at` of a request with the method at `method`. An absolute target without a path gets
    /// one: in place, over the last byte of the authority, which has been read by then.
    pub(super) fn parse(
        block: &mut Buffer,
        method: &Range<usize>,
        at: Range<usize>,
    ) -> Result<Self, Refusal> {
        let bytes = &block.filled()[at.clone()];
        check_target(bytes)?;
        let is_options = &block.filled()[method.clone()] == b"OPTIONS";
        match bytes {
            [b'/', ..] => return Ok(Self { origin_form: at, absolute: None }),
            b"*" if is_options => return Ok(Self { origin_form: at, absolute: None }),
            b"*" => return Err(bad("the target * is for OPTIONS alone")),
            _ => {}
        }
        let (scheme, rest) = split_scheme(bytes)?;
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let authority = parse_authority(&rest[..end])?;
        let (bare, has_slash) = (end == rest.len(), rest.get(end) == Some(&b'/'));
        let mut start = at.end - (rest.len() - end);
        if !has_slash {
            start -= 1;
            block.filled_mut()[start] = if is_options && bare { b'*' } else { b'/' };
        }
        Ok(Self { origin_form: start..at.end, absolute: Some((scheme, authority)) })
    }
}

/// Checks that a target holds visible ASCII and no fragment.
pub(super) fn check_target(target: &[u8]) -> Result<(), Refusal> {
    if !target.iter().all(u8::is_ascii_graphic) {
        return Err(bad("a byte in the target that must be percent-encoded"));
    }
    if memchr::memchr(b'#', target).is_some() {
        return Err(bad("a fragment in the target"));
    }
    Ok(())
}

/// The one `Host`, if there is one.
pub(super) fn one_host(fields: &Fields) -> Result<Option<Authority>, Refusal> {
    let mut hosts = fields.all(Known::Host);
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(None),
        (Some(host), None) => parse_authority(host).map(Some),
        (Some(_), Some(_)) => Err(bad("more than one Host")),
    }
}

/// A host with or without a port, and nothing else.
pub(super) fn parse_authority(text: &[u8]) -> Result<Authority, Refusal> {
    Authority::parse(text).map_err(|error| Refusal::new(Cause::BadRequest, format!("host: {error}")))
}

/// The authority of the target, which wins (RFC 9112 §3.2.2), provided `host` names the same.
pub(super) fn agree(authority: Authority, host: &Authority, scheme: Scheme) -> Result<Authority, Refusal> {
    let port = |of: &Authority| of.port.unwrap_or(scheme.default_port());
    if authority.host != host.host || port(&authority) != port(host) {
        return Err(bad("Host is not the host of the target"));
    }
    Ok(authority)
}

fn split_scheme(target: &[u8]) -> Result<(Scheme, &[u8]), Refusal> {
    for (prefix, scheme) in [(&b"http://"[..], Scheme::Http), (b"https://", Scheme::Https)] {
        if let Some((start, rest)) = target.split_at_checked(prefix.len())
            && start.eq_ignore_ascii_case(prefix)
        {
            return Ok((scheme, rest));
        }
    }
    Err(bad("a target that is neither a path nor an http URL"))
}
