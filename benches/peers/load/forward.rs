//! The floor: bytes from one connection to another and back, without a look at them. An upstream connection is kept as
//! long as the visitor's.

use crate::Outcome;
use std::net::SocketAddr;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Forwards until the process is ended, from the first address to the second, from the third to the fourth, …
pub async fn serve(addresses: &[SocketAddr]) -> Outcome<()> {
    let mut ways = JoinSet::new();
    for pair in addresses.chunks_exact(2) {
        ways.spawn_local(accept(TcpListener::bind(pair[0]).await?, pair[1]));
    }
    while let Some(way) = ways.join_next().await {
        way??;
    }
    Ok(())
}

async fn accept(listener: TcpListener, upstream: SocketAddr) -> std::io::Result<()> {
    loop {
        let (visitor, _) = listener.accept().await?;
        // A visitor who goes ends his connection and nothing else.
        tokio::task::spawn_local(async move { forward(visitor, upstream).await.ok() });
    }
}

async fn forward(mut visitor: TcpStream, upstream: SocketAddr) -> std::io::Result<()> {
    visitor.set_nodelay(true)?;
    let mut upstream = TcpStream::connect(upstream).await?;
    upstream.set_nodelay(true)?;
    copy_bidirectional_with_sizes(&mut visitor, &mut upstream, BUFFER, BUFFER).await?;
    Ok(())
}

const BUFFER: usize = 1 << 16;
