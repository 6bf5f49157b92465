//! How long a body is (RFC 9112 §6): the decisions, made from the fields alone. Moves no byte.

use super::{Fields, Known, Version};

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none, and nothing says so: a request without framing fields, an answer to `HEAD`, 1xx, 204, 304.
    None,
    /// So many bytes, by `Content-Length`.
    Length(u64),
    /// Chunks tell it; over HTTP/2, its frames.
    Chunked,
    /// The end of the connection: answers alone.
    UntilClose,
}

/// Why the framing of a head cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadFraming {
    /// It breaks the rules, or two recipients might read it differently.
    Unsound(&'static str),
    /// It is sound, but uses a transfer coding that we do not know.
    UnknownCoding,
}

/// The framing that the fields of a request declare (RFC 9112 §6.3). A second `Content-Length` is refused even
/// if it says the same.
pub(super) fn of_request(fields: &Fields, version: Version) -> Result<BodyLength, BadFraming> {
    if fields.has(Known::TransferEncoding) {
        return transfer_encoding(fields, version);
    }
    let mut lengths = fields.all(Known::ContentLength);
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(BodyLength::None),
        (Some(length), None) => parse_length(length).map(BodyLength::Length),
        (Some(_), Some(_)) => Err(BadFraming::Unsound("more than one Content-Length")),
    }
}

/// The framing that the fields of a response declare, `None` where they declare nothing; and whether a length stands there
/// more than once, in one field or several. Equal ones count once (RFC 9110 §8.6).
pub(super) fn of_response(fields: &Fields, version: Version) -> Result<(BodyLength, bool), BadFraming> {
    if fields.has(Known::TransferEncoding) {
        return Ok((transfer_encoding(fields, version)?, false));
    }
    let (mut declared, mut is_repeated) = (None, false);
    let mut declare = |value: &[u8]| {
        let length = parse_length(value)?;
        is_repeated |= declared.is_some();
        if declared.replace(length).is_some_and(|before| before != length) {
            return Err(BadFraming::Unsound("Content-Length fields that differ"));
        }
        Ok(())
    };
    if fields.has(Known::ContentLength) {
        for value in fields.all(Known::ContentLength) {
            if memchr::memchr(b',', value).is_none() {
                declare(value)?;
            } else {
                value.split(|byte| *byte == b',').try_for_each(|one| declare(super::fields::trim(one)))?;
            }
        }
    }
    Ok((declared.map_or(BodyLength::None, BodyLength::Length), is_repeated))
}

/// Whether a response with this status has no body, whatever its fields declare.
pub(super) const fn is_bodiless(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

/// Only `chunked`, once, alone, on HTTP/1.1 (RFC 9112 §6.1).
fn transfer_encoding(fields: &Fields, version: Version) -> Result<BodyLength, BadFraming> {
    if version != Version::Http11 {
        return Err(BadFraming::Unsound("Transfer-Encoding before HTTP/1.1"));
    }
    if fields.has(Known::ContentLength) {
        return Err(BadFraming::Unsound("Content-Length beside Transfer-Encoding"));
    }
    let mut lines = fields.all(Known::TransferEncoding);
    let (Some(value), None) = (lines.next(), lines.next()) else {
        return Err(BadFraming::Unsound("more than one Transfer-Encoding"));
    };
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(BodyLength::Chunked);
    }
    Err(bad_coding(value))
}

/// A list of tokens that ends in its only `chunked` is sound; anything else leaves the length in doubt.
#[cold]
fn bad_coding(value: &[u8]) -> BadFraming {
    let mut chunked_last = false;
    for coding in value.split(|b| *b == b',').map(super::fields::trim) {
        if chunked_last || !is_token(coding) {
            return BadFraming::Unsound("Transfer-Encoding is not chunked");
        }
        chunked_last = coding.eq_ignore_ascii_case(b"chunked");
    }
    if chunked_last {
        BadFraming::UnknownCoding
    } else {
        BadFraming::Unsound("Transfer-Encoding does not end in chunked")
    }
}

/// `1*DIGIT` and nothing else (RFC 9110 §8.6).
pub(super) fn parse_length(value: &[u8]) -> Result<u64, BadFraming> {
    const SYNTAX: BadFraming = BadFraming::Unsound("Content-Length is not a number");
    if value.is_empty() {
        return Err(SYNTAX);
    }
    let mut length: u64 = 0;
    for digit in value {
        if !digit.is_ascii_digit() {
            return Err(SYNTAX);
        }
        length = length
            .checked_mul(10)
            .and_then(|length| length.checked_add(u64::from(digit - b'0')))
            .filter(|length| *length <= LONGEST_BODY)
            .ok_or(BadFraming::Unsound("Content-Length is too large for a number"))?;
    }
    Ok(length)
}

/// Whether this is a token (RFC 9110 §5.6.2).
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token_byte(*byte))
}

/// Whether a token may hold this byte.
pub(super) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// The longest body that can be declared: what a file offset holds. Programs behind us read a larger number
/// as a negative one.
pub(super) const LONGEST_BODY: u64 = i64::MAX as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_digits_alone() {
        assert_eq!(parse_length(b"0"), Ok(0));
        assert_eq!(parse_length(b"0042"), Ok(42));
        assert_eq!(parse_length(b"9223372036854775807"), Ok(LONGEST_BODY));
        for bad in [
            "",
            "+5",
            "-1",
            "5 ",
            "5 5",
            "5,5",
            "0x5",
            "5_0",
            "5.0",
            "five",
            "\u{0665}",
            "9223372036854775808",
            "18446744073709551616",
            "99999999999999999999999999",
        ] {
            assert!(parse_length(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn codings_other_than_one_chunked() {
        for (value, unknown) in [
            ("gzip, chunked", true),
            ("x,\tchunked", true),
            ("gzip", false),
            ("identity", false),
            ("chunked, gzip", false),
            ("chunked, chunked", false),
            (",chunked", false),
            ("chunked,", false),
            ("chunked;q=1", false),
            ("\u{b}chunked", false),
            ("\"chunked\"", false),
            ("chunked\0", false),
            ("", false),
        ] {
            let expected = bad_coding(value.as_bytes()) == BadFraming::UnknownCoding;
            assert_eq!(expected, unknown, "{value:?}");
        }
    }
}
