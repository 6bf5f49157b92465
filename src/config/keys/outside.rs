//! The keys that say what of the world outside is believed, let in and reached: `[acme]`, `[upstreams]`, `[[trust]]`,
//! `[deny]`, `[allow]`.

use super::super::defaults as d;
use super::super::setting::{Absent, Key, Section};

/// `[acme]`.
pub(in crate::config) static ACME: Section = Section {
    name: "acme",
    header: "[acme]",
    many: false,
    about: "Challenges of whoever issues certificates for the platform (RFC 8555 §8.3): `GET` of \
            `/.well-known/acme-challenge/TOKEN` on every host, held by an account or not, is answered before routing, \
            redirects, `force_https`, maintenance and suspension. Either `tokens` or `forward`; without this table such \
            paths are the sites' own.",
    keys: &[&ACME_TOKENS, &ACME_FORWARD],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(in crate::config) const ACME_TOKENS: Key = Key {
    name: "tokens",
    takes: "a directory",
    absent: Absent::Means("`forward` answers"),
    effect: "Holds a file for each token, named by it, with the key authorization in it. Links are not followed.",
};
pub(in crate::config) const ACME_FORWARD: Key = Key {
    name: "forward",
    takes: "`\"http://[::1]:8089\"`",
    absent: Absent::Means("`tokens` has the answers"),
    effect: "The server that answers; it sees the visitor's `Host` and path.",
};

/// `[upstreams]`.
pub(in crate::config) static UPSTREAMS: Section = Section {
    name: "upstreams",
    header: "[upstreams]",
    many: false,
    about: "What `http://` and `https://` addresses of upstreams may lead to: their names are their owners', who could \
            point them at this machine, at others of the platform, or at a neighbour's server.",
    keys: &[&UPSTREAMS_ALLOW, &UPSTREAMS_RESOLVERS],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(in crate::config) const UPSTREAMS_ALLOW: Key = Key {
    name: "allow",
    takes: "a list of networks, `\"10.20.0.0/16\"`, and of addresses with a port, `\"127.0.0.1:15672\"`",
    absent: Absent::Is("[]"),
    effect: "Loopback, link-local and private addresses, this machine's own, and those where another account's server \
             listens are refused to URLs (502, `destination_ip_prohibited`) after every resolution, unless they stand \
             here; where another account's server listens only an address with its port does.",
};
pub(in crate::config) const UPSTREAMS_RESOLVERS: Key = Key {
    name: "resolvers",
    takes: "a list of IP addresses, with a port where it is not 53: `[\"192.0.2.53\", \"[::1]:5353\"]`",
    absent: Absent::Means("those of `/etc/resolv.conf`"),
    effect: "The name servers that are asked for the names of upstreams, after `/etc/hosts`. An answer holds for as \
             long as it says, for a second at least and an hour at most; where no further one is had the last good \
             one goes on holding.",
};

/// `[[trust]]`.
pub(in crate::config) static TRUST: Section = Section {
    name: "trust",
    header: "[[trust]]",
    many: true,
    about: "Peers in front of this node (a CDN, a load balancer) whose word on the visitor's address and scheme is \
            believed, for every account or for those that name the set. From all others such fields change nothing. \
            See [peers.md](peers.md).",
    keys: &[&TRUST_NAME, &NETWORKS_FROM, &NETWORKS_FILE, &TRUST_HEADER, &d::EVERYWHERE],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(in crate::config) const TRUST_NAME: Key = Key {
    name: "name",
    takes: "a name, once in the file",
    absent: Absent::Required,
    effect: "What accounts call it in their `trust`.",
};
pub(in crate::config) const TRUST_HEADER: Key = Key {
    name: "header",
    takes: "`\"X-Forwarded-For\"` or `\"Forwarded\"` (lists, read from their end), or the name of a field with one \
            address: `\"CF-Connecting-IP\"`, `\"X-Real-IP\"`",
    absent: Absent::Text("X-Forwarded-For"),
    effect: "The field in which these peers name the visitor. They must write it themselves, not pass on what a \
             visitor sent.",
};

/// `[deny]` of the node.
pub(in crate::config) static DENY: Section = Section {
    name: "deny",
    header: "[deny]",
    many: false,
    about: "Clients that the node refuses: their connections are closed before a byte is said. Whoever comes through a \
            proxy that `[[trust]]` believes is refused by the address it names (403, `denied`). What is counted: \
            `parvis_failures_total{cause=\"denied\"}`. A change holds for new connections, and for the next request on \
            those that are open.",
    keys: &[&NETWORKS_FROM, &NETWORKS_FILE],
    tables: &[],
    later: &[],
    foreign: &[],
};

/// `[allow]` of the node.
pub(in crate::config) static ALLOW: Section = Section {
    name: "allow",
    header: "[allow]",
    many: false,
    about: "The only clients that the node does not refuse. Whoever stands in `[deny]` too is refused. A proxy that \
            `[[trust]]` believes need not stand here: those it names must.",
    keys: &[&NETWORKS_FROM, &NETWORKS_FILE],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(in crate::config) const NETWORKS_FROM: Key = Key {
    name: "from",
    takes: "a list of networks: `[\"192.0.2.0/24\", \"2001:db8::1\"]`",
    absent: Absent::Means("`file` names them"),
    effect: "Which networks.",
};
pub(in crate::config) const NETWORKS_FILE: Key = Key {
    name: "file",
    takes: "a file with a network a line; `#` begins a comment",
    absent: Absent::Means("`from` names them"),
    effect: "Which networks, in a file of their own. It is read again when it changes; what is wrong with it is told \
             with its line, and the networks stay what they were. At most 100,000.",
};
