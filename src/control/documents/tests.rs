//! Documents on disk, taken over one by one and all at once: what answers, who holds what, and what is told.

use super::*;
use crate::base::{Host, now};
use crate::control::{Hint, Watch};
use crate::route::Resolution;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv6Addr;
use tempfile::TempDir;

/// A node on disk.
struct Disk {
    _root: TempDir,
    node: Arc<Node>,
}

impl Disk {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in ["accounts.d", "state"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        let file = root.path().join("parvis.toml");
        let text = "[node]\nname = \"test\"\nworkers = 2\nstate = \"state\"\n\
                    [[listen]]\naddress = \"[::1]:0\"\n[accounts]\ndirectory = \"accounts.d\"\n";
        fs::write(&file, text).unwrap();
        Self { node: Arc::new(config::load_node(&file).unwrap()), _root: root }
    }

    fn start(&self) -> (Documents, Arc<Hosts>) {
        let hosts = Arc::new(Hosts::new());
        (Documents::open(self.node.clone(), hosts.clone()).unwrap(), hosts)
    }

    fn file(&self, account: &str) -> PathBuf {
        self.node.accounts.join(format!("{account}.toml"))
    }

    fn write(&self, account: &str, text: &str) {
        let aside = self.node.accounts.join(format!(".{account}.new"));
        fs::write(&aside, text).unwrap();
        fs::rename(aside, self.file(account)).unwrap();
    }

    /// Writes a document, or removes it, and has it looked at.
    fn change(&self, documents: &mut Documents, account: &str, text: Option<&str>) -> Option<Applied> {
        match text {
            Some(text) => self.write(account, text),
            None => drop(fs::remove_file(self.file(account))),
        }
        documents.apply(&name(account), now())
    }
}

fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

/// A document with a site of these addresses, and one that lends those.
fn document(own: &[&str], lent: &[&str]) -> String {
    let site = |name: &str, addresses: &[&str], lend: bool| match addresses {
        [] => String::new(),
        _ => format!(
            "[[site]]\nname = \"{name}\"\naddresses = {addresses:?}\nupstream = \"web\"\nlend = {lend}\n"
        ),
    };
    let upstream = "[[upstream]]\nname = \"web\"\naddress = \"[::1]:9\"\n";
    format!("{upstream}{}{}", site("own", own, false), site("lent", lent, true))
}

