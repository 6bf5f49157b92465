//! The key that an HTTP/1 WebSocket handshake needs and HTTP/2 leaves out (RFC 6455 §4, RFC 8441 §5).

/// A `Sec-WebSocket-Key` of our own, for a WebSocket that came by HTTP/2 and goes on by HTTP/1.
#[derive(Clone, Copy, Debug)]
pub struct WebSocketKey([u8; 24]);

impl WebSocketKey {
    /// The key made of these bits.
    pub fn from_random(_random: u128) -> Self {
        todo!()
    }

    /// The value of `Sec-WebSocket-Key`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether `accept`, the value of `Sec-WebSocket-Accept`, answers this key.
    pub fn is_answered_by(&self, _accept: &[u8]) -> bool {
        todo!()
    }
}
