//! What a request pays for being read, passed on, counted and logged: not one allocation. The allocator that
//! proves it is the only `unsafe` here.

use parvis::base::{self, AccountName, AddressText, Buffer, Cause, PeerAddr, RequestId, Waits};
use parvis::config::{HeadLimits, LogFormat, Logs};
use parvis::message::h1::{RequestParser, ResponseParser, write_request, write_response};
use parvis::message::{
    BodyLength, Forwarding, KnownSet, Persistence, Pseudonym, RequestEdits, ResponseEdits, Scheme, Target,
};
use parvis::telemetry::{Done, LogProtocol, LogWriter, Metrics, Protocol, Record, TlsVersion};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// The system's allocator, counting what each thread asks of it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no counter any more, and is none of ours.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: asks of its caller what the trait asks.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the ones asked for.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: asks of its caller what the trait asks.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from the system's allocator by `alloc` or `realloc`.
        unsafe { System.dealloc(block, layout) }
    }

    // SAFETY: asks of its caller what the trait asks.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: `block` came from the system's allocator by `alloc` or `realloc`.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations `work` makes on this thread.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_count_sees_an_allocation() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Vec::<u8>::with_capacity(10)))), 1);
}

#[test]
fn a_line_of_the_access_log_allocates_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let logs = Logs { directory: Some(directory.path().to_owned()), ..Logs::default() };
    let (writer, factory) = LogWriter::start(&logs, None).unwrap();
    let log = Rc::new(factory.worker());
    let account = AccountName::new("alice").unwrap();
    let waits = Waits::NONE;
    let record = Record {
        account: Some(&account),
        site_file: "http",
        format: &LogFormat::Advanced,
        host: Some(b"www.alice.test"),
        client: AddressText::new("2001:db8::7".parse().unwrap()),
        client_port: None,
        peer: PeerAddr("[2001:db8::7]:51234".parse().unwrap()),
        completed: base::wall(),
        duration: Duration::from_micros(1_234),
        waits: &waits,
        tls: Some(TlsVersion::Tls13),
        protocol: LogProtocol::Https,
        method: b"GET",
        target: b"/a/path?with=a&query=\"quoted\"",
        version: http::Version::HTTP_2,
        status: 200,
        body_bytes: 12_345,
        referer: Some(b"https://www.alice.test/\xff"),
        user_agent: Some(b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        request_headers: &(),
        response_headers: &[],
        request_id: RequestId::from_random(7),
        cause: None,
    };
    // The first line asks the calendar what day it is.
    log.write(&record);
    assert_eq!(allocations(|| (0..1000).for_each(|_| log.write(&record))), 0);
    let tally = writer.tally();
    assert!(writer.finish(Duration::from_secs(20)));
    assert_eq!(tally().written, 1001);
}

#[test]
fn counting_a_request_allocates_nothing() {
    let metrics = Metrics::new().unwrap();
    let shard = Rc::new(metrics.shard());
    let done = Done {
        protocol: Protocol::Http1,
        status: 502,
        duration: Duration::from_millis(3),
        own: Some(Duration::from_micros(30)),
        upstream: Some(Duration::from_millis(2)),
        cause: Some(Cause::Refused),
    };
    let counted = allocations(|| {
        let connection = shard.connection(true);
        let in_flight = shard.in_flight(Protocol::Http1);
        shard.handshake(TlsVersion::Tls13, false, Duration::from_millis(1));
        shard.body_received(10);
        shard.body_sent(10);
        shard.request_done(&done);
        drop((in_flight, connection));
    });
    assert_eq!(counted, 0);
}

#[test]
fn heads_that_pass_allocate_nothing() {
    const REQUEST: &[u8] =
        b"POST /a?b=c HTTP/1.1\r\nHost: www.alice.test\r\nUser-Agent: u\r\nAccept: */*\r\n\
        X-Forwarded-For: ::1\r\nCookie: a=b; c=d\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello";
    const RESPONSE: &[u8] =
        b"HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\nDate: now\r\n\r\n5\r\n";
    let limits = HeadLimits { header_bytes: 32 << 10, header_count: 100, url_bytes: 8 << 10, mends: false };
    let client = AddressText::new("2001:db8::7".parse().unwrap());
    let exchange = || {
        let (mut input, mut append, mut out) = (Buffer::new(), Buffer::new(), Buffer::new());
        input.extend(REQUEST);
        let head = RequestParser::new().parse(&mut input, &limits).unwrap().unwrap();
        let forwarding = Forwarding {
            pseudonym: Pseudonym::from_random(1),
            client: &client,
            scheme: Scheme::Https,
            authority: head.authority(),
            port: 443,
            prefix: None,
            version: head.version(),
            received: head.fields(),
            id: RequestId::from_random(7),
        };
        forwarding.push(&mut append);
        let edits = RequestEdits {
            host: head.authority().host.as_bytes(),
            target: Target { base: b"", path_and_query: head.path_and_query() },
            body: head.body(),
            persistence: Persistence::Implied,
            expect_continue: head.expects_continue(),
            drop: KnownSet::EMPTY,
            append: append.filled(),
        };
        write_request(&mut out, &head, &edits);

        input.clear();
        input.extend(RESPONSE);
        let answer = ResponseParser::new().parse(&mut input, 32 << 10).unwrap().unwrap();
        let edits = ResponseEdits {
            status: None,
            body: answer.body(head.method()),
            persistence: Persistence::Implied,
            drop: KnownSet::EMPTY,
            append: b"",
        };
        assert_eq!(edits.body, BodyLength::Chunked);
        write_response(&mut out, &answer, &edits);
    };
    // The first one fills the thread's pools.
    exchange();
    assert_eq!(allocations(|| (0..100).for_each(|_| exchange())), 0);
}
