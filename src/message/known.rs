//! The field names this front reads, rebuilds, drops or guards, each with a number of one byte, so that the
//! rest of the code never compares names. Classifies names; knows nothing of values.

macro_rules! known {
    ($( $name:ident = $text:literal; )*) => {
        /// A field name that means something here; everything else is [`Known::Other`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Known {
            $(
                #[doc = concat!("`", $text, "`")]
                $name,
            )*
            /// Any `X-Forwarded-*` that has no variant of its own.
            XForwarded,
            /// A name that a program behind us may take for one of [`KnownSet::GUARDED`], as CGI turns every
            /// `-` into `_`: `X_Forwarded_For`, `Content_Length`.
            Lookalike,
            /// A name without a meaning here.
            Other,
        }

        impl Known {
            /// The name in lower case; empty for those that stand for several names.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$name => $text, )*
                    Self::XForwarded | Self::Lookalike | Self::Other => "",
                }
            }
        }

        const NAMES: &[(&str, Known)] = &[ $( ($text, Known::$name), )* ];
    };
}

// By length, which the lookup relies on; a test keeps it so.
known! {
    Te = "te";
    Age = "age";
    Via = "via";
    Date = "date";
    Host = "host";
    Vary = "vary";
    Proxy = "proxy";
    Range = "range";
    Accept = "accept";
    Cookie = "cookie";
    Expect = "expect";
    Pragma = "pragma";
    Server = "server";
    AltSvc = "alt-svc";
    Expires = "expires";
    Referer = "referer";
    Trailer = "trailer";
    Upgrade = "upgrade";
    Warning = "warning";
    IfMatch = "if-match";
    IfRange = "if-range";
    Location = "location";
    Forwarded = "forwarded";
    XRealIp = "x-real-ip";
    Connection = "connection";
    KeepAlive = "keep-alive";
    SetCookie = "set-cookie";
    UserAgent = "user-agent";
    Tracestate = "tracestate";
    RetryAfter = "retry-after";
    Traceparent = "traceparent";
    ContentType = "content-type";
    MaxForwards = "max-forwards";
    ProxyStatus = "proxy-status";
    XRequestId = "x-request-id";
    Authorization = "authorization";
    CacheControl = "cache-control";
    ContentRange = "content-range";
    IfNoneMatch = "if-none-match";
    ContentLength = "content-length";
    Http2Settings = "http2-settings";
    XForwardedFor = "x-forwarded-for";
    ContentEncoding = "content-encoding";
    ProxyConnection = "proxy-connection";
    WwwAuthenticate = "www-authenticate";
    XForwardedHost = "x-forwarded-host";
    XForwardedPort = "x-forwarded-port";
    IfModifiedSince = "if-modified-since";
    SecWebSocketKey = "sec-websocket-key";
    TransferEncoding = "transfer-encoding";
    XForwardedProto = "x-forwarded-proto";
    ProxyAuthenticate = "proxy-authenticate";
    XForwardedPrefix = "x-forwarded-prefix";
    IfUnmodifiedSince = "if-unmodified-since";
    ProxyAuthorization = "proxy-authorization";
    SecWebSocketAccept = "sec-websocket-accept";
    SecWebSocketVersion = "sec-websocket-version";
    StrictTransportSecurity = "strict-transport-security";
}

/// A set of [`Known`] names: one word, one instruction to ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownSet(u64);

impl Known {
    /// The variant of a name as it stands on the wire, in any case. Cost: a bucket by length, two or three
    /// comparisons.
    pub fn of(name: &[u8]) -> Self {
        match exact(name) {
            // In the plain form a name is what it says: only another form can be taken for another name.
            Self::Other if !is_plain(name) => lookalike(name),
            found => found,
        }
    }
}

impl KnownSet {
    /// Nothing.
    pub const EMPTY: Self = Self(0);

    /// Fields about one connection, never passed on (RFC 9110 §7.6.1), whether nominated or not.
    pub const HOP_BY_HOP: Self = Self::of(&[
        Known::Connection,
        Known::Http2Settings,
        Known::KeepAlive,
        Known::ProxyAuthenticate,
        Known::ProxyAuthorization,
        Known::ProxyConnection,
        Known::Te,
        Known::TransferEncoding,
        Known::Upgrade,
    ]);

