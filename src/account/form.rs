//! The form of an account: its document compiled to what a request needs, immutable, swapped whole. Says which
//! site answers a host and path; does not say who holds the host.

use super::paths::{Paths, Readings, cut};
use super::{Action, Claim, Entry, Fixed, Pattern, Site};
use crate::answer::{Pages, Unread};
use crate::base::{Access, DocumentHash, Host, HostPattern, PathPrefix, SiteName, TrustName};
use crate::config::{
    self, AccountLimits, AccountState, AttachedCertificate, Document, Retention, Run, Terms, Timeouts,
};
use crate::upstream::Upstream;
use foldhash::fast::RandomState;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

/// A document, compiled. It covers exactly the hosts its account holds: what the document claims beyond that is
/// *refused* here until the account comes to hold it.
#[derive(Clone, Debug)]
pub struct Form {
    /// Whether the account is served.
    pub state: AccountState,
    /// What it asks of connections.
    pub terms: Terms,
    /// The local addresses that are its own.
    pub dedicated: Arc<[IpAddr]>,
    /// The sets of peers that are believed for it.
    pub trust: Arc<[TrustName]>,
    /// Whom it lets in; `None`: everybody.
    pub access: Option<Arc<Access>>,
    /// Its limits.
    pub limits: AccountLimits,
    /// Its timeouts; a request has those of its site.
    pub timeouts: Arc<Timeouts>,
    /// How long its logs are kept; `None`: as the node says.
    pub log_retention: Option<Retention>,
    /// Counts up with every change published on this node.
    pub generation: u64,
    /// The hash of the document's text.
    pub hash: DocumentHash,
    /// How its programs run.
    pub run: Arc<Run>,
    tables: Arc<Tables>,
    refused: Option<Arc<Patterns>>,
    entering: Option<Arc<Entering>>,
}

/// What an account says about a host and path.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// This site answers.
    Site {
        /// The site.
        site: &'a Site,
        /// The path of the address that matched, without a slash at its end; empty for a whole host.
        prefix: &'a str,
        /// How many bytes of the request's path are left out where it is forwarded.
        cut: usize,
    },
    /// The account has the host, but no site has the path; or the path means one site to some programs and
    /// another to others, or could not be trimmed without meaning something else.
    NoPath,
    /// The account does not have the host.
    UnknownHost,
}

/// What every version of a form that differs only in what is refused shares.
#[derive(Debug)]
struct Tables {
    sites: Box<[Site]>,
    default_site: Option<DefaultSite>,
    exact: HashMap<Arc<str>, Paths, RandomState>,
    wildcards: HashMap<Arc<str>, Wildcard, RandomState>,
    upstreams: Box<[Served]>,
    certificates: Box<[AttachedCertificate]>,
    /// The pages of its own, and the files that are none.
    pages: Option<(Pages, Vec<Unread>)>,
}

#[derive(Debug)]
struct Wildcard {
    paths: Paths,
    lend: bool,
}

/// What answers at the account's own addresses for hosts that nobody holds.
#[derive(Debug)]
struct DefaultSite {
    place: u32,
    /// Its first exact host: whose certificate is shown there.
    host: Option<Host>,
}

/// An upstream with the settings this form wants it to have.
#[derive(Debug)]
struct Served {
    upstream: Arc<Upstream>,
    spec: config::Upstream,
}

/// The form that comes next, and what it brings in, while a change is under way.
#[derive(Debug)]
struct Entering {
    form: Arc<Form>,
    patterns: Patterns,
}

#[derive(Debug, Default)]
struct Patterns {
    exact: HashSet<Arc<str>, RandomState>,
    wildcards: HashSet<Arc<str>, RandomState>,
}

