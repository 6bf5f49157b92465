//! What holds for every key and every text, whatever they are.

use super::setting::Section;
use super::*;
use proptest::prelude::*;
use std::path::PathBuf;

const NODE: &str = "[[listen]]\naddress = \"[::1]:0\"\n[accounts]\ndirectory = \"accounts.d\"\n";

fn node() -> Node {
    node_of(NODE).unwrap()
}

fn node_of(text: &str) -> Result<Node, Report> {
    let machine = machine::Machine { name: None, processors: 1, descriptors: Some(1024) };
    let (node, report) = node::examine(Path::new("parvis.toml"), text, &machine);
    if report.is_empty() { Ok(node) } else { Err(report) }
}

fn document_of(text: &str) -> Result<Document, Report> {
    check_document(&AccountName::new("alice").unwrap(), Path::new("alice.toml"), text, &node())
}

/// Every table of a file with its path, as `[a.b]` would name it.
fn sections(file: &'static Section) -> Vec<(&'static Section, String)> {
    let mut found = vec![(file, String::new())];
    let mut next = 0;
    while let Some((section, path)) = found.get(next).cloned() {
        for inside in section.tables {
            let dot = if path.is_empty() { "" } else { "." };
            found.push((inside, format!("{path}{dot}{}", inside.name)));
        }
        next += 1;
    }
    found
}

/// A file in which `key`, of the table at `path`, has `value`.
fn with(section: &Section, path: &str, key: &str, value: &str) -> String {
    match (path.rsplit_once('.'), section.many) {
        (Some((parent, _)), _) => format!("[[{parent}]]\n[{path}]\n{key} = {value}\n"),
        (None, true) => format!("[[{path}]]\n{key} = {value}\n"),
        (None, false) if path.is_empty() => format!("{key} = {value}\n"),
        (None, false) => format!("[{path}]\n{key} = {value}\n"),
    }
}

type Check = fn(&str) -> Report;

fn files() -> [(&'static Section, Check); 2] {
    [
        (&keys::NODE_FILE, |text| node_of(text).expect_err(text)),
        (&keys::ACCOUNT_FILE, |text| document_of(text).expect_err(text)),
    ]
}

#[test]
fn every_key_of_the_reference_is_read() {
    for (file, check) in files() {
        for (section, path) in sections(file) {
            for key in section.keys {
                let report = check(&with(section, &path, key.name(), "1979-05-27"));
                let is_read = report.problems.iter().any(|problem| {
                    problem.key.ends_with(key.name()) && problem.message.starts_with("a date stands where ")
                });
                assert!(is_read, "{path}.{} is documented and not read:\n{report}", key.name());
            }
        }
    }
}

#[test]
fn every_key_that_comes_later_is_refused_by_name() {
    for (file, check) in files() {
        for (section, path) in sections(file) {
            for later in section.later {
                let report = check(&with(section, &path, later.name, "1979-05-27"));
                let is_refused = report.problems.iter().any(|problem| {
                    problem.key.ends_with(later.name)
                        && problem.message == "this version does not have it yet"
                });
                assert!(is_refused, "{path}.{} is not refused:\n{report}", later.name);
                assert!(section.names().all(|name| name != later.name), "{path}.{} is both", later.name);
            }
        }
    }
}

#[test]
fn the_hosting_example_shows_every_key() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hosting");
    // One account has nearly all there are; what cannot stand beside them is another's.
    let files: [(_, &[&str]); 2] = [
        (&keys::NODE_FILE, &["parvis.toml", "canary.toml", "tracing.toml"]),
        (&keys::ACCOUNT_FILE, &["accounts.d/alice.toml", "accounts.d/carol.toml", "accounts.d/dave.toml"]),
    ];
    for (file, shown) in files {
        let read = |name: &&str| std::fs::read_to_string(directory.join(name)).unwrap();
        let trees: Vec<toml::Value> =
            shown.iter().map(|name| toml::from_str::<toml::Table>(&read(name)).unwrap().into()).collect();
        for (section, path) in sections(file) {
            for key in section.keys {
                let path = format!("{path}.{}", key.name());
                let is_shown = trees.iter().any(|tree| has(tree, path.trim_start_matches('.')));
                assert!(is_shown, "{shown:?}: {path}");
            }
        }
    }
}

