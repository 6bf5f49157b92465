//! Every default with its bounds, its reason and its cost, in the order of the files' tables. The reference page
//! is written from these, so what stands here is what an operator reads.

mod logs;
mod site;
mod switches;
mod tracing;

pub(super) use logs::*;
pub(super) use site::*;
pub(super) use switches::*;
pub(super) use tracing::*;

use super::checked::{AccountLimits, HeadLimits, Launcher, Limits, Timeouts};
use super::scalar::{Auto, Lasting};
use super::setting::Setting;
use crate::base::{ByteSize, Rate};
use std::path::Path;
use std::time::Duration;

// The node file: [node], [admin].

/// `[node] workers`.
pub(super) const WORKERS: Setting<Auto> = Setting {
    name: "workers",
    default: Auto::Auto,
    least: Auto::Fixed(1),
    most: Auto::Fixed(1024),
    effect: "Threads that serve connections. `\"auto\"` is one per CPU the process may use (affinity and CPU quota \
             counted).",
    reason: "A worker shares nothing with the others, so one per CPU uses the machine and more only switch.",
    cost: "Each holds its own buffers and idle upstream connections. Takes effect at a restart.",
};

/// `[node] state`.
pub(super) const STATE: &str = "/var/lib/parvis";

/// `[launcher] directory`, in the state directory.
pub(super) const PROGRAMS: &str = "programs";

/// `[node] tls_profile`.
pub(super) const TLS_PROFILE: &str = "intermediate";

/// `[admin] socket`, where no node file says otherwise.
pub const ADMIN_SOCKET: &str = "/run/parvis/admin.sock";

/// `[admin] recent_requests`.
pub(super) const RECENT_REQUESTS: Setting<u32> = Setting {
    name: "recent_requests",
    default: 16_384,
    least: 0,
    most: 16_777_216,
    effect: "Requests that the node remembers for `parvis explain`, over all workers; 0: none. Half of them are for failures \
             alone, where whoever fails most gives way.",
    reason: "A ticket with an id comes minutes after its failure, and failures are few.",
    cost: "520 bytes each, taken as they are written, and 40 at the start. Takes effect at a restart.",
};

/// `[[listen]] tls`.
pub(super) const TLS: Setting<bool> = Setting {
    name: "tls",
    default: false,
    least: false,
    most: true,
    effect: "Whether TLS is spoken on this listener.",
    reason: "A listener says what it speaks: guessing it from the port number would surprise somebody.",
    cost: "A full handshake costs some four times a new clear connection.",
};

/// `[[trust]] everywhere`.
pub(super) const EVERYWHERE: Setting<bool> = Setting {
    name: "everywhere",
    default: false,
    least: false,
    most: true,
    effect: "Whether the set is believed for every account; else accounts name it.",
    reason: "A CDN carries anybody's requests: who has an account there could name any visitor to accounts that do \
             not sit behind it.",
    cost: "None. `true` is for the platform's own load balancers.",
};

// The node file: [limits].

/// `[limits] connections`.
pub(super) const CONNECTIONS: Setting<Auto> = Setting {
    name: "connections",
    default: Auto::Auto,
    least: Auto::Fixed(1),
    most: Auto::Fixed(10_000_000),
    effect: "Client connections of the whole node. One more waits in the kernel's queue until another ends. \
             `\"auto\"` is half of the descriptor limit, less what the process itself needs.",
    reason: "Every request in flight needs a second descriptor for its upstream, so half is what can be used.",
    cost: "1.5 kB of memory for an idle clear connection, 12 kB for one with TLS, one descriptor each.",
};

/// `[limits] connections_per_client`.
pub(super) const CONNECTIONS_PER_CLIENT: Setting<Option<u32>> = Setting {
    name: "connections_per_client",
    default: Some(512),
    least: Some(1),
    most: None,
    effect: "Connections one client may hold: an IPv4 address, or the /64 of an IPv6 address.",
    reason: "A browser holds one (HTTP/2) to six (HTTP/1.1) a host; an office or a school behind one address holds \
             hundreds.",
    cost: "What one address can take from the others: 512 idle TLS connections are 6 MB.",
};

/// `[limits] handshakes_per_client`.
pub(super) const HANDSHAKES_PER_CLIENT: Setting<Option<Rate>> = Setting {
    name: "handshakes_per_client",
    default: Some(Rate { count: 200, period: SECOND }),
    least: Some(Rate { count: 1, period: HOUR }),
    most: None,
    effect: "TLS handshakes one client may begin; further connections are closed before any cryptography.",
    reason: "An office of a thousand people returning from lunch stays under it; a handshake flood does not.",
    cost: "A full handshake is 0.3 ms of a CPU: 200 a second are 6 % of one.",
};

