//! The control thread's work: documents and certificates as they change, the node file when it is told to look, and
//! the questions of the admin socket. Everything here may read files and take its time; no request waits for it.

mod attention;
mod deferral;
mod documents;
mod figures;
mod journal;
mod leaving;
mod network_files;
mod programs;
mod stamp;
mod status;
mod watch;

pub use documents::{Applied, Documents};
pub use figures::figures;
pub use journal::Journal;
pub use programs::{ProgramWish, Programs};
pub use status::Status;
pub use watch::{Hint, Watch};

use crate::answer::Pages;
use crate::base::{AccountName, UpstreamName, now, wall};
use crate::config::{self, FileName, Node, Problem, Report};
use crate::limit::Lists;
use crate::listen::{Changes, Listeners};
use crate::route::{Challenges, DefaultSite, Hosts};
use crate::telemetry::{LogWriter, Metrics, Recent, absent_logs};
use crate::tls::{CertificateSettings, Certificates, Reload};
use arc_swap::ArcSwap;
use leaving::Leaving;
use network_files::NetworkFiles;
use status::Sight;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

/// What the control thread looks after.
pub struct Control {
    node: Arc<ArcSwap<Node>>,
    hosts: Arc<Hosts>,
    documents: Documents,
    certificates: Certificates,
    network_files: NetworkFiles,
    /// What is wrong with the node's pages.
    unread_pages: Vec<Problem>,
    listeners: Arc<Listeners>,
    log_writer: Rc<LogWriter>,
    metrics: Arc<Metrics>,
    recent: Arc<Recent>,
    programs: UnboundedSender<ProgramWish>,
    settled: UnboundedReceiver<AccountName>,
    watch: Watch,
    /// The revision of the certificates' directories that is watched.
    watched: Option<u64>,
    leaving: Leaving,
    started: Instant,
}

/// What the control thread shares with the workers and the rest of the process.
pub struct Shared {
    /// The node's settings.
    pub node: Arc<ArcSwap<Node>>,
    /// The host table.
    pub hosts: Arc<Hosts>,
    /// The lists of networks.
    pub lists: Arc<Lists>,
    /// The listening sockets.
    pub listeners: Arc<Listeners>,
    /// The access logs' writer.
    pub log_writer: Rc<LogWriter>,
    /// The node's metrics.
    pub metrics: Arc<Metrics>,
    /// The requests of the last while.
    pub recent: Arc<Recent>,
    /// Whoever leads the programs' lives. Unbounded: a wish for each account at the start, then one for each change.
    pub programs: UnboundedSender<ProgramWish>,
    /// Accounts of which a program serves now, or rests. Unbounded: each is told of when that changes.
    pub settled: UnboundedReceiver<AccountName>,
}

/// What is asked of the control thread.
pub enum Command {
    /// The node's status, or that of one account; `None` where there is no such account.
    Status(Option<AccountName>, oneshot::Sender<Option<Status>>),
    /// Start the program of one upstream, or all of an account, anew. Answers how many; `None`: there is none.
    Restart(AccountName, Option<UpstreamName>, oneshot::Sender<Option<usize>>),
    /// Read the node file, every document and every certificate again.
    Reload(oneshot::Sender<Result<Reloaded, Report>>),
}

/// What a reload did.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Reloaded {
    /// What changed, a line each.
    pub changed: Vec<String>,
    /// Settings that differ and take effect only at the next start.
    pub needs_restart: Vec<&'static str>,
    /// Documents applied.
    pub documents: usize,
}

