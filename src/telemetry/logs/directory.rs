//! Opens files below a directory that others may write to: no symbolic link is followed, nothing but a regular
//! file is opened, missing directories are made.

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// A directory that logs are written below. It may itself be behind a link: it is the operator's.
#[derive(Debug)]
pub(super) struct LogDirectory(OwnedFd);

impl LogDirectory {
    /// Opens the directory, which must exist: one made in passing would hide that a disk is not mounted.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens `path`, a relative path of plain names, for appending.
    ///
    /// # Errors
    /// The system's; `ELOOP` or `ENOTDIR` for a link in the path, `InvalidInput` for what is no regular file.
    pub(super) fn append(&self, path: &str) -> io::Result<File> {
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut directory = None;
        for parent in parents.split('/').filter(|parent| !["", "."].contains(parent)) {
            directory = Some(enter(directory.as_ref().unwrap_or(&self.0), parent)?);
        }
        open_file(directory.as_ref().unwrap_or(&self.0), name)
    }
}

fn enter(directory: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let open = || rustix::fs::openat(directory, name, ENTER, Mode::empty());
    match open() {
        Err(Errno::NOENT) => {
            match rustix::fs::mkdirat(directory, name, DIRECTORY_MODE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            Ok(open()?)
        }
        other => Ok(other?),
    }
}

fn open_file(directory: impl AsFd, name: &str) -> io::Result<File> {
    let file = rustix::fs::openat(directory, name, APPEND, FILE_MODE)?;
    let status = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(File::from(file))
}

const ENTER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// `NONBLOCK` is for what is no file: opening a FIFO would wait for its reader.
const APPEND: OFlags = OFlags::WRONLY
    .union(OFlags::APPEND)
    .union(OFlags::CREATE)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// The node writes, the group of the directory (the customer's, where it is setgid) reads.
const FILE_MODE: Mode = Mode::from_raw_mode(0o640);

const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o750);

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn directory() -> (tempfile::TempDir, LogDirectory) {
        let directory = tempfile::tempdir().unwrap();
        let logs = LogDirectory::open(directory.path()).unwrap();
        (directory, logs)
    }

    #[test]
    fn directories_are_made_and_lines_appended() {
        let (directory, logs) = directory();
        for line in ["one\n", "two\n"] {
            logs.append("alice/http/2026/a.log").unwrap().write_all(line.as_bytes()).unwrap();
        }
        logs.append("./bob//top.log").unwrap();
        let path = directory.path().join("alice/http/2026/a.log");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o137, 0);
    }

    #[test]
    fn links_and_pipes_open_nothing() {
        let (directory, logs) = directory();
        let elsewhere = tempfile::tempdir().unwrap();
        let victim = elsewhere.path().join("victim");
        fs::write(&victim, "").unwrap();
        fs::create_dir(directory.path().join("bob")).unwrap();
        symlink(elsewhere.path(), directory.path().join("alice")).unwrap();
        symlink(&victim, directory.path().join("bob/http.log")).unwrap();
        symlink(elsewhere.path().join("absent"), directory.path().join("bob/dangling.log")).unwrap();
        let fifo = directory.path().join("bob/fifo.log");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
        for path in ["alice/http.log", "alice/victim", "bob/http.log", "bob/dangling.log", "bob/fifo.log"] {
            assert!(logs.append(path).is_err(), "{path}");
        }
        let reader = rustix::fs::open(&fifo, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
        assert_eq!(logs.append("bob/fifo.log").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        drop(reader);
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
        assert_eq!(fs::read(&victim).unwrap(), b"");
    }

    #[test]
    fn a_missing_directory_is_an_error_and_not_made() {
        let parent = tempfile::tempdir().unwrap();
        assert!(LogDirectory::open(&parent.path().join("logs")).is_err());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