    /// What a request tells of its way here. Whoever is believed, all of it is rebuilt. `Proxy` is among them
    /// because CGI programs read it as `HTTP_PROXY`.
    pub const FORWARDING: Self = Self::of(&[
        Known::Forwarded,
        Known::Proxy,
        Known::Via,
        Known::XForwarded,
        Known::XForwardedFor,
        Known::XForwardedHost,
        Known::XForwardedPort,
        Known::XForwardedPrefix,
        Known::XForwardedProto,
        Known::XRealIp,
        Known::XRequestId,
    ]);

    /// Names whose other spellings never reach an upstream: what frames, routes or tells who asks.
    pub const GUARDED: Self = Self::HOP_BY_HOP.and(Self::FORWARDING).and(Self::of(&[
        Known::ContentLength,
        Known::Expect,
        Known::Host,
        Known::Trailer,
    ]));

    /// What no `Connection` field of a request may nominate: a request that lost one of these on its way would
    /// be another request.
    pub const NOT_NOMINABLE: Self = Self::FORWARDING.and(Self::of(&[
        Known::Authorization,
        Known::CacheControl,
        Known::ContentEncoding,
        Known::ContentLength,
        Known::ContentRange,
        Known::ContentType,
        Known::Cookie,
        Known::Expect,
        Known::Host,
        Known::MaxForwards,
        Known::Range,
        Known::SecWebSocketKey,
        Known::SecWebSocketVersion,
    ]));

    /// What no trailer may carry (RFC 9110 §6.5.1): framing, routing, authentication, request modifiers,
    /// control data, and how to read the content.
    pub const NOT_IN_TRAILERS: Self = Self::GUARDED.and(Self::of(&[
        Known::Age,
        Known::Authorization,
        Known::CacheControl,
        Known::ContentEncoding,
        Known::ContentRange,
        Known::ContentType,
        Known::Cookie,
        Known::Date,
        Known::Expires,
        Known::IfMatch,
        Known::IfModifiedSince,
        Known::IfNoneMatch,
        Known::IfRange,
        Known::IfUnmodifiedSince,
        Known::Location,
        Known::Lookalike,
        Known::MaxForwards,
        Known::Pragma,
        Known::Range,
        Known::RetryAfter,
        Known::SetCookie,
        Known::Vary,
        Known::Warning,
        Known::WwwAuthenticate,
    ]));

