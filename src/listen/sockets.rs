//! Making listening sockets: a SO_REUSEPORT group for an address. Keeps none.

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// Binds `count` sockets to `address`, an IPv6 one IPv6 only. With port 0 the kernel chooses one port for all.
///
/// # Errors
/// The kernel's; `AddrInUse` also where another process of this user shares the port willingly: two fronts that
/// answer by turns would be found out late.
pub(super) fn bind_group(mut address: SocketAddr, count: usize) -> io::Result<Vec<OwnedFd>> {
    if address.port() != 0 {
        open(address)?.bind(&address.into())?;
    }
    let mut group = Vec::with_capacity(count);
    for _ in 0..count.max(1) {
        let socket = open(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket = OwnedFd::from(socket);
        address = local_address(&socket).unwrap_or(address);
        group.push(socket);
    }
    Ok(group)
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Old connections of the port in TIME_WAIT are no reason not to start.
    socket.set_reuse_address(true)?;
    // Connections inherit it, which saves each a syscall.
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

/// Makes listening sockets from elsewhere fit for use.
pub(super) fn prepare(sockets: Vec<OwnedFd>) -> io::Result<Vec<OwnedFd>> {
    for socket in &sockets {
        let socket = SockRef::from(socket);
        socket.set_tcp_nodelay(true)?;
        let address = socket.local_addr()?.as_socket();
        if let Some(address) =
            address.filter(|address| address.is_ipv6() && !socket.only_v6().unwrap_or(true))
        {
            tracing::warn!(%address, "the socket handed in takes IPv4 too (systemd: BindIPv6Only=ipv6-only)");
        }
    }
    Ok(sockets)
}

/// The address of a TCP socket.
pub(super) fn local_address(socket: &OwnedFd) -> Option<SocketAddr> {
    rustix::net::getsockname(socket).ok()?.try_into().ok()
}

/// Connections the kernel holds for us before they are accepted, as far as `net.core.somaxconn` allows (4096 by
/// default): what arrives while a worker is busy for a tenth of a second.
pub(super) const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_shares_one_port_and_an_ipv6_address_takes_no_ipv4() {
        for address in ["[::]:0", "[::1]:0", "127.0.0.1:0"] {
            let address: SocketAddr = address.parse().unwrap();
            let group = bind_group(address, 3).unwrap();
            let at = local_address(&group[0]).unwrap();
            assert_eq!(at.ip(), address.ip());
            for socket in &group {
                assert_eq!(local_address(socket), Some(at));
                assert!(SockRef::from(socket).is_listener().unwrap());
                assert!(address.is_ipv4() || SockRef::from(socket).only_v6().unwrap());
            }
        }
    }
}
