//! Challenges of ACME: answered for every host, held or not, before any site is looked for.

use super::client::{Client, Ending};
use super::connection::Connection;
use super::record::Record;
use super::{deliver, forward};
use crate::account::Action;
use crate::answer::{Answer, Challenge, asked, key_authorization};
use crate::base::{Cause, Refusal, now};
use crate::message::RequestHead;
use crate::net::within;
use crate::route::Challenges;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Answers a request that asks for a challenge; `None` for all others, and where nobody answers challenges. What an account
/// that has moved is asked for is the other node's.
pub async fn answer<C: Client>(
    connection: &Connection,
    head: &RequestHead,
    client: &mut C,
    record: &mut Record,
) -> Option<Result<Ending, Refusal>> {
    let challenge = asked(head.path()).filter(|_| matches!(head.method(), b"GET" | b"HEAD"))?;
    let challenges = connection.worker.hosts.challenges()?;
    if let Some(account) = connection.worker.hosts.find(&head.authority().host) {
        if account.form().moved().is_some() {
            return None;
        }
        record.belongs_to(&account);
    }
    // Boxed: no other request carries the room for it.
    Some(Box::pin(given(connection, head, client, record, challenge, challenges)).await)
}

async fn given<C: Client>(
    connection: &Connection,
    head: &RequestHead,
    client: &mut C,
    record: &mut Record,
    challenge: Challenge<'_>,
    challenges: Challenges,
) -> Result<Ending, Refusal> {
    match challenges {
        Challenges::Tokens(directory) => {
            let Challenge::Token(token) = challenge else { return Err(Cause::UnknownPath.into()) };
            let bytes = deliver::unless_gone(client, read(directory, token)).await?;
            let answer = Answer::fixed(200, Some((KIND, &bytes)));
            deliver::answer(connection, head, client, record, answer, true).await
        }
        Challenges::Forward(place) => {
            let admission = place.account.gate().try_admit(record.begun())?;
            let (Some(admission), Action::Forward(upstream)) = (admission, &place.site().action) else {
                return Err(Refusal::new(Cause::Overloaded, "too many challenges at once"));
            };
            forward::to_upstream(connection, head, client, record, &place, upstream, admission).await
        }
    }
}

/// What stands in the token's file, read by a thread that may block. A few at once.
async fn read(directory: Arc<Path>, token: &str) -> Result<Vec<u8>, Refusal> {
    let token = token.to_owned();
    let reading = async {
        let _turn = READERS.acquire().await;
        tokio::task::spawn_blocking(move || key_authorization(&directory, &token)).await
    };
    match within(now() + PATIENCE, reading).await {
        Ok(Ok(Ok(bytes))) => Ok(bytes),
        Ok(Ok(Err(error))) if error.kind() == io::ErrorKind::NotFound => Err(Cause::UnknownPath.into()),
        Ok(Ok(Err(error))) => Err(Refusal::new(Cause::UnknownPath, format!("the token's file: {error}"))),
        Ok(Err(error)) => Err(Refusal::new(Cause::Internal, error.to_string())),
        Err(_) => Err(Refusal::new(Cause::Overloaded, "the token's file cannot be read in time")),
    }
}

/// Files that are read at once by all workers: somebody who asks for many tokens keeps nobody but himself waiting.
static READERS: Semaphore = Semaphore::const_new(8);

/// How long a file may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// RFC 8555 §8.3.
const KIND: &str = "application/octet-stream";
