//! Whose fault it was: of every cause the real thing on the wire, and that the header, the page, the account's log, the
//! node's log, the metric and `parvis explain` all say the same of it.

use crate::programs::{Asleep, asleep};
use crate::support::dns::{NameServer, Word};
use crate::support::edge::Files;
use crate::support::h2::H2;
use crate::support::program::own_address;
use crate::support::{Edge, Message, Origin, Raw, Recorder, account, wait};
use parvis::base::{Blame, Cause};
use serde_json::Value;
use std::collections::HashSet;
use std::net::TcpListener;
use std::time::Duration;

/// How each cause comes about. What comes of it is checked by [`everybody_says`].
const SCENARIOS: &[(Cause, fn())] = &[
    (Cause::BadRequest, || {
        head_refused(Cause::BadRequest, "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n");
    }),
    (Cause::HeaderTooLarge, || {
        let fields = format!("X: {}\r\n", "x".repeat(60_000));
        head_refused(Cause::HeaderTooLarge, &format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"));
    }),
    (Cause::UrlTooLong, || {
        head_refused(
            Cause::UrlTooLong,
            &format!("GET /{} HTTP/1.1\r\nHost: a.test\r\n\r\n", "x".repeat(20_000)),
        );
    }),
    (Cause::HeaderTimeout, || head_refused(Cause::HeaderTimeout, "GET / HTTP/1.1\r\nHo")),
    (Cause::VersionNotSupported, || {
        head_refused(Cause::VersionNotSupported, "GET / HTTP/2.5\r\nHost: a.test\r\n\r\n");
    }),
    (Cause::NotImplemented, || {
        let coding = "Transfer-Encoding: gzip, chunked\r\n";
        head_refused(Cause::NotImplemented, &format!("POST / HTTP/1.1\r\nHost: a.test\r\n{coding}\r\n"));
    }),
    (Cause::ExpectationFailed, || {
        head_refused(Cause::ExpectationFailed, "GET / HTTP/1.1\r\nHost: a.test\r\nExpect: wonders\r\n\r\n");
    }),
    (Cause::BodyTooLarge, || {
        let edge = edge(Files::new(), "[limits]\nbody_bytes = \"1K\"", "127.0.0.1:9");
        edge.answered(Cause::BodyTooLarge, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2000\r\n\r\n");
    }),
    (Cause::BodyTimeout, || {
        let edge = edge(Files::new(), "[timeouts]\nbody_idle = \"1s\"", "127.0.0.1:9");
        edge.answered(Cause::BodyTimeout, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 20\r\n\r\nx");
    }),
    (Cause::Misdirected, || {
        let edge = Files::new()
            .document("alice", &format!("tls_profile = \"modern\"\n{}", document("127.0.0.1:9")))
            .document("bob", &account("\"b.test\"", "127.0.0.1:9"))
            .start();
        let mut raw = edge.connect_tls("b.test");
        let answer = raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
        everybody_says(&edge, Cause::Misdirected, Some("alice"), &answer);
    }),
    (Cause::ClientGone, || {
        let recorder = Recorder::new();
        let edge = edge(Files::new(), "", &recorder.address());
        let mut raw = edge.connect();
        raw.send(GET);
        let mut upstream = recorder.accept();
        let id = upstream.request().one("x-request-id").to_owned();
        raw.reset();
        everywhere(&edge, Cause::ClientGone, Some("alice"), &id);
    }),
    (Cause::ClientStalled, || {
        let edge = edge(Files::new(), "[timeouts]\nwrite_idle = \"1s\"", &endless().address());
        let raw = edge.connect();
        raw.receive_at_most(4096);
        let mut raw = raw;
        raw.send(GET);
        let id = id_in_log(&edge, "client_stalled");
        everywhere(&edge, Cause::ClientStalled, Some("alice"), &id);
    }),
    (Cause::Loop, || {
        let edge = edge(Files::new(), "", "127.0.0.1:9");
        let via = "1.1 parvis, ".repeat(5);
        edge.answered(Cause::Loop, &format!("GET / HTTP/1.1\r\nHost: a.test\r\nVia: {via}1.1 x\r\n\r\n"));
    }),
    (Cause::UnknownHost, || {
        let edge = edge(Files::new(), "", "127.0.0.1:9");
        let answer = edge.connect().send("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n").response();
        everybody_says(&edge, Cause::UnknownHost, None, &answer);
    }),
    (Cause::UnknownPath, || {
        let text = document("127.0.0.1:9").replace("a.test\"", "a.test/app\"");
        let edge = Files::new().document("alice", &text).start();
        // No site has the path, and none says how its lines are to look.
        let answer = edge.connect().send(GET).response();
        everybody_says(&edge, Cause::UnknownPath, None, &answer);
        wait::until("the account's own log", || edge.access_log("alice").contains("\" 404 ").then_some(()));
    }),
    (Cause::Maintenance, || {
        let edge = edge(Files::new(), "state = \"maintenance\"", "127.0.0.1:9");
        edge.answered(Cause::Maintenance, GET);
    }),
    (Cause::Suspended, || {
        edge(Files::new(), "state = \"suspended\"", "127.0.0.1:9").answered(Cause::Suspended, GET);
    }),
    (Cause::Rate, || {
        let edge = edge(Files::new(), "[limits]\nrate = \"1/m\"", &Origin::saying("x").address());
        let mut raw = edge.connect();
        let refused =
            wait::until("enough", || Some(raw.send(GET).response()).filter(|answer| answer.status() != 200));
        everybody_says(&edge, Cause::Rate, Some("alice"), &refused);
    }),
    (Cause::Denied, || {
        edge(Files::new(), "[deny]\nfrom = [\"127.0.0.0/8\"]", "127.0.0.1:9").answered(Cause::Denied, GET);
    }),
    (Cause::ClientLimit, || {
        let recorder = Recorder::new();
        let set = "[[trust]]\nname = \"cdn\"\nfrom = [\"127.0.0.0/8\"]\nheader = \"X-Forwarded-For\"\neverywhere = true";
        let files = Files::new().tables(set).set("limits", "connections_per_client", "1");
        let edge = edge(files, "", &recorder.address());
        let request = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n";
        let mut first = edge.connect();
        first.send(request);
        let _under_way = recorder.accept();
        edge.answered(Cause::ClientLimit, request);
    }),
    (Cause::QueueFull, || queue("queue = 0", Cause::QueueFull)),
    (Cause::QueueTimeout, || queue("queue = 1\nqueue_timeout = \"100ms\"", Cause::QueueTimeout)),
    (Cause::TunnelLimit, || {
        let edge = edge(Files::new(), "[limits]\ntunnels = 0", "127.0.0.1:9");
        edge.answered(
            Cause::TunnelLimit,
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        );
    }),
    (Cause::Refused, || {
        let gone = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("a socket");
        edge(Files::new(), "", &gone.to_string()).answered(Cause::Refused, GET);
    }),
    (Cause::StartFailed, || program("environment = { MODE = \"fail\" }", Cause::StartFailed)),
    (Cause::StartTimeout, || {
        program("start_timeout = \"500ms\"\nenvironment = { MODE = \"never\" }", Cause::StartTimeout);
    }),
    (Cause::Unreachable, || edge(Files::new(), "", "255.255.255.255:9").answered(Cause::Unreachable, GET)),
    (Cause::DnsError, || {
        let names = NameServer::start();
        names.say("app.test", Word::Nothing);
        let files = Files::new().set("upstreams", "resolvers", &names.address());
        edge(files, "", "http://app.test").answered(Cause::DnsError, GET);
    }),
    (Cause::Prohibited, || {
        let names = NameServer::start();
        names.say("app.test", Word::Has(&["127.0.0.1"], 3600));
        let files = Files::new().set("upstreams", "resolvers", &names.address());
        edge(files, "", "http://app.test").answered(Cause::Prohibited, GET);
    }),
    (Cause::ConnectTimeout, || {
        let full = TcpListener::bind("127.0.0.1:0").expect("a free port");
        rustix::net::listen(&full, 0).expect("a socket");
        let address = full.local_addr().expect("a socket");
        let fill = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100));
        let _held: Vec<_> = std::iter::from_fn(|| fill().ok()).take(16).collect();
        let edge = edge(Files::new(), "[timeouts]\nconnect = \"1s\"", &address.to_string());
        edge.answered(Cause::ConnectTimeout, GET);
    }),
    (Cause::UpstreamTls, || {
        let in_clear = Recorder::new();
        let edge = edge(loopback_allowed(), "", &format!("https://{}", in_clear.address()));
        let mut raw = edge.connect();
        raw.send(GET);
        in_clear.accept().send("220 mail.test ESMTP\r\n");
        let answer = raw.response();
        everybody_says(&edge, Cause::UpstreamTls, Some("alice"), &answer);
    }),
    (Cause::UpstreamCertificate, || {
        let origin = Origin::over_tls(|_, _| false);
        let edge = edge(loopback_allowed(), "", &format!("https://{}", origin.address()));
        edge.answered(Cause::UpstreamCertificate, GET);
    }),
    (Cause::Closed, || upstream_says("", Cause::Closed)),
    (Cause::TimedOut, || silent("response_header", Cause::TimedOut)),
    (Cause::UpstreamStalled, || {
        let recorder = Recorder::new();
        let edge = edge(Files::new(), "[timeouts]\nwrite_idle = \"1s\"", &recorder.address());
        let mut raw = edge.connect();
        raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000000\r\n\r\n");
        let mut upstream = recorder.accept();
        upstream.head();
        raw.send_until_full(100_000_000, Duration::from_millis(200));
        let answer = raw.response();
        everybody_says(&edge, Cause::UpstreamStalled, Some("alice"), &answer);
    }),
    (Cause::InvalidAnswer, || {
        upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n", Cause::InvalidAnswer);
    }),
    (Cause::AnswerHeaderTooLarge, || {
        let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(300_000));
        upstream_says(&head, Cause::AnswerHeaderTooLarge);
    }),
    (Cause::UpgradeFailed, || {
        upstream_says("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", Cause::UpgradeFailed);
    }),
    (Cause::AnswerIncomplete, || {
        broken_off("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", Cause::AnswerIncomplete);
    }),
    (Cause::AnswerStalled, || {
        let recorder = Recorder::new();
        let edge = edge(Files::new(), "[timeouts]\nresponse_idle = \"1s\"", &recorder.address());
        let mut raw = edge.connect();
        raw.send(GET);
        let mut upstream = recorder.accept();
        let id = upstream.request().one("x-request-id").to_owned();
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        everywhere(&edge, Cause::AnswerStalled, Some("alice"), &id);
    }),
    (Cause::Overloaded, || {
        let edge = edge(Files::new(), "", &Origin::saying("never").address());
        let mut raw = edge.connect();
        raw.send("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n").response();
        // The connection is there, and there is no descriptor for another.
        edge.limit_descriptors(Some(8));
        let answer = raw.send(GET).response();
        edge.limit_descriptors(None);
        everybody_says(&edge, Cause::Overloaded, Some("alice"), &answer);
    }),
];

