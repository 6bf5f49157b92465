//! From an order to a program that runs, and on to its end: a task for each instance, so that who hangs keeps nobody else
//! waiting. Tells the launcher once that it runs or why not, and once that it ended.
//!
//! What of a start can hang is waited for by its task alone, and has a bound. The document is read and its user looked
//! up as an errand, on a thread that may hang. The cgroup is made here: the kernel's own file systems hang for nobody.
//! The process is forked here as well, since programs end with the thread that forked them, and this one lives as long as
//! the launcher; a fork waits for nothing. What the child does then can hang, in a directory or in the program's file,
//! and it tells of that by a pipe.

use super::birth::{Newborn, Stillborn, end_is_wished};
use super::document::Refused;
use super::errands::Errands;
use super::group::Groups;
use super::life::{Program, Wish};
use super::prepare::{Meant, Prepared, prepare};
use super::protocol::Process;
use super::server::Event;
use super::spawn::spawn;
use crate::base::{DocumentHash, now, written_duration};
use crate::config::Node;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// What all starts share.
#[derive(Debug, Default)]
pub(super) struct Means {
    /// Where cgroups are made.
    pub(super) groups: Groups,
    /// Who may take his time.
    pub(super) errands: Errands,
}

/// Starts one program, and leads it to its end.
pub(super) async fn lead(
    meant: Meant,
    node: Arc<Node>,
    means: Rc<Means>,
    mut wishes: watch::Receiver<Wish>,
    renewals: watch::Receiver<Option<DocumentHash>>,
    events: mpsc::Sender<Event>,
) {
    let instance = meant.instance;
    // Where nobody takes an event the launcher is gone.
    let tell = async |event| drop(events.send(event).await);
    match start(&meant, node, &means, &mut wishes).await {
        Ok((program, process)) => {
            tell(Event::Started { instance, process }).await;
            let renewed = async |runs_as| tell(Event::Renewed { instance, runs_as }).await;
            program.live(wishes, renewals, renewed, async |end| tell(Event::Ended(end)).await).await;
        }
        Err(Stillborn { why, rest }) => {
            tell(Event::NotStarted { instance, why, lingers: rest.is_some() }).await;
            if let Some(rest) = rest {
                // Nobody waits for it.
                tokio::task::spawn_local(async move {
                    rest.is_dead().await;
                    rest.bury().await;
                    let _ = events.send(Event::Vanished { instance }).await;
                });
            }
        }
    }
}

async fn start(
    meant: &Meant,
    node: Arc<Node>,
    means: &Means,
    wishes: &mut watch::Receiver<Wish>,
) -> Result<(Program, Process), Stillborn> {
    let begun = Instant::from_std(now());
    let prepared = prepared(meant, node, means, wishes, begun + PREPARATION).await?;
    let Prepared { limits, container, .. } = &prepared;
    let (group, entrance) = means
        .groups
        .make(&meant.account, &meant.upstream, meant.instance, limits, container.as_deref())
        .await
        .map_err(|error| Refused::Because(format!("its cgroup cannot be made: {error}")))?;
    let spawned = match spawn(&prepared, entrance).await {
        Ok(spawned) => spawned,
        Err(why) => {
            group.discard();
            return Err(Refused::Because(why).into());
        }
    };
    let Prepared { mut words, directory, identity, socket, runs_as, manners, .. } = prepared;
    let process = Process {
        pid: spawned.pid.as_raw_nonzero().get().unsigned_abs(),
        uid: identity.uid.as_raw(),
        runs_as,
        socket: socket.as_ref().map(|socket| socket.path.clone()),
        cgroup: group.path().map(Path::to_owned),
    };
    let time = manners.start_timeout.saturating_sub(MARGIN.min(manners.start_timeout / 10));
    let program = Program {
        instance: meant.instance,
        pid: spawned.pid,
        life: spawned.life,
        output: spawned.output,
        group,
        socket,
        manners,
    };
    let newborn = Newborn { program, steps: spawned.steps, word: words.swap_remove(0), directory };
    Ok((newborn.wait(wishes, (time, begun + time)).await?, process))
}

/// What the document says, within its time.
async fn prepared(
    meant: &Meant,
    node: Arc<Node>,
    means: &Means,
    wishes: &mut watch::Receiver<Wish>,
    by: Instant,
) -> Result<Prepared, Refused> {
    let (stage, at) = watch::channel("another start of this account, or too many others, is under way");
    let errand = {
        let meant = meant.clone();
        move || prepare(&node, &meant, &stage)
    };
    let late = || format!("{}: it takes longer than {}", *at.borrow(), written_duration(PREPARATION));
    tokio::select! {
        prepared = means.errands.run(&meant.account, errand) => match prepared {
            Ok(prepared) => prepared,
            Err(error) => Err(Refused::Because(format!("{}: {error}", *at.borrow()))),
        },
        () = end_is_wished(wishes) => {
            Err(Refused::Stopped(format!("{}: it was to end before it had begun", *at.borrow())))
        }
        () = sleep_until(by) => Err(Refused::Because(late())),
    }
}

/// How long reading a document and looking a user up may take: far longer than either does.
const PREPARATION: Duration = Duration::from_secs(10);

/// So much earlier than `start_timeout` a start that hangs is given up: the node, which counts by it too, is told what
/// hangs and not only that nothing is ready. At most a tenth of it.
const MARGIN: Duration = Duration::from_millis(500);
