//! Upstreams that are URLs: their names are followed, and lead nowhere they must not.

use crate::support::dns::{NameServer, Word};
use crate::support::edge::Files;
use crate::support::origin::answer;
use crate::support::{Edge, Message, Origin, Recorder, account, wait};
use std::net::{SocketAddr, TcpListener};

/// The name's server moves: connections follow once the old answer has had its time.
#[test]
fn a_name_is_followed_to_where_it_leads() {
    let (names, one, other) = (NameServer::start(), saying("127.0.0.1:0", "one"), None::<Origin>);
    let port = port(&one);
    let other = other.unwrap_or_else(|| saying(&format!("127.0.0.2:{port}"), "other"));
    names.say("app.test", Word::Has(&["127.0.0.1"], 1));
    let edge = edge(&names, "[\"127.0.0.0/8\"]", &format!("http://app.test:{port}"));
    assert_eq!(get(&edge).text(), "one");
    names.say("app.test", Word::Has(&["127.0.0.2"], 3600));
    wait::until("the other", || {
        let answer = get(&edge);
        assert_eq!(answer.status(), 200);
        (answer.text() == "other").then_some(())
    });
    let asked = names.asked("app.test");
    for _ in 0..20 {
        assert_eq!(get(&edge).text(), "other");
    }
    assert_eq!(names.asked("app.test"), asked, "the answer holds for an hour");
    drop(other);
}

/// The name servers fail: what was last known goes on holding. They say that there is no such name any more: it ends.
#[test]
fn the_last_good_answer_holds_until_there_is_another() {
    let (names, origin) = (NameServer::start(), saying("127.0.0.1:0", "here"));
    names.say("app.test", Word::Has(&["127.0.0.1"], 1));
    let edge = edge(&names, "[\"127.0.0.0/8\"]", &format!("http://app.test:{}", port(&origin)));
    assert_eq!(get(&edge).text(), "here");
    let asked = names.asked("app.test");
    names.say("app.test", Word::Failure);
    wait::until("it to be asked for again", || {
        assert_eq!(get(&edge).text(), "here");
        (names.asked("app.test") > asked).then_some(())
    });
    for _ in 0..20 {
        assert_eq!(get(&edge).text(), "here");
    }
    names.say("app.test", Word::Nothing);
    let refused =
        wait::until("the name to be gone", || Some(get(&edge)).filter(|answer| answer.status() != 200));
    assert_eq!((refused.status(), refused.word(), refused.error_type()), (502, "dns_error", "dns_error"));
    names.say("app.test", Word::Has(&["127.0.0.1"], 1));
    wait::until("it to be back", || (get(&edge).status() == 200).then_some(()));
}

/// A hundred requests at once for a name that nobody has asked for: one question for each family.
#[test]
fn a_crowd_asks_once() {
    let (names, origin) = (NameServer::start(), saying("127.0.0.1:0", "here"));
    names.say("app.test", Word::Has(&["127.0.0.1"], 3600));
    let edge = edge(&names, "[\"127.0.0.0/8\"]", &format!("http://app.test:{}", port(&origin)));
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| assert_eq!(get(&edge).status(), 200));
        }
    });
    assert_eq!(names.asked("app.test"), 2);
}

/// Of several addresses the one that answers is taken.
#[test]
fn an_address_that_does_not_answer_is_passed_over() {
    let (names, origin) = (NameServer::start(), saying("127.0.0.1:0", "here"));
    // A queue that is full lets nobody in, and says nothing.
    let port = port(&origin);
    let full = TcpListener::bind(("127.0.0.4", port)).expect("our own address");
    rustix::net::listen(&full, 0).expect("a socket");
    let fill = || std::net::TcpStream::connect_timeout(&full.local_addr().expect("a socket"), FULL);
    let held: Vec<_> = std::iter::from_fn(|| fill().ok()).take(16).collect();
    names.say("app.test", Word::Has(&["127.0.0.3", "127.0.0.4", "127.0.0.1"], 3600));
    let edge = edge(&names, "[\"127.0.0.0/8\"]", &format!("http://app.test:{port}"));
    assert_eq!(get(&edge).text(), "here");
    drop(held);
}

/// Where a URL must not lead nobody is connected to, however it is written and however late the name is turned round.
#[test]
fn a_url_does_not_lead_inside() {
    let (names, inside) = (NameServer::start(), Recorder::new());
    let port = inside.address().parse::<SocketAddr>().expect("an address").port();
    for (number, addresses) in
        [&["127.0.0.1"][..], &["::1"], &["::ffff:127.0.0.1"], &["10.0.0.1", "169.254.169.254"], &["0.0.0.0"]]
            .into_iter()
            .enumerate()
    {
        names.say("app.test", Word::Has(addresses, 3600));
        let edge = edge(&names, "[]", &format!("http://app.test:{port}"));
        let refused = get(&edge);
        assert_eq!((refused.status(), refused.word()), (502, "prohibited"), "{addresses:?}");
        assert_eq!(refused.error_type(), "destination_ip_prohibited");
        assert!(
            !refused.text().contains(addresses[0]) || number > 4,
            "nothing of where it leads: {}",
            refused.text()
        );
        edge.expect_log("`allow` of [upstreams] does not list it");
    }
    // At first it leads to where it may.
    let outside = saying(&format!("127.0.0.2:{port}"), "outside");
    names.say("app.test", Word::Has(&["127.0.0.2"], 1));
    let edge = edge(&names, "[\"127.0.0.2\"]", &format!("http://app.test:{port}"));
    assert_eq!(get(&edge).text(), "outside");
    names.say("app.test", Word::Has(&["127.0.0.1"], 3600));
    let refused = wait::until("the name to be turned round", || {
        Some(get(&edge)).filter(|answer| answer.status() != 200)
    });
    assert_eq!(refused.word(), "prohibited");
    inside.expect_nothing();
    drop(outside);
}

