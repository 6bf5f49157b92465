//! `parvis status` for people: the node in a few lines, then the accounts that need somebody, the worst first, then the
//! rest. Turns what the node says into lines; asks nobody.

use super::outline::{outline, plain, title};
use crate::config::Printable;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::time::Duration;

/// The status as lines. With what was said `before`, and how long before that was, counts become rates.
pub(super) fn told(status: &Value, before: Option<(&Value, Duration)>) -> String {
    if status.get("totals").is_some() { node(status, before) } else { account(status, before) }
}

fn node(status: &Value, before: Option<(&Value, Duration)>) -> String {
    let number = |path: &str| grouped(whole(status, path));
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}  parvis {}, up {}, {} workers, generation {}",
        word(status, "/name"),
        word(status, "/version"),
        lasting(whole(status, "/uptime_seconds")),
        number("/workers"),
        number("/generation")
    );
    let soonest = match status.pointer("/certificates/expires_soonest/in_days") {
        Some(Value::Number(days)) => {
            format!(
                ", the next expires in {days} days ({})",
                word(status, "/certificates/expires_soonest/file")
            )
        }
        _ => String::new(),
    };
    let certificates: u64 = ["attached", "customer", "automatic"]
        .iter()
        .map(|kind| whole(status, &format!("/certificates/{kind}")))
        .sum();
    let _ = writeln!(
        text,
        "  {} accounts, {} hosts, {} certificates, {} expired{soonest}",
        number("/accounts"),
        number("/hosts"),
        grouped(certificates),
        number("/certificates/expired")
    );
    let rate =
        |sum: &dyn Fn(&Value) -> u64| rate(sum(status), before.map(|(before, since)| (sum(before), since)));
    let requests = |of: &Value| (0..5).map(|class| whole(of, &format!("/totals/requests/{class}"))).sum();
    let _ = writeln!(
        text,
        "  requests {}, under way {}; connections {}, tunnels {}, to upstreams {}",
        rate(&requests),
        number("/totals/in_flight"),
        number("/totals/connections"),
        number("/totals/tunnels"),
        number("/totals/upstream_connections")
    );
    let failures = ["client", "site", "limit", "us"].map(|blame| {
        format!("{blame} {}", rate(&|of: &Value| whole(of, &format!("/totals/failures/{blame}"))))
    });
    let _ = writeln!(text, "  failures by whose fault: {}", failures.join(", "));
    let _ = writeln!(
        text,
        "  body bytes in {}, out {}",
        rate(&|of: &Value| whole(of, "/totals/received_bytes")),
        rate(&|of: &Value| whole(of, "/totals/sent_bytes"))
    );
    let cpu = |of: &Value| of.pointer("/process/cpu_seconds").and_then(Value::as_f64).unwrap_or_default();
    let busy = match before {
        Some((before, since)) if !since.is_zero() => {
            format!("{:.0} % of a CPU", (cpu(status) - cpu(before)).max(0.0) / since.as_secs_f64() * 100.0)
        }
        _ => format!("{:.1} s of CPU time", cpu(status)),
    };
    let _ = writeln!(
        text,
        "  process: {busy}, {} MB, {} of {} descriptors",
        grouped(whole(status, "/process/memory_bytes") >> 20),
        number("/process/descriptors"),
        number("/process/most_descriptors")
    );
    attention(&mut text, status);
    // What is left is told as it comes.
    let told = [
        "name",
        "version",
        "uptime_seconds",
        "workers",
        "generation",
        "accounts",
        "hosts",
        "totals",
        "process",
        "attention",
        "attention_total",
        "certificates",
        "contested_total",
        "problems",
    ];
    problems(&mut text, status);
    rest(&mut text, status, &told);
    text
}

fn attention(text: &mut String, status: &Value) {
    let accounts = status.get("attention").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let all = whole(status, "/attention_total");
    match all {
        0 => text.push_str("\nno account needs attention\n"),
        1 => text.push_str("\none account needs attention\n"),
        all => _ = writeln!(text, "\n{} accounts need attention", grouped(all)),
    }
    let name = |account: &Value| word(account, "/account");
    let width = accounts.iter().map(|account| name(account).chars().count()).max().unwrap_or(0);
    for account in accounts {
        let mut label = name(account);
        for why in account.get("why").and_then(Value::as_array).into_iter().flatten() {
            let why = why.as_str().unwrap_or_default();
            let _ = writeln!(text, "  {label:width$}  {}", Printable(why));
            label.clear();
        }
    }
    if all > accounts.len() as u64 {
        let _ = writeln!(text, "  and {} more", grouped(all - accounts.len() as u64));
    }
}

