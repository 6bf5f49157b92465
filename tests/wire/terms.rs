//! On which connections an account may be asked for: by name alone, by which protocol, and at addresses of its own.

use crate::support::certificate::{self, names_shown, pem};
use crate::support::edge::Files;
use crate::support::h2::H2;
use crate::support::{Message, Origin, Raw, Recorder, account, wait};
use std::net::SocketAddr;

/// A strict account is asked for by the very name; the others as before.
#[test]
fn a_strict_account_is_named_at_the_handshake() {
    let (upstream, other) = (Recorder::new(), Origin::saying("b's"));
    let alice =
        |strict: &str| format!("{strict}{}", account("\"a.test\", \"www.a.test\"", &upstream.address()));
    let edge = Files::new()
        .document("alice", &alice("strict_sni = true\n"))
        .document("bob", &account("\"b.test\"", &other.address()))
        .file("certificates/all.pem", &pem(&["a.test", "www.a.test", "b.test"]))
        .start();
    let no_name = || Raw::try_tls(edge.tls_address(), certificate::trusting(&[]), None).expect("a handshake");
    for mut raw in
        [no_name(), edge.connect_tls("b.test"), edge.connect_tls("www.a.test"), edge.connect_tls("x.test")]
    {
        let refused = get(&mut raw, "a.test");
        assert_eq!((refused.status(), refused.word()), (421, "misdirected"));
    }
    let mut h2 = H2::connect(&edge, "www.a.test");
    h2.get(1, "a.test", "/");
    assert_eq!(h2.response(1).status(), 421);
    upstream.expect_nothing();
    assert_eq!(get(&mut no_name(), "b.test").text(), "b's");
    let mut named = edge.connect_tls("A.test");
    named.send("GET / HTTP/1.1\r\nHost: a.test:443\r\n\r\n");
    answer(&upstream);
    assert_eq!(named.response().status(), 204);
    edge.write_document("alice", &alice(""));
    edge.expect_log("document applied account=alice");
    let mut raw = edge.connect_tls("www.a.test");
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    answer(&upstream);
    assert_eq!(raw.response().status(), 204);
}

/// Without a restart, and without closing anything: who is there stays, who comes speaks HTTP/1.1.
#[test]
fn http2_is_switched_off_for_one_account() {
    let origin = Origin::saying("here");
    let alice =
        |protocols: &str| format!("{protocols}{}", account("\"a.test\", \"www.a.test\"", &origin.address()));
    let edge = Files::new()
        .listen("address = \"127.0.0.3:0\"\nprotocols = [\"h2c\", \"http/1.1\"]")
        .document("alice", &alice(""))
        .document("bob", &account("\"b.test\"", &origin.address()))
        .start();
    let agreed = |name| {
        let raw = Raw::tls(edge.tls_address(), name, &["h2", "http/1.1"]);
        raw.tls_state().alpn_protocol().map(<[u8]>::to_vec).unwrap_or_default()
    };
    assert_eq!(agreed("a.test"), b"h2");
    let (mut own, mut bobs) = (H2::connect(&edge, "a.test"), H2::connect(&edge, "b.test"));
    let mut clear = H2::over(Raw::clear(edge.listener("127.0.0.3", "clear")));
    clear.open(&[]);
    clear.get(1, "a.test", "/");
    assert_eq!(clear.response(1).text(), "here");

    edge.write_document("alice", &alice("protocols = [\"http/1.1\"]\n"));
    edge.expect_log("document applied account=alice");
    assert_eq!((agreed("a.test"), agreed("b.test")), (b"http/1.1".to_vec(), b"h2".to_vec()));
    own.get(1, "a.test", "/");
    assert_eq!(own.response(1).text(), "here", "the connection is not closed");
    own.get(3, "www.a.test", "/");
    bobs.get(1, "a.test", "/");
    assert_eq!((own.response(3).status(), bobs.response(1).status()), (421, 421));
    bobs.get(3, "b.test", "/");
    assert_eq!(bobs.response(3).text(), "here");
    clear.get(3, "a.test", "/");
    assert_eq!(clear.response(3).word(), "version_not_supported");
    assert_eq!(get(&mut edge.connect(), "a.test").text(), "here");

    edge.write_document("alice", &alice(""));
    wait::until("HTTP/2 again", || (agreed("a.test") == b"h2").then_some(()));
}

