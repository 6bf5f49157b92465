//! Where `"auto"` sockets are: a directory an account, which only the account and the node can enter, and a socket an
//! instance. Owns who may enter; binds nothing.

use super::identity::Identity;
use super::protocol::Instance;
use crate::base::AccountName;
use crate::config::Node;
use nix::unistd::{Gid, Uid, User};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, fchmod, fchown, fstat, mkdirat, open, openat, openat2,
    unlinkat,
};
use rustix::io::Errno;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The socket of one instance. Its program makes it.
#[derive(Debug)]
pub(super) struct Socket {
    /// Where.
    pub(super) path: PathBuf,
    /// Whose it will be, and the node's group; absent: the node is the same user.
    owner: Option<(Uid, Gid)>,
}

impl Socket {
    /// Makes the account's directory, if it is not there, and says where the socket will be.
    ///
    /// # Errors
    /// Why not, in one line for a person.
    pub(super) fn prepare(
        node: &Node,
        account: &AccountName,
        instance: Instance,
        identity: &Identity,
    ) -> Result<Self, String> {
        // The program stands in another directory than whoever wrote a relative path.
        let parent = &absolute(&node.launcher.directory)?;
        let directory = parent.join(account.as_str());
        let path = directory.join(format!("{instance}.sock"));
        if path.as_os_str().len() > MOST_PATH_BYTES {
            return Err(format!(
                "{}: longer than a socket's path may be; `[launcher] directory` names a shorter one",
                path.display()
            ));
        }
        let failed = |error: io::Error| format!("{}: {error}", directory.display());
        make_parent(parent).map_err(failed)?;
        let owner = if identity.is_taken_on {
            let group = group_of(node.user.as_deref())?;
            make_shared(parent, account, identity.uid, group).map_err(failed)?;
            Some((identity.uid, group))
        } else {
            make_own(&directory, identity.uid).map_err(failed)?;
            None
        };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(Self { path, owner }),
        }
    }

    /// Lets the node connect once the socket is there, whatever umask its program has. `true`: nothing is left to do.
    pub(super) fn let_node_in(&self) -> bool {
        self.owner.is_none_or(|(owner, group)| let_in(&self.path, owner, group).unwrap_or(false))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A program that ends in order has removed it.
        let _ = match self.owner {
            Some(_) => remove(&self.path),
            None => fs::remove_file(&self.path),
        };
    }
}

/// A path as it is from everywhere.
///
/// # Errors
/// Where this process' own directory is gone, in one line for a person.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// For the group, or for everybody.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The group that the node's user is of; root's where the node is root.
fn group_of(user: Option<&str>) -> Result<Gid, String> {
    let Some(user) = user else { return Ok(Gid::from_raw(0)) };
    match User::from_name(user) {
        Ok(Some(found)) => Ok(found.gid),
        Ok(None) => Err(format!("there is no user \"{user}\" on this machine")),
        Err(error) => Err(format!("the user \"{user}\" cannot be looked up: {error}")),
    }
}

fn make_parent(parent: &Path) -> io::Result<()> {
    if fs::exists(parent)? {
        return Ok(());
    }
    let above = parent.ancestors().skip(1).find_map(|above| fs::symlink_metadata(above).ok());
    if Uid::effective().is_root()
        && above
            .is_none_or(|above| !above.is_dir() || above.uid() != 0 || above.mode() & WRITABLE_BY_OTHERS != 0)
    {
        // Somebody could put something else in its place.
        return Err(io::Error::other(
            "`[launcher] directory` is not in a directory that is root's alone to write",
        ));
    }
    DirBuilder::new().recursive(true).mode(PARENT_MODE).create(parent)?;
    fs::set_permissions(parent, Permissions::from_mode(PARENT_MODE))
}

/// A directory of the launcher's own user alone.
fn make_own(directory: &Path, own: Uid) -> io::Result<()> {
    match DirBuilder::new().mode(OWN_MODE).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = fs::symlink_metadata(directory)?;
    if !metadata.is_dir() || metadata.uid() != own.as_raw() {
        return Err(io::Error::other("no directory of this user"));
    }
    fs::set_permissions(directory, Permissions::from_mode(OWN_MODE))
}

/// A directory of `owner`, which `group` may enter; what is made in it belongs to that group. Nobody but root can
/// have put another one in its place: its parent is root's.
fn make_shared(parent: &Path, account: &AccountName, owner: Uid, group: Gid) -> io::Result<()> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    let parent: OwnedFd = open(parent, flags, Mode::empty())?;
    let status = fstat(&parent)?;
    if status.st_uid != 0 || Mode::from_raw_mode(status.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
        return Err(io::Error::other("`[launcher] directory` is not root's alone to write"));
    }
    match mkdirat(&parent, account.as_str(), Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let directory = openat(&parent, account.as_str(), flags, Mode::empty())?;
    let owner = rustix::process::Uid::from_raw(owner.as_raw());
    let group = rustix::process::Gid::from_raw(group.as_raw());
    fchown(&directory, Some(owner), Some(group))?;
    // After the owner: a change of that takes bits away.
    Ok(fchmod(&directory, SHARED_MODE)?)
}

/// Lets `group` connect to the socket at `path`. Its directory is the owner's, who may put there what it likes:
/// only a socket of its own, and of that group, is touched.
fn let_in(path: &Path, owner: Uid, group: Gid) -> io::Result<bool> {
    let socket = File::from(open_within(path, OFlags::empty())?);
    let status = fstat(&socket)?;
    let is_its = status.st_uid == owner.as_raw() && status.st_gid == group.as_raw();
    if FileType::from_raw_mode(status.st_mode) != FileType::Socket || !is_its {
        return Ok(false);
    }
    if status.st_mode & GROUP_READ_WRITE != GROUP_READ_WRITE {
        // A descriptor that was opened by path alone has no fchmod.
        let opened = format!("/proc/self/fd/{}", socket.as_raw_fd());
        let mode = (status.st_mode & MODE_BITS) | GROUP_READ_WRITE;
        fs::set_permissions(opened, Permissions::from_mode(mode))?;
    }
    Ok(true)
}

