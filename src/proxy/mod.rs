//! A request: the one function that every request of every version passes, and the steps it takes, in order.
//!
//! challenges · host → account → site · who asks · may this connection ask for it · may this visitor · the account
//! admits · elsewhere, if it has moved · answers that need no upstream · lease · head rewritten · forwarded · answer · record written

mod asker;
mod challenge;
mod client;
mod connection;
mod deliver;
mod exchange;
mod forward;
mod place;
mod prefetch;
mod record;
mod remainder;
mod worker;

pub use client::{Client, Ending, Extra};
pub use connection::{Connection, Secured};
pub use deliver::page_of_head;
pub use record::refused_head;
pub use worker::{Certified, Shared, Worker, random_seed};

use crate::account::Action;
use crate::answer::Answer;
use crate::base::{Cause, Refusal, Wait, now};
use crate::config::AccountState;
use crate::limit::Admission;
use crate::message::RequestHead;
use crate::route::Matched;
use asker::Asker;
use record::Record;

/// Answers one request, and says what becomes of the visitor's connection (or stream). Every failure is told to
/// the visitor, where that is still possible, by [`Answer::refusal`]; every request leaves a record.
pub async fn request<C: Client>(connection: &Connection, head: &RequestHead, client: &mut C) -> Ending {
    let mut record = Record::begin(connection, head);
    let ending = match steps(connection, head, client, &mut record).await {
        Ok(ending) => ending,
        Err(refusal) => deliver::refusal(connection, head, client, &mut record, &refusal).await,
    };
    record.finish(connection, head);
    ending
}

/// The life of a request, one line a step.
async fn steps<C: Client>(
    connection: &Connection,
    head: &RequestHead,
    client: &mut C,
    record: &mut Record,
) -> Result<Ending, Refusal> {
    if let Some(answered) = challenge::answer(connection, head, client, record).await {
        return answered;
    }
    let place = place::find(connection, head, record)?;
    place::check_connection(connection, head, &place)?;
    place::check_visitor(connection, &place, record.asker())?;
    let _counted = place::count_visitor(connection, record.asker())?;
    if place.form.state == AccountState::Suspended {
        // Before anything that belongs to those who are served: a place, a turn.
        return Err(Cause::Suspended.into());
    }
    let admission = admit(&place, client, record).await?;
    if let Some(upstream) = place.form.moved() {
        place.account.live().moved_on();
        connection.worker.metrics.moved_on();
        return forward::to_upstream(connection, head, client, record, &place, upstream, admission).await;
    }
    if let Some(answer) = answer_without_upstream(connection, head, &place, record.asker())? {
        return deliver::answer(connection, head, client, record, answer, true).await;
    }
    let Action::Forward(upstream) = &place.site().action else {
        return Err(Refusal::new(Cause::Internal, "no upstream to forward to"));
    };
    forward::to_upstream(connection, head, client, record, &place, upstream, admission).await
}

/// The account lets the request in, at once or after a wait that ends when the visitor leaves.
async fn admit<C: Client>(
    place: &Matched,
    client: &mut C,
    record: &mut Record,
) -> Result<Admission, Refusal> {
    let gate = place.account.gate();
    if let Some(admission) = gate.try_admit(record.begun())? {
        return Ok(admission);
    }
    let _waiting = record.waits().begin(Wait::Queued);
    deliver::unless_gone(client, gate.wait(now())).await
}

/// What is answered here: maintenance, `force_https`, redirects, answers that are always the same.
fn answer_without_upstream(
    connection: &Connection,
    head: &RequestHead,
    place: &Matched,
    asker: &Asker,
) -> Result<Option<Answer>, Refusal> {
    if place.form.state == AccountState::Maintenance {
        return Err(Cause::Maintenance.into());
    }
    let site = place.site();
    if place::forces_https(connection, head, place, asker) {
        return Ok(Some(place::https_redirect(connection, head)));
    }
    Ok(match &site.action {
        Action::Redirect(redirect) => {
            let answer =
                Answer::redirect(redirect.status, &redirect.location(place.trim(head.path_and_query())));
            Some(place::with_hsts(connection, head, place, asker, answer))
        }
        Action::Answer(fixed) => {
            let page = fixed.page.as_ref().map(|(kind, bytes)| (*kind, &**bytes));
            Some(place::with_hsts(connection, head, place, asker, Answer::fixed(fixed.status, page)))
        }
        Action::Forward(_) => None,
    })
}
