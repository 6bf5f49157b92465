//! Real servers that Parvis starts and stops, as Debian has them: asleep until somebody asks, restarted under load
//! without a failed request, and gone with all their processes when nobody asks any more.
//!
//! Where a program is missing its test is left out, as in `real_programs`.

use crate::support::edge::Files;
use crate::support::program::{self, own_address};
use crate::support::{Edge, Launcher, Message, Raw, wait};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[test]
fn node_lives_under_parvis() {
    let Some(node) = program::find("node") else { return };
    let files = files().file("home/app.js", include_str!("real/hosted.js"));
    let upstream = format!("address = \"auto\"\ncommand = [\"{}\", \"app.js\"]", node.display());
    lives(files, "node", &upstream, "a page of node\n");
}

/// Prefork, one for the account: it ends in order by SIGWINCH, and two cannot have one port.
#[test]
fn apache_lives_under_parvis() {
    let Some((files, upstream)) = apache() else { return };
    lives(files, "apache", &upstream, "a page of apache\n");
}

/// A graceful restart (SIGUSR1) reads the configuration anew: the process stays, its children do not, and no visitor fails.
#[test]
fn apache_renews_itself_under_parvis() {
    let Some((files, upstream)) = apache() else { return };
    let upstream = format!("{upstream}\nhot_restart = \"SIGUSR1\"\nready_path = \"/\"");
    let files = (0..=RENEWALS).fold(files, |files, number| {
        files.file(&format!("home/pages/{number}"), &format!("edition {number}\n"))
    });
    let config = files.path().join("home/httpd.conf");
    let written = fs::read_to_string(&config).unwrap_or_default();
    let (_launcher, edge) = hosted(files, &upstream);
    asked(&mut edge.connect(), "a page of apache\n");
    let (first, done) = (pid(&edge), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let visit = || {
            scope.spawn(|| {
                let mut raw = edge.connect();
                while !done.load(Ordering::Relaxed) {
                    let answer = raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
                    assert_eq!(answer.status(), 200, "{}", answer.text());
                }
            })
        };
        let visitors: Vec<_> = std::iter::repeat_with(visit).take(3).collect();
        for number in 1..=RENEWALS {
            let edition = written.replace("DirectoryIndex index.html", &format!("DirectoryIndex {number}"));
            fs::write(&config, edition).expect("our own files");
            assert!(edge.command(&["restart", "alice/web"]).status.success());
            wait::until("the next edition", || {
                let answer = edge.connect().send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
                assert_eq!(answer.status(), 200, "{}", answer.text());
                (answer.text() == format!("edition {number}\n")).then_some(())
            });
        }
        done.store(true, Ordering::Relaxed);
        assert_eq!(visitors.into_iter().filter_map(|visitor| visitor.join().err()).count(), 0, "visitors");
    });
    assert_eq!((pid(&edge), status(&edge)["starts"].as_u64()), (first, Some(1)));
    nothing_went_wrong(&edge);
}

/// The files of an Apache of one account, and its lines in the document.
fn apache() -> Option<(Files, String)> {
    let apache = program::find("apache2")?;
    let files = files();
    let home = files.path().join("home");
    let load = |name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n");
    let modules = ["mpm_prefork", "authz_core", "dir", "mime"].map(load).concat();
    let path = home.display();
    let config = format!(
        "{modules}ServerName a.test\nListen ${{ADDRESS}}\nPidFile {path}/pid\nErrorLog {path}/error.log\n\
         DocumentRoot {path}/pages\nDirectoryIndex index.html\nTypesConfig {path}/types\nStartServers 2\n\
         MinSpareServers 1\nMaxSpareServers 5\nServerLimit 5\nMaxRequestWorkers 5\n\
         <Directory />\nRequire all granted\n</Directory>\n"
    );
    let upstream = format!(
        "address = \"{}\"\nconnections = 5\nstop_signal = \"SIGWINCH\"\n\
         command = [\"{}\", \"-DFOREGROUND\", \"-f\", \"{path}/httpd.conf\"]\n\
         environment = {{ APACHE_RUN_DIR = \"{path}\" }}",
        own_address(),
        apache.display()
    );
    let files = files
        .file("home/httpd.conf", &config)
        .file("home/types", "text/html html\n")
        .file("home/pages/index.html", "a page of apache\n");
    Some((files, upstream))
}

#[test]
fn uwsgi_lives_under_parvis() {
    let Some(uwsgi) = program::find("uwsgi") else { return };
    let files = files().file("home/app.py", include_str!("real/app.py"));
    let upstream = format!(
        "address = \"auto\"\ncommand = \"{} --plugin python3 --master --processes 2 --need-app --die-on-term \
         --http-socket $SOCKET --wsgi-file app.py\"",
        uwsgi.display()
    );
    lives(files, "uwsgi", &upstream, "\"PATH_INFO\": \"/\"");
}

