//! The hundred busiest accounts by name and all others as one, so that a hundred thousand accounts cost a hundred
//! series of each family and one more. Names come from the account table alone, never from a request.
//!
//! What is remembered of an account stands beside its counters ([`AccountRank`]): a scrape looks at each of them
//! once, looks nothing up, and passes those by that had no request since the last one. Memory is what it costs:
//! accounts lie far apart, so that each look is a wait, and who is passed by is looked at once.

use super::family::{
    ACCOUNT_FAILURES, ACCOUNT_IN_FLIGHT, ACCOUNT_LIMITED, ACCOUNT_REQUEST_BYTES, ACCOUNT_REQUESTS,
    ACCOUNT_RESPONSE_BYTES, ACCOUNT_SERVER_ERRORS, ACCOUNT_TUNNELS, Family,
};
use crate::base::{self, AccountName, Blame};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// An account's counters, which only grow while it exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountSample {
    /// Requests answered, whoever answered them.
    pub requests: u64,
    /// Answers with a status of 500 and above.
    pub server_errors: u64,
    /// Body bytes received from visitors.
    pub body_received: u64,
    /// Body bytes sent to visitors.
    pub body_sent: u64,
    /// Requests that failed, in the order of [`Blame::ALL`].
    pub failures: [u64; Self::BLAMES],
    /// Of these, those refused by the account's rate, queue or number of tunnels.
    pub limited: u64,
}

/// What an account has at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountGauges {
    /// Requests whose answer has not ended.
    pub in_flight: u32,
    /// Tunnels.
    pub tunnels: u32,
}

/// An account, as the ranking sees it.
pub trait Ranked {
    /// Its name.
    fn name(&self) -> &AccountName;

    /// Requests answered so far. Whoever sees one sees what else was counted of it. Cost: some loads.
    fn requests(&self) -> u64;

    /// Its counters. Asked for after a new request.
    fn sample(&self) -> AccountSample;

    /// What it has at this moment. Asked of few.
    fn gauges(&self) -> AccountGauges;

    /// What the ranking remembers of it. One ranking only: it would not know of another one's scrapes.
    fn rank(&self) -> &AccountRank;
}

/// Shows every account to the visitor it is given. Called at a scrape, on the thread that scrapes; its cost is
/// the caller's to bound.
pub type AccountSource = Box<dyn Fn(&mut dyn FnMut(&dyn Ranked)) + Send + Sync>;

/// What the ranking remembers of an account, as a part of it. Nothing is allocated before its first request.
/// Written by the thread that scrapes, a handful of times a minute.
#[derive(Debug)]
pub struct AccountRank {
    /// Requests, as of the last scrape.
    seen: AtomicU64,
    /// Its [`Score`], as bits.
    score: AtomicU64,
    /// Whether it was among the best for a while at the last scrape, and may be shown.
    was_taken: AtomicBool,
    standing: OnceLock<Arc<Mutex<Standing>>>,
}

/// One number of a sample.
type Figure = fn(&AccountSample) -> u64;

/// Shows the busiest accounts of a source. Clones share their state.
#[derive(Clone)]
pub(super) struct Busiest {
    descs: Arc<[Desc]>,
    state: Arc<Mutex<State>>,
}

struct State {
    source: Option<AccountSource>,
    ranking: Ranking,
}

impl Busiest {
    pub(super) fn new() -> prometheus::Result<Self> {
        let counted = FIGURES.iter().map(|(family, _)| family);
        let families = counted.chain([&ACCOUNT_FAILURES, &ACCOUNT_IN_FLIGHT, &ACCOUNT_TUNNELS]);
        let descs = families.map(Family::desc).collect::<prometheus::Result<_>>()?;
        let state = State { source: None, ranking: Ranking::default() };
        Ok(Self { descs, state: Arc::new(Mutex::new(state)) })
    }

    pub(super) fn observe(&self, source: AccountSource) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).source = Some(source);
    }
}

impl Collector for Busiest {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { source, ranking } = &mut *state;
        let Some(source) = source else { return Vec::new() };
        ranking.take_samples(source, base::now());
        let counted = |(family, figure): &(Family, Figure)| {
            let series = ranking.series().map(|(name, of)| family.series(&[name], figure(of) as f64));
            family.with(series.collect())
        };
        let failures = ranking.series().flat_map(|(name, of)| {
            let by_blame = Blame::ALL.iter().zip(of.failures);
            by_blame.map(move |(blame, count)| ACCOUNT_FAILURES.series(&[name, blame.word()], count as f64))
        });
        let gauge = |family: Family, figure: fn(&AccountGauges) -> u32| {
            let series = ranking
                .named
                .iter()
                .map(|named| family.series(&[named.name.as_str()], f64::from(figure(&named.gauges))));
            family.with(series.collect())
        };
        let mut families: Vec<MetricFamily> = FIGURES.iter().map(counted).collect();
        families.push(ACCOUNT_FAILURES.with(failures.collect()));
        families.push(gauge(ACCOUNT_IN_FLIGHT, |gauges| gauges.in_flight));
        families.push(gauge(ACCOUNT_TUNNELS, |gauges| gauges.tunnels));
        families
    }
}

