//! The keys of an account document.

use super::super::checked::LogFile;
use super::super::defaults as d;
use super::super::setting::{Absent, Key, Later, Section};
use super::PAGES;
use super::{
    FOREIGN, NETWORKS_FROM, NODE_TLS_PROFILE, RUN, UPSTREAM_COMMAND, UPSTREAM_DIRECTORY,
    UPSTREAM_ENVIRONMENT, UPSTREAM_HOT_RESTART, UPSTREAM_OVERLAP, UPSTREAM_READY_PATH, UPSTREAM_REVISION,
    UPSTREAM_STOP_SIGNAL,
};

/// An account document.
pub(in crate::config) static ACCOUNT_FILE: Section = Section {
    name: "",
    header: "the account document",
    many: false,
    about: "`accounts.d/NAME.toml`, one per account; the file's name is the account's: `a-z`, `0-9` and `-`, at most \
            63, not beginning with `-`. The same holds for sites and upstreams.",
    keys: &[
        &ACCOUNT_STATE,
        &ACCOUNT_MOVED_TO,
        &ACCOUNT_MOVED_CA,
        &ACCOUNT_TLS_PROFILE,
        &d::STRICT_SNI,
        &ACCOUNT_PROTOCOLS,
        &ACCOUNT_DEDICATED,
        &ACCOUNT_DEFAULT_SITE,
        &ACCOUNT_TRUST,
    ],
    tables: &[
        &ACCOUNT_LIMITS,
        &ACCOUNT_TIMEOUTS,
        &ACCOUNT_DENY,
        &ACCOUNT_ALLOW,
        &PAGES,
        &ACCOUNT_LOGS,
        &RUN,
        &CERTIFICATE,
        &UPSTREAM,
        &SITE,
    ],
    later: &[
        Later { name: "waf", hint: "requests reach the upstream unfiltered" },
        Later { name: "cache", hint: "every request goes to its upstream" },
    ],
    foreign: FOREIGN,
};
pub(in crate::config) const ACCOUNT_STATE: Key = Key {
    name: "state",
    takes: "`\"active\"`, `\"maintenance\"`, `\"suspended\"` or `\"moved\"`",
    absent: Absent::Text("active"),
    effect: "`\"maintenance\"` answers every request with a page of Parvis' own, 503 and `Retry-After`. `\"suspended\"` \
             does so with 403, stops the account's programs, and closes what it still has open after `drain`. \
             `\"moved\"` passes everything on to another node, whatever the sites say.",
};
pub(in crate::config) const ACCOUNT_MOVED_TO: Key = Key {
    name: "moved_to",
    takes: "`\"https://http7.host.test\"`, with a port where it is not 443",
    absent: Absent::Means("the account has not moved"),
    effect: "The node that an account with `state = \"moved\"` has moved to: every request of its hosts, upgrades and \
             challenges of ACME included, goes there with the visitor's `Host`, over TLS that is verified by the name \
             written here. That node believes what it is told of the visitor where its `[[trust]]` says so. `parvis \
             status ACCOUNT` tells how many still come this way.",
};
pub(in crate::config) const ACCOUNT_MOVED_CA: Key = Key {
    name: "moved_ca",
    takes: "a PEM file",
    absent: Absent::Means("the system's roots"),
    effect: "The roots that the other node's certificate is verified against.",
};
pub(in crate::config) const ACCOUNT_TLS_PROFILE: Key = Key {
    name: "tls_profile",
    takes: NODE_TLS_PROFILE.takes,
    absent: Absent::Means("the node's"),
    effect: "Which TLS versions the account's hosts speak.",
};

