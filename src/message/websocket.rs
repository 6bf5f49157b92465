//! The key that an HTTP/1 WebSocket handshake needs and HTTP/2 leaves out (RFC 6455 §4, RFC 8441 §5).

use crate::base::base64;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// A `Sec-WebSocket-Key` of our own, for a WebSocket that came by HTTP/2 and goes on by HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSocketKey([u8; 24]);

impl WebSocketKey {
    /// The key made of these bits.
    pub fn from_random(random: u128) -> Self {
        Self(base64(&random.to_be_bytes()))
    }

    /// The value of `Sec-WebSocket-Key`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether `accept`, the value of `Sec-WebSocket-Accept`, answers this key.
    pub fn is_answered_by(&self, accept: &[u8]) -> bool {
        accept == websocket_accept(&self.0)
    }
}

/// The value of `Sec-WebSocket-Accept` that answers `key` (RFC 6455 §4.2.2).
pub fn websocket_accept(key: &[u8]) -> [u8; 28] {
    let text = [key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    base64(digest(&SHA1_FOR_LEGACY_USE_ONLY, &text).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_of_rfc_6455() {
        assert_eq!(&websocket_accept(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let key = WebSocketKey(*b"dGhlIHNhbXBsZSBub25jZQ==");
        assert!(key.is_answered_by(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(!key.is_answered_by(b"S3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_ne!(WebSocketKey::from_random(1), WebSocketKey::from_random(2));
        assert_eq!(WebSocketKey::from_random(0).as_bytes(), b"AAAAAAAAAAAAAAAAAAAAAA==");
    }
}
