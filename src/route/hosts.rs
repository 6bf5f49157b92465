//! The host table: from a host or wildcard to the account that holds it. Read by every worker, written by the
//! control thread alone. It holds no site: what answers at a host is asked of the account's form.

use super::Challenges;
use crate::account::{Account, Entry, Form, Found, Pattern, Site};
use crate::answer::Pages;
use crate::base::{AccountName, Host, SiteName};
use crate::config::AccountState;
use crate::upstream::Reach;
use arc_swap::ArcSwapOption;
use dashmap::DashMap;
use foldhash::fast::RandomState;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Who holds which host, and the accounts by name. A lookup clones an `Arc` under a shard's lock and goes on
/// without it. Cost: under 100 bytes a host beside the account's own form; one probe for a host that is held by
/// its own name, one more for each label of any other.
#[derive(Debug)]
pub struct Hosts {
    exact: Table,
    wildcards: Table,
    accounts: DashMap<AccountName, Arc<Account>, RandomState>,
    count: AtomicUsize,
    steps: Steps,
    default_site: ArcSwapOption<DefaultSite>,
    challenges: ArcSwapOption<Challenges>,
    pages: ArcSwapOption<Pages>,
    reach: Arc<Reach>,
}

type Table = DashMap<Arc<str>, Arc<Account>, RandomState>;

/// What serves the hosts that no account holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultSite {
    /// Its account.
    pub account: AccountName,
    /// Its site.
    pub site: SiteName,
}

/// What becomes of a request for a host and path.
#[derive(Clone, Debug)]
pub enum Resolution {
    /// A site answers it.
    Site(Matched),
    /// An account holds the host, but none of its sites has the path: 404 in the account's name, never the
    /// default site.
    NoPath {
        /// The account.
        account: Arc<Account>,
        /// The form that said so.
        form: Arc<Form>,
    },
    /// Nobody holds the host, and there is no default site.
    UnknownHost,
}

/// The site that answers a request, with the account and form it is of; kept to the request's end.
#[derive(Clone, Debug)]
pub struct Matched {
    /// The account.
    pub account: Arc<Account>,
    /// The form the request started with.
    pub form: Arc<Form>,
    /// Whether it is the default site, for a host that nobody holds.
    pub is_default: bool,
    place: u32,
    trimmed: Option<Trimmed>,
}

/// What is left out of a request's path where it is forwarded.
#[derive(Clone, Debug)]
struct Trimmed {
    cut: usize,
    prefix: Box<str>,
}

impl Matched {
    /// The first site of an account of the platform's own, for a host that may be anybody's.
    pub(super) fn platforms(account: &Arc<Account>) -> Self {
        let (account, form) = (account.clone(), account.form());
        Self { account, form, is_default: true, place: 0, trimmed: None }
    }

    /// The site.
    pub fn site(&self) -> &Site {
        // The place is one that this very form gave.
        &self.form.sites()[self.place as usize]
    }

    /// What the site keeps of a request's `target`, its path and query.
    pub fn trim<'t>(&self, target: &'t [u8]) -> &'t [u8] {
        self.trimmed.as_ref().and_then(|trimmed| target.get(trimmed.cut..)).unwrap_or(target)
    }

    /// What it leaves out, as its address has it and not as the visitor wrote it; `None`: nothing.
    pub fn prefix(&self) -> Option<&str> {
        self.trimmed.as_ref().map(|trimmed| &*trimmed.prefix)
    }
}

impl Hosts {
    /// A table without hosts, whose accounts' upstreams reach nobody.
    pub fn new() -> Self {
        Self::reaching(Arc::default())
    }

    /// A table without hosts, that tells `reach` where its accounts' own servers listen.
    pub fn reaching(reach: Arc<Reach>) -> Self {
        let seed = RandomState::default();
        let table =
            |seed: &RandomState| DashMap::with_capacity_and_hasher_and_shard_amount(0, seed.clone(), SHARDS);
        Self {
            exact: table(&seed),
            wildcards: table(&seed),
            accounts: DashMap::with_hasher(seed),
            count: AtomicUsize::new(0),
            steps: Steps::default(),
            default_site: ArcSwapOption::empty(),
            challenges: ArcSwapOption::empty(),
            pages: ArcSwapOption::empty(),
            reach,
        }
    }

