//! What holds all processes of an instance together: a cgroup of its own (cgroup v2), in its account's below `cgroup_root`
//! or in the platform's container, or else its process group. A process can leave its process group, and no cgroup.

use super::limits;
use super::protocol::Instance;
use crate::base::{AccountName, UpstreamName};
use crate::config::{Launcher, RunLimits};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Where cgroups are made, and what was already said about it.
#[derive(Debug, Default)]
pub(super) struct Groups {
    settings: RefCell<Settings>,
    /// Where what a launcher before this one left behind was ended, or is being ended: what is there then is ours.
    swept: RefCell<HashMap<PathBuf, Rc<OnceCell<()>>>>,
    /// Controllers that were logged as missing.
    missing: RefCell<BTreeSet<&'static str>>,
}

#[derive(Debug, Default)]
struct Settings {
    /// As configured.
    configured: Option<PathBuf>,
    /// The same, if cgroups can be made there.
    root: Option<PathBuf>,
}

/// What holds the processes of one instance.
#[derive(Debug)]
pub(super) struct Group {
    cgroup: Option<Cgroup>,
}

/// The cgroup of one instance.
#[derive(Debug)]
struct Cgroup {
    path: PathBuf,
    /// Whether the one it is in was made by the launcher, and goes with the last.
    is_parent_ours: bool,
}

impl Groups {
    /// Takes the settings over, where they changed.
    pub(super) fn configure(&self, launcher: &Launcher) {
        if self.settings.borrow().configured == launcher.cgroup_root {
            return;
        }
        self.missing.take();
        let mut settings = Settings { configured: launcher.cgroup_root.clone(), root: None };
        if let Some(root) = &launcher.cgroup_root {
            match usable(root) {
                Ok(()) => {
                    limits::ask_for(root);
                    settings.root = Some(root.clone());
                }
                Err(error) => {
                    let root = root.display();
                    tracing::warn!(%root, %error, "no cgroups: what a program starts can outlive it, and no limits hold");
                }
            }
        }
        self.settings.replace(settings);
    }

    /// Ends, once, what a launcher before this one left in the accounts' cgroups.
    pub(super) async fn sweep(&self) {
        let root = self.settings.borrow().root.clone();
        if let Some(root) = root {
            self.once(&root).get_or_init(|| end_leftovers(directories(&root), true)).await;
        }
    }

    fn once(&self, place: &Path) -> Rc<OnceCell<()>> {
        self.swept.borrow_mut().entry(place.to_owned()).or_default().clone()
    }

    /// The group of a new instance, and the file its process enters it by: in the `container` of its account, where the
    /// platform has one, or in a cgroup of ours, into which the account's limits are written. Makes nothing where leftovers
    /// are still being ended.
    ///
    /// # Errors
    /// The system's: without its cgroup no program is started.
    pub(super) async fn make(
        &self,
        account: &AccountName,
        upstream: &UpstreamName,
        instance: Instance,
        wanted: &RunLimits,
        container: Option<&Path>,
    ) -> io::Result<(Group, Option<File>)> {
        let parent = if let Some(container) = container {
            let place = vec![container.to_owned()];
            self.once(container).get_or_init(|| end_leftovers(place, false)).await;
            container.to_owned()
        } else {
            self.sweep().await;
            let Some(root) = &self.settings.borrow().root else { return Ok((Group { cgroup: None }, None)) };
            let of_account = root.join(account.as_str());
            make_directory(&of_account)?;
            limits::apply(root, &of_account, wanted, &mut self.missing.borrow_mut());
            of_account
        };
        let path = parent.join(leaf(upstream, instance));
        make_directory(&path)?;
        let entrance = File::options().write(true).open(path.join("cgroup.procs"));
        let group = Group { cgroup: Some(Cgroup { path, is_parent_ours: container.is_none() }) };
        match entrance {
            Ok(entrance) => Ok((group, Some(entrance))),
            Err(error) => {
                group.discard();
                Err(error)
            }
        }
    }
}

impl Group {
    /// Kills all of it. `leader` is the program's process, which nobody has waited for yet: its number is still its.
    pub(super) fn kill(&self, leader: Pid) {
        let killed = match &self.cgroup {
            Some(cgroup) => kill_cgroup(&cgroup.path),
            None => match kill_process_group(leader, Signal::KILL) {
                // It has not come to a session of its own.
                Err(Errno::SRCH) => Ok(()),
                killed => killed.map_err(io::Error::from),
            },
        };
        if let Err(error) = killed {
            tracing::warn!(%error, pid = leader.as_raw_nonzero(), "a program could not be killed");
        }
    }

    /// Its cgroup, if it has one.
    pub(super) fn path(&self) -> Option<&Path> {
        self.cgroup.as_ref().map(|cgroup| &*cgroup.path)
    }

    /// How many of its processes the kernel killed for want of memory. To be asked before it is removed.
    pub(super) fn memory_kills(&self) -> u64 {
        let Some(cgroup) = self.path() else { return 0 };
        fs::read_to_string(cgroup.join("memory.events")).map_or(0, |events| oom_kills(&events))
    }

    /// Kills what is left, and removes what was made, for as long as it takes within bounds. `leader` was the first.
    pub(super) async fn remove(self, leader: Pid) {
        if let Some(cgroup) = self.cgroup {
            return remove(vec![cgroup]).await;
        }
        for _ in 0..REMOVALS {
            if rustix::process::test_kill_process_group(leader).is_err() {
                return;
            }
            tokio::time::sleep(REMOVAL_PAUSE).await;
        }
    }

