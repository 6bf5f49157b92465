//! Heads and trailers that came by HTTP/2. The h2 crate has refused upper-case names, control characters and
//! misplaced pseudo-fields by then; what it lets through and HTTP/1 would read differently is refused here.

use crate::base::{Authority, Cause, Refusal, Repairs};
use crate::config::HeadLimits;
use crate::message::request::{self, Start, bad, check_method};
use crate::message::response::{self, invalid};
use crate::message::target::{agree, check_target, one_host, parse_authority};
use crate::message::{BodyLength, Fields, Known, KnownSet, RequestHead, ResponseHead, Scheme, Version};
use crate::message::{framing, h1};
use h2::ext::Protocol;
use http::HeaderMap;
use http::uri::{self, PathAndQuery};

/// A client's request, which is taken out of `parts`. `ends` tells whether its HEADERS ended the stream. Where it is refused for its
/// size, its target, method or scheme, its fields are left: they say what page is wished for.
///
/// # Errors
/// Every head that is malformed by RFC 9113 §8, or that would be another request in HTTP/1.
pub fn request_head(
    parts: &mut http::request::Parts,
    ends: bool,
    limits: &HeadLimits,
) -> Result<RequestHead, Refusal> {
    let protocol = parts.extensions.remove::<Protocol>();
    let method = std::mem::take(&mut parts.method);
    let uri::Parts { scheme, authority, path_and_query: target, .. } =
        std::mem::take(&mut parts.uri).into_parts();

    check_method(method.as_str().as_bytes(), protocol.as_ref())?;
    check_protocol(&method, protocol.as_ref())?;
    let scheme = known_scheme(scheme.as_ref())?;
    let (target, repairs) = mended(target.ok_or_else(|| bad("no :path"))?, limits);
    check_size(&parts.headers, &target, limits)?;
    check_path(&method, &target)?;

    let fields = Fields::in_map(std::mem::take(&mut parts.headers));
    check_connection_fields(&fields).map_err(bad)?;
    let authority = one_authority(authority.as_ref(), &fields, scheme)?;
    let body = match protocol {
        // What follows is the tunnel (RFC 9113 §8.5).
        Some(_) if fields.has(Known::ContentLength) => return Err(bad("content-length of a tunnel")),
        Some(_) => BodyLength::None,
        None => request_body(&fields, &method, ends)?,
    };
    let start = Start::Frames { method, target, protocol };
    Ok(RequestHead::from_frames(start, fields, authority, body)?.repaired(repairs))
}

/// An upstream's response. `ends` tells whether its HEADERS ended the stream.
///
/// # Errors
/// Every head that is malformed by RFC 9113 §8, or that would be another response in HTTP/1.
pub fn response_head(parts: http::response::Parts, ends: bool) -> Result<ResponseHead, Refusal> {
    let fields = Fields::in_map(parts.headers);
    check_connection_fields(&fields).map_err(invalid)?;
    let framing = framing::of_response(&fields, Version::Http2);
    let (declared, _) = framing.map_err(|why| response::refuse_framing(why, &fields))?;
    ResponseHead::from_frames(parts.status.as_u16(), fields, declared, ends)
}

/// A client's trailers.
///
/// # Errors
/// A field that may not stand in trailers (RFC 9110 §6.5.1).
pub fn request_trailers(map: HeaderMap) -> Result<Fields, Refusal> {
    let found = map.len();
    let fields = response_trailers(map);
    if fields.len() < found {
        return Err(bad("a trailer that frames, routes, authenticates or controls"));
    }
    Ok(fields)
}