/// A network that is allowed does not open a neighbour's server; it does once that is nobody's any more.
#[test]
fn a_url_does_not_lead_to_a_neighbour() {
    let (names, origin) = (NameServer::start(), Origin::saying("bob's"));
    let port = port(&origin);
    names.say("app.test", Word::Has(&["127.0.0.1"], 3600));
    let files =
        files(&names, "[\"127.0.0.0/8\"]").document("bob", &account("\"bob.test\"", &origin.address()));
    let lines = "keep_alive = \"0s\"";
    let edge = files.document("alice", &document(&format!("http://app.test:{port}"), lines)).start();
    let refused = get(&edge);
    assert_eq!((refused.status(), refused.word()), (502, "prohibited"));
    assert_eq!(origin.requests().len(), 0);
    edge.remove_document("bob");
    wait::until("it to be nobody's", || (get(&edge).status() == 200).then_some(()));
    edge.write_document("bob", &account("\"bob.test\"", &origin.address()));
    wait::until("it to be bob's again", || (get(&edge).status() == 502).then_some(()));
    // The operator says that it may be.
    edge.write_file(
        "parvis.toml",
        &std::fs::read_to_string(edge.path().join("parvis.toml"))
            .expect("our own")
            .replace("allow = [\"127.0.0.0/8\"]", &format!("allow = [\"127.0.0.1:{port}\"]")),
    );
    assert!(edge.command(&["reload"]).status.success());
    assert_eq!(get(&edge).text(), "bob's");
}

#[test]
fn a_url_puts_its_path_in_front_and_its_host_where_it_is_asked_to() {
    let (names, origin) = (NameServer::start(), Origin::echoing_heads());
    names.say("app.test", Word::Has(&["127.0.0.1"], 3600));
    let port = port(&origin);
    for (base, lines, target, host) in [
        ("", "", "/x/../y?q=%2F", "a.test"),
        ("/", "", "/x/../y?q=%2F", "a.test"),
        ("/base", "", "/base/x/../y?q=%2F", "a.test"),
        ("/a/b%20c/", "host = \"upstream\"", "/a/b%20c/x/../y?q=%2F", &format!("app.test:{port}")),
        ("/base", "host = \"c.test\"", "/base/x/../y?q=%2F", "c.test"),
    ] {
        let files = files(&names, "[\"127.0.0.0/8\"]");
        let edge =
            files.document("alice", &document(&format!("http://app.test:{port}{base}"), lines)).start();
        let mut raw = edge.connect();
        let seen =
            raw.send("GET /x/../y?q=%2F HTTP/1.1\r\nHost: a.test\r\n\r\n").response().text().to_owned();
        assert!(seen.starts_with(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n")), "{base}: {seen}");
    }
}

/// The account's URL leads back to the node: the first round ends it, and says so.
#[test]
fn a_url_that_leads_back_is_a_loop() {
    let names = NameServer::start();
    names.say("app.test", Word::Has(&["127.0.0.1"], 3600));
    let edge = edge(&names, "[\"127.0.0.0/8\"]", "http://app.test:1");
    let back = document(&format!("http://app.test:{}", edge.address().port()), "");
    edge.write_document("alice", &back);
    let looped = wait::until("the loop", || Some(get(&edge)).filter(|answer| answer.word() != "refused"));
    assert_eq!((looped.status(), looped.word(), looped.error_type()), (508, "loop", "proxy_loop_detected"));
    edge.expect_log("leads back here");
}

const FULL: std::time::Duration = std::time::Duration::from_millis(200);

fn port(origin: &Origin) -> u16 {
    origin.address().parse::<SocketAddr>().expect("an address").port()
}

/// An origin that closes each connection after its answer, so that every request opens one.
fn saying(address: &str, text: &'static str) -> Origin {
    Origin::serving(address, move |raw, _| {
        let _ = raw.try_send(answer(text));
        false
    })
}

fn files(names: &NameServer, allow: &str) -> Files {
    Files::new().set("upstreams", "allow", allow).set("upstreams", "resolvers", &names.address())
}

fn document(url: &str, lines: &str) -> String {
    format!(
        "[[upstream]]\nname = \"web\"\naddress = \"{url}\"\n{lines}\n\
         [[site]]\nname = \"www\"\naddresses = [\"a.test\"]\nupstream = \"web\"\n"
    )
}

fn edge(names: &NameServer, allow: &str, url: &str) -> Edge {
    files(names, allow).document("alice", &document(url, "keep_alive = \"0s\"")).start()
}

fn get(edge: &Edge) -> Message {
    edge.connect().send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response()
}
