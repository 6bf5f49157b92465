//! The head of a request, whatever version it came by: parsed, checked, its host known. Read only.

use super::{BodyLength, Fields};
use crate::base::Authority;

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

/// A request's head. Whoever holds one need not check it again: method, target, host and framing are sound.
#[derive(Debug)]
pub struct RequestHead {
    _todo: (),
}

/// What the client wants to speak instead of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrade<'a> {
    /// The protocol's name, as in `websocket`.
    pub protocol: &'a [u8],
}

impl Upgrade<'_> {
    /// Whether it is WebSocket (RFC 6455, RFC 8441).
    pub fn is_websocket(&self) -> bool {
        self.protocol.eq_ignore_ascii_case(b"websocket")
    }
}

impl RequestHead {
    /// The version it came by.
    pub fn version(&self) -> Version {
        todo!()
    }

    /// The method, as sent: a token, case-sensitive. `CONNECT` for an HTTP/2 upgrade.
    pub fn method(&self) -> &[u8] {
        todo!()
    }

    /// Whether the method is `HEAD`.
    pub fn is_head(&self) -> bool {
        self.method() == b"HEAD"
    }

    /// Whether the method is safe (RFC 9110 §9.2.1), as far as known: `GET`, `HEAD`, `OPTIONS`.
    pub fn is_safe(&self) -> bool {
        todo!()
    }

    /// Whether the request can be repeated (RFC 9110 §9.2.2), as far as known: a safe one, `PUT`, `DELETE`.
    pub fn is_idempotent(&self) -> bool {
        todo!()
    }

    /// The host and port asked for: from an absolute target, `:authority`, or `Host`.
    pub fn authority(&self) -> &Authority {
        todo!()
    }

    /// The target in origin form: begins with `/`, or is `*` (`OPTIONS` alone). Visible ASCII without `#`.
    pub fn path_and_query(&self) -> &[u8] {
        todo!()
    }

    /// The target without its query.
    pub fn path(&self) -> &[u8] {
        todo!()
    }

    /// The header fields. `Host` and framing fields are among them: ask the methods here instead.
    pub fn fields(&self) -> &Fields {
        todo!()
    }

    /// How long the body is: `None`, `Length` or `Chunked`.
    pub fn body(&self) -> BodyLength {
        todo!()
    }

    /// Whether the client would go on with this connection afterwards (RFC 9112 §9.3).
    pub fn keep_alive(&self) -> bool {
        todo!()
    }

    /// Whether the client waits for `100 Continue` before it sends the body. Never without a body, never on
    /// HTTP/1.0 (RFC 9110 §10.1.1).
    pub fn expects_continue(&self) -> bool {
        todo!()
    }

    /// What the client wants to upgrade to: `Upgrade` with `Connection: upgrade` on HTTP/1.1, `:protocol` on
    /// HTTP/2 (RFC 8441). `h2c` is never offered on.
    pub fn upgrade(&self) -> Option<Upgrade<'_>> {
        todo!()
    }

    /// Method, target and version, as an access log prints the request line.
    pub fn line_for_log(&self) -> (&[u8], &[u8], &'static str) {
        (self.method(), self.path_and_query(), self.version().as_str())
    }
}
