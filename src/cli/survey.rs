//! What a node's files come to, without running it: the accounts as a cold start would enter them into the host
//! table, and the certificates.

use super::check;
use super::output::complain;
use crate::account::{Account, Claim, Form};
use crate::base::{AccountName, DocumentHash, wall};
use crate::config::{self, AttachedCertificate, Document, Node};
use crate::control::Journal;
use crate::route::{Claims, Decision, DefaultSite, Hosts, Remembered};
use crate::tls::{CertificateSettings, Certificates};
use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

/// The node of `file`, for whoever looks for what is broken: where the file has mistakes that is said in one line, and what is
/// wrong counts as not written. One that cannot be read, or names no directory of accounts, is refused.
pub(super) fn node(file: &Path) -> Result<Node, ExitCode> {
    let report = match config::load_node(file) {
        Ok(node) => return Ok(node),
        Err(report) => report,
    };
    match config::examine(file, |_| ()).0 {
        Some(node) if node.accounts != Path::new("") => {
            complain!("parvis: {}. What is wrong counts as not written", check::mistakes(&report));
            Ok(node)
        }
        _ => Err(check::refuse(&report)),
    }
}

/// A list that the threads of a reading add to.
pub(super) struct Gathered<T>(Mutex<Vec<T>>);

impl<T> Gathered<T> {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Adds an item.
    pub(super) fn push(&self, item: T) {
        // A thread that panicked has left nothing half done: items are only added.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(item);
    }

    /// The items, in the order of `key`: what was read first is chance.
    pub(super) fn sorted_by_key<K: Ord>(self, key: impl FnMut(&T) -> K) -> Vec<T> {
        let mut items = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        items.sort_by_key(key);
        items
    }
}

/// The compiled form of a document.
pub(super) fn form(document: &Document) -> Form {
    Form::compile(document, DocumentHash([0; 32]), 1, None)
}

/// What the node remembers of who holds what. Where its journal cannot be read, that is said, and a host that two
/// accounts claim is the first's by name.
pub(super) fn remembered(node: &Node) -> Remembered {
    Journal::peek(&node.state).unwrap_or_else(|error| {
        let state = node.state.display();
        complain!("parvis: who was first is not known: the claims journal in {state}: {error}");
        Remembered::default()
    })
}

/// Who holds what, by what is remembered.
pub(super) fn claims(remembered: &Remembered, documents: &[(AccountName, Vec<Claim>)]) -> Claims {
    let (claims, _) = Claims::restore(remembered.clone(), documents);
    claims
}

/// The host table of a node with these documents, sorted by account; and who waits for what.
pub(super) fn hosts(node: &Node, remembered: &Remembered, documents: &[Document]) -> (Hosts, Claims) {
    let hosts = Hosts::new();
    let forms: Vec<Form> = documents.iter().map(form).collect();
    let wanted: Vec<(AccountName, Vec<Claim>)> = documents
        .iter()
        .zip(&forms)
        .map(|(document, form)| (document.name.clone(), form.claims().collect()))
        .collect();
    let claims = claims(remembered, &wanted);
    for (form, (name, wanted)) in forms.into_iter().zip(&wanted) {
        let refused = claims.refusals(name, wanted);
        let refused_patterns: HashSet<_> = refused.iter().map(|refusal| refusal.pattern.clone()).collect();
        let held =
            wanted.iter().map(|claim| &claim.pattern).filter(|pattern| !refused_patterns.contains(*pattern));
        let decision = Decision { enter: held.cloned().collect(), refused, ..Decision::default() };
        let account = Account::new(name.clone(), form.emptied());
        hosts.publish(&account, form.refusing(refused_patterns), &decision);
    }
    let default_site = node.default_site.clone();
    hosts.set_default_site(default_site.map(|(account, site)| DefaultSite { account, site }));
    (hosts, claims)
}

/// The certificates of a node, those included that documents attach.
///
/// # Errors
/// Where no self-signed default can be made.
pub(super) fn certificates<'d>(
    node: &Node,
    attached: impl Iterator<Item = (&'d AccountName, &'d [AttachedCertificate])>,
) -> Result<Certificates, String> {
    let settings = CertificateSettings {
        directory: node.certificates.clone(),
        default: node.default_certificate.clone(),
    };
    let opened = Certificates::open(settings, wall());
    let mut certificates = opened.map_err(|error| format!("no default certificate can be made: {error}"))?;
    for (account, tables) in attached.filter(|(_, tables)| !tables.is_empty()) {
        certificates.attach(account, tables, wall());
    }
    Ok(certificates)
}
