//! Account documents: what arrives, and what is said of what is wrong.

use super::super::checked::*;
use super::super::report::Problem;
use super::*;
use crate::base::{Host, Rate, TrustName};
use std::fmt::Write;
use std::path::PathBuf;

fn node() -> Node {
    Node {
        file: "/etc/parvis/parvis.toml".into(),
        name: "front1".into(),
        workers: 1,
        user: None,
        state: "/var/lib/parvis".into(),
        tls_profile: TlsProfile::Intermediate,
        listen: Vec::new(),
        accounts: "/etc/parvis/accounts.d".into(),
        default_site: None,
        acme: None,
        upstreams: Outside::default(),
        certificates: None,
        default_certificate: None,
        pages: None,
        switches: crate::config::Switches::default(),
        deny: None,
        allow: None,
        trust: Vec::new(),
        admin: Admin::default(),
        metrics: None,
        tracing: None,
        launcher: Launcher::default(),
        legal: None,
        logs: Logs::default(),
        limits: Limits::default(),
        timeouts: Timeouts::default(),
    }
}

fn check_with(text: &str, node: &Node) -> Result<Document, Report> {
    check(&AccountName::new("alice").unwrap(), Path::new("/etc/parvis/accounts.d/alice.toml"), text, node)
}

fn read(text: &str) -> Document {
    check_with(text, &node()).unwrap_or_else(|report| panic!("{text}\n{report}"))
}

fn lines(result: Result<Document, Report>) -> Vec<String> {
    let report = result.expect_err("a problem");
    let lines = report.problems.iter().map(Problem::one_line);
    lines.map(|line| line.trim_start_matches("/etc/parvis/accounts.d/alice.toml:").to_owned()).collect()
}

/// The problems of a document, each in one line without the file's name.
fn problems(text: &str) -> Vec<String> {
    lines(check_with(text, &node()))
}

#[test]
fn an_empty_document_is_an_account_without_sites() {
    let document = read("");
    assert_eq!(document.name.as_str(), "alice");
    assert_eq!(document.state, AccountState::Active);
    assert_eq!(document.terms, Terms::of_profile(TlsProfile::Intermediate));
    assert_eq!(document.limits, AccountLimits::default());
    assert_eq!(document.timeouts, Timeouts::default());
    assert!(document.sites.is_empty() && document.upstreams.is_empty() && document.certificates.is_empty());
}

#[test]
fn every_key_arrives_where_it_belongs() {
    let document = read(
        r#"
        state = "maintenance"
        tls_profile = "modern"
        [limits]
        in_flight = 100
        queue = 0
        queue_timeout = "1s"
        tunnels = 7
        rate = "500/s"
        body_bytes = "256M"
        request_buffer = "8K"
        response_buffer = "128K"
        buffered_bytes = "1M"
        [timeouts]
        body_idle = "3s"
        body_min_rate = "1K/s"
        connect = "4s"
        response_header = "5s"
        response_idle = "6s"
        write_idle = "7s"
        tunnel_idle = "9s"
        [[certificate]]
        names = ["pay.alice.test", "*.alice.test"]
        file = "pay.pem"
        [logs]
        retention = "90d"
        [[upstream]]
        name = "web"
        address = "https://[2001:db8::7]:8443/"
        host = "Shop.alice.test"
        connections = 5
        keep_alive = "2s"
        server_name = "inner.test"
        ca = "/etc/ca.pem"
        [[site]]
        name = "blog"
        addresses = ["WWW.alice.test", "*.alice.test", "shop.alice.test/app/"]
        upstream = "web"
        force_https = true
        hsts = { max_age = "365d", include_subdomains = true, preload = true }
        lend = true
        trim_path = true
        log_format = "standard"
        log_file = "shop-2"
        [[site]]
        name = "old"
        addresses = []
        redirect = { to = "https://www.alice.test/", status = 308, keep_path = true }
        [panel]
        id = 12
        "#,
    );
    let seconds = Duration::from_secs;
    assert_eq!(document.state, AccountState::Maintenance);
    assert_eq!(document.log_retention, Some(Retention(Some(seconds(90 * 86_400)))));
    assert_eq!(document.terms.tls_profile, TlsProfile::Modern);
    let rate = Some(Rate { count: 500, period: seconds(1) });
    assert_eq!(
        document.limits,
        AccountLimits {
            in_flight: 100,
            queue: 0,
            queue_timeout: seconds(1),
            tunnels: 7,
            rate,
            body_bytes: Some(256 << 20),
            request_buffer: 8 << 10,
            response_buffer: 128 << 10,
            buffered_bytes: 1 << 20,
        }
    );
    assert_eq!(
        document.timeouts,
        Timeouts {
            body_idle: seconds(3),
            body_min_rate: Some(Rate { count: 1024, period: seconds(1) }),
            connect: seconds(4),
            response_header: seconds(5),
            response_idle: seconds(6),
            write_idle: seconds(7),
            tunnel_idle: seconds(9),
            ..Timeouts::default()
        }
    );
    let [certificate] = &document.certificates[..] else { panic!() };
    assert_eq!(certificate.file, Path::new("/etc/parvis/accounts.d/pay.pem"));
    assert_eq!(
        certificate.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["pay.alice.test", "*.alice.test"]
    );
    let [web] = &document.upstreams[..] else { panic!() };
    assert_eq!(
        *web,
        Upstream {
            name: crate::base::UpstreamName::new("web").unwrap(),
            address: UpstreamAddress::Url(Box::new(UpstreamUrl {
                host: Host::parse(b"[2001:db8::7]").unwrap(),
                port: 8443,
                has_default_port: false,
                base: "".into(),
                is_platforms: false,
            })),
            protocol: UpstreamProtocol::Http1,
            host: UpstreamHost::Named(Box::new(Host::parse(b"shop.alice.test").unwrap())),
            tls: Some(UpstreamTls {
                server_name: "inner.test".into(),
                ca: Some(PathBuf::from("/etc/ca.pem")),
                verify: true,
            }),
            connections: 5,
            keep_alive: seconds(2),
            program: None,
        }
    );
    let [blog, old] = &document.sites[..] else { panic!() };
    let addresses: Vec<_> = blog.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["www.alice.test", "*.alice.test", "shop.alice.test/app"]);
    assert_eq!(blog.action, SiteAction::Upstream(web.name.clone()));
    assert_eq!(
        blog.hsts,
        Some(Hsts { max_age: seconds(365 * 86_400), include_subdomains: true, preload: true })
    );
    assert!(blog.force_https && blog.lend && blog.trim_path);
    assert_eq!((&blog.log_format, blog.log_file.as_str()), (&LogFormat::Standard, "shop-2"));
    assert!(!old.force_https && !old.lend && old.hsts.is_none());
    assert_eq!((&old.log_format, old.log_file.as_str()), (&LogFormat::Advanced, "http"));
    let redirect = Redirect { to: "https://www.alice.test".into(), status: 308, keep_path: true };
    assert_eq!(old.action, SiteAction::Redirect(redirect));
}

