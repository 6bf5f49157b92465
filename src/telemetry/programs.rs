//! The figures of the accounts' programs, over all accounts: how many there are by state, and how starts went.

use super::family::{
    PROGRAM_CPU, PROGRAM_MEMORY, PROGRAM_MEMORY_KILLS, PROGRAM_STARTS, PROGRAM_WAIT, PROGRAMS,
};
use prometheus::core::Collector;
use prometheus::{Counter, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use std::time::Duration;

/// What the programs came to. Counted by the one thread that leads their lives.
pub struct ProgramFigures {
    states: IntGaugeVec,
    starts: IntCounterVec,
    wait: Histogram,
    memory_kills: IntCounter,
    memory: IntGauge,
    cpu: Counter,
}

/// How a start went, or how what had started ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartResult {
    /// It serves.
    Ready,
    /// It ended, or was not started at all.
    Failed,
    /// It was not ready in time.
    Late,
    /// It had served, and ended by itself.
    Crashed,
    /// It had served, and was restarted because it answered nobody.
    Hung,
}

impl ProgramFigures {
    pub(super) fn new() -> prometheus::Result<Self> {
        let figures = Self {
            states: IntGaugeVec::new(PROGRAMS.opts(), PROGRAMS.labels)?,
            starts: IntCounterVec::new(PROGRAM_STARTS.opts(), PROGRAM_STARTS.labels)?,
            wait: Histogram::with_opts(PROGRAM_WAIT.histogram_opts(&WAIT_BOUNDS))?,
            memory_kills: IntCounter::with_opts(PROGRAM_MEMORY_KILLS.opts())?,
            memory: IntGauge::with_opts(PROGRAM_MEMORY.opts())?,
            cpu: Counter::with_opts(PROGRAM_CPU.opts())?,
        };
        // A rate needs a first value to grow from, and nobody wonders where a state is.
        for state in STATES {
            figures.states.with_label_values(&[state]);
        }
        for result in RESULTS {
            figures.starts.with_label_values(&[result.label()]);
        }
        Ok(figures)
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 6] {
        [
            Box::new(self.states.clone()),
            Box::new(self.starts.clone()),
            Box::new(self.wait.clone()),
            Box::new(self.memory_kills.clone()),
            Box::new(self.memory.clone()),
            Box::new(self.cpu.clone()),
        ]
    }

    /// So many processes were killed for want of memory.
    pub fn killed(&self, count: u64) {
        self.memory_kills.inc_by(count);
    }

    /// What all programs use now, and have used.
    pub fn used(&self, memory: Option<u64>, cpu: Option<Duration>) {
        if let Some(memory) = memory {
            self.memory.set(i64::try_from(memory).unwrap_or(i64::MAX));
        }
        if let Some(cpu) = cpu {
            self.cpu.inc_by((cpu.as_secs_f64() - self.cpu.get()).max(0.0));
        }
    }

    /// A program went from one state to another; `None`: it was not there, or is no more.
    pub fn moved(&self, from: Option<&'static str>, to: Option<&'static str>) {
        if from == to {
            return;
        }
        if let Some(from) = from {
            self.states.with_label_values(&[from]).dec();
        }
        if let Some(to) = to {
            self.states.with_label_values(&[to]).inc();
        }
    }

    /// A start went this way, after so long.
    pub fn started(&self, result: StartResult, took: Duration) {
        self.starts.with_label_values(&[result.label()]).inc();
        if result == StartResult::Ready {
            self.wait.observe(took.as_secs_f64());
        }
    }
}

impl StartResult {
    fn label(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Crashed => "crashed",
            Self::Hung => "hung",
        }
    }
}

const RESULTS: [StartResult; 5] =
    [StartResult::Ready, StartResult::Failed, StartResult::Late, StartResult::Crashed, StartResult::Hung];

/// The states a program may be in, as whoever leads its life names them.
pub(super) const STATES: [&str; 6] = ["stopped", "starting", "ready", "restarting", "stopping", "failed"];

/// A small server is ready within some milliseconds, a large application after some ten seconds.
const WAIT_BOUNDS: [Duration; 10] = [
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
];
