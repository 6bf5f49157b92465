//! JSON for people: names and values under each other, lists of alike things as tables. Knows nothing of what the
//! values mean.

use crate::config::Printable;
use serde_json::{Map, Number, Value};
use std::fmt::Write;

/// `value` as indented text, ending with a newline. Cost: grows with the value; its depth is bounded by the parser.
pub(super) fn outline(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(fields) => object(&mut text, fields, 0),
        Value::Array(items) => list(&mut text, items, 0),
        scalar => _ = writeln!(text, "{}", plain(scalar)),
    }
    text
}

fn object(text: &mut String, fields: &Map<String, Value>, indent: usize) {
    let is_short = |value: &Value| !is_table(value) && !value.is_object();
    let short = fields.iter().filter(|(_, value)| is_short(value));
    let width = short.clone().map(|(name, _)| title(name).chars().count()).max().unwrap_or(0);
    for (name, value) in short {
        let _ = writeln!(text, "{:indent$}{:width$}  {}", "", title(name), plain(value));
    }
    for (name, value) in fields.iter().filter(|(_, value)| !is_short(value)) {
        let _ = writeln!(text, "{:indent$}{}", "", title(name));
        match value {
            Value::Object(inside) => object(text, inside, indent + INDENT),
            Value::Array(items) => list(text, items, indent + INDENT),
            _ => {}
        }
    }
}

/// A list of objects: a column for each name that any of them has, in the order of their first appearance.
fn list(text: &mut String, items: &[Value], indent: usize) {
    let mut columns: Vec<&str> = Vec::new();
    for name in items.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    let cell = |item: &Value, column: &str| item.get(column).map(plain).unwrap_or_default();
    let mut rows: Vec<Vec<String>> = vec![columns.iter().map(|column| title(column)).collect()];
    rows.extend(items.iter().map(|item| match item {
        Value::Object(_) => columns.iter().map(|column| cell(item, column)).collect(),
        scalar => vec![plain(scalar)],
    }));
    let widths: Vec<usize> = (0..columns.len())
        .map(|place| {
            rows.iter().filter_map(|row| row.get(place)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{:indent$}{}", "", line.trim_end());
    }
}

fn is_table(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().any(Value::is_object))
}

pub(super) fn title(name: &str) -> String {
    Printable(&name.replace('_', " ")).to_string()
}

/// A number with three decimals at most: what is measured is no more exact.
fn rounded(number: &Number) -> String {
    let text = number.to_string();
    match (text.split_once('.'), number.as_f64()) {
        (Some((_, decimals)), Some(value)) if decimals.len() > 3 => {
            let text = format!("{value:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => text,
    }
}

/// A value on one line.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => rounded(number),
        Value::String(text) => Printable(text).to_string(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{} {}", title(name), plain(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
    }
}

/// Blanks in front of what stands under a heading.
const INDENT: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_under_each_other_and_things_alike_in_a_table() {
        let value = serde_json::json!({
            "name": "front1",
            "is_ready": true,
            "last_change": null,
            "listeners": ["[::]:443", "0.0.0.0:443"],
            "totals": { "requests": 12, "by_class": { "2xx": 11, "5xx": 1 } },
            "accounts": [
                { "name": "alice", "in_flight": 2 },
                { "name": "bob-with-a-long-name", "in_flight": 10, "problem": "a\u{1b}[2Jb" },
            ],
        });
        let expected = "\
name         front1
is ready     yes
last change  -
listeners    [::]:443, 0.0.0.0:443
totals
  requests  12
  by class
    2xx  11
    5xx  1
accounts
  name                  in flight  problem
  alice                 2
  bob-with-a-long-name  10         a\u{fffd}[2Jb
";
        assert_eq!(outline(&value), expected);
    }

    #[test]
    fn any_value_has_an_outline() {
        for (text, expected) in [
            ("3", "3\n"),
            ("0.5844999999999999", "0.584\n"),
            ("3.00004", "3\n"),
            ("1.25", "1.25\n"),
            ("[]", "\n"),
            ("{}", ""),
            ("\"x\"", "x\n"),
            ("[1, {\"a\": [2, {\"b\": 3}]}]", "a\n1\n2, b 3\n"),
        ] {
            assert_eq!(outline(&serde_json::from_str(text).unwrap()), expected, "{text}");
        }
    }
}
