//! Values that stand in one TOML scalar: how each is read, ordered and written, and what is said of a wrong one.

use crate::base::{
    ByteSize, QuantityError, Rate, Share, parse_byte_size, parse_duration, parse_rate, parse_share,
    written_duration,
};
use std::cmp::Ordering;
use std::time::Duration;
use toml::de::{DeInteger, DeValue};

/// A value that stands in one TOML scalar.
pub(super) trait Scalar: Copy + Sync + 'static {
    /// Whether less and more mean something.
    const HAS_RANGE: bool = true;

    /// What it may be in JSON.
    const TYPES: &'static [&'static str] = &["string"];

    /// What is accepted, in words with an example.
    fn takes() -> String;

    /// Reads it.
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong>;

    /// Whether it is less or more than another.
    fn order(&self, other: &Self) -> Ordering;

    /// As an operator writes it, quotes included.
    fn written(&self) -> String;

    /// What to say to somebody who wrote less than the least.
    fn too_little() -> Option<&'static str> {
        None
    }
}

/// `"auto"`, or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Auto {
    /// By what the machine has.
    Auto,
    /// This many.
    Fixed(u32),
}

/// A time that may have no end: `None` is `"never"`, longer than all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lasting(pub(super) Option<Duration>);

/// Why a value is refused, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A value of another type than `wanted`.
    pub(super) fn kind(wanted: &str, found: &DeValue<'_>) -> Self {
        let found = match found {
            DeValue::String(text) => quoted(text),
            DeValue::Integer(number) => cut(number.as_str()),
            DeValue::Float(number) => cut(number.as_str()),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        Self::new(format!("{found} stands where {wanted} belongs"))
    }
}

impl From<QuantityError> for Wrong {
    fn from(error: QuantityError) -> Self {
        match error {
            QuantityError::Form { text, what, form } => {
                Self::new(format!("{} is not a {what}", quoted(&text))).hint(format!("write {form}"))
            }
            QuantityError::TooLarge { text } => Self::new(format!("{} is too large", quoted(&text))),
        }
    }
}

/// Text in quotes, cut to a length that a message can carry.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", cut(text))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Scalar for bool {
    const TYPES: &'static [&'static str] = &["boolean"];
    const HAS_RANGE: bool = false;

    fn takes() -> String {
        "`true` or `false`".to_owned()
    }

    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::Boolean(value) => Ok(*value),
            DeValue::String(text) if matches!(&**text, "true" | "false") => {
                Err(Wrong::kind("true or false", value).hint("write it without quotes"))
            }
            _ => Err(Wrong::kind("true or false", value)),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }

    fn written(&self) -> String {
        self.to_string()
    }
}

impl Scalar for u32 {
    const TYPES: &'static [&'static str] = &["integer"];
    fn takes() -> String {
        "a whole number".to_owned()
    }

    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::Integer(number) => {
                let whole = whole_number(number)?;
                Self::try_from(whole).map_err(|_| Wrong::new(format!("{whole} is too large")))
            }
            DeValue::String(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                Err(Wrong::kind("a whole number", value).hint("write it without quotes"))
            }
            _ => Err(Wrong::kind("a whole number", value)),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }

    fn written(&self) -> String {
        self.to_string()
    }
}

impl Scalar for ByteSize {
    const TYPES: &'static [&'static str] = &["string", "integer"];
    fn takes() -> String {
        "a size in bytes: `\"64K\"`, `\"256M\"`, `\"1G\"`, or a whole number".to_owned()
    }

    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::Integer(number) => whole_number(number).map(ByteSize),
            DeValue::String(text) => Ok(parse_byte_size(text)?),
            _ => Err(Wrong::kind("a size", value).hint("write it as in \"64K\"")),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }

    fn written(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Scalar for Duration {
    const TYPES: &'static [&'static str] = &["string", "integer"];
    fn takes() -> String {
        "a duration: `\"250ms\"`, `\"10s\"`, `\"5m\"`, `\"2h\"`, `\"365d\"`".to_owned()
    }

    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) if &**text == NEVER => Err(Wrong::new("\"never\" is no bound")
                .hint("every wait here ends: write how long, as in \"1h\"")),
            DeValue::String(text) => Ok(parse_duration(text)?),
            DeValue::Integer(number) => match whole_number(number)? {
                0 => Ok(Self::ZERO),
                n => Err(Wrong::new(format!("{n} has no unit")).hint(format!("write \"{n}s\" for seconds"))),
            },
            _ => Err(Wrong::kind("a duration", value).hint("write it as in \"10s\"")),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }

    fn written(&self) -> String {
        format!("\"{}\"", written_duration(*self))
    }
}

