//! ClientHellos byte by byte, as no library sends them: which certificate each gets, or which alert. The server's
//! first flight of TLS 1.2 is in the clear, so that what was shown can be read off the wire.

use super::*;
use crate::config::{Protocols, TlsProfile};
use crate::net::{self, Socket, Stream};
use crate::tls::certificate::Certificate;
use crate::tls::index::Entry;
use crate::tls::place::Source;
use crate::tls::policy::Policies;
use crate::tls::testing::{CA, Table};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{Ipv6Addr, Shutdown};
use std::os::unix::net::UnixStream;

/// A ClientHello in its parts; the extensions are whole, with their types and lengths.
#[derive(Clone)]
struct Hello {
    version: [u8; 2],
    suites: Vec<u8>,
    compression: Vec<u8>,
    extensions: Vec<Vec<u8>>,
}

impl Hello {
    /// What a TLS 1.2 client sends for this name.
    fn new(name: &[u8]) -> Self {
        Self::with(vec![sni(&[(0, name)]), extension(10, &[0, 2, 0, 29]), signatures()])
    }

    fn with(extensions: Vec<Vec<u8>>) -> Self {
        let suites = vec![0xc0, 0x2b]; // ECDHE-ECDSA-AES128-GCM-SHA256
        Self { version: [3, 3], suites, compression: vec![0], extensions }
    }

    /// A TLS 1.3 client's that names X25519 and, without a share of it, asks for a HelloRetryRequest.
    fn tls13(name: Option<&[u8]>, share: Option<[u8; 32]>) -> Self {
        let share = share.map_or(vec![], |key| [&[0, 29, 0, 32][..], &key].concat());
        let mut extensions = vec![
            extension(10, &[0, 2, 0, 29]),
            signatures(),
            extension(43, &[2, 3, 4]),
            extension(51, &[&[0, share.len() as u8], &share[..]].concat()),
        ];
        extensions.extend(name.map(|name| sni(&[(0, name)])));
        Self { suites: vec![0x13, 0x01], ..Self::with(extensions) }
    }

    fn and(mut self, extension: Vec<u8>) -> Self {
        self.extensions.push(extension);
        self
    }

    fn message(&self) -> Vec<u8> {
        let mut body = Vec::from(self.version);
        body.extend([7; 32]);
        body.push(0);
        body.extend(long(&self.suites));
        body.push(self.compression.len() as u8);
        body.extend(&self.compression);
        body.extend(long(&self.extensions.concat()));
        let [_, length @ ..] = (body.len() as u32).to_be_bytes();
        [&[1], &length[..], &body].concat()
    }

    fn record(&self) -> Vec<u8> {
        record(&self.message())
    }
}

fn record(fragment: &[u8]) -> Vec<u8> {
    [&[22, 3, 1], &long(fragment)[..]].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes(), &long(body)[..]].concat()
}

fn sni(names: &[(u8, &[u8])]) -> Vec<u8> {
    let list: Vec<u8> = names.iter().flat_map(|(kind, name)| [&[*kind], &long(name)[..]].concat()).collect();
    extension(0, &long(&list))
}

fn signatures() -> Vec<u8> {
    extension(13, &[0, 2, 4, 3]) // ecdsa_secp256r1_sha256
}

/// Bytes with their length in front, in two bytes.
fn long(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

/// A node with a certificate for `alice.test`, which alice holds, and a default.
struct Node {
    policies: Policies,
    alices: Vec<u8>,
    default: Vec<u8>,
}

impl Node {
    fn new() -> Self {
        let entry = |source, name| {
            let pem = CA.issue(&[name]).unwrap().pem();
            let certificate = Arc::new(Certificate::read(pem.as_bytes(), pem.as_bytes()).unwrap());
            Arc::new(Entry { certificate, source, place: None, attached_to: None })
        };
        let der = |entry: &Entry| entry.certificate.key().cert[0].to_vec();
        let (alices, default) = (entry(Source::Automatic, "alice.test"), entry(Source::Default, "node.test"));
        let index = Arc::new(Index::new(Arc::clone(&default)));
        index.apply(&[], std::slice::from_ref(&alices));
        let holders = Table::new(&[("alice.test", "alice")]);
        let policies = Policies::new(index, holders).unwrap();
        Self { policies, alices: der(&alices), default: der(&default) }
    }

    /// All that is answered to a client that sends `bytes` and then no more.
    fn answer(&self, bytes: &[u8]) -> Vec<u8> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(bytes).unwrap();
        theirs.shutdown(Shutdown::Write).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default());
        runtime.unwrap().block_on(async {
            let stream = Stream::new(Socket::adopt(ours.into()).unwrap());
            let protocols = Protocols { http1: true, http2: true };
            let choose = |hello: &ClientHello<'_>| {
                let choice = self.policies.choose(
                    hello,
                    Ipv6Addr::LOCALHOST.into(),
                    protocols,
                    TlsProfile::Intermediate,
                );
                Ok::<_, Infallible>(choice.config)
            };
            assert!(net::tls::accept(stream, choose).await.is_err(), "no handshake ends here");
        });
        let mut answer = Vec::new();
        theirs.read_to_end(&mut answer).unwrap();
        answer
    }

    /// The certificate that `bytes` are answered with, or the alert.
    fn shown(&self, bytes: &[u8]) -> Result<&'static str, u8> {
        let answer = self.answer(bytes);
        let holds = |der: &[u8]| memchr::memmem::find(&answer, der).is_some();
        match (holds(&self.alices), holds(&self.default)) {
            (true, false) => Ok("alice.test"),
            (false, true) => Ok("default"),
            _ => Err(alert(&answer).unwrap_or_else(|| panic!("no alert: {}", answer.escape_ascii()))),
        }
    }
}

