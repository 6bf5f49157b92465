//! The last lines of what a program writes. Bounded, whatever it writes.

use std::collections::VecDeque;

/// The last lines, and the one that is being written.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    unfinished: Vec<u8>,
}

impl Tail {
    /// Takes over what was written next.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let room = MOST_BYTES.saturating_sub(self.unfinished.len());
            self.unfinished.extend_from_slice(&piece[..piece.len().min(room)]);
            if pieces.peek().is_some() {
                self.end_line();
            }
        }
    }

    /// The lines, oldest first.
    pub(super) fn finish(mut self) -> Vec<String> {
        self.end_line();
        self.lines.into()
    }

    /// Empty lines say nothing. What a terminal, or a log's reader, would take for a command is a blank.
    fn end_line(&mut self) {
        let text = String::from_utf8_lossy(&self.unfinished);
        let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        line.truncate(line.floor_char_boundary(MOST_BYTES));
        line.truncate(line.trim_end().len());
        self.unfinished.clear();
        if !line.is_empty() {
            self.lines.push_back(line);
        }
        if self.lines.len() > MOST_LINES {
            self.lines.pop_front();
        }
    }
}

/// Lines kept: a message and what led to it. With their bytes they fit a frame, each quote and backslash escaped.
const MOST_LINES: usize = 20;

/// Bytes of a line; the rest of a longer one is left out.
const MOST_BYTES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::protocol::{Ending, Instance, Notice, encode};
    use proptest::prelude::*;

    #[test]
    fn the_last_lines_are_kept() {
        let mut tail = Tail::default();
        for number in 0..30 {
            tail.push(format!("line {number}\n\n").as_bytes());
        }
        tail.push(b"\x1b[31mred\x1b[0m\ta");
        tail.push(b"nd the end");
        let lines = tail.finish();
        assert_eq!(lines.len(), 20);
        assert_eq!((lines[0].as_str(), lines[19].as_str()), ("line 11", " [31mred [0m and the end"));
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        let mut tail = Tail::default();
        for _ in 0..1000 {
            tail.push("é".repeat(1000).as_bytes());
        }
        tail.push(b"\nnext");
        let lines = tail.finish();
        assert_eq!((lines[0].len(), lines[1].as_str()), (1000, "next"));
    }

    proptest! {
        #[test]
        fn whatever_is_written_fits_a_frame(
            seed in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(0xff)], 1..40)
        ) {
            let mut tail = Tail::default();
            for _ in 0..40 {
                tail.push(&seed.repeat(1100 / seed.len() + 1));
                tail.push(b"\n");
            }
            let last_words = tail.finish();
            prop_assert!(last_words.len() <= 20 && last_words.iter().all(|line| line.len() <= 1000));
            let ended = Notice::Ended {
                instance: Instance(1),
                ending: Ending::Unknown,
                memory_kills: u64::MAX,
                last_words,
                launcher_ends: false,
            };
            prop_assert!(encode(&ended).is_ok());
        }
    }
}
