//! The node file: tree → [`Node`].

use super::checked::{
    Acme, Admin, Allowed, HeadLimits, Launcher, Legal, Limits, Listen, LivePage, LogOutput, Logs, MutualTls,
    Node, Outside, Protocols, Retention, Switches, Timeouts, TlsProfile, bytes,
};
use super::machine::Machine;
use super::nearest::nearest;
use super::reader::{Table, Value, Word};
use super::report::Report;
use super::scalar::{Auto, Wrong, quoted};
use super::setting::Key;
use super::source::{Of, Source};
use super::values::{host_name, network, socket_address};
use super::{defaults as d, keys, networks, program, tracing, upstream};
use crate::base::{AccountName, SiteName};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};

/// The node that a text describes, with defaults where it is wrong, and what is wrong. Reads no file.
pub(super) fn examine(file: &Path, text: &str, machine: &Machine) -> (Node, Report) {
    let source = Source::new(file, text);
    let tree = source.parse();
    let top = Table::open(&source, &tree, &keys::NODE_FILE);
    let node = read(&source, &top, machine);
    (node, source.finish().err().unwrap_or_default())
}

fn read(source: &Source<'_>, top: &Table<'_>, machine: &Machine) -> Node {
    let node = top.table(&keys::NODE);
    let certificates = top.table(&keys::CERTIFICATES);
    let (accounts, default_site) = accounts(top);
    let (deny, allow) = networks::access(top);
    let switches = top.table(&keys::SWITCHES);
    let logs = logs(&top.table(&keys::LOGS));
    let state = path(&node, &keys::NODE_STATE).unwrap_or_else(|| d::STATE.into());
    Node {
        file: source.file().to_owned(),
        name: node
            .get(&keys::NODE_NAME)
            .and_then(|value| value.parse(host_name))
            .map(|name| name.to_string())
            .or_else(|| machine.name.clone())
            .unwrap_or_else(|| "parvis".to_owned()),
        workers: match node.setting(&d::WORKERS) {
            Auto::Auto => machine.processors.max(1),
            Auto::Fixed(workers) => workers as usize,
        },
        user: node.get(&keys::NODE_USER).and_then(|value| value.parse(user)),
        tls_profile: tls_profile(node.get(&keys::NODE_TLS_PROFILE)).unwrap_or(TlsProfile::Intermediate),
        listen: listeners(top),
        accounts,
        default_site,
        certificates: path(&certificates, &keys::CERTIFICATES_DIRECTORY),
        default_certificate: path(&certificates, &keys::CERTIFICATES_DEFAULT),
        trust: networks::trust(top),
        deny,
        allow,
        admin: admin(&top.table(&keys::ADMIN)),
        metrics: top.table(&keys::METRICS).get(&keys::METRICS_ADDRESS).and_then(|v| v.parse(socket_address)),
        acme: acme(&top.table(&keys::ACME)),
        upstreams: outside(&top.table(&keys::UPSTREAMS)),
        launcher: launcher(&top.table(&keys::LAUNCHER), &state),
        state,
        tracing: tracing::read(&top.table(&keys::TRACING)),
        legal: legal(&top.table(&keys::LEGAL), &logs),
        logs,
        pages: path(&top.table(&keys::PAGES), &keys::PAGES_DIRECTORY),
        switches: Switches {
            splice: switches.setting(&d::SPLICE),
            upstream_keepalive: switches.setting(&d::UPSTREAM_KEEPALIVE),
        },
        limits: limits(&top.table(&keys::NODE_LIMITS), mends(&switches), machine),
        timeouts: timeouts(&top.table(&keys::NODE_TIMEOUTS)),
    }
}

fn admin(table: &Table<'_>) -> Admin {
    Admin {
        socket: path(table, &keys::ADMIN_SOCKET).or_else(|| Some(d::ADMIN_SOCKET.into())),
        recent_requests: table.setting(&d::RECENT_REQUESTS) as usize,
        page: live_page(table),
    }
}

