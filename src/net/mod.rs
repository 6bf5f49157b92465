//! Sockets with their unread bytes, TLS streams of both ends, timers: the only I/O of the data path. Knows of HTTP
//! how bodies are framed and nothing else.

mod ahead;
mod async_io;
mod body;
mod connect;
mod http1;
mod http2;
mod listener;
pub mod owner;
mod private_socket;
mod socket;
mod splice;
mod stream;
mod transfer;
pub mod timer;
pub mod tls;
mod unsafe_register;

pub use body::{BodyError, Piece, Sink, Source};
pub use connect::{Endpoint, connect, connect_to_one_of};
pub use http1::{HoldsStream, Http1};
pub use http2::{Http2, SEND_BYTES};
pub use listener::Listener;
pub use private_socket::PrivateSocket;
pub use socket::{Moved, Socket};
pub use stream::Stream;
pub use timer::{Deadline, Elapsed, until, within};
pub use transfer::{End, Filled, Progress, Transfer, TransferError};
pub use unsafe_register::register;