/// The account and site that answer at a host, or at a host and path.
fn answer(hosts: &Hosts, address: &str) -> Option<(String, String)> {
    let (host, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    let (path, local) = (if path.is_empty() { b"/" } else { path.as_bytes() }, Ipv6Addr::LOCALHOST.into());
    match hosts.resolve(&Host::parse(host.as_bytes()).unwrap(), path, local) {
        Resolution::Site(matched) => {
            Some((matched.account.name().to_string(), matched.site().name.to_string()))
        }
        Resolution::NoPath { account, .. } => Some((account.name().to_string(), "no path".to_owned())),
        Resolution::UnknownHost => None,
    }
}

fn holder(hosts: &Hosts, host: &str) -> Option<String> {
    answer(hosts, host).map(|(account, _)| account)
}

#[test]
fn a_bad_document_changes_nothing_and_is_remembered_until_it_is_mended() {
    let disk = Disk::new();
    let (mut documents, hosts) = disk.start();
    let good = document(&["a.test"], &[]);
    let applied = disk.change(&mut documents, "alice", Some(&good)).unwrap();
    assert_eq!((applied.result, applied.hosts_changed), (ChangeResult::Applied, 1));
    let form = hosts.account("alice").unwrap().form();

    let bad = format!("surprise = 1\n{good}");
    assert_eq!(disk.change(&mut documents, "alice", Some(&bad)).unwrap().result, ChangeResult::Refused);
    assert!(Arc::ptr_eq(&form, &hosts.account("alice").unwrap().form()));
    assert_eq!(documents.problems()[&name("alice")].problems[0].line, 1);
    assert_eq!(documents.counts().with_problems, 1);
    assert!(disk.change(&mut documents, "alice", Some(&bad)).is_none(), "the same text is nothing");
    fs::write(disk.file("alice"), b"\xff").unwrap();
    assert_eq!(documents.apply(&name("alice"), now()).unwrap().result, ChangeResult::Refused);
    assert_eq!(holder(&hosts, "a.test").as_deref(), Some("alice"));

    assert_eq!(disk.change(&mut documents, "alice", Some(&good)).unwrap().result, ChangeResult::Applied);
    assert!(documents.problems().is_empty());
}

#[test]
fn a_cold_start_with_a_bad_document_serves_its_last_good_text() {
    let disk = Disk::new();
    disk.write("alice", &document(&["a.test"], &[]));
    let (mut documents, _) = disk.start();
    disk.change(&mut documents, "alice", Some(&document(&["a.test", "b.test"], &[]))).unwrap();
    drop(documents);
    disk.write("alice", "state = 7");
    disk.write("bob", "state = 7");
    let (documents, hosts) = disk.start();
    assert_eq!(holder(&hosts, "b.test").as_deref(), Some("alice"));
    assert!(hosts.account("bob").is_none(), "there never was a good text");
    assert_eq!(documents.problems().len(), 2);
}

#[test]
fn a_start_without_the_directory_of_documents_is_none_and_forgets_no_holder() {
    let disk = Disk::new();
    let (mut documents, _) = disk.start();
    let text = document(&["a.test"], &[]);
    disk.change(&mut documents, "zoe", Some(&text)).unwrap();
    disk.change(&mut documents, "alice", Some(&text)).unwrap();
    drop(documents);
    let away = disk.node.accounts.with_extension("away");
    fs::rename(&disk.node.accounts, &away).unwrap();
    assert!(Documents::open(disk.node.clone(), Arc::new(Hosts::new())).is_err());
    fs::rename(&away, &disk.node.accounts).unwrap();
    assert_eq!(holder(&disk.start().1, "a.test").as_deref(), Some("zoe"));
}

#[test]
fn who_waited_for_a_host_has_no_problem_once_it_has_it() {
    let disk = Disk::new();
    let (mut documents, hosts) = disk.start();
    disk.change(&mut documents, "alice", Some(&document(&["a.test", "b.test"], &[]))).unwrap();
    let applied = disk.change(&mut documents, "bob", Some(&document(&["a.test", "b.test", "c.test"], &[])));
    assert_eq!(applied.unwrap().result, ChangeResult::Partial);
    assert_eq!(documents.problems()[&name("bob")].problems.len(), 2);
    disk.change(&mut documents, "alice", Some(&document(&["b.test"], &[]))).unwrap();
    assert_eq!(documents.problems()[&name("bob")].problems.len(), 1);
    disk.change(&mut documents, "alice", None).unwrap();
    assert_eq!((documents.problems().len(), documents.contests(9).1), (0, 0));
    assert_eq!(holder(&hosts, "b.test").as_deref(), Some("bob"));
}

#[test]
fn deleting_an_account_begins_its_drain_and_frees_its_name() {
    let disk = Disk::new();
    let (mut documents, hosts) = disk.start();
    let text = document(&["a.test"], &[]);
    disk.change(&mut documents, "alice", Some(&text)).unwrap();
    let account = hosts.account("alice").unwrap();
    fs::rename(disk.file("alice"), disk.file("alice").with_extension("old")).unwrap();
    assert!(documents.is_missing(&name("alice")) && !account.drain().has_begun());
    assert_eq!(documents.apply(&name("alice"), now()).unwrap().result, ChangeResult::Removed);
    assert!(account.drain().has_begun());
    assert_eq!((holder(&hosts, "a.test"), hosts.len(), hosts.accounts()), (None, 0, 0));
    assert!(!documents.is_missing(&name("alice")));
    assert!(disk.change(&mut documents, "alice", None).is_none());
    disk.change(&mut documents, "alice", Some(&text)).unwrap();
    assert!(!hosts.account("alice").unwrap().drain().has_begun(), "a new account of the same name");
}

#[test]
fn most_documents_gone_at_once_are_believed_only_when_it_is_said() {
    let disk = Disk::new();
    for n in 0..MANY {
        disk.write(&format!("a{n}"), &document(&[&format!("a{n}.test")], &[]));
    }
    let (mut documents, hosts) = disk.start();
    let away = disk.node.accounts.with_extension("away");
    fs::rename(&disk.node.accounts, &away).unwrap();
    assert!(documents.rescan(now(), true).is_empty(), "a directory that cannot be read says nothing");
    fs::create_dir(&disk.node.accounts).unwrap();
    assert!(documents.rescan(now(), false).is_empty());
    assert_eq!(hosts.accounts(), MANY);
    assert_eq!(documents.rescan(now(), true).len(), MANY);
    assert_eq!((hosts.accounts(), hosts.len()), (0, 0));
}

const NAMES: &[&str] =
    &["x.test", "a.x.test", "b.x.test/p", "b.x.test", "a.b.x.test", "y.test/p", "y.test/p/q"];
const WILDCARDS: &[&str] = &["*.x.test", "*.b.x.test", "*.x.test/p"];
const PROBES: &[&str] = &[
    "x.test",
    "a.x.test",
    "b.x.test",
    "b.x.test/p",
    "c.x.test",
    "c.x.test/p",
    "a.b.x.test",
    "c.b.x.test",
    "y.test",
    "y.test/p/q",
];

/// What happens to the files.
#[derive(Clone, Debug)]
enum Step {
    /// A document is written, or removed.
    Write(&'static str, Option<String>),
    /// One is renamed, over another perhaps.
    Rename(&'static str, &'static str),
}

impl Step {
    /// Does it, and says whose documents somebody should look at.
    fn take(&self, disk: &Disk) -> Vec<&'static str> {
        match self {
            Self::Write(account, Some(text)) => disk.write(account, text),
            Self::Write(account, None) => drop(fs::remove_file(disk.file(account))),
            Self::Rename(from, to) => {
                let _ = fs::rename(disk.file(from), disk.file(to));
                return vec![from, to];
            }
        }
        let Self::Write(account, _) = self else { return Vec::new() };
        vec![account]
    }
}

fn step() -> impl Strategy<Value = Step> {
    let account = || prop::sample::select(vec!["alice", "bob", "carol"]);
    prop_oneof![
        8 => (account(), text()).prop_map(|(account, text)| Step::Write(account, text)),
        1 => (account(), account()).prop_map(|(from, to)| Step::Rename(from, to)),
    ]
}

/// What an account's document becomes: a text, a bad one, or nothing.
fn text() -> impl Strategy<Value = Option<String>> {
    let some = |from: &'static [&'static str]| proptest::sample::subsequence(from, 0..=from.len().min(3));
    let good = (some(NAMES), some(WILDCARDS), any::<bool>()).prop_map(|(mut own, wildcards, lend)| {
        if lend {
            return Some(document(&own, &wildcards));
        }
        own.extend(wildcards);
        Some(document(&own, &[]))
    });
    prop_oneof![6 => good, 1 => Just(Some("bad = true".to_owned())), 2 => Just(None)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Bursts of steps are heard of as one hint, or found by a rescan; what is answered then is what is answered after
    /// a cold start, at any time.
    #[test]
    fn any_sequence_of_changes_ends_where_a_cold_start_on_documents_and_journal_ends(
        bursts in proptest::collection::vec(
            (proptest::collection::vec(step(), 1..5), any::<bool>(), any::<bool>()), 1..12,
        ),
    ) {
        let disk = Disk::new();
        let (mut documents, mut hosts) = disk.start();
        for (steps, is_heard, is_restarted) in bursts {
            let names: BTreeSet<_> = steps.iter().flat_map(|step| step.take(&disk)).map(name).collect();
            if is_heard {
                // Those that are gone are looked at last, as the control thread does.
                let (gone, there): (Vec<_>, Vec<_>) = names.iter().partition(|name| documents.is_missing(name));
                there.into_iter().chain(gone).for_each(|name| drop(documents.apply(name, now())));
            } else {
                documents.rescan(now(), true);
            }
            if !is_restarted {
                continue;
            }
            let seen = |hosts: &Hosts| PROBES.iter().map(|host| answer(hosts, host)).collect::<Vec<_>>();
            let before = (seen(&hosts), documents.contests(99).1, hosts.accounts(), hosts.len());
            let problems: Vec<_> = documents.problems().keys().cloned().collect();
            drop(documents);
            (documents, hosts) = disk.start();
            prop_assert_eq!(before, (seen(&hosts), documents.contests(99).1, hosts.accounts(), hosts.len()));
            prop_assert_eq!(problems, documents.problems().keys().cloned().collect::<Vec<_>>());
        }
    }
}

/// Five hundred documents come as fast as they can be written, and are found by what the watch hears alone.
#[tokio::test(flavor = "current_thread")]
async fn five_hundred_documents_are_heard_of_and_in_service() {
    let disk = Disk::new();
    let (mut documents, hosts) = disk.start();
    let mut watch = Watch::new().unwrap();
    watch.set(&BTreeSet::from([disk.node.accounts.clone()]));
    for n in 0..500 {
        disk.write(&format!("a{n}"), &document(&[&format!("a{n}.test")], &[]));
    }
    while hosts.len() < 500 {
        let heard = tokio::time::timeout(PATIENCE, watch.hint()).await.expect("nothing more is heard");
        let Hint::Files(files) = heard.unwrap() else { panic!("the queue ran over") };
        for file in files {
            if let FileName::Document(name) = FileName::of(file.file_name().unwrap()) {
                documents.apply(&name, now());
            }
        }
    }
    assert_eq!(holder(&hosts, "a499.test").as_deref(), Some("a499"));
    assert_eq!(documents.recent().count(), RECENT);
}

#[test]
fn a_hundred_thousand_hosts_start_and_one_more_document_finds_its_place() {
    let disk = Disk::new();
    for account in 0..100 {
        let hosts: Vec<_> = (0..1_000).map(|n| format!("h{n}.a{account}.test")).collect();
        let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
        disk.write(&format!("a{account}"), &document(&hosts, &[]));
    }
    let (mut documents, hosts) = disk.start();
    assert_eq!(hosts.len(), 100_000);
    assert_eq!(holder(&hosts, "H999.a99.TEST.").as_deref(), Some("a99"));
    disk.change(&mut documents, "alice", Some(&document(&["*.a99.test", "h1.a1.test"], &[]))).unwrap();
    assert_eq!(holder(&hosts, "h1000.a99.test").as_deref(), Some("alice"));
    assert_eq!(holder(&hosts, "h999.a99.test").as_deref(), Some("a99"));
    assert_eq!(holder(&hosts, "h1.a1.test").as_deref(), Some("a1"));
}

/// How long a test waits for what is sure to come.
const PATIENCE: Duration = Duration::from_secs(20);
