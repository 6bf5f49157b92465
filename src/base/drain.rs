//! The node's drain: one switch, many observers. Observers ask between requests; waiting for it costs nothing
//! until it is thrown.

use std::time::Instant;
use tokio::sync::watch;

/// Throws the drain; held by the control thread.
#[derive(Debug)]
pub struct DrainSwitch(watch::Sender<Option<Instant>>);

/// Sees the drain; cheap to clone, held by every connection.
#[derive(Clone, Debug)]
pub struct Drain(watch::Receiver<Option<Instant>>);

impl DrainSwitch {
    /// A switch that is off, and its first observer.
    pub fn new() -> (Self, Drain) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), Drain(receiver))
    }

    /// Starts the drain: connections end after their current requests, at `deadline` at the latest.
    pub fn begin(&self, deadline: Instant) {
        self.0.send_replace(Some(deadline));
    }
}

impl Drain {
    /// When the drain ends everything, if it has begun.
    pub fn deadline(&self) -> Option<Instant> {
        *self.0.borrow()
    }

    /// Whether the drain has begun.
    pub fn has_begun(&self) -> bool {
        self.deadline().is_some()
    }

    /// The same as [`begun`](Self::begun), of an observer of its own.
    pub async fn into_begun(mut self) -> Instant {
        self.begun().await
    }

    /// Returns the deadline once the drain begins; never returns if the switch is gone without it.
    pub async fn begun(&mut self) -> Instant {
        loop {
            if let Some(deadline) = *self.0.borrow_and_update() {
                return deadline;
            }
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
