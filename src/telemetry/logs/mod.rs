//! The accounts' logs, access logs and site logs, and the provider's log of connections: whoever has something to tell formats a line into a bounded ring of
//! its own, one thread writes the rings to files. Nobody waits for it: where a ring is full the line is dropped and
//! counted.

mod directory;
mod entry;
mod files;
mod format;
mod gzip;
mod journal;
mod keeper;
mod local_time;
mod pattern;
mod pending;
mod ring;
mod site;
mod template;
mod visit;
mod writer;

pub use self::format::version as version_text;
pub use self::keeper::RetentionSource;
pub use self::site::SiteLog;
pub use self::visit::Visit;

use self::directory::LogDirectory;
use self::entry::{Entry, Log};
use self::keeper::{Kept, Place};
use self::local_time::LocalTime;
use self::ring::{Producer, Pushed, ring};
use self::template::Templates;
use self::writer::{Shared, Sink, Writer};
use super::metrics::LogTallySource;
use super::shard::TlsVersion;
use crate::base::{self, AccountName, AddressText, Cause, Headers, PeerAddr, RequestId, Waits};
use crate::config::{Legal, LogFormat, LogOutput, Logs};
use jiff::tz::TimeZone;
use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, Thread};
use std::time::Duration;

/// One request as its line in the access log tells it; everything is borrowed.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The account whose log it is; `None`: the node's own (`_node`), for hosts nobody holds.
    pub account: Option<&'a AccountName>,
    /// `{file}` of the path template: which of the account's files.
    pub site_file: &'a str,
    /// The line's format.
    pub format: &'a LogFormat,
    /// The host asked for, without port; `None` where there was none.
    pub host: Option<&'a [u8]>,
    /// The visitor.
    pub client: AddressText,
    /// The visitor's port, where the visitor connected to us.
    pub client_port: Option<u16>,
    /// Who opened the connection.
    pub peer: PeerAddr,
    /// When the answer ended: wall time since the Unix epoch.
    pub completed: Duration,
    /// From the head's first byte to the answer's last.
    pub duration: Duration,
    /// Whom it waited for meanwhile.
    pub waits: &'a Waits,
    /// The TLS version, on a TLS connection.
    pub tls: Option<TlsVersion>,
    /// The scheme.
    pub protocol: LogProtocol,
    /// The method, as it arrived.
    pub method: &'a [u8],
    /// The request target, as it arrived; of HTTP/2 its `:path`.
    pub target: &'a [u8],
    /// The HTTP version of the request.
    pub version: http::Version,
    /// The status of the answer; 499 where the visitor left before there was one.
    pub status: u16,
    /// Bytes of the answer's body that were sent.
    pub body_bytes: u64,
    /// `Referer`.
    pub referer: Option<&'a [u8]>,
    /// `User-Agent`.
    pub user_agent: Option<&'a [u8]>,
    /// The request's fields, for formats that name some.
    pub request_headers: &'a dyn Headers,
    /// Those of the answer that the format names, in its order.
    pub response_headers: &'a [Option<Box<[u8]>>],
    /// The id of the request.
    pub request_id: RequestId,
    /// Why the site did not answer, where it did not.
    pub cause: Option<Cause>,
}

/// `{protocol}`: the scheme of a request, and whether it became a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogProtocol {
    /// `http`.
    Http,
    /// `https`.
    Https,
    /// `ws`.
    Ws,
    /// `wss`.
    Wss,
}

/// The writer thread, held by whoever runs the node. Dropping it ends the thread as [`finish`](Self::finish)
/// does, without waiting.
#[derive(Debug)]
pub struct LogWriter {
    shared: Arc<Shared>,
    thread: Thread,
    /// Closed when the thread ends.
    ended: Receiver<Infallible>,
    keeper: Keeper,
}

/// The thread that compresses and deletes. It ends with its owner, who does not wait: what it is at it leaves to the next.
#[derive(Debug)]
struct Keeper {
    kept: Arc<Kept>,
    thread: Thread,
}

/// Makes the ends of those who write; `Send`, cheap to clone.
#[derive(Clone, Debug)]
pub struct LogFactory {
    shared: Arc<Shared>,
    thread: Thread,
}

