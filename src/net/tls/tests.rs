//! Handshakes and records against tokio-rustls, TLS 1.2 and 1.3, either end.

use super::*;
use crate::base::{BUFFER_BYTES, LARGE_BUFFER_BYTES};
use crate::net::Socket;
use proptest::prelude::*;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, RootCertStore, SupportedProtocolVersion, version};
use std::io::IoSlice;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::spawn_local;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// A certificate for `alice.test` and configurations of both ends that know it.
struct Keys {
    server: ServerConfig,
    client: ClientConfig,
}

impl Keys {
    fn new(versions: &[&'static SupportedProtocolVersion]) -> Self {
        let made = rcgen::generate_simple_self_signed(["alice.test".to_owned()]).unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![made.cert.der().clone()];
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(chain[0].clone()).unwrap();
        let server = ServerConfig::builder_with_protocol_versions(versions);
        let mut server = server.with_no_client_auth().with_single_cert(chain, key).unwrap();
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = ClientConfig::builder_with_protocol_versions(versions);
        let mut client = client.with_root_certificates(roots).with_no_client_auth();
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { server, client }
    }

    fn both_versions() -> [Self; 2] {
        [Self::new(&[&version::TLS12]), Self::new(&[&version::TLS13])]
    }
}

fn alice() -> ServerName<'static> {
    ServerName::try_from("alice.test").unwrap()
}

/// Our stream and the other end for tokio-rustls.
fn ends() -> (Stream, UnixStream) {
    let (ours, theirs) = StdUnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    (Stream::new(Socket::adopt(ours.into()).unwrap()), UnixStream::from_std(theirs).unwrap())
}

/// The same with a relay between them that passes one byte at a time.
fn ends_byte_by_byte() -> (Stream, UnixStream) {
    let (ours, relay_ours) = ends();
    let (relay_theirs, theirs) = UnixStream::pair().unwrap();
    let (mut from_ours, mut to_ours) = relay_ours.into_split();
    let (mut from_theirs, mut to_theirs) = relay_theirs.into_split();
    spawn_local(async move {
        while let Ok(byte) = from_ours.read_u8().await {
            to_theirs.write_u8(byte).await.unwrap();
        }
    });
    spawn_local(async move {
        while let Ok(byte) = from_theirs.read_u8().await {
            to_ours.write_u8(byte).await.unwrap();
        }
    });
    (ours, theirs)
}

async fn accept_with(
    stream: Stream,
    config: &ServerConfig,
) -> Result<(Stream, Handshake), HandshakeError<()>> {
    accept(stream, |_| Ok(Arc::new(config.clone()))).await
}

/// Both ends after the handshake, we as the server.
async fn serving(
    keys: &Keys,
    (ours, theirs): (Stream, UnixStream),
) -> (Stream, Handshake, client::TlsStream<UnixStream>) {
    let connector = TlsConnector::from(Arc::new(keys.client.clone()));
    let (accepted, connected) =
        tokio::join!(accept_with(ours, &keys.server), connector.connect(alice(), theirs));
    let (stream, handshake) = accepted.unwrap();
    (stream, handshake, connected.unwrap())
}

/// Both ends after the handshake, we as the client.
async fn visiting(
    keys: &Keys,
    (ours, theirs): (Stream, UnixStream),
) -> (Stream, Handshake, server::TlsStream<UnixStream>) {
    let acceptor = TlsAcceptor::from(Arc::new(keys.server.clone()));
    let (connected, accepted) =
        tokio::join!(connect(ours, Arc::new(keys.client.clone()), alice()), acceptor.accept(theirs));
    let (stream, handshake) = connected.unwrap();
    (stream, handshake, accepted.unwrap())
}

async fn fill_to(stream: &mut Stream, count: usize) {
    while stream.input().len() < count {
        assert_ne!(stream.fill().await.unwrap(), 0, "an early end");
    }
}

