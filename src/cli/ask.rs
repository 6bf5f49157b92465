//! `parvis status`, `reload`, `restart` and `drain`: one question to the running node over its admin socket, and its answer on
//! the screen.

use super::outline::outline;
use super::output::{self, complain};
use super::progress::Progress;
use super::{CONFIG, Door, NO, UNAVAILABLE, check, status, watch};
use crate::admin::{self, Answer, AskError};
use crate::config::{self, Report};
use http::{Method, StatusCode};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// `parvis status [ACCOUNT]`.
pub(super) fn status(account: Option<&str>, json: bool, watch: bool, door: &Door) -> ExitCode {
    let path = match account {
        // What is no name would be another path; the node knows no such account either way.
        Some(name) if config::FileName::of(format!("{name}.toml").as_ref()) == config::FileName::Stray => {
            complain!("parvis: {name:?} is not an account's name");
            return ExitCode::from(NO);
        }
        Some(name) => format!("/status/{name}"),
        None => "/status".to_owned(),
    };
    if watch {
        return watch::watch(&path, door);
    }
    let answer = match answer(&Method::GET, &path, STATUS_PATIENCE, door) {
        Ok(answer) => answer,
        Err(code) => return code,
    };
    match (serde_json::from_str(&answer.body), account) {
        (Ok(value), _) if !json && answer.status.is_success() => {
            output::print(&status::told(&value, None), ExitCode::SUCCESS)
        }
        (_, Some(account)) if !json && answer.status == StatusCode::NOT_FOUND => {
            complain!("parvis: {}", no_account(account));
            ExitCode::from(NO)
        }
        _ => show(&answer, json),
    }
}

/// What is said of an account that the node does not have: its document may be there, and wrong from the beginning.
fn no_account(name: &str) -> String {
    format!("the node has no account {name}")
}

/// `parvis reload`.
pub(super) fn reload(json: bool, door: &Door) -> ExitCode {
    ask(&Method::POST, "/reload", RELOAD_PATIENCE, json, door)
}

/// `parvis drain`.
pub(super) fn drain(json: bool, door: &Door) -> ExitCode {
    ask(&Method::POST, "/drain", STATUS_PATIENCE, json, door)
}

/// `parvis restart ACCOUNT[/UPSTREAM]`.
pub(super) fn restart(which: &str, json: bool, door: &Door) -> ExitCode {
    let name = |name| config::FileName::of(format!("{name}.toml").as_ref()) != config::FileName::Stray;
    // What is no name would be another path.
    if which.split('/').count() > 2 || !which.split('/').all(name) {
        complain!("parvis: {which:?} is neither ACCOUNT nor ACCOUNT/UPSTREAM");
        return ExitCode::from(NO);
    }
    match answer(&Method::POST, &format!("/restart/{which}"), STATUS_PATIENCE, door) {
        Ok(answer) if answer.status == StatusCode::NOT_FOUND && !json => {
            complain!("parvis: {}", nothing_to_restart(which, door));
            ExitCode::from(NO)
        }
        Ok(answer) => show(&answer, json),
        Err(code) => code,
    }
}

/// What is missing where there is no program `which`: the node says only that something is.
fn nothing_to_restart(which: &str, door: &Door) -> String {
    let (account, upstream) =
        which.split_once('/').map_or((which, None), |(account, name)| (account, Some(name)));
    let status = match quietly(&Method::GET, &format!("/status/{account}"), STATUS_PATIENCE, door) {
        Ok(answer) if answer.status == StatusCode::NOT_FOUND => {
            return no_account(account);
        }
        Ok(answer) => serde_json::from_str::<Value>(&answer.body).unwrap_or_default(),
        Err(_) => return "there is no such account or program".to_owned(),
    };
    let upstreams = status.get("upstreams").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let name = |upstream: &Value| upstream.get("name").and_then(Value::as_str).map(str::to_owned);
    let with_program = upstreams.iter().filter(|upstream| upstream.get("program").is_some());
    let programs: Vec<String> = with_program.filter_map(name).collect();
    match upstream {
        _ if programs.is_empty() => {
            format!("{account} has no program: none of its upstreams has a `command` that runs")
        }
        Some(wanted) => format!("{account} has no program {wanted}; its programs: {}", programs.join(", ")),
        None => format!("none of the programs of {account} can be started anew: {}", programs.join(", ")),
    }
}

fn ask(method: &Method, path: &str, patience: Duration, json: bool, door: &Door) -> ExitCode {
    match answer(method, path, patience, door) {
        Ok(answer) => show(&answer, json),
        Err(code) => code,
    }
}

