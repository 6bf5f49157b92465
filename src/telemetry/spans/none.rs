//! No spans: what a build without the feature `otel` has. Nothing here is more than its signature.

use super::Traceparent;
use crate::config::{Node, Tracing};
use crate::telemetry::Recalled;
use std::io;
use std::time::{Duration, Instant};

/// Nobody that spans go to.
#[derive(Debug)]
pub struct Spans;

/// A worker's end of it.
#[derive(Clone, Debug)]
pub struct Tracer;

/// A request that is not exported.
#[derive(Clone, Copy, Debug)]
pub struct Span;

impl Spans {
    /// Nothing to start: `[tracing]` was refused.
    ///
    /// # Errors
    /// None.
    pub fn start(_: &Node) -> io::Result<Self> {
        Ok(Self)
    }

    /// A worker's end.
    pub fn worker(&self) -> Tracer {
        Tracer
    }

    /// Nothing to wait for.
    pub fn finish(self, _: Duration) {}
}

impl Tracer {
    /// A request begins.
    #[inline]
    pub fn begin<'a>(
        &self,
        _: Option<&Tracing>,
        _: impl FnOnce() -> Option<&'a [u8]>,
        _: impl Fn() -> u128,
        _: Instant,
    ) -> Span {
        Span
    }

    /// A request has ended.
    #[inline]
    pub fn end(&self, _: Span, _: bool, _: &Recalled<&[u8]>) {}
}

impl Span {
    /// Whether it is exported: never.
    #[inline]
    pub fn is_on(self) -> bool {
        false
    }

    /// Whether its trace began before it.
    #[inline]
    pub fn has_parent(self) -> bool {
        false
    }

    /// What the upstream is told.
    #[inline]
    pub fn traceparent(self) -> Option<Traceparent> {
        None
    }
}
