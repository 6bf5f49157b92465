//! Takes turns between handshakes and everything else on a worker: however many visitors open connections at once, the
//! requests of those who are served wait for a few handshakes at a time, not for all of them. Knows nothing of TLS.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use tokio::task::{spawn_local, yield_now};

/// Runs `future`, whose steps are dear, so that it and its like take [`STEPS`] steps in a turn of the worker's loop. In a
/// turn that has room it costs nothing to wait for one; who has to wait goes on in the order of asking.
pub(super) async fn in_turn<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut place: Option<Rc<Place>> = None;
    poll_fn(|cx| {
        let may_step = match &place {
            Some(place) => place.called.get(),
            None => TURNS.with(Turns::take),
        };
        if may_step {
            place = None;
            return future.as_mut().poll(cx);
        }
        match &place {
            Some(place) => place.waker.borrow_mut().clone_from(cx.waker()),
            None => place = Some(TURNS.with(|turns| turns.queue(cx.waker()))),
        }
        Poll::Pending
    })
    .await
}

/// The worker has done all there was to do and is about to sleep: a new turn begins when it wakes. Where it never sleeps,
/// those who wait begin one themselves.
pub fn turn_ended() {
    // At the end of a thread the turns may have gone first.
    let _ = TURNS.try_with(Turns::end);
}

/// What is left of this turn, and who waits for the next.
struct Turns {
    left: Cell<usize>,
    /// Bounded by the connections of the worker.
    waiting: RefCell<VecDeque<Rc<Place>>>,
    /// Whether somebody calls those who wait.
    is_called: Cell<bool>,
}

/// A place in the queue.
struct Place {
    called: Cell<bool>,
    waker: RefCell<Waker>,
}

impl Turns {
    /// Takes one of this turn's steps, where there is one and nobody was here before.
    fn take(&self) -> bool {
        let left = self.left.get();
        if left == 0 || !self.waiting.borrow().is_empty() {
            return false;
        }
        self.left.set(left - 1);
        true
    }

    fn end(&self) {
        if !self.is_called.get() {
            self.left.set(STEPS);
        }
    }

    fn queue(&self, waker: &Waker) -> Rc<Place> {
        let place = Rc::new(Place { called: Cell::new(false), waker: RefCell::new(waker.clone()) });
        self.waiting.borrow_mut().push_back(Rc::clone(&place));
        if !self.is_called.replace(true) {
            spawn_local(call_all());
        }
        place
    }

    /// Gives the steps of a new turn to those who wait; whether there were any.
    fn call(&self) -> bool {
        let mut called = 0;
        while called < STEPS {
            let Some(place) = self.waiting.borrow_mut().pop_front() else { break };
            // Whoever has given up has left the place to us alone.
            if Rc::strong_count(&place) > 1 {
                place.called.set(true);
                place.waker.borrow().wake_by_ref();
                called += 1;
            }
        }
        self.left.set(STEPS - called);
        called > 0
    }
}

/// Begins a turn whenever the worker has looked for what else there is to do, until nobody waits.
async fn call_all() {
    /// A runtime that ends takes everybody who waited with it.
    struct Leaving;
    impl Drop for Leaving {
        fn drop(&mut self) {
            let _ = TURNS.try_with(|turns| {
                turns.left.set(STEPS);
                turns.waiting.borrow_mut().clear();
                turns.is_called.set(false);
            });
        }
    }

    let _leaving = Leaving;
    loop {
        yield_now().await;
        if !TURNS.with(Turns::call) {
            return;
        }
    }
}

/// Steps of handshakes in a turn of the loop. One with a signature takes up to a quarter of a millisecond: everybody
/// else waits a millisecond at most.
const STEPS: usize = 4;

thread_local! {
    static TURNS: Turns = const {
        Turns { left: Cell::new(STEPS), waiting: RefCell::new(VecDeque::new()), is_called: Cell::new(false) }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `count` futures of `steps` steps each, in turn, beside one that is always ready; how many steps were taken
    /// between each two looks of that one.
    async fn steps_between_looks(count: usize, steps: usize) -> Vec<usize> {
        let taken = Rc::new(Cell::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..count {
            let taken = Rc::clone(&taken);
            tasks.spawn_local(in_turn(async move {
                for _ in 0..steps {
                    taken.set(taken.get() + 1);
                    yield_now().await;
                }
            }));
        }
        let mut looks = Vec::new();
        while taken.get() < count * steps {
            let before = taken.get();
            yield_now().await;
            looks.push(taken.get() - before);
        }
        while tasks.join_next().await.is_some() {}
        looks
    }

    #[tokio::test(flavor = "local")]
    async fn a_storm_leaves_room_between_its_steps() {
        let looks = steps_between_looks(100, 3).await;
        assert!(looks.iter().all(|steps| *steps <= 2 * STEPS), "{looks:?}");
        assert!(looks.len() >= 300 / (2 * STEPS));
    }

    /// A worker that slept has a new turn, and one that did not has none before those who wait had theirs.
    #[tokio::test(flavor = "local")]
    async fn a_turn_ends_when_the_worker_sleeps() {
        let taken = Rc::new(Cell::new(0));
        let step = || {
            let taken = Rc::clone(&taken);
            spawn_local(in_turn(async move { taken.set(taken.get() + 1) }))
        };
        for turn in 1..=3 {
            let steps: Vec<_> = (0..STEPS).map(|_| step()).collect();
            yield_now().await;
            assert_eq!(taken.get(), turn * STEPS, "nobody waits");
            for step in steps {
                step.await.unwrap();
            }
            turn_ended();
        }
        let waiting: Vec<_> = (0..=2 * STEPS).map(|_| step()).collect();
        yield_now().await;
        turn_ended();
        assert_eq!(taken.get(), 4 * STEPS, "those who wait have theirs first");
        for step in waiting {
            step.await.unwrap();
        }
    }

    #[tokio::test(flavor = "local")]
    async fn whoever_gives_up_while_waiting_holds_nobody_up() {
        let mut given_up = tokio::task::JoinSet::new();
        for _ in 0..50 {
            given_up.spawn_local(in_turn(std::future::pending::<()>()));
        }
        yield_now().await;
        given_up.shutdown().await;
        assert!(steps_between_looks(10, 2).await.len() >= 2);
        assert!(TURNS.with(|turns| turns.waiting.borrow().is_empty()));
    }
}
