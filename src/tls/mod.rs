//! Which certificate and which policy a TLS handshake gets, and what its connection may then be asked for.
//! Reads certificate files when the control thread says so; opens no socket and drives no handshake.

mod certificates;
mod identity;
mod index;
mod policy;

pub use certificates::{CertificateSettings, Certificates, Problem, Reload, Summary};
pub use identity::{Holder, Identity};
pub use index::Index;
pub use policy::{Choice, Holders, Policies};
