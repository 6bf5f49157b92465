//! The certificates of this node as the control thread keeps them: what was read where, what is wrong with
//! which file, and the index that handshakes read. Files are read here, never by a worker.

use super::certificate::{Certificate, CertificateError};
use super::index::{Entry, Index};
use super::name::CertificateName;
use super::place::{Kind, Listing, Place, Slot, Source, Stamp, kind, list, list_below};
use super::self_signed;
use crate::base::{AccountName, HostPattern};
use crate::config::AttachedCertificate;
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::{BTreeMap, BTreeSet};
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
    /// What documents attach, by the slot of the file.
    attached: BTreeMap<Slot, Vec<HostPattern>>,
    /// The directories of the last full reload and those that could not be read.
    listing: Listing,
}

/// What is known of one slot.
#[derive(Debug, Default)]
struct Held {
    /// The stamp and content judged last; `None` where that must be judged again.
    seen: Option<Seen>,
    /// What is in service.
    entry: Option<Arc<Entry>>,
    /// Why the files' present content is not.
    refused: Option<String>,
    /// What the certificate in service is attached to and does not cover.
    uncovered: Option<String>,
}

#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    settled: bool,
    digest: [u8; 32],
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

/// A change on its way into the index.
#[derive(Default)]
struct Changes {
    remove: Vec<Arc<Entry>>,
    add: Vec<Arc<Entry>>,
    reload: Reload,
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
            attached: BTreeMap::new(),
            listing: Listing::default(),
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
        self.listing = self.settings.directory.as_deref().map(list).unwrap_or_default();
        for (directory, reason) in &self.listing.unread {
            tracing::warn!(directory = %directory.display(), "{reason}");
        }
        let wanted: BTreeSet<Slot> = self
            .listing
            .found
            .iter()
            .chain(self.attached.keys())
            .cloned()
            .chain(self.default_slot())
            .collect();
        let gone = self.held.keys().filter(|slot| !wanted.contains(slot) && !self.listing.may_hold(slot));
        let gone: Vec<_> = gone.cloned().collect();
        self.take_over(wanted, gone, now)
    }

    /// Takes over what changed at `paths`, as a watcher names them: files, or directories that came or went.
    /// Cost: by the paths, not by the certificates there are.
    pub fn reload_paths(&mut self, paths: &[PathBuf], now: Duration) -> Reload {
        let mut wanted = BTreeSet::new();
        let mut gone = Vec::new();
        for path in paths {
            let named = self.attached.keys().cloned().chain(self.default_slot());
            wanted.extend(named.filter(|slot| slot.place.is_touched_by(path)));
            self.locate(path, &mut wanted, &mut gone);
        }
        self.take_over(wanted, gone, now)
    }

    /// Takes changed settings over, and everything that changed on disk.
    pub fn reconfigure(&mut self, settings: CertificateSettings, now: Duration) -> Reload {
        self.settings = settings;
        self.reload(now)
    }

    /// Takes the `[[certificate]]` tables of an account's document over, instead of those it had. Call it with
    /// none when the account is gone.
    pub fn attach(&mut self, account: &AccountName, tables: &[AttachedCertificate], now: Duration) -> Reload {
        let mut wanted: BTreeMap<Slot, Vec<HostPattern>> = BTreeMap::new();
        for table in tables {
            let place = Place::File(table.file.clone());
            let slot = Slot { source: Source::Attached(account.clone()), place };
            wanted.entry(slot).or_default().extend(table.names.iter().cloned());
        }
        let had = self.attached.keys().filter(|slot| slot.source.account() == Some(account));
        let gone: Vec<_> = had.filter(|slot| !wanted.contains_key(slot)).cloned().collect();
        self.attached.retain(|slot, _| slot.source.account() != Some(account));
        let slots = wanted.keys().cloned().collect();
        self.attached.extend(wanted);
        self.take_over(slots, gone, now)
    }

    /// Directories whose changes are worth a [`reload_paths`](Self::reload_paths).
    pub fn watch(&self) -> BTreeSet<PathBuf> {
        let named = self.attached.keys().cloned().chain(self.default_slot());
        let mut directories: BTreeSet<_> =
            named.filter_map(|slot| slot.place.directory().map(Path::to_owned)).collect();
        directories.extend(self.listing.directories.iter().cloned());
        directories.extend(self.settings.directory.clone());
        directories
    }

    /// What is wrong at `now`, ordered by file. Cost: one pass over all certificates.
    pub fn problems(&self, now: Duration) -> Vec<Problem> {
        let unread = self.listing.unread.iter();
        let mut problems: Vec<_> = unread
            .map(|(directory, reason)| Problem { file: directory.clone(), reason: reason.clone() })
            .collect();
        for (slot, held) in &self.held {
            let dates = held.entry.as_ref().and_then(|entry| reservation(&entry.certificate, now));
            let reasons = [&held.refused, &held.uncovered, &dates].into_iter().flatten();
            let file = slot.place.path();
            problems.extend(reasons.map(|reason| Problem { file: file.to_owned(), reason: reason.clone() }));
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
                let below =
                    self.held.keys().filter(|slot| slot.is_listed() && slot.place.path().starts_with(path));
                gone.extend(
                    below.filter(|slot| !listing.found.contains(slot) && !listing.may_hold(slot)).cloned(),
                );
                wanted.extend(listing.found.iter().cloned());
                self.listing.replace_below(path, listing);
            }
            Kind::Misnamed | Kind::Other => {}
        }
    }

    fn take_over(&mut self, wanted: BTreeSet<Slot>, gone: Vec<Slot>, now: Duration) -> Reload {
        let mut changes = Changes::default();
        for slot in gone {
            if let Some(entry) = self.held.remove(&slot).and_then(|held| held.entry) {
                tracing::info!(file = %slot.place.path().display(), "certificate removed: {}", slot.source);
                changes.reload.removed += 1;
                changes.remove.push(entry);
            }
        }
        for slot in wanted {
            let patterns = self.attached.get(&slot).map(Vec::as_slice);
            self.held.entry(slot.clone()).or_default().refresh(&slot, patterns, now, &mut changes);
        }
        self.index.apply(&changes.remove, &changes.add);
        let default = self.default_slot().and_then(|slot| self.held.get(&slot)?.entry.clone());
        self.index.set_default(default.unwrap_or_else(|| Arc::clone(&self.self_signed)));
        changes.reload
    }
}

