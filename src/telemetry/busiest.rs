//! The ten busiest accounts by name and all others as one, so that a hundred thousand accounts cost eleven
//! series of each family. Names come from the account table alone, never from a request.

use super::family::{
    ACCOUNT_REQUEST_BYTES, ACCOUNT_REQUESTS, ACCOUNT_RESPONSE_BYTES, ACCOUNT_SERVER_ERRORS, Family,
};
use crate::base::{self, AccountName};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use std::collections::HashMap;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, PoisonError};
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
}

/// Hands every account's name and counters to the visitor it is given. Called at a scrape, on the thread that
/// scrapes; its cost is the caller's to bound.
pub type AccountSource = Box<dyn Fn(&mut dyn FnMut(&AccountName, AccountSample)) + Send + Sync>;

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
        let descs = FIGURES.iter().map(|(family, _)| family.desc()).collect::<prometheus::Result<_>>()?;
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
        let family = |(family, figure): &(Family, Figure)| {
            family
                .with(ranking.series().map(|(name, of)| family.series(&[name], figure(of) as f64)).collect())
        };
        FIGURES.iter().map(family).collect()
    }
}

/// Who is busiest, decided by a decaying sum of requests so that nobody flaps in and out.
///
/// Whatever an account does between two scrapes is added to its own series when it is shown at both of them, else
/// to `_other`. So no request counts twice, and every series only grows.
#[derive(Default)]
struct Ranking {
    accounts: HashMap<AccountName, Standing>,
    /// The busiest, at most [`MOST_NAMED`].
    shown: Vec<AccountName>,
    others: AccountSample,
    scraped: Option<Instant>,
    round: u64,
}

/// What is remembered of an account that ever had a request.
#[derive(Default)]
struct Standing {
    /// As of the last scrape.
    last: AccountSample,
    /// Between the last two scrapes.
    gained: AccountSample,
    /// What its own series says.
    series: AccountSample,
    score: f64,
    shown: bool,
    chosen: bool,
    round: u64,
}

impl Ranking {
    fn take_samples(&mut self, source: &AccountSource, now: Instant) {
        let passed =
            self.scraped.replace(now).map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        let decay = 0.5_f64.powf(passed.as_secs_f64() / HALF_LIFE.as_secs_f64());
        self.round += 1;
        let round = self.round;
        let accounts = &mut self.accounts;
        source(&mut |name, sample| {
            if let Some(standing) = accounts.get_mut(name) {
                standing.update(sample, decay, round);
            } else if sample != AccountSample::default() {
                accounts.entry(name.clone()).or_default().update(sample, decay, round);
            }
        });
        accounts.retain(|_, standing| standing.round == round);
        self.choose();
        self.share_out();
    }

    fn choose(&mut self) {
        let mut ranked: Vec<(f64, &AccountName)> = Vec::new();
        for (name, standing) in &self.accounts {
            let score = standing.score * if standing.shown { LOYALTY } else { 1.0 };
            if score >= LEAST_SCORE {
                ranked.push((score, name));
            }
        }
        if ranked.len() > MOST_NAMED {
            ranked.select_nth_unstable_by(MOST_NAMED - 1, |(score, name), (other_score, other_name)| {
                other_score.total_cmp(score).then_with(|| name.cmp(other_name))
            });
            ranked.truncate(MOST_NAMED);
        }
        self.shown = ranked.into_iter().map(|(_, name)| name.clone()).collect();
    }

    fn share_out(&mut self) {
        for name in &self.shown {
            if let Some(standing) = self.accounts.get_mut(name) {
                standing.chosen = true;
            }
        }
        for standing in self.accounts.values_mut() {
            let both_times = standing.shown && standing.chosen;
            let series = if both_times { &mut standing.series } else { &mut self.others };
            *series += standing.gained;
            standing.shown = std::mem::take(&mut standing.chosen);
        }
    }

    /// Every series by its label, `_other` at the end.
    fn series(&self) -> impl Iterator<Item = (&str, &AccountSample)> {
        let named =
            self.shown.iter().filter_map(|name| Some((name.as_str(), &self.accounts.get(name)?.series)));
        named.chain([(OTHERS, &self.others)])
    }
}

impl Standing {
    fn update(&mut self, sample: AccountSample, decay: f64, round: u64) {
        // A document removed and written again starts from nothing.
        let last = if sample.requests < self.last.requests { AccountSample::default() } else { self.last };
        self.gained = AccountSample {
            requests: sample.requests - last.requests,
            server_errors: sample.server_errors.saturating_sub(last.server_errors),
            body_received: sample.body_received.saturating_sub(last.body_received),
            body_sent: sample.body_sent.saturating_sub(last.body_sent),
        };
        self.score = self.score * decay + self.gained.requests as f64;
        self.last = sample;
        self.round = round;
    }
}

impl AddAssign for AccountSample {
    fn add_assign(&mut self, more: Self) {
        self.requests += more.requests;
        self.server_errors += more.server_errors;
        self.body_received += more.body_received;
        self.body_sent += more.body_sent;
    }
}

/// Accounts shown by name: enough to find a noisy neighbour, few enough for any Prometheus.
const MOST_NAMED: usize = 10;

/// A request counts half towards the ranking after this time.
const HALF_LIFE: Duration = Duration::from_secs(300);

/// Who is shown stays until another is busier by this factor.
const LOYALTY: f64 = 1.2;

/// Below one request in the window, nobody is busy.
const LEAST_SCORE: f64 = 1.0;

/// The label of all accounts not shown by name; no account can be called so.
const OTHERS: &str = "_other";

const FIGURES: [(Family, Figure); 4] = [
    (ACCOUNT_REQUESTS, |sample| sample.requests),
    (ACCOUNT_SERVER_ERRORS, |sample| sample.server_errors),
    (ACCOUNT_REQUEST_BYTES, |sample| sample.body_received),
    (ACCOUNT_RESPONSE_BYTES, |sample| sample.body_sent),
];

#[cfg(test)]
mod tests;
