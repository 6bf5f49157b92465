//! One worker's pools against an upstream that records its connections.

mod parking;
mod workers;

use super::*;
use crate::config::UpstreamAddress;
use crate::upstream::testing::{self, Recorder, exchange, local_runtime, patience, uncounted, until};
use crate::upstream::{Counts, seats};
use std::future::Future;
use std::net::SocketAddr;

/// Runs `work` on one worker.
fn on_a_worker<F: Future<Output = ()>>(work: impl FnOnce(Rc<Pools>) -> F) {
    let seat = seats(1, &Arc::default()).remove(0);
    local_runtime().block_on(async { work(Pools::new(seat, uncounted())).await });
}

async fn lease(pools: &Rc<Pools>, upstream: &Arc<Upstream>, want: Want) -> Lease {
    pools.lease(upstream, want, patience(), read_clock(), &mut Waits::default()).await.unwrap()
}

/// Leases, makes one exchange and gives the connection back.
async fn serve_one(pools: &Rc<Pools>, upstream: &Arc<Upstream>, at: Instant) {
    let mut lease = lease(pools, upstream, Want::Any).await;
    exchange(&mut lease, b'r').await.unwrap();
    lease.keep(at);
}

fn ago(seconds: u64) -> Instant {
    read_clock().checked_sub(Duration::from_secs(seconds)).unwrap()
}

fn counts(open: u32, in_use: u32) -> Counts {
    Counts { open, in_use, ..Counts::default() }
}

#[test]
fn a_kept_connection_serves_the_next_request() {
    let recorder = Recorder::start(None);
    on_a_worker(|pools| async move {
        let upstream = recorder.upstream(5);
        for turn in 0..3 {
            let mut lease = lease(&pools, &upstream, Want::Any).await;
            assert_eq!(lease.is_reused(), turn > 0);
            assert_eq!(upstream.counts(), counts(1, 1));
            exchange(&mut lease, b'r').await.unwrap();
            lease.keep(read_clock());
            assert_eq!(upstream.counts(), counts(1, 0));
        }
        assert_eq!(recorder.accepted(), 1);
    });
}

#[test]
fn a_dropped_lease_closes_its_connection() {
    let recorder = Recorder::start(None);
    on_a_worker(|pools| async move {
        let upstream = recorder.upstream(5);
        let mut lease = lease(&pools, &upstream, Want::Any).await;
        exchange(&mut lease, b'r').await.unwrap();
        drop(lease);
        assert_eq!(upstream.counts(), counts(0, 0));
        until("the upstream sees the end", || recorder.open() == 0).await;
        assert_eq!(pools.idle.borrow().open(), 0);
    });
}

#[test]
fn pools_that_end_close_what_idles() {
    let recorder = Recorder::start(None);
    let upstream = recorder.upstream(5);
    on_a_worker(|pools| {
        let upstream = &upstream;
        async move {
            let leases = [lease(&pools, upstream, Want::Any).await, lease(&pools, upstream, Want::Any).await];
            for lease in leases {
                lease.keep(read_clock());
            }
            assert_eq!(upstream.counts(), counts(2, 0));
        }
    });
    assert_eq!(upstream.counts(), counts(0, 0));
}

#[test]
fn an_idle_connection_that_the_upstream_closes_is_dropped_at_once() {
    let recorder = Recorder::start(None);
    on_a_worker(|pools| async move {
        let upstream = recorder.upstream(5);
        let mut first = lease(&pools, &upstream, Want::Any).await;
        let mut second = lease(&pools, &upstream, Want::Any).await;
        exchange(&mut first, b'q').await.unwrap();
        exchange(&mut second, b'r').await.unwrap();
        first.keep(read_clock());
        second.keep(read_clock());
        until("the closed one is dropped", || upstream.counts() == counts(1, 0)).await;
        assert!(lease(&pools, &upstream, Want::Any).await.is_reused(), "the other one idles on");
    });
}

#[test]
fn bytes_that_nobody_asked_for_close_the_connection() {
    let recorder = Recorder::start(None);
    on_a_worker(|pools| async move {
        let upstream = recorder.upstream(5);
        let mut lease = lease(&pools, &upstream, Want::Any).await;
        exchange(&mut lease, b's').await.unwrap();
        lease.keep(read_clock());
        until("it is dropped", || upstream.counts() == counts(0, 0)).await;
        until("the upstream sees the end", || recorder.open() == 0).await;
    });
}

