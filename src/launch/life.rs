//! The life of one program from its start to the end of all it left behind: its output is read, wishes are carried
//! out, its end is told. Decides nothing by itself but that a stop has a deadline.

use super::group::Group;
use super::place::Socket;
use super::protocol::{Ending, Instance};
use super::tail::Tail;
use crate::base::DocumentHash;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, pidfd_send_signal, waitpid};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, interval, sleep};

/// What is wished of a running program. Who wishes more than before is heard, who wishes less is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    /// That it runs.
    Run,
    /// That it stops in its own time, which is bounded.
    Stop,
    /// That it is gone.
    Kill,
}

/// How its process ended.
#[derive(Debug)]
pub(super) struct End {
    /// Which.
    pub(super) instance: Instance,
    /// How.
    pub(super) ending: Ending,
    /// How many of its processes the kernel killed for want of memory.
    pub(super) memory_kills: u64,
    /// The last lines it wrote.
    pub(super) last_words: Vec<String>,
}

/// A program that runs, or is about to.
#[derive(Debug)]
pub(super) struct Program {
    /// Its number.
    pub(super) instance: Instance,
    /// Its process, not waited for yet: the number is its own.
    pub(super) pid: Pid,
    /// Readable once the process ended.
    pub(super) life: AsyncFd<OwnedFd>,
    /// What it writes.
    pub(super) output: AsyncFd<OwnedFd>,
    /// What holds all of it.
    pub(super) group: Group,
    /// Where it listens, if it was told where.
    pub(super) socket: Option<Socket>,
    /// How it is treated.
    pub(super) manners: Manners,
}

/// How it is treated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manners {
    /// What asks it to renew itself, by its number; `None`: nothing does.
    pub(super) hot_restart: Option<i32>,
    /// What asks it to stop, by its number.
    pub(super) stop_signal: i32,
    /// How long it may take.
    pub(super) stop_timeout: Duration,
    /// How long its socket is waited for.
    pub(super) start_timeout: Duration,
}

impl Program {
    /// Leads it to its end, and tells that to `ended` once what it left behind is gone, or does not die. Dropped wishes
    /// wish its end. What it was told to renew itself to is told to `renewed` once it was.
    pub(super) async fn live(
        self,
        mut wishes: watch::Receiver<Wish>,
        mut renewals: watch::Receiver<Option<DocumentHash>>,
        renewed: impl AsyncFn(DocumentHash),
        ended: impl AsyncFnOnce(End),
    ) {
        let mut tail = Tail::default();
        let mut deadline = pin!(sleep(Duration::ZERO));
        let mut is_stopping = false;
        let mut is_heard = true;
        let mut is_written_to = true;
        let mut door = self.door();
        let patience = after(self.manners.start_timeout);
        loop {
            tokio::select! {
                _ = self.life.readable() => break,
                is_open = read(&self.output, |bytes| tail.push(bytes)), if is_written_to => {
                    is_written_to = is_open.unwrap_or(false);
                }
                changed = wishes.changed(), if is_heard => {
                    is_heard = changed.is_ok();
                    let wish = if is_heard { *wishes.borrow_and_update() } else { Wish::Kill };
                    match wish {
                        Wish::Run => {}
                        Wish::Stop => {
                            self.signal(Some(self.manners.stop_signal));
                            is_stopping = true;
                            deadline.as_mut().reset(after(self.manners.stop_timeout));
                        }
                        Wish::Kill => self.group.kill(self.pid),
                    }
                }
                Ok(()) = renewals.changed() => {
                    let to = *renewals.borrow_and_update();
                    // One that names no signal is not told, and does not become anything.
                    if let (Some(to), true) = (to, self.signal(self.manners.hot_restart)) {
                        renewed(to).await;
                    }
                }
                () = &mut deadline, if is_stopping => {
                    is_stopping = false;
                    tracing::warn!(pid = self.pid.as_raw_nonzero(), "a program did not stop in its time: killed");
                    self.group.kill(self.pid);
                }
                now = knock(&mut door) => {
                    if now > patience || self.socket.as_ref().is_none_or(Socket::let_node_in) {
                        door = None;
                    }
                }
            }
        }
        // Its number is its own until it is waited for: until then, its process group is.
        self.group.kill(self.pid);
        let ending = reap(self.pid).await;
        for _ in 0..LAST_READS {
            if !read_now(self.output.get_ref(), |bytes| tail.push(bytes)).is_ok_and(|is_open| is_open) {
                break;
            }
        }
        let memory_kills = self.group.memory_kills();
        drop(self.socket);
        let last_words = tail.finish();
        // Before it is told: whoever is started next must not find an address still taken by what this one left behind.
        self.group.remove(self.pid).await;
        ended(End { instance: self.instance, ending, memory_kills, last_words }).await;
    }

