//! The exact lines an upstream is told about its visitor.

use super::*;
use crate::base::ClientAddr;
use crate::config::HeadLimits;
use crate::message::RequestHead;
use crate::message::h1::RequestParser;
use crate::message::text::is_lines;

fn received(lines: &str) -> RequestHead {
    let mut input = Buffer::new();
    input.extend(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n").as_bytes());
    let limits = HeadLimits { header_bytes: 8192, header_count: 100, url_bytes: 1024, mends: false };
    RequestParser::new().parse(&mut input, &limits).unwrap().unwrap()
}

fn pushed(client: &str, host: &str, scheme: Scheme, prefix: Option<&str>, lines: &str) -> String {
    let (head, authority) = (received(lines), Authority::parse(host.as_bytes()).unwrap());
    let client = ClientAddr(client.parse().unwrap());
    let forwarding = Forwarding {
        client: &AddressText::new(client.ip()),
        scheme,
        authority: &authority,
        port: scheme.default_port(),
        prefix,
        version: head.version(),
        received: head.fields(),
        id: RequestId::from_random(0),
        pseudonym: Pseudonym::from_random(0xa7),
    };
    let mut out = Buffer::new();
    forwarding.push(&mut out);
    assert!(is_lines(out.filled()));
    String::from_utf8(out.filled().to_vec()).unwrap()
}

#[test]
fn an_ipv4_visitor() {
    let expected = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.test\r\n\
                    X-Forwarded-Port: 80\r\nX-Real-IP: 192.0.2.1\r\n\
                    Forwarded: for=192.0.2.1;host=a.test;proto=http\r\nVia: 1.1 parvis-000000a7\r\n\
                    X-Request-ID: 0000000000000000\r\n";
    let forged = "X-Forwarded-For: ::1\r\nForwarded: for=x\r\n";
    for client in ["192.0.2.1:4711", "[::ffff:192.0.2.1]:4711"] {
        assert_eq!(pushed(client, "A.test", Scheme::Http, None, forged), expected);
    }
}

#[test]
fn an_ipv6_visitor_of_a_port_under_a_path() {
    let expected = "X-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.test:8443\r\n\
                    X-Forwarded-Port: 443\r\nX-Forwarded-Prefix: /app\r\nX-Real-IP: 2001:db8::1\r\n\
                    Forwarded: for=\"[2001:db8::1]\";host=\"a.test:8443\";proto=https\r\n\
                    Via: 1.0 a, 1.1 b (c), 1.1 parvis-000000a7\r\nX-Request-ID: 0000000000000000\r\n";
    let hops = "Via: 1.0 a\r\nVia:\r\nVia: 1.1 b (c)\r\n";
    assert_eq!(pushed("[2001:db8::1]:9", "a.test:8443", Scheme::Https, Some("/app"), hops), expected);
    let literal = pushed("[::1]:9", "[::1]", Scheme::Http, None, "");
    assert!(literal.contains("\r\nForwarded: for=\"[::1]\";host=\"[::1]\";proto=http\r\n"), "{literal}");
}

#[test]
fn via_names_the_version_received() {
    for (version, expected) in [
        (Version::Http10, "Via: 1.0 parvis-000000a7\r\n"),
        (Version::Http11, "Via: 1.1 parvis-000000a7\r\n"),
        (Version::Http2, "Via: 2.0 parvis-000000a7\r\n"),
    ] {
        let mut out = Buffer::new();
        push_via(&mut out, &Fields::default(), version, &Pseudonym::from_random(0xa7));
        assert_eq!(out.filled(), expected.as_bytes());
    }
}

#[test]
fn hops_of_ours_are_counted() {
    for (lines, expected) in [
        ("", (0, false)),
        ("Via: 1.1 varnish\r\n", (0, false)),
        ("Via: 1.1 parvis-000000a8\r\n", (1, false)),
        ("Via: 1.1 parvis-000000a7\r\n", (1, true)),
        ("Via: 1.1 x, 2.0  PARVIS-000000A7 (x)\r\n", (1, true)),
        ("Via: 1.1 parvis, 2.0  PARVIS (x),1.0\tparvis-1\r\nVia: 1.1 parvis\r\n", (4, false)),
        ("Via: parvis, 1.1 parvis.test, 1.1 a parvis-000000a7, 1.1 parvis-000000a70\r\n", (1, false)),
    ] {
        let hops = hops(received(lines).fields(), &Pseudonym::from_random(0xa7));
        assert_eq!((hops.all, hops.own), expected, "{lines}");
    }
    assert_eq!(Pseudonym::from_random(0xdead_beef).as_bytes(), b"parvis-deadbeef");
}
