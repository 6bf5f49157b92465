//! Which accounts somebody should look at, and why: what `parvis status` and the live page show first. Looks; changes
//! nothing.

use super::documents::Documents;
use crate::account::Account;
use crate::base::AccountName;
use crate::route::Hosts;
use crate::telemetry::{Failing, Recent};
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;

/// An account that needs somebody.
#[derive(Debug, Serialize)]
pub struct Attention {
    account: AccountName,
    /// What is the matter, the worst first: a sentence each.
    why: Vec<String>,
    #[serde(skip)]
    weight: u32,
    /// Requests that failed lately, among accounts that are as badly off.
    #[serde(skip)]
    failed: u32,
}

/// How grave it is: programs that are not there come before requests that failed, these before documents.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Document = 1,
    Limited = 10,
    Waiting = 20,
    Failing = 100,
    Hangs = 200,
    Down = 400,
}

/// The accounts that need somebody, the worst first, of those whose requests fail whose fail most: at most `most`, and how many
/// there are. Cost: a look at every account, some 100 ns each.
pub fn attention(
    hosts: &Hosts,
    documents: &Documents,
    recent: &Recent,
    at: Duration,
    most: usize,
) -> (Vec<Attention>, usize) {
    let failing = recent.failing(at.saturating_sub(LATELY));
    let mut found: Vec<Attention> = Vec::new();
    hosts.each_account(|account| {
        let mut reasons = Reasons::default();
        reasons.of_programs(account);
        reasons.of_requests(account, &failing);
        if let Some(report) = documents.problems().get(account.name()) {
            let first = report.problems.first().map(|problem| problem.message.clone()).unwrap_or_default();
            reasons.add(Weight::Document, format!("its document: {first}"));
        }
        found.extend(reasons.told(account.name()));
    });
    // An account whose only document is wrong has nothing that serves.
    for (name, report) in
        documents.problems().iter().filter(|(name, _)| hosts.account(name.as_str()).is_none())
    {
        let mut reasons = Reasons::default();
        let first = report.problems.first().map(|problem| problem.message.clone()).unwrap_or_default();
        reasons.add(Weight::Down, format!("nothing of it is served, its document is wrong: {first}"));
        found.extend(reasons.told(name));
    }
    found.sort_unstable_by(|one, other| {
        let worse = (other.weight, other.failed).cmp(&(one.weight, one.failed));
        worse.then_with(|| one.account.cmp(&other.account))
    });
    let all = found.len();
    found.truncate(most);
    (found, all)
}

/// Why an account needs somebody.
#[derive(Default)]
struct Reasons {
    reasons: Vec<(Weight, String)>,
    failed: u32,
}

impl Reasons {
    fn add(&mut self, weight: Weight, why: String) {
        self.reasons.push((weight, why));
    }

    fn of_programs(&mut self, account: &Account) {
        let form = account.form();
        for upstream in form.upstreams() {
            let Some(standing) = upstream.standing() else { continue };
            let name = &upstream.spec().name;
            let failure = standing.failure.as_deref().unwrap_or("no word why");
            if standing.state == "failed" {
                self.add(Weight::Down, format!("the program of {name} does not start: {failure}"));
            }
            if standing.hangs.is_some() {
                self.add(
                    Weight::Hangs,
                    format!("the program of {name} takes connections and answers nobody"),
                );
            }
        }
    }

    fn of_requests(&mut self, account: &Account, failing: &HashMap<String, Vec<Failing>>) {
        let waiting = account.gate().waiting();
        if waiting > 0 {
            self.add(Weight::Waiting, format!("{waiting} requests wait in its queue"));
        }
        for failing in failing.get(account.name().as_str()).into_iter().flatten() {
            let verdict = failing.cause.verdict();
            let weight = match verdict.blame {
                crate::base::Blame::Site | crate::base::Blame::Us => Weight::Failing,
                crate::base::Blame::Limit => Weight::Limited,
                crate::base::Blame::Client => continue,
            };
            if matches!(
                failing.cause,
                crate::base::Cause::Maintenance | crate::base::Cause::Suspended | crate::base::Cause::Denied
            ) {
                // That is what somebody wanted.
                continue;
            }
            let Failing { count, last, .. } = failing;
            if weight == Weight::Failing {
                self.failed += count;
            }
            let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
            self.add(weight, format!("{} {times} lately, last {last}", verdict.word));
        }
    }

    fn told(mut self, account: &AccountName) -> Option<Attention> {
        self.reasons.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let weight = self.reasons.first().map(|(weight, _)| *weight as u32)?;
        let why = self.reasons.into_iter().take(MOST_REASONS).map(|(_, why)| why).collect();
        Some(Attention { account: account.clone(), why, weight, failed: self.failed })
    }
}

/// Failures count for this long.
const LATELY: Duration = Duration::from_secs(600);

/// Reasons told of an account.
const MOST_REASONS: usize = 5;
