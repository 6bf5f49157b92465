//! JSON Schema (2020-12) of the node file and of documents, from the list of keys that the reader reads by: for editors and
//! for whoever writes documents by a program. It knows less than `parvis check`: names, types and bounds of numbers, not what
//! keys mean together.

use super::keys::{ACCOUNT_FILE, NODE_FILE};
use super::setting::{Described, Section};
use serde_json::{Map, Value, json};

/// The schema of one kind of file, or of both: then a file is valid that is either.
pub fn schema(of: Option<FileKind>) -> Value {
    let head =
        |title: &str| json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": title });
    let with = |mut head: Value, schema: Value| {
        if let (Value::Object(head), Value::Object(schema)) = (&mut head, schema) {
            head.extend(schema);
        }
        head
    };
    match of {
        Some(FileKind::Node) => with(head("The node file of Parvis"), table(&NODE_FILE)),
        Some(FileKind::Account) => with(head("The document of an account of Parvis"), table(&ACCOUNT_FILE)),
        None => {
            let both = json!({ "$defs": { "node": table(&NODE_FILE), "account": table(&ACCOUNT_FILE) } });
            let either = json!({ "anyOf": [{ "$ref": "#/$defs/node" }, { "$ref": "#/$defs/account" }] });
            with(with(head("The files of Parvis"), either), both)
        }
    }
}

/// The kinds of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `parvis.toml`.
    Node,
    /// `accounts.d/NAME.toml`.
    Account,
}

fn table(section: &Section) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in section.keys {
        if key.absent() == "required" {
            required.push(key.name());
        }
        properties.insert(key.name().to_owned(), self::key(*key));
    }
    for inside in section.tables {
        let table = self::table(inside);
        let table = if inside.many { json!({ "type": "array", "items": table }) } else { table };
        properties.insert(inside.name.to_owned(), table);
    }
    // Somebody else's, and not read.
    properties.extend(section.foreign.iter().map(|name| ((*name).to_owned(), json!(true))));
    let mut schema = json!({
        "type": "object",
        "description": section.about,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

fn key(key: &dyn Described) -> Value {
    let mut schema = key.form();
    schema["description"] = format!("{} Takes {}.", key.effect(), key.takes()).into();
    let absent = key.absent();
    // As it would be written, where it is a value.
    let default = absent.trim_matches('`');
    if let Ok(default) = serde_json::from_str::<Value>(default) {
        schema["default"] = default;
    }
    schema
}

/// The form of a value that is told in words: what stands there, by how the words begin.
pub(super) fn form_of(takes: &str) -> Value {
    let begins = |words: &[&str]| words.iter().any(|word| takes.starts_with(word));
    let texts = || json!({ "type": "array", "items": { "type": "string" } });
    if begins(&["a list, "]) {
        return json!({ "anyOf": [texts(), { "type": "string" }] });
    }
    if begins(&["a list", "`["]) {
        return texts();
    }
    if begins(&["a table of texts"]) {
        return json!({ "type": "object", "additionalProperties": { "type": "string" } });
    }
    if begins(&["a whole number", "a status", "301"]) {
        return json!({ "type": "integer" });
    }
    if begins(&["`true`"]) {
        return json!({ "type": "boolean" });
    }
    if begins(&["a size"]) {
        return json!({ "type": ["string", "integer"] });
    }
    match words(takes) {
        Some(words) => json!({ "enum": words }),
        None => json!({ "type": "string" }),
    }
}

/// The words that are accepted, where nothing else is: `"active"`, `"suspended"` or `"moved"`.
fn words(takes: &str) -> Option<Vec<&str>> {
    let (mut words, mut rest) = (Vec::new(), takes);
    while let Some(quoted) = rest.strip_prefix("`\"") {
        let (word, behind) = quoted.split_once("\"`")?;
        words.push(word);
        // What a word means stands in parentheses.
        let behind = behind.trim_start();
        let behind = behind
            .strip_prefix('(')
            .map_or(behind, |inside| inside.split_once(')').map_or("", |(_, rest)| rest));
        rest = behind.trim_start_matches([',', ' ']);
        rest = rest.strip_prefix("or ").unwrap_or(rest);
    }
    let is_word = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (rest.is_empty() && words.len() > 1 && words.iter().all(is_word)).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_by_their_words() {
        for (takes, form) in [
            (
                "`\"active\"`, `\"maintenance\"`, `\"suspended\"` or `\"moved\"`",
                json!({ "enum": ["active", "maintenance", "suspended", "moved"] }),
            ),
            (
                "`\"intermediate\"` (TLS 1.2, and 1.3) or `\"modern\"` (1.3 only)",
                json!({ "enum": ["intermediate", "modern"] }),
            ),
            (
                "`\"visitor\"`, `\"upstream\"` (the address's own), or a host name",
                json!({ "type": "string" }),
            ),
            ("`\"http://[::1]:8089\"`", json!({ "type": "string" })),
            ("a whole number from 1 to 10000", json!({ "type": "integer" })),
        ] {
            assert_eq!(form_of(takes), form, "{takes}");
        }
    }

    #[test]
    fn every_key_has_its_place() {
        let node = schema(Some(FileKind::Node));
        assert_eq!(node["properties"]["listen"]["items"]["required"], json!(["address"]));
        assert_eq!(node["properties"]["limits"]["properties"]["header_bytes"]["default"], "32K");
        assert_eq!(node["properties"]["logs"]["properties"]["access"]["type"], "boolean");
        let account = schema(Some(FileKind::Account));
        assert_eq!(account["properties"]["panel"], json!(true));
        assert_eq!(
            account["properties"]["site"]["items"]["properties"]["redirect"]["properties"]["status"]["default"],
            301
        );
        assert_eq!(schema(None)["$defs"]["account"]["properties"], account["properties"]);
    }
}
