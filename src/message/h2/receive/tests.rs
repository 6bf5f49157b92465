//! Heads and trailers as the h2 crate hands them over: what is read, what is refused.

use super::*;
use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, Response, Uri};
use std::iter;

const LIMITS: HeadLimits = HeadLimits { header_bytes: 1024, header_count: 8, url_bytes: 128, mends: false };

/// A request as the h2 crate hands it over.
struct Asked {
    method: &'static str,
    scheme: Option<&'static str>,
    authority: Option<&'static str>,
    path: Option<String>,
    protocol: Option<&'static str>,
    fields: Vec<(&'static str, String)>,
    ends: bool,
}

fn get() -> Asked {
    Asked {
        method: "GET",
        scheme: Some("https"),
        authority: Some("a.test"),
        path: Some("/".into()),
        protocol: None,
        fields: Vec::new(),
        ends: true,
    }
}

fn post(fields: &[(&'static str, &str)]) -> Asked {
    let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Asked { method: "POST", fields, ends: false, ..get() }
}

fn websocket() -> Asked {
    Asked {
        method: "CONNECT",
        protocol: Some("websocket"),
        path: Some("/chat?x".into()),
        ends: false,
        ..get()
    }
}

impl Asked {
    fn read(self) -> Result<RequestHead, Cause> {
        let mut parts = uri::Parts::default();
        parts.scheme = self.scheme.map(|scheme| scheme.parse().unwrap());
        parts.authority = self.authority.map(|authority| authority.parse().unwrap());
        parts.path_and_query = self.path.map(|path| PathAndQuery::try_from(path).unwrap());
        let mut request = Request::new(());
        *request.method_mut() = Method::from_bytes(self.method.as_bytes()).unwrap();
        *request.uri_mut() = Uri::from_parts(parts).unwrap();
        for (name, value) in self.fields {
            request
                .headers_mut()
                .append(HeaderName::from_static(name), HeaderValue::try_from(value).unwrap());
        }
        if let Some(protocol) = self.protocol {
            request.extensions_mut().insert(Protocol::from(protocol));
        }
        request_head(&mut request.into_parts().0, self.ends, &LIMITS).map_err(|refusal| refusal.cause)
    }
}

fn refused(asked: Asked, cause: Cause) {
    match asked.read() {
        Err(found) => assert_eq!(found, cause),
        Ok(head) => panic!("let through: {head:?}"),
    }
}

#[test]
fn a_plain_request() {
    let head = Asked {
        authority: Some("A.Test:8443"),
        path: Some("/b?c".into()),
        fields: vec![("x-a", " 1 ".into()), ("cookie", "a=b".into()), ("cookie", "c=d".into())],
        ..get()
    };
    let head = head.read().unwrap();
    assert_eq!((head.method(), head.path(), head.path_and_query()), (&b"GET"[..], &b"/b"[..], &b"/b?c"[..]));
    assert_eq!((head.authority().host.as_str(), head.authority().port), ("a.test", Some(8443)));
    assert_eq!((head.version(), head.body()), (Version::Http2, BodyLength::None));
    assert!(head.keep_alive() && head.upgrade().is_none() && !head.expects_continue());
    assert_eq!(head.fields().find("X-A"), Some(&b"1"[..]));
    assert_eq!(head.fields().first(Known::Cookie), Some(&b"a=b"[..]));
    assert_eq!(head.fields().all(Known::Cookie).count(), 2);
    assert_eq!(head.fields().len(), 3);
}

#[test]
fn control_characters_cannot_even_be_said() {
    for bad in ["a\r\nb", "a\nb", "a\rb", "a\0b", "a\x7fb", "\x01"] {
        assert!(HeaderValue::try_from(bad).is_err(), "{bad:?}");
        assert!(HeaderName::try_from(bad).is_err(), "{bad:?}");
        assert!(Method::from_bytes(bad.as_bytes()).is_err(), "{bad:?}");
        assert!(bad.parse::<uri::Authority>().is_err(), "{bad:?}");
    }
    for bad in ["/a\r\nb", "/a\nb", "/a\0b", "/a b"] {
        assert!(PathAndQuery::try_from(bad).is_err(), "{bad:?}");
    }
    for bad in ["/\u{e9}", "/a\x7f"] {
        if PathAndQuery::try_from(bad).is_ok() {
            refused(Asked { path: Some(bad.into()), ..get() }, Cause::BadRequest);
        }
    }
}

#[test]
fn fields_about_the_connection() {
    for (name, value) in [
        ("connection", "close"),
        ("connection", ""),
        ("keep-alive", "5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("http2-settings", "AAMAAABk"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
    ] {
        refused(post(&[(name, value)]), Cause::BadRequest);
    }
    assert!(post(&[("te", "trailers")]).read().is_ok());
}

#[test]
fn authorities() {
    let ask = |authority: Option<&'static str>, hosts: &[&str]| Asked {
        authority,
        scheme: authority.and(Some("https")),
        fields: hosts.iter().map(|host| ("host", (*host).to_owned())).collect(),
        ..get()
    };
    for (authority, hosts) in [
        (None, &[][..]),
        (Some("u@a.test"), &[]),
        (Some("a..test"), &[]),
        (Some("a.test"), &["b.test"]),
        (Some("a.test"), &["a.test:80"]),
        (Some("a.test:8443"), &["a.test"]),
        (Some("a.test"), &["a.test", "a.test"]),
        (Some("a.test"), &[""]),
        (None, &["a.test", "b.test"]),
        (None, &["a.test, b.test"]),
        (None, &["u@a.test"]),
    ] {
        refused(ask(authority, hosts), Cause::BadRequest);
    }
    for (authority, hosts) in [
        (Some("A.test"), &[][..]),
        (Some("a.test."), &["A.TEST"]),
        (Some("a.test"), &["a.test:443"]),
        (Some("a.test:443"), &["a.test"]),
        (None, &["a.test"]),
    ] {
        assert_eq!(ask(authority, hosts).read().unwrap().authority().host.as_str(), "a.test");
    }
}

#[test]
fn paths_and_methods() {
    refused(Asked { path: Some("*".into()), ..get() }, Cause::BadRequest);
    refused(Asked { scheme: Some("ftp"), ..get() }, Cause::BadRequest);
    refused(Asked { method: "TRACE", ..get() }, Cause::NotImplemented);
    refused(Asked { method: "CONNECT", scheme: None, path: None, ..get() }, Cause::NotImplemented);
    refused(Asked { method: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ..get() }, Cause::BadRequest);
    refused(Asked { scheme: None, path: None, ..get() }, Cause::BadRequest);
    let star = Asked { method: "OPTIONS", path: Some("*".into()), ..get() }.read().unwrap();
    assert_eq!((star.path(), star.path_and_query()), (&b"*"[..], &b"*"[..]));
    for path in ["a", "http://a.test/", "?q"] {
        // Where the crate takes it for a path at all, we do not.
        if PathAndQuery::try_from(path).is_ok_and(|path| !path.as_str().starts_with('/')) {
            refused(Asked { path: Some(path.into()), ..get() }, Cause::BadRequest);
        }
    }
}

#[test]
fn limits() {
    let url = |bytes: usize| Asked { path: Some(format!("/{}", "a".repeat(bytes - 1))), ..get() };
    assert!(url(LIMITS.url_bytes).read().is_ok());
    refused(url(LIMITS.url_bytes + 1), Cause::UrlTooLong);
    let count =
        |fields: usize| Asked { fields: iter::repeat_n(("a", "b".into()), fields).collect(), ..get() };
    assert!(count(LIMITS.header_count).read().is_ok());
    refused(count(LIMITS.header_count + 1), Cause::HeaderTooLarge);
    let bytes = |all: usize| Asked { fields: vec![("a", "b".repeat(all - 6))], ..get() };
    assert!(bytes(LIMITS.header_bytes).read().is_ok());
    refused(bytes(LIMITS.header_bytes + 1), Cause::HeaderTooLarge);
}

#[test]
fn framing_of_requests() {
    for value in ["+5", "", "5,5", "5 5", "-1", "18446744073709551616"] {
        refused(post(&[("content-length", value)]), Cause::BadRequest);
    }
    refused(post(&[("content-length", "5"), ("content-length", "5")]), Cause::BadRequest);
    refused(Asked { ends: true, ..post(&[("content-length", "5")]) }, Cause::BadRequest);
    let body = |asked: Asked| asked.read().unwrap().body();
    assert_eq!(body(post(&[("content-length", "5")])), BodyLength::Length(5));
    assert_eq!(body(post(&[])), BodyLength::Chunked);
    assert_eq!(body(Asked { ends: true, ..post(&[]) }), BodyLength::Length(0));
    assert_eq!(body(Asked { ends: true, ..post(&[("content-length", "0")]) }), BodyLength::Length(0));
    assert_eq!(body(Asked { ends: false, ..get() }), BodyLength::Chunked);
    assert_eq!(body(get()), BodyLength::None);
}

#[test]
fn expectations() {
    assert!(post(&[("expect", "100-continue")]).read().unwrap().expects_continue());
    refused(post(&[("expect", "200-ok")]), Cause::ExpectationFailed);
}

#[test]
fn extended_connect() {
    let head = websocket().read().unwrap();
    assert!(head.upgrade().unwrap().is_websocket());
    assert_eq!((head.method(), head.path(), head.body()), (&b"CONNECT"[..], &b"/chat"[..], BodyLength::None));
    assert!(!head.is_safe() && !head.is_idempotent());
    for protocol in ["", "a b", "h2c", "a\r\nb", "web/socket/x"] {
        refused(Asked { protocol: Some(protocol), ..websocket() }, Cause::BadRequest);
    }
    refused(Asked { method: "GET", ..websocket() }, Cause::BadRequest);
    let with_length = vec![("content-length", "5".to_owned())];
    refused(Asked { fields: with_length, ..websocket() }, Cause::BadRequest);
    let other = Asked { protocol: Some("connect-udp"), ..websocket() }.read().unwrap();
    assert_eq!(other.upgrade().unwrap().protocol, b"connect-udp");
}

#[test]
fn responses() {
    let read = |status: u16, fields: &[(&'static str, &'static str)], ends: bool| {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        response_head(response.body(()).unwrap().into_parts().0, ends).map_err(|refusal| refusal.cause)
    };
    let length = [("content-length", "5")];
    for (status, fields, ends, method, expected) in [
        (200, &length[..], false, "GET", BodyLength::Length(5)),
        (200, &length, true, "HEAD", BodyLength::None),
        (200, &[], false, "GET", BodyLength::Chunked),
        (200, &[], true, "GET", BodyLength::Length(0)),
        (304, &length, true, "GET", BodyLength::None),
        (103, &[], false, "GET", BodyLength::None),
    ] {
        assert_eq!(read(status, fields, ends).unwrap().body(method.as_bytes()), expected);
    }
    let head = read(200, &length, false).unwrap();
    assert_eq!(
        (head.declared_length(), head.reason(), head.version()),
        (Some(5), &b"OK"[..], Version::Http2)
    );
    assert!(head.keep_alive());
    for fields in [
        &[("connection", "close")][..],
        &[("transfer-encoding", "chunked")],
        &[("upgrade", "a")],
        &[("content-length", "x")],
        &[("content-length", "5"), ("content-length", "6")],
    ] {
        assert_eq!(read(200, fields, false).err(), Some(Cause::InvalidAnswer), "{fields:?}");
    }
    assert_eq!(read(999, &[], false).err(), Some(Cause::InvalidAnswer));
}

#[test]
fn trailers() {
    let map = |fields: &[(&'static str, &'static str)]| -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    };
    let good = [("grpc-status", "0"), ("x-a", "1"), ("x-a", "2")];
    assert_eq!(request_trailers(map(&good)).unwrap().len(), 3);
    assert_eq!(response_trailers(map(&good)).len(), 3);
    for name in ["content-length", "host", "transfer_encoding", "x-forwarded-for", "cookie", "te"] {
        let bad = [("grpc-status", "0"), (name, "1")];
        assert_eq!(request_trailers(map(&bad)).unwrap_err().cause, Cause::BadRequest, "{name}");
        let kept = response_trailers(map(&bad));
        assert_eq!((kept.len(), kept.find("grpc-status")), (1, Some(&b"0"[..])), "{name}");
    }
    assert!(request_trailers(HeaderMap::new()).unwrap().is_empty());
}
