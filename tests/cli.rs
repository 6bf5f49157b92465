//! The commands that need no running node: what they print, where, and what they return.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a command line came to.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn parvis(arguments: &[&str], directory: &Path) -> Said {
    let output =
        Command::new(env!("CARGO_BIN_EXE_parvis")).args(arguments).current_dir(directory).output().unwrap();
    let Output { status, stdout, stderr } = output;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// A node file and documents in a directory of their own.
struct Files(tempfile::TempDir);

impl Files {
    fn new(node: &str, documents: &[(&str, &str)]) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        let text =
            format!("[[listen]]\naddress = \"[::1]:0\"\n[accounts]\ndirectory = \"accounts.d\"\n{node}");
        std::fs::write(files.path().join("parvis.toml"), text).unwrap();
        std::fs::create_dir(files.path().join("accounts.d")).unwrap();
        for (account, document) in documents {
            let file = files.path().join("accounts.d").join(format!("{account}.toml"));
            std::fs::write(file, document).unwrap();
        }
        files
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn parvis(&self, arguments: &[&str]) -> Said {
        parvis(arguments, self.path())
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

const ALICE: &str = r#"
[[upstream]]
name = "web"
address = "[::1]:8100"
[[site]]
name = "home"
addresses = ["alice.test", "*.alice.test"]
upstream = "web"
"#;

#[test]
fn check_says_what_is_right() {
    let said = parvis(&["check", "--config", "minimal/parvis.toml"], &examples());
    let out = "minimal/parvis.toml is right: 2 listeners, 2 accounts, 2 sites, 3 addresses, 1 upstream\n";
    assert_eq!(said, Said { code: Some(0), out: out.into(), err: String::new() });
}

#[test]
fn check_tells_everything_that_is_wrong_at_once() {
    let files = Files::new(
        "default_site = \"platform/welcome\"\n[limits]\nin_fligt = 3\n",
        &[("alice", "[[site]]\nname = \"home\"\naddresses = [\"a_b.test\"]\n"), ("bob", "state = \"on\"\n")],
    );
    let said = files.parvis(&["check", "--config", "parvis.toml"]);
    let err = r#"error: site[0]: nothing answers here
 --> accounts.d/alice.toml:1:1
  |
1 | [[site]]
  | ^^^^^^^^
  = hint: write `upstream = "NAME"` or `redirect = { to = "…" }`

error: site[0].addresses[0]: "a_b.test" is not a host name (underscore)
 --> accounts.d/alice.toml:3:14
  |
3 | addresses = ["a_b.test"]
  |              ^^^^^^^^^^
  = hint: browsers and certificates take a dash where this has `_`

error: state: "on" is none of "active" or "maintenance"
 --> accounts.d/bob.toml:1:9
  |
1 | state = "on"
  |         ^^^^

error: limits.in_fligt: no such key
 --> parvis.toml:7:1
  |
7 | in_fligt …
  | ^^^^^^^^
  = hint: did you mean `in_flight`?

error: accounts.default_site: there is no right document of an account platform
 --> parvis.toml
  = hint: hosts that no document holds would be answered 404

parvis: 5 problems
"#;
    assert_eq!(said.err, err);
    assert_eq!((said.code, said.out.as_str()), (Some(78), ""));
}

#[test]
fn a_default_site_has_to_be_a_site() {
    let files = Files::new("default_site = \"alice/welcome\"\n", &[("alice", ALICE)]);
    let said = files.parvis(&["check", "--config", "parvis.toml"]);
    assert!(said.err.contains("the account alice has no site welcome"), "{said:?}");
    assert_eq!(said.code, Some(78));
    let files = Files::new("default_site = \"alice/home\"\n", &[("alice", ALICE)]);
    assert_eq!(files.parvis(&["check", "--config", "parvis.toml"]).code, Some(0));
}

#[test]
fn run_refuses_a_wrong_node_file() {
    let files = Files::new("[node]\nworkers = 0\n", &[]);
    let said = files.parvis(&["run", "--config", "parvis.toml"]);
    assert!(
        said.err.contains("error: node.workers: 0 is less than the least, 1\n --> parvis.toml:6:11"),
        "{said:?}"
    );
    assert_eq!(said.code, Some(78));
    assert_eq!(files.parvis(&["run", "--config", "nowhere.toml"]).code, Some(78));
}

#[test]
fn a_node_that_is_not_there_is_unavailable() {
    let files = Files::new("[admin]\nsocket = \"nobody.sock\"\n", &[]);
    for command in ["status", "reload", "drain"] {
        for door in [["--socket", "nobody.sock"], ["--config", "parvis.toml"]] {
            let said = files.parvis(&[&[command], &door[..]].concat());
            let err = "parvis: nobody.sock: cannot connect: No such file or directory (os error 2)\n";
            assert_eq!(said, Said { code: Some(69), out: String::new(), err: err.into() });
        }
    }
    let said = files.parvis(&["status", "Alice/../x", "--socket", "nobody.sock"]);
    assert_eq!(
        (said.code, said.err.as_str()),
        (Some(1), "parvis: \"Alice/../x\" is not an account's name\n")
    );
}
