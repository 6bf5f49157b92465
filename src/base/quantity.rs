//! Quantities an operator writes as words: sizes, durations, rates. Parsing and printing only.

use std::fmt;
use std::time::Duration;

/// A number of bytes. Written `512`, `64K`, `256M`, `2G` (powers of 1024).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// So many events in a period. Written `200/s`, `30/m`, `5/h`; for bytes `1K/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Events (or bytes) allowed in each period.
    pub count: u64,
    /// The length of the period.
    pub period: Duration,
}

/// A part of a whole, in millionths of it. Written `1%`, `0.25%`, `100%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(pub u32);

/// What is wrong with a quantity, said so that it can be mended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not of the form number + unit.
    #[error("`{text}` is not a {what}: write {form}")]
    Form {
        /// As written.
        text: String,
        /// `size`, `duration`, `rate` or `share`.
        what: &'static str,
        /// Examples of the form.
        form: &'static str,
    },
    /// Too large for what it counts.
    #[error("`{text}` is too large")]
    TooLarge {
        /// As written.
        text: String,
    },
}

/// Parses `512`, `64K`, `256M`, `2G`, `1T`.
pub fn parse_byte_size(text: &str) -> Result<ByteSize, QuantityError> {
    let (number, unit) = split(text);
    let factor = match unit {
        "" | "B" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return Err(form(text, "size", SIZE_FORM)),
    };
    let number: u64 = number.parse().map_err(|_| form(text, "size", SIZE_FORM))?;
    number.checked_mul(factor).map(ByteSize).ok_or_else(|| too_large(text))
}

/// Parses `250ms`, `10s`, `5m`, `2h`, `365d`; `0` alone is zero.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (number, unit) = split(text);
    let factor: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(form(text, "duration", DURATION_FORM)),
    };
    let number: u64 = number.parse().map_err(|_| form(text, "duration", DURATION_FORM))?;
    number.checked_mul(factor).map(Duration::from_millis).ok_or_else(|| too_large(text))
}

/// A duration as [`parse_duration`] reads it, in the largest unit that has it whole: `30m`.
pub fn written_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let whole = units.iter().find(|(unit, _)| milliseconds >= *unit && milliseconds.is_multiple_of(*unit));
    match whole {
        Some((unit, name)) => format!("{}{name}", milliseconds / unit),
        None if milliseconds == 0 => "0s".to_owned(),
        None => format!("{milliseconds}ms"),
    }
}

/// Parses `200/s`, `30/m`, `5/h`; the number may be a size (`1K/s`).
pub fn parse_rate(text: &str) -> Result<Rate, QuantityError> {
    let (count, period) = text.split_once('/').ok_or_else(|| form(text, "rate", RATE_FORM))?;
    let period = match period {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return Err(form(text, "rate", RATE_FORM)),
    };
    let ByteSize(count) = parse_byte_size(count).map_err(|_| form(text, "rate", RATE_FORM))?;
    Ok(Rate { count, period })
}

/// Parses `1%`, `0.25%`, `100%`: at most four digits behind the point.
pub fn parse_share(text: &str) -> Result<Share, QuantityError> {
    let wrong = || form(text, "share", SHARE_FORM);
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > 4 {
        return Err(wrong());
    }
    // Both are digits: what does not fit is too large.
    let parsed = whole.parse::<u32>().ok().zip(format!("{part:0<4}").parse::<u32>().ok());
    let share = parsed.and_then(|(whole, part)| whole.checked_mul(10_000)?.checked_add(part));
    share.map(Share).ok_or_else(|| too_large(text))
}

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self(1_000_000);
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 10_000, format!("{:04}", self.0 % 10_000));
        match part.trim_end_matches('0') {
            "" => write!(f, "{whole}%"),
            part => write!(f, "{whole}.{part}%"),
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (factor, unit) in [(1u64 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")] {
            if self.0 >= factor && self.0.is_multiple_of(factor) {
                return write!(f, "{}{unit}", self.0 / factor);
            }
        }
        write!(f, "{}", self.0)
    }
}

fn split(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(digits)
}

fn form(text: &str, what: &'static str, form: &'static str) -> QuantityError {
    QuantityError::Form { text: text.to_owned(), what, form }
}

fn too_large(text: &str) -> QuantityError {
    QuantityError::TooLarge { text: text.to_owned() }
}

const SIZE_FORM: &str = "a whole number and K, M, G or T, as in \"64K\"";
const DURATION_FORM: &str = "a whole number and ms, s, m, h or d, as in \"30s\"";
const RATE_FORM: &str = "a count and a period, as in \"200/s\" or \"30/m\"";
const SHARE_FORM: &str = "a number and %, as in \"1%\" or \"0.25%\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [("0", 0), ("512", 512), ("64K", 65536), ("256M", 256 << 20), ("1T", 1 << 40)] {
            assert_eq!(parse_byte_size(text), Ok(ByteSize(bytes)));
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
        for bad in ["", "K", "1k", "-1", "1.5M", "1 M", "1MB", "99999999999T"] {
            assert!(parse_byte_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shares() {
        for (text, millionths) in [
            ("0%", 0),
            ("1%", 10_000),
            ("0.25%", 2_500),
            ("0.0001%", 1),
            ("12.5%", 125_000),
            ("100%", 1_000_000),
        ] {
            assert_eq!(parse_share(text), Ok(Share(millionths)));
            assert_eq!(Share(millionths).to_string(), text);
        }
        assert_eq!(parse_share("1.50%"), Ok(Share(15_000)));
        for bad in
            ["", "%", "1", ".5%", "1.%", "-1%", "+1%", "1.+5%", "0.00001%", "1 %", "1%%", "99999999999%"]
        {
            assert!(parse_share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("365d"), Ok(Duration::from_secs(365 * 86400)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
        for bad in ["", "10", "s", "1.5s", "-1s", "1 s", "99999999999999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(parse_rate("200/s"), Ok(Rate { count: 200, period: Duration::from_secs(1) }));
        assert_eq!(parse_rate("1K/m"), Ok(Rate { count: 1024, period: Duration::from_secs(60) }));
        for bad in ["200", "/s", "200/d", "x/s", "200/ s"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }
}
