//! Finished days are compressed and old ones deleted, by a thread of its own that the machine prefers everybody else to. It
//! finds files by the templates alone: what none of them can have made is never touched. Reads no clock but to wait.

use super::directory::{LogDirectory, is_regular};
use super::gzip::{COMPRESSED, TEMPORARY, compress, is_own};
use super::pattern::{Pattern, Reading};
use super::template::{PathTemplate, TemplateError, Templates};
use crate::base;
use crate::config::{Legal, LogOutput, Logs, Retention};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What an account says of its logs' retention; `None`: nothing, or there is no such account.
pub type RetentionSource = Box<dyn Fn(&str) -> Option<Retention> + Send>;

/// What the thread and its owner share.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) stop: AtomicBool,
    /// Places have changed since they were gone through.
    changed: AtomicBool,
    places: Mutex<Vec<Place>>,
    accounts: Mutex<Option<RetentionSource>>,
}

/// Logs below one directory that are treated alike.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    directory: PathBuf,
    patterns: Vec<Pattern>,
    zone: TimeZone,
    gzip: bool,
    /// How long, where no account says otherwise.
    retention: Retention,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) compressed: u64,
    pub(super) deleted: u64,
    pub(super) failed: u64,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("places", &self.places).finish()
    }
}

impl Kept {
    pub(super) fn new(places: Vec<Place>) -> Self {
        Self { places: Mutex::new(places), ..Self::default() }
    }

    /// What is to be gone through from now on; where that is something else, soon.
    pub(super) fn set_places(&self, places: Vec<Place>) {
        let mut known = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != places {
            *known = places;
            self.changed.store(true, Release);
        }
    }

    pub(super) fn set_accounts(&self, source: RetentionSource) {
        *self.accounts.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    /// Goes once through everything, as at wall time `now`.
    pub(super) fn pass(&self, now: Duration) -> Done {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut done = Done::default();
        for place in &places {
            for pattern in &place.patterns {
                Walk { kept: self, place, pattern, now, done: &mut done }.through();
            }
        }
        done
    }

    /// How long the files of an account are kept, if it says so.
    fn retention(&self, account: &str) -> Option<Retention> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?(account)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Acquire)
    }
}

impl Place {
    /// The accounts' logs; `None` where none are files.
    pub(super) fn of_accounts(logs: &Logs, zone: &TimeZone) -> Result<Option<Self>, TemplateError> {
        let templates = Templates::parse(logs)?;
        let directory = logs.directory.clone().filter(|_| logs.output() == LogOutput::Files);
        Ok(directory.map(|directory| Self {
            directory,
            patterns: templates.each().into_iter().map(Pattern::new).collect(),
            zone: zone.clone(),
            gzip: logs.gzip,
            retention: logs.retention,
        }))
    }

    /// The log of connections.
    pub(super) fn of_connections(legal: &Legal) -> Self {
        Self {
            directory: legal.directory.clone(),
            patterns: vec![Pattern::new(&PathTemplate::of_connections())],
            zone: TimeZone::UTC,
            gzip: true,
            retention: legal.retention,
        }
    }
}

/// The thread: soon after the start, then after each midnight, and when settings change. Ends when it is told to stop.
pub(super) fn run(kept: Arc<Kept>) {
    // Of this thread alone (Linux: setpriority(2)); where it is not had, everybody is equal.
    let _ = rustix::process::setpriority_process(None, LEAST_PRIORITY);
    let mut schedule = Schedule::new(base::wall(), base::now(), TimeZone::system());
    while !kept.is_stopped() {
        thread::park_timeout(LOOK_EVERY);
        if schedule.is_due(base::wall(), base::now(), kept.changed.load(Acquire)) {
            kept.changed.store(false, Release);
            let done = kept.pass(base::wall());
            if done != Done::default() {
                let Done { compressed, deleted, failed } = done;
                tracing::info!(compressed, deleted, failed, "old logs were put away");
            }
        }
    }
}

/// When to go through the logs.
struct Schedule {
    begun: Instant,
    /// What time it was when it began, by the clock as it goes now.
    begun_at: Duration,
    /// Since somebody set the clock it is not believed before this.
    believed: Instant,
    zone: TimeZone,
    /// The days, here and in UTC, that were over the last time.
    last: Option<[Date; 2]>,
}

impl Schedule {
    fn new(wall: Duration, now: Instant, zone: TimeZone) -> Self {
        Self { begun: now, begun_at: wall, believed: now, zone, last: None }
    }

    /// Whether it is time. A clock that somebody sets far ahead would have everything deleted, and is often set back soon: it
    /// is believed after a while.
    fn is_due(&mut self, wall: Duration, now: Instant, is_changed: bool) -> bool {
        let passed = now.saturating_duration_since(self.begun);
        let begun_at = wall.saturating_sub(passed);
        if begun_at.abs_diff(self.begun_at) > STEP {
            self.begun_at = begun_at;
            self.believed = now + BELIEVED_AFTER;
            tracing::warn!("the clock was set: old logs are left alone for an hour");
        }
        if now < self.believed {
            return false;
        }
        let settled = wall.saturating_sub(GRACE + SETTLED);
        let days = [day_of(settled, &self.zone), day_of(settled, &TimeZone::UTC)];
        let is_due = is_changed || self.last.map_or(passed >= FIRST_AFTER, |last| last != days);
        if is_due {
            self.last = Some(days);
        }
        is_due
    }
}

/// One way through a place, by one template.
struct Walk<'a> {
    kept: &'a Kept,
    place: &'a Place,
    pattern: &'a Pattern,
    now: Duration,
    done: &'a mut Done,
}

