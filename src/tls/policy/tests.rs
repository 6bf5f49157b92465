//! Real handshakes in memory: what each policy agrees to, and what no session carries over.

use super::*;
use crate::tls::certificate::Certificate;
use crate::tls::index::Entry;
use crate::tls::place::Source;
use crate::tls::testing::{CA, Table};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls12Resumption,
    Tls13ClientSessionValue,
};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::Acceptor;
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind,
    NamedGroup, ProtocolVersion, ServerConnection, SignatureScheme,
};
use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use version::{TLS12, TLS13};

const BOTH: Protocols = Protocols { http1: true, http2: true };
const HTTP1_ONLY: Protocols = Protocols { http1: true, http2: false };
const HTTP2_ONLY: Protocols = Protocols { http1: false, http2: true };

fn entry(source: Source, names: &[&str]) -> Arc<Entry> {
    let pem = CA.issue(names).unwrap().pem();
    let certificate = Arc::new(Certificate::read(pem.as_bytes(), pem.as_bytes()).unwrap());
    Arc::new(Entry { certificate, source, place: None, attached_to: None })
}

/// A node whose accounts alice and bob hold a host each, and a certificate for each and for nobody's name.
struct Node {
    policies: Policies,
    profile: TlsProfile,
    local: IpAddr,
    table: Arc<Table>,
    index: Arc<Index>,
    entries: Vec<Arc<Entry>>,
}

fn node() -> Node {
    let names = ["alice.test", "bob.test", "nobody.test"];
    let entries: Vec<_> = names.iter().map(|name| entry(Source::Automatic, &[name])).collect();
    let index = Arc::new(Index::new(entry(Source::Default, &["node.test"])));
    index.apply(&[], &entries);
    let table = Table::new(&[("alice.test", "alice"), ("bob.test", "bob")]);
    let policies = Policies::new(Arc::clone(&index), table.clone()).unwrap();
    let local = Ipv6Addr::LOCALHOST.into();
    Node { policies, profile: TlsProfile::Intermediate, local, table, index, entries }
}

/// What both ends know of each other after a handshake.
#[derive(Debug)]
struct Met {
    client: ClientConnection,
    server: ServerConnection,
    identity: Identity,
}

impl Met {
    fn kind(&self) -> HandshakeKind {
        self.server.handshake_kind().unwrap()
    }

    fn group(&self) -> NamedGroup {
        self.server.negotiated_key_exchange_group().unwrap().name()
    }

    fn alpn(&self) -> Option<&str> {
        self.server.alpn_protocol().map(|protocol| std::str::from_utf8(protocol).unwrap())
    }

    /// The first name of the certificate the client saw.
    fn certificate(&self, node: &Node) -> String {
        let seen = &self.client.peer_certificates().unwrap()[0];
        let default = node.index.find(None, None, base::wall()).entry;
        let entry =
            node.entries.iter().chain([&default]).find(|entry| entry.certificate.key().cert[0] == *seen);
        entry.unwrap().names()[0].to_string()
    }
}

/// A handshake for `name` on a listener that speaks `protocols`; the error is what the client is told.
fn meet(node: &Node, visitor: &Arc<ClientConfig>, name: &str, protocols: Protocols) -> Result<Met, Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(visitor), name).unwrap();
    let mut acceptor = Acceptor::default();
    send(&mut client, |bytes| acceptor.read_tls(bytes));
    let accepted = match acceptor.accept() {
        Ok(accepted) => accepted.expect("a whole ClientHello was sent"),
        Err((_, mut alert)) => {
            let mut bytes = Vec::new();
            alert.write_all(&mut bytes).unwrap();
            return Err(told(&mut client, &bytes));
        }
    };
    let Choice { config, identity } =
        node.policies.choose(&accepted.client_hello(), node.local, protocols, node.profile);
    let mut server = match accepted.into_connection(config) {
        Ok(server) => server,
        Err((_, mut alert)) => {
            let mut bytes = Vec::new();
            alert.write_all(&mut bytes).unwrap();
            return Err(told(&mut client, &bytes));
        }
    };
    // Each turn is half a round trip; three suffice for a HelloRetryRequest.
    for _ in 0..4 {
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
        send(&mut client, |bytes| server.read_tls(bytes));
        // What the server minds it tells the client in the next turn.
        let _ = server.process_new_packets();
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(Met { client, server, identity })
}

