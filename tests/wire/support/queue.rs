//! What the kernel holds between the two ends of a TCP connection on this machine, so that a test can tell when a peer has
//! read what it was sent: only then does the place of a cut mean anything.

use socket2::{Domain, Protocol, Socket, Type};
use std::io::Read;
use std::net::{SocketAddr, SocketAddrV4, TcpStream};

/// Whether the peer of `stream` has read all that was sent, has said something itself, or is gone. IPv4 alone.
pub fn is_seen(stream: &TcpStream) -> bool {
    let (Ok(SocketAddr::V4(ours)), Ok(SocketAddr::V4(theirs))) = (stream.local_addr(), stream.peer_addr())
    else {
        return true;
    };
    let (said, on_the_way) = waiting(ours, theirs).unwrap_or_default();
    let (unread, _) = waiting(theirs, ours).unwrap_or_default();
    said > 0 || on_the_way + unread == 0
}

/// Bytes that wait to be read by, and to be sent from, the socket at `local`: sock_diag(7). `None` where there is none.
fn waiting(local: SocketAddrV4, remote: SocketAddrV4) -> Option<(u32, u32)> {
    let mut kernel = Socket::new(Domain::from(AF_NETLINK), Type::DGRAM, Some(Protocol::from(SOCK_DIAG)))
        .expect("sock_diag");
    let mut request = vec![AF_INET, IPPROTO_TCP, 0, 0];
    request.extend(u32::MAX.to_ne_bytes());
    request.extend([local.port().to_be_bytes(), remote.port().to_be_bytes()].concat());
    for address in [local, remote] {
        request.extend(address.ip().octets());
        request.extend([0; 12]);
    }
    request.extend([0; 4]);
    // Whatever its cookie.
    request.extend([0xff; 8]);
    let mut message = (HEADER as u32 + request.len() as u32).to_ne_bytes().to_vec();
    message.extend([SOCK_DIAG_BY_FAMILY.to_ne_bytes(), NLM_F_REQUEST.to_ne_bytes()].concat());
    message.extend([0; 8]);
    message.extend(request);
    kernel.send(&message).expect("sock_diag");
    let mut answer = [0; 1024];
    let count = kernel.read(&mut answer).expect("sock_diag");
    let number = |at: usize| {
        answer[..count].get(at..at + 4).map(|four| u32::from_ne_bytes(four.try_into().expect("four bytes")))
    };
    let is_found = answer[4..6] == SOCK_DIAG_BY_FAMILY.to_ne_bytes();
    is_found.then(|| number(HEADER + QUEUES).zip(number(HEADER + QUEUES + 4))).flatten()
}

const AF_NETLINK: i32 = 16;
const SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;

/// A netlink message's header.
const HEADER: usize = 16;

/// In the answer behind its header: four bytes, the socket's ends and cookie, four bytes.
const QUEUES: usize = 4 + 48 + 4;
