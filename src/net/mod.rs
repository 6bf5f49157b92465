//! Sockets with their unread bytes, TLS streams of both ends, timers: the only I/O of the data path. Knows no
//! HTTP.

mod connect;
mod socket;
mod stream;
pub mod timer;
pub mod tls;

pub use connect::{Endpoint, connect};
pub use socket::Socket;
pub use stream::Stream;
pub use timer::{Deadline, Elapsed, within};
