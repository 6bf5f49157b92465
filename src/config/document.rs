//! An account document: tree → [`Document`]. What stands in the document is checked here; who holds a host that
//! two documents claim is not known here.

use super::checked::{
    AccountLimits, AccountState, AttachedCertificate, Document, Node, Retention, Timeouts, Upstream, bytes,
};
use super::reader::{Table, Within};
use super::report::Report;
use super::scalar::Wrong;
use super::setting::Setting;
use super::source::Source;
use super::values::host_pattern;
use super::{defaults as d, keys, networks, program, site, terms, upstream};
use crate::base::{AccountName, ByteSize};
use std::path::Path;
use std::time::Duration;

/// Checks the text of an account document. Reads no file.
pub(super) fn check(name: &AccountName, file: &Path, text: &str, node: &Node) -> Result<Document, Report> {
    let source = Source::new(file, text);
    let tree = source.parse();
    let top = Table::open(&source, &tree, &keys::ACCOUNT_FILE);
    let document = read(name, &top, node);
    source.finish()?;
    Ok(document)
}

fn read(name: &AccountName, top: &Table<'_>, node: &Node) -> Document {
    let limits = limits(&top.table(&keys::ACCOUNT_LIMITS), node);
    let run = program::run(&top.table(&keys::RUN));
    let upstreams = upstream::read(top, limits.in_flight, run.address, &node.upstreams);
    let timeouts = timeouts(&top.table(&keys::ACCOUNT_TIMEOUTS), &node.timeouts, &node.timeouts);
    let bounds = site::Bounds { limits: &limits, timeouts: &timeouts, node };
    let sites = site::read(top, &upstreams.names, &bounds);
    let (dedicated, default_site) = terms::dedicated(top, &sites);
    let state = state(top);
    let mut checked = upstreams.checked;
    if let Some(moved) = moved(top, state, limits.in_flight) {
        if upstreams.names.contains(upstream::MOVED) {
            let wrong =
                Wrong::new("an upstream of a moved account is named \"moved\", which the other node is");
            top.refuse_key(keys::UPSTREAM.name, wrong.hint("give it another name"));
        }
        checked.push(moved);
    }
    Document {
        name: name.clone(),
        state,
        terms: terms::read(top, node),
        dedicated,
        default_site,
        trust: networks::named(top, node),
        access: networks::access_of_account(top),
        timeouts,
        pages: top.table(&keys::PAGES).get(&keys::PAGES_DIRECTORY).and_then(|value| value.path_buf()),
        log_retention: log_retention(&top.table(&keys::ACCOUNT_LOGS)),
        run,
        certificates: certificates(top),
        limits,
        upstreams: checked,
        sites,
    }
}

fn state(top: &Table<'_>) -> AccountState {
    let state = top.get(&keys::ACCOUNT_STATE).and_then(|value| {
        value.choice(&[
            ("active", Ok(AccountState::Active)),
            ("maintenance", Ok(AccountState::Maintenance)),
            ("suspended", Ok(AccountState::Suspended)),
            ("moved", Ok(AccountState::Moved)),
        ])
    });
    state.unwrap_or(AccountState::Active)
}

/// The node that the account has moved to.
fn moved(top: &Table<'_>, state: AccountState, in_flight: u32) -> Option<Upstream> {
    let (to, ca) = (top.get(&keys::ACCOUNT_MOVED_TO), top.get(&keys::ACCOUNT_MOVED_CA));
    if state != AccountState::Moved {
        for value in [to, ca].into_iter().flatten().filter(|value| value.text().is_some()) {
            let wrong = Wrong::new("the account has not moved");
            value.refuse(wrong.hint("write state = \"moved\", or remove this"));
        }
        return None;
    }
    let ca = ca.and_then(|value| value.path_buf());
    let Some(to) = to else {
        let wrong = Wrong::new("moved, and no word where to");
        top.refuse_key(keys::ACCOUNT_STATE.name, wrong.hint("write moved_to = \"https://http7.host.test\""));
        return None;
    };
    upstream::moved_to(to, ca, in_flight)
}

