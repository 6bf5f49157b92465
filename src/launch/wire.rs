//! The two halves of a connection with messages on them. Says hello; knows no order.

use super::protocol::{Decoder, Hello, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// What the other side says.
#[derive(Debug)]
pub(super) struct Incoming {
    stream: OwnedReadHalf,
    decoder: Decoder,
}

/// What is said to it. Dropped: it is told that nothing more comes.
#[derive(Debug)]
pub(super) struct Outgoing {
    stream: OwnedWriteHalf,
}

/// The halves of a connection within this process: the other side is what this one is, and says no hello.
pub(super) fn halves(stream: UnixStream) -> (Incoming, Outgoing) {
    let (read, write) = stream.into_split();
    (Incoming { stream: read, decoder: Decoder::default() }, Outgoing { stream: write })
}

/// Says hello and waits for the other's.
///
/// # Errors
/// The system's; `TimedOut` where it says nothing, `InvalidData` where it speaks something else.
pub(super) async fn greet(stream: UnixStream) -> io::Result<(Incoming, Outgoing)> {
    let (mut incoming, mut outgoing) = halves(stream);
    outgoing.send(&Hello::ours()).await?;
    match timeout(PATIENCE, incoming.next::<Hello>()).await {
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no word from the other side")),
        Ok(Err(error)) => Err(error),
        Ok(Ok(None)) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(Ok(Some(hello))) => {
            hello.check().map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
            Ok((incoming, outgoing))
        }
    }
}

impl Incoming {
    /// The next message; `None`: the other side has said all. May be dropped while it waits, nothing is lost.
    ///
    /// # Errors
    /// The system's; `InvalidData` for what is no message.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            let decoded = self.decoder.next();
            if let Some(message) = decoded.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))? {
                return Ok(Some(message));
            }
            self.stream.readable().await?;
            let mut bytes = [0; READ_BYTES];
            match self.stream.try_read(&mut bytes) {
                Ok(0) => return Ok(None),
                Ok(length) => self.decoder.push(&bytes[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Outgoing {
    /// Says one thing.
    ///
    /// # Errors
    /// The system's; `TimedOut` where the other side does not read.
    pub(super) async fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        let frame = encode(message).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        match timeout(PATIENCE, self.stream.write_all(&frame)).await {
            Ok(written) => written,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the other side does not read")),
        }
    }
}

/// How long the other side may take to say hello, and to take a message.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of one read: many messages, and little enough for a stack.
const READ_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[tokio::test(flavor = "local")]
    async fn who_speaks_something_else_is_refused_with_a_word() {
        for (said, why) in [
            (&b"\0\0\0\x0d{\"version\":9}"[..], "speaks version 9"),
            (b"\0\0\0\x02{}", "missing field"),
            (b"GET / HTTP/1.1\r\n\r\n", "bytes, more than 65536"),
            (b"", "unexpected end of file"),
        ] {
            let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            theirs.write_all(said).unwrap();
            theirs.shutdown(std::net::Shutdown::Write).unwrap();
            let error = greet(UnixStream::from_std(ours).unwrap()).await.unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