/// An upstream's trailers: what may not stand there is left out.
pub fn response_trailers(map: HeaderMap) -> Fields {
    let refused =
        |name: &http::HeaderName| KnownSet::NOT_IN_TRAILERS.contains(Known::of(name.as_str().as_bytes()));
    if !map.keys().any(refused) {
        return Fields::in_map(map);
    }
    let kept = map.iter().filter(|(name, _)| !refused(name));
    Fields::in_map(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// An upgrade is asked for by `CONNECT` alone, and for what may go through us (RFC 8441 §4).
fn check_protocol(method: &http::Method, protocol: Option<&Protocol>) -> Result<(), Refusal> {
    match protocol {
        Some(_) if method != http::Method::CONNECT => Err(bad(":protocol without CONNECT")),
        Some(protocol) if !request::is_tunnelled(protocol.as_str().as_bytes()) => {
            Err(bad(":protocol that no upgrade can be to"))
        }
        _ => Ok(()),
    }
}

/// The target, percent-encoded where it must be and where that is asked for.
fn mended(target: PathAndQuery, limits: &HeadLimits) -> (PathAndQuery, Repairs) {
    let (bytes, mut repairs) = (target.as_str().as_bytes(), Repairs::default());
    if !limits.mends || bytes.iter().all(u8::is_ascii_graphic) {
        return (target, repairs);
    }
    let mut encoded = Vec::with_capacity(3 * bytes.len());
    h1::mend_target(bytes, &mut encoded, &mut repairs);
    match PathAndQuery::from_maybe_shared(encoded) {
        Ok(encoded) => (encoded, repairs),
        Err(_) => (target, Repairs::default()),
    }
}

/// The h2 crate forgets the scheme of a request without `:authority`: then `http` is as good as any.
fn known_scheme(scheme: Option<&uri::Scheme>) -> Result<Scheme, Refusal> {
    match scheme.map(uri::Scheme::as_str) {
        None | Some("http") => Ok(Scheme::Http),
        Some("https") => Ok(Scheme::Https),
        Some(_) => Err(bad("a :scheme other than http and https")),
    }
}

/// The same limits as for HTTP/1, on what the head would be there.
fn check_size(headers: &HeaderMap, target: &PathAndQuery, limits: &HeadLimits) -> Result<(), Refusal> {
    if target.as_str().len() > limits.url_bytes {
        return Err(Refusal::new(Cause::UrlTooLong, "the target is longer than allowed"));
    }
    if headers.len() > limits.header_count {
        return Err(Refusal::new(Cause::HeaderTooLarge, "more fields than allowed"));
    }
    let line_bytes =
        |(name, value): (&http::HeaderName, &http::HeaderValue)| name.as_str().len() + value.len() + 4;
    let bytes = target.as_str().len() + headers.iter().map(line_bytes).sum::<usize>();
    if bytes > limits.header_bytes {
        return Err(Refusal::new(Cause::HeaderTooLarge, "the head is longer than allowed"));
    }
    Ok(())
}

fn check_path(method: &http::Method, target: &PathAndQuery) -> Result<(), Refusal> {
    let target = target.as_str().as_bytes();
    check_target(target)?;
    match target {
        [b'/', ..] => Ok(()),
        b"*" if method == http::Method::OPTIONS => Ok(()),
        _ => Err(bad(":path is no path")),
    }
}

/// HTTP/2 has no fields about the connection (RFC 9113 §8.2.2): written to HTTP/1 they would mean something.
fn check_connection_fields(fields: &Fields) -> Result<(), &'static str> {
    const REFUSED: &[Known] = &[
        Known::Connection,
        Known::Http2Settings,
        Known::KeepAlive,
        Known::ProxyConnection,
        Known::TransferEncoding,
        Known::Upgrade,
    ];
    if REFUSED.iter().any(|known| fields.has(*known)) {
        return Err("a field about the connection over HTTP/2");
    }
    if fields.all(Known::Te).any(|value| !value.eq_ignore_ascii_case(b"trailers")) {
        return Err("te other than trailers over HTTP/2");
    }
    Ok(())
}

/// `:authority`, or `Host` in its place; both where they agree (RFC 9113 §8.3.1).
fn one_authority(
    authority: Option<&uri::Authority>,
    fields: &Fields,
    scheme: Scheme,
) -> Result<Authority, Refusal> {
    let authority = authority.map(|authority| parse_authority(authority.as_str().as_bytes())).transpose()?;
    match (authority, one_host(fields)?) {
        (Some(authority), Some(host)) => agree(authority, &host, scheme),
        (Some(authority), None) => Ok(authority),
        (None, Some(host)) => Ok(host),
        (None, None) => Err(bad("neither :authority nor host")),
    }
}

fn request_body(fields: &Fields, method: &http::Method, ends: bool) -> Result<BodyLength, Refusal> {
    let declared = framing::of_request(fields, Version::Http2).map_err(request::refuse_framing)?;
    match (declared, ends) {
        (BodyLength::Length(1..), true) => Err(bad("content-length, and no body")),
        (BodyLength::Length(_), _) => Ok(declared),
        (_, false) => Ok(BodyLength::Chunked),
        // Servers ask for a length where the method promises a body (RFC 9110 §8.6).
        (_, true) if matches!(method.as_str(), "POST" | "PUT" | "PATCH") => Ok(BodyLength::Length(0)),
        (_, true) => Ok(BodyLength::None),
    }
}

#[cfg(test)]
mod tests;
