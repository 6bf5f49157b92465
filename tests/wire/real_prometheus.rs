//! What `examples/monitoring` gives an operator, with Debian's Prometheus: the page is clean, the rules are loaded and their
//! tests pass, every query of the dashboard has an answer, and alerts come when something is wrong.
//!
//! Where Prometheus is missing the test is left out, as in `real_programs`.

use crate::programs::{Asleep, asleep};
use crate::support::certificate::pem;
use crate::support::edge::Files;
use crate::support::h2::H2;
use crate::support::program::{self, Server, free_port, own_address, run};
use crate::support::{Raw, account, wait};
use serde_json::Value;
use std::cell::Cell;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn promtool_finds_nothing_wrong() {
    let Some(promtool) = program::find("promtool") else { return };
    for words in [["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"]] {
        run(Command::new(&promtool).args(words).current_dir(EXAMPLE));
    }
    let told = run(Command::new(&promtool).args(["test", "rules", "alerts.test.yml"]).current_dir(EXAMPLE));
    assert!(told.contains("SUCCESS"), "{told}");

    let node = node();
    node.visit();
    let directory = tempfile::tempdir().expect("a directory");
    for page in ["/metrics", "/metrics/accounts/alice"] {
        let text = directory.path().join("page");
        fs::write(&text, get(node.metrics(), page)).expect("a file");
        let output = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(File::open(&text).expect("a file"))
            .output()
            .expect("a program that was found");
        let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success() && told.concat().is_empty(), "{page}: {told:?}");
    }
}

#[test]
fn prometheus_answers_what_the_example_asks() {
    let (Some(prometheus), Some(_)) = (program::find("prometheus"), program::find("promtool")) else {
        return;
    };
    let node = node();
    let directory = tempfile::tempdir().expect("a directory");
    let server = Prometheus::start(&prometheus, directory.path(), node.metrics());
    for job in ["parvis", "parvis-account"] {
        wait::until(&format!("{job} to be up"), || {
            node.visit();
            let told = server.ask("targets?state=active");
            let targets = told["activeTargets"].as_array().expect("targets");
            let is_up = |target: &&Value| target["labels"]["job"] == job && target["health"] == "up";
            targets.iter().find(is_up).map(|_| ())
        });
    }
    // What both jobs tell of the account has names of its own: no sum counts it twice.
    wait::until("the account's page", || {
        node.visit();
        let counted = server.query("parvis_single_account_requests_total{job=\"parvis-account\"} > 0");
        let series = counted["result"].as_array().expect("series");
        series.iter().find(|series| series["metric"]["account"] == "alice").map(|_| ())
    });
    let in_both = server.query(
        "count by (__name__) ({job=\"parvis\",__name__=~\"parvis_.+\"}) \
         and on (__name__) count by (__name__) ({job=\"parvis-account\",__name__=~\"parvis_.+\"})",
    );
    assert_eq!(in_both["result"], Value::Array(Vec::new()));

    let panels = panels();
    assert!(panels.len() > 50, "the dashboard has queries");
    for (title, query) in panels {
        wait::until(&format!("data for \"{title}\": {query}"), || {
            node.visit();
            has_numbers(&server.query(&query)).then_some(())
        });
    }

    let rules = wait::until("every rule to be asked", || {
        let told = server.ask("rules");
        let groups = told["groups"].as_array().expect("groups");
        let rules: Vec<_> =
            groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).collect();
        rules
            .iter()
            .all(|rule| rule["health"] != "unknown")
            .then(|| rules.into_iter().cloned().collect::<Vec<_>>())
    });
    assert_eq!(rules.len(), read("alerts.yml").matches("- alert: ").count());
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        server.query(rule["query"].as_str().expect("a query"));
    }

    // What is wrong is told: first a mistake in a document, then a node that is gone. They wait for their time to pass.
    assert!(!server.alerts().iter().any(|name| name == "ParvisDocumentProblems" || name == "ParvisNodeDown"));
    node.edge.write_document("carol", "no document");
    wait::until("the mistake", || {
        server.alerts().contains(&"ParvisDocumentProblems".to_owned()).then_some(())
    });
    drop(node);
    wait::until("the node to be missed", || {
        server.alerts().contains(&"ParvisNodeDown".to_owned()).then_some(())
    });
}

/// A node with visitors, a program, and a site that fails.
struct Node {
    edge: Asleep,
    visits: Cell<usize>,
}

fn node() -> Node {
    // Its visitors come from one address and never pause.
    let files = Files::new().set("limits", "handshakes_per_client", "\"unlimited\"");
    // A certificate that expires some day.
    let files = files.file("certificates/c.pem", &pem(&["c.test"]));
    let files = files.document("bob", &account("\"b.test\"", &own_address().to_string()));
    Node { edge: asleep(files, "auto", ""), visits: Cell::default() }
}

