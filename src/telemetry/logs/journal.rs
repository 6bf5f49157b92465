//! Lines to the journal of systemd, by its native protocol: a datagram each, with the account in a field of its own. Waits a
//! moment where the journal is behind, then loses and counts.

use super::entry::{Entry, Log};
use super::pending::Outcome;
use crate::telemetry::repeat::Sparse;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Instant;

/// The way to the journal.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    /// Connected while somebody listens.
    socket: Option<UnixDatagram>,
    datagram: Vec<u8>,
    /// It was waited for in vain since the last flush: once is enough.
    is_behind: bool,
    /// Lines lost since one went through.
    lost: u64,
    told: Sparse,
}

impl Journal {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, socket: None, datagram: Vec::new(), is_behind: false, lost: 0, told: Sparse::new() }
    }

    /// Sends a line.
    pub(super) fn take(&mut self, entry: &Entry<'_>, now: Instant) -> Outcome {
        write_datagram(&mut self.datagram, entry);
        match self.send() {
            Ok(()) => {
                let lost = std::mem::take(&mut self.lost);
                if lost > 0 {
                    tracing::warn!(lost, "the journal takes log lines again");
                }
                Outcome { written: 1, ..Outcome::default() }
            }
            Err(error) => {
                self.lost += 1;
                if let Some(untold) = self.told.tell(now) {
                    tracing::warn!(path = %self.path.display(), %error, untold, "log line cannot be sent to the journal");
                }
                Outcome { lost: 1, ..Outcome::default() }
            }
        }
    }

    /// A round is over: in the next one it may be waited for again.
    pub(super) fn flush(&mut self) {
        self.is_behind = false;
    }

    fn send(&mut self) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => connect(&self.path)?,
        };
        let mut sent = socket.send(&self.datagram);
        let is_full = |sent: &io::Result<usize>| {
            sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        };
        if is_full(&sent) && !self.is_behind {
            self.is_behind = !is_ready_soon(&socket);
            if !self.is_behind {
                sent = socket.send(&self.datagram);
            }
        }
        // Whoever is too large or comes too early has not lost the journal.
        let is_there = sent.as_ref().map_or_else(is_about_this_line, |_| true);
        self.socket = Some(socket).filter(|_| is_there);
        sent.map(drop)
    }
}

fn connect(path: &std::path::Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

fn is_about_this_line(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::MSGSIZE)
}

fn is_ready_soon(socket: &UnixDatagram) -> bool {
    let patience = Timespec { tv_sec: 0, tv_nsec: PATIENCE_NANOSECONDS };
    poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&patience)).is_ok_and(|ready| ready > 0)
}

/// The fields of a line, as systemd.journal-fields(7) and its native protocol have them.
fn write_datagram(datagram: &mut Vec<u8>, entry: &Entry<'_>) {
    datagram.clear();
    let log: &[u8] = if entry.log == Log::Site { b"site" } else { b"access" };
    for (name, value) in [
        ("MESSAGE", entry.line.strip_suffix(b"\n").unwrap_or(entry.line)),
        ("PRIORITY", b"6"),
        ("SYSLOG_IDENTIFIER", b"parvis"),
        ("PARVIS_ACCOUNT", entry.account.as_bytes()),
        ("PARVIS_LOG", log),
        ("PARVIS_FILE", entry.file.as_bytes()),
    ] {
        datagram.extend_from_slice(name.as_bytes());
        if value.contains(&b'\n') {
            // What has a line end has its length in front.
            datagram.push(b'\n');
            datagram.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            datagram.push(b'=');
        }
        datagram.extend_from_slice(value);
        datagram.push(b'\n');
    }
}

/// Where the journal listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// How long a round waits for a journal that is behind: half of the time between two rounds. Its queue has room for some
/// hundred datagrams, and a busy node more lines than that in a round.
const PATIENCE_NANOSECONDS: i64 = 50_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base;

    fn entry(log: Log, line: &[u8]) -> Entry<'_> {
        Entry { log, seconds: 0, account: "alice", file: "http", line }
    }

    #[test]
    fn a_line_is_a_datagram_with_fields() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixDatagram::bind(&path).unwrap();
        let mut journal = Journal::new(path.clone());
        let now = base::now();
        let received = || {
            let mut bytes = vec![0; 4096];
            let count = listener.recv(&mut bytes).unwrap();
            bytes.truncate(count);
            bytes
        };
        assert_eq!(journal.take(&entry(Log::Access, b"GET /\n"), now).written, 1);
        assert_eq!(
            String::from_utf8(received()).unwrap(),
            "MESSAGE=GET /\nPRIORITY=6\nSYSLOG_IDENTIFIER=parvis\nPARVIS_ACCOUNT=alice\nPARVIS_LOG=access\n\
             PARVIS_FILE=http\n"
        );
        // What is impossible cannot become a field all the same.
        journal.take(&entry(Log::Site, b"a\nPRIORITY=0\n"), now);
        let begin = [b"MESSAGE\n".as_slice(), &12_u64.to_le_bytes(), b"a\nPRIORITY=0\nPRIORITY=6\n"].concat();
        let bytes = received();
        assert!(bytes.starts_with(&begin), "{}", bytes.escape_ascii());
        assert!(bytes.ends_with(b"PARVIS_LOG=site\nPARVIS_FILE=http\n"), "{}", bytes.escape_ascii());
    }

    #[test]
    fn a_journal_that_is_gone_or_behind_costs_lines_and_little_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let mut journal = Journal::new(path.clone());
        let (now, line) = (base::now(), entry(Log::Access, b"GET /\n"));
        assert_eq!(journal.take(&line, now).lost, 1);
        let listener = UnixDatagram::bind(&path).unwrap();
        assert_eq!(journal.take(&line, now), Outcome { written: 1, ..Outcome::default() });
        let mut sum = Outcome::default();
        // Nobody reads: its queue is full some time, and is waited for once.
        (0..5000).for_each(|_| sum.add(journal.take(&line, now)));
        assert!(sum.written > 0 && sum.lost > 0 && sum.written + sum.lost == 5000, "{sum:?}");
        assert!(base::now() < now + std::time::Duration::from_secs(10));
        let mut bytes = [0; 4096];
        listener.recv(&mut bytes).unwrap();
        assert_eq!(journal.take(&line, now).written, 1);
        // It starts anew.
        drop(listener);
        std::fs::remove_file(&path).unwrap();
        let _listener = UnixDatagram::bind(&path).unwrap();
        assert_eq!(journal.take(&line, now).lost, 1, "this one tells that it was gone");
        assert_eq!(journal.take(&line, now).written, 1);
    }
}
