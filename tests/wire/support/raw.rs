//! A raw connection, of a visitor or of an upstream: exact bytes out, exact bytes in. Every wait is bounded.

use super::message::{self, Cut, Message};
use super::queue;
use super::wait::{self, PATIENCE};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// A connection with its unread bytes.
pub struct Raw {
    transport: Transport,
    unread: Vec<u8>,
    received: Vec<u8>,
    /// Whether it reads little at a time.
    slow: bool,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order: FIN, on TLS after close_notify.
    Fin,
    /// FIN without close_notify: on TLS a truncation.
    Truncated,
    /// A reset.
    Reset,
}

enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    TlsServer(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Raw {
    /// Connects without TLS.
    #[track_caller]
    pub fn clear(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the edge accepts");
        Self::from_tcp(stream)
    }

    /// Connects with TLS, asks for `name`, offers `protocols`, trusts anyone.
    #[track_caller]
    pub fn tls(address: SocketAddr, name: &str, protocols: &[&str]) -> Self {
        Self::try_tls(address, super::certificate::trusting(protocols), Some(name)).expect("a TLS handshake")
    }

    /// Connects with TLS by `config`; without a `name` no SNI is sent. The error is that of the handshake.
    pub fn try_tls(
        address: SocketAddr,
        config: rustls::ClientConfig,
        name: Option<&str>,
    ) -> io::Result<Self> {
        Self::clear(address).start_tls(config, name)
    }

    /// Begins TLS on a connection that has spoken without it.
    pub fn start_tls(self, mut config: rustls::ClientConfig, name: Option<&str>) -> io::Result<Self> {
        config.enable_sni = name.is_some();
        let name = ServerName::try_from(name.unwrap_or("no-name.test").to_owned()).expect("a server name");
        let connection = ClientConnection::new(config.into(), name).expect("a client config");
        let Transport::Tcp(tcp) = self.transport else { panic!("only over TCP") };
        let mut stream = StreamOwned::new(connection, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self::new(Transport::Tls(Box::new(stream))))
    }

    /// Answers the peer's TLS handshake.
    pub fn accept_tls(self, config: Arc<ServerConfig>) -> io::Result<Self> {
        let connection = ServerConnection::new(config).expect("a server config");
        let Transport::Tcp(tcp) = self.transport else { panic!("only over TCP") };
        let mut stream = StreamOwned::new(connection, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self::new(Transport::TlsServer(Box::new(stream))))
    }

    /// A connection that was accepted, or made elsewhere.
    pub fn from_tcp(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a TCP socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a TCP socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a TCP socket");
        Self::new(Transport::Tcp(stream))
    }

    /// The same, but waiting for bytes without a bound: for servers, whose clients may pause.
    pub fn from_patient_tcp(stream: TcpStream) -> Self {
        let raw = Self::from_tcp(stream);
        raw.read_timeout(None);
        raw
    }

    /// The same for a unix socket.
    pub fn from_unix(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a unix socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a unix socket");
        Self::new(Transport::Unix(stream))
    }

    fn new(transport: Transport) -> Self {
        Self { transport, unread: Vec::new(), received: Vec::new(), slow: false }
    }

    /// Sends all of `bytes`.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_send(bytes).expect("the peer takes what is sent");
        self
    }

    /// Sends all of `bytes`, or says why not.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let stream = self.stream();
        stream.write_all(bytes.as_ref())?;
        stream.flush()
    }

    /// Sends `bytes` cut into pieces of `size`, each in a segment of its own. Stops where the peer closed: it may
    /// have seen enough.
    pub fn send_in_pieces(&mut self, bytes: &[u8], size: usize) -> &mut Self {
        for piece in bytes.chunks(size) {
            if self.try_send(piece).is_err() {
                break;
            }
        }
        self
    }

    /// Sends `bytes` cut at these places: each piece once the peer has read the one before it, or has answered. Stops where
    /// the peer closed.
    pub fn send_cut(&mut self, bytes: &[u8], cuts: &[usize]) -> &mut Self {
        let mut sent = 0;
        for cut in cuts.iter().copied().filter(|cut| *cut < bytes.len()).chain([bytes.len()]) {
            if cut <= sent {
                continue;
            }
            if sent > 0 {
                wait::until("the peer to read a piece", || {
                    self.tcp().is_none_or(queue::is_seen).then_some(())
                });
            }
            if self.try_send(&bytes[sent..cut]).is_err() {
                break;
            }
            sent = cut;
        }
        self
    }

    /// Sends for as long as the peer takes it without a pause; how many bytes those were. What a writer sees of
    /// back-pressure.
    pub fn send_until_full(&mut self, limit_bytes: usize, pause: Duration) -> usize {
        let Transport::Tcp(tcp) = &mut self.transport else { panic!("only over TCP") };
        tcp.set_write_timeout(Some(pause)).expect("a TCP socket");
        let (block, mut sent) = (vec![b'x'; 64 * 1024], 0);
        while sent < limit_bytes {
            match tcp.write(&block[..block.len().min(limit_bytes - sent)]) {
                Ok(count) => sent += count,
                Err(error) if is_timeout(&error) => break,
                Err(error) => panic!("after {sent} bytes: {error}"),
            }
        }
        tcp.set_write_timeout(Some(PATIENCE)).expect("a TCP socket");
        sent
    }

    /// Ends our direction: close_notify on TLS, FIN.
    pub fn finish(&mut self) -> &mut Self {
        match &mut self.transport {
            Transport::Tls(stream) => stream.conn.send_close_notify(),
            Transport::TlsServer(stream) => stream.conn.send_close_notify(),
            Transport::Tcp(_) | Transport::Unix(_) => {}
        }
        // The peer may be gone already; what then counts is what it sent before.
        let _ = self.stream().flush();
        let _ = match &self.transport {
            Transport::Unix(stream) => stream.shutdown(Shutdown::Write),
            _ => self.tcp().map_or(Ok(()), |stream| stream.shutdown(Shutdown::Write)),
        };
        self
    }

    /// Closes with a reset.
    pub fn reset(self) {
        let Some(tcp) = self.tcp() else { return };
        socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
    }

    /// Bounds what the kernel takes in for us, so that a reader who stops is felt soon.
    pub fn receive_at_most(&self, bytes: usize) {
        let tcp = self.tcp().expect("only over TCP");
        socket2::SockRef::from(tcp).set_recv_buffer_size(bytes).expect("a TCP socket");
    }

    /// From here on reads with a pause each time: a reader on a thin line.
    pub fn read_slowly(&mut self) -> &mut Self {
        self.slow = true;
        self
    }

    /// The next whole response.
    #[track_caller]
    pub fn response(&mut self) -> Message {
        self.try_response().unwrap_or_else(|cut| panic!("the response ended early: {cut:?}"))
    }

    /// The next response, or how it was cut.
    pub fn try_response(&mut self) -> Result<Message, Cut> {
        let head = message::read_head(self)?;
        message::read_body(self, head, false)
    }

    /// The next response, to a HEAD request: its fields announce a body that does not come.
    #[track_caller]
    pub fn response_to_head(&mut self) -> Message {
        let head = self.head();
        message::read_body(self, head, true).expect("a head is all")
    }

    /// The next whole request.
    #[track_caller]
    pub fn request(&mut self) -> Message {
        self.try_request().unwrap_or_else(|cut| panic!("the request ended early: {cut:?}"))
    }

    /// The next request, or how it was cut.
    pub fn try_request(&mut self) -> Result<Message, Cut> {
        self.try_response()
    }

    /// The next head alone; the body is left to be read.
    #[track_caller]
    pub fn head(&mut self) -> Message {
        message::read_head(self).unwrap_or_else(|cut| panic!("no whole head came: {cut:?}"))
    }

    /// The next `count` bytes.
    #[track_caller]
    pub fn exactly(&mut self, count: usize) -> Vec<u8> {
        self.try_exactly(count).unwrap_or_else(|end| {
            panic!("{end:?} with {} of {count} bytes: {:?}", self.unread.len(), self.unread.escape_ascii())
        })
    }

    /// The next `count` bytes, or how the connection ended before.
    pub fn try_exactly(&mut self, count: usize) -> Result<Vec<u8>, End> {
        while self.unread.len() < count {
            self.fill()?;
        }
        Ok(self.unread.drain(..count).collect())
    }

    /// Everything up to and with `mark`.
    pub fn read_until(&mut self, mark: &[u8]) -> Result<Vec<u8>, End> {
        let mut from = 0;
        loop {
            let found = self.unread[from..].windows(mark.len()).position(|window| window == mark);
            if let Some(at) = found {
                return Ok(self.unread.drain(..from + at + mark.len()).collect());
            }
            from = self.unread.len().saturating_sub(mark.len() - 1);
            self.fill()?;
        }
    }

    /// Everything until the connection ends, and how it ended.
    pub fn read_to_end(&mut self) -> (Vec<u8>, End) {
        loop {
            if let Err(end) = self.fill() {
                return (self.take_unread(), end);
            }
        }
    }

    /// Fails the test unless the peer closes now, having sent nothing more.
    #[track_caller]
    pub fn expect_close(&mut self) {
        let (rest, end) = self.read_to_end();
        assert!(rest.is_empty(), "more before the {end:?}: {:?}", rest.escape_ascii().to_string());
    }

    /// Fails the test unless the peer closes in order, having sent nothing more.
    #[track_caller]
    pub fn expect_fin(&mut self) {
        let (rest, end) = self.read_to_end();
        assert!(rest.is_empty(), "more before the end: {:?}", rest.escape_ascii().to_string());
        assert_eq!(end, End::Fin);
    }

    /// Whether nothing comes for `pause`. For what must not arrive where no later event proves it.
    pub fn is_quiet_for(&mut self, pause: Duration) -> bool {
        self.read_timeout(Some(pause));
        let quiet = self.unread.is_empty() && matches!(self.receive(), Err(error) if is_timeout(&error));
        self.read_timeout(Some(PATIENCE));
        quiet
    }

    /// Whether anything has come that was not looked at yet. Does not wait.
    pub fn has_input(&mut self) -> bool {
        !self.unread.is_empty() || !self.is_quiet_for(Duration::from_millis(1))
    }

    /// What was received and not yet looked at.
    pub fn input(&self) -> &[u8] {
        &self.unread
    }

    /// The same, taken.
    pub fn take_unread(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    /// Every byte that ever came in.
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Forgets the bytes that [`received`](Self::received) would give: for long connections.
    pub fn forget(&mut self) {
        self.received.clear();
    }

    /// The TLS side of the connection.
    pub fn tls_state(&self) -> &ClientConnection {
        match &self.transport {
            Transport::Tls(stream) => &stream.conn,
            _ => panic!("not a TLS connection"),
        }
    }

    fn fill(&mut self) -> Result<(), End> {
        match self.receive() {
            Ok(0) => Err(End::Fin),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(End::Truncated),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                Err(End::Reset)
            }
            Err(error) => panic!("{error}; received and not yet read: {}", self.unread.escape_ascii()),
        }
    }

    fn receive(&mut self) -> io::Result<usize> {
        let mut block = [0; 16 * 1024];
        if self.slow {
            wait::pause(Duration::from_micros(200));
        }
        let count = self.stream().read(&mut block)?;
        self.unread.extend(&block[..count]);
        self.received.extend(&block[..count]);
        Ok(count)
    }

    fn read_timeout(&self, timeout: Option<Duration>) {
        match &self.transport {
            Transport::Unix(stream) => stream.set_read_timeout(timeout),
            _ => self.tcp().map_or(Ok(()), |stream| stream.set_read_timeout(timeout)),
        }
        .expect("a socket");
    }

    fn stream(&mut self) -> &mut dyn ReadWrite {
        match &mut self.transport {
            Transport::Tcp(stream) => stream,
            Transport::Unix(stream) => stream,
            Transport::Tls(stream) => stream.as_mut(),
            Transport::TlsServer(stream) => stream.as_mut(),
        }
    }

    fn tcp(&self) -> Option<&TcpStream> {
        match &self.transport {
            Transport::Tcp(stream) => Some(stream),
            Transport::Tls(stream) => Some(&stream.sock),
            Transport::TlsServer(stream) => Some(&stream.sock),
            Transport::Unix(_) => None,
        }
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
