//! The certificates of this node as the control thread keeps them: what was read where, what is wrong with
//! which file, and the index that handshakes read. Files are read here, never by a worker.

use super::attachments::Attachments;
use super::held::{Changes, Held};
use super::index::{Entry, Index};
use super::place::{Kind, Listing, Place, Slot, Source, kind, list, list_below};
use super::self_signed;
use crate::base::AccountName;
use crate::config::AttachedCertificate;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// `[certificates]`.
#[derive(Clone, Debug, Default)]
pub struct CertificateSettings {
    /// `directory`.
    pub directory: Option<PathBuf>,
    /// `default`. Absent: a self-signed certificate is made at start.
    pub default: Option<PathBuf>,
}

/// The certificates of this node. Owned by the control thread; workers hold the [`Index`].
///
/// Nothing a file holds takes a good certificate out of service: a damaged, mismatched or expired one is a
/// [`Problem`], and what was read before stays. Only its absence removes a certificate.
#[derive(Debug)]
pub struct Certificates {
    settings: CertificateSettings,
    index: Arc<Index>,
    self_signed: Arc<Entry>,
    held: BTreeMap<Slot, Held>,
    attached: Attachments,
    /// The directories that were read, and those that could not be.
    listing: Listing,
    watch_revision: u64,
}

/// A file that was not taken, or was taken with a reservation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, or the directory of a pair.
    pub file: PathBuf,
    /// What is wrong, and what is served instead.
    pub reason: String,
}

/// What a reload changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// Certificates that were not there before.
    pub added: usize,
    /// Certificates that took the place of an older one.
    pub replaced: usize,
    /// Certificates that are gone with their files, or with the tables that attached them.
    pub removed: usize,
    /// Files that were not taken.
    pub refused: usize,
}

/// Figures for status and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Certificates attached by documents.
    pub attached: usize,
    /// Customers' certificates.
    pub customer: usize,
    /// The platform's and automatic ones.
    pub automatic: usize,
    /// How many of all these are expired.
    pub expired: usize,
    /// The certificate that expires first of those not expired: when (wall time since the epoch), and its file.
    pub expires_soonest: Option<(Duration, PathBuf)>,
}

impl Certificates {
    /// Reads everything for the first time. What is wrong with a file is a problem, not an error, the default
    /// certificate's too: a node that serves all names but one is better than none. Fails only if no
    /// self-signed certificate can be made.
    pub fn open(settings: CertificateSettings, now: Duration) -> Result<Self, rcgen::Error> {
        let self_signed = Arc::new(self_signed::entry()?);
        let mut certificates = Self {
            settings,
            index: Arc::new(Index::new(Arc::clone(&self_signed))),
            self_signed,
            held: BTreeMap::new(),
            attached: Attachments::default(),
            listing: Listing::default(),
            watch_revision: 0,
        };
        certificates.reload(now);
        if certificates.settings.default.is_none() {
            tracing::info!("no default certificate is set: a self-signed one is shown for names without one");
        }
        Ok(certificates)
    }

    /// What handshakes read.
    pub fn index(&self) -> Arc<Index> {
        Arc::clone(&self.index)
    }

    /// Takes over what changed on disk, wherever it is. Cost: one stat a file, and reading what changed. Also
    /// judges again what was refused for its date: worth calling now and then without a cause.
    pub fn reload(&mut self, now: Duration) -> Reload {
        let listing = self.settings.directory.as_deref().map(list).unwrap_or_default();
        let before = mem::replace(&mut self.listing, listing);
        if self.listing.directories != before.directories {
            self.watch_revision += 1;
        }
        for (directory, reason) in &self.listing.unread {
            tracing::warn!(directory = %directory.display(), "{reason}");
        }
        let mut wanted = mem::take(&mut self.listing.found);
        wanted.extend(self.attached.slots());
        wanted.extend(self.default_slot());
        let gone = self.held.keys().filter(|slot| !wanted.contains(slot) && !self.listing.may_hold(slot));
        let gone = gone.cloned().collect();
        self.take_over(wanted, gone, now)
    }

    /// Takes over what changed at `paths`, as a watcher names them: files, or directories that came or went. Cost: by
    /// what lies at the paths, not by the certificates there are.
    pub fn reload_paths(&mut self, paths: &[PathBuf], now: Duration) -> Reload {
        let mut wanted = BTreeSet::new();
        let mut gone = Vec::new();
        for path in paths {
            wanted.extend(self.attached.slots_of(path));
            wanted.extend(self.default_slot().filter(|slot| slot.place.path() == path));
            self.locate(path, &mut wanted, &mut gone);
        }
        self.take_over(wanted, gone, now)
    }

    /// Takes changed settings over, and everything that changed on disk.
    pub fn reconfigure(&mut self, settings: CertificateSettings, now: Duration) -> Reload {
        self.settings = settings;
        self.watch_revision += 1;
        self.reload(now)
    }

    /// Takes the `[[certificate]]` tables of an account's document over, instead of those it had. Call it with
    /// none when the account is gone.
    pub fn attach(&mut self, account: &AccountName, tables: &[AttachedCertificate], now: Duration) -> Reload {
        let before = self.attached.replace(account, tables);
        let wanted: BTreeSet<_> = self.attached.slots_by(account).collect();
        if before != wanted {
            self.watch_revision += 1;
        }
        let gone = before.difference(&wanted).cloned().collect();
        self.take_over(wanted, gone, now)
    }