#[test]
fn the_nodes_values_are_defaults_and_bounds() {
    let mut node = node();
    node.limits.in_flight = 50;
    node.limits.body_bytes = Some(1 << 20);
    node.tls_profile = TlsProfile::Modern;
    node.timeouts.response_header = Duration::from_secs(20);
    let document = check_with("[[upstream]]\nname = \"web\"\naddress = \"[::1]:80\"", &node).unwrap();
    assert_eq!(document.terms.tls_profile, TlsProfile::Modern);
    assert_eq!(
        document.limits,
        AccountLimits { in_flight: 50, body_bytes: Some(1 << 20), ..Default::default() }
    );
    assert_eq!(document.timeouts.response_header, Duration::from_secs(20));
    assert_eq!(document.upstreams[0].connections, 50);
    let text = "[limits]\nin_flight = 51\nbody_bytes = \"unlimited\"\n[timeouts]\nresponse_header = \"21s\"\n\
                body_min_rate = \"255/s\"";
    assert_eq!(
        lines(check_with(text, &node)),
        [
            "2:13: limits.in_flight: 51 is more than the node's 50 (the operator's node file sets the bound)",
            "3:14: limits.body_bytes: \"unlimited\" is more than the node's \"1M\" (the operator's node file sets the \
             bound)",
            "5:19: timeouts.response_header: \"21s\" is more than the node's \"20s\" (the operator's node file sets \
             the bound)",
            "6:17: timeouts.body_min_rate: \"255/s\" is less than the node's \"256/s\" (the operator's node file sets \
             the bound)",
        ]
    );
    node.limits.body_bytes = None;
    node.timeouts.body_min_rate = None;
    assert!(
        check_with("[limits]\nbody_bytes = \"unlimited\"\n[timeouts]\nbody_min_rate = \"0/s\"", &node)
            .is_ok()
    );
}

/// Addresses of upstreams, and what they mean.
#[test]
fn upstreams_have_addresses_of_four_kinds() {
    let ip = |text: &str| UpstreamAddress::Ip(text.parse().unwrap());
    let url = |text: &str, port, has_default_port, base: &str| {
        let host = Host::parse(text.as_bytes()).unwrap();
        UpstreamAddress::Url(Box::new(UpstreamUrl {
            host,
            port,
            has_default_port,
            base: base.into(),
            is_platforms: false,
        }))
    };
    for (text, address, server_name) in [
        ("[::1]:8100", ip("[::1]:8100"), None),
        ("127.0.0.1:80", ip("127.0.0.1:80"), None),
        ("unix:/run/alice/web.sock", UpstreamAddress::Unix("/run/alice/web.sock".into()), None),
        ("unix:web.sock", UpstreamAddress::Unix("/etc/parvis/accounts.d/web.sock".into()), None),
        ("http://App.test", url("app.test", 80, true, ""), None),
        ("HTTP://app.test:8080/", url("app.test", 8080, false, ""), None),
        ("http://192.0.2.1", url("192.0.2.1", 80, true, ""), None),
        ("https://app.test", url("app.test", 443, true, ""), Some("app.test")),
        ("https://[2001:db8::7]", url("[2001:db8::7]", 443, true, ""), Some("2001:db8::7")),
        ("https://[2001:db8::7]:8443/base/", url("[2001:db8::7]", 8443, false, "/base"), Some("2001:db8::7")),
    ] {
        let document = read(&format!("[[upstream]]\nname = \"web\"\naddress = \"{text}\""));
        let upstream = &document.upstreams[0];
        assert_eq!(upstream.address, address, "{text}");
        assert_eq!(upstream.tls.as_ref().map(|tls| tls.server_name.as_str()), server_name, "{text}");
        assert_eq!((upstream.connections, upstream.keep_alive), (200, Duration::from_secs(4)));
        assert_eq!((upstream.protocol, &upstream.host), (UpstreamProtocol::Http1, &UpstreamHost::Visitor));
    }
    let document =
        read("[[upstream]]\nname = \"g\"\naddress = \"[::1]:1\"\nprotocol = \"h2c\"\nhost = \"upstream\"");
    let upstream = &document.upstreams[0];
    assert_eq!((upstream.protocol, &upstream.host), (UpstreamProtocol::H2c, &UpstreamHost::Upstream));
    let document = read("[[upstream]]\nname = \"g\"\naddress = \"https://a.test\"\nverify = false");
    assert!(!document.upstreams[0].tls.as_ref().unwrap().verify);
}