#[test]
fn an_idle_connection_ends_with_its_time() {
    let recorder = Recorder::start(None);
    on_a_worker(|pools| async move {
        let upstream = testing::new(config_with_keep_alive(&recorder, Duration::from_millis(150)));
        serve_one(&pools, &upstream, read_clock()).await;
        until("the keeper closes it", || recorder.accepted() == 1 && recorder.open() == 0).await;
        assert_eq!(upstream.counts(), counts(0, 0));
        // Not used once its time is over, even where the keeper has not come by yet.
        serve_one(&pools, &upstream, read_clock()).await;
        let late = read_clock() + Duration::from_millis(150);
        let mut lease =
            pools.lease(&upstream, Want::Any, patience(), late, &mut Waits::default()).await.unwrap();
        assert!(!lease.is_reused());
        exchange(&mut lease, b'r').await.unwrap();
        assert_eq!((recorder.accepted(), upstream.counts()), (3, counts(1, 1)));
    });
}

#[test]
fn an_upstream_without_keep_alive_keeps_nothing() {
    let recorder = Recorder::start(None);
    on_a_worker(|pools| async move {
        let upstream = testing::new(config_with_keep_alive(&recorder, Duration::ZERO));
        serve_one(&pools, &upstream, read_clock()).await;
        assert_eq!(upstream.counts(), counts(0, 0));
    });
}

fn config_with_keep_alive(recorder: &Recorder, keep_alive: Duration) -> crate::config::Upstream {
    crate::config::Upstream { keep_alive, ..recorder.spec(5) }
}

#[test]
fn what_must_not_be_repeated_goes_to_a_connection_that_was_just_in_use_or_to_a_new_one() {
    let recorder = Recorder::start(None);
    on_a_worker(|pools| async move {
        let upstream = recorder.upstream(1);
        serve_one(&pools, &upstream, read_clock()).await;
        let young = lease(&pools, &upstream, Want::Fresh).await;
        assert!(young.is_reused());
        young.keep(ago(1));
        // At the cap the old one makes room for the new one.
        let mut new = lease(&pools, &upstream, Want::Fresh).await;
        assert!(!new.is_reused());
        exchange(&mut new, b'r').await.unwrap();
        assert_eq!((recorder.accepted(), upstream.counts()), (2, counts(1, 1)));
        until("the old one is gone", || recorder.open() == 1).await;
        assert_eq!(recorder.most(), 1);
    });
}

/// The upstream closes after exactly 1.2 s, and requests that must not be repeated come at that moment.
#[test]
fn an_upstream_that_closes_as_a_request_comes_costs_nobody_anything() {
    let recorder = Recorder::start(Some(Duration::from_millis(1200)));
    on_a_worker(|pools| async move {
        let upstream = recorder.upstream(100);
        let requests: Vec<_> = (0..60)
            .map(|turn| {
                let (pools, upstream) = (pools.clone(), upstream.clone());
                tokio::task::spawn_local(async move {
                    let mut first = lease(&pools, &upstream, Want::Fresh).await;
                    exchange(&mut first, b'r').await.unwrap();
                    first.keep(read_clock());
                    tokio::time::sleep(Duration::from_millis(1170 + turn)).await;
                    let mut second = lease(&pools, &upstream, Want::Fresh).await;
                    exchange(&mut second, b'r').await.unwrap();
                })
            })
            .collect();
        for request in requests {
            request.await.unwrap();
        }
        assert_eq!(upstream.counts().in_use, 0);
    });
}

#[test]
fn a_tunnel_leaves_its_place_to_another() {
    let recorder = Recorder::start(None);
    on_a_worker(|pools| async move {
        let upstream = recorder.upstream(1);
        let mut tunnel = lease(&pools, &upstream, Want::Any).await;
        exchange(&mut tunnel, b'r').await.unwrap();
        tunnel.become_tunnel();
        tunnel.become_tunnel();
        assert_eq!(upstream.counts(), Counts { tunnels: 1, ..counts(0, 0) });
        serve_one(&pools, &upstream, read_clock()).await;
        exchange(&mut tunnel, b'r').await.unwrap();
        tunnel.keep(read_clock());
        assert_eq!(upstream.counts(), counts(1, 0));
        until("the tunnel is closed", || recorder.open() == 1).await;
    });
}

