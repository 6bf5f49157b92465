//! What the parts of a request cost, each alone: nanoseconds an operation (and operations a second), and the same operations for a tool that
//! counts instructions. Judges nothing; the operations stand in the files beside this one.
//!
//! `cargo bench --bench parts` prints a table; `-- WORD` only the parts that have the word in their names.
//! The binary itself, with `--count PART N`, runs a part N times in [`counted`], where `benches/instructions` counts;
//! with `--list` it names the parts that are for this. As a test it runs each of them once.

mod bodies;
mod heads;
mod hosts;
mod telling;

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Something that is measured.
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// Makes everything it needs. Not measured.
    pub prepare: fn() -> Prepared,
}

/// A part that is ready.
pub struct Prepared {
    /// Does it so many times.
    run: Box<dyn FnMut(u64)>,
    /// What has to happen after `most` times, and is not measured.
    settle: Box<dyn FnMut()>,
    /// How many times may be run between two settlings.
    most: u64,
}

impl Prepared {
    /// A part that can be done for ever. What `operation` returns is made for real.
    pub fn new<T>(operation: impl FnMut() -> T + 'static) -> Self {
        Self::settled(operation, u64::MAX, || {})
    }

    /// A part that needs `settle` after `most` times at the latest.
    pub fn settled<T>(
        mut operation: impl FnMut() -> T + 'static,
        most: u64,
        settle: impl FnMut() + 'static,
    ) -> Self {
        let run = move |count| {
            for _ in 0..count {
                black_box(operation());
            }
        };
        Self { run: Box::new(run), settle: Box::new(settle), most }
    }

    /// Nanoseconds an operation, in each of the rounds.
    fn time(&mut self) -> Vec<f64> {
        let mut count = 1;
        // Doubled until a round is long enough for the clock; the caches are warm by then.
        while count < self.most && self.round(count) < ROUND {
            count = (count * 2).min(self.most);
        }
        (0..ROUNDS).map(|_| self.round(count).as_secs_f64() * 1e9 / count as f64).collect()
    }

    fn round(&mut self, count: u64) -> Duration {
        let begun = Instant::now();
        (self.run)(count);
        let took = begun.elapsed();
        (self.settle)();
        took
    }
}

/// Runs a part between a beginning and an end that an instruction counter sees: a function of its own.
#[inline(never)]
fn counted(part: &mut Prepared, count: u64) {
    (part.run)(count);
}

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--count", name, count] = words[..] {
        return count_part(name, count.parse().expect("a number"));
    }
    // `cargo bench` says that it is a bench; `cargo test --all-targets` does not.
    let measures = words.contains(&"--bench");
    arguments.retain(|argument| argument != "--bench");
    match arguments.first() {
        Some(word) if word == "--list" => small_parts().for_each(|part| println!("{}", part.name)),
        _ if measures => table(&arguments),
        _ => small_parts().for_each(|part| _ = (part.prepare)().round(1)),
    }
}

/// Times the parts whose names have all of the words.
fn table(words: &[String]) {
    println!(
        "| part | ns an operation: least – median – most of {ROUNDS} rounds | a second |\n|---|---|---|"
    );
    for part in parts().filter(|part| words.iter().all(|word| part.name.contains(word))) {
        let mut times = (part.prepare)().time();
        times.sort_unstable_by(f64::total_cmp);
        let (least, median, most) = (times[0], times[ROUNDS / 2], times[ROUNDS - 1]);
        println!("| {} | {least:.1} – {median:.1} – {most:.1} | {:.0} |", part.name, 1e9 / median);
    }
}

/// Runs one part `count` times under the eyes of an instruction counter.
fn count_part(name: &str, count: u64) {
    let part = parts().find(|part| part.name == name).expect("a part of --list");
    let mut part = (part.prepare)();
    assert!(count <= part.most, "at most {} times", part.most);
    // The first time fills pools and caches that the others find.
    part.round(1);
    counted(&mut part, count);
    (part.settle)();
}

/// Every part, in the order a request meets them.
fn parts() -> impl Iterator<Item = Part> {
    let parts = [heads::parts(), hosts::parts(), bodies::parts(), telling::parts()];
    parts.into_iter().flatten()
}

/// Those that are ready in seconds also on a simulated processor, and whose work is their own thread's. What is left out has
/// the instructions of a smaller part; what differs is time.
fn small_parts() -> impl Iterator<Item = Part> {
    parts().filter(|part| !part.name.contains("1,000,000") && !part.name.contains("through the log writer"))
}

/// Rounds of a measurement.
const ROUNDS: usize = 15;

/// The least time of a round: thousands of times what reading the clock takes, short enough that most rounds are not
/// disturbed by what else the machine does.
const ROUND: Duration = Duration::from_millis(20);
