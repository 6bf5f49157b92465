//! Lines gathered for one file, written together. Counts lines, so that what is lost is told in the unit its
//! reader thinks in.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

/// Whole lines that wait for a write.
#[derive(Debug, Default)]
pub(super) struct Pending {
    bytes: Vec<u8>,
    /// The last write ended in the middle of a line.
    torn: bool,
}

/// What became of pending lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) written: u64,
    pub(super) lost: u64,
    /// Why lines were lost, where they were.
    pub(super) error: Option<Errno>,
}

impl Outcome {
    /// What became of other lines too.
    pub(super) fn add(&mut self, other: Self) {
        self.written += other.written;
        self.lost += other.lost;
        self.error = self.error.or(other.error);
    }
}

impl Pending {
    /// What comes is put behind what a file has: which may end in half a line, of a disk that was full.
    pub(super) fn follows(&mut self, file: &File) {
        let end = file.metadata().map_or(0, |metadata| metadata.len());
        let mut last = [b'\n'];
        if let Some(place) = end.checked_sub(1) {
            // Where it cannot be read nothing is known, and an empty line does less harm than a line that is lost in another.
            let is_read = file.read_exact_at(&mut last, place).is_ok();
            self.torn = !is_read || last != [b'\n'];
        } else {
            self.torn = false;
        }
    }

    pub(super) fn push(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether enough is gathered for a write of its own.
    pub(super) fn is_large(&self) -> bool {
        self.bytes.len() >= LARGE_BYTES
    }

    /// Writes everything, or loses what does not go.
    pub(super) fn write_to(&mut self, file: impl AsFd) -> Outcome {
        let outcome = self.write(file);
        self.forget();
        outcome
    }

    /// Writes everything as far as it goes, and keeps it.
    pub(super) fn write(&mut self, file: impl AsFd) -> Outcome {
        let mut error = None;
        if self.torn {
            // What follows half a line begins a line of its own.
            error = write_all(&file, b"\n").1;
            self.torn = error.is_some();
        }
        let mut done = 0;
        if error.is_none() {
            (done, error) = write_all(&file, &self.bytes);
        }
        let (written, rest) = self.bytes.split_at(done);
        let outcome = Outcome { written: lines(written), lost: lines(rest), error };
        self.torn |= error.is_some() && written.last().is_some_and(|last| *last != b'\n');
        outcome
    }

    /// Loses everything: how many lines that were.
    pub(super) fn lose(&mut self) -> u64 {
        let lost = lines(&self.bytes);
        self.forget();
        lost
    }

    /// Done with what was written, or lost.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
    }
}

/// Writes until all is written, or an error: how many bytes went.
fn write_all(file: &impl AsFd, bytes: &[u8]) -> (usize, Option<Errno>) {
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::write(file, &bytes[done..]) {
            Ok(0) => return (done, Some(Errno::IO)),
            Ok(count) => done += count,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if is_writable_soon(file) => {}
            Err(error) => return (done, Some(error)),
        }
    }
    (done, None)
}

/// Standard output may be a pipe that its other end made non-blocking.
fn is_writable_soon(file: &impl AsFd) -> bool {
    let patience = Timespec { tv_sec: 1, tv_nsec: 0 };
    poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&patience)).is_ok_and(|ready| ready > 0)
}

fn lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Gathered lines are written early from here on: large enough to cost few writes, small beside a ring.
const LARGE_BYTES: usize = 64 * 1024;

/// Memory a file's next lines find in place.
const KEPT_BYTES: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_follows_a_torn_line_begins_a_new_one() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        rustix::net::sockopt::set_socket_send_buffer_size(&ours, 4096).unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut pending = Pending::default();
        let line = [b'a'; 999].iter().chain(b"\n").copied().collect::<Vec<_>>();
        (0..1000).for_each(|_| pending.push(&line));
        let torn = pending.write_to(&ours);
        assert_eq!((torn.written + torn.lost, torn.error), (1000, Some(Errno::AGAIN)));
        assert!(torn.lost > 0 && pending.is_empty());
        let mut received = vec![0; 1_000_000];
        let first = theirs.read(&mut received).unwrap();
        pending.push(b"next\n");
        assert_eq!(pending.write_to(&ours), Outcome { written: 1, lost: 0, error: None });
        drop(ours);
        let mut all = received[..first].to_vec();
        theirs.read_to_end(&mut all).unwrap();
        let text = String::from_utf8(all).unwrap();
        assert!(text.ends_with("\nnext\n"));
        let whole = text.lines().filter(|line| line.len() == 999).count() as u64;
        assert_eq!(whole, torn.written);
    }

    #[test]
    fn a_full_device_loses_whole_lines_only() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut pending = Pending::default();
        pending.push(b"one\ntwo\n");
        assert_eq!(pending.write_to(&full), Outcome { written: 0, lost: 2, error: Some(Errno::NOSPC) });
        assert!(!pending.torn);
    }
}
