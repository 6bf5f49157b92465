//! The checked settings: every value parsed, bounded and resolved. Whoever holds one of these asks nothing
//! again. How a document answers requests fast is in `account`.

use crate::base::{
    AccountName, ByteSize, Host, Networks, Rate, SiteAddress, SiteName, TrustName, UpstreamName,
};
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// A node file (`parvis.toml`), checked, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The file it came from.
    pub file: PathBuf,
    /// `[node] name`.
    pub name: String,
    /// `[node] workers`, resolved: at least 1.
    pub workers: usize,
    /// `[node] user`: taken on before binding when started as root.
    pub user: Option<String>,
    /// `[node] state`: claims journal, last good documents.
    pub state: PathBuf,
    /// `[node] tls_profile`: the default for accounts and for names nobody holds.
    pub tls_profile: TlsProfile,
    /// `[[listen]]`, in the order written.
    pub listen: Vec<Listen>,
    /// `[accounts] directory`; empty where the node file is wrong about it.
    pub accounts: PathBuf,
    /// `[accounts] default_site`.
    pub default_site: Option<(AccountName, SiteName)>,
    /// `[certificates] directory`.
    pub certificates: Option<PathBuf>,
    /// `[certificates] default`.
    pub default_certificate: Option<PathBuf>,
    /// `[[trust]]`, in the order written.
    pub trust: Vec<Trust>,
    /// `[admin] socket`.
    pub admin: Option<PathBuf>,
    /// `[metrics] address`.
    pub metrics: Option<SocketAddr>,
    /// `[acme]`.
    pub acme: Option<Acme>,
    /// `[upstreams]`.
    pub upstreams: Outside,
    /// `[launcher]`.
    pub launcher: Launcher,
    /// `[logs]`.
    pub logs: Logs,
    /// `[limits]`.
    pub limits: Limits,
    /// `[timeouts]`.
    pub timeouts: Timeouts,
}

/// One `[[listen]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// Where: an IPv6 address is IPv6 only.
    pub address: SocketAddr,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// What may be spoken inside.
    pub protocols: Protocols,
    /// Networks whose connections must begin with a PROXY header; from all others one is refused.
    pub proxy_protocol_from: Vec<IpNet>,
}

/// One `[[trust]]`: peers whose word on the visitor's address and scheme is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// `name`: what accounts call it.
    pub name: TrustName,
    /// Who is in it.
    pub networks: NetworkList,
    /// `header`: the field that names the visitor.
    pub header: TrustHeader,
    /// `everywhere`: whether it holds for every account, named or not.
    pub everywhere: bool,
}

/// The field of a request in which a believed peer names the visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustHeader {
    /// `X-Forwarded-For`: a list, each hop behind the one before.
    XForwardedFor,
    /// `Forwarded` (RFC 7239): a list, with the scheme.
    Forwarded,
    /// A field of this name with one address.
    Single(Box<str>),
}

/// Networks, written in the node file or in a file of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkList {
    /// These.
    Listed(Networks),
    /// Those of this file, whatever it says at the moment.
    File(PathBuf),
}

/// A file of networks that the node file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkFile<'a> {
    /// What the networks are for, in words that are a file's name too: `trust-cdn`.
    pub role: String,
    /// Where it is.
    pub path: &'a std::path::Path,
    /// Whether it may name no network at all. Where not, an empty one is one that was not written to its end.
    pub may_be_empty: bool,
}

/// What tells a `[[listen]]` from the others, before and after a reload: its address and, since port 0 may stand
/// several times, its place among those that say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenId {
    /// The address as configured.
    pub address: SocketAddr,
    /// How many with the same address stand before it: 0 but for port 0.
    pub place: usize,
}

impl Node {
    /// Every `[[listen]]`, with what tells it from the others.
    pub fn listeners(&self) -> impl Iterator<Item = (ListenId, &Listen)> {
        self.listen.iter().enumerate().map(|(at, listen)| {
            let same = self.listen[..at].iter().filter(|other| other.address == listen.address);
            (ListenId { address: listen.address, place: same.count() }, listen)
        })
    }

    /// The files of networks that it names.
    pub fn network_files(&self) -> impl Iterator<Item = NetworkFile<'_>> {
        self.trust.iter().filter_map(|trust| match &trust.networks {
            NetworkList::Listed(_) => None,
            NetworkList::File(path) => {
                Some(NetworkFile { role: format!("trust-{}", trust.name), path, may_be_empty: false })
            }
        })
    }

    /// The `[[listen]]` that `id` tells, if it is still there.
    pub fn listener(&self, id: ListenId) -> Option<&Listen> {
        self.listen.iter().filter(|listen| listen.address == id.address).nth(id.place)
    }
}

/// The protocols of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocols {
    /// `http/1.1`.
    pub http1: bool,
    /// `h2` on a TLS listener, `h2c` (prior knowledge) on a clear one.
    pub http2: bool,
}

/// Which TLS versions and suites are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsProfile {
    /// TLS 1.3 only.
    Modern,
    /// TLS 1.2 (forward-secret AEAD suites) and 1.3.
    Intermediate,
}

/// `[acme]`: who answers challenges.
#[derive(Clone, Debug, PartialEq)]
pub enum Acme {
    /// `tokens`: the files of this directory.
    Tokens(PathBuf),
    /// `forward`: this server, as an upstream of nobody's.
    Forward(Box<Upstream>),
}

/// `[upstreams]`: what the URLs of upstreams may lead to, and how their names are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// `allow`: what no URL may lead to otherwise.
    pub allow: Vec<Allowed>,
    /// `resolvers`: the name servers that are asked; empty: the system's.
    pub resolvers: Vec<SocketAddr>,
}