/// What stands alone in a document, and what is said of it.
const WRONG: &[(&str, &[&str])] = &[
    (
        "state = \"activ\"",
        &[
            "1:9: state: \"activ\" is none of \"active\", \"maintenance\", \"suspended\" or \"moved\" (did you mean \"active\"?)",
        ],
    ),
    (
        "state = \"moved\"",
        &["1:9: state: moved, and no word where to (write moved_to = \"https://http7.host.test\")"],
    ),
    (
        "moved_to = \"https://x.test\"\nmoved_ca = \"x.pem\"",
        &[
            "1:12: moved_to: the account has not moved (write state = \"moved\", or remove this)",
            "2:12: moved_ca: the account has not moved (write state = \"moved\", or remove this)",
        ],
    ),
    (
        "state = \"moved\"\nmoved_to = \"http://x.test\"",
        &["2:12: moved_to: \"http://x.test\" is not https (write it as in \"https://http7.host.test\")"],
    ),
    (
        "state = \"moved\"\nmoved_to = \"https://x.test/y\"",
        &["2:12: moved_to: \"https://x.test/y\" has a path (write it as in \"https://http7.host.test\")"],
    ),
    (
        "waf = true",
        &["1:1: waf: this version does not have it yet (remove it: requests reach the upstream unfiltered)"],
    ),
    (
        "waf = 1\ncache = 1",
        &[
            "1:1: waf: this version does not have it yet (remove it: requests reach the upstream unfiltered)",
            "2:1: cache: this version does not have it yet (remove it: every request goes to its upstream)",
        ],
    ),
    ("listen = 1", &["1:1: listen: no such key (`listen` belongs in the node file, in [[listen]])"]),
    ("upstreams = 1", &["1:1: upstreams: no such key (did you mean `upstream`?)"]),
    ("in_flight = 1", &["1:1: in_flight: no such key (`in_flight` belongs in [limits])"]),
    (
        "[limits]\nstate = \"active\"",
        &["2:1: limits.state: no such key (`state` belongs at the top of the file, before the first table)"],
    ),
    (
        "[limits]\nweight = 2",
        &[
            "2:1: limits.weight: this version does not have it yet (remove it: accounts share a full node first come, \
         first served)",
        ],
    ),
    ("[limits]\nin_flight = 0", &["2:13: limits.in_flight: 0 is less than the least, 1"]),
    (
        "[limits]\nin_flight = 10001",
        &[
            "2:13: limits.in_flight: 10001 is more than the node's 10000 (the operator's node file sets the bound)",
        ],
    ),
    (
        "[timeouts]\nhandshake = \"1s\"",
        &["2:1: timeouts.handshake: no such key (`handshake` belongs in the node file, in [timeouts])"],
    ),
    ("\"a b\" = 1\n\"\" = 2", &["1:1: \"a b\": no such key", "2:1: \"\": no such key"]),
    ("site = 3", &["1:8: site: 3 stands where a list of tables belongs (write [[site]])"]),
    ("site = [3]", &["1:9: site[0]: 3 stands where a list of tables belongs (write [[site]])"]),
    ("[site]\nname = \"a\"", &["1:1: site: a table stands where a list of tables belongs (write [[site]])"]),
    (
        "[[certificate]]",
        &[
            "1:1: certificate[0]: `file` is missing (it takes a PEM file with chain and key)",
            "1:1: certificate[0]: `names` is missing (it takes a list of host names and wildcards: `[\"pay.alice.test\", \
         \"*.alice.test\"]`)",
        ],
    ),
    (
        "[[certificate]]\nfile = \"a\"\nnames = []",
        &["3:9: certificate[0].names: a certificate attached to no name (name the hosts it is shown for)"],
    ),
    (
        "[[certificate]]\nfile = \"a\"\nnames = [\"a.test/x\"]",
        &["3:10: certificate[0].names[0]: \"a.test/x\" has a path (write \"a.test\")"],
    ),
];

#[test]
fn what_is_wrong_is_said_with_its_place_and_its_mending() {
    for (text, expected) in WRONG {
        assert_eq!(problems(text), *expected, "{text}");
    }
}

