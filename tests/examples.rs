//! What `examples/` shows is right, and what it says of itself is true.

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
    assert!(node.state.starts_with(&directory) && node.admin.unwrap().starts_with(&directory));
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
