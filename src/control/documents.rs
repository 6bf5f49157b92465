//! The documents and what became of them: each is read, checked and compiled alone, compared with the running
//! account, and published, but for addresses that wait for a program's new revision. The directory is one source of documents; nothing below this file knows that it is one.

use super::deferral;
use super::journal::Journal;
use super::stamp::Stamp;
use crate::account::{Account, Claim, Form};
use crate::base::{AccountName, DocumentHash, TrustName, UpstreamName};
use crate::config::{self, AccountState, AttachedCertificate, Document, FileName, Node, Problem, Report};
use crate::route::{Claims, Contest, Decision, Hosts};
use crate::telemetry::{ChangeResult, DocumentCounts};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The documents of a node, owned by the control thread.
pub struct Documents {
    node: Arc<Node>,
    hosts: Arc<Hosts>,
    claims: Claims,
    journal: Journal,
    known: HashMap<AccountName, Known>,
    /// Documents of which some addresses wait for a program.
    deferred: HashMap<AccountName, Deferred>,
    problems: BTreeMap<AccountName, Report>,
    recent: VecDeque<Change>,
    generation: u64,
}

/// What was last seen of a document's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    /// `None` where an equal stamp proves nothing: the file was so young that another change may have the same.
    stamp: Option<Stamp>,
    hash: DocumentHash,
}

/// A document of which some addresses wait for a program.
#[derive(Debug)]
struct Deferred {
    content: Vec<u8>,
    /// Which programs.
    upstreams: BTreeSet<UpstreamName>,
}

impl Known {
    /// What is known of a file with this stamp and content, read at `now` (wall time since the epoch).
    fn new(stamp: Stamp, content: &[u8], now: Duration) -> Self {
        Self { stamp: stamp.is_settled(now).then_some(stamp), hash: DocumentHash::of(content) }
    }
}

/// What became of a document that was looked at.
#[derive(Debug)]
pub struct Applied {
    /// Whose.
    pub account: AccountName,
    /// What became of it.
    pub result: ChangeResult,
    /// From the hint to its publication.
    pub took: Duration,
    /// Hosts that changed hands.
    pub hosts_changed: usize,
    /// The certificates it attaches, where that changed.
    pub attached: Option<Vec<AttachedCertificate>>,
    /// The upstreams whose new revision its addresses wait for.
    pub awaited: BTreeSet<UpstreamName>,
    /// What is wrong with it.
    pub report: Option<Report>,
}

/// A change that was dealt with, for the status.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Change {
    /// Whose document.
    pub account: AccountName,
    /// What became of it.
    pub result: &'static str,
    /// From the hint to its publication, in milliseconds.
    pub took_ms: f64,
    /// Hosts that changed hands.
    pub hosts: usize,
}

/// A document on its way into a cold start.
struct Read {
    name: AccountName,
    known: Known,
    form: Option<Form>,
    report: Option<Report>,
}

impl Documents {
    /// The cold start: every document is read and compiled, in parallel, claims are settled by the journal, and all
    /// is published. A bad document's account gets its last good form from the state directory, if there is one.
    ///
    /// # Errors
    /// Where the state directory cannot be used, or the accounts' directory cannot be read: a start without documents
    /// would forget who holds what. What is wrong with documents is a problem, not an error.
    pub fn open(node: Arc<Node>, hosts: Arc<Hosts>) -> io::Result<Self> {
        if let Err(error) = std::fs::read_dir(&node.accounts) {
            let message = format!("the accounts' directory {}: {error}", node.accounts.display());
            return Err(io::Error::new(error.kind(), message));
        }
        let journal = Journal::open(&node.state)?;
        std::fs::create_dir_all(node.state.join(LAST_GOOD))?;
        let read = read_all(&node);
        let claims: Vec<(AccountName, Vec<Claim>)> = read
            .iter()
            .filter_map(|one| Some((one.name.clone(), one.form.as_ref()?.claims().collect())))
            .collect();
        let (claims_held, records) = Claims::restore(journal.remembered().clone(), &claims);
        let mut documents = Self {
            node,
            hosts,
            claims: claims_held,
            journal,
            known: HashMap::with_capacity(read.len()),
            deferred: HashMap::new(),
            problems: BTreeMap::new(),
            recent: VecDeque::new(),
            generation: 1,
        };
        documents.keep_records(&records);
        let mut claims = claims.into_iter();
        for Read { name, known, form, report } in read {
            documents.known.insert(name.clone(), known);
            if let Some(report) = report {
                report
                    .problems
                    .iter()
                    .for_each(|problem| tracing::warn!(account = %name, "{}", problem.one_line()));
                documents.problems.insert(name.clone(), report);
            }
            if let Some(form) = form {
                let (_, claimed) = claims.next().unwrap_or_else(|| (name.clone(), Vec::new()));
                documents.enter(name, form, &claimed);
            }
        }
        Ok(documents)
    }