/// Keys of an upstream, and what is said of them.
const WRONG_UPSTREAMS: &[(&str, &[&str])] = &[
    (
        "",
        &["1:1: upstream[0]: `address` is missing (it takes `\"[::1]:8100\"`, `\"127.0.0.1:8100\"`, \
         `\":8100\"` (on the `address` of `[run]`), `\"unix:/run/alice/web.sock\"`, `\"auto\"`, or a URL: \
         `\"http://app.test:8080\"`, `\"https://[2001:db8::7]:8443/base\"`)"],
    ),
    (
        "address = \":8100\"",
        &[
            "3:11: upstream[0].address: \":8100\" is a port on the account's own address (name that with `address` \
         of [run], or write \"[::1]:8100\")",
        ],
    ),
    (
        "address = \"auto\"",
        &[
            "3:11: upstream[0].address: \"auto\" is the address of a program that is started here (say what is started \
         with `command`)",
        ],
    ),
    (
        "address = \"0.0.0.0:80\"",
        &[
            "3:11: upstream[0].address: \"0.0.0.0:80\" is an address to listen on, not one to connect to (on this machine \
         it is \"127.0.0.1:80\")",
        ],
    ),
    (
        "address = \"[::1]:0\"",
        &["3:11: upstream[0].address: \"[::1]:0\" has port 0 (write the port it listens on)"],
    ),
    (
        "address = \"localhost:8080\"",
        &[
            "3:11: upstream[0].address: \"localhost:8080\" is neither an IP address with a port nor a URL (a name is \
         written as a URL: \"http://localhost:8080\")",
        ],
    ),
    (
        "address = \"/run/web.sock\"",
        &[
            "3:11: upstream[0].address: \"/run/web.sock\" is a path (a socket is written \"unix:/run/web.sock\")",
        ],
    ),
    ("address = \"unix:\"", &["3:11: upstream[0].address: a path cannot be empty"]),
    (
        "address = \"fcgi://a.test\"",
        &[
            "3:11: upstream[0].address: \"fcgi://a.test\" has a scheme that no upstream has (write http:// or https://, \
         and protocol = \"h2c\" for HTTP/2)",
        ],
    ),
    (
        "address = \"::1\"",
        &[
            "3:11: upstream[0].address: \"::1\" has no port (write \"auto\", \"[::1]:8100\", \"unix:/run/web.sock\" or \
         \"http://app.test:8100\")",
        ],
    ),
    (
        "address = \"http://a.test/base?x\"",
        &[
            "3:11: upstream[0].address: \"http://a.test/base?x\" has a query or fragment, which is the visitor's (end the URL \
         behind its path)",
        ],
    ),
    (
        "address = \"http://a.test/base/../x\"",
        &[
            "3:11: upstream[0].address: \"http://a.test/base/../x\" has a path that servers read in several ways (write it \
         without `.`, `..` and `//`)",
        ],
    ),
    (
        "address = \"https://10.1.2.3:8443\"",
        &[
            "3:11: upstream[0].address: \"https://10.1.2.3:8443\" leads to an address that is private (an account's own \
         server is written \"10.1.2.3:8443\"; else list that in `allow` of [upstreams])",
        ],
    ),
    (
        "address = \"http://u:secret@a.test\"",
        &["3:11: upstream[0].address: a URL with a user name (write it without the part before the `@`)"],
    ),
    ("address = \"http://\"", &["3:11: upstream[0].address: \"http://\" is not a URL: it has no host"]),
    (
        "address = \"http://a..b\"",
        &["3:11: upstream[0].address: \"http://a..b\" is not a URL: its host has an empty label"],
    ),
    (
        "address = \"http://a.test:99999\"",
        &[
            "3:11: upstream[0].address: \"http://a.test:99999\" is not a URL: its port is not a number up to 65535",
        ],
    ),
    ("address = \"http://a.test:0\"", &["3:11: upstream[0].address: \"http://a.test:0\" has port 0"]),
    (
        "address = \"[::1]:1\"\nconnections = 0",
        &["4:15: upstream[0].connections: 0 is less than the least, 1"],
    ),
    (
        "address = \"[::1]:1\"\nprotocol = \"h2\"",
        &[
            "4:12: upstream[0].protocol: \"h2\" is not accepted (HTTP/2 to upstreams is \"h2c\", with prior knowledge on a \
         clear connection)",
        ],
    ),
    (
        "address = \"https://a.test\"\nprotocol = \"h2c\"",
        &[
            "4:12: upstream[0].protocol: \"h2c\" is clear and the address is https (write \"http1\", or http://)",
        ],
    ),
    (
        "address = \"unix:/a\"\nhost = \"upstream\"",
        &["4:8: upstream[0].host: a unix socket has no host name (write \"visitor\" or a name)"],
    ),
    (
        "address = \"[::1]:1\"\nhost = \"a b\"",
        &[
            "4:8: upstream[0].host: \"a b\" is not a host name (a character that no host name holds) (write \"visitor\", \
         \"upstream\" or a name)",
        ],
    ),
    (
        "address = \"http://a.test\"\nserver_name = \"b.test\"\nca = \"c\"\nverify = true",
        &[
            "4:15: upstream[0].server_name: the address is not https (remove it, or write https://)",
            "5:6: upstream[0].ca: the address is not https (remove it, or write https://)",
            "6:10: upstream[0].verify: the address is not https (remove it, or write https://)",
        ],
    ),
    (
        "address = \"https://a.test\"\nca = \"c\"\nverify = false",
        &["4:6: upstream[0].ca: `verify = false` asks for no roots (remove one of the two)"],
    ),
    (
        "address = \"[::1]:1\"\n[[upstream]]\nname = \"web\"\naddress = \"[::1]:2\"",
        &["5:8: upstream[1].name: \"web\" is already the name of upstream[0]"],
    ),
    (
        "address = \"[::1]:1\"\n[[upstream]]\nname = \"We b\"\naddress = \"[::1]:2\"",
        &[
            "5:8: upstream[1].name: \"We b\" is not a name (a name starts with a-z or 0-9 and holds only a-z, 0-9 and '-')",
        ],
    ),
];

#[test]
fn what_is_wrong_with_an_upstream_is_said() {
    for (text, expected) in WRONG_UPSTREAMS {
        assert_eq!(problems(&format!("[[upstream]]\nname = \"web\"\n{text}\n")), *expected, "{text}");
    }
}

#[test]
fn a_socket_path_that_the_kernel_would_cut_is_refused() {
    let path =
        |bytes: usize| format!("[[upstream]]\nname = \"web\"\naddress = \"unix:/{}\"", "x".repeat(bytes - 1));
    assert!(check_with(&path(107), &node()).is_ok());
    assert_eq!(
        problems(&path(108)),
        [
            "3:11: upstream[0].address: the path is longer than 107 bytes (the kernel takes no longer path of a socket)",
        ]
    );
}

