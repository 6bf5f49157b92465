//! The Debian package, built by `cargo deb`: what lintian says of it, what it installs with which owners and modes, and that
//! systemd runs a node and a launcher by its units: confined as they say, the ports of the web included, through restarts and
//! an upgrade. `packaging/test` installs it on a copy of this machine that is gone afterwards.
//!
//! Where a program is missing the test is left out, as in `real_programs`; where this is not root, only the installation.

use crate::support::edge::BINARY;
use crate::support::machine::Told;
use crate::support::program::{self, is_root, run};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn a_package_is_installed_used_and_removed() {
    let programs =
        ["cargo-deb", "dpkg-shlibdeps", "lintian", "systemd-analyze", "adduser", "ip", "man", "curl"];
    if programs.iter().any(|name| program::find(name).is_none()) {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let package = built(directory.path());
    // Its own account of what is wrong, if anything is.
    let said =
        run(Command::new("lintian").args(["--allow-root", "--fail-on", "error,warning"]).arg(&package));
    assert_eq!(said, "");
    let conffiles = run(Command::new("dpkg-deb").arg("--info").arg(&package).arg("conffiles"));
    assert_eq!(conffiles.trim(), "/etc/parvis/parvis.toml");
    let about = run(Command::new("dpkg-deb").arg("--field").arg(&package));
    assert!(about.contains("\nDepends: adduser, ") && about.contains(" libc6 (>= "), "{about}");
    assert!(about.contains(&format!("\nVersion: {}-1\n", env!("CARGO_PKG_VERSION"))), "{about}");
    let changelog = packaging("changelog");
    assert!(changelog.starts_with(&format!("parvis ({}-1) ", env!("CARGO_PKG_VERSION"))), "{changelog}");

    if !is_root("the Debian package is installed") || !can_be_apart() {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/test");
    let told = Told::new(run(Command::new(script).arg(&package)));
    told.of("end");

    assert_eq!(
        told.of("files").lines().collect::<Vec<_>>(),
        [
            "drwxr-xr-x root:root /etc/parvis",
            "drwxr-s--- root:parvis /etc/parvis/accounts.d",
            "drwxr-s--- root:parvis /etc/parvis/certificates",
            "-rw-r--r-- root:root /etc/parvis/parvis.toml",
            "drwxr-x--- parvis:parvis /var/lib/parvis",
            "drwxr-x--x parvis:parvis /var/log/parvis",
            "-rwxr-xr-x root:root /usr/bin/parvis",
        ]
    );
    assert!(told.of("user").ends_with(":/var/lib/parvis:/usr/sbin/nologin"), "{}", told.of("user"));
    assert_eq!(told.of("conffiles"), "/etc/parvis/parvis.toml");
    assert_eq!(told.of("enabled"), "", "an operator enables what is to run");
    assert_eq!(told.of("units"), "", "systemd-analyze finds nothing");
    assert!(told.of("manual").ends_with("/parvis.1.gz"), "{}", told.of("manual"));
    assert!(told.of("completions").ends_with(" parvis"), "{}", told.of("completions"));
    assert!(told.of("check").contains("is right: 4 listeners, 0 accounts"), "{}", told.of("check"));

    // The packaged node file and units as they are: ports below 1024 by the one capability, the program by the launcher as its
    // user, in a control group of its own.
    assert_eq!(told.of("active").lines().collect::<Vec<_>>(), ["active"; 3]);
    let by_alice = |version: &str| format!("a program of alice  200 HTTP/{version}");
    assert_eq!(told.of("answers").lines().collect::<Vec<_>>(), ["1.1", "2", "1.1", "2"].map(by_alice));
    assert_eq!(told.of("modes"), "srw-rw---- parvis:parvis /run/parvis/admin.sock");
    let status = told.of("status");
    assert!(status.contains("  1 accounts, 1 hosts,") && status.contains("tls    yes\n"), "{status}");
    assert!(told.of("metrics").contains("parvis_accounts 1\n"), "{}", told.of("metrics"));
    assert_eq!(told.of("programs"), "alice\n/usr/bin/perl server.pl");
    // Whoever took it over would find this. CAP_NET_BIND_SERVICE is the eleventh capability; 2: a filter of system calls.
    let read_only = |path: &str| format!("touch: cannot touch '{path}/x': Read-only file system");
    let mut confined =
        ["CapEff:", "CapBnd:", "CapAmb:"].map(|set| format!("{set}\t0000000000000400")).to_vec();
    confined.extend(["NoNewPrivs:\t1", "Seccomp:\t2", "0::/system.slice/parvis.service"].map(str::to_owned));
    confined.push("parvis-old-logs gives way".to_owned());
    confined.extend(["/etc/parvis", "/usr", "/home/alice", "/sys/fs/cgroup"].map(read_only));
    assert_eq!(told.of("confined").lines().collect::<Vec<_>>(), confined);

    assert_eq!(told.of("reloaded"), "documents=0");
    assert_eq!(
        told.of("restarted").lines().map(str::trim).collect::<Vec<_>>(),
        ["nobody was refused", "200 a program of alice", "by another process"]
    );
    let logs = told.of("logs").lines().collect::<Vec<_>>();
    assert_eq!(
        logs,
        [
            "-rw-r----- parvis:parvis alice/http/DATE/http-DATE.log",
            "-rw-r----- parvis:parvis alice/sites/DATE.log"
        ]
    );
    let journal = told.of("journal");
    assert!(
        journal.contains("\"GET /journal HTTP/1.1\" 200 19 ") && journal.contains("web: Upstream "),
        "{journal}"
    );
    assert!(!journal.contains("[1-200]") && !journal.contains("parvis::"), "only the account's: {journal}");

    let upgraded = told.of("upgraded");
    assert!(upgraded.starts_with("parvis: the version before still runs."), "{upgraded}");
    assert!(upgraded.ends_with("\n# mine\ndrwx------\nwhat ran goes on"), "{upgraded}");
    let ended = told.of("ended").lines().filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let in_order = ["Result=success", "ExecMainStatus=0"];
    assert_eq!(ended, [&in_order[..], &in_order, &["no program is left"]].concat());
    assert_eq!(told.of("warnings"), "");

    let removed = told.of("removed");
    assert!(removed.contains("cannot access '/usr/bin/parvis'"), "{removed}");
    assert!(removed.contains("\n/etc/parvis/accounts.d/alice.toml\n/etc/parvis/parvis.toml"), "{removed}");
    assert_eq!(
        told.of("purged"),
        "/etc/parvis\n/etc/parvis/accounts.d\n/etc/parvis/accounts.d/alice.toml",
        "what others wrote stays"
    );
}

/// The package of the binary under test.
#[track_caller]
fn built(directory: &Path) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/build");
    // The variables cargo sets for tests are not for another cargo.
    run(Command::new(script).arg(BINARY).arg(directory).env_remove("CARGO_TARGET_DIR"));
    let files = fs::read_dir(directory).expect("a directory").flatten().map(|entry| entry.path());
    files.into_iter().find(|file| file.extension().is_some_and(|ext| ext == "deb")).expect("a package")
}

/// Whether a process can have what a machine has here: mounts, a network, processes, control groups; where it cannot that is said.
fn can_be_apart() -> bool {
    let apart = ["--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup", "--fork"];
    let mounted = "mount -t tmpfs tmpfs /mnt && mkdir /mnt/x && mount -t cgroup2 cgroup2 /mnt/x";
    let tried = Command::new("unshare").args(apart).args(["sh", "-c", mounted]).output();
    let can = tried.is_ok_and(|output| output.status.success());
    if !can {
        let line = "left out, because nothing can be mounted here: the Debian package is installed\n";
        std::io::stderr().write_all(line.as_bytes()).expect("stderr");
    }
    can
}

fn packaging(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name);
    fs::read_to_string(path).expect("a file of the package")
}
