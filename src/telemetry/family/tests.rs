//! The table of families against promtool's rules, and the documentation against the table.

use super::*;
use crate::base::Cause;
use std::collections::HashSet;
use std::fmt::Write;

fn families() -> impl Iterator<Item = &'static Family> {
    FAMILIES.iter().chain(ACCOUNT_FAMILIES).flat_map(|(_, families)| *families)
}

/// The tables of some families, a heading each.
fn tables(all: &[(&str, &[Family])]) -> String {
    let mut text = String::new();
    for (title, families) in all {
        let _ = write!(text, "\n### {title}\n\n| name | kind | labels | |\n|---|---|---|---|\n");
        for Family { name, kind, labels, help } in *families {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            let _ = writeln!(text, "| `{name}` | {} | {} | {help} |", kind.word(), labels.join(", "));
        }
    }
    text
}

#[test]
fn names_and_help_pass_what_promtool_checks() {
    let mut names = HashSet::new();
    for Family { name, kind, labels, help } in families() {
        assert!(names.insert(name), "{name} stands twice");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(help.ends_with('.'), "{name}: help is a sentence");
        for word in name.split('_') {
            let unwelcome =
                ["gauge", "counter", "histogram", "summary", "count", "sum", "bucket", "ms", "millis"];
            assert!(!unwelcome.contains(&word), "{name}: {word}");
        }
        assert!(!labels.iter().any(|label| ["le", "quantile", "host"].contains(label)), "{name}");
    }
}

/// The generated parts of `docs/metrics.md`, by their names.
fn blocks() -> [(&'static str, String); 3] {
    let mut causes = String::from("\n| cause | status | RFC 9209 type | blame |\n|---|---|---|---|\n");
    for verdict in Cause::ALL.iter().map(|cause| cause.verdict()) {
        let (word, status, error, blame) =
            (verdict.word, verdict.status, verdict.error, verdict.blame.word());
        let _ = writeln!(causes, "| `{word}` | {status} | `{error}` | {blame} |");
    }
    [("families", tables(FAMILIES)), ("account families", tables(ACCOUNT_FAMILIES)), ("causes", causes)]
}

/// With `UPDATE_DOCS=1` in the environment the tables are written instead of compared.
#[test]
fn the_documentation_has_the_tables_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let mut page = std::fs::read_to_string(path).unwrap();
    for (name, block) in blocks() {
        let marks = [format!("<!-- {name}: written by the tests -->\n"), format!("\n<!-- end of {name} -->")];
        let [begin, end] = marks.map(|mark| page.find(&mark).map(|at| at..at + mark.len()).unwrap());
        page.replace_range(begin.end..end.start, &block);
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(written == page, "docs/metrics.md is old: UPDATE_DOCS=1 cargo test --lib family");
}

#[test]
fn the_documentation_names_no_metric_that_is_none() {
    for page in ["metrics.md", "logs.md"] {
        let path = format!("{}/docs/{page}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("parvis_")) {
            let is_of = |family: &Family| {
                let suffix = word.strip_prefix(family.name);
                let suffixes: &[&str] =
                    if family.kind == Kind::Histogram { &["", "_bucket", "_sum", "_count"] } else { &[""] };
                suffix.is_some_and(|suffix| suffixes.contains(&suffix))
            };
            assert!(families().any(is_of), "{page}: there is no {word}");
        }
    }
}
