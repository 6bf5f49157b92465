//! The open log files: opened at their first line, bounded in number, closed when they rest. One thread owns
//! them; errors are counted, told sparingly, and never travel back to a worker.

use super::directory::LogDirectory;
use super::entry::Entry;
use super::local_time::LocalTime;
use super::pending::{Outcome, Pending};
use super::template::Templates;
use crate::telemetry::repeat::Repeated;
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The files below one directory.
#[derive(Debug)]
pub(super) struct LogFiles {
    path: PathBuf,
    /// Open while it is there.
    directory: Option<LogDirectory>,
    templates: Templates,
    local_time: LocalTime,
    /// By log, account, file and date.
    files: HashMap<Vec<u8>, LogFile>,
    key: Vec<u8>,
    /// Counts uses, to find who rests.
    uses: u64,
    uses_at_sweep: u64,
    told: Repeated<String>,
}

/// One file, open or not.
#[derive(Debug)]
struct LogFile {
    path: String,
    file: Option<File>,
    pending: Pending,
    used: u64,
    failing: Option<Failing>,
}

/// A file that could not be opened or written.
#[derive(Clone, Copy, Debug)]
struct Failing {
    retry_at: Instant,
    lost: u64,
}

impl LogFiles {
    pub(super) fn new(path: PathBuf, templates: Templates, local_time: LocalTime) -> Self {
        Self {
            path,
            directory: None,
            templates,
            local_time,
            files: HashMap::new(),
            key: Vec::new(),
            uses: 0,
            uses_at_sweep: 0,
            told: Repeated::new(MOST_TOLD),
        }
    }

    /// Takes a line for its file. It is written at the next [`flush`](Self::flush), or when enough is gathered.
    pub(super) fn take(&mut self, entry: &Entry<'_>, now: Instant) -> Outcome {
        let day = self.local_time.day(entry.seconds);
        self.key.clear();
        self.key.push(entry.log.byte());
        for part in [entry.account.as_bytes(), b"/", entry.file.as_bytes(), b"/", &day.iso] {
            self.key.extend_from_slice(part);
        }
        self.uses += 1;
        if let Some(file) = self.files.get_mut(&self.key) {
            file.used = self.uses;
            file.pending.push(entry.line);
            let large = file.pending.is_large();
            return if large {
                self.flush_where(now, |file| file.pending.is_large())
            } else {
                Outcome::default()
            };
        }
        if !is_plain_name(entry.account) || !is_plain_name(entry.file) {
            let name = format!("{}/{}", entry.account, entry.file);
            tell(&mut self.told, &name, &"not a plain file name", now);
            return Outcome { lost: 1, ..Outcome::default() };
        }
        let path = self.templates.path(entry, day);
        let mut pending = Pending::default();
        pending.push(entry.line);
        let outcome =
            if self.files.len() >= MOST_FILES { self.close_oldest(now) } else { Outcome::default() };
        let file = LogFile { path, file: None, pending, used: self.uses, failing: None };
        self.files.insert(self.key.clone(), file);
        outcome
    }

    /// Writes what was taken.
    pub(super) fn flush(&mut self, now: Instant) -> Outcome {
        self.flush_where(now, |_| true)
    }

    /// Closes what had no line since the sweep before, and what was deleted meanwhile. Call it now and then.
    pub(super) fn sweep(&mut self, now: Instant) -> Outcome {
        let outcome = self.flush(now);
        let rested_since = std::mem::replace(&mut self.uses_at_sweep, self.uses);
        self.files.retain(|_, file| file.used > rested_since);
        for file in self.files.values_mut() {
            if file.file.as_ref().is_some_and(is_deleted) {
                file.file = None;
            }
        }
        outcome
    }

    fn flush_where(&mut self, now: Instant, due: impl Fn(&LogFile) -> bool) -> Outcome {
        let mut sum = Outcome::default();
        let mut looked_for = false;
        for file in self.files.values_mut().filter(|file| !file.pending.is_empty() && due(file)) {
            if file.is_waiting(now) {
                sum.lost += file.lose();
                continue;
            }
            if self.directory.is_none() && !std::mem::replace(&mut looked_for, true) {
                self.directory = open_directory(&self.path, &mut self.told, now);
            }
            let outcome = file.flush(self.directory.as_ref(), now, &mut self.told);
            sum.written += outcome.written;
            sum.lost += outcome.lost;
            sum.error = sum.error.or(outcome.error);
        }
        if sum.error.is_some() {
            // Perhaps the directory itself was replaced: the next flush looks for it again.
            self.directory = None;
        }
        sum
    }

