//! The head of a request, whatever version it came by: parsed, checked, its host known. Read only.

use super::framing::{self, BadFraming, is_token};
use super::target::{Target, agree, one_host};
use super::{BodyLength, Fields, Known, hop};
use crate::base::{Authority, Buffer, Cause, Refusal, Repairs};
use h2::ext::Protocol;
use http::uri::PathAndQuery;
use std::ops::Range;

/// A version of HTTP we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// A request's head. Whoever holds one need not check it again: method, target, host and framing are sound.
#[derive(Debug)]
pub struct RequestHead {
    start: Start,
    fields: Fields,
    authority: Authority,
    version: Version,
    body: BodyLength,
    repairs: Repairs,
}

/// What the client wants to speak instead of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrade<'a> {
    /// The protocol's name, as in `websocket`.
    pub protocol: &'a [u8],
}

impl RequestHead {
    /// The version it came by.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The method, as sent: a token, case-sensitive. `CONNECT` for an HTTP/2 upgrade.
    pub fn method(&self) -> &[u8] {
        match &self.start {
            Start::Block { method, .. } => &self.fields.block()[method.clone()],
            Start::Frames { method, .. } => method.as_str().as_bytes(),
        }
    }

    /// Whether the method is `HEAD`.
    pub fn is_head(&self) -> bool {
        self.method() == b"HEAD"
    }

    /// Whether the method is safe (RFC 9110 §9.2.1): `GET`, `HEAD`, `OPTIONS`. One we do not know is not.
    pub fn is_safe(&self) -> bool {
        matches!(self.method(), b"GET" | b"HEAD" | b"OPTIONS")
    }

    /// Whether the request can be repeated (RFC 9110 §9.2.2): safe ones, `PUT`, `DELETE`. One we do not know
    /// cannot.
    pub fn is_idempotent(&self) -> bool {
        self.is_safe() || matches!(self.method(), b"PUT" | b"DELETE")
    }

    /// The host and port asked for: from an absolute target, `:authority`, or `Host`.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The target in origin form: begins with `/`, or is `*` (`OPTIONS` alone). Visible ASCII without `#`.
    pub fn path_and_query(&self) -> &[u8] {
        match &self.start {
            Start::Block { target, .. } => &self.fields.block()[target.clone()],
            Start::Frames { target, .. } => target.as_str().as_bytes(),
        }
    }

    /// The target without its query.
    pub fn path(&self) -> &[u8] {
        let target = self.path_and_query();
        &target[..memchr::memchr(b'?', target).unwrap_or(target.len())]
    }

    /// The header fields. `Host` and framing fields are among them: ask the methods here instead.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// What of it was not as it should have been, and was mended.
    pub fn repairs(&self) -> Repairs {
        self.repairs
    }

    /// How long the body is: `None`, `Length` or `Chunked`.
    pub fn body(&self) -> BodyLength {
        self.body
    }

    /// Whether the client would go on with this connection afterwards (RFC 9112 §9.3).
    pub fn keep_alive(&self) -> bool {
        hop::persists(&self.fields, self.version)
    }

    /// Whether the client waits for `100 Continue` before it sends the body. Never without a body, never on
    /// HTTP/1.0 (RFC 9110 §10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.fields.has(Known::Expect)
            && self.version > Version::Http10
            && !matches!(self.body, BodyLength::None | BodyLength::Length(0))
            && self.fields.has_token(Known::Expect, "100-continue")
    }

    /// What the client wants to upgrade to: `Upgrade` with `Connection: upgrade` on HTTP/1.1, `:protocol` on
    /// HTTP/2 (RFC 8441). Of several the first. Another HTTP or TLS is never offered on.
    pub fn upgrade(&self) -> Option<Upgrade<'_>> {
        let protocol = match &self.start {
            Start::Frames { protocol, .. } => protocol.as_ref()?.as_str().as_bytes(),
            Start::Block { .. } if !self.fields.has(Known::Upgrade) => return None,
            Start::Block { .. } => {
                let asked =
                    self.version == Version::Http11 && self.fields.has_token(Known::Connection, "upgrade");
                let mut offers =
                    self.fields.members(Known::Upgrade).take(if asked { MOST_OFFERS } else { 0 });
                offers.find(|offer| is_tunnelled(offer))?
            }
        };
        Some(Upgrade { protocol })
    }

    /// Method, target and version, as an access log prints the request line.
    pub fn line_for_log(&self) -> (&[u8], &[u8], &'static str) {
        (self.method(), self.path_and_query(), self.version.as_str())
    }
}

impl Version {
    /// As a request line spells it; HTTP/2 is `HTTP/2.0`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2.0",
        }
    }
}

