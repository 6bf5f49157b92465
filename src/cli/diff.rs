//! `parvis diff`: what documents would do if they were put in place of those that are there: which hosts come, go and pass
//! to whom, what settings change, which programs restart. Reads the files as `route` does, and the node's memory of who was
//! first; a running node is not asked, and nothing is written.

use super::check::{self, counted};
use super::output::{self, complain};
use super::settings::differences;
use super::survey::{self, Gathered};
use super::{NO, UNAVAILABLE};
use crate::account::Claim;
use crate::base::AccountName;
use crate::config::{self, AccountState, Document, FileName, Node, Problem, Program, Report};
use crate::route::{Claims, Decision, Refusal};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Tells what the documents at `proposed` (files, or directories of them) would change, and the end of those of `removed`.
/// Success where nothing would change, [`NO`] where something would.
pub(super) fn diff(proposed: &[PathBuf], removed: &[String], json: bool, file: &Path) -> ExitCode {
    let node = match config::load_node(file) {
        Ok(node) => node,
        Err(report) => return check::refuse(&report),
    };
    let (proposed, report) = proposals(proposed, removed, &node);
    if !report.is_empty() {
        return check::refuse(&report);
    }
    let (present, wrong) = present(&node, &proposed);
    let changes = changes(&node, &present, &proposed);
    let text = if json {
        match serde_json::to_string_pretty(&changes) {
            Ok(text) => format!("{text}\n"),
            Err(error) => {
                complain!("parvis: {error}");
                return ExitCode::from(UNAVAILABLE);
            }
        }
    } else {
        told(&changes)
    };
    let code = if changes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NO) };
    let code = output::print(&text, code);
    if wrong > 0 {
        complain!("parvis: wrong documents were left out: {wrong}. `parvis check` tells what is wrong");
    }
    code
}

/// A document with its text.
struct Written {
    document: Document,
    text: String,
}

