//! The launcher as a process of its own: its socket, who may connect to it, its signals.

use super::errands::aside;
use super::server::{Event, Kind, Launcher, runtime};
use super::wire::greet;
use crate::config::{self, Node};
use crate::net::PrivateSocket;
use arc_swap::ArcSwap;
use nix::unistd::{Uid, User};
use rustix::net::sockopt::socket_peercred;
use sd_notify::NotifyState;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Why there is no launcher.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The node file names no socket.
    #[error("[launcher] socket: a launcher of its own needs one")]
    NoSocket,
    /// The socket cannot be bound.
    #[error("[launcher] socket {path}: {error}", path = path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// There is no user of this name.
    #[error("[node] user: there is no user \"{0}\" on this machine")]
    UnknownUser(String),
    /// The system refuses something else.
    #[error("{0}")]
    Os(#[from] io::Error),
}

/// Runs a launcher until SIGTERM or SIGINT, which stop all programs; SIGHUP reads the node file again. Its socket
/// stays where it is. To be called by the process's first thread: programs end with the one that calls it.
///
/// # Errors
/// It cannot begin.
pub fn serve(node: Node) -> Result<(), ServeError> {
    runtime()?.block_on(async move {
        let outside = Outside::open(node)?;
        let (launcher, mut events) = Launcher::new(Kind::Standing, Arc::clone(&outside.node));
        let (coming, mut ended) = (launcher.events(), JoinSet::new());
        ended.spawn_local(outside.watch(coming));
        tell_manager(&NotifyState::Ready);
        launcher.run(None, &mut events).await;
        Ok(())
    })
}

/// What comes from outside.
struct Outside {
    node: Arc<ArcSwap<Node>>,
    socket: PrivateSocket,
    stop: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Outside {
    fn open(node: Node) -> Result<Self, ServeError> {
        let path = node.launcher.socket.clone().ok_or(ServeError::NoSocket)?;
        let (stop, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let reload = signal(SignalKind::hangup())?;
        let group = match &node.user {
            Some(name) if Uid::effective().is_root() => {
                let user = User::from_name(name).map_err(io::Error::from)?;
                Some(user.ok_or_else(|| ServeError::UnknownUser(name.clone()))?.gid.as_raw())
            }
            _ => None,
        };
        let socket = PrivateSocket::bind(&path, group)
            .map_err(|error| ServeError::Socket { path: path.clone(), error })?;
        tracing::info!(socket = %path.display(), "launching");
        let node = Arc::new(ArcSwap::from_pointee(node));
        Ok(Self { node, socket, stop, interrupt, reload })
    }

    /// Passes on what comes, until the launcher ends.
    async fn watch(mut self, events: mpsc::Sender<Event>) {
        let mut greetings = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.socket.accept() => match accepted {
                    Ok(stream) if greetings.len() < MOST_GREETINGS => {
                        greetings.spawn_local(welcome(stream, self.node.load_full(), events.clone()));
                    }
                    Ok(_) => tracing::warn!("too many connect at a time: one is refused"),
                    Err(error) => {
                        tracing::warn!(%error, "no connection can be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = greetings.join_next() => {}
                _ = self.stop.recv() => stop(&events).await,
                _ = self.interrupt.recv() => stop(&events).await,
                _ = self.reload.recv() => self.reload(),
            }
        }
    }

    /// A node file with mistakes changes nothing.
    fn reload(&self) {
        let file = self.node.load().file.clone();
        match config::load_node(&file) {
            Ok(node) => {
                self.node.store(Arc::new(node));
                tracing::info!("the node file was read again");
            }
            Err(report) => {
                for problem in &report.problems {
                    tracing::error!("{}", problem.one_line());
                }
            }
        }
    }
}

async fn stop(events: &mpsc::Sender<Event>) {
    tracing::info!("stopping all programs");
    tell_manager(&NotifyState::Stopping);
    // Where nobody takes it the launcher is gone already.
    let _ = events.send(Event::Stop).await;
}

/// Tells whoever manages services, if he asked to be told (systemd's `Type=notify`).
fn tell_manager(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        tracing::warn!(%error, "the service manager cannot be told: {state}");
    }
}

/// Why the process at the other end is not spoken to; `None`: it may.
pub(super) fn refusal(stream: &UnixStream, node: &Node) -> Option<String> {
    let uid = match socket_peercred(stream) {
        Ok(peer) => peer.uid.as_raw(),
        Err(error) => return Some(format!("who it is cannot be seen: {error}")),
    };
    let is_node = |name: &String| User::from_name(name).ok().flatten().is_some_and(|u| u.uid.as_raw() == uid);
    let may = uid == 0 || uid == Uid::effective().as_raw() || node.user.as_ref().is_some_and(is_node);
    (!may).then(|| format!("user {uid} is not the node's"))
}

/// Exchanges hellos, with whoever may.
async fn welcome(stream: UnixStream, node: Arc<Node>, events: mpsc::Sender<Event>) {
    // Users are looked up, and that may take its time.
    let (stream, refusal) = match aside(move || (refusal(&stream, &node), stream)).await {
        Ok((refusal, stream)) => (stream, refusal),
        Err(error) => return tracing::warn!(%error, "a connection is refused"),
    };
    if let Some(why) = refusal {
        return tracing::warn!(why, "a connection is refused");
    }
    match greet(stream).await {
        Ok((incoming, outgoing)) => {
            // Where nobody takes it the launcher is gone.
            let _ = events.send(Event::Connected(incoming, outgoing)).await;
        }
        Err(error) => tracing::warn!(%error, "a connection is refused"),
    }
}

/// Connections that have not said hello yet: one is usual, during a restart two.
const MOST_GREETINGS: usize = 16;

/// Where accepting fails it fails again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
