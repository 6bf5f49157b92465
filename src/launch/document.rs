//! The account's document as the launcher reads it: by itself, from the node's accounts directory, and as root only
//! what nobody but root can have written.

use crate::base::{AccountName, DocumentHash};
use crate::config::{self, Document, Node};
use rustix::fs::{Mode, OFlags, open, openat};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

/// Whose documents are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Those that only root can have written: it chooses who programs run as.
    Root,
    /// Any: programs run as the launcher does.
    Anyone,
}

/// Why nothing is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The document is another one than was meant: it has just been written, and whoever ordered has not seen that yet.
    Changed,
    /// For this reason, in one line for a person.
    Because(String),
    /// It was to end before it had begun; what it was at, in one line for a person.
    Stopped(String),
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self::Because(why)
    }
}

/// Reads and checks the document of `account`, if it is the one that is meant.
///
/// # Errors
/// Why not.
pub(super) fn read(
    node: &Node,
    account: &AccountName,
    hash: DocumentHash,
    trust: Trust,
) -> Result<Document, Refused> {
    let file = node.accounts.join(format!("{account}.toml"));
    let content = content(node, account, trust).map_err(|why| format!("{}: {why}", file.display()))?;
    if DocumentHash::of(&content) != hash {
        return Err(Refused::Changed);
    }
    let text = std::str::from_utf8(&content).map_err(|_| "the document is not UTF-8".to_owned())?;
    config::check_document(account, &file, text, node).map_err(|report| {
        let first = report.problems.first().map(config::Problem::one_line);
        Refused::Because(first.unwrap_or_else(|| "the document has mistakes".to_owned()))
    })
}

/// The bytes of the document. What is trusted is what was opened, whatever the path leads to by now.
fn content(node: &Node, account: &AccountName, trust: Trust) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let directory = File::from(open(&node.accounts, flags | OFlags::DIRECTORY, Mode::empty())?);
    let no_link = if trust == Trust::Root { OFlags::NOFOLLOW } else { OFlags::empty() };
    let file = File::from(openat(&directory, format!("{account}.toml"), flags | no_link, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if trust == Trust::Root {
        check(&directory.metadata()?, "its directory")?;
        check(&metadata, "it")?;
    }
    let mut content = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

/// Whether only root can have written `what`.
fn check(metadata: &Metadata, what: &str) -> io::Result<()> {
    if metadata.uid() != 0 {
        return Err(io::Error::other(format!("not trusted: {what} is not owned by root")));
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(io::Error::other(format!("not trusted: {what} is writable by others than root")));
    }
    Ok(())
}

/// For the group, or for everybody.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Bytes read of a document: more than the check takes, so that it is the check that says so.
const MOST_BYTES: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::super::testing::Place;
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    const TEXT: &str = "[[upstream]]\nname = \"web\"\naddress = \"[::1]:9\"\n";

    fn read_as(place: &Place, trust: Trust) -> Result<Document, Refused> {
        let alice = AccountName::new("alice").unwrap();
        read(&place.node(), &alice, DocumentHash::of(TEXT.as_bytes()), trust)
    }

    fn why_not(result: Result<Document, Refused>) -> String {
        match result {
            Err(Refused::Because(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_the_document_that_is_meant_is_taken() {
        let place = Place::new();
        assert!(why_not(read_as(&place, Trust::Anyone)).contains("No such file"));
        place.write("alice", TEXT);
        assert_eq!(read_as(&place, Trust::Anyone).unwrap().upstreams.len(), 1);
        place.write("alice", &TEXT.replace(":9", ":10"));
        assert_eq!(read_as(&place, Trust::Anyone).unwrap_err(), Refused::Changed);
    }

    #[test]
    fn a_mistake_is_told_in_one_line() {
        let place = Place::new();
        let hash = place.write("alice", "[[upstream]]\nname = 5\n");
        let alice = AccountName::new("alice").unwrap();
        let why = why_not(read(&place.node(), &alice, hash, Trust::Anyone));
        assert!(why.contains("alice.toml") && !why.contains('\n'), "{why}");
    }

    #[test]
    fn what_others_than_root_can_write_is_not_trusted() {
        let place = Place::new();
        place.write("alice", TEXT);
        let file = place.node().accounts.join("alice.toml");
        if !nix::unistd::Uid::effective().is_root() {
            assert!(why_not(read_as(&place, Trust::Root)).contains("not owned by root"));
            return;
        }
        let mode =
            |path: &std::path::Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        mode(&place.node().accounts, 0o755);
        mode(&file, 0o644);
        assert!(read_as(&place, Trust::Root).is_ok());
        for wrong in [0o664, 0o646] {
            mode(&file, wrong);
            assert!(why_not(read_as(&place, Trust::Root)).contains("it is writable by others"));
        }
        mode(&file, 0o644);
        mode(&place.node().accounts, 0o775);
        assert!(why_not(read_as(&place, Trust::Root)).contains("its directory is writable by others"));
        mode(&place.node().accounts, 0o755);
        chown(&file, Some(65534), None).unwrap();
        assert!(why_not(read_as(&place, Trust::Root)).contains("it is not owned by root"));
        fs::rename(&file, file.with_extension("moved")).unwrap();
        symlink(file.with_extension("moved"), &file).unwrap();
        assert!(why_not(read_as(&place, Trust::Root)).contains("symbolic links"));
        assert!(read_as(&place, Trust::Anyone).is_ok());
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(why_not(read_as(&place, Trust::Root)).contains("not a regular file"));
    }
}
