//! The atomics and the lock of code whose every interleaving is tried: the standard ones, or loom's under
//! `--cfg loom_model`. The models run by
//! `RUSTFLAGS="--cfg loom_model" cargo test --target-dir target/loom --lib model::`.

#[cfg(not(loom_model))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
#[cfg(not(loom_model))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(loom_model)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
#[cfg(loom_model)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
