//! Opens connections to upstreams, and says whose fault it is when that fails.

use super::Upstream;
use crate::base::{Cause, Refusal, now};
use crate::config::{self, UpstreamAddress};
use crate::net::{Endpoint, Stream, within};
use rustix::io::Errno;
use std::io;
use std::time::Duration;

/// Connects to the address of `spec` within `patience`.
///
/// # Errors
/// `Refused`, `Unreachable`, `ConnectTimeout`, `DnsError`; `Overloaded` where the node itself lacks descriptors
/// or ports.
pub(super) async fn connect(
    upstream: &Upstream,
    spec: &config::Upstream,
    patience: Duration,
) -> Result<Stream, Refusal> {
    let refuse = |cause, why: &dyn std::fmt::Display| {
        let (account, name) = (upstream.account(), &spec.name);
        Refusal::new(cause, format!("upstream {account}/{name} at {}: {why}", Shown(&spec.address)))
    };
    if spec.tls.is_some() {
        return Err(refuse(Cause::UpstreamTls, &"https upstreams are not connected to yet"));
    }
    let endpoint = match &spec.address {
        UpstreamAddress::Ip(address) => Endpoint::Ip(*address),
        UpstreamAddress::Unix(path) => Endpoint::Unix(path.clone()),
        UpstreamAddress::Name(..) => return Err(refuse(Cause::DnsError, &"names are not resolved yet")),
    };
    match within(now() + patience, crate::net::connect(&endpoint)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(refuse(cause_of(&error), &error)),
        Err(_) => Err(refuse(Cause::ConnectTimeout, &format_args!("no answer within {patience:?}"))),
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
            UpstreamAddress::Name(host, port) => write!(f, "{host}:{port}"),
        }
    }
}