/// Keys of a site beside its name, and what is said of them.
const WRONG_SITES: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "4:1: site[0]: `addresses` is missing (it takes a list of `\"host\"` and `\"*.host\"`, each with or without a \
         `/path`; it may be empty)",
            "4:1: site[0]: nothing answers here (write `upstream = \"NAME\"`, `redirect = { to = \"…\" }` or `answer = { status = 410 }`)",
        ],
    ),
    (
        "addresses = []\nupstream = \"wep\"",
        &["7:12: site[0].upstream: no `[[upstream]]` is named \"wep\" (did you mean \"web\"?)"],
    ),
    (
        "addresses = []\nupstream = \"other\"",
        &[
            "7:12: site[0].upstream: no `[[upstream]]` is named \"other\" (write an [[upstream]] with this name)",
        ],
    ),
    (
        "addresses = []\nupstream = \"web\"\nredirect = { to = \"/x\" }",
        &["7:12: site[0].upstream: `upstream` and `redirect` cannot both answer (remove one of the two)"],
    ),
    (
        "addresses = []\nupstream = \"web\"\nlimits = { body_bytes = \"2G\", in_flight = 5 }\ntimeouts = { connect = \"30s\" }",
        &[
            "8:25: site[0].limits.body_bytes: \"2G\" is more than the node's \"1G\" (the operator's node file sets the bound)",
            "8:31: site[0].limits.in_flight: no such key (`in_flight` belongs in [limits])",
            "9:24: site[0].timeouts.connect: \"30s\" is more than the node's \"5s\" (the operator's node file sets the bound)",
        ],
    ),
    (
        "addresses = []\nanswer = { status = 451 }\nlimits = { body_bytes = \"1M\" }",
        &["8:10: site[0].limits: no upstream is asked here (it is for sites with an `upstream`)"],
    ),
    (
        "addresses = []\nanswer = { status = 301, page = \"x.php\" }",
        &[
            "7:21: site[0].answer.status: 301 is not the status of an answer with a page (write one such as 200, 404, 410, 451 \
         or 503; `redirect` has those that redirect)",
            "7:33: site[0].answer.page: what is in it is told by how its name ends, and this is none of those (write a file \
         whose name ends in .html, .txt or .json)",
        ],
    ),
    (
        "addresses = []\nupstream = \"web\"\nanswer = { status = 410 }",
        &["7:12: site[0].upstream: `upstream` and `answer` cannot both answer (remove one of the two)"],
    ),
    (
        "upstream = \"web\"\naddresses = [\"a_b.test\"]",
        &[
            "7:14: site[0].addresses[0]: \"a_b.test\" is not a host name (underscore) (browsers and certificates take a \
         dash where this has `_`)",
        ],
    ),
    (
        "upstream = \"web\"\naddresses = \"a.test\"",
        &["7:13: site[0].addresses: \"a.test\" stands where a list belongs (put it in brackets: [\"…\"])"],
    ),
    (
        "upstream = \"web\"\naddresses = [1, \"https://a.test/\", \"a.test:80\", \"*\", \"a.*.test\", \"é.test\", \"\"]",
        &[
            "7:14: site[0].addresses[0]: 1 stands where a string belongs",
            "7:17: site[0].addresses[1]: \"https://a.test/\" is not a host name (a character that no host name holds) \
         (write it without the scheme: \"a.test/\")",
            "7:36: site[0].addresses[2]: \"a.test:80\" is not a host name (a character that no host name holds) (ports \
         belong to listeners: write \"a.test\")",
            "7:49: site[0].addresses[3]: \"*\" is not a host name (a character that no host name holds) (hosts that no \
         document holds go to the node's `default_site`)",
            "7:54: site[0].addresses[4]: \"a.*.test\" is not a host name (a character that no host name holds) (a wildcard \
         stands for whole labels in front: \"*.host\")",
            "7:66: site[0].addresses[5]: \"é.test\" is not a host name (a character that no host name holds) (write it as \
         DNS does, in punycode: \"xn--…\")",
            "7:76: site[0].addresses[6]: \"\" is not a host name (empty)",
        ],
    ),
    (
        "upstream = \"web\"\naddresses = [\"a.test/x?y\", \"a.test//x\"]",
        &[
            "7:14: site[0].addresses[0]: \"a.test/x?y\" has a path that no request matches (a path is a prefix of whole \
         segments, as in \"/app\": no `?`, `#` or `*`)",
            "7:28: site[0].addresses[1]: \"a.test//x\" has a path that no request matches (write whole segments, as in \
         \"/app\", without `..` or `//`, percent-encoded)",
        ],
    ),
    (
        "upstream = \"web\"\naddresses = [\"a.test\", \"A.test./\"]",
        &["7:24: site[0].addresses[1]: \"a.test\" is already site[0].addresses[0]"],
    ),
    (
        "upstream = \"web\"\naddresses = []\ntrim_path = 1\npages = \"x\"",
        &[
            "8:13: site[0].trim_path: 1 stands where true or false belongs",
            "9:1: site[0].pages: this version does not have it yet (remove it: the account's `[pages]` hold for all its sites)",
        ],
    ),
    (
        "upstream = \"web\"\naddresses = []\nlog_file = \"Shop\"",
        &[
            "8:12: site[0].log_file: \"Shop\" is not the name of a log file (a name starts with a-z or 0-9 and holds only \
             a-z, 0-9 and '-')",
        ],
    ),
    (
        "upstream = \"web\"\naddresses = []\nlog_file = \"../bob/shop.log\"",
        &[
            "8:12: site[0].log_file: \"../bob/shop.log\" is not the name of a log file (write \"shop\": `[logs] http` of \
             the node makes a path of it)",
        ],
    ),
    (
        "upstream = \"web\"\naddresses = []\nlog_format = \"{clientip}\"",
        &["8:14: site[0].log_format: there is no variable {clientip} (did you mean {client_ip}?)"],
    ),
    (
        "upstream = \"web\"\naddresses = []\nforce_https = 1",
        &["8:15: site[0].force_https: 1 stands where true or false belongs"],
    ),
    (
        "upstream = \"web\"\naddresses = []\nhsts = true",
        &["8:8: site[0].hsts: true stands where a table belongs (write hsts = { max_age = \"365d\" })"],
    ),
    (
        "upstream = \"web\"\naddresses = []\nhsts = { maxage = \"1d\", preload = true }",
        &[
            "8:10: site[0].hsts.maxage: no such key (did you mean `max_age`?)",
            "8:35: site[0].hsts.preload: the preload list takes no such site (it asks for include_subdomains = true and a \
         max_age of \"365d\" at least)",
        ],
    ),
    (
        "addresses = []\nredirect = \"https://x.test\"",
        &[
            "7:12: site[0].redirect: \"https://x.test\" stands where a table belongs (write redirect = { to = \
         \"https://www.alice.test\" })",
        ],
    ),
    (
        "addresses = []\nredirect = {}",
        &[
            "7:12: site[0].redirect: `to` is missing (it takes an `http://` or `https://` URL, or a path of the same host: \
         `\"/new\"`)",
        ],
    ),
    (
        "addresses = []\nredirect = { to = \"www.x.test/a\" }",
        &["7:19: site[0].redirect.to: \"www.x.test/a\" is neither an http(s) URL nor a path (write \
         \"https://www.x.test/a\")"],
    ),
    (
        "addresses = []\nredirect = { to = \"//x.test\" }",
        &["7:19: site[0].redirect.to: \"//x.test\" is neither an http(s) URL nor a path (write it as in \
         \"https://www.alice.test\" or \"/new\")"],
    ),
    (
        "addresses = []\nredirect = { to = \"javascript:alert(1)\" }",
        &[
            "7:19: site[0].redirect.to: \"javascript:alert(1)\" is neither an http(s) URL nor a path (write it as in \
         \"https://www.alice.test\" or \"/new\")",
        ],
    ),
    (
        "addresses = []\nredirect = { to = \"/\" }",
        &["7:19: site[0].redirect.to: every path would be sent to itself (name another host or path)"],
    ),
    (
        "addresses = []\nredirect = { to = \"/a b\" }",
        &["7:19: site[0].redirect.to: \"/a b\" has ' ' in it (write it percent-encoded)"],
    ),
    (
        "addresses = []\nredirect = { to = \"https://x.test/\\r\\nSet-Cookie: a\" }",
        &[
            "7:19: site[0].redirect.to: \"https://x.test/  Set-Cookie: a\" has '\\r' in it (write it percent-encoded)",
        ],
    ),
    (
        "addresses = []\nredirect = { to = \"https://x.test/?q\" }",
        &[
            "7:19: site[0].redirect.to: \"https://x.test/?q\" has a query or fragment, behind which no path can stand \
         (write keep_path = false, or end the URL with its path)",
        ],
    ),
    (
        "addresses = []\nredirect = { to = \"/x\", status = 200 }",
        &[
            "7:34: site[0].redirect.status: 200 is not a status that redirects (write 301, 302, 303, 307 or 308)",
        ],
    ),
    (
        "addresses = [\"a.test\"]\nredirect = { to = \"https://a.test\" }",
        &[
            "7:19: site[0].redirect.to: the redirect leads to its own site (for clear → https write force_https = true)",
        ],
    ),
    (
        "addresses = [\"*.a.test\"]\nredirect = { to = \"http://www.a.test/x\", keep_path = false }",
        &["7:19: site[0].redirect.to: the redirect leads to its own site (name another place)"],
    ),
    (
        "addresses = [\"a.test/app\"]\nredirect = { to = \"/app/new\" }",
        &["7:19: site[0].redirect.to: the redirect leads to its own site (name another place)"],
    ),
];

