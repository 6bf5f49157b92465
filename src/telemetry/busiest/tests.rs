//! Accounts that come, go and start again: every request counts once, no series goes back.

use super::*;

/// Accounts whose counters the test sets.
#[derive(Clone, Default)]
struct Table(Arc<Mutex<HashMap<String, u64>>>);

impl Table {
    fn add(&self, name: &str, requests: u64) {
        *self.0.lock().unwrap().entry(name.to_owned()).or_default() += requests;
    }

    fn source(&self) -> AccountSource {
        let table = self.clone();
        Box::new(move |each| {
            for (name, requests) in &*table.0.lock().unwrap() {
                let name = AccountName::new(name).unwrap();
                each(&name, AccountSample { requests: *requests, ..AccountSample::default() });
            }
        })
    }
}

struct Scraper {
    source: AccountSource,
    ranking: Ranking,
    now: Instant,
}

impl Scraper {
    fn new(table: &Table) -> Self {
        Self { source: table.source(), ranking: Ranking::default(), now: base::now() }
    }

    fn scrape(&mut self) -> HashMap<String, u64> {
        self.now += Duration::from_secs(15);
        self.ranking.take_samples(&self.source, self.now);
        self.ranking.series().map(|(name, sample)| (name.to_owned(), sample.requests)).collect()
    }
}

#[test]
fn ten_by_name_and_the_rest_as_one() {
    let table = Table::default();
    let mut scraper = Scraper::new(&table);
    for n in 0..1000 {
        table.add(&format!("a{n}"), n);
    }
    let first = scraper.scrape();
    assert_eq!(first.len(), 11);
    assert_eq!((first["a999"], first[OTHERS]), (0, 499_500));
    for n in 0..1000 {
        table.add(&format!("a{n}"), 10 * n);
    }
    let second = scraper.scrape();
    assert_eq!(second["a999"], 9_990);
    assert_eq!(second.values().sum::<u64>(), 11 * 499_500, "every request counts once");
}

#[test]
fn series_only_grow_while_accounts_come_and_go() {
    let table = Table::default();
    let mut scraper = Scraper::new(&table);
    let mut before = HashMap::new();
    let mut total = 0;
    for round in 0..200_u64 {
        for n in 0..15 {
            let requests = (round * 7 + n * 31) % 97 * if (round / 40) % 15 == n { 100 } else { 1 };
            table.add(&format!("a{n}"), requests);
            total += requests;
        }
        let now = scraper.scrape();
        for (name, requests) in &now {
            assert!(before.get(name).is_none_or(|last| last <= requests), "{name} went back");
        }
        let absent: u64 = before.iter().filter(|(name, _)| !now.contains_key(*name)).map(|(_, n)| n).sum();
        assert!(now.values().sum::<u64>() + absent <= total);
        before.extend(now);
    }
    assert_eq!(before.values().sum::<u64>(), total);
}

#[test]
fn a_removed_account_leaves_and_starts_again_from_nothing() {
    let table = Table::default();
    let mut scraper = Scraper::new(&table);
    table.add("alice", 50);
    scraper.scrape();
    table.0.lock().unwrap().clear();
    assert_eq!(scraper.scrape().into_iter().collect::<Vec<_>>(), [(OTHERS.to_owned(), 50)]);
    table.add("alice", 7);
    assert_eq!(scraper.scrape()[OTHERS], 57);
    table.0.lock().unwrap().clear();
    table.add("alice", 3);
    assert_eq!(scraper.scrape()["alice"], 3, "a counter that went back started again");
}

#[test]
fn who_is_shown_stays_until_another_is_clearly_busier() {
    let table = Table::default();
    let mut scraper = Scraper::new(&table);
    for n in 0..10 {
        table.add(&format!("a{n}"), 100);
    }
    scraper.scrape();
    table.add("b", 110);
    assert!(!scraper.scrape().contains_key("b"));
    table.add("b", 110);
    assert!(scraper.scrape().contains_key("b"));
}
