//! The page of one account against the table of its families and against what it was told.

use super::*;
use crate::base::Rate;
use crate::telemetry::ACCOUNT_FAMILIES;
use std::collections::BTreeMap;

fn figures() -> AccountFigures {
    let upstream = |name: &str, program| UpstreamFigures {
        name: UpstreamName::new(name).unwrap(),
        open: 4,
        in_use: 3,
        most: 25,
        tunnels: 2,
        waiting: 1,
        program,
    };
    let program = ProgramUse {
        state: "ready",
        starts: 9,
        memory: Some(1 << 20),
        cpu: Some(Duration::from_millis(1500)),
        memory_kills: 1,
        unanswered: 2,
    };
    AccountFigures {
        name: AccountName::new("alice").unwrap(),
        state: AccountState::Maintenance,
        generation: 12,
        hosts: 3,
        hosts_refused: 1,
        requests: [1, 20, 3, 4, 5],
        failures: std::array::from_fn(|cause| cause as u64),
        moved_on: 6,
        body_received: 700,
        body_sent: 8000,
        in_flight: 9,
        queued: 10,
        tunnels: 11,
        buffered_bytes: 4096,
        limits: AccountLimits {
            in_flight: 100,
            queue: 50,
            queue_timeout: Duration::from_secs(10),
            tunnels: 40,
            rate: Some(Rate { count: 300, period: Duration::from_secs(60) }),
            body_bytes: Some(1 << 30),
            request_buffer: 1,
            response_buffer: 1,
            buffered_bytes: 1 << 24,
        },
        upstreams: vec![upstream("web", Some(program)), upstream("api", None)],
    }
}

/// Name, kind, help and labels of each family of a page.
fn shown(page: &str) -> BTreeMap<String, (String, String, Vec<String>)> {
    let mut shown: BTreeMap<String, (String, String, Vec<String>)> = BTreeMap::new();
    for line in page.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] => shown.entry(name.to_owned()).or_default().1 = help.to_owned(),
            ["#", "TYPE", name, kind] => shown.entry(name.to_owned()).or_default().0 = kind.to_owned(),
            _ => {
                let (name, rest) = line.split_once('{').unwrap();
                let (labels, _) = rest.split_once("} ").unwrap();
                let labels: Vec<String> =
                    labels.split(',').map(|label| label.split_once('=').unwrap().0.to_owned()).collect();
                let entry = shown.get_mut(name).unwrap();
                assert!(entry.2.is_empty() || entry.2 == labels, "{line}");
                entry.2 = labels;
            }
        }
    }
    shown
}

#[test]
fn the_page_is_the_table_of_families() {
    let table = ACCOUNT_FAMILIES.iter().flat_map(|(_, families)| *families).map(|family| {
        let labels = family.labels.iter().map(|&label| label.to_owned()).collect();
        (family.name.to_owned(), (family.kind.word().to_owned(), family.help.to_owned(), labels))
    });
    assert_eq!(shown(&figures().render().unwrap()), table.collect());
}

#[test]
fn everything_stands_where_it_belongs() {
    let page = figures().render().unwrap();
    let series = |labels: &str| format!("parvis_single_account_{labels} ");
    for (labels, expected) in [
        (r#"state{account="alice",state="active"}"#, "0"),
        (r#"state{account="alice",state="maintenance"}"#, "1"),
        (r#"generation{account="alice"}"#, "12"),
        (r#"hosts{account="alice"}"#, "3"),
        (r#"hosts_refused{account="alice"}"#, "1"),
        (r#"requests_total{account="alice",status="2xx"}"#, "20"),
        (r#"requests_total{account="alice",status="5xx"}"#, "5"),
        (
            r#"failures_total{account="alice",cause="bad_request",error="http_request_error",blame="client"}"#,
            "0",
        ),
        (r#"moved_requests_total{account="alice"}"#, "6"),
        (r#"request_body_bytes_total{account="alice"}"#, "700"),
        (r#"response_body_bytes_total{account="alice"}"#, "8000"),
        (r#"requests_in_flight{account="alice"}"#, "9"),
        (r#"requests_queued{account="alice"}"#, "10"),
        (r#"tunnels_open{account="alice"}"#, "11"),
        (r#"buffered_bytes{account="alice"}"#, "4096"),
        (r#"requests_in_flight_limit{account="alice"}"#, "100"),
        (r#"requests_queued_limit{account="alice"}"#, "50"),
        (r#"tunnels_limit{account="alice"}"#, "40"),
        (r#"requests_per_second_limit{account="alice"}"#, "5"),
        (r#"request_body_limit_bytes{account="alice"}"#, "1073741824"),
        (r#"buffered_limit_bytes{account="alice"}"#, "16777216"),
        (r#"upstream_connections_open{account="alice",upstream="api"}"#, "4"),
        (r#"upstream_connections_in_use{account="alice",upstream="web"}"#, "3"),
        (r#"upstream_connections_limit{account="alice",upstream="web"}"#, "25"),
        (r#"upstream_tunnels_open{account="alice",upstream="web"}"#, "2"),
        (r#"upstream_requests_waiting{account="alice",upstream="web"}"#, "1"),
        (r#"program_state{account="alice",upstream="web",state="ready"}"#, "1"),
        (r#"program_state{account="alice",upstream="web",state="failed"}"#, "0"),
        (r#"program_starts_total{account="alice",upstream="web"}"#, "9"),
        (r#"program_memory_kills_total{account="alice",upstream="web"}"#, "1"),
        (r#"program_memory_bytes{account="alice",upstream="web"}"#, "1048576"),
        (r#"program_cpu_seconds_total{account="alice",upstream="web"}"#, "1.5"),
        (r#"program_unanswered_requests{account="alice",upstream="web"}"#, "2"),
    ] {
        let found = page.lines().find_map(|line| line.strip_prefix(&series(labels)));
        assert_eq!(found, Some(expected), "{labels} in\n{page}");
    }
    for (place, cause) in Cause::ALL.iter().enumerate() {
        let cause = cause.verdict().word;
        let line = page.lines().find(|line| line.contains(&format!("cause=\"{cause}\"")));
        assert!(line.is_some_and(|line| line.ends_with(&format!(" {place}"))), "{cause}: {line:?}");
    }
    assert!(!page.contains("program_starts_total{account=\"alice\",upstream=\"api\""), "it has none");
}

/// What there is not has no number: a limit of 0 would be one.
#[test]
fn without_a_rate_there_is_no_number_for_it() {
    let mut figures = figures();
    (figures.limits.rate, figures.limits.body_bytes, figures.upstreams) = (None, None, Vec::new());
    let page = figures.render().unwrap();
    for name in ["requests_per_second_limit", "request_body_limit", "upstream_", "program_"] {
        assert!(!page.contains(&format!("\nparvis_single_account_{name}")), "{name} in\n{page}");
    }
}

/// Whoever scrapes both pages and sums over a name counts nothing twice.
#[test]
fn no_name_is_one_of_the_nodes_page() {
    let node: Vec<&str> = crate::telemetry::FAMILIES
        .iter()
        .flat_map(|(_, families)| *families)
        .map(|family| family.name)
        .collect();
    for family in ACCOUNT_FAMILIES.iter().flat_map(|(_, families)| *families) {
        assert!(family.name.starts_with("parvis_single_account_"), "{}", family.name);
        assert_eq!(family.labels[0], "account", "{}", family.name);
        assert!(!node.contains(&family.name), "{}", family.name);
    }
}
