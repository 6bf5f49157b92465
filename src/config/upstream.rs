//! `[[upstream]]` of an account document.

use super::checked::{
    Outside, Program, Upstream, UpstreamAddress, UpstreamHost, UpstreamProtocol, UpstreamTls, UpstreamUrl,
};
use super::names::Names;
use super::reader::{Table, Value, Within};
use super::scalar::{Wrong, quoted};
use super::values::{Url, host_name, socket_address};
use super::{defaults as d, keys, program};
use crate::base::{Host, UpstreamName, special};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The upstreams of a document.
pub(super) struct Upstreams {
    /// Those that hold what they must.
    pub(super) checked: Vec<Upstream>,
    /// The names of all, so that a site that names a broken one is not told it does not exist.
    pub(super) names: Names,
}

/// Reads every `[[upstream]]`; `in_flight` and `own` address are the account's, `outside` is the node's.
pub(super) fn read(top: &Table<'_>, in_flight: u32, own: Option<IpAddr>, outside: &Outside) -> Upstreams {
    let mut names = Names::default();
    let mut checked = Vec::new();
    for table in &top.tables(&keys::UPSTREAM) {
        let name = names.read(table, &keys::UPSTREAM_NAME, UpstreamName::new);
        checked.extend(upstream(table, name, in_flight, own, outside));
    }
    Upstreams { checked, names }
}

fn upstream(
    table: &Table<'_>,
    name: Option<UpstreamName>,
    in_flight: u32,
    own: Option<IpAddr>,
    outside: &Outside,
) -> Option<Upstream> {
    let most = d::UPSTREAM_CONNECTIONS.most;
    let connections = Within::Default { default: in_flight.min(most), most };
    let connections = table.setting_within(&d::UPSTREAM_CONNECTIONS, connections);
    let keep_alive = table.setting(&d::KEEP_ALIVE);
    let target = table.get(&keys::UPSTREAM_ADDRESS).and_then(|value| target(value, own, outside));
    let is_https = target.as_ref().map(|target| target.tls_host.is_some());
    let protocol = protocol(table, is_https);
    let host = host(table, target.as_ref());
    let tls = tls(table, target.as_ref());
    let program = program(table, target.as_ref());
    Some(Upstream {
        name: name?,
        address: target?.address,
        protocol,
        host,
        tls,
        connections,
        keep_alive,
        program,
    })
}

/// Another node of the platform, which an account has moved to: found and spoken to like any upstream over TLS, by the
/// name of `moved_to`.
pub(super) fn moved_to(value: Value<'_, '_>, ca: Option<PathBuf>, in_flight: u32) -> Option<Upstream> {
    let url = platforms(value, true)?;
    let tls = UpstreamTls { server_name: certificate_name(&url.host), ca, verify: true };
    of_platform(MOVED, url, Some(tls), in_flight)
}

/// The server that answers challenges of ACME.
pub(super) fn acme(value: Value<'_, '_>) -> Option<Upstream> {
    of_platform("acme", platforms(value, false)?, None, ACME_CONNECTIONS)
}

/// The URL of a server of the platform's own, which may be anywhere.
fn platforms(value: Value<'_, '_>, is_https: bool) -> Option<UpstreamUrl> {
    let example = if is_https { "\"https://http7.host.test\"" } else { "\"http://[::1]:8089\"" };
    value.parse(|text| {
        let wrong =
            |what| Wrong::new(format!("{} {what}", quoted(text))).hint(format!("write it as in {example}"));
        let url = Url::parse(text).ok_or_else(|| wrong("is not a URL"))??;
        match (is_https, url.is_https) {
            (true, false) => return Err(wrong("is not https")),
            (false, true) => return Err(wrong("is https, and challenges are asked for in clear")),
            _ => {}
        }
        if !matches!(url.path, "" | "/") || !url.rest.is_empty() {
            return Err(wrong("has a path"));
        }
        Ok(UpstreamUrl {
            port: url.port_or_default(),
            has_default_port: url.has_default_port(),
            host: url.host,
            base: "".into(),
            is_platforms: true,
        })
    })
}

fn of_platform(name: &str, url: UpstreamUrl, tls: Option<UpstreamTls>, connections: u32) -> Option<Upstream> {
    Some(Upstream {
        name: UpstreamName::new(name).ok()?,
        address: UpstreamAddress::Url(Box::new(url)),
        protocol: UpstreamProtocol::Http1,
        host: UpstreamHost::Visitor,
        tls,
        connections,
        keep_alive: d::KEEP_ALIVE.default,
        program: None,
    })
}

/// Connections to whoever answers challenges: enough for an issuer's few servers, little for who floods it.
const ACME_CONNECTIONS: u32 = 16;

/// What the other node is called among the account's upstreams.
pub const MOVED: &str = "moved";

