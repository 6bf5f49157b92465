//! One file under examination: its text, its TOML tree with places, and the problems found so far. Turns byte
//! offsets into lines and columns; judges no value.

use super::report::{Excerpt, Problem, Report};
use super::scalar::Wrong;
use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// A file's text and what was found wrong with it.
pub(super) struct Source<'s> {
    file: &'s Path,
    text: &'s str,
    found: RefCell<Found>,
}

#[derive(Default)]
struct Found {
    problems: Vec<Placed>,
    /// Problems past [`MAX_PROBLEMS`]: counted, not kept.
    more: usize,
    /// What must not be shown.
    secrets: Vec<Range<usize>>,
}

struct Placed {
    span: Range<usize>,
    key: String,
    wrong: Wrong,
    of: Of,
}

impl Found {
    fn is_torn(&self) -> bool {
        self.problems.iter().any(|placed| placed.of == Of::Syntax)
    }
}

/// What a problem is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// The text is no TOML here.
    Syntax,
    /// Something written: its value may be shown.
    Value,
    /// A key nobody knows: what it holds, nobody knows either, so the value is not shown.
    Key,
    /// Something that is not there. Where the text is no TOML, it may only have been lost.
    Absence,
}

impl<'s> Source<'s> {
    /// A file nothing is known of yet.
    pub(super) fn new(file: &'s Path, text: &'s str) -> Self {
        Self { file, text, found: RefCell::default() }
    }

    /// The file's path, as it was given.
    pub(super) fn file(&self) -> &'s Path {
        self.file
    }

    /// The tree of the text. Where it is no TOML that is noted, and the tree holds what could be read: so one
    /// slip hides no other.
    pub(super) fn parse(&self) -> DeTable<'s> {
        if self.text.len() > MAX_FILE_BYTES {
            let message = format!("the file has {} bytes, more than {MAX_FILE_BYTES}", self.text.len());
            self.note(0..0, String::new(), Of::Value, Wrong::new(message));
            return DeTable::new();
        }
        let (tree, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            self.note(span, String::new(), Of::Syntax, Wrong::new(error.message()));
        }
        let tree = tree.into_inner();
        if self.text.contains(SECRET_KEY) {
            let mut found = self.found.borrow_mut();
            match self.text.find(SECRET_KEY) {
                Some(first) if found.is_torn() => found.secrets.push(first..self.text.len()),
                _ => secrets_of(&tree, false, &mut found.secrets),
            }
        }
        tree
    }

    /// Notes a problem at `span`.
    pub(super) fn note(&self, span: Range<usize>, key: String, of: Of, wrong: Wrong) {
        let mut found = self.found.borrow_mut();
        if found.problems.len() < MAX_PROBLEMS {
            found.problems.push(Placed { span, key, wrong, of });
        } else {
            found.more += 1;
        }
    }

    /// The file's directory: what relative paths are relative to.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    /// The report, where anything was found.
    pub(super) fn finish(self) -> Result<(), Report> {
        let is_torn = self.found.borrow().is_torn();
        let Found { mut problems, more, secrets } = self.found.take();
        if problems.is_empty() {
            return Ok(());
        }
        let lines = Lines::of(self.text);
        problems.sort_by_key(|placed| placed.span.start);
        if is_torn {
            keep_causes(&mut problems, &lines);
        }
        let mut report = Report::default();
        for Placed { span, key, wrong, of } in problems {
            let line = lines.number(span.start);
            report.problems.push(Problem {
                file: self.file.to_owned(),
                line,
                column: lines.column(span.start),
                key,
                message: wrong.message,
                hint: wrong.hint,
                excerpt: lines.excerpt(span, of, &secrets),
            });
        }
        if more > 0 {
            report.problems.push(Problem::of_file(self.file, format!("{more} more problems")));
        }
        Err(report)
    }
}

