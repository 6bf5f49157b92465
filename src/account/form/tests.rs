//! Matching and compiling, by tables and properties.

use super::super::testing::{document, form, host, upstream};
use super::*;

/// The name of the site that answers, or what there is instead.
fn answer(form: &Form, name: &str, path: &str) -> String {
    match form.find(&host(name), path.as_bytes()) {
        Found::Site { site, .. } => site.name.to_string(),
        Found::NoPath => "no path".into(),
        Found::UnknownHost => "unknown".into(),
    }
}

#[test]
fn exact_hosts_come_before_wildcards_and_long_wildcards_before_short_ones() {
    let form = form(
        "alice",
        &[
            ("www", &["alice.test", "www.alice.test/app"]),
            ("wild", &["*.alice.test"]),
            ("deep", &["*.b.alice.test/deep", "*.c.alice.test"]),
        ],
    );
    for (name, path, expected) in [
        ("alice.test", "/", "www"),
        ("ALICE.test.", "/x", "www"),
        ("www.alice.test", "/app/x", "www"),
        ("www.alice.test", "/", "wild"),
        ("x.alice.test", "/app", "wild"),
        ("x.y.alice.test", "/", "wild"),
        ("b.alice.test", "/deep", "wild"),
        ("x.b.alice.test", "/deep", "deep"),
        ("x.b.alice.test", "/", "wild"),
        ("c.alice.test", "/", "wild"),
        ("x.c.alice.test", "/", "deep"),
        ("test", "/", "unknown"),
        ("bob.test", "/", "unknown"),
        ("xalice.test", "/", "unknown"),
    ] {
        assert_eq!(answer(&form, name, path), expected, "{name}{path}");
    }
}

#[test]
fn a_wildcard_never_covers_its_own_parent() {
    let form = form("alice", &[("wild", &["*.alice.test"])]);
    assert_eq!(answer(&form, "alice.test", "/"), "unknown");
    assert!(!form.knows(&host("alice.test")));
    assert!(form.knows(&host("a.b.alice.test")));
}

#[test]
fn a_host_with_paths_alone_has_no_answer_for_the_others() {
    let form = form("alice", &[("app", &["alice.test/app"])]);
    assert_eq!(answer(&form, "alice.test", "/"), "no path");
    assert_eq!(answer(&form, "alice.test", "/app/"), "app");
    assert!(form.knows(&host("alice.test")));
}

#[test]
fn what_is_refused_does_not_exist() {
    let whole = form("alice", &[("a", &["a.test", "*.a.test"]), ("b", &["x.a.test", "b.test"])]);
    let parse = |text: &str| Pattern::parse(text).unwrap();
    let part = whole.refusing([parse("*.a.test"), parse("b.test")]);
    assert_eq!(answer(&part, "a.test", "/"), "a");
    assert_eq!(answer(&part, "y.a.test", "/"), "unknown");
    assert_eq!(answer(&part, "x.a.test", "/"), "b");
    assert_eq!(answer(&part, "b.test", "/"), "unknown");
    assert_eq!(part.refused().count(), 2);
    assert_eq!(part.claims().count(), 4, "a refused host is claimed all the same");
    let again = part.refusing([]);
    assert_eq!(answer(&again, "b.test", "/"), "b");
}

#[test]
fn a_wildcard_is_lent_where_every_site_of_it_lends_it() {
    let sites: &[(&str, &[&str])] =
        &[("lent", &["*.a.test", "*.b.test", "c.test"]), ("kept", &["*.b.test/app", "*.d.test"])];
    let mut lent: Vec<_> =
        form("alice", sites).claims().map(|claim| (claim.pattern.to_string(), claim.lend)).collect();
    lent.sort();
    let expected = [("*.a.test", true), ("*.b.test", false), ("*.d.test", false), ("c.test", false)];
    assert_eq!(lent, expected.map(|(pattern, lend)| (pattern.to_owned(), lend)));
}

#[test]
fn an_upstream_of_the_same_name_stays_the_same() {
    let first = form("alice", &[("a", &["a.test"])]);
    let mut changed = document("alice", &[("a", &["a.test", "b.test"])]);
    changed.upstreams[0].connections = 9;
    changed.upstreams.push(upstream("other"));
    let second = Form::compile(&changed, DocumentHash([1; 32]), 2, Some(&first));
    let (before, after): (Vec<_>, Vec<_>) = (first.upstreams().collect(), second.upstreams().collect());
    assert!(Arc::ptr_eq(before[0], after[0]));
    assert_eq!(after.len(), 2);
    let Some(Site { action: super::super::Action::Forward(upstream), .. }) = second.site(0) else { panic!() };
    assert!(Arc::ptr_eq(upstream, before[0]));
}

#[test]
fn the_same_host_under_two_forms_finds_each_forms_own_site() {
    let first = form("alice", &[("old", &["a.test"])]);
    let second = form("alice", &[("first", &["b.test"]), ("new", &["a.test"])]);
    assert_eq!(answer(&first, "a.test", "/"), "old");
    assert_eq!(answer(&second, "a.test", "/"), "new");
    assert_eq!(answer(&first.emptied(), "a.test", "/"), "unknown");
}

#[test]
fn a_path_that_servers_read_differently_does_not_fall_through_to_a_wildcard() {
    let form = form(
        "alice",
        &[("app", &["a.test/app", "w.test/app"]), ("root", &["a.test"]), ("wild", &["*.test"])],
    );
    for (name, path, expected) in [
        ("a.test", "/app/..;/x", "no path"),
        ("a.test", "/app/../x", "root"),
        ("w.test", "/app/..%2fx", "no path"),
        ("w.test", "/app/%2e%2e/x", "wild"),
        ("w.test", "/x/..;/y", "wild"),
        // Nothing to cross on a host that is not divided.
        ("z.test", "/app/..;/x", "wild"),
    ] {
        assert_eq!(answer(&form, name, path), expected, "{name}{path}");
    }
}
