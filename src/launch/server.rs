//! The launcher itself: one loop that orders, connections and ends come to, one after the other. Starts nothing but by
//! an order, and waits for no program and no start: each is led by a task of its own.

use super::client::{Notices, Orders, over};
use super::connection::Connection;
use super::document::Refused;
use super::instances::{Entry, Instances};
use super::life::{End, Wish};
use super::prepare::Meant;
use super::protocol::{Instance, Notice, Order, Process};
use super::start::{Means, lead};
use super::wire::{Incoming, Outgoing, halves};
use crate::base::{AccountName, DocumentHash, UpstreamName};
use crate::config::Node;
use arc_swap::ArcSwap;
use nix::unistd::Uid;
use std::io;
use std::os::unix::net::UnixStream as Pair;
use std::rc::Rc;
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{mpsc, watch};
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
    /// A program has taken its process over.
    Started {
        /// Which.
        instance: Instance,
        /// The process.
        process: Process,
    },
    /// A program was told to renew itself.
    Renewed {
        /// Which.
        instance: Instance,
        /// To what.
        runs_as: DocumentHash,
    },
    /// It did not come to that.
    NotStarted {
        /// Which.
        instance: Instance,
        /// Why.
        why: Refused,
        /// Whether its process was killed and does not die.
        lingers: bool,
    },
    /// A program's process ended.
    Ended(End),
    /// One that lingered is dead.
    Vanished {
        /// Which.
        instance: Instance,
    },
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
    means: Rc<Means>,
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
            means: Rc::default(),
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
        self.means.groups.configure(&self.node.load_full().launcher);
        let means = Rc::clone(&self.means);
        // Starts wait for it, and nothing else does.
        tokio::task::spawn_local(async move { means.groups.sweep().await });
        if let Some((incoming, outgoing)) = first {
            self.connect(incoming, outgoing);
        }
        while !(self.is_ending && self.instances.is_empty()) {
            // It holds a sender itself: there is always a next one.
            let Some(event) = events.recv().await else { break };
            self.take(event);
            while self.lives.try_join_next().is_some() {}
        }
        // What ended programs left behind goes with them, within bounds. The lives have nothing more to tell.
        while self.lives.join_next().await.is_some() {}
        events.close();
        if let Some(connection) = self.connection.take() {
            connection.finish().await;
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Connected(incoming, outgoing) => self.connect(incoming, outgoing),
            Event::Order { connection, order } if self.is_current(connection) => self.carry_out(order),
            Event::Gone { connection } if self.is_current(connection) => self.lose_connection(),
            Event::Order { .. } | Event::Gone { .. } => {}
            Event::Started { instance, process } => self.started(instance, process),
            Event::NotStarted { instance, why, lingers } => self.not_started(instance, why, lingers),
            Event::Renewed { instance, runs_as } => {
                self.instances.renewed(instance, runs_as);
                self.tell(Notice::Renewed { instance, runs_as });
            }
            Event::Vanished { instance } => self.instances.remove(instance),
            Event::Ended(end) => {
                self.instances.remove(end.instance);
                let End { instance, ending, memory_kills, last_words } = end;
                let launcher_ends = self.is_ending;
                self.tell(Notice::Ended { instance, ending, memory_kills, last_words, launcher_ends });
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

    fn carry_out(&mut self, order: Order) {
        match order {
            // The end of the connection says it, and the order is given to the next launcher.
            Order::Start { .. } if self.is_ending => {}
            Order::Start { instance, account, upstream, hash } => {
                self.start(Meant { instance, account, upstream, hash });
            }
            Order::Renew { instance, runs_as } => self.instances.renew(instance, runs_as),
            Order::Stop { instance } => self.instances.wish(instance, Wish::Stop),
            Order::Kill { instance } => self.instances.wish(instance, Wish::Kill),
        }
    }

    fn start(&mut self, meant: Meant) {
        let Meant { instance, account, upstream, hash } = meant.clone();
        if let Err(why) = self.instances.check_room(instance, &account, &upstream) {
            return self.refuse(instance, (&account, &upstream), &why);
        }
        let node = self.node.load_full();
        self.means.groups.configure(&node.launcher);
        let (wish, wishes) = watch::channel(Wish::Run);
        let (renewal, renewals) = watch::channel(None);
        let entry = Entry { account, upstream, hash, process: None, wish, renewal };
        self.instances.insert(instance, entry);
        let (means, events) = (Rc::clone(&self.means), self.events.clone());
        self.lives.spawn_local(lead(meant, node, means, wishes, renewals, events));
    }

    fn started(&mut self, instance: Instance, process: Process) {
        let Process { pid, uid, .. } = process;
        if let Some(Entry { account, upstream, .. }) = self.instances.get(instance) {
            tracing::info!(%account, %upstream, %instance, pid, uid, "started");
        }
        if !Uid::effective().is_root() && !std::mem::replace(&mut self.has_warned, true) {
            tracing::warn!(
                uid,
                "programs of all accounts run as this user: only root can start them as theirs"
            );
        }
        self.instances.started(instance, process.clone());
        self.tell(Notice::Started { instance, process });
    }

    fn not_started(&mut self, instance: Instance, why: Refused, lingers: bool) {
        let Some(Entry { account, upstream, .. }) = self.instances.get(instance) else { return };
        let (account, upstream) = (account.clone(), upstream.clone());
        if lingers {
            tracing::warn!(%account, %upstream, %instance, "its process was killed, and does not die");
            self.instances.linger(instance);
        } else {
            self.instances.remove(instance);
        }
        match why {
            Refused::Changed => self.tell(Notice::Changed { instance }),
            // Not by an order: that is given again, to the next launcher.
            Refused::Stopped(_) if self.is_ending => {}
            Refused::Because(why) | Refused::Stopped(why) => {
                self.refuse(instance, (&account, &upstream), &why);
            }
        }
    }

    fn refuse(&mut self, instance: Instance, (account, upstream): (&AccountName, &UpstreamName), why: &str) {
        let why = one_line(why);
        tracing::warn!(%account, %upstream, %instance, why, "not started");
        self.tell(Notice::NotStarted { instance, why });
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
