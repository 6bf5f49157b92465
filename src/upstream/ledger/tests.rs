//! The ledger alone: counts stand for connections, numbers for workers.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

fn collect(ledger: &Ledger<u32>, ticket: Ticket) -> Option<Grant<u32>> {
    let waiting = pin!(ledger.wait(ticket, |_| ()));
    match waiting.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(grant) => Some(grant),
        Poll::Pending => None,
    }
}

fn must_wait(acquired: Result<Acquired, Full>) -> Ticket {
    match acquired {
        Ok(Acquired::Waits(ticket)) => ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn while_the_program_is_away_everybody_waits_and_then_they_are_let_in_as_far_as_there_is_room() {
    let ledger: Ledger<u32> = Ledger::new(2);
    ledger.leave();
    let tickets: Vec<Ticket> = (0..3).map(|who| must_wait(ledger.acquire(who, Own::Nothing, 3))).collect();
    assert!(matches!(ledger.acquire(3, Own::Idle, 3), Err(Full)));
    assert_eq!((ledger.word().open(), ledger.waiting()), (0, 3));
    ledger.come_back();
    assert!(matches!(collect(&ledger, tickets[0]), Some(Grant::Place)));
    assert!(matches!(collect(&ledger, tickets[1]), Some(Grant::Place)));
    assert!(collect(&ledger, tickets[2]).is_none());
    assert_eq!((ledger.word().open(), ledger.word().in_use()), (2, 2));
}

#[test]
fn who_waits_for_a_program_that_will_not_come_is_told_why_and_counts_nowhere() {
    let ledger: Ledger<u32> = Ledger::new(1);
    ledger.leave();
    let tickets: Vec<Ticket> = (0..2).map(|who| must_wait(ledger.acquire(who, Own::Nothing, 3))).collect();
    let why = Refusal::new(crate::base::Cause::StartFailed, "return code: 1");
    ledger.refuse(&why);
    for ticket in tickets {
        assert!(matches!(collect(&ledger, ticket), Some(Grant::Nothing(told)) if told == why));
    }
    assert_eq!((ledger.word().open(), ledger.waiting()), (0, 0));
    assert!(ledger.is_away());
    ledger.come_back();
    assert!(matches!(ledger.acquire(0, Own::Nothing, 3), Ok(Acquired::Place)));
}

#[test]
fn a_program_rests_only_where_nothing_is_under_way() {
    let ledger: Ledger<u32> = Ledger::new(1);
    let generation = ledger.word().generation();
    assert!(matches!(ledger.acquire(0, Own::Nothing, 3), Ok(Acquired::Place)));
    assert!(!ledger.rest(), "a connection is in use");
    let ticket = must_wait(ledger.acquire(0, Own::Nothing, 3));
    ledger.close();
    assert!(!ledger.rest(), "somebody was let in");
    collect(&ledger, ticket);
    assert_eq!(ledger.keep(generation), Returned::Idle);
    assert!(ledger.rest());
    assert!(!ledger.rest(), "it rests already");
    // What idles is left from before: it serves nobody, and is not kept.
    let ticket = must_wait(ledger.acquire(0, Own::Idle, 3));
    assert!(!ledger.serve(1, |_| panic!("a connection to nobody")));
    ledger.close_idle();
    assert_eq!((ledger.word().open(), ledger.waiting()), (0, 1));
    ledger.come_back();
    assert!(matches!(collect(&ledger, ticket), Some(Grant::Place)));
    assert_eq!(ledger.keep(generation), Returned::MustClose);
}

#[test]
fn use_is_noticed_once() {
    let ledger: Ledger<u32> = Ledger::new(1);
    assert!(!ledger.was_used());
    assert!(matches!(ledger.acquire(0, Own::Nothing, 3), Ok(Acquired::Place)));
    ledger.close();
    assert!(ledger.was_used());
    assert!(!ledger.was_used());
}

#[test]
fn a_closed_connection_is_a_place_for_the_first_in_line() {
    let ledger: Ledger<u32> = Ledger::new(1);
    assert!(matches!(ledger.acquire(0, Own::Nothing, 2), Ok(Acquired::Place)));
    let first = must_wait(ledger.acquire(1, Own::Nothing, 2));
    let second = must_wait(ledger.acquire(2, Own::Nothing, 2));
    assert!(matches!(ledger.acquire(3, Own::Nothing, 2), Err(Full)));
    assert_eq!(ledger.waiting(), 2);
    ledger.close();
    assert_eq!((ledger.word().open(), ledger.word().in_use()), (1, 1));
    assert!(matches!(collect(&ledger, first), Some(Grant::Place)));
    ledger.close();
    assert!(matches!(collect(&ledger, second), Some(Grant::Place)));
    ledger.close();
    assert_eq!(ledger.word(), Word::NEW);
}

#[test]
fn a_returned_connection_goes_to_the_first_in_line_and_nobody_overtakes() {
    let ledger: Ledger<u32> = Ledger::new(1);
    let generation = ledger.word().generation();
    assert!(matches!(ledger.acquire(0, Own::Nothing, 9), Ok(Acquired::Place)));
    let first = must_wait(ledger.acquire(7, Own::Nothing, 9));
    assert_eq!(ledger.keep(generation), Returned::SomebodyWaits);
    assert!(ledger.pass_on(|who| Grant::Connection(who as u32)));
    assert!(matches!(collect(&ledger, first), Some(Grant::Connection(7))));
    assert_eq!(ledger.keep(generation), Returned::Idle);
    assert!(matches!(ledger.acquire(0, Own::Idle, 9), Ok(Acquired::Own)));
    assert_eq!((ledger.word().open(), ledger.word().in_use()), (1, 1));
}

#[test]
fn who_holds_an_idle_connection_does_not_overtake_the_line_with_it() {
    let ledger: Ledger<u32> = Ledger::new(2);
    for _ in 0..2 {
        assert!(matches!(ledger.acquire(0, Own::Nothing, 9), Ok(Acquired::Place)));
    }
    assert_eq!(ledger.keep(ledger.word().generation()), Returned::Idle);
    let first = must_wait(ledger.acquire(1, Own::Nothing, 9));
    let second = must_wait(ledger.acquire(0, Own::Idle, 9));
    assert!(!ledger.serve(1, |who| Grant::Connection(who as u32)), "nothing idles any more");
    assert!(matches!(collect(&ledger, first), Some(Grant::Connection(1))));
    ledger.close();
    assert!(matches!(collect(&ledger, second), Some(Grant::Place)));
}

#[test]
fn an_unfit_connection_makes_room_only_where_there_is_none() {
    let ledger: Ledger<u32> = Ledger::new(2);
    assert!(matches!(ledger.acquire(0, Own::Nothing, 9), Ok(Acquired::Place)));
    assert_eq!(ledger.keep(ledger.word().generation()), Returned::Idle);
    assert!(matches!(ledger.acquire(0, Own::Unfit, 9), Ok(Acquired::Place)));
    assert!(matches!(ledger.acquire(0, Own::Unfit, 9), Ok(Acquired::Own)));
}

#[test]
fn more_room_lets_the_line_in_and_less_keeps_nothing_surplus() {
    let ledger: Ledger<u32> = Ledger::new(1);
    assert!(matches!(ledger.acquire(0, Own::Nothing, 9), Ok(Acquired::Place)));
    let waits = must_wait(ledger.acquire(0, Own::Nothing, 9));
    ledger.set_cap(2);
    assert!(matches!(collect(&ledger, waits), Some(Grant::Place)));
    ledger.set_cap(1);
    let generation = ledger.word().generation();
    assert_eq!(ledger.keep(generation), Returned::MustClose);
    ledger.close();
    assert_eq!(ledger.keep(generation), Returned::Idle);
}

#[test]
fn neither_an_older_generation_nor_a_retired_upstream_keeps_anything() {
    let ledger: Ledger<u32> = Ledger::new(2);
    assert!(matches!(ledger.acquire(0, Own::Nothing, 9), Ok(Acquired::Place)));
    let old = ledger.word().generation();
    ledger.renew();
    assert_eq!(ledger.keep(old), Returned::MustClose);
    assert!(!ledger.is_retired());
    ledger.retire();
    assert_eq!(ledger.keep(ledger.word().generation()), Returned::MustClose);
    assert!(ledger.is_retired());
}

#[derive(Clone, Debug)]
enum Step {
    Ask { worker: usize },
    Return { place: usize },
    Close { place: usize },
    CloseIdle { worker: usize },
    Attend { worker: usize },
    Leave { place: usize },
    Cap(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let place = 0usize..16;
    prop_oneof![
        8 => (0..WORKERS).prop_map(|worker| Step::Ask { worker }),
        5 => place.clone().prop_map(|place| Step::Return { place }),
        2 => place.clone().prop_map(|place| Step::Close { place }),
        1 => (0..WORKERS).prop_map(|worker| Step::CloseIdle { worker }),
        3 => (0..WORKERS).prop_map(|worker| Step::Attend { worker }),
        2 => place.prop_map(|place| Step::Leave { place }),
        1 => (0u32..5).prop_map(Step::Cap),
    ]
}

/// Workers that only count: what the pools do with connections, this does with numbers.
struct World {
    ledger: Ledger<u32>,
    idle: [u32; WORKERS],
    in_use: Vec<usize>,
    waiting: VecDeque<(usize, Ticket)>,
}

impl World {
    fn new() -> Self {
        Self { ledger: Ledger::new(2), idle: [0; WORKERS], in_use: Vec::new(), waiting: VecDeque::new() }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Ask { worker } => {
                let own = if self.idle[worker] > 0 { Own::Idle } else { Own::Nothing };
                match self.ledger.acquire(worker, own, 6) {
                    Ok(Acquired::Own) => {
                        self.idle[worker] -= 1;
                        self.in_use.push(worker);
                    }
                    Ok(Acquired::Place) => self.in_use.push(worker),
                    Ok(Acquired::Waits(ticket)) => {
                        self.waiting.push_back((worker, ticket));
                        self.attend(worker);
                    }
                    Err(Full) => assert_eq!(self.waiting.len(), 6),
                }
            }
            Step::Return { place } if place < self.in_use.len() => {
                let worker = self.in_use.swap_remove(place);
                match self.ledger.keep(self.ledger.word().generation()) {
                    Returned::Idle => self.idle[worker] += 1,
                    Returned::MustClose => self.ledger.close(),
                    Returned::SomebodyWaits => {
                        if !self.ledger.pass_on(|who| Grant::Connection(who as u32)) {
                            self.idle[worker] += 1;
                        }
                    }
                }
            }
            Step::Close { place } if place < self.in_use.len() => {
                self.in_use.swap_remove(place);
                self.ledger.close();
            }
            Step::CloseIdle { worker } if self.idle[worker] > 0 => {
                self.idle[worker] -= 1;
                self.ledger.close_idle();
            }
            Step::Attend { worker } => self.attend(worker),
            Step::Leave { place } if place < self.waiting.len() => {
                let (_, ticket) = self.waiting.remove(place).unwrap();
                drop(self.ledger.wait(ticket, |_| self.ledger.close()));
            }
            Step::Cap(cap) => self.ledger.set_cap(cap),
            _ => {}
        }
        self.collect();
    }

    fn attend(&mut self, worker: usize) {
        let idle = &mut self.idle[worker];
        self.ledger.serve(*idle as usize, |who| {
            *idle -= 1;
            Grant::Connection(who as u32)
        });
    }

    /// Waiters take what they were granted; only the front of the line may have been.
    fn collect(&mut self) {
        let mut behind_a_gap = false;
        let waiting = std::mem::take(&mut self.waiting);
        for (worker, ticket) in waiting {
            // Polling must not take the waiter out of the line.
            let mut wait = std::mem::ManuallyDrop::new(self.ledger.wait(ticket, |_| ()));
            match std::pin::Pin::new(&mut *wait).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(grant) => {
                    assert!(!behind_a_gap, "somebody was overtaken");
                    if let Grant::Connection(who) = grant {
                        assert_eq!(who as usize, worker);
                    }
                    self.in_use.push(worker);
                }
                Poll::Pending => {
                    behind_a_gap = true;
                    self.waiting.push_back((worker, ticket));
                }
            }
        }
    }
}

const WORKERS: usize = 3;

proptest! {
    /// In whatever order things happen: the counts are exact, no place is free while somebody waits, a
    /// connection idles beside a waiter only until its holder has been asked, and all ends at zero.
    #[test]
    fn nobody_waits_beside_what_is_free(steps in proptest::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        let mut cap = 2;
        for step in steps {
            let before = world.ledger.word().open();
            world.take(&step);
            if let Step::Cap(new) = step { cap = new; }
            let word = world.ledger.word();
            prop_assert_eq!(word.in_use() as usize, world.in_use.len());
            prop_assert_eq!(word.idle(), world.idle.iter().sum::<u32>());
            prop_assert!(word.open() <= cap.max(before), "more opened than the cap");
            // Who leaves does not clear the bit; whoever next takes the lock does.
            prop_assert!(world.waiting.is_empty() || word.somebody_waits());
            prop_assert_eq!(world.ledger.waiting(), world.waiting.len());
            prop_assert!(world.waiting.is_empty() || word.open() >= cap, "waits beside a free place");
        }
        for worker in 0..WORKERS {
            world.take(&Step::Attend { worker });
        }
        prop_assert!(world.waiting.is_empty() || world.ledger.word().idle() == 0, "waits beside an idle one");
        world.take(&Step::Cap(1));
        while !world.waiting.is_empty() || !world.in_use.is_empty() {
            world.take(&Step::Close { place: 0 });
        }
        for worker in 0..WORKERS {
            while world.idle[worker] > 0 {
                world.take(&Step::CloseIdle { worker });
            }
        }
        prop_assert_eq!(world.ledger.word(), Word::NEW);
    }
}

/// Threads that hammer one ledger: never more open than the cap, and zero at the end.
#[test]
fn threads_never_open_more_than_the_cap() {
    const CAP: usize = 3;
    let ledger: Ledger<u32> = Ledger::new(CAP as u32);
    let open = AtomicUsize::new(0);
    let granted = AtomicUsize::new(0);
    let generation = ledger.word().generation();
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (ledger, open, granted) = (&ledger, &open, &granted);
            scope.spawn(move || {
                runtime().block_on(async {
                    for turn in 0..2_000 {
                        let grant = match ledger.acquire(worker, Own::Nothing, 100).unwrap() {
                            Acquired::Waits(ticket) => ledger.wait(ticket, |_| ()).await,
                            Acquired::Place | Acquired::Own => Grant::Place,
                        };
                        granted.fetch_add(1, Ordering::Relaxed);
                        if matches!(grant, Grant::Place) {
                            assert!(open.fetch_add(1, Ordering::SeqCst) < CAP);
                        }
                        if turn % 7 == 0 {
                            std::thread::yield_now();
                        }
                        // Every other one is passed on where somebody waits; none is left idle.
                        let passed = turn % 2 == 0
                            && ledger.keep(generation) == Returned::SomebodyWaits
                            && ledger.pass_on(|_| Grant::Connection(0));
                        if !passed {
                            open.fetch_sub(1, Ordering::SeqCst);
                            if turn % 2 == 0 { ledger.close_idle() } else { ledger.close() }
                        }
                    }
                });
            });
        }
    });
    assert_eq!(granted.into_inner(), 8_000);
    assert_eq!((open.into_inner(), ledger.word()), (0, Word::NEW));
}
