//! The gate: places, the line, the rate and the tunnels.

use super::*;
use crate::base::Rate;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Waker};

fn limits() -> AccountLimits {
    AccountLimits {
        in_flight: 2,
        queue: 2,
        queue_timeout: Duration::from_secs(10),
        tunnels: 1,
        rate: None,
        body_bytes: None,
        request_buffer: 0,
        response_buffer: 0,
        buffered_bytes: 0,
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn ready<T>(polled: Poll<T>) -> T {
    match polled {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("still waits"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn places_come_back_when_admissions_are_dropped() {
    let gate = Gate::new(&limits());
    let first = gate.try_admit(read_clock()).unwrap().unwrap();
    let second = gate.try_admit(read_clock()).unwrap().unwrap();
    assert!(gate.try_admit(read_clock()).unwrap().is_none());
    assert_eq!(gate.in_flight(), 2);
    drop(first);
    let third = gate.try_admit(read_clock()).unwrap().unwrap();
    assert_eq!(gate.in_flight(), 2);
    drop((second, third));
    assert_eq!((gate.in_flight(), gate.waiting()), (0, 0));
}

#[test]
fn who_waits_is_let_in_in_order_and_the_queue_is_bounded() {
    let _inside = runtime().enter();
    runtime().block_on(async {
        let gate = Gate::new(&limits());
        let now = read_clock();
        let mut held = [gate.admit(now).await.unwrap(), gate.admit(now).await.unwrap()].map(Some);
        let (mut third, mut fourth, mut fifth) =
            (pin!(gate.admit(now)), pin!(gate.admit(now)), pin!(gate.admit(now)));
        assert!(poll(third.as_mut()).is_pending());
        assert!(poll(fourth.as_mut()).is_pending());
        assert_eq!(ready(poll(fifth.as_mut())).unwrap_err().cause, Cause::QueueFull);
        assert_eq!(gate.waiting(), 2);
        held[0] = None;
        assert!(poll(fourth.as_mut()).is_pending(), "the third comes first");
        let late = gate.try_admit(now).unwrap();
        assert!(late.is_none(), "nobody overtakes");
        let third = ready(poll(third.as_mut())).unwrap();
        drop(third);
        let fourth = ready(poll(fourth.as_mut())).unwrap();
        assert_eq!((gate.in_flight(), gate.waiting()), (2, 0));
        drop((held, fourth));
        assert_eq!(gate.in_flight(), 0);
    });
}

#[test]
fn a_waiter_that_leaves_gives_its_place_to_the_next() {
    runtime().block_on(async {
        let gate = Gate::new(&AccountLimits { in_flight: 1, ..limits() });
        let now = read_clock();
        let held = gate.admit(now).await.unwrap();
        let mut second = Box::pin(gate.admit(now));
        let mut third = pin!(gate.admit(now));
        assert!(poll(second.as_mut()).is_pending());
        assert!(poll(third.as_mut()).is_pending());
        drop(held);
        drop(second);
        drop(ready(poll(third.as_mut())).unwrap());
        assert_eq!((gate.in_flight(), gate.waiting()), (0, 0));
        assert!(gate.try_admit(now).unwrap().is_some(), "and the ordinary way is open again");
    });
}

#[test]
fn waiting_ends_at_the_deadline() {
    runtime().block_on(async {
        let gate =
            Gate::new(&AccountLimits { in_flight: 1, queue_timeout: Duration::from_millis(5), ..limits() });
        let held = gate.admit(read_clock()).await.unwrap();
        assert_eq!(gate.admit(read_clock()).await.unwrap_err().cause, Cause::QueueTimeout);
        assert_eq!(gate.waiting(), 0);
        drop(held);
        assert_eq!(gate.in_flight(), 0);
        drop(gate.admit(read_clock()).await.unwrap());
    });
}

#[test]
fn more_room_lets_waiters_in_and_less_puts_nobody_out() {
    runtime().block_on(async {
        let gate = Gate::new(&limits());
        let now = read_clock();
        let held = [gate.admit(now).await.unwrap(), gate.admit(now).await.unwrap()];
        let mut third = pin!(gate.admit(now));
        assert!(poll(third.as_mut()).is_pending());
        gate.retune(&AccountLimits { in_flight: 3, ..limits() });
        let third = ready(poll(third.as_mut())).unwrap();
        gate.retune(&AccountLimits { in_flight: 1, ..limits() });
        assert_eq!(gate.in_flight(), 3);
        drop(held);
        assert!(gate.try_admit(now).unwrap().is_none());
        drop(third);
        assert!(gate.try_admit(now).unwrap().is_some());
    });
}

#[test]
fn the_rate_refuses_before_a_place_is_taken() {
    let rate = Some(Rate { count: 1, period: Duration::from_secs(3600) });
    let gate = Gate::new(&AccountLimits { rate, ..limits() });
    let now = read_clock();
    let admitted = gate.try_admit(now).unwrap();
    assert_eq!(gate.try_admit(now).unwrap_err().cause, Cause::Rate);
    assert_eq!(gate.in_flight(), 1);
    gate.retune(&limits());
    assert!(gate.try_admit(now).unwrap().is_some());
    drop(admitted);
}

#[test]
fn a_tunnel_leaves_in_flight_and_counts_among_the_tunnels() {
    let gate = Gate::new(&limits());
    let admission = gate.try_admit(read_clock()).unwrap().unwrap();
    let place = gate.reserve_tunnel().unwrap();
    assert_eq!(gate.reserve_tunnel().unwrap_err().cause, Cause::TunnelLimit);
    let tunnel = admission.into_tunnel(place);
    assert_eq!((gate.in_flight(), gate.tunnels()), (0, 1));
    drop(tunnel);
    assert_eq!(gate.tunnels(), 0);
    drop(gate.reserve_tunnel().unwrap());
    assert_eq!(gate.tunnels(), 0);
}

/// Four threads, half of whose waits are cut short: never more inside than allowed, and nothing is left over.
#[test]
fn threads_that_come_and_go_leave_nothing_behind() {
    const INSIDE: usize = 3;
    let gate = Gate::new(&AccountLimits { in_flight: INSIDE as u32, queue: 1000, ..limits() });
    let inside = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4usize {
            let (gate, inside) = (&gate, &inside);
            scope.spawn(move || {
                runtime().block_on(async {
                    for turn in 0..1_000usize {
                        let mut waits: Vec<_> = (0..3).map(|_| Box::pin(gate.admit(read_clock()))).collect();
                        let begun: Vec<_> = waits.iter_mut().map(|wait| poll(wait.as_mut())).collect();
                        for (place, (wait, begun)) in waits.into_iter().zip(begun).enumerate() {
                            let admission = match begun {
                                Poll::Ready(admission) => admission.unwrap(),
                                Poll::Pending if (thread + turn + place) % 2 == 0 => continue,
                                Poll::Pending => wait.await.unwrap(),
                            };
                            assert!(inside.fetch_add(1, Ordering::SeqCst) < INSIDE);
                            if turn % 5 == 0 {
                                std::thread::yield_now();
                            }
                            inside.fetch_sub(1, Ordering::SeqCst);
                            drop(admission);
                        }
                    }
                });
            });
        }
    });
    assert_eq!((gate.in_flight(), gate.waiting(), inside.into_inner()), (0, 0, 0));
    assert!(gate.try_admit(read_clock()).unwrap().is_some());
}
