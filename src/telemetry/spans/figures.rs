//! What became of spans, over all workers. Without the feature `otel` there are none: all figures are 0.

use crate::telemetry::family::SPANS;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What became of a span.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// The collector took it.
    Exported,
    /// The queue to the exporter was full.
    Dropped,
    /// The collector was not there, or did not take it.
    Lost,
}

/// Reads the figures at a scrape.
#[derive(Debug)]
pub(in crate::telemetry) struct SpanCollector {
    desc: Desc,
}

impl Fate {
    const ALL: [Self; 3] = [Self::Exported, Self::Dropped, Self::Lost];

    /// Counts spans.
    #[cfg_attr(not(feature = "otel"), expect(dead_code, reason = "there are none"))]
    pub(super) fn count(self, spans: usize) {
        COUNTS[self as usize].fetch_add(spans as u64, Relaxed);
    }

    fn label(self) -> &'static str {
        match self {
            Self::Exported => "exported",
            Self::Dropped => "dropped",
            Self::Lost => "lost",
        }
    }
}

impl SpanCollector {
    pub(in crate::telemetry) fn new() -> prometheus::Result<Self> {
        Ok(Self { desc: SPANS.desc()? })
    }
}

impl Collector for SpanCollector {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let series = |fate: Fate| SPANS.series(&[fate.label()], COUNTS[fate as usize].load(Relaxed) as f64);
        vec![SPANS.with(Fate::ALL.map(series).into())]
    }
}

static COUNTS: [AtomicU64; Fate::ALL.len()] = [const { AtomicU64::new(0) }; Fate::ALL.len()];