/// The life of a server with these lines in its document, whose page holds `page`.
#[track_caller]
fn lives(files: Files, name: &str, upstream: &str, page: &str) {
    let (_launcher, edge) = hosted(files, upstream);
    let ((), took) = wait::timed(|| asked(&mut edge.connect(), page));
    // Kept by the harness unless somebody wants to see it.
    println!("{name}: asleep, {took:?} to the answer");
    let first = restarted(&edge, name, || edge.connect(), |raw| asked(raw, page));
    stopped(&edge, &first);
    // And up again.
    asked(&mut edge.connect(), page);
    let last = pid(&edge);
    assert!(!first.contains(&last));
    stopped(&edge, &[last]);
    nothing_went_wrong(&edge);
}

/// A launcher and an edge whose one account has a server with these lines in its document. Drop the edge first.
#[track_caller]
pub fn hosted(files: Files, upstream: &str) -> (Launcher, Edge) {
    let text = format!(
        "[run]\nhome = \"{}\"\nuser = \"nobody\"\naddress = \"127.0.0.1\"\n[[upstream]]\nname = \"web\"\n{upstream}\n\
         idle_time = \"1s\"\n[[site]]\nname = \"www\"\naddresses = [\"a.test\"]\nupstream = \"web\"\n",
        files.path().join("home").display()
    );
    let files = files.document("alice", &text);
    mode(&files.path().join("accounts.d/alice.toml"), 0o644);
    files.write();
    (Launcher::start(files.path()), files.start())
}

/// Restarts a server that runs three times, while three visitors ask and none fails; the processes that served.
pub fn restarted<V>(
    edge: &Edge,
    name: &str,
    visitor: impl Fn() -> V + Sync,
    ask: impl Fn(&mut V) + Sync,
) -> Vec<String> {
    let mut pids = vec![pid(edge)];
    let (done, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let visit = || {
            scope.spawn(|| {
                let mut visitor = visitor();
                while !done.load(Ordering::Relaxed) {
                    ask(&mut visitor);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let visitors: Vec<_> = std::iter::repeat_with(visit).take(3).collect();
        for _ in 0..3 {
            assert!(edge.command(&["restart", "alice/web"]).status.success());
            let fresh = wait::until("a new instance to serve", || {
                let status = status(edge);
                let pid = status["pid"].to_string();
                (status["state"] == "ready" && !pids.contains(&pid)).then_some(pid)
            });
            pids.push(fresh);
            let seen = count.load(Ordering::Relaxed);
            wait::until("requests", || (count.load(Ordering::Relaxed) > seen + 20).then_some(()));
        }
        done.store(true, Ordering::Relaxed);
        let failed = visitors.into_iter().filter_map(|visitor| visitor.join().err()).count();
        assert_eq!(failed, 0, "{name}: visitors");
    });
    for old in &pids[..pids.len() - 1] {
        wait::until("the old ones to be gone", || session(old).is_empty().then_some(()));
    }
    pids
}

/// Waits until the server that nobody asks is stopped: nothing may be left of it then.
#[track_caller]
pub fn stopped(edge: &Edge, pids: &[String]) {
    wait::until("it to be stopped", || (status(edge)["state"] == "stopped").then_some(()));
    for pid in pids {
        assert_eq!(session(pid), Vec::<String>::new(), "processes are left of {pid}");
    }
}

#[track_caller]
pub fn nothing_went_wrong(edge: &Edge) {
    let log = edge.log();
    assert!(!log.contains("starting failed") && !log.contains("ended by itself"), "{log}");
}

/// An edge's files with a launcher and a home for one account. What is under way at a restart is not cut off, however busy
/// the machine is.
pub fn files() -> Files {
    let files = Files::new()
        .set("launcher", "socket", "\"launcher.sock\"")
        .set("timeouts", "drain", "\"10s\"")
        .file("home/.profile", "");
    mode(files.path(), 0o755);
    mode(&files.path().join("accounts.d"), 0o755);
    // Where the tests are run by root the programs are somebody else's, who writes there.
    mode(&files.path().join("home"), 0o777);
    files
}

#[track_caller]
fn asked(raw: &mut Raw, page: &str) {
    let answer: Message = raw.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
    assert!(answer.status() == 200 && answer.text().contains(page), "{}: {}", answer.status(), answer.text());
}

/// What is told of the program.
fn status(edge: &Edge) -> serde_json::Value {
    let output = edge.command(&["status", "alice", "--json"]).stdout;
    let account: serde_json::Value = serde_json::from_slice(&output).expect("JSON");
    account["upstreams"][0]["program"].clone()
}

pub fn pid(edge: &Edge) -> String {
    status(edge)["pid"].to_string()
}

/// The processes of the session that this one leads: it and its children, dead ones not counted.
fn session(leader: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("Linux").filter_map(Result::ok);
    let names = processes.filter_map(|entry| entry.file_name().into_string().ok());
    let is_of = |pid: &String| {
        // One may end meanwhile. Behind the name: state, parent, group, session.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let rest: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
        rest.get(3) == Some(&leader) && !["Z", "X"].contains(&rest[0])
    };
    names.filter(is_of).collect()
}

pub fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("our own files");
}

/// How often a server renews itself in a test.
const RENEWALS: u32 = 5;