pub(in crate::config) const ACCOUNT_PROTOCOLS: Key = Key {
    name: "protocols",
    takes: "`[\"http/1.1\"]` or `[\"h2\", \"http/1.1\"]`",
    absent: Absent::Means("the listener's"),
    effect: "Which protocols the account's hosts speak, of those that the listener does: a kill switch. Connections that \
             were opened for the very host stay what they are; a request that comes for it by HTTP/2 on any other is told \
             to come again on one of its own (421, or 505 in clear).",
};
pub(in crate::config) const ACCOUNT_DEDICATED: Key = Key {
    name: "dedicated",
    takes: "a list of IP addresses of the node: `[\"198.51.100.7\", \"2001:db8::7\"]`",
    absent: Absent::Is("[]"),
    effect: "Local addresses that are the account's own: who comes there and names no host over TLS (SNI), or one that \
             nobody holds, is shown the certificate of its `default_site` under its `tls_profile`. The listeners stay as \
             they are: behind a PROXY header its destination counts. An address is held like a host: the first account \
             that names it has it.",
};
pub(in crate::config) const ACCOUNT_DEFAULT_SITE: Key = Key {
    name: "default_site",
    takes: "the name of a site of the account",
    absent: Absent::Means("the node's `default_site`"),
    effect: "Answers at the `dedicated` addresses for every host that nobody holds, and for the addresses themselves. Its \
             first exact host names the certificate that is shown there.",
};
pub(in crate::config) const ACCOUNT_TRUST: Key = Key {
    name: "trust",
    takes: "a list of names of `[[trust]]` sets of the node file: `[\"cdn\"]`",
    absent: Absent::Is("[]"),
    effect: "The CDNs and proxies that this account sits behind: what they say of the visitor is believed.",
};

/// `[limits]` of an account.
pub(in crate::config) static ACCOUNT_LIMITS: Section = Section {
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
        &d::BUFFERED_BYTES,
    ],
    tables: &[],
    later: &[
        Later { name: "weight", hint: "accounts share a full node first come, first served" },
        Later { name: "memory", hint: "`in_flight` and `queue` bound what an account holds" },
    ],
    foreign: &[],
};

