//! The end of a log, and what is written to it from then on: past midnight, and past whoever renames or empties it. Reads
//! files; knows nothing of accounts.

use crate::base::now;
use flate2::read::MultiGzDecoder;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Seek, SeekFrom, StdoutLock, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Prints the last lines of the file that `path` names now; where it is followed, what comes, and then the file that `path`
/// names by then. Whether there was anything.
pub(super) fn print(path: &dyn Fn() -> PathBuf, lines: usize, follow: bool) -> io::Result<bool> {
    let mut out = Screen::new();
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
        let Some(file) = &mut open else {
            (name, open) = opened_now(path)?;
            continue;
        };
        if copy_on(file, &mut out)? > 0 {
            continue;
        }
        // The old file is read to its end first: the last lines of a day come a moment after midnight.
        if path() != name {
            (name, open) = opened_now(path)?;
            continue;
        }
        match become_of(file, &name)? {
            Fate::Same => {}
            Fate::Emptied => _ = file.seek(SeekFrom::Start(0))?,
            Fate::Replaced => {
                // What came between the last look and the other file.
                while copy_on(file, &mut out)? > 0 {}
                open = opened(&name)?;
            }
        }
    }
}

/// Prints the last lines of a gzipped file and of what came later. Cost: the file is unpacked whole; the lines that are printed
/// are kept.
pub(super) fn print_gzipped(gzipped: File, later: Option<File>, lines: usize) -> io::Result<()> {
    let later: Box<dyn Read> = later.map_or_else(|| Box::new(io::empty()) as _, |file| Box::new(file) as _);
    let mut unpacked = BufReader::new(MultiGzDecoder::new(gzipped).chain(later));
    let mut last = VecDeque::new();
    loop {
        let mut line = Vec::new();
        if unpacked.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        last.push_back(line);
        if last.len() > lines {
            last.pop_front();
        }
    }
    let mut out = Screen::new();
    last.iter().try_for_each(|line| out.write_all(line))?;
    out.flush()
}

/// What became of an open file since it was opened by its name.
enum Fate {
    Same,
    /// It is shorter than what was read of it.
    Emptied,
    /// Another file has its name.
    Replaced,
}

fn become_of(file: &mut File, name: &Path) -> io::Result<Fate> {
    let own = file.metadata()?;
    let identity = |metadata: &Metadata| (metadata.dev(), metadata.ino());
    // While nobody has its name, whoever renamed it may still write to it.
    if fs::metadata(name).is_ok_and(|other| identity(&other) != identity(&own)) {
        return Ok(Fate::Replaced);
    }
    Ok(if own.len() < file.stream_position()? { Fate::Emptied } else { Fate::Same })
}

/// Prints what was added to a file, not more than [`MOST_AT_ONCE`]; how many bytes that was.
fn copy_on(file: &mut File, out: &mut impl Write) -> io::Result<usize> {
    let mut bytes = Vec::new();
    let count = file.take(MOST_AT_ONCE).read_to_end(&mut bytes)?;
    out.write_all(&bytes)?;
    out.flush()?;
    Ok(count)
}

/// The file that `path` names now.
fn opened_now(path: &dyn Fn() -> PathBuf) -> io::Result<(PathBuf, Option<File>)> {
    let name = path();
    let open = opened(&name)?;
    Ok((name, open))
}

/// `None`: nothing was written to it yet. The account may write where its logs are, and whoever looks may be root: a link is not
/// followed, and nothing but a file is opened.
pub(super) fn opened(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(io::Error::other("it is a link, and no link is followed here")),
        Err(error) => return Err(error.into()),
    };
    if file.metadata()?.is_file() { Ok(Some(file)) } else { Err(io::Error::other("it is not a file")) }
}

/// Standard output. What a terminal would obey is not let through to one: a log is not always the node's alone to write.
struct Screen {
    out: StdoutLock<'static>,
    is_terminal: bool,
}

impl Screen {
    fn new() -> Self {
        let out = io::stdout().lock();
        Self { is_terminal: out.is_terminal(), out }
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_terminal {
            return self.out.write(bytes);
        }
        let tame =
            |letter: char| if letter.is_control() && !matches!(letter, '\n' | '\t') { '?' } else { letter };
        let text: String = String::from_utf8_lossy(bytes).chars().map(tame).collect();
        self.out.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
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

/// Bytes printed before it is looked again what became of the file.
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
