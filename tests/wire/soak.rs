//! Full load of everything that goes wrong at once, and afterwards nothing is left of it: no descriptor, pipe, buffer,
//! lease, place or memory. `PARVIS_SOAK_SECONDS` says how long; see docs/measuring.md.

use crate::support::edge::{Descriptors, Files};
use crate::support::h2::{
    CANCEL, H2, HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, LARGEST_WINDOW, Outcome, RST_STREAM, WINDOW_UPDATE,
};
use crate::support::mortal::Mortal;
use crate::support::way::{pattern, site};
use crate::support::{Edge, Raw, wait};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

#[test]
fn nothing_is_left_of_it() {
    let length = std::env::var("PARVIS_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let length = Duration::from_secs(length.unwrap_or(SECONDS));
    let mut upstreams = [Mortal::start(), Mortal::start()];
    let [first, second] = upstreams.each_ref().map(Mortal::address);
    let kept = |name, host, address| site(name, host, address).replacen('\n', "\nkeep_alive = \"1s\"\n", 1);
    let sites = [kept("first", "\"a.test\"", &first), kept("second", "\"b.test\"", &second)];
    let edge = Files::new()
        // Its visitors come from one address and never pause.
        .set("limits", "handshakes_per_client", "\"unlimited\"")
        .document("alice", &sites.concat())
        .start();
    let soak =
        Soak { edge: &edge, done: AtomicBool::new(false), counts: Default::default(), body: pattern(MOST) };

    // Everything once, so that what is made at the first use is there before it is counted.
    for kind in KINDS {
        for seed in 0..4 {
            soak.visit(*kind, &mut Dice(seed + 1));
        }
    }
    // The site's own log too, which tells what fails.
    upstreams[0].die();
    let failed = edge.connect().send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
    assert_eq!(failed.status(), 502);
    upstreams.iter_mut().for_each(Mortal::live_again);
    wait::until("the site log", || edge.site_log("alice").lines().next().map(|_| ()));
    let before = soak.when_quiet();
    let begun = Instant::now();
    let mut memory = Vec::new();
    std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..2 * KINDS.len() as u64)
            .map(|n| {
                let soak = &soak;
                scope.spawn(move || {
                    let mut dice = Dice(0x9e37_79b9 + n);
                    while !soak.done.load(Relaxed) {
                        soak.visit(KINDS[n as usize % KINDS.len()], &mut dice);
                        soak.counts[n as usize % KINDS.len()].fetch_add(1, Relaxed);
                    }
                })
            })
            .collect();
        let mut dice = Dice(7);
        while begun.elapsed() < length {
            wait::pause(Duration::from_millis(500 + dice.below(1500)));
            upstreams[dice.below(2) as usize].die();
            wait::pause(Duration::from_millis(dice.below(300)));
            upstreams.iter_mut().for_each(Mortal::live_again);
            memory.push((begun.elapsed(), edge.memory()));
        }
        soak.done.store(true, Relaxed);
        for visitor in visitors {
            visitor.join().expect("a visitor saw what it may see");
        }
    });
    let after = soak.when_quiet();
    let counts: Vec<_> = KINDS.iter().zip(&soak.counts).collect();
    println!("visits: {counts:?}\nbefore: {before:?}\nafter: {after:?}");
    assert_eq!(after.held, before.held, "in use when all is quiet");
    let pipes = before.descriptors.pipes..=before.descriptors.pipes + MOST_PIPES;
    assert!(
        pipes.contains(&after.descriptors.pipes),
        "{:?}, was {:?}",
        after.descriptors,
        before.descriptors
    );
    assert_eq!(
        Descriptors { pipes: 0, ..after.descriptors },
        Descriptors { pipes: 0, ..before.descriptors },
        "descriptors"
    );
    // The mean of a minute: what is under way goes up and down.
    let mean = |from: Duration| {
        let of_minute =
            memory.iter().filter(|(at, _)| (from..from + MINUTE).contains(at)).map(|(_, bytes)| *bytes);
        let (sum, count) = of_minute.fold((0, 0), |(sum, count), bytes| (sum + bytes, count + 1));
        sum / count.max(1)
    };
    if length >= 2 * SETTLED {
        let (early, late) = (mean(SETTLED), mean(length.saturating_sub(MINUTE)));
        println!("memory: {} kB in the minute after {SETTLED:?}, {} kB in the last", early >> 10, late >> 10);
        assert!(late < early + early / 20, "memory has grown from {early} to {late} bytes");
    }
}