    /// Publishes an account of the cold start with what it holds.
    fn enter(&mut self, name: AccountName, form: Form, claimed: &[Claim]) {
        let refused = self.claims.refusals(&name, claimed);
        let form = form.refusing(refused.iter().map(|refusal| refusal.pattern.clone()));
        let refused_patterns: HashSet<_> = refused.iter().map(|refusal| &refusal.pattern).collect();
        let enter = claimed.iter().map(|claim| claim.pattern.clone());
        let enter = enter.filter(|pattern| !refused_patterns.contains(pattern)).collect();
        if let Some(report) = problems_of(&self.file(&name), &form, &refused) {
            let problems = report.problems.iter();
            problems.for_each(|problem| tracing::warn!(account = %name, "{}", problem.one_line()));
            self.problems.entry(name.clone()).or_default().extend(report);
        }
        let account = Account::new(name, form.emptied());
        self.hosts.publish(&account, form, &Decision { enter, refused, ..Decision::default() });
    }

    /// Looks at the account's file and applies what it says. `None`: it says what it said before.
    pub fn apply(&mut self, name: &AccountName, at: Instant) -> Option<Applied> {
        self.look(name, at, false)
    }

    /// A program of the account serves, or rests: addresses that waited for that go live. `None`: none did, or they go on
    /// waiting.
    pub fn settle(&mut self, name: &AccountName, at: Instant) -> Option<Applied> {
        let content = self.deferred.get(name)?.content.clone();
        let document = self.check(name, &self.file(name), &content).ok()?;
        if self.unready(&document).is_some() {
            return None;
        }
        let hash = DocumentHash::of(&content);
        // What is on disk by now may be another, and wrong: that goes on being told.
        let is_on_disk = self.known.get(name).is_some_and(|known| known.hash == hash);
        let told = self.problems.get(name).filter(|_| !is_on_disk).cloned();
        let mut applied = self.publish(&document, hash, &content);
        if let Some(told) = told {
            self.problems.insert(name.clone(), told);
        }
        applied.took = crate::base::now().saturating_duration_since(at);
        self.remember(&applied);
        Some(applied)
    }

    /// The upstreams that addresses of this account's document wait for.
    pub fn awaited(&self, name: &AccountName) -> impl Iterator<Item = &UpstreamName> {
        self.deferred.get(name).into_iter().flat_map(|deferred| &deferred.upstreams)
    }

    /// The upstreams of a document that have a new revision which does not serve yet, if there are any, and the document
    /// whose addresses are in effect until then. Reads that only where a revision changed.
    fn unready(&self, document: &Document) -> Option<(BTreeSet<UpstreamName>, Document)> {
        let name = &document.name;
        let form = self.hosts.account(name.as_str())?.form();
        let runs = |upstream: &config::Upstream| {
            let wanted = &upstream.program.as_ref()?.revision;
            let revision = form.upstream_named(&upstream.name)?.standing()?.revision.clone();
            Some(revision.as_ref() == Some(wanted))
        };
        if !self.deferred.contains_key(name) && document.upstreams.iter().all(|one| runs(one) != Some(false))
        {
            return None;
        }
        let old = self.in_effect(name)?;
        let standing = |name: &UpstreamName| Some((*form.upstream_named(name)?.standing()?).clone());
        let upstreams = deferral::unready(document, &old, standing);
        (!upstreams.is_empty()).then_some((upstreams, old))
    }

