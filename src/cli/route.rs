//! `parvis route`: which account, site, upstream and certificate an address leads to, and why. It reads the files as
//! a cold start would, the node's memory of who was first included; a running node is not asked.

use super::output::{self, complain};
use super::progress::Progress;
use super::survey::{self, Gathered};
use super::{NO, UNAVAILABLE};
use crate::account::{self, Action, Pattern};
use crate::base::{AccountName, Authority, Host, HostPattern, wall, written_duration};
use crate::config::{self, AccountState, Document, Node, Upstream, UpstreamAddress, UpstreamProtocol};
use crate::route::{Claims, Hosts, Matched, Refusal, Remembered, Resolution};
use crate::tls::{Rank, Shown};
use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Tells where `address` leads, for who comes to the local address `at`, on the node of `file`, and with `steps` how that
/// was decided. [`NO`] where no site answers there.
pub(super) fn route(address: &str, at: Option<IpAddr>, steps: bool, file: &Path) -> ExitCode {
    let asked = match Asked::parse(address, at) {
        Ok(asked) => asked,
        Err(why) => {
            complain!("parvis: {address:?} {why}");
            return ExitCode::from(NO);
        }
    };
    let node = match survey::node(file) {
        Ok(node) => node,
        Err(code) => return code,
    };
    let (documents, wrong) = documents(&node, &asked);
    let remembered = survey::remembered(&node);
    let (hosts, claims) = survey::hosts(&node, &remembered, &documents);
    let shown = match shown(&node, &documents, &hosts, &asked) {
        Ok(shown) => shown,
        Err(why) => {
            complain!("parvis: {why}");
            return ExitCode::from(UNAVAILABLE);
        }
    };
    let mut answer = Answer { text: String::new(), answers: true };
    let found = Found { node, documents, remembered, hosts, claims, shown };
    answer.tell(&found, &asked);
    if steps {
        answer.tell_steps(&found, &asked);
    }
    let code = if answer.answers { ExitCode::SUCCESS } else { ExitCode::from(NO) };
    let code = output::print(&answer.text, code);
    if wrong > 0 {
        complain!(
            "parvis: wrong documents were left out: {wrong}. `parvis check` tells what is wrong; a running node serves \
             what they said before"
        );
    }
    code
}

/// What is asked: an address as a visitor types it.
struct Asked {
    host: Host,
    path: String,
    /// The path with its query.
    target: String,
    /// The local address that the visitor comes to: nobody's own, where none was given.
    local: IpAddr,
}

impl Asked {
    fn parse(address: &str, at: Option<IpAddr>) -> Result<Self, String> {
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        let rest = &rest[..rest.find('#').unwrap_or(rest.len())];
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let Authority { host, .. } =
            Authority::parse(authority.as_bytes()).map_err(|error| format!("names no host ({error})"))?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let path = target[..target.find('?').unwrap_or(target.len())].to_owned();
        Ok(Self { host, path, target, local: at.unwrap_or(Ipv6Addr::UNSPECIFIED.into()) })
    }
}

/// The right documents that have a say about what is asked, sorted by account, and how many are wrong.
fn documents(node: &Node, asked: &Asked) -> (Vec<Document>, usize) {
    let (documents, wrong) = (Gathered::new(), AtomicUsize::new(0));
    let progress = Progress::of("documents read");
    let serves_the_rest = |document: &Document| {
        node.default_site.as_ref().is_some_and(|(account, _)| *account == document.name)
    };
    // What is wrong with the directory is told by `check`.
    let _ = config::each_document(node, |document| {
        progress.step();
        match document.checked {
            Ok(document) if has_a_say(&document, asked) || serves_the_rest(&document) => {
                documents.push(document);
            }
            Ok(_) => {}
            Err(_) => _ = wrong.fetch_add(1, Ordering::Relaxed),
        }
    });
    drop(progress);
    (documents.sorted_by_key(|document| document.name.clone()), wrong.into_inner())
}

fn has_a_say(document: &Document, asked: &Asked) -> bool {
    let host = &asked.host;
    if document.dedicated.iter().any(|own| *own == asked.local || host.ip() == Some(*own)) {
        return true;
    }
    let mut patterns = document.sites.iter().flat_map(|site| &site.addresses).map(|address| &address.host);
    patterns.any(|pattern| fits(pattern, host))
}

/// The certificate a visitor is shown; `None` where no listener speaks TLS.
fn shown(node: &Node, documents: &[Document], hosts: &Hosts, asked: &Asked) -> Result<Option<Shown>, String> {
    if !node.listen.iter().any(|listen| listen.tls) {
        return Ok(None);
    }
    let attached = documents.iter().map(|document| (&document.name, &document.certificates[..]));
    let certificates = survey::certificates(node, attached)?;
    let holder = hosts.find(&asked.host);
    let name = holder.as_ref().map(|holder| holder.name());
    let shown = certificates.index().find(Some(&asked.host), name, wall());
    if let (None, Rank::Default, Some(owner)) = (name, shown.rank, hosts.dedicated(asked.local)) {
        let form = owner.form();
        return Ok(Some(certificates.index().find(form.default_host(), Some(owner.name()), wall())));
    }
    Ok(Some(shown))
}

