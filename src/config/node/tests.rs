//! The node file: what arrives, and what is said of what is wrong.

use super::super::checked::{NetworkList, Trust, TrustHeader};
use super::super::report::Problem;
use super::*;
use crate::base::{Rate, TrustName};
use std::time::Duration;

fn machine() -> Machine {
    Machine { name: Some("front1.test".to_owned()), processors: 4, descriptors: Some(65_536) }
}

fn check(text: &str) -> Result<Node, Report> {
    let (node, report) = examine(Path::new("/etc/parvis/parvis.toml"), text, &machine());
    if report.is_empty() { Ok(node) } else { Err(report) }
}

/// The problems of a file, each in one line without the file's name.
fn problems(text: &str) -> Vec<String> {
    let report = check(text).unwrap_err();
    let lines = report.problems.iter().map(Problem::one_line);
    lines.map(|line| line.trim_start_matches("/etc/parvis/parvis.toml:").to_owned()).collect()
}

const MINIMAL: &str = "\
[[listen]]
address = \"[::]:80\"
[accounts]
directory = \"accounts.d\"
";

#[test]
fn everything_but_listeners_and_accounts_has_a_default() {
    let node = check(MINIMAL).unwrap();
    assert_eq!(node.name, "front1.test");
    assert_eq!(node.workers, 4);
    assert_eq!(node.user, None);
    assert_eq!(node.state, Path::new("/var/lib/parvis"));
    assert_eq!(node.tls_profile, TlsProfile::Intermediate);
    assert_eq!(node.accounts, Path::new("/etc/parvis/accounts.d"));
    assert_eq!(node.default_site, None);
    assert_eq!((node.certificates, node.default_certificate, node.trust), (None, None, Vec::new()));
    assert_eq!(node.admin.socket.as_deref(), Some(Path::new("/run/parvis/admin.sock")));
    assert_eq!(node.metrics, None);
    let logs = Logs {
        output: None,
        directory: None,
        access: true,
        credentials: false,
        http: "{account}/http/{year}/{file}-{date}.log".into(),
        sites: "{account}/sites/{date}.log".into(),
        gzip: true,
        retention: Retention(None),
    };
    assert_eq!((&node.logs, Logs::default()), (&logs, logs.clone()));
    assert_eq!((node.logs.output(), node.legal), (LogOutput::Stdout, None));
    assert_eq!(node.limits, Limits { connections: 32_640, ..Limits::default() });
    assert_eq!(node.timeouts, Timeouts::default());
    let listen = Listen {
        address: "[::]:80".parse().unwrap(),
        tls: false,
        protocols: Protocols { http1: true, http2: false },
        proxy_protocol_from: Vec::new(),
    };
    assert_eq!(node.listen, [listen]);
}

