//! Spans at a collector: which requests are exported, what is told of them, what their upstreams see, and what it costs
//! where the collector is away.

use super::{PARENT, both_upstreams, passes_untouched};
use crate::support::collector::{Collector, Span};
use crate::support::edge::Files;
use crate::support::h2::H2;
use crate::support::h2_origin::H2Origin;
use crate::support::{Edge, Message, Origin, Raw, Recorder, account, wait};
use rustix::process::Signal;
use std::collections::HashSet;
use std::fs;
use std::net::TcpListener;
use std::time::Duration;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

const PARENT_SPAN: &str = "b7ad6b7169203331";

/// What a program takes.
const PAUSE: Duration = Duration::from_millis(100);

fn files(endpoint: &str, sample: &str, parents: &str) -> Files {
    Files::new()
        .set("tracing", "endpoint", &format!("\"{endpoint}\""))
        .set("tracing", "sample", &format!("\"{sample}\""))
        .set("tracing", "sampled_parents", &format!("\"{parents}\""))
}

fn get(raw: &mut Raw, host: &str, path: &str, fields: &str) -> Message {
    raw.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")).response()
}

/// The figure of `parvis_spans_total`.
fn spans(edge: &Edge, result: &str) -> u64 {
    let mut raw = Raw::clear(edge.listener("127.0.0.1", "metrics"));
    let page = raw.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").response();
    let series = format!("parvis_spans_total{{result=\"{result}\"}} ");
    let figure = page.text().lines().find_map(|line| line.strip_prefix(&series)).expect("a series");
    figure.parse().expect("a number")
}

/// What the upstream saw is one step behind the span that the collector has.
#[track_caller]
fn goes_on(span: &Span, traceparent: &str) {
    assert_eq!(traceparent, format!("00-{}-{}-01", span.trace, span.id));
}

/// Visitors of both versions, upstreams of both: the trace goes on through the span.
#[test]
fn a_sampled_trace_goes_on_through_us() {
    let (collector, http1, http2) = (Collector::start(), Origin::saying("here"), H2Origin::start());
    let edge = both_upstreams(files(collector.endpoint(), "0%", "100/s"), &http1, &http2);
    let state = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7";
    let fields = format!("TraceParent: {PARENT}\r\ntracestate: {state}\r\n");
    let trace = [("traceparent", PARENT), ("tracestate", state)];
    let mut raw = edge.connect();
    let mut h2 = H2::connect(&edge, "h1.test");

    get(&mut raw, "h1.test", "/1-1?secret=1", &fields);
    let seen = http1.requests().pop().expect("a request");
    h2.request(1, "GET", "h1.test", "/2-1", &trace, true);
    h2.response(1);
    let seen_over_h2 = http1.requests().pop().expect("a request");
    let echoed = get(&mut raw, "h2c.test", "/1-2", &fields);
    h2.request(3, "GET", "h2c.test", "/2-2", &trace, true);
    let echoed_over_h2 = h2.response(3);

    let mut ids = HashSet::new();
    for (path, traceparent, tracestate) in [
        ("/1-1", seen.one("traceparent"), seen.one("tracestate")),
        ("/2-1", seen_over_h2.one("traceparent"), seen_over_h2.one("tracestate")),
        ("/1-2", echoed.one("x-got-traceparent"), echoed.one("x-got-tracestate")),
        ("/2-2", echoed_over_h2.one("x-got-traceparent"), echoed_over_h2.one("x-got-tracestate")),
    ] {
        let span = collector.span_of(path);
        assert_eq!((&*span.trace, &*span.parent), (TRACE, PARENT_SPAN), "{path}");
        goes_on(&span, traceparent);
        assert_eq!(tracestate, state, "{path}");
        assert!(ids.insert(span.id), "{path}");
    }
    assert_eq!(collector.spans().len(), 4);
    wait::until("the figure", || (spans(&edge, "exported") == 4).then_some(()));
    assert_eq!((spans(&edge, "dropped"), spans(&edge, "lost")), (0, 0));
}

