//! What becomes of a distributed trace (W3C Trace Context) that a request is part of.

#[cfg(feature = "otel")]
mod exported;

use crate::support::edge::Files;
use crate::support::h2::H2;
use crate::support::h2_origin::H2Origin;
use crate::support::{Edge, Message, Origin, account};

/// Fields of a trace as they come, right and wrong: whoever reads them behind us is the judge.
const TRACES: &[&[(&str, &str)]] = &[
    &[("traceparent", PARENT), ("tracestate", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")],
    // Not sampled.
    &[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")],
    // Of a version to come, with more behind.
    &[
        ("traceparent", "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes"),
        ("tracestate", "a=1"),
    ],
    // No version, no id, capitals, not a word of it.
    &[("traceparent", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
    &[("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01"), ("tracestate", "a=1")],
    &[("traceparent", "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01")],
    &[("traceparent", "nothing"), ("tracestate", "=,;")],
    // Twice, and a state in two lines or of none.
    &[("traceparent", PARENT), ("traceparent", "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
    &[("traceparent", PARENT), ("tracestate", "a=1,b=2"), ("tracestate", "c=3")],
    &[("tracestate", "alone=1")],
];

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn a_trace_passes_untouched_whatever_it_says() {
    let (http1, http2) = (Origin::saying("here"), H2Origin::start());
    let edge = both_upstreams(Files::new(), &http1, &http2);
    passes_untouched(&edge, &http1);
}

/// An account with an upstream that speaks HTTP/1.1 and one that speaks HTTP/2.
fn both_upstreams(files: Files, http1: &Origin, http2: &H2Origin) -> Edge {
    let h2c = format!(
        "[[upstream]]\nname = \"h2c\"\naddress = \"{}\"\nprotocol = \"h2c\"\n\
         [[site]]\nname = \"h2c\"\naddresses = [\"h2c.test\"]\nupstream = \"h2c\"\n",
        http2.address()
    );
    files.document("alice", &(account("\"h1.test\"", &http1.address()) + &h2c)).start()
}

/// Every trace, from visitors of both versions to upstreams of both.
#[track_caller]
fn passes_untouched(edge: &Edge, http1: &Origin) {
    let names = ["traceparent", "tracestate"];
    let mut raw = edge.connect();
    let mut h2 = H2::connect(edge, "h1.test");
    let mut streams = (1..).step_by(2);
    let mut ask = |version: u8, host: &str, trace: &[(&str, &str)]| {
        if version == 1 {
            let fields: String = trace.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
            return raw.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")).response();
        }
        let stream = streams.next().expect("a stream");
        h2.request(stream, "GET", host, "/", trace, true);
        h2.response(stream)
    };
    for (version, trace) in TRACES.iter().flat_map(|trace| [(1, *trace), (2, *trace)]) {
        let came = |name: &str| -> Vec<&str> {
            trace.iter().filter(|(called, _)| *called == name).map(|(_, value)| *value).collect()
        };
        assert_eq!(ask(version, "h1.test", trace).status(), 200);
        let seen = http1.requests().pop().expect("a request");
        let answer: Message = ask(version, "h2c.test", trace);
        for name in names {
            assert_eq!(seen.all(name), came(name), "HTTP/{version} to HTTP/1.1: {trace:?}");
            let got = answer.all(&format!("x-got-{name}"));
            assert_eq!(got, came(name), "HTTP/{version} to HTTP/2: {trace:?}");
        }
    }
}

/// The spelling of the names is the visitor's too, and the lines stay where they are among the others.
#[test]
fn a_trace_passes_as_it_is_spelt() {
    let origin = Origin::saying("here");
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &origin.address()))]);
    let lines =
        "X-Before: 1\r\nTraceParent: nothing\r\nX-Between: 2\r\nTRACESTATE: a=1 , b=2\r\nX-Behind: 3\r\n";
    edge.connect().send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n")).response();
    let head = origin.requests().pop().expect("a request").head;
    assert!(String::from_utf8_lossy(&head).contains(lines), "{}", head.escape_ascii());
}
