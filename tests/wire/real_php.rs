//! WordPress, as Debian has it, in an account of its own: Apache prefork with PHP inside that Parvis starts, restarts
//! under load and stops, and a MariaDB behind it. It is installed, logged into, written in and uploaded to through
//! Parvis, with its cookies, redirects and tokens against forged requests.
//!
//! Where a program is missing the test is left out, as in `real_programs`.

use crate::real_hosted::{files, hosted, nothing_went_wrong, pid, restarted, stopped};
use crate::support::program::{self, Server, own_address, run};
use crate::support::{Edge, Message, Raw, wait};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[test]
fn wordpress_lives_under_parvis() {
    let Some(programs) = Programs::find() else { return };
    let files = files()
        .file("home/httpd.conf", include_str!("real/php.conf"))
        .file("home/types", "text/html html\ntext/css css\ntext/plain txt\n");
    let home = files.path().join("home");
    own_copy(&home.join("wordpress"));
    let _database = programs.database(&home);
    let (_launcher, edge) = hosted(files, &programs.upstream(&home));

    let mut alice = Visitor::of(&edge);
    alice.installs();
    let first = pid(&edge);
    alice.logs_in();
    let site = alice.writes();
    site.is_whole(&mut alice);
    let served = restarted(
        &edge,
        "wordpress",
        || Visitor::with_cookies_of(&alice, &edge),
        |visitor| {
            visitor.sees_the_front_page();
            visitor.is_logged_in();
        },
    );
    site.is_whole(&mut alice);
    stopped(&edge, &served);

    // Asleep. What alice's browser has still holds, and she can go on.
    let ((), took) = wait::timed(|| alice.is_logged_in());
    println!("wordpress: asleep, {took:?} to the answer");
    let last = pid(&edge);
    assert!(!served.contains(&last) && last != first);
    site.is_whole(&mut alice);
    alice.sees_the_front_page();
    let mut again = Visitor::of(&edge);
    again.logs_in();
    again.writes().is_whole(&mut Visitor::of(&edge));
    stopped(&edge, &[pid(&edge)]);
    nothing_went_wrong(&edge);
}

/// What the test needs of the system.
struct Programs {
    apache: PathBuf,
    mod_php: PathBuf,
    mariadb: PathBuf,
    mariadb_install: PathBuf,
}

impl Programs {
    fn find() -> Option<Self> {
        program::find("wordpress")?;
        Some(Self {
            apache: program::find("apache2")?,
            mod_php: program::find("mod_php")?,
            mariadb: program::find("mariadbd")?,
            mariadb_install: program::find("mariadb-install-db")?,
        })
    }

    /// A MariaDB of the account's own, on a socket in its home.
    fn database(&self, home: &Path) -> Server {
        let data = format!("--datadir={}", home.join("db").display());
        let mut arguments = vec!["--no-defaults", &data];
        if rustix::process::geteuid().is_root() {
            arguments.push("--user=nobody");
        }
        run(Command::new(&self.mariadb_install).args(&arguments).args([
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        ]));
        let setup = home.join("setup.sql");
        fs::write(&setup, SETUP).expect("a temporary directory");
        let socket = home.join("db.sock");
        let mut server = Command::new(&self.mariadb);
        server.args(&arguments).args(["--skip-networking", "--innodb-flush-log-at-trx-commit=0"]);
        for (option, path) in [
            ("init-file", &setup),
            ("socket", &socket),
            ("pid-file", &home.join("db.pid")),
            ("log-error", &home.join("db.log")),
        ] {
            server.arg(format!("--{option}={}", path.display())).stderr(Stdio::null());
        }
        Server::start(&mut server, || UnixStream::connect(&socket).is_ok())
    }

    /// Prefork, one for the account: it ends in order by SIGWINCH, and two cannot have one port.
    fn upstream(&self, home: &Path) -> String {
        let home = home.display();
        format!(
            "address = \"{}\"\nconnections = 5\nstop_signal = \"SIGWINCH\"\n\
             command = [\"{}\", \"-DFOREGROUND\", \"-f\", \"{home}/httpd.conf\"]\n\
             environment = {{ APACHE_RUN_DIR = \"{home}\", MOD_PHP = \"{}\" }}",
            own_address(),
            self.apache.display(),
            self.mod_php.display()
        )
    }
}

