//! The way to an upstream and back: a lease, the head as the upstream shall see it, the exchange, and one more
//! try where that is safe.

use super::asker::Asker;
use super::client::{Client, Ending, Extra};
use super::connection::Connection;
use super::deliver;
use super::exchange::{Exchange, Outcome, Rules};
use super::place;
use super::prefetch::{self, Reading};
use super::record::Record;
use super::remainder::Remainder;
use crate::base::{Authority, Blame, Buffer, Cause, Drain, Host, Refusal, Wait, now};
use crate::config::{self, AccountState, UpstreamAddress, UpstreamHost};
use crate::limit::{Admission, TunnelPlace};
use crate::message::{
    BodyLength, Forwarding, Known, KnownSet, Persistence, RequestEdits, RequestHead, Scheme, Target, Version,
    WebSocketKey, hops, push_authority, push_line,
};
use crate::net::{Deadline, Transfer, until, within};
use crate::route::Matched;
use crate::upstream::{Ended, Fate, Lease, Origin, Patience, Upstream, Want};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// Forwards the request to this upstream and the answer back.
pub async fn to_upstream<C: Client>(
    connection: &Connection,
    head: &RequestHead,
    client: &mut C,
    record: &mut Record,
    place: &Matched,
    upstream: &Arc<Upstream>,
    admission: Admission,
) -> Result<Ending, Refusal> {
    let hops = hops(head.fields(), &connection.worker.pseudonym);
    if hops.own || hops.all > MOST_HOPS {
        let upstream = Some(upstream.spec().name.clone());
        return Err(Refusal {
            upstream,
            ..Refusal::new(Cause::Loop, "the upstream's address leads back here")
        });
    }
    if let (BodyLength::Length(bytes), Some(most)) = (head.body(), place.site().body_bytes)
        && bytes > most
    {
        return Err(Refusal::new(Cause::BodyTooLarge, format!("{bytes} bytes, at most {most} are taken")));
    }
    if head.body() == BodyLength::Length(0) {
        deliver::empty_body(client, record, place.site().timeouts.body_idle).await?;
    }
    let tunnel = match head.upgrade() {
        Some(_) => Some(place.account.gate().reserve_tunnel()?),
        None => None,
    };
    let limits = &place.form.limits;
    let reading = Reading { most: limits.request_buffer, payer: place.account.buffers() };
    let upload = prefetch::body(client, record, head, reading, &place.site().timeouts).await?;
    let attempt = Attempt { connection, head, place, upstream };
    // A request that cannot be repeated asks for a connection that has just proved to be alive.
    let repeatable = head.is_idempotent() && head.body() == BodyLength::None && head.upgrade().is_none();
    let want = if repeatable { Want::Any } else { Want::Fresh };
    let lease = attempt.lease(client, record, want).await?;
    let (stale, instance) = (lease.is_reused() && repeatable, lease.instance());
    let mut guards = Guards { admission: Some(admission), tunnel };
    let exchanged = attempt.exchange(client, record, lease, upload, &mut guards).await;
    if exchanged.as_ref().is_err_and(|failed| failed.refusal.cause == Cause::Closed) {
        connection.worker.pools.look_after(upstream);
    }
    match exchanged {
        Err(failed) if stale && failed.untouched && failed.refusal.cause == Cause::Closed => {
            // The upstream closed a kept connection just as this request went out: nobody read it.
            let lease = attempt.lease(client, record, Want::Fresh).await?;
            if lease.instance() != instance {
                // Not the connection has ended but the program, and this request may be why.
                return Err(failed.refusal);
            }
            match attempt.exchange(client, record, lease, Transfer::default(), &mut guards).await {
                Err(failed) => Err(failed.explained().await),
                Ok(ending) => Ok(ending),
            }
        }
        Err(failed) => Err(failed.explained().await),
        Ok(ending) => Ok(ending),
    }
}

/// What every attempt of one request has in common.
struct Attempt<'a> {
    connection: &'a Connection,
    head: &'a RequestHead,
    place: &'a Matched,
    upstream: &'a Arc<Upstream>,
}

/// What a request holds of its account until it ends.
struct Guards {
    admission: Option<Admission>,
    tunnel: Option<TunnelPlace>,
}

/// Why an attempt failed, and whether the upstream may have seen any of it.
struct Failed {
    refusal: Refusal,
    untouched: bool,
    /// What becomes of the program that broke off.
    fate: Option<Arc<Fate>>,
}

impl Failed {
    /// A connection that broke says less than why its program ended, which is known a moment later.
    async fn explained(self) -> Refusal {
        let Self { refusal, fate, .. } = self;
        let broken = matches!(refusal.cause, Cause::Closed | Cause::AnswerIncomplete);
        let Some(fate) = fate.filter(|_| broken) else { return refusal };
        let Ok(Ended { why, starved }) = within(now() + FATE_PATIENCE, fate.told()).await else {
            return refusal;
        };
        Refusal {
            cause: if *starved { Cause::OutOfMemory } else { refusal.cause },
            detail: format!("{}: its program ended ({why})", refusal.detail).into(),
            ..refusal
        }
    }
}

