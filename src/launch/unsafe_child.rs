//! What a program's process does between its birth and its program: takes its place, its user and its bounds, and lets
//! go of all that is ours. Allocates nothing and takes no lock: other threads may hold any.

use super::identity::Identity;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{self, SigSet, SigmaskHow};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Pid, Uid, chdir, getppid, setgroups, setresgid, setresuid, setsid};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, PipeWriter, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// All that is done, made ready by the parent.
pub(super) struct Child {
    /// `cgroup.procs` of the cgroup it enters.
    entrance: Option<File>,
    /// The process that starts it.
    parent: Pid,
    /// Who it becomes; absent: who it is.
    user: Option<(Uid, Gid, Vec<Gid>)>,
    /// Where it works.
    directory: CString,
    /// Where it says which step failed.
    failed: PipeWriter,
}

/// A step that can fail, by its byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    /// Entering the cgroup.
    Cgroup,
    /// A session of its own.
    Session,
    /// Limits of descriptors and core dumps.
    Limits,
    /// Taking the user on.
    User,
    /// No new privileges, and an end with the launcher.
    Confinement,
    /// Entering the working directory.
    Directory,
    /// Signals as a program expects them.
    Signals,
    /// Letting go of descriptors.
    Descriptors,
}

impl Step {
    /// What cannot be done, for a person.
    pub(super) fn word(byte: u8) -> Option<&'static str> {
        let step = |step: Self| step as u8 == byte;
        WORDS.iter().find(|(one, _)| step(*one)).map(|(_, word)| *word)
    }
}

impl Child {
    /// Makes it ready.
    pub(super) fn new(
        entrance: Option<File>,
        identity: &Identity,
        directory: CString,
        failed: PipeWriter,
    ) -> Self {
        let user = identity.is_taken_on.then(|| (identity.uid, identity.gid, identity.groups.clone()));
        Self { entrance, parent: Pid::this(), user, directory, failed }
    }

    /// Has the processes that `command` starts do it.
    pub(super) fn attach(self, command: &mut Command) {
        let run = move || {
            self.each_step().map_err(|(step, error)| {
                // Without it the error has no place, and is one all the same.
                let _ = (&self.failed).write(&[step as u8]);
                error
            })
        };
        // SAFETY: between fork and exec only system calls are made (each of `each_step`, and the `write` above): no
        // allocation, no lock, no environment. What it uses was made before and moved in.
        unsafe { command.pre_exec(run) };
    }

    fn each_step(&self) -> Result<(), (Step, io::Error)> {
        let at = |step| move |error: io::Error| (step, error);
        // Before the user is taken on: it is the launcher that may.
        self.enter_cgroup().map_err(at(Step::Cgroup))?;
        setsid().map_err(io::Error::from).map_err(at(Step::Session))?;
        umask(UMASK);
        limit().map_err(at(Step::Limits))?;
        self.take_user_on().map_err(at(Step::User))?;
        // After: a change of user takes the death signal away.
        self.confine().map_err(at(Step::Confinement))?;
        // As the user: what only root may enter is not entered for it.
        chdir(self.directory.as_c_str()).map_err(io::Error::from).map_err(at(Step::Directory))?;
        reset_signals().map_err(at(Step::Signals))?;
        close_descriptors().map_err(at(Step::Descriptors))
    }

    fn enter_cgroup(&self) -> io::Result<()> {
        match &self.entrance {
            Some(entrance) => (&mut &*entrance).write_all(b"0"),
            None => Ok(()),
        }
    }

    fn take_user_on(&self) -> io::Result<()> {
        let Some((uid, gid, groups)) = &self.user else { return Ok(()) };
        setgroups(groups)?;
        setresgid(*gid, *gid, *gid)?;
        setresuid(*uid, *uid, *uid)?;
        Ok(())
    }

    fn confine(&self) -> io::Result<()> {
        prctl::set_no_new_privs()?;
        prctl::set_pdeathsig(signal::Signal::SIGKILL)?;
        // A launcher that died before this line sends no signal.
        if getppid() == self.parent { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
    }
}

/// Descriptors as many as programs expect (`select` takes no higher number), to be raised by the program to what the
/// launcher has; no core dumps, which would hold the account's secrets.
fn limit() -> io::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS.min(most), most)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    Ok(())
}

/// Every signal does what it does by default, those that the C library keeps for itself included, and none is blocked.
fn reset_signals() -> io::Result<()> {
    let default = [0_u64; ACTION_WORDS];
    for number in 1..=LAST_SIGNAL {
        // SAFETY: the kernel reads at most `default`, an action without handler, flags and mask, which leaves nothing
        // of ours behind, and writes nothing. SIGKILL and SIGSTOP are refused, and are what they are.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, number, default.as_ptr(), 0_usize, SIGNAL_SET_BYTES) };
    }
    signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    Ok(())
}

/// Every descriptor but the first three is closed by the exec, whoever opened it and however.
fn close_descriptors() -> io::Result<()> {
    // SAFETY: it closes nothing now and touches no memory; the numbers are descriptors or not, as it pleases.
    let done = unsafe {
        libc::syscall(libc::SYS_close_range, FIRST_OTHER, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

const WORDS: [(Step, &str); 8] = [
    (Step::Cgroup, "its cgroup cannot be entered"),
    (Step::Session, "no session of its own"),
    (Step::Limits, "its limits cannot be set"),
    (Step::User, "its user cannot be taken on"),
    (Step::Confinement, "it cannot be confined"),
    (Step::Directory, "its directory cannot be entered"),
    (Step::Signals, "its signals cannot be reset"),
    (Step::Descriptors, "descriptors cannot be closed"),
];

/// Nothing of an account is readable for others.
const UMASK: Mode = Mode::from_bits_truncate(0o027);

/// What programs expect to have.
const DESCRIPTORS: u64 = 1024;

/// Behind standard input, output and error.
const FIRST_OTHER: libc::c_uint = 3;

/// The last real-time signal of Linux.
const LAST_SIGNAL: libc::c_int = 64;

/// The kernel's own signal set: a bit for each.
const SIGNAL_SET_BYTES: usize = 8;

/// The kernel's own action: handler, flags, restorer (where it has one) and set.
const ACTION_WORDS: usize = 4;
