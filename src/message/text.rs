//! Pieces of text as they go on the wire: numbers and addresses in place, lines that cannot break apart.

use crate::base::{Authority, Buffer};

/// Appends `name: value CRLF`. Whatever could break the line apart comes out as a space (RFC 9110 §5.5).
pub fn push_line(out: &mut Buffer, name: &str, value: &[u8]) {
    push_parts(out, [name.as_bytes(), b": "]);
    push_checked(out, value, is_value_byte, b' ');
    out.extend(b"\r\n");
}

/// Appends `host[:port]`.
pub fn push_authority(out: &mut Buffer, authority: &Authority) {
    out.extend(authority.host.as_bytes());
    if let Some(port) = authority.port {
        push_parts(out, [b":", Decimal::new(u64::from(port)).as_bytes()]);
    }
}

/// Appends what stands between spaces in a start line. What is not visible ASCII, and by then nothing is,
/// comes out as `?`.
pub(super) fn push_visible(out: &mut Buffer, text: &[u8]) {
    push_checked(out, text, |byte| byte.is_ascii_graphic(), b'?');
}

/// Appends these, one behind the other.
#[inline]
pub(super) fn push_parts<const N: usize>(out: &mut Buffer, parts: [&[u8]; N]) {
    for part in parts {
        out.extend(part);
    }
}

/// The lines `name: value CRLF` of `text`, in order; what is no such line is left out.
pub(super) fn each_line(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let line = line.strip_suffix(b"\r")?;
        let colon = memchr::memchr(b':', line)?;
        Some((&line[..colon], super::fields::trim(&line[colon + 1..])))
    })
}

/// Whether `text` is nothing but whole lines `name: value CRLF`.
pub(super) fn is_lines(text: &[u8]) -> bool {
    let mut len = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let Some((name, value)) = each_line(line).next() else { return false };
        if !super::framing::is_token(name) || !value.iter().all(|byte| is_value_byte(*byte)) {
            return false;
        }
        len += line.len();
    }
    len == text.len()
}

/// A number in decimal digits, in place.
pub(super) struct Decimal {
    digits: [u8; 20],
    start: u8,
}

impl Decimal {
    pub(super) fn new(mut number: u64) -> Self {
        let mut digits = [0; 20];
        let mut start = digits.len();
        // One turn for each of at most twenty digits.
        loop {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Self { digits, start: start as u8 };
            }
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.digits[usize::from(self.start)..]
    }
}

/// What a field value may hold (RFC 9110 §5.5).
const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

fn push_checked(out: &mut Buffer, text: &[u8], fits: impl Fn(u8) -> bool, instead: u8) {
    if text.is_empty() {
        return;
    }
    let start = out.len();
    out.extend(text);
    if !text.iter().all(|byte| fits(*byte)) {
        for byte in out.filled_mut()[start..].iter_mut().filter(|byte| !fits(**byte)) {
            *byte = instead;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for number in [0, 7, 10, 443, 65535, u64::MAX] {
            assert_eq!(Decimal::new(number).as_bytes(), number.to_string().as_bytes());
        }
    }

    #[test]
    fn a_line_cannot_be_broken_apart() {
        let mut out = Buffer::new();
        push_line(&mut out, "a", b"b\r\nc: d\0\x7f\t\xe9");
        push_line(&mut out, "e", b"");
        assert_eq!(out.filled(), b"a: b  c: d  \t\xe9\r\ne: \r\n");
        assert!(is_lines(out.filled()));
        let mut out = Buffer::new();
        push_visible(&mut out, b"/a b\r\n\xe9");
        assert_eq!(out.filled(), b"/a?b????".as_slice().get(..7).unwrap());
    }

    #[test]
    fn lines() {
        assert!(is_lines(b"") && is_lines(b"a: b\r\nc:\r\n"));
        for bad in
            ["a: b", "a: b\n", "a: b\r\n\r\n", "a b: c\r\n", ": c\r\n", "a\r\n", "a: b\rc\r\n", "a: \0\r\n"]
        {
            assert!(!is_lines(bad.as_bytes()), "{bad:?}");
        }
        let both: Vec<_> = each_line(b"a:  b \r\nc: d\r\n").collect();
        assert_eq!(both, [(&b"a"[..], &b"b"[..]), (b"c", b"d")]);
    }
}
