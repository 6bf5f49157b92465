//! Files come, change, break and go; what is in service follows only where it should.

use super::*;
use crate::base::{Host, SiteAddress};
use crate::tls::CertificateError;
use crate::tls::dev::Issued;
use crate::tls::index::Rank;
use crate::tls::testing::{DAY, TODAY, account, day, host, issue};
use std::fs;
use tempfile::TempDir;

/// A node's certificates over a directory of their own.
struct Node {
    directory: TempDir,
    certificates: Certificates,
}

impl Node {
    /// Over the files given, each with its certificate.
    fn new(files: &[(&str, &Issued)]) -> Self {
        Self::with_default(files, None)
    }

    fn with_default(files: &[(&str, &Issued)], default: Option<&str>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("certificates")).unwrap();
        for (file, issued) in files {
            issued.write(&directory.path().join(file)).unwrap();
        }
        let settings = CertificateSettings {
            directory: Some(directory.path().join("certificates")),
            default: default.map(|file| directory.path().join(file)),
        };
        let certificates = Certificates::open(settings, TODAY).unwrap();
        Self { directory, certificates }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    fn write(&self, file: &str, issued: &Issued) {
        issued.write(&self.path(file)).unwrap();
    }

    fn reload(&mut self) -> Reload {
        self.certificates.reload(TODAY)
    }

    /// Why the certificate for `name` is shown, and when it expires in days from today.
    fn shown_at(&self, name: &str, holder: Option<&str>, now: Duration) -> (Rank, i64) {
        let name: Host = host(name);
        let holder = holder.map(account);
        let shown = self.certificates.index().find(Some(&name), holder.as_ref(), now);
        let days = |wall: Duration| i64::try_from(wall.as_secs() / DAY.as_secs()).unwrap();
        (shown.rank, days(shown.entry.certificate.validity().not_after) - days(TODAY))
    }

    fn shown(&self, name: &str) -> (Rank, i64) {
        self.shown_at(name, None, TODAY)
    }

    fn rank(&self, name: &str, holder: Option<&str>) -> Rank {
        self.shown_at(name, holder, TODAY).0
    }

    fn attach(&mut self, holder: &str, tables: &[(&[&str], &str)]) -> Reload {
        let table = |(names, file): &(&[&str], &str)| AttachedCertificate {
            names: names.iter().map(|name| SiteAddress::parse(name).unwrap().host).collect(),
            file: self.path(file),
        };
        let tables: Vec<_> = tables.iter().map(table).collect();
        self.certificates.attach(&account(holder), &tables, TODAY)
    }

    fn problems(&self) -> Vec<String> {
        let problem = |problem: Problem| {
            let file = problem.file.strip_prefix(self.directory.path()).unwrap().display().to_string();
            format!("{file}: {}", problem.reason)
        };
        let problems = self.certificates.problems(TODAY);
        let files: BTreeSet<_> = problems.iter().map(|problem| &problem.file).collect();
        assert_eq!(self.certificates.files_with_problems(TODAY), files.len());
        problems.into_iter().map(problem).collect()
    }
}

const A: &str = "certificates/a.test.pem";

fn changed(added: usize, replaced: usize, removed: usize, refused: usize) -> Reload {
    Reload { added, replaced, removed, refused }
}

#[test]
fn everything_is_read_at_the_start_from_its_own_place() {
    let node = Node::new(&[
        (A, &issue(&["a.test"], -1, 10)),
        ("certificates/alice/any.pem", &issue(&["b.test", "a.test"], -1, 20)),
        ("certificates/alice/.b.pem.new", &issue(&["c.test"], -1, 30)),
    ]);
    assert_eq!(node.shown("a.test"), (Rank::AutomaticExact, 10));
    assert_eq!(node.shown_at("a.test", Some("alice"), TODAY), (Rank::CustomerExact, 20));
    assert_eq!(node.rank("b.test", Some("alice")), Rank::CustomerExact);
    assert_eq!(node.rank("b.test", Some("bob")), Rank::Default);
    assert_eq!(node.rank("c.test", Some("alice")), Rank::Default);
    assert_eq!(node.problems(), Vec::<String>::new());
}

