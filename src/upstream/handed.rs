//! A connection on its way from one request to the next in line. Between workers the descriptor moves: its
//! stream belongs to a reactor and cannot.

use super::connection::Provenance;
use std::os::fd::OwnedFd;
use std::time::Instant;

/// A connection granted to a waiter.
#[derive(Debug)]
pub(super) enum Handed {
    /// The waiter's own worker put it by, in this place.
    Here(usize),
    /// From another worker.
    Moved(Moved),
}

/// A connection without a reactor.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) fd: OwnedFd,
    pub(super) provenance: Provenance,
    pub(super) idle_since: Option<Instant>,
}
