//! Opening what stands below a directory that others may write to: by no symbolic link, and nothing outside of it.

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat, openat2};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Opens `path`, a relative path of plain names, below `directory`. What it finds may be anything: a FIFO is opened at once
/// where the flags have `NONBLOCK`. Costs one system call, and where openat2(2) is not to be had (`RestrictSUIDSGID=` of
/// systemd.exec(5) takes it away, as do sandboxes of containers) one for each name in the path.
///
/// # Errors
/// The system's; `ELOOP` or `ENOTDIR` for a link in the path, `EXDEV` for a path that leads out.
pub fn open_below(directory: impl AsFd, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    if path.starts_with('/') || path.split('/').any(|name| name == "..") {
        return Err(Errno::XDEV);
    }
    let (directory, flags) = (directory.as_fd(), flags | OFlags::CLOEXEC);
    let below = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match openat2(directory, path, flags, mode, below) {
        // PERM: how older sandboxes refuse what they do not know. Whatever else it meant is met again.
        Err(Errno::NOSYS | Errno::PERM) => walk(directory, path, flags, mode),
        opened => opened,
    }
}

/// Reads the file at `path` below `directory`, which is whoever's word names it and may itself be behind a link: not more than one
/// byte beyond `most`, by which the caller sees that there is more. Opens nothing but a regular file, and may block: not for a
/// worker.
///
/// # Errors
/// The system's; or that it is a link, or no file, in words for whoever put it there.
pub fn read_below(directory: &Path, path: &str, most: usize) -> io::Result<Vec<u8>> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH;
    let directory = open(directory, flags, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = open_below(directory, path, flags, Mode::empty()).map_err(|error| match error {
        Errno::LOOP => io::Error::other("it is a link, and no link is followed here"),
        error => error.into(),
    })?;
    if FileType::from_raw_mode(fstat(&opened)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    File::from(opened).take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same as `open_below`, name by name, of a path that does not lead out.
fn walk(directory: BorrowedFd<'_>, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let plain = path.trim_end_matches('/');
    let (parents, name) = plain.rsplit_once('/').unwrap_or(("", plain));
    // A name before a slash is a directory's; with the slash a link would be followed all the same.
    let as_directory = if plain == path { OFlags::empty() } else { OFlags::DIRECTORY };
    let mut above: Option<OwnedFd> = None;
    for parent in parents.split('/').filter(|parent| !parent.is_empty()) {
        let from = above.as_ref().map_or(directory, AsFd::as_fd);
        above = Some(openat(from, parent, ENTER, Mode::empty())?);
    }
    let from = above.as_ref().map_or(directory, AsFd::as_fd);
    let opened = openat(from, name, flags | as_directory | OFlags::NOFOLLOW, mode)?;
    // By its path alone even a link can be opened, which is then the link.
    let is_link = || Ok::<_, Errno>(FileType::from_raw_mode(fstat(&opened)?.st_mode) == FileType::Symlink);
    if flags.contains(OFlags::PATH) && is_link()? {
        return Err(Errno::LOOP);
    }
    Ok(opened)
}

const ENTER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::mknodat;
    use std::fs;
    use std::os::unix::fs::symlink;

    type Open = fn(BorrowedFd<'_>, &str, OFlags, Mode) -> Result<OwnedFd, Errno>;

    /// The same is opened either way, and the same is not.
    #[test]
    fn both_ways_open_the_same() {
        let (top, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(top.path().join("alice/http")).unwrap();
        fs::write(top.path().join("alice/http/a.log"), "alice").unwrap();
        fs::write(elsewhere.path().join("victim"), "victim").unwrap();
        for (link, to) in [
            ("link", elsewhere.path().to_owned()),
            ("alice/file", elsewhere.path().join("victim")),
            ("alice/inside", "http".into()),
            ("alice/dangling", elsewhere.path().join("absent")),
            ("alice/circle", "circle".into()),
        ] {
            symlink(to, top.path().join(link)).unwrap();
        }
        mknodat(rustix::fs::CWD, top.path().join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let directory = open(top.path(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let read = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let write = OFlags::WRONLY | OFlags::CREATE | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let enter = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let by_path = OFlags::PATH | OFlags::CLOEXEC;
        let kernel: Open = |directory, path, flags, mode| {
            openat2(directory, path, flags, mode, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
        };
        let mut found = 0;
        let paths = ". ./alice alice alice/ alice//http/a.log alice/http/a.log alice/http/./a.log alice/http/a.log/ \
                     alice/http/a.log/x absent absent/x alice/absent/x fifo fifo/x link link/ link/victim link/new \
                     alice/file alice/file/ alice/inside alice/inside/ alice/inside/a.log alice/dangling \
                     alice/dangling/x alice/circle alice/circle/x";
        for path in paths.split(' ').chain([""]) {
            for (flags, what) in [(read, "read"), (enter, "enter"), (by_path, "by path"), (write, "write")] {
                // The kernel has several words for making a directory by opening it.
                if what == "write" && path.ends_with('/') {
                    continue;
                }
                let mode = if what == "write" { Mode::RUSR } else { Mode::empty() };
                let [one, other] = [kernel, walk].map(|way| {
                    let made = top.path().join("absent");
                    let opened = way(directory.as_fd(), path, flags, mode);
                    let _ = fs::remove_file(made);
                    opened
                });
                let kind = |opened: OwnedFd| FileType::from_raw_mode(fstat(opened).unwrap().st_mode);
                found += usize::from(one.is_ok());
                assert_eq!(one.map(kind).map_err(alike), other.map(kind).map_err(alike), "{what} {path}");
            }
        }
        assert!(found > 20, "{found}");
        let mut text = String::new();
        let opened = walk(directory.as_fd(), "alice/http/a.log", read, Mode::empty()).unwrap();
        File::from(opened).read_to_string(&mut text).unwrap();
        assert_eq!(text, "alice");
        assert!(!elsewhere.path().join("absent").exists());
        for out in ["/", "/etc/passwd", "..", "../x", "alice/..", "alice/../fifo"] {
            assert_eq!(open_below(&directory, out, read, Mode::empty()).unwrap_err(), Errno::XDEV, "{out}");
        }
    }

    /// Of a link in a path the kernel says one or the other, by where it stands.
    fn alike(error: Errno) -> Errno {
        if error == Errno::NOTDIR { Errno::LOOP } else { error }
    }
}
