//! Both listeners from outside: every page, strangers, and sockets that are in the way.

use super::server::Bounds;
use super::*;
use crate::telemetry::Recent;
use http::{Method, StatusCode};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// A node that does nothing but remember what it was told.
struct Dummy {
    metrics: Metrics,
    recent: Recent,
    draining: AtomicBool,
    wishes: Mutex<Vec<&'static str>>,
}

impl Dummy {
    fn new() -> Arc<Self> {
        let metrics = Metrics::new().unwrap();
        let recent = Recent::new(0, 1);
        Arc::new(Self { metrics, recent, draining: AtomicBool::new(false), wishes: Mutex::default() })
    }

    fn wish(&self, wish: &'static str) {
        self.wishes.lock().unwrap().push(wish);
    }
}

impl Node for Dummy {
    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn account_metrics(&self, name: &str) -> Option<Result<String, String>> {
        match name {
            "alice" => Some(Ok("of_alice 1\n".to_owned())),
            "broken" => Some(Err("no text".to_owned())),
            _ => None,
        }
    }

    fn recent(&self) -> &Recent {
        &self.recent
    }

    fn readiness(&self) -> Readiness {
        if self.draining.load(Ordering::SeqCst) {
            Readiness::NotReady("draining".into())
        } else {
            Readiness::Ready
        }
    }