impl Control {
    /// The cold start: every document and certificate is read and published before anything is served. What is wrong
    /// with one of them is told in the log and in the status, and stops nobody else.
    ///
    /// # Errors
    /// Where the state directory, the watcher or the certificates' machinery cannot be had at all.
    pub fn start(shared: Shared) -> io::Result<Self> {
        let node = shared.node.load_full();
        shared.hosts.set_default_site(default_site(&node));
        let unread_pages = read_pages(&shared.hosts, &node);
        for problem in &unread_pages {
            tracing::warn!("{}", problem.one_line());
        }
        shared.hosts.set_challenges(node.acme.as_ref().and_then(Challenges::new));
        // Watched before they are read, so that no change falls between the two.
        let mut watch = Watch::new()?;
        watch.set(&BTreeSet::from([node.accounts.clone()]));
        let network_files = NetworkFiles::open(shared.lists, &node);
        let documents = Documents::open(Arc::clone(&node), Arc::clone(&shared.hosts))?;
        let mut certificates =
            Certificates::open(certificate_settings(&node), wall()).map_err(io::Error::other)?;
        shared.hosts.each_account(|account| {
            certificates.attach(account.name(), account.form().certificates(), wall());
            follow(&shared.programs, account.name());
        });
        let mut control = Self {
            node: shared.node,
            hosts: shared.hosts,
            documents,
            certificates,
            network_files,
            unread_pages,
            listeners: shared.listeners,
            log_writer: shared.log_writer,
            metrics: shared.metrics,
            recent: shared.recent,
            programs: shared.programs,
            settled: shared.settled,
            watch,
            watched: None,
            leaving: Leaving::default(),
            started: now(),
        };
        control.watch_everything();
        control.publish_counts();
        control.metrics.set_connections_limit(node.limits.connections);
        Ok(control)
    }

    /// The certificates' machinery, for the workers' handshakes.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Follows changes and answers commands until nobody can send one any more.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut rescan = tokio::time::interval(RESCAN);
        rescan.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first tick is now, and the cold start has just looked at everything.
        rescan.tick().await;
        loop {
            tokio::select! {
                hint = self.watch.hint() => match hint {
                    Ok(Hint::Files(files)) => self.files_changed(files),
                    Ok(Hint::Everything) => self.look_at_everything(),
                    Err(error) => {
                        tracing::error!(%error, "the watcher failed: changes are found by the slow rescan");
                        tokio::time::sleep(WATCHER_PAUSE).await;
                    }
                },
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return,
                },
                () = until(self.leaving.next()) => self.documents_left(),
                Some(name) = self.settled.recv() => self.settle(&name),
                _ = rescan.tick() => self.look_at_everything(),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        // Who asked and left needs no answer.
        match command {
            Command::Status(account, reply) => {
                let _ = reply.send(self.status(account.as_ref()));
            }
            Command::Restart(account, upstream, reply) => {
                let _ = self.programs.send(ProgramWish::Restart(account, upstream, reply));
            }
            Command::Reload(reply) => {
                let _ = reply.send(self.reload());
            }
        }
    }

    /// These files were written, moved or deleted, and these directories came or went.
    fn files_changed(&mut self, files: Vec<PathBuf>) {
        let at = now();
        let accounts = self.node.load().accounts.clone();
        if files.contains(&accounts) {
            // Another directory stands in its place, or none.
            return self.look_at_everything();
        }
        let (mut names, mut others) = (BTreeSet::new(), Vec::new());
        for file in files {
            match account_of(&file).filter(|_| watch::is_in(&file, &accounts)) {
                Some(name) => _ = names.insert(name),
                // A certificate may lie beside the document that attaches it.
                None => others.push(file),
            }
        }
        for name in names {
            if self.documents.is_missing(&name) {
                self.leaving.note(name, at);
            } else if let Some(applied) = self.documents.apply(&name, at) {
                self.acknowledge(applied);
            }
        }
        if !others.is_empty() {
            self.certificates.reload_paths(&others, wall());
            self.network_files.changed(&self.node.load(), &others);
        }
        self.watch_everything();
        self.publish_counts();
    }

    /// These documents went some time ago: whoever is not back has left.
    fn documents_left(&mut self) {
        for (name, at) in self.leaving.due(now()) {
            if let Some(applied) = self.documents.apply(&name, at) {
                self.acknowledge(applied);
            }
        }
        self.publish_counts();
    }

    /// A program of this account serves, or rests: addresses may have waited for that.
    fn settle(&mut self, name: &AccountName) {
        if let Some(applied) = self.documents.settle(name, now()) {
            self.acknowledge(applied);
            self.publish_counts();
        }
    }

    fn look_at_everything(&mut self) {
        self.watched = None;
        self.watch_everything();
        for applied in self.documents.rescan(now(), false) {
            self.acknowledge(applied);
        }
        self.certificates.reload(wall());
        self.network_files.look(&self.node.load());
        self.watch_everything();
        self.publish_counts();
    }

