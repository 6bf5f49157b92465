//! What everything rests on: names, addresses, hosts, quantities, causes, buffers, the clock. Pure but for the
//! clock, the per-thread buffer pool and its counts; knows no socket, no file and no HTTP message.

mod addr;
mod allowance;
mod base64;
mod below;
mod buffer;
mod cause;
mod clock;
mod drain;
mod hash;
mod headers;
mod host;
mod id;
mod loans;
mod networks;
mod quantity;
mod repair;
mod special;
mod waits;
pub mod queue;
pub(crate) mod sync;

pub use addr::{AddressText, ClientAddr, ClientKey, LocalAddr, PeerAddr};
pub use allowance::Allowance;
pub use base64::base64;
pub use below::{open_below, read_below};
pub use buffer::{BUFFER_BYTES, Buffer, LARGE_BUFFER_BYTES};
pub use cause::{Blame, Cause, Refusal, Verdict};
pub use clock::{Clock, now, system_time, wall};
pub use drain::{Drain, DrainSwitch};
pub use hash::{DocumentHash, NoHash};
pub use headers::{FieldLines, Headers};
pub use host::{Authority, Host, HostError, HostPattern, PathPrefix, SiteAddress};
pub use id::{AccountName, LogFileName, NameError, NameText, RequestId, SiteName, TrustName, UpstreamName};
pub use loans::Pooled;
pub use networks::{Access, Networks};
pub use quantity::{
    ByteSize, QuantityError, Rate, Share, parse_byte_size, parse_duration, parse_rate, parse_share,
    written_duration,
};
pub use repair::{Repair, Repairs};
pub use special::special;
pub use waits::{Wait, Waiting, Waits};