/// The live page tells of every account: it is shown to this machine, or to who has a certificate.
fn live_page(table: &Table<'_>) -> Option<LivePage> {
    let files = [&keys::ADMIN_PAGE_CERTIFICATE, &keys::ADMIN_PAGE_CLIENT_CA].map(|key| table.get(key));
    let [certificate, client_ca] = files.map(|value| value.and_then(|value| value.path_buf()));
    let value = table.get(&keys::ADMIN_PAGE)?;
    let address = value.parse(socket_address)?;
    let mutual = match (certificate, client_ca) {
        (Some(certificate), Some(client_ca)) => Some(MutualTls { certificate, client_ca }),
        (None, None) if address.ip().is_loopback() => None,
        _ => {
            let wrong = Wrong::new(format!("{address} shows every account to whoever comes"));
            value.refuse(wrong.hint(
                "write a loopback address as in \"[::1]:9146\", or page_certificate and page_client_ca",
            ));
            return None;
        }
    };
    Some(LivePage { address, mutual })
}

fn accounts(top: &Table<'_>) -> (PathBuf, Option<(AccountName, SiteName)>) {
    let accounts = top.table(&keys::ACCOUNTS);
    if !accounts.is_present() {
        let wrong =
            Wrong::new("`[accounts]` is missing").hint("write [accounts] and directory = \"accounts.d\"");
        top.refuse(Of::Absence, wrong);
        return (PathBuf::new(), None);
    }
    let default_site = accounts.get(&keys::ACCOUNTS_DEFAULT_SITE).and_then(|value| value.parse(default_site));
    (path(&accounts, &keys::ACCOUNTS_DIRECTORY).unwrap_or_default(), default_site)
}

fn default_site(text: &str) -> Result<(AccountName, SiteName), Wrong> {
    let wrong = || Wrong::new(format!("{} names no site", quoted(text))).hint("write \"ACCOUNT/SITE\"");
    let (account, site) = text.split_once('/').ok_or_else(wrong)?;
    Ok((AccountName::new(account).map_err(|_| wrong())?, SiteName::new(site).map_err(|_| wrong())?))
}

fn listeners(top: &Table<'_>) -> Vec<Listen> {
    let tables = top.tables(&keys::LISTEN);
    if tables.is_empty() {
        let wrong = Wrong::new("`[[listen]]` is missing").hint("write [[listen]] and address = \"[::]:443\"");
        top.refuse(Of::Absence, wrong);
    }
    let mut listeners: Vec<Listen> = Vec::with_capacity(tables.len());
    for table in &tables {
        let listener = listener(table);
        let address = listener.address;
        if address.port() != 0
            && let Some(first) = listeners.iter().position(|listener| listener.address == address)
        {
            table.refuse(Of::Value, Wrong::new(format!("{address} is already listen[{first}]")));
        }
        listeners.push(listener);
    }
    listeners
}

fn listener(table: &Table<'_>) -> Listen {
    let address = table.get(&keys::LISTEN_ADDRESS).and_then(|value| value.parse(socket_address));
    let tls = table.setting(&d::TLS);
    if !table.wrote(d::TLS.name) && address.is_some_and(|address| address.port() == HTTPS_PORT) {
        let wrong = Wrong::new("port 443 and not a word about TLS");
        table.refuse(Of::Absence, wrong.hint("write tls = true, or tls = false if that is meant"));
    }
    Listen {
        address: address.unwrap_or(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0)),
        tls,
        protocols: match table.get(&keys::LISTEN_PROTOCOLS) {
            Some(value) => protocols(value, tls),
            None => Protocols { http1: true, http2: tls },
        },
        proxy_protocol_from: match table.get(&keys::LISTEN_PROXY) {
            Some(value) => value.items(MAX_NETWORKS).filter_map(|item| item.parse(network)).collect(),
            None => Vec::new(),
        },
    }
}

