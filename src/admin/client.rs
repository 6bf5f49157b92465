//! The other end of the admin socket: one question, one answer, for `parvis status` and its like.

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// What the node answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200 when the question was answered or the wish fulfilled.
    pub status: StatusCode,
    /// JSON, or a line of text.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens, or we may not connect.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// The node left in the middle.
    #[error("the node broke off: {0}")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The node did not answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
}

/// Asks the node behind `socket`, waiting for its answer for at most `patience`.
///
/// # Errors
/// See [`AskError`]; an answer that says no is none of them.
pub async fn ask(socket: &Path, method: Method, path: &str, patience: Duration) -> Result<Answer, AskError> {
    let exchange = async {
        let stream = UnixStream::connect(socket).await.map_err(AskError::Connect)?;
        exchange(stream, method, path).await.map_err(AskError::Broken)
    };
    timeout(patience, exchange).await.unwrap_or(Err(AskError::TimedOut(patience)))
}

async fn exchange(
    stream: UnixStream,
    method: Method,
    path: &str,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    // A unix socket has no name; HTTP/1.1 wants one (RFC 9112 §3.2).
    let request =
        Request::builder().method(method).uri(path).header("host", "parvis").body(Empty::<Bytes>::new())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_ANSWER_BYTES).collect().await?.to_bytes();
        Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
    };
    tokio::pin!(answer, connection);
    let mut open = true;
    loop {
        tokio::select! {
            answer = &mut answer => return answer,
            closed = &mut connection, if open => {
                closed?;
                open = false;
            }
        }
    }
}

/// The status of a hundred thousand accounts, and a lot of air.
const MOST_ANSWER_BYTES: usize = 256 * 1024 * 1024;
