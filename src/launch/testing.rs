//! A node with an accounts directory, for the tests of this module.

use crate::base::{AccountName, DocumentHash, UpstreamName};
use crate::config::{self, Node};
use crate::launch::{Instance, Order};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A directory that goes with it.
pub(super) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        for directory in ["", "accounts.d", "home"] {
            let directory = place.path(directory);
            fs::create_dir_all(&directory).unwrap();
            fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
        }
        place
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    /// The node, which lets programs run as anybody but root.
    pub(super) fn node(&self) -> Node {
        let text = format!(
            "[[listen]]\naddress = \"[::1]:0\"\n[node]\nstate = {:?}\n[accounts]\ndirectory = \"accounts.d\"\n\
             [launcher]\nuid_min = 1\ndirectory = {:?}\n",
            self.path("state"),
            self.path("programs"),
        );
        fs::write(self.path("parvis.toml"), text).unwrap();
        config::load_node(&self.path("parvis.toml")).unwrap()
    }

    /// Writes a document.
    pub(super) fn write(&self, account: &str, text: &str) -> DocumentHash {
        let file = self.path("accounts.d").join(format!("{account}.toml"));
        fs::write(&file, text).unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
        DocumentHash::of(text.as_bytes())
    }

    /// Writes a document with one program, `web`: its keys as written.
    pub(super) fn program(&self, account: &str, keys: &str) -> DocumentHash {
        let text = format!(
            "[run]\nuser = \"nobody\"\nhome = {:?}\n[[upstream]]\nname = \"web\"\n{keys}\n",
            self.path("home")
        );
        self.write(account, &text)
    }
}

/// The order to start `web` of alice.
pub(super) fn start(instance: u64, hash: DocumentHash) -> Order {
    start_of("alice", instance, hash)
}

/// The same of anybody.
pub(super) fn start_of(account: &str, instance: u64, hash: DocumentHash) -> Order {
    Order::Start {
        instance: Instance(instance),
        account: AccountName::new(account).unwrap(),
        upstream: UpstreamName::new("web").unwrap(),
        hash,
    }
}

/// A cgroup for this test, where the machine has cgroup v2 and lets us make one.
pub(super) fn cgroup(name: &str) -> Option<PathBuf> {
    let root = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].into_iter().find_map(|mount| {
        Path::new(mount).join("cgroup.subtree_control").exists().then(|| PathBuf::from(mount))
    })?;
    let root = root.join(format!("parvis-test-{name}-{}", std::process::id()));
    fs::create_dir(&root).is_ok().then_some(root)
}
