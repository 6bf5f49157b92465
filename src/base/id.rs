//! Names of accounts, sites, upstreams and sets of peers, and the id of a request.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;

/// Why a word is no name: `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("a name cannot be empty")]
    Empty,
    /// Longer than 63 bytes.
    #[error("a name has at most 63 characters")]
    TooLong,
    /// A character outside the set, or a dash in front.
    #[error("a name starts with a-z or 0-9 and holds only a-z, 0-9 and '-'")]
    BadCharacter,
}

fn check_name(text: &str) -> Result<(), NameError> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(NameError::Empty);
    }
    if bytes.len() > LONGEST_NAME {
        return Err(NameError::TooLong);
    }
    let fits = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    if bytes[0] == b'-' || !bytes.iter().all(fits) {
        return Err(NameError::BadCharacter);
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks `text` against `[a-z0-9][a-z0-9-]{0,62}`.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check_name(text).map(|()| Self(text.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name! {
    /// An account: the customer's isolated unit, named by its document's file name.
    AccountName
}
name! {
    /// A site of an account.
    SiteName
}
name! {
    /// An upstream of an account.
    UpstreamName
}
name! {
    /// A set of peers that are believed: `[[trust]]`.
    TrustName
}
name! {
    /// A file among those that an account's access log has: `log_file` of a site.
    LogFileName
}

/// The id of one request: 80 random bits, shown as 16 characters of Crockford's base 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 16]);

/// A name copied to where nothing is allocated or counted for it; empty: there is none.
#[derive(Clone, Copy, Debug)]
pub struct NameText {
    bytes: [u8; LONGEST_NAME],
    length: u8,
}

impl NameText {
    /// No name.
    pub const NONE: Self = Self { bytes: [0; LONGEST_NAME], length: 0 };

    /// Of `name`, what fits of it: all, where it is one.
    pub fn new(name: &str) -> Self {
        let mut text = Self::NONE;
        let length = name.len().min(LONGEST_NAME);
        text.bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
        text.length = length as u8;
        text
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl RequestId {
    /// The id made of the low 80 bits of `random`.
    pub fn from_random(random: u128) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut text = [0; 16];
        for (place, byte) in text.iter_mut().enumerate() {
            *byte = ALPHABET[(random >> (5 * place)) as usize & 31];
        }
        Self(text)
    }

    /// The id with this text, which was one's.
    pub fn from_text(text: [u8; 16]) -> Self {
        Self(text)
    }

    /// The id as ASCII bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

/// Characters of a name.
const LONGEST_NAME: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(AccountName::new("alice-2").is_ok());
        assert_eq!(AccountName::new(""), Err(NameError::Empty));
        assert_eq!(AccountName::new("-a"), Err(NameError::BadCharacter));
        assert_eq!(AccountName::new("Alice"), Err(NameError::BadCharacter));
        assert_eq!(AccountName::new("a_b"), Err(NameError::BadCharacter));
        assert!(AccountName::new(&"a".repeat(63)).is_ok());
        assert_eq!(AccountName::new(&"a".repeat(64)), Err(NameError::TooLong));
        assert_eq!(serde_json::from_str::<AccountName>(r#""alice""#).unwrap().as_str(), "alice");
        assert!(serde_json::from_str::<AccountName>(r#""../alice""#).is_err());
    }

    #[test]
    fn request_ids_show_eighty_bits() {
        assert_eq!(RequestId::from_random(0).to_string(), "0".repeat(16));
        assert_eq!(RequestId::from_random(u128::MAX).to_string(), "z".repeat(16));
        assert_ne!(RequestId::from_random(1), RequestId::from_random(1 << 79));
    }
}
