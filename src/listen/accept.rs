//! Accepting: one loop a socket on its worker, in bounded batches, patient where descriptors run out.

use crate::base::{ClientAddr, LocalAddr, PeerAddr, now};
use crate::config::Listen;
use crate::net::{Socket, Stream};
use crate::telemetry::Sparse;
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with, getsockname};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// A connection that was just accepted.
pub struct Accepted {
    /// Its bytes.
    pub stream: Stream,
    /// Who opened it.
    pub peer: PeerAddr,
    /// The visitor, as far as the connection itself tells.
    pub client: ClientAddr,
    /// Our address, as the visitor knows it.
    pub local: LocalAddr,
    /// Where it was accepted.
    pub listen: Arc<Listen>,
}

/// Accepts connections on `socket` and hands each to `handle`, for as long as it is polled.
///
/// # Errors
/// Where the socket cannot be watched, or is no listening socket any more.
pub async fn accept(socket: OwnedFd, listen: Arc<Listen>, handle: impl Fn(Accepted)) -> io::Result<()> {
    let socket = AsyncFd::with_interest(socket, tokio::io::Interest::READABLE)?;
    loop {
        let mut ready = socket.readable().await?;
        for _ in 0..BATCH {
            match acceptfrom_with(&socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok((fd, peer)) => {
                    let peer = peer.and_then(|address| SocketAddr::try_from(address).ok());
                    // A connection that is gone before it could be looked at is nobody's loss.
                    if let Some(accepted) = peer.and_then(|peer| adopt(fd, peer, &listen).ok()) {
                        handle(accepted);
                    }
                }
                Err(Errno::AGAIN) => {
                    ready.clear_ready();
                    break;
                }
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    static TOLD: Sparse = Sparse::new();
                    if let Some(more) = TOLD.tell(now()) {
                        tracing::error!(more, "no descriptor or memory for a new connection; waiting");
                    }
                    tokio::time::sleep(PATIENCE).await;
                    break;
                }
                Err(Errno::BADF | Errno::INVAL | Errno::NOTSOCK | Errno::OPNOTSUPP) => {
                    return Err(io::Error::other("not a listening socket"));
                }
                // The connection failed while it waited (accept(2)): the next one may be fine.
                Err(_) => {}
            }
        }
        drop(ready);
        tokio::task::yield_now().await;
    }
}

fn adopt(fd: OwnedFd, peer: SocketAddr, listen: &Arc<Listen>) -> io::Result<Accepted> {
    let local = getsockname(&fd)?;
    let local = SocketAddr::try_from(local).unwrap_or(listen.address);
    Ok(Accepted {
        stream: Stream::new(Socket::adopt(fd)?),
        peer: PeerAddr(peer),
        client: ClientAddr(peer),
        local: LocalAddr(local),
        listen: Arc::clone(listen),
    })
}

/// Connections accepted before the worker's other tasks have their turn.
const BATCH: usize = 32;

/// The pause when descriptors or memory ran out: long enough for some to be freed, short against the backlog.
const PATIENCE: Duration = Duration::from_millis(50);
