//! Accepting on loopback sockets: addresses, PROXY headers, limits, reloads, drains, descriptors that run out.

use super::*;
use crate::base::DrainSwitch;
use crate::config::Logs;
use crate::listen::{Changes, Inherited, Listeners, test_node};
use crate::telemetry::{LogWriter, Metrics};
use std::net::TcpStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream as Visitor;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A worker that accepts, and what it was handed.
struct Front {
    node: Arc<ArcSwap<Node>>,
    listeners: Listeners,
    clients: Arc<Clients>,
    metrics: Metrics,
    drain: DrainSwitch,
    accepted: mpsc::UnboundedReceiver<Accepted>,
    accepting: JoinHandle<()>,
}

impl Front {
    fn new(node: Node) -> Self {
        let listeners = Listeners::bind(&node, &mut Inherited::default()).unwrap();
        let (drain, observer) = DrainSwitch::new();
        let (node, clients) = (Arc::new(ArcSwap::from_pointee(node)), Clients::new(now()));
        let metrics = Metrics::new().unwrap();
        let entrance = Entrance {
            node: node.clone(),
            lists: Arc::default(),
            clients: clients.clone(),
            metrics: Rc::new(metrics.shard()),
            log: Rc::new(LogWriter::start(&Logs::default(), None).unwrap().1.worker()),
            drain: observer,
        };
        let (sender, accepted) = mpsc::unbounded_channel();
        let handle = move |one| {
            let sender = sender.clone();
            async move {
                let _ = sender.send(one);
            }
        };
        let share = Share { worker: 0, workers: 1 };
        let accepting = spawn_local(accept_all(listeners.watch(), share, entrance, handle));
        Self { node, listeners, clients, metrics, drain, accepted, accepting }
    }

    fn first(&self) -> SocketAddr {
        self.listeners.bound()[0].local
    }

    async fn visitor(&self) -> Visitor {
        Visitor::connect(self.first()).await.unwrap()
    }

    async fn next(&mut self) -> Accepted {
        self.accepted.recv().await.unwrap()
    }

    /// How many failures of a cause were counted.
    fn failures(&self, word: &str) -> u64 {
        let page = self.metrics.render().unwrap();
        let front = format!("parvis_failures_total{{cause=\"{word}\"");
        let line = page.lines().find(|line| line.starts_with(&front)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

fn trusting(mut node: Node) -> Node {
    node.listen[0].proxy_protocol_from = vec!["127.0.0.0/8".parse().unwrap()];
    node
}

/// What a client reads until its end; a reset is an error.
async fn rest(visitor: &mut Visitor) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    visitor.read_to_end(&mut bytes).await.map(|_| bytes)
}

#[tokio::test(flavor = "local")]
async fn connections_come_with_their_addresses_on_both_families() {
    for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let mut front = Front::new(test_node(&[address], 1));
        let port = front.first().port();
        let at = if address.starts_with('[') { "::1" } else { "127.0.0.1" };
        let mut visitor = Visitor::connect((at, port)).await.unwrap();
        let mut accepted = front.next().await;
        assert_eq!(accepted.peer, PeerAddr(visitor.local_addr().unwrap()));
        assert_eq!(accepted.client, ClientAddr(visitor.local_addr().unwrap()));
        assert_eq!(accepted.local, LocalAddr(visitor.peer_addr().unwrap()));
        assert!(rustix::net::sockopt::tcp_nodelay(accepted.stream.socket()).unwrap());
        visitor.write_all(b"hello").await.unwrap();
        accepted.stream.fill().await.unwrap();
        assert_eq!(accepted.stream.input().filled(), b"hello");
        assert_eq!(front.clients.open(), 1);
        drop(accepted);
        assert_eq!(front.clients.open(), 0);
    }
}

#[tokio::test(flavor = "local")]
async fn a_burst_is_taken_whole_and_others_have_their_turn() {
    let mut front = Front::new(test_node(&["127.0.0.1:0"], 1));
    let mut visitors = Vec::new();
    for _ in 0..3 * BATCH {
        // They queue up: nothing is awaited that lets the front run.
        visitors.push(TcpStream::connect(front.first()).unwrap());
    }
    // One reactor turn, one turn of the door.
    while front.accepted.is_empty() {
        yield_now().await;
    }
    assert!(front.accepted.len() <= BATCH, "{} in one turn", front.accepted.len());
    for _ in 0..visitors.len() {
        front.next().await;
    }
}

#[tokio::test(flavor = "local")]
async fn a_trusted_peer_names_the_client() {
    let mut front = Front::new(trusting(test_node(&["127.0.0.1:0"], 1)));
    let mut balancer = front.visitor().await;
    for piece in ["PROXY TCP4 192.0.2.1 198.5", "1.100.7 12345 443\r\nGET / ", "HTTP/1.1\r\n"] {
        balancer.write_all(piece.as_bytes()).await.unwrap();
        yield_now().await;
    }
    let mut accepted = front.next().await;
    assert_eq!(accepted.peer, PeerAddr(balancer.local_addr().unwrap()));
    assert_eq!(accepted.client, ClientAddr("192.0.2.1:12345".parse().unwrap()));
    assert_eq!(accepted.local, LocalAddr("198.51.100.7:443".parse().unwrap()));
    while accepted.stream.input().len() < 16 {
        accepted.stream.fill().await.unwrap();
    }
    assert_eq!(accepted.stream.input().filled(), b"GET / HTTP/1.1\r\n");

    let mut balancer = front.visitor().await;
    balancer.write_all(b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00").await.unwrap();
    let accepted = front.next().await;
    assert_eq!(accepted.client, ClientAddr(balancer.local_addr().unwrap()), "it speaks for itself");
    assert_eq!(accepted.local, LocalAddr(front.first()));
}

#[tokio::test(flavor = "local")]
async fn a_trusted_peer_must_send_a_header_and_no_other_peer_may() {
    let mut front = Front::new(trusting(test_node(&["127.0.0.1:0", "[::1]:0"], 1)));
    let mut balancer = front.visitor().await;
    balancer.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut balancer).await.unwrap(), b"", "closed without a reset");
    assert_eq!(front.failures("bad_request"), 1);

