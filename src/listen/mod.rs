//! Where visitors come in: listening sockets, who may use a port, PROXY headers, and what happens to a connection before its first request. Knows no request.

mod accept;
mod connection;
mod inherited;
mod listeners;
mod privileges;
mod proxy_header;
mod sockets;
mod turns;
mod unsafe_environment;

pub use accept::{Accepted, Entrance, Share, accept_all};
pub use connection::serve;
pub use inherited::Inherited;
pub use listeners::{BindError, Bound, Changes, Listeners, Listening};
pub use privileges::{Assumed, PrivilegeError, assume_user};
pub use turns::turn_ended;

#[cfg(test)]
mod test_node;
#[cfg(test)]
use test_node::test_node;
