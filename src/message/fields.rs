//! Header fields in their order: ranges over the block they were read into for HTTP/1, the map of the h2 crate
//! for HTTP/2, behind one interface. Finds and iterates; decides nothing.

use super::known::{Known, KnownSet};
use crate::base::{Buffer, Headers};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use std::cell::RefCell;
use std::ops::Range;

/// The fields of a head or of a trailer section, in order.
#[derive(Debug, Default)]
pub struct Fields {
    source: Source,
    present: KnownSet,
}

impl Headers for Fields {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.find(name)
    }

    fn each_header<'a>(&'a self, name: &str, tell: &mut dyn FnMut(&'a [u8])) {
        let named = self.iter().filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
        named.for_each(|field| tell(field.value));
    }
}

/// One field line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as it was spelt: a token.
    pub name: &'a [u8],
    /// The value without the whitespace around it: no CR, LF, NUL or other control but HTAB.
    pub value: &'a [u8],
    /// What the name means here.
    pub known: Known,
}

impl Fields {
    /// The fields of an HTTP/1 head that stands in `block`.
    pub(super) fn in_block(block: Buffer, lines: Lines) -> Self {
        let mut present = KnownSet::EMPTY;
        lines.as_slice().iter().for_each(|line| present.insert(line.known));
        Self { source: Source::Block { block, lines }, present }
    }

    /// The fields of an HTTP/2 head.
    pub(super) fn in_map(map: HeaderMap) -> Self {
        let mut present = KnownSet::EMPTY;
        map.keys().for_each(|name| present.insert(Known::of(name.as_str().as_bytes())));
        Self { source: Source::Map(map), present }
    }

    /// Every field line in order. Over HTTP/2, lines of one name stand together.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        match &self.source {
            Source::Block { block, lines } => Iter::Block(block.filled(), lines.as_slice().iter()),
            Source::Map(map) => Iter::Map(map.iter()),
        }
    }

    /// Whether there is such a field. Cost: one instruction.
    pub fn has(&self, known: Known) -> bool {
        self.present.contains(known)
    }

    /// The value of the first such field.
    pub fn first(&self, known: Known) -> Option<&[u8]> {
        match &self.source {
            _ if !self.has(known) => None,
            Source::Map(map) if !known.as_str().is_empty() => {
                map.get(known.as_str()).map(HeaderValue::as_bytes)
            }
            _ => self.iter().find(|field| field.known == known).map(|field| field.value),
        }
    }

    /// The values of all such fields, in order.
    pub fn all(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        let (lines, block, map) = match &self.source {
            // Asked for what is not there, it looks at nothing.
            _ if !self.has(known) => (&[][..], &[][..], None),
            Source::Block { block, lines } => (lines.as_slice(), block.filled(), None),
            Source::Map(map) => (&[][..], &[][..], Some(map)),
        };
        let in_block = lines.iter().filter(move |line| line.known == known).map(|line| line.value(block));
        let in_map = map.into_iter().flatten().map(|(name, value)| Self::field_of(name, value));
        in_block.chain(in_map.filter(move |field| field.known == known).map(|field| field.value))
    }

    /// The value of the field, where it stands there once.
    pub fn only(&self, known: Known) -> Option<&[u8]> {
        let mut all = self.all(known);
        all.next().filter(|_| all.next().is_none())
    }

    /// The members of a comma-separated list (RFC 9110 §5.6.1) over all such fields, empty ones left out.
    pub fn members(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        self.all(known)
            .flat_map(|value| value.split(|b| *b == b','))
            .map(trim)
            .filter(|member| !member.is_empty())
    }

    /// Whether `token` is a member of the list, in any case.
    pub fn has_token(&self, known: Known, token: &str) -> bool {
        self.members(known).any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The value of the first field of this name, in any case: for names without a [`Known`] of their own.
    pub fn find(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|field| field.name.eq_ignore_ascii_case(name.as_bytes())).map(|field| field.value)
    }

    /// How many field lines there are.
    pub fn len(&self) -> usize {
        match &self.source {
            Source::Block { lines, .. } => lines.as_slice().len(),
            Source::Map(map) => map.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The block the lines stand in, start line included; empty for HTTP/2.
    pub(super) fn block(&self) -> &[u8] {
        match &self.source {
            Source::Block { block, .. } => block.filled(),
            Source::Map(_) => &[],
        }
    }

    /// The map of an HTTP/2 head, for the writer that clones out of it.
    pub(super) fn map(&self) -> Option<&HeaderMap> {
        match &self.source {
            Source::Block { .. } => None,
            Source::Map(map) => Some(map),
        }
    }

    /// A line of that map.
    pub(super) fn field_of<'a>(name: &'a HeaderName, value: &'a HeaderValue) -> Field<'a> {
        let name = name.as_str().as_bytes();
        Field { name, value: trim(value.as_bytes()), known: Known::of(name) }
    }

    /// The lines of an HTTP/1 head, for the writer that copies runs of them.
    pub(super) fn lines(&self) -> Option<&[Line]> {
        match &self.source {
            Source::Block { lines, .. } => Some(lines.as_slice()),
            Source::Map(_) => None,
        }
    }
}

/// Where a field line stands in its block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    name: (u32, u32),
    value: (u32, u32),
    pub(super) known: Known,
    /// Whether the line is written exactly `name: value CRLF`, so that it can be copied as it stands.
    plain: bool,
}

