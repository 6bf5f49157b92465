//! What an operator writes: raw (as written) → checked (valid, complete). Reads files; applies nothing.

mod checked;
mod directory;
mod report;

pub use checked::*;
pub use directory::{FileName, WrittenDocument, each_document};
pub use report::{Problem, Report};

use crate::base::AccountName;
use std::path::Path;

/// Reads and checks a node file.
///
/// # Errors
/// Every problem of the file at once, an unreadable file included.
pub fn load_node(path: &Path) -> Result<Node, Report> {
    todo!("{}", path.display())
}

/// Checks the text of an account document; `file` is only named in problems and what its relative paths are
/// relative to. Pure: reads no file.
///
/// # Errors
/// Every problem of the document at once.
pub fn check_document(name: &AccountName, file: &Path, text: &str, node: &Node) -> Result<Document, Report> {
    todo!("{name} {} {text} {node:?}", file.display())
}

/// Reads and checks a node file and every account document of its directory, on as many threads as the node
/// has workers. What one document says about another (who holds a host) is not asked here.
///
/// # Errors
/// Every problem of every file at once.
pub fn load_all(path: &Path) -> Result<(Node, Vec<Document>), Report> {
    todo!("{}", path.display())
}