#[test]
fn every_cause_is_told_alike_everywhere() {
    // A kernel that counts memory is asked for it in real_limits.rs; nothing that is known leads to a mistake of ours.
    let elsewhere = [Cause::OutOfMemory, Cause::Internal];
    let seen: HashSet<Cause> = SCENARIOS.iter().map(|(cause, _)| *cause).chain(elsewhere).collect();
    let unseen: Vec<_> = Cause::ALL.iter().filter(|cause| !seen.contains(cause)).collect();
    assert!(unseen.is_empty(), "nothing shows {unseen:?}");
    // Most of their time they wait for a deadline.
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let mine = SCENARIOS.iter().skip(lane).step_by(LANES);
            scope.spawn(move || {
                mine.for_each(|(cause, scenario)| {
                    eprintln!("{cause:?}");
                    scenario();
                });
            });
        }
    });
}

/// Whoever asks is told in the form and the language that are wished for, over either version.
/// Nobody who looks for a failure has to wait for it: it is in the account's files within seconds, and known by its id at once.
/// With `--nocapture` it says how soon.
#[test]
fn a_failure_is_told_within_a_moment() {
    let nobody = own_address();
    let edge = edge(Files::new(), "", &nobody.to_string());
    let mut raw = edge.connect();
    let (mut lines, mut known) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        let id = raw.send(GET).response().one("x-request-id").to_owned();
        let ((), took) = wait::timed(|| {
            wait::until("its line", || edge.access_log("alice").contains(&id).then_some(()));
        });
        lines.push(took);
        known.push(wait::timed(|| explained(&edge, &id)).1);
    }
    println!(
        "from the answer to the line: {}; to `parvis explain`: {}",
        wait::spread(lines),
        wait::spread(known)
    );
}

