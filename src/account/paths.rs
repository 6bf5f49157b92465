//! The paths of one host of an account, and the rules by which a request's path finds the longest of them.
//!
//! A path is looked up in its normal form (RFC 3986 §6.2.2: percent-encoded unreserved characters decoded, dot
//! segments removed) and forwarded as it was received, so the lookup must not be fooled by what a server will
//! make of it. Two readings are taken wherever a path is not plain:
//!
//! * the *strict* one of RFC 3986, where `%2F` is no separator and an empty segment is a segment;
//! * the *lenient* one of servers that merge slashes before they resolve dots, decode `%2F`, take `\` for `/`,
//!   or drop a segment's parameters (`..;x`).
//!
//! Empty segments mean nothing when a reading is compared with the addresses (`//app` is `/app`). Where the two
//! readings lead to different sites, the path belongs to neither: a request must not come to one site by a path
//! that its server takes for another's. A host that is not divided has nothing to cross, and its paths are not read.

use crate::base::PathPrefix;
use smallvec::SmallVec;

/// The paths of one host, with the place of the site that has each.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// The site of the host as a whole.
    whole: Option<u32>,
    /// Sites of paths, for the few hosts that have any.
    divided: Option<Box<Divided>>,
}

#[derive(Debug, Default)]
struct Divided {
    /// Normal forms, sorted.
    prefixes: Vec<(Box<str>, u32)>,
    /// Segments of the longest prefix: no more of a request's path needs to be looked at.
    depth: usize,
}

impl Paths {
    /// Adds the site at `place` under `prefix`; a prefix that is there already keeps its site.
    pub(super) fn add(&mut self, prefix: &PathPrefix, place: u32) {
        let normal = Normal::read(prefix.as_str().as_bytes(), Reading::Strict);
        let Ok(normal) = std::str::from_utf8(&normal.bytes) else { return };
        if normal.is_empty() {
            self.whole.get_or_insert(place);
            return;
        }
        let divided = self.divided.get_or_insert_default();
        if let Err(gap) = divided.search(normal.as_bytes()) {
            divided.depth = divided.depth.max(normal.bytes().filter(|byte| *byte == b'/').count());
            divided.prefixes.insert(gap, (normal.into(), place));
        }
    }

    /// The site of the host as a whole, where no path of it has another.
    pub(super) fn undivided(&self) -> Option<u32> {
        if self.divided.is_none() { self.whole } else { None }
    }

    /// The longest prefix that covers `path`, which is in normal form, and the place of its site. Cost: a binary
    /// search per segment, at most as many as the longest prefix has.
    pub(super) fn longest(&self, path: &[u8]) -> Option<(&str, u32)> {
        let divided = self.divided.as_ref().and_then(|divided| divided.longest(path));
        divided.or(self.whole.map(|place| ("", place)))
    }
}

impl Divided {
    fn longest(&self, path: &[u8]) -> Option<(&str, u32)> {
        let mut ends = memchr::memchr_iter(b'/', path).skip(1);
        let mut rest = match ends.nth(self.depth.checked_sub(1)?) {
            Some(end) => &path[..end],
            None => path.strip_suffix(b"/").unwrap_or(path),
        };
        loop {
            if let Ok(found) = self.search(rest) {
                let (prefix, place) = &self.prefixes[found];
                return Some((prefix, *place));
            }
            rest = &rest[..memchr::memrchr(b'/', rest)?];
        }
    }

    fn search(&self, path: &[u8]) -> Result<usize, usize> {
        self.prefixes.binary_search_by(|(prefix, _)| prefix.as_bytes().cmp(path))
    }
}

/// What a request's path may be read as.
pub(super) enum Readings<'a> {
    /// Nothing but itself.
    Plain(&'a [u8]),
    /// These two, the strict one first.
    Both(Normal, Normal),
}

impl<'a> Readings<'a> {
    /// The readings of `path`; its query is ignored.
    pub(super) fn of(path: &'a [u8]) -> Self {
        let path = &path[..memchr::memchr(b'?', path).unwrap_or(path.len())];
        if is_plain(path) {
            Self::Plain(path)
        } else {
            Self::Both(Normal::read(path, Reading::Strict), Normal::read(path, Reading::Lenient))
        }
    }
}

/// How many bytes of `path`, as received and without its query, are `prefix`, which is in normal form, so that what is left
/// means the same behind it; `None`: no number does, to every program, or not without taking much of the path apart.
pub(super) fn cut(path: &[u8], prefix: &str) -> Option<usize> {
    if prefix.is_empty() {
        return Some(0);
    }
    if is_plain(path) {
        // It was found as it is.
        return path.starts_with(prefix.as_bytes()).then_some(prefix.len());
    }
    let normal = |bytes: &[u8], reading| Normal::read(bytes, reading).bytes;
    let ends = memchr::memchr_iter(b'/', path).skip(1).chain([path.len()]);
    ends.take(MOST_CUTS).find(|end| {
        let (front, rest) = path.split_at(*end);
        [Reading::Strict, Reading::Lenient].into_iter().all(|reading| {
            let whole = normal(path, reading);
            normal(front, reading)[..] == *prefix.as_bytes()
                && whole.strip_prefix(prefix.as_bytes()) == Some(&normal(rest, reading)[..])
        })
    })
}

