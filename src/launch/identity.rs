//! Who a program runs as. Looked up before there is a child: a lookup may read files and ask other programs.

use crate::config::{Document, Launcher};
use nix::unistd::{Gid, Uid, User, getgrouplist};
use std::ffi::CString;
use std::path::PathBuf;

/// A user, as far as a program is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Its name.
    pub(super) name: String,
    /// Its number.
    pub(super) uid: Uid,
    /// Its group.
    pub(super) gid: Gid,
    /// All its groups.
    pub(super) groups: Vec<Gid>,
    /// Where it is at home.
    pub(super) home: PathBuf,
    /// Whether it is taken on, or the launcher's already.
    pub(super) is_taken_on: bool,
}

/// Who the account's programs run as: as root whom the document names, else the launcher's own user.
///
/// # Errors
/// Why nobody, in one line for a person.
pub(super) fn of(document: &Document, launcher: &Launcher) -> Result<Identity, String> {
    let own = Uid::effective();
    if !own.is_root() {
        return Ok(ours(own));
    }
    let name = document.run.user.as_deref().unwrap_or(document.name.as_str());
    let lookup = |error| format!("the user \"{name}\" cannot be looked up: {error}");
    let found = User::from_name(name).map_err(lookup)?;
    let found = found.ok_or_else(|| format!("there is no user \"{name}\" on this machine"))?;
    check(name, found.uid, launcher)?;
    if found.gid.as_raw() == 0 {
        return Err(format!("the user \"{name}\" is of root's group"));
    }
    let known = CString::new(name).map_err(|_| format!("\"{name}\" is no user's name"))?;
    let groups = getgrouplist(&known, found.gid).map_err(lookup)?;
    Ok(Identity {
        name: found.name,
        uid: found.uid,
        gid: found.gid,
        groups,
        home: found.dir,
        is_taken_on: true,
    })
}

/// Whether a program may run as this user at all.
fn check(name: &str, uid: Uid, launcher: &Launcher) -> Result<(), String> {
    if uid.is_root() {
        return Err(format!("the user \"{name}\" is root"));
    }
    let (least, most) = (launcher.uid_min, launcher.uid_max);
    if !(least..=most).contains(&uid.as_raw()) {
        return Err(format!(
            "the user \"{name}\" has the number {uid}, which is not within {least} to {most}"
        ));
    }
    Ok(())
}

/// The launcher's own user; one that the machine does not know is at home nowhere.
fn ours(own: Uid) -> Identity {
    let known = User::from_uid(own).ok().flatten();
    let (name, home) = known.map_or_else(|| (own.to_string(), "/".into()), |user| (user.name, user.dir));
    Identity { name, uid: own, gid: Gid::effective(), groups: Vec::new(), home, is_taken_on: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_outside_the_bounds_is_taken_on() {
        let launcher = Launcher { uid_min: 1000, uid_max: 2000, ..Launcher::default() };
        let check = |uid| check("x", Uid::from_raw(uid), &launcher);
        assert_eq!(check(1000), Ok(()));
        assert_eq!(check(2000), Ok(()));
        assert_eq!(check(0).unwrap_err(), "the user \"x\" is root");
        let why = "the user \"x\" has the number 999, which is not within 1000 to 2000";
        assert_eq!(check(999).unwrap_err(), why);
        assert!(check(2001).is_err());
        let all = Launcher { uid_min: 0, uid_max: u32::MAX, ..Launcher::default() };
        assert!(super::check("x", Uid::from_raw(0), &all).is_err());
    }
}
