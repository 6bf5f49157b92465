//! The exporter: a thread of its own, with its own runtime, that turns what workers tell into spans by the names that
//! OpenTelemetry has for them (semantic conventions of HTTP servers), and sends them in batches (OTLP over gRPC). A collector
//! that is away, or slow, costs spans: nobody waits for it, nothing is sent twice.

use super::figures::Fate;
use super::some::Ids;
use crate::base::{Blame, Cause, Wait, now, system_time};
use crate::telemetry::{Recalled, Sparse};
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use std::borrow::Cow;
use std::convert::Infallible;
use std::io;
use std::sync::mpsc as sync;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// What a worker tells of a request.
#[derive(Debug)]
pub(super) struct Told {
    ids: Ids,
    is_secured: bool,
    recalled: Recalled<String>,
}

/// The thread, held by whoever runs the node.
#[derive(Debug)]
pub(super) struct Exporter {
    queue: Sender<Told>,
    /// Closed when nothing more is waited for.
    stop: Sender<Infallible>,
    /// Closed when the thread ends.
    ended: sync::Receiver<Infallible>,
}

/// Starts the thread. `endpoint` is `http://HOST:PORT`.
///
/// # Errors
/// When the system gives no thread or no epoll, or `endpoint` is no URL.
pub(super) fn start(endpoint: &str, node: &str) -> io::Result<Exporter> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut exporter = {
        let _entered = runtime.enter();
        SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_PATIENCE)
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .map_err(io::Error::other)?
    };
    exporter.set_resource(&resource(node));
    let (queue, told) = channel(QUEUE);
    let (stop, stopped) = channel(1);
    let (end, ended) = sync::sync_channel(0);
    let endpoint = endpoint.to_owned();
    std::thread::Builder::new().name("spans".to_owned()).spawn(move || {
        runtime.block_on(run(&exporter, &endpoint, told, stopped));
        drop(end);
    })?;
    Ok(Exporter { queue, stop, ended })
}

impl Exporter {
    /// A worker's way in.
    pub(super) fn queue(&self) -> Sender<Told> {
        self.queue.clone()
    }

    /// Sends what is queued; returns when that is done, or after `patience`.
    pub(super) fn finish(self, patience: Duration) {
        let Self { queue, stop, ended } = self;
        drop((queue, stop));
        // Nothing is ever sent: it ends with the thread or the patience.
        let _ = ended.recv_timeout(patience);
    }
}

/// Sends until the last worker has gone. Between two looks at the queue nobody waits for it, so that who fills it wakes
/// nobody: one wake-up a batch, none while there is nothing.
async fn run(
    exporter: &SpanExporter,
    endpoint: &str,
    mut told: Receiver<Told>,
    mut stopped: Receiver<Infallible>,
) {
    let scope = InstrumentationScope::builder("parvis").with_version(env!("CARGO_PKG_VERSION")).build();
    let failures = Sparse::new();
    while let Some(first) = told.recv().await {
        let _ = tokio::time::timeout(GATHER, stopped.recv()).await;
        let mut next = Some(first);
        while let Some(first) = next {
            let mut batch = Vec::with_capacity(BATCH.min(told.len() + 1));
            batch.push(first.into_span(&scope));
            while batch.len() < BATCH
                && let Ok(told) = told.try_recv()
            {
                batch.push(told.into_span(&scope));
            }
            send(exporter, endpoint, batch, &failures).await;
            next = told.try_recv().ok();
        }
    }
}

async fn send(exporter: &SpanExporter, endpoint: &str, batch: Vec<SpanData>, failures: &Sparse) {
    let spans = batch.len();
    match exporter.export(batch).await {
        Ok(()) => Fate::Exported.count(spans),
        Err(error) => {
            Fate::Lost.count(spans);
            if let Some(more) = failures.tell(now()) {
                tracing::warn!(endpoint, spans, more, "spans are lost: {error}");
            }
        }
    }
}

