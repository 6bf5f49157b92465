//! Spans of requests for a collector (OpenTelemetry), and the trace that a request is part of (W3C Trace Context): which
//! requests are exported, what is told of each, and the thread that sends it. Workers hand over what they know and never
//! wait. Without the feature `otel` everything here is empty and costs nothing.

#[cfg(feature = "otel")]
mod budget;
#[cfg(feature = "otel")]
mod context;
#[cfg(feature = "otel")]
mod export;
mod figures;
#[cfg(not(feature = "otel"))]
mod none;
#[cfg(feature = "otel")]
mod some;

#[cfg(not(feature = "otel"))]
pub use none::{Span, Spans, Tracer};
#[cfg(feature = "otel")]
pub use some::{Span, Spans, Tracer};

pub(super) use figures::SpanCollector;

/// A `traceparent` as it is written (W3C Trace Context §3.2): `00-`, the trace, the span, the flags.
pub type Traceparent = [u8; 55];
