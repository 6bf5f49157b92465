//! The launcher as a process of its own, on the node file of an edge: started, ended, its log read.

use super::edge::{BINARY, collect};
use super::wait;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// A running launcher.
pub struct Launcher {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Launcher {
    /// Starts it on the node file in `directory` and waits until it listens.
    #[track_caller]
    pub fn start(directory: &Path) -> Self {
        Self::start_with(directory, &[])
    }

    /// The same with further variables.
    #[track_caller]
    pub fn start_with(directory: &Path, variables: &[(&str, &Path)]) -> Self {
        let mut child = Command::new(BINARY)
            .args(["launcher", "--config", "parvis.toml"])
            .current_dir(directory)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let (log, _) = collect(child.stderr.take().expect("piped"));
        let mut launcher = Self { child, log };
        wait::until("the launcher to listen", || {
            let ended = launcher.child.try_wait().expect("a child");
            assert!(ended.is_none(), "the launcher ended at once: {}", launcher.log());
            launcher.log().contains("launching").then_some(())
        });
        launcher
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("no reader panics").clone()
    }

    /// Waits until its log holds `text`.
    #[track_caller]
    pub fn expect_log(&self, text: &str) {
        wait::until(text, || self.log().contains(text).then_some(()));
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the launcher runs");
    }

    /// Waits until it has ended in order.
    #[track_caller]
    pub fn wait(mut self) {
        let status = wait::until("the launcher to end", || self.child.try_wait().expect("a child"));
        assert!(status.success(), "the launcher ended: {status}");
    }

    /// Ends it by force and waits until it has ended.
    pub fn kill(mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the launcher's log ---\n{}---", self.log());
        }
        if self.child.try_wait().expect("a child").is_none() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            // In order first: what it started ends with it either way.
            if wait::try_until(wait::PATIENCE, || self.child.try_wait().expect("a child")).is_none() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
        let panicked = self.log().contains("panicked at");
        assert!(std::thread::panicking() || !panicked, "the launcher panicked: {}", self.log());
    }
}
