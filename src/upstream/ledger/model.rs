//! The ledger under loom: every interleaving of two or three threads, with the memory orders as written.

use super::*;
use loom::future::block_on;
use loom::sync::Arc;
use loom::thread::{JoinHandle, spawn};

/// Tries every interleaving with at most three preemptions, more than any known mistake needed.
fn model(check: impl Fn(Arc<Ledger<u32>>) + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let ledger = Arc::new(Ledger::new(1));
        assert!(matches!(ledger.acquire(0, Own::Nothing, 9), Ok(Acquired::Place)), "the first is free");
        check(ledger);
    });
}

/// Acquires as another worker does and waits as long as it takes.
fn acquirer(ledger: &Arc<Ledger<u32>>) -> JoinHandle<()> {
    let ledger = ledger.clone();
    spawn(move || match ledger.acquire(1, Own::Nothing, 9).unwrap() {
        Acquired::Waits(ticket) => drop(block_on(ledger.wait(ticket, |_| ()))),
        Acquired::Place => {}
        Acquired::Own => panic!("it has none"),
    })
}

fn counts(ledger: &Ledger<u32>) -> (u32, u32) {
    (ledger.word().open(), ledger.word().in_use())
}

/// Whoever waits is given the connection, or sees who holds it: never does it idle unseen.
#[test]
fn nobody_waits_beside_a_connection_that_idles_unseen() {
    model(|ledger| {
        let noted = Arc::new(AtomicU64::new(0));
        let generation = ledger.word().generation();
        let keeper = {
            let (ledger, noted) = (ledger.clone(), noted.clone());
            spawn(move || {
                // As the pools do: tell where it is, then count it as idle.
                noted.store(1, Ordering::Relaxed);
                match ledger.keep(generation) {
                    Returned::Idle => true,
                    Returned::SomebodyWaits => !ledger.pass_on(|_| Grant::Connection(1)),
                    Returned::MustClose => panic!("it may be kept"),
                }
            })
        };
        let waiter = {
            let (ledger, noted) = (ledger.clone(), noted.clone());
            spawn(move || match ledger.acquire(1, Own::Nothing, 9).unwrap() {
                Acquired::Waits(ticket) => {
                    let ask = ledger.serve(0, |_| panic!("it has none"));
                    (ticket, ask && noted.load(Ordering::Relaxed) == 1)
                }
                other => panic!("at the cap: {other:?}"),
            })
        };
        let idles = keeper.join().unwrap();
        let (ticket, asks) = waiter.join().unwrap();
        if idles {
            assert!(asks, "it idles, and the waiter does not know whom to ask");
            ledger.serve(1, |_| Grant::Connection(1));
        }
        assert!(matches!(block_on(ledger.wait(ticket, |_| ())), Grant::Connection(1)));
        assert_eq!(counts(&ledger), (1, 1));
    });
}

#[test]
fn a_close_frees_a_place_for_who_waits() {
    model(|ledger| {
        let acquirer = acquirer(&ledger);
        ledger.close();
        acquirer.join().unwrap();
        assert_eq!(counts(&ledger), (1, 1));
        assert!(!ledger.word().somebody_waits());
    });
}

#[test]
fn who_leaves_takes_no_place_along() {
    model(|ledger| {
        let leaver = {
            let ledger = ledger.clone();
            spawn(move || match ledger.acquire(2, Own::Nothing, 9).unwrap() {
                Acquired::Waits(ticket) => drop(ledger.wait(ticket, |_| ledger.close())),
                Acquired::Place => ledger.close(),
                Acquired::Own => panic!("it has none"),
            })
        };
        let acquirer = acquirer(&ledger);
        ledger.close();
        leaver.join().unwrap();
        acquirer.join().unwrap();
        assert_eq!(counts(&ledger), (1, 1));
    });
}

#[test]
fn more_room_is_not_missed_by_who_begins_to_wait() {
    model(|ledger| {
        let acquirer = acquirer(&ledger);
        ledger.set_cap(2);
        acquirer.join().unwrap();
        assert_eq!(counts(&ledger), (2, 2));
    });
}