/// Who exports.
fn resource(node: &str) -> Resource {
    let attributes = [
        KeyValue::new("service.name", "parvis"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", node.to_owned()),
    ];
    Resource::builder_empty().with_attributes(attributes).build()
}

impl Told {
    /// A copy of what is known.
    pub(super) fn new(ids: Ids, is_secured: bool, recalled: &Recalled<&[u8]>) -> Self {
        let copy = |text: &[u8]| String::from_utf8_lossy(&text[..text.len().min(TEXT_BYTES)]).into_owned();
        Self { ids, is_secured, recalled: recalled.map(copy) }
    }

    fn into_span(self, scope: &InstrumentationScope) -> SpanData {
        let Self { ids: Ids { trace, own, parent }, is_secured, recalled } = self;
        let Recalled { id, completed, duration, waits, status, cause, texts, .. } = recalled;
        let mut attributes = Vec::with_capacity(ATTRIBUTES);
        let mut tell = |name: &'static str, text: String| {
            if !text.is_empty() {
                attributes.push(KeyValue::new(name, text));
            }
        };
        let known = METHODS.into_iter().find(|method| *method == texts.method);
        tell("http.request.method", known.unwrap_or("_OTHER").to_owned());
        if known.is_none() {
            tell("http.request.method_original", texts.method);
        }
        let verdict = cause.map(Cause::verdict);
        let failure = match verdict {
            Some(verdict) => Some(verdict.word.to_owned()),
            None => (status >= 500).then(|| status.to_string()),
        };
        let is_error = verdict.map_or(status >= 500, |v| matches!(v.blame, Blame::Site | Blame::Us));
        tell("url.scheme", if is_secured { "https" } else { "http" }.to_owned());
        tell("url.path", texts.path);
        tell("server.address", texts.host);
        tell("client.address", texts.client);
        tell("network.protocol.version", protocol_version(&texts.version).to_owned());
        tell("error.type", failure.unwrap_or_default());
        tell("parvis.account", texts.account);
        tell("parvis.site", texts.site);
        tell("parvis.upstream", texts.upstream);
        tell("parvis.request_id", id.to_string());
        attributes.push(KeyValue::new("http.response.status_code", i64::from(status)));
        for (wait, name) in Wait::ALL.into_iter().zip(WAITS) {
            let time = waits.of(wait);
            if !time.is_zero() {
                attributes.push(KeyValue::new(name, time.as_secs_f64()));
            }
        }
        let flags = TraceFlags::SAMPLED;
        SpanData {
            span_context: SpanContext::new(trace.into(), own.into(), flags, false, TraceState::NONE),
            parent_span_id: parent.into(),
            parent_span_is_remote: parent != 0,
            span_kind: SpanKind::Server,
            name: Cow::Borrowed(known.unwrap_or("HTTP")),
            start_time: system_time(completed.saturating_sub(duration)),
            end_time: system_time(completed),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if is_error { Status::error(texts.detail) } else { Status::Unset },
            instrumentation_scope: scope.clone(),
        }
    }
}

/// `2` of `HTTP/2.0`, as the conventions have it.
fn protocol_version(version: &str) -> &str {
    let version = version.strip_prefix("HTTP/").unwrap_or(version);
    version.strip_suffix(".0").filter(|major| *major != "1").unwrap_or(version)
}

/// Methods that are told by name; whatever else visitors call theirs is one.
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"];

/// In the order of [`Wait::ALL`]: seconds.
const WAITS: [&str; Wait::ALL.len()] = [
    "parvis.queued_time",
    "parvis.parked_time",
    "parvis.connecting_time",
    "parvis.first_byte_time",
    "parvis.client_time",
];

/// Attributes that a span may have.
const ATTRIBUTES: usize = 18;

/// Bytes kept of each text: paths may be as long as a head.
const TEXT_BYTES: usize = 1024;

/// Requests that may wait for the exporter: what a busy node samples in half a second. With common texts 2 MB, 10 MB at
/// the worst.
const QUEUE: usize = 2048;

/// Spans sent at once: some 300 kB.
const BATCH: usize = 512;

/// How long others are waited for once there is one.
const GATHER: Duration = Duration::from_millis(500);

/// How long a collector may take for a batch.
const EXPORT_PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
