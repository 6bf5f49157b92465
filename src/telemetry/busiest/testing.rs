//! A table of accounts for tests: names and counters, nothing behind them.

use super::*;
use std::collections::HashMap;

/// Accounts whose counters the test sets.
#[derive(Clone, Default)]
pub(in crate::telemetry) struct Table(Arc<Mutex<HashMap<String, Arc<Counted>>>>);

struct Counted {
    name: AccountName,
    requests: AtomicU64,
    rank: AccountRank,
}

impl Ranked for Counted {
    fn name(&self) -> &AccountName {
        &self.name
    }

    fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    fn sample(&self) -> AccountSample {
        let requests = self.requests();
        AccountSample { requests, failures: [requests, 0, 2 * requests, 0], ..AccountSample::default() }
    }

    fn gauges(&self) -> AccountGauges {
        AccountGauges { in_flight: 7, tunnels: 3 }
    }

    fn rank(&self) -> &AccountRank {
        &self.rank
    }
}

impl Table {
    pub(in crate::telemetry) fn add(&self, name: &str, requests: u64) {
        let mut table = self.0.lock().unwrap();
        let new = || {
            let name = AccountName::new(name).unwrap();
            Arc::new(Counted { name, requests: AtomicU64::new(0), rank: AccountRank::default() })
        };
        table.entry(name.to_owned()).or_insert_with(new).requests.fetch_add(requests, Relaxed);
    }

    pub(in crate::telemetry) fn source(&self) -> AccountSource {
        let table = self.clone();
        Box::new(move |each| table.0.lock().unwrap().values().for_each(|account| each(&**account)))
    }

    pub(in crate::telemetry) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    pub(in crate::telemetry) fn standings(&self) -> usize {
        self.0.lock().unwrap().values().filter(|account| account.rank.standing.get().is_some()).count()
    }
}