/// The fatal alert at the end of `answer`.
fn alert(answer: &[u8]) -> Option<u8> {
    match answer {
        [.., 21, 3, _, 0, 2, 2, description] => Some(*description),
        _ => None,
    }
}

const UNEXPECTED_MESSAGE: u8 = 10;
const HANDSHAKE_FAILURE: u8 = 40;
const ILLEGAL_PARAMETER: u8 = 47;
const DECODE_ERROR: u8 = 50;
const PROTOCOL_VERSION: u8 = 70;

#[test]
fn every_spelling_of_a_name_gets_its_certificate() {
    let node = Node::new();
    for (name, shown) in [
        (&b"alice.test"[..], Ok("alice.test")),
        (b"Alice.TEST", Ok("alice.test")),
        (b"alice.test.", Ok("alice.test")),
        (b"www.alice.test", Ok("default")),
        (b"alice_test", Ok("default")),
        // An address is no name (RFC 6066 §3); clients that send one nevertheless are served as if they had not.
        (b"192.0.2.1", Ok("default")),
        (b"2001:db8::1", Ok("default")),
        (b"alice.test..", Err(ILLEGAL_PARAMETER)),
        (b".alice.test", Err(ILLEGAL_PARAMETER)),
        (b"alice.test\0.bob.test", Err(ILLEGAL_PARAMETER)),
        (b"alice.test:443", Err(ILLEGAL_PARAMETER)),
        (b"[2001:db8::1]", Err(ILLEGAL_PARAMETER)),
        (b"*.alice.test", Err(ILLEGAL_PARAMETER)),
        ("é.test".as_bytes(), Err(ILLEGAL_PARAMETER)),
        (&[b'a'; 64], Err(ILLEGAL_PARAMETER)),
        (&[b'a'; 9000], Err(ILLEGAL_PARAMETER)),
        (b"", Err(DECODE_ERROR)),
    ] {
        assert_eq!(node.shown(&Hello::new(name).record()), shown, "{}", name.escape_ascii());
    }
}

#[test]
fn no_name_gets_the_default_and_a_second_one_is_refused() {
    let node = Node::new();
    let named = |names: Vec<u8>| {
        let hello = Hello::with(vec![extension(10, &[0, 2, 0, 29]), signatures()]);
        node.shown(&hello.and(names).record())
    };
    assert_eq!(
        node.shown(&Hello::with(vec![extension(10, &[0, 2, 0, 29]), signatures()]).record()),
        Ok("default")
    );
    assert_eq!(named(sni(&[(0, b"alice.test"), (0, b"bob.test")])), Err(DECODE_ERROR), "two names");
    assert_eq!(named(sni(&[(1, b"alice.test")])), Err(ILLEGAL_PARAMETER), "no host name");
    assert_eq!(
        named([sni(&[(0, b"alice.test")]), sni(&[(0, b"bob.test")])].concat()),
        Err(DECODE_ERROR),
        "twice"
    );
    assert_eq!(named(extension(0, b"\xff\xff\0\0\x0aalice.test")), Err(DECODE_ERROR), "a length that lies");
    assert_eq!(named(extension(0, b"")), Err(DECODE_ERROR), "an empty list");
}

#[test]
fn a_client_hello_in_any_number_of_records_is_the_same() {
    let node = Node::new();
    let message = Hello::new(b"alice.test").message();
    for size in [1, 2, 5, 40, message.len() - 1] {
        let pieces: Vec<u8> = message.chunks(size).flat_map(record).collect();
        assert_eq!(node.shown(&pieces), Ok("alice.test"), "{size} bytes a record");
    }
    // Nobody needs an empty one between them (RFC 8446 §5.1).
    let (head, tail) = message.split_at(20);
    assert_eq!(node.shown(&[record(head), record(b""), record(tail)].concat()), Err(DECODE_ERROR));
    // What comes behind it in its record is no part of it (RFC 8446 §5.1).
    assert_eq!(node.shown(&record(&[&message[..], b"\0"].concat())), Err(UNEXPECTED_MESSAGE));
    assert_eq!(node.shown(&record(&[&message[..], &message].concat())), Err(UNEXPECTED_MESSAGE));
}