impl Upgrade<'_> {
    /// Whether it is WebSocket (RFC 6455, RFC 8441).
    pub fn is_websocket(&self) -> bool {
        self.protocol.eq_ignore_ascii_case(b"websocket")
    }
}

/// Where method and target stand.
#[derive(Debug)]
pub(super) enum Start {
    /// In the block of the fields.
    Block { method: Range<usize>, target: Range<usize> },
    /// In what the h2 crate made of them.
    Frames { method: http::Method, target: PathAndQuery, protocol: Option<Protocol> },
}

/// A request line, as ranges of its block.
pub(super) struct RequestLine {
    pub(super) method: Range<usize>,
    pub(super) target: Range<usize>,
    pub(super) version: Version,
}

impl RequestHead {
    /// Checks what HTTP/1 asks of a head whose syntax is sound (RFC 9112 §3, §6).
    pub(super) fn from_block(
        mut block: Buffer,
        line: RequestLine,
        lines: super::fields::Lines,
    ) -> Result<Self, Refusal> {
        let method = line.method;
        check_method(&block.filled()[method.clone()], None)?;
        let Target { origin_form: target, absolute } = Target::parse(&mut block, &method, line.target)?;
        let fields = Fields::in_block(block, lines);

        hop::check_request_options(&fields).map_err(bad)?;
        let body = framing::of_request(&fields, line.version).map_err(refuse_framing)?;
        let host = one_host(&fields)?;
        let authority = match (absolute, host) {
            (None, None) => return Err(bad("no Host")),
            (None, Some(host)) => host,
            // HTTP/1.0 knows no Host; where it is sent nevertheless, it counts.
            (Some((_, authority)), None) if line.version == Version::Http10 => authority,
            (Some(_), None) => return Err(bad("no Host beside an absolute target")),
            (Some((scheme, authority)), Some(host)) => agree(authority, &host, scheme)?,
        };
        let (start, repairs) = (Start::Block { method, target }, Repairs::default());
        let head = Self { start, fields, authority, version: line.version, body, repairs };
        head.check_expectation()?;
        Ok(head)
    }

    /// Puts together what [`super::h2`] has checked.
    pub(super) fn from_frames(
        start: Start,
        fields: Fields,
        authority: Authority,
        body: BodyLength,
    ) -> Result<Self, Refusal> {
        let repairs = Repairs::default();
        let head = Self { start, fields, authority, version: Version::Http2, body, repairs };
        head.check_expectation()?;
        Ok(head)
    }

    /// The same head, in which this was mended.
    pub(super) fn repaired(mut self, repairs: Repairs) -> Self {
        self.repairs.add(repairs);
        self
    }

    fn check_expectation(&self) -> Result<(), Refusal> {
        if self.fields.members(Known::Expect).any(|member| !member.eq_ignore_ascii_case(b"100-continue")) {
            return Err(Refusal::new(Cause::ExpectationFailed, "an expectation other than 100-continue"));
        }
        Ok(())
    }
}

/// Refuses methods that no site may answer: `CONNECT` without a protocol would make us a proxy for the world,
/// `TRACE` would show a script the fields that were hidden from it.
pub(super) fn check_method(method: &[u8], protocol: Option<&Protocol>) -> Result<(), Refusal> {
    if method.len() > LONGEST_METHOD {
        return Err(bad("a method longer than any"));
    }
    match method {
        b"TRACE" => Err(Refusal::new(Cause::NotImplemented, "TRACE")),
        b"CONNECT" if protocol.is_none() => Err(Refusal::new(Cause::NotImplemented, "CONNECT")),
        _ => Ok(()),
    }
}

/// The refusal for framing that cannot be trusted.
pub(super) fn refuse_framing(why: BadFraming) -> Refusal {
    match why {
        BadFraming::Unsound(what) => bad(what),
        BadFraming::UnknownCoding => {
            Refusal::new(Cause::NotImplemented, "a transfer coding other than chunked")
        }
    }
}

/// A request that breaks the rules.
pub(super) fn bad(what: &'static str) -> Refusal {
    Refusal::new(Cause::BadRequest, what)
}

/// Whether an upgrade may go through us: a protocol by its syntax, and none that we end ourselves.
pub(super) fn is_tunnelled(protocol: &[u8]) -> bool {
    let mut parts = protocol.splitn(2, |b| *b == b'/');
    let name = parts.next().unwrap_or_default();
    let ours = [&b"h2c"[..], b"h2", b"http", b"tls"];
    is_token(name)
        && parts.next().is_none_or(is_token)
        && !ours.iter().any(|ours| name.eq_ignore_ascii_case(ours))
}

/// The longest method, in bytes; the longest registered one has 17.
pub(super) const LONGEST_METHOD: usize = 32;

/// Protocols of an `Upgrade` field that are looked at.
const MOST_OFFERS: usize = 8;
