//! Gives birth to one program: its words, its variables, its pipes, its process. How that becomes what it shall be
//! stands in `unsafe_child`; that it did, `birth` waits for.

use super::life::reap;
use super::prepare::Prepared;
use super::unsafe_child::Child;
use crate::net::register;
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What was born.
#[derive(Debug)]
pub(super) struct Spawned {
    /// Its process, to be waited for.
    pub(super) pid: Pid,
    /// Readable once the process ended.
    pub(super) life: AsyncFd<OwnedFd>,
    /// What it writes to standard output and error.
    pub(super) output: AsyncFd<OwnedFd>,
    /// What it tells of its way to its program; closed once that has taken the process over.
    pub(super) steps: AsyncFd<OwnedFd>,
}

/// Forks its process, which enters its cgroup by `entrance`, and waits for nothing that it does. The program ends with
/// the calling thread.
///
/// # Errors
/// Why there is none, in one line for a person.
pub(super) async fn spawn(prepared: &Prepared, entrance: Option<File>) -> Result<Spawned, String> {
    if prepared.words.is_empty() {
        return Err("a command without a program".to_owned());
    }
    let words = prepared.words.iter().map(|word| text(word.as_ref())).collect::<Result<_, _>>()?;
    let variables = prepared.variables.iter().map(variable).collect::<Result<_, _>>()?;
    let directory = text(prepared.directory.as_os_str())?;
    let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    let null = File::open("/dev/null").map_err(failed("no input"))?;
    let (output, written) = readable().map_err(failed("no pipe"))?;
    let (steps, told) = readable().map_err(failed("no pipe"))?;
    let child =
        Child::new(entrance, &prepared.identity, directory, (words, variables), (null, written), told);
    let pid = child.fork().map_err(failed("no process"))?;
    let pid = Pid::from_raw(pid.as_raw()).ok_or("no process")?;
    let watched = pidfd_open(pid, PidfdFlags::NONBLOCK).map_err(io::Error::from);
    match watched.and_then(|life| register(life, Interest::READABLE)) {
        Ok(life) => Ok(Spawned { pid, life, output, steps }),
        Err(error) => {
            // Not waited for yet: the number is its own.
            let _ = kill_process(pid, Signal::KILL);
            reap(pid).await;
            Err(format!("it cannot be watched: {error}"))
        }
    }
}

/// A pipe whose reading end waits for nothing.
fn readable() -> io::Result<(AsyncFd<OwnedFd>, PipeWriter)> {
    let (read, write): (PipeReader, PipeWriter) = pipe()?;
    ioctl_fionbio(&read, true)?;
    Ok((register(read.into(), Interest::READABLE)?, write))
}

fn variable((name, value): &(String, OsString)) -> Result<CString, String> {
    let mut pair = OsString::from(name);
    pair.push("=");
    pair.push(value);
    text(&pair)
}

fn text(text: &OsStr) -> Result<CString, String> {
    // No value is ever repeated: it may be a secret.
    CString::new(text.as_bytes()).map_err(|_| "a word, a variable or a directory with a NUL in it".to_owned())
}