fn account(status: &Value, before: Option<(&Value, Duration)>) -> String {
    let mut text = String::new();
    if let Some((before, since)) = before {
        let requests = |of: &Value| (0..5).map(|class| whole(of, &format!("/requests/{class}"))).sum();
        let _ = writeln!(text, "requests {}\n", rate(requests(status), Some((requests(before), since))));
    }
    let mut scalars = status.clone();
    if let Some(requests) = scalars.get_mut("requests") {
        *requests = Value::String(by_class(requests));
    }
    rest(&mut text, &scalars, &["failures", "upstreams", "problems"]);
    problems(&mut text, status);
    upstreams(&mut text, status);
    let failures = status.get("failures").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !failures.is_empty() {
        text.push_str("last failures (`parvis explain ID` tells more)\n");
    }
    for failure in failures {
        let of = |path: &str| word(failure, path);
        let _ = writeln!(
            text,
            "  {}  {}  {}: {}  {} {}{}",
            of("/completed"),
            of("/id"),
            of("/failure/blame"),
            of("/failure/cause"),
            of("/method"),
            of("/host"),
            of("/path")
        );
    }
    text
}

/// Counts by status class, each with its name.
fn by_class(requests: &Value) -> String {
    let counts = requests.as_array().map(Vec::as_slice).unwrap_or_default();
    let named = counts
        .iter()
        .zip(1..)
        .map(|(count, class)| format!("{class}xx {}", grouped(count.as_u64().unwrap_or_default())));
    named.collect::<Vec<_>>().join(", ")
}

/// What is wrong, a line each.
fn problems(text: &mut String, status: &Value) {
    let problems = status.get("problems").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !problems.is_empty() {
        text.push_str("\nproblems\n");
    }
    for problem in problems {
        let _ = writeln!(text, "  {}", plain(problem));
    }
}

/// The upstreams of an account, and below each the facts of its program.
fn upstreams(text: &mut String, status: &Value) {
    let upstreams = status.get("upstreams").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !upstreams.is_empty() {
        text.push_str("\nupstreams\n");
    }
    for upstream in upstreams {
        let fields = upstream.as_object().into_iter().flatten();
        let fields = fields.filter(|(name, _)| !["name", "program"].contains(&name.as_str()));
        let fields: Vec<String> =
            fields.map(|(name, value)| format!("{} {}", title(name), plain(value))).collect();
        let _ = writeln!(text, "  {}: {}", word(upstream, "/name"), fields.join(", "));
        if let Some(program) = upstream.get("program").and_then(Value::as_object) {
            facts(text, program);
        }
    }
}

/// What is known of a program: how it is, why it failed, and the rest.
fn facts(text: &mut String, program: &Map<String, Value>) {
    text.push_str("    program\n");
    let first = ["state", "failure"];
    let rest = program.iter().filter(|(name, _)| !first.contains(&name.as_str()));
    let all = first.iter().filter_map(|name| program.get_key_value(*name)).chain(rest);
    let known: Vec<_> = all.filter(|(_, value)| !value.is_null()).collect();
    let width = known.iter().map(|(name, _)| title(name).chars().count()).max().unwrap_or_default();
    for (name, value) in known {
        let mut label = title(name);
        for line in wrapped(&plain(value), WIDTH.saturating_sub(width + 8)) {
            let _ = writeln!(text, "      {label:width$}  {line}");
            label.clear();
        }
    }
}

/// A text in lines of that many characters, broken at blanks where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split(' ') {
        let count = word.chars().count();
        if length > 0 && length + 1 + count > width {
            lines.push(String::new());
            length = 0;
        }
        if let Some(line) = lines.last_mut() {
            if length > 0 {
                line.push(' ');
                length += 1;
            }
            line.push_str(word);
            length += count;
        }
    }
    lines
}

/// All fields but those that were told, as they come.
fn rest(text: &mut String, status: &Value, told: &[&str]) {
    let is_left =
        |name: &str, value: &Value| !told.contains(&name) && !value.as_array().is_some_and(Vec::is_empty);
    let fields = status.as_object().into_iter().flatten();
    let left: Map<String, Value> = fields
        .filter(|(name, value)| is_left(name, value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !left.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&outline(&Value::Object(left)));
    }
}

fn whole(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_default()
}

fn word(value: &Value, path: &str) -> String {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .map_or_else(|| "-".to_owned(), |text| Printable(text).to_string())
}

