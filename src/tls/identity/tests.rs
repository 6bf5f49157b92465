//! SNI ≠ Host, every case.

use super::*;
use crate::tls::place::Source;
use crate::tls::testing::{account, entry, host};
use TlsProfile::{Intermediate, Modern};

/// A connection for `sni`, held by `holder`, that was shown a certificate of `source` with these names.
fn opened(
    sni: Option<&str>,
    holder: Option<&str>,
    profile: TlsProfile,
    shown: (Source, &[&str]),
) -> Identity {
    let sni = sni.map(host);
    Identity::new(sni.as_ref(), holder.map(account), profile, entry("shown", shown.0, shown.1, -1, 1))
}

fn held(name: &str, profile: TlsProfile) -> Holder {
    Holder { account: account(name), profile }
}

const OWN: &[&str] = &["a.alice.test"];

#[test]
fn the_name_itself_is_served_whoever_holds_it_now() {
    let alices = opened(Some("A.alice.test."), Some("alice"), Intermediate, (Source::Automatic, OWN));
    assert_eq!(alices.sni(), Some("a.alice.test"));
    for holder in [held("alice", Intermediate), held("alice", Modern), held("bob", Intermediate)] {
        assert!(alices.may_serve(&host("A.ALICE.test"), Some(&holder), Intermediate), "{holder:?}");
    }
    assert!(alices.may_serve(&host("a.alice.test"), None, Intermediate));
}

#[test]
fn another_name_of_the_same_account_is_served_under_the_same_profile() {
    let alices = opened(Some("a.alice.test"), Some("alice"), Intermediate, (Source::Automatic, OWN));
    let other = host("other.test");
    assert!(alices.may_serve(&other, Some(&held("alice", Intermediate)), Intermediate));
    assert!(!alices.may_serve(&other, Some(&held("alice", Modern)), Intermediate), "its profile was changed");
    let strict = opened(Some("a.alice.test"), Some("alice"), Modern, (Source::Automatic, OWN));
    assert!(!strict.may_serve(&other, Some(&held("alice", Intermediate)), Intermediate));
}

#[test]
fn another_accounts_name_is_served_if_the_platforms_certificate_covers_it() {
    let names: &[&str] = &["*.hosted.test"];
    let (a, b) = ("a.hosted.test", host("b.hosted.test"));
    let bob = held("bob", Intermediate);
    let platform = opened(Some(a), Some("alice"), Intermediate, (Source::Automatic, names));
    assert!(platform.may_serve(&b, Some(&bob), Intermediate));
    assert!(!platform.may_serve(&b, Some(&held("bob", Modern)), Intermediate), "another profile");
    assert!(!platform.may_serve(&host("b.elsewhere.test"), Some(&bob), Intermediate), "not covered");
    assert!(!platform.may_serve(&host("x.b.hosted.test"), Some(&bob), Intermediate), "not one label");
    let default = opened(Some(a), Some("alice"), Intermediate, (Source::Default, names));
    assert!(default.may_serve(&b, Some(&bob), Intermediate));
    for source in [Source::Customer(account("alice")), Source::Attached(account("alice"))] {
        let customers = opened(Some(a), Some("alice"), Intermediate, (source, names));
        assert!(
            !customers.may_serve(&b, Some(&bob), Intermediate),
            "alice's certificate serves alice's hosts"
        );
    }
}

#[test]
fn nobodys_name_counts_as_the_nodes() {
    let alices =
        opened(Some("a.hosted.test"), Some("alice"), Intermediate, (Source::Automatic, &["*.hosted.test"]));
    assert!(alices.may_serve(&host("nobody.hosted.test"), None, Intermediate), "covered");
    assert!(
        !alices.may_serve(&host("nobody.hosted.test"), None, Modern),
        "the node asks for another profile"
    );
    assert!(!alices.may_serve(&host("nobody.test"), None, Intermediate));
}

#[test]
fn without_a_name_or_with_one_nobody_holds_the_host_decides() {
    let any = host("a.alice.test");
    for sni in [None, Some("unknown.test")] {
        let node = opened(sni, None, Intermediate, (Source::Default, &["parvis.invalid"]));
        assert!(node.may_serve(&any, Some(&held("alice", Intermediate)), Intermediate));
        assert!(node.may_serve(&host("nobody.test"), None, Intermediate));
        assert!(node.may_serve(&host("192.0.2.1"), None, Intermediate));
        assert!(
            !node.may_serve(&any, Some(&held("alice", Modern)), Intermediate),
            "that account asks for more"
        );
        let strict = opened(sni, None, Modern, (Source::Default, &["parvis.invalid"]));
        assert!(strict.may_serve(&any, Some(&held("alice", Modern)), Modern));
        assert!(strict.may_serve(&any, Some(&held("alice", Intermediate)), Modern), "more than asked for");
    }
}
