//! The accounts' access logs: a worker formats a line into its own bounded ring, one thread writes the rings
//! to files. A worker never waits for it: where a ring is full the line is dropped and counted.

use super::metrics::LogTallySource;
use super::shard::TlsVersion;
use crate::base::{AccountName, Cause, ClientAddr, PeerAddr, RequestId};
use crate::config::{LogFormat, Logs};
use std::sync::Arc;
use std::time::Duration;

/// One request as its line in the access log tells it; everything is borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The account whose log it is; `None`: the node's own (`_node`), for hosts nobody holds.
    pub account: Option<&'a AccountName>,
    /// `{file}` of the path template: which of the account's files.
    pub site_file: &'a str,
    /// The line's format.
    pub format: LogFormat,
    /// The host asked for, without port; `None` where there was none.
    pub host: Option<&'a str>,
    /// The visitor.
    pub client: ClientAddr,
    /// Who opened the connection.
    pub peer: PeerAddr,
    /// When the answer ended: wall time since the Unix epoch.
    pub completed: Duration,
    /// From the head's first byte to the answer's last.
    pub duration: Duration,
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

/// The writer thread, held by whoever runs the node.
#[derive(Debug)]
pub struct LogWriter {}

/// Makes the workers' ends; `Send`, cheap to clone.
#[derive(Clone, Debug)]
pub struct AccessLogFactory {}

/// One worker's end. Made anywhere, then held by its worker in an `Rc`.
#[derive(Debug)]
pub struct AccessLog {}

/// What became of the lines, over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogTally {
    /// Lines handed to the kernel.
    pub written: u64,
    /// Lines dropped because a worker's ring was full.
    pub dropped: u64,
    /// Lines lost because their file could not be opened or written.
    pub lost: u64,
}

impl LogWriter {
    /// Starts the writer thread. Local time is that of the system's time zone, read now.
    ///
    /// # Errors
    /// When no thread can be started. A directory that cannot be written is no error here: it is named in the
    /// node's log, and counted.
    pub fn start(_logs: &Logs) -> std::io::Result<(Self, AccessLogFactory)> {
        Ok((Self {}, AccessLogFactory {}))
    }

    /// Takes new settings over and reopens every file: for a reload, and for whoever moved files away.
    pub fn reload(&self, _logs: &Logs) {}

    /// What became of the lines so far; for [`Metrics::observe_access_log`](super::Metrics::observe_access_log).
    pub fn tally(&self) -> LogTallySource {
        Arc::new(LogTally::default)
    }

    /// Writes what the workers left and ends the thread; gives up after `patience`. Returns whether all was
    /// written. Call it when no worker writes any more.
    pub fn finish(self, _patience: Duration) -> bool {
        true
    }
}

impl AccessLogFactory {
    /// A worker's end, with a ring of its own.
    pub fn worker(&self) -> AccessLog {
        AccessLog {}
    }
}

impl AccessLog {
    /// Whether access logs are written on this node: ask before a [`Record`] is put together.
    pub fn is_on(&self) -> bool {
        true
    }

    /// Writes the record's line, or drops it where the ring is full. Cost: formatting and a copy; no
    /// allocation, no lock, no syscall.
    pub fn write(&self, _record: &Record<'_>) {}
}
