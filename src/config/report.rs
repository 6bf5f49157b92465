//! Everything that is wrong with a configuration, all at once, each with its place and what to write instead.
//! Owns how problems look; knows nothing of what is right.

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

/// All problems of one file, or of many, sorted by file and place. Where it stands for an error it is not empty.
///
/// Displayed as a compiler shows its errors: message, place, the line with a mark under it, hint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// The column in characters, from 1; 0 where the file as a whole is meant.
    pub column: usize,
    /// The path of the key: `site[3].addresses[0]`; empty where no key is meant.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The line it stands on, where showing it gives nothing away.
    pub(super) excerpt: Option<Excerpt>,
}

/// A line of the file with a mark under the part that is meant: already fit for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    line: String,
    mark_at: usize,
    mark_width: usize,
}

impl Report {
    /// Adds the problems of another report.
    pub fn extend(&mut self, other: Self) {
        self.problems.extend(other.problems);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Sorts by file, line and column: the order a reader mends them in.
    pub fn sort(&mut self) {
        self.problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    }
}

impl From<Problem> for Report {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl Problem {
    /// A problem of the file as a whole.
    pub fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            key: String::new(),
            message: message.into(),
            hint: None,
            excerpt: None,
        }
    }

    /// That a page which `file` names cannot be read, and `why`.
    pub fn of_page(file: &Path, why: &str) -> Self {
        Self::of_file(file, why).with_hint("a page of Parvis' own is shown; `parvis reload` reads it again")
    }

    /// The same problem with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The problem in one line, for logs: `FILE:LINE:COLUMN: KEY: MESSAGE (HINT)`.
    pub fn one_line(&self) -> String {
        let mut line = format!("{}: {}", self.place(), self.sentence());
        if let Some(hint) = &self.hint {
            let _ = write!(line, " ({})", Printable(hint));
        }
        line
    }

    fn place(&self) -> String {
        let file = Printable(&self.file.to_string_lossy()).to_string();
        match self.line {
            0 => file,
            line => format!("{file}:{line}:{}", self.column),
        }
    }

    fn sentence(&self) -> String {
        let message = Printable(&self.message);
        match self.key.as_str() {
            "" => message.to_string(),
            key => format!("{}: {message}", Printable(key)),
        }
    }
}

impl Excerpt {
    /// The line with a mark under the characters `mark`. A long line is cut to a window around the mark.
    pub(super) fn new(line: &str, mark: std::ops::Range<usize>) -> Self {
        let first = if mark.start > WINDOW_BEFORE_MARK + 1 { mark.start - WINDOW_BEFORE_MARK } else { 0 };
        let mut shown: String = line.chars().skip(first).take(WINDOW).collect();
        let mut mark_at = mark.start - first;
        if line.chars().nth(first + WINDOW).is_some() {
            shown.push('…');
        }
        if first > 0 {
            shown.insert(0, '…');
            mark_at += 1;
        }
        let room = shown.chars().count().saturating_sub(mark_at);
        let mark_width = mark.len().clamp(1, room.max(1));
        Self { line: Printable(&shown).to_string(), mark_at, mark_width }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = if self.line == 0 { String::new() } else { self.line.to_string() };
        let gutter = " ".repeat(number.len().max(1));
        write!(f, "error: {}\n{gutter}--> {}", self.sentence(), self.place())?;
        if let Some(Excerpt { line, mark_at, mark_width }) = &self.excerpt {
            let (indent, mark) = (" ".repeat(*mark_at), "^".repeat(*mark_width));
            write!(f, "\n{gutter} |\n{number} | {line}\n{gutter} | {indent}{mark}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n{gutter} = hint: {}", Printable(hint))?;
        }
        Ok(())
    }
}

/// Text that cannot move a terminal's cursor or turn its direction: documents are written by customers, and
/// what they say is read by operators.
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\t' | '\n' | '\r' => f.write_char(' '),
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                f.write_char(char::REPLACEMENT_CHARACTER)
            }
            c if c.is_control() => f.write_char(char::REPLACEMENT_CHARACTER),
            c => f.write_char(c),
        })
    }
}

/// Characters of a line that are shown: a screen's width less the gutter.
const WINDOW: usize = 100;

/// Of these, before the mark: enough to see the key.
const WINDOW_BEFORE_MARK: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn problem() -> Problem {
        Problem {
            file: "accounts.d/alice.toml".into(),
            line: 12,
            column: 14,
            key: "site[3].addresses[0]".into(),
            message: "\"a_b.test\" is not a host name (underscore)".into(),
            hint: None,
            excerpt: Some(Excerpt::new("addresses = [\"a_b.test\"]", 13..23)),
        }
    }

    #[test]
    fn a_problem_shows_its_place_its_line_and_its_hint() {
        let shown = problem().with_hint("use a dash").to_string();
        let expected = r#"
error: site[3].addresses[0]: "a_b.test" is not a host name (underscore)
  --> accounts.d/alice.toml:12:14
   |
12 | addresses = ["a_b.test"]
   |              ^^^^^^^^^^
   = hint: use a dash"#;
        assert_eq!(shown, expected.trim_start());
    }

    #[test]
    fn a_problem_fits_on_one_line_of_a_log() {
        let expected = "accounts.d/alice.toml:12:14: site[3].addresses[0]: \"a_b.test\" is not a host name \
                        (underscore) (use a dash)";
        assert_eq!(problem().with_hint("use a dash").one_line(), expected);
        assert_eq!(Problem::of_file(Path::new("p.toml"), "gone").one_line(), "p.toml: gone");
    }

    #[test]
    fn a_problem_of_a_whole_file_has_no_line() {
        let shown = Problem::of_file(Path::new("p.toml"), "gone").with_hint("bring it back").to_string();
        assert_eq!(shown, "error: gone\n --> p.toml\n  = hint: bring it back");
    }

    #[test]
    fn what_a_document_says_cannot_drive_the_terminal() {
        let mut problem = problem();
        problem.message = "\u{1b}[2J\u{202e}x\r\n".into();
        problem.excerpt = Some(Excerpt::new("a\t=\u{7}1", 0..1));
        let shown = problem.to_string();
        assert!(shown.contains("\u{fffd}[2J\u{fffd}x  "), "{shown:?}");
        assert!(shown.contains("a =\u{fffd}1"), "{shown:?}");
        assert!(!problem.one_line().chars().any(char::is_control));
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let line = format!("{}BAD{}", "x".repeat(500), "y".repeat(500));
        let excerpt = Excerpt::new(&line, 500..503);
        assert_eq!(excerpt.line.chars().count(), WINDOW + 2);
        let marked: String = excerpt.line.chars().skip(excerpt.mark_at).take(excerpt.mark_width).collect();
        assert_eq!(marked, "BAD");
        let whole = Excerpt::new(&line, 0..1003);
        assert!(whole.mark_width <= WINDOW + 1);
        assert_eq!(Excerpt::new("", 0..0).mark_width, 1);
    }

    #[test]
    fn reports_are_read_from_top_to_bottom() {
        let at = |file: &str, line| Problem { line, ..Problem::of_file(Path::new(file), "m") };
        let mut report = Report { problems: vec![at("b", 1), at("a", 2), at("a", 1)] };
        report.extend(at("a", 0).into());
        report.sort();
        let places: Vec<_> = report.problems.iter().map(Problem::place).collect();
        assert_eq!(places, ["a", "a:1:0", "a:2:0", "b:1:0"]);
        assert_eq!(report.to_string().matches("error: m").count(), 4);
    }
}
