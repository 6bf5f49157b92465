//! Walks a file's tree with the list of its keys in hand: what is wrong is noted and the walk goes on, so that
//! one mistake hides no other. Knows types, bounds and unknown keys; what a value means is the caller's.

use super::keys;
use super::nearest::nearest;
use super::scalar::{Scalar, Wrong, quoted};
use super::setting::{Absent, Key, Section, Setting};
use super::source::{Of, Source};
use std::cmp::Ordering;
use std::ops::Range;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table of the file, or its absence: every key of an absent table is absent.
pub(super) struct Table<'s> {
    source: &'s Source<'s>,
    section: &'static Section,
    path: String,
    span: Range<usize>,
    values: Option<&'s DeTable<'s>>,
}

/// A value with its place.
#[derive(Clone, Copy)]
pub(super) struct Value<'t, 's> {
    table: &'t Table<'s>,
    key: &'static str,
    index: Option<usize>,
    item: &'t Spanned<DeValue<'s>>,
}

/// What bounds a setting besides itself: the node's value, for an account's.
pub(super) enum Within<T> {
    /// The setting's own bounds and default.
    Own,
    /// At most this, which is also the default.
    AtMost(T),
    /// At least `least`, with a default of its own.
    DefaultAtLeast {
        /// What absence means.
        default: T,
        /// What the node asks for.
        least: T,
    },
    /// At most `most`, with a default of its own.
    Default {
        /// What absence means.
        default: T,
        /// What the node allows.
        most: T,
    },
}

/// One word of a choice: a value, or the hint why this version does not take it.
pub(super) type Word<T> = (&'static str, Result<T, &'static str>);

impl<'s> Table<'s> {
    /// The whole file.
    pub(super) fn open(source: &'s Source<'s>, tree: &'s DeTable<'s>, section: &'static Section) -> Self {
        Self::new(source, section, String::new(), 0..0, Some(tree))
    }

    fn new(
        source: &'s Source<'s>,
        section: &'static Section,
        path: String,
        span: Range<usize>,
        values: Option<&'s DeTable<'s>>,
    ) -> Self {
        let table = Self { source, section, path, span, values };
        table.refuse_unknown_keys();
        table
    }