fn protocols(value: Value<'_, '_>, tls: bool) -> Protocols {
    const H3: Word<bool> = ("h3", Err("this version does not speak HTTP/3 yet"));
    const HTTP1: Word<bool> = ("http/1.1", Ok(false));
    let over_tls = [("h2", Ok(true)), HTTP1, ("h2c", Err("with tls = true the word is \"h2\"")), H3];
    let clear =
        [("h2c", Ok(true)), HTTP1, ("h2", Err("\"h2\" needs tls = true; prior knowledge is \"h2c\"")), H3];
    let words = if tls { &over_tls } else { &clear };
    if value.is_empty_list() {
        value.refuse(Wrong::new("a listener that speaks nothing").hint("remove the listener instead"));
    }
    let mut protocols = Protocols { http1: false, http2: false };
    for is_http2 in value.items(words.len()).filter_map(|item| item.choice(words)) {
        protocols.http1 |= !is_http2;
        protocols.http2 |= is_http2;
    }
    protocols
}

fn acme(table: &Table<'_>) -> Option<Acme> {
    let tokens = path(table, &keys::ACME_TOKENS);
    let forward = table.get(&keys::ACME_FORWARD).map(|value| (value, upstream::acme(value)));
    match (tokens, forward) {
        (Some(_), Some((value, _))) => {
            value.refuse(
                Wrong::new("`tokens` and `forward` cannot both answer").hint("remove one of the two"),
            );
            None
        }
        (Some(directory), None) => Some(Acme::Tokens(directory)),
        (None, Some((_, upstream))) => upstream.map(|upstream| Acme::Forward(Box::new(upstream))),
        (None, None) => {
            if table.is_present() && !table.wrote(keys::ACME_TOKENS.name) {
                let wrong = Wrong::new("nobody answers challenges");
                table.refuse(Of::Absence, wrong.hint("write `tokens` or `forward`, or remove [acme]"));
            }
            None
        }
    }
}

fn outside(table: &Table<'_>) -> Outside {
    let items = |key, most| table.get(key).map(|value| value.items(most)).into_iter().flatten();
    Outside {
        allow: items(&keys::UPSTREAMS_ALLOW, MAX_NETWORKS).filter_map(|item| item.parse(allowed)).collect(),
        resolvers: items(&keys::UPSTREAMS_RESOLVERS, MAX_RESOLVERS)
            .filter_map(|item| item.parse(resolver))
            .collect(),
    }
}

fn allowed(text: &str) -> Result<Allowed, Wrong> {
    match text.parse::<SocketAddr>() {
        Ok(_) => socket_address(text).map(Allowed::Address),
        Err(_) => network(text).map(Allowed::Network),
    }
}

fn resolver(text: &str) -> Result<SocketAddr, Wrong> {
    match text.parse::<IpAddr>() {
        Ok(ip) => Ok(SocketAddr::new(ip, DNS_PORT)),
        Err(_) => socket_address(text).map_err(|wrong| {
            Wrong::new(wrong.message).hint("name servers are written \"192.0.2.53\" or \"[::1]:5353\"")
        }),
    }
}

fn launcher(table: &Table<'_>, state: &Path) -> Launcher {
    let (uid_min, uid_max) = (table.setting(&d::UID_MIN), table.setting(&d::UID_MAX));
    if uid_min > uid_max {
        table.refuse_key(d::UID_MIN.name, Wrong::new(format!("{uid_min} is more than `uid_max`, {uid_max}")));
    }
    let socket = path(table, &keys::LAUNCHER_SOCKET);
    // What the launcher makes as root is not where the node's user could put something else.
    let beside = socket.as_deref().and_then(Path::parent).unwrap_or(state);
    Launcher {
        directory: path(table, &keys::LAUNCHER_DIRECTORY).unwrap_or_else(|| beside.join(d::PROGRAMS)),
        socket,
        uid_min,
        uid_max,
        cgroup_root: path(table, &keys::LAUNCHER_CGROUP_ROOT),
        wrapper: table.get(&keys::LAUNCHER_WRAPPER).map(program::words).unwrap_or_default(),
    }
}