#[test]
fn a_span_tells_of_its_request() {
    let (collector, recorder) = (Collector::start(), Recorder::new());
    let edge = files(collector.endpoint(), "100%", "0/s")
        .document("alice", &account("\"a.test\"", &recorder.address()))
        .start();
    let mut h2 = H2::connect(&edge, "a.test");
    h2.request(1, "POST", "a.test", "/p/q?token=secret", &[], true);
    let mut upstream = recorder.accept();
    let seen = upstream.request();
    wait::pause(PAUSE);
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    h2.response(1);
    let span = collector.span_of("/p/q");
    assert_eq!((&*span.name, span.kind, span.status), ("POST", 2, 0));
    assert!(0 < span.start && span.start < span.end, "{span:#?}");
    for (name, told) in [
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("url.scheme", "https"),
        ("server.address", "a.test"),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "2"),
        ("error.type", ""),
        ("parvis.account", "alice"),
        ("parvis.site", "main"),
        ("parvis.upstream", "web"),
        ("parvis.request_id", seen.one("x-request-id")),
    ] {
        assert_eq!(span.told(name), told, "{name}: {span:#?}");
    }
    let seconds = |name: &str| span.told(name).parse::<f64>().expect(name);
    assert!(seconds("parvis.connecting_time") > 0.0, "{span:#?}");
    // What comes before the program's pause may take a part of it away.
    assert!(seconds("parvis.first_byte_time") > PAUSE.as_secs_f64() / 2.0, "{span:#?}");
    assert!(Duration::from_nanos(span.end - span.start) > PAUSE, "{span:#?}");
    assert_eq!(span.resource["service.name"], "parvis");
    assert_eq!(span.resource["service.instance.id"], "front1");
    let all = format!("{span:?}");
    assert!(!all.contains("secret"), "{all}");
}

/// A trace begins here where nobody before us began one, and what was said of another is left out.
#[test]
fn a_trace_begins_here() {
    let (collector, origin) = (Collector::start(), Origin::saying("here"));
    let edge = files(collector.endpoint(), "100%", "0/s")
        .document("alice", &account("\"a.test\"", &origin.address()))
        .start();
    let mut raw = edge.connect();
    let mut traces = HashSet::new();
    let twice = format!("traceparent: {PARENT}\r\ntraceparent: {PARENT}\r\n");
    for (path, fields) in [
        ("/none", ""),
        ("/wrong", "traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01\r\n"),
        ("/twice", &*twice),
        ("/state", "tracestate: a=1\r\n"),
        ("/state-of-wrong", "traceparent: nothing\r\ntracestate: a=1\r\ntracestate: b=2\r\n"),
    ] {
        get(&mut raw, "a.test", path, fields);
        let seen = origin.requests().pop().expect("a request");
        let span = collector.span_of(path);
        goes_on(&span, seen.one("traceparent"));
        assert!(!seen.has("tracestate"), "{path}: {seen:?}");
        assert_eq!(span.parent, "", "{path}");
        assert!(span.trace != TRACE && traces.insert(span.trace.clone()), "{path}: {span:#?}");
    }
    // A trace that was not sampled goes on: it is exported from here.
    get(&mut raw, "a.test", "/unsampled", &format!("traceparent: 00-{TRACE}-{PARENT_SPAN}-00\r\n"));
    let span = collector.span_of("/unsampled");
    assert_eq!((&*span.trace, &*span.parent), (TRACE, PARENT_SPAN));
    goes_on(&span, origin.requests().pop().expect("a request").one("traceparent"));
}

#[test]
fn what_is_not_exported_passes_untouched() {
    let (collector, http1, http2) = (Collector::start(), Origin::saying("here"), H2Origin::start());
    let edge = both_upstreams(files(collector.endpoint(), "0%", "0/s"), &http1, &http2);
    passes_untouched(&edge, &http1);
    assert_eq!(edge_ends_with(edge, &collector), 0);
}

/// Any visitor may say that its trace is sampled.
#[test]
fn the_word_of_visitors_is_bounded() {
    let (collector, origin) = (Collector::start(), Origin::saying("here"));
    let edge = files(collector.endpoint(), "0%", "2/h")
        .document("alice", &account("\"a.test\"", &origin.address()))
        .start();
    for n in 0..5 {
        // A connection each: whatever worker it comes to.
        get(&mut edge.connect(), "a.test", &format!("/{n}"), &format!("traceparent: {PARENT}\r\n"));
    }
    let seen = origin.requests();
    let untouched = seen.iter().filter(|seen| seen.one("traceparent") == PARENT).count();
    assert_eq!((seen.len(), untouched), (5, 3));
    assert_eq!(edge_ends_with(edge, &collector), 2);
}

/// The spans that have come when the edge has drained: it sends the last ones first.
fn edge_ends_with(mut edge: Edge, collector: &Collector) -> usize {
    edge.signal(Signal::TERM);
    assert!(edge.wait().success());
    collector.spans().len()
}

