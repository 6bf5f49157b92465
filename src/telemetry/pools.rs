//! The pools' figures: what the workers have in use of what comes back.

use super::family::{BUFFERS_IN_USE, Family, PIPES_IN_USE};
use crate::base::Pooled;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

/// Reads them at a scrape.
#[derive(Debug)]
pub(super) struct PoolCollector {
    descs: Vec<Desc>,
}

impl PoolCollector {
    pub(super) fn new() -> prometheus::Result<Self> {
        let descs = COLLECTED.iter().map(|(family, _)| family.desc()).collect::<prometheus::Result<_>>()?;
        Ok(Self { descs })
    }
}

impl Collector for PoolCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        COLLECTED.iter().map(|(family, pooled)| family.with_one(pooled.in_use() as f64)).collect()
    }
}

const COLLECTED: [(Family, Pooled); 2] = [(BUFFERS_IN_USE, Pooled::Block), (PIPES_IN_USE, Pooled::Pipe)];
