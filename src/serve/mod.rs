//! A connection's life after its handshake: reads requests, hands each to the request function, and ends the
//! connection as it should end. One driver per version of HTTP; decides nothing about a request.

mod http1;
mod http2;

pub use http1::serve as serve_http1;
pub use http2::serve as serve_http2;
