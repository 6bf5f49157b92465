//! A connection as the launcher sees it: orders are read one after the other, notices are written as they come, what
//! runs first. Owns its two tasks; carries nothing out.

use super::protocol::{Notice, Order};
use super::server::Event;
use super::wire::{Incoming, Outgoing};
use std::io;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// Its number.
    pub(super) number: u64,
    notices: mpsc::Sender<Notice>,
    reader: AbortHandle,
    writer: JoinHandle<()>,
}

impl Connection {
    /// Begins to read and write; `listing` is written first.
    pub(super) fn begin(
        number: u64,
        (incoming, outgoing): (Incoming, Outgoing),
        listing: Vec<Notice>,
        events: &mpsc::Sender<Event>,
    ) -> Self {
        let (notices, waiting) = mpsc::channel(MOST_WAITING);
        let writer = tokio::task::spawn_local(write(number, outgoing, listing, waiting, events.clone()));
        let reader = tokio::task::spawn_local(read(number, incoming, events.clone())).abort_handle();
        Self { number, notices, reader, writer }
    }

    /// Tells the other side. `false`: too much waits already, or it is gone.
    pub(super) fn tell(&self, notice: Notice) -> bool {
        self.notices.try_send(notice).is_ok()
    }

    /// Closes it at once: who is not heard any more is told nothing more either, and need not read first what waits.
    pub(super) fn close(self) {
        self.reader.abort();
        self.writer.abort();
    }

    /// Closes it once all that waits is written.
    pub(super) async fn finish(self) {
        self.reader.abort();
        drop(self.notices);
        // A writer that broke has said so.
        let _ = self.writer.await;
    }
}

async fn read(number: u64, mut incoming: Incoming, events: mpsc::Sender<Event>) {
    loop {
        let event = match incoming.next::<Order>().await {
            Ok(Some(order)) => Event::Order { connection: number, order },
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(%error, "a connection is closed");
                break;
            }
        };
        // The launcher ends.
        if events.send(event).await.is_err() {
            return;
        }
    }
    let _ = events.send(Event::Gone { connection: number }).await;
}

async fn write(
    number: u64,
    mut outgoing: Outgoing,
    listing: Vec<Notice>,
    mut waiting: mpsc::Receiver<Notice>,
    events: mpsc::Sender<Event>,
) {
    let mut all = async || -> io::Result<()> {
        for notice in &listing {
            outgoing.send(notice).await?;
        }
        while let Some(notice) = waiting.recv().await {
            outgoing.send(&notice).await?;
        }
        Ok(())
    };
    if let Err(error) = all().await {
        tracing::warn!(%error, "a connection is closed");
        let _ = events.send(Event::Gone { connection: number }).await;
    }
}

/// Notices that wait for a node that does not read: far more than happens while it is busy, and bounded in memory.
const MOST_WAITING: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::super::protocol::Instance;
    use super::super::wire::halves;
    use super::*;
    use tokio::net::UnixStream;

    /// One that does not read is not waited for.
    #[tokio::test(flavor = "local")]
    async fn what_is_closed_is_written_to_no_longer() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (events, mut happens) = mpsc::channel(1);
        let why = "x".repeat(1000);
        let listing = vec![Notice::NotStarted { instance: Instance(1), why }; 10_000];
        let connection = Connection::begin(1, halves(ours), listing, &events);
        let theirs = theirs.into_std().unwrap();
        // It is being written to: more than any socket holds.
        while rustix::io::ioctl_fionread(&theirs).unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        connection.close();
        drop(events);
        // Both tasks have ended, and neither says that it is gone.
        assert!(happens.recv().await.is_none());
    }
}