#[test]
fn every_key_arrives_where_it_belongs() {
    let node = check(
        r#"
        [node]
        name = "Front2.test"
        workers = 3
        user = "parvis"
        state = "state"
        tls_profile = "modern"
        [[listen]]
        address = "[::]:443"
        tls = true
        [[listen]]
        address = "0.0.0.0:443"
        tls = true
        protocols = ["http/1.1"]
        proxy_protocol_from = ["192.0.2.0/24", "2001:db8::1"]
        [[listen]]
        address = "127.0.0.1:0"
        protocols = ["h2c", "http/1.1"]
        [accounts]
        directory = "/srv/accounts"
        default_site = "platform/welcome"
        [certificates]
        directory = "certificates"
        default = "default.pem"
        [acme]
        tokens = "tokens"
        [upstreams]
        allow = ["10.20.0.0/16", "127.0.0.1:15672"]
        resolvers = ["192.0.2.53", "[::1]:5353"]
        [admin]
        socket = "admin.sock"
        [metrics]
        address = "[::1]:9145"
        [logs]
        output = "journald"
        directory = "logs"
        access = false
        http = "{account}/{file}-{month}.log"
        sites = "{account}/{year}.log"
        gzip = false
        retention = "30d"
        [legal]
        directory = "legal"
        retention = "365d"
        [limits]
        connections = 1000
        connections_per_client = "unlimited"
        handshakes_per_client = "30/m"
        header_bytes = "64K"
        header_count = 200
        url_bytes = 8192
        response_header_bytes = "128K"
        body_bytes = "unlimited"
        request_buffer = "1K"
        response_buffer = "1M"
        streams_per_connection = 50
        in_flight = 5000
        [timeouts]
        handshake = "1s"
        header = "2s"
        body_idle = "3s"
        body_min_rate = "0/s"
        connect = "4s"
        response_header = "5s"
        response_idle = "6s"
        write_idle = "7s"
        idle = "8s"
        tunnel_idle = "9s"
        drain = "10s"
        drain_delay = "11s"
        [panel]
        anything = { goes = 1979-05-27 }
        "#,
    );
    let node = node.unwrap();
    let seconds = Duration::from_secs;
    assert_eq!(node.name, "front2.test");
    assert_eq!(node.workers, 3);
    assert_eq!(node.user.as_deref(), Some("parvis"));
    assert_eq!(node.state, Path::new("/etc/parvis/state"));
    assert_eq!(node.tls_profile, TlsProfile::Modern);
    assert_eq!(node.accounts, Path::new("/srv/accounts"));
    let (account, site) = node.default_site.unwrap();
    assert_eq!((account.as_str(), site.as_str()), ("platform", "welcome"));
    assert_eq!(node.certificates.as_deref(), Some(Path::new("/etc/parvis/certificates")));
    assert_eq!(node.default_certificate.as_deref(), Some(Path::new("/etc/parvis/default.pem")));
    assert_eq!(node.admin.socket.as_deref(), Some(Path::new("/etc/parvis/admin.sock")));
    assert_eq!(node.metrics, Some("[::1]:9145".parse().unwrap()));
    assert_eq!(node.acme, Some(Acme::Tokens("/etc/parvis/tokens".into())));
    assert_eq!(
        node.upstreams,
        Outside {
            allow: vec![
                Allowed::Network("10.20.0.0/16".parse().unwrap()),
                Allowed::Address("127.0.0.1:15672".parse().unwrap()),
            ],
            resolvers: vec!["192.0.2.53:53".parse().unwrap(), "[::1]:5353".parse().unwrap()],
        }
    );
    let logs = Some(PathBuf::from("/etc/parvis/logs"));
    assert_eq!(
        node.logs,
        Logs {
            output: Some(LogOutput::Journald),
            directory: logs,
            access: false,
            credentials: false,
            http: "{account}/{file}-{month}.log".into(),
            sites: "{account}/{year}.log".into(),
            gzip: false,
            retention: Retention(Some(seconds(30 * 86_400))),
        }
    );
    let retention = Retention(Some(seconds(365 * 86_400)));
    assert_eq!(node.legal, Some(Legal { directory: "/etc/parvis/legal".into(), retention }));
    assert_eq!(
        node.limits,
        Limits {
            connections: 1000,
            connections_per_client: None,
            handshakes_per_client: Some(Rate { count: 30, period: seconds(60) }),
            head: HeadLimits { header_bytes: 65_536, header_count: 200, url_bytes: 8192, mends: false },
            response_header_bytes: 131_072,
            body_bytes: None,
            request_buffer: 1 << 10,
            response_buffer: 1 << 20,
            streams_per_connection: 50,
            in_flight: 5000,
        }
    );
    assert_eq!(
        node.timeouts,
        Timeouts {
            handshake: seconds(1),
            header: seconds(2),
            body_idle: seconds(3),
            body_min_rate: None,
            connect: seconds(4),
            response_header: seconds(5),
            response_idle: seconds(6),
            write_idle: seconds(7),
            idle: seconds(8),
            tunnel_idle: seconds(9),
            drain: seconds(10),
            drain_delay: seconds(11),
        }
    );
    let protocols: Vec<_> =
        node.listen.iter().map(|l| (l.tls, l.protocols.http1, l.protocols.http2)).collect();
    assert_eq!(protocols, [(true, true, true), (true, true, false), (false, true, true)]);
    let networks = &node.listen[1].proxy_protocol_from;
    assert_eq!(
        networks,
        &["192.0.2.0/24".parse().unwrap(), "2001:db8::1/128".parse::<ipnet::IpNet>().unwrap()]
    );
}