    /// Directories whose changes are worth a [`reload_paths`](Self::reload_paths). Cost: by all of them; see
    /// [`watch_revision`](Self::watch_revision).
    pub fn watch(&self) -> BTreeSet<PathBuf> {
        let files = self.attached.files().chain(self.settings.default.as_deref());
        let mut directories: BTreeSet<_> = files.filter_map(Path::parent).map(Path::to_owned).collect();
        directories.extend(self.listing.directories.iter().cloned());
        directories.extend(self.settings.directory.clone());
        directories
    }

    /// Counts up when [`watch`](Self::watch) may have changed.
    pub fn watch_revision(&self) -> u64 {
        self.watch_revision
    }

    /// What is wrong at `now`, ordered by file. Cost: one pass over all certificates.
    pub fn problems(&self, now: Duration) -> Vec<Problem> {
        let unread = self.listing.unread.iter();
        let mut problems: Vec<_> = unread
            .map(|(directory, reason)| Problem { file: directory.clone(), reason: reason.clone() })
            .collect();
        for (slot, held) in &self.held {
            let file = slot.place.path();
            problems.extend(held.problems(now).map(|reason| Problem { file: file.to_owned(), reason }));
        }
        problems.sort();
        problems
    }

    /// Figures for status and metrics at `now`. Cost: one pass over all certificates.
    pub fn summary(&self, now: Duration) -> Summary {
        let mut summary = Summary::default();
        for (slot, entry) in self.held.iter().filter_map(|(slot, held)| Some((slot, held.entry.as_ref()?))) {
            match slot.source {
                Source::Attached(_) => summary.attached += 1,
                Source::Customer(_) => summary.customer += 1,
                Source::Automatic => summary.automatic += 1,
                Source::Default => {}
            }
            let not_after = entry.certificate.validity().not_after;
            if not_after < now {
                summary.expired += 1;
            } else if summary.expires_soonest.as_ref().is_none_or(|(soonest, _)| not_after < *soonest) {
                summary.expires_soonest = Some((not_after, slot.place.path().to_owned()));
            }
        }
        summary
    }

    fn default_slot(&self) -> Option<Slot> {
        let place = Place::File(self.settings.default.clone()?);
        Some(Slot { source: Source::Default, place })
    }

    /// Finds what `path`, somewhere below the directory of certificates, now stands for.
    fn locate(&mut self, path: &Path, wanted: &mut BTreeSet<Slot>, gone: &mut Vec<Slot>) {
        let Some(root) = self.settings.directory.clone() else { return };
        match kind(&root, path) {
            Kind::Certificate(slot) if slot.place.exists() => {
                wanted.insert(slot);
            }
            Kind::Certificate(slot) => gone.push(slot),
            Kind::Directory => {
                let mut listing = Listing::default();
                // The directory of all certificates is never gone: what is below it stays until it can be read.
                if path.is_dir() || path == root {
                    list_below(&root, path, &mut listing);
                }
                let known = self.known_below(&root, path).into_iter();
                gone.extend(known.filter(|slot| !listing.found.contains(slot) && !listing.may_hold(slot)));
                wanted.append(&mut listing.found);
                if self.listing.replace_below(path, listing) {
                    self.watch_revision += 1;
                }
            }
            Kind::Misnamed | Kind::Other => {}
        }
    }

    /// The slots known below `path`, a directory at or below the directory of certificates.
    fn known_below(&self, root: &Path, path: &Path) -> Vec<Slot> {
        let top = path.strip_prefix(root).ok().and_then(|relative| relative.iter().next()?.to_str());
        match top.map(AccountName::new) {
            None => self.held.keys().filter(|slot| slot.is_listed()).cloned().collect(),
            Some(Ok(account)) => {
                let source = Source::Customer(account);
                let first = Slot { source: source.clone(), place: Place::File(PathBuf::new()) };
                let slots = self.held.range(first..).map(|(slot, _)| slot);
                let slots = slots.take_while(|slot| slot.source == source);
                slots.filter(|slot| slot.place.path().starts_with(path)).cloned().collect()
            }
            Some(Err(_)) => vec![Slot { source: Source::Automatic, place: Place::Pair(path.to_owned()) }],
        }
    }

    fn take_over(&mut self, wanted: BTreeSet<Slot>, gone: Vec<Slot>, now: Duration) -> Reload {
        let mut changes = Changes::default();
        for slot in gone {
            if let Some(entry) = self.held.remove(&slot).and_then(|held| held.entry) {
                tracing::info!(file = %slot.place.path().display(), "certificate removed: {}", slot.source);
                changes.reload.removed += 1;
                changes.take_out(entry);
            }
        }
        for slot in wanted {
            let patterns = self.attached.patterns(&slot);
            self.held.entry(slot.clone()).or_default().refresh(&slot, patterns, now, &mut changes);
        }
        self.index.apply(&changes.remove, &changes.add);
        let default = self.default_slot().and_then(|slot| self.held.get(&slot)?.entry.clone());
        self.index.set_default(default.unwrap_or_else(|| Arc::clone(&self.self_signed)));
        changes.reload
    }
}

#[cfg(test)]
mod tests;
