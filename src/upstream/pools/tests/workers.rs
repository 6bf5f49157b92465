//! Several workers and one upstream: never one connection too many, nobody waits beside one that idles, and
//! nothing is left over.

use super::*;
use crate::upstream::testing::on_workers;
use std::sync::Mutex;
use tokio::sync::Barrier;

#[test]
fn an_upstream_with_five_processes_never_sees_a_sixth_connection() {
    let recorder = Recorder::start(None);
    let upstream = recorder.upstream(5);
    on_workers(4, |_, pools| {
        let upstream = &upstream;
        async move {
            let clients: Vec<_> = (0..8)
                .map(|client| {
                    let (pools, upstream) = (pools.clone(), upstream.clone());
                    tokio::task::spawn_local(async move {
                        for turn in 0..60 {
                            let want = if (client + turn) % 3 == 0 { Want::Fresh } else { Want::Any };
                            let mut lease = lease(&pools, &upstream, want).await;
                            exchange(&mut lease, b'r').await.unwrap();
                            match turn % 10 {
                                // One in ten is closed, one in ten looks old to who must not repeat.
                                0 => drop(lease),
                                1 => lease.keep(ago(2)),
                                _ => lease.keep(read_clock()),
                            }
                        }
                    })
                })
                .collect();
            for client in clients {
                client.await.unwrap();
            }
        }
    });
    assert_eq!(upstream.counts(), counts(0, 0));
    assert!(recorder.most() <= 5, "{} at once", recorder.most());
    assert_eq!(recorder.most(), 5, "and all five were used");
}

#[test]
fn nobody_waits_while_a_connection_idles_with_another_worker() {
    let recorder = Recorder::start(None);
    let upstream = recorder.upstream(5);
    let barrier = Barrier::new(2);
    on_workers(2, |worker, pools| {
        let (upstream, barrier, recorder) = (&upstream, &barrier, &recorder);
        async move {
            if worker == 0 {
                let mut leases = Vec::new();
                for _ in 0..5 {
                    leases.push(lease(&pools, upstream, Want::Any).await);
                }
                for lease in leases {
                    lease.keep(read_clock());
                }
            }
            barrier.wait().await;
            if worker == 1 {
                let mut leases = Vec::new();
                for _ in 0..5 {
                    let mut lease = lease(&pools, upstream, Want::Any).await;
                    assert!(lease.is_reused());
                    exchange(&mut lease, b'r').await.unwrap();
                    leases.push(lease);
                }
                assert_eq!(recorder.accepted(), 5, "the connections moved, none was opened");
                assert_eq!((recorder.open(), upstream.counts()), (5, counts(5, 5)));
            }
            barrier.wait().await;
        }
    });
    assert_eq!(upstream.counts(), counts(0, 0));
}

#[test]
fn what_must_not_be_repeated_gets_room_from_another_workers_old_connection() {
    let recorder = Recorder::start(None);
    let upstream = recorder.upstream(1);
    let barrier = Barrier::new(2);
    on_workers(2, |worker, pools| {
        let (upstream, barrier, recorder) = (&upstream, &barrier, &recorder);
        async move {
            if worker == 0 {
                serve_one(&pools, upstream, ago(1)).await;
            }
            barrier.wait().await;
            if worker == 1 {
                let mut lease = lease(&pools, upstream, Want::Fresh).await;
                assert!(!lease.is_reused());
                exchange(&mut lease, b'r').await.unwrap();
                assert_eq!((recorder.accepted(), recorder.most()), (2, 1));
            }
            barrier.wait().await;
        }
    });
}

