//! What an operator writes: a tree as written → checked (valid, complete, defaults filled in). Reads files;
//! applies nothing.
//!
//! The way of a file: [`source`] parses it, [`reader`] walks the tree by the list in [`keys`], `node`,
//! `document`, `upstream`, `site` and `redirect` say what values mean, and what is wrong becomes a [`Report`].

mod checked;
mod defaults;
mod directory;
mod document;
mod keys;
mod machine;
mod names;
mod nearest;
mod node;
mod reader;
mod redirect;
mod reference;
mod report;
mod scalar;
mod setting;
mod site;
mod source;
mod upstream;
mod values;

pub use checked::*;
pub use directory::{FileName, WrittenDocument, each_document};
pub use reference::reference;
pub use report::{Problem, Report};

use crate::base::AccountName;
use std::path::Path;

/// Reads and checks a node file. `"auto"` means what this machine has at this moment.
///
/// # Errors
/// Every problem of the file at once, an unreadable file included.
pub fn load_node(path: &Path) -> Result<Node, Report> {
    let mut content = Vec::new();
    directory::read_into(path, &mut content)?;
    node::check_node(path, directory::text(path, &content)?, &machine::Machine::read())
}

/// Checks the text of an account document; `file` is only named in problems and what its relative paths are
/// relative to. Pure: reads no file.
///
/// # Errors
/// Every problem of the document at once.
pub fn check_document(name: &AccountName, file: &Path, text: &str, node: &Node) -> Result<Document, Report> {
    document::check(name, file, text, node)
}

/// Reads and checks a node file and every account document of its directory, on as many threads as the node
/// has workers. What one document says about another (who holds a host) is not asked here.
///
/// # Errors
/// Every problem of every file at once.
pub fn load_all(path: &Path) -> Result<(Node, Vec<Document>), Report> {
    let node = load_node(path)?;
    let documents = directory::all_documents(&node)?;
    Ok((node, documents))
}

#[cfg(test)]
mod tests;
