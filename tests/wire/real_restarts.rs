//! A plain Node server is restarted over and over under load, and not a request fails: beside the old instance and in
//! its place. A hundred times as a rule; `PARVIS_RESTARTS` says how often.

use crate::real_hosted::{files, hosted, nothing_went_wrong};
use crate::support::program::{self, own_address};
use crate::support::{Edge, Raw, wait};
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn node_is_replaced_by_one_beside_it() {
    replaced("auto");
}

#[test]
fn node_is_replaced_in_its_place() {
    replaced(&own_address().to_string());
}

#[track_caller]
fn replaced(address: &str) {
    let Some(node) = program::find("node") else { return };
    let files = files().file("home/app.js", include_str!("real/plain.js"));
    let upstream = format!("address = \"{address}\"\ncommand = [\"{}\", \"app.js\"]", node.display());
    let (_launcher, edge) = hosted(files, &upstream);
    let (seen, done) = (Mutex::new(Seen::default()), AtomicBool::new(false));
    let ((), took) = wait::timed(|| {
        std::thread::scope(|scope| {
            for number in 0..VISITORS {
                let (edge, seen, done) = (&edge, &seen, &done);
                scope.spawn(move || visit(edge, number, seen, done));
            }
            let served_by = |count| {
                let instances = || seen.lock().expect("no visitor panics").instances.len();
                wait::try_until(wait::PATIENCE, || (instances() == count).then_some(())).is_some()
            };
            let restart = || edge.command(&["restart", "alice/web"]).status.success();
            let all = served_by(1) && (2..=restarts() + 1).all(|count| restart() && served_by(count));
            // Before anything fails: the visitors would go on for ever.
            done.store(true, Ordering::Relaxed);
            assert!(
                all,
                "nobody was served by a new instance: {:?}",
                seen.lock().expect("no visitor panics")
            );
        });
    });
    let Seen { answered, failures, slowest, instances } = seen.into_inner().expect("no visitor panics");
    println!(
        "{address}: {} restarts in {took:?}; {answered} answered, {} failed, slowest {slowest:?}",
        restarts(),
        failures.len()
    );
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(instances.len(), restarts() + 1);
    nothing_went_wrong(&edge);
}

/// What the visitors have seen.
#[derive(Debug, Default)]
struct Seen {
    answered: usize,
    failures: Vec<String>,
    slowest: Duration,
    instances: HashSet<String>,
}

/// Asks for as long as it goes on: on one connection or each time on a new one, at once or slowly, for what could be
/// asked for again and for what could not.
fn visit(edge: &Edge, number: usize, seen: &Mutex<Seen>, done: &AtomicBool) {
    let mut raw = edge.connect();
    for turn in number.. {
        if done.load(Ordering::Relaxed) {
            return;
        }
        if number.is_multiple_of(2) {
            raw = edge.connect();
        }
        let path = if turn.is_multiple_of(3) { "/slow" } else { "/" };
        let (start, body) = if turn.is_multiple_of(4) { ("GET", "") } else { ("POST", "hello") };
        let request = format!(
            "{start} {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (answer, took) = wait::timed(|| ask(&mut raw, &request));
        let mut seen = seen.lock().expect("no visitor panics");
        seen.slowest = seen.slowest.max(took);
        match answer {
            Ok(instance) => {
                seen.answered += 1;
                seen.instances.insert(instance);
            }
            Err(failure) => {
                seen.failures.push(failure);
                drop(seen);
                raw = edge.connect();
            }
        }
    }
}

/// The instance that answers, or what came instead.
fn ask(raw: &mut Raw, request: &str) -> Result<String, String> {
    raw.forget();
    raw.try_send(request).map_err(|error| error.to_string())?;
    let answer = raw.try_response().map_err(|cut| format!("{cut:?}"))?;
    if answer.status() == 200 { Ok(answer.text().to_owned()) } else { Err(format!("{answer:?}")) }
}

fn restarts() -> usize {
    let told = std::env::var("PARVIS_RESTARTS").ok().and_then(|text| text.parse().ok());
    told.unwrap_or(100)
}

const VISITORS: usize = 6;
