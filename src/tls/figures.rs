//! How many certificates there are, which expire when, and which files are in trouble: kept up to date change by
//! change, so that to ask costs what there is to tell.

use super::certificate::Validity;
use super::place::{Slot, Source};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Figures for status and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Certificates attached by documents.
    pub attached: usize,
    /// Customers' certificates.
    pub customer: usize,
    /// The platform's and automatic ones.
    pub automatic: usize,
    /// How many of all these, and the default, are expired.
    pub expired: usize,
    /// The certificate that expires first of those not expired: when (wall time since the epoch), and its file.
    pub expires_soonest: Option<(Duration, PathBuf)>,
}

/// Figures of all slots.
#[derive(Debug, Default)]
pub struct Figures {
    attached: usize,
    customer: usize,
    automatic: usize,
    default: usize,
    /// What is in service, by its notAfter.
    ends: BTreeSet<(Duration, Arc<Slot>)>,
    /// What came into service before its notBefore, by that.
    early: BTreeSet<(Duration, Arc<Slot>)>,
    troubled: BTreeSet<Arc<Slot>>,
}

/// What the figures know of one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The dates of what is in service.
    pub validity: Option<Validity>,
    /// Whether something is wrong other than dates.
    pub is_troubled: bool,
}

impl Figures {
    /// Takes a slot's change over.
    pub fn change(&mut self, slot: &Arc<Slot>, before: Mark, after: Mark, now: Duration) {
        if before == after {
            return;
        }
        if let Some(validity) = before.validity {
            *self.counter(slot) -= 1;
            self.ends.remove(&(validity.not_after, Arc::clone(slot)));
            self.early.remove(&(validity.not_before, Arc::clone(slot)));
        }
        if let Some(validity) = after.validity {
            *self.counter(slot) += 1;
            self.ends.insert((validity.not_after, Arc::clone(slot)));
            if now < validity.not_before {
                self.early.insert((validity.not_before, Arc::clone(slot)));
            }
        }
        if after.is_troubled {
            self.troubled.insert(Arc::clone(slot));
        } else {
            self.troubled.remove(slot);
        }
    }

    /// Figures for status and metrics at `now`. Cost: by the certificates that are expired.
    pub fn summary(&self, now: Duration) -> Summary {
        let next = self.ends.iter().find(|(end, _)| now <= *end);
        Summary {
            attached: self.attached,
            customer: self.customer,
            automatic: self.automatic,
            expired: self.expired(now).count(),
            expires_soonest: next.map(|(end, slot)| (*end, slot.place.path().to_owned())),
        }
    }

    /// The slots of which there is something to tell at `now`. Cost: by their number.
    pub fn in_trouble(&self, now: Duration) -> BTreeSet<&Slot> {
        let early = self.early.iter().filter(|(begin, _)| now < *begin).map(|(_, slot)| &**slot);
        self.troubled.iter().map(Arc::as_ref).chain(self.expired(now)).chain(early).collect()
    }

    fn expired(&self, now: Duration) -> impl Iterator<Item = &Slot> {
        self.ends.iter().take_while(move |(end, _)| *end < now).map(|(_, slot)| &**slot)
    }

    fn counter(&mut self, slot: &Slot) -> &mut usize {
        match slot.source {
            Source::Attached(_) => &mut self.attached,
            Source::Customer(_) => &mut self.customer,
            Source::Automatic => &mut self.automatic,
            Source::Default => &mut self.default,
        }
    }
}
