//! Between the h2 crate's types and the one head interface, with every rule of RFC 9113 §8 that the crate
//! leaves to us. No frames, no streams.

mod receive;
mod send;

pub use receive::{request_head, request_trailers, response_head, response_trailers};
pub use send::{request, response, trailers};