/// What would become of an account.
#[derive(Debug, Default, Serialize)]
struct Change {
    account: String,
    /// `new`, `changed`, `removed`, or `heir`: one whose own document stays as it is.
    what: &'static str,
    /// Hosts it comes to hold.
    enters: Vec<String>,
    /// Hosts it gives up, and who gets them.
    leaves: Vec<Leaves>,
    /// Hosts it claims in vain.
    waits: Vec<Refusal>,
    /// Keys whose values differ.
    settings: Vec<String>,
    /// What becomes of its programs, and of what is open.
    effects: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Leaves {
    host: String,
    /// `None`: nobody; it is answered as a host that no document holds.
    to: Option<String>,
}

/// The proposed documents by account, `None` for those to be removed; and what is wrong with them.
fn proposals(
    paths: &[PathBuf],
    removed: &[String],
    node: &Node,
) -> (BTreeMap<AccountName, Option<Written>>, Report) {
    let (mut proposed, mut report) = (BTreeMap::new(), Report::default());
    for name in removed {
        match AccountName::new(name) {
            Ok(name) => _ = proposed.insert(name, None),
            Err(error) => report.extend(Problem::of_file(Path::new(name), error.to_string()).into()),
        }
    }
    for path in paths {
        let files = if path.is_dir() { files_of(path) } else { Ok(vec![path.clone()]) };
        match files {
            Ok(files) => files.iter().for_each(|file| match read(file, node) {
                Ok(written) => _ = proposed.insert(written.document.name.clone(), Some(written)),
                Err(wrong) => report.extend(wrong),
            }),
            Err(error) => report.extend(Problem::of_file(path, format!("cannot be read: {error}")).into()),
        }
    }
    report.sort();
    (proposed, report)
}

/// The documents of a directory, sorted.
fn files_of(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if matches!(FileName::of(&entry.file_name()), FileName::Document(_)) {
            files.push(entry.path());
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn read(file: &Path, node: &Node) -> Result<Written, Report> {
    let FileName::Document(name) = FileName::of(file.file_name().unwrap_or_default()) else {
        let problem = Problem::of_file(file, "the file's name makes no account");
        return Err(problem.with_hint("documents are named ACCOUNT.toml").into());
    };
    let unreadable = |error: std::io::Error| Problem::of_file(file, format!("cannot be read: {error}"));
    let (_, content) = config::read_document(file).map_err(unreadable)?;
    let text = String::from_utf8(content)
        .map_err(|_| Report::from(Problem::of_file(file, "a byte that is not UTF-8")))?;
    // Its relative paths are those of the place that it is meant for.
    let place = node.accounts.join(format!("{name}.toml"));
    let mut checked = config::check_document(&name, &place, &text, node);
    if let Err(report) = &mut checked {
        report.problems.iter_mut().for_each(|problem| file.clone_into(&mut problem.file));
    }
    checked.map(|document| Written { document, text })
}

/// The right documents that are there, sorted, and how many are wrong. The texts are kept of those that would change.
fn present(node: &Node, proposed: &BTreeMap<AccountName, Option<Written>>) -> (Vec<Written>, usize) {
    let (documents, wrong) = (Gathered::new(), AtomicUsize::new(0));
    // What is wrong with the directory is told by `check`.
    let _ = config::each_document(node, |document| match document.checked {
        Ok(checked) => {
            let is_compared = proposed.contains_key(&checked.name);
            let text =
                if is_compared { String::from_utf8_lossy(document.content) } else { Cow::Borrowed("") };
            let text = text.into_owned();
            documents.push(Written { document: checked, text });
        }
        Err(_) => _ = wrong.fetch_add(1, Ordering::Relaxed),
    });
    let documents = documents.sorted_by_key(|written: &Written| written.document.name.clone());
    (documents, wrong.into_inner())
}

fn changes(
    node: &Node,
    present: &[Written],
    proposed: &BTreeMap<AccountName, Option<Written>>,
) -> Vec<Change> {
    let wanted: Vec<(AccountName, Vec<Claim>)> =
        present.iter().map(|written| (written.document.name.clone(), claims(&written.document))).collect();
    let mut held = survey::claims(&survey::remembered(node), &wanted);
    let mut changes: BTreeMap<AccountName, Change> = BTreeMap::new();
    for (name, new) in proposed {
        let place = present.binary_search_by(|written| written.document.name.cmp(name));
        let old = place.ok().and_then(|place| present.get(place));
        let Some(change) = change(name, old, new.as_ref(), &mut held, &mut changes) else { continue };
        // It may be an heir already.
        let entry = changes.entry(name.clone()).or_default();
        let inherited = std::mem::take(&mut entry.enters);
        *entry = change;
        let is_kept = |host: &String| !entry.leaves.iter().any(|leaves| leaves.host == *host);
        let kept: Vec<String> = inherited.into_iter().filter(is_kept).collect();
        entry.enters.extend(kept);
        entry.enters.sort_unstable();
    }
    changes.into_values().collect()
}

fn change(
    name: &AccountName,
    old: Option<&Written>,
    new: Option<&Written>,
    held: &mut Claims,
    changes: &mut BTreeMap<AccountName, Change>,
) -> Option<Change> {
    let what = match (old, new) {
        (None, None) => return None,
        (None, Some(_)) => "new",
        (Some(_), None) => "removed",
        (Some(old), Some(new)) if old.text == new.text => return None,
        (Some(_), Some(_)) => "changed",
    };
    let claims_of =
        |written: Option<&Written>| written.map(|written| claims(&written.document)).unwrap_or_default();
    let (before, after) = (claims_of(old), claims_of(new));
    let Decision { enter, pass, leave, refused, .. } = held.change(name, &before, &after);
    let mut leaves: Vec<Leaves> =
        leave.iter().map(|pattern| Leaves { host: pattern.to_string(), to: None }).collect();
    for (pattern, heir) in pass {
        let change = changes.entry(heir.clone()).or_insert_with(|| Change {
            account: heir.to_string(),
            what: "heir",
            ..Change::default()
        });
        change.enters.push(pattern.to_string());
        leaves.push(Leaves { host: pattern.to_string(), to: Some(heir.to_string()) });
    }
    leaves.sort_unstable_by(|one, other| one.host.cmp(&other.host));
    let mut enters: Vec<String> = enter.iter().map(ToString::to_string).collect();
    enters.sort_unstable();
    let settings = match (old, new) {
        (Some(old), Some(new)) => differences(&old.text, &new.text),
        _ => Vec::new(),
    };
    let effects = effects(old.map(|old| &old.document), new.map(|new| &new.document));
    Some(Change { account: name.to_string(), what, enters, leaves, waits: refused, settings, effects })
}

fn claims(document: &Document) -> Vec<Claim> {
    survey::form(document).claims().collect()
}

/// What becomes of programs, and of what is open.
fn effects(old: Option<&Document>, new: Option<&Document>) -> Vec<String> {
    let mut effects = Vec::new();
    let state = |document: Option<&Document>| document.map(|document| document.state);
    match (state(old), state(new)) {
        (before, after) if before == after => {}
        (Some(_), None | Some(AccountState::Suspended | AccountState::Moved)) => {
            effects.push("what it has open ends, at the latest after the node's drain".to_owned());
        }
        _ => {}
    }
    let (before, after) = (programs(old), programs(new));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let effect = match (before.get(name), after.get(name)) {
            (None, Some(_)) => "is started when somebody asks for it",
            (Some(_), None) => "is stopped when what it is answering ends",
            (Some((hash, _)), Some((other, _))) if hash == other => continue,
            (Some(_), Some((_, program))) if program.overlap => {
                "restarts: the new one is ready before the old one ends"
            }
            _ => "restarts: requests wait while the old one ends and the new one starts",
        };
        effects.push(format!("program {name} {effect}"));
    }
    effects
}

/// The programs of a document that run, by the names of their upstreams, each with what a change of starts it anew.
fn programs(document: Option<&Document>) -> BTreeMap<String, (crate::base::DocumentHash, Box<Program>)> {
    let served = document.filter(|document| document.state.is_served());
    let of_document = |document: &Document| {
        let upstreams = document.upstreams.iter();
        let programs = upstreams.filter_map(|upstream| {
            let program = upstream.program.clone()?;
            let hash = program.runs_as(&document.run, &upstream.address);
            Some((upstream.name.to_string(), (hash, program)))
        });
        programs.collect()
    };
    served.map(of_document).unwrap_or_default()
}

/// The changes for people: a paragraph an account.
fn told(changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        // Memory does not refuse.
        let _ = writeln!(
            text,
            "{}: {}",
            change.account,
            match change.what {
                "heir" => "its document stays as it is",
                what => what,
            }
        );
        for host in change.enters.iter().take(MOST_LINES) {
            let _ = writeln!(text, "  + {host}");
        }
        rest(&mut text, change.enters.len(), "host");
        for Leaves { host, to } in change.leaves.iter().take(MOST_LINES) {
            let to = to.as_ref().map_or_else(String::new, |heir| format!(", passes to {heir}"));
            let _ = writeln!(text, "  - {host}{to}");
        }
        rest(&mut text, change.leaves.len(), "host");
        for Refusal { pattern, obstacle, holder } in change.waits.iter().take(MOST_LINES) {
            let _ = writeln!(text, "  ! {pattern} waits: {holder} holds {obstacle}");
        }
        rest(&mut text, change.waits.len(), "host");
        for line in change.settings.iter().take(MOST_LINES) {
            let _ = writeln!(text, "  ~ {line}");
        }
        rest(&mut text, change.settings.len(), "setting");
        for effect in &change.effects {
            let _ = writeln!(text, "  * {effect}");
        }
    }
    if changes.is_empty() { "nothing would change\n".to_owned() } else { text }
}

fn rest(text: &mut String, all: usize, what: &str) {
    if let Some(more @ 1..) = all.checked_sub(MOST_LINES) {
        let _ = writeln!(text, "    and {}", counted(more, what));
    }
}

/// Lines of one kind for one account that are printed; `--json` has all.
const MOST_LINES: usize = 50;
