//! Lines in both styles, and a writer that hangs.

use super::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

const PATIENCE: Duration = Duration::from_secs(20);

/// Memory that lines are written to; whoever holds its lock stops the writer.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<Vec<u8>>>);

impl Slow {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(wish: &str, style: Style, events: impl FnOnce()) -> String {
    let out = Slow::default();
    let (log, queue) = NodeLog::over(out.clone()).unwrap();
    tracing::subscriber::with_default(subscriber(queue, filter(wish).0, style), events);
    assert!(log.finish(PATIENCE));
    let bytes = out.lock().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn lines_carry_level_and_fields() {
    let text = written("", Style::Text { colours: false }, || {
        tracing::warn!(account = "alice", "refused");
        tracing::debug!("not told");
    });
    assert!(
        text.ends_with("Z  WARN parvis::telemetry::node_log::tests: refused account=\"alice\"\n"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn the_journal_gets_priorities() {
    let text = written("trace", Style::Journal, || {
        tracing::error!("e");
        tracing::warn!("w");
        tracing::info!(n = 1, "i");
        tracing::trace!("t");
    });
    let target = "parvis::telemetry::node_log::tests";
    assert_eq!(text, format!("<3>{target}: e\n<4>{target}: w\n<6>{target}: i n=1\n<7>{target}: t\n"));
}

#[test]
fn no_value_begins_a_line_of_its_own() {
    let text = written("", Style::Journal, || tracing::info!(detail = %"a\n<3>b\r\nc", "x"));
    assert_eq!(text.lines().count(), 1);
    assert!(text.ends_with("detail=a\\n<3>b\\r\\nc\n"), "{text}");
}

#[test]
fn a_filter_that_is_none_is_told_and_info_stays() {
    assert!(filter("parvis=loud").1.is_some());
    assert!(filter("warn,parvis::tls=debug").1.is_none());
    let style = Style::Text { colours: false };
    let text = written("parvis=loud", style, || {
        tracing::info!("told");
        tracing::debug!("not told");
    });
    assert!(text.ends_with("told\n") && text.lines().count() == 1, "{text}");
}

#[test]
fn a_writer_that_hangs_costs_lines_and_no_time() {
    let out = Slow::default();
    let (log, queue) = NodeLog::over(out.clone()).unwrap();
    let before = dropped();
    let hanging = out.lock();
    tracing::subscriber::with_default(subscriber(queue, filter("").0, Style::Journal), || {
        (0..MOST_WAITING + 100).for_each(|n| tracing::info!(n, "line"));
    });
    let lost = dropped() - before;
    assert!((99..=100).contains(&lost), "{lost}");
    drop(hanging);
    assert!(log.finish(PATIENCE));
    let text = String::from_utf8(out.lock().clone()).unwrap();
    assert!(text.contains(&format!("\n{lost} lines of this log were dropped here\n")));
    assert_eq!(text.lines().count() as u64, MOST_WAITING as u64 + 100 - lost + 1);
}

#[test]
fn finishing_does_not_wait_for_ever() {
    let out = Slow::default();
    let (log, mut queue) = NodeLog::over(out.clone()).unwrap();
    let hanging = out.lock();
    queue.write_all(b"a line\n").unwrap();
    assert!(!log.finish(Duration::from_millis(1)));
    drop(hanging);
}
