//! Coarse deadlines of a worker's connections: one wheel a thread, driven by one alarm of the kernel while
//! anything is armed. To set or move a deadline is a write: no syscall, no allocation. Made for runtimes that
//! poll their tasks on one thread, as those of workers do.

mod alarm;
mod wheel;

use self::alarm::Alarm;
use self::wheel::Wheel;
use crate::base;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::marker::PhantomData;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// A place in the thread's wheel that a connection keeps for its life. It expires a tick (100 ms) late at most,
/// never early.
#[derive(Debug)]
pub struct Deadline {
    place: u32,
    // The place is one of this thread's wheel.
    _thread: PhantomData<*const ()>,
}

/// The deadline came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("deadline elapsed")]
pub struct Elapsed;

impl Deadline {
    /// A place in this thread's wheel, with no deadline set.
    pub fn new() -> Self {
        Self { place: with(|timer| timer.wheel.insert()), _thread: PhantomData }
    }

    /// Sets or moves the deadline. One moved to a time that is still to come is no longer expired; one set to a time
    /// that has passed is so at once.
    ///
    /// # Panics
    /// Outside of a runtime, when it is the first to be set in it.
    pub fn set(&mut self, at: Instant) {
        let call = with(|timer| {
            timer.wheel.set(self.place, at);
            timer.driver.call(timer.wheel.next())
        });
        match call {
            Call::None => {}
            Call::Wake(waker) => waker.wake(),
            Call::Start => {
                if let Err(error) = start() {
                    // The next that is set tries again.
                    tracing::error!(%error, "no timer for deadlines");
                }
            }
        }
    }

    /// No deadline until the next [`set`](Self::set).
    pub fn clear(&mut self) {
        with(|timer| timer.wheel.clear(self.place));
    }

    /// Ready once the deadline set has passed, and from then on until it is moved. Pending, and nothing will
    /// wake the task, while none is set.
    pub fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (expired, _replaced) = with(|timer| {
            if timer.wheel.is_expired(self.place) {
                (Poll::Ready(()), None)
            } else {
                (Poll::Pending, timer.wheel.watch(self.place, cx.waker()))
            }
        });
        expired
    }
}

impl Default for Deadline {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        // At the end of a thread its wheel may have gone first, and this place with it.
        let _waker = TIMER.try_with(|timer| timer.borrow_mut().wheel.remove(self.place));
    }
}

/// Starts what turns this thread's wheel, where nothing does yet. Deadlines do so themselves; who starts it first learns
/// whether it can be.
///
/// # Errors
/// When the process has no descriptor left.
///
/// # Panics
/// Outside of a runtime with I/O enabled.
pub fn start() -> io::Result<()> {
    if with(|timer| !matches!(timer.driver, Driver::None)) {
        return Ok(());
    }
    let alarm = Alarm::new()?;
    with(|timer| timer.driver = Driver::Starting);
    // Any runtime that polls its tasks on this thread will do.
    drop(tokio::spawn(drive(alarm)));
    Ok(())
}

/// Wakes everybody on this thread who waits for a deadline, expired or not: to look at what has changed for all.
/// Cost: grows with them.
pub fn wake_all() {
    let mut wakers = Vec::new();
    with(|timer| timer.wheel.take_wakers(&mut wakers));
    wakers.into_iter().for_each(Waker::wake);
}

/// Runs `future` until `deadline`. One that is ready at once costs no place in the wheel.
pub async fn within<F: Future>(deadline: Instant, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut place = None;
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        place.get_or_insert_with(|| Deadline::at(deadline)).poll_expired(cx).map(|()| Err(Elapsed))
    })
    .await
}

/// Waits until `at`, or a tick longer.
pub async fn until(at: Instant) {
    let mut deadline = Deadline::at(at);
    poll_fn(|cx| deadline.poll_expired(cx)).await;
}

impl Deadline {
    fn at(at: Instant) -> Self {
        let mut deadline = Self::new();
        deadline.set(at);
        deadline
    }
}

/// The thread's wheel and who turns it.
struct Timer {
    wheel: Wheel,
    driver: Driver,
}

/// The task that turns the wheel.
enum Driver {
    /// There is none (yet, or its runtime has ended).
    None,
    /// It was started and has not run yet: it will look at everything.
    Starting,
    /// It waits for this time, or to be called.
    Waiting(Option<Instant>, Waker),
}

/// What is to be done so that the wheel is turned in time.
enum Call {
    None,
    Wake(Waker),
    Start,
}

