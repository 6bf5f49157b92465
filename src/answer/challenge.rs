//! Answers to challenges of ACME (RFC 8555 §8.3): which request asks for one, and what stands in the file of its token.

use crate::base::read_below;
use std::io;
use std::path::Path;

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge<'a> {
    /// The answer to this token.
    Token(&'a str),
    /// What is no token.
    Nothing,
}

/// What `path`, without its query, asks for; `None`: no challenge is answered there. Cost: a comparison.
pub fn asked(path: &[u8]) -> Option<Challenge<'_>> {
    let token = path.strip_prefix(PLACE)?;
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let fits = (1..=MOST_TOKEN_BYTES).contains(&token.len()) && token.iter().all(is_token);
    Some(match std::str::from_utf8(token) {
        Ok(token) if fits => Challenge::Token(token),
        _ => Challenge::Nothing,
    })
}

/// What stands in `directory` for `token`. Opens regular files alone, whatever else somebody has put there, and follows no
/// link. May block: not for a worker.
///
/// # Errors
/// The system's; `NotFound`: there is no such token.
pub fn key_authorization(directory: &Path, token: &str) -> io::Result<Vec<u8>> {
    let bytes = read_below(directory, token, MOST_BYTES)?;
    if bytes.len() > MOST_BYTES {
        return Err(io::Error::other("it is longer than any key authorization"));
    }
    Ok(bytes)
}

/// Where challenges are asked for.
const PLACE: &[u8] = b"/.well-known/acme-challenge/";

/// Bytes of a token: 22 at least, and issuers send some 43.
const MOST_TOKEN_BYTES: usize = 128;

/// Bytes of a key authorization: a token, a dot, and a digest.
const MOST_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_challenge_is_told_by_its_path() {
        for (path, asks) in [
            ("/.well-known/acme-challenge/Ab-_9", Some(Challenge::Token("Ab-_9"))),
            ("/.well-known/acme-challenge/", Some(Challenge::Nothing)),
            ("/.well-known/acme-challenge/..", Some(Challenge::Nothing)),
            ("/.well-known/acme-challenge/a/b", Some(Challenge::Nothing)),
            ("/.well-known/acme-challenge/a%2fb", Some(Challenge::Nothing)),
            ("/.well-known/acme-challenge", None),
            ("/.Well-known/acme-challenge/a", None),
            ("/x/.well-known/acme-challenge/a", None),
        ] {
            assert_eq!(asked(path.as_bytes()), asks, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_token_leads_out_of_its_directory(rest in prop::collection::vec(any::<u8>(), 0..200)) {
            let path = [PLACE, &rest[..]].concat();
            if let Some(Challenge::Token(token)) = asked(&path) {
                prop_assert!(!token.contains(['/', '.', '\0']) && !token.is_empty());
            }
        }
    }

    #[test]
    fn files_alone_are_answered_with() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("token"), "token.digest").unwrap();
        std::fs::write(path("long"), [b'x'; 1025]).unwrap();
        std::fs::create_dir(path("directory")).unwrap();
        symlink(path("token"), path("link")).unwrap();
        nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(key_authorization(directory.path(), "token").unwrap(), b"token.digest");
        assert_eq!(key_authorization(directory.path(), "none").unwrap_err().kind(), io::ErrorKind::NotFound);
        for name in ["long", "directory", "link", "fifo"] {
            assert!(key_authorization(directory.path(), name).is_err(), "{name}");
        }
    }
}
