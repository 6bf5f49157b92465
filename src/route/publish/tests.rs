//! No request meets half a change.

use super::*;
use crate::account::Claim;
use crate::account::testing::{document, host};
use crate::base::DocumentHash;
use crate::route::{Claims, Resolution};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A document's sites: each with one address, lent or not.
type Sites = Vec<(&'static str, bool)>;

/// A node without files: documents in, table out.
#[derive(Default)]
struct Node {
    hosts: Arc<Hosts>,
    claims: Claims,
    documents: BTreeMap<AccountName, (u64, Sites)>,
    version: u64,
}

/// The form of version `version` of an account's document; its sites' names tell the two.
fn form(account: &AccountName, version: u64, sites: &Sites) -> Form {
    let named: Vec<_> = sites
        .iter()
        .enumerate()
        .map(|(n, (address, lend))| {
            (format!("{}-{account}-{version}-{n}", if *lend { "lent" } else { "kept" }), [*address])
        })
        .collect();
    let borrowed: Vec<_> = named.iter().map(|(name, address)| (name.as_str(), &address[..])).collect();
    Form::compile(&document(account.as_str(), &borrowed), DocumentHash([0; 32]), version, None)
}

impl Node {
    fn change(&mut self, account: &str, sites: Option<Sites>, observe: &mut dyn FnMut(&Hosts)) {
        let account = AccountName::new(account).unwrap();
        self.version += 1;
        let running = self.hosts.account(account.as_str());
        let new = form(&account, self.version, sites.as_ref().unwrap_or(&Vec::new()));
        let old: Vec<Claim> = running.iter().flat_map(|a| a.form().claims().collect::<Vec<_>>()).collect();
        let decision = self.claims.change(&account, &old, &new.claims().collect::<Vec<_>>());
        let served = running.unwrap_or_else(|| Account::new(account.clone(), new.emptied()));
        let new = new.refusing(decision.refused.iter().map(|refusal| refusal.pattern.clone()));
        let hosts = self.hosts.clone();
        hosts.publish_observed(&served, new, &decision, &mut || observe(&hosts));
        if let Some(sites) = sites {
            self.documents.insert(account, (self.version, sites));
        } else {
            hosts.leave_account(&served);
            self.documents.remove(&account);
        }
    }

    /// The table as a cold start would fill it.
    fn afresh(&self) -> Hosts {
        let hosts = Hosts::new();
        for (name, (version, sites)) in &self.documents {
            let form = form(name, *version, sites);
            let is_theirs = |claim: &Claim| self.claims.holder(&claim.pattern) == Some(name);
            let (held, refused): (Vec<_>, Vec<_>) = form.claims().partition(is_theirs);
            let account = Account::new(name.clone(), form.refusing(refused.into_iter().map(|c| c.pattern)));
            hosts.enter_account(&account);
            for claim in held {
                hosts.enter(&claim.pattern, &account);
            }
        }
        hosts
    }
}

/// The name of the site that answers, or what there is instead.
fn answer(hosts: &Hosts, name: &str, path: &str) -> String {
    match hosts.resolve(&host(name), path.as_bytes(), LOCAL) {
        Resolution::Site(matched) => matched.site().name.to_string(),
        Resolution::NoPath { account, .. } => format!("no path of {}", account.name()),
        Resolution::UnknownHost => "unknown".into(),
    }
}

const LOCAL: std::net::IpAddr = std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

const PROBES: &[(&str, &str)] = &[
    ("x.test", "/"),
    ("x.test", "/app"),
    ("a.x.test", "/"),
    ("a.x.test", "/app/y"),
    ("b.x.test", "/"),
    ("a.b.x.test", "/"),
    ("c.b.x.test", "/"),
    ("c.b.x.test", "/app"),
    ("z.x.test", "/"),
    ("q.test", "/"),
    ("a.a.a.test", "/app"),
];

const ADDRESSES: &[&str] = &[
    "x.test",
    "x.test/app",
    "a.x.test",
    "a.x.test/app",
    "b.x.test",
    "a.b.x.test",
    "*.b.x.test",
    "*.b.x.test/app",
    "*.x.test",
    "*.test",
];

fn answers(hosts: &Hosts) -> Vec<String> {
    PROBES.iter().map(|(name, path)| answer(hosts, name, path)).collect()
}

fn sites() -> impl Strategy<Value = Option<Sites>> {
    let chosen = proptest::collection::btree_map(0..ADDRESSES.len(), any::<bool>(), 0..6);
    let sites = chosen.prop_map(|chosen| {
        chosen.into_iter().map(|(n, lend)| (ADDRESSES[n], lend && ADDRESSES[n].starts_with('*'))).collect()
    });
    prop_oneof![6 => sites.prop_map(Some), 1 => Just(None)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn every_host_goes_from_its_old_answer_to_its_new_one_at_once(
        changes in proptest::collection::vec((prop::sample::select(vec!["alice", "bob", "carol"]), sites()), 1..12),
    ) {
        let mut node = Node::default();
        for (account, sites) in changes {
            let before = answers(&node.hosts);
            let mut seen = Vec::new();
            node.change(account, sites, &mut |hosts| seen.push(answers(hosts)));
            let after = answers(&node.hosts);
            prop_assert_eq!(&after, &answers(&node.afresh()), "not where a cold start ends");
            let mut last = before.clone();
            for step in seen {
                for (place, probe) in PROBES.iter().enumerate() {
                    let fine = step[place] == last[place] || step[place] == after[place];
                    prop_assert!(
                        fine, "{:?}: {} -> {} -> {}", probe, &before[place], &step[place], &after[place]
                    );
                    prop_assert!(last[place] != after[place] || step[place] == after[place], "{:?} went back", probe);
                }
                last = step;
            }
            let afresh = node.afresh();
            prop_assert_eq!(node.hosts.len(), afresh.len());
            prop_assert_eq!(node.hosts.accounts(), afresh.accounts());
        }
    }
}

#[test]
fn a_host_that_no_entry_leads_to_is_unknown_although_a_form_knows_it() {
    let mut node = Node::default();
    node.change("alice", Some(vec![("x.test", false)]), &mut |_| {});
    let account = node.hosts.account("alice").unwrap();
    node.hosts.leave(&Pattern::parse("x.test").unwrap(), &account);
    assert_eq!(answer(&node.hosts, "x.test", "/"), "unknown");
    assert!(node.hosts.find(&host("x.test")).is_none());
}

#[test]
fn the_default_site_serves_unknown_hosts_and_never_a_held_one() {
    let mut node = Node::default();
    node.change("alice", Some(vec![("x.test/app", false)]), &mut |_| {});
    node.change("platform", Some(vec![("welcome.test", false)]), &mut |_| {});
    let site = crate::base::SiteName::new("kept-platform-2-0").unwrap();
    let account = AccountName::new("platform").unwrap();
    node.hosts.set_default_site(Some(crate::route::DefaultSite { account, site }));
    assert_eq!(answer(&node.hosts, "nobody.test", "/"), "kept-platform-2-0");
    assert_eq!(answer(&node.hosts, "x.test", "/"), "no path of alice");
    assert!(node.hosts.find(&host("nobody.test")).is_none());
    node.change("platform", None, &mut |_| {});
    assert_eq!(answer(&node.hosts, "nobody.test", "/"), "unknown");
}

#[test]
fn the_same_answer_with_one_host_and_with_a_hundred_thousand() {
    let mut node = Node::default();
    node.change("alice", Some(vec![("www.x.test", false), ("*.w.test", false)]), &mut |_| {});
    let spellings =
        ["www.x.test", "WWW.X.TEST", "www.x.test.", "a.b.W.test", "w.test", "x.test", "wwww.x.test"];
    let few: Vec<_> = spellings.iter().map(|name| answer(&node.hosts, name, "/")).collect();
    assert_eq!(few[0], few[1]);
    assert_eq!(few[0], few[2]);
    assert_eq!(few[4..], ["unknown", "unknown", "unknown"]);
    let filler = Account::new(
        AccountName::new("filler").unwrap(),
        form(&AccountName::new("filler").unwrap(), 0, &vec![]),
    );
    for n in 0..100_000 {
        node.hosts.enter(&Pattern::Exact(format!("host{n}.filler.test").into()), &filler);
    }
    assert_eq!(node.hosts.len(), 100_002);
    let many: Vec<_> = spellings.iter().map(|name| answer(&node.hosts, name, "/")).collect();
    assert_eq!(few, many);
}

/// Two accounts hand hosts to and fro while others look them up. Which answers are whole is known beforehand:
/// one of the two sites that ever answer a host.
#[test]
fn lookups_on_other_threads_meet_no_half_of_a_change() {
    let mut node = Node::default();
    let wide: Sites = vec![("*.x.test", false), ("a.x.test/app", false), ("a.x.test", false)];
    let narrow: Sites = vec![("a.x.test", false), ("b.x.test", false)];
    node.change("alice", Some(wide.clone()), &mut |_| {});
    node.change("bob", Some(vec![("*.x.test", false)]), &mut |_| {});
    node.change("carol", Some(vec![("*.y.test", false)]), &mut |_| {});
    let done = AtomicBool::new(false);
    let looked = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (hosts, done, looked) = (node.hosts.clone(), &done, &looked);
            scope.spawn(move || {
                let mut seen: HashMap<&str, Vec<String>> = HashMap::new();
                while !done.load(Ordering::Relaxed) {
                    for name in ["a.x.test", "z.x.test", "a.y.test"] {
                        let account = match hosts.resolve(&host(name), b"/", LOCAL) {
                            Resolution::Site(matched) => matched.account.name().to_string(),
                            other => panic!("{name}: {other:?}"),
                        };
                        let accounts = seen.entry(name).or_default();
                        if !accounts.contains(&account) {
                            accounts.push(account);
                        }
                    }
                    looked.fetch_add(1, Ordering::Relaxed);
                }
                // By a name or by a wildcard, these stay where they are; the other goes to and fro.
                assert_eq!(seen["a.x.test"], ["alice"]);
                assert_eq!(seen["a.y.test"], ["carol"]);
            });
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(300) || looked.load(Ordering::Relaxed) < 1_000 {
            node.change("alice", Some(narrow.clone()), &mut |_| {});
            assert_eq!(node.hosts.find(&host("z.x.test")).unwrap().name().as_str(), "bob");
            node.change("alice", Some(wide.clone()), &mut |_| {});
            node.change("bob", Some(vec![]), &mut |_| {});
            assert_eq!(node.hosts.find(&host("z.x.test")).unwrap().name().as_str(), "alice");
            node.change("bob", Some(vec![("*.x.test", false)]), &mut |_| {});
            node.change("carol", Some(vec![("a.y.test", false)]), &mut |_| {});
            node.change("carol", Some(vec![("*.y.test", false)]), &mut |_| {});
        }
        done.store(true, Ordering::Relaxed);
    });
}
