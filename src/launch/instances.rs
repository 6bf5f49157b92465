//! What runs, or is about to. Pure bookkeeping: starts and ends nothing.

use super::life::Wish;
use super::protocol::{Instance, Notice, Process};
use crate::base::{AccountName, DocumentHash, UpstreamName};
use std::collections::hash_map::Entry as MapEntry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tokio::sync::watch;

/// What is known of one that runs, or is about to.
#[derive(Debug)]
pub(super) struct Entry {
    /// Whose program.
    pub(super) account: AccountName,
    /// Which.
    pub(super) upstream: UpstreamName,
    /// The document it was started by.
    pub(super) hash: DocumentHash,
    /// Its process; `None`: it is being started.
    pub(super) process: Option<Process>,
    /// Where wishes go.
    pub(super) wish: watch::Sender<Wish>,
    /// Where it is told what to renew itself to.
    pub(super) renewal: watch::Sender<Option<DocumentHash>>,
}

/// Instances of one upstream: one that serves, one that takes over, and some that finish what they have begun.
const MOST_OF_AN_UPSTREAM: usize = 8;

/// All that run or are about to, by their numbers: at most [`MOST_INSTANCES`].
#[derive(Debug, Default)]
pub(super) struct Instances {
    all: BTreeMap<Instance, Entry>,
    /// Those that were not started, and whose process does not die: nobody is told of them, and they count all the same.
    lingering: BTreeSet<Instance>,
    /// How many there are of each upstream.
    of: HashMap<(AccountName, UpstreamName), usize>,
}

impl Instances {
    /// Whether one of this number may be started.
    ///
    /// # Errors
    /// Why not, in one line for a person.
    pub(super) fn check_room(
        &self,
        instance: Instance,
        account: &AccountName,
        upstream: &UpstreamName,
    ) -> Result<(), String> {
        if self.all.contains_key(&instance) {
            return Err(format!("instance {instance} runs already"));
        }
        if self.all.len() >= MOST_INSTANCES {
            return Err(format!("{MOST_INSTANCES} programs run already"));
        }
        let same = self.of.get(&(account.clone(), upstream.clone()));
        if same.is_some_and(|count| *count >= MOST_OF_AN_UPSTREAM) {
            return Err(format!("{MOST_OF_AN_UPSTREAM} instances of it run already"));
        }
        Ok(())
    }

    /// Takes one up.
    pub(super) fn insert(&mut self, instance: Instance, entry: Entry) {
        *self.of.entry((entry.account.clone(), entry.upstream.clone())).or_default() += 1;
        self.all.insert(instance, entry);
    }

    /// One that was taken up, and is none that lingers.
    pub(super) fn get(&self, instance: Instance) -> Option<&Entry> {
        self.all.get(&instance).filter(|_| !self.lingering.contains(&instance))
    }

    /// One has a process.
    pub(super) fn started(&mut self, instance: Instance, process: Process) {
        if let Some(entry) = self.all.get_mut(&instance) {
            entry.process = Some(process);
        }
    }

    /// One was not started, and its process does not die.
    pub(super) fn linger(&mut self, instance: Instance) {
        if self.all.contains_key(&instance) {
            self.lingering.insert(instance);
        }
    }

    /// Forgets one that ended.
    pub(super) fn remove(&mut self, instance: Instance) {
        self.lingering.remove(&instance);
        let Some(Entry { account, upstream, .. }) = self.all.remove(&instance) else { return };
        if let MapEntry::Occupied(mut count) = self.of.entry((account, upstream)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Passes a wish on; one for an instance that is no more is fulfilled.
    pub(super) fn wish(&self, instance: Instance, wish: Wish) {
        if let Some(entry) = self.all.get(&instance) {
            entry.wish.send_if_modified(|old| std::mem::replace(old, wish.max(*old)) < wish);
        }
    }

    /// Has it renew itself to what `runs_as` stands for. Told twice before it is heard, it hears the last. Who is only
    /// about to run is told once he does.
    pub(super) fn renew(&self, instance: Instance, runs_as: DocumentHash) {
        if let Some(entry) = self.all.get(&instance) {
            entry.renewal.send_replace(Some(runs_as));
        }
    }

    /// It was told to.
    pub(super) fn renewed(&mut self, instance: Instance, runs_as: DocumentHash) {
        if let Some(process) = self.all.get_mut(&instance).and_then(|entry| entry.process.as_mut()) {
            process.runs_as = runs_as;
        }
    }

    /// Passes a wish on to all.
    pub(super) fn wish_all(&self, wish: Wish) {
        self.all.keys().for_each(|instance| self.wish(*instance, wish));
    }

    /// Whether none runs, and none is about to.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many run, or are about to.
    pub(super) fn len(&self) -> usize {
        self.all.len() - self.lingering.len()
    }

    /// What a new connection is told.
    pub(super) fn list(&self) -> Vec<Notice> {
        let known = self.all.iter().filter(|(instance, _)| !self.lingering.contains(instance));
        let running = known.map(|(instance, entry)| Notice::Running {
            instance: *instance,
            account: entry.account.clone(),
            upstream: entry.upstream.clone(),
            hash: entry.hash,
            process: entry.process.clone(),
            stopping: *entry.wish.borrow() != Wish::Run,
        });
        running.chain([Notice::Listed]).collect()
    }
}

/// Programs of one launcher: more than a machine runs.
pub(super) const MOST_INSTANCES: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(account: usize) -> (AccountName, UpstreamName) {
        (AccountName::new(&format!("a{account}")).unwrap(), UpstreamName::new("web").unwrap())
    }

    fn room(instances: &Instances, number: usize) -> Result<(), String> {
        let (account, upstream) = names(number);
        instances.check_room(Instance(number as u64), &account, &upstream)
    }

    fn entry(account: usize) -> (Entry, watch::Receiver<Wish>) {
        let (wish, wishes) = watch::channel(Wish::Run);
        let (account, upstream) = names(account);
        let hash = DocumentHash::of(b"");
        let process = Some(Process { pid: 2, uid: 3, runs_as: hash, socket: None, cgroup: None });
        (Entry { account, upstream, hash, process, wish, renewal: watch::Sender::default() }, wishes)
    }

    #[test]
    fn who_wishes_less_is_not_heard() {
        let mut instances = Instances::default();
        let (entry, mut wishes) = entry(1);
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
        instances.insert(Instance(0), entry(0).0);
        assert!(room(&instances, 0).unwrap_err().contains("runs already"));
        for number in 1..MOST_INSTANCES {
            assert_eq!(room(&instances, number), Ok(()));
            instances.insert(Instance(number as u64), entry(number).0);
        }
        let why = room(&instances, MOST_INSTANCES).unwrap_err();
        assert_eq!(why, "100000 programs run already");
        instances.remove(Instance(5));
        assert_eq!(room(&instances, MOST_INSTANCES), Ok(()));
        assert_eq!(instances.list().len(), MOST_INSTANCES);
    }

    #[test]
    fn one_upstream_does_not_have_them_all() {
        let mut instances = Instances::default();
        let (account, upstream) = names(1);
        for number in 0..MOST_OF_AN_UPSTREAM as u64 {
            assert_eq!(instances.check_room(Instance(number), &account, &upstream), Ok(()));
            instances.insert(Instance(number), entry(1).0);
        }
        let why = instances.check_room(Instance(99), &account, &upstream).unwrap_err();
        assert_eq!(why, "8 instances of it run already");
        assert_eq!(room(&instances, 99), Ok(()), "of another account");
        instances.remove(Instance(3));
        assert_eq!(instances.check_room(Instance(99), &account, &upstream), Ok(()));
    }
}
