//! A lane sends one request after the other: over a kept connection, over a stream of one, or over a new connection
//! each.

use crate::Outcome;
use crate::answer::{Connection, Request, Stream};
use crate::http2::Streams;
use crate::tls::Tls;
use crate::websocket;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Where connections go, and how.
#[derive(Clone)]
pub struct Door {
    pub address: SocketAddr,
    pub tls: Option<Tls>,
}

/// How a lane asks.
pub enum Lane {
    Kept(Connection),
    New(Door, Request),
    Stream(Streams, Request),
    WebSocket(Box<dyn Stream>),
}

impl Door {
    /// A connection for requests to `host`. The `first` to a host has no session to resume.
    pub async fn connect(&self, host: &str, first: bool) -> Outcome<Box<dyn Stream>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(tls.connect(stream, host, first).await?),
        })
    }
}

impl Lane {
    /// Sends the next request and reads its answer.
    pub async fn ask(&mut self) -> Outcome<()> {
        match self {
            Lane::Kept(connection) => connection.ask().await,
            Lane::New(door, request) => ask_once(door, request, false).await,
            Lane::Stream(streams, request) => streams.ask(request).await,
            Lane::WebSocket(stream) => websocket::echo(stream).await,
        }
    }
}

/// Connects, asks and leaves.
pub async fn ask_once(door: &Door, request: &Request, first: bool) -> Outcome<()> {
    let mut connection = Connection::new(door.connect(&request.host, first).await?, request.clone());
    connection.ask().await?;
    // The server may have gone already: that is no failure of the answer.
    connection.stream.shutdown().await.ok();
    Ok(())
}
