//! Documents whose file went a moment ago. Whoever saves by moving the old file away brings a new one at once; that is
//! a change of the account, not its end, and must not drain its tunnels.

use crate::base::AccountName;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Who may be leaving, and since when. Never more than there are documents.
#[derive(Debug, Default)]
pub struct Leaving(BTreeMap<AccountName, Instant>);

impl Leaving {
    /// The account's document was not there `at` this time. Only the first time counts.
    pub fn note(&mut self, name: AccountName, at: Instant) {
        self.0.entry(name).or_insert(at);
    }

    /// When somebody is to be looked at next.
    pub fn next(&self) -> Option<Instant> {
        self.0.values().min().map(|at| *at + GRACE)
    }

    /// Whose document went long enough ago to be looked at again, and when it went.
    pub fn due(&mut self, now: Instant) -> Vec<(AccountName, Instant)> {
        self.0.extract_if(.., |_, at| *at + GRACE <= now).collect()
    }
}

/// How long a document may be away while it is replaced: what a save takes on a busy machine, and no time for whoever
/// deletes an account.
const GRACE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_looked_at_once_its_grace_is_over() {
        let name = |text: &str| AccountName::new(text).unwrap();
        let mut leaving = Leaving::default();
        let at = crate::base::now();
        assert_eq!(leaving.next(), None);
        leaving.note(name("alice"), at);
        leaving.note(name("bob"), at + GRACE / 2);
        leaving.note(name("alice"), at + GRACE / 2);
        assert_eq!(leaving.next(), Some(at + GRACE));
        assert!(leaving.due(at + GRACE / 2).is_empty());
        assert_eq!(leaving.due(at + GRACE), [(name("alice"), at)]);
        assert_eq!(leaving.next(), Some(at + GRACE / 2 + GRACE));
    }
}
