//! The site log: what an account's programs went through, told to the customer. Writes what programs say so that it
//! cannot end a line; knows no program, and decides nothing about one.

use super::entry::Log;
use super::local_time::LocalTime;
use super::{End, seconds};
use crate::base::{self, AccountName, UpstreamName};
use std::fmt::{self, Display, Write};
use std::time::Duration;

/// The end of whoever leads the programs. Where its lines go, `[logs] output` says.
#[derive(Debug)]
pub struct SiteLog {
    end: End,
}

impl SiteLog {
    pub(super) fn new(end: End) -> Self {
        Self { end }
    }

    /// Writes a line about an upstream of the account, or drops it where the ring is full. Never waits.
    pub fn tell(&self, account: &AccountName, upstream: &UpstreamName, text: impl Display) {
        self.tell_at(base::wall(), account, upstream, text);
    }

    /// As [`tell`](Self::tell), at this time since the Unix epoch.
    pub(super) fn tell_at(
        &self,
        at: Duration,
        account: &AccountName,
        upstream: &UpstreamName,
        text: impl Display,
    ) {
        self.end.push(Log::Site, at, account.as_str(), FILE, |line, local_time| {
            write_line(line, seconds(at), upstream.as_str(), text, local_time);
        });
    }
}

/// Appends `2026-11-26T21:14:03+01:00 web: TEXT`, its line end included.
pub(super) fn write_line(
    line: &mut Vec<u8>,
    seconds: i64,
    upstream: &str,
    text: impl Display,
    local_time: &mut LocalTime,
) {
    let day = local_time.day(seconds);
    let (hours, minutes) = day.offset.split_at(3);
    for part in [&day.iso, b"T".as_slice(), &day.time(seconds), hours, b":", minutes, b" "] {
        line.extend_from_slice(part);
    }
    let mut escaped = Escaped { line, left: MOST_TEXT_BYTES };
    // Fails where the text is cut.
    let _ = write!(escaped, "{upstream}: {text}");
    line.push(b'\n');
}

/// Appends text to a line: it stands as it is, but for what could end the line or turn it round.
struct Escaped<'a> {
    line: &'a mut Vec<u8>,
    left: usize,
}

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            let Some(left) = self.left.checked_sub(char.len_utf8()) else {
                if self.left > 0 {
                    self.left = 0;
                    self.line.extend_from_slice(b"...");
                }
                return Err(fmt::Error);
            };
            self.left = left;
            if is_plain(char) {
                self.line.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                self.line.extend(char.escape_default().map(|escaped| escaped as u8));
            }
        }
        Ok(())
    }
}

/// Whether a character stays within its line and its place there: no control character, no line end of Unicode's, nothing
/// that changes the direction of what follows.
pub(super) fn is_plain(char: char) -> bool {
    let turns = matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !char.is_control() && !turns && !matches!(char, '\u{2028}' | '\u{2029}')
}

/// The `{file}` of a line; the settings allow no such variable in the path.
pub(super) const FILE: &str = "sites";

/// Bytes of a line's text that are kept; `...` says that there was more.
const MOST_TEXT_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests;
