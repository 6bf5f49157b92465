//! Whose the socket is that takes connections. What an account's program does not hold, anybody on the machine may bind
//! and would be sent its visitors: so nothing is sent before the socket that accepts is known to be its account's. Asks the
//! kernel (sock_diag(7)), which names the user of a socket and the control group it was made in.

use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Whose a socket that listens is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user who made it.
    pub uid: u32,
    /// The number of the control group it was made in; `None`: the kernel does not say.
    pub cgroup: Option<u64>,
}

/// Who may hold an address: the processes of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Their user.
    pub uid: u32,
    /// The control group of one instance, in that of its account; `None`: it has none of its own.
    pub cgroup: Option<PathBuf>,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}", self.uid)
    }
}

impl Holder {
    /// Whether a socket is theirs: this instance's, or another's of the same account. Cost: some 10 µs where there are groups.
    pub fn has(&self, owner: Owner) -> bool {
        let account = self.cgroup.as_deref().and_then(Path::parent);
        self.is_within(account, owner)
    }

    /// Whether a socket is this instance's own, as far as control groups tell.
    pub fn made(&self, owner: Owner) -> bool {
        self.is_within(self.cgroup.as_deref(), owner)
    }

    fn is_within(&self, group: Option<&Path>, owner: Owner) -> bool {
        let within = |number| group.is_none_or(|group| holds(group, number, DEEPEST, &mut { MOST_GROUPS }));
        self.uid == owner.uid && owner.cgroup.is_none_or(within)
    }
}

/// Whether the control group `number` is `group` or below it. The number is that of its directory.
fn holds(group: &Path, number: u64, deeper: usize, left: &mut usize) -> bool {
    if *left == 0 {
        return false;
    }
    *left -= 1;
    if fs::metadata(group).is_ok_and(|metadata| metadata.ino() == number) {
        return true;
    }
    let below = fs::read_dir(group).into_iter().flatten().flatten();
    let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut below = below.filter(is_directory).take(MOST_GROUPS);
    deeper > 0 && below.any(|entry| holds(&entry.path(), number, deeper - 1, left))
}

/// Whose socket takes connections to `address`; `None`: nobody's. Cost: some 20 µs, however many sockets there are.
///
/// # Errors
/// As [`listener`].
pub fn taker(address: SocketAddr) -> io::Result<Option<Owner>> {
    let family = if address.is_ipv4() { INET } else { INET6 };
    let found = ask(&question(family, address.port(), Some(address.ip())), address.port(), Answers::One)?;
    // One of a single interface is not found by a question that names none.
    found.first().map_or_else(|| listener(address), |one| Ok(Some(one.owner)))
}

/// Whose socket listens at `address`, itself or among all addresses; `None`: nobody's. Of several the one that would be
/// given a connection: the most specific. Cost: grows with the sockets of the machine that listen, some 20 ns each.
///
/// # Errors
/// Where the kernel does not say: a service that may not use `AF_NETLINK`.
pub fn listener(address: SocketAddr) -> io::Result<Option<Owner>> {
    Ok(listeners(address)?.first().copied())
}

/// All whose sockets listen at `address`: first whoever would be given a connection.
///
/// # Errors
/// As [`listener`].
pub fn listeners(address: SocketAddr) -> io::Result<Vec<Owner>> {
    // A socket of IPv6 may take connections of IPv4 as well.
    let families: &[u8] = if address.is_ipv4() { &[INET, INET6] } else { &[INET6] };
    let mut found = Vec::new();
    for family in families {
        found.extend(ask(&question(*family, address.port(), None), address.port(), Answers::All)?);
    }
    found.retain(|one| one.takes(address.ip()));
    found.sort_by_key(|one| std::cmp::Reverse(one.rank()));
    Ok(found.into_iter().map(|one| one.owner).collect())
}

/// Who called `listen` on the unix socket at the other end of a connection.
///
/// # Errors
/// The kernel's.
pub fn peer(stream: impl AsFd) -> io::Result<Owner> {
    // Nobody else can have bound it there: see the launcher's `place`.
    Ok(Owner { uid: socket_peercred(stream)?.uid.as_raw(), cgroup: None })
}

/// A socket that listens, as the kernel tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listener {
    ip: IpAddr,
    only_v6: bool,
    owner: Owner,
}

impl Listener {
    fn takes(&self, ip: IpAddr) -> bool {
        match (self.ip, ip) {
            (IpAddr::V6(own), IpAddr::V4(ip)) => {
                own.to_ipv4_mapped() == Some(ip) || (own.is_unspecified() && !self.only_v6)
            }
            (own, ip) => own == ip || (own.is_ipv4() == ip.is_ipv4() && own.is_unspecified()),
        }
    }