/// Who is busiest, decided by a decaying sum of requests so that nobody flaps in and out.
///
/// Whatever an account does between two scrapes is added to its own series when it is shown at both of them, else
/// to `_other`. So no request counts twice, and every series only grows.
#[derive(Default)]
struct Ranking {
    /// The busiest, at most [`MOST_NAMED`], in no particular order.
    named: Vec<Named>,
    others: AccountSample,
    began: Option<Instant>,
}

/// An account that is shown by name.
struct Named {
    name: AccountName,
    series: AccountSample,
    gauges: AccountGauges,
}

/// What is remembered of an account that ever had a request.
#[derive(Debug, Default)]
struct Standing {
    /// As of the last scrape.
    sample: AccountSample,
    shown: bool,
    /// Of an account that was ever shown.
    own: Option<Box<Own>>,
}

/// An account's own series.
#[derive(Debug, Default)]
struct Own {
    says: AccountSample,
    /// Between the last two scrapes, until it is decided whose it is.
    gained: AccountSample,
}

/// The binary logarithm of a decaying sum of requests, as if nothing had decayed since the first scrape: it stays
/// as it is while the account does nothing, and two of them compare at any time.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
struct Score(f64);

/// A candidate for a name. The greatest is the busiest.
struct Candidate {
    score: Score,
    name: AccountName,
    gauges: AccountGauges,
    standing: Arc<Mutex<Standing>>,
}

impl Ranking {
    /// Cost: a visit of every account; more for those that had a request since the last time.
    fn take_samples(&mut self, source: &AccountSource, now: Instant) {
        let began = *self.began.get_or_insert(now);
        let at = now.saturating_duration_since(began).as_secs_f64() / HALF_LIFE.as_secs_f64();
        let least = Score::of(LEAST_SCORE, at);
        let (others, mut best, mut before) = (&mut self.others, Best::default(), Vec::new());
        source(&mut |account| {
            let rank = account.rank();
            let is_idle = account.requests() == rank.seen.load(Relaxed);
            let mut score = rank.score();
            let was_taken = rank.was_taken.load(Relaxed);
            // Whoever is shown was taken, and has to be told if it is not shown any more.
            if is_idle && !was_taken && !(score >= least && best.takes(score)) {
                return;
            }
            let standing = rank.standing.get_or_init(Arc::default);
            let mut of = lock(standing);
            if !is_idle {
                let gained = of.take(account.sample());
                score = score.plus(gained.requests, at);
                rank.seen.store(of.sample.requests, Relaxed);
                rank.score.store(score.0.to_bits(), Relaxed);
                let is_shown = of.shown;
                match &mut of.own {
                    Some(own) if is_shown => own.gained = gained,
                    _ => *others += gained,
                }
            }
            if of.shown {
                score = score.preferred(at);
                before.push(Arc::clone(standing));
            }
            drop(of);
            let is_taken = score >= least && best.offer(score, account, standing);
            if is_taken != was_taken {
                rank.was_taken.store(is_taken, Relaxed);
            }
        });
        let best = best.0.into_vec();
        for Reverse(candidate) in &best {
            let mut of = lock(&candidate.standing);
            let was_shown = std::mem::replace(&mut of.shown, true);
            let own = of.own.get_or_insert_default();
            let gained = std::mem::take(&mut own.gained);
            if was_shown {
                own.says += gained;
            }
        }
        self.named = best.iter().map(|Reverse(candidate)| candidate.named()).collect();
        for standing in before {
            let is_chosen = best.iter().any(|Reverse(chosen)| Arc::ptr_eq(&chosen.standing, &standing));
            if !is_chosen {
                let mut of = lock(&standing);
                of.shown = false;
                if let Some(own) = &mut of.own {
                    self.others += std::mem::take(&mut own.gained);
                }
            }
        }
    }

    /// Every series by its label, `_other` at the end.
    fn series(&self) -> impl Iterator<Item = (&str, &AccountSample)> {
        let named = self.named.iter().map(|named| (named.name.as_str(), &named.series));
        named.chain([(OTHERS, &self.others)])
    }
}

/// The best candidates so far, at most [`MOST_NAMED`]; the least of them comes first.
#[derive(Default)]
struct Best(BinaryHeap<Reverse<Candidate>>);

impl Best {
    /// Whether an account of this score is one of them, so far. Of equals it is who came first: names would have to be
    /// fetched for it.
    fn takes(&self, score: Score) -> bool {
        self.least().is_none_or(|least| score > least.score)
    }

