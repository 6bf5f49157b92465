//! The keys of an account document that say on which connections its hosts may be asked for, and which addresses of the
//! node are its own.

use super::checked::{Node, Protocols, Site, Terms};
use super::node::tls_profile;
use super::reader::{Table, Value, Word};
use super::scalar::{Wrong, quoted};
use super::{defaults as d, keys, nearest::nearest};
use crate::base::SiteName;
use std::net::IpAddr;

/// What the account asks of connections.
pub(super) fn read(top: &Table<'_>, node: &Node) -> Terms {
    Terms {
        tls_profile: tls_profile(top.get(&keys::ACCOUNT_TLS_PROFILE)).unwrap_or(node.tls_profile),
        strict_sni: top.setting(&d::STRICT_SNI),
        protocols: top.get(&keys::ACCOUNT_PROTOCOLS).map_or(BOTH, |value| protocols(&value)),
    }
}

fn protocols(value: &Value<'_, '_>) -> Protocols {
    const WORDS: [Word<bool>; 4] = [
        ("http/1.1", Ok(false)),
        ("h2", Ok(true)),
        ("h2c", Err("the word is \"h2\", for clear listeners too")),
        ("h3", Err("this version does not speak HTTP/3 yet")),
    ];
    let mut protocols = Protocols { http1: false, http2: false };
    for is_http2 in value.items(WORDS.len()).filter_map(|item| item.choice(&WORDS)) {
        protocols.http1 |= !is_http2;
        protocols.http2 |= is_http2;
    }
    if !protocols.http1 {
        let wrong = Wrong::new("without \"http/1.1\" most programs could not visit the account");
        value.refuse(wrong.hint("write [\"http/1.1\"] or [\"h2\", \"http/1.1\"]"));
        return BOTH;
    }
    protocols
}

/// `dedicated`, and `default_site`, which is one of `sites`.
pub(super) fn dedicated(top: &Table<'_>, sites: &[Site]) -> (Vec<IpAddr>, Option<SiteName>) {
    let mut dedicated: Vec<IpAddr> = Vec::new();
    let listed = top.get(&keys::ACCOUNT_DEDICATED);
    for item in listed.into_iter().flat_map(|value| value.items(MAX_DEDICATED)) {
        let Some(address) = item.parse(own_address) else { continue };
        if dedicated.contains(&address) {
            item.refuse(Wrong::new(format!("\"{address}\" stands twice")));
        }
        dedicated.push(address);
    }
    let Some(value) = top.get(&keys::ACCOUNT_DEFAULT_SITE) else { return (dedicated, None) };
    let Some(name) = value.text() else { return (dedicated, None) };
    let names = sites.iter().map(|site| &site.name);
    let found = names.clone().find(|site| site.as_str() == name).cloned();
    if !top.wrote(keys::ACCOUNT_DEDICATED.name) {
        let wrong = Wrong::new("only an account with addresses of its own has a default site");
        value.refuse(wrong.hint("write dedicated = [\"198.51.100.7\"], or remove this"));
    } else if found.is_none() {
        let wrong = Wrong::new(format!("no `[[site]]` is named {}", quoted(name)));
        value.refuse_as_absent(match nearest(name, names.map(SiteName::as_str)) {
            Some(near) => wrong.hint(format!("did you mean \"{near}\"?")),
            None => wrong.hint("write the name of one of the account's sites"),
        });
    }
    (dedicated, found)
}

fn own_address(text: &str) -> Result<IpAddr, Wrong> {
    match text.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) if address.is_unspecified() || address.is_multicast() => {
            Err(Wrong::new(format!("{} is nobody's own", quoted(text)))
                .hint("write one of the node's addresses"))
        }
        Ok(address) => Ok(address),
        Err(_) => {
            let wrong = Wrong::new(format!("{} is not an IP address", quoted(text)));
            Err(wrong.hint("write one as in \"198.51.100.7\", without a port"))
        }
    }
}

const BOTH: Protocols = Protocols { http1: true, http2: true };

/// Addresses of one account: one of each family is usual.
const MAX_DEDICATED: usize = 64;
