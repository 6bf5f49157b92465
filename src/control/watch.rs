//! Hears that files in some directories changed. A hint and no more: what a file says is asked of the file. Reads
//! events (inotify(7)); reads no file.

use crate::net::register;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The watched directories.
pub struct Watch {
    inotify: AsyncFd<OwnedFd>,
    /// By the kernel's number of the watch.
    directories: HashMap<i32, PathBuf>,
    /// Directories that could not be watched, or are gone: the slow rescan covers them.
    unwatched: BTreeSet<PathBuf>,
}

/// What was heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Hint {
    /// These files were written, moved or deleted; these directories came or went.
    Files(Vec<PathBuf>),
    /// More happened than could be told: everything is to be looked at.
    Everything,
}

impl Watch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// Where the kernel gives no inotify instance (`fs.inotify.max_user_instances`).
    pub fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self {
            inotify: register(inotify, Interest::READABLE)?,
            directories: HashMap::new(),
            unwatched: BTreeSet::new(),
        })
    }

    /// Watches these directories from now on, and no others. One that cannot be watched is named in the log once,
    /// and tried again at the next call.
    ///
    /// Returns those that were not watched before: what was written into one of them until now was not heard.
    pub fn set(&mut self, wanted: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
        let gone: Vec<_> = self
            .directories
            .iter()
            .filter(|(_, directory)| !wanted.contains(*directory))
            .map(|(descriptor, _)| *descriptor)
            .collect();
        for descriptor in gone {
            self.directories.remove(&descriptor);
            // It fails where the directory went first, and then there is nothing to remove.
            let _ = inotify::remove_watch(self.inotify.get_ref(), descriptor);
        }
        let have: BTreeSet<&PathBuf> = self.directories.values().collect();
        let missing: Vec<_> = wanted.iter().filter(|directory| !have.contains(directory)).cloned().collect();
        self.unwatched.retain(|directory| wanted.contains(directory));
        missing.into_iter().filter_map(|directory| self.add(directory)).collect()
    }

    fn add(&mut self, directory: PathBuf) -> Option<PathBuf> {
        match inotify::add_watch(self.inotify.get_ref(), &directory, CHANGES) {
            Ok(descriptor) => {
                self.unwatched.remove(&directory);
                self.directories.insert(descriptor, directory.clone());
                Some(directory)
            }
            Err(error) => {
                if self.unwatched.insert(directory.clone()) {
                    tracing::warn!(directory = %directory.display(), %error, "not watched: changes are found by the slow rescan");
                }
                None
            }
        }
    }

    /// Whether every directory is watched.
    pub fn is_complete(&self) -> bool {
        self.unwatched.is_empty()
    }

    /// Waits for the next hint. Takes what the kernel has ready at once, so that many changes are few hints.
    ///
    /// # Errors
    /// Where the kernel's queue cannot be read.
    pub async fn hint(&mut self) -> io::Result<Hint> {
        loop {
            let mut heard = Heard::default();
            let mut ready = self.inotify.readable().await?;
            let mut room = [MaybeUninit::uninit(); EVENT_BYTES];
            let mut reader = Reader::new(self.inotify.get_ref(), &mut room);
            for _ in 0..MOST_EVENTS {
                match reader.next() {
                    Ok(event) => heard.take(
                        event.wd(),
                        event.events(),
                        event.file_name().map(std::ffi::CStr::to_bytes),
                        &self.directories,
                    ),
                    Err(Errno::AGAIN) => {
                        ready.clear_ready();
                        break;
                    }
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            drop(ready);
            for gone in heard.gone {
                let directory = self.directories.remove(&gone);
                self.unwatched.extend(directory.clone());
                heard.files.extend(directory);
                // One that was moved away is watched where it went; one that was deleted is not, and this fails.
                let _ = inotify::remove_watch(self.inotify.get_ref(), gone);
            }
            if heard.everything {
                return Ok(Hint::Everything);
            }
            if !heard.files.is_empty() {
                return Ok(Hint::Files(heard.files.into_iter().collect()));
            }
        }
    }
}

/// What one batch of events says.
#[derive(Default)]
struct Heard {
    files: BTreeSet<PathBuf>,
    gone: Vec<i32>,
    everything: bool,
}

impl Heard {
    fn take(
        &mut self,
        watch: i32,
        events: ReadFlags,
        name: Option<&[u8]>,
        directories: &HashMap<i32, PathBuf>,
    ) {
        if events.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.everything = true;
        } else if events.intersects(ReadFlags::IGNORED | ReadFlags::UNMOUNT | ReadFlags::MOVE_SELF) {
            // A watch that was given up by us is not ours any more.
            self.gone.extend(directories.contains_key(&watch).then_some(watch));
        } else if let (Some(directory), Some(name)) = (directories.get(&watch), name) {
            let path = directory.join(OsStr::from_bytes(name));
            if !events.contains(ReadFlags::CREATE) || events.contains(ReadFlags::ISDIR) || is_link(&path) {
                self.files.insert(path);
            }
        }
    }
}

