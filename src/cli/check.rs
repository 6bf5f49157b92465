//! `parvis check`: everything that is wrong with a node's files, without running it.

use super::CONFIG;
use crate::base::{AccountName, SiteName};
use crate::config::{self, Document, Node, Problem, Report};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

/// Checks the node file and every document it leads to.
pub(super) fn check(file: &Path) -> ExitCode {
    let seen = Mutex::new(Vec::new());
    let (node, mut report) = config::examine(file, |document| {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(Seen::of(&document));
    });
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(node) = &node {
        report.extend(default_site(node, &seen));
    }
    match node {
        Some(node) if report.is_empty() => {
            println!("{}", summary(&node, &seen));
            ExitCode::SUCCESS
        }
        _ => refuse(&report),
    }
}

/// Prints what is wrong; the exit code that says so.
pub(super) fn refuse(report: &Report) -> ExitCode {
    let many = report.problems.len();
    eprintln!("{report}\n\nparvis: {}", counted(many, "problem"));
    ExitCode::from(CONFIG)
}

/// What is kept of a document.
struct Seen {
    account: AccountName,
    sites: Vec<SiteName>,
    addresses: usize,
    upstreams: usize,
}

impl Seen {
    fn of(document: &Document) -> Self {
        Self {
            account: document.name.clone(),
            sites: document.sites.iter().map(|site| site.name.clone()).collect(),
            addresses: document.sites.iter().map(|site| site.addresses.len()).sum(),
            upstreams: document.upstreams.len(),
        }
    }
}

fn default_site(node: &Node, seen: &[Seen]) -> Report {
    let Some((account, site)) = &node.default_site else { return Report::default() };
    let wrong = match seen.iter().find(|document| document.account == *account) {
        Some(document) if document.sites.contains(site) => return Report::default(),
        Some(_) => format!("the account {account} has no site {site}"),
        None => format!("there is no right document of an account {account}"),
    };
    let problem = Problem::of_file(&node.file, format!("accounts.default_site: {wrong}"));
    problem.with_hint("hosts that no document holds would be answered 404").into()
}

fn summary(node: &Node, seen: &[Seen]) -> String {
    let total = |count: fn(&Seen) -> usize| seen.iter().map(count).sum();
    let parts = [
        counted(node.listen.len(), "listener"),
        counted(seen.len(), "account"),
        counted(total(|document| document.sites.len()), "site"),
        counted(total(|document| document.addresses), "address"),
        counted(total(|document| document.upstreams), "upstream"),
    ];
    format!("{} is right: {}", node.file.display(), parts.join(", "))
}

fn counted(count: usize, what: &str) -> String {
    match (count, what.ends_with('s')) {
        (1, _) => format!("1 {what}"),
        (_, true) => format!("{count} {what}es"),
        (_, false) => format!("{count} {what}s"),
    }
}