#[test]
fn waiting_ends_at_the_deadline() {
    let recorder = Recorder::start(None);
    on_a_worker(|pools| async move {
        let upstream = recorder.upstream(1);
        let held = lease(&pools, &upstream, Want::Any).await;
        let short = Patience { queue: read_clock() + Duration::from_millis(10), ..patience() };
        let refused = pools
            .lease(&upstream, Want::Any, short, read_clock(), &mut Waits::default())
            .await
            .err()
            .unwrap();
        assert_eq!(refused.cause, Cause::QueueTimeout);
        assert_eq!(refused.detail, "no connection became free: upstream alice/web");
        held.keep(read_clock());
        assert_eq!(upstream.counts(), counts(1, 0));
        assert!(lease(&pools, &upstream, Want::Any).await.is_reused());
    });
}

#[test]
fn fewer_connections_and_other_settings_close_idle_ones() {
    let (old, new) = (Recorder::start(None), Recorder::start(None));
    on_a_worker(|pools| async move {
        let upstream = old.upstream(3);
        let leases = [Want::Any; 3].map(|want| Box::pin(lease(&pools, &upstream, want)));
        let mut held = Vec::new();
        for lease in leases {
            held.push(lease.await);
        }
        for lease in held.drain(..2) {
            lease.keep(read_clock());
        }
        upstream.retune(old.spec(2));
        until("one too many is closed", || upstream.counts() == counts(2, 1)).await;
        upstream.retune(crate::config::Upstream { keep_alive: Duration::from_secs(9), ..old.spec(2) });
        upstream.retune(new.spec(2));
        until("none of the old idles", || upstream.counts() == counts(1, 1)).await;
        let mut at_new = lease(&pools, &upstream, Want::Any).await;
        exchange(&mut at_new, b'r').await.unwrap();
        assert_eq!((at_new.spec().address.clone(), new.accepted()), (new.spec(2).address, 1));
        assert_ne!(held[0].spec().address, at_new.spec().address);
        exchange(&mut held[0], b'r').await.unwrap();
        held.remove(0).keep(read_clock());
        assert_eq!(upstream.counts(), counts(1, 1), "a connection of the old settings is not kept");
        at_new.keep(read_clock());
        upstream.retire();
        until("nothing idles", || upstream.counts() == counts(0, 0)).await;
        serve_one(&pools, &upstream, read_clock()).await;
        assert_eq!(upstream.counts(), counts(0, 0), "served, and not kept");
    });
}

#[test]
fn nobody_listens() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    on_a_worker(|pools| async move {
        for address in [UpstreamAddress::Ip(gone), UpstreamAddress::Unix(directory.path().join("none.sock"))]
        {
            let upstream = testing::new(testing::spec_at(address, 1));
            // More than once: a place that failed is free again.
            for _ in 0..3 {
                let refused = pools
                    .lease(&upstream, Want::Any, patience(), read_clock(), &mut Waits::default())
                    .await
                    .err()
                    .unwrap();
                assert_eq!(refused.cause, Cause::Refused, "{refused}");
                assert!(refused.detail.starts_with("upstream alice/web at "), "{refused}");
            }
            assert_eq!(upstream.counts(), counts(0, 0));
        }
    });
}

#[test]
fn somebody_listens_and_never_accepts() {
    use rustix::net::{AddressFamily, SocketType, bind, connect, getsockname, listen, socket};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listen(&listener, 0).unwrap();
    let address: SocketAddr = getsockname(&listener).unwrap().try_into().unwrap();
    // Two fill its queue, whatever the kernel makes of a length of 0.
    let _waiting: Vec<_> = (0..2)
        .map(|_| {
            let client = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
            rustix::io::ioctl_fionbio(&client, true).unwrap();
            let _ = connect(&client, &address);
            client
        })
        .collect();
    on_a_worker(|pools| async move {
        let upstream = testing::new(testing::spec_at(UpstreamAddress::Ip(address), 1));
        let short = Patience { connect: Duration::from_millis(50), ..patience() };
        let refused = pools
            .lease(&upstream, Want::Any, short, read_clock(), &mut Waits::default())
            .await
            .err()
            .unwrap();
        assert_eq!(refused.cause, Cause::ConnectTimeout, "{refused}");
        assert_eq!(upstream.counts(), counts(0, 0));
    });
}

/// An idle connection costs less than 1 KiB, its watch included.
const _: () = assert!(Idle::<Connection>::BYTES_EACH + crate::upstream::watch::BYTES_EACH < 1024);
