//! What the process was started with: descriptors by number, and variables to be removed. Both are `unsafe` to touch,
//! and safe because it is done once, before any thread is started.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Takes over descriptor `number`, which nothing in this process owns yet, and sets close-on-exec. `None` where it
/// is not open.
pub(super) fn take_descriptor(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: `fcntl` with F_SETFD takes any number and tells by its result whether it is an open descriptor.
    let open = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == 0;
    // SAFETY: it is open (above), and the caller says that nobody owns it: whoever started this process passed it on
    // for us to take, and it is taken once.
    open.then(|| unsafe { OwnedFd::from_raw_fd(number) })
}

/// Removes a variable, so that no child of ours takes what was meant for us as meant for itself.
pub(super) fn remove_variable(name: &str) {
    // SAFETY: no other thread reads or writes the environment: the caller runs before any is started.
    unsafe { std::env::remove_var(name) }
}
