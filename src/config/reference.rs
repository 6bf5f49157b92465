//! `docs/configuration.md`: every key, written from the list that the reader reads by.

use super::keys::{ACCOUNT_FILE, NODE_FILE};
use super::setting::{Described, Section};
use std::fmt::Write;

/// The reference page, as Markdown.
pub fn reference() -> String {
    let mut page = String::from(PREFACE);
    for (title, file) in [("The node file", &NODE_FILE), ("An account document", &ACCOUNT_FILE)] {
        let _ = write!(page, "\n## {title}\n\n{}\n", file.about);
        keys(&mut page, file);
        for table in file.tables {
            section(&mut page, table);
        }
        later(&mut page, file);
    }
    page
}

fn section(page: &mut String, section: &Section) {
    let _ = write!(page, "\n### `{}`\n\n{}\n", section.header, section.about);
    keys(page, section);
    for table in section.tables {
        self::section(page, table);
    }
}

fn keys(page: &mut String, section: &Section) {
    for key in section.keys {
        self::key(page, *key);
    }
}

fn key(page: &mut String, key: &dyn Described) {
    let _ = write!(page, "\n**`{}`**: {}\n\n", key.name(), key.effect());
    let _ = writeln!(page, "- takes {}", key.takes());
    match key.absent().as_str() {
        "required" => page.push_str("- required\n"),
        absent => _ = writeln!(page, "- default: {absent}"),
    }
    for (what, text) in [
        ("range", key.range()),
        ("why", key.reason().map(str::to_owned)),
        ("cost", key.cost().map(str::to_owned)),
    ] {
        if let Some(text) = text {
            let _ = writeln!(page, "- {what}: {text}");
        }
    }
}

/// What the file format knows and this version refuses, in one list for the file.
fn later(page: &mut String, file: &Section) {
    page.push_str("\n### Not in this version\n\nThese are refused with a hint:\n\n");
    let mut tables = vec![(file, String::new())];
    while let Some((table, path)) = tables.pop() {
        for later in table.later {
            let _ = writeln!(page, "- `{path}{}`: {}", later.name, later.hint);
        }
        tables.extend(table.tables.iter().rev().map(|inside| (*inside, format!("{path}{}.", inside.name))));
    }
}

const PREFACE: &str = "\
# Configuration

Every key of the two kinds of file. This page is written from the program's own list of keys: what stands here is
what the program reads.

Both files are TOML. `parvis check --config FILE` reads the node file and every document and tells everything that
is wrong at once, each with its line and what to write instead. Unknown keys are errors. Relative paths are relative
to the file they stand in. Sizes are powers of 1024: `\"64K\"`, `\"256M\"`, `\"1G\"`. Durations have a unit:
`\"250ms\"`, `\"10s\"`, `\"5m\"`, `\"2h\"`, `\"365d\"`. Rates have a period: `\"200/s\"`, `\"30/m\"`, `\"5/h\"`. 0 is zero:
`\"auto\"` and `\"unlimited\"` are words. A table `[panel]` belongs to the control panel and is not read.
";

#[cfg(test)]
mod tests {
    use super::*;

    /// With `UPDATE_DOCS=1` in the environment the page is written instead of compared.
    #[test]
    fn the_reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            page == reference(),
            "docs/configuration.md is old: UPDATE_DOCS=1 cargo test --lib reference"
        );
    }
}