fn poll<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(flavor = "local")]
async fn what_was_agreed_on_is_told() {
    for (keys, version) in
        Keys::both_versions().iter().zip([ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3])
    {
        let (mut stream, handshake, mut client) = serving(keys, ends()).await;
        assert_eq!(handshake.server_name.unwrap().as_str(), "alice.test");
        assert_eq!(handshake.protocol, Some(Protocol::Http1));
        assert_eq!(handshake.version, version);
        assert!(!handshake.resumed && stream.is_tls());
        // The client has to read its ticket before it can come back with it.
        stream.send(b"hello").await.unwrap();
        client.read_exact(&mut [0; 5]).await.unwrap();
        let (_, again, _) = serving(keys, ends()).await;
        assert!(again.resumed);

        let (stream, handshake, _server) = visiting(keys, ends()).await;
        assert_eq!((handshake.protocol, handshake.version), (Some(Protocol::Http1), version));
        assert!(handshake.server_name.is_none() && stream.is_tls());
    }
}

#[tokio::test(flavor = "local")]
async fn much_goes_both_ways_at_once_and_arrives_whole() {
    const BYTES: usize = 3_000_000;
    let sent: Vec<u8> = (0..BYTES as u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    for keys in Keys::both_versions() {
        let (mut stream, _, client) = serving(&keys, ends()).await;
        let (mut from_us, mut to_us) = tokio::io::split(client);
        let theirs = sent.clone();
        spawn_local(async move {
            to_us.write_all(&theirs).await.unwrap();
            to_us.flush().await.unwrap();
        });
        let reader = spawn_local(async move {
            let mut bytes = vec![0; BYTES];
            from_us.read_exact(&mut bytes).await.unwrap();
            bytes
        });
        let mut received = Vec::new();
        let mut rest = &sent[..];
        poll_fn(|cx| {
            while let Poll::Ready(count) = stream.poll_fill(cx) {
                assert_ne!(count.unwrap(), 0);
                assert!(stream.input().len() <= LARGE_BUFFER_BYTES);
                received.extend_from_slice(stream.input().filled());
                stream.input().clear();
            }
            while !rest.is_empty() {
                // Odd cuts: heads, small and large pieces of bodies.
                let cut = rest.len().min(1 + rest.len() % 50_000);
                let (one, other) = rest[..cut].split_at(cut / 7);
                match stream.poll_write(cx, &[IoSlice::new(one), IoSlice::new(other)]) {
                    Poll::Ready(count) => rest = &rest[count.unwrap()..],
                    Poll::Pending => return Poll::Pending,
                }
            }
            let flushed = stream.poll_flush(cx).map(Result::unwrap);
            if received.len() == BYTES { flushed } else { Poll::Pending }
        })
        .await;
        assert!(received == sent, "what they sent");
        assert!(reader.await.unwrap() == sent, "what we sent");
    }
}

#[tokio::test(flavor = "local")]
async fn records_may_arrive_byte_by_byte() {
    for keys in Keys::both_versions() {
        let (mut stream, handshake, mut client) = serving(&keys, ends_byte_by_byte()).await;
        assert_eq!(handshake.server_name.unwrap().as_str(), "alice.test");
        client.write_all(&[7; 1000]).await.unwrap();
        fill_to(&mut stream, 1000).await;
        stream.send(&[8; 1000]).await.unwrap();
        client.read_exact(&mut [0; 1000]).await.unwrap();
        let (mut stream, _, mut server) = visiting(&keys, ends_byte_by_byte()).await;
        server.write_all(&[9; 1000]).await.unwrap();
        fill_to(&mut stream, 1000).await;
    }
}

#[tokio::test(flavor = "local")]
async fn handshake_messages_may_be_cut_into_many_records() {
    for mut keys in Keys::both_versions() {
        keys.client.max_fragment_size = Some(32);
        keys.server.max_fragment_size = Some(32);
        for (ours, theirs) in [ends(), ends_byte_by_byte()] {
            let (_, handshake, _) = serving(&keys, (ours, theirs)).await;
            assert_eq!(handshake.server_name.unwrap().as_str(), "alice.test");
        }
        let (_, handshake, _) = visiting(&keys, ends()).await;
        assert_eq!(handshake.protocol, Some(Protocol::Http1));
    }
}

#[tokio::test(flavor = "local")]
async fn a_hello_may_stand_in_the_input_already() {
    let keys = Keys::new(&[&version::TLS13]);
    let (mut ours, theirs) = ends();
    let connector = TlsConnector::from(Arc::new(keys.client.clone()));
    let client = spawn_local(async move { connector.connect(alice(), theirs).await });
    ours.fill().await.unwrap();
    let (_, handshake) = accept_with(ours, &keys.server).await.unwrap();
    assert_eq!(handshake.server_name.unwrap().as_str(), "alice.test");
    client.await.unwrap().unwrap();
}

/// Nobody waits for tickets: they leave by the call that the first answer leaves by, or when the connection idles.
#[tokio::test(flavor = "local")]
async fn tickets_leave_with_the_first_answer_or_when_the_connection_idles() {
    let keys = Keys::new(&[&version::TLS13]);
    let mut left = Vec::new();
    for answers in [false, true] {
        let (mut stream, _, client) = serving(&keys, ends()).await;
        let (below, _) = client.into_inner();
        let mut room = [0; BUFFER_BYTES];
        let mut receive = || rustix::net::recv(&below, &mut room, rustix::net::RecvFlags::DONTWAIT);
        assert_eq!(receive().unwrap_err(), rustix::io::Errno::AGAIN, "they wait");
        if answers {
            stream.send(b"answer").await.unwrap();
        } else {
            assert!(poll(|cx| stream.poll_flush(cx)).is_ready());
            assert!(receive().is_err(), "a flush is no reason");
            assert!(poll(|cx| stream.poll_readable(cx)).is_pending());
        }
        left.push(receive().unwrap().0);
    }
    assert!(left[0] > 0);
    assert_eq!(left[1] - left[0], 5 + b"answer".len() + 1 + 16, "with the answer's record behind them");
}

#[tokio::test(flavor = "local")]
async fn an_idle_connection_holds_no_buffer() {
    for keys in Keys::both_versions() {
        let (mut stream, _, mut client) = serving(&keys, ends()).await;
        client.write_all(b"request").await.unwrap();
        fill_to(&mut stream, 7).await;
        stream.input().consume(7);
        let answer = vec![1; 100_000];
        let mut seen = vec![0; 100_000];
        let (sent, read) = tokio::join!(stream.send(&answer), client.read_exact(&mut seen));
        sent.unwrap();
        read.unwrap();
        assert!(poll(|cx| stream.poll_readable(cx)).is_pending());
        let (socket, input, session) = stream.parts();
        assert!(socket.is_quiet());
        let session = session.unwrap();
        assert_eq!((input.capacity(), session.received().capacity(), session.sealed().capacity()), (0, 0, 0));
    }
}

#[tokio::test(flavor = "local")]
async fn a_slow_reader_makes_us_hold_one_batch_at_most() {
    let keys = Keys::new(&[&version::TLS13]);
    let (mut stream, _, mut client) = serving(&keys, ends()).await;
    let body = vec![5; 1 << 20];
    let mut sent = 0;
    while let Poll::Ready(count) = poll(|cx| stream.poll_write(cx, &[IoSlice::new(&body)])) {
        sent += count.unwrap();
        assert!(sent < 64 << 20);
    }
    let (_, _, session) = stream.parts();
    let held = session.unwrap().sealed().capacity();
    assert!(held <= LARGE_BUFFER_BYTES, "{held} bytes held");
    let reader = spawn_local(async move {
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.unwrap();
        bytes.len()
    });
    poll_fn(|cx| stream.poll_close_write(cx)).await.unwrap();
    assert_eq!(reader.await.unwrap(), sent, "what was accepted arrives, and then a clean end");
    let late = poll(|cx| stream.poll_write(cx, &[IoSlice::new(b"x")]));
    assert!(matches!(late, Poll::Ready(Err(_))), "nothing may follow the end");
}

#[tokio::test(flavor = "local")]
async fn a_clean_end_is_told_from_a_truncation() {
    for keys in Keys::both_versions() {
        let (mut stream, _, mut client) = serving(&keys, ends()).await;
        client.write_all(b"last").await.unwrap();
        client.shutdown().await.unwrap();
        fill_to(&mut stream, 4).await;
        stream.readable().await.unwrap();
        assert!(!stream.is_quiet());
        assert_eq!(stream.fill().await.unwrap(), 0);
        assert!(stream.ended_cleanly());

        let (mut stream, _, mut client) = serving(&keys, ends()).await;
        stream.send(b"answer").await.unwrap();
        client.read_exact(&mut [0; 6]).await.unwrap();
        client.write_all(b"last").await.unwrap();
        drop(client.into_inner());
        fill_to(&mut stream, 4).await;
        assert_eq!(stream.fill().await.unwrap(), 0);
        assert_eq!(stream.fill().await.unwrap(), 0);
        assert!(!stream.ended_cleanly());
    }
}

#[tokio::test(flavor = "local")]
async fn a_forged_record_ends_the_connection_with_an_alert() {
    for keys in Keys::both_versions() {
        let (mut stream, _, client) = serving(&keys, ends()).await;
        let (mut socket, mut session) = client.into_inner();
        socket.write_all(&[23, 3, 3, 0, 32]).await.unwrap();
        socket.write_all(&[0; 32]).await.unwrap();
        let error = stream.fill().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let inner = error.get_ref().unwrap().downcast_ref::<rustls::Error>();
        assert_eq!(inner, Some(&rustls::Error::DecryptError));
        assert!(stream.fill().await.is_err(), "and stays ended");
        let mut bytes = vec![0; 1000];
        let count = socket.read(&mut bytes).await.unwrap();
        session.read_tls(&mut &bytes[..count]).unwrap();
        let seen = session.process_new_packets().unwrap_err();
        assert_eq!(seen, rustls::Error::AlertReceived(AlertDescription::BadRecordMac));
    }
}

#[tokio::test(flavor = "local")]
async fn keys_may_be_renewed_under_way() {
    let keys = Keys::new(&[&version::TLS13]);
    let (mut stream, _, mut client) = serving(&keys, ends()).await;
    for turn in 0..10u8 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.write_all(&[turn; 10]).await.unwrap();
        fill_to(&mut stream, 10).await;
        assert_eq!(stream.input().filled(), [turn; 10]);
        stream.input().consume(10);
        stream.send(&[turn; 20]).await.unwrap();
        let mut answer = [0; 20];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, [turn; 20]);
    }
}