impl Node {
    fn metrics(&self) -> SocketAddr {
        self.edge.listener("127.0.0.1", "metrics")
    }

    /// Something of everything: both protocols, with and without TLS, failures by fault of the client and of a site, a
    /// handshake that is none, a changed document, a restarted program. Over a moment, so that Prometheus keeps up.
    fn visit(&self) {
        let mut raw = self.edge.connect();
        for (host, status) in [("a.test", 200), ("a.test", 200), ("b.test", 502), ("nobody.test", 404)] {
            let answer = raw.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).response();
            assert_eq!(answer.status(), status, "{host}: {}", answer.text());
        }
        raw.send("BAD\r\n\r\n").response();
        self.edge.connect_tls("a.test").send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
        let mut h2 = H2::connect(&self.edge, "a.test");
        h2.get(1, "a.test", "/");
        h2.response(1);
        Raw::clear(self.edge.tls_address()).send("GET / HTTP/1.1\r\n\r\n").read_to_end();
        let visits = self.visits.replace(self.visits.get() + 1);
        assert!(self.edge.command(&["restart", "alice/web"]).status.success());
        self.edge.write_document("carol", &account(&format!("\"c{visits}.test\""), "127.0.0.1:9"));
        wait::pause(Duration::from_millis(50));
    }
}

/// A Prometheus on the example's files.
struct Prometheus {
    _server: Server,
    address: SocketAddr,
}

impl Prometheus {
    /// Asks the node every second, and its rules as often.
    #[track_caller]
    fn start(program: &Path, directory: &Path, node: SocketAddr) -> Self {
        let config = read("prometheus.yml").replace("[::1]:9145", &node.to_string());
        let config = ["interval: 15s", "interval: 60s"]
            .iter()
            .fold(config, |config, interval| config.replace(interval, "interval: 1s"));
        fs::write(directory.join("prometheus.yml"), config).expect("a file");
        fs::write(directory.join("alerts.yml"), read("alerts.yml")).expect("a file");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port("127.0.0.1:0")));
        let mut command = Command::new(program);
        command
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .current_dir(directory)
            .stderr(Stdio::null());
        let is_ready = || {
            // It may be about to end, or to listen.
            let Ok(stream) = std::net::TcpStream::connect(address) else { return false };
            let mut raw = Raw::from_tcp(stream);
            raw.send("GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n").response().status() == 200
        };
        Self { _server: Server::start(&mut command, is_ready), address }
    }

    /// What a query gives now. Fails the test where Prometheus does not understand it.
    #[track_caller]
    fn query(&self, query: &str) -> Value {
        self.ask(&format!("query?query={}", percent_encoded(query)))
    }

    /// The alerts that fire, or will when their time has passed.
    #[track_caller]
    fn alerts(&self) -> Vec<String> {
        let told = self.ask("alerts");
        let alerts = told["alerts"].as_array().expect("alerts").iter();
        alerts.map(|alert| alert["labels"]["alertname"].as_str().expect("a name").to_owned()).collect()
    }

    #[track_caller]
    fn ask(&self, what: &str) -> Value {
        let text = get(self.address, &format!("/api/v1/{what}"));
        let mut told: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(told["status"], "success", "{what}: {text}");
        told["data"].take()
    }
}

/// Every query of the dashboard's panels with the panel's title, as Grafana would send it.
fn panels() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let queries = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
        targets.iter().map(|target| {
            let title = panel["title"].as_str().expect("a title").to_owned();
            (title, substituted(target["expr"].as_str().expect("a query")))
        })
    });
    queries.collect()
}

fn substituted(query: &str) -> String {
    let variables =
        [("$__rate_interval", "20s"), ("$__range", "1m"), ("$instance", ".*"), ("$job", "parvis")];
    let query = variables.iter().fold(query.to_owned(), |query, (name, value)| query.replace(name, value));
    let query = query.replace("$top", "10");
    assert!(!query.contains('$'), "a variable that is none: {query}");
    query
}

/// Whether one of the series has a number: a quotient or a quantile of nothing is none.
fn has_numbers(data: &Value) -> bool {
    let series = data["result"].as_array().expect("series");
    series.iter().any(|series| series["value"][1].as_str().is_some_and(|value| value != "NaN"))
}

#[track_caller]
fn get(address: SocketAddr, target: &str) -> String {
    let mut raw = Raw::clear(address);
    raw.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")).response().text().to_owned()
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .flat_map(|byte| [b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(EXAMPLE).join(name)).expect("a file of the example")
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/monitoring");