    /// A document was dealt with: its certificates follow it, and everybody is told.
    fn acknowledge(&mut self, applied: Applied) {
        if let Some(attached) = &applied.attached {
            self.certificates.attach(&applied.account, attached, wall());
        }
        follow(&self.programs, &applied.account);
        self.metrics.change(applied.result, applied.took);
        let (account, result) = (&applied.account, applied.result);
        let took_ms = applied.took.as_secs_f64() * 1000.0;
        match &applied.report {
            Some(report) => {
                for problem in &report.problems {
                    tracing::warn!(%account, ?result, "{}", problem.one_line());
                }
            }
            None => {
                tracing::info!(%account, ?result, took_ms, hosts = applied.hosts_changed, "document applied");
            }
        }
        for upstream in &applied.awaited {
            tracing::info!(%account, %upstream, "addresses wait for its new revision to be ready");
        }
    }

    /// SIGHUP and `parvis reload`. A node file with mistakes changes nothing.
    fn reload(&mut self) -> Result<Reloaded, Report> {
        let old = self.node.load_full();
        let new = config::load_node(&old.file).inspect_err(|report| {
            self.metrics.reloaded(false);
            tracing::error!("the node file has mistakes; everything stays as it is\n{report}");
        })?;
        let needs_restart = needs_restart(&old, &new);
        let mut changed = match self.listeners.apply(&new) {
            Ok(changes) => listener_lines(&changes),
            Err(error) => {
                tracing::error!(%error, "listeners stay as they are");
                vec![format!("listeners stay as they are: {error}")]
            }
        };
        changed.extend(changed_tables(&old, &new));
        // What needs a restart stays as it is until then.
        let new = Arc::new(Node {
            workers: old.workers,
            user: old.user.clone(),
            state: old.state.clone(),
            admin: old.admin.clone(),
            metrics: old.metrics,
            tracing: if new.collector() == old.collector() { new.tracing } else { old.tracing.clone() },
            ..new
        });
        self.node.store(Arc::clone(&new));
        // Before the documents: whom they name is known when they are in effect.
        self.network_files.reconfigure(&new);
        changed.extend(self.network_files.problems().map(Problem::one_line));
        self.watched = None;
        self.watch_everything();
        if let Err(error) = self.log_writer.reload(&new.logs, new.legal.as_ref()) {
            changed.push(format!("logs: {error}"));
        }
        changed.extend(absent_logs(&new.logs, new.legal.as_ref()));
        let applied = self.documents.reconfigure(Arc::clone(&new), now());
        let documents = applied.len();
        for one in applied {
            self.acknowledge(one);
        }
        self.unread_pages = read_pages(&self.hosts, &new);
        changed.extend(self.unread_pages.iter().map(Problem::one_line));
        self.hosts.set_default_site(default_site(&new));
        self.hosts.reach().set(new.upstreams.clone());
        if old.acme != new.acme {
            self.hosts.set_challenges(new.acme.as_ref().and_then(Challenges::new));
        }
        let certificates = self.certificates.reconfigure(certificate_settings(&new), wall());
        changed.extend(certificate_line(certificates));
        self.watch_everything();
        self.publish_counts();
        self.metrics.set_connections_limit(new.limits.connections);
        self.metrics.reloaded(true);
        if !needs_restart.is_empty() {
            tracing::warn!(settings = ?needs_restart, "these settings take effect at the next start");
        }
        tracing::info!(documents, "reloaded");
        Ok(Reloaded { changed, needs_restart, documents })
    }

    /// Watches what there is to be watched by now. What is new to the watcher is looked at once more: it was read
    /// before it was watched.
    fn watch_everything(&mut self) {
        for _ in 0..WATCH_TURNS {
            let revision = self.certificates.watch_revision();
            if self.watched.replace(revision) == Some(revision) {
                return;
            }
            let mut directories = self.certificates.watch();
            directories.insert(self.node.load().accounts.clone());
            directories.extend(self.network_files.directories());
            let new = self.watch.set(&directories);
            if !new.is_empty() {
                self.network_files.look(&self.node.load());
            }
            self.certificates.reload_paths(&new, wall());
        }
    }

    fn publish_counts(&self) {
        let mut counts = self.documents.counts();
        let summary = self.certificates.summary(wall());
        counts.certificates_expire = summary.expires_soonest.map(|(at, _)| at);
        counts.certificates = (summary.attached + summary.customer + summary.automatic) as u64;
        counts.certificate_problems = self.certificates.files_with_problems(wall()) as u64;
        self.metrics.set_documents(counts);
    }

