//! Where a request belongs, and whether this connection may ask for it there. The place is found once; the form
//! it was found in is kept to the request's end, whatever changes meanwhile.

use super::connection::Connection;
use super::record::Record;
use crate::answer::Answer;
use crate::base::{Authority, Buffer, Cause, Refusal};
use crate::config::Listen;
use crate::message::{RequestHead, push_authority};
use crate::route::{Matched, Resolution};

/// The site that has the request's host and path: its account's, or for a host that nobody holds the node's
/// default site. Never the default site for a held host.
///
/// # Errors
/// `UnknownHost`, and `UnknownPath` in the account's name.
pub fn find(connection: &Connection, head: &RequestHead, record: &mut Record) -> Result<Matched, Refusal> {
    match connection.worker.hosts.resolve(&head.authority().host, head.path()) {
        Resolution::Site(matched) => {
            record.found(&matched.account, matched.site().log_format);
            Ok(matched)
        }
        Resolution::NoPath { account, .. } => {
            record.belongs_to(&account);
            Err(Cause::UnknownPath.into())
        }
        Resolution::UnknownHost => Err(Cause::UnknownHost.into()),
    }
}

/// The SNI ≠ Host rule: 421 where this connection may not ask for the host.
pub fn check_connection(connection: &Connection, head: &RequestHead, place: &Matched) -> Result<(), Refusal> {
    let Some(tls) = &connection.tls else {
        return Ok(());
    };
    let holder = (!place.is_default).then(|| (place.account.name(), place.form.tls_profile));
    if tls.may_serve(&head.authority().host, holder) {
        return Ok(());
    }
    Err(Refusal::new(Cause::Misdirected, "the connection's certificate and policy do not cover this host"))
}

/// The value of the site's `Strict-Transport-Security`, over TLS alone (RFC 6797 §7.2).
pub fn hsts<'a>(connection: &Connection, place: &'a Matched) -> Option<&'a [u8]> {
    connection.tls.as_ref()?;
    place.site().hsts.as_ref().map(http::HeaderValue::as_bytes)
}

/// `answer` with the site's `Strict-Transport-Security`, where it is sent.
pub fn with_hsts(connection: &Connection, place: &Matched, answer: Answer) -> Answer {
    match hsts(connection, place) {
        Some(value) => answer.with("strict-transport-security", value),
        None => answer,
    }
}

/// The same address over TLS: 301 where the method is safe, 308 where it must not change (RFC 9110 §15.4).
pub fn https_redirect(connection: &Connection, head: &RequestHead) -> Answer {
    let mut location = Buffer::new();
    location.extend(b"https://");
    push_authority(
        &mut location,
        &Authority { host: head.authority().host.clone(), port: https_port(connection) },
    );
    if head.path_and_query().first() == Some(&b'/') {
        location.extend(head.path_and_query());
    }
    Answer::redirect(if head.is_safe() { 301 } else { 308 }, location.filled())
}

/// The port that `https` is served on, where it is not the usual one.
fn https_port(connection: &Connection) -> Option<u16> {
    if connection.local.0.port() == 80 {
        return None;
    }
    let tls = |listen: &&Listen| listen.tls;
    connection.node.listen.iter().find(tls).map(|listen| listen.address.port()).filter(|port| *port != 443)
}
