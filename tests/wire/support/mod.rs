//! What the tests on the wire are written with: the real binary with its files ([`Edge`]), a raw connection for
//! either end ([`Raw`]), upstreams that follow the test ([`Recorder`]) or answer by themselves ([`Origin`]), and
//! HTTP/2 frame by frame ([`h2`]).
//!
//! Everything blocks, every wait has the same bound ([`wait::PATIENCE`]), every port is the kernel's choice. A
//! test drives both ends of the edge from one thread, so it reads from top to bottom in the order of the wire.

pub mod certificate;
#[cfg(feature = "otel")]
pub mod collector;
pub mod dns;
pub mod edge;
pub mod h2;
pub mod h2_origin;
pub mod hpack;
pub mod launcher;
pub mod machine;
pub mod message;
pub mod mortal;
pub mod origin;
pub mod program;
pub mod queue;
pub mod raw;
pub mod recorder;
pub mod wait;
pub mod way;

pub use edge::{Edge, account};
pub use launcher::Launcher;
pub use message::Message;
pub use origin::Origin;
pub use raw::{End, Raw};
pub use recorder::Recorder;
