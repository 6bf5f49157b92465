//! The fields behind a chunked body (RFC 9112 §7.1.2): read, checked, written.

use super::body::{BodyError, Sender};
use super::parse::lines_of;
use super::scan::Section;
use super::write::push_fields;
use crate::base::Buffer;
use crate::message::hop::Filter;
use crate::message::{Fields, KnownSet};
use httparse::{EMPTY_HEADER, Status};
use smallvec::{SmallVec, smallvec};

/// The fields of a whole section. `None` where none of them may be passed on.
pub(super) fn parse(section: &[u8], found: Section, sender: Sender) -> Result<Option<Fields>, BodyError> {
    let mut room: SmallVec<[_; 16]> = smallvec![EMPTY_HEADER; found.lines];
    let fields = match httparse::parse_headers(section, &mut room) {
        Ok(Status::Complete((len, fields))) if len == section.len() => fields,
        _ => return Err(BodyError::Syntax("trailers that are no fields")),
    };
    let mut block = Buffer::new();
    block.extend(section);
    let mut lines = lines_of(section, fields);
    let found = lines.len();
    lines.retain(|line| !KnownSet::NOT_IN_TRAILERS.contains(line.known));
    if lines.len() < found && sender == Sender::Client {
        return Err(BodyError::Syntax("a trailer that frames, routes, authenticates or controls"));
    }
    Ok((lines.len() > 0).then(|| Fields::in_block(block, lines)))
}

/// Appends the last chunk with these trailers, as far as they may be there.
pub(super) fn push_last_chunk(out: &mut Buffer, trailers: Option<&Fields>) {
    out.extend(b"0\r\n");
    if let Some(fields) = trailers {
        push_fields(out, fields, &Filter::of_trailers());
    }
    out.extend(b"\r\n");
}

/// Bytes of a trailer section: a signature and a status fit well.
pub(super) const MOST_BYTES: usize = 8 * 1024;

/// Fields of a trailer section.
pub(super) const MOST_FIELDS: usize = 64;