    fn status(&self, account: Option<&AccountName>) -> Option<Status> {
        let sight = Sight {
            node: &self.node.load(),
            documents: &self.documents,
            hosts: &self.hosts,
            certificates: &self.certificates,
            listeners: &self.listeners,
            metrics: &self.metrics,
            recent: &self.recent,
            started: self.started,
        };
        let mut status = Status::take(account, &sight)?;
        status.add_problems(self.network_files.problems().chain(&self.unread_pages).map(Problem::one_line));
        Some(status)
    }
}

/// Has the account's programs looked at. Nobody does while the node ends.
fn follow(programs: &UnboundedSender<ProgramWish>, account: &AccountName) {
    let _ = programs.send(ProgramWish::Follow(account.clone()));
}

/// Ready at `due`; never, where there is nothing to wait for.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// Whose document a file of the accounts' directory is.
fn account_of(file: &Path) -> Option<AccountName> {
    match FileName::of(file.file_name()?) {
        FileName::Document(name) => Some(name),
        FileName::Ignored | FileName::Stray => None,
    }
}

/// Reads the node's pages and puts them in effect: what is wrong with them.
fn read_pages(hosts: &Hosts, node: &Node) -> Vec<Problem> {
    let read = node.pages.as_deref().map(Pages::read);
    let unread = read.iter().flat_map(|(_, unread)| unread);
    let problems = unread.map(|unread| {
        Problem::of_page(&node.file, &format!("pages: {}: {}", unread.file.display(), unread.why))
    });
    let problems = problems.collect();
    hosts.set_pages(read.map(|(pages, _)| pages));
    problems
}

fn default_site(node: &Node) -> Option<DefaultSite> {
    node.default_site.clone().map(|(account, site)| DefaultSite { account, site })
}

fn certificate_settings(node: &Node) -> CertificateSettings {
    CertificateSettings { directory: node.certificates.clone(), default: node.default_certificate.clone() }
}

fn certificate_line(Reload { added, replaced, removed, refused }: Reload) -> Option<String> {
    let counts = [(added, "added"), (replaced, "replaced"), (removed, "removed"), (refused, "refused")];
    let said = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let said = said.collect::<Vec<_>>().join(", ");
    (!said.is_empty()).then(|| format!("certificates: {said}"))
}

/// The tables of the node file whose settings differ and are in effect from now on.
fn changed_tables(old: &Node, new: &Node) -> impl Iterator<Item = String> {
    [
        ("limits", old.limits != new.limits),
        ("timeouts", old.timeouts != new.timeouts),
        ("logs", old.logs != new.logs),
        ("legal", old.legal != new.legal),
        ("upstreams", old.upstreams != new.upstreams),
        ("acme", old.acme != new.acme),
        ("pages", old.pages != new.pages),
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(|(table, _)| format!("[{table}]"))
}

fn listener_lines(changes: &Changes) -> Vec<String> {
    let bound = changes.bound.iter().map(|address| format!("listening on {address}"));
    bound.chain(changes.closed.iter().map(|address| format!("no longer listening on {address}"))).collect()
}

/// The settings that differ and cannot change while the node runs.
fn needs_restart(old: &Node, new: &Node) -> Vec<&'static str> {
    [
        ("node.workers", old.workers != new.workers),
        ("node.user", old.user != new.user),
        ("node.state", old.state != new.state),
        ("admin.socket", old.admin.socket != new.admin.socket),
        ("admin.page", old.admin.page != new.admin.page),
        ("admin.recent_requests", old.admin.recent_requests != new.admin.recent_requests),
        ("metrics.address", old.metrics != new.metrics),
        ("tracing.endpoint", old.collector() != new.collector()),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

/// How often everything is looked at without a hint: what the watcher missed (a network file system, a directory
/// that was replaced) is found this late. One stat a file.
const RESCAN: Duration = Duration::from_secs(30);

/// How often directories that have just been found are looked at for more of them: they lie two deep below the one
/// they are found in. What grows faster is found by the slow rescan.
const WATCH_TURNS: usize = 4;

/// The pause before a failed watcher is asked again.
const WATCHER_PAUSE: Duration = Duration::from_secs(1);
