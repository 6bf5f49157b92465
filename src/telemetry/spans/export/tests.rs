//! What of a request stands in its span.

use super::*;
use crate::base::{Cause, RequestId, Waits};
use crate::telemetry::Texts;
use opentelemetry::trace::{SpanId, TraceId};
use std::collections::HashMap;

fn recalled(status: u16, cause: Option<Cause>) -> Recalled<&'static [u8]> {
    let mut waits = Waits::NONE;
    waits.add(Wait::Parked, Duration::from_millis(1500));
    Recalled {
        id: RequestId::from_random(7),
        completed: Duration::from_secs(1_700_000_000),
        duration: Duration::from_secs(2),
        waits,
        status,
        cause,
        sent: 1,
        received: 2,
        texts: Texts {
            account: b"alice",
            site: b"main",
            upstream: b"web",
            client: b"192.0.2.1",
            version: b"HTTP/2.0",
            method: b"GET",
            host: b"a.test",
            detail: b"it was away",
            path: b"/p",
        },
    }
}

fn span(recalled: &Recalled<&[u8]>) -> SpanData {
    let ids = Ids { trace: 1, own: 2, parent: 3 };
    Told::new(ids, true, recalled).into_span(&InstrumentationScope::builder("parvis").build())
}

fn attributes(span: &SpanData) -> HashMap<String, String> {
    span.attributes.iter().map(|pair| (pair.key.to_string(), pair.value.to_string())).collect()
}

#[test]
fn a_span_tells_what_the_conventions_ask_for() {
    let span = span(&recalled(200, None));
    let told = attributes(&span);
    let id = RequestId::from_random(7).to_string();
    let expected: HashMap<String, String> = [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("url.scheme", "https"),
        ("url.path", "/p"),
        ("server.address", "a.test"),
        ("client.address", "192.0.2.1"),
        ("network.protocol.version", "2"),
        ("parvis.account", "alice"),
        ("parvis.site", "main"),
        ("parvis.upstream", "web"),
        ("parvis.request_id", &id),
        ("parvis.parked_time", "1.5"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    assert_eq!(told, expected);
    assert_eq!((&*span.name, &span.status), ("GET", &Status::Unset));
    assert_eq!(
        (span.span_context.trace_id(), span.span_context.span_id()),
        (TraceId::from(1), SpanId::from(2))
    );
    assert_eq!((span.parent_span_id, span.parent_span_is_remote), (SpanId::from(3), true));
    assert_eq!(span.end_time.duration_since(span.start_time).unwrap(), Duration::from_secs(2));
}

/// The site's failures and ours are errors; those of visitors and of limits are told, and are none.
#[test]
fn whose_fault_it_was() {
    for (status, cause, error_type, is_error) in [
        (502, Some(Cause::Refused), Some("refused"), true),
        (500, Some(Cause::Internal), Some("internal"), true),
        (429, Some(Cause::Rate), Some("rate"), false),
        (499, Some(Cause::ClientGone), Some("client_gone"), false),
        (500, None, Some("500"), true),
        (404, None, None, false),
    ] {
        let span = span(&recalled(status, cause));
        let told = attributes(&span);
        assert_eq!(told.get("error.type").map(String::as_str), error_type, "{status} {cause:?}");
        let expected = if is_error { Status::error("it was away") } else { Status::Unset };
        assert_eq!(span.status, expected, "{status} {cause:?}");
    }
}

/// A visitor's words are bounded, and no name of a span.
#[test]
fn what_visitors_make_up() {
    let path = vec![b'x'; 5000];
    let mut strange = recalled(200, None);
    (strange.texts.method, strange.texts.path, strange.texts.host) = (b"BREW", &path, b"\xff");
    let span = span(&strange);
    let told = attributes(&span);
    assert_eq!(&*span.name, "HTTP");
    assert_eq!((&*told["http.request.method"], &*told["http.request.method_original"]), ("_OTHER", "BREW"));
    assert_eq!((told["url.path"].len(), &*told["server.address"]), (TEXT_BYTES, "\u{fffd}"));
}

#[test]
fn versions_as_the_conventions_have_them() {
    for (version, told) in [("HTTP/1.0", "1.0"), ("HTTP/1.1", "1.1"), ("HTTP/2.0", "2"), ("", "")] {
        assert_eq!(protocol_version(version), told);
    }
    for (wait, name) in Wait::ALL.into_iter().zip(WAITS) {
        assert_eq!(name, format!("parvis.{}_time", wait.word()));
    }
}
