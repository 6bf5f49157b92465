//! A checked account document.

use super::{Protocols, Retention, Timeouts, TlsProfile};
use crate::base::{
    Access, AccountName, Host, LogFileName, Rate, SiteAddress, SiteName, TrustName, UpstreamName, Wait,
};
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// An account document, checked, the node's defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// From the file's name.
    pub name: AccountName,
    /// `state`.
    pub state: AccountState,
    /// What it asks of connections.
    pub terms: Terms,
    /// `dedicated`: local addresses that are its own.
    pub dedicated: Vec<IpAddr>,
    /// `default_site`: what answers there for hosts that nobody holds; one of `sites`.
    pub default_site: Option<SiteName>,
    /// `trust`: the sets of peers that are believed for this account, beside those that are everywhere.
    pub trust: Vec<TrustName>,
    /// `[deny]` and `[allow]`: the clients that are let in.
    pub access: Access,
    /// `[limits]`.
    pub limits: AccountLimits,
    /// Timeouts in effect.
    pub timeouts: Timeouts,
    /// `[pages] directory`.
    pub pages: Option<PathBuf>,
    /// `[logs] retention`; `None`: the node's.
    pub log_retention: Option<Retention>,
    /// `[run]`.
    pub run: Run,
    /// `[[certificate]]`: attached, first in order.
    pub certificates: Vec<AttachedCertificate>,
    /// `[[upstream]]`.
    pub upstreams: Vec<Upstream>,
    /// `[[site]]`.
    pub sites: Vec<Site>,
}

impl Document {
    /// The document that says nothing, of a node that says nothing.
    pub fn bare(name: AccountName) -> Self {
        Self {
            name,
            state: AccountState::Active,
            terms: Terms::of_profile(TlsProfile::Intermediate),
            dedicated: Vec::new(),
            default_site: None,
            trust: Vec::new(),
            access: Access::default(),
            limits: AccountLimits::default(),
            timeouts: Timeouts::default(),
            pages: None,
            log_retention: None,
            run: Run::default(),
            certificates: Vec::new(),
            upstreams: Vec::new(),
            sites: Vec::new(),
        }
    }
}

/// What an account asks of the connections that its hosts are asked for on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// `tls_profile`.
    pub tls_profile: TlsProfile,
    /// `strict_sni`: whether the very host must have been the SNI.
    pub strict_sni: bool,
    /// `protocols`, among those of the listener.
    pub protocols: Protocols,
}

impl Terms {
    /// Those of an account, or node, that says nothing but this.
    pub const fn of_profile(tls_profile: TlsProfile) -> Self {
        Self { tls_profile, strict_sni: false, protocols: Protocols { http1: true, http2: true } }
    }
}

/// `state` of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountState {
    /// Served.
    Active,
    /// A page of ours, 503.
    Maintenance,
    /// A page of ours, 403; programs are stopped, what is open is closed.
    Suspended,
    /// Everything is passed on to another node; programs are stopped.
    Moved,
}

impl AccountState {
    /// Whether the account's own servers are asked.
    pub fn is_served(self) -> bool {
        matches!(self, Self::Active | Self::Maintenance)
    }
}

/// `[limits]` of an account.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountLimits {
    /// Requests until their answer ends; more wait in the queue.
    pub in_flight: u32,
    /// Requests that may wait.
    pub queue: u32,
    /// How long they may wait.
    pub queue_timeout: Duration,
    /// WebSockets and other upgrades.
    pub tunnels: u32,
    /// Requests a period; `None`: unlimited.
    pub rate: Option<Rate>,
    /// Bytes of a request body; `None`: unlimited.
    pub body_bytes: Option<u64>,
    /// Bytes of a request body that are read before a connection is taken.
    pub request_buffer: usize,
    /// Bytes of an answer that are read ahead of a slow visitor.
    pub response_buffer: usize,
    /// Bytes of both that the account may hold at a time.
    pub buffered_bytes: usize,
}

/// `[run]`: how the account's programs run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// `user`; absent: the account's name.
    pub user: Option<String>,
    /// `home`: absolute; absent: the user's.
    pub home: Option<PathBuf>,
    /// `address`: the account's own.
    pub address: Option<IpAddr>,
    /// `environment`, for all programs of the account.
    pub environment: Environment,
    /// What all programs of the account may take together.
    pub limits: RunLimits,
    /// `cgroup`: the control group of the platform's own container for the account, absolute; then `limits` has none.
    pub cgroup: Option<PathBuf>,
}

/// What an account's programs may take together, by the control groups of the kernel (cgroup v2). `None`: no limit, or
/// the kernel's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunLimits {
    /// `memory_max`, in bytes: beyond it a program is killed.
    pub memory_max: Option<u64>,
    /// `memory_high`, in bytes: beyond it they are slowed down and memory is taken back.
    pub memory_high: Option<u64>,
    /// `cpu_weight`: the share beside other accounts.
    pub cpu_weight: Option<u32>,
    /// `io_weight`: likewise.
    pub io_weight: Option<u32>,
    /// `pids_max`: processes and threads.
    pub pids_max: Option<u32>,
}

