//! `parvis logs ACCOUNT`: the end of an account's log of a day, and where there is none, why. Finds the files by the templates of
//! the node file; a node is asked only whether it has the account.

use super::ask::{self, STATUS_PATIENCE};
use super::output::{complain, is_closed};
use super::{CONFIG, NO, UNAVAILABLE, survey, tail};
use crate::base::{AccountName, wall};
use crate::config::{self, Node};
use crate::telemetry::{AccountLog, log_path};
use http::Method;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// What is asked for.
pub(super) struct Wanted<'a> {
    pub(super) account: &'a str,
    /// Which of the access logs; `None`: the site log.
    pub(super) log_file: Option<&'a str>,
    /// The day, in local time; `None`: today.
    pub(super) date: Option<Date>,
    pub(super) lines: usize,
    pub(super) follow: bool,
}

/// Prints the end of the log.
pub(super) fn logs(wanted: &Wanted<'_>, file: &Path) -> ExitCode {
    let node = match survey::node(file) {
        Ok(node) => node,
        Err(code) => return code,
    };
    let account = wanted.account;
    if account != NOBODYS && AccountName::new(account).is_err() {
        complain!("parvis: {account:?} is not an account's name");
        return ExitCode::from(NO);
    }
    let Some(directory) = node.logs.directory.clone() else {
        complain!(
            "parvis: the node file has no `[logs] directory`: its logs go to standard output, or to the journal"
        );
        return ExitCode::from(CONFIG);
    };
    let log = wanted.log_file.map_or(AccountLog::Site, AccountLog::Access);
    let path_at = |at: Duration| match log_path(&node.logs, log, account, at) {
        Ok(path) => directory.join(path),
        Err(_) => directory.clone(),
    };
    let day = wanted.date.map(noon);
    let path = || path_at(day.unwrap_or_else(wall));
    if day.is_some_and(|day| [day + DAY, day.saturating_sub(DAY)].map(path_at).contains(&path())) {
        complain!("parvis: {}: the file has other days' lines too", path().display());
    }
    match print(&path, wanted, &node) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            complain!("parvis: {}", absence(wanted, &node, &path()));
            ExitCode::from(NO)
        }
        Err(error) if is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("parvis: {}: {error}", path().display());
            ExitCode::from(UNAVAILABLE)
        }
    }
}

/// Prints the log of the day, which may be gzipped by now; whether there was anything.
fn print(path: &dyn Fn() -> PathBuf, wanted: &Wanted<'_>, node: &Node) -> io::Result<bool> {
    if wanted.follow {
        if tail::opened(&path())?.is_none() {
            // It may come yet, and then it is seen; whoever waits for what never comes knows why.
            complain!("parvis: {}", absence(wanted, node, &path()));
        }
        return tail::print(path, wanted.lines, true);
    }
    let mut gzipped = path().into_os_string();
    gzipped.push(".gz");
    match tail::opened(gzipped.as_ref())? {
        // What came after it was compressed stands beside it until the next midnight.
        Some(file) => tail::print_gzipped(file, tail::opened(&path())?, wanted.lines).map(|()| true),
        None => tail::print(path, wanted.lines, false),
    }
}

/// Why there is no such log.
fn absence(wanted: &Wanted<'_>, node: &Node, path: &Path) -> String {
    let account = wanted.account;
    let (mut others, mut is_known) = (BTreeSet::new(), true);
    if account != NOBODYS {
        let document = node.accounts.join(format!("{account}.toml"));
        if !document.exists() && !has_account(node, account) {
            return format!("there is no account {account}");
        }
        others = log_files(node, account, &document);
        // What the document says is not known where it is wrong.
        is_known = others.is_empty() || wanted.log_file.is_none_or(|name| others.remove(name));
    }
    let others = others.into_iter().collect::<Vec<_>>().join(", ");
    match (wanted.log_file, wanted.date) {
        (Some(name), _) if !is_known => {
            format!("no site of {account} has `log_file = {name:?}`; its log files: {others}")
        }
        (log_file, date) => {
            let day = date.map_or_else(|| "today".to_owned(), |date| format!("on {date}"));
            let others = match log_file {
                Some(_) if !others.is_empty() => format!("; its other log files: {others}"),
                _ => String::new(),
            };
            format!("{}: nothing was written {day}{others}", path.display())
        }
    }
}

/// Whether a running node has the account; not, where none answers.
fn has_account(node: &Node, account: &str) -> bool {
    let socket = node.admin.socket.clone().unwrap_or_else(|| config::ADMIN_SOCKET.into());
    let answer = ask::exchange(&socket, &Method::GET, &format!("/status/{account}"), STATUS_PATIENCE);
    answer.is_ok_and(|answer| answer.status.is_success())
}

/// The access logs of the account's sites: none where its document is wrong.
fn log_files(node: &Node, account: &str, file: &Path) -> BTreeSet<String> {
    let read = || {
        let name = AccountName::new(account).ok()?;
        let (_, content) = config::read_document(file).ok()?;
        let text = String::from_utf8(content).ok()?;
        config::check_document(&name, file, &text, node).ok()
    };
    let sites = read().map(|document| document.sites).unwrap_or_default();
    sites.iter().map(|site| site.log_file.as_str().to_owned()).collect()
}

/// The wall time at which it is noon of a day, in local time.
fn noon(date: Date) -> Duration {
    let noon = date.at(12, 0, 0, 0).to_zoned(TimeZone::system());
    let seconds = noon.map_or(0, |noon| noon.timestamp().as_second());
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// Whose log has the requests to hosts that nobody holds.
const NOBODYS: &str = "_node";

const DAY: Duration = Duration::from_secs(86_400);
