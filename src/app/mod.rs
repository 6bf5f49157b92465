//! A node's process, from its settings to its exit code: build, announce, serve, drain. What a request or a change
//! goes through is told elsewhere.

mod demo;
mod handle;
mod signals;
mod worker;

use crate::admin::{AdminSocket, MetricsListener, PageListener, serve_admin, serve_metrics, serve_page};
use crate::base::{DrainSwitch, now};
use crate::config::{self, Node};
use crate::control::{Control, ProgramWish, Programs, Shared};
use crate::launch;
use crate::limit::Clients;
use crate::limit::Lists;
use crate::listen::{Assumed, Inherited, Listeners, assume_user};
use crate::message::Pseudonym;
use crate::proxy;
use crate::route::Hosts;
use crate::telemetry::{LogWriter, Metrics, NodeLog, Recent, Spans, absent_logs};
use crate::tls::Policies;
use crate::upstream::{Reach, Resolving, names, seats};
use arc_swap::ArcSwap;
use handle::Handle;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signals::{Signals, Wish};
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// Lets the process have as many descriptors as it may: the soft limit is a habit for programs that cannot count them,
/// ours are counted. To be called before the settings are read: `"auto"` means what the process may have.
pub fn use_all_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // Where it fails the limit stays as it is, and `"auto"` sees that.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Runs a node until it is drained. 0 after a drain, 78 where the settings cannot be put into effect (EX_CONFIG),
/// 71 for what the system refuses (EX_OSERR).
pub fn run(node: Node) -> ExitCode {
    // Before the first thread: it changes the environment.
    run_and_tell(node, Inherited::from_environment(), |_| {})
}

/// Runs the launcher of `node` until it is told to end. 0 then, 71 for what the system refuses (EX_OSERR), 78 where the
/// node file names no socket for it (EX_CONFIG).
pub fn launcher(node: Node) -> ExitCode {
    let log = match NodeLog::start() {
        Ok(log) => log,
        Err(error) => {
            complain(&format_args!("parvis: no log: {error}"));
            return ExitCode::from(OS_ERROR);
        }
    };
    let code = match &node.launcher.socket {
        None => {
            tracing::error!("`[launcher] socket` is missing: the node starts its programs itself");
            ExitCode::from(CONFIG_ERROR)
        }
        Some(_) => match launch::serve(node) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!("{error}");
                ExitCode::from(OS_ERROR)
            }
        },
    };
    log.finish(LOG_PATIENCE);
    code
}

/// Runs the demo until Ctrl-C.
pub fn demo() -> ExitCode {
    use_all_descriptors();
    let (demo, sockets) = match demo::Demo::prepare() {
        Ok(prepared) => prepared,
        Err(error) => {
            complain(&format_args!("parvis: the demo cannot be prepared: {error}"));
            return ExitCode::from(OS_ERROR);
        }
    };
    match config::load_node(&demo.node_file()) {
        Ok(node) => run_and_tell(node, sockets, |page| invite(&demo, page)),
        Err(report) => {
            complain(&report);
            ExitCode::from(CONFIG_ERROR)
        }
    }
}

/// Is the program that the demo's sleeping account has.
pub fn demo_server() -> ExitCode {
    match demo::serve_program() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format_args!("parvis: {error}"));
            ExitCode::from(OS_ERROR)
        }
    }
}

/// Says what to try. Whoever closed the terminal's end is not there to read it.
fn invite(demo: &demo::Demo, page: Option<SocketAddr>) {
    let _ = io::stdout().write_all(demo.invitation(page).as_bytes());
}

/// Says why there is nothing to run, before there is a log.
fn complain(why: &dyn Display) {
    let _ = writeln!(io::stderr(), "{why}");
}

/// Runs a node; `serving` is called once connections are accepted, with the address of the live page.
fn run_and_tell(node: Node, inherited: Inherited, serving: impl FnOnce(Option<SocketAddr>)) -> ExitCode {
    let log = match NodeLog::start() {
        Ok(log) => log,
        Err(error) => {
            complain(&format_args!("parvis: no log: {error}"));
            return ExitCode::from(OS_ERROR);
        }
    };
    let code = match Running::start(node, inherited) {
        Ok(running) => {
            serving(running.page_listener.as_ref().and_then(|page| page.local_addr().ok()));
            running.until_drained()
        }
        Err(failed) => {
            tracing::error!("{}", failed.why);
            ExitCode::from(failed.code)
        }
    };
    log.finish(LOG_PATIENCE);
    code
}

/// A node that serves.
struct Running {
    runtime: tokio::runtime::Runtime,
    node: Arc<ArcSwap<Node>>,
    control: Control,
    programs: (Programs, UnboundedSender<ProgramWish>),
    listeners: Arc<Listeners>,
    metrics: Arc<Metrics>,
    recent: Arc<Recent>,
    hosts: Arc<Hosts>,
    admin: Option<AdminSocket>,
    metrics_listener: Option<MetricsListener>,
    page_listener: Option<PageListener>,
    log_writer: Rc<LogWriter>,
    spans: Spans,
    workers: Vec<JoinHandle<io::Result<()>>>,
    resolving: (Resolving, Arc<Reach>),
    switch: DrainSwitch,
    signals: Signals,
}

