//! What a program's process does between its birth and its program: lets go of all that is ours, takes its place, its
//! user and its bounds, and says each step before it takes it, so that whoever waits knows where it hangs. Allocates
//! nothing and takes no lock: other threads may hold any.
//!
//! It is forked here and not by the standard library, whose parent waits for the exec, and with it for a file system
//! that hangs.

use super::identity::Identity;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{self, SigSet, SigmaskHow, Signal, pthread_sigmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    ForkResult, Gid, Pid, Uid, chdir, fork, getppid, setgroups, setresgid, setresuid, setsid, write,
};
use std::ffi::{CString, c_char};
use std::fs::File;
use std::io::{self, PipeWriter};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;

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
    /// What is executed.
    words: Strings,
    /// With which variables.
    variables: Strings,
    /// Standard input, and what standard output and error become.
    stdio: (File, PipeWriter),
    /// Where it says its steps.
    steps: PipeWriter,
}

/// Texts as `execve` takes them.
struct Strings {
    /// What the pointers point to: never touched, for as long as they are there.
    _texts: Vec<CString>,
    pointers: Vec<*const c_char>,
}

/// A step on the way, by its byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Step {
    /// Entering the cgroup.
    Cgroup,
    /// Taking standard input and output, and letting go of all other descriptors.
    Descriptors,
    /// Signals as a program expects them.
    Signals,
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
    /// The program itself.
    Program,
}

impl Step {
    /// The step a byte stands for.
    pub(super) fn of(byte: u8) -> Option<Self> {
        WORDS.iter().map(|(step, _)| *step).find(|step| *step as u8 == byte)
    }

    /// What cannot be done where it fails, for a person.
    pub(super) fn word(self) -> &'static str {
        WORDS.iter().find(|(step, _)| *step == self).map_or("", |(_, word)| word)
    }
}

impl Child {
    /// Makes it ready: `stdio` is what it reads from, and what it writes to.
    pub(super) fn new(
        entrance: Option<File>,
        identity: &Identity,
        directory: CString,
        (words, variables): (Vec<CString>, Vec<CString>),
        stdio: (File, PipeWriter),
        steps: PipeWriter,
    ) -> Self {
        let user = identity.is_taken_on.then(|| (identity.uid, identity.gid, identity.groups.clone()));
        let (words, variables) = (Strings::new(words), Strings::new(variables));
        Self { entrance, parent: Pid::this(), user, directory, words, variables, stdio, steps }
    }

    /// Forks the process, which ends with the calling thread. Does not wait for anything it does.
    ///
    /// # Errors
    /// The system's: there is no process.
    pub(super) fn fork(self) -> io::Result<Pid> {
        // So that no signal finds a handler of ours in the child.
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        // SAFETY: the child calls `become_program` alone, which makes system calls, touches what was made before and
        // is its own copy, and never returns: no allocation, no lock, no destructor.
        let forked = match unsafe { fork() } {
            Ok(ForkResult::Child) => self.become_program(),
            Ok(ForkResult::Parent { child }) => Ok(child),
            Err(error) => Err(error.into()),
        };
        pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
        forked
    }

    fn become_program(&self) -> ! {
        let mut told = Told(self.steps.as_fd());
        let error = self.each_step(&mut told).err().unwrap_or_else(|| self.execute());
        told.failed(error);
        // SAFETY: ends the process without running anything of ours.
        unsafe { libc::_exit(FAILED) }
    }

    fn each_step(&self, told: &mut Told<'_>) -> Result<(), Errno> {
        // Before the user is taken on: it is the launcher that may.
        told.begin(Step::Cgroup);
        if let Some(entrance) = &self.entrance {
            write(entrance, b"0")?;
        }
        // Before anything that may hang: nobody waits for the end of a connection that a copy of it holds.
        told.begin(Step::Descriptors);
        self.take_descriptors()?;
        // SAFETY: it was made a descriptor just now, and stays one until the exec.
        *told = Told(unsafe { BorrowedFd::borrow_raw(STEPS) });
        told.begin(Step::Signals);
        reset_signals()?;
        told.begin(Step::Session);
        setsid()?;
        umask(UMASK);
        told.begin(Step::Limits);
        limit()?;
        told.begin(Step::User);
        self.take_user_on()?;
        // After: a change of user takes the death signal away.
        told.begin(Step::Confinement);
        self.confine()?;
        // As the user: what only root may enter is not entered for it.
        told.begin(Step::Directory);
        chdir(self.directory.as_c_str())?;
        told.begin(Step::Program);
        Ok(())
    }