impl Held {
    /// Reads the slot's files if they may have changed, judges what they hold, and puts what is good in service.
    fn refresh(
        &mut self,
        slot: &Slot,
        patterns: Option<&[HostPattern]>,
        now: Duration,
        changes: &mut Changes,
    ) {
        match self.read_if_changed(slot, now) {
            Ok(None) => {
                // A document may have attached the same certificate to other names.
                if let Some(certificate) = self.entry.as_ref().map(|entry| Arc::clone(&entry.certificate)) {
                    self.serve(slot, patterns, certificate, changes);
                }
            }
            Ok(Some(certificate)) => {
                self.refused = None;
                self.serve(slot, patterns, Arc::new(certificate), changes);
            }
            Err(Refused(reason)) => {
                changes.reload.refused += 1;
                let instead =
                    if self.entry.is_some() { "; the one read before stays in service" } else { "" };
                let reason = format!("{reason}{instead}");
                if self.refused.as_ref() != Some(&reason) {
                    tracing::warn!(file = %slot.place.path().display(), "certificate refused: {reason}");
                }
                self.refused = Some(reason);
                if let Some(certificate) = self.entry.as_ref().map(|entry| Arc::clone(&entry.certificate)) {
                    self.serve(slot, patterns, certificate, changes);
                }
            }
        }
    }

    /// The certificate in the slot's files if it is another than the one judged last, and may take the place of
    /// the one in service.
    fn read_if_changed(&mut self, slot: &Slot, now: Duration) -> Result<Option<Certificate>, Refused> {
        let seen = self.seen.take();
        // The stamp is taken first: a change after it shows as another stamp next time.
        let stamp = slot.place.stamp()?;
        if seen.as_ref().is_some_and(|seen| seen.settled && seen.stamp == stamp) {
            self.seen = seen;
            return Ok(None);
        }
        let (chain, key) = slot.place.read()?;
        let key = key.as_deref().unwrap_or(&chain);
        let digest = fingerprint(&chain, key);
        let known = seen.is_some_and(|seen| seen.digest == digest);
        let settled = stamp.is_settled(now);
        self.seen = Some(Seen { stamp, settled, digest });
        if known {
            return Ok(None);
        }
        let new = Certificate::read(&chain, key)?;
        if self.may_replace(slot, &new, now) {
            return Ok(Some(new));
        }
        // Time alone may make it good: it is judged again at the next reload.
        self.seen = None;
        Err(Refused(reservation(&new, now).unwrap_or_default()))
    }