/// `[limits] header_bytes`.
pub(super) const HEADER_BYTES: Setting<ByteSize> = Setting {
    name: "header_bytes",
    default: ByteSize(32 << 10),
    least: ByteSize(4 << 10),
    most: ByteSize(1 << 20),
    effect: "Bytes of a request's head, request line included; on HTTP/2 of the decoded header list. Beyond: 431.",
    reason: "Single sign-on cookies and tickets reach 16 kB; Apache takes 8 kB a field, Node 16 kB in all.",
    cost: "This much memory for each request whose head is being received.",
};

/// `[limits] header_count`.
pub(super) const HEADER_COUNT: Setting<u32> = Setting {
    name: "header_count",
    default: 100,
    least: 16,
    most: 1000,
    effect: "Fields of a request's head. Beyond: 431.",
    reason: "Browsers send about 20, a chain of proxies adds 10; Apache's own limit is 100.",
    cost: "32 bytes a field while the request runs.",
};

/// `[limits] url_bytes`.
pub(super) const URL_BYTES: Setting<ByteSize> = Setting {
    name: "url_bytes",
    default: ByteSize(16 << 10),
    least: ByteSize(1 << 10),
    most: ByteSize(1 << 20),
    effect: "Bytes of a request's target. Beyond: 414.",
    reason: "Applications that put forms or filters in the query reach 8 kB; RFC 9110 asks for 8,000 at least.",
    cost: "Part of `header_bytes`.",
};

/// `[limits] response_header_bytes`.
pub(super) const RESPONSE_HEADER_BYTES: Setting<ByteSize> = Setting {
    name: "response_header_bytes",
    default: ByteSize(64 << 10),
    least: ByteSize(4 << 10),
    most: ByteSize(1 << 20),
    effect: "Bytes of an upstream's response head. Beyond: 502.",
    reason: "Applications set large cookies and policies; a head past this is a program gone wrong.",
    cost: "This much memory for each answer whose head is being received.",
};

/// `[limits] body_bytes`.
pub(super) const BODY_BYTES: Setting<Option<ByteSize>> = Setting {
    name: "body_bytes",
    default: Some(ByteSize(1 << 30)),
    least: Some(ByteSize(0)),
    most: None,
    effect: "Bytes of a request body. Beyond: 413. On the node: what holds for every account, and the most an \
             account may set.",
    reason: "Bodies are passed on as they come, so size costs no memory here; the upstream's own limit is the one \
             that customers meet. 1 GB lets a video or a backup pass and still ends what never would.",
    cost: "Time: an upstream connection is in use as long as the body lasts.",
};

/// `[limits] request_buffer`.
pub(super) const REQUEST_BUFFER: Setting<ByteSize> = Setting {
    name: "request_buffer",
    default: ByteSize(64 << 10),
    least: ByteSize(0),
    most: ByteSize(1 << 20),
    effect: "A request body of at most so many bytes is read before a connection to the upstream is taken for it; a longer \
             one is passed on as it comes. On the node: the most an account may set.",
    reason: "Who sends a form slowly would hold one of an Apache's five processes meanwhile. What is longer is an upload, \
             whose upstream wants to see it come.",
    cost: "So much memory for each request whose body is on its way.",
};

/// `[limits] response_buffer`.
pub(super) const RESPONSE_BUFFER: Setting<ByteSize> = Setting {
    name: "response_buffer",
    default: ByteSize(256 << 10),
    least: ByteSize(0),
    most: ByteSize(16 << 20),
    effect: "Bytes of an answer that are read ahead of a visitor who takes them slowly; when the upstream has given all of it, \
             it is free for others. Bytes are never held back. On the node: the most an account may set.",
    reason: "A page with its pictures inlined fits. Of what is certainly longer only the last so many bytes are read ahead.",
    cost: "So much memory for each slow visitor, 64 MiB for each worker at most.",
};

/// `[limits] buffered_bytes` of an account.
pub(super) const BUFFERED_BYTES: Setting<ByteSize> = Setting {
    name: "buffered_bytes",
    default: ByteSize(32 << 20),
    least: ByteSize(0),
    most: ByteSize(1 << 30),
    effect: "Bytes that may be held for the account at a time, over all workers, by `request_buffer` and `response_buffer`. \
             Beyond: bodies pass as their readers take them, and slow ones hold connections.",
    reason: "A hundred slow visitors of whole buffers; half of what a worker holds for all accounts, so that one of them leaves \
             room for the others.",
    cost: "So much memory at most.",
};