/// Removes what somebody else made in a directory that is his.
fn remove(path: &Path) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    Ok(unlinkat(open_within(directory, OFlags::DIRECTORY)?, name, AtFlags::empty())?)
}

/// Finds what is at `path`, by path alone, and follows neither a link nor a mount below the directory of all accounts:
/// who may mount something in his own could have a look at it hang, and everybody with it.
fn open_within(path: &Path, what: OFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC | what;
    let levels = if what.contains(OFlags::DIRECTORY) { 1 } else { 2 };
    let parent = path.ancestors().nth(levels).unwrap_or(path);
    let below = path.strip_prefix(parent).unwrap_or(path);
    let parent: OwnedFd = open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    Ok(openat2(parent, below, flags, Mode::empty(), within)?)
}

/// The kernel takes no longer path of a socket: 108 bytes with the NUL at its end.
const MOST_PATH_BYTES: usize = 107;

/// Everybody passes through to the accounts' directories.
const PARENT_MODE: u32 = 0o755;

/// The node's user and the programs' are one.
const OWN_MODE: u32 = 0o700;

/// The group may enter and not write; what is made inside is the group's (setgid). A default ACL would do the same for
/// a file and not for a socket: the kernel takes the umask off a socket's mode before it asks the ACL.
const SHARED_MODE: Mode = Mode::from_raw_mode(0o2750);

/// To connect is to write.
const GROUP_READ_WRITE: u32 = 0o060;

/// What of a mode can be set.
const MODE_BITS: u32 = 0o7777;

#[cfg(test)]
mod tests {
    use super::super::testing::Place;
    use super::*;
    use std::os::unix::net::UnixListener;

    fn identity(uid: Uid, is_taken_on: bool) -> Identity {
        let gid = Gid::from_raw(65534);
        Identity { name: "x".to_owned(), uid, gid, groups: Vec::new(), home: "/".into(), is_taken_on }
    }

    fn alice() -> AccountName {
        AccountName::new("alice").unwrap()
    }

    #[test]
    fn the_directory_is_the_users_alone_and_the_socket_goes_with_its_instance() {
        let place = Place::new();
        let node = place.node();
        let own = identity(Uid::effective(), false);
        let socket = Socket::prepare(&node, &alice(), Instance(0xab), &own).unwrap();
        assert!(socket.path.ends_with("alice/00000000000000ab.sock"));
        let directory = socket.path.parent().unwrap().to_owned();
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o7777, 0o700);
        let bound = UnixListener::bind(&socket.path).unwrap();
        assert!(socket.let_node_in());
        // What an instance of the same number left is no obstacle.
        let again = Socket::prepare(&node, &alice(), Instance(0xab), &own).unwrap();
        assert!(!again.path.exists());
        drop((bound, UnixListener::bind(&again.path).unwrap()));
        drop(again);
        assert_eq!(fs::read_dir(directory).unwrap().count(), 0);
    }

    #[test]
    fn a_path_that_no_socket_has_is_refused() {
        let place = Place::new();
        let mut node = place.node();
        node.launcher.directory = node.launcher.directory.join("x".repeat(100));
        let why =
            Socket::prepare(&node, &alice(), Instance(1), &identity(Uid::effective(), false)).unwrap_err();
        assert!(why.contains("longer than a socket's path may be"), "{why}");
    }

    #[test]
    fn the_node_is_let_in_whatever_the_umask_and_nothing_else_is_touched() {
        if !Uid::effective().is_root() {
            return;
        }
        let place = Place::new();
        let mut node = place.node();
        node.user = Some("nobody".to_owned());
        let alice_uid = Uid::from_raw(4321);
        let prepare = |node: &Node| Socket::prepare(node, &alice(), Instance(1), &identity(alice_uid, true));
        let socket = prepare(&node).unwrap();
        let directory = fs::metadata(socket.path.parent().unwrap()).unwrap();
        assert_eq!((directory.mode() & 0o7777, directory.uid(), directory.gid()), (0o2750, 4321, 65534));
        assert!(!socket.let_node_in(), "it is not there yet");

        // A file of root's that the account put in the socket's place.
        let precious = node.accounts.join("precious");
        fs::write(&precious, "").unwrap();
        fs::set_permissions(&precious, Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&precious, &socket.path).unwrap();
        assert!(!socket.let_node_in());
        fs::remove_file(&socket.path).unwrap();
        fs::hard_link(&precious, &socket.path).unwrap();
        assert!(!socket.let_node_in());
        assert_eq!(fs::metadata(&precious).unwrap().mode() & 0o7777, 0o600);
        fs::remove_file(&socket.path).unwrap();

        let bound = UnixListener::bind(&socket.path).unwrap();
        fs::set_permissions(&socket.path, Permissions::from_mode(0o700)).unwrap();
        assert!(!socket.let_node_in(), "a socket of somebody else");
        std::os::unix::fs::chown(&socket.path, Some(4321), None).unwrap();
        assert!(socket.let_node_in());
        assert_eq!(fs::metadata(&socket.path).unwrap().mode() & 0o7777, 0o760);
        drop(bound);

        fs::set_permissions(&node.launcher.directory, Permissions::from_mode(0o777)).unwrap();
        assert!(prepare(&node).unwrap_err().contains("not root's alone to write"));
    }
}
