//! Base 64 of what is short and of known length.

/// Base 64 with padding (RFC 4648 §4). `TEXT` is the length that `bytes` come to.
pub fn base64<const TEXT: usize>(bytes: &[u8]) -> [u8; TEXT] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = [b'='; TEXT];
    for (quad, group) in text.chunks_mut(4).zip(bytes.chunks(3)) {
        let bits =
            (0..3).fold(0, |bits, place| bits << 8 | u32::from(group.get(place).copied().unwrap_or(0)));
        for (place, character) in quad.iter_mut().enumerate().take(group.len() + 1) {
            *character = ALPHABET[(bits >> (18 - 6 * place)) as usize & 63];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_rfc_4648() {
        assert_eq!(&base64::<0>(b""), b"");
        assert_eq!(&base64::<4>(b"f"), b"Zg==");
        assert_eq!(&base64::<4>(b"fo"), b"Zm8=");
        assert_eq!(&base64::<4>(b"foo"), b"Zm9v");
        assert_eq!(&base64::<8>(b"foobar"), b"Zm9vYmFy");
    }
}
