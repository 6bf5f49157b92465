//! Between the h2 crate's types and the one head interface, with every rule of RFC 9113 §8 that the crate
//! leaves to us. No frames, no streams.

use super::{Fields, RequestEdits, RequestHead, ResponseEdits, ResponseHead};
use crate::base::Refusal;
use crate::config::HeadLimits;
use http::HeaderMap;

/// A client's request. `ends` tells whether its HEADERS ended the stream.
pub fn request_head(
    _parts: http::request::Parts,
    _ends: bool,
    _limits: &HeadLimits,
) -> Result<RequestHead, Refusal> {
    todo!()
}

/// The response for a client.
pub fn response(_head: &ResponseHead, _edits: &ResponseEdits<'_>) -> http::Response<()> {
    todo!()
}

/// The request for an upstream that speaks HTTP/2.
pub fn request(_head: &RequestHead, _edits: &RequestEdits<'_>) -> Result<http::Request<()>, Refusal> {
    todo!()
}

/// An upstream's response.
pub fn response_head(_parts: http::response::Parts) -> Result<ResponseHead, Refusal> {
    todo!()
}

/// A client's trailers: refused where one may not stand in trailers.
pub fn request_trailers(_map: HeaderMap) -> Result<Fields, Refusal> {
    todo!()
}

/// An upstream's trailers: what may not stand there is left out.
pub fn response_trailers(_map: HeaderMap) -> Result<Fields, Refusal> {
    todo!()
}

/// Trailers of either version, for an HTTP/2 stream.
pub fn trailers(_fields: &Fields) -> HeaderMap {
    todo!()
}
