//! `[run] cgroup`: the cgroup of the platform's own container for an account. Says whether programs may be put below it;
//! makes nothing, sets no limit and removes nothing: whoever made it does.

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The container at `path`, by its path without links. `root` is the launcher's own `cgroup_root`. May wait for any file
/// system: a path can lead anywhere.
///
/// # Errors
/// Why programs are not put there, in one line for a person.
pub(super) fn find(path: &Path, root: Option<&Path>) -> Result<PathBuf, String> {
    let refused = |why: &str| format!("[run] cgroup {}: {why}", path.display());
    let found = fs::canonicalize(path).map_err(|error| refused(&error.to_string()))?;
    let kind = statfs(&found).map_err(|error| refused(error.desc()))?.filesystem_type();
    if kind != CGROUP2_SUPER_MAGIC || !found.is_dir() {
        return Err(refused("not a directory of a cgroup v2 file system"));
    }
    // Accounts' cgroups are made and removed there.
    let root = root.and_then(|root| fs::canonicalize(root).ok());
    if root.is_some_and(|root| root.starts_with(&found) || found.starts_with(&root)) {
        return Err(refused("not a container: it is, holds or stands in `[launcher] cgroup_root`"));
    }
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    if within(&mount(&found), &own).is_some_and(|own| own.starts_with(&found)) {
        return Err(refused("not a container: the launcher itself runs in it"));
    }
    Ok(found)
}

/// The topmost directory of the file system that `path` is in.
fn mount(path: &Path) -> PathBuf {
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let own = device(path);
    path.ancestors().take_while(|above| device(above) == own).last().unwrap_or(path).to_owned()
}

/// The cgroup that `/proc/self/cgroup` tells of, below `mount`.
fn within(mount: &Path, told: &str) -> Option<PathBuf> {
    let own = told.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // Joined with nothing a path gets a slash at its end, which is no part of it.
    Some(mount.join(own).components().collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::cgroup;
    use super::*;

    #[test]
    fn what_is_no_cgroup_of_somebody_elses_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let why = |path: &Path, root: Option<&Path>| find(path, root).unwrap_err();
        assert!(
            why(&directory.path().join("none"), None)
                .ends_with("none: No such file or directory (os error 2)")
        );
        assert!(why(directory.path(), None).ends_with(": not a directory of a cgroup v2 file system"));
        let Some(made) = cgroup("find") else {
            return println!("skipped: no cgroup can be made here");
        };
        let below = made.join("below");
        fs::create_dir(&below).unwrap();
        assert_eq!(find(&below, None), Ok(below.clone()));
        assert_eq!(find(&below, Some(&made.join("accounts"))), Ok(below.clone()));
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&below, &link).unwrap();
        assert_eq!(find(&link, None), Ok(below.clone()));
        assert!(why(&made.join("cgroup.procs"), None).contains("not a directory"));
        for (path, root) in [(&made, &made), (&made, &below), (&below, &made)] {
            assert!(why(path, Some(root)).contains("`[launcher] cgroup_root`"), "{path:?} {root:?}");
        }
        let top = mount(&made);
        assert!(why(&top, None).contains("the launcher itself runs in it"));
        fs::remove_dir(below).unwrap();
        fs::remove_dir(made).unwrap();
    }

    #[test]
    fn ones_own_cgroup_is_found() {
        let told = "4:memory:/other\n1:name=systemd:/other\n0::/parvis.slice/launcher\n";
        let mount = Path::new("/sys/fs/cgroup");
        assert_eq!(within(mount, told), Some("/sys/fs/cgroup/parvis.slice/launcher".into()));
        assert_eq!(within(mount, "0::/\n"), Some("/sys/fs/cgroup".into()));
        assert_eq!(within(mount, "4:memory:/other\n"), None);
    }
}