/// What stands in the file besides the minimum, and what is said of it.
const WRONG: &[(&str, &[&str])] = &[
    ("[nod]", &["1:2: nod: no such key (did you mean `node`?)"]),
    (
        "[node]\nworkers = 0",
        &[
            "2:11: node.workers: 0 is less than the least, 1 (0 is zero: write \"auto\" for what the machine has)",
        ],
    ),
    ("[node]\nworkers = 2000", &["2:11: node.workers: 2000 is more than the most, 1024"]),
    ("[node]\nworkers = true", &["2:11: node.workers: true stands where \"auto\" or a whole number belongs"]),
    (
        "[node]\nname = \"a b\"",
        &["2:8: node.name: \"a b\" is not a host name (a character that no host name holds)"],
    ),
    ("[node]\nuser = \"a:b\"", &["2:8: node.user: \"a:b\" is not a user's name"]),
    ("[node]\nstate = \"\"", &["2:9: node.state: a path cannot be empty"]),
    ("[node]\nstate = \"a\\u0000b\"", &["2:9: node.state: a path holds no NUL"]),
    (
        "[node]\ntls_profile = \"old\"",
        &[
            "2:15: node.tls_profile: \"old\" is not accepted (TLS 1.0 and 1.1 are withdrawn (RFC 8996), browsers and \
           rustls speak neither: write \"intermediate\")",
        ],
    ),
    (
        "[node]\ntls_profile = \"modren\"",
        &[
            "2:15: node.tls_profile: \"modren\" is none of \"intermediate\" or \"modern\" (did you mean \"modern\"?)",
        ],
    ),
    ("[node]\nin_flight = 3", &["2:1: node.in_flight: no such key (`in_flight` belongs in [limits])"]),
    ("[node]\nconnections = 3", &["2:1: node.connections: no such key (`connections` belongs in [limits])"]),
    (
        "[node]\nqueue = 3",
        &["2:1: node.queue: no such key (`queue` belongs in an account document, in [limits])"],
    ),
    ("[node]\nlisten = 3", &["2:1: node.listen: no such key (write [[listen]] at the top of the file)"]),
    ("[node]\ncolour = 3", &["2:1: node.colour: no such key"]),
    ("node = 3", &["1:8: node: 3 stands where a table belongs (write [node])"]),
    (
        "[node]\nname = 1\nworkers = \"x\"",
        &[
            "2:8: node.name: 1 stands where a string belongs",
            "3:11: node.workers: \"x\" stands where \"auto\" or a whole number belongs",
        ],
    ),
    (
        "[certificates]\ndirectory = []",
        &["2:13: certificates.directory: a list stands where a string belongs"],
    ),
    (
        "[admin]\naddress = \"x\"",
        &["2:1: admin.address: this version does not have it yet (remove it: the socket is the only way in)"],
    ),
    (
        "[metrics]\naddress = \"9145\"",
        &["2:11: metrics.address: \"9145\" is not an IP address and a port (write \"[::]:443\" for IPv6, \
         \"0.0.0.0:443\" for IPv4: both are explicit)"],
    ),
    (
        "[logs]\nhttp = \"../x\"",
        &["2:8: logs.http: \"../x\" is not a file below the directory (write a relative path without `..`)"],
    ),
    (
        "[logs]\nhttp = \"/x\"",
        &["2:8: logs.http: \"/x\" is not a file below the directory (write a relative path without `..`)"],
    ),
    (
        "[logs]\nsites = \"{account}/{file}\"",
        &[
            "2:9: logs.sites: there is no {file} in a log's path (there are {account}, {year}, {month}, {date})",
        ],
    ),
    (
        "[logs]\nhttp = \"{acount}/x\"",
        &["2:8: logs.http: there is no {acount} in a log's path (did you mean {account}?)"],
    ),
    (
        "[logs]\nhttp = \"{zzzz}\"",
        &[
            "2:8: logs.http: there is no {zzzz} in a log's path (there are {account}, {file}, {year}, {month}, {date})",
        ],
    ),
    ("[logs]\nhttp = \"x}{\"", &["2:8: logs.http: \"x}{\" has a brace without its partner"]),
    (
        "[logs]\noutput = \"syslog\"",
        &["2:10: logs.output: \"syslog\" is none of \"files\", \"stdout\" or \"journald\""],
    ),
    (
        "[logs]\noutput = \"files\"",
        &["2:10: logs.output: files, and no word where (write directory = \"/var/log/parvis\")"],
    ),
    (
        "[logs]\ndirectory = \"/var/log/parvis\"\n[legal]\ndirectory = \"/var/log/parvis/legal\"",
        &[
            "4:13: legal.directory: customers' logs are there, and what their templates match is theirs (write a directory \
             of its own: \"/var/log/parvis-legal\")",
        ],
    ),
    (
        "[legal]\nretention = \"30d\"",
        &["2:13: legal.retention: a retention, and no log (write `directory`, or remove [legal])"],
    ),
    (
        "[logs]\nretention = \"30\"",
        &[
            "2:13: logs.retention: \"30\" is not a duration (write a whole number and ms, s, m, h or d, as in \"30s\")",
        ],
    ),
    (
        "[limits]\nconnections_per_client = 0",
        &[
            "2:26: limits.connections_per_client: 0 is less than the least, 1 (0 is zero: write \"unlimited\" for no limit)",
        ],
    ),
    (
        "[limits]\nconnections_per_client = \"never\"",
        &["2:26: limits.connections_per_client: \"never\" is not the word (write \"unlimited\")"],
    ),
    (
        "[limits]\nhandshakes_per_client = \"0/s\"",
        &[
            "2:25: limits.handshakes_per_client: \"0/s\" is less than the least, \"1/h\" (0 is zero: write \"unlimited\" \
         for no limit)",
        ],
    ),
    (
        "[limits]\nheader_bytes = \"1K\"",
        &["2:16: limits.header_bytes: \"1K\" is less than the least, \"4K\""],
    ),
    ("[limits]\nheader_bytes = \"2M\"", &["2:16: limits.header_bytes: \"2M\" is more than the most, \"1M\""]),
    (
        "[limits]\nmemory = \"1G\"",
        &[
            "2:1: limits.memory: this version does not have it yet (remove it: connections, heads and buffers are bounded \
         one by one)",
        ],
    ),
    (
        "[timeouts]\nidle = \"never\"",
        &["2:8: timeouts.idle: \"never\" is no bound (every wait here ends: write how long, as in \"1h\")"],
    ),
    ("[timeouts]\nidle = 60", &["2:8: timeouts.idle: 60 has no unit (write \"60s\" for seconds)"]),
    ("[timeouts]\nidle = 0", &["2:8: timeouts.idle: \"0s\" is less than the least, \"1s\""]),
    ("[timeouts]\nidel = \"1s\"", &["2:1: timeouts.idel: no such key (did you mean `idle`?)"]),
    (
        "[acme]\ntokens = \"t\"\nforward = \"http://a.test\"",
        &["3:11: acme.forward: `tokens` and `forward` cannot both answer (remove one of the two)"],
    ),
    ("[acme]", &["1:1: acme: nobody answers challenges (write `tokens` or `forward`, or remove [acme])"]),
    (
        "[acme]\nforward = \"https://a.test\"",
        &[
            "2:11: acme.forward: \"https://a.test\" is https, and challenges are asked for in clear (write it as in \
         \"http://[::1]:8089\")",
        ],
    ),
    (
        "[waf]",
        &["1:2: waf: this version does not have it yet (remove it: requests reach the upstreams unfiltered)"],
    ),
    (
        "[upstreams]\nallow = [\"10.0.0.1/8\", \"::1:80\", \"x\"]\nresolvers = [\"dns.test\"]",
        &[
            "2:10: upstreams.allow[0]: \"10.0.0.1/8\" has bits behind its prefix (write \"10.0.0.0/8\")",
            "2:34: upstreams.allow[2]: \"x\" is not a network (write an address and a prefix, as in \"192.0.2.0/24\")",
            "3:14: upstreams.resolvers[0]: \"dns.test\" is not an IP address and a port (name servers are written \
         \"192.0.2.53\" or \"[::1]:5353\")",
        ],
    ),
    (
        "[launcher]\nuid_min = 0\nuid_max = 5\nwrapper = \"x\"",
        &[
            "2:11: launcher.uid_min: 0 is less than the least, 1",
            "2:11: launcher.uid_min: 1000 is more than `uid_max`, 5",
            "4:11: launcher.wrapper: \"x\" stands where a list belongs (put it in brackets: [\"…\"])",
        ],
    ),
    ("[site]", &["1:2: site: no such key (`site` belongs in an account document, in [[site]])"]),
];