    fn refuse_unknown_keys(&self) {
        for (key, _) in self.values.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            if self.section.names().any(|known| known == name) || self.section.foreign.contains(&name) {
                continue;
            }
            let wrong = match self.section.later(name) {
                Some(later) => {
                    Wrong::new("this version does not have it yet").hint(format!("remove it: {}", later.hint))
                }
                None => self.unknown(name),
            };
            self.source.note(key.span(), self.path_of(name), Of::Key, wrong);
        }
    }

    fn unknown(&self, name: &str) -> Wrong {
        let wrong = Wrong::new("no such key");
        if let Some(near) = nearest(name, self.section.names()) {
            return wrong.hint(format!("did you mean `{near}`?"));
        }
        match keys::home_of(name, self.section) {
            Some(home) => wrong.hint(home),
            None => wrong,
        }
    }

    /// Whether the file has this table.
    pub(super) fn is_present(&self) -> bool {
        self.values.is_some()
    }

    /// Whether the key is written, known or not.
    pub(super) fn wrote(&self, key: &str) -> bool {
        self.values.is_some_and(|values| values.contains_key(key))
    }

    /// The path of the table itself: `site[3]`.
    pub(super) fn place(&self) -> &str {
        &self.path
    }

    /// The path of a key of this table: `site[3].name`.
    pub(super) fn path_of(&self, key: &str) -> String {
        let bare =
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        let key = if bare { key.to_owned() } else { quoted(key) };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// Notes a problem of the table as a whole, at its header.
    pub(super) fn refuse(&self, of: Of, wrong: Wrong) {
        self.source.note(self.span.clone(), self.path.clone(), of, wrong);
    }

    /// Notes a problem of the value of `key`, or of the table where the key is not written.
    pub(super) fn refuse_key(&self, key: &'static str, wrong: Wrong) {
        match self.find(key) {
            Some(value) => value.refuse(wrong),
            None => self.refuse(Of::Absence, wrong),
        }
    }

    /// The value of a key; a required one that is absent from a table that is there is noted.
    pub(super) fn get<'t>(&'t self, key: &Key) -> Option<Value<'t, 's>> {
        let value = self.find(key.name);
        if value.is_none() && self.is_present() && matches!(key.absent, Absent::Required) {
            let wrong =
                Wrong::new(format!("`{}` is missing", key.name)).hint(format!("it takes {}", key.takes));
            self.refuse(Of::Absence, wrong);
        }
        value
    }

    fn find<'t>(&'t self, key: &'static str) -> Option<Value<'t, 's>> {
        debug_assert!(self.section.names().any(|known| known == key), "{key} is not in the table of keys");
        let item = self.values?.get(key)?;
        Some(Value { table: self, key, index: None, item })
    }

    /// The value of a setting within its bounds: the default where it is absent or wrong.
    pub(super) fn setting<T: Scalar>(&self, setting: &Setting<T>) -> T {
        self.setting_within(setting, Within::Own)
    }

    /// The same, where the file has it; `None`: it says nothing.
    pub(super) fn setting_if_said<T: Scalar>(&self, setting: &Setting<T>) -> Option<T> {
        self.find(setting.name).map(|_| self.setting(setting))
    }

    /// The value of a setting within its bounds and the node's.
    pub(super) fn setting_within<T: Scalar>(&self, setting: &Setting<T>, within: Within<T>) -> T {
        let (default, least, most) = match within {
            Within::Own => (setting.default, None, None),
            Within::AtMost(most) => (most, None, Some(most)),
            Within::DefaultAtLeast { default, least } => (default, Some(least), None),
            Within::Default { default, most } => (default, None, Some(most)),
        };
        let Some(value) = self.find(setting.name) else { return default };
        let read = T::read(value.item.get_ref()).and_then(|read| {
            in_bounds(read, setting.least, setting.most)?;
            in_node_bounds(read, least, most)?;
            Ok(read)
        });
        read.unwrap_or_else(|wrong| {
            value.refuse(wrong);
            default
        })
    }

    /// A table inside this one; absent where the file has none.
    pub(super) fn table(&self, section: &'static Section) -> Table<'s> {
        debug_assert!(self.section.tables.iter().any(|table| table.name == section.name && !table.many));
        let absent = || Table::new(self.source, section, self.path_of(section.name), self.span.clone(), None);
        let Some(item) = self.values.and_then(|values| values.get(section.name)) else { return absent() };
        match item.get_ref() {
            DeValue::Table(values) => {
                Table::new(self.source, section, self.path_of(section.name), item.span(), Some(values))
            }
            other => {
                let wrong = Wrong::kind("a table", other).hint(format!("write {}", section.header));
                self.source.note(item.span(), self.path_of(section.name), Of::Value, wrong);
                absent()
            }
        }
    }

    /// The tables of a list of tables, in the order written.
    pub(super) fn tables(&self, section: &'static Section) -> Vec<Table<'s>> {
        debug_assert!(self.section.tables.iter().any(|table| table.name == section.name && table.many));
        let Some(item) = self.values.and_then(|values| values.get(section.name)) else { return Vec::new() };
        let refuse = |path: String, span: Range<usize>, other: &DeValue<'_>| {
            let wrong = Wrong::kind("a list of tables", other).hint(format!("write {}", section.header));
            self.source.note(span, path, Of::Value, wrong);
        };
        let DeValue::Array(items) = item.get_ref() else {
            refuse(self.path_of(section.name), item.span(), item.get_ref());
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = format!("{}[{index}]", self.path_of(section.name));
            match item.get_ref() {
                DeValue::Table(values) => {
                    tables.push(Table::new(self.source, section, path, item.span(), Some(values)));
                }
                other => refuse(path, item.span(), other),
            }
        }
        tables
    }
}

impl<'t, 's> Value<'t, 's> {
    /// Notes a problem of this value.
    pub(super) fn refuse(&self, wrong: Wrong) {
        self.note(Of::Value, wrong);
    }

    /// Notes that something this value names is not there.
    pub(super) fn refuse_as_absent(&self, wrong: Wrong) {
        self.note(Of::Absence, wrong);
    }

    fn note(&self, of: Of, wrong: Wrong) {
        self.table.source.note(self.item.span(), self.path(), of, wrong);
    }

    /// The path of this value: `site[3].addresses[0]`.
    pub(super) fn path(&self) -> String {
        let key = self.table.path_of(self.key);
        match self.index {
            Some(index) => format!("{key}[{index}]"),
            None => key,
        }
    }

