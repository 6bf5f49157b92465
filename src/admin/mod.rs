//! How people and their tools talk to a running node: the metrics listener, the admin socket, and the client of
//! `parvis status` and its like. Answers questions and passes wishes on; decides and changes nothing itself.

mod client;
mod live;
mod page;
mod server;
mod socket;

pub use client::{Answer, AskError, ask};
pub use server::{serve_admin, serve_metrics, serve_page};
pub use socket::{AdminSocket, MetricsListener, PageListener};

use crate::telemetry::{Metrics, Recent};
use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

/// The node as the admin's pages see it. Whoever runs the node implements it, by a channel to the control part as
/// a rule.
pub trait Node: Send + Sync + 'static {
    /// What `/metrics` shows.
    fn metrics(&self) -> &Metrics;

    /// What `/metrics/accounts/NAME` shows, or why it cannot be shown; `None`: there is no such account.
    fn account_metrics(&self, name: &str) -> Option<Result<String, String>>;

    /// The requests of the last while.
    fn recent(&self) -> &Recent;

    /// Whether the node asks for traffic.
    fn readiness(&self) -> Readiness;

    /// The node's status as JSON, of one account where it is named.
    fn status(&self, account: Option<&str>) -> Reply;

    /// Reads the node file, every document and every certificate again; what came of it as JSON.
    fn reload(&self) -> Reply;

    /// Starts the programs of `ACCOUNT` or `ACCOUNT/UPSTREAM` anew; how many as JSON.
    fn restart(&self, which: &str) -> Reply;

    /// Begins the drain, if it has not begun; how it goes as JSON.
    fn drain(&self) -> Reply;
}

/// Whether the node asks for traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// It does not, and why: it starts, or drains.
    NotReady(Cow<'static, str>),
}

/// What comes of a question, once it is known: JSON when it was answered or done, and JSON that says why not.
pub type Reply = Pin<Box<dyn Future<Output = Result<String, Refused>> + Send>>;

/// Why a question has no answer, or a wish was not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such account, or it has no such program.
    Unknown,
    /// What there is to read has mistakes, which the JSON lists; the node goes on as before.
    Invalid(String),
    /// The node cannot answer now (it is starting or ending), and why.
    Unavailable(Cow<'static, str>),
}

#[cfg(test)]
mod tests;
