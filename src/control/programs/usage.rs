//! What programs use, as their control groups tell: read where it is asked for, and kept nowhere.

use crate::upstream::Standing;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What a program and all it started use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory; `None`: nobody knows.
    pub memory: Option<u64>,
    /// Processor time since it was started.
    pub cpu: Option<Duration>,
}

impl Usage {
    /// Of what is in `cgroup`. A group that nobody counts the memory of has that of its processes, what they share counted
    /// as often as they are. Cost: two files, and there one for each process.
    pub fn of(cgroup: &Path) -> Self {
        let cpu = fs::read_to_string(cgroup.join("cpu.stat")).ok();
        let cpu = cpu.and_then(|text| value(&text, "usage_usec")).map(Duration::from_micros);
        Self { memory: number(cgroup, "memory.current").or_else(|| resident_in(cgroup)), cpu }
    }

    /// Of all in `root`, the group above the accounts': what the kernel counts and nothing else.
    pub fn of_all(root: &Path) -> Self {
        Self { memory: number(root, "memory.current"), ..Self::of(root) }
    }

    /// Of a program: of its group, or of its process where it has none.
    pub fn of_program(standing: &Standing) -> Self {
        match (&standing.cgroup, standing.pid) {
            (Some(cgroup), _) => Self::of(cgroup),
            (None, Some(pid)) => Self::of_process(pid),
            (None, None) => Self::default(),
        }
    }

    /// Of one process, where there is no group.
    fn of_process(pid: u32) -> Self {
        Self { memory: resident(pid), cpu: None }
    }
}

/// Whether the account of an instance's `cgroup` has memory for another instance like it: within the limit of the group
/// above it, with what the kernel would rather keep than needs (files that nobody has touched of late) left aside.
pub(super) fn has_room_for_two(cgroup: &Path) -> bool {
    let Some(account) = cgroup.parent() else { return true };
    // "max", or nothing counted: there is no limit.
    let Some(limit) = number(account, "memory.max") else { return true };
    needed(account).saturating_add(needed(cgroup)) <= limit
}

/// How many processes of a group the kernel has killed for want of memory.
pub(super) fn kills(cgroup: &Path) -> u64 {
    let events = fs::read_to_string(cgroup.join("memory.events")).unwrap_or_default();
    value(&events, "oom_kill").unwrap_or(0)
}

fn needed(cgroup: &Path) -> u64 {
    let stat = fs::read_to_string(cgroup.join("memory.stat")).unwrap_or_default();
    let untouched = value(&stat, "inactive_file").unwrap_or(0);
    number(cgroup, "memory.current").unwrap_or(0).saturating_sub(untouched)
}

fn number(cgroup: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(cgroup.join(file)).ok()?.trim().parse().ok()
}

/// The value of a line "name value".
fn value(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn resident_in(cgroup: &Path) -> Option<u64> {
    let listed = fs::read_to_string(cgroup.join("cgroup.procs")).ok()?;
    // One may end meanwhile.
    Some(listed.lines().take(MOST_PROCESSES).filter_map(|pid| resident(pid.parse().ok()?)).sum())
}

fn resident(pid: u32) -> Option<u64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Processes of a group that are looked at: a status must not take long.
const MOST_PROCESSES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_tells_what_it_uses_and_whether_another_has_room() {
        let account = tempfile::tempdir().unwrap();
        let web = account.path().join("web-0000000000000001");
        fs::create_dir(&web).unwrap();
        let write = |file: &str, text: &str| fs::write(account.path().join(file), text).unwrap();
        assert_eq!(Usage::of(&web), Usage { memory: None, cpu: None });
        assert!(has_room_for_two(&web), "there is no limit");
        write("web-0000000000000001/cpu.stat", "usage_usec 1500000\nuser_usec 1\n");
        write("web-0000000000000001/cgroup.procs", &format!("{}\n", std::process::id()));
        assert!(Usage::of(&web).memory.unwrap() > 100_000, "that of this process");
        write("web-0000000000000001/memory.current", "300\n");
        assert_eq!(Usage::of(&web), Usage { memory: Some(300), cpu: Some(Duration::from_millis(1500)) });
        write("memory.max", "max\n");
        write("memory.current", "700\n");
        assert!(has_room_for_two(&web));
        write("memory.max", "1000\n");
        assert!(has_room_for_two(&web));
        write("memory.max", "999\n");
        assert!(!has_room_for_two(&web));
        write("memory.stat", "anon 1\ninactive_file 1\n");
        assert!(has_room_for_two(&web));
    }

    #[test]
    fn kills_are_counted() {
        let cgroup = tempfile::tempdir().unwrap();
        assert_eq!(kills(cgroup.path()), 0);
        fs::write(cgroup.path().join("memory.events"), "oom 3\noom_kill 2\noom_group_kill 1\n").unwrap();
        assert_eq!(kills(cgroup.path()), 2);
    }
}
