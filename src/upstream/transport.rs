//! What a connection to an upstream speaks, and what each version can say of a connection that idles.

use super::session::Session;
use crate::config::UpstreamProtocol;
use crate::net::Stream;
use std::os::fd::OwnedFd;
use std::task::Context;

/// An open connection, by the version spoken on it.
pub(super) enum Transport {
    /// HTTP/1.1.
    Http1(Stream),
    /// HTTP/2.
    Http2(Session),
}

impl Transport {
    /// Speaks `protocol` on a new connection.
    ///
    /// # Errors
    /// Where its first bytes cannot be written.
    pub(super) async fn begin(stream: Stream, protocol: UpstreamProtocol) -> Result<Self, h2::Error> {
        Ok(match protocol {
            UpstreamProtocol::Http1 => Self::Http1(stream),
            UpstreamProtocol::H2c => Self::Http2(Session::begin(stream).await?),
        })
    }

    /// Whether nothing of the last answer is left over.
    pub(super) fn is_empty(&mut self) -> bool {
        match self {
            Self::Http1(stream) => stream.input().is_empty(),
            Self::Http2(_) => true,
        }
    }

    /// Whether a stirring was a false alarm; `cx` is woken by the next. A protocol's own messages are not noticed by
    /// anyone, everything else means that the connection must be closed.
    pub(super) fn is_calm(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Http1(stream) => stream.poll_fill(cx).is_pending(),
            Self::Http2(session) => session.poll_ended(cx).is_pending(),
        }
    }

    /// Whether nothing has come since the last answer, the upstream's end neither. One syscall over HTTP/1.
    pub(super) fn is_quiet(&mut self) -> bool {
        match self {
            Self::Http1(stream) => stream.is_quiet(),
            Self::Http2(session) => !session.is_ended(),
        }
    }

    /// The descriptor, to go on by in another worker. What is more than that cannot move and is closed: TLS, HTTP/2.
    pub(super) fn detach(self) -> Option<OwnedFd> {
        match self {
            Self::Http1(stream) => stream.detach().ok(),
            Self::Http2(_) => None,
        }
    }
}
