//! The accounts' programs: what their documents want is kept running while somebody asks for it. Leads each program's
//! [`Lifecycle`]: tells it what happens, and does what it says, by the launcher and by the upstream that requests find.

mod link;
mod owner;
mod probe;
mod running;
mod told;

use crate::account::Form;
use crate::base::{AccountName, Cause, DocumentHash, Refusal, UpstreamName, now, wall, written_duration};
use crate::config::{Node, Program, Run, UpstreamAddress};
use crate::launch::{Instance, Notice, Order, Process};
use crate::route::Hosts;
use crate::telemetry::{Metrics, SiteLog, StartResult};
use crate::upstream::{
    Action, Bell, Event, Lifecycle, Phase, Ring, Stand, Standing, Terms, Upstream, UpstreamId,
};
use arc_swap::ArcSwap;
use link::Link;
use probe::{Found, Probe};
use running::{Running, told};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

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
    /// The name of the next instance; none was ever used by another process of this node.
    fresh: u64,
    /// What an action led to, to be told when its event is dealt with.
    later: VecDeque<(UpstreamId, Event)>,
    bell: Bell,
    rings: UnboundedReceiver<Ring>,
    wishes: UnboundedReceiver<ProgramWish>,
    found: Findings,
}

/// What the probes find: both ends of their channel, which holds one finding for each instance at most.
type Findings = (UnboundedSender<(Instance, Found)>, UnboundedReceiver<(Instance, Found)>);

/// An upstream with a program.
struct Entry {
    upstream: Arc<Upstream>,
    account: AccountName,
    name: UpstreamName,
    life: Lifecycle,
    wanted: Wanted,
    hash: DocumentHash,
    /// When somebody last used it, as far as the last look tells.
    used: Instant,
    since: Duration,
    starts: u64,
    failure: Option<String>,
}

/// What a program is by its document: when any of it changes it is started anew.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    run: Arc<Run>,
    program: Program,
    address: UpstreamAddress,
}

impl Wanted {
    /// Whether it is the same but for what only says how its life is led.
    fn runs_as(&self, other: &Self) -> bool {
        let same = |one: &Program, other: &Program| {
            one.command == other.command
                && one.directory == other.directory
                && one.environment == other.environment
                && one.revision == other.revision
        };
        self.run == other.run && self.address == other.address && same(&self.program, &other.program)
    }
}

