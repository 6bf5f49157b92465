//! Starts one program: its words, its variables, its pipes. How its process becomes what it shall be stands in
//! `unsafe_child`.

use super::identity::Identity;
use super::unsafe_child::{Child, Step};
use rustix::io::ioctl_fionbio;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, PipeReader, Read, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{self, Command, Stdio};

/// What is started.
pub(super) struct Start<'a> {
    /// The program and its arguments: at least one.
    pub(super) words: &'a [String],
    /// All its variables.
    pub(super) variables: Vec<(String, OsString)>,
    /// Its working directory, absolute.
    pub(super) directory: &'a Path,
    /// Who it runs as.
    pub(super) identity: &'a Identity,
    /// The file by which it enters its cgroup.
    pub(super) entrance: Option<File>,
}

/// What was started.
#[derive(Debug)]
pub(super) struct Spawned {
    /// Its process, to be waited for.
    pub(super) process: process::Child,
    /// What it writes to standard output and error; does not block.
    pub(super) output: OwnedFd,
}

/// Starts it, and waits until its program has taken the process over. The program ends with the calling thread.
///
/// # Errors
/// Why it did not start, in one line for a person.
pub(super) fn spawn(start: Start<'_>) -> Result<Spawned, String> {
    let Some((program, arguments)) = start.words.split_first() else {
        return Err("a command without a program".to_owned());
    };
    let no_pipe = |error: io::Error| format!("no pipe: {error}");
    let directory = CString::new(start.directory.as_os_str().as_bytes())
        .map_err(|_| "a directory with a NUL in its name".to_owned())?;
    let (output, written) = pipe().map_err(no_pipe)?;
    let (mut steps, failed) = pipe().map_err(no_pipe)?;
    ioctl_fionbio(&output, true).map_err(|error| no_pipe(error.into()))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(start.variables);
    command.stdin(Stdio::null()).stderr(Stdio::from(written.try_clone().map_err(no_pipe)?)).stdout(written);
    Child::new(start.entrance, start.identity, directory, failed).attach(&mut command);
    match command.spawn() {
        Ok(process) => Ok(Spawned { process, output: output.into() }),
        Err(error) => {
            // It holds the other end of the pipe that is read to its end.
            drop(command);
            Err(why(program, start.directory, &mut steps, &error))
        }
    }
}

/// Which step failed, as the child told; none: the exec.
fn why(program: &str, directory: &Path, steps: &mut PipeReader, error: &io::Error) -> String {
    let mut told = Vec::new();
    let step = match steps.read_to_end(&mut told) {
        Ok(_) => told.first().and_then(|byte| Step::word(*byte)),
        Err(_) => None,
    };
    match step {
        Some(step) => format!("{step}: {error} (directory {})", directory.display()),
        None => format!("{program} cannot be executed: {error}"),
    }
}