    /// The document whose addresses are in effect.
    fn in_effect(&self, name: &AccountName) -> Option<Document> {
        let content = std::fs::read(self.last_good(name)).ok()?;
        self.check(name, &self.file(name), &content).ok()
    }

    fn look(&mut self, name: &AccountName, at: Instant, even_if_known: bool) -> Option<Applied> {
        let file = self.file(name);
        let mut applied = match read_file(&file) {
            Ok(None) => self.retire(name, at)?,
            Ok(Some((stamp, content))) => {
                let known = Known::new(stamp, &content, crate::base::wall());
                let before = self.known.insert(name.clone(), known);
                if !even_if_known && before.is_some_and(|before| before.hash == known.hash) {
                    return None;
                }
                match self.check(name, &file, &content) {
                    Ok(document) => self.publish(&document, known.hash, &content),
                    Err(report) => self.refuse(name, report),
                }
            }
            Err(error) => {
                self.known.remove(name);
                self.refuse(name, Problem::of_file(&file, format!("cannot be read: {error}")).into())
            }
        };
        applied.took = crate::base::now().saturating_duration_since(at);
        self.remember(&applied);
        Some(applied)
    }

    fn check(&self, name: &AccountName, file: &Path, content: &[u8]) -> Result<Document, Report> {
        let text = std::str::from_utf8(content)
            .map_err(|_| Report::from(Problem::of_file(file, "a byte that is not UTF-8")))?;
        config::check_document(name, file, text, &self.node)
    }

    /// The document is good: the account is served by it from now on.
    fn publish(&mut self, whole: &Document, hash: DocumentHash, content: &[u8]) -> Applied {
        let unready = self.unready(whole);
        let held = unready.as_ref().map(|(upstreams, old)| deferral::held_back(whole, old, upstreams));
        let awaited = unready.map_or_else(BTreeSet::new, |(upstreams, _)| upstreams);
        let document = held.as_ref().unwrap_or(whole);
        self.generation += 1;
        let name = &document.name;
        let running = self.hosts.account(name.as_str());
        let before = running.as_ref().map(|account| account.form());
        let form = Form::compile(document, hash, self.generation, before.as_deref());
        let old: Vec<Claim> = before.iter().flat_map(|form| form.claims()).collect();
        let new: Vec<Claim> = form.claims().collect();
        let decision = self.claims.change(name, &old, &new);
        let attached_before = before.as_ref().map_or(&[][..], |form| form.certificates());
        let attached = (attached_before != document.certificates).then(|| document.certificates.clone());
        let form = form.refusing(decision.refused.iter().map(|refusal| refusal.pattern.clone()));
        let account = running.unwrap_or_else(|| Account::new(name.clone(), form.emptied()));
        // First the journal: what a request has met is remembered.
        self.keep_records(&decision.records);
        let was_served = before.as_ref().is_none_or(|form| form.state.is_served());
        self.hosts.publish(&account, form, &decision);
        if was_served && !document.state.is_served() {
            account.end(crate::base::now() + self.node.timeouts.drain);
        }
        if document.state != AccountState::Suspended {
            account.revive();
        }
        self.mend_heirs(&decision);
        if held.is_some() {
            let deferred = Deferred { content: content.to_owned(), upstreams: awaited.clone() };
            self.deferred.insert(name.clone(), deferred);
        } else {
            self.deferred.remove(name);
            self.keep_last_good(name, content);
        }
        let report = problems_of(&self.file(name), &account.form(), &decision.refused);
        match &report {
            Some(report) => self.problems.insert(name.clone(), report.clone()),
            None => self.problems.remove(name),
        };
        Applied {
            account: name.clone(),
            result: if report.is_some() { ChangeResult::Partial } else { ChangeResult::Applied },
            took: Duration::ZERO,
            hosts_changed: decision.enter.len() + decision.pass.len() + decision.leave.len(),
            attached,
            awaited,
            report,
        }
    }

