//! The process as the kernel counts it: `/proc/self`, read at a scrape. What cannot be read is left out.

use super::family::{
    Family, PROCESS_CPU, PROCESS_MAX_FDS, PROCESS_OPEN_FDS, PROCESS_RESIDENT, PROCESS_START, PROCESS_THREADS,
    PROCESS_VIRTUAL,
};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use std::fs;

/// Reads the process's own figures. Cost of a scrape: a small file and a directory.
#[derive(Debug)]
pub(super) struct ProcessCollector {
    descs: Vec<Desc>,
    started: Option<f64>,
}

impl ProcessCollector {
    pub(super) fn new() -> prometheus::Result<Self> {
        let descs = COLLECTED.iter().map(Family::desc).collect::<prometheus::Result<_>>()?;
        let started = Stat::read().and_then(|stat| Some(boot_time()? + stat.started));
        Ok(Self { descs, started })
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let stat = Stat::read();
        let figures = [
            (PROCESS_CPU, stat.as_ref().map(|stat| stat.cpu)),
            (PROCESS_THREADS, stat.as_ref().map(|stat| stat.threads)),
            (PROCESS_VIRTUAL, stat.as_ref().map(|stat| stat.virtual_bytes)),
            (PROCESS_RESIDENT, stat.as_ref().map(|stat| stat.resident_bytes)),
            (PROCESS_OPEN_FDS, open_descriptors()),
            (PROCESS_MAX_FDS, most_descriptors()),
            (PROCESS_START, self.started),
        ];
        figures.iter().filter_map(|(family, value)| value.map(|value| family.with_one(value))).collect()
    }
}

/// What the process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Usage {
    /// Seconds of CPU time, over all threads.
    pub cpu_seconds: f64,
    /// Bytes of memory (resident).
    pub memory_bytes: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// How many it may have.
    pub most_descriptors: u64,
}

impl Usage {
    /// What this process uses now; nothing where `/proc` cannot be read.
    pub fn now() -> Self {
        let stat = Stat::read();
        let whole = |number: Option<f64>| number.unwrap_or_default() as u64;
        Self {
            cpu_seconds: stat.as_ref().map_or(0.0, |stat| stat.cpu),
            memory_bytes: whole(stat.map(|stat| stat.resident_bytes)),
            descriptors: whole(open_descriptors()),
            most_descriptors: whole(most_descriptors()),
        }
    }
}

/// What `/proc/self/stat` tells (proc_pid_stat(5)), in seconds and bytes.
struct Stat {
    cpu: f64,
    threads: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
    /// After the machine's boot.
    started: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The second field, the program's name in parentheses, may hold anything: what follows begins at 3.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        Some(Self {
            cpu: (field(14)? + field(15)?) / ticks,
            threads: field(20)?,
            started: field(22)? / ticks,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * rustix::param::page_size() as f64,
        })
    }
}

/// Processor time of a thread of this process in seconds. Cost: a small file.
pub(super) fn thread_cpu(thread: u32) -> Option<f64> {
    let read = |file| fs::read_to_string(format!("/proc/self/task/{thread}/{file}")).ok();
    // To the nanosecond where the kernel counts that, else in ticks.
    match read("schedstat").as_deref().and_then(time_on_processor) {
        Some(seconds) => Some(seconds),
        None => Stat::parse(&read("stat")?).map(|stat| stat.cpu),
    }
}

/// The first number of `schedstat`: nanoseconds.
fn time_on_processor(text: &str) -> Option<f64> {
    text.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|nanos| nanos as f64 / 1e9)
}

fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn open_descriptors() -> Option<f64> {
    // Linux 6.2 and later tell the number as the directory's size; before that it has to be listed, and one of
    // the entries is that of the listing itself.
    match fs::metadata(DESCRIPTORS).ok()?.len() {
        0 => Some(fs::read_dir(DESCRIPTORS).ok()?.count().saturating_sub(1) as f64),
        open => Some(open as f64),
    }
}

fn most_descriptors() -> Option<f64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.map(|most| most as f64)
}

const DESCRIPTORS: &str = "/proc/self/fd";

const COLLECTED: [Family; 7] = [
    PROCESS_CPU,
    PROCESS_THREADS,
    PROCESS_VIRTUAL,
    PROCESS_RESIDENT,
    PROCESS_OPEN_FDS,
    PROCESS_MAX_FDS,
    PROCESS_START,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_does_not_shift_the_fields() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 100 50 0 0 20 0 9 0 200 4096 3 0";
        let stat = Stat::parse(&format!("42 (par) vis (x) {rest}")).unwrap();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let seconds = [stat.cpu, stat.started].map(|seconds| (seconds * ticks).round() as u64);
        assert_eq!((seconds, stat.threads as u64, stat.virtual_bytes as u64), ([150, 200], 9, 4096));
        assert_eq!(stat.resident_bytes as usize, 3 * rustix::param::page_size());
        assert!(Stat::parse("42 (parvis) S 1 2").is_none());
    }

    #[test]
    fn a_thread_has_a_time_of_its_own() {
        let this = nix::unistd::gettid().as_raw().cast_unsigned();
        let before = thread_cpu(this).unwrap();
        // Ticks are what the kernel counts at the least.
        while thread_cpu(this).unwrap() <= before {}
        assert!(thread_cpu(this).unwrap() <= Stat::read().unwrap().cpu + 1.0);
        assert_eq!(thread_cpu(0), None);
        assert_eq!(time_on_processor("1500000000 7 3\n"), Some(1.5));
        assert_eq!(time_on_processor(""), None);
    }

    #[test]
    fn this_process_has_all_figures() {
        let families = ProcessCollector::new().unwrap().collect();
        assert_eq!(families.len(), COLLECTED.len());
        for family in &families {
            let metric = &family.get_metric()[0];
            let value = metric.get_gauge().get_value().max(metric.get_counter().get_value());
            assert!(value > 0.0 || family.name() == PROCESS_CPU.name, "{}", family.name());
        }
    }
}
