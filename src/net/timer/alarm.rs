//! One alarm clock of the kernel for a thread's wheel. The reactor waits for it as for any socket, so that a
//! thread that waits for nothing else reads no clock when it wakes.

use crate::net::unsafe_register;
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A timer of the kernel that goes off at one time.
pub(super) struct Alarm {
    fd: AsyncFd<OwnedFd>,
    set: Option<Instant>,
}

impl Alarm {
    /// An alarm that is not set. Two syscalls.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub(super) fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { fd: unsafe_register::register(fd, Interest::READABLE)?, set: None })
    }

    /// Ready once `at` has passed. One syscall where the alarm was set to another time, none where not.
    pub(super) fn poll_at(
        &mut self,
        cx: &mut Context<'_>,
        at: Instant,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        if self.set != Some(at) {
            // A time that has passed is one nanosecond away: zero would unset the alarm.
            let away = at.saturating_duration_since(now).max(Duration::from_nanos(1));
            let it_value = Timespec {
                tv_sec: away.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: away.subsec_nanos().into(),
            };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
            timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &once)?;
            self.set = Some(at);
        }
        // Ends by itself: a turn finds the alarm gone off, or an edge of the time set before, and forgets that.
        loop {
            let mut edge = ready!(self.fd.poll_read_ready(cx))?;
            match rustix::io::read(self.fd.get_ref(), &mut [0; 8]) {
                Ok(_) => {
                    edge.clear_ready();
                    break;
                }
                Err(Errno::AGAIN) => edge.clear_ready(),
                // It is still there to be read, and no further edge will tell.
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        self.set = None;
        Poll::Ready(Ok(()))
    }
}
