//! The floor: bytes from one connection to another and back, without a look at them, copied or spliced. An upstream
//! connection is kept as long as the visitor's.

use crate::Outcome;
use rustix::pipe::{PipeFlags, SpliceFlags};
use std::io;
use std::net::SocketAddr;
use tokio::io::{Interest, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Forwards until the process is ended, from the first address to the second, from the third to the fourth, …
pub async fn serve(addresses: &[SocketAddr], spliced: bool) -> Outcome<()> {
    let mut ways = JoinSet::new();
    for pair in addresses.chunks_exact(2) {
        ways.spawn_local(accept(TcpListener::bind(pair[0]).await?, pair[1], spliced));
    }
    while let Some(way) = ways.join_next().await {
        way??;
    }
    Ok(())
}

async fn accept(listener: TcpListener, upstream: SocketAddr, spliced: bool) -> io::Result<()> {
    loop {
        let (visitor, _) = listener.accept().await?;
        // A visitor who goes ends his connection and nothing else.
        tokio::task::spawn_local(async move { forward(visitor, upstream, spliced).await.ok() });
    }
}

async fn forward(mut visitor: TcpStream, upstream: SocketAddr, spliced: bool) -> io::Result<()> {
    visitor.set_nodelay(true)?;
    let mut upstream = TcpStream::connect(upstream).await?;
    upstream.set_nodelay(true)?;
    if spliced {
        tokio::try_join!(splice(&visitor, &upstream), splice(&upstream, &visitor))?;
    } else {
        copy_bidirectional_with_sizes(&mut visitor, &mut upstream, BUFFER, BUFFER).await?;
    }
    Ok(())
}

/// One way, until its source ends. The pipe is filled by one call and emptied before the next.
async fn splice(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
    rustix::pipe::fcntl_setpipe_size(&write, PIPE)?;
    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    loop {
        let filled = from
            .async_io(Interest::READABLE, || Ok(rustix::pipe::splice(from, None, &write, None, PIPE, flags)?))
            .await?;
        if filled == 0 {
            return rustix::net::shutdown(to, rustix::net::Shutdown::Write).map_err(io::Error::from);
        }
        let mut left = filled;
        while left > 0 {
            left -= to
                .async_io(Interest::WRITABLE, || {
                    Ok(rustix::pipe::splice(&read, None, to, None, left, flags)?)
                })
                .await?;
        }
    }
}

const BUFFER: usize = 1 << 16;

/// As large as Parvis' own.
const PIPE: usize = 1 << 18;