/// One worker's end. Made anywhere, then held by its worker in an `Rc`.
#[derive(Debug)]
pub struct AccessLog {
    shared: Arc<Shared>,
    end: End,
}

/// A ring to the thread.
#[derive(Debug)]
struct End {
    thread: Thread,
    ring: Producer,
    /// What a line is put together in.
    scratch: RefCell<Scratch>,
}

#[derive(Debug)]
struct Scratch {
    bytes: Vec<u8>,
    local_time: LocalTime,
}

/// What became of the lines, over all logs and workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogTally {
    /// Lines handed to the kernel.
    pub written: u64,
    /// Lines dropped because a ring was full.
    pub dropped: u64,
    /// Lines lost because their file could not be opened or written.
    pub lost: u64,
}

impl LogWriter {
    /// Starts the writer thread. Local time is that of the system's time zone as it is now.
    ///
    /// # Errors
    /// When a template of `[logs]` is none, or no thread can be started. A directory that cannot be
    /// written is no error here: it is named in the node's log, and counted.
    pub fn start(logs: &Logs, legal: Option<&Legal>) -> io::Result<(Self, LogFactory)> {
        let shared = Arc::new(Shared::default());
        shared.on.store(logs.access, Relaxed);
        shared.connections.store(legal.is_some(), Relaxed);
        let sink = sink(logs, legal)?;
        let (open, ended) = mpsc::channel();
        let writer = Writer::new(Arc::clone(&shared), sink, base::now());
        let thread = thread::Builder::new().name("parvis-logs".into()).spawn(move || {
            writer.run();
            drop(open);
        })?;
        let thread = thread.thread().clone();
        let factory = LogFactory { shared: Arc::clone(&shared), thread: thread.clone() };
        Ok((Self { shared, thread, ended, keeper: Keeper::start(logs, legal)? }, factory))
    }

    /// Takes new settings over and opens every file anew: for a reload, and for whoever moved files away.
    ///
    /// # Errors
    /// When a template of `[logs]` is none; the old settings stay.
    pub fn reload(&self, logs: &Logs, legal: Option<&Legal>) -> io::Result<()> {
        self.shared.set_sink(sink(logs, legal)?);
        self.keeper.kept.set_places(places(logs, legal)?);
        self.keeper.thread.unpark();
        self.shared.on.store(logs.access, Relaxed);
        self.shared.connections.store(legal.is_some(), Relaxed);
        self.thread.unpark();
        Ok(())
    }

    /// Asks `source` how long an account's logs are kept, from now on; else `[logs] retention` holds for all.
    pub fn keep_by(&self, source: RetentionSource) {
        self.keeper.kept.set_accounts(source);
    }

    /// What became of the lines so far; for [`Metrics::observe_access_log`](super::Metrics::observe_access_log).
    pub fn tally(&self) -> LogTallySource {
        let shared = Arc::clone(&self.shared);
        Arc::new(move || shared.tally())
    }

    /// Writes what is left and ends the thread; gives up after `patience`, when a disk hangs. Returns
    /// whether the thread came to its end. Call it when nobody writes any more.
    pub fn finish(self, patience: Duration) -> bool {
        self.shared.stop();
        self.thread.unpark();
        matches!(self.ended.recv_timeout(patience), Err(RecvTimeoutError::Disconnected))
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.shared.stop();
        self.thread.unpark();
    }
}

impl Keeper {
    fn start(logs: &Logs, legal: Option<&Legal>) -> io::Result<Self> {
        let kept = Arc::new(Kept::new(places(logs, legal)?));
        let shared = Arc::clone(&kept);
        let thread =
            thread::Builder::new().name("parvis-old-logs".into()).spawn(move || keeper::run(shared))?;
        Ok(Self { kept, thread: thread.thread().clone() })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.kept.stop.store(true, Release);
        self.thread.unpark();
    }
}

impl LogFactory {
    /// A worker's end, with a ring of its own.
    pub fn worker(&self) -> AccessLog {
        AccessLog { shared: Arc::clone(&self.shared), end: self.end() }
    }

    /// The end of whoever leads the accounts' programs, with a ring of its own.
    pub fn sites(&self) -> SiteLog {
        SiteLog::new(self.end())
    }

