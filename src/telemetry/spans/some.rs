//! The workers' side of spans: which requests are exported, and as which part of which trace.

use super::Traceparent;
use super::budget::Budget;
use super::context::Context;
use super::export::{self, Exporter, Told};
use super::figures::Fate;
use crate::base::Share;
use crate::config::{Node, Tracing};
use crate::telemetry::Recalled;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

/// The exporter of the node, where it has one. Dropped last, as [`finish`](Self::finish) says.
#[derive(Debug)]
pub struct Spans {
    exporter: Option<Exporter>,
    budget: Arc<Budget>,
}

/// A worker's end.
#[derive(Clone, Debug)]
pub struct Tracer {
    queue: Option<Sender<Told>>,
    budget: Arc<Budget>,
}

/// A request's span, where it is exported.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub(super) Option<Ids>);

/// What a span is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ids {
    /// Its trace.
    pub(super) trace: u128,
    /// Its own.
    pub(super) own: u64,
    /// The span of whoever asked us; 0: the trace begins here.
    pub(super) parent: u64,
}

impl Spans {
    /// Starts the exporter's thread, where `[tracing]` asks for one.
    ///
    /// # Errors
    /// When the system gives no thread, or the collector's URL is none after all.
    pub fn start(node: &Node) -> io::Result<Self> {
        let exporter = node.collector().map(|endpoint| export::start(endpoint, &node.name)).transpose()?;
        Ok(Self { exporter, budget: Arc::new(Budget::new()) })
    }

    /// A worker's end.
    pub fn worker(&self) -> Tracer {
        let queue = self.exporter.as_ref().map(Exporter::queue);
        Tracer { queue, budget: Arc::clone(&self.budget) }
    }

    /// Sends what is queued; returns when that is done, or after `patience`. The workers have ended.
    pub fn finish(self, patience: Duration) {
        if let Some(exporter) = self.exporter {
            exporter.finish(patience);
        }
    }
}

impl Tracer {
    /// A request begins at `now`: whether it is exported, by the share that `tracing` says and by its own `traceparent`,
    /// which is looked for where there is an exporter. `random` gives fresh bits. Cost, where it is not exported: a look
    /// for the field and a few random bits; no allocation, and nothing shared but for requests whose parent is sampled.
    #[inline]
    pub fn begin<'a>(
        &self,
        tracing: Option<&Tracing>,
        traceparent: impl FnOnce() -> Option<&'a [u8]>,
        random: impl Fn() -> u128,
        now: Instant,
    ) -> Span {
        match (&self.queue, tracing) {
            (Some(_), Some(tracing)) => Span(self.choose(tracing, traceparent(), random, now)),
            _ => Span(None),
        }
    }

    fn choose(
        &self,
        tracing: &Tracing,
        traceparent: Option<&[u8]>,
        random: impl Fn() -> u128,
        now: Instant,
    ) -> Option<Ids> {
        let parent = traceparent.and_then(Context::parse);
        let drawn = random();
        let is_asked_for =
            parent.is_some_and(|parent| parent.sampled) && self.budget.take(tracing.sampled_parents, now);
        if !is_asked_for && !is_drawn(drawn as u64, tracing.sample) {
            return None;
        }
        // No id is 0.
        let (own, fresh) = ((drawn >> 64) as u64 | 1, || random() | 1);
        let (trace, parent) = parent.map_or_else(|| (fresh(), 0), |parent| (parent.trace, parent.span));
        Some(Ids { trace, own, parent })
    }

    /// A request has ended, over TLS or not: what is known of it goes to the exporter, where it is exported, or is counted
    /// where the exporter is too far behind. Cost: a copy of the texts.
    #[inline]
    pub fn end(&self, span: Span, is_secured: bool, recalled: &Recalled<&[u8]>) {
        if let (Span(Some(ids)), Some(queue)) = (span, &self.queue) {
            let told = Told::new(ids, is_secured, recalled);
            if queue.try_send(told).is_err() {
                Fate::Dropped.count(1);
            }
        }
    }
}

impl Span {
    /// Whether it is exported.
    #[inline]
    pub fn is_on(self) -> bool {
        self.0.is_some()
    }

    /// Whether its trace began before it.
    pub fn has_parent(self) -> bool {
        self.0.is_some_and(|ids| ids.parent != 0)
    }

    /// What the upstream is told, where it is exported: the trace goes on with this span above it.
    pub fn traceparent(self) -> Option<Traceparent> {
        self.0.map(|ids| Context { trace: ids.trace, span: ids.own, sampled: true }.write())
    }
}

/// Whether one of all the numbers there are is among the first `share` of them.
fn is_drawn(number: u64, share: Share) -> bool {
    u128::from(number) * u128::from(Share::WHOLE.0) < u128::from(share.0) << 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Rate, now};
    use tokio::sync::mpsc;

    const SAMPLED: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn tracing(sample: u32, parents: u64) -> Tracing {
        let rate = Rate { count: parents, period: Duration::from_secs(1) };
        Tracing { endpoint: "http://[::1]:4317".to_owned(), sample: Share(sample), sampled_parents: rate }
    }

    fn tracer() -> (Tracer, mpsc::Receiver<Told>) {
        let (queue, received) = mpsc::channel(1);
        (Tracer { queue: Some(queue), budget: Arc::new(Budget::new()) }, received)
    }

    #[test]
    fn a_share_is_what_is_drawn() {
        for (share, most) in [(0, None), (1_000_000, Some(u64::MAX)), (500_000, Some(u64::MAX / 2))] {
            assert_eq!(is_drawn(0, Share(share)), most.is_some());
            assert!(most.is_none_or(|most| is_drawn(most, Share(share))));
            assert!(most.is_none_or(|most| most == u64::MAX || !is_drawn(most + 1, Share(share))));
        }
    }

    #[test]
    fn who_is_exported() {
        let (tracer, _received) = tracer();
        let start = now();
        let begin = |tracing: &Tracing, parent: Option<&'static [u8]>| {
            tracer.begin(Some(tracing), || parent, || u128::MAX, start)
        };
        assert!(!begin(&tracing(0, 0), None).is_on());
        assert!(!begin(&tracing(0, 0), Some(SAMPLED)).is_on(), "no budget for parents");
        let unsampled = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        assert!(!begin(&tracing(999_999, 9), Some(unsampled)).is_on());
        // Of three that somebody else sampled two are taken; of the others the whole.
        let of_parents = tracing(0, 2);
        assert_eq!((0..3).filter(|_| begin(&of_parents, Some(SAMPLED)).is_on()).count(), 2);
        assert!(begin(&tracing(1_000_000, 2), Some(SAMPLED)).is_on());
        assert!(!tracer.begin(None, || Some(SAMPLED), || 0, start).is_on());
    }

    #[test]
    fn the_trace_goes_on_or_begins() {
        let (tracer, _received) = tracer();
        let span = |parent| tracer.begin(Some(&tracing(1_000_000, 0)), || parent, || 6 << 64 | 8, now());
        let on = span(Some(SAMPLED));
        assert_eq!(on.traceparent().unwrap(), *b"00-0af7651916cd43dd8448eb211c80319c-0000000000000007-01");
        assert!(on.has_parent());
        let new = span(Some(b"nothing"));
        assert_eq!(new.traceparent().unwrap(), *b"00-00000000000000060000000000000009-0000000000000007-01");
        assert!(!new.has_parent());
    }
}