#[test]
fn what_is_wrong_is_said_with_its_place_and_its_mending() {
    for (text, expected) in WRONG {
        assert_eq!(problems(&format!("{text}\n{MINIMAL}")), *expected, "{text}");
    }
}

/// A listener's keys, and what is said of them.
const WRONG_LISTENERS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "1:1: listen[0]: `address` is missing (it takes an IP address and a port: `\"[::]:443\"`, `\"0.0.0.0:443\"`)",
        ],
    ),
    (
        "address = \":80\"",
        &[
            "2:11: listen[0].address: \":80\" names no address (write \"[::]:80\" for IPv6, \"0.0.0.0:80\" for IPv4: both \
         are explicit)",
        ],
    ),
    (
        "address = \"*:80\"",
        &[
            "2:11: listen[0].address: \"*:80\" names no address (write \"[::]:80\" for IPv6, \"0.0.0.0:80\" for IPv4: both \
         are explicit)",
        ],
    ),
    ("address = \"::1\"", &["2:11: listen[0].address: \"::1\" has no port (write it as in \"[::]:443\")"]),
    (
        "address = \"[::ffff:192.0.2.1]:80\"",
        &["2:11: listen[0].address: \"[::ffff:192.0.2.1]:80\" is an IPv4 address in IPv6's clothes (write \
         \"192.0.2.1:80\")"],
    ),
    (
        "address = \"localhost:80\"",
        &[
            "2:11: listen[0].address: \"localhost:80\" is not an IP address and a port (write \"[::]:80\" for IPv6, \
         \"0.0.0.0:80\" for IPv4: both are explicit)",
        ],
    ),
    (
        "address = \"[::]:443\"",
        &[
            "1:1: listen[0]: port 443 and not a word about TLS (write tls = true, or tls = false if that is meant)",
        ],
    ),
    (
        "address = \"[::]:80\"\ntls = \"yes\"",
        &["3:7: listen[0].tls: \"yes\" stands where true or false belongs"],
    ),
    (
        "address = \"[::]:80\"\nprotocols = [\"h2\"]",
        &[
            "3:14: listen[0].protocols[0]: \"h2\" is not accepted (\"h2\" needs tls = true; prior knowledge is \"h2c\")",
        ],
    ),
    (
        "address = \"[::]:80\"\ntls = true\nprotocols = [\"h2c\", \"h3\", \"http1\"]",
        &[
            "4:14: listen[0].protocols[0]: \"h2c\" is not accepted (with tls = true the word is \"h2\")",
            "4:21: listen[0].protocols[1]: \"h3\" is not accepted (this version does not speak HTTP/3 yet)",
            "4:27: listen[0].protocols[2]: \"http1\" is none of \"h2\" or \"http/1.1\" (did you mean \"http/1.1\"?)",
        ],
    ),
    (
        "address = \"[::]:80\"\nprotocols = []",
        &["3:13: listen[0].protocols: a listener that speaks nothing (remove the listener instead)"],
    ),
    (
        "address = \"[::]:80\"\nprotocols = \"h2c\"",
        &["3:13: listen[0].protocols: \"h2c\" stands where a list belongs (put it in brackets: [\"…\"])"],
    ),
    (
        "address = \"[::]:80\"\nproxy_protocol_from = [\"192.0.2.1/24\", \"cdn\", 4]",
        &[
            "3:24: listen[0].proxy_protocol_from[0]: \"192.0.2.1/24\" has bits behind its prefix (write \"192.0.2.0/24\")",
            "3:40: listen[0].proxy_protocol_from[1]: \"cdn\" is not a network (write an address and a prefix, as in \
         \"192.0.2.0/24\")",
            "3:47: listen[0].proxy_protocol_from[2]: 4 stands where a string belongs",
        ],
    ),
    (
        "address = \"[::]:80\"\n[[listen]]\naddress = \"[::]:80\"",
        &["3:1: listen[1]: [::]:80 is already listen[0]"],
    ),
];

