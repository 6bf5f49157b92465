//! Documents for tests, without files.

use super::Form;
use crate::base::{AccountName, DocumentHash, Host, SiteAddress, SiteName, UpstreamName};
use crate::config::{
    AccountLimits, Document, Site, SiteAction, SiteLimits, Timeouts, Upstream, UpstreamAddress, UpstreamHost,
    UpstreamProtocol,
};
use std::time::Duration;

/// A document with one upstream `web`, and a site for each of `sites`: its name and addresses, of which the
/// wildcards are lent when the name starts with `lent`.
pub(crate) fn document(name: &str, sites: &[(&str, &[&str])]) -> Document {
    Document {
        limits: AccountLimits {
            in_flight: 10,
            queue: 10,
            queue_timeout: Duration::from_secs(1),
            tunnels: 10,
            rate: None,
            body_bytes: None,
            request_buffer: 0,
            response_buffer: 0,
            buffered_bytes: 0,
        },
        timeouts: timeouts(),
        upstreams: vec![upstream("web")],
        sites: sites.iter().map(|(name, addresses)| site(name, addresses)).collect(),
        ..Document::bare(AccountName::new(name).unwrap())
    }
}

/// The form of such a document.
pub(crate) fn form(name: &str, sites: &[(&str, &[&str])]) -> Form {
    Form::compile(&document(name, sites), DocumentHash([0; 32]), 1, None)
}

pub(crate) fn host(text: &str) -> Host {
    Host::parse(text.as_bytes()).unwrap()
}

pub(crate) fn upstream(name: &str) -> Upstream {
    Upstream {
        name: UpstreamName::new(name).unwrap(),
        address: UpstreamAddress::Ip("[::1]:9".parse().unwrap()),
        protocol: UpstreamProtocol::Http1,
        host: UpstreamHost::Visitor,
        tls: None,
        connections: 4,
        keep_alive: Duration::from_secs(4),
        program: None,
    }
}

fn site(name: &str, addresses: &[&str]) -> Site {
    Site {
        addresses: addresses.iter().map(|address| SiteAddress::parse(address).unwrap()).collect(),
        lend: name.starts_with("lent"),
        limits: SiteLimits { body_bytes: None },
        ..Site::bare(SiteName::new(name).unwrap(), SiteAction::Upstream(UpstreamName::new("web").unwrap()))
    }
}

fn timeouts() -> Timeouts {
    let long = Duration::from_secs(60);
    Timeouts {
        handshake: long,
        header: long,
        body_idle: long,
        body_min_rate: None,
        connect: long,
        response_header: long,
        response_idle: long,
        write_idle: long,
        idle: long,
        tunnel_idle: long,
        drain: long,
        drain_delay: long,
    }
}
