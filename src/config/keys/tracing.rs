//! `[tracing]` of the node file.

use crate::config::defaults as d;
use crate::config::setting::{Absent, Key, Section};

/// `[tracing]`.
pub(in crate::config) static TRACING: Section = Section {
    name: "tracing",
    header: "[tracing]",
    many: false,
    about: "Where spans of requests go (OpenTelemetry), in a build with the feature `otel`; in others the table is an error. \
            See [tracing.md](tracing.md).",
    keys: &[&TRACING_ENDPOINT, &d::SAMPLE, &d::SAMPLED_PARENTS],
    tables: &[],
    later: &[],
    foreign: &[],
};
pub(in crate::config) const TRACING_ENDPOINT: Key = Key {
    name: "endpoint",
    takes: "the URL of a collector that speaks OTLP over gRPC in clear: `\"http://[::1]:4317\"`",
    absent: Absent::Required,
    effect: "Where spans are sent. One that is away costs spans, which are counted (`parvis_spans_total`), and no request \
             anything. Takes effect at a restart.",
};
