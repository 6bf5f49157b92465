//! Sockets with their unread bytes, TLS streams of both ends, timers: the only I/O of the data path. Knows no
//! HTTP.

mod stream;

pub use stream::Stream;