/// What the files come to.
struct Found {
    node: Node,
    /// Those that have a say.
    documents: Vec<Document>,
    remembered: Remembered,
    hosts: Hosts,
    claims: Claims,
    shown: Option<Shown>,
}

/// The answer, line by line.
struct Answer {
    text: String,
    /// Whether a site answers there.
    answers: bool,
}

impl Answer {
    fn line(&mut self, what: &str, text: impl std::fmt::Display) {
        let _ = writeln!(self.text, "{what:<LABEL_WIDTH$}{text}");
    }

    fn tell(&mut self, found: &Found, asked: &Asked) {
        let not_held = format!("{}, which no account holds", asked.host);
        match found.hosts.resolve(&asked.host, asked.path.as_bytes(), asked.local) {
            Resolution::UnknownHost => {
                self.answers = false;
                self.line("host", not_held);
                let default_site = match &found.node.default_site {
                    None => "the node has no default_site".to_owned(),
                    Some((account, site)) => format!("the default_site {account}/{site} is not there"),
                };
                self.line("answer", format_args!("404: {default_site}"));
            }
            Resolution::NoPath { account, .. } => {
                self.answers = false;
                self.tell_holder(found, asked, account.name());
                self.line(
                    "answer",
                    format_args!("404: none of the account's sites has the path {}", asked.path),
                );
            }
            Resolution::Site(matched) if matched.is_default => {
                self.line("host", not_held);
                let why = if matched.form.dedicated.contains(&asked.local) {
                    format!("whose own {} is", asked.local)
                } else {
                    "for the node's default_site".to_owned()
                };
                self.line("account", format_args!("{}, {why}", matched.account.name()));
                self.tell_site(found, asked, &matched);
            }
            Resolution::Site(matched) => {
                self.tell_holder(found, asked, matched.account.name());
                self.tell_site(found, asked, &matched);
            }
        }
        match &found.shown {
            Some(shown) => self.line("certificate", certificate(shown)),
            None => self.line("certificate", "none: no listener speaks TLS"),
        }
    }

    /// Every step of the decision: what was looked at, in which order, and what came of it.
    fn tell_steps(&mut self, found: &Found, asked: &Asked) {
        let parents = asked.host.parents().map(|parent| Pattern::Wildcard(parent.into()));
        let patterns = std::iter::once(Pattern::Exact(asked.host.as_str().into())).chain(parents);
        let mut holder = None;
        for pattern in patterns {
            let account = found.hosts.holder(&pattern);
            let by = account.as_ref().map_or("nobody".to_owned(), |account| account.name().to_string());
            let is_it = holder.is_none() && account.is_some();
            self.step(
                "held by",
                format_args!("{pattern}: {by}{}", if is_it { ", which decides" } else { "" }),
            );
            holder = holder.or(account);
        }
        let document = holder
            .as_ref()
            .and_then(|account| found.documents.iter().find(|document| document.name == *account.name()));
        let Some(document) = document else { return };
        let path = asked.path.as_bytes();
        for site in &document.sites {
            for address in site.addresses.iter().filter(|address| fits(&address.host, &asked.host)) {
                let covers = if address.path.covers(path) { "covers" } else { "does not cover" };
                let prefix = if address.path.as_str().is_empty() { "/" } else { address.path.as_str() };
                self.step(
                    "path",
                    format_args!("{}, {prefix} of site {} {covers} {}", address.host, site.name, asked.path),
                );
            }
        }
        let lists = [
            ("[deny] of the node", found.node.deny.is_some()),
            ("[allow] of the node", found.node.allow.is_some()),
            ("[deny] or [allow] of the account", !document.access.is_open()),
        ];
        let lists: Vec<&str> =
            lists.into_iter().filter(|(_, is_there)| *is_there).map(|(list, _)| list).collect();
        let visitors =
            if lists.is_empty() { "everybody".to_owned() } else { format!("by {}", lists.join(", ")) };
        self.step("let in", visitors);
        let limits = &document.limits;
        let queue = format!("{} more wait at most {}", limits.queue, written_duration(limits.queue_timeout));
        self.step("admitted", format_args!("{} requests at a time, {queue}", limits.in_flight));
        if let Some(shown) = &found.shown {
            self.step("certificate", format_args!("{}, the first of: {CERTIFICATE_ORDER}", shown.rank));
        }
    }

    fn step(&mut self, what: &str, text: impl std::fmt::Display) {
        self.line("", format_args!("{what:<LABEL_WIDTH$}{text}"));
    }

