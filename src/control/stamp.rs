//! What changes with a file's content, nearly always: who has seen a file with its stamp need not read it again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// A file as its directory shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of a file.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the content was written before that of `other`, or at the same time.
    pub fn is_no_newer_than(&self, other: &Self) -> bool {
        self.modified <= other.modified
    }

    /// Whether a change after `now` (wall time since the epoch) must show: two changes within one tick of the file
    /// system's clock do not.
    pub fn is_settled(self, now: Duration) -> bool {
        let changed = u64::try_from(self.changed.0.max(self.modified.0)).unwrap_or(0);
        Duration::from_secs(changed) + SETTLING < now
    }
}

/// How long a file's stamp may hide another change: the coarsest clock of a file system (two seconds).
const SETTLING: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that was just written may change again and look the same.
    #[test]
    fn a_young_stamp_proves_nothing() {
        let stamp = Stamp { changed: (100, 5), modified: (90, 0), ..Stamp::default() };
        for (now, settled) in [(99_000, false), (102_000, false), (102_001, true), (200_000, true)] {
            assert_eq!(stamp.is_settled(Duration::from_millis(now)), settled, "{now}");
        }
    }
}