/// Whether a value, or any item of a list, has the key at `path`.
fn has(value: &toml::Value, path: &str) -> bool {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    match value {
        toml::Value::Array(items) => items.iter().any(|item| has(item, path)),
        toml::Value::Table(table) => {
            table.get(first).is_some_and(|inside| rest.is_none_or(|rest| has(inside, rest)))
        }
        _ => false,
    }
}

#[test]
fn a_file_that_is_not_there_is_a_problem_of_its_own() {
    let report = load_node(Path::new("/nowhere/parvis.toml")).unwrap_err();
    let said: Vec<_> = report.problems.iter().map(Problem::one_line).collect();
    assert_eq!(said, ["/nowhere/parvis.toml: cannot be read: No such file or directory (os error 2)"]);
}

/// A directory with a node file and documents.
struct Files(tempfile::TempDir);

impl Files {
    fn new(documents: &[(&str, &[u8])]) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        std::fs::write(files.node(), NODE).unwrap();
        std::fs::create_dir(files.0.path().join("accounts.d")).unwrap();
        for (name, content) in documents {
            std::fs::write(files.0.path().join("accounts.d").join(name), content).unwrap();
        }
        files
    }

    fn node(&self) -> PathBuf {
        self.0.path().join("parvis.toml")
    }

    fn problems(&self) -> Vec<String> {
        let report = load_all(&self.node()).unwrap_err();
        let prefix = format!("{}/accounts.d", self.0.path().display());
        report.problems.iter().map(|problem| problem.one_line().replace(&prefix, "")).collect()
    }
}

#[test]
fn documents_are_the_files_whose_names_make_accounts() {
    let files = Files::new(&[
        ("bob.toml", b""),
        ("alice.toml", b"state = \"maintenance\""),
        (".alice.toml.swp", b"\xff"),
        (".hidden.toml", b"x"),
        ("alice.toml~", b"x"),
        ("alice.toml.tmp", b"x"),
    ]);
    let (_, documents) = load_all(&files.node()).unwrap();
    let names: Vec<_> = documents.iter().map(|document| document.name.as_str()).collect();
    assert_eq!(names, ["alice", "bob"]);
    assert_eq!(documents[0].state, AccountState::Maintenance);
}

#[test]
fn every_problem_of_every_document_is_told_at_once() {
    let files = Files::new(&[
        ("Bob.toml", b""),
        ("README", b""),
        ("carol.toml", b"state = 1\nx = 2"),
        ("dave.toml", b"\n\n# \xff"),
        ("erin.toml", b""),
    ]);
    std::fs::create_dir(files.0.path().join("accounts.d/frank.toml")).unwrap();
    let stray = "the file's name makes no account (documents are named ACCOUNT.toml: a-z, 0-9 and '-', at most 63 \
                 characters, no '-' in front)";
    assert_eq!(
        files.problems(),
        [
            format!("/Bob.toml: {stray}"),
            format!("/README: {stray}"),
            "/carol.toml:1:9: state: 1 stands where a string belongs".to_owned(),
            "/carol.toml:2:1: x: no such key".to_owned(),
            "/dave.toml:3:1: a byte that is not UTF-8".to_owned(),
            "/frank.toml: cannot be read: not a regular file".to_owned(),
        ]
    );
}

#[test]
fn a_mistake_in_the_node_file_keeps_no_document_from_being_read() {
    let files = Files::new(&[("alice.toml", b"state = 1"), ("bob.toml", b"")]);
    std::fs::write(files.node(), format!("{NODE}[limits]\nin_flight = \"x\"\n")).unwrap();
    let right = Mutex::new(Vec::new());
    let (node, report) =
        examine(&files.node(), |document| right.lock().unwrap().push(document.name.to_string()));
    assert_eq!(node.unwrap().limits.in_flight, Limits::default().in_flight);
    assert_eq!(
        report.problems.iter().map(|p| p.key.as_str()).collect::<Vec<_>>(),
        ["state", "limits.in_flight"]
    );
    assert_eq!(right.into_inner().unwrap(), ["bob"]);
}

