//! The listening sockets. Their number is fixed at the first bind and none is closed while its address is served:
//! closing one of a SO_REUSEPORT group resets the connections in its queue.

use crate::config::{Listen, Node};
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// One `[[listen]]`, bound: a socket for every worker there is at the first bind.
#[derive(Debug)]
pub struct Bound {
    /// The setting, with the port that was bound.
    pub listen: Arc<Listen>,
    sockets: Vec<OwnedFd>,
}

/// An address that could not be bound.
#[derive(Debug)]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub error: io::Error,
}

/// Binds every `[[listen]]`, both families as they are written: an IPv6 socket is IPv6 only.
///
/// # Errors
/// Every address that could not be bound, not only the first.
pub fn bind(node: &Node) -> Result<Vec<Bound>, Vec<BindError>> {
    let mut bound = Vec::new();
    let mut errors = Vec::new();
    for listen in &node.listen {
        match bind_one(listen, node.workers) {
            Ok(one) => bound.push(one),
            Err(error) => errors.push(BindError { address: listen.address, error }),
        }
    }
    if errors.is_empty() { Ok(bound) } else { Err(errors) }
}

fn bind_one(listen: &Listen, workers: usize) -> io::Result<Bound> {
    let mut listen = listen.clone();
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = open(listen.address)?;
        // A port of the kernel's choice is chosen once, for all of the group.
        if let Some(address) = socket.local_addr()?.as_socket() {
            listen.address = address;
        }
        sockets.push(socket.into());
    }
    Ok(Bound { listen: Arc::new(listen), sockets })
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Old connections of the port in TIME_WAIT are no reason not to start.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

impl Bound {
    /// The sockets that worker `index` of `workers` serves: every socket has a worker, whatever their numbers.
    pub fn sockets_of(&self, index: usize, workers: usize) -> io::Result<Vec<OwnedFd>> {
        let own = self.sockets.iter().skip(index).step_by(workers);
        own.map(OwnedFd::try_clone).collect()
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hint = match self.error.kind() {
            io::ErrorKind::AddrInUse => " (is another front running?)",
            io::ErrorKind::AddrNotAvailable => " (this machine does not have the address)",
            io::ErrorKind::PermissionDenied => " (ports below 1024 need CAP_NET_BIND_SERVICE, or root)",
            _ => "",
        };
        write!(f, "{}: {}{hint}", self.address, self.error)
    }
}

/// Connections the kernel holds for us before they are accepted, as far as `net.core.somaxconn` allows (4096 by
/// default): a burst of a second's arrivals.
const BACKLOG: i32 = 4096;
