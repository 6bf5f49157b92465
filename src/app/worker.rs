//! A worker thread: its own runtime, its share of the listening sockets, its connections. Everything in it is
//! local; the thread ends when its last connection has, or the drain's deadline is there.

use crate::base::{Drain, now};
use crate::listen::{self, Entrance, Listening, Share};
use crate::net::{timer, until, within};
use crate::proxy::{Shared, Worker, random_seed};
use crate::telemetry::{AccessLog, Recaller, Shard, SiteLog};
use crate::tls::Policies;
use crate::upstream::{Pools, Seat};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// What a worker is made of; `Send`, so that it can be made before its thread.
pub struct Parts {
    /// What all workers share.
    pub shared: Shared,
    /// TLS.
    pub policies: Arc<Policies>,
    /// The listening sockets of the node.
    pub listening: Listening,
    /// How many workers there are.
    pub workers: usize,
    /// Its place among them.
    pub seat: Seat,
    /// Its counters.
    pub metrics: Shard,
    /// Its end of the access log.
    pub access_log: AccessLog,
    /// Its end of the site logs.
    pub site_log: SiteLog,
    /// Where it remembers its requests.
    pub recent: Recaller,
}

/// Starts the worker's thread.
pub fn start(parts: Parts) -> io::Result<JoinHandle<io::Result<()>>> {
    let name = format!("worker-{}", parts.seat.index());
    std::thread::Builder::new().name(name).spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.on_thread_park(listen::turn_ended);
        // The wheel of `net` is the worker's only timer: tokio's would read the clock at every wake-up.
        let runtime = builder.enable_io().build_local(tokio::runtime::LocalOptions::default())?;
        runtime.block_on(async {
            timer::start()?;
            serve(parts).await;
            Ok(())
        })
    })
}

async fn serve(parts: Parts) {
    let share = Share { worker: parts.seat.index(), workers: parts.workers };
    let mut drain = parts.shared.drain.clone();
    let metrics = Rc::new(parts.metrics);
    let access_log = Rc::new(parts.access_log);
    metrics.runs_here();
    let entrance = Entrance {
        node: Arc::clone(&parts.shared.node),
        lists: Arc::clone(&parts.shared.lists),
        clients: Arc::clone(&parts.shared.clients),
        metrics: Rc::clone(&metrics),
        log: Rc::clone(&access_log),
        drain: parts.shared.drain.clone(),
    };
    let worker = Rc::new(Worker::new(
        parts.shared,
        Pools::new(parts.seat, Rc::clone(&metrics)),
        metrics,
        access_log,
        parts.site_log,
        parts.recent,
        random_seed(),
    ));
    tokio::task::spawn_local(follow_the_wall_clock(Rc::clone(&worker)));
    tokio::task::spawn_local(follow_the_drain(drain.clone(), Rc::clone(&worker)));
    // Every connection holds a sender: the channel ends with the last of them.
    let (open, mut ended) = tokio::sync::mpsc::channel::<()>(1);
    let policies = parts.policies;
    listen::accept_all(parts.listening, share, entrance, move |accepted| {
        let open = open.clone();
        // Boxed: a future that awaits another one it holds is twice as large.
        let connection = Box::pin(listen::serve(accepted, Rc::clone(&worker), Arc::clone(&policies)));
        async move {
            connection.await;
            drop(open);
        }
    })
    .await;
    let deadline = drain.begun().await;
    // What is still open at the deadline ends with the runtime.
    let _ = within(deadline, ended.recv()).await;
}

/// Takes a changed wall clock over now and then; ends with the runtime.
async fn follow_the_wall_clock(worker: Rc<Worker>) {
    loop {
        until(now() + CLOCK_CHECK).await;
        worker.clock.adjust();
    }
}

/// Tells the worker's connections when the drain begins; ends with the runtime.
async fn follow_the_drain(mut drain: Drain, worker: Rc<Worker>) {
    drain.begun().await;
    worker.begin_drain();
    timer::wake_all();
}

/// How long logs and dates may show a wall clock that somebody has just set.
const CLOCK_CHECK: Duration = Duration::from_secs(10);
