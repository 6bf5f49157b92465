//! Whose word on the visitor is believed: client address and scheme behind a CDN, and that nobody else can forge them.

use crate::support::edge::Files;
use crate::support::h2::H2;
use crate::support::{Edge, Message, Origin, Raw, Recorder, account, certificate, wait};

/// 127.0.0.1 and two more are a CDN that `alice` sits behind and `bob` does not; ::1 is a stranger to both.
const CDN: &str = "[[trust]]\nname = \"cdn\"\nfrom = [\"127.0.0.0/8\", \"10.0.0.0/8\", \"fd00::/8\"]\n";

#[test]
fn the_visitor_is_whom_a_believed_peer_names() {
    let (edge, origin) = behind_cdn("");
    for (sent, client) in [
        (&["X-Forwarded-For: 192.0.2.1"][..], "192.0.2.1"),
        (&["X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        (&["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: [2001:db8::1]:80, fd00::1"], "2001:db8::1"),
        (&["X-Forwarded-For: 192.0.2.1, unknown"], "127.0.0.1"),
        (&["X-Forwarded-For: 192.0.2.1, nobody, 10.0.0.2"], "10.0.0.2"),
        // Not the field of this set.
        (&["Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1"], "127.0.0.1"),
        (&["X_Forwarded_For: 192.0.2.1"], "127.0.0.1"),
        (&[], "127.0.0.1"),
    ] {
        for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
            let seen = seen(&origin, &mut raw, "a.test", sent);
            assert_eq!(who(&seen), (client, client), "{sent:?}");
            let forwarded = seen.one("forwarded");
            let named =
                if client.contains(':') { format!("for=\"[{client}]\"") } else { format!("for={client}") };
            assert!(forwarded.starts_with(&format!("{named};host=a.test;proto=http")), "{forwarded}");
            assert!(!seen.has("x_forwarded_for"));
        }
    }
    let mut h2 = H2::connect(&edge, "a.test");
    let fields = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.9")];
    h2.request(1, "GET", "a.test", "/", &fields, true);
    assert_eq!(h2.response(1).text(), "here");
    assert_eq!(who(&origin.requests().pop().expect("a request")), ("192.0.2.9", "192.0.2.9"));
}

/// From everyone else the fields change nothing: neither from a peer of no set, nor for an account that names none.
#[test]
fn a_forged_field_changes_nothing() {
    let (edge, origin) = behind_cdn("");
    let forged = [
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-For: 6.6.6.6, 10.0.0.2",
        "X-Forwarded-Proto: https",
        "Forwarded: for=6.6.6.6;proto=https",
        "X-Real-IP: 6.6.6.6",
        "X-Forwarded-Ssl: on",
    ];
    let stranger = || Raw::clear(edge.listener("::1", "clear"));
    for (mut raw, host, client) in [
        (stranger(), "a.test", "::1"),
        (stranger(), "b.test", "::1"),
        (edge.connect(), "b.test", "127.0.0.1"),
    ] {
        let plain = edits(&seen(&origin, &mut raw, host, &[]));
        let seen = seen(&origin, &mut raw, host, &forged);
        assert_eq!(who(&seen), (client, client));
        assert_eq!(seen.one("x-forwarded-proto"), "http");
        assert_eq!(edits(&seen), plain, "the same head as without them");
    }
    let log = wait::until("the log", || {
        let log = edge.access_log("bob");
        (log.lines().count() == 4).then_some(log)
    });
    assert!(
        !log.contains("6.6.6.6") && log.contains("b.test ::1 ") && log.contains("b.test 127.0.0.1 "),
        "{log}"
    );
}

#[test]
fn logs_have_the_visitor() {
    let (edge, origin) = behind_cdn("");
    let mut raw = edge.connect();
    let fields = ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https"];
    assert_eq!(seen(&origin, &mut raw, "a.test", &fields).one("x-forwarded-proto"), "https");
    let line = wait::until("the log", || edge.access_log("alice").lines().next().map(str::to_owned));
    assert!(line.starts_with("a.test 192.0.2.1 - - [") && line.contains(" https "), "{line}");
}

#[test]
fn a_set_that_is_everywhere_needs_no_name() {
    let (edge, origin) = behind_cdn("everywhere = true\nheader = \"Forwarded\"\n");
    let forged = ["X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: http"];
    for host in ["a.test", "b.test"] {
        let mut raw = edge.connect();
        let fields = ["Forwarded: for=6.6.6.6, for=\"[2001:db8::7]:80\";proto=https, for=10.0.0.3"];
        let seen = seen(&origin, &mut raw, host, &[&fields[..], &forged].concat());
        assert_eq!(who(&seen), ("2001:db8::7", "2001:db8::7"));
        assert_eq!((seen.one("x-forwarded-proto"), seen.one("x-forwarded-port")), ("https", "443"));
        assert_eq!(seen.one("forwarded"), format!("for=\"[2001:db8::7]\";host={host};proto=https"));
    }
}

/// A CDN that speaks to us in clear makes no circle with `force_https`, and HSTS follows the visitor's scheme.
#[test]
fn the_scheme_is_the_visitors() {
    let origin = Origin::saying("here");
    let site = "force_https = true\nhsts = { max_age = \"1d\" }\n";
    let document = format!("trust = [\"cdn\"]\n{}{site}", account("\"a.test\"", &origin.address()));
    let edge = Files::new().tables(CDN).document("alice", &document).start();
    edge.write_certificate("alice/a.pem", &certificate::pem(&["a.test"]));
    wait::until("the certificate to be served", || {
        (get(&mut edge.connect(), "a.test", &[]).status() == 301).then_some(())
    });
    // What came before it.
    origin.take_requests();
    let stranger = || Raw::clear(edge.listener("::1", "clear"));
    for (mut raw, proto, status, hsts) in [
        (edge.connect(), Some("https"), 200, true),
        (edge.connect(), Some("http"), 301, false),
        (edge.connect(), Some("nonsense"), 301, false),
        (edge.connect(), None, 301, false),
        (edge.connect_tls("a.test"), None, 200, true),
        (edge.connect_tls("a.test"), Some("https"), 200, true),
        // The visitor came to the CDN in clear: HSTS means nothing there.
        (edge.connect_tls("a.test"), Some("http"), 301, false),
        (stranger(), Some("https"), 301, false),
    ] {
        let fields: Vec<String> =
            proto.map(|proto| format!("X-Forwarded-Proto: {proto}")).into_iter().collect();
        let response = get(&mut raw, "a.test", &fields.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(
            (response.status(), response.has("strict-transport-security")),
            (status, hsts),
            "{proto:?}"
        );
    }
    for seen in origin.take_requests() {
        assert_eq!((seen.one("x-forwarded-proto"), seen.has("x-forwarded-port")), ("https", true));
    }
}

/// A believed peer brings many visitors: it has no bound of its own, for whatever account it is believed.
#[test]
fn a_believed_peer_is_not_counted() {
    let limits = |files: Files| {
        let files = files.set("limits", "connections_per_client", "3");
        files.set("limits", "handshakes_per_client", "\"3/m\"").start()
    };
    let edge = limits(Files::new().tables(CDN));
    let served = |address| {
        let mut raw = Raw::clear(address);
        let _ = raw.try_send("GET / HTTP/1.1\r\nHost: x.test\r\n\r\n");
        raw.try_response().ok().filter(|response| response.status() == 404).map(|_| raw)
    };
    let held: Vec<Raw> = (0..10).map(|_| served(edge.address()).expect("no bound")).collect();
    for _ in 0..10 {
        assert!(Raw::try_tls(edge.tls_address(), certificate::trusting(&[]), Some("a.test")).is_ok());
    }
    let stranger = edge.listener("::1", "clear");
    let few: Vec<Raw> = (0..3).map(|_| served(stranger).expect("within the bound")).collect();
    assert!(served(stranger).is_none(), "one more than the bound");
    drop((held, few));
}

/// But whom it names is, whichever way a visitor's requests come.
#[test]
fn visitors_whom_a_peer_names_are_counted() {
    let recorder = Recorder::new();
    let document = format!("trust = [\"cdn\"]\n{}", account("\"a.test\"", &recorder.address()));
    let edge = Files::new()
        .tables(CDN)
        .set("limits", "connections_per_client", "3")
        .document("alice", &document)
        .start();
    let begin = |visitor: &str| {
        let mut raw = edge.connect();
        raw.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: {visitor}\r\n\r\n"));
        raw
    };
    let mut held: Vec<_> = (0..3).map(|_| (begin("192.0.2.7"), recorder.accept())).collect();
    let mut more = begin("192.0.2.7");
    let refused = more.response();
    assert_eq!((refused.status(), refused.word()), (429, "client_limit"));
    assert!(!refused.says_close(), "the peer brings others");
    let answer = || {
        let mut upstream = recorder.accept();
        upstream.request();
        upstream.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    };
    // Others are others, and so is the same network of IPv6 but for its last half.
    for other in ["192.0.2.8", "2001:db8::1"] {
        let mut raw = begin(other);
        answer();
        assert_eq!(raw.response().status(), 204);
    }
    let (mut raw, mut upstream) = held.pop().expect("three");
    upstream.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    assert_eq!(raw.response().status(), 204);
    // The place is free a moment after the answer.
    std::thread::scope(|scope| {
        scope.spawn(answer);
        wait::until("a place again", || {
            more.send("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n");
            (more.response().status() == 204).then_some(())
        });
    });
}

/// A file of networks is read again when it changes; a bad one changes nothing, and is told with its line.
#[test]
fn a_file_of_networks_is_followed() {
    let origin = Origin::saying("here");
    let document = format!("trust = [\"cdn\"]\n{}", account("\"a.test\"", &origin.address()));
    let files = Files::new()
        .tables("[[trust]]\nname = \"cdn\"\nfile = \"cdn.txt\"\n")
        .file("cdn.txt", "# nobody here\n192.0.2.0/24\n")
        .document("alice", &document);
    let edge = files.start();
    // The same connection all the time: what is in effect holds for the next request.
    let mut raw = edge.connect();
    let mut client = || {
        let seen = seen(&origin, &mut raw, "a.test", &["X-Forwarded-For: 192.0.2.7"]);
        seen.one("x-real-ip").to_owned()
    };
    assert_eq!(client(), "127.0.0.1");
    edge.write_file("cdn.txt", "192.0.2.0/24\n127.0.0.1 # the CDN\n");
    wait::until("the list to be read", || (client() == "192.0.2.7").then_some(()));

    edge.write_file("cdn.txt", "127.0.0.2\n<html>502</html>\n");
    edge.expect_log("cdn.txt:2:1: \"<html>502</html>\" is not a network");
    assert_eq!(client(), "192.0.2.7", "a bad file changes nothing");
    let check = edge.command(&["check"]);
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(check.status.code() == Some(78) && said.contains("cdn.txt:2:1"), "{said}");
    let status = String::from_utf8_lossy(&edge.command(&["status"]).stdout).into_owned();
    assert!(status.contains("cdn.txt:2:1"), "{status}");
    edge.write_file("cdn.txt", "");
    edge.expect_log("cdn.txt: names no network");
    assert_eq!(client(), "192.0.2.7");

    // A start finds what was last good.
    let edge = edge.restart();
    let mut raw = edge.connect();
    let mut client = || {
        let seen = seen(&origin, &mut raw, "a.test", &["X-Forwarded-For: 192.0.2.7"]);
        seen.one("x-real-ip").to_owned()
    };
    assert_eq!(client(), "192.0.2.7");
    edge.write_file("cdn.txt", "127.0.0.2\n");
    wait::until("the list to be read", || (client() == "127.0.0.1").then_some(()));
}

/// A reload puts sets into effect and out of it, documents that name them too.
#[test]
fn sets_change_at_a_reload() {
    let (edge, origin) = behind_cdn("");
    let mut raw = edge.connect();
    let fields = ["X-Forwarded-For: 192.0.2.7"];
    assert_eq!(who(&seen(&origin, &mut raw, "a.test", &fields)).0, "192.0.2.7");
    let node = std::fs::read_to_string(edge.path().join("parvis.toml")).expect("the node file");
    edge.write_file("parvis.toml", &node.replace("127.0.0.0/8", "127.0.0.9"));
    assert!(edge.command(&["reload"]).status.success());
    assert_eq!(who(&seen(&origin, &mut raw, "a.test", &fields)).0, "127.0.0.1");
    // A document that names a set which is gone is wrong, and its account stays as it is.
    edge.write_file("parvis.toml", &node.replace("name = \"cdn\"", "name = \"cdn2\""));
    assert!(edge.command(&["reload"]).status.success());
    edge.expect_log("the node file has no `[[trust]]` named");
    assert_eq!(who(&seen(&origin, &mut raw, "a.test", &fields)).0, "127.0.0.1");
    edge.write_file("parvis.toml", &node);
    assert!(edge.command(&["reload"]).status.success());
    assert_eq!(who(&seen(&origin, &mut raw, "a.test", &fields)).0, "192.0.2.7");
}

/// `alice` at a.test names the set, `bob` at b.test does not; `more` are further lines of it.
fn behind_cdn(more: &str) -> (Edge, Origin) {
    let origin = Origin::saying("here");
    let alice = format!("trust = [\"cdn\"]\n{}", account("\"a.test\"", &origin.address()));
    let edge = Files::new()
        .tables(&format!("{CDN}{more}"))
        .document("alice", &alice)
        .document("bob", &account("\"b.test\"", &origin.address()))
        .start();
    (edge, origin)
}

fn get(raw: &mut Raw, host: &str, fields: &[&str]) -> Message {
    let lines = [&["GET / HTTP/1.1", &format!("Host: {host}")], fields, &["", ""]].concat().join("\r\n");
    raw.send(lines);
    raw.response()
}

/// What the upstream saw of a request with these fields.
#[track_caller]
fn seen(origin: &Origin, raw: &mut Raw, host: &str, fields: &[&str]) -> Message {
    assert_eq!(get(raw, host, fields).text(), "here");
    origin.requests().pop().expect("a request")
}

/// Whom the upstream is told of.
fn who(seen: &Message) -> (&str, &str) {
    (seen.one("x-forwarded-for"), seen.one("x-real-ip"))
}

/// The head as the upstream saw it, but for the request's id.
fn edits(seen: &Message) -> String {
    let head = String::from_utf8_lossy(&seen.head).into_owned();
    head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("x-request-id")).collect()
}
