//! From an order to a program that runs: everything it needs is taken from the document, and nothing from the order
//! but which is meant.

use super::document::{self, Refused, Trust};
use super::environment::{About, variables, words};
use super::group::Groups;
use super::identity;
use super::life::{Manners, Program};
use super::place::{Socket, absolute};
use super::protocol::{Instance, Process};
use super::spawn::{Start, spawn};
use crate::base::{AccountName, DocumentHash, UpstreamName};
use crate::config::{Node, UpstreamAddress};
use nix::unistd::Uid;
use std::path::Path;

/// What an order to start names.
#[derive(Clone, Debug)]
pub(super) struct Meant {
    /// The number.
    pub(super) instance: Instance,
    /// Whose program.
    pub(super) account: AccountName,
    /// Which.
    pub(super) upstream: UpstreamName,
    /// By which document.
    pub(super) hash: DocumentHash,
}

/// A program that was started.
#[derive(Debug)]
pub(super) struct Started {
    /// Itself.
    pub(super) program: Program,
    /// What is told of it.
    pub(super) process: Process,
}

/// Starts it.
///
/// # Errors
/// Why it did not start. Nothing is left of it.
pub(super) fn start(node: &Node, groups: &mut Groups, meant: &Meant) -> Result<Started, Refused> {
    let Meant { instance, account, upstream, hash } = meant;
    let trust = if Uid::effective().is_root() { Trust::Root } else { Trust::Anyone };
    let document = document::read(node, account, *hash, trust)?;
    let found = document.upstreams.iter().find(|one| one.name == *upstream);
    let found = found.ok_or_else(|| format!("the document has no upstream \"{upstream}\""))?;
    let program =
        found.program.as_deref().ok_or_else(|| format!("the upstream \"{upstream}\" has no command"))?;
    let identity = identity::of(&document, &node.launcher)?;
    let socket = match found.address {
        UpstreamAddress::Auto => Some(Socket::prepare(node, account, *instance, &identity)?),
        _ => None,
    };
    let path = socket.as_ref().map(|socket| socket.path.clone());
    let home = &absolute(document.run.home.as_deref().unwrap_or(&identity.home))?;
    let address = match &found.address {
        UpstreamAddress::Unix(path) => UpstreamAddress::Unix(absolute(path)?),
        other => other.clone(),
    };
    let about = About {
        user: &identity.name,
        home,
        address: &address,
        socket: path.as_deref(),
        account: &document.run.environment,
        upstream: &program.environment,
    };
    let variables = variables(&about);
    let words = words(&node.launcher.wrapper, &program.command, account, upstream);
    let directory = home.join(&program.directory);
    let (group, entrance) = groups
        .make(account, upstream, *instance, &document.run.limits)
        .map_err(|error| format!("its cgroup cannot be made: {error}"))?;
    let wanted = Start { words: &words, variables, directory: &directory, identity: &identity, entrance };
    let spawned = match spawn(wanted) {
        Ok(spawned) => spawned,
        Err(why) => {
            group.discard();
            return Err(why.into());
        }
    };
    let uid = identity.uid.as_raw();
    let process =
        Process { pid: spawned.process.id(), uid, socket: path, cgroup: group.path().map(Path::to_owned) };
    let manners = Manners {
        hot_restart: program.hot_restart,
        stop_signal: program.stop_signal,
        stop_timeout: program.stop_timeout,
        start_timeout: program.start_timeout,
    };
    let program = Program::new(*instance, spawned, group, socket, manners)
        .map_err(|error| format!("it cannot be watched: {error}"))?;
    Ok(Started { program, process })
}