#[test]
fn half_a_client_hello_is_answered_with_nothing() {
    let node = Node::new();
    let whole = Hello::new(b"alice.test").record();
    for size in 0..whole.len() {
        assert!(node.answer(&whole[..size]).is_empty(), "{size} bytes");
    }
}

#[test]
fn a_client_hello_as_large_as_any_real_one_is_read_and_a_larger_one_is_not() {
    let node = Node::new();
    let padded = |bytes: usize| {
        let message = Hello::new(b"alice.test").and(extension(21, &vec![0; bytes])).message();
        message.chunks(16_000).flat_map(record).collect::<Vec<_>>()
    };
    assert_eq!(node.shown(&padded(20_000)), Ok("alice.test"));
    // A length that promises more than rustls takes for a handshake message.
    let endless = record(&[&[1, 0xff, 0xff, 0xff][..], &[0; 1000]].concat());
    assert_eq!(node.shown(&endless), Err(DECODE_ERROR));
}

#[test]
fn what_we_do_not_speak_is_refused_with_the_alert_that_says_so() {
    let node = Node::new();
    let hello = Hello::new(b"alice.test");
    let cases: [(&str, Hello, u8); 8] = [
        ("SSL 3", Hello { version: [3, 0], ..hello.clone() }, PROTOCOL_VERSION),
        ("TLS 1.0", Hello { version: [3, 1], ..hello.clone() }, PROTOCOL_VERSION),
        ("TLS 1.1", Hello { version: [3, 2], ..hello.clone() }, PROTOCOL_VERSION),
        ("TLS 1.1 as the list says", hello.clone().and(extension(43, &[2, 3, 2])), PROTOCOL_VERSION),
        ("RSA key exchange", Hello { suites: vec![0, 0x9c, 0, 0x2f], ..hello.clone() }, HANDSHAKE_FAILURE),
        ("CBC", Hello { suites: vec![0xc0, 0x09, 0xc0, 0x23], ..hello.clone() }, HANDSHAKE_FAILURE),
        ("compression alone", Hello { compression: vec![1], ..hello.clone() }, ILLEGAL_PARAMETER),
        ("no signature algorithms", Hello::with(vec![sni(&[(0, b"alice.test")])]), HANDSHAKE_FAILURE),
    ];
    for (what, hello, description) in cases {
        assert_eq!(node.shown(&hello.record()), Err(description), "{what}");
    }
    let tls12 = [&hello.record()[..5], b"\x01"].concat();
    for (what, bytes) in [
        ("HTTP", &b"GET / HTTP/1.1\r\nHost: alice.test\r\n\r\n"[..]),
        ("SSL 2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10"),
        ("an alert", b"\x15\x03\x01\x00\x02\x01\x00"),
        ("data", b"\x17\x03\x03\x00\x05hello"),
        ("a ChangeCipherSpec", b"\x14\x03\x03\x00\x01\x01"),
        ("a record over 16 KiB", b"\x16\x03\x01\x48\x01\x01"),
    ] {
        assert_eq!(alert(&node.answer(bytes)), Some(DECODE_ERROR), "{what}");
    }
    assert!(node.answer(&tls12).is_empty());
}

/// The second ClientHello must be for the same name (RFC 8446 §4.1.2): the policy was chosen by the first.
#[test]
fn no_name_changes_after_a_hello_retry_request() {
    let node = Node::new();
    let (alice, other) = (Some(&b"alice.test"[..]), Some(&b"other.test"[..]));
    let mut share = [9; 32];
    share[31] = 0x40;
    let flight = |first, second| {
        let hellos =
            [Hello::tls13(first, None).record(), Hello::tls13(second, Some(share)).record()].concat();
        server_hellos(&node.answer(&hellos))
    };
    // HelloRetryRequest and ServerHello; or the first alone.
    assert_eq!(flight(alice, alice), 2);
    assert_eq!(flight(None, None), 2);
    for (first, second) in [(alice, other), (alice, None), (None, alice)] {
        assert_eq!(flight(first, second), 1, "{first:?} {second:?}");
    }
}

/// How many ServerHello messages (a HelloRetryRequest is one, RFC 8446 §4.1.4) stand in the clear in `answer`.
fn server_hellos(mut answer: &[u8]) -> usize {
    let mut count = 0;
    while let [kind, _, _, high, low, rest @ ..] = answer {
        let (fragment, next) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        count += usize::from(*kind == 22 && fragment.first() == Some(&2));
        answer = next;
    }
    count
}