#[test]
fn a_missing_directory_is_told_and_a_fifo_holds_nobody_up() {
    let files = Files::new(&[]);
    let fifo = files.0.path().join("accounts.d/alice.toml");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(files.problems(), ["/alice.toml: cannot be read: not a regular file"]);
    std::fs::remove_dir_all(files.0.path().join("accounts.d")).unwrap();
    assert_eq!(
        files.problems(),
        [": cannot be read: No such file or directory (os error 2) (`[accounts] directory` names it)"]
    );
}

#[test]
fn a_cold_start_sees_every_document_the_wrong_ones_too() {
    let names: Vec<String> = (0..500).map(|n| format!("a{n}.toml")).collect();
    let mut documents: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    documents.push(("bad.toml", b"state = 1"));
    let files = Files::new(&documents);
    let mut node = load_node(&files.node()).unwrap();
    node.workers = 4;
    let seen = Mutex::new(Vec::new());
    each_document(&node, |document| {
        let content = document.content.len();
        seen.lock().unwrap().push((document.name.to_string(), content, document.checked.is_ok()));
    })
    .unwrap();
    let mut seen = seen.into_inner().unwrap();
    seen.sort();
    assert_eq!(seen.len(), 501);
    assert_eq!(seen[500], ("bad".to_owned(), 9, false));
    assert!(seen[..500].iter().all(|(_, length, is_right)| *length == 0 && *is_right));
}

/// Every problem has a place that exists, and shows nothing that drives a terminal.
fn is_well_placed(text: &str, report: &Report) {
    assert!(!report.is_empty());
    let lines: Vec<&str> = text.split('\n').collect();
    for problem in &report.problems {
        if problem.line > 0 {
            let line = lines[problem.line - 1];
            assert!(problem.column >= 1 && problem.column <= line.chars().count() + 1, "{problem:?}");
        }
        assert!(!problem.one_line().chars().any(char::is_control));
        assert!(problem.to_string().chars().all(|c| c == '\n' || !c.is_control()));
    }
}

/// A document with something of everything, to be spoiled.
const DOCUMENT: &str = r#"state = "active"
tls_profile = "intermediate"
[limits]
in_flight = 10
rate = "5/s"
[[certificate]]
names = ["a.test"]
file = "a.pem"
[[upstream]]
name = "web"
address = "https://a.test:8443/"
environment = { KEY = "value" }
[[site]]
name = "blog"
addresses = ["a.test", "*.a.test/x"]
upstream = "web"
hsts = { max_age = "1d" }
[[site]]
name = "old"
addresses = ["b.test"]
redirect = { to = "https://a.test/é", status = 301 }
"#;

proptest! {
    #[test]
    fn any_text_is_judged_without_a_panic(text in "\\PC*|[\\[\\]{}=\"',.#a-z0-9\\n\\\\ ]*") {
        if let Err(report) = document_of(&text) {
            is_well_placed(&text, &report);
        }
        if let Err(report) = node_of(&text) {
            is_well_placed(&text, &report);
        }
    }

    #[test]
    fn a_spoiled_document_is_judged_without_a_panic(
        cuts in prop::collection::vec((0usize..600, 0usize..20, "[\\[\\]{}=\"',.\\n\\\\ a-z0-9é\u{202e}]{0,6}"), 1..6)
    ) {
        let mut text: Vec<char> = DOCUMENT.chars().collect();
        for (at, length, put) in cuts {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, put.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(report) = document_of(&text) {
            is_well_placed(&text, &report);
        }
    }

    #[test]
    fn any_bytes_in_a_file_are_judged_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let file = Path::new("alice.toml");
        if let Err(report) = directory::text(file, &bytes) {
            prop_assert_eq!(report.problems.len(), 1);
        }
    }
}
