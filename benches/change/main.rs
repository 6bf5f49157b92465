//! What a change costs: from the writing of a document to the first request that its new route answers, and what
//! hundreds of changes a second do to the traffic of others. Runs the real binary; measures nothing inside it.
//!
//! `cargo bench --bench change`, or with `-- HOSTS CHANGES SECONDS` instead of 100,000 hosts, 500 changes of one
//! document and 10 seconds a phase.

mod edge;
mod figures;
mod pace;

use edge::{Edge, Visitor};
use figures::Figures;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let number = |place: usize, default| numbers.get(place).copied().unwrap_or(default);
    let (hosts, changes, seconds) = (number(0, 100_000), number(1, 500), number(2, 10));
    for hosts in [1, hosts] {
        let edge = Edge::start(hosts);
        println!("hosts: {hosts}");
        println!("  write to route      {}", write_to_route(&edge, changes));
        traffic_beside_changes(&edge, Duration::from_secs(seconds as u64));
    }
}

/// The times from before a document is renamed into place until its new host is answered.
fn write_to_route(edge: &Edge, changes: usize) -> Figures {
    let mut visitor = edge.visitor();
    let times = (0..changes).map(|n| {
        let host = format!("new{n}.test");
        let document = edge.prepare("bench", &host);
        let begun = Instant::now();
        edge.put_in_place("bench", document);
        while visitor.status(&host) != 200 {
            assert!(begun.elapsed() < PATIENCE, "{host} is not served");
            // Another machine would ask from another processor.
            thread::yield_now();
        }
        begun.elapsed()
    });
    Figures::of(times.collect())
}

/// The times of requests for a host that nobody changes, in turns without changes and with 500 a second.
fn traffic_beside_changes(edge: &Edge, phase: Duration) {
    let (mut quiet, mut busy, mut applied) = (Vec::new(), Vec::new(), 0);
    for turn in 0..TURNS {
        quiet.extend(traffic(edge, phase / TURNS));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let changes = scope.spawn(|| change(edge, turn, &done));
            busy.extend(traffic(edge, phase / TURNS));
            done.store(true, Ordering::Relaxed);
            applied += changes.join().expect("the changes");
        });
    }
    let (quiet, busy) = (Figures::of(quiet), Figures::of(busy));
    println!("  traffic alone       {quiet}");
    println!("  beside changes      {busy}, {} changes a second", applied / phase.as_secs().max(1));
    let more = busy.p99.saturating_sub(quiet.p99);
    let holds = busy.p99 <= quiet.p99.mul_f64(1.2) || more <= Duration::from_millis(1);
    println!("  p99 within 1.2 times or 1 ms: {}", if holds { "yes" } else { "no" });
}

/// Requests at a fixed pace over some connections, each timed from when it was due: who waits counts the wait.
fn traffic(edge: &Edge, phase: Duration) -> Vec<Duration> {
    let visit = |visitor: &mut Visitor| {
        let begun = Instant::now();
        let mut times = Vec::new();
        for n in 1.. {
            let due = begun + PACE * n;
            if due > begun + phase {
                break;
            }
            pace::until(due);
            assert_eq!(visitor.status(edge::STEADY), 200);
            times.push(due.elapsed());
        }
        times
    };
    thread::scope(|scope| {
        let visitors: Vec<_> = (0..VISITORS).map(|_| scope.spawn(|| visit(&mut edge.visitor()))).collect();
        visitors.into_iter().flat_map(|visitor| visitor.join().expect("a visitor")).collect()
    })
}

/// Changes documents at 500 a second until `done`, and waits until the last one is served. Returns how many.
fn change(edge: &Edge, turn: u32, done: &AtomicBool) -> u64 {
    let begun = Instant::now();
    let mut count = 0;
    let mut last = String::new();
    while !done.load(Ordering::Relaxed) {
        pace::until(begun + CHANGE_PACE * count);
        let name = format!("c{}", count % CHANGED);
        last = format!("{name}-{turn}-{count}.test");
        edge.put_in_place(&name, edge.prepare(&name, &last));
        count += 1;
    }
    let (mut visitor, begun) = (edge.visitor(), Instant::now());
    while visitor.status(&last) != 200 {
        assert!(begun.elapsed() < PATIENCE, "{last} is not served");
        pace::until(Instant::now() + Duration::from_millis(1));
    }
    u64::from(count)
}

/// How often the two kinds of traffic take turns: what else the machine does falls on both.
const TURNS: u32 = 5;

/// Connections of the traffic.
const VISITORS: usize = 4;

/// Between two requests of a connection: 1,000 a second over all, far below what a worker can do, so that a p99 is
/// about delays and not about queues.
const PACE: Duration = Duration::from_millis(4);

/// 500 changes a second.
const CHANGE_PACE: Duration = Duration::from_millis(2);

/// Documents that take turns in being changed.
const CHANGED: u32 = 250;

/// The longest a change may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(60);
