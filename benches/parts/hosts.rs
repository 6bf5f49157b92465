//! From the text of a host to the site that answers it, in tables of several sizes.

use crate::{Part, Prepared};
use parvis::account::{Account, Form};
use parvis::base::{AccountName, Authority, DocumentHash, Host, HostPattern, PathPrefix, SiteAddress};
use parvis::config::{self, Document};
use parvis::route::{Decision, Hosts, Resolution};
use std::fs;
use std::net::{IpAddr, Ipv6Addr};

/// Where the visitor comes to.
const LOCAL: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// The parts.
pub fn parts() -> Vec<Part> {
    vec![
        Part { name: "parse host", prepare: parse },
        Part { name: "look up: 1,000 hosts", prepare: || look_up(1_000) },
        Part { name: "look up: 100,000 hosts", prepare: || look_up(100_000) },
        Part { name: "look up: 1,000,000 hosts", prepare: || look_up(1_000_000) },
        Part { name: "look up: one host of 1,000,000", prepare: || look_up_among(1_000_000, 1) },
        Part { name: "look up: held by nobody", prepare: look_up_unknown },
    ]
}

fn parse() -> Prepared {
    Prepared::new(|| Authority::parse(b"www.example.test:8443").expect("an authority"))
}

/// One host after the other, so that a table larger than the processor's caches costs what it costs.
fn look_up(hosts: usize) -> Prepared {
    look_up_among(hosts, hosts)
}

/// The host, parsed, and the site that answers it; the hosts asked for are `asked` of all.
fn look_up_among(hosts: usize, asked: usize) -> Prepared {
    let table = table(hosts);
    let names: Vec<Box<[u8]>> = (0..asked).map(|n| host(shuffled(n, asked)).into_bytes().into()).collect();
    let mut n = 0;
    Prepared::new(move || {
        n = if n + 1 == names.len() { 0 } else { n + 1 };
        let host = Host::parse(&names[n]).expect("a host");
        match table.resolve(&host, b"/shop/articles/4711?colour=blue", LOCAL) {
            Resolution::Site(matched) => matched,
            _ => unreachable!("every host is held"),
        }
    })
}

/// What a scanner asks for: a probe for the name, and one for each of its parents.
fn look_up_unknown() -> Prepared {
    let table = table(1_000);
    let host = Host::parse(b"www.nobody.example.test").expect("a host");
    Prepared::new(move || table.resolve(&host, b"/", LOCAL))
}

/// A table with so many hosts, ten to an account.
fn table(hosts: usize) -> Hosts {
    let (table, pattern) = (Hosts::new(), document());
    for first in (0..hosts).step_by(HOSTS_PER_ACCOUNT) {
        let held = first..(first + HOSTS_PER_ACCOUNT).min(hosts);
        let name = AccountName::new(&format!("a{first}")).expect("a name");
        let mut document = Document { name: name.clone(), ..pattern.clone() };
        document.sites[0].addresses = held.map(address).collect();
        let patterns = document.sites[0].addresses.iter().map(|address| (&address.host).into()).collect();
        let account = Account::new(name, Form::compile(&document, DocumentHash([0; 32]), 1, None));
        let decision = Decision { enter: patterns, ..Decision::default() };
        table.publish(&account, Form::compile(&document, DocumentHash([0; 32]), 1, None), &decision);
    }
    table
}

/// An account's document as an operator writes it, with one site.
fn document() -> Document {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let node = directory.path().join("parvis.toml");
    fs::create_dir(directory.path().join("accounts.d")).expect("a temporary directory");
    fs::write(&node, NODE).expect("a temporary directory");
    let node = config::load_node(&node).expect("sound settings");
    let name = AccountName::new("bench").expect("a name");
    config::check_document(&name, "bench.toml".as_ref(), DOCUMENT, &node).expect("a sound document")
}

fn address(n: usize) -> SiteAddress {
    let host = Host::parse(host(n).as_bytes()).expect("a host");
    SiteAddress { host: HostPattern::Exact(host), path: PathPrefix::default() }
}

fn host(n: usize) -> String {
    format!("www.customer-{n}.example.test")
}

/// The `n`th of `count` numbers, in an order that no cache foresees: a step that shares no factor with any of the
/// counts walks over all of them.
fn shuffled(n: usize, count: usize) -> usize {
    n * 387_420_489 % count
}

const NODE: &str = r#"
[node]
name = "bench"
state = "state"
[[listen]]
address = "127.0.0.1:0"
[accounts]
directory = "accounts.d"
"#;

const DOCUMENT: &str = r#"
[[upstream]]
name = "web"
address = "127.0.0.1:8080"
[[site]]
name = "main"
addresses = ["www.example.test"]
upstream = "web"
"#;

/// Hosts of an account.
const HOSTS_PER_ACCOUNT: usize = 10;