/// As a customer has WordPress: its files in his home, and his own configuration.
fn own_copy(directory: &Path) {
    run(Command::new("cp").arg("-r").arg(program::WORDPRESS).arg(directory));
    fs::write(directory.join("wp-config.php"), include_str!("real/wp-config.php")).expect("our own copy");
    // Where the tests are run by root the server is somebody else's.
    run(Command::new("chmod").args(["-R", "a+rwX"]).arg(directory));
}

/// A browser: one connection, over TLS, and what it was told to keep.
struct Visitor {
    raw: Raw,
    cookies: BTreeMap<String, String>,
}

impl Visitor {
    fn of(edge: &Edge) -> Self {
        Self { raw: edge.connect_tls("a.test"), cookies: BTreeMap::new() }
    }

    fn with_cookies_of(other: &Self, edge: &Edge) -> Self {
        Self { cookies: other.cookies.clone(), ..Self::of(edge) }
    }

    /// The famous five minutes.
    fn installs(&mut self) {
        let sent = self.get("/");
        assert_eq!((sent.status(), path(sent.one("location"))), (302, "/wp-admin/install.php"));
        let form = format!(
            "weblog_title=A+forecourt&user_name=alice&admin_password={PASSWORD}&admin_password2={PASSWORD}\
             &pw_weak=1&admin_email=alice%40a.test&blog_public=0&language=&Submit=Install+WordPress"
        );
        let done = self.post("/wp-admin/install.php?step=2", &form);
        assert!(done.text().contains("WordPress has been installed"), "{}", done.text());
    }

    /// From the page that wants a login, by the form, to that page.
    fn logs_in(&mut self) {
        let sent = self.get("/wp-admin/");
        assert_eq!(sent.status(), 302);
        let login = path(sent.one("location"));
        assert!(login.starts_with("/wp-login.php?redirect_to=https%3A%2F%2Fa.test%2Fwp-admin%2F"), "{login}");
        assert!(self.get(login).text().contains("name=\"pwd\""));
        let form = |password| {
            format!(
                "log=alice&pwd={password}&wp-submit=Log+In&testcookie=1&\
                 redirect_to=https%3A%2F%2Fa.test%2Fwp-admin%2F"
            )
        };
        let wrong = self.post("/wp-login.php", &form("wrong"));
        assert!(wrong.status() == 200 && wrong.text().contains("login_error"), "{wrong:?}");
        let right = self.post("/wp-login.php", &form(PASSWORD));
        assert_eq!((right.status(), path(right.one("location"))), (302, "/wp-admin/"));
        // It has understood that its visitor speaks TLS.
        let session = right.all("set-cookie").into_iter().find(|cookie| cookie.starts_with("wordpress_sec_"));
        assert!(session.is_some_and(|cookie| cookie.ends_with("; secure; HttpOnly")), "{session:?}");
        self.is_logged_in();
    }

    fn is_logged_in(&mut self) {
        let page = self.get("/wp-admin/profile.php");
        assert!(page.status() == 200 && page.text().contains("value=\"alice@a.test\""), "{page:?}");
    }

    fn sees_the_front_page(&mut self) {
        let page = self.get("/");
        assert_eq!(page.status(), 200);
        for part in ["<title>A forecourt</title>", "twentytwentythree", "Proudly powered by", "</html>"] {
            assert!(page.text().contains(part), "no {part}: {}", page.text());
        }
    }

