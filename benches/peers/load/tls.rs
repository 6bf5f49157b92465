//! TLS of the load: one version, one suite and one group, so that every proxy does the same cryptography. Certificates
//! are not verified: that would cost the load more than all else, and the proxies nothing.

use crate::Outcome;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, HandshakeKind, SignatureScheme};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How connections are secured.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    resumed: bool,
}

impl Tls {
    /// Full handshakes, or (after the first for a name) resumed ones.
    pub fn new(protocol: &str, resumed: bool) -> Outcome<Self> {
        let provider = Arc::new(CryptoProvider {
            cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![aws_lc_rs::kx_group::X25519],
            ..aws_lc_rs::default_provider()
        });
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trusting))
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.into()];
        // A name is one lane's: its tickets are not taken by others.
        config.resumption =
            if resumed { Resumption::in_memory_sessions(NAMES) } else { Resumption::disabled() };
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), resumed })
    }

    /// Shakes hands. The `first` of a name has nothing to resume.
    pub async fn connect(&self, stream: TcpStream, name: &str, first: bool) -> Outcome<TlsStream<TcpStream>> {
        let stream = self.connector.connect(ServerName::try_from(name.to_owned())?, stream).await?;
        let session = stream.get_ref().1;
        if session.alpn_protocol() != self.connector.config().alpn_protocols.first().map(Vec::as_slice) {
            return Err("another protocol than the one asked for".into());
        }
        let wanted = if self.resumed && !first { HandshakeKind::Resumed } else { HandshakeKind::Full };
        if session.handshake_kind() != Some(wanted) {
            return Err(format!("the handshake was {:?}, not {wanted:?}", session.handshake_kind()).into());
        }
        Ok(stream)
    }
}

/// Names whose tickets are kept: more than there are lanes.
const NAMES: usize = 4096;

/// Takes every certificate.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 was not offered".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
