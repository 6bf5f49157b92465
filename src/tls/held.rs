//! One certificate file as it is kept: what was read last, what of it is in service, and whether what is read now
//! may take its place. Reads its own files; knows no other.

use super::certificate::{Certificate, CertificateError};
use super::certificates::Reload;
use super::figures::Mark;
use super::index::Entry;
use super::name::CertificateName;
use super::place::{Slot, Source, Stamp};
use crate::base::HostPattern;
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What is known of one slot.
#[derive(Debug, Default)]
pub struct Held {
    /// The stamp and content judged last; `None` where that must be judged again.
    pub(super) seen: Option<Seen>,
    /// What is in service.
    pub entry: Option<Arc<Entry>>,
    /// Why the files' present content is not.
    refused: Option<String>,
    /// What the certificate in service is attached to and does not cover.
    uncovered: Option<String>,
}

/// Content that was judged, by its stamp and its digest.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) stamp: Stamp,
    pub(super) settled: bool,
    digest: [u8; 32],
}

/// A change on its way into the index.
#[derive(Default)]
pub struct Changes {
    /// What goes out of service.
    pub remove: Vec<Arc<Entry>>,
    /// What comes into service.
    pub add: Vec<Arc<Entry>>,
    /// The figures.
    pub reload: Reload,
}

impl Changes {
    /// The default certificate is shown where no other is, and never for its own names: it is in no index.
    pub fn put_in(&mut self, entry: Arc<Entry>) {
        if entry.source != Source::Default {
            self.add.push(entry);
        }
    }

    /// Takes an entry out of the index again.
    pub fn take_out(&mut self, entry: Arc<Entry>) {
        if entry.source != Source::Default {
            self.remove.push(entry);
        }
    }
}

impl Held {
    /// What is wrong at `now` with the files, and with what is in service.
    pub fn problems(&self, now: Duration) -> impl Iterator<Item = String> {
        let dates = self.entry.as_ref().and_then(|entry| reservation(&entry.certificate, now));
        [self.refused.clone(), self.uncovered.clone(), dates].into_iter().flatten()
    }

    /// What the figures know of it.
    pub fn mark(&self) -> Mark {
        Mark {
            validity: self.entry.as_ref().map(|entry| entry.certificate.validity()),
            is_troubled: self.refused.is_some() || self.uncovered.is_some(),
        }
    }

    /// Reads the slot's files if they may have changed, judges what they hold, and puts what is good in service: for
    /// all its names, or for those of `patterns` where a document attaches it.
    pub fn refresh(
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
            changes.take_out(old);
        } else {
            tracing::debug!(%file, "certificate added: {}, valid until {until}", slot.source);
            changes.reload.added += 1;
        }
        changes.put_in(entry);
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
