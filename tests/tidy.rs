//! The house rules that no compiler checks: which module may use which, how long a file may be, where `unsafe`,
//! the clock and standard output may stand, and what must never be in the tree.
//!
//! Every rule is one test. A rule reads the sources with comments and literals blanked out
//! ([`source::Source::code`]), so that a word in a sentence breaks nothing.

#[path = "tidy/source.rs"]
mod source;

use source::{Source, tree};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// `lib.rs` lists the modules in the order a request meets them, and a module uses only modules below it: so
/// there are no cycles, and the list read from the top is the life of a request.
#[test]
fn a_module_uses_only_modules_below_it() {
    let list = modules();
    let place = |name: &str| list.iter().position(|module| module == name);
    let mut wrong = Findings::default();
    for source in product() {
        let Some(own) = source.module().and_then(place) else { continue };
        for (line, used) in source.modules_named(&list) {
            if place(&used).is_some_and(|used| used < own) {
                wrong.add(&source, line, format!("`{}` stands below `{used}` and uses it", list[own]));
            }
        }
    }
    wrong.none();
}

#[test]
fn every_module_of_the_tree_is_listed() {
    let listed: BTreeSet<String> = modules().into_iter().collect();
    let found: BTreeSet<String> = product().iter().filter_map(|s| s.module().map(str::to_owned)).collect();
    assert_eq!(listed, found);
}

#[test]
fn a_file_is_one_concept() {
    let mut wrong = Findings::default();
    for source in product().into_iter().filter(|source| !source.is_test()) {
        let lines = source.text.lines().count();
        if lines > LONGEST_FILE_LINES {
            wrong.add(&source, lines, format!("{lines} lines: more than {LONGEST_FILE_LINES}"));
        }
    }
    wrong.none();
}

#[test]
fn a_file_begins_by_saying_what_it_owns() {
    let mut wrong = Findings::default();
    for source in sources() {
        if !source.text.starts_with("//! ") {
            wrong.add(&source, 1, "does not begin with `//! `");
        }
    }
    wrong.none();
}

#[test]
fn unsafe_stands_in_named_files_and_says_why_it_is_safe() {
    let mut wrong = Findings::default();
    let mut unused: BTreeSet<&str> = UNSAFE_FILES.iter().copied().collect();
    for source in sources() {
        for line in source.lines_with_word("unsafe") {
            unused.remove(source.path.as_str());
            if !UNSAFE_FILES.contains(&source.path.as_str()) {
                wrong.add(&source, line, "`unsafe` in a file that is not named in tests/tidy.rs");
            } else if !source.has_reason_above(line) {
                wrong.add(&source, line, "`unsafe` without a `// SAFETY:` above it");
            }
        }
    }
    wrong.none();
    assert!(unused.is_empty(), "named, but without `unsafe`: {unused:?}");
}

#[test]
fn the_clock_is_read_in_one_file() {
    let mut wrong = Findings::default();
    for source in product().into_iter().filter(|s| s.path != CLOCK_FILE && !s.is_test()) {
        for read in ["Instant::now", "SystemTime::now", ".elapsed()", "UNIX_EPOCH"] {
            for line in source.lines_with(read) {
                wrong.add(&source, line, format!("`{read}` outside {CLOCK_FILE}"));
            }
        }
    }
    wrong.none();
}

#[test]
fn only_the_command_line_prints() {
    let mut wrong = Findings::default();
    for source in product().into_iter().filter(|s| s.module() != Some("cli") && !s.is_test()) {
        for print in ["println!", "print!", "eprintln!", "eprint!", "dbg!"] {
            for line in source.lines_with_word(print) {
                wrong.add(&source, line, format!("`{print}` outside cli"));
            }
        }
    }
    wrong.none();
}

/// A test that sleeps is slow on a good day and wrong on a bad one. Waiting for a condition, with a bound, is the
/// business of one file.
#[test]
fn tests_wait_for_something_not_for_a_time() {
    let mut wrong = Findings::default();
    for source in
        sources().into_iter().filter(|source| ![WAIT_FILE, PACE_FILE].contains(&source.path.as_str()))
    {
        for line in source.lines_with("thread::sleep") {
            wrong.add(&source, line, format!("`thread::sleep` outside {WAIT_FILE}"));
        }
    }
    wrong.none();
}

#[test]
fn no_key_and_no_path_of_a_machine_is_in_the_tree() {
    // Put together here, so that this file does not find itself.
    let machine_paths = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["../sha", "red"].concat()];
    let key = ["PRIVATE", " KEY-----\n"].concat();
    let mut wrong = Findings::default();
    for source in tree() {
        let extension = source.path.rsplit('.').next().unwrap_or_default();
        let is_key_file = ["pem", "key", "p12", "pfx"].contains(&extension);
        if is_key_file || source.text.contains(&key) {
            wrong.add(&source, 1, "a private key, or a file that may hold one");
        }
        for path in &machine_paths {
            for (index, _) in source.text.lines().enumerate().filter(|(_, line)| line.contains(path)) {
                wrong.add(&source, index + 1, format!("`{path}` is a path of one machine"));
            }
        }
    }
    wrong.none();
}

#[test]
fn text_files_end_with_a_newline_and_have_no_trailing_blanks() {
    let mut wrong = Findings::default();
    // A corpus is bytes, however much it looks like text.
    for source in tree().into_iter().filter(|source| !source.path.starts_with("fuzz/corpus/")) {
        if !source.text.is_empty() && !source.text.ends_with('\n') {
            wrong.add(&source, source.text.lines().count(), "no newline at the end");
        }
        for (index, _) in source.text.lines().enumerate().filter(|(_, l)| l.ends_with([' ', '\t', '\r'])) {
            wrong.add(&source, index + 1, "a blank at the end of the line");
        }
    }
    wrong.none();
}

/// The modules in the order of `lib.rs`.
fn modules() -> Vec<String> {
    let lib = tree().into_iter().find(|source| source.path == "src/lib.rs").expect("src/lib.rs is there");
    let module = |line: &str| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned());
    let list: Vec<String> = lib.text.lines().filter_map(module).collect();
    assert!(list.len() > 10, "lib.rs lists its modules as `pub mod NAME;`: {list:?}");
    list
}

/// The Rust files of the library and the binary.
fn product() -> Vec<Source> {
    sources().into_iter().filter(|source| source.path.starts_with("src/")).collect()
}

/// All Rust files of the tree.
fn sources() -> Vec<Source> {
    tree().into_iter().filter(Source::is_rust).collect()
}

/// What a rule found, shown all at once.
#[derive(Default)]
struct Findings(String);

impl Findings {
    fn add(&mut self, source: &Source, line: usize, what: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{}:{line}: {what}", source.path);
    }

    fn none(self) {
        assert!(self.0.is_empty(), "\n{}", self.0);
    }
}

/// Long enough for one concept, short enough to be read in one sitting. Tests are exempt: they are tables.
const LONGEST_FILE_LINES: usize = 700;

/// The one file that reads a clock.
const CLOCK_FILE: &str = "src/base/clock.rs";

/// The one file of the tests that waits for a condition.
const WAIT_FILE: &str = "tests/wire/support/wait.rs";

/// Where a bench spreads its work over a time.
const PACE_FILE: &str = "benches/change/pace.rs";

/// The files that may hold `unsafe`, each named for what it does.
const UNSAFE_FILES: &[&str] = &[
    "src/launch/unsafe_child.rs",
    "src/listen/unsafe_environment.rs",
    "src/net/unsafe_register.rs",
    "tests/unsafe_counting_allocator.rs",
];
