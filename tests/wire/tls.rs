//! TLS: which certificate is shown to whom, what is resumed, what a name in SNI and another in Host may do, and how
//! certificates change while running.

use crate::support::certificate::{self, names_shown, pem};
use crate::support::edge::Files;
use crate::support::h2::H2;
use crate::support::{Edge, End, Message, Origin, Raw, Recorder, account, wait};
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Resumption};
use rustls::pki_types::ServerName;
use rustls::{HandshakeKind, NamedGroup, ProtocolVersion};
use std::sync::Arc;

#[test]
fn versions_and_key_exchange() {
    let edge = here("\"a.test\"", "");
    for (version, expected) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let config = certificate::trusting_with(&["http/1.1"], &[version]);
        let mut raw = Raw::try_tls(edge.tls_address(), config, Some("a.test")).expect("a handshake");
        assert_eq!(raw.tls_state().protocol_version(), Some(expected));
        assert_eq!(get(&mut raw, "a.test").text(), "here");
    }
    // The hybrid that a quantum computer does not break is preferred.
    let raw = edge.connect_tls("a.test");
    let group = raw.tls_state().negotiated_key_exchange_group().expect("a handshake").name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
}

/// `modern` is TLS 1.3 only, for its account alone.
#[test]
fn a_profile_is_the_accounts() {
    let origin = Origin::saying("here");
    let edge = Edge::with(&[
        ("alice", &account("\"a.test\"", &origin.address())),
        ("bob", &format!("tls_profile = \"modern\"\n{}", account("\"b.test\"", &origin.address()))),
    ]);
    let connect = |name, version| {
        Raw::try_tls(edge.tls_address(), certificate::trusting_with(&["http/1.1"], &[version]), Some(name))
    };
    for (name, version, works) in [
        ("a.test", &rustls::version::TLS12, true),
        ("a.test", &rustls::version::TLS13, true),
        ("b.test", &rustls::version::TLS12, false),
        ("b.test", &rustls::version::TLS13, true),
    ] {
        assert_eq!(connect(name, version).is_ok(), works, "{name} {version:?}");
    }
    // Nor is it reached by the other's name.
    let mut raw = connect("a.test", &rustls::version::TLS12).expect("a handshake");
    assert_eq!(get(&mut raw, "b.test").word(), "misdirected");
}

/// The node's profile is that of names nobody holds, and of accounts that have none of their own.
#[test]
fn the_nodes_profile_changes_at_a_hangup() {
    let edge = here("\"a.test\"", "");
    let tls12 = |name| {
        let config = certificate::trusting_with(&["http/1.1"], &[&rustls::version::TLS12]);
        Raw::try_tls(edge.tls_address(), config, Some(name)).is_ok()
    };
    assert!(tls12("a.test") && tls12("unknown.test"));
    let node = std::fs::read_to_string(edge.path().join("parvis.toml")).expect("the node file");
    edge.write_file("parvis.toml", &node.replace("[node]\n", "[node]\ntls_profile = \"modern\"\n"));
    edge.signal(rustix::process::Signal::HUP);
    edge.expect_log("reloaded");
    assert!(!tls12("a.test") && !tls12("unknown.test"));
    edge.connect_tls("a.test");
}

#[test]
fn what_alpn_agrees_on_is_spoken() {
    let edge = here("\"a.test\"", "");
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1", "h2"], Some(b"h2")),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let config = certificate::trusting(offered);
        let raw = Raw::try_tls(edge.tls_address(), config, Some("a.test")).expect("a handshake");
        assert_eq!(raw.tls_state().alpn_protocol(), agreed, "{offered:?}");
    }
    // Without ALPN it is HTTP/1.1; with nothing in common there is no connection (RFC 7301 §3.2).
    let mut raw =
        Raw::try_tls(edge.tls_address(), certificate::trusting(&[]), Some("a.test")).expect("a handshake");
    assert_eq!(get(&mut raw, "a.test").text(), "here");
    assert!(Raw::try_tls(edge.tls_address(), certificate::trusting(&["spdy/3"]), Some("a.test")).is_err());
}