/// Places that are tried to cut a path which is not plain: more segments than prefixes have.
const MOST_CUTS: usize = 32;

/// Whether both readings of `path` are the path itself.
fn is_plain(path: &[u8]) -> bool {
    let mut last = 0;
    path.iter().all(|&byte| {
        let plain = !matches!(byte, b'%' | b'\\') && (last != b'/' || !matches!(byte, b'/' | b'.'));
        last = byte;
        plain
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Strict,
    Lenient,
}

/// A path in normal form, without empty segments and without a slash at its end.
pub(super) struct Normal {
    pub(super) bytes: SmallVec<[u8; 256]>,
    /// Where each segment starts, its slash included; an empty one holds nothing but can be taken back.
    starts: SmallVec<[u32; 32]>,
}

impl Normal {
    fn read(path: &[u8], reading: Reading) -> Self {
        let mut normal = Self { bytes: SmallVec::new(), starts: SmallVec::new() };
        let mut segment = SmallVec::<[u8; 64]>::new();
        let mut rest = path.strip_prefix(b"/").unwrap_or(path);
        loop {
            let (octet, left) = Octet::read(rest);
            rest = left;
            match octet {
                Some(Octet::Plain(byte)) if !reading.separates(byte) => segment.push(byte),
                Some(Octet::Encoded(byte)) if !reading.separates_encoded(byte) => {
                    segment.extend_from_slice(&[b'%', hex(byte >> 4), hex(byte & 15)]);
                }
                end => {
                    normal.take(&segment, reading);
                    segment.clear();
                    if end.is_none() {
                        return normal;
                    }
                }
            }
        }
    }

    fn take(&mut self, segment: &[u8], reading: Reading) {
        let name = match memchr::memchr(b';', segment) {
            Some(parameters) if reading == Reading::Lenient => &segment[..parameters],
            _ => segment,
        };
        match name {
            b"." => {}
            b".." => self.bytes.truncate(self.starts.pop().unwrap_or(0) as usize),
            _ if segment.is_empty() && reading == Reading::Lenient => {}
            _ => {
                self.starts.push(self.bytes.len() as u32);
                if !segment.is_empty() {
                    self.bytes.push(b'/');
                    self.bytes.extend_from_slice(segment);
                }
            }
        }
    }
}

/// One octet of a path.
enum Octet {
    /// As written, or an unreserved character that was percent-encoded for no reason.
    Plain(u8),
    /// Percent-encoded, and different from the same octet as written.
    Encoded(u8),
}

impl Octet {
    fn read(path: &[u8]) -> (Option<Self>, &[u8]) {
        match path {
            [] => (None, path),
            [b'%', high, low, rest @ ..] => match (unhex(*high), unhex(*low)) {
                (Some(high), Some(low)) => (Some(Self::decoded(high << 4 | low)), rest),
                // No encoding at all: a percent sign as it stands.
                _ => (Some(Self::Plain(b'%')), &path[1..]),
            },
            [byte, rest @ ..] => (Some(Self::Plain(*byte)), rest),
        }
    }

    fn decoded(byte: u8) -> Self {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => Self::Plain(byte),
            _ => Self::Encoded(byte),
        }
    }
}

impl Reading {
    fn separates(self, written: u8) -> bool {
        written == b'/' || (written == b'\\' && self == Self::Lenient)
    }

    fn separates_encoded(self, decoded: u8) -> bool {
        matches!(decoded, b'/' | b'\\') && self == Self::Lenient
    }
}

fn hex(digit: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(digit & 15)]
}

