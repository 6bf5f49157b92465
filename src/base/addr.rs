//! Network addresses by role, so that a function that takes two of them cannot be called the wrong way round.

use std::fmt;
use std::io::Write;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Who opened the connection to us: the visitor, or a load balancer or CDN in front of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);

/// The visitor as far as anyone we believe can tell: the peer itself, what its PROXY header says, or what a
/// trusted peer's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddr(pub SocketAddr);

/// Our own end of the connection: the address and port the visitor asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalAddr(pub SocketAddr);

/// What limits count a client by: an IPv4 address, or the /64 of an IPv6 address (one customer's network).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey(IpAddr);

/// An IP address as text, in place: what logs and forwarding fields say of a visitor again and again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AddressText {
    bytes: [u8; LONGEST_ADDRESS],
    len: u8,
}

impl ClientAddr {
    /// The key that per-client limits use.
    pub fn key(self) -> ClientKey {
        match canonical(self.0.ip()) {
            IpAddr::V4(ip) => ClientKey(IpAddr::V4(ip)),
            IpAddr::V6(ip) => {
                let network = u128::from(ip) & !u128::from(u64::MAX);
                ClientKey(IpAddr::V6(Ipv6Addr::from(network)))
            }
        }
    }

    /// The address without its port; an IPv4-mapped IPv6 address is shown as IPv4.
    pub fn ip(self) -> IpAddr {
        canonical(self.0.ip())
    }
}

impl PeerAddr {
    /// The address without its port; an IPv4-mapped IPv6 address is shown as IPv4.
    pub fn ip(self) -> IpAddr {
        canonical(self.0.ip())
    }
}

impl AddressText {
    /// The text of `ip`. Cost: a few hundred instructions for IPv4, over a thousand for IPv6: made once a connection.
    pub fn new(ip: IpAddr) -> Self {
        let mut bytes = [0; LONGEST_ADDRESS];
        let mut room = &mut bytes[..];
        // The room holds the longest address: the write cannot fall short.
        let _ = write!(room, "{ip}");
        let len = (LONGEST_ADDRESS - room.len()) as u8;
        Self { bytes, len }
    }

    /// As it is written: no brackets, no port.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for AddressText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AddressText({})", self.as_bytes().escape_ascii())
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => ip.fmt(f),
            IpAddr::V6(ip) => write!(f, "{ip}/64"),
        }
    }
}

impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// Bytes of the longest IPv6 address, with an IPv4 address at its end.
const LONGEST_ADDRESS: usize = 45;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_text() {
        for ip in ["192.0.2.1", "::", "2001:db8::1", "1111:2222:3333:4444:5555:6666:255.255.255.255"] {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(AddressText::new(ip).as_bytes(), ip.to_string().as_bytes());
        }
    }

    fn key(text: &str) -> ClientKey {
        ClientAddr(text.parse().unwrap()).key()
    }

    #[test]
    fn ipv6_clients_count_by_their_64() {
        assert_eq!(key("[2001:db8:1:2:3::4]:1"), key("[2001:db8:1:2::9]:2"));
        assert_ne!(key("[2001:db8:1:2::]:1"), key("[2001:db8:1:3::]:1"));
        assert_eq!(key("[2001:db8:1:2::9]:2").to_string(), "2001:db8:1:2::/64");
    }

    #[test]
    fn a_mapped_ipv4_client_is_the_ipv4_client() {
        assert_eq!(key("[::ffff:192.0.2.1]:1"), key("192.0.2.1:9"));
        assert_ne!(key("192.0.2.1:9"), key("192.0.2.2:9"));
    }
}