impl Form {
    /// Compiles `document`, whose text has `hash`. Upstreams that `previous` has under the same name stay the
    /// same, with their connections and counts; what changed in their settings takes effect when the form is
    /// published. Nothing is refused yet. Cost: grows with the document.
    pub fn compile(
        document: &Document,
        hash: DocumentHash,
        generation: u64,
        previous: Option<&Form>,
    ) -> Self {
        let upstreams: Box<[Served]> = document
            .upstreams
            .iter()
            .map(|spec| {
                let kept = previous.and_then(|form| form.upstream_named(&spec.name));
                let new = || Upstream::new(document.name.clone(), spec.clone());
                Served { upstream: kept.cloned().unwrap_or_else(new), spec: spec.clone() }
            })
            .collect();
        let timeouts = Arc::new(document.timeouts.clone());
        let tables = Arc::new(Tables::compile(document, &timeouts, upstreams));
        Self {
            state: document.state,
            terms: document.terms,
            dedicated: document.dedicated.as_slice().into(),
            trust: document.trust.as_slice().into(),
            access: (!document.access.is_open()).then(|| Arc::new(document.access.clone())),
            limits: document.limits.clone(),
            timeouts,
            log_retention: document.log_retention,
            generation,
            hash,
            run: Arc::new(document.run.clone()),
            tables,
            refused: None,
            entering: None,
        }
    }

