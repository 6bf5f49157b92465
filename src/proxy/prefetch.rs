//! A request's body before a connection is taken for it: a short one is read whole first, so that a visitor who sends it slowly
//! keeps no process of the account from others. Longer ones are passed on as they come.

use super::client::Client;
use super::exchange::{client_failed, trickle};
use super::record::Record;
use crate::base::{Allowance, Cause, Refusal, Wait, now};
use crate::config::Timeouts;
use crate::message::{BodyLength, Known, RequestHead};
use crate::net::{Deadline, Filled, Piece, Transfer};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

/// How much is read before a connection is taken.
pub struct Reading<'a> {
    /// Bytes.
    pub most: usize,
    /// Who pays for them.
    pub payer: &'a Allowance,
}

/// Reads the body of `head` if it has no more bytes than are read; what of it was read is in the transfer returned. Of one whose
/// length is not told so much is read as comes without a pause, since who sends it may wait for an answer first.
///
/// # Errors
/// `BodyTimeout` where it stalls or trickles, `ClientGone`, and what breaks its framing.
pub async fn body<'a, C: Client>(
    client: &mut C,
    record: &mut Record,
    head: &RequestHead,
    Reading { most, payer }: Reading<'a>,
    timeouts: &Timeouts,
) -> Result<Transfer<'a>, Refusal> {
    let Some(pause) = pause(head, most, timeouts) else { return Ok(Transfer::default()) };
    let begun = now();
    let (mut upload, mut moved, mut last) = (Transfer::reading_ahead(most, payer), 0, begun);
    let mut deadline = Deadline::new();
    let mut is_first = true;
    let filled = poll_fn(|cx| {
        if std::mem::take(&mut is_first)
            && let BodyLength::Length(bytes) = head.body()
        {
            match client.poll_piece(cx) {
                // It has mostly come with its head: then it stays where it is.
                Poll::Ready(Ok(Piece::Data(data))) if data.len() as u64 == bytes => {
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(client_failed(error))),
                _ => {}
            }
        }
        let Filled { moved: more, is_done } = upload.fill(cx, client);
        if is_done {
            return Poll::Ready(Ok(()));
        }
        if more > 0 {
            moved += more as u64;
            last = now();
        }
        let whole = trickle(timeouts, moved).map(|allowed| begun + allowed);
        let due = whole.map_or(last + pause.longest, |whole| whole.min(last + pause.longest));
        deadline.set(due);
        deadline.poll_expired(cx).map(|()| {
            if pause.ends_it {
                Ok(())
            } else {
                Err(Refusal::new(Cause::BodyTimeout, "the body stalled, or trickles"))
            }
        })
    })
    .await;
    record.waits().add(Wait::Client, now().saturating_duration_since(begun));
    filled?;
    upload.stop_reading_ahead();
    upload.take_failure().map_or(Ok(upload), |error| Err(client_failed(error)))
}

/// A pause in the body, and what it means.
struct Pause {
    longest: Duration,
    /// Whether it is passed on as it comes from then on; else it is none any more.
    ends_it: bool,
}

/// How the body is waited for; `None`: it is not.
fn pause(head: &RequestHead, most: usize, timeouts: &Timeouts) -> Option<Pause> {
    if most == 0 || head.upgrade().is_some() || head.expects_continue() {
        // Who wants to hear first whether it is wanted sends nothing before (RFC 9110 §10.1.1).
        return None;
    }
    match head.body() {
        BodyLength::Length(bytes) if bytes > 0 && bytes <= most as u64 => {
            Some(Pause { longest: timeouts.body_idle, ends_it: false })
        }
        BodyLength::Chunked if !is_conversation(head) => Some(Pause { longest: PAUSE, ends_it: true }),
        _ => None,
    }
}

/// Whether question and answer take turns, as gRPC's do.
fn is_conversation(head: &RequestHead) -> bool {
    let kind = head.fields().first(Known::ContentType).unwrap_or_default();
    kind.get(..GRPC.len()).is_some_and(|start| start.eq_ignore_ascii_case(GRPC))
}

const GRPC: &[u8] = b"application/grpc";

/// A pause after which a body of unknown length is passed on as it comes.
const PAUSE: Duration = Duration::from_secs(1);
