//! Who holds what after any sequence of changes.

use super::*;
use proptest::prelude::*;

fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

/// Claims from their patterns; `~*.x` lends.
fn claims(texts: &[&str]) -> Vec<Claim> {
    let claim =
        |text: &&str| Claim { pattern: pattern(text.trim_start_matches('~')), lend: text.starts_with('~') };
    texts.iter().map(claim).collect()
}

/// A node's claims together with the documents and the journal they come from.
#[derive(Default)]
struct Node {
    claims: Claims,
    documents: BTreeMap<AccountName, Vec<Claim>>,
    journal: Remembered,
}

impl Node {
    fn change(&mut self, account: &str, texts: &[&str]) -> Decision {
        self.replace(&name(account), claims(texts))
    }

    fn replace(&mut self, account: &AccountName, new: Vec<Claim>) -> Decision {
        let old = self.documents.insert(account.clone(), new.clone()).unwrap_or_default();
        let decision = self.claims.change(account, &old, &new);
        decision.records.iter().cloned().for_each(|record| self.journal.apply(record, 1));
        decision
    }

    /// The same node after a cold start.
    fn restarted(&self) -> (Self, Vec<Record>) {
        let documents: Vec<_> = self.documents.clone().into_iter().collect();
        let (claims, records) = Claims::restore(self.journal.clone(), &documents);
        let mut journal = self.journal.clone();
        records.iter().cloned().for_each(|record| journal.apply(record, 2));
        (Self { claims, documents: self.documents.clone(), journal }, records)
    }

    fn holder(&self, text: &str) -> Option<&str> {
        self.claims.holder(&pattern(text)).map(AccountName::as_str)
    }

    fn holds(&self) -> BTreeMap<Pattern, (AccountName, bool)> {
        let exact = self.claims.exact.iter().map(|(host, hold)| (Pattern::Exact(host.clone()), hold));
        let wildcards =
            self.claims.wildcards.iter().map(|(parent, hold)| (Pattern::Wildcard(parent.clone()), hold));
        exact.chain(wildcards).map(|(pattern, hold)| (pattern, (hold.account.clone(), hold.lend))).collect()
    }

    /// Who waits for what, the earliest first.
    fn waits(&self) -> Vec<(Pattern, AccountName)> {
        let mut waits: Vec<_> = self.claims.waits.iter().collect();
        waits.sort_by_key(|(_, wait)| wait.order);
        waits.into_iter().map(|(key, _)| key.clone()).collect()
    }
}

#[test]
fn the_holder_keeps_a_contested_host_and_the_earliest_who_waits_gets_it_next() {
    let mut node = Node::default();
    node.change("alice", &["a.test"]);
    let refused = node.change("carol", &["a.test", "c.test"]).refused;
    assert_eq!(refused.len(), 1, "the rest of the document applies");
    assert_eq!((&refused[0].pattern, refused[0].holder.as_str()), (&pattern("a.test"), "alice"));
    node.change("bob", &["a.test"]);
    assert_eq!(node.holder("a.test"), Some("alice"));
    assert_eq!(node.holder("c.test"), Some("carol"));

    let decision = node.change("alice", &[]);
    assert_eq!(decision.pass, [(pattern("a.test"), name("carol"))]);
    assert!(decision.leave.is_empty(), "the entry changes hands, it does not go");
    assert_eq!(node.holder("a.test"), Some("carol"));
    node.change("alice", &["a.test"]);
    node.change("carol", &[]);
    assert_eq!(node.holder("a.test"), Some("bob"), "who comes back waits behind the others");
}

#[test]
fn a_name_under_anothers_wildcard_is_refused_unless_it_is_lent() {
    let mut node = Node::default();
    node.change("alice", &["*.a.test", "~*.lent.a.test"]);
    let refused = node.change("bob", &["x.a.test", "a.test", "*.b.a.test", "x.lent.a.test"]).refused;
    let refused: Vec<_> = refused.iter().map(|refusal| refusal.pattern.to_string()).collect();
    assert_eq!(refused, ["x.a.test", "*.b.a.test"]);
    assert_eq!(node.holder("x.lent.a.test"), Some("bob"));

    let decision = node.change("alice", &["~*.a.test"]);
    assert_eq!(decision.pass, [(pattern("x.a.test"), name("bob")), (pattern("*.b.a.test"), name("bob"))]);
    node.change("alice", &["*.a.test"]);
    assert_eq!(node.holder("x.a.test"), Some("bob"), "what is held stays held");
    assert!(node.change("carol", &["y.a.test"]).refused.len() == 1);
}

