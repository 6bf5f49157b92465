//! What is changed in a head on its way: the decisions of the request function, handed to whichever writer
//! speaks the other side's version. Plain data.

use super::{BodyLength, KnownSet};

/// What a request's head becomes on its way to the upstream.
#[derive(Clone, Copy, Debug)]
pub struct RequestEdits<'a> {
    /// The value of the one `Host` (or `:authority`) written.
    pub host: &'a [u8],
    /// The target written.
    pub target: Target<'a>,
    /// How the body is framed: `None`, `Length` or `Chunked`.
    pub body: BodyLength,
    /// What the `Connection` field says.
    pub persistence: Persistence<'a>,
    /// Whether `Expect: 100-continue` is passed on.
    pub expect_continue: bool,
    /// Further fields that are left out.
    pub drop: KnownSet,
    /// Further lines, each `name: value CRLF`, as [`push_line`](super::push_line) and
    /// [`Forwarding`](super::Forwarding) make them.
    pub append: &'a [u8],
}

/// A request target in two pieces, so that a path is trimmed or prefixed without a copy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target<'a> {
    /// What an upstream's URL puts in front: empty, or `/base` without a slash at its end.
    pub base: &'a [u8],
    /// The visitor's path and query, or what trimming left of it; a missing slash in front is supplied.
    pub path_and_query: &'a [u8],
}

/// What a response's head becomes on its way to the client.
#[derive(Clone, Copy, Debug)]
pub struct ResponseEdits<'a> {
    /// Another status than the head's, as 200 for the 101 that an HTTP/2 client does not know.
    pub status: Option<u16>,
    /// How the body is framed. With `None` the length that the head declares is repeated where it may be
    /// (an answer to `HEAD`, 304).
    pub body: BodyLength,
    /// What the `Connection` field says; without a meaning for HTTP/2.
    pub persistence: Persistence<'a>,
    /// Further fields that are left out.
    pub drop: KnownSet,
    /// Further lines, each `name: value CRLF`, as [`push_line`](super::push_line) makes them.
    pub append: &'a [u8],
}

/// What the `Connection` field of an HTTP/1 head says (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence<'a> {
    /// Nothing: the connection goes on, as is usual in HTTP/1.1.
    #[default]
    Implied,
    /// `Connection: keep-alive`: it goes on, said to a client of HTTP/1.0.
    KeepAlive,
    /// `Connection: close`: this is the last message.
    Close,
    /// `Connection: upgrade` with `Upgrade:` and this protocol.
    Upgrade(&'a [u8]),
}