/// What the node says; where it says nothing, why was told, and the exit code is returned.
pub(super) fn answer(
    method: &Method,
    path: &str,
    patience: Duration,
    door: &Door,
) -> Result<Answer, ExitCode> {
    let (socket, mistakes) = door.socket().map_err(|report| check::refuse(&report))?;
    if let Some(mistakes) = mistakes {
        complain!("parvis: {mistakes}. The node is asked all the same, at {}", socket.display());
    }
    let answer = {
        let _progress = Progress::of("the node is at it");
        exchange(&socket, method, path, patience)
    };
    answer.map_err(|why| {
        complain!("parvis: {}: {why}", socket.display());
        if let AskError::Connect(error) = &why {
            complain!("  = hint: {}", door.hint(error));
        }
        ExitCode::from(UNAVAILABLE)
    })
}

/// The same, without a word where the node says nothing: why is returned.
pub(super) fn quietly(
    method: &Method,
    path: &str,
    patience: Duration,
    door: &Door,
) -> Result<Answer, String> {
    let (socket, _) = door.socket().map_err(|report| report.to_string())?;
    exchange(&socket, method, path, patience).map_err(|why| format!("{}: {why}", socket.display()))
}

/// One question to the node behind `socket`, and its answer; nothing is printed.
pub(super) fn exchange(
    socket: &Path,
    method: &Method,
    path: &str,
    patience: Duration,
) -> Result<Answer, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| AskError::Broken(error.into()))?;
    runtime.block_on(admin::ask(socket, method.clone(), path, patience))
}

/// Prints an answer, a yes to standard output and a no to standard error.
pub(super) fn show(answer: &Answer, json: bool) -> ExitCode {
    let text = match serde_json::from_str(&answer.body) {
        Ok(value) if !json => outline(&value),
        _ => format!("{}\n", answer.body.trim_end()),
    };
    match answer.status {
        status if status.is_success() => output::print(&text, ExitCode::SUCCESS),
        status => {
            complain!("{}", text.trim_end_matches('\n'));
            ExitCode::from(match status {
                StatusCode::UNPROCESSABLE_ENTITY => CONFIG,
                StatusCode::SERVICE_UNAVAILABLE => UNAVAILABLE,
                _ => NO,
            })
        }
    }
}

impl Door {
    /// The socket; and what to tell of a node file with mistakes, which keeps nobody from asking a node that runs.
    fn socket(&self) -> Result<(PathBuf, Option<String>), Report> {
        let default = || PathBuf::from(config::ADMIN_SOCKET);
        match (&self.socket, &self.config) {
            (Some(socket), _) => Ok((socket.clone(), None)),
            (None, Some(file)) => match config::load_node(file) {
                Ok(node) => Ok((node.admin.socket.unwrap_or_else(default), None)),
                // Another file may have been meant.
                Err(report) if !file.is_file() => Err(report),
                Err(report) => {
                    let socket = socket_of(file).unwrap_or_else(default);
                    Ok((socket, Some(check::mistakes(&report))))
                }
            },
            (None, None) => Ok((default(), None)),
        }
    }

    /// What to do where nobody is behind the socket.
    fn hint(&self, error: &io::Error) -> String {
        if error.kind() == io::ErrorKind::PermissionDenied {
            return "the socket is the node's user's and its group's: ask as one of them".to_owned();
        }
        match (&self.socket, &self.config) {
            (Some(_), _) => "is the node running, and is this its `[admin] socket`?".to_owned(),
            (None, Some(file)) => {
                format!("is the node of {} running? `--socket PATH` asks elsewhere", file.display())
            }
            (None, None) => {
                "is the node running? Where its `[admin] socket` is another: `--config FILE` or `--socket PATH`"
                    .to_owned()
            }
        }
    }
}

/// The `[admin] socket` of a node file, whatever else is wrong with it.
fn socket_of(file: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(file).ok()?;
    let (tree, _) = DeTable::parse_recoverable(&text);
    let DeValue::Table(admin) = tree.get_ref().get("admin")?.get_ref() else { return None };
    let socket = admin.get("socket")?.get_ref().as_str()?;
    // As the node takes it: relative to its file.
    Some(file.parent().unwrap_or(Path::new("")).join(socket))
}

/// How long a node may take to say how it is: it answers from memory.
pub(super) const STATUS_PATIENCE: Duration = Duration::from_secs(10);

/// How long a reload may take: a hundred thousand documents on a busy machine.
const RELOAD_PATIENCE: Duration = Duration::from_secs(300);