#[test]
fn the_line_is_served_in_its_order_whoever_waits() {
    let recorder = Recorder::start(None);
    let upstream = recorder.upstream(1);
    let barrier = Barrier::new(3);
    let order = Mutex::new(Vec::new());
    on_workers(3, |worker, pools| {
        let (upstream, barrier, order) = (&upstream, &barrier, &order);
        async move {
            let held = if worker == 0 { Some(lease(&pools, upstream, Want::Any).await) } else { None };
            barrier.wait().await;
            let mut waits = Vec::new();
            for turn in 0..12 {
                // Workers join in turns, so that the line mixes them.
                if turn % 3 == worker {
                    let (own, upstream) = (pools.clone(), upstream.clone());
                    waits.push((
                        turn,
                        tokio::task::spawn_local(async move {
                            let mut lease = lease(&own, &upstream, Want::Any).await;
                            exchange(&mut lease, b'r').await.unwrap();
                            lease
                        }),
                    ));
                }
                until("one more waits", || upstream.counts().waiting == turn + 1).await;
                barrier.wait().await;
            }
            drop(held);
            for (turn, wait) in waits {
                let lease = wait.await.unwrap();
                order.lock().unwrap().push(turn);
                lease.keep(read_clock());
            }
            // Who is done stays, to be asked for what idles with it.
            barrier.wait().await;
        }
    });
    assert_eq!(*order.lock().unwrap(), (0..12).collect::<Vec<_>>());
    assert_eq!(recorder.most(), 1);
}

#[test]
fn waiters_that_leave_leave_nothing_behind() {
    let recorder = Recorder::start(None);
    let upstream = recorder.upstream(2);
    on_workers(4, |worker, pools| {
        let upstream = &upstream;
        async move {
            let clients: Vec<_> = (0..16)
                .map(|client| {
                    let (pools, upstream) = (pools.clone(), upstream.clone());
                    tokio::task::spawn_local(async move {
                        for turn in 0..40 {
                            let one = async {
                                let want = if turn % 2 == 0 { Want::Any } else { Want::Fresh };
                                let mut lease = lease(&pools, &upstream, want).await;
                                exchange(&mut lease, b'r').await.unwrap();
                                lease.keep(read_clock());
                            };
                            // Most leave after a few turns of the runtime: while they wait, connect, or use it.
                            let polls = (worker * 7 + client * 3 + turn) % 11;
                            tokio::select! {
                                biased;
                                () = one => {}
                                () = turns(polls) => {}
                            }
                        }
                    })
                })
                .collect();
            for client in clients {
                client.await.unwrap();
            }
            // With all gone, the upstream serves as if nothing had been.
            serve_one(&pools, upstream, read_clock()).await;
        }
    });
    assert_eq!(upstream.counts(), counts(0, 0));
    assert!(recorder.most() <= 2, "{} at once", recorder.most());
}

async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

#[test]
fn what_comes_free_goes_to_another_worker_as_it_is() {
    let recorder = Recorder::start(None);
    let upstream = recorder.upstream(2);
    let barrier = Barrier::new(2);
    on_workers(2, |worker, pools| {
        let (upstream, barrier) = (&upstream, &barrier);
        async move {
            if worker == 0 {
                let closed = lease(&pools, upstream, Want::Any).await;
                let mut kept = lease(&pools, upstream, Want::Any).await;
                exchange(&mut kept, b'r').await.unwrap();
                barrier.wait().await;
                until("two wait", || upstream.counts().waiting == 2).await;
                drop(closed);
                kept.keep(read_clock());
            } else {
                barrier.wait().await;
                let both = (lease(&pools, upstream, Want::Any), lease(&pools, upstream, Want::Any));
                let (mut first, mut second) = tokio::join!(both.0, both.1);
                assert!(!first.is_reused() && second.is_reused(), "a place, then a connection");
                exchange(&mut first, b'r').await.unwrap();
                exchange(&mut second, b'r').await.unwrap();
            }
            barrier.wait().await;
        }
    });
    assert_eq!((upstream.counts(), recorder.accepted(), recorder.most()), (counts(0, 0), 3, 2));
}

#[test]
fn a_worker_that_ends_without_reading_its_mailbox_leaves_its_connections_to_those_who_wait() {
    let recorder = Recorder::start(None);
    let upstream = recorder.upstream(1);
    let barrier = Barrier::new(2);
    on_workers(2, |worker, pools| {
        let (upstream, barrier) = (&upstream, &barrier);
        async move {
            if worker == 0 {
                serve_one(&pools, upstream, read_clock()).await;
                barrier.wait().await;
                // Without a turn of the runtime.
                while upstream.counts().waiting == 0 {
                    std::thread::yield_now();
                }
            } else {
                barrier.wait().await;
                serve_one(&pools, upstream, read_clock()).await;
            }
        }
    });
    assert_eq!((upstream.counts(), recorder.most()), (counts(0, 0), 1));
}
