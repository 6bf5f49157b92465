//! One account whole, as a page of its own: all that is counted of it, its limits, its upstreams and their programs. The
//! names are not those of the node's page: a sum over all series of a name counts nothing twice, whoever scrapes both.

use super::counters::STATUS_CLASSES;
use super::family::{
    Family, SINGLE_BODY_LIMIT, SINGLE_BUFFERED, SINGLE_BUFFERED_LIMIT, SINGLE_FAILURES, SINGLE_GENERATION,
    SINGLE_HOSTS, SINGLE_HOSTS_REFUSED, SINGLE_IN_FLIGHT, SINGLE_IN_FLIGHT_LIMIT, SINGLE_MOVED,
    SINGLE_PROGRAM_CPU, SINGLE_PROGRAM_KILLS, SINGLE_PROGRAM_MEMORY, SINGLE_PROGRAM_STARTS,
    SINGLE_PROGRAM_STATE, SINGLE_PROGRAM_UNANSWERED, SINGLE_QUEUED, SINGLE_QUEUED_LIMIT, SINGLE_RATE_LIMIT,
    SINGLE_REQUEST_BYTES, SINGLE_REQUESTS, SINGLE_RESPONSE_BYTES, SINGLE_STATE, SINGLE_TUNNELS,
    SINGLE_TUNNELS_LIMIT, SINGLE_UPSTREAM_IN_USE, SINGLE_UPSTREAM_LIMIT, SINGLE_UPSTREAM_OPEN,
    SINGLE_UPSTREAM_TUNNELS, SINGLE_UPSTREAM_WAITING,
};
use super::programs;
use crate::base::{AccountName, Cause, UpstreamName};
use crate::config::{AccountLimits, AccountState};
use prometheus::TextEncoder;
use prometheus::proto::{Metric, MetricFamily};
use std::time::Duration;

/// What is counted of an account, at one moment.
#[derive(Clone, Debug)]
pub struct AccountFigures {
    /// Its name.
    pub name: AccountName,
    /// Whether it is served.
    pub state: AccountState,
    /// That of its form.
    pub generation: u64,
    /// Host names and wildcards it holds.
    pub hosts: usize,
    /// Those it claims and another account holds.
    pub hosts_refused: usize,
    /// Requests answered by the class of their status, 1xx first.
    pub requests: [u64; STATUS_CLASSES.len()],
    /// Those that failed, in the order of [`Cause::ALL`].
    pub failures: [u64; Cause::ALL.len()],
    /// Those passed on to the node that it has moved to.
    pub moved_on: u64,
    /// Body bytes received from visitors.
    pub body_received: u64,
    /// Body bytes sent to visitors.
    pub body_sent: u64,
    /// Requests whose answer has not ended.
    pub in_flight: u32,
    /// Requests that wait for a place.
    pub queued: usize,
    /// Tunnels, those included that are asked for.
    pub tunnels: u32,
    /// Bytes read ahead of its upstreams and of its visitors.
    pub buffered_bytes: usize,
    /// What it may have.
    pub limits: AccountLimits,
    /// Its upstreams; whoever fills this in bounds it.
    pub upstreams: Vec<UpstreamFigures>,
}

/// What is counted of an upstream.
#[derive(Clone, Debug)]
pub struct UpstreamFigures {
    /// Its name.
    pub name: UpstreamName,
    /// Connections open, idle ones included.
    pub open: u32,
    /// Connections lent out.
    pub in_use: u32,
    /// Connections it may have.
    pub most: u32,
    /// Connections that became tunnels.
    pub tunnels: u32,
    /// Requests that wait for a connection.
    pub waiting: usize,
    /// Its program, where it has one of its own.
    pub program: Option<ProgramUse>,
}

/// What is counted of a program.
#[derive(Clone, Debug)]
pub struct ProgramUse {
    /// Where it is in its life, in the words of whoever leads it.
    pub state: &'static str,
    /// How often it was started.
    pub starts: u64,
    /// Its memory in bytes; `None`: nobody knows.
    pub memory: Option<u64>,
    /// Processor time of the instance that serves; `None`: nobody knows.
    pub cpu: Option<Duration>,
    /// Processes of it that were killed for want of memory.
    pub memory_kills: u64,
    /// Requests that it has whole and has not answered.
    pub unanswered: u64,
}

impl AccountFigures {
    /// The page in Prometheus' text format (version 0.0.4). Cost: by the upstreams.
    ///
    /// # Errors
    /// When a family cannot be written as text, which a test rules out.
    pub fn render(&self) -> prometheus::Result<String> {
        let mut page = Page { account: self.name.as_str(), families: Vec::new() };
        self.put_account(&mut page);
        self.put_limits(&mut page);
        self.put_upstreams(&mut page);
        self.put_programs(&mut page);
        TextEncoder::new().encode_to_string(&page.families)
    }

