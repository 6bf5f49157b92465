//! The line in front of a chunk (RFC 9112 §7.1): its size, and extensions that are checked and forgotten.

use super::BodyError;
use crate::message::framing::{LONGEST_BODY, is_token_byte};
use memchr::memchr;

/// A whole line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkLine {
    /// Its bytes, CRLF included.
    pub(super) len: usize,
    /// Bytes of data that follow; 0 ends the body.
    pub(super) size: u64,
    /// Bytes of extensions.
    pub(super) extension_len: usize,
}

/// The line at the front of `input`, once it is whole.
pub(super) fn parse_line(input: &[u8]) -> Result<Option<ChunkLine>, BodyError> {
    let window = &input[..input.len().min(LONGEST_LINE)];
    let digits = window.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    match window.get(digits) {
        _ if digits > MOST_DIGITS => return Err(BodyError::Syntax("a chunk size with too many digits")),
        None => return Ok(None),
        Some(b'\r' | b';' | b' ' | b'\t') if digits > 0 => {}
        Some(_) => return Err(BodyError::Syntax("a chunk size that is not hexadecimal")),
    }
    let Some(line_end) = memchr(b'\n', window) else {
        return if window.len() == LONGEST_LINE {
            Err(BodyError::Syntax("chunk extensions without end"))
        } else {
            Ok(None)
        };
    };
    let Some(extensions) = window[digits..line_end].strip_suffix(b"\r") else {
        return Err(BodyError::Syntax("a chunk size that ends in LF without CR"));
    };
    check_extensions(extensions)?;
    let size = window[..digits].iter().fold(0, |size, digit| size << 4 | u64::from(hex_value(*digit)));
    if size > LONGEST_BODY {
        return Err(BodyError::Syntax("a chunk larger than any body"));
    }
    Ok(Some(ChunkLine { len: line_end + 1, size, extension_len: extensions.len() }))
}

/// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`, and nothing behind it.
fn check_extensions(mut rest: &[u8]) -> Result<(), BodyError> {
    const SYNTAX: BodyError = BodyError::Syntax("chunk extensions that are none");
    while !rest.is_empty() {
        rest = skip_blank(rest).strip_prefix(b";").ok_or(SYNTAX)?;
        rest = skip_token(skip_blank(rest)).ok_or(SYNTAX)?;
        if let Some(value) = skip_blank(rest).strip_prefix(b"=") {
            let value = skip_blank(value);
            rest = match value.strip_prefix(b"\"") {
                Some(quoted) => skip_quoted(quoted).ok_or(SYNTAX)?,
                None => skip_token(value).ok_or(SYNTAX)?,
            };
        }
    }
    Ok(())
}

fn skip_blank(text: &[u8]) -> &[u8] {
    let blank = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &text[blank..]
}

/// What follows the token in front, if there is one.
fn skip_token(text: &[u8]) -> Option<&[u8]> {
    let token = text.iter().take_while(|byte| is_token_byte(**byte)).count();
    (token > 0).then(|| &text[token..])
}

/// What follows the quoted string whose opening quote has been read (RFC 9110 §5.6.4).
fn skip_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut bytes = text.iter().enumerate();
    while let Some((place, byte)) = bytes.next() {
        let byte = match byte {
            b'"' => return Some(&text[place + 1..]),
            b'\\' => bytes.next()?.1,
            byte => byte,
        };
        if !matches!(byte, b'\t' | b' '..=b'~' | 0x80..) {
            return None;
        }
    }
    None
}

const fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Digits of a chunk size: those of a 64-bit number.
const MOST_DIGITS: usize = 16;

/// Bytes of a chunk's line, CRLF included: a size and room for one signature as extension.
const LONGEST_LINE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (line, size) in [
            ("0\r\n", 0),
            ("000\r\n", 0),
            ("1a2B\r\n", 0x1a2b),
            ("0000000000000005\r\n", 5),
            ("7fffffffffffffff\r\n", LONGEST_BODY),
        ] {
            let len = line.len();
            assert_eq!(parse_line(line.as_bytes()), Ok(Some(ChunkLine { len, size, extension_len: 0 })));
            for cut in 0..len {
                assert_eq!(parse_line(&line.as_bytes()[..cut]), Ok(None), "{line:?} cut at {cut}");
            }
        }
        for bad in [
            "\r\n",
            "\n",
            " 5\r\n",
            "5\n",
            "5 \r\n",
            "5\t\r\n",
            "+5\r\n",
            "-5\r\n",
            "0x5\r\n",
            "5_0\r\n",
            "5,5\r\n",
            "g\r\n",
            "5\rX\n",
            "5\0\r\n",
            "\u{ff15}\r\n",
            "8000000000000000\r\n",
            "10000000000000000\r\n",
            "00000000000000000\r\n",
            "00000000000000000",
        ] {
            assert!(parse_line(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn extensions() {
        for good in [";a", ";a=b", ";a=\"b;\\\"c\"", " ; a = b\t;c", ";a=\"\u{e9}\"", ";a=\"\""] {
            let line = format!("5{good}\r\nrest");
            let expected = ChunkLine { len: line.len() - 4, size: 5, extension_len: good.len() };
            assert_eq!(parse_line(line.as_bytes()), Ok(Some(expected)), "{good}");
        }
        for bad in [
            ";",
            ";;a",
            ";a=",
            ";=b",
            ";a=\"b",
            ";a=\"b\"c",
            ";a b",
            ";a\r;b",
            ";a=\"\n\"",
            ";a=\"\\",
            ";a=\"\0\"",
            ";a ",
            "x",
        ] {
            let line = format!("5{bad}\r\n");
            assert!(parse_line(line.as_bytes()).is_err(), "{bad:?}");
        }
        let long = format!("5;{}", "a".repeat(LONGEST_LINE));
        assert!(parse_line(&long.as_bytes()[..LONGEST_LINE]).is_err());
        assert_eq!(parse_line(&long.as_bytes()[..LONGEST_LINE - 1]), Ok(None));
    }
}