/// Whose fault it was is told, and is an error where it was the site's or ours.
#[test]
fn failures_are_told() {
    let collector = Collector::start();
    let away = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("a socket");
    let edge = files(collector.endpoint(), "100%", "0/s")
        .document("alice", &account("\"a.test\"", &away.to_string()))
        .document("bob", &format!("state = \"suspended\"\n{}", account("\"b.test\"", &away.to_string())))
        .document("carol", &account("\"c.test\"", &failing().address()))
        .start();
    let mut raw = edge.connect();
    for (host, path, status, word, is_error) in [
        ("a.test", "/refused", 502, "refused", true),
        ("b.test", "/suspended", 403, "suspended", false),
        ("nobody.test", "/nobody", 404, "unknown_host", false),
        ("c.test", "/failing", 500, "500", true),
    ] {
        assert_eq!(get(&mut raw, host, path, "").status(), status, "{host}");
        let span = collector.span_of(path);
        assert_eq!((span.told("error.type"), span.status), (word, if is_error { 2 } else { 0 }), "{span:#?}");
        assert_eq!(span.told("http.response.status_code"), status.to_string());
    }
    let refused = collector.span_of("/refused");
    assert_eq!((refused.told("parvis.account"), refused.told("parvis.upstream")), ("alice", "web"));
    assert!(!refused.status_message.is_empty(), "{refused:#?}");
}

/// A site that says itself that it fails.
fn failing() -> Origin {
    Origin::answering(|_| b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_vec())
}

/// `sample` and `sampled_parents` can be turned by a reload, the collector cannot.
#[test]
fn the_share_changes_by_a_reload() {
    let (collector, origin) = (Collector::start(), Origin::saying("here"));
    let edge = files(collector.endpoint(), "0%", "0/s")
        .document("alice", &account("\"a.test\"", &origin.address()))
        .start();
    get(&mut edge.connect(), "a.test", "/before", "");
    let node = fs::read_to_string(edge.path().join("parvis.toml")).expect("the node file");
    edge.write_file("parvis.toml", &node.replace("\"0%\"", "\"100%\""));
    edge.signal(Signal::HUP);
    edge.expect_log("reloaded");
    get(&mut edge.connect(), "a.test", "/after", "");
    collector.span_of("/after");
    // One that says more than a change of the collector: nothing of it takes effect before the next start.
    let elsewhere = node.replace(collector.endpoint(), "http://127.0.0.1:9");
    edge.write_file("parvis.toml", &elsewhere);
    edge.signal(Signal::HUP);
    edge.expect_log("tracing.endpoint");
    get(&mut edge.connect(), "a.test", "/later", "");
    collector.span_of("/later");
    assert!(collector.spans().iter().all(|span| span.told("url.path") != "/before"));
}

/// Nobody is there: requests are served, spans are counted, the node's log says so once in a while.
#[test]
fn a_collector_that_is_away_costs_spans_alone() {
    let away = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("a socket");
    let origin = Origin::saying("here");
    let edge = files(&format!("http://{away}"), "100%", "0/s")
        .document("alice", &account("\"a.test\"", &origin.address()))
        .start();
    let mut raw = edge.connect();
    for n in 1..=3 {
        for _ in 0..10 {
            assert_eq!(get(&mut raw, "a.test", "/", "").text(), "here");
        }
        wait::until("the figure", || (spans(&edge, "lost") == 10 * n).then_some(()));
    }
    assert_eq!((spans(&edge, "exported"), spans(&edge, "dropped")), (0, 0));
    edge.expect_log("spans are lost");
    assert_eq!(edge.log().matches("spans are lost").count(), 1, "once in a while");
}

/// Somebody is there and takes nothing: the queue fills, what is beyond is dropped and counted, and nobody waits.
#[test]
fn a_full_queue_drops() {
    let silent = Recorder::new();
    let edge = files(&format!("http://{}", silent.address()), "100%", "0/s").start();
    let mut raw = edge.connect();
    wait::until("a full queue", || {
        raw.send("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n".repeat(100));
        (0..100).for_each(|_| assert_eq!(raw.response().status(), 404));
        (spans(&edge, "dropped") > 0).then_some(())
    });
    assert_eq!(get(&mut raw, "nobody.test", "/", "").status(), 404);
    assert_eq!(spans(&edge, "exported"), 0);
}
