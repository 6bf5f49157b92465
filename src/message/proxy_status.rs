//! `Proxy-Status` (RFC 9209): a structured field that tells who answered in the site's place, and why.

use super::text::push_parts;
use crate::base::{Buffer, Cause};

/// Appends `Proxy-Status: parvis; error=…; details="…"` for an answer of our own: the registered type, and the
/// word of our own list that says more.
pub fn push_proxy_status(out: &mut Buffer, cause: Cause) {
    let verdict = cause.verdict();
    push_parts(out, [b"Proxy-Status: parvis; error=", verdict.error.as_bytes(), b"; details="]);
    push_string(out, verdict.word);
    out.extend(b"\r\n");
}

/// Appends a structured field's string (RFC 9651 §4.1.6). What it cannot hold is left out.
fn push_string(out: &mut Buffer, text: &str) {
    out.extend(b"\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(&[b'\\', byte]),
            b' '..=b'~' => out.extend(&[byte]),
            _ => {}
        }
    }
    out.extend(b"\"");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_told_in_one_sound_line() {
        for cause in Cause::ALL {
            let mut out = Buffer::new();
            push_proxy_status(&mut out, *cause);
            assert!(super::super::text::is_lines(out.filled()));
        }
        let mut out = Buffer::new();
        push_proxy_status(&mut out, Cause::Refused);
        assert_eq!(out.filled(), b"Proxy-Status: parvis; error=connection_refused; details=\"refused\"\r\n");
    }

    #[test]
    fn strings_are_escaped() {
        let mut out = Buffer::new();
        push_string(&mut out, "a\"b\\c\r\n\u{e9}d");
        assert_eq!(out.filled(), br#""a\"b\\cd""#);
    }
}