    /// The form of an account that has no document any more: the same limits, nothing held.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self { tables: Arc::new(Tables::default()), refused: None, entering: None, ..self.clone() }
    }

    /// The same form without the patterns that the account may not have. Cost: grows with them, not with the
    /// form.
    #[must_use]
    pub fn refusing(&self, patterns: impl IntoIterator<Item = Pattern>) -> Self {
        let refused: Patterns = patterns.into_iter().collect();
        Self { refused: (!refused.is_empty()).then(|| Arc::new(refused)), entering: None, ..self.clone() }
    }

    /// The same form while `next` takes its place: where one of `patterns`, which are new in `next`, leads to the
    /// account, `next` answers.
    #[must_use]
    pub fn entering(&self, next: Arc<Form>, patterns: impl IntoIterator<Item = Pattern>) -> Self {
        let entering = Entering { form: next, patterns: patterns.into_iter().collect() };
        Self { entering: Some(Arc::new(entering)), ..self.clone() }
    }

    /// The form that answers where `entry` leads to the account: this one, but for what a change that is under way
    /// brings in.
    pub fn answering(self: Arc<Self>, entry: Entry<'_>) -> Arc<Self> {
        match &self.entering {
            Some(entering) if entering.patterns.contains(entry) => entering.form.clone(),
            _ => self,
        }
    }

    /// What answers `host` and `path` (as received; a query is ignored). Exact host first, then the wildcards
    /// that cover it, longest first; of each the longest path. Cost: a hash lookup for a host that is named
    /// itself and not divided by paths.
    pub fn find(&self, host: &Host, path: &[u8]) -> Found<'_> {
        match self.covering(host).next() {
            None => return Found::UnknownHost,
            Some(paths) => {
                if let Some(place) = paths.undivided() {
                    return self.found("", place);
                }
            }
        }
        let found = match Readings::of(path) {
            Readings::Plain(path) => self.find_normal(host, path),
            Readings::Both(strict, lenient) => {
                let found = self.find_normal(host, &strict.bytes);
                let same = found.place() == self.find_normal(host, &lenient.bytes).place();
                if same { found } else { Found::NoPath }
            }
        };
        match found {
            Found::Site { site, prefix, .. } if site.trim_path => {
                let path = &path[..memchr::memchr(b'?', path).unwrap_or(path.len())];
                cut(path, prefix).map_or(Found::NoPath, |cut| Found::Site { site, prefix, cut })
            }
            found => found,
        }
    }

    fn find_normal(&self, host: &Host, path: &[u8]) -> Found<'_> {
        let found = self.covering(host).find_map(|paths| paths.longest(path));
        found.map_or(Found::NoPath, |(prefix, place)| self.found(prefix, place))
    }

    fn found<'a>(&'a self, prefix: &'a str, place: u32) -> Found<'a> {
        self.site(place).map_or(Found::NoPath, |site| Found::Site { site, prefix, cut: 0 })
    }

    /// Whether the account has `host` at all.
    pub fn knows(&self, host: &Host) -> bool {
        self.covering(host).next().is_some()
    }

    /// The tables of paths that have a say about `host`, the most specific first.
    fn covering<'a, 'h>(&'a self, host: &'h Host) -> impl Iterator<Item = &'a Paths> + use<'a, 'h> {
        let refuses = |entry| self.refused.as_ref().is_some_and(|refused| refused.contains(entry));
        let name = host.as_str();
        let exact = self.tables.exact.get(name);
        let parents = (!self.tables.wildcards.is_empty()).then(|| host.parents()).into_iter().flatten();
        let wildcards = parents.filter_map(move |parent| {
            let wildcard = self.tables.wildcards.get(parent)?;
            (!refuses(Entry::Wildcard(parent))).then_some(&wildcard.paths)
        });
        exact.filter(|_| !refuses(Entry::Exact(name))).into_iter().chain(wildcards)
    }

    /// The site of this name.
    pub fn site_named(&self, name: &SiteName) -> Option<&Site> {
        self.tables.sites.iter().find(|site| site.name == *name)
    }

    /// The site at this place of the document; see [`Site::place`].
    pub fn site(&self, place: u32) -> Option<&Site> {
        self.tables.sites.get(place as usize)
    }

    /// What answers at the account's own addresses for hosts that nobody holds.
    pub fn default_site(&self) -> Option<&Site> {
        self.site(self.tables.default_site.as_ref()?.place)
    }

    /// The host whose certificate is shown at the account's own addresses where no name, or nobody's, was asked for.
    pub fn default_host(&self) -> Option<&Host> {
        self.tables.default_site.as_ref()?.host.as_ref()
    }

    /// The sites, in the document's order.
    pub fn sites(&self) -> &[Site] {
        &self.tables.sites
    }

    /// Whether it shows pages of files.
    pub fn has_pages(&self) -> bool {
        self.tables.pages.is_some()
            || self.fixed().any(|(_, fixed)| fixed.page.is_some() || fixed.unread.is_some())
    }

    /// The pages that stand in the place of Parvis' own.
    pub fn pages(&self) -> Option<&Pages> {
        self.tables.pages.as_ref().map(|(pages, _)| pages)
    }

    /// Pages that could not be read, and why: a sentence each.
    pub fn unread_pages(&self) -> impl Iterator<Item = String> {
        let fixed = self.fixed().filter_map(|(site, fixed)| Some((site, fixed.unread.as_deref()?)));
        let fixed =
            fixed.map(|(site, why)| format!("site {site}: the page of its answer cannot be read: {why}"));
        let unread = self.tables.pages.iter().flat_map(|(_, unread)| unread);
        fixed.chain(unread.map(|unread| format!("pages: {}: {}", unread.file.display(), unread.why)))
    }

    fn fixed(&self) -> impl Iterator<Item = (&SiteName, &Fixed)> {
        self.sites().iter().filter_map(|site| match &site.action {
            Action::Answer(fixed) => Some((&site.name, fixed)),
            Action::Forward(_) | Action::Redirect(_) => None,
        })
    }

    /// The upstreams, in the document's order.
    pub fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.tables.upstreams.iter().map(|served| &served.upstream)
    }

    /// The upstreams with the settings this form wants them to have, in the document's order.
    pub fn wanted(&self) -> impl Iterator<Item = (&Arc<Upstream>, &config::Upstream)> {
        self.tables.upstreams.iter().map(|served| (&served.upstream, &served.spec))
    }

    /// The settings of its upstreams, in the document's order.
    pub fn specs(&self) -> impl Iterator<Item = &config::Upstream> {
        self.tables.upstreams.iter().map(|served| &served.spec)
    }

    /// The certificates attached by the document, in its order.
    pub fn certificates(&self) -> &[AttachedCertificate] {
        &self.tables.certificates
    }

    /// Every host and wildcard the document claims, refused ones included, in no particular order.
    pub fn claims(&self) -> impl Iterator<Item = Claim> {
        let exact =
            self.tables.exact.keys().map(|host| Claim { pattern: Pattern::Exact(host.clone()), lend: false });
        let wildcards = self.tables.wildcards.iter().map(|(parent, wildcard)| Claim {
            pattern: Pattern::Wildcard(parent.clone()),
            lend: wildcard.lend,
        });
        exact.chain(wildcards)
    }

    /// The patterns claimed and not held, in no particular order.
    pub fn refused(&self) -> impl Iterator<Item = Pattern> {
        self.refused.iter().flat_map(|refused| {
            let exact = refused.exact.iter().cloned().map(Pattern::Exact);
            exact.chain(refused.wildcards.iter().cloned().map(Pattern::Wildcard))
        })
    }

    /// The upstream of this name. Cost: grows with the account's upstreams.
    pub fn upstream_named(&self, name: &crate::base::UpstreamName) -> Option<&Arc<Upstream>> {
        let served = self.tables.upstreams.iter().find(|served| served.spec.name == *name)?;
        Some(&served.upstream)
    }

    /// The node that the account has moved to, if it has.
    pub fn moved(&self) -> Option<&Arc<Upstream>> {
        if self.state != AccountState::Moved {
            return None;
        }
        let served =
            self.tables.upstreams.iter().find(|served| served.spec.name.as_str() == config::MOVED)?;
        Some(&served.upstream)
    }

    /// Gives the upstreams the settings this form wants.
    pub(super) fn retune_upstreams(&self) {
        for served in &self.tables.upstreams {
            if *served.upstream.spec() != served.spec {
                served.upstream.retune(served.spec.clone());
            }
        }
    }

    /// Retires the upstreams that `next` has no more.
    pub(super) fn retire_upstreams(&self, next: &Form) {
        for served in &self.tables.upstreams {
            if next.upstream_named(&served.spec.name).is_none() {
                served.upstream.retire();
            }
        }
    }
}

