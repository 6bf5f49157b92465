//! A connection that asks in HTTP/1.1 and reads answers. Knows what it must get, and takes nothing else.

use crate::Outcome;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A stream to the proxy, clear or not.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// What is asked, and how long the answer must be.
#[derive(Clone, Debug)]
pub struct Request {
    pub host: String,
    pub path: String,
    pub upload: u64,
    pub answer: Option<u64>,
}

/// A connection with its room for answers.
pub struct Connection {
    pub stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    head: Vec<u8>,
    request: Request,
}

impl Connection {
    pub fn new(stream: Box<dyn Stream>, request: Request) -> Self {
        let Request { host, path, upload, answer } = &request;
        let head = match upload {
            0 => format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: load\r\n\r\n"),
            length => format!(
                "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: load\r\nContent-Length: {length}\r\n\r\n"
            ),
        };
        let room = if answer.is_some_and(|length| length > SMALL as u64) { LARGE } else { SMALL };
        Self { stream, buffer: vec![0; room], head: head.into(), request }
    }

    /// Sends the request and reads its answer to the end.
    pub async fn ask(&mut self) -> Outcome<()> {
        self.stream.write_all(&self.head).await?;
        let mut left = self.request.upload;
        while left > 0 {
            let piece = &UPLOAD[..UPLOAD.len().min(left as usize)];
            self.stream.write_all(piece).await?;
            left -= piece.len() as u64;
        }
        self.stream.flush().await?;
        let mut filled = 0;
        let (head, length) = loop {
            if let Some(answer) = parse(&self.buffer[..filled])? {
                break answer;
            }
            filled += self.read_at(filled).await?;
        };
        if self.request.answer.is_some_and(|wanted| wanted != length) {
            return Err(format!("an answer of {length} bytes").into());
        }
        let mut got = (filled - head) as u64;
        while got < length {
            got += self.read_at(0).await? as u64;
        }
        if got > length {
            return Err("more than the answer".into());
        }
        Ok(())
    }

    /// Upgrades to WebSocket.
    pub async fn upgrade(mut self) -> Outcome<Box<dyn Stream>> {
        let Request { host, path, .. } = &self.request;
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n",
            crate::websocket::KEY
        );
        self.stream.write_all(head.as_bytes()).await?;
        let mut filled = 0;
        while !self.buffer[..filled].ends_with(b"\r\n\r\n") {
            filled += self.read_at(filled).await?;
        }
        if !self.buffer.starts_with(b"HTTP/1.1 101 ") {
            return Err(refused(&self.buffer[..filled]));
        }
        Ok(self.stream)
    }

    async fn read_at(&mut self, place: usize) -> Outcome<usize> {
        match self.stream.read(&mut self.buffer[place..]).await? {
            0 => Err("the connection ended within an answer".into()),
            count => Ok(count),
        }
    }
}

/// The length of a head and of the body after it, once the head is complete.
fn parse(bytes: &[u8]) -> Outcome<Option<(usize, u64)>> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(end) = head.parse(bytes)? else { return Ok(None) };
    if head.code != Some(200) {
        return Err(refused(bytes));
    }
    let length = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.ok_or("an answer without a length")?;
    Ok(Some((end, std::str::from_utf8(length.value)?.parse()?)))
}

fn refused(answer: &[u8]) -> Box<dyn std::error::Error> {
    String::from_utf8_lossy(&answer[..answer.len().min(400)]).into()
}

/// What an upload repeats.
static UPLOAD: [u8; LARGE] = [b'u'; LARGE];

/// Room for a head and a small answer.
const SMALL: usize = 1 << 14;

/// Room for large ones: few system calls, so that the load is not what is slow.
const LARGE: usize = 1 << 18;