/// Attached, then the customer's exact, then the customer's wildcard, then the platform's, then the default.
#[test]
fn certificates_in_their_order() {
    let origin = Origin::saying("here");
    let attached = "[[certificate]]\nnames = [\"attached.a.test\"]\nfile = \"attached.pem\"\n";
    let hosts =
        ["attached.a.test", "exact.a.test", "wild.a.test", "auto.b.test", "autowild.b.test", "none.c.test"];
    let quoted = hosts.map(|host| format!("\"{host}\"")).join(", ");
    let edge = Files::new()
        .document("alice", &format!("{attached}{}", account(&quoted, &origin.address())))
        .file("accounts.d/attached.pem", &pem(&["attached.a.test", "is-attached.test"]))
        .file("certificates/alice/1.pem", &pem(&["exact.a.test", "attached.a.test", "is-exact.test"]))
        .file("certificates/alice/2.pem", &pem(&["*.a.test", "is-wildcard.test"]))
        .file(
            "certificates/3.pem",
            &pem(&["auto.b.test", "exact.a.test", "wild.a.test", "is-automatic.test"]),
        )
        .file("certificates/4.pem", &pem(&["*.b.test", "*.a.test", "is-automatic-wildcard.test"]))
        .file("default.pem", &pem(&["is-default.test"]))
        .set("certificates", "default", "\"default.pem\"")
        .start();
    for (host, shown) in hosts.into_iter().zip([
        "is-attached.test",
        "is-exact.test",
        "is-wildcard.test",
        "is-automatic.test",
        "is-automatic-wildcard.test",
        "is-default.test",
    ]) {
        for host in [host.to_owned(), host.to_uppercase()] {
            let mut raw = edge.connect_tls(&host);
            assert!(names_shown(&raw).contains(&shown.to_owned()), "{host}: {:?}", names_shown(&raw));
            assert_eq!(get(&mut raw, &host).text(), "here");
        }
    }
    // Unknown names and no name at all get the default.
    assert_eq!(names_shown(&edge.connect_tls("unknown.test")), ["is-default.test"]);
    let raw = Raw::try_tls(edge.tls_address(), certificate::trusting(&[]), None).expect("a handshake");
    assert_eq!(names_shown(&raw), ["is-default.test"]);
}

/// A certificate of one account is never shown for a host of another, whatever names stand in it.
#[test]
fn a_certificate_serves_only_hosts_its_account_holds() {
    let origin = Origin::saying("here");
    let edge = Files::new()
        .document("alice", &account("\"a.test\"", &origin.address()))
        .document("bob", &account("\"b.test\"", &origin.address()))
        .file("certificates/bob/b.pem", &pem(&["b.test", "a.test", "c.test"]))
        .start();
    assert!(names_shown(&edge.connect_tls("b.test")).contains(&"b.test".to_owned()));
    for other in ["a.test", "c.test"] {
        assert!(!names_shown(&edge.connect_tls(other)).contains(&other.to_owned()), "{other}");
    }
}

#[test]
fn certificates_change_while_running() {
    let edge = here("\"a.test\"", "");
    let mut before = edge.connect_tls("a.test");
    assert!(!names_shown(&before).contains(&"a.test".to_owned()));
    edge.write_certificate("alice/a.pem", &pem(&["a.test", "first.test"]));
    shows(&edge, "a.test", "first.test");
    edge.write_certificate("alice/a.pem", &pem(&["a.test", "second.test"]));
    shows(&edge, "a.test", "second.test");
    // Chain and key in two files.
    let whole = pem(&["a.test", "third.test"]);
    let at = whole.find("-----BEGIN PRIVATE").expect("a key");
    std::fs::remove_file(edge.path().join("certificates/alice/a.pem")).expect("a file");
    edge.write_certificate("alice/b/privkey.pem", &whole[at..]);
    edge.write_certificate("alice/b/fullchain.pem", &whole[..at]);
    shows(&edge, "a.test", "third.test");
    // A file beside the document that attaches it.
    let attached = "[[certificate]]\nnames = [\"a.test\"]\nfile = \"attached.pem\"\n";
    let document = std::fs::read_to_string(edge.path().join("accounts.d/alice.toml")).expect("a document");
    edge.write_file("accounts.d/attached.pem", &pem(&["a.test", "fourth.test"]));
    edge.write_document("alice", &format!("{attached}{document}"));
    shows(&edge, "a.test", "fourth.test");
    edge.write_file("accounts.d/attached.pem", &pem(&["a.test", "fifth.test"]));
    shows(&edge, "a.test", "fifth.test");
    // The connection that was there is not disturbed.
    assert_eq!(get(&mut before, "a.test").text(), "here");
}

