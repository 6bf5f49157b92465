//! The open log files: opened at their first line, bounded in number, closed when they rest. One thread owns
//! them; errors are counted, told sparingly, and never travel back to a worker.

use super::directory::LogDirectory;
use super::entry::{Entry, Log};
use super::local_time::LocalTime;
use super::pattern::is_of_name;
use super::pending::{Outcome, Pending};
use super::site;
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
    /// Open while it is there; else why not.
    directory: Result<LogDirectory, Errno>,
    templates: Templates,
    local_time: LocalTime,
    /// By log, account, file and date.
    files: HashMap<Vec<u8>, LogFile>,
    /// By log, account and file: what could not be opened or written, for longer than a file is remembered.
    failing: HashMap<Vec<u8>, Failing>,
    /// What accounts are still to be told of.
    losses: Vec<Loss>,
    key: Vec<u8>,
    /// Counts uses, to find who rests.
    uses: u64,
    uses_at_sweep: u64,
    told: Repeated<String>,
    told_again: Repeated<String>,
}

/// One file, open or not.
#[derive(Debug)]
struct LogFile {
    path: String,
    file: Option<File>,
    pending: Pending,
    used: u64,
    /// Of the last line's entry.
    seconds: i64,
}

/// A file that could not be opened or written.
#[derive(Clone, Copy, Debug)]
struct Failing {
    retry_at: Instant,
    lost: u64,
    error: Errno,
}

/// Lines that an access log lacks.
#[derive(Debug)]
struct Loss {
    account: String,
    file: String,
    seconds: i64,
    lost: u64,
    error: Errno,
}

impl LogFiles {
    pub(super) fn new(path: PathBuf, templates: Templates, local_time: LocalTime) -> Self {
        Self {
            path,
            directory: Err(Errno::NOENT),
            templates,
            local_time,
            files: HashMap::new(),
            failing: HashMap::new(),
            losses: Vec::new(),
            key: Vec::new(),
            uses: 0,
            uses_at_sweep: 0,
            told: Repeated::new(MOST_TOLD),
            told_again: Repeated::new(MOST_TOLD),
        }
    }

    /// Takes over what lines another's files lack. They are tried again at once: somebody may have made room.
    pub(super) fn inherit(&mut self, old: Self, now: Instant) {
        let again = |failing: Failing| Failing { retry_at: now, ..failing };
        self.failing = old.failing.into_iter().map(|(owner, failing)| (owner, again(failing))).collect();
        self.losses = old.losses;
    }

    /// Takes a line for its file. It is written at the next [`flush`](Self::flush), or when enough is gathered.
    pub(super) fn take(&mut self, entry: &Entry<'_>, now: Instant) -> Outcome {
        let day = self.local_time.day(entry.seconds);
        owner(&mut self.key, entry.log, entry.account, entry.file);
        self.key.extend_from_slice(&day.iso);
        self.uses += 1;
        if let Some(file) = self.files.get_mut(&self.key) {
            file.used = self.uses;
            file.seconds = entry.seconds;
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
        let key = self.key.clone();
        let outcome =
            if self.files.len() >= MOST_FILES { self.close_oldest(now) } else { Outcome::default() };
        let file = LogFile { path, file: None, pending, used: self.uses, seconds: entry.seconds };
        self.files.insert(key, file);
        outcome
    }

    /// Writes what was taken.
    pub(super) fn flush(&mut self, now: Instant) -> Outcome {
        let mut outcome = self.flush_where(now, |_| true);
        if !self.losses.is_empty() {
            outcome.add(self.tell_losses(now));
            outcome.add(self.flush_where(now, |_| true));
        }
        outcome
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
        self.failing.retain(|_, failing| now < failing.retry_at + FORGET_AFTER);
        outcome
    }

    fn flush_where(&mut self, now: Instant, due: impl Fn(&LogFile) -> bool) -> Outcome {
        let mut sum = Outcome::default();
        let mut looked_for = false;
        for (key, file) in self.files.iter_mut().filter(|(_, file)| !file.pending.is_empty() && due(file)) {
            let owner = owner_of(key);
            if let Some(failing) = self.failing.get_mut(owner).filter(|failing| now < failing.retry_at) {
                let lost = file.pending.lose();
                failing.lost += lost;
                sum.lost += lost;
                continue;
            }
            if self.directory.is_err() && !std::mem::replace(&mut looked_for, true) {
                self.directory = open_directory(&self.path, &mut self.told, now);
            }
            let outcome = file.flush(self.directory.as_ref().map_err(|error| *error));
            if let Some(error) = outcome.error {
                if self.directory.is_ok() {
                    tell(&mut self.told, &file.path, &io::Error::from(error), now);
                }
                let (retry_at, lost) = (now + RETRY_AFTER, outcome.lost);
                if let Some(failing) = self.failing.get_mut(owner) {
                    *failing = Failing { retry_at, lost: failing.lost + lost, error };
                } else if self.failing.len() < MOST_FAILING {
                    self.failing.insert(owner.to_owned(), Failing { retry_at, lost, error });
                }
            } else if let Some(Failing { lost, error, .. }) = self.failing.remove(owner) {
                if let Some(untold) = self.told_again.tell(file.path.clone(), now) {
                    tracing::warn!(path = file.path, lost, untold, "log is written again");
                }
                if let Some((account, name)) = access_of(owner).filter(|_| lost > 0) {
                    let (account, file, seconds) = (account.to_owned(), name.to_owned(), file.seconds);
                    self.losses.push(Loss { account, file, seconds, lost, error });
                }
            }
            sum.add(outcome);
        }
        if sum.error.is_some() {
            // Perhaps the directory itself was replaced: the next flush looks for it again.
            self.directory = Err(Errno::NOENT);
        }
        sum
    }

    /// Puts into the accounts' site logs what their access logs lack, as soon as those can be written themselves.
    fn tell_losses(&mut self, now: Instant) -> Outcome {
        let mut outcome = Outcome::default();
        for loss in std::mem::take(&mut self.losses) {
            owner(&mut self.key, Log::Site, &loss.account, site::FILE);
            if self.failing.get(&self.key).is_some_and(|failing| now < failing.retry_at) {
                self.losses.push(loss);
                continue;
            }
            let Loss { account, file, seconds, lost, error } = loss;
            let (lines, are) = if lost == 1 { ("line", "is") } else { ("lines", "are") };
            let text = format_args!("{lost} {lines} of \"{file}\" {are} missing: {}", io::Error::from(error));
            let mut line = Vec::new();
            site::write_line(&mut line, seconds, "access log", text, &mut self.local_time);
            let entry = Entry { log: Log::Site, seconds, account: &account, file: site::FILE, line: &line };
            outcome.add(self.take(&entry, now));
        }
        outcome
    }

    /// Makes room for others, a quarter at a time so that finding the oldest costs little for each.
    fn close_oldest(&mut self, now: Instant) -> Outcome {
        let outcome = self.flush_where(now, |_| true);
        let mut uses: Vec<u64> = self.files.values().map(|file| file.used).collect();
        let (_, &mut last_closed, _) = uses.select_nth_unstable(MOST_FILES / 4);
        self.files.retain(|_, file| file.used > last_closed);
        outcome
    }
}

impl LogFile {
    /// Writes what it has, or loses it.
    fn flush(&mut self, directory: Result<&LogDirectory, Errno>) -> Outcome {
        let outcome = self.write(directory).unwrap_or_else(|error| Outcome {
            written: 0,
            lost: self.pending.lose(),
            error: Some(error),
        });
        self.pending.forget();
        outcome
    }