fn limits(table: &Table<'_>, node: &Node) -> AccountLimits {
    let most = node.limits.in_flight;
    let in_flight = Within::Default { default: d::IN_FLIGHT.default.min(most), most };
    let body_bytes = Within::AtMost(node.limits.body_bytes.map(ByteSize));
    let buffer =
        |setting, most: usize| bytes(table.setting_within(setting, Within::AtMost(ByteSize(most as u64))));
    AccountLimits {
        in_flight: table.setting_within(&d::IN_FLIGHT, in_flight),
        queue: table.setting(&d::QUEUE),
        queue_timeout: table.setting(&d::QUEUE_TIMEOUT),
        tunnels: table.setting(&d::TUNNELS),
        rate: table.setting(&d::RATE),
        body_bytes: table.setting_within(&d::BODY_BYTES, body_bytes).map(|size| size.0),
        request_buffer: buffer(&d::REQUEST_BUFFER, node.limits.request_buffer),
        response_buffer: buffer(&d::RESPONSE_BUFFER, node.limits.response_buffer),
        buffered_bytes: bytes(table.setting(&d::BUFFERED_BYTES)),
    }
}

/// The timeouts of an account or site: `around`'s, the node's or the account's, where the table says nothing. What is over
/// before the account is known stays the node's.
pub(super) fn timeouts(table: &Table<'_>, around: &Timeouts, node: &Timeouts) -> Timeouts {
    let at_most = |setting: &Setting<Duration>, default, most| {
        table.setting_within(setting, Within::Default { default, most })
    };
    let rate = |timeouts: &Timeouts| timeouts.body_min_rate.unwrap_or(d::BODY_MIN_RATE.least);
    let within = Within::DefaultAtLeast { default: rate(around), least: rate(node) };
    let body_min_rate = table.setting_within(&d::BODY_MIN_RATE, within);
    Timeouts {
        body_idle: at_most(&d::BODY_IDLE, around.body_idle, node.body_idle),
        body_min_rate: Some(body_min_rate).filter(|rate| rate.count > 0),
        connect: at_most(&d::CONNECT, around.connect, node.connect),
        response_header: at_most(&d::RESPONSE_HEADER, around.response_header, node.response_header),
        response_idle: at_most(&d::RESPONSE_IDLE, around.response_idle, node.response_idle),
        write_idle: at_most(&d::WRITE_IDLE, around.write_idle, node.write_idle),
        tunnel_idle: at_most(&d::TUNNEL_IDLE, around.tunnel_idle, node.tunnel_idle),
        handshake: node.handshake,
        header: node.header,
        idle: node.idle,
        drain: node.drain,
        drain_delay: node.drain_delay,
    }
}

/// The account's own, which may be more or less than the node's. What the node says is left to whoever deletes logs: it may
/// change before the document is read again.
fn log_retention(table: &Table<'_>) -> Option<Retention> {
    table.setting_if_said(&d::LOG_RETENTION).map(|lasting| Retention(lasting.0))
}

fn certificates(top: &Table<'_>) -> Vec<AttachedCertificate> {
    top.tables(&keys::CERTIFICATE).iter().filter_map(certificate).collect()
}

fn certificate(table: &Table<'_>) -> Option<AttachedCertificate> {
    let file = table.get(&keys::CERTIFICATE_FILE).and_then(|value| value.path_buf());
    let value = table.get(&keys::CERTIFICATE_NAMES)?;
    let names = value.items(MAX_NAMES).filter_map(|item| item.parse(host_pattern)).collect();
    if value.is_empty_list() {
        value.refuse(Wrong::new("a certificate attached to no name").hint("name the hosts it is shown for"));
    }
    Some(AttachedCertificate { names, file: file? })
}

/// Names of one certificate: more than any issuer signs.
const MAX_NAMES: usize = 1000;

#[cfg(test)]
mod tests;
