//! Opens files below a directory that others may write to: no symbolic link is followed, no path leads out of it, nothing
//! but a regular file is opened, missing directories are made where a line is to be written.

use crate::base::open_below;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
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

    /// Opens the directory at `path` below, a relative path of plain names; an empty one is this directory.
    pub(super) fn enter(&self, path: &str) -> io::Result<Self> {
        let path = if path.is_empty() { "." } else { path };
        Ok(Self(self.open_below(path, ENTER, Mode::empty())?))
    }

    /// Opens `path`, a relative path of plain names, for appending.
    ///
    /// # Errors
    /// The system's; `ELOOP` or `ENOTDIR` for a link in the path, `InvalidInput` for what is no regular file.
    pub(super) fn append(&self, path: &str) -> io::Result<File> {
        match self.open_below(path, APPEND, FILE_MODE) {
            Err(Errno::NOENT) => {
                self.make_parents(path)?;
                regular(self.open_below(path, APPEND, FILE_MODE)?)
            }
            opened => regular(opened?),
        }
    }

    /// Opens the file of this name for reading.
    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        regular(self.open_below(name, READ, Mode::empty())?)
    }

    /// Makes a file of this name, which must not be there.
    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        regular(self.open_below(name, CREATE, FILE_MODE)?)
    }

    /// What stands under this name; a link is itself.
    pub(super) fn status(&self, name: &str) -> io::Result<Stat> {
        Ok(rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// The names that stand in it, as far as they are text, in their order.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        let listed = self.open_below(".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        for entry in Dir::new(listed)? {
            names.extend(entry?.file_name().to_str().ok().map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Puts the file of one name in the place of another.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.0, from, &self.0, to)?)
    }

    /// Removes a name that is no directory's.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Waits until its names are on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.open_below(".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?)?)
    }

    /// Makes the directories of a path that are missing.
    fn make_parents(&self, path: &str) -> io::Result<()> {
        for (slash, _) in path.match_indices('/').filter(|(slash, _)| *slash > 0) {
            let parent = &path[..slash];
            match self.open_below(parent, ENTER, Mode::empty()) {
                Err(Errno::NOENT) => {
                    let (above, name) = parent.rsplit_once('/').unwrap_or(("", parent));
                    match rustix::fs::mkdirat(&self.enter(above)?.0, name, DIRECTORY_MODE) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                opened => drop(opened?),
            }
        }
        Ok(())
    }

    fn open_below(&self, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        open_below(&self.0, path, flags, mode)
    }
}

fn regular(file: OwnedFd) -> io::Result<File> {
    let status = rustix::fs::fstat(&file)?;
    if !is_regular(&status) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(File::from(file))
}

/// Whether it is a file and nothing else.
pub(super) fn is_regular(status: &Stat) -> bool {
    FileType::from_raw_mode(status.st_mode) == FileType::RegularFile
}

const ENTER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

/// `NONBLOCK` is for what is no file: opening a FIFO would wait for its other end.
const SAFE: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY);

/// Read, too: what it ends with says how to go on.
const APPEND: OFlags = OFlags::RDWR.union(OFlags::APPEND).union(OFlags::CREATE).union(SAFE);

const READ: OFlags = OFlags::RDONLY.union(SAFE);

const CREATE: OFlags = OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(SAFE);

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
        // Neither are they read, entered or made beside.
        for path in ["alice/victim", "bob/http.log", "bob/fifo.log"] {
            assert!(logs.read(path).is_err(), "{path}");
        }
        assert!(
            logs.enter("alice").is_err() && logs.enter("..").is_err() && logs.append("../x.log").is_err()
        );
        assert!(logs.append("alice/new/http.log").is_err() && logs.create("bob/dangling.log").is_err());
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
