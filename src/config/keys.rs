//! Every key of the node file and of an account document, table by table, those included that this version does
//! not have yet. One list for the reader, the hints and the reference page. Says what keys are, reads none.

mod outside;
mod programs;

pub(super) use outside::*;
pub(super) use programs::*;

use super::defaults as d;
use super::setting::{Absent, Key, Later, Section};

/// The node file.
pub(super) static NODE_FILE: Section = Section {
    name: "",
    header: "the node file",
    many: false,
    about: "`parvis.toml`, one per node. Every key but `[[listen]]` and `[accounts]` has a default.",
    keys: &[],
    tables: &[
        &NODE,
        &LISTEN,
        &ACCOUNTS,
        &CERTIFICATES,
        &ACME,
        &UPSTREAMS,
        &TRUST,
        &LAUNCHER,
        &ADMIN,
        &METRICS,
        &LOGS,
        &NODE_LIMITS,
        &NODE_TIMEOUTS,
    ],
    later: &[
        Later { name: "deny", hint: "a packet filter refuses networks today" },
        Later { name: "allow", hint: "a packet filter refuses networks today" },
        Later { name: "legal", hint: "the access log has the visitors' addresses" },
        Later { name: "waf", hint: "requests reach the upstreams unfiltered" },
        Later { name: "cache", hint: "every request goes to its upstream" },
        Later { name: "fleet", hint: "documents come from `[accounts] directory`" },
    ],
    foreign: FOREIGN,
};

