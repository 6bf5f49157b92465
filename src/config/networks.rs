//! Lists of networks, in a table or in a file of their own, and what they are for: `[[trust]]`, `[deny]` and
//! `[allow]` of the node file, `trust`, `[deny]` and `[allow]` of an account document.

use super::checked::{NetworkList, Node, Trust, TrustHeader};
use super::directory;
use super::names::Names;
use super::nearest::nearest;
use super::reader::{Table, Value};
use super::report::{Problem, Report};
use super::scalar::{Wrong, quoted};
use super::source::{MAX_FILE_BYTES, Of};
use super::values::{is_field_name, network};
use super::{defaults as d, keys};
use crate::base::{Access, Networks, TrustName};
use ipnet::IpNet;
use std::path::Path;

/// Every `[[trust]]` of the node file.
pub(super) fn trust(top: &Table<'_>) -> Vec<Trust> {
    let mut names = Names::default();
    let tables = top.tables(&keys::TRUST);
    if let Some(table) = tables.get(MAX_SETS) {
        table.refuse(Of::Value, Wrong::new(format!("more than {MAX_SETS} sets")));
    }
    let set = |table: &Table<'_>| {
        let name = names.read(table, &keys::TRUST_NAME, TrustName::new);
        let networks = list(table, Some("a set that nobody is in"));
        let header = table.get(&keys::TRUST_HEADER).map(|value| value.parse(header));
        let everywhere = table.setting(&d::EVERYWHERE);
        let header = header.unwrap_or(Some(TrustHeader::XForwardedFor));
        Some(Trust { name: name?, networks: networks?, header: header?, everywhere })
    };
    tables.iter().filter_map(set).collect()
}

/// `trust` of an account document: names of sets that the node file has.
pub(super) fn named(top: &Table<'_>, node: &Node) -> Vec<TrustName> {
    let Some(value) = top.get(&keys::ACCOUNT_TRUST) else { return Vec::new() };
    let mut named: Vec<TrustName> = Vec::new();
    for item in value.items(MAX_SETS) {
        let Some(name) = item.parse(|text| set_named(text, node)) else { continue };
        if named.contains(&name) {
            item.refuse(Wrong::new(format!("\"{name}\" stands twice")));
        }
        named.push(name);
    }
    named
}

fn set_named(text: &str, node: &Node) -> Result<TrustName, Wrong> {
    let names = node.trust.iter().map(|set| &set.name);
    if let Some(name) = names.clone().find(|name| name.as_str() == text) {
        return Ok(name.clone());
    }
    let wrong = Wrong::new(format!("the node file has no `[[trust]]` named {}", quoted(text)));
    let near = nearest(text, names.clone().map(TrustName::as_str));
    Err(match (near, names.clone().next()) {
        (Some(near), _) => wrong.hint(format!("did you mean \"{near}\"?")),
        (None, Some(_)) => {
            let known: Vec<_> = names.map(|name| format!("\"{name}\"")).collect();
            wrong.hint(format!("it has {}", known.join(", ")))
        }
        (None, None) => wrong.hint("it has no such table at all: the operator writes it"),
    })
}

/// `[deny]` and `[allow]` of the node file.
pub(super) fn access(top: &Table<'_>) -> (Option<NetworkList>, Option<NetworkList>) {
    let (deny, allow) = (top.table(&keys::DENY), top.table(&keys::ALLOW));
    let deny = if deny.is_present() { list(&deny, None) } else { None };
    (deny, if allow.is_present() { list(&allow, Some(NOBODY)) } else { None })
}

/// `[deny]` and `[allow]` of an account document.
pub(super) fn access_of_account(top: &Table<'_>) -> Access {
    let (deny, allow) = (top.table(&keys::ACCOUNT_DENY), top.table(&keys::ACCOUNT_ALLOW));
    let from = |table: &Table<'_>, never_empty: Option<&str>| {
        if !table.is_present() {
            return None;
        }
        let Some(from) = table.get(&keys::NETWORKS_FROM) else {
            let wrong = Wrong::new("no networks are named");
            table.refuse(Of::Absence, wrong.hint("write from = [\"192.0.2.0/24\"]"));
            return None;
        };
        Some(written(&from, never_empty))
    };
    Access { deny: from(&deny, None).unwrap_or_default(), allow: from(&allow, Some(NOBODY)) }
}

/// The networks of a table with `from` and `file`; `never_empty` is what to say of one that names none.
fn list(table: &Table<'_>, never_empty: Option<&str>) -> Option<NetworkList> {
    let (from, file) = (table.get(&keys::NETWORKS_FROM), table.get(&keys::NETWORKS_FILE));
    match (from, file) {
        (Some(from), None) => Some(NetworkList::Listed(written(&from, never_empty))),
        (None, Some(file)) => file.path_buf().map(NetworkList::File),
        (Some(_), Some(file)) => {
            file.path_buf();
            file.refuse(Wrong::new("`from` names the networks already").hint("remove one of the two"));
            None
        }
        (None, None) => {
            let wrong = Wrong::new("no networks are named");
            table.refuse(
                Of::Absence,
                wrong.hint("write from = [\"192.0.2.0/24\"], or file = \"networks.txt\""),
            );
            None
        }
    }
}

fn written(from: &Value<'_, '_>, never_empty: Option<&str>) -> Networks {
    let networks = from.items(MAX_LISTED).filter_map(|item| item.parse(network)).collect();
    if let Some(why) = never_empty.filter(|_| from.is_empty_list()) {
        from.refuse(Wrong::new(why).hint("name networks, or remove the table"));
    }
    networks
}