    /// Accounts that came to a host they waited for have a problem less, unless it was their document's text.
    fn mend_heirs(&mut self, decision: &Decision) {
        let heirs: HashSet<&AccountName> = decision.pass.iter().map(|(_, heir)| heir).collect();
        for heir in heirs {
            let Some(account) = self.hosts.account(heir.as_str()) else { continue };
            let form = account.form();
            if self.known.get(heir).is_none_or(|known| known.hash != form.hash) {
                continue;
            }
            let refused = self.claims.refusals(heir, &form.claims().collect::<Vec<_>>());
            match problems_of(&self.file(heir), &form, &refused) {
                Some(report) => self.problems.insert(heir.clone(), report),
                None => self.problems.remove(heir),
            };
        }
    }

    /// The document is bad: nothing changes, and somebody is told.
    fn refuse(&mut self, name: &AccountName, report: Report) -> Applied {
        self.problems.insert(name.clone(), report.clone());
        Applied {
            account: name.clone(),
            result: ChangeResult::Refused,
            took: Duration::ZERO,
            hosts_changed: 0,
            attached: None,
            awaited: BTreeSet::new(),
            report: Some(report),
        }
    }

    /// The document is gone: so is the account, after a drain of what it still has open.
    fn retire(&mut self, name: &AccountName, at: Instant) -> Option<Applied> {
        let known = self.known.remove(name).is_some();
        let had_problems = self.problems.remove(name).is_some();
        self.deferred.remove(name);
        let Some(account) = self.hosts.account(name.as_str()) else {
            return (known || had_problems).then(|| removed(name, 0, None));
        };
        let form = account.form();
        let old: Vec<Claim> = form.claims().collect();
        let decision = self.claims.change(name, &old, &[]);
        let deadline = at + self.node.timeouts.drain;
        self.keep_records(&decision.records);
        self.hosts.retire(&account, &decision, deadline);
        self.mend_heirs(&decision);
        // Left behind at the worst: it is asked for only where a document of this name is bad at a cold start.
        let _ = std::fs::remove_file(self.last_good(name));
        let attached = (!form.certificates().is_empty()).then(Vec::new);
        Some(removed(name, decision.pass.len() + decision.leave.len(), attached))
    }

    /// Looks at every file whose stamp differs from the one last seen. `told` says that somebody asked for it: only
    /// then more than half of many accounts may vanish at once, as they do when a file system is not mounted.
    pub fn rescan(&mut self, at: Instant, told: bool) -> Vec<Applied> {
        if let Err(error) = self.journal.sync() {
            tracing::error!(%error, "the claims journal cannot be synced");
        }
        let Some(present) = self.list() else { return Vec::new() };
        let mut names: Vec<AccountName> = present
            .iter()
            .filter(|(name, stamp)| {
                self.known.get(name.as_str()).is_none_or(|known| known.stamp != Some(**stamp))
            })
            .map(|(name, _)| name.clone())
            .collect();
        let gone: Vec<AccountName> =
            self.known.keys().filter(|name| !present.contains_key(*name)).cloned().collect();
        if !told && gone.len() >= MANY && gone.len() * 2 > self.known.len() {
            tracing::error!(
                gone = gone.len(),
                of = self.known.len(),
                "most documents are gone: the accounts stay until `parvis reload` says that this is meant"
            );
        } else {
            names.extend(gone);
        }
        names.sort_unstable();
        names.iter().filter_map(|name| self.look(name, at, false)).collect()
    }

    /// The node's settings changed. Documents are checked again where their defaults or their directory did.
    pub fn reconfigure(&mut self, node: Arc<Node>, at: Instant) -> Vec<Applied> {
        let old = std::mem::replace(&mut self.node, node);
        let new = &self.node;
        let same = old.limits == new.limits
            && old.timeouts == new.timeouts
            && old.tls_profile == new.tls_profile
            && names_of_sets(&old) == names_of_sets(new)
            && old.accounts == new.accounts
            && old.logs.credentials == new.logs.credentials;
        if same {
            let mut applied = self.rescan(at, true);
            applied.extend(self.read_pages(&applied, at));
            return applied;
        }
        let mut names: Vec<AccountName> = self.known.keys().cloned().collect();
        names.extend(self.list().unwrap_or_default().into_keys());
        names.sort_unstable();
        names.dedup();
        names.iter().filter_map(|name| self.look(name, at, true)).collect()
    }

