//! The head of a response, from an upstream of either version or of our own making. Read only.

use super::{BodyLength, Fields, Version};

/// A response's head. From an upstream it is checked: status, fields and framing are sound.
#[derive(Debug)]
pub struct ResponseHead {
    _todo: (),
}

impl ResponseHead {
    /// A head of our own without fields; what it says stands in the `append` of its edits.
    pub fn new(_status: u16) -> Self {
        todo!()
    }

    /// The version it came by.
    pub fn version(&self) -> Version {
        todo!()
    }

    /// The status code: 100..=599.
    pub fn status(&self) -> u16 {
        todo!()
    }

    /// The reason phrase as received, else the registered one; may be empty.
    pub fn reason(&self) -> &[u8] {
        todo!()
    }

    /// The header fields.
    pub fn fields(&self) -> &Fields {
        todo!()
    }

    /// How long the body is when this answers `request_method` (RFC 9112 §6.3).
    pub fn body(&self, _request_method: &[u8]) -> BodyLength {
        todo!()
    }

    /// What `Content-Length` says, body or not.
    pub fn declared_length(&self) -> Option<u64> {
        todo!()
    }

    /// Whether the upstream would go on with this connection afterwards. Where the body ends only with the
    /// connection, it is the caller who knows.
    pub fn keep_alive(&self) -> bool {
        todo!()
    }

    /// Whether another head follows for the same request: 1xx but 101.
    pub fn is_interim(&self) -> bool {
        todo!()
    }

    /// On 101, the protocol switched to.
    pub fn upgraded_to(&self) -> Option<&[u8]> {
        todo!()
    }
}