/// Where the text is no TOML, drops what only follows from that: what may have been lost, and all but the first
/// problem of a torn line.
fn keep_causes(problems: &mut Vec<Placed>, lines: &Lines<'_>) {
    let line = |placed: &Placed| lines.number(placed.span.start);
    let torn: Vec<usize> = problems.iter().filter(|placed| placed.of == Of::Syntax).map(line).collect();
    let mut told = 0;
    problems.retain(|placed| match placed.of {
        Of::Syntax => std::mem::replace(&mut told, line(placed)) != line(placed),
        Of::Absence => false,
        Of::Value | Of::Key => torn.binary_search(&line(placed)).is_err(),
    });
}

/// Where lines begin.
struct Lines<'s> {
    text: &'s str,
    starts: Vec<usize>,
}

impl<'s> Lines<'s> {
    fn of(text: &'s str) -> Self {
        let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1));
        Self { text, starts: starts.collect() }
    }

    fn number(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).max(1)
    }

    fn column(&self, offset: usize) -> usize {
        self.characters(self.starts[self.number(offset) - 1], offset) + 1
    }

    fn characters(&self, from: usize, to: usize) -> usize {
        self.text.get(from..to).map_or(0, |part| part.chars().count())
    }

    /// The line of `span` with a mark under it, less what must not be shown.
    fn excerpt(&self, span: Range<usize>, of: Of, secrets: &[Range<usize>]) -> Option<Excerpt> {
        let start = self.starts[self.number(span.start) - 1];
        let rest = self.text.get(start..)?;
        let mut end = start + rest.find('\n').unwrap_or(rest.len());
        if self.text[start..end].ends_with('\r') {
            end -= 1;
        }
        let mut shown_end = if of == Of::Key { span.end.clamp(start, end) } else { end };
        for secret in secrets {
            let is_shown = secret.start < shown_end && secret.end > start;
            if is_shown && secret.start <= span.start {
                return None;
            }
            if is_shown {
                shown_end = secret.start;
            }
        }
        let mut line = self.text.get(start..shown_end)?.to_owned();
        if shown_end < end {
            line.truncate(line.trim_end().len());
            line.push_str(" …");
        }
        let mark = self.characters(start, span.start)..self.characters(start, span.end.min(shown_end));
        Some(Excerpt::new(&line, mark))
    }
}

