//! SNI ≠ Host, every case.

use super::*;
use crate::config::Protocols;
use crate::tls::place::Source;
use crate::tls::testing::{account, entry, host};
use TlsProfile::{Intermediate, Modern};

/// A connection to a node of this profile for `sni`, held by `holder`, that was shown a certificate of `source`
/// with these names.
fn opened_on(
    node: TlsProfile,
    sni: Option<&str>,
    holder: Option<&str>,
    profile: TlsProfile,
    shown: (Source, &[&str]),
) -> Identity {
    let sni = sni.map(host);
    let shown = entry("shown", shown.0, shown.1, -1, 1);
    Identity::new(sni.as_ref(), holder.map(account), profile, node, shown)
}

fn opened(
    sni: Option<&str>,
    holder: Option<&str>,
    profile: TlsProfile,
    shown: (Source, &[&str]),
) -> Identity {
    opened_on(Intermediate, sni, holder, profile, shown)
}

/// Whether `identity` may be asked for `name`, which `holder` holds under this profile.
fn serves(identity: &Identity, name: &str, holder: Option<(&str, TlsProfile)>) -> bool {
    may_serve(identity, name, holder.map(|(name, profile)| (name, Terms::of_profile(profile))), true)
}

fn may_serve(identity: &Identity, name: &str, holder: Option<(&str, Terms)>, is_http2: bool) -> bool {
    let holder = holder.map(|(name, terms)| (account(name), terms));
    identity.may_serve(&host(name), holder.as_ref().map(|(name, terms)| (name, *terms)), is_http2)
}

const OWN: &[&str] = &["a.alice.test"];

#[test]
fn the_name_itself_is_served_whoever_holds_it_now() {
    let alices = opened(Some("A.alice.test."), Some("alice"), Intermediate, (Source::Automatic, OWN));
    assert_eq!(alices.sni(), Some("a.alice.test"));
    for holder in [Some(("alice", Intermediate)), Some(("alice", Modern)), Some(("bob", Intermediate)), None]
    {
        assert!(serves(&alices, "A.ALICE.test", holder), "{holder:?}");
    }
}

#[test]
fn another_name_of_the_same_account_is_served_under_the_same_profile() {
    let alices = opened(Some("a.alice.test"), Some("alice"), Intermediate, (Source::Automatic, OWN));
    assert!(serves(&alices, "other.test", Some(("alice", Intermediate))));
    assert!(!serves(&alices, "other.test", Some(("alice", Modern))), "its profile was changed");
    let strict = opened(Some("a.alice.test"), Some("alice"), Modern, (Source::Automatic, OWN));
    assert!(!serves(&strict, "other.test", Some(("alice", Intermediate))));
}

#[test]
fn another_accounts_name_is_served_if_the_platforms_certificate_covers_it() {
    let names: &[&str] = &["*.hosted.test"];
    let (a, bob) = (Some("a.hosted.test"), Some(("bob", Intermediate)));
    let platform = opened(a, Some("alice"), Intermediate, (Source::Automatic, names));
    assert!(serves(&platform, "b.hosted.test", bob));
    assert!(!serves(&platform, "b.hosted.test", Some(("bob", Modern))), "another profile");
    assert!(!serves(&platform, "b.elsewhere.test", bob), "not covered");
    assert!(!serves(&platform, "x.b.hosted.test", bob), "not one label");
    let default = opened(a, Some("alice"), Intermediate, (Source::Default, names));
    assert!(serves(&default, "b.hosted.test", bob));
    for source in [Source::Customer(account("alice")), Source::Attached(account("alice"))] {
        let customers = opened(a, Some("alice"), Intermediate, (source, names));
        assert!(!serves(&customers, "b.hosted.test", bob), "alice's certificate serves alice's hosts");
    }
}

#[test]
fn nobodys_name_counts_as_the_nodes() {
    let shown = || (Source::Automatic, &["*.hosted.test"][..]);
    let alices = opened(Some("a.hosted.test"), Some("alice"), Intermediate, shown());
    assert!(serves(&alices, "nobody.hosted.test", None), "covered");
    assert!(!serves(&alices, "nobody.test", None));
    let strict = opened_on(Modern, Some("a.hosted.test"), Some("alice"), Intermediate, shown());
    assert!(!serves(&strict, "nobody.hosted.test", None), "the node asks for another profile");
}

#[test]
fn without_a_name_or_with_one_nobody_holds_the_host_decides() {
    let shown = || (Source::Default, &["parvis.invalid"][..]);
    for sni in [None, Some("unknown.test")] {
        let node = opened(sni, None, Intermediate, shown());
        assert!(serves(&node, "a.alice.test", Some(("alice", Intermediate))));
        assert!(serves(&node, "nobody.test", None));
        assert!(serves(&node, "192.0.2.1", None));
        assert!(!serves(&node, "a.alice.test", Some(("alice", Modern))), "that account asks for more");
        let strict = opened_on(Modern, sni, None, Modern, shown());
        assert!(serves(&strict, "a.alice.test", Some(("alice", Modern))));
        assert!(serves(&strict, "a.alice.test", Some(("alice", Intermediate))), "more than asked for");
    }
}

/// What a promise to come back over TLS hangs on.
#[test]
fn a_name_is_certified_by_a_certificate_that_has_it_and_is_not_the_default() {
    let shown = |source, names| opened(Some("a.alice.test"), Some("alice"), Intermediate, (source, names));
    assert!(shown(Source::Customer(account("alice")), OWN).is_certified(&host("A.alice.test")));
    assert!(!shown(Source::Automatic, OWN).is_certified(&host("b.alice.test")));
    assert!(!shown(Source::Default, OWN).is_certified(&host("a.alice.test")));
}

#[test]
fn a_strict_account_is_asked_for_by_the_very_name() {
    let shown = || (Source::Automatic, &["*.alice.test"][..]);
    let strict = Terms { strict_sni: true, ..Terms::of_profile(Intermediate) };
    let holder = Some(("alice", strict));
    let alices = opened(Some("a.alice.test"), Some("alice"), Intermediate, shown());
    assert!(may_serve(&alices, "A.alice.test", holder, true));
    assert!(!may_serve(&alices, "b.alice.test", holder, true), "the same account's, and covered");
    for sni in [None, Some("unknown.test")] {
        let node = opened(sni, None, Intermediate, shown());
        assert!(!may_serve(&node, "a.alice.test", holder, false));
        assert!(may_serve(&node, "192.0.2.1", holder, false), "an address cannot be named");
    }
}

/// Whoever came when HTTP/2 was spoken stays; on other connections the account's own is asked for.
#[test]
fn without_http2_a_request_by_it_comes_again() {
    let protocols = Protocols { http1: true, http2: false };
    let holder = Some(("alice", Terms { protocols, ..Terms::of_profile(Intermediate) }));
    let shown = || (Source::Automatic, &["*.alice.test"][..]);
    let alices = opened(Some("a.alice.test"), Some("alice"), Intermediate, shown());
    assert!(may_serve(&alices, "a.alice.test", holder, true));
    assert!(
        !may_serve(&alices, "b.alice.test", holder, true)
            && may_serve(&alices, "b.alice.test", holder, false)
    );
    assert!(!may_serve(&opened(None, None, Intermediate, shown()), "a.alice.test", holder, true));
}
