//! What an account's programs may take together, written into its cgroup. Limits that a document no longer has are
//! taken back.

use crate::config::RunLimits;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes the limits of an account into its cgroup, and hands the controllers they need down from `root`. A controller
/// that is missing is logged once, where a limit needs it: `missing` holds those that were.
pub(super) fn apply(
    root: &Path,
    of_account: &Path,
    limits: &RunLimits,
    missing: &mut BTreeSet<&'static str>,
) {
    let most = |limit: Option<u64>| limit.map_or_else(|| "max".to_owned(), |limit| limit.to_string());
    let weight = |weight: Option<u32>| weight.unwrap_or(USUAL_WEIGHT);
    let pids = limits.pids_max;
    let all = [
        ("memory", "memory.max", most(limits.memory_max), limits.memory_max.is_some()),
        ("memory", "memory.high", most(limits.memory_high), limits.memory_high.is_some()),
        ("cpu", "cpu.weight", weight(limits.cpu_weight).to_string(), limits.cpu_weight.is_some()),
        ("io", "io.weight", format!("default {}", weight(limits.io_weight)), limits.io_weight.is_some()),
        ("pids", "pids.max", most(pids.map(u64::from)), pids.is_some()),
    ];
    hand_down(root, &CONTROLLERS);
    // So that an instance's own cgroup counts whom the kernel killed; the limits stay the account's.
    hand_down(of_account, &["memory"]);
    for (controller, file, value, is_wanted) in all {
        match write(&of_account.join(file), &value) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if is_wanted && missing.insert(controller) {
                    let root = root.display();
                    tracing::warn!(%root, controller, "no such controller in this cgroup: its limits do not hold");
                }
            }
            Err(error) => {
                let cgroup = of_account.display();
                tracing::warn!(%cgroup, file, value, %error, "a limit could not be set");
            }
        }
    }
}

/// Has what the cgroup above `root` can give given to `root`. Where this process itself stands in there it steps aside,
/// into a cgroup of its own beside `root`: the kernel gives nothing to the neighbours of processes.
pub(super) fn ask_for(root: &Path) {
    let Some(above) = root.parent() else { return };
    let own = std::process::id();
    let is_here = |procs: String| procs.lines().any(|line| line.parse() == Ok(own));
    // The topmost cgroup has no type; processes may stand in it.
    let is_below = above.join("cgroup.type").exists();
    if is_below && fs::read_to_string(above.join("cgroup.procs")).is_ok_and(is_here) {
        let aside = above.join(ASIDE);
        let made = match fs::create_dir(&aside) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => write(&aside.join("cgroup.procs"), &own.to_string()),
        };
        if let Err(error) = made {
            tracing::warn!(cgroup = %aside.display(), %error, "the launcher cannot step aside: limits do not hold");
        }
    }
    hand_down(above, &CONTROLLERS);
}

/// Enables those of `controllers` that the cgroup has for the cgroups below it. One that cannot be is missed by whoever
/// writes its limits.
fn hand_down(cgroup: &Path, controllers: &[&str]) {
    let words = |file: &str| fs::read_to_string(cgroup.join(file)).unwrap_or_default();
    let (has, gives) = (words("cgroup.controllers"), words("cgroup.subtree_control"));
    let is_in = |list: &str, word: &str| list.split_whitespace().any(|one| one == word);
    for controller in controllers {
        if is_in(&has, controller) && !is_in(&gives, controller) {
            // One at a time: a refused one refuses all that are written with it.
            let _ = write(&cgroup.join("cgroup.subtree_control"), &format!("+{controller}"));
        }
    }
}

/// Writes one value, in one call, into a file that is there: cgroupfs makes none.
pub(super) fn write(file: &Path, value: &str) -> io::Result<()> {
    File::options().write(true).open(file)?.write_all(value.as_bytes())
}

/// What limits are written for.
const CONTROLLERS: [&str; 4] = ["memory", "cpu", "io", "pids"];

/// The launcher's own cgroup, beside the root of the accounts'.
const ASIDE: &str = "launcher";

/// The kernel's own weight.
const USUAL_WEIGHT: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_launcher_steps_aside_for_the_accounts() {
        let service = tempfile::tempdir().unwrap();
        let file = |name: &str| service.path().join(name);
        let own = std::process::id().to_string();
        fs::create_dir(file("launcher")).unwrap();
        for (name, content) in [
            ("cgroup.procs", format!("1\n{own}\n")),
            ("cgroup.controllers", "memory".to_owned()),
            ("cgroup.subtree_control", String::new()),
            ("launcher/cgroup.procs", String::new()),
        ] {
            fs::write(file(name), content).unwrap();
        }
        let read = |name: &str| fs::read_to_string(file(name)).unwrap();
        // As the topmost cgroup, where anybody may stand.
        ask_for(&file("accounts"));
        assert_eq!(
            (read("launcher/cgroup.procs"), read("cgroup.subtree_control")),
            (String::new(), "+memory".into())
        );
        fs::write(file("cgroup.subtree_control"), "").unwrap();
        fs::write(file("cgroup.type"), "domain\n").unwrap();
        ask_for(&file("accounts"));
        assert_eq!((read("launcher/cgroup.procs"), read("cgroup.subtree_control")), (own, "+memory".into()));
        fs::write(file("launcher/cgroup.procs"), "").unwrap();
        fs::write(file("cgroup.procs"), "1\n").unwrap();
        ask_for(&file("accounts"));
        assert_eq!(read("launcher/cgroup.procs"), "", "it does not stand there");
    }

    #[test]
    fn limits_are_written_and_taken_back_and_what_is_missing_is_said_once() {
        let root = tempfile::tempdir().unwrap();
        let account = root.path().join("alice");
        fs::create_dir(&account).unwrap();
        let files = ["memory.max", "memory.high", "io.weight", "pids.max"];
        let clear = || files.iter().for_each(|file| fs::write(account.join(file), "").unwrap());
        clear();
        fs::write(root.path().join("cgroup.controllers"), "cpuset pids memory\n").unwrap();
        fs::write(root.path().join("cgroup.subtree_control"), "memory\n").unwrap();
        let read = |file: &str| fs::read_to_string(account.join(file)).unwrap();
        let mut missing = BTreeSet::new();

        let wanted = RunLimits {
            memory_max: Some(1 << 30),
            memory_high: None,
            cpu_weight: Some(50),
            io_weight: Some(20),
            pids_max: Some(200),
        };
        apply(root.path(), &account, &wanted, &mut missing);
        assert_eq!(files.map(read), ["1073741824", "max", "default 20", "200"]);
        assert_eq!(missing, BTreeSet::from(["cpu"]));
        // Only what the root has and does not give yet.
        // The file is written from its beginning, as the kernel's is.
        let given = fs::read_to_string(root.path().join("cgroup.subtree_control")).unwrap();
        assert_eq!(given, "+pidsy\n");

        clear();
        let mut missing = BTreeSet::new();
        apply(root.path(), &account, &RunLimits::default(), &mut missing);
        assert_eq!(files.map(read), ["max", "max", "default 100", "max"]);
        assert!(missing.is_empty(), "nobody misses what nobody wants");
    }
}
