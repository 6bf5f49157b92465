//! Which account holds a host: the one table that all workers share, the rules by which accounts come to hold
//! hosts, and the order in which a change becomes visible. Knows nothing of what answers at a host (that is the
//! account's form) and keeps no file.

mod challenges;
mod claims;
mod hosts;
mod publish;
mod remembered;

pub use challenges::Challenges;
pub use claims::{Claims, Contest, Decision, Refusal};
pub use hosts::{DefaultSite, Hosts, Matched, Resolution};
pub use remembered::{Holding, Record, Remembered};