/// A count, or how fast it grows where it is known what it was.
fn rate(now: u64, before: Option<(u64, Duration)>) -> String {
    match before {
        Some((before, since)) if !since.is_zero() => {
            let per_second = now.saturating_sub(before) as f64 / since.as_secs_f64();
            if per_second < 10.0 {
                format!("{per_second:.1}/s")
            } else {
                format!("{}/s", grouped(per_second as u64))
            }
        }
        _ => grouped(now),
    }
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `3 d 4 h`, `5 min`, `20 s`.
fn lasting(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// Columns that a screen has.
const WIDTH: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(requests: u64) -> Value {
        json!({
            "name": "front1", "version": "0.1.0", "uptime_seconds": 93_784, "workers": 2, "generation": 1234,
            "accounts": 100_000, "hosts": 1_000_000,
            "certificates": { "attached": 1, "customer": 2, "automatic": 3, "expired": 0,
                "expires_soonest": { "file": "a.pem", "in_days": 12 } },
            "totals": { "requests": [0, requests, 0, 0, 3], "failures": { "client": 1, "site": 2, "limit": 0, "us": 0 },
                "in_flight": 4, "connections": 5, "tunnels": 6, "upstream_connections": 7,
                "received_bytes": 0, "sent_bytes": 5000 },
            "process": { "cpu_seconds": 1.5, "memory_bytes": 50 << 20, "descriptors": 30, "most_descriptors": 1024 },
            "attention": [
                { "account": "alice", "why": ["the program of web does not start: \u{1b}[2J", "refused once lately, last x"] },
                { "account": "bob-the-second", "why": ["3 requests wait in its queue"] },
            ],
            "attention_total": 3,
            "problems": ["a.toml: wrong"],
            "contested": [],
        })
    }

    #[test]
    fn the_node_comes_first_and_then_who_needs_somebody() {
        let expected = "\
front1  parvis 0.1.0, up 1 d 2 h, 2 workers, generation 1,234
  100,000 accounts, 1,000,000 hosts, 6 certificates, 0 expired, the next expires in 12 days (a.pem)
  requests 1,003, under way 4; connections 5, tunnels 6, to upstreams 7
  failures by whose fault: client 1, site 2, limit 0, us 0
  body bytes in 0, out 5,000
  process: 1.5 s of CPU time, 50 MB, 30 of 1,024 descriptors

3 accounts need attention
  alice           the program of web does not start: \u{fffd}[2J
                  refused once lately, last x
  bob-the-second  3 requests wait in its queue
  and 1 more

problems
  a.toml: wrong
";
        assert_eq!(told(&said(1000), None), expected);
    }

    #[test]
    fn counts_become_rates_where_it_is_known_what_they_were() {
        let text = told(&said(1500), Some((&said(1000), Duration::from_secs(2))));
        assert!(text.contains("requests 250/s") && text.contains("site 0.0/s"), "{text}");
        assert!(text.contains("process: 0 % of a CPU"), "{text}");
    }

    #[test]
    fn an_account_is_told_with_names_and_its_program_line_by_line() {
        let why =
            "exited with code 1 after 0.2 s: ".to_owned() + &"Traceback, most recent call last ".repeat(4);
        let status = json!({
            "name": "alice", "state": "active", "in_flight": 0, "requests": [0, 3000, 0, 0, 6], "holds": ["a.test"],
            "refused": [],
            "upstreams": [
                { "name": "web", "connections_open": 1, "waiting": 0, "program": {
                    "state": "failed", "seconds": 4, "pid": null, "cpu_seconds": 0.123456, "failure": why.trim_end() } },
                { "name": "api", "connections_open": 0, "waiting": 2 },
            ],
            "problems": ["a.toml:1:1: one, two", "a.toml:2:1: three"],
            "failures": [],
        });
        let expected = "\
name       alice
state      active
in flight  0
requests   1xx 0, 2xx 3,000, 3xx 0, 4xx 0, 5xx 6
holds      a.test

problems
  a.toml:1:1: one, two
  a.toml:2:1: three

upstreams
  web: connections open 1, waiting 0
    program
      state        failed
      failure      exited with code 1 after 0.2 s: Traceback, most recent call last Traceback, most
                   recent call last Traceback, most recent call last Traceback, most recent call
                   last
      seconds      4
      cpu seconds  0.123
  api: connections open 0, waiting 2
";
        assert_eq!(told(&status, None), expected);
    }
}
