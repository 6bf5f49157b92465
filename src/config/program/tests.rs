//! What a document may say of programs, and what is said of what is wrong.

use super::*;
use crate::base::AccountName;
use crate::config::{self, Document, Node, UpstreamAddress};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn node() -> Node {
    let text = "[[listen]]\naddress = \"[::1]:80\"\n[accounts]\ndirectory = \"a\"\n";
    config::node::examine(Path::new("/etc/parvis/parvis.toml"), text, &config::machine::Machine::read()).0
}

fn check(text: &str) -> Result<Document, String> {
    let name = AccountName::new("alice").unwrap();
    config::check_document(&name, Path::new("/etc/parvis/accounts.d/alice.toml"), text, &node())
        .map_err(|report| report.to_string())
}

fn with_upstream(lines: &str) -> Result<Document, String> {
    check(&format!("[run]\naddress = \"fd00::2\"\n[[upstream]]\nname = \"web\"\n{lines}"))
}

#[track_caller]
fn told(lines: &str) -> String {
    with_upstream(lines).expect_err("a mistake")
}

#[test]
fn a_program_with_nothing_said_has_the_defaults() {
    let document = with_upstream("address = \"auto\"\ncommand = [\"node\", \"app.js\"]").unwrap();
    let upstream = &document.upstreams[0];
    assert_eq!(upstream.address, UpstreamAddress::Auto);
    assert_eq!(
        **upstream.program.as_ref().unwrap(),
        Program {
            command: Command::Words(vec!["node".into(), "app.js".into()]),
            directory: PathBuf::new(),
            environment: Environment::default(),
            idle_time: Some(Duration::from_secs(1800)),
            start_timeout: Duration::from_secs(30),
            stop_signal: 15,
            stop_timeout: Duration::from_secs(10),
            overlap: true,
            hot_restart: None,
            revision: String::new(),
            health_interval: None,
            hang_timeout: None,
            ready_path: None,
        }
    );
}

#[test]
fn everything_of_a_program_can_be_said() {
    let document = check(
        "[run]\nuser = \"al\"\nhome = \"/home/al\"\naddress = \"fd00::2:696b\"\nmemory_max = \"512M\"\n\
         memory_high = \"400M\"\ncpu_weight = 50\nio_weight = 60\npids_max = 100\n\
         environment = { TZ = \"Europe/Paris\", A = \"1\" }\n[[upstream]]\nname = \"web\"\naddress = \":8100\"\n\
         command = \"bundle exec puma\"\ndirectory = \"app\"\nidle_time = \"never\"\nstart_timeout = \"1m\"\n\
         stop_signal = \"SIGINT\"\nstop_timeout = \"0s\"\noverlap = true\nrevision = \"17\"\n\
         ready_path = \"/up\"\nhot_restart = \"SIGUSR2\"\nhealth_interval = \"10s\"\nhang_timeout = \"1m\"\n[upstream.environment]\nRAILS_ENV = \"production\"\n",
    )
    .unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        document.run,
        Run {
            user: Some("al".into()),
            home: Some("/home/al".into()),
            address: Some("fd00::2:696b".parse().unwrap()),
            environment: Environment(vec![pair("A", "1"), pair("TZ", "Europe/Paris")]),
            limits: RunLimits {
                memory_max: Some(512 << 20),
                memory_high: Some(400 << 20),
                cpu_weight: Some(50),
                io_weight: Some(60),
                pids_max: Some(100),
            },
            cgroup: None,
        }
    );
    let upstream = &document.upstreams[0];
    assert_eq!(upstream.address, UpstreamAddress::Ip("[fd00::2:696b]:8100".parse().unwrap()));
    let program = upstream.program.as_ref().unwrap();
    assert_eq!(program.command, Command::Shell("bundle exec puma".into()));
    assert_eq!(program.environment.0, [pair("RAILS_ENV", "production")]);
    assert_eq!((program.idle_time, program.start_timeout), (None, Duration::from_secs(60)));
    assert_eq!((program.stop_signal, program.stop_timeout), (2, Duration::ZERO));
    assert!(program.overlap);
    assert_eq!(program.hot_restart, Some(Signal::USR2.as_raw()));
    let seconds = |count| Some(Duration::from_secs(count));
    assert_eq!((program.health_interval, program.hang_timeout), (seconds(10), seconds(60)));
    assert_eq!((program.revision.as_str(), program.ready_path.as_deref()), ("17", Some("/up")));
    let fixed = with_upstream("address = \":8100\"\ncommand = \"x\"").unwrap();
    assert!(!fixed.upstreams[0].program.as_ref().unwrap().overlap, "one address, one instance");
}

