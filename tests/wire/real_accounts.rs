//! The ten accounts of `examples/accounts`, served as they stand there, with Debian's programs: only where their homes are,
//! the addresses they have to themselves, and who is beyond this machine differ.
//!
//! Where a program is missing the test is left out, as in `real_programs`.

use crate::real_hosted::{files, mode};
use crate::support::certificate;
use crate::support::edge::Files;
use crate::support::program::{self, own_address};
use crate::support::{Edge, Launcher, Message, Origin, Raw, account};
use std::fs;
use std::path::Path;

#[test]
fn the_accounts_of_a_hosting_provider() {
    let programs = ["apache2", "mod_php", "uwsgi", "node", "python3-django"];
    if programs.iter().any(|name| program::find(name).is_none()) || !program::has_node_module("ws") {
        return;
    }
    let rabbit = Origin::over_tls(|raw, _| raw.try_send(crate::support::origin::answer("a console")).is_ok());
    let (elsewhere, emigrants) = elsewhere();
    let (_launcher, edge) = the_example(&rabbit, &elsewhere);

    agency(&edge);
    chat(&edge);
    shop(&edge);
    magazine(&edge);
    domains(&edge);
    assert_eq!(get(&mut edge.connect(), "console.queue.test", "/").text(), "a console");
    for tenant in ["red", "blue.green"] {
        let told = get(&mut edge.connect(), &format!("{tenant}.saas.test"), "/").text().to_owned();
        assert_eq!(told, format!("tenant {}\n", tenant.split('.').next().unwrap_or_default()));
    }
    assert_eq!(get(&mut edge.connect(), "saas.test", "/").one("location"), "https://about.saas.test");
    for (path, answer) in
        [("/", "office: /\n"), ("/wiki/Start", "wiki: /wiki/Start\n"), ("/wikis", "office: /wikis\n")]
    {
        assert_eq!(get(&mut edge.connect(), "www.suite.test", path).text(), answer);
    }
    brochure(&edge);
    emigrant(&edge, &emigrants);
    // Each of them started once, and nobody was told of a failure.
    let log = edge.log();
    assert!(!log.contains("starting failed") && !log.contains("request failed"), "{log}");
}

/// Twelve sites, one Apache.
fn agency(edge: &Edge) {
    for n in 1..=12 {
        for host in [format!("www.client-{n}.test"), format!("client-{n}.test")] {
            let answer = get(&mut edge.connect(), &host, "/");
            assert_eq!(answer.text(), format!("client {n} of the agency: {host}\n"), "{}", answer.status());
        }
    }
    let said = edge.command(&["status", "agency", "--json"]).stdout;
    let status: serde_json::Value = serde_json::from_slice(&said).expect("JSON");
    assert_eq!(
        (&status["upstreams"][0]["program"]["starts"], &status["upstreams"][1]),
        (&1.into(), &serde_json::Value::Null)
    );
}

