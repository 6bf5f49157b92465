//! Heads that break rules without meaning anything by it, put right: those of requests where that is asked for, answers'
//! folded lines always. What bears on framing, on routing, or on where a message ends is left as it is, to be refused.

use crate::base::{Repair, Repairs};
use crate::message::framing::is_token_byte;
use crate::message::{Known, KnownSet};
use memchr::memchr;
use std::io::Write;

/// The head of a request as it should have been; `None` where nothing can be mended. `head` ends with its empty line.
/// Cost: a copy, and a look at each byte; at most three bytes for one.
pub(super) fn request(head: &[u8]) -> Option<(Vec<u8>, Repairs)> {
    let (mut mended, mut repairs) = (Vec::with_capacity(head.len()), Repairs::default());
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    request_line(lines.next()?, &mut mended, &mut repairs)?;
    for line in lines {
        field_line(line, &mut mended, &mut repairs)?;
    }
    (!repairs.is_empty()).then_some((mended, repairs))
}

/// The target, percent-encoded where it must be.
pub(in crate::message) fn target(target: &[u8], mended: &mut Vec<u8>, repairs: &mut Repairs) {
    let kept = memchr(b'#', target).unwrap_or(target.len());
    if kept < target.len() {
        repairs.insert(Repair::TargetFragment);
    }
    for byte in &target[..kept] {
        if byte.is_ascii_graphic() {
            mended.push(*byte);
        } else {
            repairs.insert(Repair::TargetBytes);
            // Memory does not refuse.
            let _ = write!(mended, "%{byte:02X}");
        }
    }
}

/// A line of three words: whatever else there is, is in doubt.
fn request_line(line: &[u8], mended: &mut Vec<u8>, repairs: &mut Repairs) -> Option<()> {
    let method = memchr(b' ', line)?;
    let rest = &line[method + 1..];
    let end = memchr(b' ', rest)?;
    mended.extend_from_slice(&line[..=method]);
    let from = mended.len();
    target(&rest[..end], mended, repairs);
    if mended.len() == from {
        // Nothing but a fragment.
        return None;
    }
    mended.extend_from_slice(&rest[end..]);
    Some(())
}

fn field_line(line: &[u8], mended: &mut Vec<u8>, repairs: &mut Repairs) -> Option<()> {
    if line == b"\r\n" {
        mended.extend_from_slice(line);
        return Some(());
    }
    let (line, colon) = (line.strip_suffix(b"\r\n")?, memchr(b':', line)?);
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    // A space may be the end of a name to some, and the beginning of a folded line.
    if name.is_empty() || name.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
        return None;
    }
    if value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        return None;
    }
    if !name.iter().all(|byte| is_token_byte(*byte)) {
        repairs.insert(Repair::FieldName);
        return Some(());
    }
    let is_control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
    if !value.iter().any(is_control) {
        mended.extend_from_slice(line);
    } else if MEANS_MORE.contains(Known::of(name)) {
        return None;
    } else {
        repairs.insert(Repair::ControlCharacter);
        mended.extend_from_slice(&line[..=colon]);
        mended.extend(value.iter().map(|byte| if is_control(byte) { b' ' } else { *byte }));
    }
    mended.extend_from_slice(b"\r\n");
    Some(())
}

/// Joins folded lines of an answer's head, in place (RFC 9112 §5.2); whether there were any. One behind the status line is
/// no part of a field.
pub(super) fn unfold(head: &mut [u8]) -> bool {
    let Some(first) = memchr(b'\n', head) else { return false };
    let (mut start, mut found) = (first + 1, false);
    while let Some(length) = memchr(b'\n', &head[start..]) {
        let end = start + length;
        if matches!(head.get(end + 1), Some(b' ' | b'\t')) && head[start..end].ends_with(b"\r") && length > 1
        {
            head[end - 1..=end].fill(b' ');
            found = true;
        }
        start = end + 1;
    }
    found
}

