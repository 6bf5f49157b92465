//! Where certificates lie on disk: which file is whose, whether it changed, and its bytes. Judges no certificate.

use crate::base::AccountName;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, DirEntry, File, FileType, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Whose a certificate is, and therefore which hosts it may serve and how high it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Attached by this account's document.
    Attached(AccountName),
    /// In this account's part of the directory.
    Customer(AccountName),
    /// On top of the directory: the platform's, or an automatic one.
    Automatic,
    /// `[certificates] default`, or the self-signed one in its place.
    Default,
}

/// The file or files that hold one certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Chain and key in one file.
    File(PathBuf),
    /// A directory with `fullchain.pem` and `privkey.pem`.
    Pair(PathBuf),
}

/// A place and whose it is: what a certificate is known by while its content changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Whose.
    pub source: Source,
    /// Where.
    pub place: Place,
}

/// What the file system says about the files of a place: equal stamps mean equal content, if the later one is
/// [`settled`](Stamp::is_settled).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(Vec<FileStamp>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct FileStamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What a directory of certificates holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// The places found.
    pub found: BTreeSet<Slot>,
    /// The directories read, the first one included.
    pub directories: BTreeSet<PathBuf>,
    /// Directories that could not be read, or cannot hold certificates, and why. What was found below one of
    /// them before must be taken to be there still.
    pub unread: Vec<(PathBuf, String)>,
}

impl Source {
    /// The account whose hosts alone the certificate may serve; `None` for the platform's.
    pub fn account(&self) -> Option<&AccountName> {
        match self {
            Self::Attached(account) | Self::Customer(account) => Some(account),
            Self::Automatic | Self::Default => None,
        }
    }
}

impl Slot {
    /// Whether it was found in the directory of certificates, not named by a document or the node file.
    pub fn is_listed(&self) -> bool {
        matches!(self.source, Source::Customer(_) | Source::Automatic)
    }
}

impl Listing {
    /// Whether `slot` may be there although it was not found: in a directory that could not be read.
    pub fn may_hold(&self, slot: &Slot) -> bool {
        slot.is_listed() && self.unread.iter().any(|(directory, _)| slot.place.path().starts_with(directory))
    }

    /// Takes over what a listing says of the directories at and under `below`; tells whether there are others now.
    pub fn replace_below(&mut self, below: &Path, listing: Listing) -> bool {
        let known = self.directories.range(below.to_owned()..).take_while(|known| known.starts_with(below));
        let known: BTreeSet<_> = known.cloned().collect();
        self.unread.retain(|(directory, _)| !directory.starts_with(below));
        self.unread.extend(listing.unread);
        if known == listing.directories {
            return false;
        }
        self.directories.retain(|directory| !known.contains(directory));
        self.directories.extend(listing.directories);
        true
    }
}

impl Place {
    /// The path to show: the file's, or the pair's directory's.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Pair(path) => path,
        }
    }

    /// Whether there is a file at the place, or half of a pair.
    pub fn exists(&self) -> bool {
        self.files().iter().any(|path| path.is_file())
    }

    /// Asks the file system about the files. One syscall a file.
    pub fn stamp(&self) -> io::Result<Stamp> {
        let stamp = |path: &PathBuf| match fs::metadata(path) {
            Ok(metadata) => Ok(FileStamp::new(&metadata)),
            Err(error) => Err(self.explain(path, error)),
        };
        self.files().iter().map(stamp).collect::<io::Result<_>>().map(Stamp)
    }

    /// The text of the chain and of the key; one text twice where one file holds both.
    pub fn read(&self) -> io::Result<(Vec<u8>, Option<Vec<u8>>)> {
        match self {
            Self::File(path) => Ok((self.read_file(path)?, None)),
            Self::Pair(directory) => {
                let chain = self.read_file(&directory.join(CHAIN))?;
                Ok((chain, Some(self.read_file(&directory.join(KEY))?)))
            }
        }
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_bounded(path).map_err(|error| self.explain(path, error))
    }

    /// Says which half of a pair an error is about.
    fn explain(&self, path: &Path, error: io::Error) -> io::Error {
        match (self, path.file_name()) {
            (Self::Pair(_), Some(half)) => {
                io::Error::new(error.kind(), format!("{}: {error}", half.to_string_lossy()))
            }
            _ => error,
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::File(path) => vec![path.clone()],
            Self::Pair(directory) => vec![directory.join(CHAIN), directory.join(KEY)],
        }
    }
}

impl Stamp {
    /// Whether the files were last changed long enough before `now` (wall time since the epoch) that a further
    /// change must show. A file written twice within one tick of the file system's clock has one stamp.
    pub fn is_settled(&self, now: Duration) -> bool {
        self.0.iter().all(|file| {
            let changed = u64::try_from(file.changed.0.max(file.modified.0)).unwrap_or(0);
            Duration::from_secs(changed) + SETTLING < now
        })
    }
}

