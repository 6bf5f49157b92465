//! The thread that empties the rings into files, standard output or the journal.

use super::entry::{Entry, Log};
use super::files::LogFiles;
use super::journal::{self, Journal};
use super::local_time::LocalTime;
use super::pending::{Outcome, Pending};
use super::ring::Consumer;
use super::template::{TemplateError, Templates};
use crate::base;
use crate::config::{Legal, LogOutput, Logs};
use crate::telemetry::LogTally;
use crate::telemetry::cell::{Count, Padded};
use crate::telemetry::repeat::Sparse;
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What the writer thread, its owner and those who write share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// `[logs] access`.
    pub(super) on: AtomicBool,
    /// Whether there is a log of connections.
    pub(super) connections: AtomicBool,
    pub(super) stop: AtomicBool,
    /// Rings and settings the thread has not taken yet.
    pub(super) news: Mutex<News>,
    written: Count,
    lost: Count,
    /// Of every ring that ever was.
    dropped: Mutex<Vec<Arc<Padded<Count>>>>,
}

#[derive(Debug, Default)]
pub(super) struct News {
    rings: Vec<Consumer>,
    sink: Option<Sink>,
}

/// Where lines go.
#[derive(Debug)]
pub(super) struct Sink {
    accounts: Accounts,
    /// The log of connections, where there is one.
    connections: Option<Box<LogFiles>>,
}

/// Where the accounts' lines go.
#[derive(Debug)]
enum Accounts {
    Files(Box<LogFiles>),
    StandardOutput { pending: Pending, told: Sparse },
    Journal(Journal),
}

/// The thread's own state.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    rings: Vec<Consumer>,
    sink: Sink,
    entry: Vec<u8>,
    swept: Instant,
    drops_seen: u64,
    drops_told: u64,
}

impl Shared {
    /// What became of the lines so far. Right even while the thread hangs in a write.
    pub(super) fn tally(&self) -> LogTally {
        let dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = dropped.iter().map(|count| count.value()).sum();
        LogTally { written: self.written.value(), dropped, lost: self.lost.value() }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.load(Relaxed)
    }

    pub(super) fn tells_connections(&self) -> bool {
        self.connections.load(Relaxed)
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Release);
    }

    pub(super) fn add_ring(&self, ring: Consumer) {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).push(ring.dropped());
        self.news.lock().unwrap_or_else(PoisonError::into_inner).rings.push(ring);
    }

    pub(super) fn set_sink(&self, sink: Sink) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).sink = Some(sink);
    }

    fn count(&self, outcome: &Outcome) {
        self.written.add(outcome.written);
        self.lost.add(outcome.lost);
    }
}

impl Sink {
    pub(super) fn new(
        logs: &Logs,
        legal: Option<&Legal>,
        local_time: LocalTime,
    ) -> Result<Self, TemplateError> {
        let templates = Templates::parse(logs)?;
        let connections = legal.map(|legal| {
            let utc = LocalTime::new(TimeZone::UTC);
            Box::new(LogFiles::new(legal.directory.clone(), templates.clone(), utc))
        });
        let files = |directory: &PathBuf| LogFiles::new(directory.clone(), templates.clone(), local_time);
        let accounts = match (logs.output(), &logs.directory) {
            (LogOutput::Files, Some(directory)) => Accounts::Files(Box::new(files(directory))),
            (LogOutput::Journald, _) => Accounts::Journal(Journal::new(journal::SOCKET.into())),
            _ => Accounts::StandardOutput { pending: Pending::default(), told: Sparse::new() },
        };
        Ok(Self { accounts, connections })
    }

    fn take(&mut self, entry: &Entry<'_>, now: Instant) -> Outcome {
        if entry.log == Log::Connections {
            // One that began when there was still a log of connections is told in none.
            let connections = self.connections.as_mut();
            return connections.map(|files| files.take(entry, now)).unwrap_or_default();
        }
        match &mut self.accounts {
            Accounts::Files(files) => files.take(entry, now),
            Accounts::StandardOutput { pending, .. } => {
                // What an account's own format makes may begin like somebody's site log, and then says whose it is.
                let kind = match entry.log {
                    Log::Site => Some(SITE_LINE),
                    _ if [SITE_LINE, ACCESS_LINE]
                        .iter()
                        .any(|kind| entry.line.starts_with(kind.as_bytes())) =>
                    {
                        Some(ACCESS_LINE)
                    }
                    _ => None,
                };
                for part in kind.into_iter().flat_map(|kind| [kind, entry.account, " "]) {
                    pending.push(part.as_bytes());
                }
                pending.push(entry.line);
                if pending.is_large() { self.accounts.flush(now) } else { Outcome::default() }
            }
            Accounts::Journal(journal) => journal.take(entry, now),
        }
    }

