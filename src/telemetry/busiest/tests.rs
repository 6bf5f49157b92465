//! Accounts that come, go and start again: every request counts once, no series goes back, and nobody flaps.

use super::testing::Table;
use super::*;
use std::collections::{HashMap, HashSet};

struct Scraper {
    table: Table,
    source: AccountSource,
    ranking: Ranking,
    now: Instant,
}

impl Scraper {
    fn new() -> Self {
        let table = Table::default();
        Self { source: table.source(), table, ranking: Ranking::default(), now: base::now() }
    }

    fn scrape(&mut self) -> HashMap<String, u64> {
        self.now += Duration::from_secs(15);
        self.ranking.take_samples(&self.source, self.now);
        self.ranking.series().map(|(name, sample)| (name.to_owned(), sample.requests)).collect()
    }

    /// The names shown after a quarter of a minute in which the accounts made so many requests.
    fn after<'a>(&mut self, requests: impl IntoIterator<Item = (&'a str, u64)>) -> HashSet<String> {
        requests.into_iter().for_each(|(name, requests)| self.table.add(name, requests));
        self.scrape().into_keys().collect()
    }

    /// Accounts that keep all places but `free` with a thousand requests a scrape each.
    fn crowd(&self, free: usize) {
        (0..MOST_NAMED - free).for_each(|n| self.table.add(&format!("crowd{n}"), 1000));
    }
}

#[test]
fn a_hundred_by_name_and_the_rest_as_one() {
    let mut scraper = Scraper::new();
    for n in 0..1000 {
        scraper.table.add(&format!("a{n}"), n);
    }
    let first = scraper.scrape();
    assert_eq!(first.len(), 101);
    assert_eq!((first["a999"], first[OTHERS]), (0, 499_500));
    for n in 0..1000 {
        scraper.table.add(&format!("a{n}"), 10 * n);
    }
    let second = scraper.scrape();
    assert_eq!(second["a999"], 9_990);
    assert!(second.contains_key("a900") && !second.contains_key("a899"));
    assert_eq!(second.values().sum::<u64>(), 11 * 499_500, "every request counts once");
    let (mut requests, mut failures) = (0, [0; AccountSample::BLAMES]);
    for (_, sample) in scraper.ranking.series() {
        requests += sample.requests;
        failures.iter_mut().zip(sample.failures).for_each(|(sum, more)| *sum += more);
    }
    assert_eq!(failures, [requests, 0, 2 * requests, 0]);
    let gauges = AccountGauges { in_flight: 7, tunnels: 3 };
    assert!(scraper.ranking.named.iter().all(|named| named.gauges == gauges));
}

#[test]
fn series_only_grow_while_accounts_come_and_go() {
    let mut scraper = Scraper::new();
    let mut before: HashMap<String, u64> = HashMap::new();
    let mut total = 0;
    for round in 0..200_u64 {
        for n in 0..150 {
            let requests = (round * 7 + n * 31) % 97 * if (round / 40) % 15 == n % 15 { 100 } else { 1 };
            scraper.table.add(&format!("a{n}"), requests);
            total += requests;
        }
        let now = scraper.scrape();
        for (name, requests) in &now {
            assert!(before.get(name).is_none_or(|last| last <= requests), "{name} went back");
        }
        let absent: u64 = before.iter().filter(|(name, _)| !now.contains_key(*name)).map(|(_, n)| n).sum();
        assert_eq!(now.values().sum::<u64>() + absent, total);
        before.extend(now);
    }
    assert!(before.len() > 1 + MOST_NAMED, "nobody came or went: {}", before.len());
}

