//! The documents hold what they say: commands that they print are run, links lead somewhere, causes are those of the program,
//! and every alert has a place to read on.

use parvis::base::Cause;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Blocks of kind `console` are run in order, a directory of its own for each document: `$ ` stands before what is typed, and
/// what follows is all that is answered, but for lines that are `...`.
#[test]
fn commands_in_the_documents_do_what_they_say() {
    let mut ran = 0;
    for document in documents() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for (typed, expected) in sessions(&document) {
            let said = type_in(directory.path(), &typed);
            let fits = matches(&expected, &said);
            assert!(fits, "{}: $ {typed}\nsaid:\n{said}\nexpected:\n{expected}", document.display());
            ran += 1;
        }
    }
    assert!(ran >= 20, "only {ran} commands are run");
}

/// Each cause is explained under a heading of its own, with the status, the type and the blame that it has.
#[test]
fn causes_are_explained_as_they_are() {
    let page = read(&root("docs/causes.md"));
    let lines: Vec<&str> = page.lines().collect();
    let mut told = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(word) = line.strip_prefix("### `").and_then(|rest| rest.strip_suffix('`')) else { continue };
        let cause = Cause::ALL.iter().find(|cause| cause.verdict().word == word);
        let verdict = cause.unwrap_or_else(|| panic!("{word} is no cause")).verdict();
        let expected = format!("Status {} · `{}` · {}", verdict.status, verdict.error, verdict.blame.word());
        assert_eq!(lines.get(at + 1).copied(), Some(expected.as_str()), "{word}");
        told.push(word);
    }
    let all: Vec<&str> = Cause::ALL.iter().map(|cause| cause.verdict().word).collect();
    assert_eq!(told.iter().collect::<BTreeSet<_>>(), all.iter().collect::<BTreeSet<_>>());
    assert_eq!(told.len(), all.len(), "each stands there once");
}

/// Links between documents lead to files that are there, and to headings that these have.
#[test]
fn links_lead_somewhere() {
    for document in documents() {
        for link in links(&read(&document)) {
            let (file, heading) =
                link.split_once('#').map_or((link.as_str(), None), |(file, at)| (file, Some(at)));
            let target =
                if file.is_empty() { document.clone() } else { document.with_file_name("").join(file) };
            assert!(target.exists(), "{}: {link}", document.display());
            if let Some(heading) = heading.filter(|_| target.extension().is_some_and(|kind| kind == "md")) {
                let headings = headings(&read(&target));
                assert!(headings.contains(heading), "{}: {link}", document.display());
            }
        }
    }
}

/// Whoever is woken by an alert finds what to do.
#[test]
fn alerts_have_a_place_to_read_on() {
    let rules = read(&root("examples/monitoring/alerts.yml"));
    let headings = headings(&read(&root("docs/operations.md")));
    let anchors: Vec<&str> = rules
        .match_indices("operations.md#")
        .map(|(at, mark)| {
            let rest = &rules[at + mark.len()..];
            &rest[..rest
                .find(|char: char| !char.is_ascii_alphanumeric() && char != '-' && char != '_')
                .unwrap_or(rest.len())]
        })
        .collect();
    assert!(anchors.len() >= 20, "{anchors:?}");
    for anchor in anchors {
        assert!(headings.contains(anchor), "operations.md has no heading {anchor}");
    }
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// README.md and the pages of docs/.
fn documents() -> Vec<PathBuf> {
    let pages = fs::read_dir(root("docs")).expect("docs").map(|entry| entry.expect("docs").path());
    let mut documents: Vec<PathBuf> =
        pages.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    documents.sort();
    documents.push(root("README.md"));
    documents
}

/// What is typed in the `console` blocks of a document, each with what is answered.
fn sessions(document: &Path) -> Vec<(String, String)> {
    let mut sessions: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in read(document).lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(typed) = line.strip_prefix("$ ").filter(|_| inside) {
            sessions.push((typed.to_owned(), String::new()));
        } else if let Some((_, expected)) = sessions.last_mut().filter(|_| inside) {
            expected.push_str(line);
            expected.push('\n');
        }
    }
    sessions
}

/// Runs a line as a shell does where `parvis` is installed.
fn type_in(directory: &Path, line: &str) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_parvis")).parent().expect("a directory");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("/bin/sh")
        .args(["-c", line])
        .current_dir(directory)
        .env("PATH", format!("{}:{path}", binary.display()))
        .env("PARVIS_EXAMPLES", root("examples"))
        .output()
        .expect("a shell");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether what was said is what was expected; a line of `...` stands for any number of lines.
fn matches(expected: &str, said: &str) -> bool {
    fn fit(expected: &[&str], said: &[&str]) -> bool {
        match expected.split_first() {
            None => said.is_empty(),
            Some((&"...", rest)) => (0..=said.len()).any(|skipped| fit(rest, &said[skipped..])),
            Some((line, rest)) => said.first() == Some(line) && fit(rest, &said[1..]),
        }
    }
    let lines = |text| str::lines(str::trim_end(text)).map(str::trim_end).collect::<Vec<_>>();
    fit(&lines(expected), &lines(said))
}

/// The targets of links that lead to no other site, outside of code.
fn links(page: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if line.starts_with("```") {
            inside = !inside;
        }
        for (at, mark) in line.match_indices("](").filter(|_| !inside) {
            let target = line[at + mark.len()..].split(')').next().unwrap_or_default();
            if !target.contains("://") && !target.starts_with("mailto:") {
                links.push(target.to_owned());
            }
        }
    }
    links
}

/// The anchors of a page's headings, as GitHub makes them.
fn headings(page: &str) -> BTreeSet<String> {
    let mut headings = BTreeSet::new();
    let mut inside = false;
    for line in page.lines() {
        if line.starts_with("```") {
            inside = !inside;
        }
        if inside || !line.starts_with('#') {
            continue;
        }
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_'));
        headings.insert(kept.map(|char| if char == ' ' { '-' } else { char }).collect());
    }
    headings
}
