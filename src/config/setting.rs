//! What a key is: its name, what it takes, its default and bounds, and what the reference says about it. The
//! reader, the "did you mean" hints and `docs/configuration.md` all come from these values. Reads no file.

use super::scalar::Scalar;
use super::schema::form_of;
use serde_json::{Value, json};

/// A number, duration, size, rate or switch with a default.
pub(super) struct Setting<T> {
    /// The key as written.
    pub(super) name: &'static str,
    /// What holds when the key is absent.
    pub(super) default: T,
    /// The least value accepted.
    pub(super) least: T,
    /// The greatest value accepted.
    pub(super) most: T,
    /// What it does.
    pub(super) effect: &'static str,
    /// Why the default is what it is.
    pub(super) reason: &'static str,
    /// What more of it costs, and what less.
    pub(super) cost: &'static str,
}

/// A key whose value is a word, a name, a path or a list of these.
pub(super) struct Key {
    /// The key as written.
    pub(super) name: &'static str,
    /// What it takes, in words.
    pub(super) takes: &'static str,
    /// What absence means.
    pub(super) absent: Absent,
    /// What it does.
    pub(super) effect: &'static str,
}

/// What it means that a key is not there.
pub(super) enum Absent {
    /// It has to be there.
    Required,
    /// The same as this text.
    Text(&'static str),
    /// The same as this number.
    Number(u16),
    /// The same as this value, as it would be written.
    Is(&'static str),
    /// Something no value says.
    Means(&'static str),
}

/// A key of the file format that this version does not have yet: refused by name, never mistaken for a slip.
pub(super) struct Later {
    /// The key as written.
    pub(super) name: &'static str,
    /// What holds without it.
    pub(super) hint: &'static str,
}

/// A table of a file: its keys, the tables inside it, what it does not have yet.
pub(super) struct Section {
    /// Its key in the table around it; empty for the file itself.
    pub(super) name: &'static str,
    /// As a person writes its header: `[limits]`, `[[site]]`, `redirect = { … }`.
    pub(super) header: &'static str,
    /// Whether it may stand any number of times.
    pub(super) many: bool,
    /// What it is for.
    pub(super) about: &'static str,
    /// Its keys.
    pub(super) keys: &'static [&'static dyn Described],
    /// The tables inside.
    pub(super) tables: &'static [&'static Section],
    /// Keys and tables that come later.
    pub(super) later: &'static [Later],
    /// Tables that belong to somebody else and are not read.
    pub(super) foreign: &'static [&'static str],
}

impl Section {
    /// The keys and tables that may be written here.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name()).chain(self.tables.iter().map(|table| table.name))
    }

    /// What is known about a key that comes later.
    pub(super) fn later(&self, name: &str) -> Option<&'static Later> {
        self.later.iter().find(|later| later.name == name)
    }
}

/// What the reference page and the hints need to know of a key.
pub(super) trait Described: Sync {
    /// The key as written.
    fn name(&self) -> &'static str;
    /// What it takes, in words.
    fn takes(&self) -> String;
    /// What absence means.
    fn absent(&self) -> String;
    /// The least and greatest values, where there are any.
    fn range(&self) -> Option<String>;
    /// What its value is in JSON Schema.
    fn form(&self) -> Value;
    /// What it does.
    fn effect(&self) -> &'static str;
    /// Why the default is what it is.
    fn reason(&self) -> Option<&'static str>;
    /// What it costs.
    fn cost(&self) -> Option<&'static str>;
}

impl<T: Scalar> Described for Setting<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn takes(&self) -> String {
        T::takes()
    }

    fn absent(&self) -> String {
        format!("`{}`", self.default.written())
    }

    fn range(&self) -> Option<String> {
        T::HAS_RANGE.then(|| format!("`{}` to `{}`", self.least.written(), self.most.written()))
    }

    fn form(&self) -> Value {
        let mut form = match T::TYPES {
            [one] => json!({ "type": one }),
            several => json!({ "type": several }),
        };
        // Bounds that are numbers where they are written.
        let bounds = [("minimum", self.least.written()), ("maximum", self.most.written())];
        for (name, bound) in bounds.into_iter().filter(|_| T::HAS_RANGE) {
            if let Ok(number) = bound.parse::<u64>() {
                form[name] = number.into();
            }
        }
        form
    }

    fn effect(&self) -> &'static str {
        self.effect
    }

    fn reason(&self) -> Option<&'static str> {
        Some(self.reason)
    }

    fn cost(&self) -> Option<&'static str> {
        Some(self.cost)
    }
}

impl Described for Key {
    fn name(&self) -> &'static str {
        self.name
    }

    fn takes(&self) -> String {
        self.takes.to_owned()
    }

    fn absent(&self) -> String {
        match self.absent {
            Absent::Required => "required".to_owned(),
            Absent::Text(text) => format!("`\"{text}\"`"),
            Absent::Number(number) => format!("`{number}`"),
            Absent::Is(value) => format!("`{value}`"),
            Absent::Means(meaning) => meaning.to_owned(),
        }
    }

    fn range(&self) -> Option<String> {
        None
    }

    fn form(&self) -> Value {
        form_of(self.takes)
    }

    fn effect(&self) -> &'static str {
        self.effect
    }

    fn reason(&self) -> Option<&'static str> {
        None
    }

    fn cost(&self) -> Option<&'static str> {
        None
    }
}
