//! What is remembered of a request for the access log and the metrics, from its head to its end.

use super::asker::Asker;
use super::connection::Connection;
use super::exchange::Times;
use super::worker::Event;
use crate::account::{Account, Site};
use crate::base::{
    AccountName, Cause, Headers, NameText, Refusal, Repairs, RequestId, TrustName, UpstreamName, Wait, Waits,
    now,
};
use crate::config::{LogFile, LogFormat};
use crate::message::{Known, RequestHead, Scheme, Version};
use crate::telemetry::{
    self, Done, InFlight, LogProtocol, Protocol, Recalled, Span, Texts, TunnelGauge, Visit,
};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One request's record.
pub struct Record {
    id: RequestId,
    begun: Instant,
    asker: Asker,
    account: Option<Arc<Account>>,
    format: LogFormat,
    file: LogFile,
    status: u16,
    cause: Option<Cause>,
    repairs: Repairs,
    /// What the format asks of the answer.
    response_headers: ToldHeaders,
    body_sent: u64,
    body_received: u64,
    upstream: Option<Duration>,
    own: Option<Duration>,
    waits: Waits,
    site: NameText,
    upstream_name: NameText,
    /// What exactly was wrong.
    detail: Cow<'static, str>,
    tunnel: Option<TunnelGauge>,
    switched: bool,
    /// Of the first request alone: the connection is told with it.
    visit: Option<Box<Visit>>,
    span: Span,
    _in_flight: InFlight,
}

impl Record {
    /// The request's head is there.
    pub fn begin(connection: &Connection, head: &RequestHead) -> Self {
        let worker = &connection.worker;
        let begun = now();
        let parent = || head.fields().only(Known::Traceparent);
        Self {
            id: worker.request_id(),
            begun,
            asker: Asker::of_connection(connection),
            account: None,
            format: LogFormat::Advanced,
            file: LogFile::default(),
            status: 0,
            cause: None,
            repairs: head.repairs(),
            response_headers: Vec::new(),
            body_sent: 0,
            body_received: 0,
            upstream: None,
            own: None,
            waits: Waits::default(),
            site: NameText::NONE,
            upstream_name: NameText::NONE,
            detail: Cow::Borrowed(""),
            tunnel: None,
            switched: false,
            visit: connection.visit.take(),
            span: worker.spans.begin(connection.node.tracing.as_ref(), parent, || worker.random(), begun),
            _in_flight: worker.metrics.in_flight(protocol(head)),
        }
    }

