//! The listeners: a TCP address for metrics, one for the live page, a unix socket for the admin. Binds them; speaks nothing.

use crate::config::{LivePage, MutualTls};
use crate::net::PrivateSocket;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;

/// The listener of `[metrics] address`.
#[derive(Debug)]
pub struct MetricsListener(TcpListener);

/// The listener of `[admin] page`.
pub struct PageListener {
    listener: MetricsListener,
    acceptor: Option<TlsAcceptor>,
}

/// The socket of `[admin] socket`. Removes its file when it is dropped.
#[derive(Debug)]
pub struct AdminSocket(PrivateSocket);

impl MetricsListener {
    /// Binds `address`, an IPv6 one for IPv6 only. Call it within the runtime that will serve.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket =
            Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into()).map(Self)
    }

    /// The address that was bound, with the port the kernel chose where it was to choose.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    pub(super) async fn accept(&self) -> io::Result<TcpStream> {
        self.0.accept().await.map(|(stream, _)| stream)
    }
}

impl PageListener {
    /// Binds the address of `page`, and reads its certificate where it has one. Call it within the runtime that will serve.
    ///
    /// # Errors
    /// The system's; `InvalidData` where the certificate, its key or the clients' authority are none.
    pub fn bind(page: &LivePage) -> io::Result<Self> {
        let acceptor = page.mutual.as_ref().map(acceptor).transpose()?;
        Ok(Self { listener: MetricsListener::bind(page.address)?, acceptor })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Whether both ends show a certificate.
    pub fn is_mutual(&self) -> bool {
        self.acceptor.is_some()
    }

    pub(super) async fn accept(&self) -> io::Result<TcpStream> {
        self.listener.accept().await
    }

    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.acceptor.clone()
    }
}

/// TLS of which both ends show a certificate (RFC 8446 §4.3.2).
fn acceptor(mutual: &MutualTls) -> io::Result<TlsAcceptor> {
    let invalid = |file: &Path, why: &dyn Display| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", file.display()))
    };
    let read = |file: &Path| std::fs::read(file).map_err(|error| invalid(file, &error));
    let chain = |file: &Path, text: &[u8]| {
        CertificateDer::pem_slice_iter(text)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| invalid(file, &error))
    };
    let (own, ca) = (read(&mutual.certificate)?, read(&mutual.client_ca)?);
    let key = PrivateKeyDer::from_pem_slice(&own)
        .map_err(|_| invalid(&mutual.certificate, &"it holds no private key"))?;
    let mut roots = RootCertStore::empty();
    for root in chain(&mutual.client_ca, &ca)? {
        roots.add(root).map_err(|error| invalid(&mutual.client_ca, &error))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| invalid(&mutual.client_ca, &error))?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(&mutual.certificate, &error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(&mutual.certificate, &own)?, key)
        .map_err(|error| invalid(&mutual.certificate, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl AdminSocket {
    /// Binds `path`, for the process's user and group. Call it within the runtime that will serve.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens there; `AlreadyExists` when the file is no socket; the system's.
    pub fn bind(path: &Path) -> io::Result<Self> {
        PrivateSocket::bind(path, None).map(Self)
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.0.accept().await
    }
}

/// Connections that wait to be accepted: more than may be open at a time.
const BACKLOG: i32 = 128;
