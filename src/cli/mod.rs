//! The command line: what may be typed, and which part of the program is asked. The only place that prints; knows
//! no request and changes nothing itself.

mod ask;
mod check;
mod diff;
mod explain;
mod logs;
mod outline;
mod output;
mod progress;
mod route;
mod schema;
mod settings;
mod status;
mod survey;
mod tail;
mod watch;

use crate::{app, config};
use clap::{Args, Parser, Subcommand};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Parses the command line, runs the command, returns its exit code: 0, 2 for a command line that is none
/// (clap's own), [`NO`], [`UNAVAILABLE`] or [`CONFIG`].
pub fn run() -> ExitCode {
    match Parvis::parse().command {
        Command::Run { config } => serve(&config),
        Command::Check { config } => check::check(&config),
        Command::Diff { proposed, remove, json, config } => diff::diff(&proposed, &remove, json, &config),
        Command::Demo { server: false } => app::demo(),
        Command::Demo { server: true } => app::demo_server(),
        Command::Route { address, at, steps, config } => route::route(&address, at, steps, &config),
        Command::Status { account, json, watch, door } => ask::status(account.as_deref(), json, watch, &door),
        Command::Logs { account, follow, site_log, log_file, date, lines, config } => {
            let log_file = (!site_log).then_some(log_file.as_str());
            logs::logs(&logs::Wanted { account: &account, log_file, date, lines, follow }, &config)
        }
        Command::Explain { id, json, door } => explain::explain(&id, json, &door),
        Command::Reload { json, door } => ask::reload(json, &door),
        Command::Drain { json, door } => ask::drain(json, &door),
        Command::Restart { which, json, door } => ask::restart(&which, json, &door),
        Command::Launcher { config } => launch(&config),
        Command::Schema { of } => schema::schema(of),
        Command::Completions { shell } => schema::completions(shell),
        Command::Man { directory } => schema::man(&directory),
    }
}

/// Runs the node of `file`.
fn serve(file: &Path) -> ExitCode {
    app::use_all_descriptors();
    match config::load_node(file) {
        Ok(node) => app::run(node),
        Err(report) => check::refuse(&report),
    }
}

/// Runs the launcher of the node of `file`.
fn launch(file: &Path) -> ExitCode {
    match config::load_node(file) {
        Ok(node) => app::launcher(node),
        Err(report) => check::refuse(&report),
    }
}

