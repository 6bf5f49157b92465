//! Real servers behind the edge and real clients in front of it, as Debian has them.
//!
//! Where a program is missing its tests are left out, and [`what_is_left_out`] says so; with
//! `PARVIS_REAL_PROGRAMS=1` (`scripts/test`) a missing program is a failure.

use crate::support::edge::Files;
use crate::support::program::{self, Server, free_port, run};
use crate::support::{Edge, Message, Raw, account};
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn what_is_left_out() {
    program::report();
}

/// An Apache with five processes: never a sixth connection, however many visitors and workers, and nobody fails.
#[test]
fn apache_with_five_processes() {
    let Some(apache) = program::find("apache2") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let port = free_port("[::1]:0");
    let server = apache_server(&apache, directory.path(), port);
    let document = account("\"a.test\"", &format!("[::1]:{port}"))
        .replace("name = \"web\"\n", "name = \"web\"\nconnections = 5\n");
    let edge = Files::new().set("node", "workers", "4").document("alice", &document).start();
    let (done, most) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(connections_to(port), Ordering::Relaxed);
            }
        });
        let visitors: Vec<_> = (0..24)
            .map(|n| {
                let edge = &edge;
                scope.spawn(move || {
                    let mut raw = if n % 2 == 0 { edge.connect() } else { edge.connect_tls("a.test") };
                    for _ in 0..40 {
                        let response = get(&mut raw, "/page.html");
                        assert_eq!((response.status(), response.text()), (200, "a page of apache\n"));
                    }
                })
            })
            .collect();
        let failed = visitors.into_iter().filter_map(|visitor| visitor.join().err()).count();
        done.store(true, Ordering::Relaxed);
        assert_eq!(failed, 0, "visitors");
    });
    let most = most.into_inner();
    assert!((1..=5).contains(&most), "{most} connections at once");
    drop(server);
}

/// What PHP and others see through mod_cgi's eyes: CGI variables, with nothing forged among them.
#[test]
fn uwsgi_sees_the_truth() {
    let Some(uwsgi) = program::find("uwsgi") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("app.sock");
    let _server = Server::start(
        std::process::Command::new(uwsgi)
            .args(["--plugin", "python3", "--master", "--processes", "2", "--need-app", "--die-on-term"])
            .arg("--http-socket")
            .arg(&socket)
            .arg("--wsgi-file")
            .arg(script("app.py")),
        || std::os::unix::net::UnixStream::connect(&socket).is_ok(),
    );
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &format!("unix:{}", socket.display())))]);
    for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
        for round in 0..3 {
            raw.send(format!(
                "POST /p%20q?r={round} HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n\
                 X_Real_Ip: 6.6.6.6\r\nProxy: http://evil.test\r\nContent-Length: 5\r\n\r\nhello"
            ));
            let response = raw.response();
            assert_eq!(response.status(), 200);
            let seen: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
            assert_eq!(seen["PATH_INFO"], "/p q");
            assert_eq!(seen["QUERY_STRING"], format!("r={round}"));
            assert_eq!(seen["HTTP_HOST"], "a.test");
            assert_eq!(seen["HTTP_X_FORWARDED_FOR"], "127.0.0.1");
            assert_eq!(seen["HTTP_X_REAL_IP"], "127.0.0.1");
            assert_eq!(seen["HTTP_PROXY"], serde_json::Value::Null);
            assert_eq!(
                seen["body_sha256"],
                "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
            );
        }
    }
}

#[test]
fn nginx_serves_files_and_ranges() {
    let Some(nginx) = program::find("nginx") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let port = free_port("127.0.0.1:0");
    let file: Vec<u8> = (0..5_000_000u32).map(|at| (at / 256 + at) as u8).collect();
    std::fs::write(path.join("file"), &file).expect("a file");
    let config = format!(
        "daemon off; pid {0}/pid; error_log stderr; worker_processes 1; events {{}}\n\
         http {{ access_log off; server {{ listen 127.0.0.1:{port}; root {0};\n\
         client_body_temp_path {0}/t1; proxy_temp_path {0}/t2; fastcgi_temp_path {0}/t3;\n\
         uwsgi_temp_path {0}/t4; scgi_temp_path {0}/t5; }} }}\n",
        path.display()
    );
    std::fs::write(path.join("nginx.conf"), config).expect("a file");
    readable_by_all(path);
    let _server = Server::start(
        std::process::Command::new(nginx).arg("-c").arg(path.join("nginx.conf")).arg("-p").arg(path),
        || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(),
    );
    let edge = Edge::with(&[("alice", &account("\"a.test\"", &format!("127.0.0.1:{port}")))]);
    for mut raw in [edge.connect(), edge.connect_tls("a.test")] {
        for _ in 0..3 {
            let response = get(&mut raw, "/file");
            assert!(response.status() == 200 && response.body == file);
            raw.send("GET /file HTTP/1.1\r\nHost: a.test\r\nRange: bytes=1000000-1999999\r\n\r\n");
            let part = raw.response();
            assert!(part.status() == 206 && part.body == file[1_000_000..2_000_000]);
            raw.send(format!(
                "GET /file HTTP/1.1\r\nHost: a.test\r\nIf-None-Match: {}\r\n\r\n",
                response.one("etag")
            ));
            assert_eq!(raw.response().status(), 304);
            raw.send("HEAD /file HTTP/1.1\r\nHost: a.test\r\n\r\n");
            assert_eq!(raw.response_to_head().one("content-length"), "5000000");
        }
    }
}

