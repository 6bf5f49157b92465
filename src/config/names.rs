//! The names of a document's sites or upstreams: each given once, found again by text.

use super::nearest::nearest;
use super::reader::Table;
use super::scalar::{Wrong, quoted};
use super::setting::Key;
use crate::base::NameError;
use std::collections::HashMap;
use std::fmt::Display;

/// Names given so far, each with the place of the table that has it.
#[derive(Default)]
pub(super) struct Names {
    places: HashMap<String, String>,
}

impl Names {
    /// Reads the name of `table`, which no table before may have.
    pub(super) fn read<N: Display>(
        &mut self,
        table: &Table<'_>,
        key: &Key,
        new: fn(&str) -> Result<N, NameError>,
    ) -> Option<N> {
        let value = table.get(key)?;
        let name = value.parse(|text| {
            let wrong = |error: NameError| {
                Wrong::new(format!("{} is not a name", quoted(text))).hint(error.to_string())
            };
            new(text).map_err(wrong)
        })?;
        match self.places.get(&name.to_string()) {
            Some(place) => value.refuse(Wrong::new(format!("\"{name}\" is already the name of {place}"))),
            None => _ = self.places.insert(name.to_string(), table.place().to_owned()),
        }
        Some(name)
    }

    /// Whether a table has this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// The name that was perhaps meant.
    pub(super) fn nearest(&self, name: &str) -> Option<&str> {
        // The map's order is random; a report's is not.
        let mut names: Vec<&str> = self.places.keys().map(String::as_str).collect();
        names.sort_unstable();
        nearest(name, names)
    }
}