impl Programs {
    /// Nobody's programs yet: tell [`ProgramWish::Follow`] of every account.
    pub fn new(
        node: Arc<ArcSwap<Node>>,
        hosts: Arc<Hosts>,
        metrics: Arc<Metrics>,
        site_log: SiteLog,
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
            fresh: u64::from_ne_bytes(seed),
            later: VecDeque::new(),
            bell,
            rings,
            wishes,
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
                Some((instance, found)) = self.found.1.recv() => self.answered(instance, found),
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

    /// Compares what the account's form wants with what is there.
    fn follow(&mut self, name: &AccountName) {
        let form = self.hosts.account(name.as_str()).map(|account| account.form());
        let before = self.accounts.remove(name).unwrap_or_default();
        let mut after = BTreeSet::new();
        if let Some(form) = &form {
            for (upstream, spec) in form.wanted() {
                if let Some(program) = &spec.program {
                    let wanted = Wanted {
                        run: form.run.clone(),
                        program: Program::clone(program),
                        address: spec.address.clone(),
                    };
                    after.insert(upstream.id());
                    self.want(name, upstream, wanted, form);
                }
            }
        }
        for id in before.difference(&after) {
            self.withdraw(*id);
        }
        if !after.is_empty() {
            self.accounts.insert(name.clone(), after);
        }
    }

    fn want(&mut self, account: &AccountName, upstream: &Arc<Upstream>, wanted: Wanted, form: &Form) {
        let id = upstream.id();
        if let Some(entry) = self.entries.get_mut(&id) {
            let changed = !entry.wanted.runs_as(&wanted);
            entry.wanted = wanted;
            entry.hash = form.hash;
            if changed {
                self.restart(id, "its document changed");
            }
            return;
        }
        // What it ran before it was last withdrawn may not have ended yet.
        let before = self.running.iter().find(|(_, running)| running.upstream == id);
        let entry = Entry {
            upstream: upstream.clone(),
            account: account.clone(),
            name: upstream.spec().name.clone(),
            life: before.map_or_else(Lifecycle::default, |(instance, _)| Lifecycle::stopping(*instance)),
            wanted,
            hash: form.hash,
            used: now(),
            since: wall(),
            starts: 0,
            failure: None,
        };
        self.metrics.programs().moved(None, Some(entry.life.phase().word()));
        self.entries.insert(id, entry);
        upstream.attach(self.bell.clone());
        // Somebody else may have run the server until now.
        upstream.hold();
        upstream.forgive();
        self.tell(id);
        if upstream.is_waited_for() {
            self.later.push_back((id, Event::Wanted));
        }
    }

    fn restart(&mut self, id: UpstreamId, why: &str) {
        self.note_restart(id, why);
        self.happen(id, Event::Restart);
    }

    /// The upstream has no such program any more, or is gone.
    fn withdraw(&mut self, id: UpstreamId) {
        self.note_withdrawal(id);
        self.happen(id, Event::Withdrawn);
        let Some(entry) = self.entries.remove(&id) else { return };
        self.active.remove(&id);
        self.metrics.programs().moved(Some(entry.life.phase().word()), None);
        entry.upstream.set_standing(None);
        if entry.upstream.spec().program.is_none() {
            entry.upstream.release();
        } else {
            entry.upstream.dismiss();
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
                    Some(Phase::Serving { instance, .. } | Phase::Replacing { old: instance, .. })
                        if is_waited_for =>
                    {
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
            Notice::NotStarted { instance, why } => self.gone(instance, why, &[]),
            Notice::Changed { instance } => match self.running.get_mut(&instance) {
                Some(running) if running.stopped => self.gone(instance, String::new(), &[]),
                Some(running) => running.awaits_document = true,
                None => {}
            },
            Notice::Ended { instance, ending, out_of_memory, last_words } => {
                let memory = if out_of_memory { ", killed because its memory was used up" } else { "" };
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

    /// Asks an instance from now on whether it is ready.
    fn probe(&mut self, instance: Instance) {
        let beside = self.running.values().filter(|running| running.is_probed()).count();
        let Some(running) = self.running.get_mut(&instance) else { return };
        let Some(Process { uid, .. }) = running.process else { return };
        let path =
            self.entries.get(&running.upstream).and_then(|entry| entry.wanted.program.ready_path.clone());
        let probe = Probe { address: running.address.clone(), uid, path, beside };
        let found = self.found.0.clone();
        running.probed(async move {
            // Nobody listens while the node ends.
            let _ = found.send((instance, probe.run().await));
        });
    }

    fn answered(&mut self, instance: Instance, found: Found) {
        let Some(running) = self.running.get_mut(&instance) else { return };
        let id = running.upstream;
        match found {
            Found::Ready => {
                let outdated = std::mem::take(&mut running.outdated);
                self.happen(id, Event::Ready(instance));
                if outdated {
                    self.later.push_back((id, Event::Restart));
                }
            }
            Found::Foreign(uid) => {
                self.fails(id, instance, format!("address taken by uid {uid}"), &[]);
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
        } else if let (Some(entry), Some(Process { pid, .. })) = (self.entries.get(&id), &running.process) {
            entry.note(&self.site_log, format_args!("Upstream stopped: pid {pid} ({why})"));
            if running.turn == 0 {
                // Why it never was ready.
                self.quote(id, last_words);
            }
        }
        self.happen(id, Event::Ended(instance));
    }

    /// Notes and tells why an instance is of no use.
    fn fails(&mut self, id: UpstreamId, instance: Instance, why: String, last_words: &[String]) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let serves = match entry.life.phase() {
            Phase::Serving { instance: one, .. }
            | Phase::Recovering { instance: one, .. }
            | Phase::Replacing { old: one, .. } => one == instance,
            _ => false,
        };
        let result = if serves { StartResult::Crashed } else { StartResult::Failed };
        self.metrics.programs().started(result, Duration::ZERO);
        let (account, upstream) = (&entry.account, &entry.name);
        let command = told(&entry.wanted.program.command);
        let what = if serves { "ended by itself" } else { "starting failed" };
        tracing::warn!(%account, %upstream, "Upstream {what}: {command} ({why})");
        entry.note(&self.site_log, format_args!("Upstream {what}: {command} ({why})"));
        entry.failure = Some(why);
        self.quote(id, last_words);
    }

    /// Tells what a program said last.
    fn quote(&self, id: UpstreamId, last_words: &[String]) {
        let Some(entry) = self.entries.get(&id) else { return };
        for line in last_words {
            tracing::warn!(account = %entry.account, upstream = %entry.name, "STDERR: {line}");
            entry.note(&self.site_log, format_args!("STDERR: {line}"));
        }
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
        let over: Vec<Instance> = self
            .running
            .iter_mut()
            .filter_map(|(instance, running)| running.retire_by.take_if(|by| *by <= now).map(|_| *instance))
            .collect();
        for instance in over {
            self.order(Order::Stop { instance });
        }
    }

    /// Tells a life what happened and does what it says.
    fn happen(&mut self, id: UpstreamId, event: Event) {
        let drain = self.node.load().timeouts.drain;
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let program = &entry.wanted.program;
        let terms = Terms { start_timeout: program.start_timeout, drain, overlap: program.overlap };
        let before = entry.life.phase();
        let fresh = &mut self.fresh;
        let actions = entry.life.on(event, now(), &terms, || {
            *fresh = fresh.wrapping_add(1);
            Instance(*fresh)
        });
        let after = entry.life.phase();
        if after != before {
            entry.since = wall();
            self.metrics.programs().moved(Some(before.word()), Some(after.word()));
        }
        if let (Event::Time, Phase::Replacing { .. }) = (event, before)
            && after != before
        {
            self.late(id);
        }
        for action in actions {
            self.act(id, action);
        }
        self.tell(id);
    }

    fn act(&mut self, id: UpstreamId, action: Action) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        match action {
            Action::Start(instance) => self.start(id, instance),
            Action::Probe(instance) => self.probe(instance),
            Action::Admit(instance) => {
                let Some(running) = self.running.get_mut(&instance) else { return };
                running.is_ready();
                let pid = running.process.as_ref().map(|process| process.pid);
                entry.used = now();
                let took = running.age();
                if running.turn == 1 {
                    self.metrics.programs().started(StartResult::Ready, took);
                }
                let took_ms = took.as_secs_f64() * 1000.0;
                tracing::info!(account = %entry.account, upstream = %entry.name, pid, took_ms, "ready");
                entry.upstream.admit(Stand::new(
                    instance,
                    running.turn,
                    running.address.clone(),
                    self.bell.clone(),
                ));
                self.note_ready(instance, took);
            }
            Action::Hold => entry.upstream.hold(),
            Action::Retire(instance) => {
                let by = now() + self.node.load().timeouts.drain;
                if let Some(running) = self.running.get_mut(&instance) {
                    running.retire_by = Some(by);
                }
            }
            Action::Stop(instance) => self.order(Order::Stop { instance }),
            Action::Kill(instance) => self.order(Order::Kill { instance }),
            Action::Fail { until, late } => {
                let cause = if late { Cause::StartTimeout } else { Cause::StartFailed };
                if late {
                    self.late(id);
                }
                let Some(entry) = self.entries.get(&id) else { return };
                let why = entry.failure.clone().unwrap_or_default();
                entry.upstream.fail(
                    until,
                    &Refusal::new(cause, format!("upstream {}/{}: {why}", entry.account, entry.name)),
                );
            }
            Action::Forgive => entry.upstream.forgive(),
        }
    }

    /// Notes and tells that what was started is not ready in time.
    fn late(&mut self, id: UpstreamId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        self.metrics.programs().started(StartResult::Late, Duration::ZERO);
        let unread = self.running.values().any(|one| one.upstream == id && one.awaits_document);
        let why = if unread {
            "the document on disk is not the one in effect".to_owned()
        } else {
            format!("not ready after {}", written_duration(entry.wanted.program.start_timeout))
        };
        let command = told(&entry.wanted.program.command);
        tracing::warn!(account = %entry.account, upstream = %entry.name, "Upstream starting failed: {command} ({why})");
        entry.note(&self.site_log, format_args!("Upstream starting failed: {command} ({why})"));
        entry.failure = Some(why);
    }

    fn start(&mut self, id: UpstreamId, instance: Instance) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.starts += 1;
        let (account, upstream) = (entry.account.clone(), entry.name.clone());
        self.running.insert(instance, Running::new(id, entry.wanted.address.clone()));
        tracing::info!(%account, %upstream, instance = format_args!("{:016x}", instance.0), "starting");
        entry
            .note(&self.site_log, format_args!("Upstream starting: {}", told(&entry.wanted.program.command)));
        if let (UpstreamAddress::Ip(address), false) = (&entry.wanted.address, entry.wanted.program.overlap)
            && let Ok(Some(uid)) = owner::listener(*address)
        {
            return self.never(instance, format!("address taken by uid {uid}"));
        }
        let order = Order::Start { instance, account, upstream, hash: entry.hash };
        if !self.link.send(order) {
            self.never(instance, "the launcher cannot be reached".to_owned());
        }
    }

    /// The document was written just before a start: by now it may be the one that is meant.
    fn order_again(&mut self, id: UpstreamId) {
        let Some(entry) = self.entries.get(&id) else { return };
        let (Phase::Starting { instance, .. } | Phase::Replacing { new: instance, .. }) = entry.life.phase()
        else {
            return;
        };
        if self.running.get(&instance).is_some_and(|running| running.awaits_document) {
            self.order_start(instance);
        }
    }

    /// Orders a start that was ordered before, and of which nothing came.
    fn order_start(&mut self, instance: Instance) {
        let Some(running) = self.running.get_mut(&instance) else { return };
        running.awaits_document = false;
        let Some(entry) = self.entries.get(&running.upstream) else { return };
        let (account, upstream) = (entry.account.clone(), entry.name.clone());
        self.link.send(Order::Start { instance, account, upstream, hash: entry.hash });
    }

    /// An instance that was not even asked for.
    fn never(&mut self, instance: Instance, why: String) {
        let Some(running) = self.running.remove(&instance) else { return };
        self.fails(running.upstream, instance, why, &[]);
        self.later.push_back((running.upstream, Event::Ended(instance)));
    }

    fn order(&mut self, order: Order) {
        if let Order::Stop { instance } | Order::Kill { instance } = order
            && let Some(running) = self.running.get_mut(&instance)
        {
            running.is_stopped();
            if running.awaits_document {
                // There is nothing to stop.
                let upstream = running.upstream;
                self.running.remove(&instance);
                return self.later.push_back((upstream, Event::Ended(instance)));
            }
        }
        // Where the launcher is gone, what runs is told when it is back.
        self.link.send(order);
    }

    /// Tells status and metrics how the program is.
    fn tell(&mut self, id: UpstreamId) {
        let Some(entry) = self.entries.get(&id) else { return };
        let phase = entry.life.phase();
        if matches!(phase, Phase::Stopped | Phase::Failed { .. }) {
            self.active.remove(&id);
        } else {
            self.active.insert(id);
        }
        entry.upstream.set_standing(Some(Standing {
            state: phase.word(),
            since: entry.since,
            pid: phase
                .instance()
                .and_then(|instance| Some(self.running.get(&instance)?.process.as_ref()?.pid)),
            starts: entry.starts,
            failure: entry.failure.clone(),
        }));
    }
}

/// How often the time is looked at while a program runs: how late a deadline or an idle time may be noticed.
const TICK: Duration = Duration::from_millis(250);
