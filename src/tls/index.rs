//! The index of certificates by name: read at every handshake without waiting, changed name by name. Reads no
//! file and judges none; which of several certificates of a name is shown is decided here.

use super::certificate::Certificate;
use super::name::{CertificateName, parent};
use super::place::{Place, Source};
use crate::base::{AccountName, Host};
use crate::proxy::Certified;
use arc_swap::ArcSwap;
use foldhash::quality::RandomState;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

/// Certificates by name, shared by all workers.
///
/// The names are spread over many small sorted tables, each replaced whole behind a pointer of its own: a
/// reader waits for nobody, and a change costs what its own names cost, however many others there are. One
/// thread changes it at a time: [`Certificates`](super::Certificates), which takes `&mut self`.
pub struct Index {
    shards: Box<[ArcSwap<Vec<Row>>]>,
    hasher: RandomState,
    default: ArcSwap<Entry>,
}

/// A certificate in service.
#[derive(Debug)]
pub struct Entry {
    /// The certificate.
    pub certificate: Arc<Certificate>,
    /// Whose it is.
    pub source: Source,
    /// Where it was read; `None` for the self-signed default.
    pub place: Option<Place>,
    /// The part of its names that a document attached it to; `None` where it is shown for all of them.
    pub attached_to: Option<Box<[CertificateName]>>,
}

/// The certificate shown for a name, and why it is that one.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The certificate.
    pub entry: Arc<Entry>,
    /// Which step of the order it stands on.
    pub rank: Rank,
}

/// The order of certificates for one host, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// Attached to the host itself by its account's document.
    AttachedExact,
    /// Attached to a wildcard above the host.
    AttachedWildcard,
    /// The account's own, with the host's name in it.
    CustomerExact,
    /// The account's own, by a wildcard in it.
    CustomerWildcard,
    /// The platform's or an automatic one, with the host's name in it.
    AutomaticExact,
    /// The platform's or an automatic one, by a wildcard in it.
    AutomaticWildcard,
    /// What is shown when no certificate has the name.
    Default,
}

impl Entry {
    /// The names it is shown for.
    pub fn names(&self) -> &[CertificateName] {
        self.attached_to.as_deref().unwrap_or_else(|| self.certificate.names())
    }
}

impl Index {
    /// An index that knows only the default certificate.
    pub(super) fn new(default: Arc<Entry>) -> Self {
        let empty = Arc::new(Vec::new());
        Self {
            shards: (0..SHARDS).map(|_| ArcSwap::new(Arc::clone(&empty))).collect(),
            hasher: RandomState::default(),
            default: ArcSwap::new(default),
        }
    }

    /// The certificate to show for `host`, which `account` holds, at `now` (wall time since the epoch); the
    /// default for no host. Cost: four binary searches in small tables, no lock, no allocation.
    pub fn find(&self, host: Option<&Host>, account: Option<&AccountName>, now: Duration) -> Shown {
        let mut best: Option<(Standing, Shown)> = None;
        if let Some(host) = host {
            self.visit(host, account, |entry, rank| {
                let standing = Standing::new(entry, rank, now);
                if best.as_ref().is_none_or(|(other, _)| standing < *other) {
                    best = Some((standing, Shown { entry: Arc::clone(entry), rank }));
                }
            });
        }
        match best {
            Some((_, shown)) => shown,
            None => Shown { entry: self.default.load_full(), rank: Rank::Default },
        }
    }

    /// Whether any certificate but the default is shown for `host`, which `account` holds: what `force_https`
    /// waits for. An expired one counts, or its expiry would send visitors back to clear text.
    pub fn covers(&self, host: &Host, account: Option<&AccountName>) -> bool {
        let mut found = false;
        self.visit(host, account, |_, _| found = true);
        found
    }

    /// Shows every certificate that may be shown for `host`.
    fn visit(&self, host: &Host, account: Option<&AccountName>, mut see: impl FnMut(&Arc<Entry>, Rank)) {
        let names = [(Some(host.as_str()), false), (parent(host), true)];
        // The platform's certificates stand under no account; another account's are never looked at.
        let owners = [Some(None), account.map(|account| Some(account.as_str()))];
        for (text, wildcard) in names {
            let Some(text) = text else { continue };
            for owner in owners.into_iter().flatten() {
                let key = Key { text, wildcard, owner };
                let hash = self.hasher.hash_one(&key);
                let shard = self.shards[shard_of(hash)].load();
                let from = shard.partition_point(|row| row.hash < hash);
                let rows = shard[from..].iter().take_while(|row| row.hash == hash);
                for row in rows.filter(|row| row.key() == key) {
                    see(&row.entry, Rank::of(&row.entry.source, wildcard));
                }
            }
        }
    }

