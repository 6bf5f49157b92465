//! What `examples/` shows is right, and what it says of itself is true.

#[path = "examples/monitoring.rs"]
mod monitoring;

use parvis::config::{self, Document, Limits, SiteAction, Timeouts};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name).join("parvis.toml")
}

fn load(name: &str) -> (config::Node, Vec<Document>) {
    config::load_all(&example(name)).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn every_example_is_right() {
    let examples = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap();
    let nodes = examples.map(|entry| entry.unwrap().path().join("parvis.toml")).filter(|file| file.exists());
    let mut seen = 0;
    for node in nodes {
        if let Err(report) = config::load_all(&node) {
            panic!("{report}");
        }
        seen += 1;
    }
    assert!(seen >= 2);
}

#[test]
fn the_minimal_example_needs_no_privileges_and_writes_beside_itself() {
    let (node, documents) = load("minimal");
    let directory = example("minimal").parent().unwrap().to_owned();
    assert!(
        node.listen.iter().all(|listen| listen.address.port() >= 1024 && listen.address.ip().is_loopback())
    );
    assert!(node.state.starts_with(&directory) && node.admin.socket.unwrap().starts_with(&directory));
    assert_eq!(documents.len(), 2);
}

#[test]
fn the_hosting_example_shows_the_defaults_where_it_says_so() {
    let (node, _) = load("hosting");
    let connections = node.limits.connections;
    assert_eq!(node.limits, Limits { connections, ..Limits::default() });
    assert_eq!(node.timeouts, Timeouts { drain_delay: Duration::from_secs(5), ..Timeouts::default() });
}

#[test]
fn the_hosting_examples_default_site_exists() {
    let (node, documents) = load("hosting");
    let (account, site) = node.default_site.unwrap();
    let platform = documents.iter().find(|document| document.name == account).unwrap();
    let welcome = platform.sites.iter().find(|welcome| welcome.name == site).unwrap();
    assert!(matches!(welcome.action, SiteAction::Upstream(_)));
}

/// The node's user writes where the node does, root alone where the launcher does, and the cgroups are the launcher's.
#[test]
fn the_hosting_examples_units_and_node_file_are_of_one_mind() {
    of_one_mind(&load("hosting").0);
}

/// And of the units' sockets each is listened on.
#[test]
fn the_packages_node_file_and_units_are_of_one_mind() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("parvis.toml");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/parvis.toml"), &file).unwrap();
    for name in ["accounts.d", "certificates"] {
        std::fs::create_dir(directory.path().join(name)).unwrap();
    }
    let (node, documents) = config::load_all(&file).unwrap_or_else(|report| panic!("{report}"));
    assert!(documents.is_empty());
    of_one_mind(&node);
    let socket = unit("parvis.socket");
    let sockets = socket.lines().filter_map(|line| line.strip_prefix("ListenStream="));
    let listeners: Vec<String> = node.listen.iter().map(|listen| listen.address.to_string()).collect();
    assert_eq!(sockets.collect::<Vec<_>>(), listeners);
}

fn unit(name: &str) -> String {
    std::fs::read_to_string(example("hosting").with_file_name("systemd").join(name)).expect("a unit")
}

#[track_caller]
fn of_one_mind(node: &config::Node) {
    let value = |unit: &str, key: &str| {
        let found = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("no {key} in {unit}")).to_owned()
    };
    let (of_node, of_launcher) = (unit("parvis.service"), unit("parvis-launcher.service"));
    let runtime = |unit: &str| Path::new("/run").join(value(unit, "RuntimeDirectory"));
    assert_eq!(Some(value(&of_node, "User")), node.user);
    assert!(!of_launcher.contains("User="));
    assert_eq!(node.admin.socket.as_deref().expect("a socket").parent(), Some(&*runtime(&of_node)));
    assert_eq!(node.state, Path::new("/var/lib").join(value(&of_node, "StateDirectory")));
    let made: Vec<_> =
        value(&of_node, "LogsDirectory").split(' ').map(|name| Path::new("/var/log").join(name)).collect();
    let legal = node.legal.as_ref().map(|legal| &legal.directory);
    for used in node.logs.directory.iter().chain(legal) {
        assert!(made.contains(used), "{} is not made by the unit", used.display());
    }
    assert_eq!(node.launcher.socket.as_deref().expect("a socket").parent(), Some(&*runtime(&of_launcher)));
    assert!(!node.launcher.directory.starts_with(runtime(&of_node)));
    // The longest name of an account has room in the path of its socket, which ends in sixteen digits and ".sock".
    assert!(node.launcher.directory.join("a".repeat(63)).join("0".repeat(21)).as_os_str().len() <= 107);
    let group =
        Path::new("/sys/fs/cgroup").join(value(&of_launcher, "Slice")).join("parvis-launcher.service");
    assert_eq!(node.launcher.cgroup_root, Some(group.join("accounts")));
}