#[tokio::test(flavor = "local")]
async fn the_quiet_and_the_kept() {
    let keys = Keys::new(&[&version::TLS12]);
    let (mut stream, _, mut server) = visiting(&keys, ends()).await;
    assert!(stream.is_quiet());
    server.write_all(b"unasked").await.unwrap();
    assert!(!stream.is_quiet());
    fill_to(&mut stream, 7).await;
    stream.input().clear();
    assert!(stream.is_quiet());
    drop(server);
    assert!(!stream.is_quiet());
}

#[tokio::test(flavor = "local")]
async fn garbage_is_answered_with_an_alert() {
    let keys = Keys::new(&[&version::TLS13]);
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: alice.test\r\n\r\n"[..],
        &[22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff],
        &[22, 3, 1, 0, 0],
    ] {
        let (ours, mut theirs) = ends();
        theirs.write_all(garbage).await.unwrap();
        let failed = accept_with(ours, &keys.server).await.map(drop).unwrap_err();
        assert!(matches!(failed, HandshakeError::Tls(_)), "{failed}");
        let mut answer = Vec::new();
        theirs.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, DECODE_ERROR, "{failed}");
    }
}

#[tokio::test(flavor = "local")]
async fn a_hello_that_does_not_end_is_ended() {
    let keys = Keys::new(&[&version::TLS13]);
    let (ours, mut theirs) = ends();
    let client = spawn_local(async move {
        // A client hello of 65,535 bytes in records of one byte.
        let mut sent = 0;
        let mut record = vec![22, 3, 1, 0, 4, 1, 0, 0xff, 0xff];
        while theirs.write_all(&record).await.is_ok() {
            sent += record.len();
            record = vec![22, 3, 1, 0, 1, 0];
        }
        sent
    });
    let failed = accept_with(ours, &keys.server).await.map(drop).unwrap_err();
    assert!(matches!(failed, HandshakeError::Tls(_)), "{failed}");
    assert!(client.await.unwrap() < 1 << 20, "the connection was closed");
}

