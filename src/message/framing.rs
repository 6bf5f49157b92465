//! How long a body is (RFC 9112 §6): the decisions, made from the fields alone. Moves no byte.

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none, and nothing says so: a request without framing fields, an answer to `HEAD`, 1xx, 204, 304.
    None,
    /// So many bytes, by `Content-Length`.
    Length(u64),
    /// Chunks tell it; over HTTP/2, its frames.
    Chunked,
    /// The end of the connection: answers alone.
    UntilClose,
}