/// The program knows nothing of the path that its WebSocket has.
fn chat(edge: &Edge) {
    assert_eq!(get(&mut edge.connect(), "www.chat.test", "/rooms").text(), "chat: /rooms\n");
    let mut raw = edge.connect();
    raw.send(
        "GET /socket HTTP/1.1\r\nHost: www.chat.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(raw.head().status(), 101);
    raw.send(b"\x81\x82\0\0\0\0hi");
    assert_eq!(raw.exactly(12), b"\x81\x0a/socket hi");
}

/// Through the CDN, which came to us in clear, and past it.
fn shop(edge: &Edge) {
    let mut cdn = edge.connect();
    for (scheme, status) in [("https", 200), ("http", 301)] {
        let answer = cdn
            .send(format!(
                "GET /cart HTTP/1.1\r\nHost: www.shop.test\r\nX-Forwarded-For: 203.0.113.9\r\n\
                 X-Forwarded-Proto: {scheme}\r\n\r\n"
            ))
            .response();
        assert_eq!(answer.status(), status, "{}", answer.text());
        assert_eq!(answer.has("strict-transport-security"), scheme == "https");
        if status == 200 {
            assert_eq!(answer.text(), "shop: 203.0.113.9\n");
        } else {
            assert_eq!(answer.one("location"), "https://www.shop.test/cart");
        }
    }
    // Somebody who only says so.
    let mut stranger = Raw::clear(edge.listener("::1", "clear"));
    stranger.send("GET / HTTP/1.1\r\nHost: www.shop.test\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\r\n");
    assert_eq!(stranger.response().status(), 301);
    let mut tls = Raw::tls(edge.listener("::1", "tls"), "www.shop.test", &["http/1.1"]);
    assert_eq!(get(&mut tls, "www.shop.test", "/").text(), "shop: ::1\n");
}

/// Django believes what it is told of the scheme and of the visitor.
fn magazine(edge: &Edge) {
    for (mut raw, scheme) in [(edge.connect(), "http"), (edge.connect_tls("magazine.test"), "https")] {
        let told = get(&mut raw, "magazine.test", "/articles/parvis?x=y").text().to_owned();
        assert_eq!(
            told,
            format!("magazine: parvis at {scheme}://magazine.test/articles/parvis?x=y for 127.0.0.1\n")
        );
    }
}

fn domains(edge: &Edge) {
    for (host, path, status, location) in [
        ("example-brand.test", "/a?b", 301, "https://www.brand.test/a?b"),
        ("shop.old-brand.test", "/", 301, "https://www.brand.test/"),
        ("sale.brand.test", "/x", 302, "https://www.brand.test/sale?from=campaign"),
        ("api.brand.test", "/v1/users?x", 308, "https://api2.brand.test/v2/users?x"),
    ] {
        let answer = get(&mut edge.connect(), host, path);
        assert_eq!((answer.status(), answer.one("location")), (status, location), "{host}");
    }
    assert_eq!(get(&mut edge.connect(), "closed.brand.test", "/").status(), 410);
}

fn brochure(edge: &Edge) {
    let page = get(&mut edge.connect(), "www.brochure.test", "/");
    assert!(page.text().contains("<p>A brochure.</p>") && page.one("content-type").starts_with("text/html"));
    let again = edge
        .connect()
        .send(format!("GET / HTTP/1.1\r\nHost: brochure.test\r\nIf-None-Match: {}\r\n\r\n", page.one("etag")))
        .response();
    assert_eq!(again.status(), 304);
}

/// The other server sees the visitor, and the same request.
fn emigrant(edge: &Edge, emigrants: &Origin) {
    let mut raw = edge.connect_tls("www.emigrant.test");
    assert_eq!(get(&mut raw, "www.emigrant.test", "/home").text(), "on the other server");
    let seen = emigrants.requests().pop().expect("a request");
    assert_eq!(
        (seen.target(), seen.one("host"), seen.one("x-forwarded-for")),
        ("/home", "www.emigrant.test", "127.0.0.1")
    );
    assert_eq!(seen.one("x-forwarded-proto"), "https");
}

/// The server that the emigrant lives on now: a node that believes this machine.
fn elsewhere() -> (Edge, Origin) {
    let origin = Origin::saying("on the other server");
    let edge = Files::new()
        .tables("[[trust]]\nname = \"others\"\nfrom = [\"127.0.0.1\", \"::1\"]\neverywhere = true\n")
        .document("emigrant", &account("\"www.emigrant.test\"", &origin.address()))
        .file("default.pem", &certificate::pem(&["127.0.0.1"]))
        .set("certificates", "default", "\"default.pem\"")
        .start();
    (edge, origin)
}

/// The launcher and the node of the example, moved to a directory of the test's. Drop the node first.
fn the_example(rabbit: &Origin, elsewhere: &Edge) -> (Launcher, Edge) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/accounts");
    let mut files = files()
        .tables("[[trust]]\nname = \"cdn\"\nfrom = [\"127.0.0.1\"]\n")
        .set("upstreams", "allow", &format!("[\"{}\"]", rabbit.address()))
        .file("certificates/shop/shop.pem", &certificate::pem(&["www.shop.test"]));
    let (root, port) = (files.path().to_owned(), elsewhere.tls_address().port());
    let roots = fs::read_to_string(elsewhere.path().join("default.pem")).expect("the other's certificate");
    files = files.file("other.pem", &roots);
    for (path, text) in tree(&example, Path::new("")) {
        let moved = match path.split('/').next() {
            Some("accounts.d") => text
                .replace("/home/", &format!("{}/homes/", root.display()))
                .replace("[run]\n", "[run]\nuser = \"nobody\"\n")
                .replace("address = \"127.0.20.", &format!("address = \"{} # ", own_address().ip()))
                .replace("localhost:15672", &rabbit.address().replace("127.0.0.1", "localhost"))
                .replace(
                    "https://http7.host.test\"",
                    &format!("https://127.0.0.1:{port}\"\nmoved_ca = \"../other.pem\""),
                ),
            Some("homes") => text,
            _ => continue,
        };
        files = files.file(&path, &own_lines(&moved));
    }
    for (path, _) in tree(&root, Path::new("")) {
        let mut directory = root.join(path);
        mode(&directory, 0o644);
        while directory.pop() && directory != root {
            mode(&directory, if directory.starts_with(root.join("homes")) { 0o777 } else { 0o755 });
        }
    }
    for private in ["state", "logs"] {
        mode(&root.join(private), 0o700);
    }
    files.write();
    (Launcher::start(&root), files.start())
}

/// Closes the strings that an address was put into.
fn own_lines(text: &str) -> String {
    text.lines()
        .map(|line| match line.split_once(" # ") {
            Some((address, _)) if address.starts_with("address = \"") => format!("{address}\"\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}

/// The files below a directory, with what is in them.
fn tree(root: &Path, below: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join(below)).expect("a directory").flatten() {
        let path = below.join(entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files.extend(tree(root, &path));
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            files.push((path.display().to_string(), text));
        }
    }
    files.sort_unstable();
    files
}

fn get(raw: &mut Raw, host: &str, path: &str) -> Message {
    raw.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).response()
}
