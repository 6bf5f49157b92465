//! What the commands print, and where it goes: standard output and standard error, either of which somebody may have closed
//! before all was said. That is no mistake; a full disk is one.

use super::UNAVAILABLE;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Prints `text` to standard output as it is; what the command came to is `code`, which is returned.
pub(super) fn print(text: &str, code: ExitCode) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if !is_closed(&error) => {
            complain!("parvis: standard output: {error}");
            ExitCode::from(UNAVAILABLE)
        }
        _ => code,
    }
}

/// Whether nobody reads any more: whoever closed the other end has seen enough.
pub(super) fn is_closed(error: &io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}

/// Prints a line to standard error, where somebody reads it.
macro_rules! complain {
    ($($said:tt)*) => {
        _ = ::std::io::Write::write_fmt(&mut ::std::io::stderr(), format_args!("{}\n", format_args!($($said)*)))
    };
}
pub(super) use complain;
