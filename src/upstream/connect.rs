//! Opens connections to upstreams, and says whose fault it is when that fails.

use super::Upstream;
use super::parking::Stand;
use super::transport::Transport;
use crate::base::{Cause, Refusal, now};
use crate::config::{self, UpstreamAddress};
use crate::net::owner::{self, Owner};
use crate::net::tls::HandshakeError;
use crate::net::{Endpoint, Stream, until, within};
use rustix::io::Errno;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Connects to the address of `spec`, or of the instance that serves, within `patience`, and begins to speak its protocol.
///
/// # Errors
/// `Refused`, `Unreachable`, `ConnectTimeout`, `DnsError`; `Overloaded` where the node itself lacks descriptors
/// or ports.
pub(super) async fn connect(
    upstream: &Upstream,
    spec: &config::Upstream,
    stand: Option<&Stand>,
    patience: Duration,
) -> Result<Transport, Refusal> {
    // Of a program it is the instance that knows: each may have an address of its own.
    let address = stand.map_or(&spec.address, |stand| &stand.address);
    let refuse = |cause, why: &dyn std::fmt::Display| {
        let (account, name) = (upstream.account(), &spec.name);
        Refusal::new(cause, format!("upstream {account}/{name} at {}: {why}", Shown(address)))
    };
    let deadline = now() + patience;
    let late = |_| refuse(Cause::ConnectTimeout, &format_args!("no answer within {patience:?}"));
    let stream = within(deadline, open(address)).await.map_err(late)?;
    let mut stream = stream.map_err(|failed| refuse(failed.cause, &failed.error))?;
    if let Some(holder) = stand.and_then(|stand| stand.holder.as_ref()) {
        // Its program may have given it up since it was ready, and somebody else have taken it.
        match owner_of(&mut stream, address) {
            Ok(Some(owner)) if holder.has(owner) => {}
            Ok(Some(owner)) => return Err(refuse(Cause::Refused, &format_args!("it is taken by {owner}"))),
            Ok(None) => return Err(refuse(Cause::Refused, &"nobody listens there any more")),
            Err(error) => {
                // The node's own trouble, such as no descriptor left: it says nothing of the program.
                return Err(refuse(Cause::Overloaded, &format_args!("whose it is cannot be told: {error}")));
            }
        }
    }
    let Some(tls) = &spec.tls else {
        let begun = within(deadline, Transport::begin(stream, spec.protocol)).await.map_err(late)?;
        return begun.map_err(|error| refuse(Cause::Closed, &error));
    };
    let config = match &*upstream.security() {
        Some(Ok(config)) => Arc::clone(config),
        Some(Err(why)) => return Err(refuse(Cause::UpstreamCertificate, why)),
        None => return Err(refuse(Cause::UpstreamTls, &"its settings are just changing")),
    };
    let name =
        ServerName::try_from(tls.server_name.clone()).map_err(|error| refuse(Cause::UpstreamTls, &error))?;
    match within(deadline, crate::net::tls::connect(stream, config, name)).await.map_err(late)? {
        Ok((stream, _)) => Ok(Transport::Http1(stream)),
        Err(HandshakeError::Tls(error @ rustls::Error::InvalidCertificate(_))) => {
            Err(refuse(Cause::UpstreamCertificate, &error))
        }
        Err(error) => Err(refuse(Cause::UpstreamTls, &error)),
    }
}

/// Why no address of an upstream was connected to.
struct Failed {
    cause: Cause,
    error: io::Error,
}

/// Connects to the address, to one after the other where it is a name with several.
async fn open(address: &UpstreamAddress) -> Result<Stream, Failed> {
    let connected =
        |result: io::Result<Stream>| result.map_err(|error| Failed { cause: cause_of(&error), error });
    let (host, port) = match address {
        UpstreamAddress::Ip(address) => return connected(crate::net::connect(&Endpoint::Ip(*address)).await),
        UpstreamAddress::Unix(path) => {
            let endpoint = Endpoint::Unix(path.clone());
            // A full queue is a server that has much to do. Whoever connects bounds the time.
            loop {
                match crate::net::connect(&endpoint).await {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        until(now() + FULL_PAUSE).await;
                    }
                    result => return connected(result),
                }
            }
        }
        UpstreamAddress::Auto => return connected(Err(io::ErrorKind::NotFound.into())),
        UpstreamAddress::Name(host, port) => (host, *port),
    };
    // The resolver may read files and wait: the runtime asks it on a thread of its own.
    let unknown = |error| Failed { cause: Cause::DnsError, error };
    let found = tokio::net::lookup_host((host.as_str(), port)).await.map_err(unknown)?;
    let mut result = Err(unknown(io::Error::other("the name has no address")));
    for address in found.take(MOST_ADDRESSES) {
        result = connected(crate::net::connect(&Endpoint::Ip(address)).await);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Whose socket took the connection; of TCP, who takes connections now.
fn owner_of(stream: &mut Stream, address: &UpstreamAddress) -> io::Result<Option<Owner>> {
    match address {
        UpstreamAddress::Ip(address) => owner::taker(*address),
        UpstreamAddress::Unix(_) => owner::peer(stream.socket()).map(Some),
        UpstreamAddress::Auto | UpstreamAddress::Name(..) => Ok(None),
    }
}

/// What an error of connecting says about the upstream.
fn cause_of(error: &io::Error) -> Cause {
    match Errno::from_io_error(error) {
        // A unix socket that is not there, or that nobody listens on any more, is a program that does not run.
        Some(Errno::CONNREFUSED | Errno::CONNRESET | Errno::NOENT) => Cause::Refused,
        Some(Errno::TIMEDOUT) => Cause::ConnectTimeout,
        // Descriptors, memory, local ports.
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::ADDRNOTAVAIL) => {
            Cause::Overloaded
        }
        _ => Cause::Unreachable,
    }
}

struct Shown<'a>(&'a UpstreamAddress);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            UpstreamAddress::Ip(address) => address.fmt(f),
            UpstreamAddress::Unix(path) => write!(f, "unix:{}", path.display()),
            UpstreamAddress::Auto => f.write_str("its program's socket"),
            UpstreamAddress::Name(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// How long a server with a full queue is left alone.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// Addresses of a name that are tried for one connection, in the resolver's order.
const MOST_ADDRESSES: usize = 4;

#[cfg(test)]
mod tests;