    /// Who answers challenges of ACME, if anybody does.
    pub fn challenges(&self) -> Option<Challenges> {
        self.challenges.load().as_deref().cloned()
    }

    /// Who answers challenges of ACME from now on.
    pub fn set_challenges(&self, challenges: Option<Challenges>) {
        self.challenges.store(challenges.map(Arc::new));
    }

    /// The node's pages in the place of Parvis' own, if it has some.
    pub fn pages(&self) -> Option<Arc<Pages>> {
        self.pages.load_full()
    }

    /// These are the node's pages from now on.
    pub fn set_pages(&self, pages: Option<Pages>) {
        self.pages.store(pages.map(Arc::new));
    }

    /// Where the URLs of upstreams may lead.
    pub fn reach(&self) -> &Arc<Reach> {
        &self.reach
    }

    /// The account that holds `host`, by its own name or by a wildcard, and whose form knows it.
    pub fn find(&self, host: &Host) -> Option<Arc<Account>> {
        self.steps.settled(|| {
            let (account, entry) = self.entry(host)?;
            account.form().answering(entry).knows(host).then_some(account)
        })
    }

    /// The account whose own the local address `local` is.
    pub fn dedicated(&self, local: IpAddr) -> Option<Arc<Account>> {
        self.steps.settled(|| self.owner(local)).map(|(account, _)| account)
    }

    /// What answers `host` and `path` (as received; a query is ignored) on a connection to the local address `local`,
    /// which counts for hosts that nobody holds.
    pub fn resolve(&self, host: &Host, path: &[u8], local: IpAddr) -> Resolution {
        let resolution = self.steps.settled(|| {
            let Some((account, entry)) = self.entry(host) else { return self.default_at(local) };
            let form = account.form().answering(entry);
            match form.find(host, path) {
                // Whatever its sites say, they are on the other node.
                Found::Site { .. } | Found::NoPath if form.state == AccountState::Moved => {
                    let (place, trimmed) = (0, None);
                    Resolution::Site(Matched { account, form, is_default: false, place, trimmed })
                }
                Found::Site { site, prefix, cut } => {
                    let place = site.place;
                    let trimmed = (cut > 0).then(|| Trimmed { cut, prefix: prefix.into() });
                    Resolution::Site(Matched { account, form, is_default: false, place, trimmed })
                }
                Found::NoPath => Resolution::NoPath { account, form },
                Found::UnknownHost => self.default_at(local),
            }
        });
        match resolution {
            Resolution::UnknownHost => self.default(),
            found => found,
        }
    }

    /// The site for hosts that nobody holds of the account whose own `local` is.
    fn default_at(&self, local: IpAddr) -> Resolution {
        let found = self.owner(local).and_then(|(account, form)| {
            let place = form.default_site()?.place;
            Some(Resolution::Site(Matched { account, form, is_default: true, place, trimmed: None }))
        });
        found.unwrap_or(Resolution::UnknownHost)
    }

    /// Whose own `local` is, and the form that says so. An account that merely has the address for a host does not.
    fn owner(&self, local: IpAddr) -> Option<(Arc<Account>, Arc<Form>)> {
        let (local, host) = (local.to_canonical(), Host::from_ip(local.to_canonical()));
        let account = self.exact.get(host.as_str()).map(|entry| Arc::clone(entry.value()))?;
        let form = account.form().answering(Entry::Exact(host.as_str()));
        (form.dedicated.contains(&local) && form.knows(&host)).then_some((account, form))
    }

    fn default(&self) -> Resolution {
        let default = self.default_site.load();
        let found = default.as_ref().and_then(|default| {
            let account = self.account(default.account.as_str())?;
            let form = account.form();
            let place = form.site_named(&default.site)?.place;
            Some(Resolution::Site(Matched { account, form, is_default: true, place, trimmed: None }))
        });
        found.unwrap_or(Resolution::UnknownHost)
    }

