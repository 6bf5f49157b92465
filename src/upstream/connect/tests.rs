//! Connecting over TLS and by name, against a TLS server of another library.

use super::*;
use crate::config::UpstreamTls;
use crate::upstream::testing::{new, spec_at};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::runtime::LocalOptions;
use tokio_rustls::TlsAcceptor;

/// A TLS server for `alice.test` that greets whoever completes the handshake.
async fn server() -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(["alice.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                stream.write_all(b"hello").await.unwrap();
                stream.shutdown().await.unwrap();
            }
        }
    });
    (address, made.cert.pem())
}

async fn connected(address: UpstreamAddress, tls: impl Into<Option<UpstreamTls>>) -> Result<Stream, Refusal> {
    let spec = config::Upstream { tls: tls.into(), ..spec_at(address, 1) };
    let reach = Reach::default();
    match connect(&new(spec.clone()), &spec, None, Duration::from_secs(20), &reach).await? {
        Transport::Http1(stream) => Ok(stream),
        Transport::Http2(_) => panic!("nobody asked for HTTP/2"),
    }
}

fn tls(server_name: &str, ca: Option<PathBuf>, verify: bool) -> UpstreamTls {
    UpstreamTls { server_name: server_name.to_owned(), ca, verify }
}

fn run(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build_local(LocalOptions::default()).unwrap().block_on(test);
}

#[test]
fn https_upstreams_are_verified_by_their_name_and_roots_unless_told_otherwise() {
    run(async {
        let (address, pem) = server().await;
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, pem).unwrap();
        let at = || UpstreamAddress::Ip(address);

        let mut stream = connected(at(), tls("alice.test", Some(ca.clone()), true)).await.unwrap();
        assert!(stream.is_tls());
        assert_eq!(stream.fill().await.unwrap(), 5);
        assert_eq!(stream.input().filled(), b"hello");

        let cause = |refused: Result<Stream, Refusal>| refused.err().map(|refusal| refusal.cause);
        let other_name = connected(at(), tls("bob.test", Some(ca), true)).await;
        assert_eq!(cause(other_name), Some(Cause::UpstreamCertificate));
        let system_roots = connected(at(), tls("alice.test", None, true)).await;
        assert_eq!(cause(system_roots), Some(Cause::UpstreamCertificate));
        let no_file = connected(at(), tls("alice.test", Some(directory.path().join("none")), true)).await;
        assert_eq!(cause(no_file), Some(Cause::UpstreamCertificate));
        assert!(connected(at(), tls("bob.test", None, false)).await.is_ok());
    });
}

#[test]
fn a_server_that_speaks_no_tls_is_told_apart_from_one_that_is_not_there() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = UpstreamAddress::Ip(listener.local_addr().unwrap());
        tokio::task::spawn_local(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        });
        let refused = connected(address, tls("alice.test", None, false)).await.err().unwrap();
        assert_eq!(refused.cause, Cause::UpstreamTls);
    });
}

/// With nobody who asks for names, and nothing allowed.
#[test]
fn a_url_leads_nowhere_it_must_not() {
    run(async {
        let url = |host: &str| {
            let host = crate::base::Host::parse(host.as_bytes()).unwrap();
            UpstreamAddress::Url(Box::new(UpstreamUrl {
                host,
                port: 80,
                has_default_port: true,
                is_platforms: false,
                base: "".into(),
            }))
        };
        for (host, cause, detail) in [
            (
                "no-such-host.invalid",
                Cause::DnsError,
                "alice/web at no-such-host.invalid:80: nobody answers for names",
            ),
            (
                "127.0.0.1",
                Cause::Prohibited,
                "127.0.0.1:80: it leads to 127.0.0.1, an address that is loopback",
            ),
            ("[::1]", Cause::Prohibited, "it leads to ::1, an address that is loopback"),
            ("10.0.0.1", Cause::Prohibited, "it leads to 10.0.0.1, an address that is private"),
        ] {
            let refused = connected(url(host), None).await.err().unwrap();
            assert_eq!(refused.cause, cause, "{refused}");
            assert!(refused.detail.contains(detail), "{refused}");
        }
    });
}
