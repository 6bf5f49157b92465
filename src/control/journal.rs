//! The claims journal: who came to hold, or to wait for, which host, and when, one line each. A cold start on it and on the
//! documents ends where the running node was. Appends and compacts; decides nothing.
//!
//! Records are handed to the kernel before a change is acknowledged, so a crash of the process loses none. They are
//! synced to the disk now and then ([`Journal::sync`]): a power cut may forget the last of them, and then contested
//! hosts go to the first account by name, which every document's owner can see in the log.

use crate::account::Pattern;
use crate::base::AccountName;
use crate::route::{Record, Remembered};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The journal's file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    remembered: Remembered,
    lines: usize,
    dirty: bool,
    /// A write failed: the file may end in half a line, and lacks what was to follow.
    damaged: bool,
}

impl Journal {
    /// Opens the journal in the state directory, or begins one. Lines that make no sense are skipped and counted in
    /// the log: a damaged journal is no reason not to serve.
    ///
    /// # Errors
    /// Where the file cannot be read or written.
    pub fn open(state: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(state)?;
        let path = state.join(FILE);
        let bytes = bytes_of(&path)?;
        let (remembered, lines, skipped) = read(&bytes);
        if skipped > 0 {
            tracing::warn!(file = %path.display(), skipped, "lines of the claims journal make no sense");
        }
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let mut journal = Self { path, file, remembered, lines, dirty: false, damaged: false };
        if skipped > 0 || bytes.last().is_some_and(|last| *last != b'\n') {
            // A torn last line must not become the beginning of the next.
            journal.compact()?;
        }
        Ok(journal)
    }

    /// What the journal in the state directory says, for who only reads it; nothing, where there is none.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn peek(state: &Path) -> io::Result<Remembered> {
        let (remembered, ..) = read(&bytes_of(&state.join(FILE))?);
        Ok(remembered)
    }

    /// What the records add up to.
    pub fn remembered(&self) -> &Remembered {
        &self.remembered
    }

    /// Keeps `records`, made `at` this time (wall time since the epoch). Cost: one write.
    ///
    /// # Errors
    /// Where the file cannot be written: the records are in effect all the same, and are written with the next ones.
    pub fn append(&mut self, records: &[Record], at: Duration) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for record in records {
            write_line(&mut text, record, at.as_secs());
            self.remembered.apply(record.clone(), at.as_secs());
        }
        self.lines += records.len();
        self.dirty = true;
        if self.damaged {
            return self.compact();
        }
        if let Err(error) = self.file.write_all(text.as_bytes()) {
            self.damaged = true;
            return Err(error);
        }
        if self.lines > COMPACT_FROM + 2 * self.remembered.len() { self.compact() } else { Ok(()) }
    }

    /// Brings what was appended to the disk.
    pub fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.dirty) { self.file.sync_data() } else { Ok(()) }
    }

    /// Writes the fewest lines that say the same into a new file and puts it in the place of the old.
    fn compact(&mut self) -> io::Result<()> {
        let mut text = String::new();
        let mut lines = 0;
        for (record, at) in self.remembered.records() {
            write_line(&mut text, &record, at);
            lines += 1;
        }
        replace(&self.path, text.as_bytes())?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.lines = lines;
        self.damaged = false;
        Ok(())
    }
}

/// The file's bytes; none, where there is no file.
fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

/// Puts `content` in the place of `path`, whole or not at all, also after a power cut.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_data()?;
    std::fs::rename(&temporary, path)
}

fn read(bytes: &[u8]) -> (Remembered, usize, usize) {
    let (mut remembered, mut lines, mut skipped) = (Remembered::default(), 0, 0);
    // What stands behind the last line end was being written when the process died.
    let whole = memchr::memrchr(b'\n', bytes).map_or(&b""[..], |end| &bytes[..end]);
    for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match std::str::from_utf8(line).ok().and_then(parse_line) {
            Some((record, at)) => {
                remembered.apply(record, at);
                lines += 1;
            }
            None => skipped += 1,
        }
    }
    (remembered, lines, skipped)
}

fn parse_line(line: &str) -> Option<(Record, u64)> {
    let mut words = line.split(' ');
    let (kind, account, pattern, at) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    let (account, pattern) = (AccountName::new(account).ok()?, Pattern::parse(pattern)?);
    let record = match kind {
        "hold" => Record::Hold(account, pattern),
        "wait" => Record::Wait(account, pattern),
        "drop" => Record::Drop(account, pattern),
        _ => return None,
    };
    Some((record, at.parse().ok()?))
}

