//! `parvis explain`: what became of one request, by the id that its page, its answer and the logs call it.

use super::ask::{self, STATUS_PATIENCE};
use super::output::{self, complain};
use super::{Door, NO};
use crate::config::Printable;
use http::Method;
use serde_json::Value;
use std::fmt::Write;
use std::process::ExitCode;

/// Tells what became of the request `id`.
pub(super) fn explain(id: &str, json: bool, door: &Door) -> ExitCode {
    let id = id.trim();
    // What is no id would be another path.
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        complain!("parvis: {id:?} is not the id of a request: those have letters and digits alone");
        return ExitCode::from(NO);
    }
    let answer = match ask::answer(&Method::GET, &format!("/explain/{id}"), STATUS_PATIENCE, door) {
        Ok(answer) => answer,
        Err(code) => return code,
    };
    match serde_json::from_str(&answer.body) {
        Ok(value) if answer.status.is_success() && !json => output::print(&told(&value), ExitCode::SUCCESS),
        _ => {
            let code = ask::show(&answer, json);
            if answer.status == http::StatusCode::NOT_FOUND {
                complain!(
                    "It was another node's, is older than the last `[admin] recent_requests`, or came before the node was \
                     started. The access log has it where `log_format` has {{request_id}}."
                );
            }
            code
        }
    }
}

/// The request as lines for people.
fn told(request: &Value) -> String {
    let of = |name: &str| request.get(name).map(plain).unwrap_or_default();
    let mut text = String::new();
    let mut line = |what: &str, rest: String| {
        let _ = writeln!(text, "{what:<LABEL_WIDTH$}{rest}");
    };
    line("request", format!("{}: {} {}{} {}", of("id"), of("method"), of("host"), of("path"), of("http")));
    line("from", of("client"));
    line(
        "answered",
        format!(
            "{} at {}, {} bytes sent, {} received",
            of("status"),
            of("completed"),
            of("sent_bytes"),
            of("received_bytes")
        ),
    );
    let owner = |name: &str, none: &str| match request.get(name) {
        Some(Value::String(text)) => plain(&Value::String(text.clone())),
        _ => none.to_owned(),
    };
    line("account", owner("account", "none: nobody holds the host"));
    line("site", owner("site", "none"));
    line("upstream", owner("upstream", "none was asked"));
    match request.get("failure") {
        Some(failure @ Value::Object(_)) => {
            let of = |name: &str| failure.get(name).map(plain).unwrap_or_default();
            line("fault", format!("{}: {}", of("blame"), fault(&of("blame"))));
            line("cause", format!("{} ({})", of("cause"), of("error")));
            if failure.get("detail").is_some_and(Value::is_string) {
                line("detail", of("detail"));
            }
        }
        _ => line("fault", "none: the site's own answer, or what its document says".to_owned()),
    }
    let seconds =
        |name: &str| request.pointer(&format!("/seconds/{name}")).and_then(Value::as_f64).unwrap_or(0.0);
    line("time", format!("{:.6} s", seconds("total")));
    for (name, meaning) in SHARES {
        line("", format!("{:>12.6} s  {meaning}", seconds(name)));
    }
    text
}

/// Whose fault it is, in a sentence.
fn fault(blame: &str) -> &'static str {
    match blame {
        "client" => "the visitor, or the visitor's program or network",
        "site" => "the account's own server",
        "limit" => "nothing is broken: a limit or a state that somebody set",
        _ => "this node",
    }
}

/// A value within a line, whatever a visitor put into it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => Printable(text).to_string(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// Where the time went.
const SHARES: [(&str, &str); 6] = [
    ("queued", "queued: for a place, or for a connection to become free"),
    ("parked", "parked: while the program started"),
    ("connecting", "connecting to the upstream"),
    ("first_byte", "waiting for the answer's first byte"),
    ("client", "waiting on the client: for its body, or for it to take the answer"),
    ("parvis", "Parvis, and the answer on its way"),
];

/// What stands in front of a line's text.
const LABEL_WIDTH: usize = 10;