impl Line {
    /// A line of `block`, whose parts `name` and `value` are ranges of it.
    pub(super) fn new(block: &[u8], name: Range<usize>, value: Range<usize>) -> Self {
        let plain = block.get(name.end..value.start) == Some(b": ")
            && block.get(value.end..value.end + 2) == Some(b"\r\n");
        let known = Known::of(&block[name.clone()]);
        Self { name: narrow(name), value: narrow(value), known, plain }
    }

    /// The line in its block.
    pub(super) fn field<'a>(&self, block: &'a [u8]) -> Field<'a> {
        Field { name: &block[wide(self.name)], value: &block[wide(self.value)], known: self.known }
    }

    /// Its value in its block.
    fn value<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        &block[wide(self.value)]
    }

    /// The whole line with its CRLF, where it may be copied as it stands.
    pub(super) fn as_written(&self) -> Option<Range<usize>> {
        self.plain.then_some(self.name.0 as usize..self.value.1 as usize + 2)
    }
}

/// The lines of one head, in memory that goes back to its thread when dropped.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Line>);

impl Lines {
    /// No lines, with room for many from the thread's free list.
    pub(super) fn new() -> Self {
        Self(FREE.try_with(|free| free.borrow_mut().pop()).ok().flatten().unwrap_or_default())
    }

    pub(super) fn push(&mut self, line: Line) {
        self.0.push(line);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn retain(&mut self, keep: impl FnMut(&Line) -> bool) {
        self.0.retain(keep);
    }

    fn as_slice(&self) -> &[Line] {
        &self.0
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let mut lines = std::mem::take(&mut self.0);
        if lines.capacity() == 0 || lines.capacity() > FREE_LINES {
            return;
        }
        lines.clear();
        // Dropped while its thread ends it finds no free list; the memory is simply freed.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < FREE_LISTS {
                free.push(lines);
            }
        });
    }
}

#[derive(Debug)]
enum Source {
    Block { block: Buffer, lines: Lines },
    Map(HeaderMap),
}

impl Default for Source {
    fn default() -> Self {
        Self::Block { block: Buffer::new(), lines: Lines::default() }
    }
}

enum Iter<'a> {
    Block(&'a [u8], std::slice::Iter<'a, Line>),
    Map(http::header::Iter<'a, HeaderValue>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        match self {
            Self::Block(block, lines) => lines.next().map(|line| line.field(block)),
            Self::Map(fields) => fields.next().map(|(name, value)| Fields::field_of(name, value)),
        }
    }
}