#[test]
fn a_wildcard_over_names_of_others_leaves_them_theirs() {
    let mut node = Node::default();
    node.change("bob", &["x.a.test"]);
    assert!(node.change("alice", &["*.a.test"]).refused.is_empty());
    assert_eq!(node.holder("x.a.test"), Some("bob"));
    let (restarted, _) = node.restarted();
    assert_eq!(restarted.holder("x.a.test"), Some("bob"));
    node.change("bob", &[]);
    assert_eq!(node.change("bob", &["x.a.test"]).refused.len(), 1, "given up once, it is the wildcard's");
}

#[test]
fn who_narrows_a_wildcard_to_names_keeps_the_names() {
    let mut node = Node::default();
    node.change("alice", &["*.a.test"]);
    node.change("mallory", &["*.a.test", "www.a.test"]);
    let decision = node.change("alice", &["www.a.test"]);
    assert_eq!(decision.enter, [pattern("www.a.test")]);
    assert_eq!(decision.pass, [(pattern("*.a.test"), name("mallory"))]);
    assert_eq!(node.holder("www.a.test"), Some("alice"));
}

#[test]
fn a_nearer_wildcard_that_lends_frees_who_waited_behind_the_farther() {
    let mut node = Node::default();
    node.change("alice", &["*.test"]);
    node.change("bob", &["x.b.test"]);
    assert_eq!(node.holder("x.b.test"), None);
    let decision = node.change("alice", &["*.test", "~*.b.test"]);
    assert_eq!(decision.pass, [(pattern("x.b.test"), name("bob"))]);
    assert_eq!(decision.enter, [pattern("*.b.test")]);
}

#[test]
fn without_a_journal_the_names_of_the_accounts_decide() {
    let documents =
        [("bob", &["a.test", "b.test"][..]), ("alice", &["a.test"]), ("carol", &["b.test", "*.test"])]
            .map(|(account, texts)| (name(account), claims(texts)));
    let (claims, records) = Claims::restore(Remembered::default(), &documents);
    let holder = |text: &str| claims.holder(&pattern(text)).map(AccountName::as_str);
    assert_eq!(
        (holder("a.test"), holder("b.test"), holder("*.test")),
        (Some("alice"), Some("bob"), Some("carol"))
    );
    assert_eq!(records.len(), 5);
    assert_eq!(claims.contests(1).1, 2);
}

#[test]
fn a_host_claimed_while_the_node_was_down_does_not_move() {
    let mut node = Node::default();
    node.change("bob", &["a.test", "x.b.test"]);
    node.documents.insert(name("alice"), claims(&["a.test", "*.b.test", "x.b.test"]));
    let (mut node, _) = node.restarted();
    assert_eq!(node.holder("a.test"), Some("bob"));
    assert_eq!(node.holder("x.b.test"), Some("bob"));
    assert_eq!(node.holder("*.b.test"), Some("alice"));
    node.documents.remove(&name("bob"));
    let (node, records) = node.restarted();
    assert_eq!(node.holder("a.test"), Some("alice"));
    assert!(records.contains(&Record::Drop(name("bob"), pattern("a.test"))));
}

/// The rules again, by looking at everything after every step.
#[derive(Default)]
struct Naive {
    holds: BTreeMap<Pattern, (AccountName, bool)>,
    waits: Vec<(Pattern, AccountName, bool)>,
}

impl Naive {
    fn may_hold(&self, account: &AccountName, pattern: &Pattern) -> bool {
        let over = pattern.parents().find_map(|parent| self.holds.get(&Pattern::Wildcard(parent.into())));
        let may_be_under = over.is_none_or(|(holder, lend)| holder == account || *lend);
        !self.holds.contains_key(pattern) && may_be_under
    }

    fn change(&mut self, account: &AccountName, old: &[Claim], new: &[Claim]) {
        let in_new = |pattern: &Pattern| new.iter().find(|claim| claim.pattern == *pattern);
        self.waits.retain(|(pattern, waiter, _)| waiter != account || in_new(pattern).is_some());
        let of_holds = self.holds.iter_mut().map(|(pattern, (holder, lend))| (pattern, &*holder, lend));
        let of_waits = self.waits.iter_mut().map(|(pattern, waiter, lend)| (&*pattern, &*waiter, lend));
        for (pattern, _, lend) in of_holds.chain(of_waits).filter(|(_, owner, _)| *owner == account) {
            *lend = in_new(pattern).is_some_and(|claim| claim.lend);
        }
        let mut added: Vec<_> = new.iter().filter(|c| old.iter().all(|o| o.pattern != c.pattern)).collect();
        added.sort();
        for claim in added {
            if self.may_hold(account, &claim.pattern) {
                self.holds.insert(claim.pattern.clone(), (account.clone(), claim.lend));
            } else {
                self.waits.push((claim.pattern.clone(), account.clone(), claim.lend));
            }
        }
        self.holds.retain(|pattern, (holder, _)| holder != account || in_new(pattern).is_some());
        while let Some(place) =
            self.waits.iter().position(|(pattern, waiter, _)| self.may_hold(waiter, pattern))
        {
            let (pattern, waiter, lend) = self.waits.remove(place);
            self.holds.insert(pattern, (waiter, lend));
        }
    }
}