/// Why a node did not start.
struct Failed {
    code: u8,
    why: String,
}

impl Failed {
    fn config(why: impl Display) -> Self {
        Self { code: CONFIG_ERROR, why: why.to_string() }
    }

    fn os(why: impl Display) -> Self {
        Self { code: OS_ERROR, why: why.to_string() }
    }
}

impl Running {
    /// Builds the node in the order that things need each other. The user is taken on first: whoever binds a socket
    /// and reads a file at the start must be who binds and reads at a reload.
    fn start(node: Node, mut inherited: Inherited) -> Result<Self, Failed> {
        match assume_user(node.user.as_deref()).map_err(Failed::config)? {
            Assumed::User(user) => tracing::info!(user, "no longer root"),
            Assumed::Unchanged => {}
            Assumed::Root => tracing::warn!("running as root: `[node] user` names who to be instead"),
        }
        let listeners = Arc::new(Listeners::bind(&node, &mut inherited).map_err(Failed::os)?);
        for socket in inherited.rest() {
            tracing::warn!("handed in, but no [[listen]] of this node: {socket}; closed");
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failed::os)?;
        let entered = runtime.enter();
        // Whoever waits for the addresses to be announced may send a signal at once.
        let signals = Signals::new().map_err(Failed::os)?;
        let bind = |path: &Path| {
            AdminSocket::bind(path).map_err(|error| {
                Failed::os(format!("[admin] socket {}: {error}{DIRECTORY_HINT}", path.display()))
            })
        };
        let admin = node.admin.socket.as_deref().map(bind).transpose()?;
        let bind = |address| {
            MetricsListener::bind(address)
                .map_err(|error| Failed::os(format!("[metrics] address {address}: {error}")))
        };
        let metrics_listener = node.metrics.map(bind).transpose()?;
        let bind = |page| {
            PageListener::bind(page)
                .map_err(|error| Failed::os(format!("[admin] page {}: {error}", page.address)))
        };
        let page_listener = node.admin.page.as_ref().map(bind).transpose()?;
        let metrics = Arc::new(Metrics::new().map_err(Failed::os)?);
        for absent in absent_logs(&node.logs, node.legal.as_ref()) {
            tracing::warn!("{absent}");
        }
        let (log_writer, log_factory) =
            LogWriter::start(&node.logs, node.legal.as_ref()).map_err(Failed::os)?;
        metrics.observe_access_log(log_writer.tally());
        let log_writer = Rc::new(log_writer);
        let spans = Spans::start(&node).map_err(|error| Failed::os(format!("[tracing]: {error}")))?;
        let (names, resolving) = names();
        let reach = Reach::new(node.upstreams.clone(), names);
        let hosts = Arc::new(Hosts::reaching(Arc::clone(&reach)));
        metrics.observe_accounts(handle::account_source(Arc::clone(&hosts)));
        let workers = node.workers;
        let recent = Arc::new(Recent::new(node.admin.recent_requests, workers));
        let node = Arc::new(ArcSwap::from_pointee(node));
        log_writer.keep_by(handle::retention_source(Arc::clone(&hosts), Arc::clone(&node)));
        let lists = Arc::new(Lists::default());
        let (settles, settled) = unbounded_channel();
        let (programs, wish) = Programs::new(
            Arc::clone(&node),
            Arc::clone(&hosts),
            Arc::clone(&metrics),
            log_factory.sites(),
            settles,
        );
        let control = Control::start(Shared {
            programs: wish.clone(),
            settled,
            node: Arc::clone(&node),
            hosts: Arc::clone(&hosts),
            lists: Arc::clone(&lists),
            listeners: Arc::clone(&listeners),
            log_writer: Rc::clone(&log_writer),
            metrics: Arc::clone(&metrics),
            recent: Arc::clone(&recent),
        })
        .map_err(Failed::os)?;
        let policies = Policies::new(control.certificates().index(), Arc::clone(&hosts) as _);
        let policies = Arc::new(policies.map_err(Failed::os)?);
        let (switch, drain) = DrainSwitch::new();
        let shared = proxy::Shared {
            node: Arc::clone(&node),
            hosts: Arc::clone(&hosts),
            certificates: control.certificates().index(),
            lists,
            clients: Clients::new(now()),
            drain,
            pseudonym: Pseudonym::from_random(proxy::random_seed()[0] as u32),
            spans: spans.worker(),
        };
        let start = |seat| {
            worker::start(worker::Parts {
                shared: shared.clone(),
                policies: Arc::clone(&policies),
                listening: listeners.watch(),
                workers,
                seat,
                metrics: metrics.shard(),
                access_log: log_factory.worker(),
                site_log: log_factory.sites(),
                recent: recent.worker(),
            })
        };
        let workers =
            seats(workers, &reach).into_iter().map(start).collect::<io::Result<_>>().map_err(Failed::os)?;
        drop(entered);
        let running = Self {
            runtime,
            node,
            control,
            programs: (programs, wish),
            listeners,
            metrics,
            recent,
            hosts,
            admin,
            metrics_listener,
            page_listener,
            log_writer,
            spans,
            workers,
            resolving: (resolving, reach),
            switch,
            signals,
        };
        running.announce();
        Ok(running)
    }