#[test]
fn what_is_wrong_with_a_site_is_said() {
    for (text, expected) in WRONG_SITES {
        let text = format!(
            "[[upstream]]\nname = \"web\"\naddress = \"[::1]:1\"\n[[site]]\nname = \"blog\"\n{text}\n"
        );
        assert_eq!(problems(&text), *expected, "{text}");
    }
}

#[test]
fn names_and_addresses_stand_once_in_a_document() {
    let site = "[[site]]\nname = \"a\"\naddresses = [\"a.test/x\"]\nredirect = { to = \"https://b.test\" }\n";
    assert_eq!(
        problems(&format!("{site}{site}")),
        [
            "6:8: site[1].name: \"a\" is already the name of site[0]",
            "7:14: site[1].addresses[0]: \"a.test/x\" is already site[0].addresses[0]",
        ]
    );
}

#[test]
fn redirects_that_leave_their_site_are_no_circles() {
    for (addresses, to) in [
        ("\"a.test\"", "https://www.a.test"),
        ("\"*.a.test\"", "https://a.test"),
        ("\"a.test/old\"", "https://a.test/new"),
        ("\"a.test/old\"", "/new"),
        ("\"a.test\"", "https://a.test:8443"),
        ("\"a.test\", \"www.a.test\"", "https://a.test/blog"),
        ("\"*.test\"", "https://a.test/blog"),
        ("\"*.test\"", "https://b.a.test/blog/x"),
    ] {
        read(&format!(
            "[[upstream]]\nname = \"web\"\naddress = \"[::1]:1\"\n\
             [[site]]\nname = \"old\"\naddresses = [{addresses}]\nredirect = {{ to = \"{to}\" }}\n\
             [[site]]\nname = \"blog\"\naddresses = [\"a.test/blog\", \"*.a.test/blog\"]\nupstream = \"web\"\n"
        ));
    }
}

