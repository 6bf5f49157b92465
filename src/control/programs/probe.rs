//! Whether an instance that was started answers: asks its address again and again, in short steps, until it accepts a
//! connection, is the right user's, and (where the document says so) answers a request. Sends nothing to anybody else.

use crate::config::UpstreamAddress;
use crate::net::owner::{self, Holder, Owner};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

/// What is asked.
pub(super) struct Probe {
    /// Where it listens.
    pub(super) address: UpstreamAddress,
    /// Whose it has to be.
    pub(super) holder: Holder,
    /// What is asked for; `None`: accepting is enough.
    pub(super) path: Option<String>,
    /// How many are asked at the same time: each is asked less often where they are many.
    pub(super) beside: usize,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It answers.
    Ready,
    /// Somebody else has its address.
    Foreign(Owner),
    /// It does not answer.
    Silent,
}

impl Probe {
    /// Asks until there is an answer. Whoever asks bounds the time.
    pub(super) async fn run(&self) -> Found {
        let step = STEP * (1 + (self.beside / PROBES_AT_ONCE) as u32);
        loop {
            // Everything else is "not yet": it does not listen, or does not answer.
            if let Some(found) = self.answer().await {
                return found;
            }
            sleep(step).await;
        }
    }

    /// Asks once.
    pub(super) async fn once(&self) -> Found {
        self.answer().await.unwrap_or(Found::Silent)
    }

    async fn answer(&self) -> Option<Found> {
        timeout(PATIENCE, self.ask()).await.ok()?.ok()?
    }

    async fn ask(&self) -> io::Result<Option<Found>> {
        match &self.address {
            UpstreamAddress::Ip(address) => {
                let stream = TcpStream::connect(address).await?;
                // It accepted, so it listens now: whoever took the connection is the one that the kernel names.
                let owners = owner::listeners(*address)?;
                match owners.first() {
                    Some(owner) if !self.holder.has(*owner) => Ok(Some(Found::Foreign(*owner))),
                    // Not only the one whose place it takes.
                    Some(_) if owners.iter().any(|owner| self.holder.made(*owner)) => {
                        self.greet(stream).await
                    }
                    _ => Ok(None),
                }
            }
            UpstreamAddress::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                match owner::peer(&stream)? {
                    owner if !self.holder.has(owner) => Ok(Some(Found::Foreign(owner))),
                    _ => self.greet(stream).await,
                }
            }
            UpstreamAddress::Auto | UpstreamAddress::Url(_) => Ok(None),
        }
    }

    async fn greet(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<Option<Found>> {
        let Some(path) = &self.path else { return Ok(Some(Found::Ready)) };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: parvis\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        // "HTTP/1.1 200": what follows is read no more.
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        Ok((head.starts_with(b"HTTP/1.") && matches!(head[9], b'1'..=b'4')).then_some(Found::Ready))
    }
}

/// How long one question may take: a server that hangs is asked anew.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause between two questions: the shortest that the timer has.
const STEP: Duration = Duration::from_millis(1);

/// Programs that may start at the same time before each is asked less often: a tenth of a processor.
const PROBES_AT_ONCE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::net::TcpListener;

    fn own() -> u32 {
        rustix::process::getuid().as_raw()
    }

    fn of(uid: u32) -> Holder {
        Holder { uid, cgroup: None }
    }

    #[tokio::test(flavor = "local")]
    async fn it_is_ready_once_it_answers_below_500() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = UpstreamAddress::Ip(listener.local_addr().unwrap());
        let asked = std::rc::Rc::new(AtomicUsize::new(0));
        let count = asked.clone();
        tokio::task::spawn_local(async move {
            for answer in ["HTTP/1.1 503 no\r\n\r\n", "rubbish rubbish", "HTTP/1.1 404 no\r\n\r\n"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 64];
                let read = stream.read(&mut request).await.unwrap();
                assert!(request[..read].starts_with(b"GET /up HTTP/1.1\r\n"));
                count.fetch_add(1, Ordering::Relaxed);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let probe = Probe { address, holder: of(own()), path: Some("/up".into()), beside: 0 };
        assert_eq!(probe.run().await, Found::Ready);
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(flavor = "local")]
    async fn somebody_elses_socket_is_sent_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let unix = tokio::net::UnixListener::bind(&path).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for address in [UpstreamAddress::Unix(path), UpstreamAddress::Ip(tcp.local_addr().unwrap())] {
            let probe = Probe { address, holder: of(own() + 1), path: Some("/".into()), beside: 0 };
            assert!(matches!(probe.run().await, Found::Foreign(owner) if owner.uid == own()));
        }
        let mut sent = Vec::new();
        unix.accept().await.unwrap().0.read_to_end(&mut sent).await.unwrap();
        tcp.accept().await.unwrap().0.read_to_end(&mut sent).await.unwrap();
        assert_eq!(sent, b"");
    }
}