    /// The text, where it is text.
    pub(super) fn text(&self) -> Option<&'t str> {
        match self.item.get_ref() {
            DeValue::String(text) => Some(text),
            other => {
                self.refuse(Wrong::kind("a string", other));
                None
            }
        }
    }

    /// What the text means, where it means anything.
    pub(super) fn parse<T>(&self, parse: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        let text = self.text()?;
        parse(text).map_err(|wrong| self.refuse(wrong)).ok()
    }

    /// The value of a scalar without bounds of its own.
    pub(super) fn scalar<T: Scalar>(&self) -> Option<T> {
        T::read(self.item.get_ref()).map_err(|wrong| self.refuse(wrong)).ok()
    }

    /// Whether it is a list without items.
    pub(super) fn is_empty_list(&self) -> bool {
        matches!(self.item.get_ref(), DeValue::Array(items) if items.is_empty())
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.item.get_ref(), DeValue::Array(_))
    }

    /// Whether `number`, read from this value, is within bounds; noted where it is not.
    pub(super) fn within<T: Scalar>(&self, number: T, least: T, most: T) -> bool {
        in_bounds(number, least, most).map_err(|wrong| self.refuse(wrong)).is_ok()
    }

    /// The names and values of a table whose names are the operator's own; noted where it is none, or has more than
    /// `most`.
    pub(super) fn pairs(
        &self,
        most: usize,
    ) -> impl Iterator<Item = (&'t str, &'t DeValue<'s>)> + use<'t, 's> {
        let pairs = match self.item.get_ref() {
            DeValue::Table(pairs) if pairs.len() > most => {
                self.refuse(Wrong::new(format!("{} entries are more than {most}", pairs.len())));
                None
            }
            DeValue::Table(pairs) => Some(pairs),
            other => {
                // What stands there may be a secret.
                let wrong = match other {
                    DeValue::String(_) => Wrong::new("a text stands where a table belongs"),
                    other => Wrong::kind("a table", other),
                };
                self.refuse(wrong.hint("write it as in { NAME = \"value\" }"));
                None
            }
        };
        pairs.into_iter().flatten().map(|(name, value)| (name.get_ref().as_ref(), value.get_ref()))
    }

    /// The text as a path, resolved against the file's directory.
    pub(super) fn path_buf(&self) -> Option<PathBuf> {
        self.resolve(self.text()?)
    }

    /// `path`, a part of this value, resolved against the file's directory.
    pub(super) fn resolve(&self, path: &str) -> Option<PathBuf> {
        let why = match path {
            "" => "a path cannot be empty",
            path if path.contains('\0') => "a path holds no NUL",
            path => return Some(self.table.source.resolve(path)),
        };
        self.refuse(Wrong::new(why));
        None
    }

    /// The value that stands for one of `words`.
    pub(super) fn choice<T: Copy>(&self, words: &[Word<T>]) -> Option<T> {
        self.parse(|text| match words.iter().find(|(word, _)| *word == text) {
            Some((_, Ok(value))) => Ok(*value),
            Some((_, Err(hint))) => Err(Wrong::new(format!("{} is not accepted", quoted(text))).hint(*hint)),
            None => {
                let accepted = words.iter().filter(|(_, value)| value.is_ok()).map(|(word, _)| *word);
                let wrong = Wrong::new(format!("{} is none of {}", quoted(text), listed(accepted.clone())));
                Err(match nearest(text, accepted) {
                    Some(near) => wrong.hint(format!("did you mean \"{near}\"?")),
                    None => wrong,
                })
            }
        })
    }

    /// The items of a list; noted where it is none, or longer than `most`.
    pub(super) fn items(&self, most: usize) -> impl Iterator<Item = Value<'t, 's>> + use<'t, 's> {
        let Self { table, key, item, .. } = *self;
        let items = match item.get_ref() {
            DeValue::Array(items) if items.len() > most => {
                self.refuse(Wrong::new(format!("{} items are more than {most}", items.len())));
                None
            }
            DeValue::Array(items) => Some(items),
            other => {
                let wrong = Wrong::kind("a list", other);
                let is_text = matches!(other, DeValue::String(_));
                self.refuse(if is_text { wrong.hint("put it in brackets: [\"…\"]") } else { wrong });
                None
            }
        };
        let numbered = items.into_iter().flat_map(|items| items.iter().enumerate());
        numbered.map(move |(index, item)| Value { table, key, index: Some(index), item })
    }
}

fn in_bounds<T: Scalar>(value: T, least: T, most: T) -> Result<(), Wrong> {
    if value.order(&least) == Ordering::Less {
        let wrong = Wrong::new(format!("{} is less than the least, {}", value.written(), least.written()));
        return Err(match T::too_little() {
            Some(hint) => wrong.hint(hint),
            None => wrong,
        });
    }
    if value.order(&most) == Ordering::Greater {
        return Err(Wrong::new(format!("{} is more than the most, {}", value.written(), most.written())));
    }
    Ok(())
}

fn in_node_bounds<T: Scalar>(value: T, least: Option<T>, most: Option<T>) -> Result<(), Wrong> {
    let wrong = match (least, most) {
        (Some(least), _) if value.order(&least) == Ordering::Less => {
            format!("{} is less than the node's {}", value.written(), least.written())
        }
        (_, Some(most)) if value.order(&most) == Ordering::Greater => {
            format!("{} is more than the node's {}", value.written(), most.written())
        }
        _ => return Ok(()),
    };
    Err(Wrong::new(wrong).hint("the operator's node file sets the bound"))
}

/// `"a", "b" or "c"`.
fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