#[test]
fn a_pair_is_one_certificate_and_half_of_it_is_a_problem() {
    let mut node = Node::new(&[]);
    let issued = issue(&["a.test"], -1, 10);
    let pair = node.path("certificates/a.test");
    fs::create_dir_all(&pair).unwrap();
    fs::write(pair.join("fullchain.pem"), issued.chain()).unwrap();
    assert_eq!(node.reload(), changed(0, 0, 0, 1));
    assert_eq!(node.rank("a.test", None), Rank::Default);
    assert!(node.problems()[0].starts_with("certificates/a.test: the file cannot be read: privkey.pem: "));
    fs::write(pair.join("privkey.pem"), issued.key()).unwrap();
    assert_eq!(node.reload(), changed(1, 0, 0, 0));
    assert_eq!(node.rank("a.test", None), Rank::AutomaticExact);
    // Renewed one file after the other, as every tool does it: the old pair serves until both are there.
    let renewed = issue(&["a.test"], -1, 20);
    fs::write(pair.join("fullchain.pem"), renewed.chain()).unwrap();
    assert_eq!(node.reload(), changed(0, 0, 0, 1));
    assert_eq!(node.shown("a.test"), (Rank::AutomaticExact, 10));
    fs::write(pair.join("privkey.pem"), renewed.key()).unwrap();
    assert_eq!(node.reload(), changed(0, 1, 0, 0));
    assert_eq!(node.shown("a.test"), (Rank::AutomaticExact, 20));
    assert_eq!(node.problems(), Vec::<String>::new());
}

#[test]
fn what_did_not_change_is_not_touched() {
    let mut node =
        Node::new(&[(A, &issue(&["a.test"], -1, 10)), ("certificates/b.pem", &issue(&["b.test"], -1, 10))]);
    let kept = |node: &Node, name: &str| node.certificates.index().find(Some(&host(name)), None, TODAY).entry;
    let (a, b) = (kept(&node, "a.test"), kept(&node, "b.test"));
    assert_eq!(node.reload(), Reload::default());
    // The same content in another file: another stamp, the same certificate.
    let copy = node.path("certificates/.copy");
    fs::copy(node.path(A), &copy).unwrap();
    fs::rename(copy, node.path(A)).unwrap();
    assert_eq!(node.reload(), Reload::default());
    node.write("certificates/b.pem", &issue(&["b.test"], -1, 20));
    assert_eq!(node.reload(), changed(0, 1, 0, 0));
    assert!(Arc::ptr_eq(&a, &kept(&node, "a.test")));
    assert!(!Arc::ptr_eq(&b, &kept(&node, "b.test")));
}

/// Two writes within one tick of the file system's clock, of the same length, have one stamp.
#[test]
fn a_change_that_the_stamp_does_not_show_is_seen_while_the_stamp_is_young() {
    let mut node = Node::new(&[(A, &issue(&["a.test"], -1, 10))]);
    let slot = node.certificates.held.keys().next().unwrap().clone();
    let other = issue(&["a.test"], -1, 20);
    node.write(A, &other);
    let seen = node.certificates.held.get_mut(&slot).unwrap().seen.as_mut().unwrap();
    seen.stamp = slot.place.stamp().unwrap();
    assert!(!seen.settled, "it was written this very second");
    assert_eq!(node.reload(), changed(0, 1, 0, 0));
}

#[test]
fn a_file_that_cannot_be_served_leaves_the_old_one_in_service() {
    let good = issue(&["a.test"], -1, 10);
    let other = issue(&["a.test"], -1, 20);
    let mut node = Node::new(&[(A, &good)]);
    let mut bad = |text: &[u8], reason: &str| {
        fs::write(node.path(A), text).unwrap();
        assert_eq!(node.reload(), changed(0, 0, 0, 1), "{reason}");
        assert_eq!(node.shown("a.test"), (Rank::AutomaticExact, 10), "{reason}");
        let told = format!("{A}: {reason}; the one read before stays in service");
        assert_eq!(node.problems(), [told.as_str()]);
        // Judged once: the next reload neither reads nor counts it again.
        assert_eq!(node.reload(), Reload::default(), "{reason}");
        assert_eq!(node.problems(), [told]);
    };
    bad(b"", "there is no certificate in it");
    bad(&other.pem().as_bytes()[..other.pem().len() / 2], "the PEM text is damaged: a section does not end");
    bad(format!("{}{}", other.chain(), good.key()).as_bytes(), "the key does not belong to the certificate");
    bad(other.chain().as_bytes(), &CertificateError::NoKey.to_string());
    node.write(A, &other);
    assert_eq!(node.reload(), changed(0, 1, 0, 0));
    assert_eq!(node.shown("a.test"), (Rank::AutomaticExact, 20));
    assert_eq!(node.problems(), Vec::<String>::new());
}