#[test]
fn a_page_is_in_the_form_and_language_wished_for() {
    let edge = edge(Files::new(), "", "127.0.0.1:9");
    let ask = |fields: &str| {
        edge.connect().send(format!("GET / HTTP/1.1\r\nHost: nobody.test\r\n{fields}\r\n")).response()
    };
    let html = ask("Accept: text/html\r\nAccept-Language: fr-FR, en;q=0.5\r\n");
    assert_eq!(html.one("content-type"), "text/html; charset=utf-8");
    assert_eq!((html.one("content-language"), html.one("vary")), ("fr", "Accept, Accept-Language"));
    assert!(
        html.text().contains("<html lang=\"fr\">") && html.text().contains("Page introuvable"),
        "{}",
        html.text()
    );
    assert!(html.one("content-security-policy").contains("default-src 'none'"));
    let problem = ask("Accept: application/json\r\n");
    assert_eq!(problem.one("content-type"), "application/problem+json");
    let read: Value = serde_json::from_str(problem.text()).expect("JSON");
    assert_eq!(
        (&read["cause"], &read["status"], &read["blame"]),
        (&"unknown_host".into(), &404.into(), &"client".into())
    );
    assert_eq!(read["request_id"], problem.one("x-request-id"));
    let head = edge.connect().send("HEAD / HTTP/1.1\r\nHost: nobody.test\r\n\r\n").head();
    assert_eq!((head.word(), head.one("x-request-id").len()), ("unknown_host", 16));
    let mut h2 = H2::connect(&edge, "nobody.test");
    let fields: [(&[u8], &[u8]); 6] = [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"nobody.test"),
        (b":path", b"/"),
        (b"accept", b"application/problem+json"),
        (b"accept-language", b"fr"),
    ];
    h2.headers(1, &fields, true);
    let problem = h2.response(1);
    assert!(problem.text().contains("Aucun site ne porte ce nom ici."), "{}", problem.text());
    // A head that is refused itself says so as far as it has come: who has too many cookies is an ordinary visitor.
    let cookies = "x".repeat(60_000);
    for head in [
        format!(
            "GET / HTTP/1.1\r\nHost: a.test\r\nAccept: text/html\r\nAccept-Language: fr\r\nCookie: {cookies}\r\n\r\n"
        ),
        "GET / HTTP/2.5\r\nHost: a.test\r\nAccept-Language: fr\r\n\r\n".to_owned(),
    ] {
        let answer = edge.connect().send(head).response();
        assert_eq!(answer.one("content-language"), "fr", "{}", answer.word());
        assert_eq!(answer.one("content-type"), "text/html; charset=utf-8");
    }
    let mut h2 = H2::connect(&edge, "nobody.test");
    let trace: [(&[u8], &[u8]); 6] =
        [(b":method", b"TRACE"), fields[1], fields[2], fields[3], fields[4], fields[5]];
    h2.headers(1, &trace, true);
    let problem = h2.response(1);
    assert_eq!((problem.word(), problem.one("content-language")), ("not_implemented", "fr"));
    assert_eq!(problem.one("content-type"), "application/problem+json");
}