/// `[timeouts]` of an account.
pub(in crate::config) static ACCOUNT_TIMEOUTS: Section = Section {
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

/// `[deny]` of an account.
pub(in crate::config) static ACCOUNT_DENY: Section = Section {
    name: "deny",
    header: "[deny]",
    many: false,
    about: "Visitors whom the account's sites refuse (403, `denied`), beside those whom the node refuses: by the address \
            that the log shows, so behind a believed proxy by the one it names. ACME's challenges are answered to \
            everybody; of an account that has moved the other node decides.",
    keys: &[&NETWORKS_FROM],
    tables: &[],
    later: &[Later { name: "file", hint: "only the node's lists have files of their own" }],
    foreign: &[],
};

/// `[allow]` of an account.
pub(in crate::config) static ACCOUNT_ALLOW: Section = Section {
    name: "allow",
    header: "[allow]",
    many: false,
    about: "The only visitors whom the account's sites do not refuse: an office, a VPN. Whoever stands in `[deny]` too is \
            refused.",
    keys: &[&NETWORKS_FROM],
    tables: &[],
    later: ACCOUNT_DENY.later,
    foreign: &[],
};

/// `[logs]` of an account.
pub(in crate::config) static ACCOUNT_LOGS: Section = Section {
    name: "logs",
    header: "[logs]",
    many: false,
    about: "The account's own word on its logs. Where and in which form they are written, the node and the sites say.",
    keys: &[&d::LOG_RETENTION],
    tables: &[],
    later: &[],
    foreign: &[],
};

/// `[[certificate]]`.
pub(in crate::config) static CERTIFICATE: Section = Section {
    name: "certificate",
    header: "[[certificate]]",
    many: true,
    about: "A certificate attached to names: it comes first in order, and is served even when expired.",
    keys: &[&CERTIFICATE_NAMES, &CERTIFICATE_FILE],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(in crate::config) const CERTIFICATE_NAMES: Key = Key {
    name: "names",
    takes: "a list of host names and wildcards: `[\"pay.alice.test\", \"*.alice.test\"]`",
    absent: Absent::Required,
    effect: "The names it is shown for, among those the account holds.",
};
pub(in crate::config) const CERTIFICATE_FILE: Key = Key {
    name: "file",
    takes: "a PEM file with chain and key",
    absent: Absent::Required,
    effect: "Where it is.",
};

/// `[[upstream]]`.
pub(in crate::config) static UPSTREAM: Section = Section {
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
pub(in crate::config) const UPSTREAM_NAME: Key = Key {
    name: "name",
    takes: "a name, once in the document",
    absent: Absent::Required,
    effect: "What sites call it.",
};
pub(in crate::config) const UPSTREAM_ADDRESS: Key = Key {
    name: "address",
    takes: "`\"[::1]:8100\"`, `\"127.0.0.1:8100\"`, `\":8100\"` (on the `address` of `[run]`), \
            `\"unix:/run/alice/web.sock\"`, `\"auto\"`, or a URL: `\"http://app.test:8080\"`, \
            `\"https://[2001:db8::7]:8443/base\"`",
    absent: Absent::Required,
    effect: "Where it listens. `\"auto\"`, for an upstream with a `command`, is a unix socket that each instance of the \
             program is told in `SOCKET`, and that only the account and Parvis can reach. A URL may lead anywhere, \
             but for what `[upstreams]` of the node keeps it from; its path is put in front of the visitor's.",
};
pub(in crate::config) const UPSTREAM_PROTOCOL: Key = Key {
    name: "protocol",
    takes: "`\"http1\"` or `\"h2c\"` (HTTP/2 with prior knowledge, as gRPC servers want)",
    absent: Absent::Text("http1"),
    effect: "What is spoken to it.",
};
pub(in crate::config) const UPSTREAM_HOST: Key = Key {
    name: "host",
    takes: "`\"visitor\"`, `\"upstream\"` (the address's own), or a host name",
    absent: Absent::Text("visitor"),
    effect: "The `Host` it sees. `X-Forwarded-Host` tells the visitor's in any case.",
};
pub(in crate::config) const UPSTREAM_SERVER_NAME: Key = Key {
    name: "server_name",
    takes: "a host name or IP address",
    absent: Absent::Means("the host of the URL"),
    effect: "The name sent (SNI) and verified. For `https://` addresses.",
};
pub(in crate::config) const UPSTREAM_CA: Key = Key {
    name: "ca",
    takes: "a PEM file",
    absent: Absent::Means("the system's roots"),
    effect: "The roots its certificate is verified against, instead of the system's. For `https://` addresses.",
};

/// `[[site]]`.
pub(in crate::config) static SITE: Section = Section {
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
        &SITE_LOG_FILE,
    ],
    tables: &[&REDIRECT, &ANSWER, &SITE_LIMITS, &SITE_TIMEOUTS, &HSTS],
    later: &[
        Later { name: "pages", hint: "the account's `[pages]` hold for all its sites" },
        Later { name: "compression", hint: "the upstream compresses" },
        Later { name: "waf", hint: "requests reach the upstream unfiltered" },
        Later { name: "cache", hint: "every request goes to its upstream" },
    ],
    foreign: &[],
};
pub(in crate::config) const SITE_NAME: Key = Key {
    name: "name",
    takes: "a name, once in the document",
    absent: Absent::Required,
    effect: "What logs and `parvis route` call it.",
};
pub(in crate::config) const SITE_ADDRESSES: Key = Key {
    name: "addresses",
    takes: "a list of `\"host\"` and `\"*.host\"`, each with or without a `/path`; it may be empty",
    absent: Absent::Required,
    effect: "What visitors type. A path matches whole segments, the longest first; `*.x` stands for one label or \
             more, never for `x` itself. A host is held whole by one account.",
};
pub(in crate::config) const SITE_UPSTREAM: Key = Key {
    name: "upstream",
    takes: "the name of an `[[upstream]]`",
    absent: Absent::Means("`redirect` or `answer` says what answers"),
    effect: "The server that answers.",
};
pub(in crate::config) const SITE_LOG_FORMAT: Key = Key {
    name: "log_format",
    takes: "`\"standard\"` (Apache's vhost-combined), `\"advanced\"` (the same with protocol and duration), `\"json\"`, or a \
            text with `{variables}`",
    absent: Absent::Text("advanced"),
    effect: "The form of the site's access log: see [logs.md](logs.md#formats).",
};

pub(in crate::config) const SITE_LOG_FILE: Key = Key {
    name: "log_file",
    takes: "a name: `a-z`, `0-9` and `-`, at most 63",
    absent: Absent::Text(LogFile::DEFAULT),
    effect: "Which of the account's access logs the site writes: `{file}` in `[logs] http` of the node. Sites may share one.",
};

/// `answer`.
pub(in crate::config) static ANSWER: Section = Section {
    name: "answer",
    header: "answer = { status = 451 }",
    many: false,
    about: "Answers every request in the same way; stands in a `[[site]]` instead of `upstream`.",
    keys: &[&ANSWER_STATUS, &ANSWER_PAGE],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(in crate::config) const ANSWER_STATUS: Key = Key {
    name: "status",
    takes: "a status: `200`, `404`, `410`, `451`, `503` and the like",
    absent: Absent::Required,
    effect: "The status of the answer.",
};
pub(in crate::config) const ANSWER_PAGE: Key = Key {
    name: "page",
    takes: "a file of at most 64 KiB whose name ends in `.html`, `.txt` or `.json`",
    absent: Absent::Means("a short page of Parvis' own"),
    effect: "What is shown. It is read with the document: write that again, or `parvis reload`, after a change of the file.",
};

/// `redirect`.
pub(in crate::config) static REDIRECT: Section = Section {
    name: "redirect",
    header: "redirect = { to = \"https://www.alice.test\" }",
    many: false,
    about: "Sends visitors elsewhere; stands in a `[[site]]` instead of `upstream`.",
    keys: &[&REDIRECT_TO, &REDIRECT_STATUS, &d::KEEP_PATH],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(in crate::config) const REDIRECT_TO: Key = Key {
    name: "to",
    takes: "an `http://` or `https://` URL, or a path of the same host: `\"/new\"`",
    absent: Absent::Required,
    effect: "Where to. A slash at its end means nothing where `keep_path` is true.",
};
pub(in crate::config) const REDIRECT_STATUS: Key = Key {
    name: "status",
    takes: "301, 302, 303, 307 or 308",
    absent: Absent::Number(d::REDIRECT_STATUS),
    effect: "301 and 308 are remembered by browsers; 307 and 308 keep the method and body.",
};

/// `limits` of a site.
pub(in crate::config) static SITE_LIMITS: Section = Section {
    name: "limits",
    header: "limits = { body_bytes = \"1G\" }",
    many: false,
    about: "The site's own, instead of the account's; stands in a `[[site]]` with an `upstream`. What is absent is the \
            account's. At most the node's.",
    keys: &[&d::BODY_BYTES],
    tables: &[],
    later: &[],
    foreign: &[],
};

/// `timeouts` of a site.
pub(in crate::config) static SITE_TIMEOUTS: Section = Section {
    name: "timeouts",
    header: "timeouts = { response_header = \"5m\" }",
    many: false,
    about: "The site's own, instead of the account's; stands in a `[[site]]` with an `upstream`. What is absent is the \
            account's. At most the node's: a report that takes minutes may have a longer time than the account's other \
            sites.",
    keys: ACCOUNT_TIMEOUTS.keys,
    tables: &[],
    later: &[],
    foreign: &[],
};

/// `hsts`.
pub(in crate::config) static HSTS: Section = Section {
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
