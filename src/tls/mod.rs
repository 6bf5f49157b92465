//! Which certificate and which policy a TLS handshake gets, and what its connection may then be asked for.
//! Reads certificate files when the control thread says so; opens no socket and drives no handshake.

mod attachments;
mod certificate;
mod certificates;
pub mod dev;
mod figures;
mod held;
mod holders;
mod identity;
mod index;
mod name;
mod place;
mod policy;
mod resolver;
mod self_signed;
#[cfg(test)]
mod testing;

pub use certificate::{Certificate, CertificateError, Validity};
pub use certificates::{CertificateSettings, Certificates, Problem, Reload};
pub use figures::Summary;
pub use holders::{Holder, Holders};
pub use identity::Identity;
pub use index::{Entry, Index, Rank, Shown};
pub use name::CertificateName;
pub use place::{Place, Source};
pub use policy::{Choice, Policies, provider};
