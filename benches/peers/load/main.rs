//! What `benches/peers/run` drives the proxies with: the load, the upstream behind them, a forwarder that only copies
//! (the floor of what a proxy costs), and the reader of a log socket. Of the library it uses no protocol.

mod answer;
mod forward;
mod http2;
mod lanes;
mod pace;
mod run;
mod tls;
mod upstream;
mod websocket;

use clap::{Parser, Subcommand};
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::ExitCode;

/// What ends a run: the load has no use for a part of the truth.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Parser)]
#[command(about = "The load of benches/peers/run")]
struct Arguments {
    /// Cargo says so to every bench.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Sends requests at a fixed rate and prints what came of them.
    Run(run::Options),
    /// Holds connections that had one request answered, until its input ends.
    Idle(run::Options),
    /// Answers requests, takes uploads and echoes WebSocket messages.
    Upstream { listen: SocketAddr },
    /// Copies bytes both ways between each connection to the first address and one of its own to the second.
    Forward {
        addresses: Vec<SocketAddr>,
        /// Bytes go through a pipe and are never copied.
        #[arg(long)]
        splice: bool,
    },
    /// Reads a datagram socket and forgets what it reads.
    Drain { socket: PathBuf },
}

fn main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn work() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    match Arguments::parse().what {
        Some(What::Run(options)) => local.block_on(&runtime, run::run(options)),
        Some(What::Idle(options)) => local.block_on(&runtime, run::idle(options)),
        Some(What::Upstream { listen }) => local.block_on(&runtime, upstream::serve(listen)),
        Some(What::Forward { addresses, splice }) => {
            local.block_on(&runtime, forward::serve(&addresses, splice))
        }
        Some(What::Drain { socket }) => drain(&UnixDatagram::bind(socket)?),
        None => {
            println!("nothing is measured by itself here: see benches/peers/run");
            Ok(())
        }
    }
}

fn drain(socket: &UnixDatagram) -> Outcome<()> {
    let mut line = [0; 1 << 12];
    loop {
        socket.recv(&mut line)?;
    }
}
