//! The accounts' upstreams: who may use a connection, and which one. Counts every connection of an upstream over
//! all workers, keeps idle ones, and lends them out; speaks no HTTP.

mod answers;
mod connect;
mod connection;
mod exchange;
mod fate;
mod handed;
mod holders;
mod idle;
mod keeper;
mod lease;
mod ledger;
mod lifecycle;
mod names;
mod origin;
mod parking;
mod pools;
mod reach;
mod security;
mod session;
mod shared;
#[cfg(test)]
mod testing;
mod transport;
mod watch;
mod word;

pub use answers::Silence;
pub use exchange::{Seat, seats};
pub use fate::{Ended, Fate};
pub use lease::Lease;
pub use lifecycle::{Action, Actions, Event, Lifecycle, Phase, Terms};
pub use names::{Names, Resolving, names};
pub use origin::Origin;
pub use parking::{Bell, Ring, Stand, Standing};
pub use pools::{Patience, Pools, Want};
pub use reach::{Prohibited, Reach};
pub use shared::{Counts, Upstream, UpstreamId};