    /// Makes room for others, a quarter at a time so that finding the oldest costs little for each.
    fn close_oldest(&mut self, now: Instant) -> Outcome {
        let outcome = self.flush(now);
        let mut uses: Vec<u64> = self.files.values().map(|file| file.used).collect();
        let (_, &mut last_closed, _) = uses.select_nth_unstable(MOST_FILES / 4);
        self.files.retain(|_, file| file.used > last_closed);
        outcome
    }
}

impl LogFile {
    fn is_waiting(&self, now: Instant) -> bool {
        self.failing.is_some_and(|failing| now < failing.retry_at)
    }

    fn flush(
        &mut self,
        directory: Option<&LogDirectory>,
        now: Instant,
        told: &mut Repeated<String>,
    ) -> Outcome {
        let opened = match (self.file.take(), directory) {
            (Some(file), _) => Ok(file),
            (None, Some(directory)) => directory.append(&self.path),
            // Named already, under its own path.
            (None, None) => {
                self.fail(now);
                return Outcome { lost: self.lose(), ..Outcome::default() };
            }
        };
        match opened {
            Ok(mut file) => {
                let mut outcome = self.pending.write(&file);
                if outcome.error.is_none() && is_deleted(&file) {
                    // Compressed or deleted meanwhile, perhaps before these lines: they are written once more.
                    match directory.map(|directory| directory.append(&self.path)).transpose() {
                        Ok(Some(new)) => {
                            outcome = self.pending.write(&new);
                            file = new;
                        }
                        Ok(None) => {}
                        Err(error) => {
                            let error = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                            outcome = Outcome { written: 0, lost: outcome.written, error: Some(error) };
                        }
                    }
                }
                self.pending.forget();
                if let Some(error) = outcome.error {
                    tell(told, &self.path, &io::Error::from(error), now);
                    self.fail(now);
                    self.count_lost(outcome.lost);
                    return outcome;
                }
                self.file = Some(file);
                if let Some(Failing { lost, .. }) = self.failing.take() {
                    tracing::warn!(path = self.path, lost, "log is written again");
                }
                outcome
            }
            Err(error) => {
                tell(told, &self.path, &error, now);
                self.fail(now);
                Outcome {
                    written: 0,
                    lost: self.lose(),
                    error: Some(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
                }
            }
        }
    }

    fn fail(&mut self, now: Instant) {
        let lost = self.failing.map_or(0, |failing| failing.lost);
        self.failing = Some(Failing { retry_at: now + RETRY_AFTER, lost });
    }

    fn lose(&mut self) -> u64 {
        let lost = self.pending.lose();
        self.count_lost(lost);
        lost
    }

    fn count_lost(&mut self, lost: u64) {
        if let Some(failing) = &mut self.failing {
            failing.lost += lost;
        }
    }
}

fn open_directory(path: &Path, told: &mut Repeated<String>, now: Instant) -> Option<LogDirectory> {
    let opened = LogDirectory::open(path);
    opened.inspect_err(|error| tell(told, &path.display().to_string(), error, now)).ok()
}

fn is_deleted(file: &File) -> bool {
    rustix::fs::fstat(file).is_ok_and(|status| status.st_nlink == 0)
}

/// Whether a value may become part of a path: one name, not hidden, nothing a shell would stumble over.
fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}

fn tell(told: &mut Repeated<String>, path: &str, error: &dyn std::fmt::Display, now: Instant) {
    if let Some(untold) = told.tell(path.to_owned(), now) {
        tracing::warn!(path, %error, untold, "log cannot be written");
    }
}

/// Files open at a time: enough for the busy accounts of a node, few beside its connections. Each costs a
/// descriptor and some kilobytes; an account more costs opening and closing a file each time its lines are written.
const MOST_FILES: usize = 256;

/// A file that failed is tried again after this; its lines until then are lost and counted.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Failing files named one by one before they share one message: all of them fail on a full disk.
const MOST_TOLD: usize = 32;

#[cfg(test)]
mod tests;