/// Listeners stay wildcards; who comes to an account's own address and names nobody is the account's.
#[test]
fn an_address_of_its_own() {
    let (alices, bobs, front) =
        (Origin::saying("alice's"), Origin::saying("bob's"), Origin::saying("the front's"));
    let dedicated =
        "dedicated = [\"127.0.0.7\", \"198.51.100.7\"]\ndefault_site = \"main\"\ntls_profile = \"modern\"\n";
    let alice = format!("{dedicated}{}", account("\"a.test\"", &alices.address()));
    let edge = Files::new()
        .listen("address = \"0.0.0.0:0\"")
        .listen("address = \"0.0.0.0:0\"\ntls = true")
        .listen("address = \"127.0.0.2:0\"\nproxy_protocol_from = [\"127.0.0.0/8\"]")
        .set("accounts", "default_site", "\"platform/main\"")
        .document("alice", &alice)
        .document("bob", &account("\"b.test\"", &bobs.address()))
        .document("platform", &account("", &front.address()))
        .file("certificates/alice/a.pem", &pem(&["a.test", "is-alices.test"]))
        .file("certificates/n.pem", &pem(&["nobody.test"]))
        .file("default.pem", &pem(&["is-default.test"]))
        .set("certificates", "default", "\"default.pem\"")
        .start();
    let at = |ip: &str, kind: &str| {
        SocketAddr::new(ip.parse().expect("an address"), edge.listener("0.0.0.0", kind).port())
    };
    for (ip, host, answer) in [
        ("127.0.0.7", "nobody.test", "alice's"),
        ("127.0.0.7", "127.0.0.7", "alice's"),
        ("127.0.0.7", "b.test", "bob's"),
        ("127.0.0.1", "nobody.test", "the front's"),
        ("127.0.0.1", "127.0.0.7", "alice's"),
        ("127.0.0.1", "127.0.0.1", "the front's"),
    ] {
        assert_eq!(get(&mut Raw::clear(at(ip, "clear")), host).text(), answer, "{host} at {ip}");
    }
    let shown = |ip, name| {
        let mut raw = Raw::try_tls(at(ip, "tls"), certificate::trusting(&[]), name).expect("a handshake");
        let names = names_shown(&raw);
        let answer = get(&mut raw, name.unwrap_or("127.0.0.7")).text().to_owned();
        (names.last().cloned().expect("a name"), answer)
    };
    for (ip, name, certificate, answer) in [
        ("127.0.0.7", None, "is-alices.test", "alice's"),
        ("127.0.0.7", Some("unknown.test"), "is-alices.test", "alice's"),
        ("127.0.0.7", Some("nobody.test"), "nobody.test", "alice's"),
        ("127.0.0.7", Some("b.test"), "is-default.test", "bob's"),
        ("127.0.0.1", Some("unknown.test"), "is-default.test", "the front's"),
    ] {
        assert_eq!(shown(ip, name), (certificate.to_owned(), answer.to_owned()), "{name:?} at {ip}");
    }
    // Its terms hold there as well.
    let old = certificate::trusting_with(&[], &[&rustls::version::TLS12]);
    assert!(Raw::try_tls(at("127.0.0.7", "tls"), old.clone(), None).is_err());
    assert!(Raw::try_tls(at("127.0.0.1", "tls"), old, None).is_ok());
    // Behind a balancer the address is the one that the visitor came to.
    let mut balanced = Raw::clear(edge.listener("127.0.0.2", "clear"));
    balanced.send("PROXY TCP4 192.0.2.1 198.51.100.7 4711 80\r\nGET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n");
    assert_eq!(balanced.response().text(), "alice's");
    let told = edge.command(&["route", "unknown.test", "--at", "198.51.100.7"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("alice, whose own 198.51.100.7 is") && told.contains("alice/a.pem"), "{told}");

    // The next who claims the address has it when the first gives it up.
    let carol =
        "dedicated = [\"127.0.0.7\"]\ndefault_site = \"main\"\n".to_owned() + &account("", &bobs.address());
    edge.write_document("carol", &carol);
    edge.expect_log("`127.0.0.7` is held by account `alice`");
    assert_eq!(get(&mut Raw::clear(at("127.0.0.7", "clear")), "nobody.test").text(), "alice's");
    edge.remove_document("alice");
    let visit = || get(&mut Raw::clear(at("127.0.0.7", "clear")), "nobody.test").text().to_owned();
    wait::until("the address to pass", || (visit() == "bob's").then_some(()));
    edge.remove_document("carol");
    wait::until("the address to be nobody's", || (visit() == "the front's").then_some(()));
}

fn get(raw: &mut Raw, host: &str) -> Message {
    raw.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).response()
}

fn answer(recorder: &Recorder) {
    let mut upstream = recorder.accept();
    upstream.request();
    upstream.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
}
