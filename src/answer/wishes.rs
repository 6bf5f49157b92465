//! What kind of page a visitor wishes for: a browser reads HTML, a program a problem (RFC 9457), each in a language.

use crate::base::Headers;
use smallvec::SmallVec;

/// The form and language of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The form.
    pub form: Form,
    /// The language.
    pub language: Language,
}

/// The form of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// `text/html`.
    #[default]
    Html,
    /// `application/problem+json` (RFC 9457).
    Problem,
}

/// A language that pages are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// French.
    French,
}

impl Wishes {
    /// What the fields of a request ask for, by `Accept` and `Accept-Language` (RFC 9110 §12.5). HTML in English for who
    /// says nothing.
    pub fn of(request: &dyn Headers) -> Self {
        Self {
            form: Form::of(&list(request, "accept")),
            language: Language::of(&list(request, "accept-language")),
        }
    }
}

impl Form {
    /// A problem for who would rather have JSON than HTML, and says so by name: `*/*` is anything.
    fn of(accept: &[Range<'_>]) -> Self {
        let best = |matches: fn(&[u8]) -> bool| {
            accept.iter().filter(|(range, _)| matches(range)).map(|(_, weight)| *weight).max().unwrap_or(0)
        };
        let json = best(|range| {
            let range = range.to_ascii_lowercase();
            let kind = range.strip_prefix(b"application/");
            kind.is_some_and(|kind| matches!(kind, b"json" | b"*") || kind.ends_with(b"+json"))
        });
        let html = best(|range| {
            [&b"text/html"[..], b"application/xhtml+xml", b"text/*"]
                .iter()
                .any(|html| range.eq_ignore_ascii_case(html))
        });
        if json > html { Self::Problem } else { Self::Html }
    }
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::French];

    /// Its tag (RFC 5646).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    /// The one that is wished for most; of equals the one named first.
    fn of(accept: &[Range<'_>]) -> Self {
        let mut best = (0, Self::default());
        for (range, weight) in accept.iter().copied() {
            let primary = range.split(|byte| *byte == b'-').next().unwrap_or_default();
            let language = Self::ALL
                .into_iter()
                .find(|language| primary.eq_ignore_ascii_case(language.tag().as_bytes()));
            if let Some(language) = language.filter(|_| weight > best.0) {
                best = (weight, language);
            }
        }
        best.1
    }
}

/// What somebody would take, and its weight in thousandths.
type Range<'a> = (&'a [u8], u32);

/// The ranges of a list, in however many fields it stands. At most [`MOST_RANGES`] are looked at.
fn list<'a>(request: &'a dyn Headers, name: &str) -> SmallVec<[Range<'a>; 16]> {
    let mut list = SmallVec::new();
    request.each_header(name, &mut |value| list.extend(ranges(value).take(MOST_RANGES - list.len())));
    list
}

fn ranges(list: &[u8]) -> impl Iterator<Item = Range<'_>> {
    list.split(|byte| *byte == b',').map(|range| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q=")));
        (name, weight.map_or(1000, thousandths))
    })
}

/// A weight (RFC 9110 §12.4.2): `0`, `0.5`, `1.000`. What is none counts as nothing.
fn thousandths(weight: &[u8]) -> u32 {
    let number = str::from_utf8(weight).ok().and_then(|text| text.parse::<f32>().ok()).unwrap_or(0.0);
    if (0.0..=1.0).contains(&number) { (number * 1000.0) as u32 } else { 0 }
}

/// Ranges of a list that are looked at: browsers send some ten.
const MOST_RANGES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    struct Fields<'a>(&'a str, &'a str);

    impl Headers for Fields<'_> {
        fn header(&self, name: &str) -> Option<&[u8]> {
            let value = if name == "accept" { self.0 } else { self.1 };
            (!value.is_empty()).then_some(value.as_bytes())
        }

        // As in a head with a field for each line.
        fn each_header<'a>(&'a self, name: &str, tell: &mut dyn FnMut(&'a [u8])) {
            let fields = self.header(name).into_iter().flat_map(|value| value.split(|byte| *byte == b'\n'));
            fields.for_each(tell);
        }
    }

    #[test]
    fn programs_are_told_by_what_they_accept() {
        for (accept, form) in [
            ("", Form::Html),
            ("*/*", Form::Html),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Form::Html),
            ("application/json", Form::Problem),
            ("Application/JSON; charset=utf-8", Form::Problem),
            ("application/problem+json, text/html;q=0.5", Form::Problem),
            ("text/html, application/json", Form::Html),
            ("application/json;q=0", Form::Html),
            ("application/json;q=nonsense", Form::Html),
            ("image/png", Form::Html),
            ("text/plain\napplication/json", Form::Problem),
            ("application/*", Form::Problem),
            ("application/vnd.api+json", Form::Problem),
            ("application/xhtml+xml, application/*;q=0.5", Form::Html),
        ] {
            assert_eq!(Wishes::of(&Fields(accept, "")).form, form, "{accept}");
        }
    }

    #[test]
    fn the_language_is_the_one_wished_for_most() {
        for (accept, language) in [
            ("", Language::English),
            ("fr", Language::French),
            ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", Language::French),
            ("en-GB,en;q=0.9,fr;q=0.8", Language::English),
            ("de, FR-ca;q=0.3", Language::French),
            ("fr;q=0.5, en;q=0.5", Language::French),
            ("fry", Language::English),
            ("fr;q=0", Language::English),
            ("*", Language::English),
            (",;,;q=;,\u{ff}", Language::English),
            ("en;q=0.5\nfr", Language::French),
        ] {
            assert_eq!(Wishes::of(&Fields("", accept)).language, language, "{accept}");
        }
    }
}