    /// Removes what was made for an instance that never was.
    pub(super) fn discard(self) {
        if let Some(cgroup) = self.cgroup {
            // What cannot be removed is removed by the next launcher.
            cgroup.try_remove();
        }
    }
}

/// Whether cgroups can be made below `root`, which is made where it is missing.
fn usable(root: &Path) -> io::Result<()> {
    make_directory(root)?;
    if statfs(root)?.filesystem_type() != CGROUP2_SUPER_MAGIC {
        return Err(io::Error::other("not a cgroup v2 file system"));
    }
    Ok(())
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The name of an instance's cgroup within its account's.
fn leaf(upstream: &UpstreamName, instance: Instance) -> String {
    format!("{upstream}-{instance}")
}

/// Whether a directory has such a name: nothing else below the root is ours to end.
fn is_leaf(name: &str) -> bool {
    let is_instance = |digits: &str| digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    name.rsplit_once('-')
        .is_some_and(|(upstream, instance)| UpstreamName::new(upstream).is_ok() && is_instance(instance))
}

impl Cgroup {
    /// Removes it with all below it, and the one it is in where that is ours and it was the last. `false`: something is left.
    fn try_remove(&self) -> bool {
        let is_removed = remove_tree(&self.path, DEEPEST);
        if is_removed && self.is_parent_ours {
            // Refused while there are others.
            let _ = self.path.parent().map(fs::remove_dir);
        }
        is_removed
    }
}

/// Ends what runs in instances' cgroups in `places` by the hand of a launcher that is no more.
async fn end_leftovers(places: Vec<PathBuf>, is_parent_ours: bool) {
    let mut left: Vec<PathBuf> = places.iter().flat_map(|place| directories(place)).collect();
    left.retain(|cgroup| cgroup.file_name().and_then(|name| name.to_str()).is_some_and(is_leaf));
    for cgroup in &left {
        tracing::warn!(cgroup = %cgroup.display(), "left behind: killed");
    }
    remove(left.into_iter().map(|path| Cgroup { path, is_parent_ours }).collect()).await;
}

fn directories(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.flatten().filter(is_directory).map(|entry| entry.path()).collect()
}

/// Kills and removes cgroups with all below them.
async fn remove(mut cgroups: Vec<Cgroup>) {
    for _ in 0..REMOVALS {
        cgroups.retain(|cgroup| {
            // Whoever was not reached this time is reached the next.
            let _ = kill_cgroup(&cgroup.path);
            !cgroup.try_remove()
        });
        if cgroups.is_empty() {
            return;
        }
        tokio::time::sleep(REMOVAL_PAUSE).await;
    }
    for Cgroup { path, .. } in cgroups {
        tracing::warn!(cgroup = %path.display(), "processes that do not die: the cgroup stays");
    }
}

/// Removes a cgroup with all below it; `false`: something is left.
fn remove_tree(cgroup: &Path, deeper: usize) -> bool {
    if deeper > 0 {
        for below in directories(cgroup) {
            remove_tree(&below, deeper - 1);
        }
    }
    match fs::remove_dir(cgroup) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Kills what is in a cgroup and below: by the kernel's own means, or one by one where it has none (before 5.14).
fn kill_cgroup(cgroup: &Path) -> io::Result<()> {
    match limits::write(&cgroup.join("cgroup.kill"), "1") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => kill_each(cgroup),
        killed => killed,
    }
}

fn kill_each(cgroup: &Path) -> io::Result<()> {
    let listed = match fs::read_to_string(cgroup.join("cgroup.procs")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listed => listed?,
    };
    for pid in listed.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
        match kill_process(pid, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Reads `memory.events`.
fn oom_kills(events: &str) -> u64 {
    let count = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok();
    events.lines().find_map(count).unwrap_or(0)
}

/// How often cgroups are tried to be removed, and how long in between: two seconds in all. Dying takes a moment, and
/// who hangs in the kernel may hang for ever.
const REMOVALS: usize = 100;
const REMOVAL_PAUSE: Duration = Duration::from_millis(20);

/// Levels of cgroups below an instance's that are removed with it: a program that may make some makes few.
const DEEPEST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cgroups_of_instances_are_ours_to_end() {
        assert!(is_leaf(&leaf(&UpstreamName::new("web-2").unwrap(), Instance(u64::MAX))));
        for other in
            ["web", "web-1", "init.scope", "parvis.service", "web-00000000000000zz", "-0000000000000001"]
        {
            assert!(!is_leaf(other), "{other}");
        }
    }

    #[test]
    fn a_kill_for_want_of_memory_is_read() {
        assert_eq!(1, oom_kills("low 0\nhigh 3\noom 1\noom_kill 1\noom_group_kill 0\n"));
        assert_eq!(0, oom_kills("low 0\noom 1\noom_kill 0\noom_group_kill 1\n"));
        assert_eq!(0, oom_kills(""));
    }

    #[tokio::test(flavor = "local")]
    async fn a_directory_that_is_no_cgroup_holds_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        let groups = Groups::default();
        groups.configure(&Launcher { cgroup_root: Some(root.clone()), ..Launcher::default() });
        let (alice, web) = (AccountName::new("alice").unwrap(), UpstreamName::new("web").unwrap());
        let (group, entrance) =
            groups.make(&alice, &web, Instance(1), &RunLimits::default(), None).await.unwrap();
        assert!(entrance.is_none() && group.cgroup.is_none());
        assert_eq!(directories(&root), Vec::<PathBuf>::new());
    }
}