#[test]
fn node_streams_and_takes_uploads() {
    let Some((_server, edge)) = node("") else { return };
    let mut raw = edge.connect();
    let response = get(&mut raw, "/events");
    assert_eq!(response.text().matches("data: ").count(), 5);
    let body = vec![b'x'; 3_000_000];
    raw.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n", body.len()))
        .send(&body);
    let seen: serde_json::Value = serde_json::from_slice(&raw.response().body).expect("JSON");
    assert_eq!(seen["length"], 3_000_000);
    assert_eq!(seen["headers"]["x-forwarded-proto"], "http");
}

/// Node closes what idles for five seconds. POSTs that come around that moment, from many visitors, all succeed.
#[test]
fn posts_around_nodes_five_seconds() {
    let Some((_server, edge)) = node("keep_alive = \"1m\"\n") else { return };
    std::thread::scope(|scope| {
        for n in 0..24u64 {
            let edge = &edge;
            scope.spawn(move || {
                let mut raw = edge.connect();
                for _ in 0..2 {
                    raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello");
                    let response = raw.response();
                    assert_eq!(response.status(), 200, "{n}: {response:?}");
                    // Node adds a second of grace of its own, depending on its version: both moments are met.
                    let around = if n % 2 == 0 { 5000 } else { 6000 };
                    assert!(raw.is_quiet_for(Duration::from_millis(around - 12 + n)));
                }
                raw.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello");
                assert_eq!(raw.response().status(), 200);
            });
        }
    });
}

#[test]
fn websockets_of_python_and_node() {
    let Some(python) = program::find("python3-websockets") else { return };
    if !program::has_node_module("ws") {
        return;
    }
    let Some((_server, edge)) = node("") else { return };
    for (scheme, kind, ip) in [
        ("ws", "clear", "127.0.0.1"),
        ("wss", "tls", "127.0.0.1"),
        ("ws", "clear", "::1"),
        ("wss", "tls", "::1"),
    ] {
        let port = edge.listener(ip, kind).port().to_string();
        let url = format!("{scheme}://a.test:{port}/ws");
        let output = run(std::process::Command::new(&python)
            .arg(script("ws_client.py"))
            .args([&url, "a.test", ip, &port]));
        assert_eq!(output, "ok\n", "{url} on {ip}");
    }
}

#[test]
fn curl_over_both_versions_and_families() {
    let Some(curl) = program::find("curl") else { return };
    let Some((_server, edge)) = node("") else { return };
    for ip in ["127.0.0.1", "::1"] {
        for (scheme, kind, version, expected) in [
            ("http", "clear", "--http1.1", "1.1"),
            ("http", "clear", "--http1.0", "1.1"),
            ("https", "tls", "--http1.1", "1.1"),
            ("https", "tls", "--http2", "2"),
        ] {
            let port = edge.listener(ip, kind).port();
            let to = format!("a.test:{port}:[{ip}]").replace("[127.0.0.1]", "127.0.0.1");
            let base = || {
                let mut command = std::process::Command::new(&curl);
                command.args([
                    "--silent",
                    "--show-error",
                    "--insecure",
                    "--max-time",
                    "20",
                    version,
                    "--resolve",
                    &to,
                ]);
                command
            };
            let url = format!("{scheme}://a.test:{port}/x?y");
            let seen = run(base().args(["--write-out", "\n%{http_version} %{response_code}", &url]));
            let (body, status) = seen.rsplit_once('\n').expect("two lines");
            let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(body["url"], "/x?y");
            assert_eq!(body["headers"]["x-forwarded-for"], ip);
            assert_eq!(body["headers"]["x-forwarded-proto"], scheme);
            assert_eq!(status, format!("{expected} 200"), "{url} {version}");
            // An upload over a megabyte makes curl expect 100-continue.
            let big = std::env::current_exe().expect("this test");
            let seen = run(base().args(["--request", "PUT", "--upload-file"]).arg(&big).arg(&url));
            let body: serde_json::Value = serde_json::from_str(&seen).expect("JSON");
            assert_eq!(body["length"], std::fs::metadata(&big).expect("this test").len(), "{url} {version}");
            let events = run(base().args(["--no-buffer", &format!("{scheme}://a.test:{port}/events")]));
            assert_eq!(events.matches("data: ").count(), 5);
        }
    }
}