    /// Takes the account, if it is better than another one that is taken. Cost: a comparison for nearly all of very
    /// many.
    fn offer(&mut self, score: Score, account: &dyn Ranked, standing: &Arc<Mutex<Standing>>) -> bool {
        if !self.takes(score) {
            return false;
        }
        if self.0.len() == MOST_NAMED {
            self.0.pop();
        }
        self.0.push(Reverse(Candidate {
            score,
            name: account.name().clone(),
            gauges: account.gauges(),
            standing: Arc::clone(standing),
        }));
        true
    }

    /// Who has to go for another one.
    fn least(&self) -> Option<&Candidate> {
        let least = self.0.peek().filter(|_| self.0.len() == MOST_NAMED);
        least.map(|Reverse(least)| least)
    }
}

impl Candidate {
    fn named(&self) -> Named {
        let series = lock(&self.standing).own.as_ref().map_or_else(AccountSample::default, |own| own.says);
        Named { name: self.name.clone(), series, gauges: self.gauges }
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.score.0.total_cmp(&other.score.0)
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

impl Standing {
    /// Takes the counters over: what was gained since the last time.
    fn take(&mut self, sample: AccountSample) -> AccountSample {
        let last = std::mem::replace(&mut self.sample, sample);
        AccountSample {
            requests: sample.requests.saturating_sub(last.requests),
            server_errors: sample.server_errors.saturating_sub(last.server_errors),
            body_received: sample.body_received.saturating_sub(last.body_received),
            body_sent: sample.body_sent.saturating_sub(last.body_sent),
            failures: std::array::from_fn(|blame| {
                sample.failures[blame].saturating_sub(last.failures[blame])
            }),
            limited: sample.limited.saturating_sub(last.limited),
        }
    }
}

impl Score {
    /// Nobody ever asked.
    const NONE: Self = Self(f64::NEG_INFINITY);

    /// So many requests, all of them at `at`.
    fn of(requests: f64, at: f64) -> Self {
        Self(requests.log2() + at)
    }

    /// How many requests it stands for at `at`.
    fn requests(self, at: f64) -> f64 {
        (self.0 - at).exp2()
    }

    fn plus(self, requests: u64, at: f64) -> Self {
        Self::of(self.requests(at) + requests as f64, at)
    }

    /// What another has to have to take the place of who is shown.
    fn preferred(self, at: f64) -> Self {
        match self.requests(at) {
            // Not busy any more: the place is free.
            requests if requests < LEAST_SCORE => self,
            requests => Self::of(requests * LOYALTY + LEAD, at),
        }
    }
}

impl AccountRank {
    fn score(&self) -> Score {
        Score(f64::from_bits(self.score.load(Relaxed)))
    }
}

impl Default for AccountRank {
    fn default() -> Self {
        let score = AtomicU64::new(Score::NONE.0.to_bits());
        Self { seen: AtomicU64::new(0), score, was_taken: AtomicBool::new(false), standing: OnceLock::new() }
    }
}

impl AccountSample {
    /// Kinds of fault.
    pub const BLAMES: usize = Blame::ALL.len();
}

impl AddAssign for AccountSample {
    fn add_assign(&mut self, more: Self) {
        self.requests += more.requests;
        self.server_errors += more.server_errors;
        self.body_received += more.body_received;
        self.body_sent += more.body_sent;
        self.failures.iter_mut().zip(more.failures).for_each(|(sum, more)| *sum += more);
        self.limited += more.limited;
    }
}

fn lock(standing: &Mutex<Standing>) -> MutexGuard<'_, Standing> {
    standing.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accounts shown by name: enough to find a noisy neighbour, few enough for any Prometheus.
const MOST_NAMED: usize = 100;

/// A request counts half towards the ranking after this time.
const HALF_LIFE: Duration = Duration::from_secs(300);

/// Who is shown stays until another is busier by this factor …
const LOYALTY: f64 = 1.2;

/// … and by so many requests of the window: where there are few, a fifth of them is chance.
const LEAD: f64 = 10.0;

/// Below one request in the window, nobody is busy.
const LEAST_SCORE: f64 = 1.0;

/// The label of all accounts not shown by name; no account can be called so.
const OTHERS: &str = "_other";

const FIGURES: [(Family, Figure); 5] = [
    (ACCOUNT_REQUESTS, |sample| sample.requests),
    (ACCOUNT_SERVER_ERRORS, |sample| sample.server_errors),
    (ACCOUNT_LIMITED, |sample| sample.limited),
    (ACCOUNT_REQUEST_BYTES, |sample| sample.body_received),
    (ACCOUNT_RESPONSE_BYTES, |sample| sample.body_sent),
];

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
