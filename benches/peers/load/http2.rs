//! HTTP/2: the lanes of a connection are its streams.

use crate::Outcome;
use crate::answer::{Request, Stream};
use bytes::Bytes;
use h2::client::SendRequest;

/// A connection, for any number of its streams.
#[derive(Clone)]
pub struct Streams(SendRequest<Bytes>);

impl Streams {
    /// Speaks HTTP/2 over a stream that has agreed to it.
    pub async fn open(stream: Box<dyn Stream>) -> Outcome<Self> {
        let (sender, connection) = h2::client::Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .handshake(stream)
            .await?;
        // How it ends is told by its streams.
        tokio::task::spawn_local(connection);
        Ok(Self(sender.ready().await?))
    }

    /// Sends the request on a stream of its own and reads the answer to the end.
    pub async fn ask(&mut self, request: &Request) -> Outcome<()> {
        let address = format!("https://{}{}", request.host, request.path);
        let head = http::Request::get(address).header("user-agent", "load").body(())?;
        let answer = self.0.send_request(head, true)?.0.await?;
        if answer.status() != http::StatusCode::OK {
            return Err(format!("{answer:?}").into());
        }
        let (mut body, mut got) = (answer.into_body(), 0);
        while let Some(piece) = body.data().await {
            let piece = piece?;
            body.flow_control().release_capacity(piece.len())?;
            got += piece.len() as u64;
        }
        if request.answer.is_some_and(|wanted| wanted != got) {
            return Err(format!("an answer of {got} bytes").into());
        }
        Ok(())
    }
}

/// No answer waits for the load's permission.
const WINDOW: u32 = 1 << 24;
