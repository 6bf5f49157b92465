//! An upstream that does what the test says, byte by byte, on the test's own thread: it accepts, reads, answers,
//! stalls, closes or resets where the test does. What reached it, and what did not, is for the test to see.

use super::raw::Raw;
use super::wait;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// A listening upstream without a program behind it.
pub struct Recorder {
    listener: Listener,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Recorder {
    /// Listens on IPv4.
    pub fn new() -> Self {
        Self::at("127.0.0.1:0")
    }

    /// Listens on `address`; port 0 lets the kernel choose.
    pub fn at(address: &str) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        Self { listener: Listener::Tcp(listener) }
    }

    /// Listens on a unix socket.
    pub fn unix(path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("a free path");
        listener.set_nonblocking(true).expect("a socket");
        Self { listener: Listener::Unix(listener, path.to_owned()) }
    }

    /// As `address` of an `[[upstream]]`.
    pub fn address(&self) -> String {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().expect("a socket").to_string(),
            Listener::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// The next connection of the edge, waited for.
    #[track_caller]
    pub fn accept(&self) -> Raw {
        wait::until("a connection of the edge to its upstream", || self.try_accept())
    }

    /// The next connection of the edge, if there is one already.
    pub fn try_accept(&self) -> Option<Raw> {
        let accepted = match &self.listener {
            Listener::Tcp(listener) => listener.accept().map(|(stream, _)| {
                stream.set_nonblocking(false).expect("a socket");
                Raw::from_tcp(stream)
            }),
            Listener::Unix(listener, _) => listener.accept().map(|(stream, _)| {
                stream.set_nonblocking(false).expect("a socket");
                Raw::from_unix(stream)
            }),
        };
        match accepted {
            Ok(raw) => Some(raw),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("accept: {error}"),
        }
    }

    /// Fails the test if the edge has connected. To be asked after the edge answered, so that what could have
    /// arrived has.
    #[track_caller]
    pub fn expect_nothing(&self) {
        if let Some(mut raw) = self.try_accept() {
            raw.is_quiet_for(std::time::Duration::from_millis(50));
            panic!("reached the upstream: {:?}", raw.received().escape_ascii().to_string());
        }
    }
}