    /// Takes over which lines are missing, so that it is still told.
    fn inherit(&mut self, old: Self, now: Instant) {
        if let (Accounts::Files(files), Accounts::Files(old)) = (&mut self.accounts, old.accounts) {
            files.inherit(*old, now);
        }
        if let (Some(files), Some(old)) = (&mut self.connections, old.connections) {
            files.inherit(*old, now);
        }
    }

    fn flush(&mut self, now: Instant) -> Outcome {
        let mut outcome = self.accounts.flush(now);
        outcome.add(self.connections.as_mut().map(|files| files.flush(now)).unwrap_or_default());
        outcome
    }

    fn sweep(&mut self, now: Instant) -> Outcome {
        let mut outcome = match &mut self.accounts {
            Accounts::Files(files) => files.sweep(now),
            Accounts::StandardOutput { .. } | Accounts::Journal(_) => Outcome::default(),
        };
        outcome.add(self.connections.as_mut().map(|files| files.sweep(now)).unwrap_or_default());
        outcome
    }
}

impl Accounts {
    fn flush(&mut self, now: Instant) -> Outcome {
        match self {
            Self::Files(files) => files.flush(now),
            Self::StandardOutput { pending, told } => {
                let outcome = pending.write_to(std::io::stdout());
                if let Some(error) = outcome.error
                    && let Some(untold) = told.tell(now)
                {
                    tracing::warn!(%error, untold, "logs cannot be written to standard output");
                }
                outcome
            }
            Self::Journal(journal) => {
                journal.flush();
                Outcome::default()
            }
        }
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, sink: Sink, now: Instant) -> Self {
        Self { shared, rings: Vec::new(), sink, entry: Vec::new(), swept: now, drops_seen: 0, drops_told: 0 }
    }

    /// Writes until it is told to stop, and then once more.
    pub(super) fn run(mut self) {
        loop {
            let last = self.shared.stop.load(Acquire);
            self.round(base::now());
            if last {
                return;
            }
            thread::park_timeout(POLL_EVERY);
        }
    }

    /// Takes what the rings hold now, and writes it.
    fn round(&mut self, now: Instant) {
        let News { rings, sink } =
            std::mem::take(&mut *self.shared.news.lock().unwrap_or_else(PoisonError::into_inner));
        self.rings.extend(rings);
        if let Some(sink) = sink {
            // Dropping the old one closes its files; everything taken was written at the end of a round.
            let old = std::mem::replace(&mut self.sink, sink);
            self.sink.inherit(old, now);
        }
        for ring in &mut self.rings {
            // What arrives meanwhile waits for the next round: no ring keeps the others waiting.
            let end = ring.written();
            while !ring.has_reached(end) && ring.pop(&mut self.entry) {
                if let Some(entry) = Entry::parse(&self.entry) {
                    self.shared.count(&self.sink.take(&entry, now));
                }
            }
        }
        self.shared.count(&self.sink.flush(now));
        self.rings.retain(|ring| !ring.is_finished());
        if now.saturating_duration_since(self.swept) >= SWEEP_EVERY {
            self.swept = now;
            self.shared.count(&self.sink.sweep(now));
        }
        self.tell_drops();
    }

    /// Names dropped lines once the writer keeps up again.
    fn tell_drops(&mut self) {
        let LogTally { dropped, .. } = self.shared.tally();
        let over = dropped == std::mem::replace(&mut self.drops_seen, dropped);
        if over && dropped > self.drops_told {
            let lines = dropped - std::mem::replace(&mut self.drops_told, dropped);
            tracing::warn!(lines, "log lines were dropped: the disk did not keep up");
        }
    }
}

/// What a line of a site log begins with on standard output; the account and a space follow.
const SITE_LINE: &str = "site:";

/// The same for a line of an access log that begins like one of either kind.
const ACCESS_LINE: &str = "access:";

/// A line stands in its file this long after what it tells at the latest, unless the disk is slow. Ten wake-ups a
/// second cost nothing; a worker whose ring fills faster wakes the thread.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// How often resting files are closed and deleted ones noticed.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
