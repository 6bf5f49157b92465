//! When requests are due: evenly spread over the time, whether or not earlier ones were answered. A proxy that is late
//! once is then late for all that fell due meanwhile, as it would be for visitors who do not know of each other.

use crate::Outcome;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// Hands requests to lanes: a lane sends one request after the other.
pub struct Pace {
    lanes: Box<[Lane]>,
    /// How many requests fall due at one moment.
    burst: usize,
    over: Cell<bool>,
}

#[derive(Default)]
struct Lane {
    due: RefCell<VecDeque<Instant>>,
    wake: Notify,
}

impl Pace {
    /// A pace for so many lanes, `burst` neighbours of which are due together.
    pub fn new(lanes: usize, burst: usize) -> Self {
        let lanes = std::iter::repeat_with(Lane::default).take(lanes).collect();
        Self { lanes, burst, over: Cell::new(false) }
    }

    /// Lets `rate` requests a second fall due, for `time`.
    pub async fn run(&self, rate: f64, time: Duration) -> Outcome<()> {
        let timer = Timer::new()?;
        let bursts = (rate * time.as_secs_f64() / self.burst as f64) as usize;
        let apart = Duration::from_secs_f64(self.burst as f64 / rate);
        let begun = Instant::now();
        for burst in 0..bursts {
            let due = begun + apart * burst as u32;
            timer.until(due).await?;
            let first = burst * self.burst % self.lanes.len();
            for lane in &self.lanes[first..first + self.burst] {
                lane.due.borrow_mut().push_back(due);
                lane.wake.notify_one();
            }
        }
        self.over.set(true);
        self.lanes.iter().for_each(|lane| lane.wake.notify_one());
        Ok(())
    }

    /// When the next request of a lane was due, as soon as it is; `None` after the last.
    pub async fn due(&self, lane: usize) -> Option<Instant> {
        let lane = &self.lanes[lane];
        loop {
            if let Some(due) = lane.due.borrow_mut().pop_front() {
                return Some(due);
            }
            if self.over.get() {
                return None;
            }
            lane.wake.notified().await;
        }
    }
}

/// A timer finer than the runtime's millisecond: at 8,000 requests a second that would send eight at once.
struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    fn new() -> Outcome<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self(parvis::net::register(timer, Interest::READABLE)?))
    }

    async fn until(&self, due: Instant) -> Outcome<()> {
        let wait = due.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Ok(());
        }
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let it_value = Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() };
        let once = Itimerspec { it_interval: never, it_value };
        rustix::time::timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            let expired = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0; 8])?));
            if let Ok(expired) = expired {
                expired?;
                return Ok(());
            }
        }
    }
}
