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
        let text = format!(
            "[[listen]]\naddress = \"[::1]:0\"\n[accounts]\ndirectory = \"accounts.d\"\n{node}\n[node]\nstate = \"state\"\n"
        );
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
  = hint: write `upstream = "NAME"`, `redirect = { to = "…" }` or `answer = { status = 410 }`

error: site[0].addresses[0]: "a_b.test" is not a host name (underscore)
 --> accounts.d/alice.toml:3:14
  |
3 | addresses = ["a_b.test"]
  |              ^^^^^^^^^^
  = hint: browsers and certificates take a dash where this has `_`

error: state: "on" is none of "active", "maintenance", "suspended" or "moved"
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

parvis: 5 problems in 3 files: alice.toml 2, bob.toml 1, parvis.toml 2
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
    let files = Files::new("[limits]\nheader_count = 0\n", &[]);
    let said = files.parvis(&["run", "--config", "parvis.toml"]);
    assert!(
        said.err.contains("error: limits.header_count: 0 is less than the least, 16\n --> parvis.toml:6:16"),
        "{said:?}"
    );
    assert_eq!(said.code, Some(78));
    assert_eq!(files.parvis(&["run", "--config", "nowhere.toml"]).code, Some(78));
}

#[test]
fn a_node_that_is_not_there_is_unavailable() {
    let files = Files::new("[admin]\nsocket = \"nobody.sock\"\n", &[]);
    for command in ["status", "reload", "drain"] {
        for (door, hint) in [
            (["--socket", "nobody.sock"], "is the node running, and is this its `[admin] socket`?"),
            (
                ["--config", "parvis.toml"],
                "is the node of parvis.toml running? `--socket PATH` asks elsewhere",
            ),
        ] {
            let said = files.parvis(&[&[command], &door[..]].concat());
            let err = format!(
                "parvis: nobody.sock: cannot connect: No such file or directory (os error 2)\n  = hint: {hint}\n"
            );
            assert_eq!(said, Said { code: Some(69), out: String::new(), err });
        }
    }
    let said = files.parvis(&["status", "Alice/../x", "--socket", "nobody.sock"]);
    assert_eq!(
        (said.code, said.err.as_str()),
        (Some(1), "parvis: \"Alice/../x\" is not an account's name\n")
    );
}

#[test]
fn check_warns_of_hosts_that_two_accounts_claim_and_of_certificates_that_cannot_be_served() {
    let bob = ALICE.replace("\"*.alice.test\"", "\"www.alice.test\", \"bob.test\"");
    let files =
        Files::new("[certificates]\ndirectory = \"certificates\"\n", &[("alice", ALICE), ("bob", &bob)]);
    std::fs::create_dir(files.path().join("certificates")).unwrap();
    std::fs::write(files.path().join("certificates/a.pem"), "nothing").unwrap();
    let said = files.parvis(&["check", "--config", "parvis.toml"]);
    let err = "\
warning: there is no certificate in it
 --> certificates/a.pem

warning: alice.test is held by the account alice
 --> accounts.d/bob.toml
  = hint: it is served as soon as the holder gives it up

warning: www.alice.test lies under *.alice.test of the account alice
 --> accounts.d/bob.toml
  = hint: that site says lend = true if others may have names under it

";
    assert_eq!(said.err, err);
    let out = "parvis.toml is right: 1 listener, 2 accounts, 2 sites, 5 addresses, 2 upstreams\n";
    assert_eq!((said.code, said.out.as_str()), (Some(0), out));
}

/// What `parvis route` prints for an address, and what it returns.
fn routed(files: &Files, address: &str) -> (Option<i32>, String) {
    let said = files.parvis(&["route", address, "--config", "parvis.toml"]);
    (said.code, format!("{}{}", said.out, said.err))
}

