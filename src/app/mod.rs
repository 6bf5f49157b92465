//! Placeholder.

use crate::config::Node;
use std::process::ExitCode;

/// Runs a node until it is drained.
pub fn run(_node: Node) -> ExitCode {
    ExitCode::FAILURE
}

/// Runs the demo.
pub fn demo() -> ExitCode {
    ExitCode::FAILURE
}
