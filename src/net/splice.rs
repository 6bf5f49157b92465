//! Bytes from one socket to another inside the kernel (splice(2)): never seen here, so never copied. Owns the pipe that
//! they pass; knows nothing of what they mean.

use super::socket::{Moved, Socket};
use crate::base::Pooled;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice};
use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// A transfer from one socket to another.
pub struct Splice {
    pipe: Rc<Pipe>,
    /// Bytes that left the one socket and have not reached the other.
    inside: usize,
}

/// What a step of a transfer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes were taken off the one socket.
    Taken(usize),
    /// So many bytes went to the other.
    Given(usize),
    /// The one socket has no more.
    Ended,
}

/// Which side of a transfer broke.
#[derive(Debug)]
pub enum Broken {
    /// Whence the bytes came.
    Source(io::Error),
    /// Where they went.
    Sink(io::Error),
}

impl Splice {
    /// A transfer of which nothing has moved yet; `None` where the system gives no pipe worth having: then bytes are
    /// copied as ever.
    pub fn begin() -> Option<Self> {
        Some(Self { pipe: POOL.with_borrow_mut(Pool::take)?, inside: 0 })
    }

    /// Whether every byte taken was given: a pending step waits for `from` then, else for `to`.
    pub fn is_empty(&self) -> bool {
        self.inside == 0
    }

    /// Takes up to `most` bytes (at least one) off `from`, or gives to `to` what was taken before: a step at a time, so
    /// that bytes are taken only into an empty pipe.
    pub fn poll_step(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Socket,
        to: &mut Socket,
        most: u64,
    ) -> Poll<Result<Step, Broken>> {
        if self.inside == 0 {
            let room = usize::try_from(most).map_or(self.pipe.bytes, |most| most.min(self.pipe.bytes));
            // The pipe is empty: who would have to wait is the socket. A short step says nothing, since a pipe is full
            // when its slots are, however few bytes are in them.
            let took = from.poll_receive_with(cx, |socket| {
                let bytes = move_bytes(socket, self.pipe.input.as_fd(), room)?;
                Ok(Moved { bytes, more: true })
            });
            return Poll::Ready(match ready!(took) {
                Ok(0) => Ok(Step::Ended),
                Ok(bytes) => {
                    self.inside = bytes;
                    Ok(Step::Taken(bytes))
                }
                Err(error) => Err(Broken::Source(error)),
            });
        }
        self.poll_give(cx, to).map(|gave| gave.map(Step::Given).map_err(Broken::Sink))
    }

    /// Gives to `to` of what was taken.
    pub fn poll_give(&mut self, cx: &mut Context<'_>, to: &mut Socket) -> Poll<io::Result<usize>> {
        let inside = self.inside;
        let bytes = ready!(to.poll_send_with(cx, |socket| {
            let bytes = move_bytes(self.pipe.output.as_fd(), socket, inside)?;
            Ok(Moved { bytes, more: bytes == inside })
        }))?;
        self.inside -= bytes;
        Poll::Ready(Ok(bytes))
    }
}

impl Drop for Splice {
    fn drop(&mut self) {
        // Bytes that are stuck in it would reach another connection.
        let pipe = self.is_empty().then(|| Rc::clone(&self.pipe));
        // At the end of a thread the pool may have gone first.
        let _ = POOL.try_with(|pool| pool.borrow_mut().give_back(pipe));
    }
}

fn move_bytes(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> Result<usize, Errno> {
    splice(from, None, to, None, most, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)
}

/// A pipe of the thread's pool.
struct Pipe {
    /// Where bytes come out, and where they go in.
    output: OwnedFd,
    input: OwnedFd,
    /// What it holds.
    bytes: usize,
}

impl Pipe {
    fn open() -> Option<Self> {
        let (output, input) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // What the user may have of larger pipes is bounded by the system: then it stays as it is.
        let _ = fcntl_setpipe_size(&input, PIPE_BYTES);
        let bytes = fcntl_getpipe_size(&input).ok()?;
        (bytes >= LEAST_PIPE_BYTES).then_some(Self { output, input, bytes })
    }
}

/// A thread's pipes.
struct Pool {
    idle: Vec<Rc<Pipe>>,
    lent: usize,
}

impl Pool {
    /// Lends a pipe, unless there are too many, or none can be had.
    fn take(&mut self) -> Option<Rc<Pipe>> {
        if self.lent >= LENT_MOST {
            return None;
        }
        let pipe = self.idle.pop().or_else(|| Pipe::open().map(Rc::new))?;
        self.lent += 1;
        Pooled::Pipe.took();
        Some(pipe)
    }

    fn give_back(&mut self, pipe: Option<Rc<Pipe>>) {
        self.lent -= 1;
        Pooled::Pipe.gave_back();
        if self.idle.len() < IDLE_MOST {
            self.idle.extend(pipe);
        }
    }
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { idle: Vec::new(), lent: 0 }) };
}

/// Bytes from which on a run is worth a pipe: below, two more syscalls cost more than the copy.
pub const LEAST_RUN: u64 = 64 * 1024;

/// What a pipe is asked to hold: four times what a copy moves at once. Memory of the kernel's, of which a user may have
/// so much.
const PIPE_BYTES: usize = 256 * 1024;

/// A pipe smaller than this moves less in a step than a buffer does.
const LEAST_PIPE_BYTES: usize = 64 * 1024;

/// Pipes of a worker at work at once, of two descriptors and 256 KiB of the kernel's memory each: whoever comes later is
/// copied.
const LENT_MOST: usize = 256;

/// Pipes a worker keeps for the next transfer.
const IDLE_MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn ends() -> (Socket, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Socket::adopt(ours.into()).unwrap(), theirs)
    }

    /// A transfer that ends with bytes in its pipe must not leave them to the next.
    #[tokio::test]
    async fn what_is_stuck_in_a_pipe_reaches_nobody() {
        let (mut from, mut sender) = ends();
        let (mut to, mut receiver) = ends();
        for (said, cut) in [(b"stuck", true), (b"fresh", false)] {
            sender.write_all(said).unwrap();
            let mut splice = Splice::begin().unwrap();
            let took = poll_fn(|cx| splice.poll_step(cx, &mut from, &mut to, 100)).await.unwrap();
            assert_eq!(took, Step::Taken(5));
            if !cut {
                let gave = poll_fn(|cx| splice.poll_step(cx, &mut from, &mut to, 100)).await.unwrap();
                assert_eq!(gave, Step::Given(5));
            }
        }
        drop(to);
        let mut received = Vec::new();
        receiver.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"fresh");
    }

    #[test]
    fn pipes_are_used_again_and_bounded() {
        let lent: Vec<Splice> = (0..LENT_MOST).map_while(|_| Splice::begin()).collect();
        assert_eq!(lent.len(), LENT_MOST);
        assert!(Splice::begin().is_none(), "one more");
        drop(lent);
        POOL.with_borrow(|pool| assert_eq!((pool.lent, pool.idle.len()), (0, IDLE_MOST)));
        assert!(Splice::begin().is_some());
    }
}
