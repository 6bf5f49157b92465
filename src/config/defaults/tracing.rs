//! The defaults of `[tracing]` of the node file.

use crate::base::{Rate, Share};
use crate::config::setting::Setting;
use std::time::Duration;

/// `[tracing] sample`.
pub(in crate::config) const SAMPLE: Setting<Share> = Setting {
    name: "sample",
    default: Share(10_000),
    least: Share(0),
    most: Share::WHOLE,
    effect: "The share of requests that are exported though no `traceparent` of theirs says that their trace is sampled. \
             Holds for new connections.",
    reason: "One of a hundred shows where time goes on a node that has traffic.",
    cost: "An exported request costs some ten microseconds of processor time and 600 bytes to the collector; more than \
           4,000 a second are dropped and counted.",
};

/// `[tracing] sampled_parents`.
pub(in crate::config) const SAMPLED_PARENTS: Setting<Rate> = Setting {
    name: "sampled_parents",
    default: Rate { count: 100, period: Duration::from_secs(1) },
    least: Rate { count: 0, period: Duration::from_secs(1) },
    most: Rate { count: 100_000, period: Duration::from_secs(1) },
    effect: "Requests of the node that are exported because their `traceparent` says that their trace is sampled, with as \
             many at once as the period allows. Beyond, and with `\"0/s\"`, `sample` decides. Holds for new connections.",
    reason: "Any visitor may send such a field: what it costs must not be theirs to say.",
    cost: "As of `sample`.",
};