/// `[limits] streams_per_connection`.
pub(super) const STREAMS_PER_CONNECTION: Setting<u32> = Setting {
    name: "streams_per_connection",
    default: 100,
    least: 1,
    most: 1000,
    effect: "Requests at once on one HTTP/2 connection (SETTINGS_MAX_CONCURRENT_STREAMS).",
    reason: "The least that RFC 9113 recommends, and what browsers are tuned for.",
    cost: "What one connection can ask of the node at once: 100 heads, 100 leases.",
};

/// `[limits] in_flight` of the node.
pub(super) const MOST_IN_FLIGHT: Setting<u32> = Setting {
    name: "in_flight",
    default: 10_000,
    least: 1,
    most: 1_000_000,
    effect: "The most that an account's own `in_flight` may be.",
    reason: "A customer with a large site needs thousands; ten such accounts still fit one node's descriptors.",
    cost: "Each request in flight holds two descriptors and up to 64 kB of buffers.",
};

// The node file: [timeouts]. Most hold for accounts too, which may shorten them.

/// `[timeouts] handshake`.
pub(super) const HANDSHAKE: Setting<Duration> = Setting {
    name: "handshake",
    default: Duration::from_secs(10),
    least: Duration::from_millis(100),
    most: MINUTE,
    effect: "From accepting a connection to the end of its PROXY header and TLS handshake.",
    reason: "A handshake takes two round trips and one retransmission: under 5 s on the worst mobile link.",
    cost: "How long a silent connection holds 12 kB.",
};

/// `[timeouts] header`.
pub(super) const HEADER: Setting<Duration> = Setting {
    name: "header",
    default: Duration::from_secs(15),
    least: Duration::from_millis(100),
    most: Duration::from_secs(300),
    effect: "From a request head's first byte to its last. Beyond: 408.",
    reason: "Heads fit a few packets; what takes longer is dripping them on purpose.",
    cost: "How long a dripping client holds `header_bytes`.",
};

/// `[timeouts] body_idle`.
pub(super) const BODY_IDLE: Setting<Duration> = Setting {
    name: "body_idle",
    default: MINUTE,
    least: SECOND,
    most: DAY,
    effect: "A pause in a request body. Beyond: 408. Ends when the answer's head is sent.",
    reason: "A phone that changes networks comes back within a minute or not at all.",
    cost: "How long a silent upload holds an upstream connection.",
};

/// `[timeouts] body_min_rate`.
pub(super) const BODY_MIN_RATE: Setting<Rate> = Setting {
    name: "body_min_rate",
    default: Rate { count: 256, period: SECOND },
    least: Rate { count: 0, period: SECOND },
    most: Rate { count: 1 << 30, period: SECOND },
    effect: "The least rate, in bytes, at which a request body must come. Below: 408. Ends when the answer's head is \
             sent. `\"0/s\"` asks for none. An account may ask for more, not for less.",
    reason: "A tenth of the slowest mobile link; a client that drips a byte a second is not uploading.",
    cost: "Lower: slow-body attacks hold the account's upstream connections longer.",
};

/// `[timeouts] connect`.
pub(super) const CONNECT: Setting<Duration> = Setting {
    name: "connect",
    default: Duration::from_secs(5),
    least: Duration::from_millis(10),
    most: MINUTE,
    effect: "Connecting to an upstream, TLS included. Beyond: 504.",
    reason: "On the same machine it takes microseconds; 5 s is two lost SYNs to an upstream elsewhere.",
    cost: "How long a visitor waits for an upstream that is not there.",
};

/// `[timeouts] response_header`.
pub(super) const RESPONSE_HEADER: Setting<Duration> = Setting {
    name: "response_header",
    default: Duration::from_secs(300),
    least: SECOND,
    most: DAY,
    effect: "From a request sent to the head of its answer. Beyond: 504.",
    reason: "PHP's imports and reports run for minutes; the server's own limit should be the one that ends them.",
    cost: "How long a hung program holds one of its account's connections.",
};

