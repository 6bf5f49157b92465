//! The files of the tree as the rules read them: Rust code with its comments and literals blanked out. Owns the
//! small lexer that does the blanking; knows no rule.

use std::fs;
use std::path::Path;

/// One text file of the tree.
pub struct Source {
    /// Its path below the top of the tree, with slashes.
    pub path: String,
    /// As it stands on disk.
    pub text: String,
    /// The same, as long and with the same lines, but comments, strings and characters are spaces.
    pub code: String,
}

/// All text files of the tree, in the order of their paths; build output and the repository itself left out.
pub fn tree() -> Vec<Source> {
    let mut found = Vec::new();
    walk(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

impl Source {
    /// The module of `lib.rs` that the file belongs to; `None` for `lib.rs`, `main.rs` and files outside `src`.
    pub fn module(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        let name = below.split('/').next()?;
        match name.strip_suffix(".rs") {
            Some("lib" | "main") => None,
            Some(file) => Some(file),
            None => Some(name),
        }
    }

    /// Whether the file is Rust.
    pub fn is_rust(&self) -> bool {
        is_rust(&self.path)
    }

    /// Whether the file holds nothing but tests.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Every module of `list` that the code names by a path from the crate's root, with the line.
    pub fn modules_named(&self, list: &[String]) -> Vec<(usize, String)> {
        let mut named = Vec::new();
        for (at, _) in self.code.match_indices("crate::") {
            if self.code[..at].ends_with(is_word) {
                continue;
            }
            let rest = &self.code[at + "crate::".len()..];
            named.extend(first_names(rest).into_iter().map(|name| (self.line_of(at), name)));
        }
        // `super::` as often as the file is deep reaches the root as well; once more inside `mod tests`.
        let depth = self.path.trim_end_matches("/mod.rs").matches('/').count();
        let climb = "super::".repeat(depth);
        for (at, _) in self.code.match_indices(&climb).filter(|_| depth > 0) {
            let rest = self.code[at..].trim_start_matches("super::");
            named.extend(first_names(rest).into_iter().map(|name| (self.line_of(at), name)));
        }
        let own = self.module();
        named.retain(|(_, name)| list.contains(name) && Some(name.as_str()) != own);
        named
    }

    /// The lines, outside inline tests, whose code contains `text`.
    pub fn lines_with(&self, text: &str) -> Vec<usize> {
        self.code_lines().filter(|(_, line)| line.contains(text)).map(|(number, _)| number).collect()
    }

    /// The same for a whole word: not where it is part of a longer one.
    pub fn lines_with_word(&self, word: &str) -> Vec<usize> {
        let stands_alone = |line: &str| {
            line.match_indices(word).any(|(at, _)| {
                !line[..at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word)
            })
        };
        self.code_lines().filter(|(_, line)| stands_alone(line)).map(|(number, _)| number).collect()
    }

    /// Whether a `// SAFETY:` comment stands on the line or directly above it.
    pub fn has_reason_above(&self, line: usize) -> bool {
        let lines: Vec<&str> = self.text.lines().collect();
        let above = lines[..line].iter().rev().enumerate();
        for (distance, text) in above {
            if text.contains("SAFETY:") {
                return true;
            }
            // The reason may be several comment lines long, and attributes may stand between.
            let text = text.trim_start();
            if distance > 0 && !(text.starts_with("//") || text.starts_with("#[")) {
                return false;
            }
        }
        false
    }

    /// Lines of code with their numbers, up to the tests at the file's end.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = if self.is_test() { None } else { self.code.find("#[cfg(test)]\nmod tests {") };
        let code = &self.code[..tests.unwrap_or(self.code.len())];
        code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    fn line_of(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }
}

fn walk(directory: &Path, below: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).expect("the tree is readable") {
        let entry = entry.expect("the tree is readable");
        let name = entry.file_name().into_string().expect("file names are UTF-8");
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let kind = entry.file_type().expect("the tree is readable");
        if kind.is_dir() && !LEFT_OUT.contains(&name.as_str()) {
            walk(&entry.path(), &path, found);
        } else if kind.is_file() && !LEFT_OUT.contains(&name.as_str()) {
            // What is not UTF-8 is no text: a corpus, a picture.
            if let Ok(text) = fs::read_to_string(entry.path()) {
                let code = if is_rust(&path) { blank(&text) } else { String::new() };
                found.push(Source { path, text, code });
            }
        }
    }
}

/// The first name of a path, or those of a group: `a::b` gives a; `{a::b, c}` gives a and c.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim_start().chars().take_while(|c| is_word(*c)).collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut names, mut depth, mut start) = (Vec::new(), 1, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => {
                names.push(name(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
        if depth == 0 {
            names.push(name(&group[start..at]));
            break;
        }
    }
    names
}

/// Rust text with comments, strings and characters overwritten by spaces; line breaks stay.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = literal_bytes(rest, code.chars().next_back());
        if length == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    code
}

/// How many bytes the comment or literal at the beginning of `rest` has; 0 if there is none.
fn literal_bytes(rest: &str, before: Option<char>) -> usize {
    let to = |end: Option<usize>| end.unwrap_or(rest.len());
    if rest.starts_with("//") {
        return to(rest.find('\n'));
    }
    if rest.starts_with("/*") {
        return to(rest.find("*/").map(|at| at + 2));
    }
    if rest.starts_with('"') {
        return quoted_bytes(rest, '"');
    }
    if rest.starts_with('r') && !before.is_some_and(|c| is_word(c) && c != 'b' && c != 'c') {
        let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
        if rest[1 + hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = 2 + hashes;
            return to(rest[body..].find(&close).map(|at| body + at + close.len()));
        }
    }
    if let Some(inside) = rest.strip_prefix('\'') {
        // A lifetime has no quote behind its first character; `'\''` and `'x'` have.
        if inside.starts_with('\\') || inside.chars().nth(1) == Some('\'') {
            return quoted_bytes(rest, '\'');
        }
    }
    0
}

fn quoted_bytes(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

const LEFT_OUT: &[&str] = &[".git", "target", "Cargo.lock"];

#[test]
fn blanking_keeps_code_and_lines() {
    let text = "a(\"x // \\\" y\", r#\"un\"safe\"#, 'x', '\\'', b\"z\"); // unsafe\nfn f<'a>(x: &'a u8) {} /* two\nlines */ b";
    let code = blank(text);
    assert_eq!(code.lines().count(), text.lines().count());
    let words: Vec<&str> = code.split_whitespace().collect();
    assert_eq!(words.concat(), "a(,,,,b);fnf<'a>(x:&'au8){}b");
}

#[test]
fn groups_name_each_of_their_modules() {
    assert_eq!(first_names("a::b;"), ["a"]);
    assert_eq!(first_names("{a::{x, y}, b, c::d};"), ["a", "b", "c"]);
}
