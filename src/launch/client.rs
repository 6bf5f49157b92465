//! The node's end: gives orders, hears notices. Decides nothing, and does not connect again by itself.

use super::protocol::{Notice, Order};
use super::wire::{Incoming, Outgoing, greet};
use std::io;
use std::path::Path;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

/// Gives orders. When the last clone is dropped the launcher is told that no more come: one within the process kills
/// what runs, tells how each ended, and ends; one of its own lets programs run.
#[derive(Clone, Debug)]
pub struct Orders(mpsc::Sender<Order>);

/// Hears notices.
#[derive(Debug)]
pub struct Notices(Incoming);

/// The connection to the launcher is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection to the launcher is gone")]
pub struct Gone;

impl Orders {
    /// Gives an order. Never waits.
    ///
    /// # Errors
    /// The connection is gone, or the launcher takes nothing any more.
    pub fn send(&self, order: Order) -> Result<(), Gone> {
        self.0.try_send(order).map_err(|_| Gone)
    }
}

impl Notices {
    /// The next notice; `None`: the connection is gone. May be dropped while it waits, nothing is lost.
    pub async fn next(&mut self) -> Option<Notice> {
        self.0.next().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the connection to the launcher broke");
            None
        })
    }
}

/// Connects to a launcher of its own. Call it within a local runtime.
///
/// # Errors
/// The system's; `InvalidData` where the launcher speaks another version.
pub async fn connect(socket: &Path) -> io::Result<(Orders, Notices)> {
    let (incoming, outgoing) = greet(UnixStream::connect(socket).await?).await?;
    Ok(over(incoming, outgoing))
}

/// Both ends of a connection for who uses them.
pub(super) fn over(incoming: Incoming, outgoing: Outgoing) -> (Orders, Notices) {
    let (orders, given) = mpsc::channel(WAITING_ORDERS);
    tokio::task::spawn_local(pump(given, outgoing));
    (Orders(orders), Notices(incoming))
}

async fn pump(mut given: mpsc::Receiver<Order>, mut outgoing: Outgoing) {
    while let Some(order) = given.recv().await {
        if let Err(error) = outgoing.send(&order).await {
            tracing::warn!(%error, "the launcher takes no orders");
            return;
        }
    }
}

/// Orders that wait to be written: each of the most instances a launcher keeps, and then some.
const WAITING_ORDERS: usize = 2 * super::instances::MOST_INSTANCES;
