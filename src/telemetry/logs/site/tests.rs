//! What a line of the site log looks like, and that no text makes two of one.

use super::*;
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn line(text: impl Display) -> String {
    let mut time = LocalTime::new(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
    let mut line = Vec::new();
    write_line(&mut line, 1_795_724_043, "web", text, &mut time); // 2026-11-26 20:14:03 UTC
    String::from_utf8(line).unwrap()
}

#[test]
fn a_line_has_the_local_time_with_its_offset_and_the_upstream() {
    let ready = format_args!("Upstream ready after {:.3} s (pid {})", 0.2137, 4711).to_string();
    assert_eq!(line(ready), "2026-11-26T21:14:03+01:00 web: Upstream ready after 0.214 s (pid 4711)\n");
}

#[test]
fn what_a_program_says_stays_in_its_line() {
    for (text, written) in [
        ("Fehler: für «immer»", "Fehler: für «immer»"),
        (r#"C:\new "x""#, r#"C:\new "x""#),
        ("a\r\n2026-11-26T21:14:03+01:00 web: b", r"a\r\n2026-11-26T21:14:03+01:00 web: b"),
        ("\tat x\0\u{1b}[31m\u{7f}\u{85}", r"\tat x\u{0}\u{1b}[31m\u{7f}\u{85}"),
        ("\u{2028}\u{2029}\u{202e}\u{2066}", r"\u{2028}\u{2029}\u{202e}\u{2066}"),
    ] {
        assert_eq!(line(text), format!("2026-11-26T21:14:03+01:00 web: {written}\n"));
    }
}

#[test]
fn a_long_text_is_cut_and_says_so() {
    let text = format!("{}{}", "ä".repeat(10_000), "b");
    let written = line(format_args!("{text}{text}"));
    assert!(written.ends_with("ä...\n"));
    assert!((8000..8300).contains(&written.len()), "{}", written.len());
}

proptest! {
    #[test]
    fn one_text_is_one_line(text in proptest::collection::vec(any::<char>(), 0..40)) {
        let written = line(text.into_iter().collect::<String>());
        let inner = written.strip_suffix('\n').unwrap();
        prop_assert!(!inner.chars().any(char::is_control));
    }
}
