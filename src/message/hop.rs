//! What of a head goes on to the next hop and what belongs to this connection alone (RFC 9110 §7.6.1). Decides
//! field by field; writes nothing.

use super::framing::is_token;
use super::{BodyLength, Field, Fields, Known, KnownSet, RequestEdits, ResponseEdits, Version};

/// Checks a request's `Connection` fields: options are tokens, few, and nominate nothing the request is made of.
pub(super) fn check_request_options(fields: &Fields) -> Result<(), &'static str> {
    check_options(fields)?;
    let refused = KnownSet::NOT_NOMINABLE.and(KnownSet::of(&[Known::Lookalike]));
    if fields.members(Known::Connection).any(|option| refused.contains(Known::of(option))) {
        return Err("Connection nominates a field that is not of the connection");
    }
    Ok(())
}

/// Checks the form of `Connection` fields.
pub(super) fn check_options(fields: &Fields) -> Result<(), &'static str> {
    for (count, option) in fields.members(Known::Connection).enumerate() {
        if count == MOST_OPTIONS {
            return Err("too many connection options");
        }
        if !is_token(option) {
            return Err("a connection option that is no token");
        }
    }
    Ok(())
}

/// Whether an HTTP/1 connection goes on after a message with these fields (RFC 9112 §9.3).
pub(super) fn persists(fields: &Fields, version: Version) -> bool {
    let close = fields.has_token(Known::Connection, "close");
    match version {
        Version::Http10 => !close && fields.has_token(Known::Connection, "keep-alive"),
        Version::Http11 => !close,
        Version::Http2 => true,
    }
}

/// Which fields of one head go on.
pub(super) struct Filter<'a> {
    drop: KnownSet,
    /// The fields, where their `Connection` nominates names without a [`Known`] of their own.
    nominating: Option<&'a Fields>,
}

impl<'a> Filter<'a> {
    /// For a request on its way to the upstream. What the writer says itself is not let through.
    pub(super) fn of_request(fields: &'a Fields, edits: &RequestEdits<'_>) -> Self {
        const ALWAYS: KnownSet = KnownSet::HOP_BY_HOP.and(KnownSet::FORWARDING).and(KnownSet::of(&[
            Known::ContentLength,
            Known::Expect,
            Known::Host,
            Known::Lookalike,
        ]));
        Self::new(fields, ALWAYS.and(edits.drop), edits.body)
    }

    /// For a response on its way to the client.
    pub(super) fn of_response(fields: &'a Fields, edits: &ResponseEdits<'_>) -> Self {
        const ALWAYS: KnownSet = KnownSet::HOP_BY_HOP.and(KnownSet::of(&[Known::ContentLength]));
        Self::new(fields, ALWAYS.and(edits.drop), edits.body)
    }

    /// For trailers.
    pub(super) fn of_trailers() -> Self {
        Self { drop: KnownSet::NOT_IN_TRAILERS, nominating: None }
    }

    fn new(fields: &'a Fields, mut drop: KnownSet, body: BodyLength) -> Self {
        if body != BodyLength::Chunked {
            drop.insert(Known::Trailer);
        }
        let mut nominating = None;
        for option in fields.members(Known::Connection) {
            let known = Known::of(option);
            if !known.as_str().is_empty() {
                drop.insert(known);
            } else if !option.eq_ignore_ascii_case(b"close") {
                nominating = Some(fields);
            }
        }
        Self { drop, nominating }
    }

    /// Holds these back as well.
    pub(super) fn drop(&mut self, more: KnownSet) {
        self.drop = self.drop.and(more);
    }

    /// Whether `field` goes on.
    pub(super) fn passes(&self, field: &Field<'_>) -> bool {
        self.passes_known(field.known)
            && self.nominating.is_none_or(|fields| {
                !fields.members(Known::Connection).any(|option| option.eq_ignore_ascii_case(field.name))
            })
    }

    /// Whether nothing but its [`Known`] decides, so that no name need be looked at.
    pub(super) fn is_by_known(&self) -> bool {
        self.nominating.is_none()
    }

    /// What [`Known`] alone says.
    pub(super) fn passes_known(&self, known: Known) -> bool {
        !self.drop.contains(known)
    }
}

/// Connection options of one head: more have no use, and each is compared with each field.
const MOST_OPTIONS: usize = 32;