    /// Standard input and output, the pipe of the steps behind them, and nothing else.
    fn take_descriptors(&self) -> Result<(), Errno> {
        let (input, output) = &self.stdio;
        for (from, to) in [(input.as_raw_fd(), 0), (output.as_raw_fd(), 1), (output.as_raw_fd(), 2)] {
            // SAFETY: both are numbers; what was open at `to` is this process' copy of it alone.
            Errno::result(unsafe { libc::dup2(from, to) })?;
        }
        let steps = self.steps.as_raw_fd();
        if steps != STEPS {
            // SAFETY: as above; what may have been open at `STEPS` was copied just now, or is not needed any more.
            Errno::result(unsafe { libc::dup3(steps, STEPS, libc::O_CLOEXEC) })?;
        }
        // SAFETY: it closes what no line after this one uses, and touches no memory.
        let closed = unsafe { libc::syscall(libc::SYS_close_range, STEPS + 1, libc::c_uint::MAX, 0) };
        Errno::result(closed).map(drop)
    }

    fn take_user_on(&self) -> Result<(), Errno> {
        let Some((uid, gid, groups)) = &self.user else { return Ok(()) };
        setgroups(groups)?;
        setresgid(*gid, *gid, *gid)?;
        setresuid(*uid, *uid, *uid)
    }

    fn confine(&self) -> Result<(), Errno> {
        prctl::set_no_new_privs()?;
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // A launcher that died before this line sends no signal.
        if getppid() == self.parent { Ok(()) } else { Err(Errno::ESRCH) }
    }

    /// Executes the program, which is looked for in its own `PATH`; returns only where that fails.
    fn execute(&self) -> Errno {
        let (words, variables) = (&self.words.pointers, &self.variables.pointers);
        // SAFETY: both lists end with a null pointer and point to texts that end with a NUL and live as long as
        // `self`; there is at least one word. No other thread of this process reads `environ`: it has none.
        unsafe {
            environ = variables.as_ptr();
            libc::execvp(words[0], words.as_ptr());
        }
        Errno::last()
    }
}

impl Strings {
    fn new(texts: Vec<CString>) -> Self {
        let pointers = texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Self { _texts: texts, pointers }
    }
}

/// Where the child says how far it is. What cannot be said has no other place, and the way goes on without it.
struct Told<'a>(BorrowedFd<'a>);

impl Told<'_> {
    fn begin(&self, step: Step) {
        let _ = write(self.0, &[step as u8]);
    }

    fn failed(&self, error: Errno) {
        let [a, b, c, d] = (error as i32).to_ne_bytes();
        let _ = write(self.0, &[FAILURE, a, b, c, d]);
    }
}

/// Descriptors as many as programs expect (`select` takes no higher number), to be raised by the program to what the
/// launcher has; no core dumps, which would hold the account's secrets.
fn limit() -> Result<(), Errno> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS.min(most), most)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)
}

/// Every signal does what it does by default, those that the C library keeps for itself included, and none is blocked.
fn reset_signals() -> Result<(), Errno> {
    let default = [0_u64; ACTION_WORDS];
    for number in 1..=LAST_SIGNAL {
        // SAFETY: the kernel reads at most `default`, an action without handler, flags and mask, which leaves nothing
        // of ours behind, and writes nothing. SIGKILL and SIGSTOP are refused, and are what they are.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, number, default.as_ptr(), 0_usize, SIGNAL_SET_BYTES) };
    }
    signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

// SAFETY: the C library's own list of variables, which has this name and type in POSIX.
unsafe extern "C" {
    static mut environ: *const *const c_char;
}

const WORDS: [(Step, &str); 9] = [
    (Step::Cgroup, "its cgroup cannot be entered"),
    (Step::Descriptors, "its descriptors cannot be set"),
    (Step::Signals, "its signals cannot be reset"),
    (Step::Session, "no session of its own"),
    (Step::Limits, "its limits cannot be set"),
    (Step::User, "its user cannot be taken on"),
    (Step::Confinement, "it cannot be confined"),
    (Step::Directory, "its directory cannot be entered"),
    (Step::Program, "its program cannot be executed"),
];

/// In front of the number of the error that ended the way.
pub(super) const FAILURE: u8 = 0xff;

/// The code of a process that did not get to its program. Nobody reads it: its steps say more.
const FAILED: libc::c_int = 127;

/// Nothing of an account is readable for others.
const UMASK: Mode = Mode::from_bits_truncate(0o027);

/// What programs expect to have.
const DESCRIPTORS: u64 = 1024;

/// Where the pipe of the steps is in the child: behind standard input, output and error.
const STEPS: libc::c_int = 3;

/// The last real-time signal of Linux.
const LAST_SIGNAL: libc::c_int = 64;

/// The kernel's own signal set: a bit for each.
const SIGNAL_SET_BYTES: usize = 8;

/// The kernel's own action: handler, flags, restorer (where it has one) and set.
const ACTION_WORDS: usize = 4;