#[test]
fn mistakes_are_told_with_what_to_write() {
    for (lines, message) in [
        ("address = \"auto\"", "\"auto\" is the address of a program that is started here"),
        ("address = \"[::1]:80\"\nidle_time = \"5m\"", "the upstream has no `command`"),
        (
            "address = \"http://app.test\"\ncommand = \"x\"",
            "a program that is started here is not found by a URL",
        ),
        (
            "address = \"https://a.test\"\ncommand = \"x\"",
            "a program that is started here is spoken to in clear",
        ),
        ("address = \"auto\"\ncommand = []", "a command without a program"),
        ("address = \"auto\"\ncommand = \" \"", "a command without a program"),
        ("address = \"auto\"\ncommand = \"x\\u0000\"", "a text with a NUL in it"),
        ("address = \"auto\"\ncommand = \"x\"\nidle_time = \"none\"", "write \"never\""),
        ("address = \"auto\"\ncommand = \"x\"\nstop_signal = \"TERM\"", "SIGTERM"),
        ("address = \"auto\"\ncommand = \"x\"\nready_path = \"up\"", "\"up\" is not a path"),
        ("address = \"auto\"\ncommand = \"x\"\nhot_restart = \"SIGKILL\"", "SIGUSR2"),
        ("address = \"auto\"\ncommand = \"x\"\nhealth_interval = \"5s\"", "there is no `ready_path`"),
        ("address = \"auto\"\nhang_timeout = \"5s\"", "the upstream has no `command`"),
        ("address = \"auto\"\ncommand = \"x\"\nhost = \"upstream\"", "a unix socket has no host name"),
        ("address = \"auto\"\ncommand = \"x\"\nenvironment = { PORT = \"1\" }", "PORT is set by Parvis"),
        (
            "address = \"auto\"\ncommand = \"x\"\nenvironment = { \"a b\" = \"1\" }",
            "is not a variable's name",
        ),
    ] {
        let report = told(lines);
        assert!(report.contains(message), "{lines}:\n{report}");
    }
    let without_address = check("[[upstream]]\nname = \"web\"\naddress = \":8100\"\n").unwrap_err();
    assert!(without_address.contains("name that with `address` of [run]"), "{without_address}");
    for (run, message) in [
        ("address = \"::\"", "is every address"),
        ("address = \"[::1]:80\"", "is not an IP address"),
        ("user = \"-x\"", "is not a user's name"),
        ("cpu_weight = 0", "less than the least, 1"),
        ("cpu_weight = 10001", "more than the most, 10000"),
        ("memory_max = 0", "less than the least"),
        ("cgroup = \"x\"", "\"x\" is not a whole path"),
        ("cgroup = \"/sys/fs/cgroup/../a\"", "is not a whole path"),
        (
            "cgroup = \"/sys/fs/cgroup/a\"\nmemory_max = \"1G\"",
            "whoever made this control group sets its limits",
        ),
    ] {
        let report = check(&format!("[run]\n{run}\n")).unwrap_err();
        assert!(report.contains(message), "{run}:\n{report}");
    }
}

#[test]
fn what_starts_a_program_anew_makes_it_another() {
    let hash = |run: &str, lines: &str| {
        let document = check(&format!("{run}[[upstream]]\nname = \"web\"\n{lines}\n")).unwrap();
        let upstream = &document.upstreams[0];
        upstream.program.as_ref().unwrap().runs_as(&document.run, &upstream.address)
    };
    let one = "address = \"auto\"\ncommand = [\"a\", \"b\"]";
    let same = hash("", one);
    for (run, more) in [("", "idle_time = \"1m\""), ("", "ready_path = \"/\""), ("[limits]\nqueue = 7\n", "")]
    {
        assert_eq!(hash(run, &format!("{one}\n{more}")), same, "{run}{more}");
    }
    for (run, lines) in [
        ("", "address = \"auto\"\ncommand = [\"a\", \"c\"]"),
        ("", "address = \"auto\"\ncommand = \"a b\""),
        ("", "address = \"[::1]:1\"\ncommand = [\"a\", \"b\"]"),
        ("", &format!("{one}\ndirectory = \"x\"")),
        ("", &format!("{one}\nrevision = \"2\"")),
        ("", &format!("{one}\nenvironment = {{ A = \"1\" }}")),
        ("[run]\nenvironment = { A = \"1\" }\n", one),
        ("[run]\nuser = \"x\"\n", one),
        ("[run]\npids_max = 7\n", one),
    ] {
        assert_ne!(hash(run, lines), same, "{run}{lines}");
    }
}

#[test]
fn the_environment_is_never_told() {
    for environment in
        ["\"hunter2\"", "[\"hunter2\"]", "{ A = [\"hunter2\"] }", "{ A = \"hunter2\", PORT = \"hunter2\" }"]
    {
        let lines = format!("address = \"auto\"\ncommand = \"x\"\nenvironment = {environment}");
        let report = told(&lines);
        assert!(!report.contains("hunter2"), "{report}");
    }
    let document =
        with_upstream("address = \"auto\"\ncommand = \"x\"\nenvironment = { A = \"hunter2\" }").unwrap();
    assert!(!format!("{document:?}").contains("hunter2"));
}
