//! A visitor's connection from the moment it is accepted to its end: TLS where the listener speaks it, then the
//! protocol that was agreed on. Accepts nothing and serves nothing itself.

use super::Accepted;
use super::turns::in_turn;
use crate::base::{AccountName, AddressText, Host, LocalAddr, now};
use crate::config::{Listen, Terms, TlsProfile};
use crate::limit::ConnectionGuard;
use crate::net::tls::{Handshake, HandshakeError, Protocol};
use crate::net::{self, Stream, within};
use crate::proxy::{Connection, Secured, Worker};
use crate::serve::{serve_http1, serve_http2};
use crate::telemetry::{ConnectionGauge, ConnectionProtocol, HandshakeFailure, TlsVersion, Visit};
use crate::tls::{Identity, Policies};
use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

/// Serves an accepted connection to its end. What the handshake needs is boxed and gone when it is done, so that the
/// task of an idle connection stays small.
pub fn serve(accepted: Accepted, worker: Rc<Worker>, policies: Arc<Policies>) -> impl Future<Output = ()> {
    let opening = Box::pin(open(accepted, worker, policies));
    async move {
        let Some(Opened { stream, protocol, connection, gauge, guard: _counted }) = opening.await else {
            return;
        };
        match protocol {
            Protocol::Http1 => {
                gauge.speaks(ConnectionProtocol::Http1);
                serve_http1(stream, connection).await;
            }
            Protocol::Http2 => {
                gauge.speaks(ConnectionProtocol::Http2);
                Box::pin(serve_http2(stream, connection)).await;
            }
        }
    }
}

/// A connection whose bytes are HTTP.
struct Opened {
    stream: Stream,
    protocol: Protocol,
    connection: Connection,
    gauge: ConnectionGauge,
    guard: ConnectionGuard,
}

/// Everything before the first request; `None` when the connection did not get that far.
async fn open(mut accepted: Accepted, worker: Rc<Worker>, policies: Arc<Policies>) -> Option<Opened> {
    let node = worker.node.load_full();
    let gauge = worker.metrics.connection(accepted.listen.tls);
    let deadline = accepted.at + node.timeouts.handshake;
    let secured = if accepted.listen.tls {
        let visit = accepted.visit.as_deref_mut();
        secure(accepted.stream, visit, &accepted.listen, accepted.local, &policies, &worker, deadline).await
    } else {
        Ok(Secure { stream: accepted.stream, tls: None, protocol: None })
    };
    let Secure { mut stream, tls, protocol } = match secured {
        Ok(secure) => secure,
        Err(failure) => {
            worker.metrics.handshake_failed(failure);
            tracing::debug!(client = %accepted.client, failure = failure.word(), "TLS handshake failed");
            return None;
        }
    };
    let protocol = agree(&mut stream, protocol, &accepted.listen, deadline).await?;
    let Accepted { peer, client, local, guard, visit, .. } = accepted;
    let client_text = AddressText::new(client.ip());
    let connection =
        Connection { worker, peer, client, client_text, local, tls, node, visit: Cell::new(visit) };
    Some(Opened { stream, protocol, connection, gauge, guard })
}

/// A connection after its handshake, or one that has none.
struct Secure {
    stream: Stream,
    tls: Option<Rc<dyn Secured>>,
    protocol: Option<Protocol>,
}