/// What is corrupt, does not fit its key or has expired is told, and the old one stays in service.
#[test]
fn a_bad_certificate_leaves_the_old_one() {
    let edge = here("\"a.test\"", "");
    edge.write_certificate("alice/a.pem", &pem(&["a.test", "good.test"]));
    shows(&edge, "a.test", "good.test");
    let (one, other) = (pem(&["a.test", "bad.test"]), pem(&["a.test", "bad.test"]));
    let cut = |text: &str| text.find("-----BEGIN PRIVATE").expect("a key");
    for (n, bad) in [
        "no certificate".to_owned(),
        one[..cut(&one)].to_owned(),
        one[cut(&one)..].to_owned(),
        format!("{}{}", &one[..cut(&one)], &other[cut(&other)..]),
        one.replacen("MII", "MIJ", 1),
        one[..one.len() / 3].to_owned(),
        certificate::expired_pem(&["a.test", "bad.test"]),
    ]
    .into_iter()
    .enumerate()
    {
        let marker = format!("m{n}.a.test");
        edge.write_certificate("alice/a.pem", &bad);
        // Something later that can be seen, so that the bad one was looked at.
        edge.write_certificate(&format!("alice/m{n}.pem"), &pem(&[&marker]));
        edge.write_document(
            "alice",
            &account(&format!("\"a.test\", \"{marker}\""), &Recorder::new().address()),
        );
        shows(&edge, &marker, &marker);
        assert!(names_shown(&edge.connect_tls("a.test")).contains(&"good.test".to_owned()), "bad file {n}");
    }
    edge.expect_log("a.pem");
}

/// SNI and Host may differ where both are one account's with one profile, or where the certificate shown covers
/// both; otherwise it is 421, and the connection goes on.
#[test]
fn another_host_than_sni() {
    let origin = Origin::saying("here");
    let edge = Files::new()
        .document("alice", &account("\"a.test\", \"www.a.test\", \"other.test\"", &origin.address()))
        .document("bob", &account("\"b.test\", \"shared.a.test\"", &origin.address()))
        .file("certificates/shared.pem", &pem(&["a.test", "shared.a.test"]))
        .start();
    for (sni, host, status) in [
        ("a.test", "a.test", 200),
        ("a.test", "A.TEST.:8443", 200),
        // One account's.
        ("a.test", "www.a.test", 200),
        ("www.a.test", "other.test", 200),
        // Another account's, covered by the certificate shown, and not covered.
        ("a.test", "shared.a.test", 200),
        ("a.test", "b.test", 421),
        ("b.test", "a.test", 421),
        // A name nobody holds.
        ("a.test", "unknown.test", 404),
        ("unknown.test", "a.test", 200),
    ] {
        let mut raw = edge.connect_tls(sni);
        let response = get(&mut raw, host);
        assert_eq!(response.status(), status, "SNI {sni}, Host {host}");
        if status == 421 {
            assert_eq!((response.word(), response.says_close()), ("misdirected", false));
            assert_eq!(get(&mut raw, sni).text(), "here");
        }
        let mut h2 = H2::connect(&edge, sni);
        h2.get(1, host, "/");
        assert_eq!(h2.response(1).status(), status, "SNI {sni}, :authority {host}");
    }
    // No SNI: by Host.
    for host in ["a.test", "b.test"] {
        let mut raw =
            Raw::try_tls(edge.tls_address(), certificate::trusting(&[]), None).expect("a handshake");
        assert_eq!(get(&mut raw, host).text(), "here");
    }
}

