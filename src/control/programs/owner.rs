//! Who listens at an address. While an account's program does not run, anybody on the machine may bind its address and
//! would be sent its visitors: so a program is ready only where the socket that accepts is its user's.

use rustix::net::sockopt::socket_peercred;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use tokio::net::UnixStream;

/// The user whose socket listens at `address`, itself or among all addresses; `None`: nobody's. Cost: grows with the
/// sockets of the machine, some 2 µs each.
///
/// # Errors
/// Where the kernel's table cannot be read.
pub(super) fn listener(address: SocketAddr) -> io::Result<Option<u32>> {
    // A socket of IPv6 may take connections of IPv4 as well.
    let tables =
        if address.is_ipv4() { &["/proc/net/tcp", "/proc/net/tcp6"][..] } else { &["/proc/net/tcp6"] };
    for table in tables {
        let text = match fs::read_to_string(table) {
            Ok(text) => text,
            // No IPv6 here.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if let Some(uid) = text.lines().skip(1).find_map(|line| listening(line, address)) {
            return Ok(Some(uid));
        }
    }
    Ok(None)
}

/// The user at the other end of a connection to a unix socket: who called `listen`.
pub(super) fn peer(stream: &UnixStream) -> io::Result<u32> {
    Ok(socket_peercred(stream)?.uid.as_raw())
}

/// The user of a line of the kernel's table, if it is a socket that listens at `address`.
fn listening(line: &str, address: SocketAddr) -> Option<u32> {
    let mut columns = line.split_ascii_whitespace().skip(1);
    let (ip, port) = columns.next()?.split_once(':')?;
    let state = columns.nth(1)?;
    let uid = columns.nth(3)?.parse().ok()?;
    let ip = parse(ip)?;
    let covers = ip == address.ip() || ip.is_unspecified();
    (state == LISTEN && u16::from_str_radix(port, 16) == Ok(address.port()) && covers).then_some(uid)
}

/// An address as the kernel prints it: words of 32 bits in the machine's order.
fn parse(text: &str) -> Option<IpAddr> {
    let words = (0..text.len() / 8).map(|at| u32::from_str_radix(text.get(at * 8..at * 8 + 8)?, 16).ok());
    let bytes: Vec<u8> = words.collect::<Option<Vec<_>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(bytes.into());
    }
    <[u8; 16]>::try_from(bytes.as_slice()).ok().map(|bytes| Ipv6Addr::from(bytes).to_canonical())
}

/// `TCP_LISTEN`, as the table says it.
const LISTEN: &str = "0A";

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn whoever_listens_is_found_and_whoever_connects_is_not() {
        let own = rustix::process::getuid().as_raw();
        for (bind, ask) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("0.0.0.0:0", "127.0.0.1"),
            ("[::1]:0", "::1"),
            ("[::]:0", "::1"),
            ("[::]:0", "127.0.0.1"),
        ] {
            let socket = TcpListener::bind(bind).unwrap();
            let address = SocketAddr::new(ask.parse().unwrap(), socket.local_addr().unwrap().port());
            assert_eq!(listener(address).unwrap(), Some(own), "{bind} for {ask}");
            let connected = TcpStream::connect(address).unwrap();
            drop(socket);
            assert_eq!(listener(address).unwrap(), None, "{bind} for {ask}");
            assert_eq!(listener(connected.local_addr().unwrap()).unwrap(), None);
        }
        let other = TcpListener::bind("127.0.0.2:0").unwrap();
        let beside = SocketAddr::new("127.0.0.1".parse().unwrap(), other.local_addr().unwrap().port());
        assert_eq!(listener(beside).unwrap(), None);
    }

    #[test]
    fn a_torn_line_is_nobodys() {
        let address = "127.0.0.1:80".parse().unwrap();
        let line =
            "  1: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000   33        0 1 1";
        assert_eq!(listening(line, address), Some(33));
        for end in 0..line.len() - 20 {
            assert_eq!(listening(&line[..end], address).filter(|uid| *uid != 3), None, "{end}");
        }
        assert_eq!(listening("x y z", address), None);
    }
}