    drop(front.visitor().await);
    let mut stranger = Visitor::connect(front.listeners.bound()[1].local).await.unwrap();
    stranger.write_all(b"PROXY UNKNOWN\r\n").await.unwrap();
    let mut accepted = front.next().await;
    accepted.stream.fill().await.unwrap();
    assert_eq!(accepted.stream.input().filled(), b"PROXY UNKNOWN\r\n", "to be refused as no request");
    assert_eq!(front.failures("bad_request"), 1, "a health check is no failure");
}

#[tokio::test(flavor = "local")]
async fn a_header_that_does_not_come_is_not_waited_for() {
    let mut node = trusting(test_node(&["127.0.0.1:0"], 1));
    node.timeouts.handshake = Duration::from_millis(1);
    let front = Front::new(node);
    let mut balancer = front.visitor().await;
    balancer.write_all(b"PROXY TCP4").await.unwrap();
    assert_eq!(rest(&mut balancer).await.unwrap(), b"");
    assert_eq!(front.failures("header_timeout"), 1);
}

#[tokio::test(flavor = "local")]
async fn a_client_at_its_limit_is_closed_and_balancers_are_not_counted() {
    let mut node = trusting(test_node(&["127.0.0.1:0", "[::1]:0"], 1));
    node.limits.connections_per_client = Some(1);
    let mut front = Front::new(node);
    let at = front.listeners.bound()[1].local;
    let _first = Visitor::connect(at).await.unwrap();
    let held = front.next().await;
    let mut second = Visitor::connect(at).await.unwrap();
    assert_eq!(rest(&mut second).await.unwrap(), b"");
    assert_eq!(front.failures("client_limit"), 1);
    drop(held);
    let _third = Visitor::connect(at).await.unwrap();
    front.next().await;

    // What a load balancer opens for several visitors counts against them.
    let mut balancers = Vec::new();
    for client in ["192.0.2.1", "192.0.2.2", "192.0.2.1"] {
        let mut balancer = front.visitor().await;
        let header = format!("PROXY TCP4 {client} 198.51.100.7 1 2\r\n");
        balancer.write_all(header.as_bytes()).await.unwrap();
        balancers.push(balancer);
    }
    let _kept = [front.next().await, front.next().await];
    assert_eq!(rest(&mut balancers[2]).await.unwrap(), b"");
    assert_eq!(front.failures("client_limit"), 2);
}