/// What the visitors know.
struct Soak<'a> {
    edge: &'a Edge,
    done: AtomicBool,
    counts: [AtomicU64; KINDS.len()],
    body: Vec<u8>,
}

/// What a visitor does on its connection.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Small,
    Whole,
    CutDownload,
    CutUpload,
    SlowReader,
    Tunnel,
    Streams,
}

const KINDS: &[Kind] = &[
    Kind::Small,
    Kind::Whole,
    Kind::CutDownload,
    Kind::CutUpload,
    Kind::SlowReader,
    Kind::Tunnel,
    Kind::Streams,
];

/// What is there when nothing goes on.
#[derive(Debug)]
struct Quiet {
    descriptors: Descriptors,
    held: BTreeMap<&'static str, f64>,
}

impl Soak<'_> {
    fn visit(&self, kind: Kind, dice: &mut Dice) {
        let host = if dice.below(2) == 0 { "a.test" } else { "b.test" };
        if matches!(kind, Kind::Streams) {
            return self.streams(host, dice);
        }
        let mut raw = if dice.below(2) == 0 { self.edge.connect() } else { self.edge.connect_tls(host) };
        let size = [1_000, 100_001, 1_000_001, MOST as u64][dice.below(4) as usize];
        let get = format!("GET /{size} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let post = format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n\r\n");
        match kind {
            Kind::Small => {
                for _ in 0..20 {
                    let asked = raw.try_send(format!("GET /100 HTTP/1.1\r\nHost: {host}\r\n\r\n"));
                    if asked.is_err() || !self.whole_or_failed(&mut raw, 100) {
                        break;
                    }
                }
            }
            Kind::Whole => {
                if raw.try_send(get).is_ok() {
                    self.whole_or_failed(&mut raw, size as usize);
                }
            }
            Kind::CutDownload => {
                if begun(&mut raw, &get) {
                    let _ = raw.try_exactly(dice.below(size) as usize);
                }
            }
            Kind::CutUpload => {
                let _ = raw.try_send(post);
                let _ = raw.try_send(&self.body[..dice.below(size) as usize]);
            }
            Kind::SlowReader => {
                raw.receive_at_most(32 * 1024);
                raw.read_slowly();
                let mut goes_on = begun(&mut raw, &format!("GET /{MOST} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
                for _ in 0..dice.below(20) {
                    goes_on = goes_on && raw.try_exactly(5_000).is_ok();
                    wait::pause(Duration::from_millis(20));
                }
            }
            Kind::Tunnel => {
                let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n";
                let _ = raw.try_send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n{upgrade}"));
                if raw.read_until(b"\r\n\r\n").is_ok_and(|head| head.starts_with(b"HTTP/1.1 101")) {
                    for _ in 0..dice.below(100) {
                        let said = raw.try_send(&self.body[..10_000]);
                        if said.is_err() || raw.try_exactly(10_000).is_ok_and(|b| b != self.body[..10_000]) {
                            break;
                        }
                    }
                }
            }
            Kind::Streams => {}
        }
        // In order, with a reset, or just gone.
        match dice.below(3) {
            0 => raw.reset(),
            1 => _ = raw.finish(),
            _ => {}
        }
    }

    /// What comes is whole and right, is cut so that it shows, or says that the site's server fails; whether the
    /// connection goes on.
    fn whole_or_failed(&self, raw: &mut Raw, size: usize) -> bool {
        match raw.try_response() {
            Ok(response) if response.status() == 200 => {
                assert!(response.body == self.body[..size], "{} of {size} bytes", response.body.len());
                !response.says_close()
            }
            Ok(response) => {
                assert!(response.status() >= 500, "{response:?}");
                !response.says_close()
            }
            Err(_) => false,
        }
    }

    fn streams(&self, host: &str, dice: &mut Dice) {
        let mut h2 = H2::over(Raw::tls(self.edge.tls_address(), host, &["h2"]));
        // Without a table for the heads of streams that are not read.
        h2.open(&[(HEADER_TABLE_SIZE, 0), (INITIAL_WINDOW_SIZE, LARGEST_WINDOW)]);
        h2.send(WINDOW_UPDATE, 0, 0, (LARGEST_WINDOW - 65_535).to_be_bytes());
        for round in 0..dice.below(10) as u32 {
            let [whole, cut, upload] = [1, 3, 5].map(|stream| 6 * round + stream);
            h2.get(whole, host, "/100000");
            h2.get(cut, host, &format!("/{MOST}"));
            h2.request(upload, "POST", host, "/", &[("content-length", "50000")], false);
            h2.data(upload, &self.body[..dice.below(16_000) as usize], false);
            match h2.outcome(whole) {
                Outcome::Answered(response) => {
                    let fits = response.status() >= 500 || response.body == self.body[..100_000];
                    assert!(fits, "{response:?}");
                }
                Outcome::Reset(..) => {}
                Outcome::Gone(_) => return,
            }
            if dice.below(4) == 0 {
                // With all of them open.
                return;
            }
            for stream in [cut, upload] {
                let reset = crate::support::h2::frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
                if h2.try_send(reset).is_err() {
                    return;
                }
            }
        }
    }

    /// Waits until nothing is under way, and counts what is held nevertheless.
    fn when_quiet(&self) -> Quiet {
        wait::until("quiet", || {
            let held = self.held();
            // The scrape itself is none of them.
            let under_way = held.iter().any(|(name, count)| *name != "parvis_buffers_in_use" && *count > 0.0);
            (!under_way).then_some(())
        });
        // Of the connection that was scraped by, too.
        wait::until("the same descriptors twice", || {
            let descriptors = self.edge.descriptors();
            wait::pause(Duration::from_millis(50));
            (descriptors == self.edge.descriptors()).then_some(())
        });
        Quiet { descriptors: self.edge.descriptors(), held: self.held() }
    }

    fn held(&self) -> BTreeMap<&'static str, f64> {
        let mut raw = Raw::clear(self.edge.listener("127.0.0.1", "metrics"));
        let page = raw.send("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").response();
        let of = |name: &&'static str| {
            let series = page
                .text()
                .lines()
                .filter(|line| line.strip_prefix(*name).is_some_and(|rest| rest.starts_with(['{', ' '])));
            let values: Vec<f64> = series.filter_map(|line| line.rsplit_once(' ')?.1.parse().ok()).collect();
            assert!(!values.is_empty(), "no {name}");
            (*name, values.iter().sum())
        };
        let mut held: BTreeMap<_, _> = GAUGES.iter().map(of).collect();
        let status = self.edge.command(&["status", "alice", "--json"]).stdout;
        let status: serde_json::Value = serde_json::from_slice(&status).expect("JSON");
        for name in ["in_flight", "queued", "tunnels"] {
            held.insert(name, status[name].as_f64().expect("a number"));
        }
        for (n, upstream) in status["upstreams"].as_array().expect("a list").iter().enumerate() {
            for name in LEASES[n] {
                let key = name.split_once(' ').map_or(*name, |(_, key)| key);
                held.insert(name, upstream[key].as_f64().expect("a number"));
            }
        }
        held
    }
}

/// Asks, and reads the head of the answer; whether a body follows it that one can read.
fn begun(raw: &mut Raw, request: &str) -> bool {
    raw.try_send(request).is_ok()
        && raw.read_until(b"\r\n\r\n").is_ok_and(|head| head.starts_with(b"HTTP/1.1 200"))
}

/// A small generator, so that each visitor does the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        // xorshift64.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

const GAUGES: &[&str] = &[
    "parvis_requests_in_flight",
    "parvis_tunnels_open",
    "parvis_connections_open",
    "parvis_upstream_connections_open",
    "parvis_buffers_in_use",
    "parvis_pipes_in_use",
];

const LEASES: [&[&str]; 2] = [
    &["first connections_open", "first connections_in_use", "first waiting"],
    &["second connections_open", "second connections_in_use", "second waiting"],
];

/// The largest body: more than all buffers on its way hold.
const MOST: usize = 10_000_000;

/// How long it takes when nobody says.
const SECONDS: u64 = 12;

/// When pools are filled and the allocator has what it needs.
const SETTLED: Duration = Duration::from_secs(120);

const MINUTE: Duration = Duration::from_secs(60);

/// Ends of pipes that two workers keep for the next transfer.
const MOST_PIPES: usize = 2 * 2 * 32;
