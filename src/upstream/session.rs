//! An HTTP/2 connection to an upstream (RFC 9113, prior knowledge): the h2 crate's connection with the task that turns
//! it. It carries one request at a time, so that an upstream's `connections` mean the same in either version.

use crate::net::Stream;
use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use tokio::task::JoinHandle;

/// An open session. Dropped, it closes its connection at once.
pub(super) struct Session {
    sender: SendRequest<Bytes>,
    shared: Rc<Shared>,
    driver: JoinHandle<()>,
}

struct Shared {
    /// Until it has ended, or the session is dropped.
    connection: RefCell<Option<Connection<Stream, Bytes>>>,
    ended: Cell<bool>,
    /// Who is told of the end.
    watcher: RefCell<Option<Waker>>,
}

impl Session {
    /// Begins to speak HTTP/2 on `stream`. Within a local runtime.
    ///
    /// # Errors
    /// Where the preface cannot be written.
    pub(super) async fn begin(stream: Stream) -> Result<Self, h2::Error> {
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .max_header_list_size(HEADER_BYTES)
            .initial_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_send_buffer_size(crate::net::SEND_BYTES);
        let (sender, connection) = builder.handshake(stream).await?;
        let shared = Rc::new(Shared {
            connection: RefCell::new(Some(connection)),
            ended: Cell::new(false),
            watcher: RefCell::new(None),
        });
        let driver = tokio::task::spawn_local(Rc::clone(&shared).drive());
        Ok(Self { sender, shared, driver })
    }

    /// What requests are sent by.
    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.sender.clone()
    }

    /// Whether the connection has ended.
    pub(super) fn is_ended(&self) -> bool {
        self.shared.ended.get()
    }

    /// Ready when the connection has ended.
    pub(super) fn poll_ended(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_ended() {
            return Poll::Ready(());
        }
        *self.shared.watcher.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let connection = self.shared.connection.borrow_mut().take();
        drop(connection);
        self.driver.abort();
    }
}

impl Shared {
    async fn drive(self: Rc<Self>) {
        poll_fn(|cx| {
            let mut connection = self.connection.borrow_mut();
            let Some(open) = connection.as_mut() else { return Poll::Ready(()) };
            if let Err(error) = ready!(Pin::new(open).poll(cx)) {
                tracing::debug!(%error, "HTTP/2 to an upstream ended");
            }
            *connection = None;
            Poll::Ready(())
        })
        .await;
        self.ended.set(true);
        let watcher = self.watcher.borrow_mut().take();
        if let Some(watcher) = watcher {
            watcher.wake();
        }
    }
}

/// The last wall behind the setting for answers' heads, which is looked at when they are here.
const HEADER_BYTES: u32 = 1024 * 1024;

/// What an upstream may send of an answer before the visitor has taken any of it.
const WINDOW_BYTES: u32 = 256 * 1024;
