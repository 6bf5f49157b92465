//! The defaults of `[logs]` and `[legal]`.

use super::super::checked::{Logs, Retention};
use super::super::scalar::Lasting;
use super::super::setting::Setting;
use super::{DAY, LOG_CREDENTIALS};

/// `[logs] access`.
pub(in crate::config) const ACCESS_LOG: Setting<bool> = Setting {
    name: "access",
    default: true,
    least: false,
    most: true,
    effect: "Whether access logs are written on this node.",
    reason: "A customer whose site misbehaves asks for the log first.",
    cost: "A line a request, written by a thread of its own; when the disk cannot follow, lines are dropped and \
           counted, requests are not slowed.",
};

/// `[logs] gzip`.
pub(in crate::config) const LOG_GZIP: Setting<bool> = Setting {
    name: "gzip",
    default: true,
    least: false,
    most: true,
    effect: "Whether logs of finished days become `NAME.gz`, an hour after midnight. For templates that say the day.",
    reason: "A log shrinks to a tenth or less, and nobody appends to it any more.",
    cost: "Some 30 ms of a CPU for a megabyte, by a thread of the least priority.",
};

/// `[logs] retention`, of the node and of an account.
pub(in crate::config) const LOG_RETENTION: Setting<Lasting> = Setting {
    name: "retention",
    default: Lasting(None),
    least: Lasting(Some(DAY)),
    most: Lasting(None),
    effect: "How long a log is kept after the day it is of; then it is deleted. What an account's document says holds for \
             that account, be it more or less; the node's for all others, and for those that have gone.",
    reason: "What is deleted does not come back: somebody has to decide.",
    cost: "Disk. Where it is forgotten, until the disk is full.",
};

/// `[legal] retention`.
pub(in crate::config) const LEGAL_RETENTION: Setting<Lasting> = Setting {
    name: "retention",
    default: Lasting(None),
    least: Lasting(Some(DAY)),
    most: Lasting(None),
    effect: "How long a file is kept after the day it is of, in UTC; then it is deleted. Counsel knows how long that must be, and \
             how long it may be.",
    reason: "Too short breaks one law, too long another.",
    cost: "Some 100 bytes a connection, a tenth of that once the day is over.",
};

/// `[logs] http`.
pub(in crate::config) const HTTP_LOG: &str = "{account}/http/{year}/{file}-{date}.log";

/// `[logs] sites`.
pub(in crate::config) const SITES_LOG: &str = "{account}/sites/{date}.log";

impl Default for Logs {
    fn default() -> Self {
        Self {
            output: None,
            credentials: LOG_CREDENTIALS.default,
            directory: None,
            access: ACCESS_LOG.default,
            http: HTTP_LOG.to_owned(),
            sites: SITES_LOG.to_owned(),
            gzip: LOG_GZIP.default,
            retention: Retention(LOG_RETENTION.default.0),
        }
    }
}