impl Scalar for Rate {
    fn takes() -> String {
        "a rate: `\"200/s\"`, `\"30/m\"`, `\"5/h\"`".to_owned()
    }

    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) => Ok(parse_rate(text)?),
            _ => Err(Wrong::kind("a rate", value).hint("write it as in \"200/s\"")),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        let per_common_period = |a: &Self, b: &Self| u128::from(a.count) * b.period.as_nanos();
        per_common_period(self, other).cmp(&per_common_period(other, self))
    }

    fn written(&self) -> String {
        let period = match self.period.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        format!("\"{}/{period}\"", ByteSize(self.count))
    }
}

impl Scalar for Share {
    fn takes() -> String {
        "a share: `\"1%\"`, `\"0.25%\"`, `\"100%\"`".to_owned()
    }

    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) => Ok(parse_share(text)?),
            _ => Err(Wrong::kind("a share", value).hint("write it as in \"1%\"")),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }

    fn written(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Scalar for Auto {
    const TYPES: &'static [&'static str] = &["string", "integer"];
    fn takes() -> String {
        format!("`\"auto\"` or {}", u32::takes())
    }

    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) if &**text == AUTO => Ok(Self::Auto),
            DeValue::Integer(_) => u32::read(value).map(Self::Fixed),
            _ => Err(Wrong::kind("\"auto\" or a whole number", value)),
        }
    }

    /// `Auto` stands for a number that fits: it is neither too little nor too much.
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Fixed(a), Self::Fixed(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Auto => format!("\"{AUTO}\""),
            Self::Fixed(number) => number.to_string(),
        }
    }

    fn too_little() -> Option<&'static str> {
        Some("0 is zero: write \"auto\" for what the machine has")
    }
}

/// `None` is `"unlimited"`: more than everything.
impl<T: Scalar> Scalar for Option<T> {
    const TYPES: &'static [&'static str] = &["string", "integer"];

    fn takes() -> String {
        format!("{}, or `\"{UNLIMITED}\"`", T::takes())
    }

    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) if &**text == UNLIMITED => Ok(None),
            DeValue::String(text) if NOT_UNLIMITED.contains(&&**text) => {
                Err(Wrong::new(format!("{} is not the word", quoted(text))).hint("write \"unlimited\""))
            }
            _ => T::read(value).map(Some),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Some(a), Some(b)) => a.order(b),
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
        }
    }

    fn written(&self) -> String {
        match self {
            Some(value) => value.written(),
            None => format!("\"{UNLIMITED}\""),
        }
    }

    fn too_little() -> Option<&'static str> {
        Some("0 is zero: write \"unlimited\" for no limit")
    }
}

impl Scalar for Lasting {
    fn takes() -> String {
        format!("{}, or `\"{NEVER}\"`", Duration::takes())
    }

    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) if &**text == NEVER => Ok(Self(None)),
            DeValue::String(text) if NOT_UNLIMITED.contains(&&**text) || &**text == UNLIMITED => {
                Err(Wrong::new(format!("{} is not the word", quoted(text))).hint("write \"never\""))
            }
            _ => Duration::read(value).map(|time| Self(Some(time))),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        self.0.order(&other.0)
    }

    fn written(&self) -> String {
        match self.0 {
            Some(time) => time.written(),
            None => format!("\"{NEVER}\""),
        }
    }

    fn too_little() -> Option<&'static str> {
        Some("write \"never\" for no end")
    }
}

fn whole_number(number: &DeInteger<'_>) -> Result<u64, Wrong> {
    let written = || cut(number.as_str());
    if number.as_str().starts_with('-') {
        return Err(Wrong::new(format!("{} is less than nothing", written())));
    }
    u64::from_str_radix(number.as_str(), number.radix())
        .map_err(|_| Wrong::new(format!("{} is too large", written())))
}

/// What stands for "as the machine can".
const AUTO: &str = "auto";

/// What stands for no limit.
const UNLIMITED: &str = "unlimited";

/// What stands for no end, where there may be none.
const NEVER: &str = "never";

/// Other programs' words for it.
const NOT_UNLIMITED: [&str; 7] = ["none", "never", "off", "no", "infinite", "infinity", "max"];

