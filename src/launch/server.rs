//! The launcher itself: one loop that orders, connections and ends come to, one after the other. Starts nothing but by
//! an order, and waits for no program.

use super::client::{Notices, Orders, over};
use super::connection::Connection;
use super::document::Refused;
use super::group::Groups;
use super::instances::{Entry, Instances};
use super::life::{End, Wish};
use super::protocol::{Notice, Order};
use super::start::{Meant, Started, start};
use super::wire::{Incoming, Outgoing, halves};
use crate::config::Node;
use arc_swap::ArcSwap;
use nix::unistd::Uid;
use std::io;
use std::os::unix::net::UnixStream as Pair;
use std::rc::Rc;
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

/// What happens to a launcher.
#[derive(Debug)]
pub(super) enum Event {
    /// Somebody connected who may, and said hello.
    Connected(Incoming, Outgoing),
    /// A connection brought an order.
    Order {
        /// Which connection.
        connection: u64,
        /// The order.
        order: Order,
    },
    /// A connection brings no more.
    Gone {
        /// Which.
        connection: u64,
    },
    /// A program's process ended.
    Ended(End),
    /// It shall end.
    Stop,
}

/// What becomes of programs when the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// They run on: the launcher is a process of its own.
    Standing,
    /// They are killed, and the launcher ends: it is a thread of the node.
    Embedded,
}

/// A launcher.
pub(super) struct Launcher {
    kind: Kind,
    node: Arc<ArcSwap<Node>>,
    groups: Groups,
    instances: Instances,
    /// The newest: it alone is heard and told.
    connection: Option<Connection>,
    /// How many there were.
    connections: u64,
    /// A life each.
    lives: JoinSet<()>,
    events: mpsc::Sender<Event>,
    is_ending: bool,
    has_warned: bool,
}

/// The launcher within the node's process: a thread of its own, over a connection of its own. Call it within a local
/// runtime. To end it, drop every [`Orders`] and wait until the [`Notices`] end: then no program runs any more.
///
/// # Errors
/// The system's.
pub fn embedded(node: Arc<ArcSwap<Node>>) -> io::Result<(Orders, Notices)> {
    let (ours, theirs) = Pair::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    let main = move || {
        if let Err(error) = runtime().and_then(|runtime| runtime.block_on(serve_one(node, theirs))) {
            tracing::error!(%error, "no launcher: no program of an account runs");
        }
    };
    std::thread::Builder::new().name("launcher".to_owned()).spawn(main)?;
    let (incoming, outgoing) = halves(UnixStream::from_std(ours)?);
    Ok(over(incoming, outgoing))
}

async fn serve_one(node: Arc<ArcSwap<Node>>, stream: Pair) -> io::Result<()> {
    let (incoming, outgoing) = halves(UnixStream::from_std(stream)?);
    let (launcher, mut events) = Launcher::new(Kind::Embedded, node);
    launcher.run(Some((incoming, outgoing)), &mut events).await;
    Ok(())
}

/// A runtime for a launcher: its programs end with the thread that drives it.
///
/// # Errors
/// The system's.
pub(super) fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

impl Launcher {
    /// A launcher that nothing happened to yet, and where its events come from.
    pub(super) fn new(kind: Kind, node: Arc<ArcSwap<Node>>) -> (Self, mpsc::Receiver<Event>) {
        let (events, coming) = mpsc::channel(WAITING_EVENTS);
        let launcher = Self {
            kind,
            node,
            groups: Groups::default(),
            instances: Instances::default(),
            connection: None,
            connections: 0,
            lives: JoinSet::new(),
            events,
            is_ending: false,
            has_warned: false,
        };
        (launcher, coming)
    }

    /// Where events go.
    pub(super) fn events(&self) -> mpsc::Sender<Event> {
        self.events.clone()
    }

    /// Runs until it is told to end and nothing is left of any program.
    pub(super) async fn run(
        mut self,
        first: Option<(Incoming, Outgoing)>,
        events: &mut mpsc::Receiver<Event>,
    ) {
        let node = self.node.load_full();
        self.groups.configure(&node.launcher).await;
        if let Some((incoming, outgoing)) = first {
            self.connect(incoming, outgoing);
        }
        while !(self.is_ending && self.instances.is_empty()) {
            // It holds a sender itself: there is always a next one.
            let Some(event) = events.recv().await else { break };
            self.take(event).await;
            while self.lives.try_join_next().is_some() {}
        }
        // What ended programs left behind goes with them, within bounds. The lives have nothing more to tell.
        while self.lives.join_next().await.is_some() {}
        events.close();
        if let Some(connection) = self.connection.take() {
            connection.finish().await;
        }
    }

