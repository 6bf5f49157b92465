//! A host or wildcard that an account claims, as the tables keep it: one shared allocation for its text.

use crate::base::{Host, HostPattern};
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The compact form of [`HostPattern`]; its text is shared by every table that keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pattern {
    /// This host alone.
    Exact(Arc<str>),
    /// `*.x`, kept as `x`: every host with one label or more in front of it; never `x` itself.
    Wildcard(Arc<str>),
}

/// The entry of the host table by which a host came to an account: its own name, or the parent of a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// The host itself.
    Exact(&'a str),
    /// A wildcard, by its parent.
    Wildcard(&'a str),
}

/// What a document asks for: a pattern, and whether others may have names under it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The host or wildcard.
    pub pattern: Pattern,
    /// For a wildcard: whether other accounts may hold names under it.
    pub lend: bool,
}

impl Pattern {
    /// The pattern that `text` writes: `host` or `*.host`; `None` where it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("*.") {
            Some(parent) => Some(Self::Wildcard(Host::parse(parent.as_bytes()).ok()?.as_str().into())),
            None => Some(Self::Exact(Host::parse(text.as_bytes()).ok()?.as_str().into())),
        }
    }

    /// The host, or the parent of a wildcard.
    pub fn text(&self) -> &Arc<str> {
        match self {
            Self::Exact(text) | Self::Wildcard(text) => text,
        }
    }

    /// Whether it is a wildcard.
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Wildcard(_))
    }

    /// The parents of the wildcards that cover all of this pattern, longest first: `b.c`, `c` for `a.b.c` and
    /// for `*.a.b.c` too. An IP address has none.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        let text: &str = self.text();
        let is_ip = text.starts_with('[') || text.parse::<Ipv4Addr>().is_ok();
        let above = |text: &'_ str| text.find('.').map(|dot| dot + 1);
        let mut rest = if is_ip { "" } else { text };
        std::iter::from_fn(move || {
            rest = &rest[above(rest)?..];
            Some(rest)
        })
    }
}

impl From<&HostPattern> for Pattern {
    fn from(pattern: &HostPattern) -> Self {
        match pattern {
            HostPattern::Exact(host) => Self::Exact(host.as_str().into()),
            HostPattern::Wildcard(parent) => Self::Wildcard(parent.as_str().into()),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Wildcard(parent) => write!(f, "*.{parent}"),
        }
    }
}

impl serde::Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parents(text: &str) -> Vec<String> {
        Pattern::parse(text).unwrap().parents().map(str::to_owned).collect()
    }

    #[test]
    fn patterns_print_as_they_are_written() {
        for text in ["a.test", "*.a.test", "[::1]", "192.0.2.1"] {
            assert_eq!(Pattern::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "*", "*.", "a..b", "a b"] {
            assert_eq!(Pattern::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_pattern_lies_under_the_wildcards_of_its_parents() {
        assert_eq!(parents("a.b.c"), ["b.c", "c"]);
        assert_eq!(parents("*.a.b.c"), ["b.c", "c"]);
        assert_eq!(parents("c"), [""; 0]);
        assert_eq!(parents("192.0.2.1"), [""; 0]);
        assert_eq!(parents("[::1]"), [""; 0]);
    }
}
