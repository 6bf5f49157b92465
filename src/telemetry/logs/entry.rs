//! What is put into a ring: a line, and which file it belongs to.

/// Which log a line belongs to: each has a path template of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// The access log: what visitors asked for.
    Access,
    /// The site log: what the account's programs went through.
    Site,
    /// The provider's own log of connections.
    Connections,
}

/// A line on its way to its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) log: Log,
    /// When what it tells came about, in seconds since the Unix epoch: it decides the date in the file's path.
    pub(super) seconds: i64,
    pub(super) account: &'a str,
    pub(super) file: &'a str,
    /// The line with its line end.
    pub(super) line: &'a [u8],
}

/// Puts everything but the line into `bytes`; the line is appended by whoever formats it.
pub(super) fn begin(bytes: &mut Vec<u8>, log: Log, seconds: i64, account: &str, file: &str) {
    bytes.clear();
    bytes.push(log.byte());
    bytes.extend_from_slice(&seconds.to_le_bytes());
    for name in [account, file] {
        // A name beyond a file system's limit becomes none, which the writer refuses.
        let name = if name.len() > MOST_NAME_BYTES { "" } else { name };
        bytes.push(name.len() as u8);
        bytes.extend_from_slice(name.as_bytes());
    }
}

impl Log {
    /// How it stands in a ring.
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Access => b'a',
            Self::Site => b's',
            Self::Connections => b'c',
        }
    }
}

impl<'a> Entry<'a> {
    /// Reads what [`begin`] and a line put together.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (log, rest) = bytes.split_first()?;
        let log = [Log::Access, Log::Site, Log::Connections].into_iter().find(|one| one.byte() == *log)?;
        let (seconds, rest) = rest.split_first_chunk()?;
        let (account, rest) = name(rest)?;
        let (file, line) = name(rest)?;
        Some(Self { log, seconds: i64::from_le_bytes(*seconds), account, file, line })
    }
}

fn name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((str::from_utf8(name).ok()?, rest))
}

/// The longest name of a file (Linux: `NAME_MAX`).
const MOST_NAME_BYTES: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_out_as_it_went_in() {
        let mut bytes = b"rest of another".to_vec();
        begin(&mut bytes, Log::Site, -5, "alice", "sites");
        bytes.extend_from_slice(b"a line\n");
        let entry = Entry { log: Log::Site, seconds: -5, account: "alice", file: "sites", line: b"a line\n" };
        assert_eq!(Entry::parse(&bytes), Some(entry));
        begin(&mut bytes, Log::Access, 5, "", &"x".repeat(256));
        assert_eq!(Entry::parse(&bytes).map(|entry| entry.file), Some(""));
        assert_eq!(Entry::parse(b"ashort"), None);
        assert_eq!(Entry::parse(b"?12345678\0\0a line\n"), None);
    }
}