#[test]
fn what_is_wrong_with_a_listener_is_said() {
    for (text, expected) in WRONG_LISTENERS {
        let text = format!("[[listen]]\n{text}\n[accounts]\ndirectory = \"accounts.d\"\n");
        assert_eq!(problems(&text), *expected, "{text}");
    }
}

#[test]
fn a_file_without_the_two_required_tables_is_told_so() {
    assert_eq!(
        problems(""),
        [
            "1:1: `[accounts]` is missing (write [accounts] and directory = \"accounts.d\")",
            "1:1: `[[listen]]` is missing (write [[listen]] and address = \"[::]:443\")",
        ]
    );
    for (default_site, said) in [
        ("1", "3:16: accounts.default_site: 1 stands where a string belongs"),
        ("\"platform\"", "3:16: accounts.default_site: \"platform\" names no site (write \"ACCOUNT/SITE\")"),
        (
            "\"Platform/x\"",
            "3:16: accounts.default_site: \"Platform/x\" names no site (write \"ACCOUNT/SITE\")",
        ),
    ] {
        let text = format!(
            "[accounts]\ndirectory = \"a\"\ndefault_site = {default_site}\n[[listen]]\naddress = \"[::]:80\""
        );
        assert_eq!(problems(&text), [said]);
    }
}