    /// Reads the pages again that documents show, but for those of documents that were just read.
    fn read_pages(&mut self, read: &[Applied], at: Instant) -> Vec<Applied> {
        let mut names = Vec::new();
        self.hosts.each_account(|account| {
            if account.form().has_pages() && !read.iter().any(|applied| applied.account == *account.name()) {
                names.push(account.name().clone());
            }
        });
        names.sort_unstable();
        names.iter().filter_map(|name| self.look(name, at, true)).collect()
    }

    /// Every document in the directory; `None` where that cannot be read: then nothing changes.
    fn list(&self) -> Option<HashMap<AccountName, Stamp>> {
        let entries = match std::fs::read_dir(&self.node.accounts) {
            Ok(entries) => entries,
            Err(error) => {
                let directory = self.node.accounts.display();
                tracing::error!(%directory, %error, "the accounts' directory cannot be read; everything stays");
                return None;
            }
        };
        let mut present = HashMap::new();
        for entry in entries.flatten() {
            if let FileName::Document(name) = FileName::of(&entry.file_name()) {
                let stamp =
                    std::fs::metadata(entry.path()).map(|metadata| Stamp::of(&metadata)).unwrap_or_default();
                present.insert(name, stamp);
            }
        }
        Some(present)
    }

    /// Figures for metrics and status; those of certificates are not known here.
    pub fn counts(&self) -> DocumentCounts {
        DocumentCounts {
            accounts: self.hosts.accounts() as u64,
            hosts: self.hosts.len() as u64,
            with_problems: self.problems.len() as u64,
            generation: self.generation,
            ..DocumentCounts::default()
        }
    }

    /// What is wrong with which account's document.
    pub fn problems(&self) -> &BTreeMap<AccountName, Report> {
        &self.problems
    }

    /// The latest changes, the newest last.
    pub fn recent(&self) -> impl Iterator<Item = &Change> {
        self.recent.iter()
    }

    /// Who waits for whose host: at most `most`, and how many there are.
    pub fn contests(&self, most: usize) -> (Vec<Contest>, usize) {
        self.claims.contests(most)
    }

    fn remember(&mut self, applied: &Applied) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Change {
            account: applied.account.clone(),
            result: word(applied.result),
            took_ms: applied.took.as_secs_f64() * 1000.0,
            hosts: applied.hosts_changed,
        });
    }

    fn keep_records(&mut self, records: &[crate::route::Record]) {
        if let Err(error) = self.journal.append(records, crate::base::wall()) {
            tracing::error!(%error, "the claims journal cannot be written");
        }
    }

    fn keep_last_good(&self, name: &AccountName, content: &[u8]) {
        if let Err(error) = write_whole(&self.last_good(name), content) {
            tracing::warn!(account = %name, %error, "the last good document cannot be kept");
        }
    }

    /// Whether the account has a document in effect whose file is not there at this moment.
    pub fn is_missing(&self, name: &AccountName) -> bool {
        self.known.contains_key(name) && !self.file(name).exists()
    }

    fn file(&self, name: &AccountName) -> PathBuf {
        self.node.accounts.join(format!("{name}.toml"))
    }

    fn last_good(&self, name: &AccountName) -> PathBuf {
        last_good(&self.node, name)
    }
}

/// What documents may name in their `trust`.
fn names_of_sets(node: &Node) -> BTreeSet<&TrustName> {
    node.trust.iter().map(|set| &set.name).collect()
}

fn word(result: ChangeResult) -> &'static str {
    match result {
        ChangeResult::Applied => "applied",
        ChangeResult::Partial => "partial",
        ChangeResult::Refused => "refused",
        ChangeResult::Removed => "removed",
    }
}