#[test]
fn a_file_that_becomes_unreadable_and_readable_again_is_no_change() {
    let mut node = Node::new(&[(A, &issue(&["a.test"], -1, 10))]);
    let away = node.path("certificates/.away");
    fs::rename(node.path(A), &away).unwrap();
    // It went between the listing and the reading.
    let slot = Slot::clone(node.certificates.held.keys().next().unwrap());
    let refused = node.certificates.take_over(BTreeSet::from([slot]), Vec::new(), TODAY);
    assert_eq!(refused, changed(0, 0, 0, 1));
    assert_eq!(node.shown("a.test"), (Rank::AutomaticExact, 10));
    fs::rename(&away, node.path(A)).unwrap();
    node.reload();
    assert_eq!(node.shown("a.test"), (Rank::AutomaticExact, 10));
    assert_eq!(node.problems(), Vec::<String>::new());
}

#[test]
fn an_expired_file_does_not_replace_a_valid_one() {
    let mut node = Node::new(&[(A, &issue(&["a.test"], -9, 3))]);
    node.write(A, &issue(&["a.test"], -9, -1));
    assert_eq!(node.reload(), changed(0, 0, 0, 1));
    assert_eq!(node.shown("a.test"), (Rank::AutomaticExact, 3));
    let reason = "the certificate expired on 2024-10-03 00:00 UTC; the one read before stays in service";
    assert_eq!(node.problems(), [format!("{A}: {reason}")]);
    // When the old one has expired too, the better of the two stays: the one that expired later.
    assert_eq!(node.certificates.reload(day(4)), changed(0, 0, 0, 1));
    assert_eq!(node.shown("a.test"), (Rank::AutomaticExact, 3));
    node.write(A, &issue(&["a.test"], -9, 4));
    assert_eq!(node.certificates.reload(day(5)), changed(0, 1, 0, 0));
}

#[test]
fn a_file_that_is_not_valid_yet_takes_over_when_it_is() {
    let mut node = Node::new(&[(A, &issue(&["a.test"], -9, 3))]);
    node.write(A, &issue(&["a.test"], 2, 9));
    assert_eq!(node.reload(), changed(0, 0, 0, 1));
    assert_eq!(node.shown("a.test"), (Rank::AutomaticExact, 3));
    assert!(node.problems()[0].contains("not valid before 2024-10-06 00:00 UTC"), "{:?}", node.problems());
    assert_eq!(node.certificates.reload(day(2)), changed(0, 1, 0, 0), "without a change of the file");
    assert_eq!(node.shown_at("a.test", None, day(2)), (Rank::AutomaticExact, 9));
}

/// A cold start ends where the running node was: a certificate that expired in service is still in service.
#[test]
fn an_expired_file_serves_where_nothing_else_does() {
    let mut node = Node::new(&[("certificates/alice/a.pem", &issue(&["a.test"], -9, -1))]);
    assert_eq!(node.rank("a.test", Some("alice")), Rank::CustomerExact);
    assert_eq!(node.problems().len(), 1);
    assert_eq!(node.certificates.summary(TODAY).expired, 1);
    node.write("certificates/wildcard.pem", &issue(&["*.test"], -1, 9));
    assert_eq!(node.reload(), changed(1, 0, 0, 0));
    assert_eq!(node.rank("a.test", Some("alice")), Rank::AutomaticWildcard);
}

#[test]
fn a_file_that_is_gone_takes_its_certificate_along() {
    let mut node = Node::new(&[
        (A, &issue(&["a.test"], -1, 10)),
        ("certificates/alice/a.pem", &issue(&["a.test"], -1, 20)),
        ("certificates/alice/broken.pem", &issue(&["b.test"], -1, 20)),
    ]);
    fs::write(node.path("certificates/alice/broken.pem"), "broken").unwrap();
    node.reload();
    assert_eq!(node.problems().len(), 1);
    fs::remove_dir_all(node.path("certificates/alice")).unwrap();
    assert_eq!(node.reload(), changed(0, 0, 2, 0));
    assert_eq!(node.rank("a.test", Some("alice")), Rank::AutomaticExact);
    assert_eq!(node.problems(), Vec::<String>::new(), "the problem is gone with its file");
}

