//! The index of certificates by name: read at every handshake without waiting, changed name by name.

use crate::base::{AccountName, Host};
use std::time::Duration;

/// Certificates by name. Shared by all workers.
#[derive(Debug)]
pub struct Index {}

impl Index {
    /// Whether a certificate other than the default, valid at `now` (wall time since the epoch), covers
    /// `host`, which `account` holds.
    pub fn covers(&self, _host: &Host, _account: Option<&AccountName>, _now: Duration) -> bool {
        todo!()
    }
}