impl Patterns {
    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wildcards.is_empty()
    }

    fn contains(&self, entry: Entry<'_>) -> bool {
        match entry {
            Entry::Exact(host) => self.exact.contains(host),
            Entry::Wildcard(parent) => self.wildcards.contains(parent),
        }
    }
}

impl FromIterator<Pattern> for Patterns {
    fn from_iter<I: IntoIterator<Item = Pattern>>(patterns: I) -> Self {
        let mut set = Self::default();
        for pattern in patterns {
            match pattern {
                Pattern::Exact(host) => set.exact.insert(host),
                Pattern::Wildcard(parent) => set.wildcards.insert(parent),
            };
        }
        set
    }
}

impl Found<'_> {
    fn place(&self) -> Option<u32> {
        match self {
            Self::Site { site, .. } => Some(site.place),
            Self::NoPath | Self::UnknownHost => None,
        }
    }
}

impl Tables {
    fn compile(document: &Document, timeouts: &Arc<Timeouts>, upstreams: Box<[Served]>) -> Self {
        let shared: Vec<_> = upstreams.iter().map(|served| served.upstream.clone()).collect();
        let mut tables = Self { upstreams, ..Self::default() };
        let mut sites = Vec::with_capacity(document.sites.len());
        for written in &document.sites {
            let place = sites.len() as u32;
            let Some(site) = Site::compile(written, place, timeouts, &shared) else { continue };
            sites.push(site);
            for address in &written.addresses {
                match &address.host {
                    HostPattern::Exact(host) => {
                        tables.exact.entry(host.as_str().into()).or_default().add(&address.path, place);
                    }
                    HostPattern::Wildcard(parent) => {
                        let fresh = Wildcard { paths: Paths::default(), lend: true };
                        let wildcard = tables.wildcards.entry(parent.as_str().into()).or_insert(fresh);
                        wildcard.paths.add(&address.path, place);
                        // A wildcard that several sites share is lent where all of them lend it.
                        wildcard.lend &= written.lend;
                    }
                }
            }
        }
        if let Some(name) = &document.default_site {
            tables.default_site =
                sites.iter().find(|site: &&Site| site.name == *name).map(|site| DefaultSite {
                    place: site.place,
                    host: document.sites.iter().find(|site| site.name == *name).and_then(first_host),
                });
        }
        let everywhere = PathPrefix::default();
        for address in &document.dedicated {
            // The address itself is a host, which is held like any other.
            let paths = tables.exact.entry(Host::from_ip(*address).as_str().into()).or_default();
            if let Some(site) = &tables.default_site {
                paths.add(&everywhere, site.place);
            }
        }
        tables.sites = sites.into();
        tables.certificates = document.certificates.clone().into();
        tables.pages = document.pages.as_deref().map(Pages::read);
        tables
    }
}

/// The first host of a site that is no wildcard.
fn first_host(site: &config::Site) -> Option<Host> {
    site.addresses.iter().find_map(|address| match &address.host {
        HostPattern::Exact(host) => Some(host.clone()),
        HostPattern::Wildcard(_) => None,
    })
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            sites: Box::default(),
            default_site: None,
            exact: HashMap::with_hasher(RandomState::default()),
            wildcards: HashMap::with_hasher(RandomState::default()),
            upstreams: Box::default(),
            certificates: Box::default(),
            pages: None,
        }
    }
}

#[cfg(test)]
mod tests;
