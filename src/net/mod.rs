//! Sockets with their unread bytes, TLS streams of both ends, timers: the only I/O of the data path. Knows no
//! HTTP.

mod async_io;
mod connect;
mod reactor;
mod socket;
mod stream;
pub mod timer;
pub mod tls;

pub use connect::{Endpoint, connect};
pub use socket::{Moved, Socket};
pub use stream::Stream;
pub use timer::{Deadline, Elapsed, within};
