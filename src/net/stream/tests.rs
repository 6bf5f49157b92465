//! Streams over TCP and unix sockets: ends, half-close, back-pressure, reset, linger, connect.

use super::*;
use crate::net::{Endpoint, connect};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::task::Waker;

/// A stream and its other end as a blocking socket, both families of socket.
fn ends() -> Vec<(Stream, OtherEnd)> {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (tcp, _) = listener.accept().unwrap();
    let (unix, other) = UnixStream::pair().unwrap();
    vec![(adopt(tcp), OtherEnd::Tcp(theirs)), (adopt(unix), OtherEnd::Unix(other))]
}

fn adopt(socket: impl Into<OwnedFd>) -> Stream {
    Stream::new(Socket::adopt(socket.into()).unwrap())
}

enum OtherEnd {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl OtherEnd {
    fn write(&mut self, bytes: &[u8]) {
        match self {
            Self::Tcp(socket) => socket.write_all(bytes).unwrap(),
            Self::Unix(socket) => socket.write_all(bytes).unwrap(),
        }
    }

    fn read_exact(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        match self {
            Self::Tcp(socket) => socket.read_exact(&mut bytes).unwrap(),
            Self::Unix(socket) => socket.read_exact(&mut bytes).unwrap(),
        }
        bytes
    }

    fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self {
            Self::Tcp(socket) => socket.read_to_end(&mut bytes)?,
            Self::Unix(socket) => socket.read_to_end(&mut bytes)?,
        };
        Ok(bytes)
    }

    fn end_sending(&self) {
        match self {
            Self::Tcp(socket) => socket.shutdown(std::net::Shutdown::Write).unwrap(),
            Self::Unix(socket) => socket.shutdown(std::net::Shutdown::Write).unwrap(),
        }
    }
}

fn poll<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(flavor = "local")]
async fn bytes_arrive_in_the_input_behind_those_that_wait_there() {
    for (mut stream, mut other) in ends() {
        other.write(b"one");
        assert_eq!(stream.fill().await.unwrap(), 3);
        other.write(b"two");
        assert_eq!(stream.fill().await.unwrap(), 3);
        assert_eq!(stream.input().filled(), b"onetwo");
        let one = stream.input().split_front(3);
        assert_eq!((one.filled(), stream.input().filled()), (&b"one"[..], &b"two"[..]));
    }
}

#[tokio::test(flavor = "local")]
async fn an_idle_stream_is_small_and_holds_no_buffer() {
    assert!(size_of::<Stream>() <= 96, "{} bytes", size_of::<Stream>());
    for (mut stream, mut other) in ends() {
        assert!(poll(|cx| stream.poll_fill(cx)).is_pending());
        assert_eq!(stream.input().capacity(), 0, "nothing was received yet");
        other.write(b"request");
        stream.readable().await.unwrap();
        assert_eq!(stream.input().capacity(), 0, "waiting takes no buffer");
        stream.fill().await.unwrap();
        stream.input().consume(7);
        assert!(poll(|cx| stream.poll_fill(cx)).is_pending());
        assert_eq!(stream.input().capacity(), 0, "what was received is consumed");
        other.write(b"xyz");
        stream.fill().await.unwrap();
        stream.input().consume(3);
        assert!(poll(|cx| stream.poll_readable(cx)).is_pending());
        assert_eq!(stream.input().capacity(), 0);
    }
}

#[tokio::test(flavor = "local")]
async fn bytes_that_wait_keep_their_buffer_while_more_is_awaited() {
    for (mut stream, mut other) in ends() {
        other.write(b"half a he");
        stream.fill().await.unwrap();
        assert!(poll(|cx| stream.poll_fill(cx)).is_pending());
        assert!(poll(|cx| stream.poll_readable(cx)).is_pending());
        assert_eq!(stream.input().filled(), b"half a he");
    }
}