/// Fields that say where a message ends, whose it is, or what may be done with it.
const MEANS_MORE: KnownSet =
    KnownSet::NOT_NOMINABLE.and(KnownSet::NOT_IN_TRAILERS).and(KnownSet::of(&[Known::Lookalike]));

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(head: &str) -> Option<(String, Vec<&'static str>)> {
        let (bytes, repairs) = request(head.as_bytes())?;
        Some((String::from_utf8(bytes).unwrap(), repairs.iter().map(Repair::word).collect()))
    }

    #[test]
    fn what_means_nothing_is_put_right() {
        for (head, expected, repairs) in [
            (
                "GET /caf\u{e9}?\u{e9} HTTP/1.1\r\n\r\n",
                "GET /caf%C3%A9?%C3%A9 HTTP/1.1\r\n\r\n",
                &["target_bytes"][..],
            ),
            ("GET /a#b#c HTTP/1.1\r\n\r\n", "GET /a HTTP/1.1\r\n\r\n", &["target_fragment"]),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nX[1]: y\r\n(x): y\r\nB: c\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n",
                &["field_name"],
            ),
            (
                "GET / HTTP/1.1\r\nUser-Agent: a\u{1}b\u{7f}\tc\r\n\r\n",
                "GET / HTTP/1.1\r\nUser-Agent: a b \tc\r\n\r\n",
                &["control_character"],
            ),
        ] {
            assert_eq!(mended(head), Some((expected.to_owned(), repairs.to_vec())), "{head:?}");
        }
    }

    #[test]
    fn what_could_mean_something_is_left() {
        for head in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET /a b HTTP/1.1#\r\n\r\n",
            "GET # HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nX[1] : y\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n c[]: d\r\n\r\n",
            "GET / HTTP/1.1\r\nX[1]: a\0\r\n\r\n",
            "GET / HTTP/1.1\r\nX[1]: a\rHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\n: a\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: \u{1}5\r\n\r\n",
            "GET / HTTP/1.1\r\nContent_Length: \u{1}5\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\u{1}\r\n\r\n",
            "GET / HTTP/1.1\r\nX-Forwarded-For: \u{1}\r\n\r\n",
            "GET / HTTP/1.1\r\nCookie: \u{1}\r\n\r\n",
        ] {
            assert_eq!(mended(head), None, "{head:?}");
        }
    }

    #[test]
    fn folded_lines_are_joined_and_nothing_else() {
        for (head, expected) in [
            (
                "HTTP/1.1 200\r\nA: b\r\n c\r\n\t d\r\nE: f\r\n\r\n",
                Some("HTTP/1.1 200\r\nA: b   c  \t d\r\nE: f\r\n\r\n"),
            ),
            ("HTTP/1.1 200\r\nA: b\r\n \r\n\r\n", Some("HTTP/1.1 200\r\nA: b   \r\n\r\n")),
            ("HTTP/1.1 200\r\n A: b\r\nC: d\r\n\r\n", None),
            ("HTTP/1.1 200\r\nA: b\r\n\r\n", None),
        ] {
            let mut bytes = head.as_bytes().to_vec();
            assert_eq!(unfold(&mut bytes), expected.is_some(), "{head:?}");
            assert_eq!(String::from_utf8(bytes).unwrap(), expected.unwrap_or(head));
        }
    }

    proptest::proptest! {
        /// A head that was mended needs no more mending, and nothing of it is longer than three times.
        #[test]
        fn once_is_enough(head in "GET /[a-z#\u{80}-\u{ff}]{0,9} HTTP/1\\.1\r\n([a-z\\[\\]: \u{1}]{0,9}:[a-z \u{1}\u{7f}]{0,9}\r\n){0,4}\r\n") {
            if let Some((mended, _)) = request(head.as_bytes()) {
                proptest::prop_assert!(mended.len() <= 3 * head.len());
                proptest::prop_assert!(request(&mended).is_none(), "{:?}", mended.escape_ascii().to_string());
            }
        }
    }
}
