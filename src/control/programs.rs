//! The accounts' programs: what their documents want is kept running while somebody asks for it. Leads each program's
//! [`Lifecycle`]: tells it what happens, and does what it says, by the launcher and by the upstream that requests find.

mod acts;
mod health;
mod link;
mod probe;
mod running;
mod told;
mod usage;
mod wanted;

use crate::base::{AccountName, DocumentHash, UpstreamName, now, written_duration};
use crate::config::{Node, UpstreamAddress};
use crate::launch::{Ending, Instance, Notice, Order, Process};
use crate::route::Hosts;
use crate::telemetry::{Metrics, SiteLog};
use crate::upstream::{Action, Bell, Ended, Event, Lifecycle, Phase, Ring, Upstream, UpstreamId};
use arc_swap::ArcSwap;
use health::Health;
use libc::SIGKILL;
use link::Link;
use probe::Found;
use running::Running;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
pub use usage::Usage;
use wanted::Wanted;

/// What is asked of whoever leads the programs.
pub enum ProgramWish {
    /// The account's document may have changed, or be gone.
    Follow(AccountName),
    /// Start the program of one upstream, or of all, anew. Answers how many that concerns; `None`: no such thing.
    Restart(AccountName, Option<UpstreamName>, oneshot::Sender<Option<usize>>),
    /// The node ends, and with it the programs that it started itself. Answers when they have.
    End(oneshot::Sender<()>),
}

/// The programs of a node.
pub struct Programs {
    node: Arc<ArcSwap<Node>>,
    hosts: Arc<Hosts>,
    metrics: Arc<Metrics>,
    /// What customers are told.
    site_log: SiteLog,
    link: Link,
    entries: HashMap<UpstreamId, Entry>,
    accounts: HashMap<AccountName, BTreeSet<UpstreamId>>,
    /// Entries that time has something to do with: those that do not just stand still.
    active: HashSet<UpstreamId>,
    running: HashMap<Instance, Running>,
    /// When what all of them use was last looked at.
    measured: Instant,
    /// The name of the next instance; none was ever used by another process of this node.
    fresh: u64,
    /// What an action led to, to be told when its event is dealt with.
    later: VecDeque<(UpstreamId, Event)>,
    bell: Bell,
    rings: UnboundedReceiver<Ring>,
    wishes: UnboundedReceiver<ProgramWish>,
    settled: UnboundedSender<AccountName>,
    found: Findings,
}

/// What the probes find: both ends of their channel, which holds one finding for each instance at most.
type Findings = (UnboundedSender<Finding>, UnboundedReceiver<Finding>);

/// What the probe of this number found of an instance.
type Finding = (Instance, u64, Found);

/// An upstream with a program.
struct Entry {
    upstream: Arc<Upstream>,
    account: AccountName,
    name: UpstreamName,
    life: Lifecycle,
    wanted: Arc<Wanted>,
    hash: DocumentHash,
    /// When somebody last used it, as far as the last look tells.
    used: Instant,
    since: Duration,
    starts: u64,
    failure: Option<String>,
    /// Whether that was for want of memory.
    starved: bool,
    /// The revision that the last start failed with, until one succeeds.
    failed_revision: Option<String>,
    /// How many of its processes were killed for want of memory.
    memory_kills: u64,
    /// Of the instance that serves.
    health: Option<Health>,
}

impl Programs {
    /// Nobody's programs yet: tell [`ProgramWish::Follow`] of every account. Whose programs come to serve or to rest is told
    /// to `settled`.
    pub fn new(
        node: Arc<ArcSwap<Node>>,
        hosts: Arc<Hosts>,
        metrics: Arc<Metrics>,
        site_log: SiteLog,
        settled: UnboundedSender<AccountName>,
    ) -> (Self, UnboundedSender<ProgramWish>) {
        let (bell, rings) = unbounded_channel();
        let (wish, wishes) = unbounded_channel();
        let mut seed = [0; 8];
        // Without randomness instances would only have names that are easy to guess.
        let _ = aws_lc_rs::rand::fill(&mut seed);
        let programs = Self {
            node,
            hosts,
            metrics,
            site_log,
            link: Link::default(),
            entries: HashMap::new(),
            accounts: HashMap::new(),
            active: HashSet::new(),
            running: HashMap::new(),
            measured: now(),
            fresh: u64::from_ne_bytes(seed),
            later: VecDeque::new(),
            bell,
            rings,
            wishes,
            settled,
            found: unbounded_channel(),
        };
        (programs, wish)
    }

