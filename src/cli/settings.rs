//! What two texts of a document say differently, key by key, whatever their order: tables that have names are compared by
//! them. Values of environments are secrets and are not shown. Knows no key but `name`.

use toml::{Table, Value};

/// What `new` says differently from `old`, in the order of the keys: a line each, as in `site blog: force_https = true (was
/// false)`. Text that is no TOML says nothing; the platform's own table is no setting.
pub(super) fn differences(old: &str, new: &str) -> Vec<String> {
    let read = |text: &str| text.parse::<Table>().unwrap_or_default();
    let (mut lines, place) = (Vec::new(), Place::default());
    tables(&place, &read(old), &read(new), &mut lines);
    lines
}

/// Where a value stands: in which named tables, and under which keys.
#[derive(Clone, Default)]
struct Place {
    named: String,
    keys: String,
}

impl Place {
    fn key(&self, key: &str) -> Self {
        let dot = if self.keys.is_empty() { "" } else { "." };
        Self { named: self.named.clone(), keys: format!("{}{dot}{key}", self.keys) }
    }

    fn name(&self, name: &str) -> Self {
        Self { named: format!("{}{} {name}: ", self.named, self.keys), keys: String::new() }
    }

    fn is_secret(&self) -> bool {
        self.keys.split('.').any(|key| key == "environment")
    }

    fn line(&self, what: impl std::fmt::Display) -> String {
        format!("{}{}{what}", self.named, self.keys)
    }
}

fn tables(place: &Place, old: &Table, new: &Table, lines: &mut Vec<String>) {
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys.into_iter().filter(|key| *key != PLATFORMS) {
        values(&place.key(key), old.get(key), new.get(key), lines);
    }
}

fn values(place: &Place, old: Option<&Value>, new: Option<&Value>, lines: &mut Vec<String>) {
    let empty = Table::new();
    let table = |value: Option<&Value>| value.is_some_and(Value::is_table);
    match (old, new) {
        _ if old == new => {}
        _ if is_named(old) || is_named(new) => named(place, old, new, lines),
        _ if table(old) || table(new) => {
            let of = |value: Option<&'_ Value>| value.and_then(Value::as_table).unwrap_or(&empty).clone();
            tables(place, &of(old), &of(new), lines);
        }
        _ if place.is_secret() => lines.push(place.line(" changes")),
        (Some(old), Some(new)) => lines.push(place.line(format_args!(" = {new} (was {old})"))),
        (None, Some(new)) => lines.push(place.line(format_args!(" = {new} (was not set)"))),
        (Some(old), None) => lines.push(place.line(format_args!(" is not set (was {old})"))),
        (None, None) => {}
    }
}

/// Whether it is a list of tables that each have a name.
fn is_named(value: Option<&Value>) -> bool {
    let items = value.and_then(Value::as_array);
    items.is_some_and(|items| !items.is_empty() && items.iter().all(|item| name_of(item).is_some()))
}

fn name_of(item: &Value) -> Option<&str> {
    item.as_table()?.get("name")?.as_str()
}

fn named(place: &Place, old: Option<&Value>, new: Option<&Value>, lines: &mut Vec<String>) {
    let items = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let (old, new) = (items(old), items(new));
    let find = |items: &[Value], name: &str| items.iter().find(|item| name_of(item) == Some(name)).cloned();
    for item in &old {
        let Some(name) = name_of(item) else { continue };
        if find(&new, name).is_none() {
            lines.push(place.name(name).line("removed"));
        }
    }
    for item in &new {
        let Some(name) = name_of(item) else { continue };
        match find(&old, name) {
            None => lines.push(place.name(name).line("new")),
            Some(before) => values(&place.name(name), Some(&before), Some(item), lines),
        }
    }
}

/// The table of a document that is the platform's own.
const PLATFORMS: &str = "panel";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_by_name() {
        let old = r#"
state = "active"
[limits]
in_flight = 10
[run]
environment = { TOKEN = "secret", TZ = "UTC" }
[[upstream]]
name = "web"
address = ":1"
[[upstream]]
name = "gone"
address = ":2"
[[site]]
name = "blog"
addresses = ["a.test"]
hsts = { max_age = "1d" }
[panel]
id = 1
"#;
        let new = r#"
[[site]]
name = "shop"
addresses = []
[[site]]
name = "blog"
addresses = ["a.test", "b.test"]
hsts = { max_age = "2d" }
[limits]
in_flight = 20
[run]
environment = { TOKEN = "other", TZ = "UTC" }
[[upstream]]
address = ":1"
name = "web"
[panel]
id = 2
"#;
        assert_eq!(
            differences(old, new),
            [
                "limits.in_flight = 20 (was 10)",
                "run.environment.TOKEN changes",
                "site shop: new",
                r#"site blog: addresses = ["a.test", "b.test"] (was ["a.test"])"#,
                r#"site blog: hsts.max_age = "2d" (was "1d")"#,
                r#"state is not set (was "active")"#,
                "upstream gone: removed",
            ]
        );
        assert!(differences(old, old).is_empty());
    }
}