    /// Whether `new` may take the place of what is in service: if it is valid, or at least no worse.
    fn may_replace(&self, slot: &Slot, new: &Certificate, now: Duration) -> bool {
        let Some(old) = self.entry.as_ref().map(|entry| entry.certificate.validity()) else { return true };
        let attached = matches!(slot.source, Source::Attached(_));
        let no_worse = !old.contains(now) && old.not_after <= new.validity().not_after;
        attached || no_worse || new.validity().contains(now)
    }

    /// Puts `certificate` in service for the names it has, or of them those that `patterns` attach it to.
    fn serve(
        &mut self,
        slot: &Slot,
        patterns: Option<&[HostPattern]>,
        certificate: Arc<Certificate>,
        changes: &mut Changes,
    ) {
        let attached_to = patterns.map(|patterns| self.attach_names(slot, &certificate, patterns));
        if let Some(old) = &self.entry
            && Arc::ptr_eq(&old.certificate, &certificate)
            && old.attached_to == attached_to
        {
            return;
        }
        let validity = certificate.validity();
        let place = Some(slot.place.clone());
        let entry = Arc::new(Entry { certificate, source: slot.source.clone(), place, attached_to });
        let until = date(validity.not_after);
        let file = slot.place.path().display();
        if let Some(old) = self.entry.replace(Arc::clone(&entry)) {
            tracing::info!(%file, "certificate replaced: {}, valid until {until}", slot.source);
            changes.reload.replaced += 1;
            changes.remove.push(old);
        } else {
            tracing::debug!(%file, "certificate added: {}, valid until {until}", slot.source);
            changes.reload.added += 1;
        }
        changes.add.push(entry);
    }

    /// The names of `certificate` that `patterns` attach it to; notes the patterns it has no name for.
    fn attach_names(
        &mut self,
        slot: &Slot,
        certificate: &Certificate,
        patterns: &[HostPattern],
    ) -> Box<[CertificateName]> {
        let mut names = BTreeSet::new();
        let mut uncovered = Vec::new();
        for pattern in patterns {
            let common: Vec<_> = certificate.names().iter().filter_map(|name| name.within(pattern)).collect();
            if common.is_empty() {
                uncovered.push(pattern.to_string());
            }
            names.extend(common);
        }
        let uncovered = (!uncovered.is_empty()).then(|| {
            format!("the certificate does not cover {}, which it is attached to", uncovered.join(", "))
        });
        if uncovered != self.uncovered
            && let Some(uncovered) = &uncovered
        {
            tracing::warn!(file = %slot.place.path().display(), "{uncovered}");
        }
        self.uncovered = uncovered;
        names.into_iter().collect()
    }
}

/// What is to be said about a certificate's dates at `now`.
fn reservation(certificate: &Certificate, now: Duration) -> Option<String> {
    let validity = certificate.validity();
    if now < validity.not_before {
        Some(format!("the certificate is not valid before {}", date(validity.not_before)))
    } else if validity.not_after < now {
        Some(format!("the certificate expired on {}", date(validity.not_after)))
    } else {
        None
    }
}

/// Why a file was not taken.
#[derive(Debug)]
struct Refused(String);

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        Self(format!("the file cannot be read: {error}"))
    }
}

impl From<CertificateError> for Refused {
    fn from(error: CertificateError) -> Self {
        Self(error.to_string())
    }
}

/// The SHA-256 of both texts; the length in front keeps two pairs apart that only join to the same bytes.
fn fingerprint(chain: &[u8], key: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(&(chain.len() as u64).to_be_bytes());
    context.update(chain);
    context.update(key);
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

fn date(wall: Duration) -> String {
    let seconds = i64::try_from(wall.as_secs()).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => "a date far away".to_owned(),
    }
}

#[cfg(test)]
mod tests;