/// The values of every key named `environment`, however deep: the parser bounds the depth.
fn secrets_of(table: &DeTable<'_>, is_secret: bool, secrets: &mut Vec<Range<usize>>) {
    for (key, value) in table {
        let is_secret = is_secret || key.get_ref() == SECRET_KEY;
        if is_secret {
            secrets.push(value.span());
        }
        match value.get_ref() {
            DeValue::Table(inside) => secrets_of(inside, is_secret, secrets),
            DeValue::Array(items) => {
                for item in items {
                    if let DeValue::Table(inside) = item.get_ref() {
                        secrets_of(inside, is_secret, secrets);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The key whose values are passwords and tokens as often as not.
const SECRET_KEY: &str = "environment";

/// Problems of one file that are kept: more help nobody, and a hostile document must not fill the memory.
const MAX_PROBLEMS: usize = 200;

/// The largest file read: 100,000 addresses of 80 bytes. Parsing takes some ten times its size in memory.
pub(super) const MAX_FILE_BYTES: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, span: Range<usize>, of: Of) -> String {
        let source = Source::new(Path::new("f.toml"), text);
        source.parse();
        source.note(span, "k".into(), of, Wrong::new("wrong"));
        source.finish().unwrap_err().problems.last().unwrap().to_string()
    }

    fn at(text: &str, part: &str) -> Range<usize> {
        let start = text.find(part).unwrap();
        start..start + part.len()
    }

    #[test]
    fn places_count_lines_and_characters() {
        let text = "a = 1\r\nb = \"é\" # x\nc = 3";
        assert_eq!(
            shown(text, at(text, "# x"), Of::Value),
            "error: k: wrong\n --> f.toml:2:9\n  |\n2 | b = \"é\" # x\n  |         ^^^"
        );
        assert_eq!(
            shown(text, at(text, "b ="), Of::Value),
            "error: k: wrong\n --> f.toml:2:1\n  |\n2 | b = \"é\" # x\n  | ^^^"
        );
        assert!(shown(text, text.len()..text.len(), Of::Value).contains("f.toml:3:6"));
        assert!(shown("", 0..0, Of::Absence).contains("f.toml:1:1"));
    }

    #[test]
    fn a_span_over_lines_is_marked_on_its_first() {
        let text = "a = [\n1,\n]\n";
        assert_eq!(
            shown(text, at(text, "[\n1,\n]"), Of::Value),
            "error: k: wrong\n --> f.toml:1:5\n  |\n1 | a = [\n  |     ^"
        );
    }

    #[test]
    fn the_value_of_an_unknown_key_is_not_shown() {
        let text = "pasword = \"hunter2\"";
        assert_eq!(
            shown(text, at(text, "pasword"), Of::Key),
            "error: k: wrong\n --> f.toml:1:1\n  |\n1 | pasword …\n  | ^^^^^^^"
        );
    }

    #[test]
    fn the_environment_is_never_shown() {
        for text in [
            "u = [{ x = 1, environment = { KEY = \"hunter2\" }, y = 2 }]",
            "[r]\nenvironment.KEY = \"hunter2\" # y = 2",
            "[r.environment]\nKEY = \"hunter2\" # y = 2",
            "[[u]]\nenvironment = [\"hunter2\", \"y = 2\"]",
            "environment = {\nKEY = \"\"\"\nhunter2 y = 2\"\"\" }",
            "environment = { KEY = \"hunter2 } # y = 2",
            "[r.environment]\nKEY = hunter2 # y = 2",
        ] {
            for part in text.match_indices(|c: char| !c.is_whitespace()) {
                let source = Source::new(Path::new("f.toml"), text);
                source.parse();
                source.note(part.0..part.0 + 1, "k".into(), Of::Value, Wrong::new("wrong"));
                let report = source.finish().unwrap_err();
                assert!(!report.to_string().contains("hunter2"), "{report}");
                assert!(!report.problems[0].one_line().contains("hunter2"));
            }
        }
        let text = "u = [{ x = 1, environment = { KEY = \"hunter2\" }, y = 2 }]";
        assert!(shown(text, at(text, "x = 1"), Of::Value).contains("1 | u = [{ x = 1, environment = …"));
    }

    #[test]
    fn every_syntax_error_is_told_and_nothing_that_follows_from_it() {
        let text = "a = \nb = 2\nc = \"open\n[d\n";
        let source = Source::new(Path::new("f.toml"), text);
        let tree = source.parse();
        assert!(tree.contains_key("b"));
        source.note(at(text, "a ="), "a".into(), Of::Value, Wrong::new("follows"));
        source.note(0..0, "z".into(), Of::Absence, Wrong::new("may be lost"));
        source.note(at(text, "b = 2"), "b".into(), Of::Value, Wrong::new("true"));
        let report = source.finish().unwrap_err();
        let told: Vec<_> = report.problems.iter().map(|p| (p.line, p.key.as_str())).collect();
        assert_eq!(told, [(1, ""), (2, "b"), (3, ""), (4, "")]);
    }

    #[test]
    fn problems_are_bounded() {
        let source = Source::new(Path::new("f.toml"), "");
        for _ in 0..MAX_PROBLEMS + 7 {
            source.note(0..0, String::new(), Of::Value, Wrong::new("wrong"));
        }
        let problems = source.finish().unwrap_err().problems;
        assert_eq!(problems.len(), MAX_PROBLEMS + 1);
        assert_eq!(problems[MAX_PROBLEMS].message, "7 more problems");
    }

    #[test]
    fn a_file_past_the_bound_is_not_parsed() {
        let text = "a".repeat(MAX_FILE_BYTES + 1);
        let source = Source::new(Path::new("f.toml"), &text);
        assert!(source.parse().is_empty());
        assert_eq!(source.finish().unwrap_err().problems.len(), 1);
    }
}