#[tokio::test(flavor = "local")]
async fn a_client_that_leaves_in_its_handshake_is_no_clean_end() {
    let keys = Keys::new(&[&version::TLS13]);
    let (ours, mut theirs) = ends();
    theirs.write_all(&[22, 3, 1, 1, 0, 1]).await.unwrap();
    drop(theirs);
    let failed = accept_with(ours, &keys.server).await.map(drop).unwrap_err();
    let HandshakeError::Io(error) = failed else { panic!("{failed}") };
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test(flavor = "local")]
async fn a_name_that_nobody_chooses_for_gets_an_alert() {
    let keys = Keys::new(&[&version::TLS13]);
    let (ours, theirs) = ends();
    let connector = TlsConnector::from(Arc::new(keys.client.clone()));
    let refused = accept(ours, |hello| {
        assert_eq!(hello.server_name(), Some("alice.test"));
        Err("nobody")
    });
    let (refused, seen) = tokio::join!(refused, connector.connect(alice(), theirs));
    assert!(matches!(refused, Err(HandshakeError::Choice("nobody"))));
    let seen = seen.map(drop).unwrap_err();
    let seen = seen.get_ref().unwrap().downcast_ref::<rustls::Error>();
    assert_eq!(seen, Some(&rustls::Error::AlertReceived(AlertDescription::UnrecognisedName)));
}