#[test]
fn a_directory_that_cannot_be_read_takes_nothing_out_of_service() {
    let mut node = Node::new(&[(A, &issue(&["a.test"], -1, 10))]);
    let (root, away) = (node.path("certificates"), node.path("unmounted"));
    fs::rename(&root, &away).unwrap();
    assert_eq!(node.reload(), Reload::default());
    assert_eq!(node.certificates.reload_paths(std::slice::from_ref(&root), TODAY), Reload::default());
    assert_eq!(node.rank("a.test", None), Rank::AutomaticExact);
    assert!(node.problems()[0].starts_with("certificates: this directory cannot be read: "));
    fs::rename(&away, &root).unwrap();
    assert_eq!(node.certificates.reload_paths(&[root], TODAY), Reload::default());
    assert_eq!(node.problems(), Vec::<String>::new());
}

#[test]
fn a_hint_reads_what_it_names_and_nothing_else() {
    let mut node = Node::new(&[(A, &issue(&["a.test"], -1, 10))]);
    node.write("certificates/b.pem", &issue(&["b.test"], -1, 10));
    node.write("certificates/c.pem", &issue(&["c.test"], -1, 10));
    let (b, c) = (node.path("certificates/b.pem"), node.path("certificates/c.pem"));
    assert_eq!(node.certificates.reload_paths(&[b], TODAY), changed(1, 0, 0, 0));
    assert_eq!(node.rank("c.test", None), Rank::Default);
    let nothing =
        [node.path("certificates/.c.pem.new"), node.path("elsewhere/c.pem"), node.path("certificates/d.pem")];
    assert_eq!(node.certificates.reload_paths(&nothing, TODAY), Reload::default());
    fs::remove_file(node.path(A)).unwrap();
    let hints = [c, node.path(A)];
    assert_eq!(node.certificates.reload_paths(&hints, TODAY), changed(1, 0, 1, 0));
    assert_eq!(node.rank("a.test", None), Rank::Default);
}

#[test]
fn a_hint_may_name_a_directory_that_came_or_went_or_half_a_pair() {
    let mut node = Node::new(&[(A, &issue(&["a.test"], -1, 10))]);
    node.write("certificates/alice/a.pem", &issue(&["a.test"], -1, 20));
    let issued = issue(&["p.test"], -1, 20);
    fs::create_dir(node.path("certificates/alice/p")).unwrap();
    fs::write(node.path("certificates/alice/p/fullchain.pem"), issued.chain()).unwrap();
    fs::write(node.path("certificates/alice/p/privkey.pem"), issued.key()).unwrap();
    let alice = [node.path("certificates/alice")];
    assert_eq!(node.certificates.reload_paths(&alice, TODAY), changed(2, 0, 0, 0));
    assert!(node.certificates.watch().contains(&node.path("certificates/alice/p")));
    let renewed = issue(&["p.test"], -1, 30);
    fs::write(node.path("certificates/alice/p/fullchain.pem"), renewed.chain()).unwrap();
    fs::write(node.path("certificates/alice/p/privkey.pem"), renewed.key()).unwrap();
    let half = [node.path("certificates/alice/p/privkey.pem")];
    assert_eq!(node.certificates.reload_paths(&half, TODAY), changed(0, 1, 0, 0));
    fs::remove_dir_all(node.path("certificates/alice")).unwrap();
    assert_eq!(node.certificates.reload_paths(&alice, TODAY), changed(0, 0, 2, 0));
    assert!(!node.certificates.watch().contains(&node.path("certificates/alice/p")));
    assert_eq!(node.rank("a.test", None), Rank::AutomaticExact);
}

