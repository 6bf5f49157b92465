//! The page against the table of families, and every way of counting against the page.

use super::*;
use crate::base::Cause;
use crate::telemetry::busiest::testing::Table;
use crate::telemetry::{ConnectionProtocol, Done, FAMILIES, HandshakeFailure, Protocol, TlsVersion};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The value of one series of the page.
fn value(page: &str, series: &str) -> String {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in:\n{page}")).to_owned()
}

/// So many accounts with as many requests as their number, and one more.
fn accounts(count: u64) -> AccountSource {
    let table = Table::default();
    (0..count).for_each(|n| table.add(&format!("a{n}"), 1 + n));
    table.source()
}

#[test]
fn the_page_is_the_table_of_families() {
    let metrics = Metrics::new().unwrap();
    metrics.observe_accounts(accounts(1));
    metrics.shard().runs_here();
    metrics.set_documents(DocumentCounts {
        certificates_expire: Some(Duration::from_secs(1)),
        ..DocumentCounts::default()
    });
    let mut shown = BTreeMap::new();
    for family in metrics.registry.gather() {
        let labels: BTreeSet<BTreeSet<String>> = family
            .get_metric()
            .iter()
            .map(|metric| metric.get_label().iter().map(|label| label.name().to_owned()).collect())
            .collect();
        assert_eq!(labels.len(), 1, "{} has series with other labels", family.name());
        let kind = format!("{:?}", family.get_field_type()).to_lowercase();
        shown.insert(family.name().to_owned(), (kind, family.help().to_owned(), labels));
    }
    let table = FAMILIES.iter().flat_map(|(_, families)| *families).map(|family| {
        let labels = family.labels.iter().map(|&label| label.to_owned()).collect();
        (
            family.name.to_owned(),
            (family.kind.word().to_owned(), family.help.to_owned(), BTreeSet::from([labels])),
        )
    });
    assert_eq!(shown, table.collect());
}

