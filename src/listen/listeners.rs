//! The node's listening sockets, as a reload changes them. An address keeps its sockets for as long as it is
//! configured: closing one of a SO_REUSEPORT group resets the connections in its queue.

use super::{Inherited, Share, sockets};
use crate::config::{ListenId, Node};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::sync::watch;

/// The node's listening sockets, owned by the control thread.
#[derive(Debug)]
pub struct Listeners {
    sender: watch::Sender<Vec<Arc<Bound>>>,
    closed: AtomicBool,
}

/// The sockets of one address.
#[derive(Debug)]
pub struct Bound {
    /// Which `[[listen]]` they are for.
    pub id: ListenId,
    /// The address as bound: it differs where port 0 was configured.
    pub local: SocketAddr,
    /// Whether the sockets were handed in, and will outlive us.
    pub inherited: bool,
    sockets: Vec<OwnedFd>,
}

/// A worker's view of the listening sockets.
#[derive(Clone, Debug)]
pub struct Listening(watch::Receiver<Vec<Arc<Bound>>>);

/// Every address that could not be bound, with the cause and what might help.
#[derive(Debug, thiserror::Error)]
pub struct BindError(pub Vec<(SocketAddr, io::Error)>);

/// What a reload did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Addresses that are listened on now.
    pub bound: Vec<SocketAddr>,
    /// Addresses that are not listened on any more.
    pub closed: Vec<SocketAddr>,
}

impl Listeners {
    /// Binds every address of `node`, a socket for each worker, or takes what was handed in for it.
    ///
    /// # Errors
    /// Every address that cannot be bound.
    pub fn bind(node: &Node, inherited: &mut Inherited) -> Result<Self, BindError> {
        let bound = bind_all(node.listeners().map(|(id, _)| id), node.workers, inherited)?;
        Ok(Self { sender: watch::Sender::new(bound), closed: AtomicBool::new(false) })
    }

    /// Binds the addresses that are new in `node` and gives up those that are gone. All others keep their sockets,
    /// whatever else changed about them.
    ///
    /// # Errors
    /// As for [`bind`](Self::bind); nothing is changed then.
    pub fn apply(&self, node: &Node) -> Result<Changes, BindError> {
        if self.closed.load(Relaxed) {
            return Ok(Changes::default());
        }
        let old = self.bound();
        let is_new = |id: &ListenId| old.iter().all(|bound| bound.id != *id);
        let new_ids = node.listeners().map(|(id, _)| id).filter(is_new);
        let new = bind_all(new_ids, node.workers, &mut Inherited::default())?;
        let (kept, gone): (Vec<_>, Vec<_>) =
            old.into_iter().partition(|bound| node.listener(bound.id).is_some());
        let addresses = |list: &[Arc<Bound>]| list.iter().map(|bound| bound.local).collect();
        let changes = Changes { bound: addresses(&new), closed: addresses(&gone) };
        if changes != Changes::default() {
            self.sender.send_replace(kept.into_iter().chain(new).collect());
        }
        Ok(changes)
    }

    /// Gives every address up: each socket is closed when its worker has accepted what had queued up. What to do when
    /// the drain begins, so that nobody queues where nobody accepts. Sockets that were handed in live on where they
    /// came from, and their queues with them. No reload opens anything again.
    pub fn close(&self) {
        self.closed.store(true, Relaxed);
        self.sender.send_replace(Vec::new());
    }

    /// A view for a worker.
    pub fn watch(&self) -> Listening {
        Listening(self.sender.subscribe())
    }

    /// What is bound now.
    pub fn bound(&self) -> Vec<Arc<Bound>> {
        self.sender.borrow().clone()
    }
}

fn bind_all(
    ids: impl Iterator<Item = ListenId>,
    workers: usize,
    inherited: &mut Inherited,
) -> Result<Vec<Arc<Bound>>, BindError> {
    let mut bound = Vec::new();
    let mut failed = Vec::new();
    for id in ids {
        match Bound::new(id, workers, inherited.take_tcp(id.address)) {
            Ok(one) => bound.push(Arc::new(one)),
            Err(error) => failed.push((id.address, error)),
        }
    }
    if failed.is_empty() { Ok(bound) } else { Err(BindError(failed)) }
}

impl Bound {
    fn new(id: ListenId, workers: usize, handed_in: Vec<OwnedFd>) -> io::Result<Self> {
        let inherited = !handed_in.is_empty();
        let sockets =
            if inherited { sockets::prepare(handed_in)? } else { sockets::bind_group(id.address, workers)? };
        let local = sockets.first().and_then(sockets::local_address).unwrap_or(id.address);
        Ok(Self { id, local, inherited, sockets })
    }

    /// The sockets that a worker serves, each a descriptor of its own. Every socket has a worker and every worker a
    /// socket, whatever their numbers: where there are fewer sockets than workers, some share one.
    pub(super) fn share(&self, share: Share) -> io::Result<Vec<OwnedFd>> {
        let count = self.sockets.len();
        let (first, step) = if share.workers < count {
            (share.worker, share.workers)
        } else {
            (share.worker % count.max(1), count.max(1))
        };
        self.sockets.iter().skip(first).step_by(step).map(OwnedFd::try_clone).collect()
    }
}

impl Listening {
    /// What is bound now; a change after this is told by [`changed`](Self::changed).
    pub(super) fn bound(&mut self) -> Vec<Arc<Bound>> {
        self.0.borrow_and_update().clone()
    }