const PATTERNS: &[&str] =
    &["x.test", "a.x.test", "b.x.test", "a.b.x.test", "*.b.x.test", "*.x.test", "*.test", "y.test"];

fn document() -> impl Strategy<Value = Vec<Claim>> {
    proptest::collection::btree_map(0..PATTERNS.len(), any::<bool>(), 0..5).prop_map(|chosen| {
        let claim = |(place, lend): (usize, bool)| {
            let pattern = pattern(PATTERNS[place]);
            Claim { lend: lend && pattern.is_wildcard(), pattern }
        };
        chosen.into_iter().map(claim).collect()
    })
}

fn changes() -> impl Strategy<Value = Vec<(AccountName, Vec<Claim>)>> {
    let account = prop::sample::select(vec!["alice", "bob", "carol"]).prop_map(name);
    proptest::collection::vec((account, document()), 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn any_sequence_of_changes_ends_where_a_cold_start_ends(changes in changes(), restarts in any::<u32>()) {
        let mut node = Node::default();
        let mut naive = Naive::default();
        for (turn, (account, new)) in changes.into_iter().enumerate() {
            let old = node.documents.get(&account).cloned().unwrap_or_default();
            let before = node.holds();
            let decision = node.replace(&account, new.clone());
            naive.change(&account, &old, &new);

            prop_assert_eq!(node.holds(), naive.holds.clone());
            prop_assert_eq!(
                node.waits(),
                naive.waits.iter().map(|(pattern, waiter, _)| (pattern.clone(), waiter.clone())).collect::<Vec<_>>()
            );
            for (pattern, (holder, _)) in &before {
                let kept = node.claims.holder(pattern) == Some(holder);
                prop_assert!(kept || *holder == account, "{} lost {}", holder, pattern);
            }
            let refused: Vec<_> = decision.refused.iter().map(|refusal| refusal.pattern.clone()).collect();
            let mut waiting: Vec<_> =
                node.waits().into_iter().filter(|(_, waiter)| *waiter == account).map(|(p, _)| p).collect();
            waiting.sort();
            prop_assert_eq!(refused, waiting);

            let (restarted, records) = node.restarted();
            prop_assert_eq!(records, vec![]);
            prop_assert_eq!(restarted.holds(), node.holds());
            prop_assert_eq!(restarted.waits(), node.waits());
            prop_assert_eq!(restarted.claims.contests(99).1, node.claims.contests(99).1);
            if restarts & (1 << turn) != 0 {
                node = restarted;
            }
        }
    }

    #[test]
    fn a_compacted_journal_says_the_same(changes in changes()) {
        let mut node = Node::default();
        for (account, new) in changes {
            node.replace(&account, new);
        }
        let mut compacted = Remembered::default();
        node.journal.records().for_each(|(record, at)| compacted.apply(record, at));
        prop_assert_eq!(compacted.records().collect::<Vec<_>>(), node.journal.records().collect::<Vec<_>>());
        node.journal = compacted;
        let (restarted, records) = node.restarted();
        prop_assert_eq!(records, vec![]);
        prop_assert_eq!(restarted.holds(), node.holds());
        prop_assert_eq!(restarted.waits(), node.waits());
    }

    #[test]
    fn a_cold_start_without_a_journal_leaves_nobody_waiting_for_what_is_free(
        documents in proptest::collection::vec(document(), 1..5),
    ) {
        let documents: Vec<_> =
            documents.into_iter().enumerate().map(|(n, claims)| (name(&format!("a{n}")), claims)).collect();
        let (claims, records) = Claims::restore(Remembered::default(), &documents);
        for (account, wanted) in &documents {
            for claim in wanted {
                let holds = claims.holder(&claim.pattern) == Some(account);
                let waits = claims.waits.contains_key(&(claim.pattern.clone(), account.clone()));
                prop_assert!(holds != waits);
                prop_assert!(!waits || claims.obstacle(&claim.pattern, account).is_some());
            }
        }
        let mut journal = Remembered::default();
        for record in records {
            journal.apply(record, 0);
        }
        let (_, again) = Claims::restore(journal, &documents);
        prop_assert_eq!(again, vec![]);
    }
}