/// Pages of the account come before pages of the node, and those before our own; a file that is none is told.
#[test]
fn pages_are_replaced_for_an_account_and_for_the_node() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("a socket");
    let edge = Files::new()
        .set("pages", "directory", "\"pages\"")
        .file("pages/all.html", "node {{cause}} {{request_id}}")
        .file("pages/all.fr.html", "noeud {{cause}}")
        .file("pages/typo.html", "")
        .file("own/site.html", "account {{status}}")
        .file("own/rate.html", "{{nothing}}")
        .document("alice", &format!("[pages]\ndirectory = \"../own\"\n{}", document(&gone.to_string())))
        .document("bob", &account("\"b.test\"", &gone.to_string()))
        .start();
    let ask = |host: &str, fields: &str| {
        edge.connect().send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")).response()
    };
    assert_eq!(ask("a.test", "").text(), "account 502");
    let page = ask("b.test", "");
    assert_eq!(page.text(), format!("node refused {}", page.one("x-request-id")));
    assert!(!page.has("content-security-policy"), "what a page of somebody's own may load is theirs");
    assert_eq!(ask("b.test", "Accept-Language: fr\r\n").text(), "noeud refused");
    assert!(ask("b.test", "Accept: application/json\r\n").text().contains("\"cause\":\"refused\""));
    let status = String::from_utf8(edge.command(&["status", "--json"]).stdout).expect("JSON");
    assert!(status.contains("typo.html") && status.contains("rate.html"), "{status}");
    // A reload reads them again.
    edge.write_file("pages/all.html", "again");
    edge.write_file("own/site.html", "account again");
    assert!(edge.command(&["reload"]).status.success());
    assert_eq!(ask("b.test", "").text(), "again");
    assert_eq!(ask("a.test", "").text(), "account again");
}

