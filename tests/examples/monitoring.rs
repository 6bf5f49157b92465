//! What `examples/monitoring` says of metrics, alerts and panels, held against the tables of the code. That Prometheus agrees is
//! shown by tests/wire/real_prometheus.rs.

use parvis::telemetry::{ACCOUNT_FAMILIES, FAMILIES, Family, Kind};
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::path::Path;

#[test]
fn every_metric_that_is_named_exists() {
    let families: Vec<&Family> =
        FAMILIES.iter().chain(ACCOUNT_FAMILIES).flat_map(|(_, families)| *families).collect();
    let is_of = |word: &str, family: &Family| {
        let suffix = word.strip_prefix(family.name);
        let suffixes: &[&str] =
            if family.kind == Kind::Histogram { &["", "_bucket", "_sum", "_count"] } else { &[""] };
        suffix.is_some_and(|suffix| suffixes.contains(&suffix))
    };
    for file in ["alerts.yml", "alerts.test.yml", "dashboard.json", "prometheus.yml", PAGE] {
        let text = read(file);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("parvis_") || word.starts_with("process_")) {
            assert!(families.iter().any(|family| is_of(word, family)), "{file}: there is no {word}");
        }
    }
}

#[test]
fn every_alert_says_what_to_do_and_has_its_tests() {
    let (rules, tests, page) = (read("alerts.yml"), read("alerts.test.yml"), read(PAGE));
    let mut names = HashSet::new();
    for rule in rules.split("- alert: ").skip(1) {
        let name = rule.lines().next().unwrap();
        assert!(names.insert(name), "{name} stands twice");
        for part in ["severity: ", "summary: \"", "description: \"", "action: \""] {
            assert!(rule.contains(part), "{name} has no {part}");
        }
        assert!(rule.contains("severity: page\n") || rule.contains("severity: ticket\n"), "{name}");
        assert!(rule.contains(&format!("runbook: docs/operations.md#{}\n", name.to_lowercase())), "{name}");
        assert!(page.contains(&format!("`{name}`")), "docs/monitoring.md does not name {name}");
        let case = tests.split("  - name: ").find(|case| case.starts_with(&format!("{name}\n")));
        let case = case.unwrap_or_else(|| panic!("{name} has no test"));
        assert!(case.contains(&format!("alertname=\"{name}\"")), "{name} never fires");
        let (input, expected) = case.split_once("promql_expr_test:").unwrap();
        let is_silent = input.contains("instance=\"good\"") && !expected.contains("instance=\"good\"");
        assert!(is_silent, "{name} is never silent");
    }
    assert!(names.len() > 20);
}

/// Grafana takes what it is given: it draws panels over each other, and without a unit numbers say little.
#[test]
fn panels_have_titles_units_and_a_place_of_their_own() {
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).unwrap();
    let variables: Vec<&str> = dashboard["templating"]["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["name"].as_str().unwrap())
        .collect();
    assert_eq!(variables, ["datasource", "job", "instance", "top"]);
    let (mut ids, mut places) = (HashSet::new(), HashSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its number is another's");
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        let (x, y) = (place("x"), place("y"));
        assert!(x + place("w") <= 24, "{title} stands over the edge");
        for column in x..x + place("w") {
            for line in y..y + place("h") {
                assert!(places.insert((column, line)), "{title} stands over another");
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().unwrap().ends_with('.'), "{title}: no sentence");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}: no unit");
        for part in panel["targets"].as_array().unwrap().iter().chain([panel]) {
            assert_eq!(part["datasource"]["uid"], "${datasource}", "{title}");
        }
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            assert!(query.contains("{job=\"$job\",instance=~\"$instance\""), "{title}: {query}");
        }
    }
}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monitoring").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

const PAGE: &str = "../../docs/monitoring.md";
