//! Where a head or a trailer section ends, found as its bytes arrive: each is looked at once, however small the
//! pieces. Knows lines; knows nothing of what stands in them.

use memchr::memchr_iter;

/// How far the search has come. Positions count from the first byte of the section.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scanner {
    scanned: usize,
    line_start: usize,
    lines: usize,
}

/// A section that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// Its bytes, the empty line included.
    pub(super) len: usize,
    /// Its lines, the empty one not counted.
    pub(super) lines: usize,
}

/// Why the search was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScanError {
    /// A line that ends in LF alone: some take it for an end, some do not.
    BareLf,
    /// No end within the bytes allowed.
    TooLong,
    /// More lines than allowed.
    TooManyLines,
}

impl Scanner {
    /// Goes on where the last call stopped: `bytes` begins with the same bytes as before. What is found depends
    /// on the bytes alone, not on the pieces they came in.
    pub(super) fn scan(
        &mut self,
        bytes: &[u8],
        max_bytes: usize,
        max_lines: usize,
    ) -> Result<Option<Section>, ScanError> {
        let window = &bytes[..bytes.len().min(max_bytes)];
        let unseen = self.scanned;
        for distance in memchr_iter(b'\n', &window[unseen..]) {
            let line_end = unseen + distance;
            self.scanned = line_end + 1;
            let line = &window[self.line_start..line_end];
            self.line_start = self.scanned;
            match line {
                b"\r" => return Ok(Some(Section { len: self.scanned, lines: self.lines })),
                [.., b'\r'] => self.lines += 1,
                _ => return Err(ScanError::BareLf),
            }
            if self.lines > max_lines {
                return Err(ScanError::TooManyLines);
            }
        }
        self.scanned = window.len();
        if window.len() == max_bytes { Err(ScanError::TooLong) } else { Ok(None) }
    }

    /// The line that the search stands at or, where it was given up for a line, that line. Without its end.
    pub(super) fn line<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        // The line was counted off before it was looked at.
        let end = self.line_start.min(bytes.len());
        let before = bytes[..end].strip_suffix(b"\n").unwrap_or(&bytes[..end]);
        let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        before[start..].strip_suffix(b"\r").unwrap_or(&before[start..])
    }

    /// Lines found so far.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found when the bytes come in pieces of `size`.
    fn scan(bytes: &[u8], size: usize, max_bytes: usize) -> Result<Option<Section>, ScanError> {
        let mut scanner = Scanner::default();
        for end in (0..bytes.len()).step_by(size).skip(1).chain([bytes.len()]) {
            match scanner.scan(&bytes[..end], max_bytes, 3) {
                Ok(None) => {}
                found => return found,
            }
        }
        Ok(None)
    }

    #[test]
    fn the_end_is_found_in_any_pieces() {
        for (bytes, max_bytes, expected) in [
            (&b"\r\n"[..], 99, Ok(Some(Section { len: 2, lines: 0 }))),
            (b"a\r\nb\r\n\r\nbody\n", 99, Ok(Some(Section { len: 8, lines: 2 }))),
            (b"a\r\nb\r\n\r", 99, Ok(None)),
            (b"a\n\n", 99, Err(ScanError::BareLf)),
            (b"a\r\n\n", 99, Err(ScanError::BareLf)),
            (b"\n", 99, Err(ScanError::BareLf)),
            (b"a\r\nb\r\n\r\n", 8, Ok(Some(Section { len: 8, lines: 2 }))),
            (b"a\r\nb\r\n\r\n", 7, Err(ScanError::TooLong)),
            (b"a\r\nb\r\n", 6, Err(ScanError::TooLong)),
            (b"a\r\nb\r\nc\r\n\r\n", 99, Ok(Some(Section { len: 11, lines: 3 }))),
            (b"a\r\nb\r\nc\r\nd\r\n\r\n", 99, Err(ScanError::TooManyLines)),
            (b"a\r\nb\r\nc\r\nd\r\n\n", 12, Err(ScanError::TooManyLines)),
        ] {
            for size in 1..=bytes.len() {
                assert_eq!(scan(bytes, size, max_bytes), expected, "{bytes:?} by {size}");
            }
        }
    }
}