    /// Leads the programs' lives until nobody has a wish any more.
    pub async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // All accounts of the start, before what runs is taken over: what is nobody's is stopped.
        while let Ok(wish) = self.wishes.try_recv() {
            self.obey(wish);
        }
        loop {
            // Before anything is started, and so before anybody is told that nothing can be.
            if !self.entries.is_empty() && self.link.is_due(now()) {
                self.connect().await;
            }
            while let Some((id, event)) = self.later.pop_front() {
                self.happen(id, event);
            }
            let has_deadlines = !self.running.is_empty() || !self.active.is_empty() || !self.link.is_up();
            tokio::select! {
                wish = self.wishes.recv() => match wish {
                    Some(ProgramWish::End(reply)) => {
                        self.note_end();
                        self.link.end().await;
                        // Who asked and left needs no answer.
                        let _ = reply.send(());
                        return;
                    }
                    Some(wish) => self.obey(wish),
                    None => return,
                },
                Some(ring) = self.rings.recv() => self.rung(ring),
                notice = self.link.notice() => match notice {
                    Some(notice) => self.noticed(notice),
                    None => self.link.lost(now()),
                },
                Some((instance, number, found)) = self.found.1.recv() => self.answered(instance, number, found),
                _ = tick.tick(), if has_deadlines => self.look(),
            }
        }
    }

    fn obey(&mut self, wish: ProgramWish) {
        match wish {
            ProgramWish::Follow(account) => self.follow(&account),
            // Nothing is led after it.
            ProgramWish::End(_) => {}
            ProgramWish::Restart(account, upstream, reply) => {
                let ids = self.accounts.get(&account).cloned().unwrap_or_default();
                let ids: Vec<UpstreamId> = ids
                    .into_iter()
                    .filter(|id| {
                        upstream
                            .as_ref()
                            .is_none_or(|name| self.entries.get(id).is_some_and(|e| e.name == *name))
                    })
                    .collect();
                for id in &ids {
                    self.restart(*id, "asked for");
                }
                // Who asked and left needs no answer.
                let _ = reply.send(Some(ids.len()).filter(|count| *count > 0));
            }
        }
    }

    fn rung(&mut self, ring: Ring) {
        match ring {
            Ring::Wanted(upstream) => {
                let id = upstream.id();
                let is_waited_for = upstream.is_waited_for();
                match self.entries.get(&id).map(|entry| entry.life.phase()) {
                    // Whoever waited may have left: that he was the one to try must not keep all others from it.
                    Some(Phase::Failed { .. }) => self.happen(id, Event::Wanted),
                    // Two changes of its document at once had it held, and nobody lets it go.
                    Some(
                        Phase::Serving { instance, .. }
                        | Phase::Renewing { instance, .. }
                        | Phase::Replacing { old: instance, .. },
                    ) if is_waited_for => {
                        self.act(id, Action::Admit(instance));
                    }
                    _ if is_waited_for => self.happen(id, Event::Wanted),
                    _ => {}
                }
            }
            Ring::Lost(instance) => {
                if let Some(running) = self.running.get(&instance) {
                    self.happen(running.upstream, Event::Lost(instance));
                }
            }
            Ring::Deserted(instance, turn) => {
                let Some(running) = self.running.get_mut(&instance).filter(|running| running.turn == turn)
                else {
                    return;
                };
                if running.retire_by.take().is_some() {
                    self.order(Order::Stop { instance });
                } else {
                    let upstream = running.upstream;
                    self.happen(upstream, Event::Deserted(instance));
                }
            }
        }
    }

    fn noticed(&mut self, notice: Notice) {
        match notice {
            Notice::Started { instance, process } => self.started(instance, process),
            Notice::Renewed { instance, runs_as } => self.is_told_to_renew(instance, runs_as),
            Notice::NotStarted { instance, why } => self.gone(instance, why, &[]),
            Notice::Changed { instance } => match self.running.get_mut(&instance) {
                Some(running) if running.stopped => self.gone(instance, String::new(), &[]),
                Some(running) => running.awaits_document = true,
                None => {}
            },
            Notice::Ended { instance, launcher_ends: true, .. } => self.ended_with_launcher(instance),
            Notice::Ended { instance, ending, memory_kills, last_words, .. } => {
                // One of its processes: the program itself was it only where it was killed, and not because it was to stop.
                let is_stopped = self.running.get(&instance).is_some_and(|running| running.stopped);
                let is_it = memory_kills > 0 && ending == Ending::Signal(SIGKILL) && !is_stopped;
                let memory = if is_it { ", killed because its memory was used up" } else { "" };
                if let Some(running) = self.running.get(&instance) {
                    running.fate.tell(Ended { why: format!("{ending}{memory}"), starved: is_it });
                    let (id, told) = (running.upstream, running.memory_kills);
                    if let Some(entry) = self.entries.get_mut(&id) {
                        entry.starved = is_it;
                    }
                    self.killed(id, memory_kills.saturating_sub(told));
                }
                self.gone(instance, format!("{ending}{memory}"), &last_words);
            }
            // Said in answer to a connection alone.
            Notice::Running { .. } | Notice::Listed => {}
        }
    }

    fn started(&mut self, instance: Instance, process: Process) {
        let Some(running) = self.running.get_mut(&instance) else {
            return self.order(Order::Stop { instance });
        };
        let id = running.upstream;
        if let Some(socket) = &process.socket {
            running.address = UpstreamAddress::Unix(socket.clone());
        }
        running.process = Some(process);
        self.probe(instance);
        self.tell(id);
    }

    fn answered(&mut self, instance: Instance, number: u64, found: Found) {
        let Some(running) = self.running.get_mut(&instance) else { return };
        let id = running.upstream;
        if !running.is_answered(number) {
            return;
        }
        match found {
            Found::Ready => {
                self.is_well(id, instance);
                let Some(running) = self.running.get_mut(&instance) else { return };
                let outdated = std::mem::take(&mut running.outdated);
                self.happen(id, Event::Ready(instance));
                if outdated {
                    self.later.push_back((id, Event::Restart));
                }
            }
            Found::Silent => self.is_silent(id, instance),
            Found::Foreign(owner) => {
                self.fails(id, instance, format!("address taken by {owner}"), &[]);
                self.happen(id, Event::Unusable(instance));
            }
        }
    }

    /// An instance runs no more.
    fn gone(&mut self, instance: Instance, why: String, last_words: &[String]) {
        let Some(running) = self.running.remove(&instance) else { return };
        let id = running.upstream;
        // Whoever was to end anyway has not failed.
        if !running.stopped && running.retire_by.is_none() {
            self.fails(id, instance, why, last_words);
        } else if let Some(Process { pid, .. }) = &running.process {
            // Its entry may be gone: what the document no longer has ends as well.
            let (account, upstream) = &running.whose;
            self.site_log.tell(account, upstream, format_args!("Upstream stopped: pid {pid} ({why})"));
            if running.turn == 0 {
                // Why it never was ready.
                self.quote(id, last_words);
            }
        }
        self.happen(id, Event::Ended(instance));
    }

    /// Looks at the time: deadlines, and who has not been used for long.
    fn look(&mut self) {
        let now = now();
        for id in self.active.iter().copied().collect::<Vec<_>>() {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            if entry.life.next().is_some_and(|due| due <= now) {
                self.happen(id, Event::Time);
                continue;
            }
            self.order_again(id);
            self.examine(id, now);
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            if !matches!(entry.life.phase(), Phase::Serving { .. }) {
                continue;
            }
            if entry.upstream.was_used() {
                entry.used = now;
            } else if let Some(idle) = entry.wanted.program.idle_time.filter(|idle| entry.used + *idle <= now)
                && entry.upstream.rest()
            {
                let idle = written_duration(idle);
                entry.note(&self.site_log, format_args!("Upstream stopping: idle for {idle}"));
                self.happen(id, Event::Rested);
            }
        }
        if self.measured + MEASURE_PACE <= now {
            self.measured = now;
            if let Some(root) = &self.node.load().launcher.cgroup_root {
                let all = Usage::of_all(root);
                self.metrics.programs().used(all.memory, all.cpu);
            }
        }
        let over: Vec<Instance> = self
            .running
            .iter_mut()
            .filter_map(|(instance, running)| running.retire_by.take_if(|by| *by <= now).map(|_| *instance))
            .collect();
        for instance in over {
            self.order(Order::Stop { instance });
        }
    }
}

/// How often what all programs use is looked at: two files.
const MEASURE_PACE: Duration = Duration::from_secs(5);

/// How often the time is looked at while a program runs: how late a deadline or an idle time may be noticed.
const TICK: Duration = Duration::from_millis(250);
