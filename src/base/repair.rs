//! What is repaired instead of being refused: the closed list of what programs get wrong without meaning anything by it,
//! in requests and in answers. Says which there are; repairs nothing.

/// Something that breaks the rules of HTTP, has one meaning nevertheless, and is passed on as it should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Repair {
    /// A request's target with bytes that must be percent-encoded: they are.
    TargetBytes,
    /// A request's target with a fragment: it is left out.
    TargetFragment,
    /// A request's field whose name is no token: it is left out.
    FieldName,
    /// A request's field with control characters in its value: they are spaces.
    ControlCharacter,
    /// An answer's field that goes on in the next line (obs-fold): the lines are joined (RFC 9112 §5.2).
    FoldedLine,
    /// An answer with bytes from 0x80 on in its head: they pass (RFC 9110 §5.5).
    HighBytes,
    /// A status line without a reason phrase, and without the space in front of it: it gets the registered one.
    MissingReason,
    /// Several `Content-Length` fields of an answer that say the same: they are one (RFC 9110 §8.6).
    SameLengths,
}

impl Repair {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::TargetBytes,
        Self::TargetFragment,
        Self::FieldName,
        Self::ControlCharacter,
        Self::FoldedLine,
        Self::HighBytes,
        Self::MissingReason,
        Self::SameLengths,
    ];

    /// The word for it, as logs and metrics print it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TargetBytes => "target_bytes",
            Self::TargetFragment => "target_fragment",
            Self::FieldName => "field_name",
            Self::ControlCharacter => "control_character",
            Self::FoldedLine => "folded_line",
            Self::HighBytes => "high_bytes",
            Self::MissingReason => "missing_reason",
            Self::SameLengths => "same_lengths",
        }
    }

    /// What was repaired: `request` or `answer`.
    pub const fn of(self) -> &'static str {
        match self {
            Self::TargetBytes | Self::TargetFragment | Self::FieldName | Self::ControlCharacter => "request",
            Self::FoldedLine | Self::HighBytes | Self::MissingReason | Self::SameLengths => "answer",
        }
    }
}

/// What was repaired in one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs(u8);

impl Repairs {
    /// Notes one.
    pub fn insert(&mut self, repair: Repair) {
        self.0 |= 1 << repair as u8;
    }

    /// Notes those of another message.
    pub fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether nothing was.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Repair> {
        Repair::ALL.into_iter().filter(move |repair| self.0 & (1 << *repair as u8) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_the_order_of_the_numbers() {
        for (place, repair) in Repair::ALL.into_iter().enumerate() {
            assert_eq!(repair as usize, place);
            let mut repairs = Repairs::default();
            assert!(repairs.is_empty());
            repairs.insert(repair);
            assert_eq!(repairs.iter().collect::<Vec<_>>(), [repair]);
        }
    }
}
