//! `traceparent` (W3C Trace Context §3.2): read strictly, written as version 00. Knows ids and flags, decides nothing.

use super::Traceparent;

/// Where a request stands in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context {
    /// The trace; never 0.
    pub(super) trace: u128,
    /// The span; never 0.
    pub(super) span: u64,
    /// Whether it is exported, by the word of whoever wrote this.
    pub(super) sampled: bool,
}

impl Context {
    /// What a field says; `None` where it is no context (§3.2.2): then the trace begins here.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(size_of::<Traceparent>())?;
        let [v, w, b'-', ids @ .., b'-', a, b] = known else { return None };
        let version = hex(&[*v, *w])?;
        // What a later version has behind the flags is not ours to read.
        let is_of_version = match version {
            0xff => false,
            0 => rest.is_empty(),
            _ => matches!(rest, [] | [b'-', ..]),
        };
        let (trace, span) = ids.split_at_checked(32)?;
        let [b'-', span @ ..] = span else { return None };
        let (trace, span) = (hex(trace)?, hex(span)? as u64);
        let sampled = hex(&[*a, *b])? & 1 == 1;
        (is_of_version && trace != 0 && span != 0).then_some(Self { trace, span, sampled })
    }

    /// As it is written. Of the flags there is the one that this version knows.
    pub(super) fn write(self) -> Traceparent {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&mut text[3..35], self.trace);
        write_hex(&mut text[36..52], u128::from(self.span));
        text[54] += u8::from(self.sampled);
        text
    }
}

/// A number in lower-case digits; capitals are not in the grammar.
fn hex(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0, |number: u128, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

fn write_hex(digits: &mut [u8], mut number: u128) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[number as usize & 0xf];
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
    const SPAN: u64 = 0xb7ad_6b71_6920_3331;

    #[test]
    fn contexts() {
        let context = |sampled| Some(Context { trace: TRACE, span: SPAN, sampled });
        for (text, is) in [
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", context(true)),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", context(false)),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", context(true)),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe", context(false)),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", context(true)),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", context(true)),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", None),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
            ("0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", None),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", None),
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", None),
            ("00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g", None),
            ("00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", None),
            ("", None),
        ] {
            assert_eq!(Context::parse(text.as_bytes()), is, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace in 1..=u128::MAX, span in 1..=u64::MAX, sampled: bool) {
            let context = Context { trace, span, sampled };
            prop_assert_eq!(Context::parse(&context.write()), Some(context));
        }

        #[test]
        fn nothing_panics(text in ".{0,80}") {
            let _ = Context::parse(text.as_bytes());
        }
    }
}
