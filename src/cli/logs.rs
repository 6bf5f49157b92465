//! `parvis logs ACCOUNT`: the end of an account's log, and with `--follow` what is written to it from then on, past midnight
//! too. Reads the files by the templates of the node file; asks no node.

use super::{CONFIG, NO, UNAVAILABLE, check};
use crate::base::{AccountName, now, wall};
use crate::config;
use crate::telemetry::{AccountLog, log_path};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// What is asked for.
pub(super) struct Wanted<'a> {
    pub(super) account: &'a str,
    /// Which of the access logs; `None`: the site log.
    pub(super) log_file: Option<&'a str>,
    pub(super) lines: usize,
    pub(super) follow: bool,
}

/// Prints the end of the log.
pub(super) fn logs(wanted: &Wanted<'_>, file: &Path) -> ExitCode {
    let node = match config::load_node(file) {
        Ok(node) => node,
        Err(report) => return check::refuse(&report),
    };
    let account = wanted.account;
    if account != "_node" && AccountName::new(account).is_err() {
        eprintln!("parvis: {account:?} is not an account's name");
        return ExitCode::from(NO);
    }
    let Some(directory) = node.logs.directory.clone() else {
        eprintln!(
            "parvis: the node file has no `[logs] directory`: its logs go to standard output, or to the journal"
        );
        return ExitCode::from(CONFIG);
    };
    let log = wanted.log_file.map_or(AccountLog::Site, AccountLog::Access);
    let path = || match log_path(&node.logs, log, account, wall()) {
        Ok(path) => directory.join(path),
        Err(_) => directory.clone(),
    };
    match print(&path, wanted.lines, wanted.follow) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("parvis: {}: nothing was written today", path().display());
            ExitCode::from(NO)
        }
        // Whoever closed the other end has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parvis: {}: {error}", path().display());
            ExitCode::from(UNAVAILABLE)
        }
    }
}

/// Prints the last lines of the file that `path` names now; where it is followed, what comes, and then the file that `path`
/// names by then. Whether there was anything.
fn print(path: &dyn Fn() -> PathBuf, lines: usize, follow: bool) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    let mut name = path();
    let mut open = opened(&name)?;
    if let Some(file) = &mut open {
        let start = start_of_last(file, lines)?;
        file.seek(SeekFrom::Start(start))?;
        io::copy(file, &mut out)?;
        out.flush()?;
    }
    if !follow {
        return Ok(open.is_some());
    }
    loop {
        wait();
        let mut bytes = Vec::new();
        match &mut open {
            Some(file) => _ = file.take(MOST_AT_ONCE).read_to_end(&mut bytes)?,
            None => open = opened(&name)?,
        }
        out.write_all(&bytes)?;
        out.flush()?;
        let next = path();
        // The old file is read to its end first: the last lines of a day come a moment after midnight.
        if next != name && bytes.is_empty() {
            (name, open) = (next, None);
        }
    }
}

/// `None`: nothing was written to it yet.
fn opened(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where the last `lines` lines of a file begin. Cost: what of the file is read, from its end.
fn start_of_last(file: &mut File, lines: usize) -> io::Result<u64> {
    let end = file.seek(SeekFrom::End(0))?;
    if lines == 0 {
        return Ok(end);
    }
    let (mut start, mut left) = (end, lines);
    let mut block = vec![0; BLOCK];
    while start > 0 {
        let length = start.min(BLOCK as u64) as usize;
        start -= length as u64;
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block[..length])?;
        for place in memchr::memrchr_iter(b'\n', &block[..length]) {
            let behind = start + place as u64 + 1;
            // The line end at the very end begins no line.
            left -= usize::from(behind < end);
            if left == 0 {
                return Ok(behind);
            }
        }
    }
    Ok(0)
}

/// Until the file is looked at again.
fn wait() {
    let until = now() + LOOK_EVERY;
    while let Some(left) = until.checked_duration_since(now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

/// How often a followed file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Bytes printed before the name of the day's file is looked at again.
const MOST_AT_ONCE: u64 = 1 << 20;

const BLOCK: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_found_from_the_end() {
        let lines: Vec<String> = (0..50_000).map(|number| format!("line {number}\n")).collect();
        let text = lines.concat();
        for (text, lines, begin) in [
            ("", 3, ""),
            ("a\nb\nc\n", 2, "b\nc\n"),
            ("a\nb\nc\n", 3, "a\nb\nc\n"),
            ("a\nb\nc\n", 9, "a\nb\nc\n"),
            ("a\nb\nc", 1, "c"),
            ("a\nb\nc", 2, "b\nc"),
            ("a\n\n\n", 2, "\n\n"),
            ("a\nb\n", 0, ""),
            (text.as_str(), 1, "line 49999\n"),
        ] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let start = start_of_last(&mut file, lines).unwrap();
            assert_eq!(&text[start as usize..], begin, "{lines} of {text:.20}");
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let start = start_of_last(&mut file, 20_000).unwrap();
        assert!(text[start as usize..].starts_with("line 30000\n"));
    }
}