    fn status(&self, account: Option<&str>) -> Reply {
        let answer = match account {
            None => Ok(r#"{"accounts":1}"#.to_owned()),
            Some("alice") => Ok(r#"{"name":"alice"}"#.to_owned()),
            Some(_) => Err(Refused::Unknown),
        };
        Box::pin(async { answer })
    }

    fn reload(&self) -> Reply {
        self.wish("reload");
        Box::pin(async {
            // An answer may take its time.
            tokio::task::yield_now().await;
            Err(Refused::Invalid(r#"{"problems":["x"]}"#.to_owned()))
        })
    }

    fn restart(&self, which: &str) -> Reply {
        self.wish(if which == "alice/web" { "restart alice/web" } else { "restart something" });
        Box::pin(std::future::ready(Ok("{}".into())))
    }

    fn drain(&self) -> Reply {
        self.wish("drain");
        self.draining.store(true, Ordering::SeqCst);
        Box::pin(async { Ok("{}".to_owned()) })
    }
}

/// Runs a test on the kind of runtime the node's threads have.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .unwrap();
    runtime.block_on(async { timeout(PATIENCE, test).await.unwrap() });
}

fn metrics_server(node: &Arc<Dummy>) -> (SocketAddr, JoinHandle<std::convert::Infallible>) {
    let listener = MetricsListener::bind("[::1]:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(serve_metrics(listener, Arc::clone(node))))
}

/// Sends one request and reads what comes until the connection ends.
async fn get(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn the_metrics_listener_tells_and_changes_nothing() {
    run(async {
        let node = Dummy::new();
        let (address, _server) = metrics_server(&node);
        for (request, status, part) in [
            ("GET /metrics", "200 OK", "\nparvis_ready 0\n"),
            ("GET /metrics?name=x", "200 OK", "content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
            ("GET /metrics/accounts/alice", "200 OK", "\r\n\r\nof_alice 1\n"),
            ("GET /metrics/accounts/alice?x", "200 OK", "version=0.0.4; charset=utf-8\r\n"),
            ("GET /metrics/accounts/bob", "404 Not Found", "there is no such account\n"),
            ("GET /metrics/accounts/alice/", "404 Not Found", "there is no such account\n"),
            ("GET /metrics/accounts/%61lice", "404 Not Found", "there is no such account\n"),
            ("GET /metrics/accounts/", "404 Not Found", "there is no such account\n"),
            ("GET /metrics/accounts", "404 Not Found", "there is no such page\n"),
            ("GET /metrics/accounts/broken", "500 Internal Server Error", "no text\n"),
            ("POST /metrics/accounts/alice", "405 Method Not Allowed", "allow: GET, HEAD\r\n"),
            ("GET /live", "200 OK", "\r\n\r\nlive\n"),
            ("GET /ready", "200 OK", "\r\n\r\nready\n"),
            ("HEAD /ready", "200 OK", "content-length: 6\r\n"),
            ("GET /", "404 Not Found", "there is no such page\n"),
            ("GET /status", "404 Not Found", ""),
            ("POST /drain", "404 Not Found", ""),
            ("POST /metrics", "405 Method Not Allowed", "allow: GET, HEAD\r\n"),
        ] {
            let answer = get(address, request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {answer}");
            assert!(answer.contains(part), "{request}: {answer}");
        }
        assert!(get(address, "HEAD /ready").await.ends_with("\r\n\r\n"));
        assert!(node.wishes.lock().unwrap().is_empty());
        node.draining.store(true, Ordering::SeqCst);
        let answer = get(address, "GET /ready").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("not ready: draining\n"), "{answer}");
        assert!(get(address, "GET /live").await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn a_crowd_of_silent_connections_keeps_nobody_out_for_ever() {
    for bounds in [
        (Duration::from_millis(10), PATIENCE, false),
        (PATIENCE, Duration::from_millis(10), false),
        // Nobody's time is up: the oldest makes room.
        (DAY, DAY, true),
    ] {
        let (header, connection, is_open_to_strangers) = bounds;
        let bounds = Bounds { connections: 2, header, connection, is_open_to_strangers };
        run(async {
            let listener = MetricsListener::bind("[::1]:0".parse().unwrap()).unwrap();
            let address = listener.local_addr().unwrap();
            let node = Dummy::new();
            let respond = move |request: http::Request<hyper::body::Incoming>| {
                std::future::ready(page::metrics_page(&*node, &request))
            };
            tokio::spawn(async move {
                server::serve(|| listener.accept(), server::open_at_once, respond, bounds).await
            });
            let mut crowd = Vec::new();
            for _ in 0..10 {
                crowd.push(TcpStream::connect(address).await.unwrap());
            }
            // Each of them is shown out in its turn; the request comes after them all.
            assert!(get(address, "GET /live").await.starts_with("HTTP/1.1 200 "));
            // But the last, who may stay where nobody needs the place.
            crowd.pop();
            for mut stream in crowd {
                assert_eq!(stream.read(&mut [0; 512]).await.unwrap(), 0);
            }
        });
    }
}

const DAY: Duration = Duration::from_hours(24);

async fn answer(socket: &Path, method: Method, path: &str) -> (u16, String) {
    let answer = ask(socket, method, path, PATIENCE).await.unwrap();
    (answer.status.as_u16(), answer.body)
}

#[test]
fn the_admin_socket_answers_questions_and_passes_wishes_on() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        let node = Dummy::new();
        let socket = AdminSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        let server = tokio::spawn(serve_admin(socket, Arc::clone(&node)));
        let (get, post) = (Method::GET, Method::POST);
        for (method, page, status, body) in [
            (&get, "/ready", 200, "ready\n"),
            (&get, "/status", 200, r#"{"accounts":1}"#),
            (&get, "/status/alice", 200, r#"{"name":"alice"}"#),
            (&get, "/status/nobody", 404, r#"{"error":"there is no such account or program"}"#),
            (&get, "/reload", 405, "allowed: POST\n"),
            (&get, "/drain", 405, "allowed: POST\n"),
            (&post, "/status", 405, "allowed: GET, HEAD\n"),
            (&post, "/status/alice", 405, "allowed: GET, HEAD\n"),
            (&get, "/metrics", 404, "there is no such page\n"),
            (&post, "/reload", 422, r#"{"problems":["x"]}"#),
            (&post, "/restart/alice/web", 200, "{}"),
            (&get, "/restart/alice", 405, "allowed: POST\n"),
            (&post, "/drain", 200, "{}"),
            (&get, "/ready", 503, "not ready: draining\n"),
        ] {
            assert_eq!(
                answer(&path, method.clone(), page).await,
                (status, body.to_owned()),
                "{method} {page}"
            );
        }
        assert_eq!(*node.wishes.lock().unwrap(), ["reload", "restart alice/web", "drain"]);
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            0,
            "the socket is removed with its server"
        );
        assert!(matches!(ask(&path, get, "/ready", PATIENCE).await, Err(AskError::Connect(_))));
    });
}

#[test]
fn a_node_that_never_answers_is_not_waited_for() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        let _silent = AdminSocket::bind(&path).unwrap();
        let asked = ask(&path, Method::GET, "/status", Duration::from_millis(1)).await;
        assert!(matches!(asked, Err(AskError::TimedOut(_))));
    });
}

#[test]
fn only_a_socket_nobody_listens_on_is_replaced() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        // Left behind: bound once, and closed without being removed.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let ours = AdminSocket::bind(&path).unwrap();
        let error = AdminSocket::bind(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists());
        // Replaced behind our back: not ours to remove.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        drop(ours);
        assert_eq!(AdminSocket::bind(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing half done stays behind");
    });
}

#[test]
fn answers_with_an_unavailable_node_say_so() {
    run(async {
        let reply: Reply = Box::pin(async { Err(Refused::Unavailable("starting".into())) });
        let page = page::reply(reply).await;
        assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    });
}