fn header(text: &str) -> Result<TrustHeader, Wrong> {
    if text.len() > MAX_HEADER_BYTES || !is_field_name(text) {
        let wrong = Wrong::new(format!("{} is not a field's name", quoted(text)));
        return Err(wrong.hint("write it as in \"X-Forwarded-For\", without a colon"));
    }
    if NO_ADDRESS.iter().any(|name| name.eq_ignore_ascii_case(text)) {
        let wrong = Wrong::new(format!("{} names no visitor", quoted(text)));
        return Err(wrong.hint("write \"X-Forwarded-For\", \"Forwarded\" or a field with one address"));
    }
    Ok(match text.to_ascii_lowercase().as_str() {
        "x-forwarded-for" => TrustHeader::XForwardedFor,
        "forwarded" => TrustHeader::Forwarded,
        name => TrustHeader::Single(name.into()),
    })
}

/// The networks of a file, and its content: one a line, `#` begins a comment, blank lines are none.
///
/// # Errors
/// Everything that is wrong with it, each with its line; and that it names none, unless it may.
pub fn read_networks(file: &Path, may_be_empty: bool) -> Result<(Networks, Vec<u8>), Report> {
    let mut content = Vec::new();
    directory::read_into(file, &mut content)?;
    let networks = parse(file, directory::text(file, &content)?, may_be_empty)?;
    Ok((networks, content))
}

fn parse(file: &Path, text: &str, may_be_empty: bool) -> Result<Networks, Report> {
    let of_file = |message: String| Report::from(Problem::of_file(file, message));
    if text.len() > MAX_FILE_BYTES {
        return Err(of_file(format!("more than {MAX_FILE_BYTES} bytes")));
    }
    let (mut networks, mut report): (Vec<IpNet>, _) = (Vec::new(), Report::default());
    for (index, line) in text.lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default();
        let written = entry.trim();
        if written.is_empty() {
            continue;
        }
        match network(written) {
            Ok(_) if networks.len() == MAX_IN_FILE => {
                return Err(of_file(format!("more than {MAX_IN_FILE} networks")));
            }
            Ok(network) => networks.push(network),
            Err(_) if report.problems.len() == MAX_PROBLEMS => {
                report.problems.push(Problem::of_file(file, "and more of the kind"));
                break;
            }
            Err(wrong) => {
                let column = 1 + entry.chars().take_while(|c| c.is_whitespace()).count();
                let problem = Problem { line: index + 1, column, ..Problem::of_file(file, wrong.message) };
                report.problems.push(match wrong.hint {
                    Some(hint) => problem.with_hint(hint),
                    None => problem,
                });
            }
        }
    }
    if !report.is_empty() {
        return Err(report);
    }
    if networks.is_empty() && !may_be_empty {
        return Err(of_file("names no network".to_owned()));
    }
    Ok(networks.into_iter().collect())
}

/// What a list of the allowed that names nobody comes to.
const NOBODY: &str = "nobody would be let in";

/// Sets of a node, and those an account names: each that holds for a request may be searched for it.
const MAX_SETS: usize = 64;

/// Networks in a table; more belong in a file.
const MAX_LISTED: usize = 10_000;

/// Networks in a file: all that a large CDN announces are some thousands.
const MAX_IN_FILE: usize = 100_000;

/// Problems of one file that are told: it is of another kind, and more help nobody.
const MAX_PROBLEMS: usize = 20;

/// Bytes of a field's name.
const MAX_HEADER_BYTES: usize = 64;

/// Fields that are something else, mistaken for one with an address.
const NO_ADDRESS: [&str; 8] = [
    "Host",
    "Via",
    "Cookie",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
    "Connection",
    "X-Request-ID",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str, may_be_empty: bool) -> Vec<String> {
        let report = parse(Path::new("cdn.txt"), text, may_be_empty).expect_err(text);
        report.problems.iter().map(Problem::one_line).collect()
    }

    #[test]
    fn a_file_has_a_network_a_line() {
        let text = "# the CDN's\r\n192.0.2.0/24\r\n\n  2001:db8::/32 # and IPv6\n198.51.100.7";
        let networks = parse(Path::new("cdn.txt"), text, false).unwrap();
        for (ip, is_in) in [
            ("192.0.2.255", true),
            ("192.0.3.0", false),
            ("2001:db8:ffff::", true),
            ("198.51.100.7", true),
            ("198.51.100.8", false),
        ] {
            assert_eq!(networks.contains(ip.parse().unwrap()), is_in, "{ip}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_line() {
        assert_eq!(
            problems("192.0.2.0/24\n  192.0.2.1/24\n<html>\n", false),
            [
                "cdn.txt:2:3: \"192.0.2.1/24\" has bits behind its prefix (write \"192.0.2.0/24\")",
                "cdn.txt:3:1: \"<html>\" is not a network (write an address and a prefix, as in \"192.0.2.0/24\")",
            ]
        );
        assert_eq!(problems("# nothing\n", false), ["cdn.txt: names no network"]);
        assert!(parse(Path::new("deny.txt"), "", true).unwrap().is_empty());
        assert_eq!(problems(&"x\n".repeat(1000), false).len(), MAX_PROBLEMS + 1);
        let many = "192.0.2.1\n".repeat(MAX_IN_FILE + 1);
        assert_eq!(problems(&many, false), ["cdn.txt: more than 100000 networks"]);
    }
}
