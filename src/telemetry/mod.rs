//! What is told about the node: metrics, the accounts' access and site logs, the node's own log. Knows names, numbers
//! and bytes; knows no account, no connection and no request beyond what it is handed.

mod busiest;
mod cell;
mod counters;
mod family;
mod logs;
mod metrics;
mod node_log;
mod pools;
mod process;
mod programs;
mod recent;
mod repeat;
mod shard;
mod spans;
mod sum;

pub use busiest::{AccountSample, AccountSource};
pub use family::{FAMILIES, Family, Kind};
pub use logs::{AccessLog, LogFactory, LogProtocol, LogTally, LogWriter, Record, SiteLog, version_text};
pub use metrics::{ChangeResult, DocumentCounts, LogTallySource, Metrics};
pub use node_log::NodeLog;
pub use programs::{ProgramFigures, StartResult};
pub use recent::{Recalled, Recaller, Recent, Texts};
pub use repeat::{Repeated, Sparse};
pub use shard::{
    ConnectionGauge, ConnectionProtocol, Done, HandshakeFailure, InFlight, Protocol, Shard, TlsVersion,
    TunnelGauge, UpstreamGauge,
};
pub use spans::{Span, Spans, Traceparent, Tracer};
