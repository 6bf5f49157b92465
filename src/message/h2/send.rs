//! Heads and trailers on their way into HTTP/2. Values are not copied one by one: the block they stand in is, once,
//! unless it is large.

use crate::base::{Cause, Refusal};
use crate::message::hop::Filter;
use crate::message::text::{Decimal, each_line, is_lines};
use crate::message::{
    BodyLength, Fields, Known, KnownSet, Persistence, RequestEdits, RequestHead, ResponseEdits, ResponseHead,
};
use bytes::Bytes;
use h2::ext::Protocol;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TE};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, Method, StatusCode};

/// The response for a client.
pub fn response(head: &ResponseHead, edits: &ResponseEdits<'_>) -> http::Response<()> {
    let status = edits.status.unwrap_or(head.status());
    let mut map = HeaderMap::with_capacity(head.fields().len() + SPARE_FIELDS);
    copy_fields(&mut map, head.fields(), &Filter::of_response(head.fields(), edits));
    match (edits.body, head.declared_length()) {
        (BodyLength::Length(length), _) => put_length(&mut map, length),
        // What an answer to HEAD, or a 304, would have had.
        (BodyLength::None, Some(length)) if status >= 200 && status != 204 => put_length(&mut map, length),
        _ => {}
    }
    put_lines(&mut map, edits.append);
    let mut response = http::Response::new(());
    *response.headers_mut() = map;
    // A head has a status of three digits: there is no other case.
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response
}

/// The request for an upstream that speaks HTTP/2. An upgrade becomes an extended CONNECT (RFC 8441), which the
/// upstream must have allowed.
///
/// # Errors
/// [`Cause::BadRequest`] where HTTP/2 has no words for a target that HTTP/1 allows.
pub fn request(head: &RequestHead, edits: &RequestEdits<'_>) -> Result<http::Request<()>, Refusal> {
    let unsayable = |_| Refusal::new(Cause::BadRequest, "a target that HTTP/2 cannot carry");
    let mut request = http::Request::new(());
    *request.version_mut() = http::Version::HTTP_2;
    *request.method_mut() = Method::from_bytes(head.method()).map_err(|_| Cause::Internal)?;

    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(Authority::try_from(edits.host).map_err(unsayable)?);
    parts.path_and_query = Some(target(edits).map_err(unsayable)?);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Cause::Internal)?;

    let mut filter = Filter::of_request(head.fields(), edits);
    if let Persistence::Upgrade(protocol) = edits.persistence {
        *request.method_mut() = Method::CONNECT;
        let protocol = std::str::from_utf8(protocol).map_err(|_| Cause::Internal)?;
        request.extensions_mut().insert(Protocol::from(protocol));
        filter.drop(KnownSet::of(&[Known::SecWebSocketKey]));
    }
    let map = request.headers_mut();
    map.reserve(head.fields().len() + SPARE_FIELDS);
    copy_fields(map, head.fields(), &filter);
    if let BodyLength::Length(length) = edits.body {
        put_length(map, length);
    }
    if edits.expect_continue {
        put(map, http::header::EXPECT, HeaderValue::from_static("100-continue"));
    }
    if head.fields().has_token(Known::Te, "trailers") {
        put(map, TE, HeaderValue::from_static("trailers"));
    }
    put_lines(map, edits.append);
    Ok(request)
}

/// Trailers of either version, for an HTTP/2 stream.
pub fn trailers(fields: &Fields) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(fields.len());
    copy_fields(&mut map, fields, &Filter::of_trailers());
    map
}

fn target(edits: &RequestEdits<'_>) -> Result<PathAndQuery, http::uri::InvalidUri> {
    let target = edits.target;
    match target.path_and_query {
        b"*" => Ok(PathAndQuery::from_static("*")),
        path if target.base.is_empty() && path.first() == Some(&b'/') => PathAndQuery::try_from(path),
        path => {
            let slash: &[u8] = if path.first() == Some(&b'/') { b"" } else { b"/" };
            PathAndQuery::from_maybe_shared(Bytes::from([target.base, slash, path].concat()))
        }
    }
}

fn copy_fields(map: &mut HeaderMap, fields: &Fields, filter: &Filter<'_>) {
    if let Some(from) = fields.map() {
        for (name, value) in from {
            if filter.passes(&Fields::field_of(name, value)) {
                put(map, name.clone(), value.clone());
            }
        }
        return;
    }
    let shared = (fields.block().len() <= SHARED_BYTES).then(|| Bytes::copy_from_slice(fields.block()));
    let block = shared.as_deref().unwrap_or(fields.block());
    for line in fields.lines().unwrap_or_default() {
        let field = line.field(block);
        if !filter.passes(&field) {
            continue;
        }
        // A parsed head holds no name and no value that these refuse.
        let name = HeaderName::from_bytes(field.name);
        let value = match &shared {
            Some(shared) => HeaderValue::from_maybe_shared(shared.slice_ref(field.value)),
            None => HeaderValue::from_bytes(field.value),
        };
        if let (Ok(name), Ok(value)) = (name, value) {
            put(map, name, value);
        }
    }
}

fn put_lines(map: &mut HeaderMap, lines: &[u8]) {
    debug_assert!(is_lines(lines), "lines are made by push_line");
    for (name, value) in each_line(lines) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            put(map, name, value);
        }
    }
}

fn put_length(map: &mut HeaderMap, length: u64) {
    if let Ok(value) = HeaderValue::from_bytes(Decimal::new(length).as_bytes()) {
        put(map, CONTENT_LENGTH, value);
    }
}

fn put(map: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    // The map holds thirty times what the limits of a head let through.
    let _ = map.try_append(name, value);
}

/// The largest block whose values share one copy of it. The HPACK table of a connection keeps some of them for later
/// (RFC 7541 §2.3.2), and with each the block it stands in: up to a hundred.
const SHARED_BYTES: usize = 1024;

/// Fields that edits commonly add.
const SPARE_FIELDS: usize = 12;

#[cfg(test)]
mod tests;