    /// The set of these.
    pub const fn of(members: &[Known]) -> Self {
        let mut bits = 0;
        let mut place = 0;
        while place < members.len() {
            bits |= 1 << members[place] as u8;
            place += 1;
        }
        Self(bits)
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `known` is a member.
    pub const fn contains(self, known: Known) -> bool {
        self.0 >> known as u8 & 1 == 1
    }

    /// Makes `known` a member.
    pub fn insert(&mut self, known: Known) {
        self.0 |= 1 << known as u8;
    }
}

fn exact(name: &[u8]) -> Known {
    let Some(bounds) = BUCKETS.get(name.len()..name.len() + 2) else { return x_forwarded(name) };
    for (text, known) in &NAMES[usize::from(bounds[0])..usize::from(bounds[1])] {
        if is_same(name, text.as_bytes()) {
            return *known;
        }
    }
    x_forwarded(name)
}

/// Whether `name` is `text` in any case, which is as long and in lower case: eight bytes at a time, the last eight
/// over again where they are not all there.
fn is_same(name: &[u8], text: &[u8]) -> bool {
    let (Some(name_end), Some(text_end)) = (name.last_chunk(), text.last_chunk()) else {
        return name.iter().zip(text).all(|(a, b)| a.to_ascii_lowercase() == *b);
    };
    // Last, as the ends of names differ more than their beginnings.
    is_same_word(*name_end, *text_end)
        && name.as_chunks().0.iter().zip(text.as_chunks().0).all(|(a, b)| is_same_word(*a, *b))
}

fn is_same_word(name: [u8; 8], text: [u8; 8]) -> bool {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let (name, text) = (u64::from_ne_bytes(name), u64::from_ne_bytes(text));
    // One bit tells a letter from its capital, and `-` and digits from control characters: those have neither that bit
    // nor the one above it.
    let no_control = (name | name << 1) & (CASE << 1) == CASE << 1;
    (name ^ text) & !CASE == 0 && no_control
}

/// Whether `name` has no other separator than `-`, and none around it: as [`lookalike`] reads names.
fn is_plain(name: &[u8]) -> bool {
    !matches!(name, [b'-', ..] | [.., b'-'])
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

fn x_forwarded(name: &[u8]) -> Known {
    const PREFIX: &[u8] = b"x-forwarded-";
    match name.get(..PREFIX.len()) {
        Some(start) if start.eq_ignore_ascii_case(PREFIX) => Known::XForwarded,
        _ => Known::Other,
    }
}

/// Reads every separator as `-`, those around the name as nothing, and asks again.
#[cold]
fn lookalike(name: &[u8]) -> Known {
    let mut plain = [0; LONGEST_LOOKALIKE];
    // Longer ones can only be `X-Forwarded-*`: its prefix is all that counts.
    let len = name.len().min(plain.len());
    for (to, from) in plain.iter_mut().zip(name) {
        *to = if from.is_ascii_alphanumeric() { *from } else { b'-' };
    }
    let first = plain[..len].iter().position(|b| *b != b'-').unwrap_or(len);
    let last = plain[..len].iter().rposition(|b| *b != b'-').map_or(first, |last| last + 1);
    if KnownSet::GUARDED.contains(exact(&plain[first..last])) { Known::Lookalike } else { Known::Other }
}

/// Bytes of a name that are looked at for likeness: the longest known name with some separators around it.
const LONGEST_LOOKALIKE: usize = 40;

const LONGEST: usize = NAMES[NAMES.len() - 1].0.len();

/// Where the names of each length begin in [`NAMES`]; the last entry ends the last bucket.
const BUCKETS: [u8; LONGEST + 2] = {
    let mut starts = [0; LONGEST + 2];
    let mut length = 0;
    while length < starts.len() {
        let mut place = 0;
        while place < NAMES.len() && NAMES[place].0.len() < length {
            place += 1;
        }
        starts[length] = place as u8;
        length += 1;
    }
    starts
};

const _: () = assert!((Known::Other as u8) < u64::BITS as u8, "the set is one word");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_itself_in_any_case() {
        for (text, known) in NAMES {
            assert_eq!(Known::of(text.as_bytes()), *known);
            assert_eq!(Known::of(text.to_ascii_uppercase().as_bytes()), *known);
            assert_eq!(known.as_str(), *text);
        }
        assert!(NAMES.is_sorted_by_key(|(text, _)| text.len()), "the buckets need the order");
    }

    #[test]
    fn other_names_are_other() {
        for name in
            ["", "x", "hos", "hosts", "content-lengths", "x-forwarded", "x-custom", "user_agent", "_", "a_b"]
        {
            assert_eq!(Known::of(name.as_bytes()), Known::Other, "{name}");
        }
        assert_eq!(Known::of(&b"a".repeat(70_000)), Known::Other);
        assert_eq!(Known::of(&b"_".repeat(70_000)), Known::Other);
    }

    #[test]
    fn no_other_byte_is_taken_for_one_of_a_name() {
        for (text, known) in NAMES {
            for place in 0..text.len() {
                for byte in 0..=255u8 {
                    let mut name = text.as_bytes().to_vec();
                    name[place] = byte;
                    let same = name.eq_ignore_ascii_case(text.as_bytes());
                    assert_eq!(exact(&name) == *known, same, "{text} with {byte:#x} at {place}");
                }
            }
        }
    }

    #[test]
    fn spellings_a_program_would_take_for_ours() {
        for name in [
            "X_Forwarded_For",
            "x_forwarded-proto",
            "X_FORWARDED_ANYTHING_ELSE_THAT_IS_LONGER_THAN_ALL_THE_OTHERS",
            "Content_Length",
            "transfer_encoding",
            "Transfer.Encoding",
            "X_Real_IP",
            "Host_",
            "_Host",
            "__via__",
            "x~request~id",
        ] {
            assert_eq!(Known::of(name.as_bytes()), Known::Lookalike, "{name}");
        }
        assert_eq!(Known::of(b"X-Forwarded-Ssl"), Known::XForwarded);
    }

    #[test]
    fn sets() {
        let mut set = KnownSet::of(&[Known::Te]);
        assert!(set.contains(Known::Te) && !set.contains(Known::Host));
        set.insert(Known::Host);
        assert!(set.contains(Known::Host));
        assert!(KnownSet::GUARDED.contains(Known::Upgrade));
        assert!(!KnownSet::GUARDED.contains(Known::Other) && !KnownSet::GUARDED.contains(Known::Cookie));
    }
}