/// Without the spaces and tabs around it (OWS, RFC 9110 §5.6.3).
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn narrow(range: Range<usize>) -> (u32, u32) {
    // A block is bounded by the head limits, far below 4 GiB.
    (range.start as u32, range.end as u32)
}

fn wide(range: (u32, u32)) -> Range<usize> {
    range.0 as usize..range.1 as usize
}

/// Lists of lines a thread keeps: as many heads as are commonly alive at once on one worker.
const FREE_LISTS: usize = 256;

/// Lines a kept list may hold (under 4 KiB): more than common heads have.
const FREE_LINES: usize = 192;

thread_local! {
    static FREE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same fields by HTTP/1 and by HTTP/2.
    fn both(fields: &[(&'static str, &'static str)]) -> [Fields; 2] {
        let (mut block, mut lines, mut map) = (Buffer::new(), Lines::new(), HeaderMap::new());
        for (name, value) in fields {
            let start = block.len();
            block.extend(format!("{name}: {value}\r\n").as_bytes());
            let value_at = start + name.len() + 2;
            lines.push(Line::new(
                block.filled(),
                start..start + name.len(),
                value_at..value_at + value.len(),
            ));
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        [Fields::in_block(block, lines), Fields::in_map(map)]
    }

    #[test]
    fn both_versions_answer_alike() {
        for fields in
            both(&[("te", "a, B ,,c"), ("te", "d"), ("x-a", "1"), ("x-a", "2"), ("x_real_ip", "::1")])
        {
            assert_eq!((fields.len(), fields.is_empty()), (5, false));
            assert_eq!(fields.first(Known::Te), Some(&b"a, B ,,c"[..]));
            assert_eq!(fields.first(Known::Lookalike), Some(&b"::1"[..]));
            assert_eq!(fields.first(Known::Host), None);
            assert_eq!(fields.all(Known::Te).collect::<Vec<_>>(), [&b"a, B ,,c"[..], b"d"]);
            assert_eq!(fields.all(Known::Host).count(), 0);
            assert_eq!((fields.only(Known::Te), fields.only(Known::Lookalike)), (None, Some(&b"::1"[..])));
            assert_eq!(fields.members(Known::Te).collect::<Vec<_>>(), [&b"a"[..], b"B", b"c", b"d"]);
            assert!(fields.has_token(Known::Te, "b") && fields.has_token(Known::Te, "D"));
            assert!(!fields.has_token(Known::Te, "a, b") && !fields.has_token(Known::Te, ""));
            assert!(fields.has(Known::Other) && !fields.has(Known::Cookie));
            assert_eq!((fields.find("X-A"), fields.find("x")), (Some(&b"1"[..]), None));
            assert_eq!(fields.iter().filter(|field| field.name == b"x-a").count(), 2);
        }
        assert!(Fields::default().is_empty() && Fields::default().iter().next().is_none());
    }

    #[test]
    fn blanks_around_a_value_are_none_of_it() {
        for (text, trimmed) in [("", ""), (" \t ", ""), ("\ta b\t ", "a b"), ("\u{a0}", "\u{a0}")] {
            assert_eq!(trim(text.as_bytes()), trimmed.as_bytes());
        }
    }

    #[test]
    fn only_lines_in_the_plain_form_are_copied_as_they_stand() {
        let whole = |text: &str, value: Range<usize>| Line::new(text.as_bytes(), 0..1, value).as_written();
        assert_eq!(whole("a: b\r\n", 3..4), Some(0..6));
        assert_eq!(whole("a: \r\n", 3..3), Some(0..5));
        assert_eq!(whole("a:b\r\n", 2..3), None);
        assert_eq!(whole("a:  b\r\n", 4..5), None);
        assert_eq!(whole("a:\tb\r\n", 3..4), None);
        assert_eq!(whole("a: b \r\n", 3..4), None);
        assert_eq!(whole("a: b", 3..4), None);
    }
}
