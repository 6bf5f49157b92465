//! What an order to start means: everything a program needs is taken from the document, and nothing from the order but
//! which is meant. Runs as an errand: it reads files and asks who users are, and any of that may take its time.

use super::container;
use super::document::{self, Refused, Trust};
use super::environment::{About, variables, words};
use super::identity::{self, Identity};
use super::life::Manners;
use super::place::{Socket, absolute};
use super::protocol::Instance;
use crate::base::{AccountName, DocumentHash, UpstreamName};
use crate::config::{Node, RunLimits, UpstreamAddress};
use nix::unistd::Uid;
use std::ffi::OsString;
use std::path::PathBuf;
use tokio::sync::watch;

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

/// All that a start needs.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The program and its arguments.
    pub(super) words: Vec<String>,
    /// All its variables.
    pub(super) variables: Vec<(String, OsString)>,
    /// Its working directory, absolute.
    pub(super) directory: PathBuf,
    /// Who it runs as.
    pub(super) identity: Identity,
    /// Where it listens, if its address is `"auto"`.
    pub(super) socket: Option<Socket>,
    /// What the account's programs may take together.
    pub(super) limits: RunLimits,
    /// What it is.
    pub(super) runs_as: DocumentHash,
    /// The platform's own cgroup for them.
    pub(super) container: Option<PathBuf>,
    /// How it is treated.
    pub(super) manners: Manners,
}

/// Prepares a start, and says in `stage` what it is about to do, as what cannot be done.
///
/// # Errors
/// Why there is none.
pub(super) fn prepare(
    node: &Node,
    meant: &Meant,
    stage: &watch::Sender<&'static str>,
) -> Result<Prepared, Refused> {
    let Meant { instance, account, upstream, hash } = meant;
    stage.send_replace("its document cannot be read");
    let trust = if Uid::effective().is_root() { Trust::Root } else { Trust::Anyone };
    let document = document::read(node, account, *hash, trust)?;
    let found = document.upstreams.iter().find(|one| one.name == *upstream);
    let found = found.ok_or_else(|| format!("the document has no upstream \"{upstream}\""))?;
    let program =
        found.program.as_deref().ok_or_else(|| format!("the upstream \"{upstream}\" has no command"))?;
    stage.send_replace("its user cannot be looked up");
    let identity = identity::of(&document, &node.launcher)?;
    stage.send_replace("its control group cannot be looked at");
    let root = node.launcher.cgroup_root.as_deref();
    let container = document.run.cgroup.as_deref().map(|path| container::find(path, root)).transpose()?;
    stage.send_replace("the directory of its socket cannot be made");
    let socket = match found.address {
        UpstreamAddress::Auto => Some(Socket::prepare(node, account, *instance, &identity)?),
        _ => None,
    };
    let home = absolute(document.run.home.as_deref().unwrap_or(&identity.home))?;
    let address = match &found.address {
        UpstreamAddress::Unix(path) => UpstreamAddress::Unix(absolute(path)?),
        other => other.clone(),
    };
    let about = About {
        user: &identity.name,
        home: &home,
        address: &address,
        socket: socket.as_ref().map(|socket| &*socket.path),
        account: &document.run.environment,
        upstream: &program.environment,
    };
    Ok(Prepared {
        words: words(&node.launcher.wrapper, &program.command, account, upstream),
        variables: variables(&about),
        directory: home.join(&program.directory),
        socket,
        limits: document.run.limits.clone(),
        runs_as: program.runs_as(&document.run, &found.address),
        container,
        manners: Manners {
            hot_restart: program.hot_restart,
            stop_signal: program.stop_signal,
            stop_timeout: program.stop_timeout,
            start_timeout: program.start_timeout,
        },
        identity,
    })
}