#[tokio::test(flavor = "local")]
async fn bytes_and_end_that_came_before_the_first_look_are_both_seen() {
    for (mut stream, mut other) in ends() {
        other.write(b"early");
        other.end_sending();
        assert_eq!(stream.fill().await.unwrap(), 5);
        assert_eq!(stream.fill().await.unwrap(), 0);
        assert!(stream.ended_cleanly());
        assert_eq!(stream.fill().await.unwrap(), 0, "the end stays the end");
    }
}

#[tokio::test(flavor = "local")]
async fn a_half_closed_peer_still_reads() {
    for (mut stream, mut other) in ends() {
        other.end_sending();
        assert_eq!(stream.fill().await.unwrap(), 0);
        stream.send(b"answer").await.unwrap();
        poll_fn(|cx| stream.poll_close_write(cx)).await.unwrap();
        poll_fn(|cx| stream.poll_close_write(cx)).await.unwrap();
        assert_eq!(other.read_to_end().unwrap(), b"answer");
    }
}

#[tokio::test(flavor = "local")]
async fn slices_arrive_as_one_row_and_a_slow_reader_holds_the_writer_back() {
    for (mut stream, mut other) in ends() {
        let head = [b'h'; 100];
        let body = vec![b'b'; 100_000];
        let slices = [IoSlice::new(&head), IoSlice::new(b""), IoSlice::new(&body)];
        let mut sent = poll_fn(|cx| stream.poll_write(cx, &slices)).await.unwrap();
        assert!(sent > 100);
        while let Poll::Ready(more) = poll(|cx| stream.poll_write(cx, &[IoSlice::new(&body)])) {
            sent += more.unwrap();
            assert!(sent < 64 << 20, "the peer reads nothing, so at some point nothing more may go");
        }
        assert_eq!(stream.input().capacity(), 0);

        // The other end begins to read in a thread of its own: the waiting writer is woken.
        let reader = std::thread::spawn(move || other.read_to_end().unwrap());
        sent += poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(b"tail")])).await.unwrap();
        drop(stream);
        let received = reader.join().unwrap();
        assert_eq!(received.len(), sent);
        assert!(received.starts_with(&head) && received.ends_with(b"tail"));
    }
}

#[tokio::test(flavor = "local")]
async fn both_ways_at_once_byte_by_byte() {
    for (mut stream, mut other) in ends() {
        let echo = std::thread::spawn(move || {
            for _ in 0..300 {
                let byte = other.read_exact(1);
                other.write(&byte);
            }
        });
        for turn in 0..300u32 {
            stream.send(&[turn as u8]).await.unwrap();
            stream.fill().await.unwrap();
            assert_eq!(stream.input().filled(), [turn as u8]);
            stream.input().consume(1);
        }
        echo.join().unwrap();
    }
}

#[tokio::test(flavor = "local")]
async fn quiet_means_no_bytes_no_end_and_nothing_unread() {
    for (mut stream, mut other) in ends() {
        assert!(stream.is_quiet());
        other.write(b"x");
        assert!(!stream.is_quiet());
        stream.fill().await.unwrap();
        assert!(!stream.is_quiet(), "what is unread is not quiet");
        stream.input().consume(1);
        assert!(stream.is_quiet());
        other.end_sending();
        assert!(!stream.is_quiet());
    }
}

#[tokio::test(flavor = "local")]
async fn a_reset_after_the_end_is_seen_and_a_blocked_writer_is_not_forgotten() {
    let (mut stream, other) = ends().swap_remove(0);
    let OtherEnd::Tcp(other) = other else { unreachable!() };
    let body = vec![0; 1 << 20];
    other.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.fill().await.unwrap(), 0);
    assert!(poll(|cx| stream.poll_reset(cx)).is_pending());
    let mut sent = 0;
    while let Poll::Ready(count) = poll(|cx| stream.poll_write(cx, &[IoSlice::new(&body)])) {
        sent += count.unwrap();
    }

    // The peer reads all of that: whoever asks first, the reset or the writer, the writer goes on.
    let reader = std::thread::spawn(move || {
        (&other).read_exact(&mut vec![0; sent]).unwrap();
        other
    });
    let wrote = poll_fn(|cx| {
        assert!(stream.poll_reset(cx).is_pending());
        stream.poll_write(cx, &[IoSlice::new(&body)])
    });
    assert!(wrote.await.unwrap() > 0);

    // It closes with unread bytes: the kernel sends a reset.
    drop(reader.join().unwrap());
    poll_fn(|cx| stream.poll_reset(cx)).await;
    let error = poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(b"x")])).await.unwrap_err();
    assert!(matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{error}");
}

