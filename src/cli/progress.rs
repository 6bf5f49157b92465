//! A line that says how far something is, for whoever looks: from the second on, on a terminal alone, and gone when it is
//! done. Programs that read what is printed never see it.

use crate::base::now;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Something under way, until it is dropped.
pub(super) struct Progress {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    done: AtomicU64,
    ended: AtomicBool,
}

impl Progress {
    /// `what` is under way: `documents read`.
    pub(super) fn of(what: &'static str) -> Self {
        let shared = Arc::new(Shared::default());
        let told = Arc::clone(&shared);
        // Where no thread can be had nothing is told of it.
        let thread =
            io::stderr().is_terminal().then(|| thread::Builder::new().spawn(move || told.tell(what)).ok());
        Self { shared, thread: thread.flatten() }
    }

    /// One more is done. Cost: an atomic add.
    pub(super) fn step(&self) {
        self.shared.done.fetch_add(1, Relaxed);
    }
}

impl Shared {
    fn tell(&self, what: &str) {
        let begun = now();
        let mut is_shown = false;
        while !self.ended.load(Relaxed) {
            thread::park_timeout(EVERY);
            let passed = now().saturating_duration_since(begun);
            if passed < PATIENCE || self.ended.load(Relaxed) {
                continue;
            }
            is_shown = true;
            let done = match self.done.load(Relaxed) {
                0 => String::new(),
                done => format!("{done} "),
            };
            let _ = write!(io::stderr(), "\r\x1b[K{done}{what}, {} s", passed.as_secs());
        }
        if is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.shared.ended.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It cannot panic, and clears its line before it ends.
            let _ = thread.join();
        }
    }
}

/// What takes no longer is not told of.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the line is written anew.
const EVERY: Duration = Duration::from_millis(250);