/// Variables of a program's environment, in the order of their names. Their values are nobody's business: they are not
/// shown by `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(pub Vec<(String, String)>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// `[[certificate]]` of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedCertificate {
    /// The hosts (or wildcards) it is attached to.
    pub names: Vec<crate::base::HostPattern>,
    /// Chain and key, absolute.
    pub file: PathBuf,
}

/// `[[upstream]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// `name`.
    pub name: UpstreamName,
    /// `address`.
    pub address: UpstreamAddress,
    /// `protocol`.
    pub protocol: UpstreamProtocol,
    /// `host`.
    pub host: UpstreamHost,
    /// For `https` addresses.
    pub tls: Option<UpstreamTls>,
    /// Connections over all workers, idle ones included: at least 1.
    pub connections: u32,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// The program behind it; `None`: somebody else runs it. Boxed: most upstreams have none.
    pub program: Option<Box<Program>>,
}

/// The program behind an upstream: what is started, and how its life is led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// `command`.
    pub command: Command,
    /// `directory`: absolute, or relative to the home.
    pub directory: PathBuf,
    /// `environment`.
    pub environment: Environment,
    /// `idle_time`: how long it runs without a request; `None`: for ever.
    pub idle_time: Option<Duration>,
    /// `start_timeout`: from its start to its being ready.
    pub start_timeout: Duration,
    /// `stop_signal`: its number.
    pub stop_signal: i32,
    /// `stop_timeout`: from the signal to the end by force.
    pub stop_timeout: Duration,
    /// `overlap`: whether two instances may run at a time, for a moment.
    pub overlap: bool,
    /// `hot_restart`: the signal by which it renews itself; `None`: another instance takes its place.
    pub hot_restart: Option<i32>,
    /// `revision`: a change restarts.
    pub revision: String,
    /// `health_interval`: how often it is asked for its `ready_path` while it serves; `None`: never.
    pub health_interval: Option<Duration>,
    /// `hang_timeout`: how long it may answer nobody before it is restarted; `None`: for ever.
    pub hang_timeout: Option<Duration>,
    /// `ready_path`: asked for at a start until it answers below 500; `None`: accepting a connection is enough.
    pub ready_path: Option<String>,
}

/// What is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A program and its arguments, as they are: at least one.
    Words(Vec<String>),
    /// A line for `/bin/sh -c`, with `exec` in front.
    Shell(String),
}

impl fmt::Display for Command {
    /// As a person reads it, and no shell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => f.write_str(&words.join(" ")),
            Self::Shell(line) => f.write_str(line),
        }
    }
}

/// Where an upstream listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamAddress {
    /// An IP address and port.
    Ip(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
    /// `"auto"`: a unix socket of each instance of the program, which only the account and Parvis can reach.
    Auto,
    /// A URL, which may lead anywhere. Boxed: few upstreams have one, and a host is large.
    Url(Box<UpstreamUrl>),
}

/// The URL of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamUrl {
    /// A name to be resolved, or an IP address.
    pub host: Host,
    /// The port, written or the scheme's.
    pub port: u16,
    /// Whether the port is the scheme's.
    pub has_default_port: bool,
    /// What is put in front of every path, without a slash at its end: mostly empty.
    pub base: Box<str>,
    /// Whether it is another node of the platform (`moved_to`), which may be anywhere.
    pub is_platforms: bool,
}

impl fmt::Display for UpstreamUrl {
    /// Without its scheme.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}{}", self.host, self.port, self.base)
    }
}

/// What is spoken to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    H2c,
}

/// Which `Host` an upstream sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamHost {
    /// The visitor's.
    Visitor,
    /// That of the upstream's own address.
    Upstream,
    /// This one. Boxed for the same reason.
    Named(Box<Host>),
}

/// TLS towards an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// The name sent and verified.
    pub server_name: String,
    /// Further roots, a PEM file; absent: the system's.
    pub ca: Option<PathBuf>,
    /// Whether the certificate is verified.
    pub verify: bool,
}

/// `[[site]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// `name`.
    pub name: SiteName,
    /// `addresses`.
    pub addresses: Vec<SiteAddress>,
    /// What answers there.
    pub action: SiteAction,
    /// `trim_path`.
    pub trim_path: bool,
    /// Limits in effect.
    pub limits: SiteLimits,
    /// Timeouts in effect; absent: the account's. Boxed: few sites have their own.
    pub timeouts: Option<Box<Timeouts>>,
    /// `force_https`.
    pub force_https: bool,
    /// `hsts`.
    pub hsts: Option<Hsts>,
    /// Whether other accounts may hold names under this site's wildcards.
    pub lend: bool,
    /// `log_format`.
    pub log_format: LogFormat,
    /// `log_file`.
    pub log_file: LogFile,
}

