//! What documents attach: which file, for which of an account's hosts. Reads no file.

use super::place::{Place, Slot, Source};
use crate::base::{AccountName, HostPattern};
use crate::config::AttachedCertificate;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};

/// The `[[certificate]]` tables of all documents. Every change costs what its account's tables cost.
#[derive(Debug, Default)]
pub struct Attachments {
    tables: BTreeMap<AccountName, Tables>,
    /// The same by file: several accounts may attach one.
    accounts: BTreeMap<PathBuf, BTreeSet<AccountName>>,
}

/// One account's files, each with all names that the account attaches it to.
type Tables = BTreeMap<PathBuf, Vec<HostPattern>>;

impl Attachments {
    /// Takes an account's tables over and returns the slots it had.
    pub fn replace(&mut self, account: &AccountName, tables: &[AttachedCertificate]) -> BTreeSet<Slot> {
        let had = self.slots_by(account).collect();
        for file in self.tables.remove(account).unwrap_or_default().into_keys() {
            if let Some(accounts) = self.accounts.get_mut(&file) {
                accounts.remove(account);
                if accounts.is_empty() {
                    self.accounts.remove(&file);
                }
            }
        }
        let mut files = Tables::new();
        for table in tables {
            files.entry(table.file.clone()).or_default().extend(table.names.iter().cloned());
            self.accounts.entry(table.file.clone()).or_default().insert(account.clone());
        }
        if !files.is_empty() {
            self.tables.insert(account.clone(), files);
        }
        had
    }

    /// The names that `slot` is attached to; `None` where no document attaches it.
    pub fn patterns(&self, slot: &Slot) -> Option<&[HostPattern]> {
        let Source::Attached(account) = &slot.source else { return None };
        Some(self.tables.get(account)?.get(slot.place.path())?)
    }

    /// The slots of one account.
    pub fn slots_by(&self, account: &AccountName) -> impl Iterator<Item = Slot> {
        self.tables.get(account).into_iter().flat_map(|files| files.keys().map(|file| slot(account, file)))
    }

    /// The slots that read the file at `path`, or a file below the directory there.
    pub fn slots_of(&self, path: &Path) -> impl Iterator<Item = Slot> {
        self.accounts
            .range::<Path, _>((Bound::Included(path), Bound::Unbounded))
            .take_while(move |(file, _)| file.starts_with(path))
            .flat_map(|(file, accounts)| accounts.iter().map(move |account| slot(account, file)))
    }

    /// All slots.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.tables.keys().flat_map(|account| self.slots_by(account))
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.accounts.keys().map(PathBuf::as_path)
    }
}

fn slot(account: &AccountName, file: &Path) -> Slot {
    Slot { source: Source::Attached(account.clone()), place: Place::File(file.to_owned()) }
}