impl Walk<'_> {
    fn through(&mut self) {
        match LogDirectory::open(&self.place.directory) {
            Ok(top) => self.below(&top, "", 0),
            // Whoever writes there tells of it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.fail("", &error),
        }
    }

    /// Goes through one directory, `depth` below the top.
    fn below(&mut self, top: &LogDirectory, path: &str, depth: usize) {
        let names = top.enter(path).and_then(|directory| Ok((directory.names()?, directory)));
        let (names, directory) = match names {
            Ok(entered) => entered,
            // A link or a file of somebody's, where the template has a directory.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory || is_loop(&error) => return,
            Err(error) => return self.fail(path, &error),
        };
        for name in names {
            if self.kept.is_stopped() {
                return;
            }
            let inside = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            if depth < self.pattern.depth() {
                if self.pattern.leads_through(depth, &name) {
                    self.below(top, &inside, depth + 1);
                }
            } else if let Err(error) = self.file(&directory, &name, &inside) {
                self.fail(&inside, &error);
            }
        }
    }

    fn file(&mut self, directory: &LogDirectory, name: &str, path: &str) -> io::Result<()> {
        if let Some(log) = path.strip_suffix(TEMPORARY) {
            if !self.pattern.readings(log).is_empty() && self.is_left_behind(directory, name)? {
                directory.remove(name)?;
            }
            return Ok(());
        }
        let (log, is_compressed) = path.strip_suffix(COMPRESSED).map_or((path, false), |log| (log, true));
        let readings = self.pattern.readings(log);
        let Some(last) = readings.iter().map(|reading| reading.last).max() else { return Ok(()) };
        if self.is_expired(&readings, last) {
            if is_regular(&directory.status(name)?) {
                directory.remove(name)?;
                self.done.deleted += 1;
            }
        } else if self.place.gzip && !is_compressed && self.is_finished(directory, name, last)? {
            let kept = self.kept;
            self.done.compressed += u64::from(compress(directory, name, &|| kept.is_stopped())?);
        }
        Ok(())
    }

    /// Whether nobody keeps it any longer. Where its path could be several accounts', the longest holds.
    fn is_expired(&self, readings: &[Reading], last: Date) -> bool {
        let of_reading = |reading: &Reading| {
            let account = reading.account.as_deref().and_then(|account| self.kept.retention(account));
            account.unwrap_or(self.place.retention)
        };
        let mut retention = Some(Duration::ZERO);
        for reading in readings {
            retention = retention.zip(of_reading(reading).0).map(|(one, other)| one.max(other));
        }
        retention
            .zip(self.end_of(last))
            .is_some_and(|(retention, end)| self.now >= end.saturating_add(retention))
    }

    /// Whether its day is over, and nobody has written it since.
    fn is_finished(&self, directory: &LogDirectory, name: &str, last: Date) -> io::Result<bool> {
        if self.end_of(last).is_none_or(|end| self.now < end + GRACE) {
            return Ok(false);
        }
        let status = directory.status(name)?;
        Ok(is_own(&status) && self.is_settled(status.st_mtime))
    }

    /// Whether it is what somebody was stopped at, and not what another node, on its way out, is at.
    fn is_left_behind(&self, directory: &LogDirectory, name: &str) -> io::Result<bool> {
        let status = directory.status(name)?;
        Ok(is_own(&status) && self.is_settled(status.st_mtime))
    }

    fn is_settled(&self, modified: i64) -> bool {
        let modified = Duration::from_secs(u64::try_from(modified).unwrap_or_default());
        self.now >= modified.saturating_add(SETTLED)
    }

    /// When a day ends, as wall time; `None`: beyond what a calendar has.
    fn end_of(&self, day: Date) -> Option<Duration> {
        let end = day.tomorrow().ok()?.to_zoned(self.place.zone.clone()).ok()?.timestamp();
        Some(Duration::from_secs(u64::try_from(end.as_second()).unwrap_or_default()))
    }

    /// Tells of the first few; the rest are counted.
    fn fail(&mut self, path: &str, error: &io::Error) {
        self.done.failed += 1;
        if self.done.failed <= MOST_TOLD {
            let directory = self.place.directory.display();
            tracing::warn!(%directory, path, %error, "an old log cannot be put away");
        }
    }
}

fn is_loop(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::LOOP)
}

fn day_of(wall: Duration, zone: &TimeZone) -> Date {
    let at = Timestamp::from_second(super::seconds(wall)).unwrap_or_default();
    zone.to_datetime(at).date()
}

/// After its last midnight a log may still get lines this long: of a disk that hung, of a clock that was set back.
const GRACE: Duration = Duration::from_hours(1);

/// Nobody has a file open that was not written for so long: the writer closes what rests within seconds.
const SETTLED: Duration = Duration::from_mins(10);

/// After a start there is more to do than old logs.
const FIRST_AFTER: Duration = Duration::from_mins(5);

/// What no clock is corrected by bit by bit: somebody set it, or the machine slept.
const STEP: Duration = Duration::from_mins(10);

/// Who has set a clock wrong sees it within this.
const BELIEVED_AFTER: Duration = Duration::from_hours(1);

/// How often the clock is looked at, which somebody may set.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// Nice value: whatever else the machine has to do comes first.
const LEAST_PRIORITY: i32 = 19;

/// Failures told one by one each time: as a rule they have one reason.
const MOST_TOLD: u64 = 8;

#[cfg(test)]
mod tests;