/// Who was first is what the node's journal says, not the order of names.
#[test]
fn route_and_check_know_who_holds_a_contested_host_and_since_when() {
    let files = Files::new("", &[("alice", ALICE), ("bob", ALICE)]);
    std::fs::create_dir(files.path().join("state")).unwrap();
    let journal = "hold bob *.alice.test 1700000000\nhold bob alice.test 1700000000\nwait alice alice.test 1710000000\n";
    std::fs::write(files.path().join("state/claims.journal"), journal).unwrap();
    let (code, said) = routed(&files, "alice.test");
    assert_eq!(code, Some(0));
    let contested =
        "contested    alice claims alice.test too and waits: bob holds alice.test since 2023-11-14\n";
    assert!(said.contains("bob, accounts.d/bob.toml") && said.contains(contested), "{said}");
    let said = files.parvis(&["check", "--config", "parvis.toml"]);
    assert!(
        said.err.contains("alice.test is held by the account bob\n --> accounts.d/alice.toml"),
        "{}",
        said.err
    );
    assert_eq!(std::fs::read_to_string(files.path().join("state/claims.journal")).unwrap(), journal);
}

#[test]
fn route_says_where_an_address_leads_and_why() {
    let alice = format!(
        "{ALICE}force_https = true\n[[site]]\nname = \"shop\"\naddresses = [\"alice.test/shop\"]\nupstream = \"web\"\n\
         [[site]]\nname = \"old\"\naddresses = [\"old.test\"]\n\
         redirect = {{ to = \"https://alice.test\", status = 308 }}\n\
         [[site]]\nname = \"part\"\naddresses = [\"part.test/x\"]\nupstream = \"web\"\n"
    );
    let bob = ALICE.replace("alice.test", "bob.test").replace("[[site]]", "[[site]]\nlend = true");
    let bob =
        format!("state = \"maintenance\"\n{}", bob.replace("\"bob.test\"", "\"bob.test\", \"alice.test\""));
    let files = Files::new(
        "default_site = \"alice/home\"\n",
        &[("alice", &alice), ("bob", &bob), ("carol", "x = 1")],
    );
    let left_out = "parvis: wrong documents were left out: 1. `parvis check` tells what is wrong; a running node serves \
                    what they said before\n";
    for (address, code, lines) in [
        (
            "alice.test",
            0,
            "host         alice.test, held by its own name\n\
             account      alice, accounts.d/alice.toml\n\
             contested    bob claims alice.test too and waits: alice holds alice.test as the first by name: no running \
             node has seen them\n\
             site         home\n\
             upstream     web, HTTP/1.1 at [::1]:8100, at most 200 connections\n\
             clear        not redirected to https: only the default certificate is there\n\
             certificate  none: no listener speaks TLS\n",
        ),
        (
            "https://ALICE.test:8443/shop/x?y#z",
            0,
            "host         alice.test, held by its own name\n\
             account      alice, accounts.d/alice.toml\n\
             contested    bob claims alice.test too and waits: alice holds alice.test as the first by name: no running \
             node has seen them\n\
             site         shop, by /shop, the longest path over /shop/x\n\
             upstream     web, HTTP/1.1 at [::1]:8100, at most 200 connections\n\
             certificate  none: no listener speaks TLS\n",
        ),
        (
            "old.test/a?b",
            0,
            "host         old.test, held by its own name\n\
             account      alice, accounts.d/alice.toml\n\
             site         old\n\
             answer       308 to https://alice.test/a?b\n\
             certificate  none: no listener speaks TLS\n",
        ),
        (
            "x.y.bob.test",
            1,
            "host         x.y.bob.test, held by *.bob.test, the longest wildcard over it\n\
             account      bob, accounts.d/bob.toml\n\
             site         home\n\
             answer       503: the account is in maintenance\n\
             certificate  none: no listener speaks TLS\n",
        ),
        (
            "part.test",
            1,
            "host         part.test, held by its own name\n\
             account      alice, accounts.d/alice.toml\n\
             answer       404: none of the account's sites has the path /\n\
             certificate  none: no listener speaks TLS\n",
        ),
        (
            "nobody.test",
            0,
            "host         nobody.test, which no account holds\n\
             account      alice, for the node's default_site\n\
             site         home\n\
             upstream     web, HTTP/1.1 at [::1]:8100, at most 200 connections\n\
             clear        not redirected to https: only the default certificate is there\n\
             certificate  none: no listener speaks TLS\n",
        ),
    ] {
        assert_eq!(routed(&files, address), (Some(code), format!("{lines}{left_out}")), "{address}");
    }
}

