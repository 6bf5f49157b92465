//! The line: order, grants, and who leaves with one.

use super::*;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Default)]
struct Counter(AtomicUsize);

impl std::task::Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

#[test]
fn a_granted_waiter_is_woken_and_finds_its_grant() {
    let queue: Queue<&str, u32> = Queue::new();
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(counter.clone());
    let ticket = queue.lock().join("first", 1).unwrap();
    assert_eq!(queue.lock().join("second", 1), Err(Full));
    let mut waiting = queue.wait(ticket, |_| panic!("nothing to pass on"));
    assert!(poll(&mut waiting, &waker).is_pending());
    let wake = queue.lock().grant_with(|who| who.len() as u32).unwrap();
    assert_eq!(counter.0.load(Ordering::SeqCst), 0);
    wake.wake();
    assert_eq!(counter.0.load(Ordering::SeqCst), 1);
    assert_eq!(poll(&mut waiting, &waker), Poll::Ready(5));
    assert!(queue.lock().is_empty());
    assert!(queue.lock().grant_with(|_| panic!("made for nobody")).is_none());
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let queue: Queue<(), ()> = Queue::new();
    let counters = [Arc::new(Counter::default()), Arc::new(Counter::default())];
    let ticket = queue.lock().join((), 1).unwrap();
    let mut waiting = queue.wait(ticket, |()| ());
    for counter in &counters {
        assert!(poll(&mut waiting, &Waker::from(counter.clone())).is_pending());
    }
    queue.lock().grant_with(|()| ()).unwrap().wake();
    assert_eq!(counters.map(|counter| counter.0.load(Ordering::SeqCst)), [0, 1]);
}

#[test]
fn a_waiter_that_leaves_passes_its_grant_on() {
    let queue: Queue<u8, u32> = Queue::new();
    let passed = RefCell::new(Vec::new());
    let tickets: Vec<Ticket> = (0..3).map(|who| queue.lock().join(who, 3).unwrap()).collect();
    let mut waiting: Vec<_> =
        tickets.iter().map(|ticket| queue.wait(*ticket, |grant| passed.borrow_mut().push(grant))).collect();
    queue.lock().grant_with(|who| u32::from(*who) + 70).unwrap().wake();
    drop(waiting.remove(1));
    assert!(passed.borrow().is_empty(), "the second had been granted nothing");
    drop(waiting.remove(0));
    assert_eq!(*passed.borrow(), [70]);
    assert_eq!(queue.lock().first(), Some(&2));
    assert_eq!(queue.lock().len(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Join,
    Grant,
    Collect(usize),
    Leave(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Join),
        2 => Just(Step::Grant),
        2 => (0usize..8).prop_map(Step::Collect),
        1 => (0usize..8).prop_map(Step::Leave),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    /// Grants go out in the order of joining, each to one waiter, and none is lost: a grant is collected,
    /// passed on, or still there at the end.
    #[test]
    fn first_come_first_served_and_no_grant_lost(steps in steps()) {
        const BOUND: usize = 5;
        let waker = Waker::from(Arc::new(Counter::default()));
        let mut line: Line<u64, u64> = Line::new();
        let (mut waiting, mut granted) = (VecDeque::new(), Vec::new());
        let mut joined = 0;
        for step in steps {
            match step {
                Step::Join => {
                    let ticket = line.join(joined, BOUND);
                    prop_assert_eq!(ticket.is_err(), waiting.len() == BOUND);
                    if let Ok(ticket) = ticket {
                        waiting.push_back((ticket, joined));
                        joined += 1;
                    }
                }
                Step::Grant => {
                    let wake = line.grant_with(|who| *who);
                    prop_assert_eq!(wake.is_some(), !waiting.is_empty());
                    granted.extend(waiting.pop_front());
                }
                Step::Collect(place) if place < granted.len() => {
                    let (ticket, who) = granted.remove(place);
                    prop_assert_eq!(line.poll(ticket, &waker), Poll::Ready(who));
                }
                Step::Leave(place) if place < granted.len() => {
                    let (ticket, who) = granted.remove(place);
                    prop_assert_eq!(line.leave(ticket), Some(who));
                }
                Step::Collect(place) if !waiting.is_empty() => {
                    let (ticket, _) = waiting[place % waiting.len()];
                    prop_assert_eq!(line.poll(ticket, &waker), Poll::Pending);
                }
                Step::Leave(place) if !waiting.is_empty() => {
                    let (ticket, _) = waiting.remove(place % waiting.len()).unwrap();
                    prop_assert_eq!(line.leave(ticket), None);
                }
                Step::Collect(_) | Step::Leave(_) => {}
            }
            prop_assert_eq!(line.len(), waiting.len());
            prop_assert_eq!(line.first(), waiting.front().map(|(_, who)| who));
            prop_assert_eq!(line.granted.len(), granted.len());
        }
    }
}
