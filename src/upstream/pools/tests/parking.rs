//! Requests that come to an upstream whose program does not run.

use super::*;
use crate::config::{Command, Environment, Program};
use crate::launch::Instance;
use crate::net::owner::Holder;
use crate::upstream::{Ring, Stand};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

fn asleep(address: UpstreamAddress) -> (Arc<Upstream>, crate::upstream::Bell, UnboundedReceiver<Ring>) {
    let mut spec = testing::spec_at(address, 2);
    spec.program = Some(Box::new(Program {
        command: Command::Words(vec!["x".into()]),
        directory: "".into(),
        environment: Environment::default(),
        idle_time: None,
        start_timeout: Duration::from_millis(20),
        stop_signal: 15,
        stop_timeout: Duration::ZERO,
        overlap: true,
        hot_restart: None,
        revision: String::new(),
        health_interval: None,
        hang_timeout: None,
        ready_path: None,
    }));
    let upstream = testing::new(spec);
    let (bell, rings) = unbounded_channel();
    assert!(upstream.attach(bell.clone()));
    (upstream, bell, rings)
}

fn is_wish(rings: &mut UnboundedReceiver<Ring>) -> bool {
    matches!(rings.try_recv(), Ok(Ring::Wanted(_)))
}

fn address_of(recorder: &Recorder) -> UpstreamAddress {
    recorder.upstream(1).spec().address.clone()
}

#[test]
fn however_many_wait_the_bell_rings_once_and_they_go_to_the_instance_that_serves() {
    let recorder = Recorder::start(None);
    on_a_worker(|pools| async move {
        let (upstream, bell, mut rings) = asleep(UpstreamAddress::Auto);
        let asked: Vec<_> = (0..3)
            .map(|_| {
                let (pools, upstream) = (pools.clone(), upstream.clone());
                tokio::task::spawn_local(async move { serve_one(&pools, &upstream, read_clock()).await })
            })
            .collect();
        until("all of them wait", || upstream.counts().waiting == 3).await;
        assert!(is_wish(&mut rings));
        assert!(rings.try_recv().is_err(), "it rang again");
        assert!(upstream.is_waited_for());
        upstream.admit(Stand::new(Instance(1), Arc::default(), 1, address_of(&recorder), None, bell.clone()));
        for one in asked {
            one.await.unwrap();
        }
        assert!(recorder.accepted() <= 2, "more connections than there may be");
        assert!(upstream.was_used());
        assert!(upstream.rest());
        let over = |rings: &mut UnboundedReceiver<Ring>| {
            matches!(rings.try_recv(), Ok(Ring::Deserted(Instance(1), 1)))
        };
        until("its connections to be closed", || over(&mut rings)).await;
        assert_eq!(upstream.counts(), counts(0, 0));
    });
}

#[test]
fn what_failed_is_told_until_one_may_try_again() {
    on_a_worker(|pools| async move {
        let (upstream, _bell, mut rings) = asleep(UpstreamAddress::Auto);
        let why = Refusal::new(Cause::StartFailed, "return code: 1");
        let ask = || {
            let (pools, upstream) = (pools.clone(), upstream.clone());
            tokio::task::spawn_local(async move {
                pools.lease(&upstream, Want::Any, patience(), read_clock(), &mut Waits::default()).await.err()
            })
        };
        let waits = ask();
        until("it waits", || upstream.counts().waiting == 1).await;
        assert!(is_wish(&mut rings));
        upstream.fail(read_clock() + Duration::from_secs(3600), &why);
        assert_eq!(waits.await.unwrap(), Some(why.clone()));
        assert!(!upstream.is_waited_for());
        assert_eq!(ask().await.unwrap(), Some(why.clone()));
        assert!(rings.try_recv().is_err(), "nobody is to try");
        upstream.fail(read_clock(), &why);
        let trial = ask();
        until("one tries", || upstream.counts().waiting == 1).await;
        assert!(is_wish(&mut rings));
        assert_eq!(ask().await.unwrap(), Some(why.clone()), "one at a time");
        trial.abort();
    });
}

#[test]
fn nobody_waits_for_ever() {
    on_a_worker(|pools| async move {
        let (upstream, _bell, _rings) = asleep(UpstreamAddress::Auto);
        let short = Patience { queue: read_clock(), ..patience() };
        let refused = pools
            .lease(&upstream, Want::Any, short, read_clock(), &mut Waits::default())
            .await
            .err()
            .unwrap();
        assert_eq!(refused.cause, Cause::StartTimeout);
        assert_eq!(upstream.counts().waiting, 0);
    });
}

