//! What the tests of this module share.

use super::{Lease, Patience, Pools, Upstream, seats};
use crate::base::{AccountName, UpstreamName, now};
use crate::config::{self, UpstreamAddress, UpstreamHost, UpstreamProtocol};
use crate::telemetry::{Metrics, Shard};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::sync::oneshot;

/// Settings of an upstream that may have so many connections and is never connected to.
pub(super) fn spec(connections: u32) -> config::Upstream {
    spec_at(UpstreamAddress::Ip(SocketAddr::from(([127, 0, 0, 1], 1))), connections)
}

/// The same at an address.
pub(super) fn spec_at(address: UpstreamAddress, connections: u32) -> config::Upstream {
    config::Upstream {
        name: UpstreamName::new("web").unwrap(),
        address,
        protocol: UpstreamProtocol::Http1,
        host: UpstreamHost::Visitor,
        tls: None,
        connections,
        keep_alive: Duration::from_secs(60),
        program: None,
    }
}

/// An upstream with such settings.
pub(super) fn upstream(connections: u32) -> Arc<Upstream> {
    new(spec(connections))
}

/// The upstream of these settings.
pub(super) fn new(spec: config::Upstream) -> Arc<Upstream> {
    Upstream::new(AccountName::new("alice").unwrap(), spec)
}

/// An upstream that records its connections: how many were open at once, to the letter. It answers each byte `r`
/// with `a`; `q` with `a` and a close; `s` with `a` and, unasked, another byte.
pub(super) struct Recorder {
    address: SocketAddr,
    record: Arc<Record>,
    _stop: oneshot::Sender<()>,
}

/// What a recorder has seen.
#[derive(Debug, Default)]
pub(super) struct Record {
    open: AtomicUsize,
    most: AtomicUsize,
    accepted: AtomicUsize,
}

impl Recorder {
    /// Starts one; with `idle_time` it closes connections that idle so long after an answer.
    pub(super) fn start(idle_time: Option<Duration>) -> Self {
        let listener = std::net::TcpListener::bind("[::1]:0").unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::new(Record::default());
        let (stop, stopped) = oneshot::channel();
        let seen = record.clone();
        std::thread::spawn(move || {
            local_runtime().block_on(async move {
                tokio::select! {
                    () = accept(listener, seen, idle_time) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, record, _stop: stop }
    }

    pub(super) fn spec(&self, connections: u32) -> config::Upstream {
        spec_at(UpstreamAddress::Ip(self.address), connections)
    }

    pub(super) fn upstream(&self, connections: u32) -> Arc<Upstream> {
        new(self.spec(connections))
    }

    /// The most connections that were ever open at once.
    pub(super) fn most(&self) -> usize {
        self.record.most.load(Ordering::SeqCst)
    }

    /// Connections accepted so far.
    pub(super) fn accepted(&self) -> usize {
        self.record.accepted.load(Ordering::SeqCst)
    }

    /// Connections whose end was not seen yet.
    pub(super) fn open(&self) -> usize {
        self.record.open.load(Ordering::SeqCst)
    }
}

async fn accept(listener: std::net::TcpListener, record: Arc<Record>, idle_time: Option<Duration>) {
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let mut connections: Vec<(Rc<TcpStream>, Rc<Cell<bool>>)> = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        // An end that arrived before this connection must be counted before it, whoever is polled first.
        for (stream, ended) in &connections {
            if has_ended(stream) {
                end(&record, ended);
            }
        }
        connections.retain(|(_, ended)| !ended.get());
        let (stream, ended) = (Rc::new(stream), Rc::new(Cell::new(false)));
        connections.push((stream.clone(), ended.clone()));
        record.accepted.fetch_add(1, Ordering::SeqCst);
        let open = record.open.fetch_add(1, Ordering::SeqCst) + 1;
        record.most.fetch_max(open, Ordering::SeqCst);
        let record = record.clone();
        tokio::task::spawn_local(async move {
            let last = serve(&stream, idle_time).await;
            // Our own close ends it as well.
            if last.is_some() {
                let _ = rustix::net::shutdown(&*stream, rustix::net::Shutdown::Both);
            }
            end(&record, &ended);
        });
    }
}

/// Whether the peer's end has arrived, though bytes may stand before it.
fn has_ended(stream: &TcpStream) -> bool {
    let mut events = [PollFd::new(stream, PollFlags::RDHUP)];
    poll(&mut events, Some(&Timespec::default())).unwrap() > 0
}

fn end(record: &Record, ended: &Cell<bool>) {
    if !ended.replace(true) {
        record.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Answers until the peer ends (`None`), or this end wants to close.
async fn serve(stream: &TcpStream, idle_time: Option<Duration>) -> Option<()> {
    let mut served = false;
    loop {
        let readable = stream.readable();
        match idle_time {
            Some(idle_time) if served => {
                if tokio::time::timeout(idle_time, readable).await.is_err() {
                    return Some(());
                }
            }
            _ => readable.await.ok()?,
        }
        let mut byte = [0];
        match stream.try_read(&mut byte) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return None,
        }
        let answer: &[u8] = if byte == *b"s" { b"aa" } else { b"a" };
        stream.try_write(answer).ok()?;
        served = true;
        if byte == *b"q" {
            return Some(());
        }
    }
}

/// A runtime like a worker's.
pub(super) fn local_runtime() -> LocalRuntime {
    tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap()
}

/// Runs `work` on as many workers at once, each with its own thread, runtime and pools.
pub(super) fn on_workers<F>(workers: usize, work: impl Fn(usize, Rc<Pools>) -> F + Sync)
where
    F: Future<Output = ()>,
{
    std::thread::scope(|scope| {
        for seat in seats(workers, &Arc::default()) {
            let work = &work;
            scope.spawn(move || {
                local_runtime().block_on(async {
                    let index = seat.index();
                    work(index, Pools::new(seat, uncounted())).await;
                });
            });
        }
    });
}

/// Counters that nobody reads.
pub(super) fn uncounted() -> Rc<Shard> {
    Rc::new(Metrics::new().unwrap().shard())
}

/// Long patience: whoever runs out of it has been forgotten.
pub(super) fn patience() -> Patience {
    Patience {
        queue: now() + Duration::from_secs(20),
        connect: Duration::from_secs(20),
        drain: Duration::ZERO,
    }
}

/// One request and its answer; whether both went through.
pub(super) async fn exchange(lease: &mut Lease, request: u8) -> std::io::Result<()> {
    lease.stream().send(&[request]).await?;
    if lease.stream().fill().await? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    lease.stream().input().consume(1);
    Ok(())
}

/// Lets other tasks and threads run until `condition` holds.
pub(super) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}