#[test]
fn attached_certificates_follow_their_document() {
    let mut node = Node::new(&[("pay.pem", &issue(&["pay.test", "*.shop.test"], -9, -1))]);
    assert_eq!(node.attach("alice", &[(&["pay.test"], "pay.pem")]), changed(1, 0, 0, 0));
    assert_eq!(node.rank("pay.test", Some("alice")), Rank::AttachedExact);
    assert_eq!(node.rank("pay.test", Some("bob")), Rank::Default);
    assert_eq!(node.rank("a.shop.test", Some("alice")), Rank::Default, "not attached there");
    assert_eq!(node.problems().len(), 1, "served, and told to be expired");
    assert!(node.certificates.watch().contains(node.directory.path()));
    assert_eq!(node.attach("alice", &[(&["pay.test"], "pay.pem")]), Reload::default());
    // Other names, the same file.
    assert_eq!(node.attach("alice", &[(&["*.shop.test", "else.test"], "pay.pem")]), changed(0, 1, 0, 0));
    assert_eq!(node.rank("a.shop.test", Some("alice")), Rank::AttachedWildcard);
    assert_eq!(node.rank("pay.test", Some("alice")), Rank::Default);
    let told = "the certificate does not cover else.test, which it is attached to";
    assert!(node.problems().contains(&format!("pay.pem: {told}")), "{:?}", node.problems());
    // Another account's tables are its own.
    assert_eq!(node.attach("bob", &[]), Reload::default());
    assert_eq!(node.attach("alice", &[]), changed(0, 0, 1, 0));
    assert_eq!(node.rank("a.shop.test", Some("alice")), Rank::Default);
    assert_eq!(node.problems(), Vec::<String>::new());
}

#[test]
fn an_attached_file_that_breaks_or_goes_stays_in_service_for_the_names_it_has_now() {
    let mut node = Node::new(&[("pay.pem", &issue(&["pay.test", "old.test"], -1, 10))]);
    node.attach("alice", &[(&["pay.test", "old.test"], "pay.pem")]);
    fs::write(node.path("pay.pem"), "broken").unwrap();
    assert_eq!(
        node.certificates.reload_paths(&[node.directory.path().join("pay.pem")], TODAY),
        changed(0, 0, 0, 1)
    );
    assert_eq!(node.rank("pay.test", Some("alice")), Rank::AttachedExact);
    assert_eq!(node.attach("alice", &[(&["pay.test"], "pay.pem")]), changed(0, 1, 0, 0));
    assert_eq!(node.rank("pay.test", Some("alice")), Rank::AttachedExact);
    assert_eq!(node.rank("old.test", Some("alice")), Rank::Default);
    fs::remove_file(node.path("pay.pem")).unwrap();
    node.reload();
    assert_eq!(node.rank("pay.test", Some("alice")), Rank::AttachedExact);
    assert!(node.problems()[0].ends_with("; the one read before stays in service"));
    // An expired one is what the document asks for.
    node.write("pay.pem", &issue(&["pay.test"], -9, -1));
    assert_eq!(node.reload(), changed(0, 1, 0, 0));
    assert_eq!(node.shown_at("pay.test", Some("alice"), TODAY), (Rank::AttachedExact, -1));
}

#[test]
fn an_attached_file_that_comes_after_its_document_is_taken_when_it_comes() {
    let mut node = Node::new(&[]);
    assert_eq!(node.attach("alice", &[(&["pay.test"], "pay.pem")]), changed(0, 0, 0, 1));
    assert!(node.problems()[0].starts_with("pay.pem: the file cannot be read: "));
    node.write("pay.pem", &issue(&["pay.test"], -1, 10));
    assert_eq!(node.certificates.reload_paths(&[node.path("pay.pem")], TODAY), changed(1, 0, 0, 0));
    assert_eq!(node.rank("pay.test", Some("alice")), Rank::AttachedExact);
}

#[test]
fn a_file_that_two_accounts_attach_is_each_ones_own() {
    let mut node = Node::new(&[("both.pem", &issue(&["a.test", "b.test"], -1, 10))]);
    node.attach("alice", &[(&["a.test"], "both.pem")]);
    node.attach("bob", &[(&["b.test"], "both.pem"), (&["a.test"], "both.pem")]);
    node.write("both.pem", &issue(&["a.test", "b.test"], -1, 20));
    let both = [node.path("both.pem")];
    assert_eq!(node.certificates.reload_paths(&both, TODAY), changed(0, 2, 0, 0));
    assert_eq!(node.attach("alice", &[]), changed(0, 0, 1, 0));
    node.write("both.pem", &issue(&["a.test", "b.test"], -1, 30));
    assert_eq!(node.certificates.reload_paths(&both, TODAY), changed(0, 1, 0, 0));
    assert_eq!(node.shown_at("b.test", Some("bob"), TODAY), (Rank::AttachedExact, 30));
    assert_eq!(
        node.shown_at("a.test", Some("bob"), TODAY),
        (Rank::AttachedExact, 30),
        "two tables, one file"
    );
    assert_eq!(node.rank("a.test", Some("alice")), Rank::Default);
}

