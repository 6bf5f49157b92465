//! What is told about the node: metrics, the accounts' access logs, the node's own log. Knows names, numbers
//! and bytes; knows no account, no connection and no request beyond what it is handed.

mod access_log;
mod busiest;
mod cell;
mod counters;
mod family;
mod metrics;
mod node_log;
mod pools;
mod process;
mod programs;
mod repeat;
mod shard;
mod sum;

pub use access_log::{AccessLog, AccessLogFactory, LogProtocol, LogTally, LogWriter, Record};
pub use busiest::{AccountSample, AccountSource};
pub use family::{FAMILIES, Family, Kind};
pub use metrics::{ChangeResult, DocumentCounts, LogTallySource, Metrics};
pub use node_log::NodeLog;
pub use programs::{ProgramFigures, StartResult};
pub use repeat::{Repeated, Sparse};
pub use shard::{
    ConnectionGauge, ConnectionProtocol, Done, HandshakeFailure, InFlight, Protocol, Shard, TlsVersion,
    TunnelGauge, UpstreamGauge,
};