    /// Takes `remove` out and puts `add` in. A name that both have changes in one step.
    pub(super) fn apply(&self, remove: &[Arc<Entry>], add: &[Arc<Entry>]) {
        let gone: HashSet<_> = remove.iter().map(Arc::as_ptr).collect();
        let mut touched: BTreeMap<usize, Vec<Row>> = BTreeMap::new();
        for row in remove.iter().flat_map(|entry| self.rows(entry)) {
            touched.entry(shard_of(row.hash)).or_default();
        }
        for row in add.iter().flat_map(|entry| self.rows(entry)) {
            touched.entry(shard_of(row.hash)).or_default().push(row);
        }
        for (shard, mut rows) in touched {
            let old = self.shards[shard].load();
            rows.extend(old.iter().filter(|row| !gone.contains(&Arc::as_ptr(&row.entry))).cloned());
            rows.sort_by_key(|row| row.hash);
            self.shards[shard].store(Arc::new(rows));
        }
    }

    fn rows<'a>(&'a self, entry: &'a Arc<Entry>) -> impl Iterator<Item = Row> + 'a {
        (0..entry.names().len()).map(|name| {
            let mut row = Row { hash: 0, entry: Arc::clone(entry), name: name as u32 };
            row.hash = self.hasher.hash_one(row.key());
            row
        })
    }

    /// Replaces the default certificate.
    pub(super) fn set_default(&self, entry: Arc<Entry>) {
        self.default.store(entry);
    }
}

impl Certified for Index {
    fn is_certified(&self, host: &Host, account: Option<&AccountName>) -> bool {
        self.covers(host, account)
    }
}

/// What a row is looked up by.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    text: &'a str,
    wildcard: bool,
    owner: Option<&'a str>,
}

/// One name of one certificate. Rows are sorted by the hash of their key, so that a search compares numbers and
/// looks at a certificate only where it finds one.
#[derive(Clone)]
struct Row {
    hash: u64,
    entry: Arc<Entry>,
    name: u32,
}

impl Row {
    fn key(&self) -> Key<'_> {
        let name = &self.entry.names()[self.name as usize];
        let owner = self.entry.source.account().map(AccountName::as_str);
        Key { text: name.text(), wildcard: name.is_wildcard(), owner }
    }
}

fn shard_of(hash: u64) -> usize {
    hash as usize % SHARDS
}

/// How a certificate compares with the others for a host: the least is shown.
///
/// An attached one was chosen by hand and comes first in any state. Of the others one that is not valid now
/// stands behind every one that is, or an expired file would shadow the automatic certificate that replaces it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    class: Class,
    rank: Rank,
    not_valid: bool,
    not_after: std::cmp::Reverse<Duration>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Attached,
    Valid,
    NotValid,
}

impl Standing {
    fn new(entry: &Entry, rank: Rank, now: Duration) -> Self {
        let validity = entry.certificate.validity();
        let valid = validity.contains(now);
        let class = match rank {
            Rank::AttachedExact | Rank::AttachedWildcard => Class::Attached,
            _ if valid => Class::Valid,
            _ => Class::NotValid,
        };
        Self { class, rank, not_valid: !valid, not_after: std::cmp::Reverse(validity.not_after) }
    }
}

impl Rank {
    fn of(source: &Source, wildcard: bool) -> Self {
        match (source, wildcard) {
            (Source::Attached(_), false) => Self::AttachedExact,
            (Source::Attached(_), true) => Self::AttachedWildcard,
            (Source::Customer(_), false) => Self::CustomerExact,
            (Source::Customer(_), true) => Self::CustomerWildcard,
            (Source::Automatic, false) => Self::AutomaticExact,
            (Source::Automatic, true) => Self::AutomaticWildcard,
            (Source::Default, _) => Self::Default,
        }
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AttachedExact => "attached to this name",
            Self::AttachedWildcard => "attached to a wildcard of this name",
            Self::CustomerExact => "the account's, for this name",
            Self::CustomerWildcard => "the account's wildcard",
            Self::AutomaticExact => "automatic, for this name",
            Self::AutomaticWildcard => "automatic wildcard",
            Self::Default => "the default: no certificate has this name",
        })
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: usize = self.shards.iter().map(|shard| shard.load().len()).sum();
        write!(f, "Index({rows} names)")
    }
}

/// Small tables that the names are spread over: 50 rows each with 100,000 certificates of two names, and
/// 32 KiB of pointers without any.
const SHARDS: usize = 4096;

#[cfg(test)]
mod tests;