/// One id answers the ticket: who failed, and where the time went, in the log's variables too.
#[test]
fn an_id_tells_where_the_time_went() {
    let recorder = Recorder::new();
    let limits = "[limits]\nin_flight = 1\nqueue = 1\nrequest_buffer = \"0\"";
    let variables =
        "{request_id} {queued_time} {parked_time} {connecting_time} {first_byte_time} {client_time}";
    let text = format!("{limits}\n{}", account("\"a.test\"", &recorder.address()));
    let edge = Files::new().document("alice", &format!("{text}log_format = \"{variables}\"\n")).start();
    let (mut first, mut second) = (edge.connect(), edge.connect());
    first.send(GET);
    let mut upstream = recorder.accept();
    upstream.request();
    second.send("POST /form?secret=1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nab");
    assert!(second.is_quiet_for(PAUSE), "it waits for the first one's place");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    first.response();
    let head = upstream.head();
    let id = head.one("x-request-id").to_owned();
    assert_eq!(upstream.exactly(2), b"ab");
    assert!(upstream.is_quiet_for(PAUSE), "the visitor keeps half of it");
    second.send("cd");
    assert_eq!(upstream.exactly(2), b"cd");
    assert!(second.is_quiet_for(PAUSE), "the upstream thinks");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(second.response().text(), "ok");
    let told = explained(&edge, &id);
    assert_eq!(
        (&told["account"], &told["site"], &told["upstream"]),
        (&"alice".into(), &"main".into(), &"web".into())
    );
    assert_eq!(
        (&told["method"], &told["path"], &told["status"]),
        (&"POST".into(), &"/form".into(), &200.into())
    );
    assert_eq!(
        (&told["failure"], &told["received_bytes"], &told["sent_bytes"]),
        (&Value::Null, &4.into(), &2.into())
    );
    let pause = PAUSE.as_secs_f64();
    for wait in ["queued", "client", "first_byte"] {
        let seconds = told["seconds"][wait].as_f64().expect("a number");
        assert!((pause * 0.9..pause * 20.0).contains(&seconds), "{wait}: {told}");
    }
    assert_eq!(told["seconds"]["parked"], 0.0);
    assert!(told["seconds"]["parvis"].as_f64().expect("a number") < pause, "{told}");
    let line = wait::until("its line", || {
        edge.access_log("alice").lines().find(|line| line.starts_with(&id)).map(str::to_owned)
    });
    let logged: Vec<f64> = line.split(' ').skip(1).map(|part| part.parse().expect("seconds")).collect();
    let names = ["queued", "parked", "connecting", "first_byte", "client"];
    let told: Vec<f64> = names.iter().map(|name| told["seconds"][name].as_f64().expect("a number")).collect();
    assert_eq!(logged, told, "{line}");
    let text = edge.command(&["explain", &id.to_uppercase()]);
    let text = String::from_utf8(text.stdout).expect("text");
    assert!(text.contains("account   alice") && text.contains("POST a.test/form HTTP/1.1"), "{text}");
    let unknown = edge.command(&["explain", "0000000000000000"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("recent_requests"));
    assert_eq!(edge.command(&["explain", "../status"]).status.code(), Some(1));
}

/// A request that waited for its program says so.
#[test]
fn an_id_tells_how_long_it_was_parked() {
    let edge = telling_program("", "{request_id} {parked_time}");
    assert_eq!(edge.connect().send(GET).response().status(), 200);
    let line = wait::until("its line", || edge.access_log("alice").lines().next().map(str::to_owned));
    let (id, parked) = line.split_once(' ').expect("two columns");
    let told = explained(&edge, id)["seconds"]["parked"].as_f64().expect("seconds");
    assert!(told > 0.0 && parked.parse() == Ok(told), "{line}: {told}");
}

trait Told {
    fn answered(&self, cause: Cause, request: &str);
}

impl Told for Edge {
    /// `request` fails for alice and everybody says so.
    #[track_caller]
    fn answered(&self, cause: Cause, request: &str) {
        let answer = self.connect().send(request).response();
        everybody_says(self, cause, Some("alice"), &answer);
    }
}

/// The answer says it, and so does every other place.
#[track_caller]
fn everybody_says(edge: &Edge, cause: Cause, account: Option<&str>, answer: &Message) {
    let verdict = cause.verdict();
    assert_eq!(
        (answer.status(), answer.word(), answer.error_type()),
        (verdict.status, verdict.word, verdict.error)
    );
    let id = answer.one("x-request-id").to_owned();
    assert!(answer.text().contains(&id) && answer.text().contains(verdict.word), "{}", answer.text());
    for secret in ["alice", "127.0.0", "accounts.d"] {
        assert!(!answer.text().contains(secret), "{}", answer.text());
    }
    everywhere(edge, cause, account, &id);
}

/// Every place but the answer says it.
#[track_caller]
fn everywhere(edge: &Edge, cause: Cause, account: Option<&str>, id: &str) {
    let verdict = cause.verdict();
    let word = verdict.word;
    if let Some(account) = account {
        wait::until("the account's line", || {
            let log = edge.access_log(account);
            let line = log.lines().find(|line| line.starts_with(id))?;
            assert!(line.ends_with(&format!(" {word}")), "{line}");
            Some(())
        });
    }
    if verdict.level <= tracing::Level::INFO {
        wait::until("the node's line", || {
            let log = edge.log();
            let line = log.lines().find(|line| line.contains(id))?;
            assert!(line.contains(&format!("cause=\"{word}\"")), "{line}");
            Some(())
        });
    }
    if let (Some(account), Blame::Site) = (account, verdict.blame) {
        wait::until("the customer's line", || {
            let log = edge.site_log(account);
            let line = log.lines().find(|line| line.contains(id))?;
            assert!(line.contains(&format!("Request failed: {word}: ")), "{line}");
            assert!(!line.contains(":  ("), "it says no more: {line}");
            Some(())
        });
    }
    let (error, blame) = (verdict.error, verdict.blame.word());
    let series = format!("parvis_failures_total{{cause=\"{word}\",error=\"{error}\",blame=\"{blame}\"}} ");
    wait::until("the metric", || {
        let page = metrics(edge);
        let count =
            page.lines().find_map(|line| line.strip_prefix(&series)).expect("a series for every cause");
        (count != "0").then_some(())
    });
    let told = explained(edge, id);
    let failure = &told["failure"];
    assert_eq!(
        (&failure["cause"], &failure["error"], &failure["blame"]),
        (&word.into(), &verdict.error.into(), &verdict.blame.word().into())
    );
    assert_eq!(told["account"].as_str().unwrap_or("-"), told_account(cause, account), "{told}");
}

/// Whom `explain` names: of a path that no site has the account, though no site says how its line looks.
fn told_account(cause: Cause, account: Option<&str>) -> &str {
    match cause {
        Cause::UnknownPath => "alice",
        _ => account.unwrap_or("-"),
    }
}

#[track_caller]
fn explained(edge: &Edge, id: &str) -> Value {
    wait::until("the request to be remembered", || {
        let output = edge.command(&["explain", id, "--json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    })
}

fn metrics(edge: &Edge) -> String {
    let mut raw = Raw::clear(edge.listener("127.0.0.1", "metrics"));
    raw.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").response().text().to_owned()
}

/// The document of an account whose log tells the id and the cause.
fn document(upstream: &str) -> String {
    format!("{}log_format = \"{{request_id}} {{status}} {{cause}}\"\n", account("\"a.test\"", upstream))
}

/// An edge with such an account, after these lines.
fn edge(files: Files, lines: &str, upstream: &str) -> Edge {
    files.document("alice", &format!("{lines}\n{}", document(upstream))).start()
}

fn loopback_allowed() -> Files {
    Files::new().set("upstreams", "allow", "[\"127.0.0.0/8\"]")
}

/// A head that never becomes a request is nobody's.
#[track_caller]
fn head_refused(cause: Cause, head: &str) {
    let edge = edge(Files::new().set("timeouts", "header", "\"1s\""), "", "127.0.0.1:9");
    let answer = edge.connect().send(head).response();
    // An expectation is of a request that was understood.
    let account = (cause == Cause::ExpectationFailed && answer.word() == "none").then_some("alice");
    everybody_says(&edge, cause, account, &answer);
}

/// An account with one place, which is taken.
#[track_caller]
fn queue(limits: &str, cause: Cause) {
    let recorder = Recorder::new();
    let edge = edge(Files::new(), &format!("[limits]\nin_flight = 1\n{limits}"), &recorder.address());
    let mut first = edge.connect();
    first.send(GET);
    let _under_way = recorder.accept();
    edge.answered(cause, GET);
}

/// The upstream reads the request, says this and closes.
#[track_caller]
fn upstream_says(answer: &str, cause: Cause) {
    edge(Files::new(), "", &saying(answer.to_owned()).address()).answered(cause, GET);
}

/// The same in the middle of an answer, of which the visitor sees the end that is none.
#[track_caller]
fn broken_off(answer: &str, cause: Cause) {
    let recorder = Recorder::new();
    let edge = edge(Files::new(), "", &recorder.address());
    let mut raw = edge.connect();
    raw.send(GET);
    let mut upstream = recorder.accept();
    let id = upstream.request().one("x-request-id").to_owned();
    upstream.send(answer);
    drop(upstream);
    everywhere(&edge, cause, Some("alice"), &id);
}

fn saying(answer: String) -> Origin {
    Origin::serving("127.0.0.1:0", move |raw, _| {
        let _ = raw.try_send(&answer);
        false
    })
}

/// More than any buffer holds.
fn endless() -> Origin {
    Origin::serving("127.0.0.1:0", |raw, _| {
        let _ = raw.try_send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        while raw.try_send(vec![b'x'; 65536]).is_ok() {}
        false
    })
}

/// The upstream takes the request and says nothing for a second.
#[track_caller]
fn silent(timeout: &str, cause: Cause) {
    let recorder = Recorder::new();
    let edge = edge(Files::new(), &format!("[timeouts]\n{timeout} = \"1s\""), &recorder.address());
    let mut raw = edge.connect();
    raw.send(GET);
    let mut upstream = recorder.accept();
    upstream.request();
    let answer = raw.response();
    everybody_says(&edge, cause, Some("alice"), &answer);
}

/// A program that is not to be had.
#[track_caller]
fn program(lines: &str, cause: Cause) {
    telling_program(lines, "{request_id} {status} {cause}").answered(cause, GET);
}

/// An account with a program, whose log has this format.
fn telling_program(lines: &str, format: &str) -> Asleep {
    let edge = asleep(Files::new(), "auto", lines);
    let text = std::fs::read_to_string(edge.path().join("accounts.d/alice.toml")).expect("a document");
    edge.write_document("alice", &format!("{text}\nlog_format = \"{format}\"\n"));
    edge.expect_log("document applied account=alice");
    edge
}

/// The id of the request that failed for this, as the node's log has it.
fn id_in_log(edge: &Edge, cause: &str) -> String {
    wait::until(cause, || {
        let log = edge.log();
        let line = log.lines().find(|line| line.contains(&format!("cause=\"{cause}\"")))?;
        line.split_once(" id=").map(|(_, rest)| rest.chars().take(16).collect())
    })
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// What everybody in turn keeps the request waiting for.
const PAUSE: Duration = Duration::from_millis(100);

const LANES: usize = 6;
