//! The time between a process' birth and its program: the process says each step before it takes it, and ends where one
//! fails. Whoever waits gives it a time, and knows at its end where it hangs; who hangs is killed, and what does not die
//! of that is left to die alone.

use super::document::Refused;
use super::life::{Program, Wish, read};
use super::unsafe_child::{FAILURE, Step};
use crate::base::written_duration;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// A process on its way to its program.
#[derive(Debug)]
pub(super) struct Newborn {
    /// What it will be.
    pub(super) program: Program,
    /// What it tells.
    pub(super) steps: AsyncFd<OwnedFd>,
    /// The word that is executed.
    pub(super) word: String,
    /// Where it will work.
    pub(super) directory: PathBuf,
}

/// A program that never was.
#[derive(Debug)]
pub(super) struct Stillborn {
    /// Why.
    pub(super) why: Refused,
    /// Its process, which was killed and does not die.
    pub(super) rest: Option<Program>,
}

impl From<Refused> for Stillborn {
    fn from(why: Refused) -> Self {
        Self { why, rest: None }
    }
}

/// Waits until somebody wishes the end. Dropped wishes wish it.
pub(super) async fn end_is_wished(wishes: &mut watch::Receiver<Wish>) {
    let _ = wishes.wait_for(|wish| *wish != Wish::Run).await;
}

impl Newborn {
    /// Waits until the program has taken its process over, within `time` that ends at `by`.
    ///
    /// # Errors
    /// Why it did not. Nothing is left of it but what does not die.
    pub(super) async fn wait(
        self,
        wishes: &mut watch::Receiver<Wish>,
        (time, by): (Duration, Instant),
    ) -> Result<Program, Stillborn> {
        let mut way = Way::default();
        let why = loop {
            tokio::select! {
                told = read(&self.steps, |bytes| way.0.extend_from_slice(bytes)) => match told {
                    Ok(true) => {}
                    told => match told.and_then(|_| way.end()) {
                        Ok(()) => return Ok(self.program),
                        Err(error) => break Refused::Because(self.because(&way, &error)),
                    },
                },
                () = end_is_wished(wishes) => {
                    break Refused::Stopped(self.because(&way, &"it was to end before it had begun"));
                }
                () = sleep_until(by) => {
                    let long = format!("it takes longer than {}", written_duration(time));
                    break Refused::Because(self.because(&way, &long));
                }
            }
        };
        let Self { program, .. } = self;
        program.kill();
        match timeout(DYING, program.is_dead()).await {
            Ok(()) => {
                program.bury().await;
                Err(why.into())
            }
            Err(_) => Err(Stillborn { why, rest: Some(program) }),
        }
    }

    /// What could not be done and why, in one line for a person.
    fn because(&self, way: &Way, why: &dyn std::fmt::Display) -> String {
        match way.step() {
            Step::Program => format!("{} cannot be executed: {why}", self.word),
            step => format!("{}: {why} (directory {})", step.word(), self.directory.display()),
        }
    }
}

/// What a process told of its way: the byte of each step before it is taken, and where one fails [`FAILURE`] and the
/// number of the error.
#[derive(Debug, Default)]
struct Way(Vec<u8>);

impl Way {
    /// The step it is at.
    fn step(&self) -> Step {
        let (steps, _) = self.parts();
        steps.last().and_then(|byte| Step::of(*byte)).unwrap_or(Step::Cgroup)
    }

    /// How it ended, where it tells nothing any more.
    fn end(&self) -> io::Result<()> {
        match self.parts() {
            (_, Some(number)) => Err(io::Error::from_raw_os_error(number)),
            _ if self.step() == Step::Program => Ok(()),
            // By nobody of ours.
            _ => Err(io::Error::other("its process was killed")),
        }
    }

    /// The steps, and the error.
    fn parts(&self) -> (&[u8], Option<i32>) {
        let at = self.0.iter().position(|byte| *byte == FAILURE).unwrap_or(self.0.len());
        let (steps, failure) = self.0.split_at(at);
        (steps, failure.get(1..).and_then(<[u8]>::first_chunk).map(|number| i32::from_ne_bytes(*number)))
    }
}

/// How long one that was killed may take to die. Who hangs in the kernel may hang for ever.
const DYING: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn way(bytes: &[u8]) -> Way {
        Way(bytes.to_vec())
    }

    #[test]
    fn what_a_process_tells_of_its_way_is_understood_whatever_it_is() {
        let whole: Vec<u8> = (Step::Cgroup as u8..=Step::Program as u8).collect();
        assert_eq!(way(&whole).step(), Step::Program);
        assert!(way(&whole).end().is_ok());
        let (half, _) = whole.split_at(4);
        assert_eq!((way(half).step(), way(b"").step()), (Step::Session, Step::Cgroup));
        assert_eq!(way(half).end().unwrap_err().to_string(), "its process was killed");
        let failed = [half, &[FAILURE], &2_i32.to_ne_bytes()].concat();
        assert_eq!(way(&failed).step(), Step::Session);
        assert_eq!(way(&failed).end().unwrap_err().raw_os_error(), Some(2));
        let odd = [&whole[..], &[FAILURE], &[FAILURE; 2]].concat();
        assert_eq!(way(&odd).step(), Step::Program);
        assert_eq!(way(&[200, 7, 99]).step(), Step::Cgroup);
    }
}