/// `[node]`.
pub(super) static NODE: Section = Section {
    name: "node",
    header: "[node]",
    many: false,
    about: "The process itself.",
    keys: &[&NODE_NAME, &d::WORKERS, &NODE_USER, &NODE_STATE, &NODE_TLS_PROFILE],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(super) const NODE_NAME: Key = Key {
    name: "name",
    takes: "a host name",
    absent: Absent::Means("the machine's host name"),
    effect: "What the node calls itself: in `Via`, in `parvis status`, in metrics.",
};
pub(super) const NODE_USER: Key = Key {
    name: "user",
    takes: "a user of the system",
    absent: Absent::Means("the user that starts it"),
    effect: "Taken on before anything is bound or read, where the process is started as root; of root's powers only \
             binding ports below 1024 is kept. What this user can read at the start it can read at a reload.",
};
pub(super) const NODE_STATE: Key = Key {
    name: "state",
    takes: "a directory",
    absent: Absent::Text(d::STATE),
    effect: "Where the node remembers who holds which host, and the last good documents. Written by the node alone.",
};
pub(super) const NODE_TLS_PROFILE: Key = Key {
    name: "tls_profile",
    takes: "`\"intermediate\"` (TLS 1.2 with forward-secret AEAD suites, and 1.3) or `\"modern\"` (1.3 only)",
    absent: Absent::Text(d::TLS_PROFILE),
    effect: "What accounts have that name none, and host names that nobody holds.",
};

/// `[[listen]]`.
pub(super) static LISTEN: Section = Section {
    name: "listen",
    header: "[[listen]]",
    many: true,
    about: "An address that visitors connect to. At least one is required.",
    keys: &[&LISTEN_ADDRESS, &d::TLS, &LISTEN_PROTOCOLS, &LISTEN_PROXY],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(super) const LISTEN_ADDRESS: Key = Key {
    name: "address",
    takes: "an IP address and a port: `\"[::]:443\"`, `\"0.0.0.0:443\"`",
    absent: Absent::Required,
    effect: "Where to listen. `[::]` is IPv6 only: list `0.0.0.0` as well, both families are explicit. Port 0 lets \
             the kernel choose, for tests.",
};
pub(super) const LISTEN_PROTOCOLS: Key = Key {
    name: "protocols",
    takes: "a list of `\"http/1.1\"` and, with `tls = true`, `\"h2\"`, without it `\"h2c\"` (prior knowledge)",
    absent: Absent::Means("`[\"h2\", \"http/1.1\"]` with `tls = true`, `[\"http/1.1\"]` without"),
    effect: "What is offered to new connections. A kill switch: taking `\"h2\"` out and reloading turns HTTP/2 off.",
};
pub(super) const LISTEN_PROXY: Key = Key {
    name: "proxy_protocol_from",
    takes: "a list of networks: `[\"192.0.2.0/24\", \"2001:db8::1\"]`",
    absent: Absent::Is("[]"),
    effect: "From these a PROXY header (version 1 or 2) is required, and the visitor's address taken from it; from \
             all others one is refused.",
};

/// `[accounts]`.
pub(super) static ACCOUNTS: Section = Section {
    name: "accounts",
    header: "[accounts]",
    many: false,
    about: "Where the account documents are. Required.",
    keys: &[&ACCOUNTS_DIRECTORY, &ACCOUNTS_DEFAULT_SITE],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(super) const ACCOUNTS_DIRECTORY: Key = Key {
    name: "directory",
    takes: "a directory",
    absent: Absent::Required,
    effect: "Holds `NAME.toml` for every account. Write a document to a file whose name begins with a dot or ends in \
             `.tmp`, then rename it. Dot files and names ending in `~` or `.tmp` are ignored.",
};
pub(super) const ACCOUNTS_DEFAULT_SITE: Key = Key {
    name: "default_site",
    takes: "`\"ACCOUNT/SITE\"`",
    absent: Absent::Means("a 404 of Parvis' own"),
    effect: "Serves every host that no document holds, clear and TLS, with the visitor's `Host`: an existing front \
             can stand behind it.",
};

/// `[certificates]`.
pub(super) static CERTIFICATES: Section = Section {
    name: "certificates",
    header: "[certificates]",
    many: false,
    about: "Where certificates are. Without it only attached ones and a self-signed default are served.",
    keys: &[&CERTIFICATES_DIRECTORY, &CERTIFICATES_DEFAULT],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(super) const CERTIFICATES_DIRECTORY: Key = Key {
    name: "directory",
    takes: "a directory",
    absent: Absent::Means("none are read"),
    effect: "`ACCOUNT/NAME.pem` is the customer's, for hosts that account holds; `NAME.pem` on top is the \
             platform's. Chain and key in one file, or `NAME/fullchain.pem` and `NAME/privkey.pem`. The names in the \
             certificate decide; the file's name is only an id.",
};
pub(super) const CERTIFICATES_DEFAULT: Key = Key {
    name: "default",
    takes: "a PEM file with chain and key",
    absent: Absent::Means("a self-signed one is made at start, and the log says so"),
    effect: "Shown for names that no certificate covers.",
};

/// `[admin]`.
pub(super) static ADMIN: Section = Section {
    name: "admin",
    header: "[admin]",
    many: false,
    about: "Where `parvis status`, `reload` and `drain` reach the node.",
    keys: &[&ADMIN_SOCKET],
    tables: &[],
    later: &[Later { name: "address", hint: "the socket is the only way in" }],
    foreign: &[],
};
pub(super) const ADMIN_SOCKET: Key = Key {
    name: "socket",
    takes: "a path",
    absent: Absent::Text(d::ADMIN_SOCKET),
    effect: "A unix socket that only the node's own user and root may open.",
};

/// `[metrics]`.
pub(super) static METRICS: Section = Section {
    name: "metrics",
    header: "[metrics]",
    many: false,
    about: "What Prometheus and load balancers ask.",
    keys: &[&METRICS_ADDRESS],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(super) const METRICS_ADDRESS: Key = Key {
    name: "address",
    takes: "an IP address and a port: `\"[::1]:9145\"`",
    absent: Absent::Means("no such listener"),
    effect: "Answers `/metrics`, `/live` and `/ready` over clear HTTP. Not for the public: it names accounts.",
};

/// `[logs]`.
pub(super) static LOGS: Section = Section {
    name: "logs",
    header: "[logs]",
    many: false,
    about: "Where access logs and site logs go. What happens to the node itself is told on standard error.",
    keys: &[&LOGS_DIRECTORY, &d::ACCESS_LOG, &LOGS_HTTP, &LOGS_SITES],
    tables: &[],
    later: &[Later { name: "retention", hint: "logrotate or a timer deletes old files" }],
    foreign: &[],
};
pub(super) const LOGS_DIRECTORY: Key = Key {
    name: "directory",
    takes: "a directory",
    absent: Absent::Means("access logs go to standard output, and there are no site logs"),
    effect: "What the templates below are relative to.",
};
pub(super) const LOGS_HTTP: Key = Key {
    name: "http",
    takes: "a relative path with `{account}`, `{file}`, `{year}`, `{month}`, `{date}` in it",
    absent: Absent::Text(d::HTTP_LOG),
    effect: "The path of an access log. `{file}` is `http`; `{date}` is `2026-03-14` in local time.",
};
pub(super) const LOGS_SITES: Key = Key {
    name: "sites",
    takes: "a relative path with `{account}`, `{year}`, `{month}`, `{date}` in it",
    absent: Absent::Text(d::SITES_LOG),
    effect: "The path of a site log: the starts, stops and failures of the account's programs.",
};

/// `[limits]` of the node.
pub(super) static NODE_LIMITS: Section = Section {
    name: "limits",
    header: "[limits]",
    many: false,
    about: "Bounds against clients, whatever account they ask for. 0 is zero; where there may be no bound, \
            `\"unlimited\"` is the word.",
    keys: &[
        &d::CONNECTIONS,
        &d::CONNECTIONS_PER_CLIENT,
        &d::HANDSHAKES_PER_CLIENT,
        &d::HEADER_BYTES,
        &d::HEADER_COUNT,
        &d::URL_BYTES,
        &d::RESPONSE_HEADER_BYTES,
        &d::BODY_BYTES,
        &d::REQUEST_BUFFER,
        &d::RESPONSE_BUFFER,
        &d::STREAMS_PER_CONNECTION,
        &d::MOST_IN_FLIGHT,
    ],
    tables: &[],
    later: &[Later { name: "memory", hint: "connections, heads and buffers are bounded one by one" }],
    foreign: &[],
};

/// `[timeouts]` of the node.
pub(super) static NODE_TIMEOUTS: Section = Section {
    name: "timeouts",
    header: "[timeouts]",
    many: false,
    about: "How long anything may take. Every wait ends. What an account may set as well is also its most.",
    keys: &[
        &d::HANDSHAKE,
        &d::HEADER,
        &d::BODY_IDLE,
        &d::BODY_MIN_RATE,
        &d::CONNECT,
        &d::RESPONSE_HEADER,
        &d::RESPONSE_IDLE,
        &d::WRITE_IDLE,
        &d::IDLE,
        &d::TUNNEL_IDLE,
        &d::DRAIN,
        &d::DRAIN_DELAY,
    ],
    tables: &[],
    later: &[],
    foreign: &[],
};

/// An account document.
pub(super) static ACCOUNT_FILE: Section = Section {
    name: "",
    header: "the account document",
    many: false,
    about: "`accounts.d/NAME.toml`, one per account; the file's name is the account's: `a-z`, `0-9` and `-`, at most \
            63, not beginning with `-`. The same holds for sites and upstreams.",
    keys: &[&ACCOUNT_STATE, &ACCOUNT_MOVED_TO, &ACCOUNT_MOVED_CA, &ACCOUNT_TLS_PROFILE, &ACCOUNT_TRUST],
    tables: &[&ACCOUNT_LIMITS, &ACCOUNT_TIMEOUTS, &RUN, &CERTIFICATE, &UPSTREAM, &SITE],
    later: &[
        Later { name: "dedicated", hint: "accounts are found by host name on every address" },
        Later { name: "default_site", hint: "hosts that no document holds go to the node's `default_site`" },
        Later {
            name: "strict_sni",
            hint: "a Host other than the SNI is served where one certificate covers both",
        },
        Later { name: "protocols", hint: "the listener's `protocols` hold for every account" },
        Later { name: "deny", hint: "nobody is refused by address" },
        Later { name: "allow", hint: "nobody is refused by address" },
        Later { name: "logs", hint: "the node's `[logs]` hold for every account" },
        Later { name: "waf", hint: "requests reach the upstream unfiltered" },
        Later { name: "cache", hint: "every request goes to its upstream" },
    ],
    foreign: FOREIGN,
};
pub(super) const ACCOUNT_STATE: Key = Key {
    name: "state",
    takes: "`\"active\"`, `\"maintenance\"`, `\"suspended\"` or `\"moved\"`",
    absent: Absent::Text("active"),
    effect: "`\"maintenance\"` answers every request with a page of Parvis' own, 503 and `Retry-After`. `\"suspended\"` \
             does so with 403, stops the account's programs, and closes what it still has open after `drain`. \
             `\"moved\"` passes everything on to another node, whatever the sites say.",
};
pub(super) const ACCOUNT_MOVED_TO: Key = Key {
    name: "moved_to",
    takes: "`\"https://http7.host.test\"`, with a port where it is not 443",
    absent: Absent::Means("the account has not moved"),
    effect: "The node that an account with `state = \"moved\"` has moved to: every request of its hosts, upgrades and \
             challenges of ACME included, goes there with the visitor's `Host`, over TLS that is verified by the name \
             written here. That node believes what it is told of the visitor where its `[[trust]]` says so. `parvis \
             status ACCOUNT` tells how many still come this way.",
};
pub(super) const ACCOUNT_MOVED_CA: Key = Key {
    name: "moved_ca",
    takes: "a PEM file",
    absent: Absent::Means("the system's roots"),
    effect: "The roots that the other node's certificate is verified against.",
};
pub(super) const ACCOUNT_TLS_PROFILE: Key = Key {
    name: "tls_profile",
    takes: NODE_TLS_PROFILE.takes,
    absent: Absent::Means("the node's"),
    effect: "Which TLS versions the account's hosts speak.",
};

pub(super) const ACCOUNT_TRUST: Key = Key {
    name: "trust",
    takes: "a list of names of `[[trust]]` sets of the node file: `[\"cdn\"]`",
    absent: Absent::Is("[]"),
    effect: "The CDNs and proxies that this account sits behind: what they say of the visitor is believed.",
};

/// `[limits]` of an account.
pub(super) static ACCOUNT_LIMITS: Section = Section {
    name: "limits",
    header: "[limits]",
    many: false,
    about: "What the account may take of the node.",
    keys: &[
        &d::IN_FLIGHT,
        &d::QUEUE,
        &d::QUEUE_TIMEOUT,
        &d::TUNNELS,
        &d::RATE,
        &d::BODY_BYTES,
        &d::REQUEST_BUFFER,
        &d::RESPONSE_BUFFER,
    ],
    tables: &[],
    later: &[
        Later { name: "weight", hint: "accounts share a full node first come, first served" },
        Later { name: "memory", hint: "`in_flight` and `queue` bound what an account holds" },
    ],
    foreign: &[],
};

/// `[timeouts]` of an account.
pub(super) static ACCOUNT_TIMEOUTS: Section = Section {
    name: "timeouts",
    header: "[timeouts]",
    many: false,
    about: "The node's, shortened for this account. Absent: the node's value, which is also the most.",
    keys: &[
        &d::BODY_IDLE,
        &d::BODY_MIN_RATE,
        &d::CONNECT,
        &d::RESPONSE_HEADER,
        &d::RESPONSE_IDLE,
        &d::WRITE_IDLE,
        &d::TUNNEL_IDLE,
    ],
    tables: &[],
    later: &[],
    foreign: &[],
};

/// `[[certificate]]`.
pub(super) static CERTIFICATE: Section = Section {
    name: "certificate",
    header: "[[certificate]]",
    many: true,
    about: "A certificate attached to names: it comes first in order, and is served even when expired.",
    keys: &[&CERTIFICATE_NAMES, &CERTIFICATE_FILE],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(super) const CERTIFICATE_NAMES: Key = Key {
    name: "names",
    takes: "a list of host names and wildcards: `[\"pay.alice.test\", \"*.alice.test\"]`",
    absent: Absent::Required,
    effect: "The names it is shown for, among those the account holds.",
};
pub(super) const CERTIFICATE_FILE: Key = Key {
    name: "file",
    takes: "a PEM file with chain and key",
    absent: Absent::Required,
    effect: "Where it is.",
};

/// `[[upstream]]`.
pub(super) static UPSTREAM: Section = Section {
    name: "upstream",
    header: "[[upstream]]",
    many: true,
    about: "An HTTP server that answers for the account.",
    keys: &[
        &UPSTREAM_NAME,
        &UPSTREAM_ADDRESS,
        &UPSTREAM_PROTOCOL,
        &UPSTREAM_HOST,
        &d::UPSTREAM_CONNECTIONS,
        &d::KEEP_ALIVE,
        &UPSTREAM_SERVER_NAME,
        &UPSTREAM_CA,
        &d::VERIFY,
        &UPSTREAM_COMMAND,
        &UPSTREAM_DIRECTORY,
        &UPSTREAM_ENVIRONMENT,
        &d::IDLE_TIME,
        &d::START_TIMEOUT,
        &UPSTREAM_READY_PATH,
        &UPSTREAM_STOP_SIGNAL,
        &d::STOP_TIMEOUT,
        &UPSTREAM_OVERLAP,
        &UPSTREAM_HOT_RESTART,
        &UPSTREAM_REVISION,
        &d::HEALTH_INTERVAL,
        &d::HANG_TIMEOUT,
    ],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(super) const UPSTREAM_NAME: Key = Key {
    name: "name",
    takes: "a name, once in the document",
    absent: Absent::Required,
    effect: "What sites call it.",
};
pub(super) const UPSTREAM_ADDRESS: Key = Key {
    name: "address",
    takes: "`\"[::1]:8100\"`, `\"127.0.0.1:8100\"`, `\":8100\"` (on the `address` of `[run]`), \
            `\"unix:/run/alice/web.sock\"`, `\"auto\"`, or a URL: `\"http://app.test:8080\"`, \
            `\"https://[2001:db8::7]:8443/base\"`",
    absent: Absent::Required,
    effect: "Where it listens. `\"auto\"`, for an upstream with a `command`, is a unix socket that each instance of the \
             program is told in `SOCKET`, and that only the account and Parvis can reach. A URL may lead anywhere, \
             but for what `[upstreams]` of the node keeps it from; its path is put in front of the visitor's.",
};
pub(super) const UPSTREAM_PROTOCOL: Key = Key {
    name: "protocol",
    takes: "`\"http1\"` or `\"h2c\"` (HTTP/2 with prior knowledge, as gRPC servers want)",
    absent: Absent::Text("http1"),
    effect: "What is spoken to it.",
};
pub(super) const UPSTREAM_HOST: Key = Key {
    name: "host",
    takes: "`\"visitor\"`, `\"upstream\"` (the address's own), or a host name",
    absent: Absent::Text("visitor"),
    effect: "The `Host` it sees. `X-Forwarded-Host` tells the visitor's in any case.",
};
pub(super) const UPSTREAM_SERVER_NAME: Key = Key {
    name: "server_name",
    takes: "a host name or IP address",
    absent: Absent::Means("the host of the URL"),
    effect: "The name sent (SNI) and verified. For `https://` addresses.",
};
pub(super) const UPSTREAM_CA: Key = Key {
    name: "ca",
    takes: "a PEM file",
    absent: Absent::Means("the system's roots"),
    effect: "The roots its certificate is verified against, instead of the system's. For `https://` addresses.",
};

/// `[[site]]`.
pub(super) static SITE: Section = Section {
    name: "site",
    header: "[[site]]",
    many: true,
    about: "Addresses, and what answers there: an upstream, a redirect, or always the same.",
    keys: &[
        &SITE_NAME,
        &SITE_ADDRESSES,
        &SITE_UPSTREAM,
        &d::TRIM_PATH,
        &d::FORCE_HTTPS,
        &d::LEND,
        &SITE_LOG_FORMAT,
    ],
    tables: &[&REDIRECT, &ANSWER, &HSTS],
    later: &[
        Later { name: "log_file", hint: "every site of the account writes to the file `http`" },
        Later { name: "limits", hint: "the account's `[limits]` hold for every site" },
        Later { name: "timeouts", hint: "the account's `[timeouts]` hold for every site" },
        Later {
            name: "strict_sni",
            hint: "a Host other than the SNI is served where one certificate covers both",
        },
        Later { name: "pages", hint: "error pages are Parvis' own" },
        Later { name: "compression", hint: "the upstream compresses" },
        Later { name: "waf", hint: "requests reach the upstream unfiltered" },
        Later { name: "cache", hint: "every request goes to its upstream" },
    ],
    foreign: &[],
};
pub(super) const SITE_NAME: Key = Key {
    name: "name",
    takes: "a name, once in the document",
    absent: Absent::Required,
    effect: "What logs and `parvis route` call it.",
};
pub(super) const SITE_ADDRESSES: Key = Key {
    name: "addresses",
    takes: "a list of `\"host\"` and `\"*.host\"`, each with or without a `/path`; it may be empty",
    absent: Absent::Required,
    effect: "What visitors type. A path matches whole segments, the longest first; `*.x` stands for one label or \
             more, never for `x` itself. A host is held whole by one account.",
};
pub(super) const SITE_UPSTREAM: Key = Key {
    name: "upstream",
    takes: "the name of an `[[upstream]]`",
    absent: Absent::Means("`redirect` or `answer` says what answers"),
    effect: "The server that answers.",
};
pub(super) const SITE_LOG_FORMAT: Key = Key {
    name: "log_format",
    takes: "`\"standard\"` (Apache's vhost-combined) or `\"advanced\"` (the same with protocol and duration)",
    absent: Absent::Text("advanced"),
    effect: "The form of the site's access log.",
};

/// `answer`.
pub(super) static ANSWER: Section = Section {
    name: "answer",
    header: "answer = { status = 451 }",
    many: false,
    about: "Answers every request in the same way; stands in a `[[site]]` instead of `upstream`.",
    keys: &[&ANSWER_STATUS, &ANSWER_PAGE],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(super) const ANSWER_STATUS: Key = Key {
    name: "status",
    takes: "a status: `200`, `404`, `410`, `451`, `503` and the like",
    absent: Absent::Required,
    effect: "The status of the answer.",
};
pub(super) const ANSWER_PAGE: Key = Key {
    name: "page",
    takes: "a file of at most 64 KiB whose name ends in `.html`, `.txt` or `.json`",
    absent: Absent::Means("a short page of Parvis' own"),
    effect: "What is shown. It is read with the document: write that again, or `parvis reload`, after a change of the file.",
};

/// `redirect`.
pub(super) static REDIRECT: Section = Section {
    name: "redirect",
    header: "redirect = { to = \"https://www.alice.test\" }",
    many: false,
    about: "Sends visitors elsewhere; stands in a `[[site]]` instead of `upstream`.",
    keys: &[&REDIRECT_TO, &REDIRECT_STATUS, &d::KEEP_PATH],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(super) const REDIRECT_TO: Key = Key {
    name: "to",
    takes: "an `http://` or `https://` URL, or a path of the same host: `\"/new\"`",
    absent: Absent::Required,
    effect: "Where to. A slash at its end means nothing where `keep_path` is true.",
};
pub(super) const REDIRECT_STATUS: Key = Key {
    name: "status",
    takes: "301, 302, 303, 307 or 308",
    absent: Absent::Number(d::REDIRECT_STATUS),
    effect: "301 and 308 are remembered by browsers; 307 and 308 keep the method and body.",
};

/// `hsts`.
pub(super) static HSTS: Section = Section {
    name: "hsts",
    header: "hsts = { max_age = \"365d\" }",
    many: false,
    about: "`Strict-Transport-Security` (RFC 6797) on the site's answers over TLS; stands in a `[[site]]`. Absent: \
            the upstream's own header passes.",
    keys: &[&d::HSTS_MAX_AGE, &d::HSTS_SUBDOMAINS, &d::HSTS_PRELOAD],
    tables: &[],
    later: &[],
    foreign: &[],
};

/// Where a mistyped place may have been meant: `name` is a key of another table of the same file, or of the
/// other file.
pub(super) fn home_of(name: &str, here: &Section) -> Option<String> {
    let (file, other, other_file) = if contains(&NODE_FILE, here) {
        (&NODE_FILE, &ACCOUNT_FILE, "an account document")
    } else {
        (&ACCOUNT_FILE, &NODE_FILE, "the node file")
    };
    if file.names().any(|known| known == name) && !std::ptr::eq(file, here) {
        return Some(match file.tables.iter().find(|table| table.name == name) {
            Some(table) => format!("write {} at the top of the file", table.header),
            None => format!("`{name}` belongs at the top of the file, before the first table"),
        });
    }
    if let Some(table) = file.tables.iter().find(|table| table.names().any(|known| known == name)) {
        return Some(format!("`{name}` belongs in {}", table.header));
    }
    let table =
        other.tables.iter().find(|table| table.name == name || table.names().any(|known| known == name))?;
    Some(format!("`{name}` belongs in {other_file}, in {}", table.header))
}

fn contains(around: &Section, section: &Section) -> bool {
    std::ptr::eq(around, section) || around.tables.iter().any(|inside| contains(inside, section))
}

/// Tables of the control panel's own.
const FOREIGN: &[&str] = &["panel"];