fn send(client: &mut ClientConnection, mut receive: impl FnMut(&mut &[u8]) -> std::io::Result<usize>) {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    let mut bytes = bytes.as_slice();
    while !bytes.is_empty() {
        receive(&mut bytes).unwrap();
    }
}

fn told(client: &mut ClientConnection, mut bytes: &[u8]) -> Error {
    client.read_tls(&mut bytes).unwrap();
    client.process_new_packets().expect_err("an alert was sent")
}

fn meets(node: &Node, visitor: &Arc<ClientConfig>, name: &str) -> Met {
    meet(node, visitor, name, BOTH).unwrap()
}

/// A client of these versions, for a test to change.
fn client(versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    client_with(provider(), versions)
}

fn client_with(
    provider: Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyName))
        .with_no_client_auth();
    config.resumption = Resumption::store(Arc::new(OneName::default()));
    config
}

fn visitor(versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    Arc::new(client(versions))
}

/// Takes every certificate whose key really signed the handshake, whatever its names.
#[derive(Debug)]
struct AnyName;

impl ServerCertVerifier for AnyName {
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Offers any session to any name, as no honest client does.
#[derive(Debug)]
struct OneName {
    sessions: ClientSessionMemoryCache,
    tickets: AtomicUsize,
}

impl Default for OneName {
    fn default() -> Self {
        Self { sessions: ClientSessionMemoryCache::new(8), tickets: AtomicUsize::new(0) }
    }
}

fn one_name() -> ServerName<'static> {
    ServerName::try_from("any.test").unwrap()
}

