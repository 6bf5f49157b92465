//! The accounts' upstreams: who may use a connection, and which one. Counts every connection of an upstream over
//! all workers, keeps idle ones, and lends them out; speaks no HTTP.

mod exchange;
mod lease;
mod origin;
mod pools;
mod shared;

pub use exchange::{Seat, seats};
pub use lease::{Lease, Tunnel};
pub use origin::Origin;
pub use pools::{Patience, Pools, Want};
pub use shared::{Counts, Upstream, UpstreamId};