    /// The request's id.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Its part of a trace.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Whose it is.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_deref()
    }

    /// When it began.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// Who asks.
    pub fn asker(&self) -> &Asker {
        &self.asker
    }

    /// The account names the sets `trust`: whom they name asks.
    pub fn believe(&mut self, connection: &Connection, head: &RequestHead, trust: &[TrustName]) {
        self.asker.believe(connection, head, trust);
    }

    /// Whose request it is, and of which site: how and where its line is written.
    pub fn found(&mut self, account: &Arc<Account>, site: &Site) {
        self.belongs_to(account);
        self.format = site.log_format.clone();
        self.file = site.log_file.clone();
        self.site = NameText::new(site.name.as_str());
    }

    /// Who is to answer it.
    pub fn goes_to(&mut self, upstream: &UpstreamName) {
        self.upstream_name = NameText::new(upstream.as_str());
    }

    /// Whose request it is.
    pub fn belongs_to(&mut self, account: &Arc<Account>) {
        self.account = Some(Arc::clone(account));
    }

    /// Whom it waited for, and how long.
    pub fn waits(&mut self) -> &mut Waits {
        &mut self.waits
    }

    /// An answer of our own began, with these fields.
    pub fn answered(&mut self, status: u16, headers: &dyn Headers) {
        self.response_headers = told_headers(&self.format, headers);
        self.status = status;
    }

    /// Bytes of an answer of our own were sent.
    pub fn sent(&mut self, bytes: u64) {
        self.body_sent = bytes;
    }

    /// The request became a tunnel.
    pub fn switched(&mut self, connection: &Connection) {
        self.switched = true;
        self.tunnel = Some(connection.worker.metrics.tunnel());
    }

    /// An exchange with an upstream ended, well or not.
    pub fn exchanged(&mut self, status: u16, times: Times, body_sent: u64, body_received: u64) {
        self.status = status;
        self.body_sent = body_sent;
        self.body_received = body_received;
        let before = times.begun.saturating_duration_since(self.begun);
        match (times.sent, times.answered) {
            (Some(sent), Some(answered)) => {
                let upstream = answered.saturating_duration_since(sent);
                self.upstream = Some(upstream);
                self.own = Some(before.saturating_sub(self.waits.sum()));
                self.waits.add(Wait::FirstByte, upstream);
            }
            (Some(sent), None) => self.waits.add(Wait::FirstByte, now().saturating_duration_since(sent)),
            (None, _) => {}
        }
        self.waits.add(Wait::Client, times.client);
    }

    /// Something of the answer was not as it should have been, and passed.
    pub fn repaired(&mut self, repairs: Repairs) {
        self.repairs.add(repairs);
    }

    /// The fields of the answer that the format asks for.
    pub fn told_headers(&mut self, told: ToldHeaders) {
        self.response_headers = told;
    }

    /// The request failed.
    pub fn failed(&mut self, connection: &Connection, refusal: &Refusal) {
        self.cause = Some(refusal.cause);
        self.detail.clone_from(&refusal.detail);
        if let Some(upstream) = &refusal.upstream {
            self.goes_to(upstream);
        }
        if self.status == 0 {
            self.status = refusal.cause.verdict().status;
        }
        tell(connection, self.asker.ip, self.account.as_deref(), self.id, refusal);
    }

    /// Writes the record: counters and the account's log line.
    pub fn finish(mut self, connection: &Connection, head: &RequestHead) {
        let worker = &connection.worker;
        let end = now();
        let duration = end.saturating_duration_since(self.begun);
        worker.metrics.request_done(&Done {
            protocol: protocol(head),
            status: self.status,
            duration,
            own: self.own,
            upstream: self.upstream,
            cause: self.cause,
        });
        if !self.repairs.is_empty() {
            tell_repairs(connection, &self);
        }
        worker.metrics.body_received(self.body_received);
        worker.metrics.body_sent(self.body_sent);
        if let Some(account) = &self.account {
            if let Some(cause) = self.cause {
                account.live().failed(cause);
            }
            account.live().answered(self.status, self.body_received, self.body_sent);
        }
        if worker.recent.is_on() || self.span.is_on() {
            self.remember(connection, head, end);
        }
        if let Some(visit) = self.visit.take() {
            visit.tell(head.authority().host.as_bytes(), self.account.as_ref().map(|account| account.name()));
        }
        if !worker.access_log.is_on() {
            return;
        }
        let secured = self.asker.scheme == Scheme::Https;
        worker.access_log.write(&telemetry::Record {
            account: self.account.as_ref().map(|account| account.name()),
            site_file: self.file.as_str(),
            format: &self.format,
            host: Some(head.authority().host.as_bytes()),
            client: self.asker.text,
            client_port: (self.asker.ip == connection.client.ip()).then(|| connection.client.0.port()),
            peer: connection.peer,
            completed: worker.clock.wall_at(end),
            duration,
            waits: &self.waits,
            tls: connection.tls.as_ref().map(|tls| tls.version()),
            protocol: match (self.switched, secured) {
                (false, false) => LogProtocol::Http,
                (false, true) => LogProtocol::Https,
                (true, false) => LogProtocol::Ws,
                (true, true) => LogProtocol::Wss,
            },
            method: head.method(),
            target: head.path_and_query(),
            version: version(head),
            status: self.status,
            body_bytes: self.body_sent,
            referer: head.fields().first(Known::Referer),
            user_agent: head.fields().first(Known::UserAgent),
            request_headers: head.fields(),
            response_headers: &self.response_headers,
            request_id: self.id,
            cause: self.cause,
        });
    }

    /// Keeps it for who asks for its id, and tells its span.
    fn remember(&self, connection: &Connection, head: &RequestHead, end: Instant) {
        let worker = &connection.worker;
        let recalled = Recalled {
            id: self.id,
            completed: worker.clock.wall_at(end),
            duration: end.saturating_duration_since(self.begun),
            waits: self.waits,
            status: self.status,
            cause: self.cause,
            sent: self.body_sent,
            received: self.body_received,
            texts: Texts {
                account: self.account.as_ref().map_or(&b""[..], |account| account.name().as_str().as_bytes()),
                site: self.site.as_bytes(),
                upstream: self.upstream_name.as_bytes(),
                client: self.asker.text.as_bytes(),
                version: telemetry::version_text(version(head)),
                method: head.method(),
                host: head.authority().host.as_bytes(),
                detail: self.detail.as_bytes(),
                path: head.path(),
            },
        };
        worker.recent.remember(&recalled);
        worker.spans.end(self.span, self.asker.scheme == Scheme::Https, &recalled);
    }
}

