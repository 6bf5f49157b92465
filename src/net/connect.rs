//! Opens connections to upstreams. No deadline in here: the caller knows how long it can wait.

use super::{Deadline, Socket, Stream};
use crate::base::now;
use smallvec::SmallVec;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// Where an upstream listens, names resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// TCP on either family.
    Ip(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// Opens a connection: without blocking, NODELAY on TCP. Dropping the future closes the socket.
///
/// # Errors
/// The kernel's, as [`io::ErrorKind`] names it (`ConnectionRefused`, `NotFound`, `HostUnreachable` …); a unix
/// socket whose queue is full is `WouldBlock`, and nothing tells when there is room.
pub async fn connect(to: &Endpoint) -> io::Result<Stream> {
    Ok(Stream::new(Socket::connect(to).await?))
}

/// Opens a connection to the first of `addresses` that answers (RFC 8305 §5): they are tried in this order, the next where
/// the one before failed or has not answered within a quarter of a second. Dropping the future closes all of them.
///
/// # Errors
/// Where none answers, what the first said; `InvalidInput` where there is none.
pub async fn connect_to_one_of(addresses: &[SocketAddr]) -> io::Result<Stream> {
    let mut left = addresses.iter();
    if let [address] = addresses {
        // Most have one.
        return connect(&Endpoint::Ip(*address)).await;
    }
    let mut attempts: SmallVec<[Attempt; 4]> = SmallVec::new();
    let mut first_error = None;
    let mut next = Deadline::new();
    let mut is_due = true;
    poll_fn(|cx| {
        loop {
            if let Some(address) = left.as_slice().first().filter(|_| is_due || attempts.is_empty()) {
                let endpoint = Endpoint::Ip(*address);
                attempts.push(Box::pin(async move { connect(&endpoint).await }));
                left.next();
                next.set(now() + HEAD_START);
                is_due = false;
            }
            let mut at = 0;
            while let Some(attempt) = attempts.get_mut(at) {
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        drop(attempts.remove(at));
                        first_error.get_or_insert(error);
                        is_due = true;
                    }
                    Poll::Pending => at += 1,
                }
            }
            if left.as_slice().is_empty() {
                if attempts.is_empty() {
                    let none = || io::Error::from(io::ErrorKind::InvalidInput);
                    return Poll::Ready(Err(first_error.take().unwrap_or_else(none)));
                }
                return Poll::Pending;
            }
            if !is_due {
                if next.poll_expired(cx).is_pending() {
                    return Poll::Pending;
                }
                is_due = true;
            }
        }
    })
    .await
}

/// A connection that is being opened.
type Attempt = Pin<Box<dyn Future<Output = io::Result<Stream>>>>;

/// How long an address is tried alone (RFC 8305 §8).
const HEAD_START: Duration = Duration::from_millis(250);
