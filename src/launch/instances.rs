//! What runs. Pure bookkeeping: starts and ends nothing.

use super::life::Wish;
use super::protocol::{Instance, Notice};
use crate::base::{AccountName, DocumentHash, UpstreamName};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tokio::sync::watch;

/// What is known of one that runs.
#[derive(Debug)]
pub(super) struct Entry {
    /// Whose program.
    pub(super) account: AccountName,
    /// Which.
    pub(super) upstream: UpstreamName,
    /// The document it was started by.
    pub(super) hash: DocumentHash,
    /// Its process.
    pub(super) pid: u32,
    /// The user it runs as.
    pub(super) uid: u32,
    /// Where it listens, if its address is `"auto"`.
    pub(super) socket: Option<PathBuf>,
    /// Where wishes go.
    pub(super) wish: watch::Sender<Wish>,
}

/// All that run, by their numbers: at most [`MOST_INSTANCES`].
#[derive(Debug, Default)]
pub(super) struct Instances(BTreeMap<Instance, Entry>);

impl Instances {
    /// Whether one of this number may be started.
    ///
    /// # Errors
    /// Why not, in one line for a person.
    pub(super) fn check_room(&self, instance: Instance) -> Result<(), String> {
        if self.0.contains_key(&instance) {
            return Err(format!("instance {instance} runs already"));
        }
        if self.0.len() >= MOST_INSTANCES {
            return Err(format!("{MOST_INSTANCES} programs run already"));
        }
        Ok(())
    }

    /// Takes one up.
    pub(super) fn insert(&mut self, instance: Instance, entry: Entry) {
        self.0.insert(instance, entry);
    }

    /// Forgets one that ended.
    pub(super) fn remove(&mut self, instance: Instance) {
        self.0.remove(&instance);
    }

    /// Passes a wish on; one for an instance that is no more is fulfilled.
    pub(super) fn wish(&self, instance: Instance, wish: Wish) {
        if let Some(entry) = self.0.get(&instance) {
            entry.wish.send_if_modified(|old| std::mem::replace(old, wish.max(*old)) < wish);
        }
    }

    /// The same for all.
    pub(super) fn wish_all(&self, wish: Wish) {
        self.0.keys().for_each(|instance| self.wish(*instance, wish));
    }

    /// Whether none runs.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many run.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What a new connection is told.
    pub(super) fn list(&self) -> Vec<Notice> {
        let running = self.0.iter().map(|(instance, entry)| Notice::Running {
            instance: *instance,
            account: entry.account.clone(),
            upstream: entry.upstream.clone(),
            hash: entry.hash,
            pid: entry.pid,
            uid: entry.uid,
            socket: entry.socket.clone(),
        });
        running.chain([Notice::Listed]).collect()
    }
}

/// Programs of one launcher: more than a machine runs.
pub(super) const MOST_INSTANCES: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> (Entry, watch::Receiver<Wish>) {
        let (wish, wishes) = watch::channel(Wish::Run);
        let account = AccountName::new("alice").unwrap();
        let upstream = UpstreamName::new("web").unwrap();
        let hash = DocumentHash::of(b"");
        (Entry { account, upstream, hash, pid: 2, uid: 3, socket: None, wish }, wishes)
    }

    #[test]
    fn who_wishes_less_is_not_heard() {
        let mut instances = Instances::default();
        let (entry, mut wishes) = entry();
        instances.insert(Instance(1), entry);
        for (wish, is_news) in [
            (Wish::Run, false),
            (Wish::Stop, true),
            (Wish::Stop, false),
            (Wish::Kill, true),
            (Wish::Stop, false),
        ] {
            instances.wish_all(wish);
            assert_eq!(wishes.has_changed().unwrap(), is_news, "{wish:?}");
            wishes.mark_unchanged();
        }
        assert_eq!(*wishes.borrow(), Wish::Kill);
        instances.wish(Instance(2), Wish::Kill);
    }

    #[test]
    fn a_number_is_used_once_and_there_is_an_end_to_them() {
        let mut instances = Instances::default();
        instances.insert(Instance(0), entry().0);
        assert!(instances.check_room(Instance(0)).unwrap_err().contains("runs already"));
        for number in 1..MOST_INSTANCES {
            assert_eq!(instances.check_room(Instance(number as u64)), Ok(()));
            instances.insert(Instance(number as u64), entry().0);
        }
        let why = instances.check_room(Instance(u64::MAX)).unwrap_err();
        assert_eq!(why, "100000 programs run already");
        instances.remove(Instance(5));
        assert_eq!(instances.check_room(Instance(u64::MAX)), Ok(()));
        assert_eq!(instances.list().len(), MOST_INSTANCES);
    }
}