#[test]
fn route_says_that_nothing_answers() {
    let files = Files::new("", &[]);
    let lines = "host         nobody.test, which no account holds\n\
                 answer       404: the node has no default_site\n\
                 certificate  none: no listener speaks TLS\n";
    assert_eq!(routed(&files, "nobody.test"), (Some(1), lines.to_owned()));
    let why = "parvis: \"a b\" names no host (a character that no host name holds)\n";
    assert_eq!(routed(&files, "a b"), (Some(1), why.to_owned()));
}

#[test]
fn route_says_which_certificate_is_shown_and_why() {
    let tls = "[certificates]\ndirectory = \"certificates\"\n[[listen]]\naddress = \"[::1]:0\"\ntls = true\n";
    let files = Files::new(tls, &[("alice", &format!("{ALICE}force_https = true\n"))]);
    let ca = parvis::tls::dev::Ca::new().unwrap();
    std::fs::create_dir_all(files.path().join("certificates/alice")).unwrap();
    let mine = files.path().join("certificates/alice/mine.pem");
    ca.issue(&["alice.test"]).unwrap().write(&mine).unwrap();
    let (code, text) = routed(&files, "alice.test");
    assert_eq!(code, Some(0));
    assert!(text.contains("clear        redirected to https\n"), "{text}");
    let shown = "certificate  certificates/alice/mine.pem: the account's, for this name, valid until 20";
    assert!(text.contains(shown), "{text}");
    let (_, text) = routed(&files, "www.alice.test");
    assert!(
        text.contains("clear        not redirected to https: only the default certificate is there\n"),
        "{text}"
    );
    assert!(text.contains("certificate  self-signed: the default: no certificate has this name\n"), "{text}");
}

/// A page that is missing keeps nobody from being served: it is told, with its account and site.
#[test]
fn check_tells_a_page_that_is_missing() {
    let document = "[[site]]\nname = \"gone\"\naddresses = [\"a.test\"]\nanswer = { status = 410, page = \"../pages/gone.html\" }\n";
    let files = Files::new("", &[("alice", document)]);
    let said = files.parvis(&["check", "--config", "parvis.toml"]);
    let warning = "warning: site gone: the page of its answer cannot be read: accounts.d/../pages/gone.html: No such file or directory \
                   (os error 2)\n --> accounts.d/alice.toml\n  = hint: a page of Parvis' own is shown; `parvis reload` reads \
                   it again\n";
    assert!(said.code == Some(0) && said.err.contains(warning), "{said:?}");
    std::fs::create_dir(files.path().join("pages")).unwrap();
    std::fs::write(files.path().join("pages/gone.html"), "<p>gone").unwrap();
    assert_eq!(files.parvis(&["check", "--config", "parvis.toml"]).err, "");
}

