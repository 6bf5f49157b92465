//! The files of networks that the node file names: read when they change, kept as they last were while one is bad, and
//! published with the rest of the lists. What the networks mean is not known here.

use super::documents::write_whole;
use super::stamp::Stamp;
use crate::base::{Access, Networks, wall};
use crate::config::{self, NetworkFile, NetworkList, Node, Problem, Report};
use crate::limit::{Lists, Rules, TrustSet};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of networks of a node, owned by the control thread.
pub struct NetworkFiles {
    lists: Arc<Lists>,
    /// By path, as [`anchored`] makes it.
    held: BTreeMap<PathBuf, Held>,
}

/// What is known of a file.
#[derive(Default)]
struct Held {
    /// `None` where an equal stamp proves nothing.
    stamp: Option<Stamp>,
    /// What it said when it was last good.
    networks: Networks,
    /// What is wrong with it now.
    report: Report,
}

impl NetworkFiles {
    /// Reads every file that `node` names, and publishes the lists. One that is bad says what it said when it was last
    /// good, if the state directory knows; else nothing.
    pub fn open(lists: Arc<Lists>, node: &Node) -> Self {
        let mut files = Self { lists, held: BTreeMap::new() };
        for file in node.network_files() {
            let mut held = Held::default();
            if let Ok((networks, _)) = config::read_networks(&kept(node, &file), file.may_be_empty) {
                held.networks = networks;
            }
            files.held.insert(anchored(file.path), held);
        }
        files.reconfigure(node);
        files
    }

    /// Takes changed settings over, and everything that changed on disk.
    pub fn reconfigure(&mut self, node: &Node) {
        let named: BTreeSet<PathBuf> = node.network_files().map(|file| anchored(file.path)).collect();
        self.held.retain(|path, _| named.contains(path));
        for file in node.network_files() {
            self.read(node, &file);
        }
        self.publish(node);
    }

    /// Takes over what changed at `paths`.
    pub fn changed(&mut self, node: &Node, paths: &[PathBuf]) {
        let files = node.network_files().filter(|file| paths.contains(&anchored(file.path)));
        let read = files.map(|file| self.read(node, &file)).count();
        if read > 0 {
            self.publish(node);
        }
    }

    /// Takes over what changed on disk. Cost: a stat a file.
    pub fn look(&mut self, node: &Node) {
        let files = node.network_files().filter(|file| {
            let stamp = std::fs::metadata(file.path).map(|metadata| Stamp::of(&metadata)).ok();
            let held = self.held.get(&anchored(file.path));
            stamp.is_none() || held.is_none_or(|held| held.stamp != stamp)
        });
        let files: Vec<_> = files.collect();
        for file in &files {
            self.read(node, file);
        }
        if !files.is_empty() {
            self.publish(node);
        }
    }

    /// The directories whose changes are worth a [`changed`](Self::changed).
    pub fn directories(&self) -> impl Iterator<Item = PathBuf> {
        self.held.keys().filter_map(|path| Some(path.parent()?.to_owned()))
    }

    /// What is wrong with the files.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.held.values().flat_map(|held| &held.report.problems)
    }

    fn read(&mut self, node: &Node, file: &NetworkFile<'_>) {
        let held = self.held.entry(anchored(file.path)).or_default();
        // Before it is read: what is written meanwhile is found again.
        let stamp = std::fs::metadata(file.path).map(|metadata| Stamp::of(&metadata)).ok();
        held.stamp = stamp.filter(|stamp| stamp.is_settled(wall()));
        match config::read_networks(file.path, file.may_be_empty) {
            Ok((networks, content)) => {
                if held.networks != networks || !held.report.is_empty() {
                    tracing::info!(file = %file.path.display(), ranges = networks.ranges(), "networks read");
                    keep(node, file, &content);
                }
                (held.networks, held.report) = (networks, Report::default());
            }
            Err(report) => {
                if held.report != report {
                    for problem in &report.problems {
                        tracing::warn!(
                            ranges = held.networks.ranges(),
                            "networks stay as they were: {}",
                            problem.one_line()
                        );
                    }
                }
                held.report = report;
            }
        }
    }

    fn publish(&self, node: &Node) {
        let networks = |list: &NetworkList| match list {
            NetworkList::Listed(networks) => networks.clone(),
            NetworkList::File(path) => {
                self.held.get(&anchored(path)).map(|held| held.networks.clone()).unwrap_or_default()
            }
        };
        let trust = node.trust.iter().map(|set| TrustSet {
            name: set.name.clone(),
            networks: networks(&set.networks),
            header: set.header.clone(),
            everywhere: set.everywhere,
        });
        let access = Access {
            deny: node.deny.as_ref().map(networks).unwrap_or_default(),
            allow: node.allow.as_ref().map(networks),
        };
        self.lists.publish(Rules { trust: trust.collect(), access });
    }
}

/// A path as the watcher names it: what has no directory lies in the one we are in.
fn anchored(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent == Path::new("") => Path::new(".").join(path),
        _ => path.to_owned(),
    }
}

/// Where the last good content of a file is kept.
fn kept(node: &Node, file: &NetworkFile<'_>) -> PathBuf {
    node.state.join(LAST_GOOD).join(&file.role)
}

fn keep(node: &Node, file: &NetworkFile<'_>, content: &[u8]) {
    let kept = kept(node, file);
    let written =
        std::fs::create_dir_all(node.state.join(LAST_GOOD)).and_then(|()| write_whole(&kept, content));
    if let Err(error) = written {
        tracing::warn!(file = %file.path.display(), %error, "the last good networks cannot be kept");
    }
}

/// In the state directory: the last good content of every file of networks.
const LAST_GOOD: &str = "networks";