impl ClientSessionStore for OneName {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.sessions.set_tls12_session(one_name(), value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.sessions.tls12_session(&one_name())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.sessions.remove_tls12_session(&one_name());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.tickets.fetch_add(1, Ordering::Relaxed);
        self.sessions.insert_tls13_ticket(one_name(), value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.sessions.take_tls13_ticket(&one_name())
    }
}

#[test]
fn the_certificate_follows_the_name_and_the_default_serves_the_rest() {
    let node = node();
    for versions in [&[&TLS13], &[&TLS12]] {
        let visitor = visitor(versions);
        for (name, certificate, account) in [
            ("alice.test", "alice.test", Some("alice")),
            ("ALICE.Test", "alice.test", Some("alice")),
            ("bob.test", "bob.test", Some("bob")),
            ("nobody.test", "nobody.test", None),
            ("unknown.test", "node.test", None),
            // An address is no name (RFC 6066 §3): the client sends none.
            ("192.0.2.1", "node.test", None),
        ] {
            let met = meets(&node, &visitor, name);
            assert_eq!(met.certificate(&node), certificate, "{name}");
            assert_eq!(met.identity.account().map(crate::base::AccountName::as_str), account, "{name}");
            let sni = (name != "192.0.2.1").then(|| name.to_ascii_lowercase());
            assert_eq!(met.identity.sni().map(str::to_owned), sni, "{name}");
        }
    }
    let mut silent = client(&[&TLS13]);
    silent.enable_sni = false;
    assert_eq!(meets(&node, &Arc::new(silent), "alice.test").certificate(&node), "node.test");
}

#[test]
fn the_name_resolves_again_after_a_hello_retry_request() {
    let node = node();
    let groups = vec![kx_group::SECP256R1MLKEM768, kx_group::X25519];
    let provider = CryptoProvider { kx_groups: groups, ..(*provider()).clone() };
    let visitor = Arc::new(client_with(Arc::new(provider), &[&TLS13]));
    let met = meets(&node, &visitor, "alice.test");
    assert_eq!(met.kind(), HandshakeKind::FullWithHelloRetryRequest);
    assert_eq!(met.certificate(&node), "alice.test");
}

#[test]
fn a_replaced_certificate_is_shown_to_the_next_visitor() {
    let mut node = node();
    let visitor = visitor(&[&TLS13]);
    let before = meets(&node, &visitor, "alice.test").client.peer_certificates().unwrap()[0].clone();
    let renewed = entry(Source::Automatic, &["alice.test"]);
    node.index.apply(&node.entries[..1], std::slice::from_ref(&renewed));
    node.entries[0] = renewed;
    let fresh = Arc::new(client(&[&TLS13]));
    let after = meets(&node, &fresh, "alice.test");
    assert_eq!(after.certificate(&node), "alice.test");
    assert_ne!(after.client.peer_certificates().unwrap()[0], before);
}

#[test]
fn a_profile_is_the_holders_and_says_which_versions_there_are() {
    let node = node();
    node.table.set("bob.test", "bob", TlsProfile::Modern);
    let version = |name, versions: &[&'static SupportedProtocolVersion]| {
        meet(&node, &visitor(versions), name, BOTH).map(|met| met.server.protocol_version().unwrap())
    };
    assert_eq!(version("alice.test", &[&TLS12, &TLS13]), Ok(ProtocolVersion::TLSv1_3));
    assert_eq!(version("alice.test", &[&TLS12]), Ok(ProtocolVersion::TLSv1_2));
    assert_eq!(version("unknown.test", &[&TLS12]), Ok(ProtocolVersion::TLSv1_2));
    assert_eq!(version("bob.test", &[&TLS12, &TLS13]), Ok(ProtocolVersion::TLSv1_3));
    let refused = Err(Error::AlertReceived(AlertDescription::ProtocolVersion));
    assert_eq!(version("bob.test", &[&TLS12]), refused);
    assert_eq!(meets(&node, &visitor(&[&TLS13]), "bob.test").identity.profile(), TlsProfile::Modern);
}

#[test]
fn the_nodes_profile_is_that_of_names_nobody_holds() {
    let node = Node { profile: TlsProfile::Modern, ..node() };
    let refused = |name| meet(&node, &visitor(&[&TLS12]), name, BOTH).err();
    let alert = Some(Error::AlertReceived(AlertDescription::ProtocolVersion));
    assert_eq!(
        (refused("unknown.test"), refused("nobody.test"), refused("alice.test")),
        (alert.clone(), alert, None)
    );
}

/// At an address of its own an account is met by whoever names nobody, under its own terms.
#[test]
fn an_address_of_its_own_stands_for_a_name() {
    let mut node = node();
    node.table.dedicate("198.51.100.7", "bob", TlsProfile::Modern, "bob.test");
    let visitor = visitor(&[&TLS12, &TLS13]);
    // The client sends no SNI for an address.
    let elsewhere = meet(&node, &visitor, "192.0.2.1", BOTH).unwrap();
    assert_eq!(elsewhere.certificate(&node), "node.test");
    node.local = "198.51.100.7".parse().unwrap();
    for (name, shown, profile) in [
        ("192.0.2.1", "bob.test", TlsProfile::Modern),
        ("unknown.test", "bob.test", TlsProfile::Modern),
        ("nobody.test", "nobody.test", TlsProfile::Modern),
        ("alice.test", "alice.test", TlsProfile::Intermediate),
        ("bob.test", "bob.test", TlsProfile::Intermediate),
    ] {
        let met = meet(&node, &visitor, name, BOTH).unwrap();
        assert_eq!((met.certificate(&node).as_str(), met.identity.profile()), (shown, profile), "{name}");
        assert_eq!(met.identity.account().is_some(), ["alice.test", "bob.test"].contains(&name), "{name}");
    }
}

/// TLS 1.0 and 1.1, and a downgraded 1.2: told `protocol_version`, by a ClientHello no library of today sends.
#[test]
fn older_versions_are_refused_with_the_alert_that_says_so() {
    let node = node();
    for version in [[3, 1], [3, 2]] {
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut old_client_hello(version).as_slice()).unwrap();
        let accepted = acceptor.accept().unwrap().unwrap();
        let choice = node.policies.choose(&accepted.client_hello(), node.local, BOTH, node.profile);
        let (_, mut alert) = accepted.into_connection(choice.config).expect_err("refused");
        let mut bytes = Vec::new();
        alert.write_all(&mut bytes).unwrap();
        // A fatal alert (2), protocol_version (70).
        assert_eq!(bytes, [21, 3, 3, 0, 2, 2, 70], "{version:?}");
    }
}

