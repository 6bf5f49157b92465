//! `parvis schema`, `completions` and `man`: what other programs need to know of the files and the command line.

use super::output::{self, complain};
use super::{Parvis, UNAVAILABLE};
use crate::config::{FileKind, schema as schema_of};
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;
use std::process::ExitCode;

/// Which schema is printed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Kind {
    /// Of the node file
    Node,
    /// Of the documents of accounts
    Account,
}

/// Prints the schema.
pub(super) fn schema(of: Option<Kind>) -> ExitCode {
    let of = of.map(|kind| match kind {
        Kind::Node => FileKind::Node,
        Kind::Account => FileKind::Account,
    });
    output::print(&format!("{:#}\n", schema_of(of)), ExitCode::SUCCESS)
}

/// Prints what `shell` completes the command line by.
pub(super) fn completions(shell: Shell) -> ExitCode {
    // Into memory, which does not refuse: it panics where it cannot write.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Parvis::command(), "parvis", &mut text);
    output::print(&String::from_utf8_lossy(&text), ExitCode::SUCCESS)
}

/// Writes the manual pages, one for each command, into `directory`.
pub(super) fn man(directory: &Path) -> ExitCode {
    match clap_mangen::generate_to(Parvis::command().disable_help_subcommand(true), directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("parvis: {}: {error}", directory.display());
            ExitCode::from(UNAVAILABLE)
        }
    }
}