/// A file that is created is empty, and heard of again when it is closed; a link is whole.
fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink())
}

/// Whether `path` lies directly in `directory`.
pub fn is_in(path: &Path, directory: &Path) -> bool {
    path.parent() == Some(directory)
}

/// What a document written in any reasonable way causes: closed after writing, or renamed into place. `IN_MODIFY`
/// would tell of half-written files, and our own reads are nobody's change. `IN_MOVE_SELF`: another directory will
/// stand at the path. `IN_CREATE`: a directory or a link, which nobody closes.
const CHANGES: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::CREATE)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Bytes of events read at once: some hundred names.
const EVENT_BYTES: usize = 16 * 1024;

/// Events taken for one hint, so that a storm of them is dealt with in parts.
const MOST_EVENTS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn files(hint: Hint) -> Vec<PathBuf> {
        match hint {
            Hint::Files(files) => files,
            Hint::Everything => panic!("everything"),
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn renames_writes_and_deletions_are_heard_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let mut watch = Watch::new().unwrap();
        watch.set(&BTreeSet::from([directory.path().to_owned()]));
        assert!(watch.is_complete());
        std::fs::write(path(".a.tmp"), "x").unwrap();
        std::fs::rename(path(".a.tmp"), path("a.toml")).unwrap();
        let _ = std::fs::read(path("a.toml")).unwrap();
        assert_eq!(files(watch.hint().await.unwrap()), [path(".a.tmp"), path("a.toml")]);
        std::fs::remove_file(path("a.toml")).unwrap();
        assert_eq!(files(watch.hint().await.unwrap()), [path("a.toml")]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_directory_that_goes_is_heard() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let mut watch = Watch::new().unwrap();
        watch.set(&BTreeSet::from([inner.clone()]));
        std::fs::remove_dir(&inner).unwrap();
        assert_eq!(files(watch.hint().await.unwrap()), [inner]);
        assert!(!watch.is_complete());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn directories_and_links_are_heard_when_they_come() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let mut watch = Watch::new().unwrap();
        watch.set(&BTreeSet::from([directory.path().to_owned()]));
        let open = std::fs::File::create(path("half-written")).unwrap();
        std::fs::create_dir(path("alice")).unwrap();
        std::os::unix::fs::symlink("/dev/null", path("link")).unwrap();
        assert_eq!(files(watch.hint().await.unwrap()), [path("alice"), path("link")]);
        drop(open);
        assert_eq!(files(watch.hint().await.unwrap()), [path("half-written")]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn who_asks_is_told_which_directories_were_not_heard_before() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        std::fs::create_dir(&one).unwrap();
        let wanted = BTreeSet::from([one.clone(), two.clone()]);
        let mut watch = Watch::new().unwrap();
        assert_eq!(watch.set(&wanted), [one]);
        assert!(watch.set(&wanted).is_empty());
        std::fs::create_dir(&two).unwrap();
        assert_eq!(watch.set(&wanted), [two]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_directory_that_is_replaced_is_watched_again() {
        let parent = tempfile::tempdir().unwrap();
        let wanted = parent.path().join("accounts.d");
        std::fs::create_dir(&wanted).unwrap();
        let mut watch = Watch::new().unwrap();
        watch.set(&BTreeSet::from([wanted.clone()]));
        std::fs::rename(&wanted, parent.path().join("old")).unwrap();
        std::fs::create_dir(&wanted).unwrap();
        assert_eq!(files(watch.hint().await.unwrap()), std::slice::from_ref(&wanted));
        watch.set(&BTreeSet::from([wanted.clone()]));
        assert!(watch.is_complete());
        std::fs::write(parent.path().join("old/a.toml"), "x").unwrap();
        std::fs::write(wanted.join("b.toml"), "x").unwrap();
        assert_eq!(files(watch.hint().await.unwrap()), [wanted.join("b.toml")]);
    }
}