/// `[timeouts] response_idle`.
pub(super) const RESPONSE_IDLE: Setting<Duration> = Setting {
    name: "response_idle",
    default: HOUR,
    least: SECOND,
    most: DAY,
    effect: "A pause in an answer's body while its client is ready for more. Beyond: the answer is cut off.",
    reason: "Event streams and long polls are silent for as long as nothing happens.",
    cost: "How long a program that hangs in mid-answer holds a connection; a client that leaves ends it at once.",
};

/// `[timeouts] write_idle`.
pub(super) const WRITE_IDLE: Setting<Duration> = Setting {
    name: "write_idle",
    default: MINUTE,
    least: SECOND,
    most: HOUR,
    effect: "A client or upstream that takes none of the bytes waiting for it. Beyond: the connection is reset.",
    reason: "A reader that takes nothing for a minute is gone or hostile.",
    cost: "How long a dead reader holds its buffers and an upstream connection.",
};

/// `[timeouts] idle`.
pub(super) const IDLE: Setting<Duration> = Setting {
    name: "idle",
    default: MINUTE,
    least: SECOND,
    most: HOUR,
    effect: "A kept client connection between two requests.",
    reason: "Long enough for the next click, which then needs no handshake.",
    cost: "1.5 kB for each idle clear connection, 12 kB for each with TLS, and its descriptor.",
};

/// `[timeouts] tunnel_idle`.
pub(super) const TUNNEL_IDLE: Setting<Duration> = Setting {
    name: "tunnel_idle",
    default: HOUR,
    least: SECOND,
    most: Duration::from_secs(30 * 86_400),
    effect: "A tunnel (WebSocket) without a byte in either direction.",
    reason: "Libraries send a ping every 25 to 60 s; those that send none expect the connection to live.",
    cost: "Two descriptors and 3 kB (15 kB with TLS) for each silent tunnel.",
};

/// `[timeouts] drain`.
pub(super) const DRAIN: Setting<Duration> = Setting {
    name: "drain",
    default: Duration::from_secs(30),
    least: Duration::ZERO,
    most: DAY,
    effect: "From the beginning of a drain to its end by force: what is still open then is closed.",
    reason: "Ordinary requests end in seconds, and systemd waits 90 s before it kills.",
    cost: "How long a restart may take. Answers and tunnels that last longer are cut off.",
};

/// `[timeouts] drain_delay`.
pub(super) const DRAIN_DELAY: Setting<Duration> = Setting {
    name: "drain_delay",
    default: Duration::ZERO,
    least: Duration::ZERO,
    most: HOUR,
    effect: "From `/ready` turning red to the drain's beginning.",
    reason: "Only a load balancer in front needs time to see it; without one the delay is lost.",
    cost: "Added to every stop.",
};

// The account document: [limits].

/// `[limits] in_flight` of an account.
pub(super) const IN_FLIGHT: Setting<u32> = Setting {
    name: "in_flight",
    default: 200,
    least: 1,
    most: 1_000_000,
    effect: "Requests the account may have in flight, until their answer ends; more wait in the queue. At most the \
             node's `in_flight`.",
    reason: "A PHP server runs 5 to 50 at once; an event-driven one is at ease with hundreds.",
    cost: "Each holds two descriptors and up to 64 kB of buffers.",
};

/// `[limits] queue`.
pub(super) const QUEUE: Setting<u32> = Setting {
    name: "queue",
    default: 500,
    least: 0,
    most: 100_000,
    effect: "Requests that may wait for one in flight to end. Beyond: 503. 0: nobody waits.",
    reason: "A page with its pictures is 100 requests: a burst of five visitors waits instead of failing.",
    cost: "A waiting request holds its client connection and its head, about 4 kB.",
};

/// `[limits] queue_timeout`.
pub(super) const QUEUE_TIMEOUT: Setting<Duration> = Setting {
    name: "queue_timeout",
    default: Duration::from_secs(10),
    least: Duration::ZERO,
    most: Duration::from_secs(300),
    effect: "How long a request may wait in the queue. Beyond: 503.",
    reason: "Few visitors wait longer, and an answer nobody reads makes the queue longer still.",
    cost: "How long an overload is felt after it ended.",
};

/// `[limits] tunnels`.
pub(super) const TUNNELS: Setting<u32> = Setting {
    name: "tunnels",
    default: 10_000,
    least: 0,
    most: 1_000_000,
    effect: "WebSockets and other upgraded connections. They count here and no longer in `in_flight` nor in the \
             upstream's `connections`. Beyond: 503. 0: none.",
    reason: "A chat or a game keeps one per visitor open for hours, and each is cheap.",
    cost: "Two descriptors and 3 kB each (15 kB with TLS).",
};

