//! The certificates of this node as the control thread keeps them: where each came from, what is wrong with
//! which file, and the index that handshakes read.

use super::index::Index;
use crate::base::AccountName;
use crate::config::AttachedCertificate;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// `[certificates]`.
#[derive(Clone, Debug, Default)]
pub struct CertificateSettings {
    /// `directory`.
    pub directory: Option<PathBuf>,
    /// `default`.
    pub default: Option<PathBuf>,
    /// The node's name, for the self-signed default.
    pub node: String,
}

/// The certificates of this node. Owned by the control thread.
#[derive(Debug)]
pub struct Certificates {}

/// A file that could not be taken, or was taken with a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// What is wrong, and what was done about it.
    pub reason: String,
}

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// Certificates that were not there before.
    pub added: usize,
    /// Certificates that took the place of an older one.
    pub replaced: usize,
    /// Certificates whose files are gone.
    pub removed: usize,
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
    /// When the first certificate in service expires (wall time since the epoch), and its file.
    pub expires_soonest: Option<(Duration, PathBuf)>,
}

impl Certificates {
    /// Reads everything once. Fails only when a default certificate is named and cannot be served.
    pub fn open(_settings: CertificateSettings, _now: Duration) -> Result<Self, Problem> {
        todo!()
    }

    /// What handshakes read.
    pub fn index(&self) -> Arc<Index> {
        todo!()
    }

    /// Takes over what changed on disk.
    pub fn reload(&mut self, _now: Duration) -> Reload {
        todo!()
    }

    /// Takes the `[[certificate]]` tables of an account's document over, instead of those it had.
    pub fn attach(
        &mut self,
        _account: &AccountName,
        _tables: &[AttachedCertificate],
        _now: Duration,
    ) -> Reload {
        todo!()
    }

    /// Directories whose changes make a [`reload`](Self::reload) worth while.
    pub fn watch(&self) -> Vec<PathBuf> {
        todo!()
    }

    /// What is wrong at present, ordered by file.
    pub fn problems(&self) -> Vec<Problem> {
        todo!()
    }

    /// Figures for status and metrics at `now`.
    pub fn summary(&self, _now: Duration) -> Summary {
        todo!()
    }
}
