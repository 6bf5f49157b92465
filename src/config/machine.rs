//! What the machine says of itself, for the words `"auto"` and the default name. Read once, before a node file
//! is checked; a test makes one up.

use crate::base::Host;

/// The machine a node file is checked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    /// Its host name, where that is one.
    pub(super) name: Option<String>,
    /// CPUs this process may use: at least 1.
    pub(super) processors: usize,
    /// Descriptors this process may open; `None`: without limit.
    pub(super) descriptors: Option<u64>,
}

impl Machine {
    /// Asks the system. Who runs the node raises its soft descriptor limit before.
    pub(super) fn read() -> Self {
        let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        Self {
            name: name.filter(|name| Host::parse(name.as_bytes()).is_ok()),
            processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            descriptors: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
        }
    }
}