#[test]
fn who_watches_is_told_when_there_are_other_directories() {
    let mut node = Node::new(&[("one/a.pem", &issue(&["a.test"], -1, 10))]);
    let mut told = node.certificates.watch_revision();
    let mut is_told = |node: &Node| std::mem::replace(&mut told, node.certificates.watch_revision()) != told;
    node.attach("alice", &[(&["a.test"], "one/a.pem")]);
    assert!(is_told(&node));
    assert!(node.certificates.watch().contains(&node.path("one")));
    node.attach("alice", &[(&["a.test", "b.test"], "one/a.pem")]);
    node.reload();
    assert!(!is_told(&node));
    node.write("certificates/bob/b.pem", &issue(&["b.test"], -1, 10));
    node.certificates.reload_paths(&[node.path("certificates/bob")], TODAY);
    assert!(is_told(&node));
    assert!(node.certificates.watch().contains(&node.path("certificates/bob")));
    node.certificates.reload_paths(&[node.path("certificates/bob")], TODAY);
    node.certificates.reload_paths(&[node.path("certificates/bob/b.pem")], TODAY);
    assert!(!is_told(&node));
    fs::remove_dir_all(node.path("certificates/bob")).unwrap();
    node.reload();
    assert!(is_told(&node));
    assert_eq!(node.certificates.watch(), BTreeSet::from([node.path("certificates"), node.path("one")]));
}

#[test]
fn the_default_is_the_file_named_or_else_self_signed() {
    let mut node =
        Node::with_default(&[("default.pem", &issue(&["node.test"], -1, 10))], Some("default.pem"));
    let default = |node: &Node| {
        let shown = node.certificates.index().find(None, None, TODAY);
        shown.entry.certificate.names().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(default(&node), ["node.test"]);
    assert_eq!(node.rank("node.test", None), Rank::Default);
    assert!(!node.certificates.index().covers(&host("node.test"), None), "it counts for no name");
    fs::write(node.path("default.pem"), "broken").unwrap();
    node.reload();
    assert_eq!(default(&node), ["node.test"], "a broken file leaves the old one");
    node.write("default.pem", &issue(&["other.test"], -1, 10));
    node.reload();
    assert_eq!(default(&node), ["other.test"]);
    let settings = CertificateSettings { default: None, ..node.certificates.settings.clone() };
    node.certificates.reconfigure(settings, TODAY);
    assert_eq!(default(&node), ["parvis.invalid"]);
    let broken = Node::with_default(&[], Some("missing.pem"));
    assert_eq!(
        default(&broken),
        ["parvis.invalid"],
        "a node without its default certificate is better than none"
    );
    assert!(broken.problems().iter().any(|problem| problem.starts_with("missing.pem: ")));
}

#[test]
fn figures_count_by_source_and_name_the_next_to_expire() {
    let mut node = Node::new(&[
        (A, &issue(&["a.test"], -1, 10)),
        ("certificates/b.pem", &issue(&["b.test"], -1, 5)),
        ("certificates/alice/c.pem", &issue(&["c.test"], -9, -2)),
        ("pay.pem", &issue(&["pay.test"], -1, 7)),
    ]);
    node.attach("alice", &[(&["pay.test"], "pay.pem")]);
    let expected = Summary {
        attached: 1,
        customer: 1,
        automatic: 2,
        expired: 1,
        expires_soonest: Some((day(5), node.path("certificates/b.pem"))),
    };
    assert_eq!(node.certificates.summary(TODAY), expected);
    node.write(A, &issue(&["a.test"], -1, 3));
    node.reload();
    assert_eq!(node.certificates.summary(TODAY).expires_soonest, Some((day(3), node.path(A))));
    fs::remove_file(node.path(A)).unwrap();
    node.reload();
    assert_eq!(node.certificates.summary(TODAY), Summary { automatic: 1, ..expected });
    assert_eq!(node.certificates.summary(day(6)).expires_soonest, Some((day(7), node.path("pay.pem"))));
}
