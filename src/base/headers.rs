//! Fields by their names, for whoever prints them and knows no message.

/// Fields of a message.
pub trait Headers {
    /// The value of the first field of this name, in lower case.
    fn header(&self, name: &str) -> Option<&[u8]>;
}

/// No fields.
impl Headers for () {
    fn header(&self, _: &str) -> Option<&[u8]> {
        None
    }
}