impl FileStamp {
    fn new(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Lists the certificates below `root`: `NAME.pem` and `NAME.WITH.DOT/` on top, `ACCOUNT/NAME.pem` and
/// `ACCOUNT/NAME/` below. Names that begin with a dot are somebody's temporary files.
pub fn list(root: &Path) -> Listing {
    let mut listing = Listing::default();
    list_below(root, root, &mut listing);
    listing
}

/// Lists only `below`, a directory somewhere under `root`.
pub fn list_below(root: &Path, below: &Path, listing: &mut Listing) {
    let entries = match fs::read_dir(below) {
        Ok(entries) => entries,
        Err(error) => {
            listing.unread.push((below.to_owned(), format!("this directory cannot be read: {error}")));
            return;
        }
    };
    listing.directories.insert(below.to_owned());
    for entry in entries {
        // A directory that fails in the middle is one that was not read; an entry without a type is gone again.
        let (path, found) = match entry {
            Ok(entry) => (entry.path(), file_type(&entry)),
            Err(error) => {
                listing.unread.push((below.to_owned(), format!("this directory cannot be read: {error}")));
                return;
            }
        };
        let Some(found) = found else { continue };
        match kind(root, &path) {
            Kind::Certificate(slot) if found.is_file() => {
                listing.found.insert(slot);
            }
            Kind::Directory if found.is_dir() => list_below(root, &path, listing),
            Kind::Misnamed if found.is_dir() => listing.unread.push((path, MISNAMED.to_owned())),
            _ => {}
        }
    }
}

/// The type of what an entry leads to: a link counts as its target. No syscall but for links.
fn file_type(entry: &DirEntry) -> Option<FileType> {
    let found = entry.file_type().ok()?;
    if found.is_symlink() { Some(fs::metadata(entry.path()).ok()?.file_type()) } else { Some(found) }
}

/// What a path below the directory of certificates stands for, by its name alone.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// If it is a file: this certificate, or half of it.
    Certificate(Slot),
    /// If it is a directory: an account's, or a pair's.
    Directory,
    /// If it is a directory: neither an account's nor a pair's.
    Misnamed,
    /// Nothing of ours.
    Other,
}

/// Reads a path below `root`.
///
/// A directory on top is an account's if its name could be one, and a pair's only if it could not: so that no
/// file name a customer chooses makes a certificate of theirs the platform's.
pub fn kind(root: &Path, path: &Path) -> Kind {
    let Ok(relative) = path.strip_prefix(root) else { return Kind::Other };
    let Some(parts) = relative.iter().map(|part| part.to_str()).collect::<Option<Vec<_>>>() else {
        return Kind::Other;
    };
    if parts.iter().any(|part| part.starts_with('.')) {
        return Kind::Other;
    }
    match parts[..] {
        [] => Kind::Directory,
        [name] if has_pem_extension(name) => {
            Kind::Certificate(Slot { source: Source::Automatic, place: Place::File(path.to_owned()) })
        }
        [name] if AccountName::new(name).is_ok() || name.contains('.') => Kind::Directory,
        [_] => Kind::Misnamed,
        [first, ref below @ ..] => match (AccountName::new(first), below) {
            (Ok(account), [name]) if has_pem_extension(name) => Kind::Certificate(Slot {
                source: Source::Customer(account),
                place: Place::File(path.to_owned()),
            }),
            (Ok(_), [_]) => Kind::Directory,
            (Ok(account), [_, half]) => half_of_pair(path, half, Source::Customer(account)),
            (Err(_), [half]) => half_of_pair(path, half, Source::Automatic),
            _ => Kind::Other,
        },
    }
}

fn half_of_pair(path: &Path, half: &str, source: Source) -> Kind {
    match path.parent() {
        Some(directory) if half == CHAIN || half == KEY => {
            Kind::Certificate(Slot { source, place: Place::Pair(directory.to_owned()) })
        }
        _ => Kind::Other,
    }
}

fn has_pem_extension(name: &str) -> bool {
    name.strip_suffix(".pem").is_some_and(|id| !id.is_empty())
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe would make the reader wait for whoever writes to it.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(FILE_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > FILE_BYTES {
        return Err(io::Error::other(format!("larger than {} KiB", FILE_BYTES / 1024)));
    }
    Ok(text)
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attached(account) => write!(f, "attached by {account}"),
            Self::Customer(account) => write!(f, "of {account}"),
            Self::Automatic => f.write_str("automatic"),
            Self::Default => f.write_str("default"),
        }
    }
}

const CHAIN: &str = "fullchain.pem";
const KEY: &str = "privkey.pem";

/// Bytes of a certificate file: some forty times a usual chain with its key, and no more than one would want
/// in a handshake.
const FILE_BYTES: u64 = 256 * 1024;

/// How long after its last change a file's stamp may still hide another: the coarsest file system clock (two
/// seconds, on FAT and some network file systems).
const SETTLING: Duration = Duration::from_secs(2);

const MISNAMED: &str =
    "neither an account's directory (a-z, 0-9 and '-') nor a pair's (with a dot in its name)";

#[cfg(test)]
mod tests;