impl Site {
    /// The site that says nothing but what answers, at no address.
    pub fn bare(name: SiteName, action: SiteAction) -> Self {
        Self {
            name,
            addresses: Vec::new(),
            action,
            trim_path: false,
            limits: SiteLimits { body_bytes: AccountLimits::default().body_bytes },
            timeouts: None,
            force_https: false,
            hsts: None,
            lend: false,
            log_format: LogFormat::Advanced,
            log_file: LogFile::default(),
        }
    }
}

/// `limits` of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteLimits {
    /// Bytes of a request body; `None`: unlimited.
    pub body_bytes: Option<u64>,
}

/// What answers at a site.
#[derive(Clone, Debug, PartialEq)]
pub enum SiteAction {
    /// The upstream of this name.
    Upstream(UpstreamName),
    /// A redirect.
    Redirect(Redirect),
    /// An answer that is always the same.
    Answer(FixedAnswer),
}

/// `answer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedAnswer {
    /// `status`: 200 or above, none that redirects or has no body.
    pub status: u16,
    /// `page`, absolute; absent: a short one of Parvis' own.
    pub page: Option<PathBuf>,
}

/// `redirect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Where to: a URL or a path. Without a slash at its end where the path is kept, else as written.
    pub to: String,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// Whether the path and query are kept.
    pub keep_path: bool,
}

/// `hsts` (RFC 6797).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hsts {
    /// `max-age`.
    pub max_age: Duration,
    /// `includeSubDomains`.
    pub include_subdomains: bool,
    /// `preload`.
    pub preload: bool,
}

/// `log_format`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Apache's vhost-combined.
    Standard,
    /// The same with protocol and duration.
    Advanced,
    /// An object a line.
    Json,
    /// A format of the site's own.
    Own(Arc<[LogPart]>),
}

impl LogFormat {
    /// The fields of answers that it prints, in its order.
    pub fn response_headers(&self) -> impl Iterator<Item = &str> {
        let parts: &[LogPart] = if let Self::Own(parts) = self { parts } else { &[] };
        parts.iter().filter_map(|part| match part {
            LogPart::ResponseHeader(name) => Some(&**name),
            _ => None,
        })
    }
}

/// `log_file`: which of the account's access logs. The one that nearly all have costs nothing to pass on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFile(Option<LogFileName>);

impl LogFile {
    /// The file of this name.
    pub fn named(name: LogFileName) -> Self {
        Self(Some(name))
    }

    /// Its name: `{file}` of the path.
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or(Self::DEFAULT, LogFileName::as_str)
    }

    /// The file of sites that name none.
    pub const DEFAULT: &'static str = "http";
}

/// A part of a line of the access log, named after the variable it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPart {
    /// What stands between variables.
    Text(Cow<'static, str>),
    /// `{client_ip}`: the visitor.
    ClientIp,
    /// `{client_ip:anonymous}`: the visitor's network, /24 or /48.
    ClientIpAnonymous,
    /// `{client_port}`: the visitor's, where the visitor connected to us.
    ClientPort,
    /// `{peer_ip}`: who opened the connection.
    PeerIp,
    /// `{request_time:STRFTIME}`: when the request's head was there, in local time.
    RequestTime(Box<str>),
    /// `{completion_date:STRFTIME}`: when the answer ended, in local time.
    CompletionDate(Box<str>),
    /// The same as Apache writes it: `14/Mar/2026:14:37:00 +0100`.
    CompletionDateCommon,
    /// `{duration}`: seconds with six digits.
    Duration,
    /// `{protocol}`: http, https, ws or wss.
    Protocol,
    /// `{request}`: the request line.
    Request,
    /// `{request_method}`.
    RequestMethod,
    /// `{request_hostname}`: without a port.
    RequestHostname,
    /// `{request_path}`: with its query.
    RequestPath,
    /// `{request_protocol}`: HTTP/1.1.
    RequestProtocol,
    /// `{request_header:NAME}`.
    RequestHeader(Box<str>),
    /// `{response_header:NAME}`.
    ResponseHeader(Box<str>),
    /// `{response_size}`: bytes of the body.
    ResponseSize,
    /// `{status}`.
    Status,
    /// `{referer}`.
    Referer,
    /// `{user_agent}`.
    UserAgent,
    /// `{ssl_version}`.
    SslVersion,
    /// `{request_id}`.
    RequestId,
    /// `{cause}`: why the site did not answer.
    Cause,
    /// `{queued_time}`, `{parked_time}`, `{connecting_time}`, `{first_byte_time}`, `{client_time}`: seconds with six digits.
    Wait(Wait),
}