/// The TLS handshake: name → certificate and policy.
async fn secure(
    stream: Stream,
    mut visit: Option<&mut Visit>,
    listen: &Listen,
    local: LocalAddr,
    policies: &Policies,
    worker: &Worker,
    deadline: Instant,
) -> Result<Secure, HandshakeFailure> {
    let begun = now();
    let profile = worker.node.load().tls_profile;
    let mut identity = None;
    let choose = |hello: &rustls::server::ClientHello<'_>| {
        let choice = policies.choose(hello, local.0.ip(), listen.protocols, profile);
        identity = Some(choice.identity);
        if let (Some(visit), Some(name)) = (&mut visit, hello.server_name()) {
            visit.asks_for(name);
        }
        Ok::<_, Infallible>(choice.config)
    };
    let agreed = {
        // Pinned here: a future that awaits another one it holds is twice as large.
        let handshake = pin!(net::tls::accept(stream, choose));
        within(deadline, in_turn(handshake)).await
    };
    let (stream, handshake) = match agreed {
        Ok(Ok(agreed)) => agreed,
        Ok(Err(error)) => return Err(failure(&error)),
        Err(_) => return Err(HandshakeFailure::TimedOut),
    };
    let identity = identity.ok_or(HandshakeFailure::Invalid)?;
    let version = version(&handshake);
    worker.metrics.handshake(version, handshake.resumed, now().saturating_duration_since(begun));
    Ok(Secure {
        stream,
        protocol: Some(handshake.protocol.unwrap_or(Protocol::Http1)),
        tls: Some(Rc::new(Agreed { identity, version })),
    })
}

/// What a handshake agreed on, as requests ask for it.
struct Agreed {
    identity: Identity,
    version: TlsVersion,
}

impl Secured for Agreed {
    fn version(&self) -> TlsVersion {
        self.version
    }

    fn may_serve(&self, host: &Host, holder: Option<(&AccountName, Terms)>, is_http2: bool) -> bool {
        self.identity.may_serve(host, holder, is_http2)
    }

    fn satisfies(&self, profile: TlsProfile) -> bool {
        self.identity.satisfies(profile)
    }

    fn is_certified(&self, host: &Host) -> bool {
        self.identity.is_certified(host)
    }
}

fn version(handshake: &Handshake) -> TlsVersion {
    match handshake.version {
        rustls::ProtocolVersion::TLSv1_2 => TlsVersion::Tls12,
        _ => TlsVersion::Tls13,
    }
}

fn failure(error: &HandshakeError<Infallible>) -> HandshakeFailure {
    match error {
        HandshakeError::Io(_) => HandshakeFailure::ClientGone,
        HandshakeError::Tls(rustls::Error::InvalidMessage(_)) => HandshakeFailure::NotTls,
        HandshakeError::Tls(rustls::Error::PeerIncompatible(_)) => HandshakeFailure::Incompatible,
        HandshakeError::Tls(rustls::Error::AlertReceived(_)) => HandshakeFailure::Alert,
        HandshakeError::Tls(_) | HandshakeError::Choice(_) => HandshakeFailure::Invalid,
    }
}

/// What is spoken: as ALPN agreed; on a clear listener HTTP/1, or HTTP/2 where it is allowed and the first bytes
/// are its preface (RFC 9113 §3.3). `None` when the visitor left first.
async fn agree(
    stream: &mut Stream,
    agreed: Option<Protocol>,
    listen: &Listen,
    deadline: Instant,
) -> Option<Protocol> {
    if agreed.is_some() {
        return agreed;
    }
    match (listen.protocols.http1, listen.protocols.http2) {
        (_, false) => return Some(Protocol::Http1),
        (false, true) => return Some(Protocol::Http2),
        (true, true) => {}
    }
    let sniff = poll_fn(|cx| {
        loop {
            let received = stream.input().filled();
            let common = received.iter().zip(PREFACE).take_while(|(got, want)| got == want).count();
            if common == PREFACE.len() {
                return Poll::Ready(Ok(Protocol::Http2));
            }
            if common < received.len() {
                return Poll::Ready(Ok(Protocol::Http1));
            }
            match stream.poll_fill(cx) {
                Poll::Ready(Ok(0)) if stream.input().is_empty() => {
                    return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof)));
                }
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(Protocol::Http1)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    within(deadline, sniff).await.ok()?.ok()
}

/// How every HTTP/2 connection begins; no HTTP/1 request does.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// What a connection takes while it waits for a request, beside its socket and its TLS state.
    #[test]
    fn the_task_of_a_connection_is_small() {
        let bytes = future_bytes(serve);
        assert!(bytes <= 1024, "{bytes} bytes");
    }
}