fn write_line(text: &mut String, record: &Record, at: u64) {
    let (kind, account, pattern) = match record {
        Record::Hold(account, pattern) => ("hold", account, pattern),
        Record::Wait(account, pattern) => ("wait", account, pattern),
        Record::Drop(account, pattern) => ("drop", account, pattern),
    };
    // Writing into a string cannot fail.
    let _ = writeln!(text, "{kind} {account} {pattern} {at}");
}

/// In the state directory.
const FILE: &str = "claims.journal";

/// Lines a journal may have beyond twice the fewest that say the same (some 50 KiB): compacting costs a sync.
const COMPACT_FROM: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Duration = Duration::from_secs(1_700_000_000);

    fn hold(account: &str, pattern: &str) -> Record {
        Record::Hold(AccountName::new(account).unwrap(), Pattern::parse(pattern).unwrap())
    }

    #[test]
    fn what_was_appended_is_remembered_and_a_torn_line_is_not() {
        let state = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(state.path()).unwrap();
        journal.append(&[hold("alice", "a.test"), hold("bob", "*.b.test")], AT).unwrap();
        let before = journal.remembered().clone();
        drop(journal);
        let path = state.path().join(FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(b"hold alice c.test 17");
        std::fs::write(&path, bytes).unwrap();
        let mut journal = Journal::open(state.path()).unwrap();
        assert_eq!(*journal.remembered(), before);
        journal.append(&[hold("alice", "d.test")], AT).unwrap();
        assert_eq!(Journal::open(state.path()).unwrap().remembered().len(), 3);
    }

    #[test]
    fn who_only_looks_sees_who_holds_what_since_when_and_changes_nothing() {
        let state = tempfile::tempdir().unwrap();
        assert!(Journal::peek(state.path()).unwrap().is_empty());
        Journal::open(state.path()).unwrap().append(&[hold("alice", "a.test")], AT).unwrap();
        let remembered = Journal::peek(state.path()).unwrap();
        let holding = remembered.holding(&Pattern::parse("a.test").unwrap()).unwrap();
        assert_eq!((holding.account.as_str(), holding.since), ("alice", AT.as_secs()));
        assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_long_journal_is_compacted() {
        let state = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(state.path()).unwrap();
        for turn in 0..3000 {
            journal.append(&[hold(if turn % 2 == 0 { "alice" } else { "bob" }, "a.test")], AT).unwrap();
        }
        let lines = std::fs::read_to_string(state.path().join(FILE)).unwrap().lines().count();
        assert!(lines <= COMPACT_FROM + 3, "{lines}");
        assert_eq!(*Journal::open(state.path()).unwrap().remembered(), *journal.remembered());
    }

    #[test]
    fn what_could_not_be_written_is_written_with_what_follows() {
        let state = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(state.path()).unwrap();
        journal.append(&[hold("alice", "a.test")], AT).unwrap();
        // A disk that is full, in the middle of a line.
        std::fs::write(state.path().join(FILE), "hold alice a.test 9\nhold bo").unwrap();
        journal.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert!(journal.append(&[hold("bob", "b.test")], AT).is_err());
        journal.append(&[hold("carol", "c.test")], AT).unwrap();
        let again = Journal::open(state.path()).unwrap();
        assert_eq!(
            again.remembered().records().collect::<Vec<_>>(),
            journal.remembered().records().collect::<Vec<_>>()
        );
        assert_eq!(again.remembered().len(), 3);
    }

    #[test]
    fn a_journal_torn_anywhere_remembers_its_whole_lines_and_takes_more() {
        let state = tempfile::tempdir().unwrap();
        let whole = "hold alice a.test 1\nhold bob b.test 2\nhold carol c.test 3\n";
        for cut in 0..=whole.len() {
            std::fs::write(state.path().join(FILE), &whole[..cut]).unwrap();
            let lines = whole[..cut].matches('\n').count();
            let mut journal = Journal::open(state.path()).unwrap();
            assert_eq!(journal.remembered().len(), lines, "cut at {cut}");
            journal.append(&[hold("dave", "d.test")], AT).unwrap();
            assert_eq!(Journal::open(state.path()).unwrap().remembered().len(), lines + 1, "cut at {cut}");
        }
    }

    #[test]
    fn damage_costs_the_damaged_lines() {
        let (remembered, lines, skipped) =
            read(b"hold alice a.test 1\nnonsense\nhold bob b.test\n\xff\xfe\nhold bob b.test 2\n");
        assert_eq!((remembered.len(), lines, skipped), (2, 2, 3));
    }
}
