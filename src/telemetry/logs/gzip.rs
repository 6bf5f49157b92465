//! A finished log becomes a compressed one: written beside it under another name, put in place whole, and only then is the
//! log removed. Whenever that stops, every line is in one of the two.

use super::directory::{LogDirectory, is_regular};
use flate2::write::GzEncoder;
use flate2::{Compression, Crc};
use rustix::fs::{Gid, Mode, Stat, Timespec, Timestamps, Uid, fstat};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Compresses the log `name` into `NAME.gz`; whether it did. One that somebody else owns or holds a second name of is left
/// alone: it may be another's, and large. What the compressed log holds already stays in it. Stops between two pieces when
/// `is_stopped` says so.
///
/// # Errors
/// The system's: the log is as it was.
pub(super) fn compress(
    directory: &LogDirectory,
    name: &str,
    is_stopped: &dyn Fn() -> bool,
) -> io::Result<bool> {
    let mut plain = directory.read(name)?;
    let status = fstat(&plain)?;
    if !is_own(&status) {
        return Ok(false);
    }
    let target = format!("{name}{COMPRESSED}");
    let before = match directory.read(&target) {
        Ok(file) if is_own(&fstat(&file)?) => Some(file),
        Ok(_) => return Err(io::Error::other("somebody else's compressed log is in the way")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let is_done = match &before {
        Some(before) => ends_with(before, &mut plain, is_stopped)?,
        None => false,
    };
    if !is_done && !write(directory, name, &mut plain, before, is_stopped)? {
        return Ok(false);
    }
    directory.sync()?;
    directory.remove(name)?;
    rescue(directory, name, &mut plain)?;
    Ok(true)
}

/// Writes the compressed log and puts it in its place; `false`: lines arrived meanwhile, or it was stopped.
fn write(
    directory: &LogDirectory,
    name: &str,
    plain: &mut File,
    before: Option<File>,
    is_stopped: &dyn Fn() -> bool,
) -> io::Result<bool> {
    let temporary = format!("{name}{TEMPORARY}");
    let file = directory.create(&temporary)?;
    let written = fill(&file, plain, before, is_stopped).and_then(|is_whole| {
        if is_whole {
            directory.rename(&temporary, &format!("{name}{COMPRESSED}"))?;
        }
        Ok(is_whole)
    });
    if !matches!(written, Ok(true)) {
        // Where even that fails, the next time finds it.
        let _ = directory.remove(&temporary);
    }
    written
}

fn fill(
    mut file: &File,
    plain: &mut File,
    before: Option<File>,
    is_stopped: &dyn Fn() -> bool,
) -> io::Result<bool> {
    let status = fstat(&*plain)?;
    let made = fstat(file)?;
    if made.st_gid != status.st_gid {
        rustix::fs::fchown(file, None::<Uid>, Some(Gid::from_raw(status.st_gid)))?;
    }
    rustix::fs::fchmod(file, Mode::from_raw_mode(status.st_mode & 0o777))?;
    if let Some(mut before) = before {
        before.seek(SeekFrom::Start(0))?;
        if each_piece(&mut before, is_stopped, |piece| file.write_all(piece))?.is_none() {
            return Ok(false);
        }
    }
    // A file of several members is one stream to whoever reads it (RFC 1952 §2.2).
    let mut encoder = GzEncoder::new(file, Compression::default());
    plain.seek(SeekFrom::Start(0))?;
    let Some(bytes) = each_piece(plain, is_stopped, |piece| encoder.write_all(piece))? else {
        return Ok(false);
    };
    encoder.finish()?;
    let modified = Timespec {
        tv_sec: status.st_mtime,
        tv_nsec: i64::try_from(status.st_mtime_nsec).unwrap_or_default(),
    };
    let times = Timestamps { last_access: modified, last_modification: modified };
    rustix::fs::futimens(file, &times)?;
    file.sync_all()?;
    let now = fstat(&*plain)?;
    let is_same = (now.st_mtime, now.st_mtime_nsec) == (status.st_mtime, status.st_mtime_nsec);
    Ok(is_same && u64::try_from(now.st_size).is_ok_and(|size| size == bytes))
}

/// Whether the compressed log ends with a member that holds all of `plain`: then somebody stopped between the last two steps.
/// By the member's trailer, its checksum and length (RFC 1952 §2.3.1).
fn ends_with(mut compressed: &File, plain: &mut File, is_stopped: &dyn Fn() -> bool) -> io::Result<bool> {
    let mut crc = Crc::new();
    let whole = each_piece(plain, is_stopped, |piece| {
        crc.update(piece);
        Ok(())
    })?;
    let mut trailer = [0; 8];
    compressed.seek(SeekFrom::End(-8))?;
    compressed.read_exact(&mut trailer)?;
    let expected = [crc.sum().to_le_bytes(), crc.amount().to_le_bytes()].concat();
    Ok(whole.is_some() && trailer == *expected)
}

/// Lines that a slow writer appended before the name was gone stand in a log of the same name again.
fn rescue(directory: &LogDirectory, name: &str, plain: &mut File) -> io::Result<()> {
    let mut rest = Vec::new();
    plain.read_to_end(&mut rest)?;
    if !rest.is_empty() {
        directory.append(name)?.write_all(&rest)?;
    }
    Ok(())
}

/// Hands a file on in pieces, from where it stands to its end: how many bytes that were, unless it was stopped.
fn each_piece(
    file: &mut File,
    is_stopped: &dyn Fn() -> bool,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Option<u64>> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut bytes = 0;
    loop {
        if is_stopped() {
            return Ok(None);
        }
        match file.read(&mut piece) {
            Ok(0) => return Ok(Some(bytes)),
            Ok(count) => {
                bytes += count as u64;
                take(&piece[..count])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether this process made it, and nobody gave it a second name.
pub(super) fn is_own(status: &Stat) -> bool {
    is_regular(status) && status.st_nlink == 1 && status.st_uid == rustix::process::geteuid().as_raw()
}

/// How a compressed log's name ends.
pub(super) const COMPRESSED: &str = ".gz";

/// How the name of one ends that is not whole yet.
pub(super) const TEMPORARY: &str = ".gz.tmp";

/// What is compressed between two looks at whether to stop: a millisecond or two.
const PIECE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::MultiGzDecoder;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;

    const LINES: &str = "one\ntwo\n";

    fn directory() -> (tempfile::TempDir, LogDirectory) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.log"), LINES).unwrap();
        let logs = LogDirectory::open(directory.path()).unwrap();
        (directory, logs)
    }

    fn unpacked(path: &Path) -> String {
        let mut text = String::new();
        MultiGzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        text
    }

    fn names(path: &Path) -> Vec<String> {
        LogDirectory::open(path)
            .unwrap()
            .names()
            .unwrap()
            .into_iter()
            .filter(|name| !name.starts_with('.'))
            .collect()
    }

    #[test]
    fn a_log_is_compressed_with_its_mode_group_and_time() {
        let (directory, logs) = directory();
        let plain = directory.path().join("a.log");
        fs::set_permissions(&plain, fs::Permissions::from_mode(0o640)).unwrap();
        let group = rustix::process::geteuid().is_root().then_some(4711);
        std::os::unix::fs::chown(&plain, None, group).unwrap();
        let before = fs::metadata(&plain).unwrap();
        assert!(compress(&logs, "a.log", &|| false).unwrap());
        assert_eq!(names(directory.path()), ["a.log.gz"]);
        let after = fs::metadata(directory.path().join("a.log.gz")).unwrap();
        assert_eq!((after.mode(), after.gid(), after.mtime()), (before.mode(), before.gid(), before.mtime()));
        assert_eq!(unpacked(&directory.path().join("a.log.gz")), LINES);
    }

    #[test]
    fn lines_that_come_late_follow_those_that_are_compressed() {
        let (directory, logs) = directory();
        compress(&logs, "a.log", &|| false).unwrap();
        logs.append("a.log").unwrap().write_all(b"late\n").unwrap();
        assert!(compress(&logs, "a.log", &|| false).unwrap());
        assert_eq!(names(directory.path()), ["a.log.gz"]);
        assert_eq!(unpacked(&directory.path().join("a.log.gz")), format!("{LINES}late\n"));
    }

    #[test]
    fn whoever_stopped_before_the_last_step_is_followed_by_that_step_alone() {
        let (directory, logs) = directory();
        compress(&logs, "a.log", &|| false).unwrap();
        fs::write(directory.path().join("a.log"), LINES).unwrap();
        assert!(compress(&logs, "a.log", &|| false).unwrap());
        assert_eq!(names(directory.path()), ["a.log.gz"]);
        assert_eq!(unpacked(&directory.path().join("a.log.gz")), LINES);
    }

    #[test]
    fn whoever_is_stopped_leaves_the_log_and_nothing_else() {
        for turns in 0..3_u32 {
            let (directory, logs) = directory();
            let left = std::cell::Cell::new(turns);
            let stop = || left.replace(left.get().saturating_sub(1)) == 0;
            assert_eq!(compress(&logs, "a.log", &stop).unwrap(), turns == 2);
            let expected = if turns == 2 { ["a.log.gz"] } else { ["a.log"] };
            assert_eq!(names(directory.path()), expected, "{turns}");
        }
    }

    #[test]
    fn a_log_that_grows_meanwhile_is_left_for_later() {
        let (directory, logs) = directory();
        let path = directory.path().join("a.log");
        let append = || {
            fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"late\n").unwrap();
            false
        };
        let grown = std::cell::Cell::new(0);
        // Once it was read to its end, and before that is told.
        let stop = || {
            grown.set(grown.get() + 1);
            grown.get() == 2 && append()
        };
        compress(&logs, "a.log", &stop).unwrap();
        let gz = directory.path().join("a.log.gz");
        let packed = if gz.exists() { unpacked(&gz) } else { String::new() };
        let plain = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(packed + &plain, format!("{LINES}late\n"));
    }

    #[test]
    fn what_may_be_anothers_is_left_alone() {
        let (directory, logs) = directory();
        fs::hard_link(directory.path().join("a.log"), directory.path().join("b.log")).unwrap();
        assert!(!compress(&logs, "a.log", &|| false).unwrap());
        fs::remove_file(directory.path().join("b.log")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", directory.path().join("a.log.gz")).unwrap();
        assert!(compress(&logs, "a.log", &|| false).is_err());
        assert_eq!(fs::read_to_string(directory.path().join("a.log")).unwrap(), LINES);
        assert_eq!(names(directory.path()), ["a.log", "a.log.gz"]);
    }
}
