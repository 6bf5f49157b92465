//! A virtual machine of one boot: its files packed, a kernel started over them, what it says on its console read. Without
//! hardware support for it, so that it runs wherever the tests do.

use super::wait;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The files of a machine that does not run yet: an archive that the kernel unpacks into its memory (cpio in the form
/// "newc": magic, 13 numbers of 8 digits, the name, the content, both filled up to words). All of them are root's.
#[derive(Default)]
pub struct Image {
    archive: Vec<u8>,
    packed: BTreeSet<PathBuf>,
}

/// What a machine said: texts by their titles, each behind a line `=== TITLE`.
pub struct Told {
    console: String,
    texts: BTreeMap<String, String>,
}

/// Ends with its owner.
struct Emulator(Child);

impl Image {
    /// Adds a file that everybody may read, and the directories it stands in.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.pack(Path::new(path), FILE, content.as_ref());
        self
    }

    /// The same for a file that everybody may execute.
    #[must_use]
    pub fn script(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.pack(Path::new(path), EXECUTABLE, content.as_ref());
        self
    }

    /// Adds a program of this machine, with the libraries it is linked to in their places.
    #[must_use]
    pub fn program(mut self, path: &str, program: &Path) -> Self {
        self.pack(Path::new(path), EXECUTABLE, &read(program));
        // It fails for a program that is linked to none.
        let output = Command::new("ldd").arg(program).stdin(Stdio::null()).output().expect("ldd");
        let listed = String::from_utf8_lossy(&output.stdout).into_owned();
        for library in listed.split_whitespace().filter(|word| word.starts_with('/')).map(Path::new) {
            self.pack(library, EXECUTABLE, &read(library));
        }
        self
    }

    /// Adds those files below a directory of this machine, in their places, whose names are `wanted`. Goes by no link.
    #[must_use]
    pub fn tree(mut self, directory: &Path, wanted: impl Fn(&str) -> bool) -> Self {
        let mut left = vec![directory.to_owned()];
        while let Some(directory) = left.pop() {
            for entry in
                fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("a directory"))
            {
                if entry.file_type().expect("a directory").is_dir() {
                    left.push(entry.path());
                } else if entry.file_name().to_str().is_some_and(&wanted) && entry.path().is_file() {
                    self.pack(&entry.path(), EXECUTABLE, &read(&entry.path()));
                }
            }
        }
        self
    }

    /// Boots `kernel` over the files, with `/init` among them as its first process, and waits until that switches the
    /// machine off. What it said by then.
    #[track_caller]
    pub fn boot(mut self, emulator: &Path, kernel: &Path) -> Told {
        self.pack(Path::new("TRAILER!!!"), 0, b"");
        let directory = tempfile::tempdir().expect("a directory");
        let (image, console) = (directory.path().join("image"), directory.path().join("console"));
        fs::write(&image, &self.archive).expect("a temporary directory");
        let written = File::create(&console).expect("a temporary directory");
        let mut emulator = Emulator(
            Command::new(emulator)
                .args(MACHINE)
                .arg("-kernel")
                .arg(kernel)
                .arg("-initrd")
                .arg(image)
                // Its own complaints stand where the machine's do.
                .stderr(written.try_clone().expect("a descriptor"))
                .stdout(written)
                .stdin(Stdio::null())
                .spawn()
                .expect("a program that was found"),
        );
        let ended = wait::try_until(PATIENCE, || emulator.0.try_wait().expect("a child"));
        let said = fs::read(&console).expect("a temporary directory");
        let told = Told::new(String::from_utf8_lossy(&said).replace('\r', ""));
        assert!(ended.is_some(), "the machine did not end in {PATIENCE:?}:\n{}", told.console);
        told
    }

    fn pack(&mut self, path: &Path, mode: u32, content: &[u8]) {
        let name = path.strip_prefix("/").unwrap_or(path);
        if name == Path::new("") || !self.packed.insert(name.to_owned()) {
            return;
        }
        if let Some(above) = name.parent() {
            self.pack(above, DIRECTORY, b"");
        }
        let name = name.to_str().expect("UTF-8");
        let (number, length) = (self.packed.len(), content.len());
        // Number, mode, owner, group, links, time, length, devices, the name's length, no sum.
        let numbers = [number, mode as usize, 0, 0, 1, 0, length, 0, 0, 0, 0, name.len() + 1, 0];
        let mut head = "070701".to_owned();
        for number in numbers {
            write!(head, "{number:08x}").expect("a text");
        }
        for part in [format!("{head}{name}\0").as_bytes(), content] {
            self.archive.extend_from_slice(part);
            self.archive.resize(self.archive.len().next_multiple_of(4), 0);
        }
    }
}

impl Told {
    /// Reads what was printed.
    pub fn new(console: String) -> Self {
        let mut texts = BTreeMap::new();
        for part in format!("\n{console}").split("\n=== ").skip(1) {
            let (title, text) = part.split_once('\n').unwrap_or((part, ""));
            let twice = texts.insert(title.to_owned(), text.trim_end().to_owned());
            assert!(twice.is_none(), "\"{title}\" was told twice:\n{console}");
        }
        Self { console, texts }
    }

    /// All it said.
    pub fn console(&self) -> &str {
        &self.console
    }

    /// What it told under this title.
    #[track_caller]
    pub fn of(&self, title: &str) -> &str {
        self.texts.get(title).unwrap_or_else(|| panic!("nothing told of \"{title}\":\n{}", self.console))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One processor that is computed, one serial line, nothing else. Its clock counts instructions (4 ns each): it does not
/// run while this machine does something else, and where nobody does anything it jumps to whoever is next.
#[rustfmt::skip]
const MACHINE: &[&str] = &[
    "-accel", "tcg", "-icount", "shift=2,sleep=off", "-cpu", "qemu64,+rdrand", "-m", "512",
    "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot",
    // Only what the kernel dies of is told: the rest would stand in between.
    "-append", "console=ttyS0 loglevel=1 panic=-1",
    "-no-user-config",
];

/// How long a boot with all that is done then may take. A tenth of that is usual.
const PATIENCE: Duration = Duration::from_secs(120);

/// Kinds and permissions of what is packed.
const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const EXECUTABLE: u32 = 0o100_755;