impl Attempt<'_> {
    async fn lease<C: Client>(
        &self,
        client: &mut C,
        record: &mut Record,
        want: Want,
    ) -> Result<Lease, Refusal> {
        let now = now();
        let patience = Patience {
            queue: now + self.place.form.limits.queue_timeout,
            connect: self.place.site().timeouts.connect,
            drain: self.place.form.timeouts.drain,
        };
        let pools = &self.connection.worker.pools;
        let leasing = pools.lease(self.upstream, want, patience, now, record.waits());
        let leased = deliver::unless_gone(client, leasing).await;
        leased.map_err(|refusal| self.blame(refusal))
    }

    async fn exchange<C: Client>(
        &self,
        client: &mut C,
        record: &mut Record,
        lease: Lease,
        upload: Transfer<'_>,
        guards: &mut Guards,
    ) -> Result<Ending, Failed> {
        let key = self.websocket_key();
        let header_bytes = self.connection.node.limits.response_header_bytes;
        let spec = lease.spec().clone();
        record.goes_to(&spec.name);
        let mut origin = Origin::new(lease, header_bytes);
        self.send_head(&mut origin, &spec, key, record).map_err(|refusal| Failed {
            refusal: self.blame(refusal),
            untouched: origin.is_untouched(),
            fate: None,
        })?;
        let mut append = Buffer::new();
        let hsts = place::hsts(self.connection, self.head, self.place, record.asker());
        if let Some(value) = hsts {
            push_line(&mut append, "strict-transport-security", value);
        }
        let replaced =
            if hsts.is_some() { KnownSet::of(&[Known::StrictTransportSecurity]) } else { KnownSet::EMPTY };
        let switches = self.connection.worker.node.load().switches;
        let rules = Rules {
            request: self.head,
            timeouts: &self.place.site().timeouts,
            body_bytes: self.place.site().body_bytes,
            key,
            extra: Extra { append: append.filled(), drop: replaced },
            response_buffer: self.place.form.limits.response_buffer,
            payer: self.place.account.buffers(),
            splice: switches.splice,
            log_format: &self.place.site().log_format,
        };
        let mut deadline = Deadline::new();
        let mut exchange = Exchange::new(client, &mut origin, rules, upload, &mut deadline);
        let mut result = poll_fn(|cx| exchange.poll(cx)).await;
        let mut tunnel = None;
        if let Ok(Outcome::Switched | Outcome::Lasting) = result {
            let mut account_ends = pin!(drained(self.place.account.drain()));
            while let Ok(outcome @ (Outcome::Switched | Outcome::Lasting)) = result {
                if outcome == Outcome::Switched {
                    // The tunnel leaves the requests in flight and counts among the tunnels.
                    let guards = guards.admission.take().zip(guards.tunnel.take());
                    tunnel = guards.map(|(admission, place)| admission.into_tunnel(place));
                    record.switched(self.connection);
                }
                result = poll_fn(|cx| {
                    // The account is gone, and so is the time that what it has open had.
                    if account_ends.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(exchange.cut(self.account_gone()));
                    }
                    exchange.poll(cx)
                })
                .await;
            }
        }
        let times = exchange.times();
        let status = exchange.status();
        record.repaired(exchange.repairs());
        record.told_headers(exchange.take_told_headers());
        let remainder = matches!(result, Ok(Outcome::Received)).then(|| exchange.into_remainder());
        drop(tunnel);
        record.exchanged(status, times, origin.body_received(), origin.body_sent());
        if let Some(since) = times.client_since {
            // It was the visitor that it ended with.
            record.waits().add(Wait::Client, now().saturating_duration_since(since));
        }
        match result {
            Ok(Outcome::Whole | Outcome::Received) => {
                // Whoever waits for the upstream has it, while a slow visitor takes his time.
                if switches.upstream_keepalive {
                    origin.finish(now());
                } else {
                    drop(origin);
                }
                match remainder {
                    Some(remainder) => {
                        let _waiting = record.waits().begin(Wait::Client);
                        Box::pin(self.give(remainder)).await
                    }
                    None => Ok(Ending::Keep),
                }
            }
            Ok(Outcome::Early | Outcome::Switched | Outcome::Lasting | Outcome::Tunnelled) => {
                Ok(Ending::Close)
            }
            Err(refusal) => {
                if refusal.cause == Cause::TimedOut {
                    origin.is_overdue();
                }
                let (untouched, fate) = (origin.is_untouched(), origin.fate());
                Err(Failed { refusal: self.blame(refusal), untouched, fate })
            }
        }
    }

    /// Why what is under way ends with its account.
    fn account_gone(&self) -> Refusal {
        match self.place.account.form().state {
            AccountState::Suspended => Refusal::new(Cause::Suspended, "the account was suspended meanwhile"),
            _ => Refusal::new(Cause::UnknownHost, "the account was deleted, or has moved, meanwhile"),
        }
    }

    /// Gives a slow visitor what is left of his answer, for as long as the account exists.
    async fn give<C: Client>(&self, mut remainder: Remainder<'_, C>) -> Result<Ending, Failed> {
        let mut account_ends = pin!(drained(self.place.account.drain()));
        let given = poll_fn(|cx| match account_ends.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(self.account_gone())),
            Poll::Pending => remainder.poll(cx),
        });
        given.await.map(|()| Ending::Keep).map_err(|refusal| Failed { refusal, untouched: false, fate: None })
    }

    /// The refusal with the upstream's name, where it is the upstream's fault.
    fn blame(&self, refusal: Refusal) -> Refusal {
        if refusal.cause.verdict().blame != Blame::Site {
            return refusal;
        }
        Refusal { upstream: Some(self.upstream.spec().name.clone()), ..refusal }
    }

    /// A WebSocket that came by HTTP/2 has no key; HTTP/1.1 needs one (RFC 8441 §5).
    fn websocket_key(&self) -> Option<WebSocketKey> {
        let websocket = self.head.upgrade().is_some_and(|upgrade| upgrade.is_websocket());
        (websocket && self.head.version() == Version::Http2).then(|| self.connection.worker.websocket_key())
    }

    /// Sends the head as the upstream shall see it: one Host, hop-by-hop fields out, forwarding fields rebuilt.
    fn send_head(
        &self,
        origin: &mut Origin,
        spec: &config::Upstream,
        key: Option<WebSocketKey>,
        record: &Record,
    ) -> Result<(), Refusal> {
        let head = self.head;
        let mut host = Buffer::new();
        push_authority(&mut host, &host_for(spec, head.authority()));
        let mut append = Buffer::new();
        let (connection, asker) = (self.connection, record.asker());
        Forwarding {
            client: &asker.text,
            scheme: asker.scheme,
            authority: head.authority(),
            port: port(connection, head, asker),
            prefix: self.place.prefix(),
            version: head.version(),
            received: head.fields(),
            id: record.id(),
            pseudonym: connection.worker.pseudonym,
        }
        .push(&mut append);
        if let Some(key) = &key {
            push_line(&mut append, "sec-websocket-key", key.as_bytes());
        }
        let span = record.span();
        if let Some(traceparent) = span.traceparent() {
            push_line(&mut append, "traceparent", &traceparent);
        }
        let edits = RequestEdits {
            host: host.filled(),
            target: Target { base: base_of(spec), path_and_query: self.place.trim(head.path_and_query()) },
            body: head.body(),
            persistence: match head.upgrade() {
                Some(upgrade) => Persistence::Upgrade(upgrade.protocol),
                None => Persistence::Implied,
            },
            expect_continue: head.expects_continue(),
            drop: match (span.is_on(), span.has_parent()) {
                (false, _) => KnownSet::EMPTY,
                (true, true) => KnownSet::of(&[Known::Traceparent]),
                // What stands there is of no trace (W3C Trace Context §3.3).
                (true, false) => KnownSet::of(&[Known::Traceparent, Known::Tracestate]),
            },
            append: append.filled(),
        };
        origin.send(head, &edits)
    }
}