    async fn take(&mut self, event: Event) {
        match event {
            Event::Connected(incoming, outgoing) => self.connect(incoming, outgoing),
            Event::Order { connection, order } if self.is_current(connection) => self.carry_out(order).await,
            Event::Gone { connection } if self.is_current(connection) => self.lose_connection(),
            Event::Order { .. } | Event::Gone { .. } => {}
            Event::Ended(end) => {
                self.instances.remove(end.instance);
                let End { instance, ending, out_of_memory, last_words } = end;
                self.tell(Notice::Ended { instance, ending, out_of_memory, last_words });
            }
            Event::Stop => {
                self.is_ending = true;
                self.instances.wish_all(Wish::Stop);
            }
        }
    }

    fn is_current(&self, connection: u64) -> bool {
        self.connection.as_ref().is_some_and(|current| current.number == connection)
    }

    /// The newest connection takes the place of the one before, which is closed: whoever holds that one sees that it
    /// is no longer told.
    fn connect(&mut self, incoming: Incoming, outgoing: Outgoing) {
        self.connections += 1;
        let listing = self.instances.list();
        let connection = Connection::begin(self.connections, (incoming, outgoing), listing, &self.events);
        if let Some(before) = self.connection.replace(connection) {
            before.close();
            tracing::warn!("another node connected: the connection before is closed");
        }
    }

    /// Of an embedded launcher the connection stays: how programs ended is told to its end.
    fn lose_connection(&mut self) {
        match self.kind {
            Kind::Standing => {
                tracing::info!(programs = self.instances.len(), "the node is gone; its programs run on");
                self.connection.take().into_iter().for_each(Connection::close);
            }
            Kind::Embedded => {
                self.is_ending = true;
                self.instances.wish_all(Wish::Kill);
            }
        }
    }

    fn tell(&mut self, notice: Notice) {
        if self.connection.as_ref().is_some_and(|connection| !connection.tell(notice)) && !self.is_ending {
            tracing::warn!("the node does not hear what it is told: its connection is closed");
            self.lose_connection();
        }
    }

    async fn carry_out(&mut self, order: Order) {
        match order {
            // The end of the connection says it, and the order is given to the next launcher.
            Order::Start { .. } if self.is_ending => {}
            Order::Start { instance, account, upstream, hash } => {
                let meant = Meant { instance, account, upstream, hash };
                let notice = match self.start(&meant).await {
                    Ok(notice) => notice,
                    Err(Refused::Changed) => Notice::Changed { instance },
                    Err(Refused::Because(why)) => {
                        let why = one_line(&why);
                        let Meant { account, upstream, .. } = meant;
                        tracing::warn!(%account, %upstream, %instance, why, "not started");
                        Notice::NotStarted { instance, why }
                    }
                };
                self.tell(notice);
            }
            Order::Renew { instance } => self.instances.renew(instance),
            Order::Stop { instance } => self.instances.wish(instance, Wish::Stop),
            Order::Kill { instance } => self.instances.wish(instance, Wish::Kill),
        }
    }

    async fn start(&mut self, meant: &Meant) -> Result<Notice, Refused> {
        self.instances.check_room(meant.instance, &meant.account, &meant.upstream)?;
        let node = self.node.load_full();
        self.groups.configure(&node.launcher).await;
        let Started { program, process } = start(&node, &mut self.groups, meant)?;
        if !Uid::effective().is_root() && !std::mem::replace(&mut self.has_warned, true) {
            tracing::warn!(
                uid = process.uid,
                "programs of all accounts run as this user: only root can start them as theirs"
            );
        }
        let (wish, wishes) = watch::channel(Wish::Run);
        let instance = meant.instance;
        let Meant { account, upstream, hash, .. } = meant.clone();
        tracing::info!(%account, %upstream, %instance, pid = process.pid, uid = process.uid, "started");
        let renewal = Rc::<Notify>::default();
        let entry =
            Entry { account, upstream, hash, process: process.clone(), wish, renewal: renewal.clone() };
        self.instances.insert(instance, entry);
        let events = self.events.clone();
        let ended = async move |end| {
            // Where nobody takes it the launcher is gone.
            let _ = events.send(Event::Ended(end)).await;
        };
        self.lives.spawn_local(program.live(wishes, renewal, ended));
        Ok(Notice::Started { instance, process })
    }
}

/// One line for a person, that fits a frame.
fn one_line(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.truncate(line.floor_char_boundary(MOST_WHY_BYTES));
    line
}

/// Events that wait: who brings more waits itself.
const WAITING_EVENTS: usize = 256;

/// Bytes of a reason.
const MOST_WHY_BYTES: usize = 1000;
