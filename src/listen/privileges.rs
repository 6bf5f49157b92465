//! Giving up root: the user of `[node] user` is taken on before anything is bound or read, and of root's powers
//! only the right to bind low ports is kept. A SO_REUSEPORT group wants one user, and what could be read at the start
//! must be readable at a reload.

use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::prctl;
use nix::unistd::{Uid, User, initgroups, setgid, setuid};
use std::ffi::CString;
use std::io;

/// What became of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assumed {
    /// It was root and is now this user.
    User(String),
    /// It was not started as root and stays who it is.
    Unchanged,
    /// It is root, and no user is configured.
    Root,
}

/// Why a user could not be taken on.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// No such user.
    #[error("[node] user: there is no user \"{0}\" on this machine")]
    UnknownUser(String),
    /// The user is root.
    #[error("[node] user: \"{0}\" is root; name a user without rights")]
    IsRoot(String),
    /// The system refused a step.
    #[error("cannot become user \"{user}\": {step}: {error}")]
    Refused {
        /// Who was to be taken on.
        user: String,
        /// The step.
        step: &'static str,
        /// The system's word.
        error: io::Error,
    },
}

/// Takes on `user` if the process is root: its groups, its ids, no capability but CAP_NET_BIND_SERVICE, none to be
/// gained by a program it may start, and no core dumps, which would hold keys. To be called before any thread is
/// started: capabilities are a thread's.
///
/// # Errors
/// The process is then in an undefined state between root and the user, and must end.
pub fn assume_user(user: Option<&str>) -> Result<Assumed, PrivilegeError> {
    if !Uid::effective().is_root() {
        return Ok(Assumed::Unchanged);
    }
    let Some(name) = user else { return Ok(Assumed::Root) };
    let step = |step: &'static str| {
        move |error: io::Error| PrivilegeError::Refused { user: name.to_owned(), step, error }
    };
    let found = User::from_name(name).map_err(io::Error::from).map_err(step("looking it up"))?;
    let found = found.ok_or_else(|| PrivilegeError::UnknownUser(name.to_owned()))?;
    if found.uid.is_root() {
        return Err(PrivilegeError::IsRoot(name.to_owned()));
    }
    let known = CString::new(name).map_err(io::Error::from).map_err(step("its name"))?;
    initgroups(&known, found.gid).map_err(io::Error::from).map_err(step("its groups"))?;
    setgid(found.gid).map_err(io::Error::from).map_err(step("its group"))?;
    // Ids first, capabilities second: the other way round there is no right left to change ids.
    prctl::set_keepcaps(true).map_err(io::Error::from).map_err(step("keeping capabilities"))?;
    setuid(found.uid).map_err(io::Error::from).map_err(step("its user id"))?;
    keep_only_binding().map_err(step("dropping capabilities"))?;
    prctl::set_keepcaps(false).map_err(io::Error::from).map_err(step("keeping capabilities"))?;
    prctl::set_no_new_privs().map_err(io::Error::from).map_err(step("no new privileges"))?;
    prctl::set_dumpable(false).map_err(io::Error::from).map_err(step("no core dumps"))?;
    Ok(Assumed::User(name.to_owned()))
}

/// Drops every capability but the right to bind ports below 1024, where there is one to keep (a container may have
/// taken it).
fn keep_only_binding() -> io::Result<()> {
    let had = caps::read(None, CapSet::Permitted).map_err(io::Error::other)?;
    let kept: CapsHashSet = had.into_iter().filter(|one| *one == Capability::CAP_NET_BIND_SERVICE).collect();
    caps::clear(None, CapSet::Effective).map_err(io::Error::other)?;
    caps::clear(None, CapSet::Inheritable).map_err(io::Error::other)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(io::Error::other)?;
    caps::set(None, CapSet::Effective, &kept).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the child below prints when all of it holds.
    const DONE: &str = "taken on, and nothing else";

    /// Ids are the process's and do not come back: the test runs in one of its own.
    #[test]
    fn root_becomes_the_user_and_keeps_only_the_right_to_bind() {
        const CHILD: &str = "PARVIS_TEST_ASSUME_USER";
        if std::env::var_os(CHILD).is_some() {
            return become_nobody();
        }
        let name = "listen::privileges::tests::root_becomes_the_user_and_keeps_only_the_right_to_bind";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(child.status.success() && output.contains(DONE), "{output}{:?}", child.stderr);
    }

    fn become_nobody() {
        if !Uid::effective().is_root() {
            assert_eq!(assume_user(Some("nobody")).unwrap(), Assumed::Unchanged);
            return print(DONE);
        }
        assert_eq!(assume_user(None).unwrap(), Assumed::Root);
        let error = assume_user(Some("no-such-user")).unwrap_err();
        assert_eq!(error.to_string(), "[node] user: there is no user \"no-such-user\" on this machine");
        assert!(matches!(assume_user(Some("root")), Err(PrivilegeError::IsRoot(_))));
        let could_bind = caps::has_cap(None, CapSet::Permitted, Capability::CAP_NET_BIND_SERVICE).unwrap();

        assert_eq!(assume_user(Some("nobody")).unwrap(), Assumed::User("nobody".to_owned()));
        let nobody = User::from_name("nobody").unwrap().unwrap();
        assert_eq!((Uid::current(), Uid::effective()), (nobody.uid, nobody.uid));
        assert_eq!(nix::unistd::getegid(), nobody.gid);
        assert!(!nix::unistd::getgroups().unwrap().contains(&nix::unistd::Gid::from_raw(0)));
        assert!(setuid(Uid::from_raw(0)).is_err(), "there is no way back");
        for set in [CapSet::Effective, CapSet::Permitted] {
            let left = caps::read(None, set).unwrap();
            let binding = [Capability::CAP_NET_BIND_SERVICE].into_iter().filter(|_| could_bind).collect();
            assert_eq!(left, binding);
        }
        assert!(caps::read(None, CapSet::Inheritable).unwrap().is_empty());
        assert!(prctl::get_no_new_privs().unwrap());
        assert!(!prctl::get_dumpable().unwrap());
        assert!(std::fs::read("/etc/shadow").is_err());
        print(DONE);
    }

    fn print(text: &str) {
        use std::io::Write;
        writeln!(io::stdout(), "{text}").unwrap();
    }
}