    fn rank(&self) -> (bool, bool) {
        (!self.ip.is_unspecified(), self.ip.is_ipv4())
    }
}

/// How many answers a question has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// One, or that there is none.
    One,
    /// Any number, and that these were all.
    All,
}

/// What the kernel answers to a question about sockets that listen on a port.
fn ask(question: &[u8], port: u16, answers: Answers) -> io::Result<Vec<Listener>> {
    let flags = SocketFlags::CLOEXEC;
    let kernel = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::SOCK_DIAG))?;
    send(&kernel, question, SendFlags::empty())?;
    let mut all = Vec::new();
    let mut bytes = vec![0; ANSWER_BYTES];
    for _ in 0..MOST_ANSWERS {
        let (length, _) = retry_on_intr(|| recv(&kernel, bytes.as_mut_slice(), RecvFlags::empty()))?;
        match take(&bytes[..length], port, &mut all) {
            Err(error) if answers == Answers::One && error.kind() == io::ErrorKind::NotFound => {
                return Ok(all);
            }
            Ok(false) if answers == Answers::All => {}
            done => return done.map(|_| all),
        }
    }
    Err(io::Error::other("more sockets listen on one port than can be"))
}

/// A request for the socket of a family that listens at `ip` and a port, or for all that listen on it: a `nlmsghdr` and an
/// `inet_diag_req_v2`.
fn question(family: u8, port: u16, ip: Option<IpAddr>) -> [u8; QUESTION_BYTES] {
    let mut message = [0; QUESTION_BYTES];
    let mut put = |at: usize, bytes: &[u8]| message[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &(QUESTION_BYTES as u32).to_ne_bytes());
    put(4, &BY_FAMILY.to_ne_bytes());
    put(6, &(if ip.is_some() { REQUEST } else { REQUEST | DUMP }).to_ne_bytes());
    put(HEAD_BYTES, &[family, TCP]);
    put(HEAD_BYTES + 4, &LISTENING.to_ne_bytes());
    put(HEAD_BYTES + 8, &port.to_be_bytes());
    match ip {
        Some(IpAddr::V4(ip)) => put(HEAD_BYTES + 12, &ip.octets()),
        Some(IpAddr::V6(ip)) => put(HEAD_BYTES + 12, &ip.octets()),
        None => {}
    }
    // Whatever its cookie.
    put(QUESTION_BYTES - 8, &[0xff; 8]);
    message
}

/// Takes what came; whether that was all.
fn take(mut bytes: &[u8], port: u16, all: &mut Vec<Listener>) -> io::Result<bool> {
    while let Some((length, kind)) = word(bytes, 0).zip(half(bytes, 4)) {
        let Some(message) = bytes.get(HEAD_BYTES..length as usize) else { break };
        match kind {
            DONE => return Ok(true),
            FAILED => {
                let number = word(message, 0).unwrap_or(0).cast_signed();
                return Err(Errno::from_raw_os_error(number.wrapping_neg()).into());
            }
            BY_FAMILY => all.extend(listener_of(message, port)),
            _ => {}
        }
        bytes = bytes.get(aligned(length as usize)..).unwrap_or_default();
    }
    Ok(false)
}

/// Reads an `inet_diag_msg` and what is attached to it.
fn listener_of(message: &[u8], port: u16) -> Option<Listener> {
    let ip = match *message.first()? {
        INET => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(message.get(8..12)?).ok()?)),
        INET6 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(message.get(8..24)?).ok()?)),
        _ => return None,
    };
    let own_port = u16::from_be_bytes(<[u8; 2]>::try_from(message.get(4..6)?).ok()?);
    let mut listener =
        Listener { ip, only_v6: false, owner: Owner { uid: word(message, 64)?, cgroup: None } };
    let mut attributes = message.get(MESSAGE_BYTES..)?;
    while let Some((length, kind)) = half(attributes, 0).zip(half(attributes, 2)) {
        let Some(value) = attributes.get(4..usize::from(length)) else { break };
        match kind {
            ONLY_V6 => listener.only_v6 = value.first().is_some_and(|only| *only != 0),
            CGROUP => listener.owner.cgroup = <[u8; 8]>::try_from(value).ok().map(u64::from_ne_bytes),
            _ => {}
        }
        attributes = attributes.get(aligned(usize::from(length))..).unwrap_or_default();
    }
    (own_port == port && message.get(1) == Some(&LISTENS)).then_some(listener)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Where the next begins: never where this one does.
fn aligned(length: usize) -> usize {
    length.next_multiple_of(4).max(4)
}

