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
mod single;
mod spans;
mod sum;

pub use busiest::{AccountGauges, AccountRank, AccountSample, AccountSource, Ranked};
pub use family::{ACCOUNT_FAMILIES, FAMILIES, Family, Kind};
pub use logs::{
    AccessLog, AccountLog, LogFactory, LogProtocol, LogTally, LogWriter, Record, RetentionSource, SiteLog,
    Visit, absent_logs, log_path, version_text,
};
pub use metrics::{ChangeResult, DocumentCounts, LogTallySource, Metrics};
pub use node_log::NodeLog;
pub use process::Usage;
pub use programs::{ProgramFigures, StartResult};
pub use recent::{Failing, Recalled, Recaller, Recent, Texts};
pub use repeat::{Repeated, Sparse};
pub use shard::{
    ConnectionGauge, ConnectionProtocol, Done, HandshakeFailure, InFlight, Protocol, Shard, TlsVersion,
    TunnelGauge, UpstreamGauge,
};
pub use single::{AccountFigures, ProgramUse, UpstreamFigures};
pub use spans::{Span, Spans, Traceparent, Tracer};
pub use sum::Totals;
