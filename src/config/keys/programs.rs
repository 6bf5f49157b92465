//! The keys that say what programs are started, and how: `[launcher]`, `[run]`, and those of an `[[upstream]]` with a
//! command.

use super::super::defaults as d;
use super::super::setting::{Absent, Key, Section};

/// `[launcher]`.
pub(in crate::config) static LAUNCHER: Section = Section {
    name: "launcher",
    header: "[launcher]",
    many: false,
    about: "Who starts the accounts' programs: a process of its own (`parvis launcher`), which reads this file and the \
            account documents itself. Without `socket` the node starts them, as the user it runs as: for development.",
    keys: &[
        &LAUNCHER_SOCKET,
        &LAUNCHER_DIRECTORY,
        &d::UID_MIN,
        &d::UID_MAX,
        &LAUNCHER_CGROUP_ROOT,
        &LAUNCHER_WRAPPER,
    ],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(in crate::config) const LAUNCHER_SOCKET: Key = Key {
    name: "socket",
    takes: "a path: `\"/run/parvis-launcher/launcher.sock\"`",
    absent: Absent::Means("the node starts the programs itself"),
    effect: "Where the launcher listens. Only the node's user and root are answered there.",
};
pub(in crate::config) const LAUNCHER_DIRECTORY: Key = Key {
    name: "directory",
    takes: "a directory: `\"/run/parvis-programs\"`",
    absent: Absent::Means("`programs` beside the launcher's `socket`; without one, in the `state` directory"),
    effect: "Where the sockets of `address = \"auto\"` are, in a directory an account that only its user and Parvis can \
             enter. Made by the launcher. The path of a socket has at most 107 bytes, so keep it short.",
};
pub(in crate::config) const LAUNCHER_CGROUP_ROOT: Key = Key {
    name: "cgroup_root",
    takes: "a directory below `/sys/fs/cgroup` that is delegated to the launcher",
    absent: Absent::Means("programs stay in the launcher's own control group"),
    effect: "Where a control group is made for each account, and in it one for each upstream. Without it an account's \
             `memory_max` and the like are not in effect, and what a program leaves behind when it ends is not found.",
};
pub(in crate::config) const LAUNCHER_WRAPPER: Key = Key {
    name: "wrapper",
    takes: "a list: a program and its arguments, in which `{account}` and `{upstream}` are replaced",
    absent: Absent::Is("[]"),
    effect: "What programs are started by, with their own command behind it: the platform's way into an account's \
             container.",
};

/// `[run]`.
pub(in crate::config) static RUN: Section = Section {
    name: "run",
    header: "[run]",
    many: false,
    about: "How the account's programs run: those of upstreams with a `command`.",
    keys: &[
        &RUN_USER,
        &RUN_HOME,
        &RUN_ADDRESS,
        &RUN_ENVIRONMENT,
        &RUN_MEMORY_MAX,
        &RUN_MEMORY_HIGH,
        &RUN_CPU_WEIGHT,
        &RUN_IO_WEIGHT,
        &RUN_PIDS_MAX,
        &RUN_CGROUP,
    ],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(in crate::config) const RUN_USER: Key = Key {
    name: "user",
    takes: "a user of the system, within the node's `uid_min` and `uid_max`",
    absent: Absent::Means("the user with the account's name"),
    effect: "Who the programs run as, with the groups of that user. Where the launcher is not root, they run as its own \
             user instead.",
};
pub(in crate::config) const RUN_HOME: Key = Key {
    name: "home",
    takes: "a directory",
    absent: Absent::Means("the user's home"),
    effect: "`HOME`, and what an upstream's `directory` is relative to.",
};
pub(in crate::config) const RUN_ADDRESS: Key = Key {
    name: "address",
    takes: "an IP address: `\"fd00::2:696b\"`",
    absent: Absent::Means("upstreams name their whole address"),
    effect: "The account's own address, which `address = \":8100\"` of an upstream is a port on. Keep others from \
             binding it.",
};
pub(in crate::config) const RUN_ENVIRONMENT: Key = Key {
    name: "environment",
    takes: "a table of texts: `{ TZ = \"Europe/Paris\" }`",
    absent: Absent::Is("{}"),
    effect: "Variables of all programs of the account. No message ever shows a value.",
};
pub(in crate::config) const RUN_MEMORY_MAX: Key = Key {
    name: "memory_max",
    takes: "a size in bytes: `\"512M\"`",
    absent: Absent::Means("no limit"),
    effect: "What the account's programs may have together; beyond it one of them is killed, which the node's log says.",
};
pub(in crate::config) const RUN_MEMORY_HIGH: Key = Key {
    name: "memory_high",
    takes: RUN_MEMORY_MAX.takes,
    absent: Absent::Means("no limit"),
    effect: "Beyond it the kernel slows them down and takes memory back.",
};
pub(in crate::config) const RUN_CPU_WEIGHT: Key = Key {
    name: "cpu_weight",
    takes: "a whole number from 1 to 10000",
    absent: Absent::Means("100, as the kernel has it"),
    effect: "Their share of the processors beside other accounts' when all are busy.",
};
pub(in crate::config) const RUN_IO_WEIGHT: Key = Key {
    name: "io_weight",
    takes: RUN_CPU_WEIGHT.takes,
    absent: Absent::Means("100, as the kernel has it"),
    effect: "Their share of the disks, likewise.",
};
pub(in crate::config) const RUN_PIDS_MAX: Key = Key {
    name: "pids_max",
    takes: "a whole number",
    absent: Absent::Means("no limit"),
    effect: "Processes and threads that they may have together.",
};
pub(in crate::config) const RUN_CGROUP: Key = Key {
    name: "cgroup",
    takes: "a directory below `/sys/fs/cgroup`: the control group of the account's container",
    absent: Absent::Means("the launcher makes one for the account, below its `cgroup_root`"),
    effect: "Where the programs' control groups are made instead. Whoever made it sets its limits: `memory_max` and the \
             like cannot stand beside it.",
};

// What an `[[upstream]]` says of its program.

pub(in crate::config) const UPSTREAM_COMMAND: Key = Key {
    name: "command",
    takes: "a list, a program and its arguments, which runs as it is: `[\"/usr/bin/node\", \"app.js\"]`; or a line for \
            `/bin/sh`",
    absent: Absent::Means("somebody else runs the server"),
    effect: "The program that answers at `address`. A request to one that does not run waits while it is started. Its \
             environment holds `HOME`, `USER`, `PATH`, `IP`, `HOST`, `PORT` and `ADDRESS` (or `SOCKET`), and what the \
             document adds; nothing else.",
};
pub(in crate::config) const UPSTREAM_DIRECTORY: Key = Key {
    name: "directory",
    takes: "a directory, relative to the `home` of `[run]`",
    absent: Absent::Means("the home itself"),
    effect: "Where the program is started.",
};
pub(in crate::config) const UPSTREAM_ENVIRONMENT: Key = Key {
    name: "environment",
    takes: RUN_ENVIRONMENT.takes,
    absent: Absent::Is("{}"),
    effect: "Variables of this program, before those of `[run]`. No message ever shows a value.",
};
pub(in crate::config) const UPSTREAM_READY_PATH: Key = Key {
    name: "ready_path",
    takes: "a path: `\"/health\"`",
    absent: Absent::Means("it is ready once it accepts a connection"),
    effect: "Asked for while it starts, until the answer's status is below 500.",
};
pub(in crate::config) const UPSTREAM_STOP_SIGNAL: Key = Key {
    name: "stop_signal",
    takes: "`\"SIGTERM\"`, `\"SIGINT\"`, `\"SIGQUIT\"`, `\"SIGHUP\"`, `\"SIGUSR1\"`, `\"SIGUSR2\"`, `\"SIGWINCH\"` or `\"SIGKILL\"`",
    absent: Absent::Text("SIGTERM"),
    effect: "What asks the program to end.",
};
pub(in crate::config) const UPSTREAM_OVERLAP: Key = Key {
    name: "overlap",
    takes: "`true` or `false`",
    absent: Absent::Means("`true` where `address` is `\"auto\"`"),
    effect: "Whether a restart may start the new instance beside the old one, which goes on serving until the new one is \
             ready. Without it requests wait while one stops and the other starts.",
};
pub(in crate::config) const UPSTREAM_HOT_RESTART: Key = Key {
    name: "hot_restart",
    takes: "`\"SIGHUP\"`, `\"SIGUSR1\"` or `\"SIGUSR2\"`",
    absent: Absent::Means("the program is replaced by a new instance"),
    effect: "The signal by which the program renews itself and goes on serving, in the same process: sent for a new \
             `revision` and for `parvis restart`. If it is not ready within `start_timeout` after it, it is replaced. A \
             change of the command, directory or environment always replaces it: no signal brings those.",
};
pub(in crate::config) const UPSTREAM_REVISION: Key = Key {
    name: "revision",
    takes: "any text",
    absent: Absent::Text(""),
    effect: "A change restarts the program, as does one of the command, directory or environment. Addresses of its sites \
             that come with it go live once the new program is ready; if it fails the sites stay as they are.",
};
