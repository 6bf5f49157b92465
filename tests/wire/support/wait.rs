//! Waiting for a condition, with a bound: the one file of the tests that knows time.

use std::time::{Duration, Instant};

/// How long anything may take before its test fails: far more than a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until there is an answer. Fails the test, saying `what` was waited for, when patience ends.
#[track_caller]
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    try_until(PATIENCE, ask).unwrap_or_else(|| panic!("waited {PATIENCE:?} for {what}"))
}

/// Asks until there is an answer or `bound` has passed.
pub fn try_until<T>(bound: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Spreads work over a time. Not for waiting until something has happened.
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Runs `act` and returns what it gave and how long it took.
pub fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = act();
    (result, start.elapsed())
}

/// The least, the median and the most of some times, as a figure of a note.
pub fn spread(mut all: Vec<Duration>) -> String {
    all.sort_unstable();
    let [first, middle, last] = [0, all.len() / 2, all.len() - 1].map(|place| all[place]);
    format!("{first:.1?} – {middle:.1?} – {last:.1?}")
}

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(2);
