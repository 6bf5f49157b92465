//! What it costs to tell of a request: its metrics and its line in the access log.

use crate::{Part, Prepared};
use parvis::account::Live;
use parvis::base::{AccountName, AddressText, PeerAddr, RequestId, Waits, wall};
use parvis::config::{LogFormat, Logs};
use parvis::telemetry::{Done, LogProtocol, LogWriter, Metrics, Protocol, Record, TlsVersion};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

/// The parts.
pub fn parts() -> Vec<Part> {
    vec![
        Part { name: "metrics of a request", prepare: metrics },
        Part { name: "access log line", prepare: line },
        Part { name: "through the log writer, 1 account", prepare: || through(1) },
        Part { name: "through the log writer, 10,000 accounts", prepare: || through(10_000) },
    ]
}

/// In flight and over, counted for the node and for the account.
fn metrics() -> Prepared {
    let (shard, live) = (Rc::new(Metrics::new().expect("metrics").shard()), Live::default());
    Prepared::new(move || {
        let in_flight = shard.in_flight(Protocol::Http1);
        shard.upstream_reused();
        shard.request_done(&Done {
            protocol: Protocol::Http1,
            status: 200,
            duration: Duration::from_micros(1_250),
            own: Some(Duration::from_micros(31)),
            upstream: Some(Duration::from_micros(1_180)),
            cause: None,
        });
        shard.body_received(0);
        shard.body_sent(1_256);
        live.answered(200, 0, 1_256);
        in_flight
    })
}

/// Formatted and handed to the writer's ring, which is emptied before it is half full: as on a worker whose writer
/// keeps up.
fn line() -> Prepared {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let logs = Logs {
        directory: Some(directory.path().to_owned()),
        http: "{account}/access.log".to_owned(),
        ..Logs::default()
    };
    let (writer, factory) = LogWriter::start(&logs, None).expect("a log");
    let (log, tally) = (factory.worker(), writer.tally());
    let (account, begun) = (AccountName::new("example-customer").expect("a name"), wall());
    let lines = Rc::new(Cell::new(0_u64));
    let (written, handed) = (Rc::clone(&lines), lines);
    let operation = move || {
        log.write(&record(&account, begun + Duration::from_micros(handed.get())));
        handed.set(handed.get() + 1);
    };
    Prepared::settled(operation, BATCH_LINES, move || {
        // The writer and its directory live as long as this does.
        let _kept = (&writer, &directory);
        while tally().written < written.get() {
            thread::yield_now();
        }
        assert_eq!(tally().dropped, 0, "a line was dropped: it cost less than one that is written");
    })
}

/// From a worker to the file: a worker that writes as fast as the writer's thread follows, one line after the other of so many
/// accounts. Lines a second are a thousand million divided by it.
fn through(accounts: u32) -> Prepared {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let logs = Logs {
        directory: Some(directory.path().to_owned()),
        http: "{account}/access.log".to_owned(),
        ..Logs::default()
    };
    let (writer, factory) = LogWriter::start(&logs, None).expect("a log");
    let (log, tally, begun) = (factory.worker(), writer.tally(), wall());
    let names: Vec<_> =
        (0..accounts).map(|n| AccountName::new(&format!("customer-{n}")).expect("a name")).collect();
    let mut handed = 0;
    Prepared::new(move || {
        // The writer and its directory live as long as this does.
        let _kept = (&writer, &directory);
        log.write(&record(&names[handed as usize % names.len()], begun));
        handed += 1;
        if handed % LOOK_LINES == 0 {
            while handed - tally().written > MOST_WAITING_LINES {
                thread::yield_now();
            }
            assert_eq!(
                tally().dropped + tally().lost,
                0,
                "a line was dropped: it cost less than one that is written"
            );
        }
    })
}

fn record(account: &AccountName, completed: Duration) -> Record<'_> {
    Record {
        account: Some(account),
        site_file: "http",
        format: &LogFormat::Advanced,
        host: Some(b"www.example.test"),
        client: AddressText::new(VISITOR.ip()),
        client_port: None,
        peer: PeerAddr(VISITOR),
        completed,
        duration: Duration::from_micros(1_250),
        waits: &Waits::NONE,
        tls: Some(TlsVersion::Tls13),
        protocol: LogProtocol::Https,
        method: b"GET",
        target: b"/shop/articles/4711?colour=blue&size=m",
        version: http::Version::HTTP_11,
        status: 200,
        body_bytes: 1_256,
        referer: Some(b"https://www.example.test/shop/articles"),
        user_agent: Some(b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"),
        request_headers: &(),
        response_headers: &[],
        request_id: RequestId::from_random(0x0123_4567_89ab_cdef_0123),
        cause: None,
    }
}

/// Lines that may wait in the ring of 1 MiB: past its middle, where the thread is woken.
const MOST_WAITING_LINES: u64 = 2_000;

/// Lines between two looks at how far the thread is.
const LOOK_LINES: u64 = 100;

/// Lines of some 350 bytes that stay far below half of a worker's ring of 1 MiB.
const BATCH_LINES: u64 = 1_000;

/// An address of documentation (RFC 5737).
const VISITOR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77)), 50_123);