    /// Kills its process, which has not got to its program and started nothing.
    pub(super) fn kill(&self) {
        self.signal(Some(Signal::KILL.as_raw()));
    }

    /// Waits until its process is dead.
    pub(super) async fn is_dead(&self) {
        // Where that cannot be seen it is found out by who waits for it.
        let _ = self.life.readable().await;
    }

    /// Removes what is left of one whose process is dead and of which nothing is to be told.
    pub(super) async fn bury(self) {
        // It may have got to its program at the last moment.
        self.group.kill(self.pid);
        reap(self.pid).await;
        drop(self.socket);
        self.group.remove(self.pid).await;
    }

    /// When to see whether the node can be let in; `None`: it can enter by itself.
    fn door(&self) -> Option<Interval> {
        self.socket.as_ref().filter(|socket| !socket.let_node_in()).map(|_| interval(KNOCK))
    }

    /// The signal goes to the program alone: what becomes of its processes is its business until they are killed. Whether
    /// it was sent: one that has ended needs none.
    fn signal(&self, number: Option<i32>) -> bool {
        let signal = number.and_then(Signal::from_named_raw);
        signal.is_some_and(|signal| pidfd_send_signal(self.life.get_ref(), signal).is_ok())
    }
}

/// How a dead process ended; then its number is nobody's. Whoever traces it may keep that from its parent for as long as
/// he likes: nobody waits for him.
pub(super) async fn reap(pid: Pid) -> Ending {
    for _ in 0..WAITS {
        match waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(None) => sleep(WAIT_PAUSE).await,
            Ok(Some((_, status))) => return ending_of(status),
            Err(_) => return Ending::Unknown,
        }
    }
    tracing::warn!(
        pid = pid.as_raw_nonzero(),
        "a program has ended, and somebody keeps how from being known"
    );
    Ending::Unknown
}

/// How often, and in which steps, is asked how a process ended that has: two seconds in all.
const WAITS: usize = 200;
const WAIT_PAUSE: Duration = Duration::from_millis(10);

fn after(time: Duration) -> Instant {
    Instant::from_std(crate::base::now()) + time
}

/// Waits for the next knock at a door; for ever where there is none.
async fn knock(door: &mut Option<Interval>) -> Instant {
    match door {
        Some(door) => door.tick().await,
        None => std::future::pending().await,
    }
}

/// Reads what there is once there is something; `false`: nobody writes any more.
///
/// # Errors
/// The system's.
pub(super) async fn read(from: &AsyncFd<OwnedFd>, take: impl FnOnce(&[u8])) -> io::Result<bool> {
    let mut ready = from.readable().await?;
    ready.try_io(|from| read_now(from.get_ref(), take)).unwrap_or(Ok(true))
}

/// Reads some of what there is.
fn read_now(from: &OwnedFd, take: impl FnOnce(&[u8])) -> io::Result<bool> {
    let mut bytes = [0; READ_BYTES];
    let length = rustix::io::read(from, &mut bytes)?;
    take(&bytes[..length]);
    Ok(length > 0)
}

fn ending_of(status: WaitStatus) -> Ending {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ending::Code(code),
        (None, Some(signal)) => Ending::Signal(signal),
        (None, None) => Ending::Unknown,
    }
}

/// How often a socket that is to come is looked for: a start is not slower for it.
const KNOCK: Duration = Duration::from_millis(20);

/// Bytes of one read.
const READ_BYTES: usize = 4096;

/// Reads of what an ended program wrote last: what a pipe holds, and more, should somebody still write.
const LAST_READS: usize = 64;
