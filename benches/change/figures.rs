//! What many durations come to: median, p99 and the longest. Measures nothing.

use std::fmt;
use std::time::Duration;

/// Figures of a measurement.
pub struct Figures {
    pub count: usize,
    pub median: Duration,
    pub p99: Duration,
    pub longest: Duration,
}

impl Figures {
    /// The figures of `times`, of which there is at least one.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
        Self { count: times.len(), median: at(0.5), p99: at(0.99), longest: at(1.0) }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let Self { count, median, p99, longest } = self;
        write!(
            f,
            "median {:.2} ms, p99 {:.2} ms, longest {:.2} ms of {count}",
            ms(*median),
            ms(*p99),
            ms(*longest)
        )
    }
}
