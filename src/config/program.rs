//! What a document says about programs: `[run]`, and the keys of an `[[upstream]]` that has a command.

use super::checked::{Command, Environment, Program, Run, RunLimits, UpstreamAddress};
use super::node::user;
use super::reader::{Table, Value};
use super::scalar::{Scalar, Wrong, quoted};
use super::setting::Key;
use super::{defaults as d, keys};
use crate::base::{ByteSize, DocumentHash};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Component, PathBuf};

/// Reads `[run]`.
pub(super) fn run(table: &Table<'_>) -> Run {
    let size = |key| number::<ByteSize>(table, key, ByteSize(1), ByteSize(u64::MAX)).map(|size| size.0);
    let weight = |key| number(table, key, 1, MOST_WEIGHT);
    let run = Run {
        user: table.get(&keys::RUN_USER).and_then(|value| value.parse(user)),
        home: table.get(&keys::RUN_HOME).and_then(|value| value.path_buf()),
        address: table.get(&keys::RUN_ADDRESS).and_then(|value| value.parse(own_address)),
        environment: environment(table, &keys::RUN_ENVIRONMENT),
        cgroup: cgroup(table),
        limits: RunLimits {
            memory_max: size(&keys::RUN_MEMORY_MAX),
            memory_high: size(&keys::RUN_MEMORY_HIGH),
            cpu_weight: weight(&keys::RUN_CPU_WEIGHT),
            io_weight: weight(&keys::RUN_IO_WEIGHT),
            pids_max: number(table, &keys::RUN_PIDS_MAX, 1, u32::MAX),
        },
    };
    if run.cgroup.is_some() && run.limits != RunLimits::default() {
        let wrong = Wrong::new("whoever made this control group sets its limits");
        table.refuse_key(keys::RUN_CGROUP.name, wrong.hint("remove the limits here, or remove `cgroup`"));
    }
    run
}

/// A directory of the cgroup file system, wherever that is mounted: the launcher finds out whether it is one.
fn cgroup(table: &Table<'_>) -> Option<PathBuf> {
    let absolute = |text: &str| {
        let path = PathBuf::from(plain(text)?);
        if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
            return Err(Wrong::new(format!("{} is not a whole path", quoted(text)))
                .hint("write it as in \"/sys/fs/cgroup/lxc/alice\""));
        }
        Ok(path)
    };
    table.get(&keys::RUN_CGROUP).and_then(|value| value.parse(absolute))
}

/// The program of an `[[upstream]]`; `is_auto` says that its address is `"auto"`. `None`: it has no command, and whatever
/// else says how a program runs is a mistake.
pub(super) fn program(table: &Table<'_>, is_auto: bool) -> Option<Box<Program>> {
    let command = table.get(&keys::UPSTREAM_COMMAND);
    let directory =
        table.get(&keys::UPSTREAM_DIRECTORY).and_then(|value| value.parse(|text| Ok(plain(text)?.into())));
    let stop_signal = table.get(&keys::UPSTREAM_STOP_SIGNAL).and_then(|value| value.choice(SIGNALS));
    let hot_restart = table.get(&keys::UPSTREAM_HOT_RESTART).and_then(|value| value.choice(RENEWALS));
    let overlap = table.get(&keys::UPSTREAM_OVERLAP).and_then(|value| value.scalar());
    let revision = table.get(&keys::UPSTREAM_REVISION).and_then(|value| value.text().map(str::to_owned));
    let said = Program {
        command: Command::Words(Vec::new()),
        directory: directory.unwrap_or_default(),
        environment: environment(table, &keys::UPSTREAM_ENVIRONMENT),
        idle_time: table.setting(&d::IDLE_TIME).0,
        start_timeout: table.setting(&d::START_TIMEOUT),
        stop_signal: stop_signal.unwrap_or(Signal::TERM).as_raw(),
        stop_timeout: table.setting(&d::STOP_TIMEOUT),
        overlap: overlap.unwrap_or(is_auto),
        hot_restart: hot_restart.map(Signal::as_raw),
        revision: revision.unwrap_or_default(),
        health_interval: table.setting(&d::HEALTH_INTERVAL).0,
        hang_timeout: table.setting(&d::HANG_TIMEOUT).0,
        ready_path: table.get(&keys::UPSTREAM_READY_PATH).and_then(|value| value.parse(ready_path)),
    };
    if said.health_interval.is_some() && said.ready_path.is_none() {
        let wrong = Wrong::new("there is no `ready_path` to ask for");
        table.refuse_key(d::HEALTH_INTERVAL.name, wrong.hint("add one: ready_path = \"/health\""));
    }
    if command.is_none() {
        for key in OF_PROGRAMS.into_iter().filter(|key| table.wrote(key)) {
            let wrong = Wrong::new("the upstream has no `command`");
            table.refuse_key(
                key,
                wrong.hint("remove it, or say what is started: command = [\"/usr/bin/node\", \"app.js\"]"),
            );
        }
    }
    Some(Box::new(Program { command: self::command(command?)?, ..said }))
}

