//! Heads as they are sent: what was received, minus what belongs to the connection it came by, plus what this
//! front says. No CR, LF or NUL comes out but those that end lines.

use crate::base::Buffer;
use crate::message::{RequestEdits, RequestHead, ResponseEdits, ResponseHead};

/// Appends the request's head as the upstream shall see it, in HTTP/1.1.
pub fn write_request(_out: &mut Buffer, _head: &RequestHead, _edits: &RequestEdits<'_>) {
    todo!()
}

/// Appends the response's head as the client shall see it, in HTTP/1.1.
pub fn write_response(_out: &mut Buffer, _head: &ResponseHead, _edits: &ResponseEdits<'_>) {
    todo!()
}