    /// One line for every address: whoever waits for the node waits for these.
    fn announce(&self) {
        let node = self.node.load();
        for bound in self.listeners.bound() {
            let tls = node.listener(bound.id).is_some_and(|listen| listen.tls);
            tracing::info!("listening on {} ({})", bound.local, if tls { "tls" } else { "clear" });
        }
        if let Some(Ok(address)) = self.metrics_listener.as_ref().map(MetricsListener::local_addr) {
            tracing::info!("listening on {address} (metrics)");
        }
        if let Some(Ok(address)) = self.page_listener.as_ref().map(PageListener::local_addr) {
            tracing::info!("listening on {address} (page)");
        }
    }

    /// Serves until somebody asks for a drain, then drains: `/ready` turns red first, after `drain_delay` connections
    /// are asked to end, and at the deadline the rest is cut.
    fn until_drained(self) -> ExitCode {
        let Self {
            runtime,
            node,
            control,
            programs: (programs, wish),
            listeners,
            metrics,
            recent,
            hosts,
            admin,
            metrics_listener,
            page_listener,
            log_writer,
            spans,
            workers,
            resolving: (resolving, reach),
            switch,
            mut signals,
        } = self;
        let (commands, received) = mpsc::channel(COMMANDS);
        let (drain_wish, mut drain_wished) = mpsc::channel(1);
        let handle = Arc::new(Handle::new(commands, drain_wish, Arc::clone(&metrics), recent, hosts));
        let drained: io::Result<()> = runtime.block_on(async {
            let tasks = tokio::task::LocalSet::new();
            tasks.spawn_local(control.run(received));
            tasks.spawn_local(programs.run());
            tasks.spawn_local(resolving.run(reach));
            if let Some(socket) = admin {
                tasks.spawn_local(serve_admin(socket, Arc::clone(&handle)));
            }
            if let Some(listener) = metrics_listener {
                tasks.spawn_local(serve_metrics(listener, Arc::clone(&handle)));
            }
            if let Some(listener) = page_listener {
                tasks.spawn_local(serve_page(listener, Arc::clone(&handle)));
            }
            tasks
                .run_until(async {
                    metrics.set_ready(true);
                    handle.ready();
                    loop {
                        tokio::select! {
                            wish = signals.wish() => match wish {
                                Wish::Drain => break,
                                Wish::Reload => handle.reload_in_background(),
                            },
                            _ = drain_wished.recv() => break,
                        }
                    }
                    metrics.set_ready(false);
                    handle.draining();
                    let timeouts = node.load().timeouts.clone();
                    tracing::info!(delay = ?timeouts.drain_delay, limit = ?timeouts.drain, "draining");
                    tokio::time::sleep(timeouts.drain_delay).await;
                    switch.begin(now() + timeouts.drain);
                    listeners.close();
                    tokio::task::spawn_blocking(move || {
                        workers.into_iter().map(JoinHandle::join).for_each(joined);
                    })
                    .await
                    .map_err(io::Error::other)?;
                    let (ended, end) = oneshot::channel();
                    let _ = wish.send(ProgramWish::End(ended));
                    if tokio::time::timeout(PROGRAMS_PATIENCE, end).await.is_err() {
                        tracing::warn!("programs are left behind: they did not end in time");
                    }
                    Ok(())
                })
                .await
        });
        spans.finish(SPANS_PATIENCE);
        if let Some(writer) = Rc::into_inner(log_writer) {
            writer.finish(LOG_PATIENCE);
        }
        match drained {
            Ok(()) => {
                tracing::info!("drained");
                ExitCode::SUCCESS
            }
            Err(error) => {
                tracing::error!(%error, "the node ends");
                ExitCode::from(OS_ERROR)
            }
        }
    }
}

fn joined(result: std::thread::Result<io::Result<()>>) {
    match result {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "a worker ended"),
        Err(_) => tracing::error!("a worker panicked"),
    }
}

/// Where the socket's directory is missing or somebody else's.
const DIRECTORY_HINT: &str =
    " (its directory must be writable for the node's user; systemd makes one with RuntimeDirectory=parvis)";

/// sysexits.h: the settings are wrong.
const CONFIG_ERROR: u8 = 78;

/// sysexits.h: the system refuses something.
const OS_ERROR: u8 = 71;

/// Commands that may wait for the control thread: people and their tools, one at a time as a rule.
const COMMANDS: usize = 64;

/// How long the programs that the node started itself may take to end with it.
const PROGRAMS_PATIENCE: Duration = Duration::from_secs(15);

/// How long a collector may take for the last spans.
const SPANS_PATIENCE: Duration = Duration::from_secs(2);

/// How long the logs may take to be written at the end.
const LOG_PATIENCE: Duration = Duration::from_secs(5);
