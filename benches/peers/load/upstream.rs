//! An upstream for what a file server does not do: it takes uploads and tells their length, and echoes WebSocket
//! messages.

use crate::{Outcome, websocket};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Serves until the process is ended.
pub async fn serve(listen: SocketAddr) -> Outcome<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::task::spawn_local(async move {
            if let Err(error) = connection(stream).await {
                eprintln!("upstream: {error}");
            }
        });
    }
}

async fn connection(mut stream: TcpStream) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let (mut buffer, mut filled) = (vec![0; BUFFER], 0);
    loop {
        let (end, length, upgrade) = loop {
            if let Some(head) = parse(&buffer[..filled])? {
                break head;
            }
            match stream.read(&mut buffer[filled..]).await {
                Ok(count @ 1..) => filled += count,
                Ok(_) | Err(_) if filled == 0 => return Ok(()),
                _ => return Err("the connection ended within a head".into()),
            }
        };
        if upgrade {
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {}\r\n\r\n",
                websocket::ACCEPT
            );
            stream.write_all(answer.as_bytes()).await?;
            return websocket::answer(&mut stream).await;
        }
        let mut got = (filled - end) as u64;
        while got < length {
            match stream.read(&mut buffer).await? {
                0 => return Err("the connection ended within an upload".into()),
                count => got += count as u64,
            }
        }
        if got > length {
            return Err("more than the request".into());
        }
        let body = format!("{got:09}\n");
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await?;
        filled = 0;
    }
}

/// Where a complete head ends, the length of its body, and whether it asks for WebSocket.
fn parse(bytes: &[u8]) -> Outcome<Option<(usize, u64, bool)>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(end) = head.parse(bytes)? else { return Ok(None) };
    let field = |name: &str| head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
    if field("transfer-encoding").is_some() {
        return Err("a body without a length".into());
    }
    let length = match field("content-length") {
        Some(field) => std::str::from_utf8(field.value)?.parse()?,
        None => 0,
    };
    Ok(Some((end, length, field("upgrade").is_some())))
}

/// Few system calls for an upload, so that the upstream is not what is slow.
const BUFFER: usize = 1 << 18;