fn logs(table: &Table<'_>) -> Logs {
    let template = |key, variables: &[&'static str]| {
        table.get(key).and_then(|value| value.parse(|text| log_path(text, variables)))
    };
    let directory = path(table, &keys::LOGS_DIRECTORY);
    let output = table.get(&keys::LOGS_OUTPUT).and_then(|value| {
        let words = [
            ("files", Ok(LogOutput::Files)),
            ("stdout", Ok(LogOutput::Stdout)),
            ("journald", Ok(LogOutput::Journald)),
        ];
        let output = value.choice(&words);
        if output == Some(LogOutput::Files) && !table.wrote(keys::LOGS_DIRECTORY.name) {
            value
                .refuse(Wrong::new("files, and no word where").hint("write directory = \"/var/log/parvis\""));
        }
        output
    });
    Logs {
        output,
        directory,
        access: table.setting(&d::ACCESS_LOG),
        credentials: table.setting(&d::LOG_CREDENTIALS),
        http: template(&keys::LOGS_HTTP, &HTTP_VARIABLES).unwrap_or_else(|| d::HTTP_LOG.to_owned()),
        sites: template(&keys::LOGS_SITES, &SITES_VARIABLES).unwrap_or_else(|| d::SITES_LOG.to_owned()),
        gzip: table.setting(&d::LOG_GZIP),
        retention: Retention(table.setting(&d::LOG_RETENTION).0),
    }
}

fn legal(table: &Table<'_>, logs: &Logs) -> Option<Legal> {
    let retention = Retention(table.setting(&d::LEGAL_RETENTION).0);
    let Some(value) = table.get(&keys::LEGAL_DIRECTORY) else {
        if table.wrote(d::LEGAL_RETENTION.name) {
            let wrong = Wrong::new("a retention, and no log");
            table.refuse_key(d::LEGAL_RETENTION.name, wrong.hint("write `directory`, or remove [legal]"));
        }
        return None;
    };
    let directory = value.path_buf()?;
    if logs.directory.as_ref().is_some_and(|customers| directory.starts_with(customers)) {
        let wrong = Wrong::new("customers' logs are there, and what their templates match is theirs");
        value.refuse(wrong.hint("write a directory of its own: \"/var/log/parvis-legal\""));
    }
    Some(Legal { directory, retention })
}

/// A template stays below its directory, and every brace in it is a variable that exists.
fn log_path(text: &str, variables: &[&'static str]) -> Result<String, Wrong> {
    let is_below = Path::new(text).components().all(|part| matches!(part, Component::Normal(_)));
    if text.is_empty() || !is_below || text.ends_with('/') || text.contains('\0') {
        let wrong = Wrong::new(format!("{} is not a file below the directory", quoted(text)));
        return Err(wrong.hint("write a relative path without `..`"));
    }
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let variable = rest[open..].strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let Some((name, behind)) = variable else {
            return Err(Wrong::new(format!("{} has a brace without its partner", quoted(text))));
        };
        if !variables.contains(&name) {
            let wrong =
                Wrong::new(format!("there is no {{{}}} in a log's path", quoted(name).trim_matches('"')));
            return Err(match nearest(name, variables.iter().copied()) {
                Some(near) => wrong.hint(format!("did you mean {{{near}}}?")),
                None => wrong.hint(format!("there are {{{}}}", variables.join("}, {"))),
            });
        }
        rest = behind;
    }
    Ok(text.to_owned())
}

/// Whether requests are mended.
fn mends(switches: &Table<'_>) -> bool {
    let syntax = switches.get(&keys::SWITCHES_REQUEST_SYNTAX);
    syntax.and_then(|value| value.choice(&[("enforce", Ok(false)), ("observe", Ok(true))])).unwrap_or(false)
}

