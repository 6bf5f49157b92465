//! Every key of the node file and of an account document, table by table, those included that this version does
//! not have yet. One list for the reader, the hints and the reference page. Says what keys are, reads none.

mod account;
mod outside;
mod programs;
mod tracing;

pub(super) use account::*;
pub(super) use outside::*;
pub(super) use programs::*;
pub(super) use tracing::*;

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
        &DENY,
        &ALLOW,
        &LAUNCHER,
        &ADMIN,
        &METRICS,
        &TRACING,
        &LOGS,
        &PAGES,
        &LEGAL,
        &SWITCHES,
        &NODE_LIMITS,
        &NODE_TIMEOUTS,
    ],
    later: &[
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
    about: "Where `parvis status`, `explain`, `reload` and `drain` reach the node.",
    keys: &[&ADMIN_SOCKET, &d::RECENT_REQUESTS, &ADMIN_PAGE, &ADMIN_PAGE_CERTIFICATE, &ADMIN_PAGE_CLIENT_CA],
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

pub(super) const ADMIN_PAGE: Key = Key {
    name: "page",
    takes: "a loopback address and a port: `\"[::1]:9146\"`; with `page_certificate` and `page_client_ca` any address",
    absent: Absent::Means("the live page is on the admin socket alone"),
    effect: "Where a browser finds the live page: the node, its accounts, their failures, read only. In clear it answers to \
             `localhost` and loopback addresses alone. Takes effect at a restart.",
};
pub(super) const ADMIN_PAGE_CERTIFICATE: Key = Key {
    name: "page_certificate",
    takes: "a PEM file with chain and key",
    absent: Absent::Means("the live page is served in clear"),
    effect: "What the live page shows over TLS.",
};
pub(super) const ADMIN_PAGE_CLIENT_CA: Key = Key {
    name: "page_client_ca",
    takes: "a PEM file",
    absent: Absent::Means("the live page is served in clear"),
    effect: "Who signs the certificates of the browsers that are let in.",
};

/// `[pages]`, of the node file and of documents.
pub(super) static PAGES: Section = Section {
    name: "pages",
    header: "[pages]",
    many: false,
    about: "Pages in the place of Parvis' own, where a request was refused or failed.",
    keys: &[&PAGES_DIRECTORY],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(super) const PAGES_DIRECTORY: Key = Key {
    name: "directory",
    takes: "a directory of `.html` files, at most 64 KiB each and 256 KiB together",
    absent: Absent::Means("Parvis' own pages are shown; a document's come before the node's"),
    effect: "A file is named after what it is shown for: a cause as in [causes.md](causes.md) (`maintenance.html`), whose \
             fault it is (`client.html`, `site.html`, `limit.html`, `us.html`), or `all.html`; `maintenance.fr.html` is for \
             who reads French. `{{status}}`, `{{title}}`, `{{text}}`, `{{fault}}`, `{{cause}}`, `{{request_id}}` and \
             `{{language}}` are filled in. Read with the document or the node file: `parvis reload` reads them again. Who \
             asks for JSON gets Parvis' own problem (RFC 9457).",
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
    keys: &[
        &LOGS_OUTPUT,
        &LOGS_DIRECTORY,
        &d::ACCESS_LOG,
        &d::LOG_CREDENTIALS,
        &LOGS_HTTP,
        &LOGS_SITES,
        &d::LOG_GZIP,
        &d::LOG_RETENTION,
    ],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(super) const LOGS_OUTPUT: Key = Key {
    name: "output",
    takes: "`\"files\"`, `\"stdout\"` or `\"journald\"`",
    absent: Absent::Means("`\"files\"` where there is a `directory`, else `\"stdout\"`"),
    effect: "Where access logs and site logs go: to files by the templates below, to standard output for containers, or to the \
             journal of systemd with the account as a field.",
};
pub(super) const LOGS_DIRECTORY: Key = Key {
    name: "directory",
    takes: "a directory",
    absent: Absent::Means("logs go to standard output"),
    effect: "What the templates below are relative to.",
};
pub(super) const LOGS_HTTP: Key = Key {
    name: "http",
    takes: "a relative path with `{account}`, `{file}`, `{year}`, `{month}`, `{date}` in it",
    absent: Absent::Text(d::HTTP_LOG),
    effect: "The path of an access log. `{file}` is the site's `log_file`; `{date}` is `2026-03-14` in local time.",
};
pub(super) const LOGS_SITES: Key = Key {
    name: "sites",
    takes: "a relative path with `{account}`, `{year}`, `{month}`, `{date}` in it",
    absent: Absent::Text(d::SITES_LOG),
    effect: "The path of a site log: the starts, stops and failures of the account's programs.",
};

/// `[legal]`.
pub(super) static LEGAL: Section = Section {
    name: "legal",
    header: "[legal]",
    many: false,
    about: "The provider's own log of connections, apart from the customers' logs: who came from which address and port, where \
            to, and whose first request it was. See [logs.md](logs.md#connections).",
    keys: &[&LEGAL_DIRECTORY, &d::LEGAL_RETENTION],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(super) const LEGAL_DIRECTORY: Key = Key {
    name: "directory",
    takes: "a directory, none that customers' logs are in",
    absent: Absent::Means("no such log"),
    effect: "Where `connections-2026-03-14.log` and the other days are. It must exist; give it the group that may read it, and the \
             setgid bit.",
};

/// `[switches]`.
pub(super) static SWITCHES: Section = Section {
    name: "switches",
    header: "[switches]",
    many: false,
    about: "Parts that can be switched off in a bad night, by a reload. See `protocols` of `[[listen]]` and of accounts for \
            HTTP/2.",
    keys: &[&d::SPLICE, &d::UPSTREAM_KEEPALIVE, &SWITCHES_REQUEST_SYNTAX],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(super) const SWITCHES_REQUEST_SYNTAX: Key = Key {
    name: "request_syntax",
    takes: "`\"enforce\"` or `\"observe\"`",
    absent: Absent::Text(d::REQUEST_SYNTAX),
    effect: "What becomes of requests over HTTP/1 that break rules as programs in the world do without meaning anything by \
             it. `\"enforce\"` refuses them (400). `\"observe\"` passes them on as they should have been, counts them \
             (`parvis_repairs_total`) and tells the node's log of the first of an account: bytes of a target that must be \
             percent-encoded are (over HTTP/2 too), a fragment is left out, so is a field whose name is no token, and \
             control characters in values become spaces. What bears on framing, smuggling and routing is always refused. \
             Holds for new connections.",
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
