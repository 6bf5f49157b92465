//! The certificates of this node as the control thread keeps them: what was read where, what is wrong with
//! which file, and the index that handshakes read. Files are read here, never by a worker.

use super::attachments::Attachments;
use super::figures::{Figures, Mark, Summary};
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
    held: BTreeMap<Arc<Slot>, Held>,
    figures: Figures,
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
            figures: Figures::default(),
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
        let gone = self.held.keys().filter(|slot| !wanted.contains(&***slot) && !self.listing.may_hold(slot));
        let gone = gone.map(|slot| Slot::clone(slot)).collect();
        self.take_over(wanted, gone, now)
    }

    /// Takes over what changed at `paths`, as a watcher names them: files, or directories that came or went. Cost: by
    /// what lies at the paths, not by the certificates there are.
    pub fn reload_paths(&mut self, paths: &[PathBuf], now: Duration) -> Reload {
        let mut wanted = BTreeSet::new();
        let mut gone = Vec::new();
        for path in paths {
            wanted.extend(self.attached.slots_of(path));
            wanted.extend(self.default_slot().filter(|slot| slot.place.path().starts_with(path)));
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

    /// What is wrong at `now`, ordered by file. Cost: by what is wrong.
    pub fn problems(&self, now: Duration) -> Vec<Problem> {
        let unread = self.listing.unread.iter();
        let mut problems: Vec<_> = unread
            .map(|(directory, reason)| Problem { file: directory.clone(), reason: reason.clone() })
            .collect();
        for (slot, held) in
            self.figures.in_trouble(now).into_iter().filter_map(|slot| self.held.get_key_value(slot))
        {
            let file = slot.place.path();
            problems.extend(held.problems(now).map(|reason| Problem { file: file.to_owned(), reason }));
        }
        problems.sort();
        problems
    }

    /// How many files and directories [`problems`](Self::problems) would name at `now`.
    pub fn files_with_problems(&self, now: Duration) -> usize {
        self.listing.unread.len() + self.figures.in_trouble(now).len()
    }

    /// Figures for status and metrics at `now`. Cost: by the certificates that are expired.
    pub fn summary(&self, now: Duration) -> Summary {
        self.figures.summary(now)
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
            None => self.held.keys().filter(|slot| slot.is_listed()).map(|slot| Slot::clone(slot)).collect(),
            Some(Ok(account)) => {
                let source = Source::Customer(account);
                let first = Slot { source: source.clone(), place: Place::File(PathBuf::new()) };
                let slots = self.held.range::<Slot, _>(&first..).map(|(slot, _)| slot);
                let slots = slots.take_while(|slot| slot.source == source);
                slots
                    .filter(|slot| slot.place.path().starts_with(path))
                    .map(|slot| Slot::clone(slot))
                    .collect()
            }
            Some(Err(_)) => vec![Slot { source: Source::Automatic, place: Place::Pair(path.to_owned()) }],
        }
    }

    fn take_over(&mut self, wanted: BTreeSet<Slot>, gone: Vec<Slot>, now: Duration) -> Reload {
        let mut changes = Changes::default();
        for slot in gone {
            let Some((slot, held)) = self.held.remove_entry(&slot) else { continue };
            self.figures.change(&slot, held.mark(), Mark::default(), now);
            if let Some(entry) = held.entry {
                tracing::info!(file = %slot.place.path().display(), "certificate removed: {}", slot.source);
                changes.reload.removed += 1;
                changes.take_out(entry);
            }
        }
        for slot in wanted {
            let slot =
                self.held.get_key_value(&slot).map_or_else(|| Arc::new(slot), |(known, _)| Arc::clone(known));
            let held = self.held.entry(Arc::clone(&slot)).or_default();
            let before = held.mark();
            held.refresh(&slot, self.attached.patterns(&slot), now, &mut changes);
            self.figures.change(&slot, before, held.mark(), now);
        }
        self.index.apply(&changes.remove, &changes.add);
        let default = self.default_slot().and_then(|slot| self.held.get(&slot)?.entry.clone());
        self.index.set_default(default.unwrap_or_else(|| Arc::clone(&self.self_signed)));
        changes.reload
    }
}

#[cfg(test)]
mod tests;
