//! Makes development certificates: `cargo run --example certificates -- certs alice/www.alice.test '*.bob.test'`.
//!
//! Writes `ca.crt` into the directory, for clients to trust, and a `NAME.pem` with chain and key for each name.
//! `ACCOUNT/NAME` makes a customer's certificate, below the account's directory. Run again, it replaces them all.

use parvis::tls::dev::{Ca, DevError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, names @ ..] = &arguments[..] else {
        return usage();
    };
    if names.is_empty() {
        return usage();
    }
    match make(Path::new(directory), names) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: certificates DIRECTORY [ACCOUNT/]NAME …");
    ExitCode::from(64)
}

fn make(directory: &Path, names: &[String]) -> Result<(), DevError> {
    let ca = Ca::new()?;
    ca.write(&directory.join("ca.crt"))?;
    for entry in names {
        let (account, name) = entry.rsplit_once('/').unwrap_or(("", entry));
        let file = directory.join(account).join(file_name(name));
        ca.issue(&[name])?.write(&file)?;
        println!("{}", file.display());
    }
    println!("curl --cacert {} …", directory.join("ca.crt").display());
    Ok(())
}

/// The file's name is an id and decides nothing: a wildcard's is written without its star.
fn file_name(name: &str) -> PathBuf {
    PathBuf::from(format!("{}.pem", name.replace('*', "wildcard")))
}