#[tokio::test(flavor = "local")]
async fn an_upstream_with_another_name_is_refused_with_an_alert() {
    for keys in Keys::both_versions() {
        let (ours, theirs) = ends();
        let acceptor = TlsAcceptor::from(Arc::new(keys.server.clone()));
        let name = ServerName::try_from("bob.test").unwrap();
        let (refused, seen) =
            tokio::join!(connect(ours, Arc::new(keys.client), name), acceptor.accept(theirs));
        let refused = refused.map(drop).unwrap_err();
        assert!(matches!(refused, HandshakeError::Tls(rustls::Error::InvalidCertificate(_))), "{refused}");
        let seen = seen.map(drop).unwrap_err();
        let seen = seen.get_ref().unwrap().downcast_ref::<rustls::Error>().unwrap();
        assert!(matches!(seen, rustls::Error::AlertReceived(_)), "{seen}");
    }
}

#[tokio::test(flavor = "local")]
async fn what_h2_and_hyper_drive_reads_and_writes_plain_bytes() {
    let keys = Keys::new(&[&version::TLS13]);
    let (mut stream, _, mut client) = serving(&keys, ends()).await;
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    client.shutdown().await.unwrap();
    let mut preface = Vec::new();
    stream.read_to_end(&mut preface).await.unwrap();
    assert_eq!(preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    stream.write_all(b"SETTINGS").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"SETTINGS");
}

/// A client of rustls' own and our session, with nothing between them but what the test does.
struct Wire {
    client: rustls::ClientConnection,
    session: Session,
    input: Buffer,
}

