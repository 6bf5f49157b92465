//! `parvis check`: everything that is wrong with a node's files, without running it.
//!
//! What is wrong with a file of ours is an error. What a node starts with all the same is a warning: a certificate
//! that cannot be served, a host that two accounts claim; a customer must not be able to fail an operator's check.

use super::CONFIG;
use super::output::{self, complain};
use super::progress::Progress;
use super::survey::{self, Gathered};
use crate::account::Claim;
use crate::answer::Pages;
use crate::base::{AccountName, SiteName, wall};
use crate::config::{self, AttachedCertificate, Document, Node, Printable, Problem, Report};
use crate::route::{Contest, Refusal};
use crate::telemetry::absent_logs;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

/// Checks the node file and every document it leads to.
pub(super) fn check(file: &Path) -> ExitCode {
    let seen = Gathered::new();
    let progress = Progress::of("documents checked");
    let (node, mut report) = config::examine(file, |document| {
        seen.push(Seen::of(&document));
        progress.step();
    });
    drop(progress);
    let seen = seen.sorted_by_key(|seen| seen.account.clone());
    let Some(node) = node else { return refuse(&report) };
    report.extend(default_site(&node, &seen));
    warn(&certificates(&node, &seen));
    warn(&contested(&node, &seen));
    warn(&pages(&node, &seen));
    warn(&logs(&node));
    if !report.is_empty() {
        return refuse(&report);
    }
    output::print(&format!("{}\n", summary(&node, &seen)), ExitCode::SUCCESS)
}

/// Prints what is wrong; the exit code that says so.
pub(super) fn refuse(report: &Report) -> ExitCode {
    complain!("{report}\n\nparvis: {}", tally(report));
    ExitCode::from(CONFIG)
}

/// In one line that a node file has mistakes, for commands that go on without what is wrong.
pub(super) fn mistakes(report: &Report) -> String {
    let first = report.problems.first().map(Problem::one_line).unwrap_or_default();
    match report.problems.len() {
        0 | 1 => format!("the node file has a mistake: {first}"),
        more => format!("the node file has {more} mistakes, the first: {first}"),
    }
}

/// How many problems there are, and where: by file, as an account's document is one.
fn tally(report: &Report) -> String {
    let mut files: BTreeMap<&Path, usize> = BTreeMap::new();
    report.problems.iter().for_each(|problem| *files.entry(&problem.file).or_default() += 1);
    let problems = counted(report.problems.len(), "problem");
    if files.len() < 2 {
        return problems;
    }
    let each = files.iter().take(MOST_FILES).map(|(file, count)| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        format!("{} {count}", Printable(&name))
    });
    let more = files.len().checked_sub(MOST_FILES).filter(|more| *more > 0);
    let more = more.map_or_else(String::new, |more| format!(", and {more} more"));
    let each = each.collect::<Vec<_>>().join(", ");
    format!("{problems} in {}: {each}{more}", counted(files.len(), "file"))
}

/// What is kept of a document.
struct Seen {
    account: AccountName,
    claims: Vec<Claim>,
    /// Pages that cannot be read, and why.
    unread_pages: Vec<String>,
    attached: Vec<AttachedCertificate>,
    sites: Vec<SiteName>,
    addresses: usize,
    upstreams: usize,
}

impl Seen {
    fn of(document: &Document) -> Self {
        let form = survey::form(document);
        Self {
            account: document.name.clone(),
            claims: form.claims().collect(),
            unread_pages: form.unread_pages().collect(),
            attached: document.certificates.clone(),
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

fn certificates(node: &Node, seen: &[Seen]) -> Vec<Problem> {
    let attached = seen.iter().map(|document| (&document.account, &document.attached[..]));
    match survey::certificates(node, attached) {
        Ok(certificates) => {
            let problems = certificates.problems(wall());
            problems.into_iter().map(|problem| Problem::of_file(&problem.file, problem.reason)).collect()
        }
        Err(why) => vec![Problem::of_file(&node.file, why)],
    }
}

fn pages(node: &Node, seen: &[Seen]) -> Vec<Problem> {
    let of_account = |seen: &Seen| {
        let file = node.accounts.join(format!("{}.toml", seen.account));
        let pages = seen.unread_pages.iter();
        pages.map(|why| Problem::of_page(&file, why)).collect::<Vec<_>>()
    };
    let of_node = node.pages.as_deref().map(|directory| Pages::read(directory).1).unwrap_or_default();
    let of_node = of_node.iter().map(|unread| format!("pages: {}: {}", unread.file.display(), unread.why));
    let of_node: Vec<_> = of_node.map(|why| Problem::of_page(&node.file, &why)).collect();
    of_node.into_iter().chain(seen.iter().flat_map(of_account)).collect()
}

fn logs(node: &Node) -> Vec<Problem> {
    let absent = absent_logs(&node.logs, node.legal.as_ref());
    absent.into_iter().map(|why| Problem::of_file(&node.file, why)).collect()
}

fn contested(node: &Node, seen: &[Seen]) -> Vec<Problem> {
    let wanted: Vec<_> = seen.iter().map(|seen| (seen.account.clone(), seen.claims.clone())).collect();
    let (mut contests, _) = survey::claims(&survey::remembered(node), &wanted).contests(usize::MAX);
    contests.sort_unstable();
    let problem = |contest: &Contest| {
        let Refusal { pattern, obstacle, holder } = &contest.refusal;
        let file = node.accounts.join(format!("{}.toml", contest.account));
        if obstacle == pattern {
            Problem::of_file(&file, format!("{pattern} is held by the account {holder}"))
                .with_hint("it is served as soon as the holder gives it up")
        } else {
            Problem::of_file(&file, format!("{pattern} lies under {obstacle} of the account {holder}"))
                .with_hint("that site says lend = true if others may have names under it")
        }
    };
    contests.iter().map(problem).collect()
}

fn warn(problems: &[Problem]) {
    for problem in problems.iter().take(MOST_WARNINGS) {
        complain!(
            "warning: {}\n --> {}",
            Printable(&problem.message),
            Printable(&problem.file.to_string_lossy())
        );
        if let Some(hint) = &problem.hint {
            complain!("  = hint: {}", Printable(hint));
        }
        complain!("");
    }
    if let Some(more @ 1..) = problems.len().checked_sub(MOST_WARNINGS) {
        complain!("warning: {more} more of this kind\n");
    }
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

pub(super) fn counted(count: usize, what: &str) -> String {
    match (count, what.ends_with('s')) {
        (1, _) => format!("1 {what}"),
        (_, true) => format!("{count} {what}es"),
        (_, false) => format!("{count} {what}s"),
    }
}

/// Files that a tally names.
const MOST_FILES: usize = 20;

/// Warnings of one kind that are printed: a screen or two.
const MOST_WARNINGS: usize = 50;
