//! The defaults of a `[[site]]` of an account document, and of what an account asks of connections.

use crate::config::setting::Setting;
use std::time::Duration;

/// `strict_sni` of an account.
pub(in crate::config) const STRICT_SNI: Setting<bool> = Setting {
    name: "strict_sni",
    default: false,
    least: false,
    most: true,
    effect: "Whether the account's hosts are answered over TLS only where the very host was named when the connection was \
             opened (SNI); else 421, upon which browsers come again. Proxies that are believed for the account need not.",
    reason: "Browsers use one connection for all names of a certificate, and programs that know no SNI are served by \
             `Host`.",
    cost: "A connection, and a handshake, for every name a visitor uses.",
};

/// `[[site]] trim_path`.
pub(in crate::config) const TRIM_PATH: Setting<bool> = Setting {
    name: "trim_path",
    default: false,
    least: false,
    most: true,
    effect: "Whether the path of the address is left out where a request is forwarded or redirected with its path; \
             `X-Forwarded-Prefix` tells the upstream what it was. `Location` and the paths of cookies in answers are left \
             alone: a program that makes absolute paths has to put the prefix in front. A path that would lead out of what \
             it was cut from has no site.",
    reason: "Most programs are told their path, and want to see it.",
    cost: "None.",
};

/// `[[site]] force_https`.
pub(in crate::config) const FORCE_HTTPS: Setting<bool> = Setting {
    name: "force_https",
    default: false,
    least: false,
    most: true,
    effect: "Whether clear requests are redirected to `https://` (301; 308 where the method is not safe). It waits \
             until a certificate other than the default covers the name.",
    reason: "It would break the clients of a site whose certificate is not there yet.",
    cost: "None.",
};

/// `[[site]] lend`.
pub(in crate::config) const LEND: Setting<bool> = Setting {
    name: "lend",
    default: false,
    least: false,
    most: true,
    effect: "Whether other accounts may hold names under this site's wildcards.",
    reason: "A name under somebody's wildcard is theirs until they say otherwise.",
    cost: "None.",
};

/// `redirect.status`.
pub(in crate::config) const REDIRECT_STATUS: u16 = 301;

/// `redirect.keep_path`.
pub(in crate::config) const KEEP_PATH: Setting<bool> = Setting {
    name: "keep_path",
    default: true,
    least: false,
    most: true,
    effect: "Whether the visitor's path and query are put behind `to`.",
    reason: "A site that moved keeps its links.",
    cost: "None.",
};

/// `hsts.max_age`.
pub(in crate::config) const HSTS_MAX_AGE: Setting<Duration> = Setting {
    name: "max_age",
    default: HSTS_YEAR,
    least: Duration::ZERO,
    most: Duration::from_secs(10 * 365 * 86_400),
    effect: "How long browsers remember to speak HTTPS only. 0 tells them to forget.",
    reason: "What the browsers' preload list asks for.",
    cost: "It cannot be taken back from a browser that does not return: begin with `\"5m\"`.",
};

/// `hsts.include_subdomains`.
pub(in crate::config) const HSTS_SUBDOMAINS: Setting<bool> = Setting {
    name: "include_subdomains",
    default: false,
    least: false,
    most: true,
    effect: "Whether it holds for every subdomain too.",
    reason: "A subdomain that still speaks clear HTTP would be lost.",
    cost: "None.",
};

/// `hsts.preload`.
pub(in crate::config) const HSTS_PRELOAD: Setting<bool> = Setting {
    name: "preload",
    default: false,
    least: false,
    most: true,
    effect: "Whether the site asks for the browsers' preload list.",
    reason: "Leaving that list takes months.",
    cost: "None.",
};

/// What `preload` needs of `max_age`.
pub(in crate::config) const HSTS_YEAR: Duration = Duration::from_secs(365 * 86_400);