#[tokio::test(flavor = "local")]
async fn an_abort_is_a_reset_for_the_peer() {
    let (stream, mut other) = ends().swap_remove(0);
    stream.abort();
    assert_eq!(other.read_to_end().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test(flavor = "local")]
async fn lingering_lets_the_client_read_the_answer_to_what_it_still_sends() {
    let (mut stream, mut other) = ends().swap_remove(0);
    other.write(&vec![b'u'; 50_000]);
    stream.fill().await.unwrap();
    stream.send(b"413").await.unwrap();
    let client = std::thread::spawn(move || {
        other.write(&vec![b'u'; 50_000]);
        assert_eq!(other.read_exact(3), b"413");
        other.end_sending();
        other.read_to_end()
    });
    stream.linger(1 << 20, crate::base::now() + std::time::Duration::from_secs(60)).await;
    assert_eq!(client.join().unwrap().unwrap(), b"");
}

#[tokio::test(flavor = "local")]
async fn lingering_stops_at_its_bound() {
    let (stream, mut other) = ends().swap_remove(1);
    let client = std::thread::spawn(move || {
        let OtherEnd::Unix(socket) = &mut other else { unreachable!() };
        // Ends only because the other side closes.
        let mut sent = 0;
        while let Ok(count) = socket.write(&[0; 4096]) {
            sent += count;
        }
        sent
    });
    stream.linger(100_000, crate::base::now() + std::time::Duration::from_secs(60)).await;
    assert!(client.join().unwrap() >= 100_000);
}

#[tokio::test(flavor = "local")]
async fn connecting_over_both_families_and_unix_sockets() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let mut stream = connect(&Endpoint::Ip(address)).await.unwrap();
        assert_eq!(stream.socket().peer_address(), Some(address));
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(stream.socket().local_address(), Some(peer));
        assert!(rustix::net::sockopt::tcp_nodelay(stream.socket()).unwrap());
        drop(listener);
        let error = connect(&Endpoint::Ip(address)).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("upstream.sock");
    let error = connect(&Endpoint::Unix(path.clone())).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let listener = UnixListener::bind(&path).unwrap();
    let mut stream = connect(&Endpoint::Unix(path)).await.unwrap();
    assert_eq!(stream.socket().peer_address(), None);
    stream.send(b"hello").await.unwrap();
    drop(stream);
    let mut hello = String::new();
    listener.accept().unwrap().0.read_to_string(&mut hello).unwrap();
    assert_eq!(hello, "hello");
}

#[tokio::test(flavor = "local")]
async fn what_h2_and_hyper_drive_gives_unread_input_first() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut one, mut other) = Stream::pair().unwrap();
    one.write_all(b"PRI * HTTP/2.0").await.unwrap();
    other.fill().await.unwrap();
    one.write_all(b"\r\n").await.unwrap();
    one.shutdown().await.unwrap();
    let mut text = String::new();
    other.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "PRI * HTTP/2.0\r\n");
    assert_eq!(other.input().capacity(), 0);
}

#[tokio::test]
async fn a_quiet_stream_moves_to_another_reactor_and_one_with_bytes_stays() {
    let (mut ours, theirs) = Stream::pair().unwrap();
    ours.input().extend(b"unread");
    let mut ours = *ours.detach().unwrap_err();
    ours.input().clear();
    let fd = ours.detach().ok().unwrap();
    let mut theirs = theirs;
    theirs.send(b"on its way").await.unwrap();
    let moved = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut moved = adopt(fd);
            let count = moved.fill().await.unwrap();
            moved.input().filled()[..count].to_vec()
        })
    });
    assert_eq!(moved.join().unwrap(), b"on its way");
}