#[test]
fn a_request_is_counted_where_it_belongs() {
    let metrics = Metrics::new().unwrap();
    let shards = [metrics.shard(), metrics.shard()].map(Rc::new);
    let done = Done {
        protocol: Protocol::Http2,
        status: 502,
        duration: Duration::from_millis(7),
        own: Some(Duration::from_micros(20)),
        upstream: Some(Duration::from_millis(6)),
        cause: Some(Cause::Refused),
    };
    let in_flight = shards[0].in_flight(Protocol::Http2);
    for shard in &shards {
        shard.request_done(&done);
        shard.body_received(10);
        shard.body_sent(100);
    }
    shards[1].failed(Cause::ClientLimit);
    shards[1].request_done(&Done { cause: None, upstream: None, ..done });
    shards[1].moved_on();
    shards[1].runs_here();
    let _connections = [false, true].map(|tls| shards[1].connection(tls));
    shards[0].connection(true).speaks(ConnectionProtocol::Http2);
    let page = metrics.render().unwrap();
    let worker = |name: &str, n: u8| value(&page, &format!(r#"parvis_worker_{name}{{worker="{n}"}}"#));
    assert_eq!([0, 1].map(|n| worker("requests_total", n)), ["1", "2"]);
    assert_eq!([0, 1].map(|n| worker("connections_open", n)), ["0", "2"]);
    assert!(worker("cpu_seconds_total", 1).parse::<f64>().unwrap() > 0.0);
    assert!(!page.contains(r#"parvis_worker_cpu_seconds_total{worker="0"}"#), "it does not run");
    assert_eq!(value(&page, "parvis_moved_requests_total"), "1");
    assert_eq!(value(&page, r#"parvis_requests_total{protocol="http2",status="5xx"}"#), "3");
    assert_eq!(value(&page, r#"parvis_requests_total{protocol="http1",status="5xx"}"#), "0");
    assert_eq!(value(&page, r#"parvis_requests_in_flight{protocol="http2"}"#), "1");
    let bucket = |le| {
        value(&page, &format!(r#"parvis_request_duration_seconds_bucket{{protocol="http2",le="{le}"}}"#))
    };
    assert_eq!(["0.005", "0.01", "300", "+Inf"].map(bucket), ["0", "3", "3", "3"]);
    assert_eq!(value(&page, r#"parvis_request_duration_seconds_sum{protocol="http2"}"#), "0.021");
    assert_eq!(value(&page, "parvis_own_time_seconds_count"), "3");
    assert_eq!(value(&page, "parvis_upstream_time_seconds_sum"), "0.012");
    let failures = |labels| value(&page, &format!("parvis_failures_total{{{labels}}}"));
    assert_eq!(failures(r#"cause="refused",error="connection_refused",blame="site""#), "2");
    assert_eq!(failures(r#"cause="client_limit",error="http_request_denied",blame="limit""#), "1");
    assert_eq!(value(&page, "parvis_request_body_bytes_total"), "20");
    assert_eq!(value(&page, "parvis_response_body_bytes_total"), "200");
    assert_eq!(value(&page, "parvis_workers"), "2");
    drop(in_flight);
    assert_eq!(value(&metrics.render().unwrap(), r#"parvis_requests_in_flight{protocol="http2"}"#), "0");
}

#[test]
fn every_status_has_a_class() {
    let metrics = Metrics::new().unwrap();
    let shard = metrics.shard();
    for status in [100, 101, 200, 304, 404, 499, 599, 0, 99, 600, u16::MAX] {
        let (duration, protocol) = (Duration::ZERO, Protocol::Http1);
        shard.request_done(&Done { protocol, status, duration, own: None, upstream: None, cause: None });
    }
    let page = metrics.render().unwrap();
    let class =
        |class| value(&page, &format!(r#"parvis_requests_total{{protocol="http1",status="{class}"}}"#));
    assert_eq!(["1xx", "2xx", "3xx", "4xx", "5xx"].map(class), ["2", "1", "1", "2", "5"]);
}

#[test]
fn connections_are_open_from_accept_to_end() {
    let metrics = Metrics::new().unwrap();
    let shard = Rc::new(metrics.shard());
    let both = |name: &str, protocol: &str| {
        let page = metrics.render().unwrap();
        value(&page, &format!(r#"parvis_connections_{name}{{protocol="{protocol}",tls="true"}}"#))
    };
    let silent = shard.connection(true);
    let speaking = shard.connection(true);
    assert_eq!([both("open", "none"), both("total", "none")], ["2", "0"]);
    speaking.speaks(ConnectionProtocol::Http2);
    shard.handshake(TlsVersion::Tls13, true, Duration::from_millis(30));
    assert_eq!([both("open", "none"), both("open", "http2"), both("total", "http2")], ["1", "1", "1"]);
    drop(silent);
    shard.handshake_failed(HandshakeFailure::NotTls);
    assert_eq!([both("open", "none"), both("total", "none")], ["0", "1"]);
    drop(speaking);
    assert_eq!([both("open", "http2"), both("total", "http2"), both("total", "none")], ["0", "1", "1"]);
    let page = metrics.render().unwrap();
    assert_eq!(value(&page, r#"parvis_tls_handshakes_total{version="TLSv1.3",result="resumed"}"#), "1");
    assert_eq!(value(&page, r#"parvis_tls_handshake_failures_total{reason="not_tls"}"#), "1");
    assert_eq!(value(&page, r#"parvis_tls_handshake_duration_seconds_bucket{le="0.05"}"#), "1");
}

#[test]
fn an_upstream_connection_handed_over_is_not_a_new_one() {
    let metrics = Metrics::new().unwrap();
    let [giver, taker] = [metrics.shard(), metrics.shard()].map(Rc::new);
    let given = giver.upstream_opened();
    let taken = taker.upstream_adopted();
    drop(given);
    taker.upstream_reused();
    let tunnel = taker.tunnel();
    let page = metrics.render().unwrap();
    assert_eq!(value(&page, "parvis_upstream_connections_total"), "1");
    assert_eq!(value(&page, "parvis_upstream_connections_open"), "1");
    assert_eq!(value(&page, "parvis_upstream_reuses_total"), "1");
    assert_eq!(value(&page, "parvis_tunnels_open"), "1");
    drop((taken, tunnel));
    let page = metrics.render().unwrap();
    assert_eq!(value(&page, "parvis_upstream_connections_open"), "0");
    assert_eq!([value(&page, "parvis_tunnels_open"), value(&page, "parvis_tunnels_total")], ["0", "1"]);
}

#[test]
fn the_control_thread_tells_of_changes_and_documents() {
    let metrics = Metrics::new().unwrap();
    metrics.change(ChangeResult::Applied, Duration::from_millis(2));
    metrics.change(ChangeResult::Refused, Duration::from_millis(2));
    metrics.reloaded(false);
    metrics.set_documents(DocumentCounts {
        accounts: 3,
        hosts: 9,
        generation: 4,
        certificates_expire: Some(Duration::from_millis(1_800_000_000_500)),
        ..DocumentCounts::default()
    });
    metrics.set_ready(true);
    metrics.set_connections_limit(512);
    metrics.observe_accounts(accounts(1));
    metrics.observe_access_log(Arc::new(|| LogTally { written: 5, dropped: 2, lost: 1 }));
    let page = metrics.render().unwrap();
    for (series, expected) in [
        (r#"parvis_changes_total{result="applied"}"#, "1"),
        (r#"parvis_changes_total{result="removed"}"#, "0"),
        ("parvis_change_duration_seconds_count", "2"),
        (r#"parvis_reloads_total{result="refused"}"#, "1"),
        ("parvis_accounts", "3"),
        ("parvis_hosts", "9"),
        ("parvis_document_generation", "4"),
        ("parvis_ready", "1"),
        ("parvis_connections_limit", "512"),
        ("parvis_certificate_expires_soonest_timestamp_seconds", "1800000000"),
        (r#"parvis_account_requests_total{account="_other"}"#, "1"),
        (r#"parvis_access_log_lines_total{result="dropped"}"#, "2"),
        (concat!(r#"parvis_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""}"#), "1"),
    ] {
        assert_eq!(value(&page, series), expected, "{series}");
    }
    metrics.set_documents(DocumentCounts::default());
    assert!(!metrics.render().unwrap().contains("parvis_certificate_expires_soonest"), "there is none");
}

#[test]
fn a_scrape_sees_every_count_of_other_threads() {
    let metrics = Metrics::new().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let shard = metrics.shard();
            scope.spawn(move || (0..10_000).for_each(|_| shard.body_sent(3)));
        }
    });
    assert_eq!(value(&metrics.render().unwrap(), "parvis_response_body_bytes_total"), "120000");
}

/// A page is as long with a hundred thousand accounts as with a thousand.
#[test]
fn the_number_of_series_does_not_grow_with_the_accounts() {
    let series = |count| {
        let metrics = Metrics::new().unwrap();
        let _workers = [metrics.shard(), metrics.shard()];
        metrics.observe_accounts(accounts(count));
        let page = metrics.render().unwrap();
        page.lines().filter(|line| !line.starts_with('#')).count()
    };
    let [few, thousand, hundred_thousand] = [10, 1_000, 100_000].map(series);
    println!("series with 10 accounts: {few}, with 1,000: {thousand}, with 100,000: {hundred_thousand}");
    assert_eq!(thousand, hundred_thousand);
    assert!(few < thousand && thousand < 2_000);
}
