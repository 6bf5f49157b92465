//! Hands a descriptor to the runtime's reactor: the one `unsafe` call of this module. Owns nothing.

use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers `fd`, edge-triggered: one `epoll_ctl` for the life of the descriptor.
///
/// # Panics
/// Outside of a runtime with I/O enabled: a mistake of ours, seen by the first connection.
pub fn register(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: `OwnedFd` is an open descriptor that stays open and the same until it is dropped, and only the
    // `AsyncFd` that now owns it can drop it.
    let registered = unsafe { AsyncFd::register_with_interest(fd, interest) };
    registered.map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[tokio::test(flavor = "local")]
    async fn a_registered_descriptor_wakes_whoever_waits_and_closes_when_dropped() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let registered = register(ours.into(), Interest::READABLE).unwrap();
        rustix::io::write(&theirs, b"x").unwrap();
        assert!(registered.readable().await.unwrap().ready().is_readable());
        drop(registered);
        assert_eq!(rustix::io::write(&theirs, b"x"), Err(rustix::io::Errno::PIPE));
    }
}