fn old_client_hello(version: [u8; 2]) -> Vec<u8> {
    let mut body = Vec::from(version);
    body.extend([7; 32]); // random
    body.push(0); // session id
    body.extend([0, 4, 0xc0, 0x13, 0, 0x2f]); // ECDHE-RSA-AES128-SHA, RSA-AES128-SHA
    body.extend([1, 0]); // no compression
    let extensions: &[u8] = &[
        0, 10, 0, 4, 0, 2, 0, 23, // supported_groups: secp256r1
        0, 13, 0, 4, 0, 2, 4, 1, // signature_algorithms: rsa_pkcs1_sha256
    ];
    body.extend([0, extensions.len() as u8]);
    body.extend(extensions);
    let mut message = vec![22, 3, 1, 0, body.len() as u8 + 4, 1, 0, 0, body.len() as u8];
    message.extend(body);
    message
}

#[test]
fn the_hybrid_group_is_preferred_and_classical_clients_are_served() {
    let node = node();
    assert_eq!(meets(&node, &visitor(&[&TLS13]), "alice.test").group(), NamedGroup::X25519MLKEM768);
    let classical: [&'static dyn SupportedKxGroup; 3] =
        [kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];
    for group in classical {
        for versions in [&[&TLS13], &[&TLS12]] {
            let provider = CryptoProvider { kx_groups: vec![group], ..(*provider()).clone() };
            let visitor = Arc::new(client_with(Arc::new(provider), versions));
            assert_eq!(meets(&node, &visitor, "alice.test").group(), group.name());
        }
    }
}

/// A suite that rustls adds or takes away must be looked at before it is offered.
#[test]
fn the_suites_are_the_forward_secret_ones_rustls_has() {
    let mut ours: Vec<_> = SUITES.iter().map(SupportedCipherSuite::suite).collect();
    let mut all: Vec<_> = aws_lc_rs::ALL_CIPHER_SUITES.iter().map(SupportedCipherSuite::suite).collect();
    ours.sort_by_key(|suite| u16::from(*suite));
    all.sort_by_key(|suite| u16::from(*suite));
    assert_eq!(ours, all);
    for suite in ours {
        let name = format!("{suite:?}");
        assert!(name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_"), "{name}");
        assert!(name.contains("GCM") || name.contains("POLY1305"), "{name}");
    }
}

#[test]
fn protocols_are_those_of_the_listener() {
    let node = node();
    let alpn = |offered: &[&[u8]], protocols| {
        let mut config = client(&[&TLS13]);
        config.alpn_protocols = offered.iter().map(|protocol| protocol.to_vec()).collect();
        meet(&node, &Arc::new(config), "alice.test", protocols).map(|met| met.alpn().map(str::to_owned))
    };
    let agreed = |protocol: &str| Ok(Some(protocol.to_owned()));
    assert_eq!(alpn(&[HTTP1, H2], BOTH), agreed("h2"), "the order is ours");
    assert_eq!(alpn(&[HTTP1], BOTH), agreed("http/1.1"));
    assert_eq!(alpn(&[H2, HTTP1], HTTP1_ONLY), agreed("http/1.1"));
    assert_eq!(alpn(&[H2, HTTP1], HTTP2_ONLY), agreed("h2"));
    assert_eq!(alpn(&[], BOTH), Ok(None));
    let refused = Err(Error::AlertReceived(AlertDescription::NoApplicationProtocol));
    assert_eq!(alpn(&[H2], HTTP1_ONLY), refused);
    assert_eq!(alpn(&[b"spdy/3"], BOTH), refused);
}

#[test]
fn a_session_resumes_under_its_own_name() {
    let node = node();
    for versions in [&[&TLS13], &[&TLS12]] {
        let visitor = visitor(versions);
        assert_eq!(meets(&node, &visitor, "alice.test").kind(), HandshakeKind::Full);
        let met = meets(&node, &visitor, "alice.test");
        assert_eq!(met.kind(), HandshakeKind::Resumed);
        assert_eq!(met.identity.sni(), Some("alice.test"));
        let other_listener = meet(&node, &visitor, "alice.test", HTTP1_ONLY).unwrap();
        assert_eq!(other_listener.kind(), HandshakeKind::Resumed);
    }
}

/// As in CVE-2025-23419: a session opened for one name says nothing about another.
#[test]
fn no_session_resumes_under_another_name() {
    let node = node();
    for versions in [&[&TLS13], &[&TLS12]] {
        for other in ["bob.test", "nobody.test", "unknown.test", "192.0.2.1", "www.alice.test"] {
            let visitor = visitor(versions);
            assert_eq!(meets(&node, &visitor, "alice.test").kind(), HandshakeKind::Full);
            let met = meets(&node, &visitor, other);
            assert_eq!(met.kind(), HandshakeKind::Full, "{other}");
        }
    }
}

#[test]
fn no_session_resumes_under_another_profile() {
    let node = node();
    let visitor = visitor(&[&TLS13]);
    node.table.set("bob.test", "bob", TlsProfile::Modern);
    assert_eq!(meets(&node, &visitor, "bob.test").kind(), HandshakeKind::Full);
    assert_eq!(meets(&node, &visitor, "bob.test").kind(), HandshakeKind::Resumed);
    node.table.set("bob.test", "bob", TlsProfile::Intermediate);
    assert_eq!(meets(&node, &visitor, "bob.test").kind(), HandshakeKind::Full);
    node.table.set("bob.test", "bob", TlsProfile::Modern);
    assert_eq!(meets(&node, &visitor, "bob.test").kind(), HandshakeKind::Full);
}

#[test]
fn nothing_is_kept_for_visitors_without_tickets() {
    let node = node();
    let mut config = client(&[&TLS12]);
    config.resumption = config.resumption.tls12_resumption(Tls12Resumption::SessionIdOnly);
    let visitor = Arc::new(config);
    for _ in 0..2 {
        assert_eq!(meets(&node, &visitor, "alice.test").kind(), HandshakeKind::Full);
    }
}

#[test]
fn tickets_are_counted_and_carry_no_early_data() {
    let node = node();
    let store = Arc::new(OneName::default());
    let mut config = client(&[&TLS13]);
    config.resumption = Resumption::store(Arc::clone(&store) as Arc<dyn ClientSessionStore>);
    config.enable_early_data = true;
    let visitor = Arc::new(config);
    meets(&node, &visitor, "alice.test");
    assert_eq!(store.tickets.load(Ordering::Relaxed), TICKETS);
    let name = ServerName::try_from("alice.test").unwrap();
    let mut again = ClientConnection::new(Arc::clone(&visitor), name).unwrap();
    assert!(again.early_data().is_none(), "the ticket allows none");
    assert_eq!(meets(&node, &visitor, "alice.test").kind(), HandshakeKind::Resumed);
}
