//! Whether an instance of a program answers: how many requests it has whole and has not answered, and since when it has
//! answered nobody. Decides nothing: a server that is slow and one that hangs look alike.

use crate::base::now;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What an instance owes. One word that all workers write, once as a request is sent and once as its answer begins.
#[derive(Debug)]
pub(super) struct Answers {
    origin: Instant,
    /// How many requests have no answer ([`COUNT`]), and, while there are any, since when nobody got one: milliseconds
    /// since `origin`.
    word: AtomicU64,
    /// Whether a request was given up for want of an answer, and nobody has got one since.
    overdue: AtomicBool,
}

/// For how long an instance has answered nobody who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// How long: from the first request without an answer, or the last answer.
    pub lasting: Duration,
    /// Requests that wait for an answer now.
    pub requests: u64,
    /// Whether one was given up: it had all the time that its account gives an answer.
    pub overdue: bool,
}

/// Where one request stands with the instance it was sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reply {
    /// It is not sent yet, or not all of it: nobody owes an answer.
    #[default]
    NotDue,
    /// All of it was sent.
    Due,
    /// The answer began, or nobody waits for it.
    Done,
}

impl Answers {
    pub(super) fn new() -> Self {
        Self { origin: now(), word: AtomicU64::new(0), overdue: AtomicBool::new(false) }
    }

    /// A request is with it.
    pub(super) fn asked(&self, at: Instant) {
        let at = self.stamp(at);
        let is_overdue = self.overdue.load(Ordering::Relaxed);
        self.change(|count, since| (count + 1, if count == 0 && !is_overdue { at } else { since }));
    }

    /// The answer to one began.
    pub(super) fn answered(&self, at: Instant) {
        let at = self.stamp(at);
        self.change(|count, _| (count.saturating_sub(1), at));
        // Mostly it is not, and then nobody's cache has to know.
        if self.overdue.load(Ordering::Relaxed) {
            self.overdue.store(false, Ordering::Relaxed);
        }
    }

    /// Nobody waits for the answer to one any more: because it is `overdue`, or who asked left.
    pub(super) fn given_up(&self, overdue: bool) {
        self.change(|count, since| (count.saturating_sub(1), since));
        if overdue {
            self.overdue.store(true, Ordering::Relaxed);
        }
    }

    /// Its silence; `None`: it owes nobody an answer.
    pub(super) fn silence(&self, at: Instant) -> Option<Silence> {
        let word = self.word.load(Ordering::Relaxed);
        let overdue = self.overdue.load(Ordering::Relaxed);
        let requests = word / COUNT;
        let lasting = Duration::from_millis(self.stamp(at).saturating_sub(word % COUNT));
        (requests > 0 || overdue).then_some(Silence { lasting, requests, overdue })
    }

    fn change(&self, to: impl Fn(u64, u64) -> (u64, u64)) {
        let change = |word| {
            let (count, since) = to(word / COUNT, word % COUNT);
            Some(count * COUNT + since)
        };
        // It always changes: the closure always says to what.
        let _ = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    fn stamp(&self, at: Instant) -> u64 {
        (at.saturating_duration_since(self.origin).as_millis() as u64).min(COUNT - 1)
    }
}

/// One request in the word: the bits below hold the time, 34 years of it, the bits above 16 million requests.
const COUNT: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn who_owes_nobody_is_not_silent_and_who_answers_anybody_is_not_silent_for_long() {
        let answers = Answers::new();
        let at = |second| answers.origin + seconds(second);
        let lasting = |second| answers.silence(at(second)).map(|silence| silence.lasting.as_secs());
        assert_eq!(lasting(5), None);
        answers.asked(at(10));
        answers.asked(at(12));
        assert_eq!(lasting(15), Some(5), "since the first");
        answers.answered(at(16));
        assert_eq!(lasting(20), Some(4), "since the answer");
        answers.given_up(false);
        assert_eq!(lasting(30), None, "the other has left");
        answers.asked(at(40));
        assert_eq!(lasting(41), Some(1));
    }

    #[test]
    fn who_was_given_up_is_silent_until_somebody_is_answered() {
        let answers = Answers::new();
        let at = |second| answers.origin + seconds(second);
        answers.asked(at(10));
        answers.given_up(true);
        let silence = Silence { lasting: seconds(60), requests: 0, overdue: true };
        assert_eq!(answers.silence(at(70)), Some(silence));
        answers.asked(at(80));
        assert_eq!(answers.silence(at(90)).unwrap().lasting, seconds(80), "still since the first");
        answers.answered(at(91));
        assert_eq!(answers.silence(at(92)), None);
    }

    proptest! {
        /// However the events fall, the count is that of the requests without an answer.
        #[test]
        fn the_count_is_right(steps in prop::collection::vec(0u8..4, 0..100)) {
            let answers = Answers::new();
            let (mut open, mut time) = (0, answers.origin);
            for step in steps {
                time += Duration::from_millis(7);
                match step {
                    0 | 1 => {
                        answers.asked(time);
                        open += 1;
                    }
                    _ if open == 0 => {}
                    2 => {
                        answers.answered(time);
                        open -= 1;
                    }
                    _ => {
                        answers.given_up(false);
                        open -= 1;
                    }
                }
                prop_assert_eq!(answers.silence(time).map_or(0, |silence| silence.requests), open);
            }
        }
    }
}