fn removed(name: &AccountName, hosts_changed: usize, attached: Option<Vec<AttachedCertificate>>) -> Applied {
    let result = ChangeResult::Removed;
    Applied {
        account: name.clone(),
        result,
        took: Duration::ZERO,
        hosts_changed,
        attached,
        awaited: BTreeSet::new(),
        report: None,
    }
}

/// What keeps a document that is right from being served whole, as problems: claims that are refused, pages that cannot be
/// read.
fn problems_of(file: &Path, form: &Form, refused: &[crate::route::Refusal]) -> Option<Report> {
    let problem = |refusal: &crate::route::Refusal| {
        let by = if refusal.obstacle == refusal.pattern {
            format!("`{}` is held by account `{}`", refusal.pattern, refusal.holder)
        } else {
            format!("`{}` lies under `{}` of account `{}`", refusal.pattern, refusal.obstacle, refusal.holder)
        };
        Problem::of_file(file, by).with_hint("it is served as soon as the holder gives it up")
    };
    let mut report = Report { problems: refused.iter().map(problem).collect() };
    report.problems.extend(form.unread_pages().map(|why| Problem::of_page(file, &why)));
    (!report.is_empty()).then_some(report)
}

/// Reads, checks and compiles every document, sorted by account.
fn read_all(node: &Node) -> Vec<Read> {
    let read = Mutex::new(Vec::new());
    let listed = config::each_document(node, |document| {
        let stamp = std::fs::metadata(document.file).map(|metadata| Stamp::of(&metadata)).unwrap_or_default();
        let known = Known::new(stamp, document.content, crate::base::wall());
        let (form, report) = match document.checked {
            Ok(checked) => {
                keep_if_newer(node, &document.name, document.content, stamp);
                (Some(Form::compile(&checked, known.hash, 1, None)), None)
            }
            Err(report) => (last_good_form(node, &document.name), Some(report)),
        };
        let one = Read { name: document.name, known, form, report };
        read.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    });
    if let Err(report) = listed {
        report.problems.iter().for_each(|problem| tracing::warn!("{}", problem.one_line()));
    }
    let mut read = read.into_inner().unwrap_or_else(PoisonError::into_inner);
    read.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    read
}

/// The account's last good document, as far as it is good today.
fn last_good_form(node: &Node, name: &AccountName) -> Option<Form> {
    let file = last_good(node, name);
    let text = std::fs::read_to_string(&file).ok()?;
    // Paths in it are relative to where it was written for.
    let written_for = node.accounts.join(format!("{name}.toml"));
    let document = config::check_document(name, &written_for, &text, node).ok()?;
    tracing::warn!(account = %name, "served by its last good document");
    Some(Form::compile(&document, DocumentHash::of(text.as_bytes()), 1, None))
}

fn keep_if_newer(node: &Node, name: &AccountName, content: &[u8], stamp: Stamp) {
    let kept = last_good(node, name);
    let is_current = std::fs::metadata(&kept).is_ok_and(|metadata| {
        metadata.len() == content.len() as u64 && stamp.is_no_newer_than(&Stamp::of(&metadata))
    });
    if !is_current && let Err(error) = write_whole(&kept, content) {
        tracing::warn!(account = %name, %error, "the last good document cannot be kept");
    }
}

fn last_good(node: &Node, name: &AccountName) -> PathBuf {
    node.state.join(LAST_GOOD).join(format!("{name}.toml"))
}

/// Writes a file that is there whole or not at all. Not synced: it is a copy, and losing the latest one costs little.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    std::fs::write(&temporary, content)?;
    std::fs::rename(&temporary, path)
}

/// The file's stamp and content; `None` where there is no file.
fn read_file(file: &Path) -> io::Result<Option<(Stamp, Vec<u8>)>> {
    match config::read_document(file) {
        Ok((metadata, content)) => Ok(Some((Stamp::of(&metadata), content))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// In the state directory: the last good document of every account.
const LAST_GOOD: &str = "documents";

/// Changes the status shows.
const RECENT: usize = 50;

/// From how many accounts on it is no accident of a small node that most are gone at once.
const MANY: usize = 16;

#[cfg(test)]
mod tests;