    fn write(&mut self, directory: Result<&LogDirectory, Errno>) -> Result<Outcome, Errno> {
        let open = |pending: &mut Pending| {
            let file = directory?.append(&self.path).map_err(|error| errno(&error))?;
            pending.follows(&file);
            Ok::<_, Errno>(file)
        };
        let mut file = match self.file.take() {
            Some(file) => file,
            None => open(&mut self.pending)?,
        };
        let mut outcome = self.pending.write(&file);
        if outcome.error.is_none() && is_deleted(&file) {
            // Compressed or deleted meanwhile, perhaps before these lines: they are written once more.
            file = open(&mut self.pending)?;
            outcome = self.pending.write(&file);
        }
        self.file = Some(file).filter(|_| outcome.error.is_none());
        Ok(outcome)
    }
}

/// Writes into `key` whose lines they are: their log, account and file, and a slash.
fn owner(key: &mut Vec<u8>, log: Log, account: &str, file: &str) {
    key.clear();
    key.push(log.byte());
    for part in [account, "/", file, "/"] {
        key.extend_from_slice(part.as_bytes());
    }
}

/// The part of a file's key that says whose lines they are: all but the date.
fn owner_of(key: &[u8]) -> &[u8] {
    &key[..=memchr::memrchr(b'/', key).unwrap_or(0)]
}

/// The account and file, where the lines are an access log's.
fn access_of(owner: &[u8]) -> Option<(&str, &str)> {
    let (log, names) = owner.split_first()?;
    let names = str::from_utf8(names).ok().filter(|_| *log == Log::Access.byte())?;
    names.strip_suffix('/')?.split_once('/')
}

fn open_directory(path: &Path, told: &mut Repeated<String>, now: Instant) -> Result<LogDirectory, Errno> {
    let opened = LogDirectory::open(path);
    opened.map_err(|error| {
        tell(told, &path.display().to_string(), &error, now);
        errno(&error)
    })
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

fn is_deleted(file: &File) -> bool {
    rustix::fs::fstat(file).is_ok_and(|status| status.st_nlink == 0)
}

/// Whether a value may become part of a path: one name, not hidden, nothing a shell would stumble over.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_of_name)
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

/// Files whose failing is remembered until they are written again, so that it can be said how many lines they lack: some
/// megabytes, when a disk is full for very many accounts. Of the others lost lines are only counted.
const MOST_FAILING: usize = 16_384;

/// Nobody has written to a failing file for so long: who is told of it then?
const FORGET_AFTER: Duration = Duration::from_hours(24);

/// Failing files named one by one before they share one message: all of them fail on a full disk.
const MOST_TOLD: usize = 32;

#[cfg(test)]
mod tests;
