//! The command line.

/// Parses the command line, runs the command, returns its exit code.
pub fn run() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