/// Fields of an answer, as the format asks for them.
pub type ToldHeaders = Vec<Option<Box<[u8]>>>;

/// Those of the answer's fields that `format` asks for, in its order. Cost: nothing for the formats that nearly all have.
pub fn told_headers(format: &LogFormat, headers: &dyn Headers) -> ToldHeaders {
    format.response_headers().map(|name| headers.header(name).map(Into::into)).collect()
}

/// A head that never became a request: counted, told to the node's log, and given an id for its page.
pub fn refused_head(connection: &Connection, refusal: &Refusal) -> RequestId {
    let id = connection.worker.request_id();
    let worker = &connection.worker;
    worker.metrics.failed(refusal.cause);
    if worker.recent.is_on() {
        worker.recent.remember(&Recalled {
            id,
            completed: worker.clock.wall_at(now()),
            duration: Duration::ZERO,
            waits: Waits::NONE,
            status: refusal.cause.verdict().status,
            cause: Some(refusal.cause),
            sent: 0,
            received: 0,
            texts: Texts {
                client: connection.client_text.as_bytes(),
                detail: refusal.detail.as_bytes(),
                ..Texts::default()
            },
        });
    }
    tell(connection, connection.client.ip(), None, id, refusal);
    id
}

fn version(head: &RequestHead) -> http::Version {
    match head.version() {
        Version::Http10 => http::Version::HTTP_10,
        Version::Http11 => http::Version::HTTP_11,
        Version::Http2 => http::Version::HTTP_2,
    }
}

fn protocol(head: &RequestHead) -> Protocol {
    match head.version() {
        Version::Http2 => Protocol::Http2,
        Version::Http10 | Version::Http11 => Protocol::Http1,
    }
}

/// Counts what was mended, and tells the node's log: the first of a kind (account and repair) at once, then how many more
/// there were. What visitors' programs get wrong may be an attack that is on its way; what sites do is their own affair.
#[cold]
fn tell_repairs(connection: &Connection, record: &Record) {
    let name = record.account.as_deref().map(Account::name);
    let (account, id, client) = (name.map_or("-", AccountName::as_str), record.id, record.asker.ip);
    for repair in record.repairs.iter() {
        connection.worker.metrics.repaired(repair);
        let key = (name.cloned(), Event::Repaired(repair));
        let Some(more) = connection.worker.told.borrow_mut().tell(key, now()) else { continue };
        if repair.of() == "request" {
            tracing::info!(account, %client, %id, what = repair.word(), more, "request mended");
        } else {
            tracing::debug!(account, %id, what = repair.word(), more, "answer mended");
        }
    }
}

/// Tells the node's log, at the level of the cause's row, and the account's site log where an upstream is to blame: the first of
/// a kind (account, upstream and cause) at once, then how many more there were. The access log has a line for each.
fn tell(
    connection: &Connection,
    client: IpAddr,
    account: Option<&Account>,
    id: RequestId,
    refusal: &Refusal,
) {
    let verdict = refusal.cause.verdict();
    let name = account.map(Account::name);
    let key = (name.cloned(), Event::Failed(refusal.cause, refusal.upstream.clone()));
    let Some(more) = connection.worker.told.borrow_mut().tell(key, now()) else { return };
    let (word, detail) = (verdict.word, &*refusal.detail);
    if let (Some(name), Some(upstream)) = (name, &refusal.upstream) {
        // The customer reads what the operator does, and for the same price.
        let before = if more > 0 { format!(", and {more} like it before") } else { String::new() };
        let text = format_args!("Request failed: {word}: {detail} (request {id}{before})");
        connection.worker.site_log.tell(name, upstream, text);
    }
    let account = name.map_or("-", AccountName::as_str);
    let upstream = refusal.upstream.as_ref().map(|upstream| format!("upstream {upstream}: {detail}"));
    let detail = upstream.as_deref().unwrap_or(detail);
    match verdict.level {
        tracing::Level::ERROR => {
            tracing::error!(account, %client, %id, cause = word, detail, more, "request failed");
        }
        tracing::Level::WARN => {
            tracing::warn!(account, %client, %id, cause = word, detail, more, "request failed");
        }
        tracing::Level::INFO => {
            tracing::info!(account, %client, %id, cause = word, detail, more, "request refused");
        }
        _ => tracing::debug!(account, %client, %id, cause = word, detail, more, "request refused"),
    }
}
