//! The live page: read only, for this machine or for who has a certificate, and drawn by a real browser.

use crate::support::edge::Files;
use crate::support::{Edge, Origin, Raw, account, program, wait};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConnection, StreamOwned};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
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
    for text in ["The node has no account nobody.", "<a href=\"/\">The overview</a>", "parvis check"] {
        assert!(nobody.contains(text), "{text}: {nobody}");
    }
    let forgotten = drawn(&chromium, edge.path(), &format!("{base}/requests/0123456789abcdef"));
    for text in ["remembers no request 0123456789abcdef", "<a href=\"/\">Parvis</a>", "recent_requests"] {
        assert!(forgotten.contains(text), "{text}: {forgotten}");
    }
}

/// Whoever has come to a link, or has marked an id to copy it, still has it after the page was drawn anew, with another failure
/// above.
#[test]
fn what_is_looked_at_stays_while_the_page_is_drawn_anew() {
    let Some(chromium) = program::find("chromium") else { return };
    let edge = edge();
    let fail = || {
        let answer = edge.connect().send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
        answer.one("x-request-id").to_owned()
    };
    let first = fail();
    let url = format!("http://{}/accounts/alice", edge.listener("127.0.0.1", "page"));
    let mut browser = Browser::open(&chromium, edge.path(), &url);
    let link = |id: &str| format!("document.querySelector('a[href=\"/requests/{id}\"]')");
    let is_there = |id: &str| format!("{} !== null", link(id));
    browser.until(&is_there(&first));
    let looked_at = format!(
        "window.kept = {}; kept.focus(); getSelection().selectAllChildren(kept); getSelection().toString()",
        link(&first)
    );
    assert_eq!(browser.tell(&looked_at), json!(first));
    let second = fail();
    browser.until(&is_there(&second));
    let now = "[document.activeElement === kept, getSelection().toString(), kept.getAttribute('href')]";
    assert_eq!(browser.tell(now), json!([true, first, format!("/requests/{first}")]));
    let order =
        "[...document.querySelectorAll('[data-key=\"Last failures\"] tbody th')].map(it => it.textContent)";
    assert_eq!(browser.tell(order), json!([second, first]));
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

/// A browser with a page, which is asked things over a pipe (the Chrome DevTools Protocol, messages end with a zero byte).
struct Browser {
    child: Child,
    asks: ChildStdin,
    says: BufReader<ChildStdout>,
    asked: u64,
    session: Option<String>,
}

impl Browser {
    fn open(chromium: &Path, directory: &Path, url: &str) -> Self {
        // It reads from descriptor 3 and writes to descriptor 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .arg(chromium)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", directory.join("browser").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a program that was found");
        let asks = child.stdin.take().expect("piped");
        let says = BufReader::new(child.stdout.take().expect("piped"));
        let mut browser = Self { child, asks, says, asked: 0, session: None };
        let page = browser.ask("Target.createTarget", &json!({ "url": url }));
        let attached = json!({ "targetId": page["targetId"], "flatten": true });
        let session = browser.ask("Target.attachToTarget", &attached);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        browser
    }

    /// What an expression comes to in the page.
    #[track_caller]
    fn tell(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true });
        let answer = self.ask("Runtime.evaluate", &asked);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page.
    #[track_caller]
    fn until(&mut self, expression: &str) {
        wait::until(expression, || (self.tell(expression) == json!(true)).then_some(()));
    }

    #[track_caller]
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let mut message = json!({ "id": self.asked, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.asks.write_all(format!("{message}\0").as_bytes()).expect("a browser that listens");
        loop {
            let mut said = Vec::new();
            self.says.read_until(0, &mut said).expect("a browser that answers");
            assert_eq!(said.pop(), Some(0), "the browser ended");
            let said: Value = serde_json::from_slice(&said).expect("JSON");
            if said["id"] == json!(self.asked) {
                assert!(said.get("error").is_none(), "{method}: {said}");
                return said["result"].clone();
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.asks.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        // It has ended when nobody holds the pipe.
        let _ = self.says.read_to_end(&mut Vec::new());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