fn limits(table: &Table<'_>, mends: bool, machine: &Machine) -> Limits {
    Limits {
        connections: match table.setting(&d::CONNECTIONS) {
            Auto::Auto => d::connections_for(machine.descriptors),
            Auto::Fixed(connections) => connections as usize,
        },
        connections_per_client: table.setting(&d::CONNECTIONS_PER_CLIENT),
        handshakes_per_client: table.setting(&d::HANDSHAKES_PER_CLIENT),
        head: HeadLimits {
            header_bytes: bytes(table.setting(&d::HEADER_BYTES)),
            header_count: table.setting(&d::HEADER_COUNT) as usize,
            url_bytes: bytes(table.setting(&d::URL_BYTES)),
            mends,
        },
        response_header_bytes: bytes(table.setting(&d::RESPONSE_HEADER_BYTES)),
        body_bytes: table.setting(&d::BODY_BYTES).map(|size| size.0),
        request_buffer: bytes(table.setting(&d::REQUEST_BUFFER)),
        response_buffer: bytes(table.setting(&d::RESPONSE_BUFFER)),
        streams_per_connection: table.setting(&d::STREAMS_PER_CONNECTION),
        in_flight: table.setting(&d::MOST_IN_FLIGHT),
    }
}

fn timeouts(table: &Table<'_>) -> Timeouts {
    Timeouts {
        handshake: table.setting(&d::HANDSHAKE),
        header: table.setting(&d::HEADER),
        body_idle: table.setting(&d::BODY_IDLE),
        body_min_rate: Some(table.setting(&d::BODY_MIN_RATE)).filter(|rate| rate.count > 0),
        connect: table.setting(&d::CONNECT),
        response_header: table.setting(&d::RESPONSE_HEADER),
        response_idle: table.setting(&d::RESPONSE_IDLE),
        write_idle: table.setting(&d::WRITE_IDLE),
        idle: table.setting(&d::IDLE),
        tunnel_idle: table.setting(&d::TUNNEL_IDLE),
        drain: table.setting(&d::DRAIN),
        drain_delay: table.setting(&d::DRAIN_DELAY),
    }
}

/// The profile that a `tls_profile` names.
pub(super) fn tls_profile(value: Option<Value<'_, '_>>) -> Option<TlsProfile> {
    value?.choice(&[
        ("intermediate", Ok(TlsProfile::Intermediate)),
        ("modern", Ok(TlsProfile::Modern)),
        (
            "old",
            Err("TLS 1.0 and 1.1 are withdrawn (RFC 8996), browsers and rustls speak neither: \
                 write \"intermediate\""),
        ),
    ])
}

fn path(table: &Table<'_>, key: &Key) -> Option<PathBuf> {
    table.get(key)?.path_buf()
}

pub(super) fn user(text: &str) -> Result<String, Wrong> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if text.is_empty() || text.starts_with('-') || !text.bytes().all(fits) {
        return Err(Wrong::new(format!("{} is not a user's name", quoted(text))));
    }
    Ok(text.to_owned())
}

/// What a listener there almost certainly speaks TLS on.
const HTTPS_PORT: u16 = 443;

/// Where name servers are asked.
const DNS_PORT: u16 = 53;

/// Name servers: one after the other is asked, and who asked does not wait for more.
const MAX_RESOLVERS: usize = 8;

/// Networks of one listener: they are searched one by one for every connection.
const MAX_NETWORKS: usize = 256;

/// What a log's path may contain in braces.
const HTTP_VARIABLES: [&str; 5] = ["account", "file", "year", "month", "date"];

/// Those of a site log, which is one file.
const SITES_VARIABLES: [&str; 4] = ["account", "year", "month", "date"];

#[cfg(test)]
mod tests;
