//! Opens connections to upstreams, and says whose fault it is when that fails.

use super::names::Addresses;
use super::parking::Stand;
use super::transport::Transport;
use super::{Reach, Upstream};
use crate::base::{Cause, Refusal, now};
use crate::config::{self, UpstreamAddress, UpstreamUrl};
use crate::net::owner::{self, Owner};
use crate::net::tls::HandshakeError;
use crate::net::{Endpoint, Stream, until, within};
use rustix::io::Errno;
use rustls::pki_types::ServerName;
use smallvec::SmallVec;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Connects to the address of `spec`, or of the instance that serves, within `patience`, and begins to speak its protocol.
///
/// # Errors
/// `Refused`, `Unreachable`, `ConnectTimeout`, `DnsError`, `Prohibited`; `Overloaded` where the node itself lacks
/// descriptors or ports.
pub(super) async fn connect(
    upstream: &Arc<Upstream>,
    spec: &config::Upstream,
    stand: Option<&Stand>,
    patience: Duration,
    reach: &Reach,
) -> Result<Transport, Refusal> {
    // Of a program it is the instance that knows: each may have an address of its own.
    let address = stand.map_or(&spec.address, |stand| &stand.address);
    let refuse = |cause, why: &dyn std::fmt::Display| {
        let (account, name) = (upstream.account(), &spec.name);
        Refusal::new(cause, format!("upstream {account}/{name} at {}: {why}", Shown(address)))
    };
    let deadline = now() + patience;
    let late = |_| refuse(Cause::ConnectTimeout, &format_args!("no answer within {patience:?}"));
    let stream = within(deadline, open(upstream, address, reach)).await.map_err(late)?;
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
    error: Box<dyn std::error::Error>,
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self { cause: cause_of(&error), error: error.into() }
    }
}

/// Connects to the address, or to one of those that a URL leads to.
async fn open(upstream: &Arc<Upstream>, address: &UpstreamAddress, reach: &Reach) -> Result<Stream, Failed> {
    match address {
        UpstreamAddress::Ip(address) => Ok(crate::net::connect(&Endpoint::Ip(*address)).await?),
        UpstreamAddress::Unix(path) => {
            let endpoint = Endpoint::Unix(path.clone());
            // A full queue is a server that has much to do. Whoever connects bounds the time.
            loop {
                match crate::net::connect(&endpoint).await {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        until(now() + FULL_PAUSE).await;
                    }
                    result => return Ok(result?),
                }
            }
        }
        UpstreamAddress::Auto => Err(io::Error::from(io::ErrorKind::NotFound).into()),
        UpstreamAddress::Url(url) => open_url(upstream, url, reach).await,
    }
}

/// Connects to what a URL leads to, as far as it may. Of several addresses the first that answers is taken, and one that
/// does not is not waited for alone.
async fn open_url(upstream: &Arc<Upstream>, url: &UpstreamUrl, reach: &Reach) -> Result<Stream, Failed> {
    let found = match url.host.ip() {
        Some(ip) => Addresses::from_slice(&[ip]),
        None => reach
            .names
            .addresses(upstream, &url.host)
            .await
            .map_err(|why| Failed { cause: Cause::DnsError, error: why.into() })?,
    };
    let mut open_to_all: SmallVec<[SocketAddr; 4]> = SmallVec::new();
    let mut refused = None;
    for ip in found {
        let address = SocketAddr::new(ip, url.port);
        match if url.is_platforms { Ok(()) } else { reach.check(upstream.account(), address) } {
            Ok(()) if open_to_all.len() < MOST_ADDRESSES => open_to_all.push(address),
            Ok(()) => break,
            Err(why) => {
                refused = Some(format!("it leads to {ip}, {why}; `allow` of [upstreams] does not list it"));
            }
        }
    }
    match (open_to_all.is_empty(), refused) {
        (false, _) => Ok(crate::net::connect_to_one_of(&open_to_all).await?),
        (true, Some(why)) => Err(Failed { cause: Cause::Prohibited, error: why.into() }),
        (true, None) => Err(Failed { cause: Cause::DnsError, error: "the name has no address".into() }),
    }
}

/// Whose socket took the connection; of TCP, who takes connections now.
fn owner_of(stream: &mut Stream, address: &UpstreamAddress) -> io::Result<Option<Owner>> {
    match address {
        UpstreamAddress::Ip(address) => owner::taker(*address),
        UpstreamAddress::Unix(_) => owner::peer(stream.socket()).map(Some),
        UpstreamAddress::Auto | UpstreamAddress::Url(_) => Ok(None),
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
            UpstreamAddress::Url(url) => url.fmt(f),
        }
    }
}

/// How long a server with a full queue is left alone.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// Addresses of a name that are tried for one connection.
const MOST_ADDRESSES: usize = 4;

#[cfg(test)]
mod tests;
