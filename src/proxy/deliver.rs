//! Answers of our own on their way to the visitor, and waits that end when the visitor leaves.

use super::client::{Client, Ending, Extra};
use super::connection::Connection;
use super::exchange::client_failed;
use super::record::Record;
use crate::account::Account;
use crate::answer::{Answer, Wishes};
use crate::base::{Cause, Headers, Refusal, RequestId, Wait, now};
use crate::message::{RequestHead, push_line};
use crate::net::{Deadline, Piece};
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, ready};
use std::time::Duration;

/// Sends `answer`. `keep` says whether the connection may serve another request afterwards.
pub async fn answer<C: Client>(
    connection: &Connection,
    head: &RequestHead,
    client: &mut C,
    record: &mut Record,
    answer: Answer,
    keep: bool,
) -> Result<Ending, Refusal> {
    let mut answer = answer;
    let length = answer.length(head.is_head());
    let mut lines = crate::base::Buffer::new();
    push_line(&mut lines, "date", &connection.worker.date(now()));
    lines.extend(answer.lines());
    client.refuse_body(keep);
    client.begin(&answer.head(), length, &Extra::lines(lines.filled()));
    record.answered(answer.status(), &answer);
    let mut left = if head.is_head() { &b""[..] } else { answer.body() };
    let mut deadline = Deadline::new();
    deadline.set(now() + connection.node.timeouts.write_idle);
    let sent = poll_fn(|cx| {
        while !left.is_empty() {
            match client.poll_write(cx, left) {
                Poll::Ready(Ok(count)) => left = &left[count..],
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => return deadline.poll_expired(cx).map(|()| false),
            }
        }
        match client.poll_finish(cx, None) {
            Poll::Ready(finished) => Poll::Ready(finished.is_ok()),
            Poll::Pending => deadline.poll_expired(cx).map(|()| false),
        }
    });
    if sent.await {
        record.sent(if head.is_head() { 0 } else { answer.body().len() as u64 });
        Ok(Ending::Keep)
    } else {
        Err(Cause::ClientGone.into())
    }
}

/// The page for a head that never became a request, with the fields that it has.
pub fn page_of_head(
    connection: &Connection,
    refusal: &Refusal,
    id: RequestId,
    fields: &dyn Headers,
) -> Answer {
    Answer::refusal(refusal, id, Wishes::of(fields), connection.worker.hosts.pages().as_deref())
}

/// Tells the visitor of a failure: by its page where nothing was sent yet, by breaking off where something was.
pub async fn refusal<C: Client>(
    connection: &Connection,
    head: &RequestHead,
    client: &mut C,
    record: &mut Record,
    refusal: &Refusal,
) -> Ending {
    record.failed(connection, refusal);
    if client.has_begun() || refusal.cause == Cause::ClientGone {
        return Ending::Abort;
    }
    let form = record.account().map(Account::form);
    let of_account = form.as_ref().and_then(|form| form.pages());
    let of_node = connection.worker.hosts.pages();
    let pages = of_account.into_iter().chain(of_node.as_deref());
    let page = Answer::refusal(refusal, record.id(), Wishes::of(head.fields()), pages);
    let keep = refusal.cause.verdict().keep;
    answer(connection, head, client, record, page, keep).await.unwrap_or(Ending::Abort)
}

/// `future`'s result, or `ClientGone` as soon as the visitor leaves.
pub async fn unless_gone<C: Client, T>(
    client: &mut C,
    future: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(done) = future.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        ready!(client.poll_gone(cx));
        Poll::Ready(Err(Cause::ClientGone.into()))
    })
    .await
}

/// Waits until a body that was said to have no bytes has ended, at most for `limit`. At once over HTTP/1; over HTTP/2 a
/// stream may go on, and where DATA comes after all its request is none (RFC 9113 §8.1.1).
pub async fn empty_body<C: Client>(
    client: &mut C,
    record: &mut Record,
    limit: Duration,
) -> Result<(), Refusal> {
    let mut since = None;
    let mut deadline = Deadline::new();
    let ended = poll_fn(|cx| match client.poll_piece(cx) {
        Poll::Ready(Ok(Piece::End(_))) => Poll::Ready(Ok(())),
        Poll::Ready(Ok(Piece::Data(_))) => {
            Poll::Ready(Err(Refusal::new(Cause::BadRequest, "a body that was said to be none")))
        }
        Poll::Ready(Err(error)) => Poll::Ready(Err(client_failed(error))),
        Poll::Pending => {
            let since = *since.get_or_insert_with(now);
            deadline.set(since + limit);
            deadline
                .poll_expired(cx)
                .map(|()| Err(Refusal::new(Cause::BodyTimeout, "the end of an empty body did not come")))
        }
    })
    .await;
    if let Some(since) = since {
        record.waits().add(Wait::Client, now().saturating_duration_since(since));
    }
    ended
}