/// The program behind an upstream. It listens at an address of this machine.
fn program(table: &Table<'_>, target: Option<&Target>) -> Option<Box<Program>> {
    let address = target.map(|target| &target.address);
    let tls_host = target.and_then(|target| target.tls_host.as_ref());
    let program = program::program(table, address == Some(&UpstreamAddress::Auto));
    match (&program, address) {
        (None, Some(UpstreamAddress::Auto)) if !table.wrote(keys::UPSTREAM_COMMAND.name) => {
            let wrong = Wrong::new("\"auto\" is the address of a program that is started here");
            table.refuse_key(keys::UPSTREAM_ADDRESS.name, wrong.hint("say what is started with `command`"));
        }
        (Some(_), Some(UpstreamAddress::Url(url))) if tls_host.is_none() => {
            let wrong = Wrong::new(format!("a program that is started here is not found by a URL ({url})"));
            table.refuse_key(
                keys::UPSTREAM_ADDRESS.name,
                wrong.hint("write \"auto\", \"[::1]:8100\" or \"unix:/run/web.sock\""),
            );
        }
        _ => {}
    }
    if program.is_some() && tls_host.is_some() {
        let wrong = Wrong::new("a program that is started here is spoken to in clear");
        table.refuse_key(keys::UPSTREAM_ADDRESS.name, wrong.hint("write \"auto\" or \"[::1]:8100\""));
    }
    program
}

/// What an `address` says.
struct Target {
    address: UpstreamAddress,
    /// The host of an `https://` URL.
    tls_host: Option<Host>,
}

fn target(value: Value<'_, '_>, own: Option<IpAddr>, outside: &Outside) -> Option<Target> {
    match value.text()?.strip_prefix("unix:") {
        Some(path) => {
            let path = value.resolve(path)?;
            if path.as_os_str().len() > MAX_SOCKET_PATH_BYTES {
                let wrong = Wrong::new(format!("the path is longer than {MAX_SOCKET_PATH_BYTES} bytes"));
                value.refuse(wrong.hint("the kernel takes no longer path of a socket"));
            }
            Some(Target { address: UpstreamAddress::Unix(path), tls_host: None })
        }
        None => value.parse(|text| match Url::parse(text) {
            Some(url) => url_target(text, &url?, outside),
            None if text == "auto" => Ok(Target { address: UpstreamAddress::Auto, tls_host: None }),
            None => ip_target(text, own),
        }),
    }
}

fn url_target(text: &str, url: &Url<'_>, outside: &Outside) -> Result<Target, Wrong> {
    if !url.rest.is_empty() {
        let wrong = Wrong::new(format!("{} has a query or fragment, which is the visitor's", quoted(text)));
        return Err(wrong.hint("end the URL behind its path"));
    }
    if url.path.split('/').any(|segment| matches!(segment, "." | "..")) || url.path.contains("//") {
        let wrong = Wrong::new(format!("{} has a path that servers read in several ways", quoted(text)));
        return Err(wrong.hint("write it without `.`, `..` and `//`"));
    }
    let port = url.port_or_default();
    if let Some(ip) = url.host.ip() {
        let address = reachable(text, SocketAddr::new(ip, port))?;
        if let (Some(what), None) = (special(ip), outside.allows(address)) {
            let wrong = Wrong::new(format!("{} leads to an address that is {what}", quoted(text)));
            return Err(wrong.hint(format!(
                "an account's own server is written \"{address}\"; else list that in `allow` of [upstreams]"
            )));
        }
    }
    let target = UpstreamUrl {
        host: url.host.clone(),
        port,
        has_default_port: url.has_default_port(),
        base: url.path.trim_end_matches('/').into(),
        is_platforms: false,
    };
    let address = UpstreamAddress::Url(Box::new(target));
    Ok(Target { address, tls_host: url.is_https.then(|| url.host.clone()) })
}

fn ip_target(text: &str, own: Option<IpAddr>) -> Result<Target, Wrong> {
    let written = "write \"auto\", \"[::1]:8100\", \"unix:/run/web.sock\" or \"http://app.test:8100\"";
    if let Some(Ok(port)) = text.strip_prefix(':').map(str::parse::<u16>) {
        let Some(own) = own else {
            let wrong = Wrong::new(format!("{} is a port on the account's own address", quoted(text)));
            return Err(wrong.hint(format!("name that with `address` of [run], or write \"[::1]{text}\"")));
        };
        let address = UpstreamAddress::Ip(reachable(text, SocketAddr::new(own, port))?);
        return Ok(Target { address, tls_host: None });
    }
    if text.contains("://") {
        let wrong = Wrong::new(format!("{} has a scheme that no upstream has", quoted(text)));
        return Err(wrong.hint("write http:// or https://, and protocol = \"h2c\" for HTTP/2"));
    }
    if text.starts_with('/') {
        let wrong = Wrong::new(format!("{} is a path", quoted(text)));
        return Err(wrong.hint(format!("a socket is written {}", quoted(&format!("unix:{text}")))));
    }
    if text.starts_with(|c: char| c.is_ascii_alphabetic())
        && host_name(text.split(':').next().unwrap_or("")).is_ok()
    {
        let wrong = Wrong::new(format!("{} is neither an IP address with a port nor a URL", quoted(text)));
        return Err(wrong.hint(format!("a name is written as a URL: {}", quoted(&format!("http://{text}")))));
    }
    let address = socket_address(text).map_err(|wrong| Wrong::new(wrong.message).hint(written))?;
    Ok(Target { address: UpstreamAddress::Ip(reachable(text, address)?), tls_host: None })
}