/// The incident, with the command that reproduces it: HEADERS without END_STREAM, then an empty DATA with it.
#[test]
fn curl_with_an_empty_data_frame() {
    let Some(curl) = program::find("curl") else { return };
    let Some((_server, edge)) = node("") else { return };
    let address = edge.listener("127.0.0.2", "clear");
    for _ in 0..20 {
        let output = run(std::process::Command::new(&curl).args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--http2-prior-knowledge",
            "-X",
            "GET",
            "--data-binary",
            "",
            "-H",
            "Content-Length:",
            "--resolve",
            &format!("a.test:{}:{}", address.port(), address.ip()),
            &format!("http://a.test:{}/", address.port()),
        ]));
        let seen: serde_json::Value = serde_json::from_str(&output).expect("JSON");
        assert_eq!((&seen["method"], &seen["length"]), (&"GET".into(), &0.into()));
    }
}

#[test]
fn pythons_h2() {
    let Some(python) = program::find("python3-h2") else { return };
    let Some((_server, edge)) = node("") else { return };
    for ip in ["127.0.0.1", "::1"] {
        let port = edge.listener(ip, "tls").port().to_string();
        let output =
            run(std::process::Command::new(&python).arg(script("h2_client.py")).args([ip, &port, "a.test"]));
        assert_eq!(output, "ok\n");
    }
}

#[test]
fn h2load_loses_nothing() {
    let Some(h2load) = program::find("h2load") else { return };
    let Some((_server, edge)) = node("connections = 16\n") else { return };
    for (scheme, kind, more) in
        [("http", "clear", "--h1"), ("https", "tls", "--h1"), ("https", "tls", "--npn-list=h2")]
    {
        let address = edge.listener("127.0.0.1", kind);
        let output = run(std::process::Command::new(&h2load).args([
            "--requests=3000",
            "--clients=10",
            "--max-concurrent-streams=10",
            // Becomes the Host of HTTP/1.1 as well.
            "--header=:authority: a.test",
            more,
            &format!("{scheme}://{address}/"),
        ]));
        assert!(
            output.contains("3000 succeeded, 0 failed, 0 errored, 0 timeout"),
            "{scheme} {more}: {output}"
        );
    }
}

/// Node on `[::1]` behind an edge, with further lines for its upstream.
fn node(upstream: &str) -> Option<(Server, Edge)> {
    let node = program::find("node")?;
    let server = Server::announcing(
        std::process::Command::new(node).arg(script("app.js")).env("NODE_PATH", "/usr/share/nodejs"),
    );
    let document = account("\"a.test\"", &format!("[::1]:{}", server.announced()))
        .replace("name = \"web\"\n", &format!("name = \"web\"\n{upstream}"));
    let edge = Files::new()
        .listen("address = \"127.0.0.2:0\"\nprotocols = [\"h2c\"]")
        .document("alice", &document)
        .start();
    Some((server, edge))
}

fn apache_server(apache: &Path, directory: &Path, port: u16) -> Server {
    let load = |name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n");
    let modules = ["mpm_prefork", "authz_core", "dir", "mime"].map(load).concat();
    std::fs::write(directory.join("page.html"), "a page of apache\n").expect("a file");
    std::fs::write(directory.join("types"), "text/html html\n").expect("a file");
    let path = directory.display();
    let config = format!(
        "{modules}ServerName a.test\nListen [::1]:{port}\nUser www-data\nGroup www-data\nPidFile {path}/pid\n\
         ErrorLog {path}/error.log\nDocumentRoot {path}\nTypesConfig {path}/types\nKeepAlive On\n\
         KeepAliveTimeout 5\nMaxKeepAliveRequests 100\nStartServers 5\nMinSpareServers 5\nMaxSpareServers 5\n\
         ServerLimit 5\nMaxRequestWorkers 5\n<Directory />\nRequire all granted\n</Directory>\n"
    );
    std::fs::write(directory.join("httpd.conf"), config).expect("a file");
    readable_by_all(directory);
    Server::start(
        std::process::Command::new(apache)
            .args(["-D", "FOREGROUND", "-f"])
            .arg(directory.join("httpd.conf"))
            .env("APACHE_RUN_DIR", directory),
        || std::net::TcpStream::connect(("::1", port)).is_ok(),
    )
}

/// Servers that leave root for a user of their own must still read their files.
fn readable_by_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).expect("our own directory");
}

/// Connections established to `port` on `[::1]`, counted at the server's end: those that stood when the first look
/// had ended and the second had not begun. One look alone takes its time, and may see a connection and its successor.
fn connections_to(port: u16) -> usize {
    let first = established_to(port);
    established_to(port).intersection(&first).count()
}

/// The remote ends of what is established to `port`.
fn established_to(port: u16) -> HashSet<String> {
    let table = std::fs::read_to_string("/proc/net/tcp6").expect("Linux");
    let local = format!("00000000000000000000000001000000:{port:04X}");
    let remote = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let (here, there, state) = (columns.next()?, columns.next()?, columns.next()?);
        (here == local && state == "01").then(|| there.to_owned())
    };
    table.lines().filter_map(remote).collect()
}

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/real").join(name)
}

#[track_caller]
fn get(raw: &mut Raw, path: &str) -> Message {
    raw.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n")).response()
}