/// What a URL may lead to although it is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Any address in this network, but none that another account's server listens at.
    Network(IpNet),
    /// This address and port, whoever listens there.
    Address(SocketAddr),
}

impl Outside {
    /// Whether `address` is named, and whether with its port.
    pub fn allows(&self, address: SocketAddr) -> Option<Allowed> {
        let (ip, port) = (address.ip().to_canonical(), address.port());
        let names = |allowed: &&Allowed| match allowed {
            Allowed::Network(network) => network.contains(&ip),
            Allowed::Address(one) => (one.ip(), one.port()) == (ip, port),
        };
        let mut named = self.allow.iter().filter(names);
        let first = named.next();
        // The closest says most.
        named.find(|allowed| matches!(allowed, Allowed::Address(_))).or(first).copied()
    }
}

/// `[launcher]`: who starts the accounts' programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    /// `socket`; absent: the node starts them itself, as the user it runs as.
    pub socket: Option<PathBuf>,
    /// `directory`: where `"auto"` sockets are, a directory an account.
    pub directory: PathBuf,
    /// `uid_min`: no program runs with a lower user number.
    pub uid_min: u32,
    /// `uid_max`: nor with a higher one.
    pub uid_max: u32,
    /// `cgroup_root`: the cgroup that the accounts' are made in; absent: programs stay in the launcher's.
    pub cgroup_root: Option<PathBuf>,
    /// `wrapper`: what programs are started by, `{account}` and `{upstream}` replaced.
    pub wrapper: Vec<String>,
}

/// `[logs]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Logs {
    /// Where logs are written; absent: the access log goes to standard output, and there are no site logs.
    pub directory: Option<PathBuf>,
    /// Whether access logs are written on this node.
    pub access: bool,
    /// Template of an access log's path below `directory`.
    pub http: String,
    /// Template of a site log's path below `directory`; without that there is none.
    pub sites: String,
}

/// `[limits]` of the node. `None` is "unlimited".
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Client connections of the whole node ("auto": from the descriptor limit).
    pub connections: usize,
    /// Client connections per client (IPv6 by /64).
    pub connections_per_client: Option<u32>,
    /// TLS handshakes per client.
    pub handshakes_per_client: Option<Rate>,
    /// Bounds of a request head.
    pub head: HeadLimits,
    /// Bytes of an upstream's response head.
    pub response_header_bytes: usize,
    /// Bytes of a request body.
    pub body_bytes: Option<u64>,
    /// The most that an account's own `request_buffer` may be, and what it is where the account says nothing.
    pub request_buffer: usize,
    /// The same of `response_buffer`.
    pub response_buffer: usize,
    /// Concurrent HTTP/2 streams per connection.
    pub streams_per_connection: u32,
    /// The most that an account's own `in_flight` may be.
    pub in_flight: u32,
}

/// Bounds of a request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head, request line included.
    pub header_bytes: usize,
    /// Header fields.
    pub header_count: usize,
    /// Bytes of the request target.
    pub url_bytes: usize,
}

/// `[timeouts]` of the node.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeouts {
    /// TLS handshake and PROXY header, from accept.
    pub handshake: Duration,
    /// A request head, from its first byte.
    pub header: Duration,
    /// A pause in a request body; ends when the answer's head is sent.
    pub body_idle: Duration,
    /// The least rate of a request body; ends when the answer's head is sent. `None`: none.
    pub body_min_rate: Option<Rate>,
    /// Connecting to an upstream.
    pub connect: Duration,
    /// From the request sent to the answer's head.
    pub response_header: Duration,
    /// A pause in an answer's body while the client is ready for more. Long: SSE and long polls.
    pub response_idle: Duration,
    /// A client (or upstream) that takes no bytes although there are some.
    pub write_idle: Duration,
    /// A kept client connection between requests.
    pub idle: Duration,
    /// A tunnel (WebSocket) without a byte in either direction.
    pub tunnel_idle: Duration,
    /// From the beginning of a drain to its end by force.
    pub drain: Duration,
    /// From `/ready` turning red to the drain's beginning.
    pub drain_delay: Duration,
}

/// An account document, checked, the node's defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// From the file's name.
    pub name: AccountName,
    /// `state`.
    pub state: AccountState,
    /// `tls_profile`.
    pub tls_profile: TlsProfile,
    /// `trust`: the sets of peers that are believed for this account, beside those that are everywhere.
    pub trust: Vec<TrustName>,
    /// `[limits]`.
    pub limits: AccountLimits,
    /// Timeouts in effect.
    pub timeouts: Timeouts,
    /// `[run]`.
    pub run: Run,
    /// `[[certificate]]`: attached, first in order.
    pub certificates: Vec<AttachedCertificate>,
    /// `[[upstream]]`.
    pub upstreams: Vec<Upstream>,
    /// `[[site]]`.
    pub sites: Vec<Site>,
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
    /// `force_https`.
    pub force_https: bool,
    /// `hsts`.
    pub hsts: Option<Hsts>,
    /// Whether other accounts may hold names under this site's wildcards.
    pub lend: bool,
    /// `log_format`.
    pub log_format: LogFormat,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Apache's vhost-combined.
    Standard,
    /// The same with protocol and duration.
    Advanced,
}

/// Bytes as a number, for settings that are compared with lengths.
pub fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

/// Whether an address is one of the networks.
pub fn contains(networks: &[IpNet], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    networks.iter().any(|network| network.contains(&ip))
}
