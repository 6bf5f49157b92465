//! Everything that is wrong with a configuration, all at once, each with its place and what to write instead.

use std::fmt;
use std::path::PathBuf;

/// All problems of one file, or of many: sorted by file and place, never empty where it stands for an error.
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
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| problem.fmt(f))
    }
}

impl std::error::Error for Report {}

impl Problem {
    /// The problem in one line, for logs: `FILE:LINE:COLUMN: KEY: MESSAGE; HINT`.
    pub fn one_line(&self) -> String {
        todo!()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