impl Driver {
    fn call(&mut self, next: Option<Instant>) -> Call {
        let (Some(next), driver) = (next, self) else { return Call::None };
        match driver {
            Driver::None => Call::Start,
            Driver::Starting => Call::None,
            Driver::Waiting(until, _) if until.is_some_and(|until| until <= next) => Call::None,
            Driver::Waiting(..) => match std::mem::replace(driver, Driver::Starting) {
                Driver::Waiting(_, waker) => Call::Wake(waker),
                Driver::None | Driver::Starting => Call::None,
            },
        }
    }
}

/// Turns this thread's wheel for as long as the runtime lives.
async fn drive(mut alarm: Alarm) {
    struct Leaving;
    impl Drop for Leaving {
        fn drop(&mut self) {
            let _ = TIMER.try_with(|timer| timer.borrow_mut().driver = Driver::None);
        }
    }

    let _leaving = Leaving;
    let mut woken = Vec::new();
    poll_fn(|cx| turn(cx, &mut alarm, &mut woken)).await;
}

fn turn(cx: &mut Context<'_>, alarm: &mut Alarm, woken: &mut Vec<Waker>) -> Poll<()> {
    let now = base::now();
    let (all, next) = with(|timer| {
        let all = timer.wheel.advance(now, ENTRIES_PER_TURN, woken);
        let next = timer.wheel.next();
        timer.driver = Driver::Waiting(next, cx.waker().clone());
        (all, next)
    });
    // Waking runs code that may set deadlines: not while the wheel is borrowed.
    woken.drain(..).for_each(Waker::wake);
    if !all {
        cx.waker().wake_by_ref();
    } else if let Some(next) = next {
        match alarm.poll_at(cx, next, now) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => cx.waker().wake_by_ref(),
            // The kernel refuses no sound call on a timer that is open.
            Poll::Ready(Err(error)) => {
                tracing::error!(%error, "the timer for deadlines broke");
                return Poll::Ready(());
            }
        }
    }
    Poll::Pending
}

fn with<R>(f: impl FnOnce(&mut Timer) -> R) -> R {
    TIMER.with(|timer| f(&mut timer.borrow_mut()))
}

/// Deadlines looked at before other tasks get their turn: some 50 µs.
const ENTRIES_PER_TURN: usize = 1024;

thread_local! {
    static TIMER: RefCell<Timer> =
        RefCell::new(Timer { wheel: Wheel::new(base::now()), driver: Driver::None });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn soon(milliseconds: u64) -> Instant {
        base::now() + Duration::from_millis(milliseconds)
    }

    #[tokio::test]
    async fn the_deadline_ends_what_does_not_end() {
        let at = soon(20);
        assert_eq!(within(at, std::future::pending::<()>()).await, Err(Elapsed));
        assert!(base::now() >= at, "never early");
        assert_eq!(within(soon(0), async { 7 }).await, Ok(7));
        let at = soon(30);
        assert_eq!(within(soon(60_000), until(at)).await, Ok(()));
        assert!(base::now() >= at);
    }

    #[tokio::test]
    async fn a_deadline_moved_nearer_wakes_the_driver_and_one_moved_away_waits() {
        let mut far = Deadline::new();
        far.set(soon(3_600_000));
        tokio::task::yield_now().await;
        let mut near = Deadline::new();
        near.set(soon(10));
        poll_fn(|cx| {
            assert!(far.poll_expired(cx).is_pending());
            near.poll_expired(cx)
        })
        .await;
        let ready = poll_fn(|cx| Poll::Ready(near.poll_expired(cx))).await;
        assert!(ready.is_ready(), "it stays expired");
        near.set(soon(3_600_000));
        far.set(soon(10));
        poll_fn(|cx| {
            assert!(near.poll_expired(cx).is_pending());
            far.poll_expired(cx)
        })
        .await;
        far.clear();
        assert!(poll_fn(|cx| Poll::Ready(far.poll_expired(cx))).await.is_pending());
    }

    #[test]
    fn a_second_runtime_on_the_thread_turns_the_wheel_again() {
        let mut outlives = None;
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                outlives = Some(Deadline::at(soon(3_600_000)));
                until(soon(10)).await;
            });
        }
        drop(outlives);
        assert_eq!(with(|timer| timer.wheel.len()), 0);
    }

    #[tokio::test(flavor = "local")]
    async fn many_deadlines_of_many_tasks() {
        let count = std::rc::Rc::new(std::cell::Cell::new(0));
        for n in 0..3000 {
            let count = count.clone();
            tokio::task::spawn_local(async move {
                until(soon(n % 50)).await;
                count.set(count.get() + 1);
            });
        }
        let ended = within(soon(60_000), async {
            while count.get() < 3000 {
                until(soon(1)).await;
            }
        });
        assert_eq!(ended.await, Ok(()));
    }
}