    /// A long page and a large file; neither without the token that says the request is alice's own.
    fn writes(&mut self) -> Written {
        let line = "In the forecourt everybody waits until somebody opens.";
        let lines = |count| (0..count).map(|number| format!("{number}: {line}")).collect::<Vec<_>>();
        let text = lines(4000);
        let post = serde_json::json!({
            "title": "Long", "status": "publish", "content": format!("<pre>{}</pre>", text.join("\n"))
        })
        .to_string();
        let publish = "POST /index.php?rest_route=/wp/v2/posts";
        let forged = self.send(publish, "Content-Type: application/json\r\n", post.as_bytes());
        assert_eq!(forged.status(), 401, "{forged:?}");
        let token = self.get("/wp-admin/admin-ajax.php?action=rest-nonce").text().to_owned();
        let fields = format!("Content-Type: application/json\r\nX-WP-Nonce: {token}\r\n");
        let published = self.send(publish, &fields, post.as_bytes());
        assert_eq!(published.status(), 201, "{published:?}");
        let published: serde_json::Value = serde_json::from_slice(&published.body).expect("JSON");
        let page = path(published["link"].as_str().expect("a link")).to_owned();

        let file = lines(50_000).join("\n").into_bytes();
        let forged = self.upload("not the token", &file);
        assert_eq!(forged.status(), 403, "{forged:?}");
        let form = self.get("/wp-admin/media-new.php");
        let token = between(form.text(), "name=\"_wpnonce\" value=\"", "\"").to_owned();
        let uploaded = self.upload(&token, &file);
        assert_eq!(uploaded.status(), 200, "{uploaded:?}");
        let uploaded: serde_json::Value = serde_json::from_slice(&uploaded.body).expect("JSON");
        assert_eq!(uploaded["success"], true, "{uploaded}");
        let at = path(uploaded["data"]["url"].as_str().expect("a URL")).to_owned();
        Written { page, text, at, file }
    }

    fn upload(&mut self, token: &str, file: &[u8]) -> Message {
        let part = |name: &str, more: &str| {
            format!("--cut\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n")
        };
        let field = |(name, value)| part(name, "") + "\r\n" + value + "\r\n";
        let fields = [("action", "upload-attachment"), ("name", "long.txt"), ("_wpnonce", token)].map(field);
        let head = part("async-upload", "; filename=\"long.txt\"") + "Content-Type: text/plain\r\n\r\n";
        let body = [fields.concat().as_bytes(), head.as_bytes(), file, b"\r\n--cut--\r\n"].concat();
        let fields = "Content-Type: multipart/form-data; boundary=cut\r\n";
        self.send("POST /wp-admin/async-upload.php", fields, &body)
    }

    fn get(&mut self, path: &str) -> Message {
        self.send(&format!("GET {path}"), "", &[])
    }

    fn post(&mut self, path: &str, form: &str) -> Message {
        let fields = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.send(&format!("POST {path}"), fields, form.as_bytes())
    }

    fn send(&mut self, what: &str, fields: &str, body: &[u8]) -> Message {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut head = vec![format!("{what} HTTP/1.1\r\nHost: a.test\r\n{fields}")];
        if !cookies.is_empty() {
            head.push(format!("Cookie: {}\r\n", cookies.join("; ")));
        }
        if what.starts_with("POST") {
            head.push(format!("Content-Length: {}\r\n", body.len()));
        }
        head.push("\r\n".to_owned());
        let answer = self.raw.send(head.concat()).send(body).response();
        self.raw.forget();
        for cookie in answer.all("set-cookie") {
            let (name, rest) = cookie.split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }
}

/// What alice has put there.
struct Written {
    page: String,
    text: Vec<String>,
    at: String,
    file: Vec<u8>,
}

impl Written {
    fn is_whole(&self, visitor: &mut Visitor) {
        let page = visitor.get(&self.page);
        assert_eq!(page.status(), 200);
        let shown = between(page.text(), "<pre>", "</pre>");
        assert!(shown.lines().eq(self.text.iter()), "{} bytes: {shown:.200}", shown.len());
        assert!(page.text().trim_end().ends_with("</html>"));
        let file = visitor.get(&self.at);
        assert!(file.status() == 200 && file.body == self.file, "{file:?}");
    }
}

/// What a link on the site leads to.
#[track_caller]
fn path(link: &str) -> &str {
    link.strip_prefix("https://a.test").unwrap_or_else(|| panic!("leads elsewhere: {link}"))
}

#[track_caller]
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let found = text.split_once(from).and_then(|(_, rest)| rest.split_once(to));
    found.unwrap_or_else(|| panic!("nothing from {from} to {to}: {text}")).0
}

const SETUP: &str = "CREATE DATABASE wordpress CHARACTER SET utf8mb4;\n\
    CREATE USER alice@localhost IDENTIFIED BY 'alice-of-the-database';\n\
    GRANT ALL ON wordpress.* TO alice@localhost;\n";

const PASSWORD: &str = "alice-of-the-site";
