//! The provider's own log of connections: a line for each, when its first request has ended or, where there was none, when it
//! is over. Addresses and names alone: no path, no query, no field.

use super::entry::Log;
use super::format::{write_number, write_word};
use super::{AccessLog, NODE};
use crate::base::{self, AccountName, AddressText, ClientAddr, LocalAddr};
use jiff::Timestamp;
use std::io::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// A visitor's connection of which nothing was told yet. Dropped, it is told as it is.
#[derive(Debug)]
pub struct Visit {
    log: Rc<AccessLog>,
    /// When it was accepted: wall time since the Unix epoch.
    at: Duration,
    client: SocketAddr,
    local: SocketAddr,
    sni: Option<Box<str>>,
    is_told: bool,
}

impl Visit {
    /// A connection that was accepted now; `None` where the node has no such log. Boxed: where it has none, that costs a word.
    pub fn begin(log: &Rc<AccessLog>, client: ClientAddr, local: LocalAddr) -> Option<Box<Self>> {
        if !log.tells_connections() {
            return None;
        }
        let (at, log) = (base::wall(), Rc::clone(log));
        Some(Box::new(Self { log, at, client: client.0, local: local.0, sni: None, is_told: false }))
    }

    /// A PROXY header names its ends.
    pub fn is_between(&mut self, client: ClientAddr, local: LocalAddr) {
        (self.client, self.local) = (client.0, local.0);
    }

    /// Its handshake asks for this host.
    pub fn asks_for(&mut self, sni: &str) {
        self.sni = Some(sni.into());
    }

    /// Writes its line: the first request was for this host, which this account holds.
    pub fn tell(mut self, host: &[u8], account: Option<&AccountName>) {
        self.write(Some(host), account);
    }

    fn write(&mut self, host: Option<&[u8]>, account: Option<&AccountName>) {
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        self.log.end.push(Log::Connections, self.at, NODE, FILE, |line, _| {
            let at = Timestamp::from_millisecond(i64::try_from(self.at.as_millis()).unwrap_or(i64::MAX));
            // A vector takes everything.
            let _ = write!(line, "{:.3}", at.unwrap_or_default());
            for end in [self.client, self.local] {
                line.push(b'\t');
                line.extend_from_slice(AddressText::new(end.ip()).as_bytes());
                line.push(b'\t');
                write_number(line, u64::from(end.port()));
            }
            let account = account.map(|account| account.as_str().as_bytes());
            for word in [self.sni.as_deref().map(str::as_bytes), host, account] {
                line.push(b'\t');
                write_word(line, word);
            }
            line.push(b'\n');
        });
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.write(None, None);
    }
}

/// The `{file}` of a line; its path has no such variable.
const FILE: &str = "connections";
