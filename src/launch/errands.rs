//! Errands that may take as long as they like: each runs on a thread of its own, at most one of an account at a time and a
//! few in all. One that hangs keeps its place, so that no account takes those of others; nobody waits for it at the end.

use crate::base::AccountName;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread;
use tokio::sync::{Semaphore, oneshot};

/// Who may run an errand.
#[derive(Debug)]
pub(super) struct Errands {
    all: Arc<Semaphore>,
    /// Of those accounts that have one under way, or wait.
    of: RefCell<HashMap<AccountName, Arc<Semaphore>>>,
}

impl Default for Errands {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(MOST_ERRANDS)), of: RefCell::default() }
    }
}

impl Errands {
    /// Runs an errand of `account` once it is its turn. Dropped before, it never runs; afterwards it runs to its end, and
    /// what it brings is dropped.
    ///
    /// # Errors
    /// The system's: there is no thread for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        account: &AccountName,
        errand: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let closed = |_| io::Error::other("no errand is run any more");
        let own = self.own(account);
        // The account's first: who waits for an errand of his own keeps no place from others.
        let own = own.acquire_owned().await.map_err(closed)?;
        let place = Arc::clone(&self.all).acquire_owned().await.map_err(closed)?;
        aside(move || {
            let done = errand();
            drop((own, place));
            done
        })
        .await
    }

    fn own(&self, account: &AccountName) -> Arc<Semaphore> {
        let mut of = self.of.borrow_mut();
        // Those who have a place, or wait for one, hold it as well.
        of.retain(|_, one| Arc::strong_count(one) > 1);
        Arc::clone(of.entry(account.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))))
    }
}

/// Runs an errand of nobody's on a thread of its own, at once. How many there are is for the caller to bound.
///
/// # Errors
/// The system's: there is no thread for it.
pub(super) async fn aside<T: Send + 'static>(errand: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (bring, brought) = oneshot::channel();
    // Who left waits for nothing.
    let main = move || drop(bring.send(errand()));
    thread::Builder::new().name("errand".to_owned()).spawn(main)?;
    brought.await.map_err(|_| io::Error::other("it came to nothing"))
}

/// Errands at a time: more than a machine has processors for, since most of them wait for a disk.
const MOST_ERRANDS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;
    use tokio::time::timeout;

    const MOMENT: Duration = Duration::from_millis(50);
    const PATIENCE: Duration = Duration::from_secs(30);

    fn account(name: &str) -> AccountName {
        AccountName::new(name).unwrap()
    }

    #[tokio::test(flavor = "local")]
    async fn who_hangs_keeps_his_own_errands_waiting_and_no_others() {
        let errands = Errands::default();
        let (alice, bob) = (account("alice"), account("bob"));
        let (release, hang) = channel::<()>();
        let hanging = errands.run(&alice, move || hang.recv().is_err());
        assert!(timeout(MOMENT, hanging).await.is_err());
        assert!(timeout(MOMENT, errands.run(&alice, || ())).await.is_err(), "it left, and still hangs");
        assert_eq!(timeout(PATIENCE, errands.run(&bob, || 7)).await.unwrap().unwrap(), 7);
        drop(release);
        assert_eq!(timeout(PATIENCE, errands.run(&alice, || 8)).await.unwrap().unwrap(), 8);
        let who_has_none_is_forgotten = async {
            errands.own(&bob);
            while errands.of.borrow().len() > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
                errands.own(&bob);
            }
        };
        timeout(PATIENCE, who_has_none_is_forgotten).await.unwrap();
    }

    #[tokio::test(flavor = "local")]
    async fn there_are_so_many_at_a_time_and_no_more() {
        let errands = Errands::default();
        let (release, hang) = channel::<()>();
        let hang = Arc::new(std::sync::Mutex::new(hang));
        for number in 0..MOST_ERRANDS {
            let (name, hang) = (account(&format!("a{number}")), Arc::clone(&hang));
            let hanging = errands.run(&name, move || drop(hang.lock().map(|hang| hang.recv())));
            assert!(timeout(Duration::from_millis(5), hanging).await.is_err());
        }
        assert!(timeout(MOMENT, errands.run(&account("bob"), || ())).await.is_err());
        drop(release);
        timeout(PATIENCE, errands.run(&account("bob"), || ())).await.unwrap().unwrap();
    }
}