/// Returns at the end of a drain, once it has begun.
async fn drained(drain: Drain) {
    let deadline = drain.into_begun().await;
    until(deadline).await;
}

/// What is put in front of every path.
fn base_of(spec: &config::Upstream) -> &[u8] {
    match &spec.address {
        UpstreamAddress::Url(url) => url.base.as_bytes(),
        UpstreamAddress::Ip(_) | UpstreamAddress::Unix(_) | UpstreamAddress::Auto => b"",
    }
}

/// The port the visitor came to: ours, unless the visitor came by another scheme than the proxy in front of us speaks.
fn port(connection: &Connection, head: &RequestHead, asker: &Asker) -> u16 {
    match (asker.scheme, connection.tls.is_some()) {
        (Scheme::Https, true) | (Scheme::Http, false) => connection.local.0.port(),
        (scheme, _) => head.authority().port.unwrap_or(scheme.default_port()),
    }
}

/// Which host and port the upstream is asked for.
fn host_for(spec: &config::Upstream, visitor: &Authority) -> Authority {
    match &spec.host {
        UpstreamHost::Visitor => visitor.clone(),
        UpstreamHost::Named(host) => Authority { host: Host::clone(host), port: None },
        UpstreamHost::Upstream => match &spec.address {
            UpstreamAddress::Ip(address) => {
                Authority { host: Host::from_ip(address.ip()), port: Some(address.port()) }
            }
            UpstreamAddress::Url(url) => {
                // As a browser would write it: a server may know itself by no other.
                let port = (!url.has_default_port).then_some(url.port);
                Authority { host: url.host.clone(), port }
            }
            UpstreamAddress::Unix(_) | UpstreamAddress::Auto => visitor.clone(),
        },
    }
}

/// How long a failed request waits for the launcher to say whether, and why, its program has ended: it notices at once.
const FATE_PATIENCE: Duration = Duration::from_millis(250);

/// Nodes of our kind that a request may have passed: a platform's front, the server a customer moved from, the one of the
/// account. More is a circle, round several of them or one that is started again and again; each round costs a connection.
const MOST_HOPS: usize = 4;
