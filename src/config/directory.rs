//! The directory of account documents: which file is whose, and all of them at once.

use super::{Document, Node, Report};
use crate::base::AccountName;
use std::ffi::OsStr;
use std::path::Path;

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
        todo!("{}", name.display())
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
    let _ = visit;
    todo!("{node:?}")
}
