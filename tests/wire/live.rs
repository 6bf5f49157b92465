//! The live page: read only, for this machine or for who has a certificate, and drawn by a real browser.

use crate::support::edge::Files;
use crate::support::{Edge, Origin, Raw, account, program, wait};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

#[test]
fn the_page_only_reads_and_answers_to_this_machine_alone() {
    let edge = edge();
    let ask = |line: &str, host: &str| {
        let mut raw = Raw::clear(edge.listener("127.0.0.1", "page"));
        raw.send(format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n")).response()
    };
    let page = ask("GET /", "localhost:9146");
    assert_eq!((page.status(), page.one("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.one("content-security-policy").contains("script-src 'sha256-"), "{page:?}");
    assert_eq!(page.one("cache-control"), "no-store");
    for path in ["/accounts/alice", "/requests/0123456789abcdef", "/status", "/status/alice", "/ready"] {
        assert_eq!(ask(&format!("GET {path}"), "127.0.0.1").status(), 200, "{path}");
    }
    for path in
        ["/status/nobody", "/explain/0123456789abcdef", "/metrics", "/reload", "/drain", "/restart/alice"]
    {
        assert_eq!(ask(&format!("GET {path}"), "127.0.0.1").status(), 404, "{path}");
    }
    for path in ["/reload", "/drain", "/restart/alice"] {
        assert_eq!(ask(&format!("POST {path}"), "127.0.0.1").status(), 404, "{path}");
    }
    assert_eq!(ask("POST /status", "127.0.0.1").status(), 405);
    // A page somewhere else has its name lead here.
    assert_eq!(ask("GET /status", "rebound.test").status(), 421);
}

#[test]
fn the_page_is_on_the_admin_socket_too() {
    let edge = edge();
    let mut stream =
        std::os::unix::net::UnixStream::connect(edge.path().join("admin.sock")).expect("the socket");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: parvis\r\nConnection: close\r\n\r\n").expect("a socket");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("<title>Parvis</title>"), "{page}");
}

/// On an address that others reach both ends show a certificate, and without one there is no such listener.
#[test]
fn elsewhere_the_page_is_for_who_has_a_certificate() {
    let refused = Files::new().set("admin", "page", "\"0.0.0.0:0\"").command(&["check"]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("page_client_ca"), "{refused:?}");

    let (staff, stranger) = (Authority::new(), Authority::new());
    let files = Files::new()
        .set("admin", "page", "\"127.0.0.1:0\"")
        .set("admin", "page_certificate", "\"page.pem\"")
        .set("admin", "page_client_ca", "\"staff.pem\"")
        .file("page.pem", &crate::support::certificate::pem(&["front1.test"]))
        .file("staff.pem", &staff.root.pem());
    let edge = files.start();
    let ask = |authority: &Authority| {
        let name = "front1.test".try_into().expect("a name");
        let client = ClientConnection::new(Arc::new(authority.client()), name).expect("a client");
        let stream = TcpStream::connect(edge.listener("127.0.0.1", "page")).expect("the listener");
        let mut stream = StreamOwned::new(client, stream);
        let mut said = Vec::new();
        // Who is not let in hears an alert, at one step or another.
        let _ = stream.write_all(b"GET /status HTTP/1.1\r\nHost: front1.test\r\nConnection: close\r\n\r\n");
        let _ = stream.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    };
    assert!(ask(&staff).starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(ask(&stranger), "");
    let mut clear = Raw::clear(edge.listener("127.0.0.1", "page"));
    clear.send("GET /status HTTP/1.1\r\nHost: front1.test\r\n\r\n");
    assert!(clear.try_response().is_err());
}

/// A browser draws the node, an account and a request, and nothing that a visitor sent becomes markup.
#[test]
fn a_browser_draws_it() {
    let Some(chromium) = program::find("chromium") else { return };
    let edge = edge();
    let hostile = "/%3Cscript%3E<img src=x onerror=alert(1)>";
    let mut raw = edge.connect();
    let id =
        raw.send(format!("GET {} HTTP/1.1\r\nHost: a.test\r\n\r\n", hostile.replace(' ', "+"))).response();
    let id = id.one("x-request-id").to_owned();
    wait::until("the failure to be remembered", || {
        edge.command(&["explain", &id]).status.success().then_some(())
    });
    let base = format!("http://{}", edge.listener("127.0.0.1", "page"));
    let node = drawn(&chromium, edge.path(), &format!("{base}/"));
    for text in [
        "front1",
        "Accounts that need attention: 1",
        "refused once lately",
        "href=\"/accounts/alice\"",
        "failures: site",
    ] {
        assert!(node.contains(text), "{text}: {node}");
    }
    let account = drawn(&chromium, edge.path(), &format!("{base}/accounts/alice"));
    for text in ["Last failures", &id, "site: refused", "Certificates of its hosts"] {
        assert!(account.contains(text), "{text}: {account}");
    }
    assert!(account.contains("&lt;img") && !account.contains("<img"), "{account}");
    let request = drawn(&chromium, edge.path(), &format!("{base}/requests/{id}"));
    for text in ["site: refused (connection_refused)", "first byte", "upstream"] {
        assert!(request.contains(text), "{text}: {request}");
    }
    let nobody = drawn(&chromium, edge.path(), &format!("{base}/accounts/nobody"));
    assert!(nobody.contains("there is no such account"), "{nobody}");
}

/// The page as it stands after its script has asked the node.
fn drawn(chromium: &Path, directory: &Path, url: &str) -> String {
    program::run(
        Command::new(chromium)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--timeout=10000", "--virtual-time-budget=3000", "--dump-dom"])
            .arg(format!("--user-data-dir={}", directory.join("browser").display()))
            .arg(url),
    )
}

/// A node with an account whose server is not there.
fn edge() -> Edge {
    let gone =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("a socket");
    Files::new()
        .set("admin", "page", "\"127.0.0.1:0\"")
        .document("alice", &account("\"a.test\"", &gone.to_string()))
        .document("bob", &account("\"b.test\"", &Origin::saying("here").address()))
        .start()
}

/// Who signs the certificates of the staff.
struct Authority {
    root: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).expect("a name");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).expect("a certificate");
        Self { root, issuer: rcgen::Issuer::new(params, key) }
    }

    /// A visitor with a certificate of its own, who does not mind whose the node's is.
    fn client(&self) -> rustls::ClientConfig {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["alice@staff.test".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let mut config = crate::support::certificate::trusting(&[]);
        let shown = CertifiedKey::from_der(vec![certificate.der().clone()], key, config.crypto_provider());
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(shown.expect("a key of its own")));
        config
    }
}
