//! The node's own log: tracing events as lines of text on standard error, written by a thread of its own so
//! that no worker ever waits for a terminal, a pipe or journald. Lines that do not fit are dropped and counted.

use arc_swap::ArcSwapOption;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// The node's log while it runs; dropping it leaves the log running.
#[derive(Debug)]
pub struct NodeLog {
    queue: Queue,
    /// Closed when the thread ends.
    ended: Receiver<()>,
}

impl NodeLog {
    /// Starts the log for the whole process. What is logged is set by `PARVIS_LOG` (`info` by default;
    /// `info,parvis::tls=debug` tells more of one module). Under journald, lines carry their priority instead of
    /// the time; on a terminal they have colours.
    ///
    /// # Errors
    /// When the process has a log already, or no thread can be started.
    pub fn start() -> io::Result<Self> {
        let (this, queue) = Self::over(io::stderr())?;
        let wish = std::env::var(FILTER_VARIABLE).unwrap_or_default();
        let (filter, error) = filter(&wish);
        let style =
            if is_journald() { Style::Journal } else { Style::Text { colours: io::stderr().is_terminal() } };
        tracing::subscriber::set_global_default(subscriber(queue, filter, style))
            .map_err(io::Error::other)?;
        if let Some(error) = error {
            tracing::warn!(%error, wish, "{FILTER_VARIABLE} is not understood: logging at info");
        }
        Ok(this)
    }

    /// Writes what is waiting, for at most `patience`; later events are written directly. Returns whether all
    /// was written.
    pub fn finish(self, patience: Duration) -> bool {
        // The queue's only sender: without it the thread ends once it has emptied the queue.
        self.queue.sender.store(None);
        matches!(self.ended.recv_timeout(patience), Err(RecvTimeoutError::Disconnected))
    }

    fn over(out: impl Write + Send + 'static) -> io::Result<(Self, Queue)> {
        let (sender, lines) = mpsc::sync_channel(MOST_WAITING);
        let (open, ended) = mpsc::channel();
        let told = dropped();
        thread::Builder::new().name("parvis-node-log".into()).spawn(move || {
            write_lines(out, &lines, told);
            drop::<mpsc::Sender<()>>(open);
        })?;
        let queue = Queue { sender: Arc::new(ArcSwapOption::from_pointee(sender)) };
        Ok((Self { queue: queue.clone(), ended }, queue))
    }
}

/// Lines dropped so far because the writer was too far behind.
pub(super) fn dropped() -> u64 {
    DROPPED.load(Relaxed)
}

/// The events' end of the queue of lines. Clones share it.
#[derive(Clone, Debug)]
struct Queue {
    sender: Arc<ArcSwapOption<SyncSender<Vec<u8>>>>,
}

impl Write for Queue {
    /// Takes one whole line, as the subscriber hands it over.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let one_line = one_line(line);
        match &*self.sender.load() {
            None => io::stderr().write_all(&one_line)?,
            Some(sender) => {
                if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = sender.try_send(one_line)
                {
                    DROPPED.fetch_add(1, Relaxed);
                }
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Queue {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// How a line looks.
#[derive(Clone, Copy, Debug)]
enum Style {
    /// With the time in UTC and the level's name.
    Text { colours: bool },
    /// With a priority in front, as journald reads it (sd-daemon(3)); it knows the time itself.
    Journal,
}

fn subscriber(queue: Queue, filter: EnvFilter, style: Style) -> Box<dyn Subscriber + Send + Sync> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(queue);
    match style {
        Style::Text { colours } => Box::new(builder.with_ansi(colours).finish()),
        Style::Journal => Box::new(builder.with_ansi(false).event_format(Journal).finish()),
    }
}

struct Journal;

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(out, "<{priority}>{}: ", event.metadata().target())?;
        ctx.field_format().format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

fn filter(wish: &str) -> (EnvFilter, Option<ParseError>) {
    let wish = if wish.is_empty() { "info" } else { wish };
    let builder = EnvFilter::builder();
    // What the resolver says of a name is told with the request that wanted it.
    let wish = format!("hickory_net=error,hickory_resolver=error,{wish}");
    match builder.parse(wish) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::default().add_directive(Level::INFO.into()), Some(error)),
    }
}

/// Whether standard error is the journal's: then `JOURNAL_STREAM` names its device and inode (systemd.exec(5)).
fn is_journald() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(status) = rustix::fs::fstat(io::stderr()) else { return false };
    stream == format!("{}:{}", status.st_dev, status.st_ino)
}

/// The line with every line end but its last made visible, so that no value can begin a line of its own.
fn one_line(line: &[u8]) -> Vec<u8> {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let mut one_line = Vec::with_capacity(line.len() + 1);
    for piece in text.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
        match piece.split_last() {
            Some((b'\n', rest)) => one_line.extend_from_slice(&[rest, b"\\n"].concat()),
            Some((b'\r', rest)) => one_line.extend_from_slice(&[rest, b"\\r"].concat()),
            _ => one_line.extend_from_slice(piece),
        }
    }
    one_line.push(b'\n');
    one_line
}

/// Writes lines until nobody can send one any more, and how many were dropped beyond those `told`. What cannot be written has nobody left to be told.
fn write_lines(mut out: impl Write, lines: &Receiver<Vec<u8>>, mut told: u64) {
    for line in lines {
        let _ = out.write_all(&line);
        let dropped = dropped();
        if dropped > told {
            let _ = writeln!(out, "{} lines of this log were dropped here", dropped - told);
            told = dropped;
        }
    }
}

const FILTER_VARIABLE: &str = "PARVIS_LOG";

/// Lines that may wait for the writer: some hundred kilobytes, a burst in an incident.
const MOST_WAITING: usize = 1024;

/// Of the process, as the log is.
static DROPPED: AtomicU64 = AtomicU64::new(0);

#[cfg(test)]
mod tests;
