//! Where a request belongs, and whether this connection may ask for it there. The place is found once; the form
//! it was found in is kept to the request's end, whatever changes meanwhile.

use super::asker::Asker;
use super::connection::Connection;
use super::record::Record;
use crate::answer::Answer;
use crate::base::{Authority, Buffer, Cause, ClientAddr, Refusal, TrustName, now};
use crate::limit::VisitorGuard;
use crate::message::{RequestHead, Scheme, Version, push_authority};
use crate::route::{Matched, Resolution};
use std::net::SocketAddr;

/// The site that has the request's host and path: its account's, or for a host that nobody holds the node's
/// default site. Never the default site for a held host. With the account it is known who asks.
///
/// # Errors
/// `UnknownHost`, and `UnknownPath` in the account's name.
pub fn find(connection: &Connection, head: &RequestHead, record: &mut Record) -> Result<Matched, Refusal> {
    match connection.worker.hosts.resolve(&head.authority().host, head.path(), connection.local.0.ip()) {
        Resolution::Site(matched) => {
            record.believe(connection, head, &matched.form.trust);
            record.found(&matched.account, matched.site());
            Ok(matched)
        }
        Resolution::NoPath { account, form } => {
            record.believe(connection, head, &form.trust);
            record.belongs_to(&account);
            Err(Cause::UnknownPath.into())
        }
        Resolution::UnknownHost => {
            record.believe(connection, head, &[]);
            Err(Cause::UnknownHost.into())
        }
    }
}

/// Whether the node and the account let the visitor in: 403 where one of them does not. Of an account that has moved
/// the other node decides.
pub fn check_visitor(connection: &Connection, place: &Matched, asker: &Asker) -> Result<(), Refusal> {
    if connection.worker.lists.rules().is_some_and(|rules| !rules.access.lets_in(asker.ip)) {
        return Err(Refusal::new(Cause::Denied, "by the node's list"));
    }
    let access = place.form.access.as_ref().filter(|_| place.form.moved().is_none());
    if access.is_some_and(|access| !access.lets_in(asker.ip)) {
        return Err(Refusal::new(Cause::Denied, "by the account's list"));
    }
    Ok(())
}

/// Counts the request against its visitor, where a proxy that is believed names one; who comes directly was counted with the
/// connection.
///
/// # Errors
/// `ClientLimit` where the visitor has as many as one may have.
pub fn count_visitor(connection: &Connection, asker: &Asker) -> Result<Option<VisitorGuard>, Refusal> {
    if asker.ip == connection.client.ip() {
        return Ok(None);
    }
    let (worker, key) = (&connection.worker, ClientAddr(SocketAddr::new(asker.ip, 0)).key());
    let counted = worker.clients.visitor(key, &worker.node.load().limits, now());
    counted.map(Some).map_err(|_| Refusal::new(Cause::ClientLimit, "as many at once as one visitor may have"))
}

/// The SNI ≠ Host rule: 421 where this connection may not ask for the host. In clear nothing but the protocol counts.
pub fn check_connection(connection: &Connection, head: &RequestHead, place: &Matched) -> Result<(), Refusal> {
    let is_http2 = head.version() == Version::Http2;
    let holder = (!place.is_default).then(|| (place.account.name(), place.form.terms));
    let Some(tls) = &connection.tls else {
        if is_http2 && holder.is_some_and(|(_, terms)| !terms.protocols.http2) {
            return Err(Refusal::new(Cause::VersionNotSupported, "the account does not speak HTTP/2"));
        }
        return Ok(());
    };
    if tls.may_serve(&head.authority().host, holder, is_http2) {
        return Ok(());
    }
    // A proxy that is believed brings many visitors by one name, its own or ours: it is nobody who could be led astray.
    let peer = connection.client.ip();
    let is_believed = |trust: &[TrustName]| {
        connection.worker.lists.rules().is_some_and(|rules| rules.believes(peer, trust).is_some())
    };
    if holder.is_some_and(|(_, terms)| tls.satisfies(terms.tls_profile)) && is_believed(&place.form.trust) {
        return Ok(());
    }
    Err(Refusal::new(Cause::Misdirected, "the connection's certificate and policy do not cover this host"))
}

/// The value of the site's `Strict-Transport-Security`, for visitors over TLS alone (RFC 6797 §7.2), and only where the
/// visitor was shown a certificate for the host or, behind a proxy that speaks to us in clear, would be here: a promise
/// that cannot be kept locks everybody out.
pub fn hsts<'a>(
    connection: &Connection,
    head: &RequestHead,
    place: &'a Matched,
    asker: &Asker,
) -> Option<&'a [u8]> {
    // Of an account that has moved the other node says what its sites promise.
    let promises = asker.scheme == Scheme::Https && place.form.moved().is_none();
    let value = place.site().hsts.as_ref().filter(|_| promises)?;
    let is_certified = match &connection.tls {
        Some(tls) => tls.is_certified(&head.authority().host),
        None => is_certified(connection, head, place),
    };
    is_certified.then_some(value.as_bytes())
}

/// Whether a visitor who came for the host over TLS would be shown a certificate for it.
fn is_certified(connection: &Connection, head: &RequestHead, place: &Matched) -> bool {
    let holder = (!place.is_default).then(|| place.account.name());
    connection.worker.certificates.is_certified(&head.authority().host, holder)
}

/// `answer` with the site's `Strict-Transport-Security`, where it is sent.
pub fn with_hsts(
    connection: &Connection,
    head: &RequestHead,
    place: &Matched,
    asker: &Asker,
    answer: Answer,
) -> Answer {
    match hsts(connection, head, place, asker) {
        Some(value) => answer.with("strict-transport-security", value),
        None => answer,
    }
}

/// Whether the request must come again over TLS. Not before there is a certificate for its host: a redirect to a
/// warning helps nobody.
pub fn forces_https(connection: &Connection, head: &RequestHead, place: &Matched, asker: &Asker) -> bool {
    place.site().force_https && asker.scheme == Scheme::Http && is_certified(connection, head, place)
}

/// The same address over TLS: 301 where the method is safe, 308 where it must not change (RFC 9110 §15.4).
pub fn https_redirect(connection: &Connection, head: &RequestHead) -> Answer {
    let mut location = Buffer::new();
    location.extend(b"https://");
    let Authority { host, port } = head.authority();
    push_authority(&mut location, &Authority { host: host.clone(), port: https_port(connection, *port) });
    if head.path_and_query().first() == Some(&b'/') {
        location.extend(head.path_and_query());
    }
    Answer::redirect(if head.is_safe() { 301 } else { 308 }, location.filled())
}

/// The port to name in an `https` address, for a visitor who named `port`: none for one who came to the usual port,
/// wherever the address translation in front of us took it; else that of the node's TLS listener.
fn https_port(connection: &Connection, port: Option<u16>) -> Option<u16> {
    port.filter(|port| *port != 80)?;
    let tls = connection.node.listen.iter().find(|listen| listen.tls);
    // Port 0 was left to the kernel, which told the listeners alone.
    tls.map(|listen| listen.address.port()).filter(|port| ![0, 443].contains(port))
}