    /// The account whose entry covers `host`, and that entry: its own name first, then the longest wildcard.
    fn entry<'a>(&self, host: &'a Host) -> Option<(Arc<Account>, Entry<'a>)> {
        let clone = |table: &Table, name: &str| table.get(name).map(|entry| Arc::clone(entry.value()));
        let exact = host.as_str();
        if let Some(account) = clone(&self.exact, exact) {
            return Some((account, Entry::Exact(exact)));
        }
        host.parents().find_map(|parent| Some((clone(&self.wildcards, parent)?, Entry::Wildcard(parent))))
    }

    /// The account of this name.
    pub fn account(&self, name: &str) -> Option<Arc<Account>> {
        self.accounts.get(name).map(|entry| Arc::clone(entry.value()))
    }

    /// Shows every account to `visit`, in no particular order. Cost: grows with the accounts; a change waits
    /// while one of a few dozen parts of them is shown, lookups of hosts never.
    pub fn each_account(&self, mut visit: impl FnMut(&Arc<Account>)) {
        self.accounts.iter().for_each(|entry| visit(entry.value()));
    }

    /// How many accounts there are.
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// Hosts and wildcards held.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether nobody holds anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Who holds exactly this pattern.
    pub fn holder(&self, pattern: &Pattern) -> Option<Arc<Account>> {
        self.table(pattern).get(&**pattern.text()).map(|entry| Arc::clone(entry.value()))
    }

    /// What serves the hosts that nobody holds, from now on.
    pub fn set_default_site(&self, site: Option<DefaultSite>) {
        self.default_site.store(site.map(Arc::new));
    }

    pub(super) fn enter_account(&self, account: &Arc<Account>) {
        self.accounts.insert(account.name().clone(), account.clone());
    }

    pub(super) fn leave_account(&self, account: &Account) {
        self.accounts.remove(account.name());
    }

    /// Gives `pattern` to `account`, whoever had it.
    pub(super) fn enter(&self, pattern: &Pattern, account: &Arc<Account>) {
        if self.table(pattern).insert(pattern.text().clone(), account.clone()).is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes `pattern` from `account`, if it has it.
    pub(super) fn leave(&self, pattern: &Pattern, account: &Arc<Account>) {
        let is_theirs = |_: &Arc<str>, holder: &Arc<Account>| Arc::ptr_eq(holder, account);
        if self.table(pattern).remove_if(&**pattern.text(), is_theirs).is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Marks the end of a step of a change: a lookup that was under way starts again.
    pub(super) fn step(&self) {
        self.steps.0.fetch_add(1, Ordering::AcqRel);
    }

    fn table(&self, pattern: &Pattern) -> &Table {
        if pattern.is_wildcard() { &self.wildcards } else { &self.exact }
    }
}

impl Default for Hosts {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts the steps of changes; on cache lines of its own, because every lookup reads it.
///
/// A lookup reads several places: the table at the host and at its parents, then the account's form. Each step
/// of a change leaves every host with its old or its new answer, but a lookup that read one place before a step
/// and another after the next one could come to an answer that was never given. So it looks whether a step
/// ended meanwhile, and if so looks everything up again. What it read of a step implies that it sees the end of
/// the step before: the locks of the table and the swap of a form order them.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Steps(AtomicU64);

impl Steps {
    /// What `look` finds while no step ends.
    fn settled<T>(&self, mut look: impl FnMut() -> T) -> T {
        let mut seen = self.0.load(Ordering::Acquire);
        for _ in 0..ATTEMPTS {
            let found = look();
            let now = self.0.load(Ordering::Acquire);
            if now == seen {
                return found;
            }
            seen = now;
        }
        look()
    }
}

/// How often a lookup starts again. A change has half a dozen steps and takes longer than a lookup; 500 changes
/// a second that all move hosts disturb one lookup in thousands, and each once.
const ATTEMPTS: usize = 16;

/// Parts of the table with a lock each: a part that grows copies a few hundred entries at a million hosts, so
/// no reader waits for more than microseconds. 128 bytes each.
const SHARDS: usize = 4096;