#[test]
fn diff_tells_what_a_change_would_do() {
    let bob = "[[upstream]]\nname = \"web\"\naddress = \"[::1]:8200\"\n[[site]]\nname = \"home\"\n\
               addresses = [\"bob.test\", \"alice.test\"]\nupstream = \"web\"\n";
    let files = Files::new("", &[("alice", ALICE), ("bob", bob)]);
    let new = files.path().join("new");
    std::fs::create_dir(&new).unwrap();
    let write = |name: &str, text: &str| std::fs::write(new.join(name), text).unwrap();
    write("alice.toml", ALICE);
    let same = files.parvis(&["diff", "new", "--config", "parvis.toml"]);
    assert_eq!(same, Said { code: Some(0), out: "nothing would change\n".into(), err: String::new() });

    let program = "address = \"auto\"\ncommand = [\"app\"]\nenvironment = { TOKEN = \"secret\" }\n";
    let changed = ALICE.replace("address = \"[::1]:8100\"\n", program);
    let changed = changed.replace("\"alice.test\", ", "\"www.alice.test\", \"bob.test\", ");
    write("alice.toml", &changed);
    let changed_says = "\
alice: changed
  + www.alice.test
  - alice.test, passes to bob
  ! bob.test waits: bob holds bob.test
  ~ site home: addresses = [\"www.alice.test\", \"bob.test\", \"*.alice.test\"] (was [\"alice.test\", \"*.alice.test\"])
  ~ upstream web: address = \"auto\" (was \"[::1]:8100\")
  ~ upstream web: command = [\"app\"] (was not set)
  ~ upstream web: environment.TOKEN changes
  * program web is started when somebody asks for it
bob: its document stays as it is
  + alice.test
";
    let said = files.parvis(&["diff", "new/alice.toml", "--config", "parvis.toml"]);
    assert_eq!(said, Said { code: Some(1), out: changed_says.into(), err: String::new() });
    // Nothing was written, and nothing was remembered.
    assert_eq!(files.parvis(&["diff", "new/alice.toml", "--config", "parvis.toml"]).out, changed_says);

    std::fs::write(files.path().join("accounts.d/alice.toml"), &changed).unwrap();
    write("alice.toml", &changed.replace("[\"app\"]", "[\"app2\"]"));
    let said = files.parvis(&["diff", "new", "--config", "parvis.toml"]);
    assert!(
        said.out.contains("  * program web restarts: the new one is ready before the old one ends\n"),
        "{said:?}"
    );
    // Where no running node has seen them, the first by name has what two claim.
    let said = files.parvis(&["diff", "--remove", "alice", "--json", "--config", "parvis.toml"]);
    let changes: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let of = |change: usize, key: &str| changes[change][key].clone();
    assert_eq!((of(0, "account"), of(0, "what")), ("alice".into(), "removed".into()));
    let leaves = serde_json::json!([
        { "host": "*.alice.test", "to": null },
        { "host": "bob.test", "to": "bob" },
        { "host": "www.alice.test", "to": null },
    ]);
    assert_eq!(of(0, "leaves"), leaves);
    assert_eq!((of(1, "account"), of(1, "enters")), ("bob".into(), serde_json::json!(["bob.test"])));

    write("alice.toml", "state = \"on\"\n");
    let said = files.parvis(&["diff", "new", "--config", "parvis.toml"]);
    assert!(
        said.code == Some(78)
            && said.err.contains("--> new/alice.toml:1:9") | said.err.contains("new/alice.toml:1:9"),
        "{said:?}"
    );
}

/// A node file that somebody broke at night: whoever asks the running node is answered all the same.
#[test]
fn a_node_file_with_mistakes_still_says_where_the_node_is_asked() {
    for mistake in ["[limits]\nin_fligt = 3\n", "[limits\n"] {
        let files = Files::new(&format!("[admin]\nsocket = \"nobody.sock\"\n{mistake}"), &[("alice", ALICE)]);
        for command in [&["status"][..], &["reload"], &["restart", "alice"], &["explain", "0123456789abcdef"]]
        {
            let said = files.parvis(&[command, &["--config", "parvis.toml"]].concat());
            assert_eq!((said.code, said.out.as_str()), (Some(69), ""), "{said:?}");
            assert!(
                said.err.starts_with("parvis: the node file has ")
                    && said.err.contains("nobody.sock: cannot connect"),
                "{said:?}"
            );
        }
    }
    let files = Files::new("[limits]\nin_fligt = 3\n", &[("alice", ALICE)]);
    let (code, said) = routed(&files, "alice.test");
    assert!(
        code == Some(0) && said.contains("upstream     web") && said.contains("limits.in_fligt"),
        "{said}"
    );
    // One that is not there may not be the one that was meant.
    assert_eq!(files.parvis(&["status", "--config", "nowhere.toml"]).code, Some(78));
}

/// As `parvis schema | head -1` has it: who has seen enough is no mistake.
#[test]
fn whoever_closes_the_output_has_seen_enough() {
    let node = "[logs]\ndirectory = \"logs\"\nhttp = \"{account}.log\"\n";
    let files = Files::new(node, &[("alice", ALICE), ("bob", ALICE)]);
    std::fs::create_dir(files.path().join("logs")).unwrap();
    std::fs::write(files.path().join("logs/alice.log"), "a line\n".repeat(100)).unwrap();
    for (line, code) in [
        ("schema", 0),
        ("completions bash", 0),
        ("check --config parvis.toml", 0),
        ("route alice.test --steps --config parvis.toml", 0),
        ("route nobody.test --config parvis.toml", 1),
        ("diff --remove alice --config parvis.toml", 1),
        ("diff --remove alice --json --config parvis.toml", 1),
        ("logs alice --config parvis.toml", 0),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_parvis"))
            .args(line.split(' '))
            .current_dir(files.path())
            .stdout(writer)
            .stderr(std::process::Stdio::piped())
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(!err.contains("panicked"), "{line}: {err}");
        assert_eq!(output.status.code(), Some(code), "{line}: {err}");
    }
    // Nobody reads what is wrong either.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_parvis"))
        .args(["check", "--config", "nowhere.toml"])
        .current_dir(files.path())
        .stderr(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(78));
}

#[test]
fn logs_say_why_there_is_nothing_and_find_earlier_days() {
    use std::io::Write;
    let node = "[logs]\ndirectory = \"logs\"\nhttp = \"{account}/{file}-{date}.log\"\n[admin]\nsocket = \"nobody.sock\"\n";
    let shop =
        "[[site]]\nname = \"shop\"\naddresses = [\"shop.test\"]\nupstream = \"web\"\nlog_file = \"shop\"\n";
    let files = Files::new(node, &[("alice", &format!("{ALICE}{shop}"))]);
    let logs = files.path().join("logs/alice");
    std::fs::create_dir_all(&logs).unwrap();
    let say = |line: &str| {
        files.parvis(
            &[&["logs"], &line.split(' ').collect::<Vec<_>>()[..], &["--config", "parvis.toml"]].concat(),
        )
    };
    for (line, why) in [
        ("bob", "there is no account bob\n"),
        ("alice --log-file no", "no site of alice has `log_file = \"no\"`; its log files: http, shop\n"),
        ("alice", "nothing was written today; its other log files: shop\n"),
        ("alice --date 2026-03-14", "nothing was written on 2026-03-14; its other log files: shop\n"),
        ("_node", "nothing was written today\n"),
    ] {
        let said = say(line);
        assert!(said.code == Some(1) && said.err.ends_with(why) && said.out.is_empty(), "{line}: {said:?}");
    }
    std::fs::write(logs.join("http-2026-03-14.log"), "one\ntwo\nthree\n").unwrap();
    let gzipped = std::fs::File::create(logs.join("http-2026-03-13.log.gz")).unwrap();
    let mut gzipped = flate2::write::GzEncoder::new(gzipped, flate2::Compression::default());
    gzipped.write_all(b"four\nfive\nsix").unwrap();
    gzipped.finish().unwrap();
    for (line, out) in [
        ("alice --date 2026-03-14 -n 2", "two\nthree\n"),
        ("alice --date 2026-03-13 -n 2", "five\nsix"),
        ("alice --date 2026-03-13", "four\nfive\nsix"),
    ] {
        assert_eq!(say(line), Said { code: Some(0), out: out.into(), err: String::new() }, "{line}");
    }
    assert_eq!(say("alice --date yesterday").code, Some(2));
}
