//! Fields by their names, for whoever prints them and knows no message.

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