#[tokio::test(flavor = "local")]
async fn a_full_node_leaves_the_rest_in_the_queue() {
    let mut node = test_node(&["127.0.0.1:0"], 1);
    node.limits.connections = 2;
    let mut front = Front::new(node);
    let _visitors = [front.visitor().await, front.visitor().await, front.visitor().await];
    let (one, _two) = (front.next().await, front.next().await);
    while front.failures("overloaded") == 0 {
        yield_now().await;
    }
    assert!(front.accepted.is_empty());
    drop(one);
    front.next().await;
}

#[tokio::test(flavor = "local")]
async fn a_reload_opens_and_closes_addresses_and_changes_what_is_spoken() {
    let mut front = Front::new(test_node(&["127.0.0.1:0", "[::1]:0"], 1));
    let [old, kept] = [0, 1].map(|place| front.listeners.bound()[place].local);
    let mut visitor = Visitor::connect(old).await.unwrap();
    let mut accepted = front.next().await;
    assert!(!accepted.listen.tls);

    let mut node = test_node(&["[::1]:0", "127.0.0.2:0"], 1);
    node.listen[0].tls = true;
    front.node.store(Arc::new(node));
    front.listeners.apply(&front.node.load()).unwrap();
    let new = front.listeners.bound()[1].local;
    let _new = Visitor::connect(new).await.unwrap();
    assert_eq!(front.next().await.local, LocalAddr(new));
    let _kept = Visitor::connect(kept).await.unwrap();
    assert!(front.next().await.listen.tls, "new connections get the new settings");

    // The door of the old address has closed by now, or does so with its next turn.
    while Visitor::connect(old).await.is_ok() {
        yield_now().await;
    }
    visitor.write_all(b"still here").await.unwrap();
    accepted.stream.fill().await.unwrap();
    assert_eq!(accepted.stream.input().filled(), b"still here");
}

#[tokio::test(flavor = "local")]
async fn the_drain_takes_what_has_queued_up_and_ends_the_accepting() {
    let mut front = Front::new(test_node(&["127.0.0.1:0"], 1));
    // The worker watches the socket.
    drop(front.visitor().await);
    front.next().await;
    let _queued: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(front.first()).unwrap()).collect();
    let address = front.first();
    front.drain.begin(now() + Duration::from_secs(60));
    front.listeners.close();
    front.accepting.await.unwrap();
    for _ in 0..5 {
        assert!(front.accepted.recv().await.is_some());
    }
    assert!(front.accepted.recv().await.is_none());
    assert!(TcpStream::connect(address).is_err(), "refused at once, not left waiting");
    assert_eq!(front.listeners.apply(&front.node.load()).unwrap(), Changes::default());
}

/// Descriptors are the process's: the test runs in one of its own.
#[test]
fn running_out_of_descriptors_is_waited_out_without_spinning() {
    const CHILD: &str = "PARVIS_TEST_OUT_OF_DESCRIPTORS";
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::LocalRuntime::new().unwrap();
        return runtime.block_on(run_out_of_descriptors());
    }
    let name = "listen::accept::tests::running_out_of_descriptors_is_waited_out_without_spinning";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let output =
        String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
}

async fn run_out_of_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // As a worker does: who waits for a descriptor has a timer that needs none.
    crate::net::timer::start().unwrap();
    let mut front = Front::new(test_node(&["127.0.0.1:0"], 1));
    drop(front.visitor().await);
    front.next().await;
    let address = front.first();
    let visitor = tokio::net::TcpSocket::new_v4().unwrap();
    let next = rustix::io::dup(&visitor).unwrap();
    let limit = getrlimit(Resource::Nofile);
    let lowest = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&next)).unwrap();
    drop(next);
    setrlimit(Resource::Nofile, Rlimit { current: Some(lowest), ..limit }).unwrap();

    let mut visitor = visitor.connect(address).await.unwrap();
    let cpu_time = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::try_from(time).unwrap()
    };
    let before = cpu_time();
    while front.failures("overloaded") < 3 {
        until(now() + PAUSE).await;
    }
    let took = cpu_time().saturating_sub(before);
    assert!(took < PAUSE, "{took:?} of CPU time for three pauses");
    assert!(front.accepted.is_empty());

    setrlimit(Resource::Nofile, limit).unwrap();
    let mut accepted = front.next().await;
    accepted.stream.send(b"late, but served").await.unwrap();
    drop(accepted);
    assert_eq!(rest(&mut visitor).await.unwrap(), b"late, but served");
}
