//! Who is connected: PROXY headers from those who may send them, and what one client may have at once.

use crate::support::edge::Files;
use crate::support::{Edge, End, Message, Origin, Raw, account, certificate, wait};

/// A version 2 header (HAProxy's proxy-protocol.txt §2.2) with this command and family, and these addresses.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = (rest.len() as u16).to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[0x20 | command, family][..], &length, rest].concat()
}

#[test]
fn a_proxy_header_tells_the_client() {
    let (edge, origin) = behind_balancer("127.0.0.0/8");
    let v4 = [&[192, 0, 2, 1, 198, 51, 100, 1][..], &4711u16.to_be_bytes(), &443u16.to_be_bytes()].concat();
    let v6: Vec<u8> =
        [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7].repeat(2)[..], &[0x12, 0x34, 0x56, 0x78]]
            .concat();
    let unique_id = [&v4[..], &[5, 0, 3, b'a', b'b', b'c']].concat();
    for (header, client) in [
        (b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n".to_vec(), "192.0.2.1"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n".to_vec(), "2001:db8::7"),
        (v2(1, 0x11, &v4), "192.0.2.1"),
        (v2(1, 0x21, &v6), "2001:db8::7"),
        (v2(1, 0x11, &unique_id), "192.0.2.1"),
        // The balancer speaks for itself.
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2(0, 0, &[]), "127.0.0.1"),
    ] {
        for size in [1000, 1] {
            let mut raw = Raw::clear(edge.listener("127.0.0.2", "clear"));
            raw.send_in_pieces(&header, size);
            let seen = seen(&origin, &mut raw);
            assert_eq!((seen.one("x-forwarded-for"), seen.one("x-real-ip")), (client, client));
            // The whole connection is that client's.
            assert_eq!(self::seen(&origin, &mut raw).one("x-real-ip"), client);
        }
        // In front of TLS as well.
        let tcp = std::net::TcpStream::connect(edge.listener("127.0.0.2", "tls")).expect("the edge listens");
        let mut raw = Raw::from_tcp(tcp);
        raw.send(&header);
        let mut raw =
            raw.start_tls(certificate::trusting(&["http/1.1"]), Some("a.test")).expect("a handshake");
        assert_eq!(seen(&origin, &mut raw).one("x-real-ip"), client);
    }
}

/// From those who must send one, a connection without it is closed; nothing of it is looked at.
#[test]
fn a_trusted_peer_must_send_the_header() {
    let (edge, origin) = behind_balancer("127.0.0.0/8");
    let v2_of_length =
        |length: u16| [&v2(1, 0x11, &[0; 12])[..14], &length.to_be_bytes(), &[0; 300]].concat();
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.1 4711\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n".to_vec(),
        b"PROXY TCP4 1.2.3 198.51.100.1 4711 443\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n".to_vec(),
        b"PROXY TCP9 192.0.2.1 198.51.100.1 4711 443\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n".to_vec(),
        [b"PROXY TCP4 ", &[b'1'; 200][..], b"\r\n"].concat(),
        v2_of_length(11),
        v2_of_length(65_535),
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x00".to_vec(),
        b"\x16\x03\x01\x00\x05hello".to_vec(),
    ] {
        let mut raw = Raw::clear(edge.listener("127.0.0.2", "clear"));
        raw.send(&bytes);
        let (answer, _) = raw.read_to_end();
        assert!(answer.is_empty(), "{:?}: {}", bytes.escape_ascii().to_string(), answer.escape_ascii());
    }
    assert!(origin.requests().is_empty());
}

/// From everyone else a PROXY header is refused: it would be a forged address.
#[test]
fn a_stranger_may_not_send_the_header() {
    let (edge, origin) = behind_balancer("192.0.2.0/24");
    for header in [b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n".to_vec(), v2(0, 0, &[])] {
        let mut raw = Raw::clear(edge.listener("127.0.0.2", "clear"));
        raw.send(&header).send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let (answer, _) = raw.read_to_end();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 "), "{}", answer.escape_ascii());
    }
    assert!(origin.requests().is_empty());
    let mut raw = Raw::clear(edge.listener("127.0.0.2", "clear"));
    assert_eq!(seen(&origin, &mut raw).one("x-real-ip"), "127.0.0.1");
}

