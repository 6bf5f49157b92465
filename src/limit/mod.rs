//! Admission of a request to its account: how many at once, how many a second, how many tunnels, and who waits.
//! Knows neither the request nor the upstream.

mod gate;
mod rate;

pub use gate::{Admission, Gate, TunnelPlace};
