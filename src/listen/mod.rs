//! A connection begins: the listening sockets, who may connect how often, and what happens before the first
//! request. Knows no request.

mod accept;
mod connection;
mod sockets;

pub use accept::{Accepted, accept};
pub use connection::serve;
pub use sockets::{BindError, Bound, bind};
