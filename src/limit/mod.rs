//! Admission of a request: whom the node believes, and to its account how many at once, how many a second, how many
//! tunnels, and who waits. Knows neither the request nor the upstream.

mod gate;
mod lists;
mod rate;

pub use gate::{Admission, Gate, TunnelPlace};
pub use lists::{Lists, Rules, TrustSet};
