//! The running node as the admin pages see it: questions and wishes on their way to the control thread.

use crate::admin::{Node, Readiness, Refused, Reply};
use crate::base::{AccountName, UpstreamName};
use crate::config::{Node as Settings, Report, Retention};
use crate::control::{self, Command, Reloaded};
use crate::route::Hosts;
use crate::telemetry::{AccountSource, Metrics, Recent, RetentionSource};
use arc_swap::ArcSwap;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::sync::{mpsc, oneshot};

/// The node's handle.
pub struct Handle {
    commands: mpsc::Sender<Command>,
    drain: mpsc::Sender<()>,
    metrics: Arc<Metrics>,
    recent: Arc<Recent>,
    hosts: Arc<Hosts>,
    phase: AtomicU8,
}

impl Handle {
    /// The handle of a node that starts.
    pub fn new(
        commands: mpsc::Sender<Command>,
        drain: mpsc::Sender<()>,
        metrics: Arc<Metrics>,
        recent: Arc<Recent>,
        hosts: Arc<Hosts>,
    ) -> Self {
        Self { commands, drain, metrics, recent, hosts, phase: AtomicU8::new(STARTING) }
    }

    /// The node serves.
    pub fn ready(&self) {
        self.phase.store(READY, Ordering::Relaxed);
    }

    /// The node drains.
    pub fn draining(&self) {
        self.phase.store(DRAINING, Ordering::Relaxed);
    }

    /// Asks for a reload; how it went stands in the log.
    pub fn reload_in_background(&self) {
        let (reply, _) = oneshot::channel();
        if self.commands.try_send(Command::Reload(reply)).is_err() {
            tracing::warn!("the control thread has too much to do: reload refused");
        }
    }
}

impl Node for Handle {
    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn account_metrics(&self, name: &str) -> Option<Result<String, String>> {
        let account = self.hosts.account(name)?;
        Some(control::figures(&account).render().map_err(|error| error.to_string()))
    }

    fn recent(&self) -> &Recent {
        &self.recent
    }

    fn readiness(&self) -> Readiness {
        match self.phase.load(Ordering::Relaxed) {
            READY => Readiness::Ready,
            STARTING => Readiness::NotReady("starting".into()),
            _ => Readiness::NotReady("draining".into()),
        }
    }

    fn status(&self, account: Option<&str>) -> Reply {
        let Ok(account) = account.map(AccountName::new).transpose() else {
            return Box::pin(std::future::ready(Err(Refused::Unknown)));
        };
        let commands = self.commands.clone();
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            commands.send(Command::Status(account, reply)).await.map_err(|_| ending())?;
            match answer.await {
                Ok(Some(status)) => json(&status),
                Ok(None) => Err(Refused::Unknown),
                Err(_) => Err(ending()),
            }
        })
    }

    fn reload(&self) -> Reply {
        let commands = self.commands.clone();
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            commands.send(Command::Reload(reply)).await.map_err(|_| ending())?;
            match answer.await {
                Ok(Ok(reloaded)) => json::<Reloaded>(&reloaded),
                Ok(Err(report)) => Err(Refused::Invalid(problems(&report))),
                Err(_) => Err(ending()),
            }
        })
    }

    fn restart(&self, which: &str) -> Reply {
        let (account, upstream) = match which.split_once('/') {
            Some((account, upstream)) => (account, Some(UpstreamName::new(upstream))),
            None => (which, None),
        };
        let (Ok(account), Ok(upstream)) = (AccountName::new(account), upstream.transpose()) else {
            return Box::pin(std::future::ready(Err(Refused::Unknown)));
        };
        let commands = self.commands.clone();
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            commands.send(Command::Restart(account, upstream, reply)).await.map_err(|_| ending())?;
            match answer.await {
                Ok(Some(count)) => Ok(serde_json::json!({ "restarting": count }).to_string()),
                Ok(None) => Err(Refused::Unknown),
                Err(_) => Err(ending()),
            }
        })
    }

    fn drain(&self) -> Reply {
        // One wish is as good as many.
        let _ = self.drain.try_send(());
        Box::pin(std::future::ready(Ok("{\"draining\":true}".into())))
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, Refused> {
    serde_json::to_string(value).map_err(|error| Refused::Unavailable(error.to_string().into()))
}

fn problems(report: &Report) -> String {
    let lines: Vec<String> = report.problems.iter().map(crate::config::Problem::one_line).collect();
    serde_json::json!({ "problems": lines }).to_string()
}

fn ending() -> Refused {
    Refused::Unavailable("the node is ending".into())
}

/// The accounts' counters, as metrics read them at a scrape.
pub fn account_source(hosts: Arc<Hosts>) -> AccountSource {
    Box::new(move |tell| hosts.each_account(|account| tell(&**account)))
}

/// How long accounts say that their logs are kept, for the thread that deletes them.
///
/// Of an account that is not served but has a document, nothing is known: its logs are kept.
pub fn retention_source(hosts: Arc<Hosts>, node: Arc<ArcSwap<Settings>>) -> RetentionSource {
    Box::new(move |name| match hosts.account(name) {
        Some(account) => account.form().log_retention,
        None => node.load().accounts.join(format!("{name}.toml")).exists().then_some(Retention(None)),
    })
}

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;
