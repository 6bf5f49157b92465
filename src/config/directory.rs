//! The directory of account documents: which file is whose, and all of them at once.

use super::checked::{Document, Node};
use super::document;
use super::report::{Problem, Report};
use super::source::MAX_FILE_BYTES;
use crate::base::AccountName;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a file of the accounts directory is, by its name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileName {
    /// `NAME.toml`: the document of this account.
    Document(AccountName),
    /// A dot file, or one an editor or a writer left while it writes (`~`, `.tmp`): no document, nothing wrong.
    Ignored,
    /// Anything else: no document, worth telling the operator.
    Stray,
}

impl FileName {
    /// Sorts a file name.
    pub fn of(name: &OsStr) -> Self {
        let Some(name) = name.to_str() else { return Self::Stray };
        match name.rsplit_once('.') {
            _ if name.starts_with('.') || name.ends_with('~') => Self::Ignored,
            Some((_, "tmp")) => Self::Ignored,
            Some((account, "toml")) => AccountName::new(account).map_or(Self::Stray, Self::Document),
            _ => Self::Stray,
        }
    }
}

/// A document as [`each_document`] hands it out.
pub struct WrittenDocument<'a> {
    /// Whose.
    pub name: AccountName,
    /// Where it was read.
    pub file: &'a Path,
    /// Its bytes; empty where the file could not be read.
    pub content: &'a [u8],
    /// What they mean.
    pub checked: Result<Document, Report>,
}

/// Reads and checks every document of the node's accounts directory and hands each to `visit`, on as many
/// threads as the node has workers, in no particular order. For a cold start: one bad document keeps none of
/// the others out.
///
/// # Errors
/// What is wrong with the directory itself: unreadable, or files whose names make no account.
pub fn each_document<V>(node: &Node, visit: V) -> Result<(), Report>
where
    V: Fn(WrittenDocument<'_>) + Sync,
{
    let (documents, report) = list(&node.accounts);
    let next = AtomicUsize::new(0);
    let read_some = || {
        let mut content = Vec::new();
        while let Some((name, file)) = documents.get(next.fetch_add(1, Ordering::Relaxed)) {
            content.clear();
            let checked = read_into(file, &mut content).and_then(|()| check(name, file, &content, node));
            visit(WrittenDocument { name: name.clone(), file, content: &content, checked });
        }
    };
    let threads = node.workers.min(documents.len() / DOCUMENTS_PER_THREAD);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(read_some);
        }
        read_some();
    });
    if report.is_empty() { Ok(()) } else { Err(report) }
}

fn list(directory: &Path) -> (Vec<(AccountName, PathBuf)>, Report) {
    let (mut documents, mut report) = (Vec::new(), Report::default());
    let unreadable = |error: &io::Error| Problem::of_file(directory, format!("cannot be read: {error}"));
    match std::fs::read_dir(directory) {
        Err(error) => report = unreadable(&error).with_hint("`[accounts] directory` names it").into(),
        Ok(entries) => {
            for entry in entries {
                match entry.map(|entry| (FileName::of(&entry.file_name()), entry.path())) {
                    Ok((FileName::Document(name), file)) => documents.push((name, file)),
                    Ok((FileName::Ignored, _)) => {}
                    Ok((FileName::Stray, file)) => report.problems.push(stray(&file)),
                    Err(error) => report.problems.push(unreadable(&error)),
                }
            }
        }
    }
    (documents, report)
}

fn stray(file: &Path) -> Problem {
    Problem::of_file(file, "the file's name makes no account").with_hint(
        "documents are named ACCOUNT.toml: a-z, 0-9 and '-', at most 63 characters, no '-' in front",
    )
}

/// A document's content, with what the file system says of the file that was read.
///
/// # Errors
/// `NotFound` where there is none; anything but a regular file is refused, and opening it never waits.
pub fn read_document(file: &Path) -> io::Result<(Metadata, Vec<u8>)> {
    let mut content = Vec::new();
    let metadata = read_regular(file, &mut content)?;
    Ok((metadata, content))
}

/// Reads a file of at most [`MAX_FILE_BYTES`] and one more, so that the check says it is too large.
pub(super) fn read_into(file: &Path, content: &mut Vec<u8>) -> Result<(), Report> {
    match read_regular(file, content) {
        Ok(_) => Ok(()),
        Err(error) => {
            content.clear();
            Err(Problem::of_file(file, format!("cannot be read: {error}")).into())
        }
    }
}

/// Anything but a regular file is refused, and opening it never waits: a FIFO must not stop a reload.
fn read_regular(file: &Path, content: &mut Vec<u8>) -> io::Result<Metadata> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(file)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(content)?;
    Ok(metadata)
}

/// The text of a file, or where it stops being text.
pub(super) fn text<'c>(file: &Path, content: &'c [u8]) -> Result<&'c str, Report> {
    std::str::from_utf8(content).map_err(|error| {
        let line = 1 + memchr::memchr_iter(b'\n', &content[..error.valid_up_to()]).count();
        Problem { line, column: 1, ..Problem::of_file(file, "a byte that is not UTF-8") }.into()
    })
}

fn check(name: &AccountName, file: &Path, content: &[u8], node: &Node) -> Result<Document, Report> {
    document::check(name, file, text(file, content)?, node)
}

/// Starting a thread costs as much as reading some documents.
const DOCUMENTS_PER_THREAD: usize = 64;
