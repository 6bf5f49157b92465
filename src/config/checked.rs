//! The checked settings: every value parsed, bounded and resolved. Whoever holds one of these asks nothing
//! again. How a document answers requests fast is in `account`.

mod document;

pub use document::*;

use crate::base::{AccountName, ByteSize, Networks, Rate, Share, SiteName, TrustName};
use ipnet::IpNet;
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
    /// `[deny]`: clients that are refused.
    pub deny: Option<NetworkList>,
    /// `[allow]`: the only clients that are not.
    pub allow: Option<NetworkList>,
    /// `[admin]`.
    pub admin: Admin,
    /// `[metrics] address`.
    pub metrics: Option<SocketAddr>,
    /// `[acme]`.
    pub acme: Option<Acme>,
    /// `[upstreams]`.
    pub upstreams: Outside,
    /// `[launcher]`.
    pub launcher: Launcher,
    /// `[tracing]`.
    pub tracing: Option<Tracing>,
    /// `[logs]`.
    pub logs: Logs,
    /// `[pages] directory`.
    pub pages: Option<PathBuf>,
    /// `[legal]`.
    pub legal: Option<Legal>,
    /// `[switches]`.
    pub switches: Switches,
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

/// `[admin]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admin {
    /// `socket`.
    pub socket: Option<PathBuf>,
    /// Requests that are remembered, over all workers; 0: none.
    pub recent_requests: usize,
    /// `page`: the live page on a listener of its own.
    pub page: Option<LivePage>,
}

/// The listener of the live page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivePage {
    /// Where it listens: a loopback address, but for TLS of which both ends show a certificate.
    pub address: SocketAddr,
    /// Who may come over TLS.
    pub mutual: Option<MutualTls>,
}

/// TLS of which both ends show a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MutualTls {
    /// The node's chain and key.
    pub certificate: PathBuf,
    /// Who signs the certificates of those that are let in.
    pub client_ca: PathBuf,
}

/// `[tracing]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracing {
    /// `endpoint`: the collector, as `http://HOST:PORT`.
    pub endpoint: String,
    /// `sample`: how many requests are exported that nobody before us sampled.
    pub sample: Share,
    /// `sampled_parents`: at most so many that somebody did.
    pub sampled_parents: Rate,
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
        let trust = self.trust.iter().map(|set| (format!("trust-{}", set.name), &set.networks, false));
        // Nobody may be denied; a list by which nobody is let in is one that was not written to its end.
        let deny = self.deny.iter().map(|list| ("deny".to_owned(), list, true));
        let allow = self.allow.iter().map(|list| ("allow".to_owned(), list, false));
        trust.chain(deny).chain(allow).filter_map(|(role, list, may_be_empty)| match list {
            NetworkList::Listed(_) => None,
            NetworkList::File(path) => Some(NetworkFile { role, path, may_be_empty }),
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

impl Protocols {
    /// What both allow; where that is nothing, what this one does.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let both = Self { http1: self.http1 && other.http1, http2: self.http2 && other.http2 };
        if both.http1 || both.http2 { both } else { self }
    }
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

/// `[switches]`: what can be switched off while the node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// `splice`: whether long bodies are moved inside the kernel.
    pub splice: bool,
    /// `upstream_keepalive`: whether connections to upstreams are kept for another request.
    pub upstream_keepalive: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self { splice: true, upstream_keepalive: true }
    }
}

/// How long finished logs are kept; `None`: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention(pub Option<Duration>);

/// `[legal]`: the provider's own log of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legal {
    /// `directory`: where its files are.
    pub directory: PathBuf,
    /// `retention`.
    pub retention: Retention,
}

/// `[logs] output`: where access logs and site logs go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogOutput {
    /// To files below the directory.
    Files,
    /// To standard output.
    Stdout,
    /// To the journal of systemd.
    Journald,
}

/// `[logs]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Logs {
    /// `output`; absent: by whether there is a directory.
    pub output: Option<LogOutput>,
    /// `credentials`: whether formats may print fields with credentials.
    pub credentials: bool,
    /// Where files are written.
    pub directory: Option<PathBuf>,
    /// Whether access logs are written on this node.
    pub access: bool,
    /// Template of an access log's path below `directory`.
    pub http: String,
    /// Template of a site log's path below `directory`.
    pub sites: String,
    /// `gzip`: whether logs of finished days are compressed.
    pub gzip: bool,
    /// `retention`, of accounts that say nothing else.
    pub retention: Retention,
}

impl Logs {
    /// Where lines go: to files where there is a directory and nothing else was said, else to standard output.
    pub fn output(&self) -> LogOutput {
        match (self.output, &self.directory) {
            (None | Some(LogOutput::Files), Some(_)) => LogOutput::Files,
            (None | Some(LogOutput::Files), None) => LogOutput::Stdout,
            (Some(output), _) => output,
        }
    }
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
    /// Whether what programs get wrong without meaning anything by it is mended instead of being refused:
    /// `[switches] request_syntax = "observe"`.
    pub mends: bool,
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

/// Bytes as a number, for settings that are compared with lengths.
pub fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

/// Whether an address is one of the networks.
pub fn contains(networks: &[IpNet], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    networks.iter().any(|network| network.contains(&ip))
}