#[test]
fn two_listeners_on_ports_of_the_kernels_choice_are_no_duplicates() {
    let text =
        "[[listen]]\naddress = \"[::1]:0\"\n[[listen]]\naddress = \"[::1]:0\"\n[accounts]\ndirectory = \"a\"";
    assert_eq!(check(text).unwrap().listen.len(), 2);
}

#[test]
fn a_machine_that_says_little_is_enough() {
    let machine = Machine { name: None, processors: 0, descriptors: None };
    let (node, report) = examine(Path::new("parvis.toml"), MINIMAL, &machine);
    assert!(report.is_empty());
    assert_eq!((node.name.as_str(), node.workers, node.limits.connections), ("parvis", 1, 10_000_000));
    assert_eq!(node.accounts, Path::new("accounts.d"));
}

#[test]
fn sets_of_peers_arrive() {
    let trust = "\
[[trust]]
name = \"cdn\"
file = \"cdn.txt\"
[[trust]]
name = \"front\"
from = [\"192.0.2.0/24\", \"2001:db8::1\"]
header = \"forwarded\"
everywhere = true
[[trust]]
name = \"other\"
from = [\"198.51.100.7\"]
header = \"CF-Connecting-IP\"
";
    let node = check(&format!("{MINIMAL}{trust}")).unwrap();
    let networks =
        |texts: &[&str]| NetworkList::Listed(texts.iter().map(|text| network(text).unwrap()).collect());
    let set = |name, networks, header, everywhere| Trust {
        name: TrustName::new(name).unwrap(),
        networks,
        header,
        everywhere,
    };
    let file = NetworkList::File("/etc/parvis/cdn.txt".into());
    assert_eq!(
        node.trust,
        [
            set("cdn", file, TrustHeader::XForwardedFor, false),
            set("front", networks(&["192.0.2.0/24", "2001:db8::1"]), TrustHeader::Forwarded, true),
            set("other", networks(&["198.51.100.7"]), TrustHeader::Single("cf-connecting-ip".into()), false),
        ]
    );
    let files: Vec<_> = node.network_files().map(|file| (file.role, file.path.to_owned())).collect();
    assert_eq!(files, [("trust-cdn".to_owned(), "/etc/parvis/cdn.txt".into())]);
}

#[test]
fn lists_of_clients_arrive() {
    let node = check(&format!("{MINIMAL}[deny]\nfile = \"bad.txt\"\n[allow]\nfrom = [\"::/0\"]\n")).unwrap();
    assert_eq!(node.deny, Some(NetworkList::File("/etc/parvis/bad.txt".into())));
    assert_eq!(node.allow, Some(NetworkList::Listed([network("::/0").unwrap()].into_iter().collect())));
    let files: Vec<_> = node.network_files().map(|file| (file.role, file.may_be_empty)).collect();
    assert_eq!(files, [("deny".to_owned(), true)]);
    assert!(check(&format!("{MINIMAL}[deny]\nfrom = []\n")).is_ok());
    for (lines, problem) in [
        (
            "[allow]\nfrom = []",
            "6:8: allow.from: nobody would be let in (name networks, or remove the table)",
        ),
        (
            "[deny]",
            "5:1: deny: no networks are named (write from = [\"192.0.2.0/24\"], or file = \"networks.txt\")",
        ),
    ] {
        assert_eq!(problems(&format!("{MINIMAL}{lines}\n")), [problem], "{lines}");
    }
}

#[test]
fn mistakes_in_sets_of_peers() {
    for (lines, problem) in [
        ("from = [\"::1\"]", "5:1: trust[0]: `name` is missing (it takes a name, once in the file)"),
        (
            "name = \"a\"",
            "5:1: trust[0]: no networks are named (write from = [\"192.0.2.0/24\"], or file = \"networks.txt\")",
        ),
        (
            "name = \"a\"\nfrom = []",
            "7:8: trust[0].from: a set that nobody is in (name networks, or remove the table)",
        ),
        (
            "name = \"a\"\nfrom = [\"::1\"]\nfile = \"a.txt\"",
            "8:8: trust[0].file: `from` names the networks already (remove one of the two)",
        ),
        (
            "name = \"a\"\nfrom = [\"192.0.2.1/24\"]",
            "7:9: trust[0].from[0]: \"192.0.2.1/24\" has bits behind its prefix (write \"192.0.2.0/24\")",
        ),
        (
            "name = \"a\"\nfrom = [\"::1\"]\nheader = \"X-Forwarded-For:\"",
            "8:10: trust[0].header: \"X-Forwarded-For:\" is not a field's name (write it as in \"X-Forwarded-For\", \
             without a colon)",
        ),
        (
            "name = \"a\"\nfrom = [\"::1\"]\nheader = \"x-forwarded-proto\"",
            "8:10: trust[0].header: \"x-forwarded-proto\" names no visitor (write \"X-Forwarded-For\", \"Forwarded\" \
             or a field with one address)",
        ),
        (
            "name = \"a\"\nfrom = [\"::1\"]\n[[trust]]\nname = \"a\"\nfrom = [\"::1\"]",
            "9:8: trust[1].name: \"a\" is already the name of trust[0]",
        ),
        (
            "name = \"a\"\nfrom = [\"::1\"]\nheaders = \"X\"",
            "8:1: trust[0].headers: no such key (did you mean `header`?)",
        ),
    ] {
        assert_eq!(problems(&format!("{MINIMAL}[[trust]]\n{lines}\n")), [problem], "{lines}");
    }
}