#[test]
fn a_header_must_come_in_time() {
    let edge = Files::new()
        .set("timeouts", "handshake", "\"300ms\"")
        .listen("address = \"127.0.0.2:0\"\nproxy_protocol_from = [\"127.0.0.0/8\"]")
        .start();
    let address = edge.listener("127.0.0.2", "clear");
    Raw::clear(address).expect_close();
    Raw::clear(address).send("PROXY TCP4 192.0").expect_close();
}

/// One client may have so many connections; the next is refused, and room is made as they end.
#[test]
fn connections_of_one_client_are_bounded() {
    let edge = Files::new().set("limits", "connections_per_client", "3").start();
    let mut held: Vec<Raw> = (0..3).map(|_| served(&edge).expect("within the bound")).collect();
    assert!(served(&edge).is_none(), "one more than the bound");
    // Another client (IPv6 counts by /64) is not touched.
    let mut other = Raw::clear(edge.listener("::1", "clear"));
    assert_eq!(other.send("GET / HTTP/1.1\r\nHost: x.test\r\n\r\n").response().status(), 404);
    drop(held.pop());
    held.push(wait::until("room for one more", || served(&edge)));
}

/// Behind a balancer it is its visitors who are counted, not the balancer.
#[test]
fn a_balancer_is_not_counted() {
    let edge = Files::new()
        .set("limits", "connections_per_client", "3")
        .listen("address = \"127.0.0.2:0\"\nproxy_protocol_from = [\"127.0.0.0/8\"]")
        .start();
    let visitor = |n: u8| {
        let mut raw = Raw::clear(edge.listener("127.0.0.2", "clear"));
        raw.send(format!(
            "PROXY TCP4 192.0.2.{n} 198.51.100.1 4711 443\r\nGET / HTTP/1.1\r\nHost: x.test\r\n\r\n"
        ));
        raw.try_response().ok().filter(|response| response.status() == 404).map(|_| raw)
    };
    let many: Vec<_> = (0..10).map(|n| visitor(n).expect("a client of its own")).collect();
    let _more: Vec<_> = (0..2).map(|_| visitor(0).expect("within the bound")).collect();
    assert!(visitor(0).is_none(), "one more than the bound");
    drop(many);
}

#[test]
fn handshakes_of_one_client_are_bounded() {
    let edge = Files::new().set("limits", "handshakes_per_client", "\"5/m\"").start();
    let handshake = || Raw::try_tls(edge.tls_address(), certificate::trusting(&[]), Some("a.test"));
    let worked = (0..20).filter(|_| handshake().is_ok()).count();
    assert!((5..10).contains(&worked), "{worked} of 20");
    assert!(Raw::try_tls(edge.listener("::1", "tls"), certificate::trusting(&[]), Some("a.test")).is_ok());
}

/// A connection on which the edge answers; `None` where it is refused.
fn served(edge: &Edge) -> Option<Raw> {
    let mut raw = edge.connect();
    // A refused connection may be closed before anything can be sent on it.
    let _ = raw.try_send("GET / HTTP/1.1\r\nHost: x.test\r\n\r\n");
    let response = match raw.try_response() {
        Ok(response) => response,
        Err(cut) => {
            assert_ne!(cut.end, End::Truncated);
            return None;
        }
    };
    if response.status() != 404 {
        assert_eq!((response.status(), response.word()), (429, "client_limit"));
        return None;
    }
    Some(raw)
}

fn behind_balancer(trusted: &str) -> (Edge, Origin) {
    let origin = Origin::saying("here");
    let lines = format!("address = \"127.0.0.2:0\"\nproxy_protocol_from = [\"{trusted}\"]");
    let edge = Files::new()
        .listen(&lines)
        .listen(&format!("{lines}\ntls = true"))
        .document("alice", &account("\"a.test\"", &origin.address()))
        .start();
    (edge, origin)
}

/// What the upstream saw of a request sent on `raw`.
#[track_caller]
fn seen(origin: &Origin, raw: &mut Raw) -> Message {
    raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(raw.response().text(), "here");
    origin.requests().pop().expect("a request")
}