#[test]
fn a_removed_account_leaves_and_starts_again_from_nothing() {
    let mut scraper = Scraper::new();
    scraper.table.add("alice", 50);
    scraper.scrape();
    scraper.table.clear();
    assert_eq!(scraper.scrape().into_iter().collect::<Vec<_>>(), [(OTHERS.to_owned(), 50)]);
    scraper.table.add("alice", 7);
    assert_eq!(scraper.scrape()[OTHERS], 57);
    scraper.table.clear();
    scraper.table.add("alice", 3);
    let shown = scraper.scrape();
    assert_eq!((shown["alice"], shown[OTHERS]), (0, 60), "another account, whoever had the name");
    scraper.table.add("alice", 3);
    assert_eq!(scraper.scrape()["alice"], 3);
}

#[test]
fn who_is_shown_stays_until_another_is_clearly_busier() {
    let mut scraper = Scraper::new();
    scraper.crowd(0);
    scraper.scrape();
    assert!(!scraper.after([("b", 1100)]).contains("b"));
    assert!(scraper.after([("b", 1100)]).contains("b"));
}

/// Two accounts and one place, for a day: each of them is now busier than the other and now less, and whoever has the
/// place keeps it. With ten requests a scrape the difference is chance; with a thousand it is a tenth of them.
#[test]
fn accounts_of_similar_load_do_not_alternate() {
    for (few, many) in [(0, 9), (9, 11), (900, 1100)] {
        let mut scraper = Scraper::new();
        let mut holders = Vec::new();
        for round in 0..4 * 60 * 24 {
            scraper.crowd(1);
            let (first, second) = if round / 7 % 2 == 0 { (few, many) } else { (many, few) };
            let shown = scraper.after([("first", first), ("second", second)]);
            let holder: Vec<_> =
                ["first", "second"].into_iter().filter(|name| shown.contains(*name)).collect();
            assert_eq!(holder.len(), 1, "round {round}");
            if holders.last() != Some(&holder[0]) {
                holders.push(holder[0]);
            }
        }
        assert_eq!(holders, ["second"], "{few} and {many} requests by turns");
    }
}

/// A burst is shown at once. It leaves when what is left of it in the window is less than what the others do.
#[test]
fn a_burst_leaves_after_the_window() {
    let mut scraper = Scraper::new();
    // The window has 433 s worth of a steady rate: a half-life by the logarithm of two.
    let steady = 1000.0 * HALF_LIFE.as_secs_f64() / std::f64::consts::LN_2 / 15.0;
    for _ in 0..400 {
        scraper.crowd(0);
        scraper.scrape();
    }
    scraper.crowd(0);
    let burst = 16.0 * steady;
    assert!(scraper.after([("burst", burst as u64)]).contains("burst"));
    let mut stayed = Duration::ZERO;
    while scraper.after([]).contains("burst") {
        scraper.crowd(0);
        stayed += Duration::from_secs(15);
    }
    // Sixteen times as much: four half-lives, and the fifth that is for whoever is shown.
    let (four, five) = (4 * HALF_LIFE, 5 * HALF_LIFE);
    assert!((four..five).contains(&stayed), "{stayed:?}");
    for _ in 0..1000 {
        scraper.crowd(0);
        assert!(!scraper.after([]).contains("burst"), "it came back");
    }
}

/// A night without visitors: nobody is busy, and nothing is lost.
#[test]
fn names_leave_when_nobody_asks() {
    let mut scraper = Scraper::new();
    scraper.table.add("alice", 64);
    assert_eq!(scraper.scrape().len(), 2);
    scraper.now += 6 * HALF_LIFE;
    assert_eq!(scraper.scrape().len(), 1, "less than a request is left of sixty-four");
    scraper.table.add("alice", 1);
    assert_eq!(scraper.scrape()[OTHERS], 65);
}

#[test]
fn who_was_never_asked_costs_nothing() {
    let mut scraper = Scraper::new();
    for n in 0..1000 {
        scraper.table.add(&format!("a{n}"), u64::from(n % 10 == 0));
    }
    scraper.scrape();
    scraper.scrape();
    assert_eq!(scraper.table.standings(), 100);
    assert_eq!(size_of::<AccountRank>(), 40);
}