/// Characters of a value that a message repeats: enough to recognise it.
const MAX_QUOTED_CHARS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Result<String, (String, Option<String>)>;

    fn read<T: Scalar>(text: &str) -> Read {
        let value = DeValue::parse(text).unwrap();
        T::read(value.get_ref()).map(|value| value.written()).map_err(|wrong| (wrong.message, wrong.hint))
    }

    fn refused<T: Scalar>(text: &str) -> String {
        let (message, hint) = read::<T>(text).unwrap_err();
        hint.map_or(message.clone(), |hint| format!("{message}; {hint}"))
    }

    #[test]
    fn scalars_are_written_as_they_are_read() {
        let same = |read: fn(&str) -> Read, texts: &[&str]| {
            for text in texts {
                assert_eq!(read(text), Ok((*text).to_owned()));
            }
        };
        same(read::<bool>, &["true", "false"]);
        same(read::<u32>, &["0", "1", "4294967295"]);
        same(read::<ByteSize>, &["\"0\"", "\"512\"", "\"64K\"", "\"1G\""]);
        same(read::<Duration>, &["\"0s\"", "\"250ms\"", "\"90s\"", "\"2m\"", "\"1h\"", "\"365d\""]);
        same(read::<Rate>, &["\"200/s\"", "\"30/m\"", "\"1K/h\""]);
        same(read::<Auto>, &["\"auto\"", "8"]);
        same(read::<Option<u32>>, &["\"unlimited\"", "8"]);
    }

    #[test]
    fn other_spellings_mean_the_same() {
        assert_eq!(read::<u32>("1_000"), Ok("1000".into()));
        assert_eq!(read::<u32>("0x10"), Ok("16".into()));
        assert_eq!(read::<ByteSize>("65536"), Ok("\"64K\"".into()));
        assert_eq!(read::<Duration>("0"), Ok("\"0s\"".into()));
        assert_eq!(read::<Duration>("\"60s\""), Ok("\"1m\"".into()));
    }

    #[test]
    fn wrong_values_are_told_what_to_be() {
        for (said, expected) in [
            (refused::<bool>("1"), "1 stands where true or false belongs"),
            (
                refused::<bool>("\"true\""),
                "\"true\" stands where true or false belongs; write it without quotes",
            ),
            (refused::<u32>("-1"), "-1 is less than nothing"),
            (refused::<u32>("4294967296"), "4294967296 is too large"),
            (refused::<u32>("99999999999999999999"), "99999999999999999999 is too large"),
            (refused::<u32>("1.5"), "1.5 stands where a whole number belongs"),
            (refused::<u32>("\"8\""), "\"8\" stands where a whole number belongs; write it without quotes"),
            (refused::<u32>("[]"), "a list stands where a whole number belongs"),
            (
                refused::<ByteSize>("\"64k\""),
                "\"64k\" is not a size; write a whole number and K, M, G or T, as in \"64K\"",
            ),
            (refused::<Duration>("10"), "10 has no unit; write \"10s\" for seconds"),
            (
                refused::<Duration>("\"never\""),
                "\"never\" is no bound; every wait here ends: write how long, as in \"1h\"",
            ),
            (refused::<Duration>("{}"), "a table stands where a duration belongs; write it as in \"10s\""),
            (refused::<Rate>("5"), "5 stands where a rate belongs; write it as in \"200/s\""),
            (
                refused::<Rate>("\"5/d\""),
                "\"5/d\" is not a rate; write a count and a period, as in \"200/s\" or \"30/m\"",
            ),
            (refused::<Auto>("\"all\""), "\"all\" stands where \"auto\" or a whole number belongs"),
            (refused::<Option<u32>>("\"none\""), "\"none\" is not the word; write \"unlimited\""),
            (refused::<Option<u32>>("1979-05-27"), "a date stands where a whole number belongs"),
        ] {
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn values_have_an_order_and_unlimited_is_its_end() {
        let rate = |text| parse_rate(text).unwrap();
        assert_eq!(rate("60/m").order(&rate("1/s")), Ordering::Equal);
        assert_eq!(rate("61/m").order(&rate("1/s")), Ordering::Greater);
        assert_eq!(None.order(&Some(u32::MAX)), Ordering::Greater);
        assert_eq!(Some(1).order(&None::<u32>), Ordering::Less);
        assert_eq!(Auto::Auto.order(&Auto::Fixed(1)), Ordering::Equal);
    }

    #[test]
    fn a_long_value_is_not_repeated_whole() {
        let long = format!("\"{}\"", "x".repeat(1000));
        assert!(refused::<u32>(&long).chars().count() < 120);
    }
}