    /// Waits for a change; false when the sockets are being closed.
    pub(super) async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }

    /// Waits until `bound` is not to be listened on any more.
    pub(super) async fn gone(mut self, bound: &Arc<Bound>) {
        // An error says that all of them are gone.
        let _ = self.0.wait_for(|list| !list.iter().any(|one| Arc::ptr_eq(one, bound))).await;
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (address, error)) in self.0.iter().enumerate() {
            let (what, hint) = match error.kind() {
                io::ErrorKind::AddrInUse => ("address in use", " (is another front running?)"),
                io::ErrorKind::AddrNotAvailable => ("this machine does not have that address", ""),
                io::ErrorKind::PermissionDenied => {
                    ("permission denied", " (ports below 1024 need root or CAP_NET_BIND_SERVICE)")
                }
                _ => ("", ""),
            };
            let line = if place == 0 { "" } else { "\n" };
            match what {
                "" => write!(f, "{line}{address}: {error}")?,
                what => write!(f, "{line}{address}: {what}{hint}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::test_node;
    use std::net::TcpListener;

    const ANY_PORT: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];

    fn shares(bound: &Bound, workers: usize) -> Vec<Vec<usize>> {
        use std::os::fd::AsFd;
        let inode = |fd: &OwnedFd| rustix::fs::fstat(fd.as_fd()).unwrap().st_ino;
        let all: Vec<u64> = bound.sockets.iter().map(inode).collect();
        let place = |fd: &OwnedFd| all.iter().position(|one| *one == inode(fd)).unwrap();
        let share = |worker| bound.share(Share { worker, workers }).unwrap();
        (0..workers).map(|worker| share(worker).iter().map(place).collect()).collect()
    }

    #[test]
    fn every_socket_has_a_worker_and_every_worker_a_socket() {
        let listeners = Listeners::bind(&test_node(&ANY_PORT, 3), &mut Inherited::default()).unwrap();
        for bound in listeners.bound() {
            assert_eq!(bound.id.address.ip(), bound.local.ip());
            assert_ne!(bound.local.port(), 0);
            assert_eq!(shares(&bound, 3), [vec![0], vec![1], vec![2]]);
            assert_eq!(shares(&bound, 2), [vec![0, 2], vec![1]]);
            assert_eq!(shares(&bound, 5), [vec![0], vec![1], vec![2], vec![0], vec![1]]);
        }
    }

    #[test]
    fn every_address_that_cannot_be_bound_is_told() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = taken.local_addr().unwrap().to_string();
        let addresses = [taken.as_str(), "127.0.0.1:0", "192.0.2.1:80"];
        let error = Listeners::bind(&test_node(&addresses, 1), &mut Inherited::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{taken}: address in use (is another front running?)\n\
                 192.0.2.1:80: this machine does not have that address"
            )
        );
        let denied = BindError(vec![("[::]:443".parse().unwrap(), io::ErrorKind::PermissionDenied.into())]);
        assert!(denied.to_string().contains("CAP_NET_BIND_SERVICE"));
    }

    #[test]
    fn another_front_of_the_same_user_is_not_shared_with_by_accident() {
        let first = Listeners::bind(&test_node(&["127.0.0.1:0"], 2), &mut Inherited::default()).unwrap();
        let taken = first.bound()[0].local.to_string();
        assert!(Listeners::bind(&test_node(&[&taken], 2), &mut Inherited::default()).is_err());
        drop(first);
        assert!(Listeners::bind(&test_node(&[&taken], 2), &mut Inherited::default()).is_ok());
    }

    #[test]
    fn a_reload_keeps_sockets_binds_new_ones_and_fails_whole() {
        let listeners = Listeners::bind(&test_node(&ANY_PORT, 1), &mut Inherited::default()).unwrap();
        let before = listeners.bound();
        let more = test_node(&["[::1]:0", "127.0.0.2:0"], 4);
        let changes = listeners.apply(&more).unwrap();
        let after = listeners.bound();
        assert_eq!(changes, Changes { bound: vec![after[1].local], closed: vec![before[0].local] });
        assert_eq!(after[1].id.address, more.listen[1].address);
        assert!(Arc::ptr_eq(&before[1], &after[0]));
        assert_eq!(after.len(), 2);
        assert_eq!(listeners.apply(&more).unwrap(), Changes::default());

        listeners.apply(&test_node(&["192.0.2.1:80"], 1)).unwrap_err();
        assert!(Arc::ptr_eq(&after[0], &listeners.bound()[0]), "nothing changed");
    }

    #[test]
    fn listeners_that_leave_the_port_open_are_told_apart() {
        let twice = test_node(&["127.0.0.1:0", "127.0.0.1:0"], 1);
        let listeners = Listeners::bind(&twice, &mut Inherited::default()).unwrap();
        let bound = listeners.bound();
        assert_eq!(bound.iter().map(|one| one.id.place).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(listeners.apply(&twice).unwrap(), Changes::default());
        listeners.apply(&test_node(&["127.0.0.1:0"], 1)).unwrap();
        assert!(Arc::ptr_eq(&bound[0], &listeners.bound()[0]));
        assert_eq!(listeners.bound().len(), 1);
    }

    #[test]
    fn sockets_that_were_handed_in_are_used_as_they_are() {
        let socket = TcpListener::bind("[::1]:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut inherited = Inherited::from_sockets([("web".to_owned(), socket.into())]);
        let listeners = Listeners::bind(&test_node(&[&address.to_string()], 3), &mut inherited).unwrap();
        let bound = &listeners.bound()[0];
        assert!(bound.inherited);
        assert_eq!(shares(bound, 3), [vec![0], vec![0], vec![0]], "one socket for all workers");
        assert!(inherited.rest().is_empty());
    }
}
