//! How an instance of a program ended, for those whose request it took with it: the launcher says so a moment after the
//! connection broke.

use std::sync::OnceLock;
use tokio::sync::Notify;

/// What became of an instance. Told once, to any number of those who wait on any thread.
#[derive(Debug, Default)]
pub struct Fate {
    ended: OnceLock<Ended>,
    told: Notify,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// In words: its exit code or signal.
    pub why: String,
    /// Whether it was killed for want of memory.
    pub starved: bool,
}

impl Fate {
    /// It has ended.
    pub fn tell(&self, ended: Ended) {
        // The first word counts.
        let _ = self.ended.set(ended);
        self.told.notify_waiters();
    }

    /// Returns once it has ended.
    pub async fn told(&self) -> &Ended {
        loop {
            let told = self.told.notified();
            tokio::pin!(told);
            // Before the look: what is told after it wakes this.
            told.as_mut().enable();
            if let Some(ended) = self.ended.get() {
                return ended;
            }
            told.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn whoever_waits_is_told_and_whoever_comes_later() {
        let fate = Arc::new(Fate::default());
        let waiting = Arc::clone(&fate);
        let waits = tokio::spawn(async move { waiting.told().await.clone() });
        tokio::task::yield_now().await;
        let ended = Ended { why: "exit code 1".into(), starved: false };
        fate.tell(ended.clone());
        assert_eq!(waits.await.unwrap(), ended);
        fate.tell(Ended { why: "later".into(), starved: true });
        assert_eq!(*fate.told().await, ended);
    }
}