/// `[limits] rate`.
pub(super) const RATE: Setting<Option<Rate>> = Setting {
    name: "rate",
    default: None,
    least: Some(Rate { count: 1, period: HOUR }),
    most: None,
    effect: "Requests of the account in a period. Beyond: 429.",
    reason: "`in_flight` already protects the node; a rate is a product's decision.",
    cost: "None.",
};

// The account document: [[upstream]].

/// `[[upstream]] connections`: its default is the account's `in_flight`.
pub(super) const UPSTREAM_CONNECTIONS: Setting<u32> = Setting {
    name: "connections",
    default: IN_FLIGHT.default,
    least: 1,
    most: 65_535,
    effect: "Connections to the upstream over all workers, idle ones included. Absent: the account's `in_flight`. \
             Requests beyond it wait for one to end.",
    reason: "More requests than are in flight never need a connection. An Apache with five processes wants 5.",
    cost: "One descriptor each; idle ones are closed after `keep_alive`.",
};

/// `[[upstream]] keep_alive`.
pub(super) const KEEP_ALIVE: Setting<Duration> = Setting {
    name: "keep_alive",
    default: Duration::from_secs(4),
    least: Duration::ZERO,
    most: HOUR,
    effect: "How long an idle connection to the upstream is kept. Must stay below the server's own idle time.",
    reason: "Apache and Node close after 5 s: who closes first must not be the one that a request is on its way to.",
    cost: "An idle connection occupies a process of a prefork server. 0: a new connection for every request.",
};

/// `[[upstream]] idle_time`.
pub(super) const IDLE_TIME: Setting<Lasting> = Setting {
    name: "idle_time",
    default: Lasting(Some(Duration::from_secs(30 * 60))),
    least: Lasting(Some(Duration::from_secs(1))),
    most: Lasting(None),
    effect: "How long the program runs without a request, a connection in use or a tunnel before it is stopped. \
             `\"never\"`: it is not stopped.",
    reason: "Somebody who reads a page and goes on does not meet a start; a site that is visited twice a day does not \
             hold its memory meanwhile.",
    cost: "Longer: memory of programs that nobody asks. Shorter: more visitors wait for a start.",
};

/// `[[upstream]] health_interval`.
pub(super) const HEALTH_INTERVAL: Setting<Lasting> = Setting {
    name: "health_interval",
    default: Lasting(None),
    least: Lasting(Some(Duration::from_secs(1))),
    most: Lasting(None),
    effect: "How often a program that serves is asked for its `ready_path`. Where it does not answer below 500 within 5 s \
             it counts as hanging, in `parvis status` and in its logs, until it does. `\"never\"`: requests that get no \
             answer show it.",
    reason: "A question that nobody needs keeps nobody's program awake.",
    cost: "Shorter: a request to the program at that pace. Longer: one that hangs while nobody asks is noticed later.",
};

/// `[[upstream]] hang_timeout`.
pub(super) const HANG_TIMEOUT: Setting<Lasting> = Setting {
    name: "hang_timeout",
    default: Lasting(None),
    least: Lasting(Some(Duration::from_secs(1))),
    most: Lasting(None),
    effect: "How long a program may take connections and answer nobody before it is restarted. One that answers its \
             `ready_path`, where there is one, is not. `\"never\"`: it is told of and left alone.",
    reason: "Nobody but its owner knows whether a request that takes minutes is work or a deadlock.",
    cost: "Shorter than the slowest answer: an honest program that has one visitor is restarted. Longer: visitors of one \
           that hangs wait for nothing.",
};

/// `[[upstream]] start_timeout`.
pub(super) const START_TIMEOUT: Setting<Duration> = Setting {
    name: "start_timeout",
    default: Duration::from_secs(30),
    least: Duration::from_millis(100),
    most: Duration::from_secs(600),
    effect: "From the program's start to its being ready. Beyond: 504 for who waits, and the program is stopped.",
    reason: "A large application that warms its caches on a busy machine takes ten seconds, sometimes twenty.",
    cost: "How long visitors wait for a program that will never be ready.",
};

/// `[[upstream]] stop_timeout`.
pub(super) const STOP_TIMEOUT: Setting<Duration> = Setting {
    name: "stop_timeout",
    default: Duration::from_secs(10),
    least: Duration::ZERO,
    most: Duration::from_secs(600),
    effect: "From `stop_signal` to the end by force, of the program and of all that it started.",
    reason: "Servers finish what they have begun within seconds once asked to end.",
    cost: "How long a program that does not listen keeps its memory, and its address from the next one.",
};

