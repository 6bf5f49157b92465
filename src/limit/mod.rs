//! Admission: how many connections a client may have, whom the node believes and lets in, and to an account how many requests
//! at once, how many a second, how many tunnels, and who waits. Knows neither the request nor the upstream.

mod clients;
mod gate;
mod lists;
mod rate;

pub use clients::{Clients, ConnectionGuard, Reached, VisitorGuard};
pub use gate::{Admission, Gate, TunnelPlace};
pub use lists::{Lists, Rules, TrustSet};