    fn end(&self) -> End {
        let (ring, consumer) = ring(RING_BYTES);
        self.shared.add_ring(consumer);
        let scratch = Scratch { bytes: Vec::with_capacity(SCRATCH_BYTES), local_time: local_time() };
        End { thread: self.thread.clone(), ring, scratch: RefCell::new(scratch) }
    }
}

impl AccessLog {
    /// Whether access logs are written on this node: ask before a [`Record`] is put together.
    pub fn is_on(&self) -> bool {
        self.shared.is_on()
    }

    /// Whether the node has a log of connections.
    fn tells_connections(&self) -> bool {
        self.shared.tells_connections()
    }

    /// Writes the record's line, or drops it where the ring is full. Cost: formatting and a copy; no
    /// allocation, no lock, and a syscall only when the ring has become half full.
    pub fn write(&self, record: &Record<'_>) {
        let account = record.account.map_or(NODE, AccountName::as_str);
        self.end.push(Log::Access, record.completed, account, record.site_file, |line, local_time| {
            format::write_line(line, record, local_time);
        });
    }
}

impl End {
    /// Queues the line that `write` appends, about what came about at wall time `at`.
    fn push(
        &self,
        log: Log,
        at: Duration,
        account: &str,
        file: &str,
        write: impl FnOnce(&mut Vec<u8>, &mut LocalTime),
    ) {
        let Scratch { bytes, local_time } = &mut *self.scratch.borrow_mut();
        entry::begin(bytes, log, seconds(at), account, file);
        write(bytes, local_time);
        if self.ring.push(bytes) == Pushed::HalfFull {
            self.thread.unpark();
        }
        bytes.shrink_to(SCRATCH_BYTES);
    }
}

/// One of an account's logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountLog<'a> {
    /// The access log of this name: `{file}`.
    Access(&'a str),
    /// The site log.
    Site,
}

/// Where the lines of an account's log of this wall time stand, below `[logs] directory`.
///
/// # Errors
/// When a template of `[logs]` is none.
pub fn log_path(logs: &Logs, log: AccountLog<'_>, account: &str, at: Duration) -> io::Result<String> {
    let templates =
        Templates::parse(logs).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let (log, file) = match log {
        AccountLog::Access(file) => (Log::Access, file),
        AccountLog::Site => (Log::Site, self::site::FILE),
    };
    let entry = Entry { log, seconds: seconds(at), account, file, line: b"" };
    Ok(templates.path(&entry, local_time().day(entry.seconds)))
}

fn sink(logs: &Logs, legal: Option<&Legal>) -> io::Result<Sink> {
    Sink::new(logs, legal, local_time()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// What of the directories of logs cannot be used as it is now, a line each: whoever started with it would lose every line.
pub fn absent_logs(logs: &Logs, legal: Option<&Legal>) -> Vec<String> {
    let of_accounts = logs.directory.as_deref().filter(|_| logs.access && logs.output() == LogOutput::Files);
    let directories = [("logs", of_accounts), ("legal", legal.map(|legal| legal.directory.as_path()))];
    let absent = |(table, directory): (&str, Option<&Path>)| {
        let directory = directory?;
        let error = LogDirectory::open(directory).err()?;
        Some(format!(
            "{table}.directory: {}: {error}: its lines are lost until it is there",
            directory.display()
        ))
    };
    directories.into_iter().filter_map(absent).collect()
}

/// Where logs are compressed and deleted.
fn places(logs: &Logs, legal: Option<&Legal>) -> io::Result<Vec<Place>> {
    let accounts = Place::of_accounts(logs, &TimeZone::system());
    let accounts = accounts.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    Ok(accounts.into_iter().chain(legal.map(Place::of_connections)).collect())
}

/// Wall time in seconds since the Unix epoch.
fn seconds(at: Duration) -> i64 {
    i64::try_from(at.as_secs()).unwrap_or(i64::MAX)
}

fn local_time() -> LocalTime {
    LocalTime::new(TimeZone::system())
}

/// `{account}` of requests for hosts nobody holds; no account can be called so.
const NODE: &str = "_node";

/// A ring: some 4,000 lines, what a busy worker writes in the tenth of a second between two rounds.
const RING_BYTES: usize = 1024 * 1024;

/// Nearly every line fits; the memory of a longer one is given back.
const SCRATCH_BYTES: usize = 4 * 1024;

#[cfg(test)]
mod tests;
