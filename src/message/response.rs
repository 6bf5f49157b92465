//! The head of a response, from an upstream of either version or of our own making. Read only.

use super::fields::Lines;
use super::framing::{self, BadFraming};
use super::{BodyLength, Fields, Known, Version, hop};
use crate::base::{Buffer, Cause, Refusal, Repair, Repairs};
use http::StatusCode;
use std::ops::Range;

/// A response's head. From an upstream it is checked: status, fields and framing are sound.
#[derive(Debug)]
pub struct ResponseHead {
    fields: Fields,
    /// Of the block of the fields; empty where none came.
    reason: Range<usize>,
    status: u16,
    version: Version,
    declared: BodyLength,
    /// Over HTTP/2: whether its HEADERS ended the stream.
    ends: bool,
    repairs: Repairs,
}

impl ResponseHead {
    /// A head of our own without fields; what it says stands in the `append` of its edits.
    pub fn new(status: u16) -> Self {
        Self {
            fields: Fields::default(),
            reason: 0..0,
            status,
            version: Version::Http11,
            declared: BodyLength::None,
            ends: false,
            repairs: Repairs::default(),
        }
    }

    /// What of it is not as it should have been, and passes nevertheless.
    pub fn repairs(&self) -> Repairs {
        self.repairs
    }

    /// The version it came by.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The status code: 100..=599.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase as received, else the registered one; may be empty. No CR, LF or NUL.
    pub fn reason(&self) -> &[u8] {
        if self.reason.is_empty() {
            registered_reason(self.status)
        } else {
            &self.fields.block()[self.reason.clone()]
        }
    }

    /// The header fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// How long the body is when this answers `request_method` (RFC 9112 §6.3). `Chunked` over HTTP/2 means that
    /// its frames tell.
    pub fn body(&self, request_method: &[u8]) -> BodyLength {
        if request_method == b"HEAD" || framing::is_bodiless(self.status) {
            return BodyLength::None;
        }
        match (self.declared, self.version) {
            (BodyLength::None, Version::Http2) if self.ends => BodyLength::Length(0),
            (BodyLength::None, Version::Http2) => BodyLength::Chunked,
            (BodyLength::None, _) => BodyLength::UntilClose,
            (declared, _) => declared,
        }
    }

    /// What `Content-Length` says, body or not.
    pub fn declared_length(&self) -> Option<u64> {
        match self.declared {
            BodyLength::Length(length) => Some(length),
            _ => None,
        }
    }

    /// Whether the upstream would go on with this connection afterwards. Where the body ends only with the
    /// connection, it is the caller who knows.
    pub fn keep_alive(&self) -> bool {
        // A 204 may declare no body (RFC 9112 §6.1): who does may well send one, which would be read as the
        // next answer.
        let promises_body = !matches!(self.declared, BodyLength::None | BodyLength::Length(0));
        !(self.status == 204 && promises_body) && hop::persists(&self.fields, self.version)
    }

    /// Whether another head follows for the same request: 1xx but 101.
    pub fn is_interim(&self) -> bool {
        matches!(self.status, 100 | 102..=199)
    }

    /// On 101, the protocol switched to, where it names one alone and says so in `Connection`.
    pub fn upgraded_to(&self) -> Option<&[u8]> {
        let mut protocols = self.fields.members(Known::Upgrade);
        match (protocols.next(), protocols.next()) {
            (Some(protocol), None)
                if self.status == 101 && self.fields.has_token(Known::Connection, "upgrade") =>
            {
                Some(protocol)
            }
            _ => None,
        }
    }
}

impl ResponseHead {
    /// Checks what HTTP/1 asks of a head whose syntax is sound.
    pub(super) fn from_block(
        block: Buffer,
        version: Version,
        status: u16,
        reason: Range<usize>,
        lines: Lines,
    ) -> Result<Self, Refusal> {
        let fields = Fields::in_block(block, lines);
        let framing = framing::of_response(&fields, version);
        let (declared, is_repeated) = framing.map_err(|why| refuse_framing(why, &fields))?;
        let mut repairs = Repairs::default();
        if is_repeated {
            repairs.insert(Repair::SameLengths);
        }
        Self { fields, reason, status, version, declared, ends: false, repairs }.checked()
    }

    /// Puts together what [`super::h2`] has checked.
    pub(super) fn from_frames(
        status: u16,
        fields: Fields,
        declared: BodyLength,
        ends: bool,
    ) -> Result<Self, Refusal> {
        let repairs = Repairs::default();
        Self { fields, reason: 0..0, status, version: Version::Http2, declared, ends, repairs }.checked()
    }

    fn checked(self) -> Result<Self, Refusal> {
        if !(100..=599).contains(&self.status) {
            return Err(invalid_line("a status outside 100 to 599", self.status.to_string().as_bytes()));
        }
        hop::check_options(&self.fields)
            .map_err(|what| invalid_fields(what, &self.fields, &[Known::Connection]))?;
        Ok(self)
    }

    /// The same head, of which this was not as it should have been.
    pub(super) fn repaired(mut self, repairs: Repairs) -> Self {
        self.repairs.add(repairs);
        self
    }
}

/// The refusal for framing that cannot be trusted.
pub(super) fn refuse_framing(why: BadFraming, fields: &Fields) -> Refusal {
    let what = match why {
        BadFraming::Unsound(what) => what,
        BadFraming::UnknownCoding => "a transfer coding other than chunked",
    };
    invalid_fields(what, fields, &[Known::ContentLength, Known::TransferEncoding])
}

/// An answer that breaks the rules.
pub(super) fn invalid(what: &'static str) -> Refusal {
    Refusal::new(Cause::InvalidAnswer, what)
}

/// An answer that breaks the rules in this line, which is quoted: up to so many bytes.
#[cold]
pub(super) fn invalid_line(what: &'static str, line: &[u8]) -> Refusal {
    let cut = line.len() > MOST_QUOTED;
    let quoted = line[..line.len().min(MOST_QUOTED)].escape_ascii();
    Refusal::new(Cause::InvalidAnswer, format!("{what}: \"{quoted}\"{}", if cut { " …" } else { "" }))
}

/// An answer that breaks the rules in these fields, which are quoted.
#[cold]
fn invalid_fields(what: &'static str, fields: &Fields, which: &[Known]) -> Refusal {
    let lines: Vec<_> = fields
        .iter()
        .filter(|field| which.contains(&field.known))
        .map(|field| [field.name, b": ", field.value].concat())
        .collect();
    invalid_line(what, &lines.join(&b", "[..]))
}

/// Bytes of a line that are quoted: enough to find it.
const MOST_QUOTED: usize = 200;

/// The reason phrase registered for `status`; empty for others.
pub(super) fn registered_reason(status: u16) -> &'static [u8] {
    let known = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    known.unwrap_or_default().as_bytes()
}
