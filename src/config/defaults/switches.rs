//! The defaults of `[switches]` of the node file, and of what logs may show.

use crate::config::setting::Setting;

/// `[switches] splice`.
pub(in crate::config) const SPLICE: Setting<bool> = Setting {
    name: "splice",
    default: true,
    least: false,
    most: true,
    effect: "Whether long bodies between clear connections are moved inside the kernel (splice(2)). Off: they are copied. \
             Holds for the next request.",
    reason: "It takes half of the processor time or less.",
    cost: "Two pipes of 256 KiB at most for each body under way.",
};

/// `[switches] upstream_keepalive`.
pub(in crate::config) const UPSTREAM_KEEPALIVE: Setting<bool> = Setting {
    name: "upstream_keepalive",
    default: true,
    least: false,
    most: true,
    effect: "Whether connections to upstreams are kept for another request. Off: each is closed after its answer; one that \
             idles already serves one request more, or ends with its `keep_alive`.",
    reason: "A new connection costs the upstream more than most answers.",
    cost: "Idle connections, which count among the upstream's.",
};

/// `[switches] request_syntax`.
pub(in crate::config) const REQUEST_SYNTAX: &str = "enforce";

/// `[logs] credentials`.
pub(in crate::config) const LOG_CREDENTIALS: Setting<bool> = Setting {
    name: "credentials",
    default: false,
    least: false,
    most: true,
    effect: "Whether formats of sites may print `Authorization`, `Cookie` and `Set-Cookie`; where not they print `-`.",
    reason: "Whoever reads a log could be any of its visitors.",
    cost: "None.",
};
