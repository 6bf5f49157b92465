//! Every step of the order against every other, whatever order they were added in.

use super::*;
use crate::tls::testing::{TODAY, account, day, entry, host};

fn alice() -> AccountName {
    account("alice")
}

fn index_of(entries: &[Arc<Entry>]) -> Index {
    let index = Index::new(entry("default", Source::Default, &["parvis.invalid"], -1, 1));
    index.apply(&[], entries);
    index
}

fn id(shown: &Shown) -> String {
    shown.entry.place.as_ref().unwrap().path().display().to_string()
}

fn shown(index: &Index, name: &str, holder: Option<&AccountName>) -> String {
    id(&index.find(Some(&host(name)), holder, TODAY))
}

/// One certificate for each step of the order, each with the dates given, the best first.
fn every_step(from: i32, to: i32) -> Vec<(Rank, Arc<Entry>)> {
    [
        (Rank::AttachedExact, Source::Attached(alice()), "www.alice.test"),
        (Rank::AttachedWildcard, Source::Attached(alice()), "*.alice.test"),
        (Rank::CustomerExact, Source::Customer(alice()), "www.alice.test"),
        (Rank::CustomerWildcard, Source::Customer(alice()), "*.alice.test"),
        (Rank::AutomaticExact, Source::Automatic, "www.alice.test"),
        (Rank::AutomaticWildcard, Source::Automatic, "*.alice.test"),
    ]
    .into_iter()
    .map(|(rank, source, name)| (rank, entry(&format!("{rank:?}"), source, &[name], from, to)))
    .collect()
}

#[test]
fn every_step_of_the_order_comes_before_every_later_one() {
    let steps = every_step(-1, 1);
    for (place, (better, one)) in steps.iter().enumerate() {
        for (_, other) in &steps[place + 1..] {
            for both in [[one, other], [other, one]] {
                let index = index_of(&both.map(Arc::clone));
                let found = index.find(Some(&host("www.alice.test")), Some(&alice()), TODAY);
                assert_eq!(found.rank, *better);
                assert_eq!(id(&found), format!("{better:?}"));
            }
        }
        let alone = index_of(&[Arc::clone(one)]);
        assert_eq!(
            shown(&alone, "www.alice.test", Some(&alice())),
            format!("{better:?}"),
            "before the default"
        );
    }
}

#[test]
fn an_attached_certificate_is_shown_even_when_expired_and_before_any_other() {
    let expired = every_step(-9, -1);
    let valid = every_step(-1, 1);
    for (rank, attached) in &expired[..2] {
        for (_, other) in &valid[2..] {
            let index = index_of(&[Arc::clone(attached), Arc::clone(other)]);
            assert_eq!(shown(&index, "www.alice.test", Some(&alice())), format!("{rank:?}"));
        }
    }
}

#[test]
fn what_is_not_valid_now_stands_behind_what_is_and_before_the_default() {
    let valid = every_step(-1, 1);
    for not_valid in [every_step(-9, -1), every_step(1, 9)] {
        for (rank, worse) in &not_valid[2..] {
            for (other_rank, other) in &valid[2..] {
                let index = index_of(&[Arc::clone(worse), Arc::clone(other)]);
                let found = index.find(Some(&host("www.alice.test")), Some(&alice()), TODAY);
                assert_eq!(found.rank, *other_rank);
                assert!(found.entry.certificate.validity().contains(TODAY));
            }
            let alone = index_of(&[Arc::clone(worse)]);
            assert_eq!(shown(&alone, "www.alice.test", Some(&alice())), format!("{rank:?}"));
        }
    }
}

#[test]
fn ties_go_to_the_valid_and_then_to_the_latest_expiry_as_the_time_passes() {
    let sources = [Source::Attached(alice()), Source::Customer(alice()), Source::Automatic];
    for source in sources {
        for name in ["www.alice.test", "*.alice.test"] {
            let early = entry("early", source.clone(), &[name], -5, 5);
            let late = entry("late", source.clone(), &[name], 0, 9);
            for both in [[&early, &late], [&late, &early]] {
                let index = index_of(&both.map(Arc::clone));
                let at = |offset| id(&index.find(Some(&host("www.alice.test")), Some(&alice()), day(offset)));
                assert_eq!(at(-1), "early", "{source}: the other is not yet valid");
                assert_eq!(at(1), "late", "{source}: both are valid");
                assert_eq!(at(6), "late", "{source}: the other is expired");
                assert_eq!(at(10), "late", "{source}: both are expired");
            }
        }
    }
}