#[test]
fn a_tunnel_keeps_the_program_and_the_next_instance_leaves_it_alone() {
    let (old, new) = (Recorder::start(None), Recorder::start(None));
    on_a_worker(|pools| async move {
        let (upstream, bell, mut rings) = asleep(UpstreamAddress::Auto);
        upstream.admit(Stand::new(Instance(1), Arc::default(), 1, address_of(&old), None, bell.clone()));
        let mut tunnel = lease(&pools, &upstream, Want::Any).await;
        exchange(&mut tunnel, b'r').await.unwrap();
        tunnel.become_tunnel();
        assert!(!upstream.rest());
        upstream.admit(Stand::new(Instance(2), Arc::default(), 1, address_of(&new), None, bell.clone()));
        serve_one(&pools, &upstream, read_clock()).await;
        assert_eq!((old.accepted(), new.accepted()), (1, 1));
        exchange(&mut tunnel, b'r').await.unwrap();
        assert!(rings.try_recv().is_err(), "the tunnel is still there");
        drop(tunnel);
        assert!(matches!(rings.try_recv(), Ok(Ring::Deserted(Instance(1), 1))));
    });
}

/// The request has been seen by nobody, so it waits for whoever comes next.
#[test]
fn who_finds_the_program_dead_waits_for_the_next_one() {
    let recorder = Recorder::start(None);
    on_a_worker(|pools| async move {
        let (upstream, bell, mut rings) = asleep(UpstreamAddress::Auto);
        let gone = UpstreamAddress::Unix("/nobody/listens/here".into());
        upstream.admit(Stand::new(Instance(1), Arc::default(), 1, gone, None, bell.clone()));
        let asked = {
            let (pools, upstream) = (pools.clone(), upstream.clone());
            tokio::task::spawn_local(async move { serve_one(&pools, &upstream, read_clock()).await })
        };
        until("it waits", || upstream.counts().waiting == 1).await;
        assert!(matches!(rings.try_recv(), Ok(Ring::Lost(Instance(1)))));
        upstream.admit(Stand::new(Instance(2), Arc::default(), 1, address_of(&recorder), None, bell.clone()));
        asked.await.unwrap();
        assert_eq!(upstream.counts(), counts(1, 0));
    });
}

/// Somebody else has its address by now: the connection stands, and nothing is said on it.
#[test]
fn who_finds_somebody_else_sends_him_nothing() {
    use std::io::Read;
    let own = rustix::process::getuid().as_raw();
    let of = |uid| Some(Holder { uid, cgroup: None });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("squat.sock");
    let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = UpstreamAddress::Ip(tcp.local_addr().unwrap());
    let recorder = Recorder::start(None);
    on_a_worker(|pools| async move {
        let (upstream, bell, mut rings) = asleep(UpstreamAddress::Auto);
        for squatted in [UpstreamAddress::Unix(path), address] {
            upstream.admit(Stand::new(Instance(1), Arc::default(), 1, squatted, of(own + 1), bell.clone()));
            let asked = {
                let (pools, upstream) = (pools.clone(), upstream.clone());
                tokio::task::spawn_local(async move { serve_one(&pools, &upstream, read_clock()).await })
            };
            until("he is found", || matches!(rings.try_recv(), Ok(Ring::Lost(Instance(1))))).await;
            assert_eq!(upstream.counts().waiting, 1);
            upstream.admit(Stand::new(
                Instance(2),
                Arc::default(),
                1,
                address_of(&recorder),
                of(own),
                bell.clone(),
            ));
            asked.await.unwrap();
        }
    });
    let mut sent = Vec::new();
    unix.accept().unwrap().0.read_to_end(&mut sent).unwrap();
    tcp.accept().unwrap().0.read_to_end(&mut sent).unwrap();
    assert_eq!(sent, b"");
}

#[test]
fn a_full_queue_is_waited_for_and_loses_nobody() {
    on_a_worker(|pools| async move {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("full.sock");
        // A queue of 0 holds one connection.
        let listener = listener_with_a_queue_of_one(&path);
        let (upstream, bell, mut rings) = asleep(UpstreamAddress::Auto);
        upstream.admit(Stand::new(
            Instance(1),
            Arc::default(),
            1,
            UpstreamAddress::Unix(path.clone()),
            None,
            bell.clone(),
        ));
        let _first = lease(&pools, &upstream, Want::Any).await;
        let second = {
            let (pools, upstream) = (pools.clone(), upstream.clone());
            tokio::task::spawn_local(async move {
                pools
                    .lease(&upstream, Want::Any, patience(), read_clock(), &mut Waits::default())
                    .await
                    .map(drop)
            })
        };
        until("it is under way", || upstream.counts().in_use == 2).await;
        assert!(rings.try_recv().is_err(), "it is busy, not lost");
        drop(listener.accept().unwrap());
        second.await.unwrap().unwrap();
        assert!(rings.try_recv().is_err());
    });
}

fn listener_with_a_queue_of_one(path: &std::path::Path) -> std::os::unix::net::UnixListener {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
    let fd = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&fd, &SocketAddrUnix::new(path).unwrap()).unwrap();
    listen(&fd, 0).unwrap();
    fd.into()
}