    fn put_account(&self, page: &mut Page<'_>) {
        let states = STATES.iter().map(|(state, word)| (vec![*word], flag(*state == self.state)));
        page.put(&SINGLE_STATE, states);
        page.one(&SINGLE_GENERATION, self.generation as f64);
        page.one(&SINGLE_HOSTS, self.hosts as f64);
        page.one(&SINGLE_HOSTS_REFUSED, self.hosts_refused as f64);
        let by_class = STATUS_CLASSES.iter().zip(self.requests);
        page.put(&SINGLE_REQUESTS, by_class.map(|(class, count)| (vec![*class], count as f64)));
        let by_cause = Cause::ALL.iter().map(|cause| cause.verdict()).zip(self.failures);
        let by_cause =
            by_cause.map(|(told, count)| (vec![told.word, told.error, told.blame.word()], count as f64));
        page.put(&SINGLE_FAILURES, by_cause);
        page.one(&SINGLE_MOVED, self.moved_on as f64);
        page.one(&SINGLE_REQUEST_BYTES, self.body_received as f64);
        page.one(&SINGLE_RESPONSE_BYTES, self.body_sent as f64);
        page.one(&SINGLE_IN_FLIGHT, f64::from(self.in_flight));
        page.one(&SINGLE_QUEUED, self.queued as f64);
        page.one(&SINGLE_TUNNELS, f64::from(self.tunnels));
        page.one(&SINGLE_BUFFERED, self.buffered_bytes as f64);
    }

    fn put_limits(&self, page: &mut Page<'_>) {
        let limits = &self.limits;
        page.one(&SINGLE_IN_FLIGHT_LIMIT, f64::from(limits.in_flight));
        page.one(&SINGLE_QUEUED_LIMIT, f64::from(limits.queue));
        page.one(&SINGLE_TUNNELS_LIMIT, f64::from(limits.tunnels));
        page.one(&SINGLE_BUFFERED_LIMIT, limits.buffered_bytes as f64);
        // Without such a limit there is no number for it.
        let rate = limits.rate.map(|rate| rate.count as f64 / rate.period.as_secs_f64());
        page.put(&SINGLE_RATE_LIMIT, rate.map(|rate| (Vec::new(), rate)));
        page.put(&SINGLE_BODY_LIMIT, limits.body_bytes.map(|most| (Vec::new(), most as f64)));
    }

    fn put_upstreams(&self, page: &mut Page<'_>) {
        let figures: [Figure<UpstreamFigures>; 5] = [
            (&SINGLE_UPSTREAM_OPEN, |of| Some(f64::from(of.open))),
            (&SINGLE_UPSTREAM_IN_USE, |of| Some(f64::from(of.in_use))),
            (&SINGLE_UPSTREAM_LIMIT, |of| Some(f64::from(of.most))),
            (&SINGLE_UPSTREAM_TUNNELS, |of| Some(f64::from(of.tunnels))),
            (&SINGLE_UPSTREAM_WAITING, |of| Some(of.waiting as f64)),
        ];
        for (family, figure) in figures {
            let known = self.upstreams.iter().filter_map(|of| Some((vec![of.name.as_str()], figure(of)?)));
            page.put(family, known);
        }
    }

    fn put_programs(&self, page: &mut Page<'_>) {
        let programs =
            || self.upstreams.iter().filter_map(|of| Some((of.name.as_str(), of.program.as_ref()?)));
        let states = programs().flat_map(|(name, of)| {
            programs::STATES.map(|state| (vec![name, state], flag(state == of.state)))
        });
        page.put(&SINGLE_PROGRAM_STATE, states);
        let figures: [Figure<ProgramUse>; 5] = [
            (&SINGLE_PROGRAM_STARTS, |of| Some(of.starts as f64)),
            (&SINGLE_PROGRAM_KILLS, |of| Some(of.memory_kills as f64)),
            (&SINGLE_PROGRAM_MEMORY, |of| of.memory.map(|bytes| bytes as f64)),
            (&SINGLE_PROGRAM_CPU, |of| of.cpu.map(|cpu| cpu.as_secs_f64())),
            (&SINGLE_PROGRAM_UNANSWERED, |of| Some(of.unanswered as f64)),
        ];
        for (family, figure) in figures {
            page.put(family, programs().filter_map(|(name, of)| Some((vec![name], figure(of)?))));
        }
    }
}

/// A family, and its number of one thing; `None`: nobody knows.
type Figure<T> = (&'static Family, fn(&T) -> Option<f64>);

/// The families so far, all of one account.
struct Page<'a> {
    account: &'a str,
    families: Vec<MetricFamily>,
}

impl Page<'_> {
    fn one(&mut self, family: &Family, value: f64) {
        self.put(family, [(Vec::new(), value)]);
    }

    /// A family by the labels beside the account's name; nothing, where there are none.
    fn put<'v>(&mut self, family: &Family, series: impl IntoIterator<Item = (Vec<&'v str>, f64)>) {
        let with_account = |(labels, value): (Vec<&str>, f64)| {
            family.series(&[&[self.account], &labels[..]].concat(), value)
        };
        let series: Vec<Metric> = series.into_iter().map(with_account).collect();
        if !series.is_empty() {
            self.families.push(family.with(series));
        }
    }
}

/// Of several states, 1 is the one that it is in.
fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// In the words of documents.
const STATES: [(AccountState, &str); 4] = [
    (AccountState::Active, "active"),
    (AccountState::Maintenance, "maintenance"),
    (AccountState::Suspended, "suspended"),
    (AccountState::Moved, "moved"),
];

#[cfg(test)]
mod tests;