#[test]
fn an_accounts_certificate_serves_only_hosts_it_holds() {
    for source in [Source::Customer(alice()), Source::Attached(alice())] {
        let index = index_of(&[
            entry("alice's", source, &["www.bob.test", "*.shop.test"], -1, 1),
            entry("platform's", Source::Automatic, &["www.bob.test"], -1, 1),
        ]);
        assert_eq!(shown(&index, "www.bob.test", Some(&account("bob"))), "platform's");
        assert_eq!(shown(&index, "www.bob.test", None), "platform's", "nobody's host");
        assert_eq!(shown(&index, "www.bob.test", Some(&alice())), "alice's");
        assert_eq!(shown(&index, "a.shop.test", Some(&account("bob"))), "default");
        assert_eq!(shown(&index, "a.shop.test", Some(&account("alice2"))), "default");
        assert!(!index.covers(&host("a.shop.test"), Some(&account("bob"))));
        assert!(index.covers(&host("a.shop.test"), Some(&alice())));
    }
}

#[test]
fn names_of_other_accounts_cost_nobody_anything() {
    let name = "www.bob.test";
    let many = (0..50).map(|n| Source::Customer(account(&format!("a{n}"))));
    let entries: Vec<_> = many.map(|source| entry("theirs", source, &[name], -1, 1)).collect();
    let index = index_of(&entries);
    index.apply(&[], &[entry("bob's", Source::Customer(account("bob")), &[name], -1, 1)]);
    let mut seen = 0;
    index.visit(&host(name), Some(&account("bob")), |_, _| seen += 1);
    assert_eq!(seen, 1);
}

#[test]
fn a_wildcard_serves_one_label_and_the_name_above_is_another() {
    let index = index_of(&[entry("wildcard", Source::Automatic, &["*.alice.test"], -1, 1)]);
    for (name, expected) in [
        ("www.alice.test", "wildcard"),
        ("WWW.Alice.Test.", "wildcard"),
        ("alice.test", "default"),
        ("a.b.alice.test", "default"),
        ("test", "default"),
        ("192.0.2.1", "default"),
    ] {
        assert_eq!(shown(&index, name, None), expected, "{name}");
    }
    assert_eq!(index.find(None, None, TODAY).rank, Rank::Default);
}

#[test]
fn an_attached_certificate_is_shown_only_where_it_is_attached() {
    let attached = entry("attached", Source::Attached(alice()), &["a.test", "b.test"], -1, 1);
    let names = Box::from([CertificateName::parse("a.test").unwrap()]);
    let attached = Arc::new(Entry {
        certificate: Arc::clone(&attached.certificate),
        source: attached.source.clone(),
        place: attached.place.clone(),
        attached_to: Some(names),
    });
    let index = index_of(&[attached]);
    assert_eq!(shown(&index, "a.test", Some(&alice())), "attached");
    assert_eq!(shown(&index, "b.test", Some(&alice())), "default");
}

#[test]
fn changes_touch_their_own_names_alone() {
    let old = entry("old", Source::Automatic, &["a.test", "b.test"], -1, 1);
    let new = entry("new", Source::Automatic, &["b.test", "c.test"], -1, 1);
    let other = entry("other", Source::Automatic, &["a.test"], -1, 2);
    let index = index_of(&[Arc::clone(&old), Arc::clone(&other)]);
    index.apply(std::slice::from_ref(&old), std::slice::from_ref(&new));
    assert_eq!(shown(&index, "a.test", None), "other");
    assert_eq!(shown(&index, "b.test", None), "new");
    assert_eq!(shown(&index, "c.test", None), "new");
    assert_eq!(format!("{index:?}"), "Index(3 names)");
    index.apply(&[new, other], &[]);
    assert_eq!(shown(&index, "a.test", None), "default");
    assert_eq!(format!("{index:?}"), "Index(0 names)");
}

/// Readers meet the old certificate or the new one, never none.
#[test]
fn a_replacement_is_one_step_for_those_who_read_meanwhile() {
    let one = entry("one", Source::Automatic, &["a.test"], -1, 1);
    let two = entry("two", Source::Automatic, &["a.test"], -1, 1);
    let index = index_of(std::slice::from_ref(&one));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut looks = 0u32;
            while looks < 1000 || !done.load(std::sync::atomic::Ordering::Relaxed) {
                assert_ne!(shown(&index, "a.test", None), "default");
                looks += 1;
            }
        });
        for _ in 0..1000 {
            index.apply(std::slice::from_ref(&one), std::slice::from_ref(&two));
            index.apply(std::slice::from_ref(&two), std::slice::from_ref(&one));
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap();
    });
}