/// `[launcher] uid_min`.
pub(super) const UID_MIN: Setting<u32> = Setting {
    name: "uid_min",
    default: 1000,
    least: 1,
    most: u32::MAX - 1,
    effect: "No program runs with a lower user number, whatever a document says; never as root.",
    reason: "Below it are the system's own users.",
    cost: "Lower: a document can start programs as one of these.",
};

/// `[launcher] uid_max`.
pub(super) const UID_MAX: Setting<u32> = Setting {
    name: "uid_max",
    default: u32::MAX - 1,
    least: 1,
    most: u32::MAX - 1,
    effect: "Nor with a higher one.",
    reason: "Platforms number their accounts as they like.",
    cost: "Keep it to the accounts' range, where there is one.",
};

/// `[[upstream]] verify`.
pub(super) const VERIFY: Setting<bool> = Setting {
    name: "verify",
    default: true,
    least: false,
    most: true,
    effect: "Whether the certificate of an `https://` upstream is verified.",
    reason: "TLS without it protects from nobody on the way.",
    cost: "None.",
};

/// Descriptors that are neither a client's nor an upstream's: logs, certificates, documents, listeners, epoll.
const OWN_DESCRIPTORS: u64 = 256;

/// Connections that "auto" allows on a process with this descriptor limit: half is left for upstreams.
pub(super) fn connections_for(descriptors: Option<u64>) -> usize {
    let Auto::Fixed(most) = CONNECTIONS.most else { return 1 };
    let half = descriptors.map_or(u64::MAX, |limit| limit.saturating_sub(OWN_DESCRIPTORS) / 2);
    half.clamp(1, u64::from(most)) as usize
}

impl Default for Launcher {
    fn default() -> Self {
        Self {
            socket: None,
            directory: Path::new(STATE).join(PROGRAMS),
            uid_min: UID_MIN.default,
            uid_max: UID_MAX.default,
            cgroup_root: None,
            wrapper: Vec::new(),
        }
    }
}

impl Default for Limits {
    /// The defaults of the reference, with connections for 1,024 descriptors, what a shell gives.
    fn default() -> Self {
        Self {
            connections: connections_for(Some(1024)),
            connections_per_client: CONNECTIONS_PER_CLIENT.default,
            handshakes_per_client: HANDSHAKES_PER_CLIENT.default,
            head: HeadLimits::default(),
            response_header_bytes: super::bytes(RESPONSE_HEADER_BYTES.default),
            body_bytes: BODY_BYTES.default.map(|size| size.0),
            request_buffer: super::bytes(REQUEST_BUFFER.default),
            response_buffer: super::bytes(RESPONSE_BUFFER.default),
            streams_per_connection: STREAMS_PER_CONNECTION.default,
            in_flight: MOST_IN_FLIGHT.default,
        }
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            header_bytes: super::bytes(HEADER_BYTES.default),
            header_count: HEADER_COUNT.default as usize,
            url_bytes: super::bytes(URL_BYTES.default),
            mends: false,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: HANDSHAKE.default,
            header: HEADER.default,
            body_idle: BODY_IDLE.default,
            body_min_rate: Some(BODY_MIN_RATE.default),
            connect: CONNECT.default,
            response_header: RESPONSE_HEADER.default,
            response_idle: RESPONSE_IDLE.default,
            write_idle: WRITE_IDLE.default,
            idle: IDLE.default,
            tunnel_idle: TUNNEL_IDLE.default,
            drain: DRAIN.default,
            drain_delay: DRAIN_DELAY.default,
        }
    }
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self {
            in_flight: IN_FLIGHT.default,
            queue: QUEUE.default,
            queue_timeout: QUEUE_TIMEOUT.default,
            tunnels: TUNNELS.default,
            rate: RATE.default,
            body_bytes: BODY_BYTES.default.map(|size| size.0),
            request_buffer: super::bytes(REQUEST_BUFFER.default),
            response_buffer: super::bytes(RESPONSE_BUFFER.default),
            buffered_bytes: super::bytes(BUFFERED_BYTES.default),
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_descriptors_are_the_clients() {
        for (descriptors, connections) in
            [(Some(1024), 384), (Some(65_536), 32_640), (Some(100), 1), (Some(0), 1), (None, 10_000_000)]
        {
            assert_eq!(connections_for(descriptors), connections);
        }
    }
}
