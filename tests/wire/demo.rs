//! `parvis demo`: needs nothing, and all that it prints works as printed.

use crate::support::program::{self, run};
use crate::support::wait;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

#[test]
fn the_lines_to_paste_work_as_printed() {
    let Some(_) = program::find("curl") else { return };
    let demo = Demo::start();
    let lines: Vec<&str> =
        demo.text.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    assert!(lines.len() >= 5, "{}", demo.text);
    for line in &lines {
        // A stream without end is left after the time its line says, which curl calls an error.
        let ends = !line.contains("--max-time");
        let output = Command::new("/bin/sh").args(["-c", &format!("{line} --silent --show-error")]).output();
        let output = output.expect("a shell");
        let (said, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() || !ends, "{line}\n{said}{error}");
        assert!(!said.is_empty(), "{line}\n{error}");
    }
    let all = lines.join("\n");
    for option in ["--http1.1", " -4 ", " -6 ", "/events"] {
        assert!(all.contains(option), "nothing with {option} among\n{all}");
    }
}

/// Every address in the table answers, and says what the table says.
#[test]
fn the_addresses_answer() {
    let Some(curl) = program::find("curl") else { return };
    let demo = Demo::start();
    let mut answers = Vec::new();
    for line in demo.text.lines().map(str::trim).filter(|line| line.starts_with("http")) {
        let (url, _what) = line.split_once(' ').expect("an address and what it is");
        let mut command = Command::new(&curl);
        command.args(["--silent", "--insecure", "--max-time", "5", "--output", "/dev/null"]);
        let status = command.args(["--write-out", "%{response_code}", url]).output().expect("curl").stdout;
        answers.push((url.to_owned(), String::from_utf8_lossy(&status).into_owned()));
    }
    for (host, status) in [
        ("https://alice.", "200"),
        ("https://chat.", "200"),
        ("https://bob.", "200"),
        ("https://dora.", "200"),
        ("https://carol.", "502"),
        ("https://old.", "301"),
        ("http://alice.", "301"),
        ("https://nobody.", "404"),
    ] {
        let found: Vec<_> = answers.iter().filter(|(url, _)| url.starts_with(host)).collect();
        assert!(!found.is_empty() && found.iter().all(|(_, found)| found == status), "{host}: {answers:?}");
    }
}

/// A browser opens the page that speaks to a WebSocket, over TLS and HTTP/2, and hears the echo.
#[test]
fn a_browser_is_served() {
    let Some(chromium) = program::find("chromium") else { return };
    let demo = Demo::start();
    let url = demo
        .text
        .split_whitespace()
        .find(|word| word.starts_with("https://chat."))
        .expect("the chat's address");
    let profile = tempfile::tempdir().expect("a directory");
    let page = run(Command::new(&chromium)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--ignore-certificate-errors", "--timeout=10000", "--virtual-time-budget=8000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url));
    assert!(page.contains("<h1>"), "{page}");
    assert!(page.contains("echo: hello"), "no echo in the page: {page}");
}

/// Ctrl-C ends it in order, and what it wrote is gone.
#[test]
fn it_leaves_nothing_behind() {
    let demo = Demo::start();
    let word = demo.text.lines().find_map(|line| line.split("and removes ").nth(1)).expect("the directory");
    let directory = std::path::PathBuf::from(word.trim());
    assert!(directory.join("parvis.toml").is_file());
    drop(demo);
    assert!(!directory.exists());
}

/// A running demo, and what it printed.
struct Demo {
    child: Child,
    text: String,
}

impl Demo {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_parvis"))
            .arg("demo")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary was built");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut text = String::new();
        // The last thing it tells is what to change.
        while !text.contains("\nChange ") {
            let count = lines.read_line(&mut text).expect("text");
            assert!(count > 0, "the demo ended at once:\n{text}");
        }
        Self { child, text }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        let ended = wait::try_until(wait::PATIENCE, || self.child.try_wait().expect("a child"));
        if ended.is_none() {
            let _ = self.child.kill();
        }
        assert!(std::thread::panicking() || ended.is_some_and(|status| status.success()), "{ended:?}");
    }
}