impl Program {
    /// The hash of all that a change of starts it anew: two instances with the same one are the same program, whatever else
    /// their documents say. Node and launcher compare it where the node takes over what runs.
    pub fn runs_as(&self, run: &Run, address: &UpstreamAddress) -> DocumentHash {
        let Run { user, home, address: own, environment, limits, cgroup } = run;
        let of_run = (user, home, own, limits, cgroup, &environment.0);
        let of_program =
            (&self.command, &self.directory, &self.environment.0, &self.revision, self.hot_restart, address);
        DocumentHash::of(format!("{of_run:?} {of_program:?}").as_bytes())
    }
}

fn command(value: Value<'_, '_>) -> Option<Command> {
    if value.is_list() {
        let words = words(value);
        if words.is_empty() {
            value.refuse(Wrong::new("a command without a program"));
            return None;
        }
        return Some(Command::Words(words));
    }
    value.parse(|text| match plain(text)? {
        text if text.trim().is_empty() => Err(Wrong::new("a command without a program")),
        text => Ok(Command::Shell(text.to_owned())),
    })
}

/// A program and its arguments.
pub(super) fn words(value: Value<'_, '_>) -> Vec<String> {
    value.items(MAX_WORDS).filter_map(|item| item.parse(|text| Ok(plain(text)?.to_owned()))).collect()
}

/// What fits an argument of `execve`.
fn plain(text: &str) -> Result<&str, Wrong> {
    if text.contains('\0') { Err(Wrong::new("a text with a NUL in it")) } else { Ok(text) }
}

fn own_address(text: &str) -> Result<IpAddr, Wrong> {
    let wrong = |why| Wrong::new(format!("{} {why}", quoted(text)));
    match text.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() => Err(wrong("is every address, not the account's own")),
        Ok(address) => Ok(address),
        Err(_) => {
            Err(wrong("is not an IP address").hint("write it without brackets and port: \"fd00::2:696b\""))
        }
    }
}

fn ready_path(text: &str) -> Result<String, Wrong> {
    if !text.starts_with('/') {
        return Err(Wrong::new(format!("{} is not a path", quoted(text))).hint("write it as in \"/health\""));
    }
    super::values::check_visible(text)?;
    Ok(text.to_owned())
}

/// The variables of an `environment`. No value is ever repeated.
fn environment(table: &Table<'_>, key: &Key) -> Environment {
    let Some(value) = table.get(key) else { return Environment::default() };
    let mut variables = BTreeMap::new();
    for (name, item) in value.pairs(MAX_VARIABLES) {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.bytes().all(fits) {
            value.refuse(Wrong::new(format!("{} is not a variable's name", quoted(name))));
        } else if OURS.contains(&name) {
            value.refuse(Wrong::new(format!("{name} is set by Parvis")).hint("take another name"));
        } else if let Some(text) = item.as_str().filter(|text| !text.contains('\0')) {
            variables.insert(name.to_owned(), text.to_owned());
        } else {
            value.refuse(Wrong::new(format!("{name} is not a text")).hint("write it in quotes"));
        }
    }
    Environment(variables.into_iter().collect())
}

/// A number that has no default of its own.
fn number<T: Scalar>(table: &Table<'_>, key: &Key, least: T, most: T) -> Option<T> {
    let value = table.get(key)?;
    let number = value.scalar::<T>()?;
    value.within(number, least, most).then_some(number)
}

const SIGNALS: &[(&str, Result<Signal, &str>)] = &[
    ("SIGTERM", Ok(Signal::TERM)),
    ("SIGINT", Ok(Signal::INT)),
    ("SIGQUIT", Ok(Signal::QUIT)),
    ("SIGHUP", Ok(Signal::HUP)),
    ("SIGUSR1", Ok(Signal::USR1)),
    ("SIGUSR2", Ok(Signal::USR2)),
    ("SIGWINCH", Ok(Signal::WINCH)),
    ("SIGKILL", Ok(Signal::KILL)),
];

/// Signals that no program takes for its end.
const RENEWALS: &[(&str, Result<Signal, &str>)] =
    &[("SIGHUP", Ok(Signal::HUP)), ("SIGUSR1", Ok(Signal::USR1)), ("SIGUSR2", Ok(Signal::USR2))];

/// Keys that mean something beside a command alone.
const OF_PROGRAMS: [&str; 12] = [
    keys::UPSTREAM_DIRECTORY.name,
    keys::UPSTREAM_ENVIRONMENT.name,
    d::IDLE_TIME.name,
    d::START_TIMEOUT.name,
    keys::UPSTREAM_READY_PATH.name,
    keys::UPSTREAM_STOP_SIGNAL.name,
    d::STOP_TIMEOUT.name,
    keys::UPSTREAM_OVERLAP.name,
    keys::UPSTREAM_HOT_RESTART.name,
    keys::UPSTREAM_REVISION.name,
    d::HEALTH_INTERVAL.name,
    d::HANG_TIMEOUT.name,
];

/// Variables that say where the program listens.
const OURS: [&str; 5] = ["IP", "HOST", "PORT", "ADDRESS", "SOCKET"];

/// Arguments of a command: far from what the kernel takes, and more than anybody writes by hand.
const MAX_WORDS: usize = 256;

/// Variables of one environment, likewise.
const MAX_VARIABLES: usize = 256;

/// The kernel's own bound of weights.
const MOST_WEIGHT: u32 = 10_000;

#[cfg(test)]
mod tests;