#[test]
fn a_target_keeps_its_slash_where_no_path_is_put_behind_it() {
    let to = |redirect: &str| {
        let text = format!("[[site]]\nname = \"a\"\naddresses = []\nredirect = {{ {redirect} }}");
        let SiteAction::Redirect(redirect) = read(&text).sites[0].action.clone() else { panic!() };
        redirect.to
    };
    assert_eq!(to("to = \"https://a.test/\""), "https://a.test");
    assert_eq!(to("to = \"https://a.test/x/\", keep_path = false"), "https://a.test/x/");
    assert_eq!(to("to = \"https://a.test/?q#f\", keep_path = false"), "https://a.test/?q#f");
}

#[test]
fn a_mistake_in_one_key_hides_none_in_another() {
    let text = "\
state = 1
tls_profile = 2
unknown = 3
[limits]
in_flight = \"4\"
queue = -5
[[upstream]]
name = \"WEB\"
address = 6
connections = 0
[[upstream]]
name = \"web\"
address = 7
[[site]]
name = \"blog\"
addresses = [8, \"a_b.test\", \"ok.test\"]
upstream = \"web\"
hsts = { max_age = 9, preload = 10 }
[[site]]
name = \"blog\"
addresses = [\"ok.test\"]
upstream = \"none\"
log_format = 11
";
    let keys =
        problems(text).iter().map(|line| line.split(": ").nth(1).unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(
        keys,
        [
            "state",
            "tls_profile",
            "unknown",
            "limits.in_flight",
            "limits.queue",
            "upstream[0].name",
            "upstream[0].address",
            "upstream[0].connections",
            "upstream[1].address",
            "site[0].addresses[0]",
            "site[0].addresses[1]",
            "site[0].hsts.max_age",
            "site[0].hsts.preload",
            "site[1].name",
            "site[1].addresses[0]",
            "site[1].upstream",
            "site[1].log_format",
        ]
    );
}

/// An account's word holds for it, be it less than the node's or more.
#[test]
fn the_retention_of_logs_is_the_account_s_own() {
    let days = |days: u64| Retention(Some(Duration::from_hours(24 * days)));
    let node = Node { logs: Logs { retention: days(30), ..Logs::default() }, ..node() };
    for (text, retention) in [
        ("", None),
        ("[logs]\nretention = \"1d\"", Some(days(1))),
        ("[logs]\nretention = \"365d\"", Some(days(365))),
        ("[logs]\nretention = \"never\"", Some(Retention(None))),
    ] {
        assert_eq!(check_with(text, &node).unwrap().log_retention, retention, "{text}");
    }
    assert_eq!(
        problems("[logs]\nretention = \"12h\"\nhttp = \"x\""),
        [
            "2:13: logs.retention: \"12h\" is less than the least, \"1d\" (write \"never\" for no end)",
            "3:1: logs.http: no such key (`http` belongs in the node file, in [logs])",
        ]
    );
}

#[test]
fn a_torn_document_is_told_its_tears_and_what_is_wrong_besides() {
    let text = "state = activ\n[[site]]\nname = \"a\"\naddresses = [\"a_b.test\"\nlend = 3\n";
    assert_eq!(
        problems(text),
        [
            "1:9: string values must be quoted, expected literal string",
            "4:14: site[0].addresses[0]: \"a_b.test\" is not a host name (underscore) (browsers and certificates \
             take a dash where this has `_`)",
            "5:1: missing comma between array elements, expected `,`",
        ]
    );
    let shown = check_with(text, &node()).unwrap_err().to_string();
    assert!(shown.contains("1 | state = activ\n  |         ^^^^^"), "{shown}");
}

#[test]
fn the_environment_is_never_repeated() {
    let text = "\
[[upstream]]
name = \"web\"
address = \"[::1]:1\"
environment = { TOKEN = \"hunter2\" }
[run.environment]
TOKEN = \"hunter2\"
[[upstream]]
environment = \"hunter2\"
";
    let report = check_with(text, &node()).unwrap_err();
    assert!(!report.to_string().contains("hunter2"), "{report}");
    assert!(report.to_string().contains("alice.toml:4:15\n"), "{report}");
    let torn = check_with(&format!("{text}TOKEN = hunter2"), &node()).unwrap_err();
    assert!(!torn.to_string().contains("hunter2"), "{torn}");
}

#[test]
fn a_document_is_as_large_as_a_large_customer() {
    let mut text = String::from("[[upstream]]\nname = \"web\"\naddress = \"[::1]:1\"\n");
    for site in 0..1000 {
        let _ = write!(text, "[[site]]\nname = \"s{site}\"\nupstream = \"web\"\naddresses = [");
        for address in 0..10 {
            let _ = write!(text, "\"a{address}.s{site}.test\", ");
        }
        text.push_str("]\n");
    }
    let document = read(&text);
    assert_eq!(document.sites.iter().map(|site| site.addresses.len()).sum::<usize>(), 10_000);
}

#[test]
fn an_account_names_the_sets_it_sits_behind() {
    let set = |name: &str| Trust {
        name: TrustName::new(name).unwrap(),
        networks: NetworkList::File("/etc/parvis/cdn.txt".into()),
        header: TrustHeader::XForwardedFor,
        everywhere: false,
    };
    let node = Node { trust: vec![set("cdn"), set("other")], ..node() };
    let document = check_with("trust = [\"other\", \"cdn\"]", &node).unwrap();
    assert_eq!(document.trust.iter().map(TrustName::as_str).collect::<Vec<_>>(), ["other", "cdn"]);
    for (text, problem) in [
        (
            "trust = [\"cdm\"]",
            "1:10: trust[0]: the node file has no `[[trust]]` named \"cdm\" (did you mean \"cdn\"?)",
        ),
        (
            "trust = [\"fastly\"]",
            "1:10: trust[0]: the node file has no `[[trust]]` named \"fastly\" (it has \"cdn\", \"other\")",
        ),
        ("trust = [\"cdn\", \"cdn\"]", "1:17: trust[1]: \"cdn\" stands twice"),
        ("trust = \"cdn\"", "1:9: trust: \"cdn\" stands where a list belongs (put it in brackets: [\"…\"])"),
    ] {
        assert_eq!(lines(check_with(text, &node)), [problem]);
    }
    assert_eq!(
        problems("trust = [\"cdn\"]"),
        [
            "1:10: trust[0]: the node file has no `[[trust]]` named \"cdn\" (it has no such table at all: the operator \
          writes it)"
        ]
    );
}

#[test]
fn a_site_starts_from_its_account_and_may_go_as_far_as_the_node() {
    let text = "[limits]\nbody_bytes = \"1M\"\n[timeouts]\nconnect = \"1s\"\nwrite_idle = \"10s\"\n\
                [[upstream]]\nname = \"web\"\naddress = \"[::1]:1\"\n\
                [[site]]\nname = \"own\"\naddresses = []\nupstream = \"web\"\n\
                limits = { body_bytes = \"2M\" }\ntimeouts = { connect = \"2s\" }\n\
                [[site]]\nname = \"plain\"\naddresses = []\nupstream = \"web\"\n";
    let document = read(text);
    let [own, plain] = &document.sites[..] else { panic!() };
    assert_eq!((own.limits.body_bytes, plain.limits.body_bytes), (Some(2 << 20), Some(1 << 20)));
    let timeouts = own.timeouts.as_deref().unwrap();
    assert_eq!((timeouts.connect, timeouts.write_idle), (Duration::from_secs(2), Duration::from_secs(10)));
    assert_eq!(timeouts.response_header, document.timeouts.response_header);
    assert!(plain.timeouts.is_none());
}

#[test]
fn an_account_lets_in_whom_it_says() {
    let access = read("[deny]\nfrom = [\"192.0.2.66\"]\n[allow]\nfrom = [\"192.0.2.0/24\"]\n").access;
    let lets_in = |ip: &str| access.lets_in(ip.parse().unwrap());
    assert!(lets_in("192.0.2.1") && !lets_in("192.0.2.66") && !lets_in("::1"));
    assert!(read("").access.is_open());
    for (text, problem) in [
        (
            "[allow]\nfrom = []",
            "2:8: allow.from: nobody would be let in (name networks, or remove the table)",
        ),
        ("[deny]", "1:1: deny: no networks are named (write from = [\"192.0.2.0/24\"])"),
        (
            "[deny]\nfrom = [\"x\"]",
            "2:9: deny.from[0]: \"x\" is not a network (write an address and a prefix, as in \"192.0.2.0/24\")",
        ),
    ] {
        assert_eq!(problems(text), [problem], "{text}");
    }
}

#[test]
fn an_account_has_terms_and_addresses_of_its_own() {
    let site = "[[upstream]]\nname = \"web\"\naddress = \"[::1]:1\"\n[[site]]\nname = \"web\"\naddresses = []\nupstream = \"web\"\n";
    let read = |text: &str| check_with(&format!("{text}{site}"), &node());
    let document =
        read("strict_sni = true\nprotocols = [\"http/1.1\"]\ndedicated = [\"198.51.100.7\", \"2001:db8::7\"]\ndefault_site = \"web\"\n")
            .unwrap();
    assert!(document.terms.strict_sni && !document.terms.protocols.http2);
    assert_eq!(
        document.dedicated,
        ["198.51.100.7", "2001:db8::7"].map(|ip| ip.parse::<std::net::IpAddr>().unwrap())
    );
    assert_eq!(document.default_site.unwrap().as_str(), "web");
    for (text, problem) in [
        (
            "protocols = [\"h2\"]",
            "1:13: protocols: without \"http/1.1\" most programs could not visit the account (write [\"http/1.1\"] or \
             [\"h2\", \"http/1.1\"])",
        ),
        (
            "dedicated = [\"0.0.0.0\"]",
            "1:14: dedicated[0]: \"0.0.0.0\" is nobody's own (write one of the node's addresses)",
        ),
        (
            "dedicated = [\"[::1]:80\"]",
            "1:14: dedicated[0]: \"[::1]:80\" is not an IP address (write one as in \"198.51.100.7\", without a port)",
        ),
        ("dedicated = [\"::1\", \"::1\"]", "1:21: dedicated[1]: \"::1\" stands twice"),
        (
            "default_site = \"web\"",
            "1:16: default_site: only an account with addresses of its own has a default site (write dedicated = \
             [\"198.51.100.7\"], or remove this)",
        ),
        (
            "dedicated = [\"::1\"]\ndefault_site = \"wed\"",
            "2:16: default_site: no `[[site]]` is named \"wed\" (did you mean \"web\"?)",
        ),
    ] {
        assert_eq!(lines(read(&format!("{text}\n"))), [problem], "{text}");
    }
}