/// A session resumes under its own name and under no other (nginx's CVE-2025-23419).
#[test]
fn no_session_resumes_under_another_name() {
    let origin = Origin::saying("here");
    let edge = Edge::with(&[
        ("alice", &account("\"a.test\", \"x.a.test\"", &origin.address())),
        ("bob", &account("\"b.test\"", &origin.address())),
    ]);
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        // One client: another one's verifier never saw the certificate, so that it would not offer the session.
        let mut config = certificate::trusting_with(&["http/1.1"], &[version]);
        config.resumption = Resumption::store(Arc::new(OneNameForAll(ClientSessionMemoryCache::new(8))));
        let connect = |name: &str| {
            let mut raw = Raw::try_tls(edge.tls_address(), config.clone(), Some(name)).expect("a handshake");
            // Tickets come behind the handshake: read on until an answer.
            get(&mut raw, name);
            raw.tls_state().handshake_kind().expect("a handshake")
        };
        assert_eq!(connect("a.test"), HandshakeKind::Full);
        assert_eq!(connect("a.test"), HandshakeKind::Resumed, "{version:?}");
        for other in ["b.test", "x.a.test", "unknown.test"] {
            assert_eq!(connect("a.test"), HandshakeKind::Resumed);
            assert_eq!(connect(other), HandshakeKind::Full, "{version:?}: a.test resumed as {other}");
            assert_eq!(connect("a.test"), HandshakeKind::Full, "{other} resumed as a.test");
        }
    }
}

/// A ClientHello in many segments and many records is one ClientHello.
#[test]
fn a_client_hello_in_pieces() {
    let edge = here("\"a.test\"", "");
    for size in [1, 5, 100] {
        let mut config = certificate::trusting(&["http/1.1"]);
        config.max_fragment_size = (size > 32).then_some(size);
        let name = ServerName::try_from("a.test").expect("a name");
        let mut client = rustls::ClientConnection::new(config.into(), name).expect("a client");
        let mut hello = Vec::new();
        client.write_tls(&mut hello).expect("memory");
        let mut raw = Raw::clear(edge.tls_address());
        raw.send_in_pieces(&hello, size);
        // A handshake record is the answer to a whole hello; anything else would be an alert.
        assert_eq!(raw.exactly(1), [22], "{size}");
    }
}

#[test]
fn what_is_no_handshake_is_closed() {
    let recorder = Recorder::new();
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &recorder.address()))]);
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"[..],
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00",
        b"\x17\x03\x03\x00\x05hello",
        b"\x80\x2e\x01\x03\x01",
    ] {
        let mut raw = Raw::clear(edge.tls_address());
        raw.send(bytes);
        let (answer, _) = raw.read_to_end();
        assert!(
            answer.is_empty() || answer[0] == 21 || answer.starts_with(b"HTTP/1.1 400"),
            "{:?}",
            answer.escape_ascii()
        );
    }
    recorder.expect_nothing();
}

/// Without a certificate of its own the edge makes one, and says so.
#[test]
fn a_default_is_made() {
    let edge = here("\"a.test\"", "");
    let mut raw = edge.connect_tls("a.test");
    assert_eq!(get(&mut raw, "a.test").text(), "here");
    edge.expect_log("self-signed");
    raw.finish();
    assert_eq!(raw.read_to_end(), (Vec::new(), End::Fin), "close_notify is answered");
}

fn here(addresses: &str, more: &str) -> Edge {
    let origin = Origin::saying("here");
    Files::new()
        // Some of these tests ask for a certificate until it is there: more handshakes than a visitor needs.
        .set("limits", "handshakes_per_client", "\"unlimited\"")
        .document("alice", &format!("{more}{}", account(addresses, &origin.address())))
        .start()
}

#[track_caller]
fn shows(edge: &Edge, host: &str, name: &str) {
    wait::until(&format!("the certificate with {name}"), || {
        names_shown(&edge.connect_tls(host)).contains(&name.to_owned()).then_some(())
    });
}

#[track_caller]
fn get(raw: &mut Raw, host: &str) -> Message {
    raw.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).response()
}

/// Offers whatever session there is to whatever name: what an attacker does, and no client should.
#[derive(Debug)]
struct OneNameForAll(ClientSessionMemoryCache);

impl OneNameForAll {
    fn name() -> ServerName<'static> {
        ServerName::try_from("one.test").expect("a name")
    }
}

impl ClientSessionStore for OneNameForAll {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(Self::name(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(&Self::name())
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: rustls::client::Tls12ClientSessionValue) {
        self.0.set_tls12_session(Self::name(), value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<rustls::client::Tls12ClientSessionValue> {
        self.0.tls12_session(&Self::name())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&Self::name());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: rustls::client::Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(Self::name(), value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<rustls::client::Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&Self::name())
    }
}