/// An address to connect to, not to listen on.
fn reachable(text: &str, address: SocketAddr) -> Result<SocketAddr, Wrong> {
    if address.port() == 0 {
        return Err(Wrong::new(format!("{} has port 0", quoted(text))).hint("write the port it listens on"));
    }
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv4() { "127.0.0.1" } else { "[::1]" };
        let wrong = Wrong::new(format!("{} is an address to listen on, not one to connect to", quoted(text)));
        return Err(wrong.hint(format!("on this machine it is \"{loopback}:{}\"", address.port())));
    }
    Ok(address)
}

fn protocol(table: &Table<'_>, is_https: Option<bool>) -> UpstreamProtocol {
    let Some(value) = table.get(&keys::UPSTREAM_PROTOCOL) else { return UpstreamProtocol::Http1 };
    let protocol = value.choice(&[
        ("http1", Ok(UpstreamProtocol::Http1)),
        ("h2c", Ok(UpstreamProtocol::H2c)),
        ("h2", Err("HTTP/2 to upstreams is \"h2c\", with prior knowledge on a clear connection")),
        ("fastcgi", Err("upstreams speak HTTP: put the program behind an HTTP server")),
        ("uwsgi", Err("upstreams speak HTTP: start uWSGI with `http-socket`")),
    ]);
    if protocol == Some(UpstreamProtocol::H2c) && is_https == Some(true) {
        value.refuse(
            Wrong::new("\"h2c\" is clear and the address is https").hint("write \"http1\", or http://"),
        );
    }
    protocol.unwrap_or(UpstreamProtocol::Http1)
}

fn host(table: &Table<'_>, target: Option<&Target>) -> UpstreamHost {
    let Some(value) = table.get(&keys::UPSTREAM_HOST) else { return UpstreamHost::Visitor };
    let host = value.parse(|text| match text {
        "visitor" => Ok(UpstreamHost::Visitor),
        "upstream" => Ok(UpstreamHost::Upstream),
        name => host_name(name).map(|host| UpstreamHost::Named(Box::new(host))).map_err(|wrong| match wrong
            .hint
        {
            Some(_) => wrong,
            None => wrong.hint("write \"visitor\", \"upstream\" or a name"),
        }),
    });
    let is_socket = target
        .is_some_and(|target| matches!(target.address, UpstreamAddress::Unix(_) | UpstreamAddress::Auto));
    if host == Some(UpstreamHost::Upstream) && is_socket {
        value.refuse(Wrong::new("a unix socket has no host name").hint("write \"visitor\" or a name"));
    }
    host.unwrap_or(UpstreamHost::Visitor)
}

fn tls(table: &Table<'_>, target: Option<&Target>) -> Option<UpstreamTls> {
    let server_name = table.get(&keys::UPSTREAM_SERVER_NAME);
    let ca = table.get(&keys::UPSTREAM_CA);
    let tls_host = target.map(|target| target.tls_host.as_ref());
    if tls_host == Some(None) {
        let verify = table.wrote(d::VERIFY.name).then_some(d::VERIFY.name);
        let written = [server_name.map(|_| "server_name"), ca.map(|_| "ca"), verify];
        for key in written.into_iter().flatten() {
            table
                .refuse_key(key, Wrong::new("the address is not https").hint("remove it, or write https://"));
        }
    }
    let server_name = server_name.and_then(|value| value.parse(host_name));
    let verify = table.setting(&d::VERIFY);
    if let Some(ca) = ca.filter(|_| !verify) {
        ca.refuse(Wrong::new("`verify = false` asks for no roots").hint("remove one of the two"));
    }
    let ca = ca.and_then(|value| value.path_buf());
    let server_name = server_name.as_ref().or(tls_host.flatten())?;
    Some(UpstreamTls { server_name: certificate_name(server_name), ca, verify })
        .filter(|_| tls_host.flatten().is_some())
}

/// A host as a certificate names it: an IPv6 address without its brackets.
fn certificate_name(host: &Host) -> String {
    host.as_str().trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// What fits `sockaddr_un` with its closing NUL.
const MAX_SOCKET_PATH_BYTES: usize = 107;
