//! `parvis status`, `reload`, `restart` and `drain`: one question to the running node over its admin socket, and its answer on
//! the screen.

use super::outline::outline;
use super::progress::Progress;
use super::{CONFIG, Door, NO, UNAVAILABLE, check, status, watch};
use crate::admin::{self, Answer};
use crate::config;
use http::{Method, StatusCode};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// `parvis status [ACCOUNT]`.
pub(super) fn status(account: Option<&str>, json: bool, watch: bool, door: &Door) -> ExitCode {
    let path = match account {
        // What is no name would be another path; the node knows no such account either way.
        Some(name) if config::FileName::of(format!("{name}.toml").as_ref()) == config::FileName::Stray => {
            eprintln!("parvis: {name:?} is not an account's name");
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
    match serde_json::from_str(&answer.body) {
        Ok(value) if !json && answer.status.is_success() => {
            print!("{}", status::told(&value, None));
            ExitCode::SUCCESS
        }
        _ => show(&answer, json),
    }
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
        eprintln!("parvis: {which:?} is neither ACCOUNT nor ACCOUNT/UPSTREAM");
        return ExitCode::from(NO);
    }
    ask(&Method::POST, &format!("/restart/{which}"), STATUS_PATIENCE, json, door)
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
    let socket = door.socket().map_err(|report| check::refuse(&report))?;
    let _progress = Progress::of("the node is at it");
    exchange(&socket, method, path, patience).map_err(|why| {
        eprintln!("parvis: {}: {why}", socket.display());
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
    let socket = door.socket().map_err(|report| report.to_string())?;
    exchange(&socket, method, path, patience).map_err(|why| format!("{}: {why}", socket.display()))
}

fn exchange(socket: &Path, method: &Method, path: &str, patience: Duration) -> Result<Answer, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(admin::ask(socket, method.clone(), path, patience)).map_err(|error| error.to_string())
}

/// Prints an answer, a yes to standard output and a no to standard error.
pub(super) fn show(answer: &Answer, json: bool) -> ExitCode {
    let text = match serde_json::from_str(&answer.body) {
        Ok(value) if !json => outline(&value),
        _ => format!("{}\n", answer.body.trim_end()),
    };
    match answer.status {
        status if status.is_success() => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        status => {
            eprint!("{text}");
            ExitCode::from(match status {
                StatusCode::UNPROCESSABLE_ENTITY => CONFIG,
                StatusCode::SERVICE_UNAVAILABLE => UNAVAILABLE,
                _ => NO,
            })
        }
    }
}

impl Door {
    fn socket(&self) -> Result<PathBuf, config::Report> {
        match (&self.socket, &self.config) {
            (Some(socket), _) => Ok(socket.clone()),
            (None, Some(file)) => {
                Ok(config::load_node(file)?.admin.socket.unwrap_or_else(|| config::ADMIN_SOCKET.into()))
            }
            (None, None) => Ok(config::ADMIN_SOCKET.into()),
        }
    }
}

/// How long a node may take to say how it is: it answers from memory.
pub(super) const STATUS_PATIENCE: Duration = Duration::from_secs(10);

/// How long a reload may take: a hundred thousand documents on a busy machine.
const RELOAD_PATIENCE: Duration = Duration::from_secs(300);
