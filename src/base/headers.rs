//! Fields by their names, for whoever prints them and knows no message.

use http::{HeaderMap, HeaderValue};

/// Fields of a message.
pub trait Headers {
    /// The value of the first field of this name, in lower case.
    fn header(&self, name: &str) -> Option<&[u8]>;

    /// Tells the value of each field of this name in their order: a list may stand in several (RFC 9110 §5.3).
    fn each_header<'a>(&'a self, name: &str, tell: &mut dyn FnMut(&'a [u8])) {
        self.header(name).into_iter().for_each(tell);
    }
}

/// No fields.
impl Headers for () {
    fn header(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

/// Lines of a head as they stand in it, each `name: value`, whatever else is among them. Cost: a look at all of them.
#[derive(Clone, Copy, Debug)]
pub struct FieldLines<'a>(pub &'a [u8]);

impl<'a> FieldLines<'a> {
    /// The values of the fields of this name.
    pub fn named(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.split(|byte| *byte == b'\n').filter_map(move |line| {
            let (field, value) = line.split_at(memchr::memchr(b':', line)?);
            field.eq_ignore_ascii_case(name.as_bytes()).then(|| value[1..].trim_ascii())
        })
    }
}

impl Headers for FieldLines<'_> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.named(name).next()
    }

    fn each_header<'a>(&'a self, name: &str, tell: &mut dyn FnMut(&'a [u8])) {
        self.named(name).for_each(tell);
    }
}

impl Headers for HeaderMap {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.get(name).map(HeaderValue::as_bytes)
    }

    fn each_header<'a>(&'a self, name: &str, tell: &mut dyn FnMut(&'a [u8])) {
        self.get_all(name).into_iter().for_each(|value| tell(value.as_bytes()));
    }
}