impl Wire {
    fn new(keys: &Keys) -> Self {
        let client = rustls::ClientConnection::new(Arc::new(keys.client.clone()), alice()).unwrap();
        let server = UnbufferedServerConnection::new(Arc::new(keys.server.clone())).unwrap();
        Self { client, session: Session::new(Side::Server(server), Buffer::new()), input: Buffer::new() }
    }

    /// What the client has to send.
    fn flight(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// Gives bytes to the session as a socket would, and its answers to the client.
    fn deliver(&mut self, mut bytes: &[u8]) -> Result<(), rustls::Error> {
        while !bytes.is_empty() {
            let Ok(room) = self.session.room(false) else { return Err(rustls::Error::HandshakeNotComplete) };
            let spare = self.session.received().spare(room);
            let count = spare.len().min(bytes.len());
            spare[..count].copy_from_slice(&bytes[..count]);
            self.session.received().advance(count);
            bytes = &bytes[count..];
            assert!(self.session.received().capacity() <= LARGE_BUFFER_BYTES);
            let opened = self.session.open(&mut self.input);
            let sealed = self.session.sealed();
            let mut answers = sealed.filled();
            while !answers.is_empty() && self.client.read_tls(&mut answers).is_ok_and(|count| count > 0) {
                let _ = self.client.process_new_packets();
            }
            sealed.clear();
            opened?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Repeat,
}

fn damage() -> impl Strategy<Value = Damage> {
    // Places near the beginning hit headers, others what is sealed.
    let place = prop_oneof![0..16usize, 0..3000usize];
    let records = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..40),
        // A record of any type in front.
        (20..25u8, proptest::collection::vec(any::<u8>(), 0..20)).prop_map(|(kind, body)| {
            let mut record = vec![kind, 3, 3, 0, u8::try_from(body.len()).unwrap()];
            record.extend(body);
            record
        }),
    ];
    prop_oneof![
        (place.clone(), 1..=255u8).prop_map(|(place, bits)| Damage::Flip(place, bits)),
        place.clone().prop_map(Damage::Cut),
        (place, records).prop_map(|(place, bytes)| Damage::Insert(place, bytes)),
        Just(Damage::Repeat),
    ]
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Flip(place, bits) => {
                if let Some(byte) = bytes.get_mut(*place) {
                    *byte ^= bits;
                }
            }
            Self::Cut(place) => bytes.truncate(*place),
            Self::Insert(place, more) => {
                let place = (*place).min(bytes.len());
                bytes.splice(place..place, more.iter().copied());
            }
            Self::Repeat => bytes.extend_from_within(..),
        }
    }
}

proptest! {
    /// Whatever a peer sends, at whatever point: an error at most, and never a byte it did not seal.
    #[test]
    fn damaged_records_are_an_error_at_most(
        tls12 in any::<bool>(),
        flight in 0..4usize,
        damages in proptest::collection::vec(damage(), 1..3),
        piece in 1..2000usize,
    ) {
        thread_local! {
            static KEYS: [Keys; 2] = Keys::both_versions();
        }
        let mut wire = KEYS.with(|keys| Wire::new(&keys[usize::from(tls12)]));
        let mut failed = false;
        for turn in 0..5 {
            if turn == 2 {
                let _ = std::io::Write::write(&mut wire.client.writer(), b"the only words said");
            }
            let mut bytes = wire.flight();
            if turn == flight {
                for damage in &damages {
                    damage.apply(&mut bytes);
                }
            }
            for piece in bytes.chunks(piece) {
                failed |= wire.deliver(piece).is_err();
                if failed {
                    prop_assert!(wire.session.open(&mut wire.input).is_err(), "an error stays");
                }
            }
        }
        let said = wire.input.filled();
        prop_assert!(b"the only words said".starts_with(said));
        let written = wire.session.seal(&[IoSlice::new(b"answer")]);
        prop_assert!(written.is_err() == failed || wire.session.agreed().is_handshaking() || wire.session.peer_closed());
        prop_assert!(wire.session.close().is_ok());
    }
}