    /// Who holds the host, by which claim, and who else would like to.
    fn tell_holder(&mut self, found: &Found, asked: &Asked, name: &AccountName) {
        let exact = Pattern::Exact(asked.host.as_str().into());
        let wildcards = asked.host.parents().map(|parent| Pattern::Wildcard(parent.into()));
        let is_theirs =
            |pattern: &Pattern| found.hosts.holder(pattern).is_some_and(|holder| holder.name() == name);
        let why = match std::iter::once(exact).chain(wildcards).find(is_theirs) {
            Some(Pattern::Wildcard(parent)) => format!("held by *.{parent}, the longest wildcard over it"),
            _ => "held by its own name".to_owned(),
        };
        self.line("host", format_args!("{}, {why}", asked.host));
        self.line(
            "account",
            format_args!("{name}, {}", found.node.accounts.join(format!("{name}.toml")).display()),
        );
        let (mut contests, _) = found.claims.contests(usize::MAX);
        contests.sort_unstable();
        for contest in contests.iter().filter(|contest| covers(&contest.refusal.pattern, &asked.host)) {
            let Refusal { pattern, obstacle, holder } = &contest.refusal;
            let since = match found.remembered.holding(obstacle).filter(|holding| holding.account == *holder)
            {
                Some(holding) => format!("since {}", date(Duration::from_secs(holding.since))),
                None => "as the first by name: no running node has seen them".to_owned(),
            };
            let claim = format!("{} claims {pattern} too", contest.account);
            self.line("contested", format_args!("{claim} and waits: {holder} holds {obstacle} {since}"));
        }
    }

    /// No site answers, but the node for it.
    fn no_site(&mut self, answer: &str) {
        self.answers = false;
        self.line("answer", answer);
    }

    fn tell_site(&mut self, found: &Found, asked: &Asked, matched: &Matched) {
        let site = matched.site();
        let why = match matched.form.find(&asked.host, asked.path.as_bytes()) {
            account::Found::Site { prefix, .. } if !prefix.is_empty() => {
                format!(", by {prefix}, the longest path over {}", asked.path)
            }
            _ => String::new(),
        };
        self.line("site", format_args!("{}{why}", site.name));
        match matched.form.state {
            AccountState::Active => {}
            AccountState::Maintenance => return self.no_site("503: the account is in maintenance"),
            AccountState::Suspended => return self.no_site("403: the account is suspended"),
            AccountState::Moved => {
                let moved = matched.form.moved().map(|upstream| described(&upstream.spec()));
                return self.line("moved", moved.unwrap_or_default());
            }
        }
        match &site.action {
            Action::Answer(fixed) => self.line("answer", format_args!("{}, always the same", fixed.status)),
            Action::Forward(upstream) => self.line("upstream", described(&upstream.spec())),
            Action::Redirect(redirect) => {
                let location = redirect.location(matched.trim(asked.target.as_bytes()));
                self.line(
                    "answer",
                    format_args!("{} to {}", redirect.status, String::from_utf8_lossy(&location)),
                );
            }
        }
        let has_certificate = found.shown.as_ref().is_some_and(|shown| shown.rank != Rank::Default);
        if site.force_https {
            self.line("clear", if has_certificate { "redirected to https" } else { NOT_REDIRECTED });
        }
    }
}

/// Whether an address of this host pattern is one for the host.
fn fits(pattern: &HostPattern, host: &Host) -> bool {
    match pattern {
        HostPattern::Exact(exact) => exact == host,
        HostPattern::Wildcard(parent) => host.parents().any(|covering| covering == parent.as_str()),
    }
}

fn covers(pattern: &Pattern, host: &Host) -> bool {
    match pattern {
        Pattern::Exact(exact) => **exact == *host.as_str(),
        Pattern::Wildcard(parent) => host.parents().any(|covering| *covering == **parent),
    }
}

fn described(upstream: &Upstream) -> String {
    let scheme = if upstream.tls.is_some() { "https://" } else { "http://" };
    let address = match &upstream.address {
        UpstreamAddress::Ip(address) => address.to_string(),
        UpstreamAddress::Unix(path) => format!("unix:{}", path.display()),
        UpstreamAddress::Auto => "a socket of its program's own".to_owned(),
        UpstreamAddress::Url(url) => format!("{scheme}{url}"),
    };
    let protocol = match upstream.protocol {
        UpstreamProtocol::Http1 => "HTTP/1.1",
        UpstreamProtocol::H2c => "HTTP/2",
    };
    format!("{}, {protocol} at {address}, at most {} connections", upstream.name, upstream.connections)
}

fn certificate(shown: &Shown) -> String {
    let place = shown.entry.place.as_ref();
    let file = place.map_or_else(|| "self-signed".to_owned(), |place| place.path().display().to_string());
    if shown.rank == Rank::Default {
        return format!("{file}: {}", shown.rank);
    }
    format!("{file}: {}, valid until {}", shown.rank, date(shown.entry.certificate.validity().not_after))
}

fn date(at: Duration) -> String {
    let second =
        i64::try_from(at.as_secs()).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    second.map_or_else(|| "the end of time".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
}

/// Which certificate comes before which.
const CERTIFICATE_ORDER: &str = "attached to the name, to a wildcard; the account's for the name, a wildcard; the platform's for \
                                 the name, a wildcard; the default";

/// What `force_https` waits for.
const NOT_REDIRECTED: &str = "not redirected to https: only the default certificate is there";

/// What stands in front of a line's text.
const LABEL_WIDTH: usize = 13;