fn unhex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Site 0 has the host, 1 `/app`, 2 `/app/admin`, 3 `/caf%C3%A9`.
    fn divided() -> Paths {
        let mut paths = Paths::default();
        for (place, prefix) in ["", "/app", "/app/admin", "/caf%c3%a9"].into_iter().enumerate() {
            paths.add(&PathPrefix::parse(prefix).unwrap(), place as u32);
        }
        paths
    }

    #[test]
    fn a_prefix_is_cut_off_where_that_means_the_same_to_everybody() {
        for (path, prefix, rest) in [
            ("/app/x", "/app", Some("/x")),
            ("/app", "/app", Some("")),
            ("/app/", "/app", Some("/")),
            ("/app/x%2Fy", "/app", Some("/x%2Fy")),
            ("/%61pp/x", "/app", Some("/x")),
            ("/./app/x", "/app", Some("/x")),
            ("//app/x", "/app", Some("/x")),
            ("/app//x", "/app", Some("//x")),
            ("/app/y/../x", "/app", Some("/y/../x")),
            ("/caf%c3%a9/x", "/caf%C3%A9", Some("/x")),
            ("/x/../app/y", "/app", Some("/y")),
            ("/app/../app/x", "/app", Some("/x")),
            ("/app/%2e%2e/app/x", "/app", Some("/x")),
            // To one program it leads out of what it was cut from, to another it does not.
            ("/app/..;x/app/y", "/app", None),
            ("/app/..%2Fapp/y", "/app", None),
            ("/app%2Fx", "/app", None),
        ] {
            let cut = cut(path.as_bytes(), prefix).map(|cut| &path[cut..]);
            assert_eq!(cut, rest, "{path}");
        }
    }

    proptest::proptest! {
        /// What is cut off and what is left are together the path, and mean together what it means, to either program.
        #[test]
        fn a_cut_changes_no_meaning(segments in proptest::collection::vec("(app|%61pp|\\.|\\.\\.|x|%2F|;|\\\\|)", 0..8)) {
            let path = format!("/{}", segments.join("/"));
            if let Some(at) = cut(path.as_bytes(), "/app") {
                for reading in [Reading::Strict, Reading::Lenient] {
                    let (whole, rest) = (Normal::read(path.as_bytes(), reading), Normal::read(&path.as_bytes()[at..], reading));
                    proptest::prop_assert_eq!(whole.bytes.to_vec(), [b"/app", &rest.bytes[..]].concat());
                }
            }
        }
    }

    fn find(paths: &Paths, path: &str) -> Option<u32> {
        let place = |path: &[u8]| paths.longest(path).map(|(_, place)| place);
        match Readings::of(path.as_bytes()) {
            Readings::Plain(path) => place(path),
            Readings::Both(strict, lenient) => {
                place(&strict.bytes).filter(|_| place(&strict.bytes) == place(&lenient.bytes))
            }
        }
    }

    #[test]
    fn whole_segments_longest_first() {
        let paths = divided();
        for (path, site) in [
            ("/", 0),
            ("*", 0),
            ("", 0),
            ("/app", 1),
            ("/app/", 1),
            ("/app?q=/app/admin", 1),
            ("/app/x/y/z", 1),
            ("/apple", 0),
            ("/App", 0),
            ("/x/app", 0),
            ("/app/admin", 2),
            ("/app/admin/x", 2),
            ("/app/administrator", 1),
        ] {
            assert_eq!(find(&paths, path), Some(site), "{path}");
        }
        assert_eq!(paths.longest(b"/app/admin/x").unwrap().0, "/app/admin");
    }

    #[test]
    fn a_path_is_looked_up_as_what_its_server_resolves_it_to() {
        let paths = divided();
        for (path, site) in [
            ("/app/../x", 0),
            ("/app/%2e%2e/x", 0),
            ("/app/.%2E/x", 0),
            ("/x/../app/y", 1),
            ("/../../app", 1),
            ("/app/./admin", 2),
            ("/app/admin/..", 1),
            ("/app/..", 0),
            ("/app/.hidden", 1),
            ("/app/...", 1),
            ("/%61pp/x", 1),
            ("/%41pp/x", 0),
            ("/app%2", 0),
            ("/app/100%", 1),
            ("/caf%C3%A9/x", 3),
            ("/caf%c3%a9", 3),
            ("//app//x", 1),
            ("/app//admin", 2),
            ("/app;v=1", 0),
            ("/app/x%2Fy", 1),
            ("/app/x;v=1/../y", 1),
            ("/app%2f..%2fx", 0),
            ("/%252e%252e/app", 0),
        ] {
            assert_eq!(find(&paths, path), Some(site), "{path}");
        }
    }

    #[test]
    fn a_path_that_servers_read_differently_belongs_to_nobody() {
        let paths = divided();
        for path in [
            "/app//../x",
            "/app/x%2f..%2f..%2fy",
            "/app/..%2fx",
            "/app/..%5cx",
            "/app/..\\x",
            "/app/..;/x",
            "/app/%2e%2e;a=b/x",
            "/app/admin/..;/..;/",
            "/app%2fadmin",
            "/app/%2fadmin",
        ] {
            assert_eq!(find(&paths, path), None, "{path}");
        }
    }

    #[test]
    fn the_first_of_two_equal_prefixes_has_the_path() {
        let mut paths = Paths::default();
        paths.add(&PathPrefix::parse("/a%62").unwrap(), 0);
        paths.add(&PathPrefix::parse("/ab").unwrap(), 1);
        assert_eq!(find(&paths, "/ab"), Some(0));
        assert_eq!(find(&paths, "/"), None);
    }

    #[test]
    fn a_path_of_thousands_of_segments_is_read_to_the_depth_of_the_prefixes() {
        let paths = divided();
        assert_eq!(find(&paths, &"/app".repeat(10_000)), Some(1));
        assert_eq!(find(&paths, &format!("{}/app", "/a/..".repeat(10_000))), Some(1));
        assert_eq!(find(&paths, &"/..;".repeat(10_000)), Some(0));
    }
}
