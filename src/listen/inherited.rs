//! Sockets handed in by whoever started us (systemd socket units and its descriptor store, sd_listen_fds(3)): which
//! there are and what they listen on. Binds nothing.

use super::unsafe_environment::{remove_variable, take_descriptor};
use rustix::net::{SocketType, sockopt};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Sockets that were handed in and not yet taken.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<Socket>,
}

#[derive(Debug)]
struct Socket {
    /// As systemd calls it: the unit's name, or `FileDescriptorName=`.
    name: String,
    listens: Listens,
    fd: OwnedFd,
}

/// What a descriptor is.
#[derive(Debug, PartialEq, Eq)]
enum Listens {
    Tcp(SocketAddr),
    Unix(Vec<u8>),
    /// Not a socket that listens for streams.
    Not,
}

impl Inherited {
    /// Takes the descriptors over and removes the variables that announced them. To be called once, before any
    /// thread is started.
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let ours = variable("LISTEN_PID").parse() == Ok(std::process::id());
        let count = if ours { variable("LISTEN_FDS").parse().unwrap_or(0) } else { 0 };
        let names = variable("LISTEN_FDNAMES");
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"] {
            remove_variable(name);
        }
        Self::from_sockets(
            numbered(count, &names)
                .filter_map(|(number, name)| Some((name.to_owned(), take_descriptor(number)?))),
        )
    }

    /// These descriptors, each with its name, as if they had been handed in.
    pub fn from_sockets(sockets: impl IntoIterator<Item = (String, OwnedFd)>) -> Self {
        let look = |(name, fd)| Socket { name, listens: Listens::of(&fd), fd };
        Self { sockets: sockets.into_iter().map(look).collect() }
    }

    /// Takes every socket that listens on this address.
    pub fn take_tcp(&mut self, address: SocketAddr) -> Vec<OwnedFd> {
        self.take(|listens| *listens == Listens::Tcp(address))
    }

    /// Takes the socket that listens at this path.
    pub fn take_unix(&mut self, path: &Path) -> Option<OwnedFd> {
        use std::os::unix::ffi::OsStrExt;
        self.take(|listens| matches!(listens, Listens::Unix(at) if at == path.as_os_str().as_bytes())).pop()
    }

    fn take(&mut self, wanted: impl Fn(&Listens) -> bool) -> Vec<OwnedFd> {
        self.sockets.extract_if(.., |socket| wanted(&socket.listens)).map(|socket| socket.fd).collect()
    }

    /// What nobody took, in words for a warning: its name and what it is. It is closed.
    pub fn rest(self) -> Vec<String> {
        let words = |socket: Socket| match socket.listens {
            Listens::Tcp(address) => format!("{} ({address})", socket.name),
            Listens::Unix(path) => format!("{} ({})", socket.name, String::from_utf8_lossy(&path)),
            Listens::Not => format!("{} (not a listening stream socket)", socket.name),
        };
        self.sockets.into_iter().map(words).collect()
    }
}

impl Listens {
    fn of(fd: &OwnedFd) -> Self {
        let listens =
            sockopt::socket_acceptconn(fd) == Ok(true) && sockopt::socket_type(fd) == Ok(SocketType::STREAM);
        let Some(address) = rustix::net::getsockname(fd).ok().filter(|_| listens) else { return Self::Not };
        match SocketAddr::try_from(address.clone()) {
            Ok(address) => Self::Tcp(address),
            Err(_) => match rustix::net::SocketAddrUnix::try_from(address) {
                Ok(unix) => Self::Unix(unix.path_bytes().unwrap_or_default().to_vec()),
                Err(_) => Self::Not,
            },
        }
    }
}

/// The descriptors that `count` and the names announce: numbers from 3, names separated by colons.
fn numbered(count: u16, names: &str) -> impl Iterator<Item = (i32, &str)> {
    let names = names.split(':').filter(|name| !name.is_empty()).chain(std::iter::repeat("unknown"));
    (FIRST..FIRST + i32::from(count)).zip(names)
}

/// The number of the first descriptor (SD_LISTEN_FDS_START).
const FIRST: i32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixListener;

    #[test]
    fn descriptors_are_numbered_from_three_and_named_in_order() {
        assert_eq!(numbered(0, "x").count(), 0);
        let all: Vec<_> = numbered(3, "http:https").collect();
        assert_eq!(all, [(3, "http"), (4, "https"), (5, "unknown")]);
    }

    #[test]
    fn sockets_are_found_by_what_they_listen_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        let one = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpListener::bind("[::1]:0").unwrap();
        let (at, other_at) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        let client = TcpStream::connect(at).unwrap();
        let mut inherited = Inherited::from_sockets([
            ("http".to_owned(), one.into()),
            ("https".to_owned(), other.into()),
            ("admin".to_owned(), UnixListener::bind(&path).unwrap().into()),
            ("dns".to_owned(), UdpSocket::bind("127.0.0.1:0").unwrap().into()),
            ("client".to_owned(), client.into()),
        ]);
        assert_eq!(inherited.take_tcp(at).len(), 1);
        assert!(inherited.take_tcp(at).is_empty(), "taken once");
        assert!(inherited.take_unix(&path).is_some());
        let rest = inherited.rest();
        assert_eq!(
            rest,
            [
                format!("https ({other_at})"),
                "dns (not a listening stream socket)".to_owned(),
                "client (not a listening stream socket)".to_owned(),
            ]
        );
    }

    #[test]
    fn a_descriptor_is_taken_by_its_number_and_not_left_to_children() {
        use std::os::fd::{AsFd, IntoRawFd};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        rustix::io::fcntl_setfd(listener.as_fd(), rustix::io::FdFlags::empty()).unwrap();
        let taken = take_descriptor(listener.into_raw_fd()).unwrap();
        assert_eq!(rustix::io::fcntl_getfd(&taken), Ok(rustix::io::FdFlags::CLOEXEC));
        assert_eq!(Listens::of(&taken), Listens::Tcp(address));
        // A number that no test opens.
        assert!(take_descriptor(1_000_000).is_none());
    }

    /// The environment is the process's: the test runs in one of its own, started as systemd would.
    #[test]
    fn what_systemd_announces_is_taken_over_and_announced_to_nobody_else() {
        const CHILD: &str = "PARVIS_TEST_LISTEN_FDS";
        if let Ok(address) = std::env::var(CHILD) {
            let mut inherited = Inherited::from_environment();
            assert!(std::env::vars().all(|(name, _)| !name.starts_with("LISTEN_")));
            assert!(Inherited::from_environment().rest().is_empty(), "taken once");
            let taken = inherited.take_tcp(address.parse().unwrap());
            assert_eq!(rustix::io::fcntl_getfd(&taken[0]), Ok(rustix::io::FdFlags::CLOEXEC));
            assert_eq!(taken.len(), 1);
            assert_eq!(inherited.rest(), ["null (not a listening stream socket)"]);
            return;
        }
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let name =
            "listen::inherited::tests::what_systemd_announces_is_taken_over_and_announced_to_nobody_else";
        let start =
            r#"LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:null exec "$0" --exact "$1" 3<&0 4</dev/null"#;
        let child = std::process::Command::new("/bin/sh")
            .args(["-c", start])
            .arg(std::env::current_exe().unwrap())
            .arg(name)
            .env(CHILD, listener.local_addr().unwrap().to_string())
            .stdin(OwnedFd::from(listener))
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && output.contains("1 passed"), "{output}");
    }
}
