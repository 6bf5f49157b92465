//! What an operator writes: a tree as written → checked (valid, complete, defaults filled in). Reads files;
//! applies nothing.
//!
//! The way of a file: [`source`] parses it, [`reader`] walks the tree by the list in [`keys`], `node`,
//! `document`, `program`, `networks`, `upstream`, `site` and `redirect` say what values mean, and what is wrong becomes a [`Report`].

mod checked;
mod defaults;
mod directory;
mod document;
mod keys;
mod log_format;
mod machine;
mod names;
mod nearest;
mod networks;
mod node;
mod program;
mod reader;
mod redirect;
mod reference;
mod report;
mod scalar;
mod schema;
mod setting;
mod site;
mod source;
mod terms;
mod tracing;
mod upstream;
mod values;

pub use checked::*;
pub use defaults::ADMIN_SOCKET;
pub use directory::{FileName, WrittenDocument, each_document, read_document};
pub use networks::read_networks;
pub use reference::reference;
pub use report::{Printable, Problem, Report};
pub use schema::{FileKind, schema};
pub use upstream::MOVED;

use crate::base::AccountName;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Reads and checks a node file. `"auto"` means what this machine has at this moment.
///
/// # Errors
/// Every problem of the file at once, an unreadable file included.
pub fn load_node(path: &Path) -> Result<Node, Report> {
    match read_node(path)? {
        (node, report) if report.is_empty() => Ok(node),
        (_, report) => Err(report),
    }
}

fn read_node(path: &Path) -> Result<(Node, Report), Report> {
    let mut content = Vec::new();
    directory::read_into(path, &mut content)?;
    Ok(node::examine(path, directory::text(path, &content)?, &machine::Machine::read()))
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
/// has workers. What one document says about another (who holds a host) is not asked here. Memory grows with the
/// documents: who needs less than all of them takes [`examine`].
///
/// # Errors
/// Every problem of every file at once.
pub fn load_all(path: &Path) -> Result<(Node, Vec<Document>), Report> {
    let documents = Mutex::new(Vec::new());
    let (node, report) = examine(path, |document| {
        documents.lock().unwrap_or_else(PoisonError::into_inner).push(document);
    });
    match node {
        Some(node) if report.is_empty() => {
            let mut documents = documents.into_inner().unwrap_or_else(PoisonError::into_inner);
            documents.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            Ok((node, documents))
        }
        _ => Err(report),
    }
}

/// Reads a node file and every account document of its directory, hands each document that is right to `visit`,
/// in no particular order, and tells everything that is wrong. A mistake in the node file keeps no document from
/// being read; where a node setting is wrong, documents are held against its default. No node: the file could
/// not be read at all.
pub fn examine<V>(path: &Path, visit: V) -> (Option<Node>, Report)
where
    V: Fn(Document) + Sync,
{
    let (node, mut report) = match read_node(path) {
        Ok(read) => read,
        Err(report) => return (None, report),
    };
    // Without a directory there is nothing to read, and the report says so already.
    if node.accounts != Path::new("") {
        let wrong = Mutex::new(Report::default());
        let listed = each_document(&node, |document| match document.checked {
            Ok(document) => visit(document),
            Err(report) => wrong.lock().unwrap_or_else(PoisonError::into_inner).extend(report),
        });
        report.extend(wrong.into_inner().unwrap_or_else(PoisonError::into_inner));
        report.extend(listed.err().unwrap_or_default());
    }
    for file in node.network_files() {
        report.extend(read_networks(file.path, file.may_be_empty).err().unwrap_or_default());
    }
    report.sort();
    (Some(node), report)
}

#[cfg(test)]
mod tests;