// As linux/netlink.h, sock_diag.h and inet_diag.h have them.
const INET: u8 = 2;
const INET6: u8 = 10;
const TCP: u8 = 6;
const LISTENING: u32 = 1 << LISTENS;
const BY_FAMILY: u16 = 20;
const LISTENS: u8 = 10;
const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;
const FAILED: u16 = 2;
const DONE: u16 = 3;
const ONLY_V6: u16 = 11;
const CGROUP: u16 = 21;
const HEAD_BYTES: usize = 16;
const MESSAGE_BYTES: usize = 72;
const QUESTION_BYTES: usize = HEAD_BYTES + 56;

/// What one answer of the kernel has at most.
const ANSWER_BYTES: usize = 32 << 10;

/// Answers of the kernel: some hundred sockets each, and one for each process that shares a port.
const MOST_ANSWERS: usize = 64;

/// Levels of control groups below an account's, and groups in all, that are looked through.
const DEEPEST: usize = 4;
const MOST_GROUPS: usize = 1000;

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
            for found in [listener(address), taker(address)] {
                assert_eq!(found.unwrap().map(|owner| owner.uid), Some(own), "{bind} for {ask}");
            }
            let connected = TcpStream::connect(address).unwrap();
            drop(socket);
            for found in [listener(address), taker(address)] {
                assert_eq!(found.unwrap(), None, "{bind} for {ask}");
            }
            assert_eq!(listener(connected.local_addr().unwrap()).unwrap(), None);
        }
        let other = TcpListener::bind("127.0.0.2:0").unwrap();
        let beside = SocketAddr::new("127.0.0.1".parse().unwrap(), other.local_addr().unwrap().port());
        assert_eq!(listener(beside).unwrap(), None);
    }

    #[test]
    fn what_the_kernel_says_may_be_torn() {
        let bytes = |text: &str| -> Vec<u8> {
            (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect()
        };
        // [::1]:45691 of uid 0, IPv6 alone, made in the control group 1.
        let message = bytes(
            "840000001400020001000000f52800000a0a0000b27b00000000000000000000000000000000000100000000000000000000000000\
             000000000000003a1000000000000000000000000000008000000000000000cdca0c00050008000000000005000b00010000000800\
             0f00000000000c00150001000000000000000600160012000000",
        );
        let mut all = Vec::new();
        assert!(!take(&message, 45691, &mut all).unwrap());
        let ip = "::1".parse().unwrap();
        let owner = Owner { uid: 0, cgroup: Some(1) };
        assert_eq!(all, [Listener { ip, only_v6: true, owner }]);
        for end in 0..message.len() {
            let mut torn = Vec::new();
            let _ = take(&message[..end], 45691, &mut torn);
            assert!(torn.is_empty(), "{end}");
            let _ = listener_of(&message[HEAD_BYTES..HEAD_BYTES.max(end)], 45691);
        }
        assert!(take(&bytes("1000000003000000000000000000000000"), 1, &mut all).unwrap());
        let refused = take(&bytes("140000000200000000000000000000f5ffffff"), 1, &mut all);
        assert!(refused.is_ok(), "torn");
        let refused = bytes("14000000020000000000000000000000f3ffffff");
        assert_eq!(take(&refused, 1, &mut all).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_socket_is_its_accounts_by_user_and_control_group() {
        let account = tempfile::tempdir().unwrap();
        let of = |name: &str| {
            let path = account.path().join("alice").join(name);
            fs::create_dir_all(&path).unwrap();
            (path.clone(), fs::metadata(path).unwrap().ino())
        };
        let ((web, number), (_, other), (_, below)) = (of("web-1"), of("web-2"), of("web-1/workers"));
        let bob = account.path().join("bob");
        fs::create_dir(&bob).unwrap();
        let bob = fs::metadata(bob).unwrap().ino();
        let owner = |uid, cgroup| Owner { uid, cgroup };
        let holder = |cgroup: Option<&Path>| Holder { uid: 7, cgroup: cgroup.map(Path::to_owned) };
        for mine in [Some(number), Some(other), Some(below), None] {
            assert!(holder(Some(&web)).has(owner(7, mine)));
            assert!(!holder(Some(&web)).has(owner(8, mine)));
        }
        for (number, own) in [(number, true), (below, true), (other, false), (bob, false)] {
            assert_eq!(holder(Some(&web)).made(owner(7, Some(number))), own);
        }
        assert!(!holder(Some(&web)).has(owner(7, Some(bob))), "the same user, in another account's group");
        assert!(holder(None).has(owner(7, Some(bob))), "no groups are made");
    }
}