/// The front end of a hosting provider: TLS, HTTP/1.1, HTTP/2 and WebSocket for the one account a request
/// belongs to.
#[derive(Parser)]
#[command(name = "parvis", version, max_term_width = 100)]
struct Parvis {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a node until it is drained. SIGHUP reloads, SIGTERM drains
    Run {
        /// The node file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Tell everything that is wrong with a node file and its account documents; exit 78 if anything is
    Check {
        /// The node file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Tell what documents would change if they were put in place: hosts, settings, programs; exit 1 if anything
    Diff {
        /// Documents named as in the accounts directory, or directories of them
        #[arg(required_unless_present = "remove")]
        proposed: Vec<PathBuf>,
        /// An account whose document is to be removed
        #[arg(long, value_name = "ACCOUNT")]
        remove: Vec<String>,
        /// In JSON
        #[arg(long)]
        json: bool,
        /// The node file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Run a node with four accounts on loopback, with nothing to install
    Demo {
        /// Be the program of the account that sleeps: the demo starts this itself
        #[arg(long, hide = true)]
        server: bool,
    },
    /// Tell which account, site, upstream and certificate an address leads to, and why; exit 1 if no site answers
    Route {
        /// HOST or HOST/PATH; a URL will do
        address: String,
        /// The node's own address that the visitor comes to, where accounts have dedicated ones
        #[arg(long, value_name = "IP")]
        at: Option<IpAddr>,
        /// With every step of the decision
        #[arg(long)]
        steps: bool,
        /// The node file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Tell how a running node is: the node, then the accounts that need attention
    Status {
        /// One account alone
        account: Option<String>,
        /// As the node says it, in JSON
        #[arg(long)]
        json: bool,
        /// On the whole screen, anew every two seconds, until `q` is pressed
        #[arg(long, conflicts_with = "json")]
        watch: bool,
        #[command(flatten)]
        door: Door,
    },
    /// Tell what became of a request: whose fault it was, and where its time went
    Explain {
        /// Its id, as its page, `X-Request-ID` and the logs have it
        id: String,
        /// As the node says it, in JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        door: Door,
    },
    /// Print the end of an account's log of today, or of another day
    Logs {
        /// The account; `_node` for requests to hosts that nobody holds
        account: String,
        /// Go on with what is written
        #[arg(long, short)]
        follow: bool,
        /// What its programs went through, instead of what visitors asked for
        #[arg(long)]
        site_log: bool,
        /// The access log of sites with this `log_file`
        #[arg(long, value_name = "NAME", default_value = "http", conflicts_with = "site_log")]
        log_file: String,
        /// The log of this day, in local time
        #[arg(long, value_name = "YYYY-MM-DD", conflicts_with = "follow")]
        date: Option<jiff::civil::Date>,
        /// How many lines
        #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 20)]
        lines: usize,
        /// The node file
        #[arg(long, value_name = "FILE", default_value = "/etc/parvis/parvis.toml")]
        config: PathBuf,
    },
    /// Have a running node read its files again
    Reload {
        /// As the node says it, in JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        door: Door,
    },
    /// Have a running node finish what it has begun, and end
    Drain {
        /// As the node says it, in JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        door: Door,
    },
    /// Have programs started anew: without a request lost where the document lets two overlap
    Restart {
        /// ACCOUNT, or ACCOUNT/UPSTREAM
        which: String,
        /// As the node says it, in JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        door: Door,
    },
    /// Start and stop the accounts' programs, for the node that runs with the same node file
    Launcher {
        /// The node file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Print the JSON Schema of the files, for editors and for programs that write documents
    Schema {
        /// Of one kind of file alone
        of: Option<schema::Kind>,
    },
    /// Print what a shell completes this command line by
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    Man {
        /// The directory, which must exist
        directory: PathBuf,
    },
}

/// Where a running node is asked.
#[derive(Args)]
struct Door {
    /// The node's admin socket [default: the node file's, else /run/parvis/admin.sock]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The node file, for its `[admin] socket`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The question was answered, and the answer is no.
const NO: u8 = 1;

/// No node answers (`EX_UNAVAILABLE` of sysexits.h).
const UNAVAILABLE: u8 = 69;

/// The files are wrong (`EX_CONFIG`).
const CONFIG: u8 = 78;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Parvis::command().debug_assert();
    }

    #[test]
    fn every_command_is_understood() {
        for line in [
            "parvis run --config f",
            "parvis check --config f",
            "parvis demo",
            "parvis diff new/alice.toml --config f",
            "parvis diff --remove alice --json --config f",
            "parvis route alice.test/x --config f",
            "parvis route alice.test --at 198.51.100.7 --config f",
            "parvis status",
            "parvis status alice --json --socket s",
            "parvis explain 0123456789abcdef --json",
            "parvis reload --config f",
            "parvis drain --socket s",
            "parvis restart alice/web --socket s",
            "parvis launcher --config f",
            "parvis schema",
            "parvis schema account",
            "parvis completions bash",
            "parvis man /tmp",
            "parvis status --watch",
            "parvis logs alice --follow --config f",
            "parvis logs alice --site-log -n 5 --config f",
            "parvis logs alice --date 2026-03-14",
        ] {
            assert!(Parvis::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in [
            "parvis",
            "parvis diff --config f",
            "parvis run",
            "parvis check",
            "parvis run f",
            "parvis upgrade",
        ] {
            assert!(Parvis::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
