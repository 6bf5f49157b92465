//! What a program is started with: its words and its variables. Pure.

use crate::base::{AccountName, UpstreamName};
use crate::config::{Command, Environment, UpstreamAddress};
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::Path;

/// What the variables are made of.
pub(super) struct About<'a> {
    /// The user's name.
    pub(super) user: &'a str,
    /// Where it is at home.
    pub(super) home: &'a Path,
    /// Where the program listens.
    pub(super) address: &'a UpstreamAddress,
    /// The socket, if that is `"auto"`.
    pub(super) socket: Option<&'a Path>,
    /// The account's own variables.
    pub(super) account: &'a Environment,
    /// The upstream's.
    pub(super) upstream: &'a Environment,
}

/// All variables of a program, each once: ours first, the account's over them, the upstream's over these.
pub(super) fn variables(about: &About<'_>) -> Vec<(String, OsString)> {
    let mut all: Vec<(String, OsString)> = Vec::new();
    let mut set = |name: &str, value: OsString| match all.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => all.push((name.to_owned(), value)),
    };
    set("PATH", PATH.into());
    set("HOME", about.home.into());
    set("USER", about.user.into());
    set("LOGNAME", about.user.into());
    set("SHELL", SHELL.into());
    match about.address {
        UpstreamAddress::Ip(address) => {
            let host = match address.ip() {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            };
            set("IP", address.ip().to_string().into());
            set("PORT", address.port().to_string().into());
            set("ADDRESS", format!("{host}:{}", address.port()).into());
            set("HOST", host.into());
        }
        UpstreamAddress::Unix(path) => set("SOCKET", path.into()),
        UpstreamAddress::Auto => {
            if let Some(socket) = about.socket {
                set("SOCKET", socket.into());
            }
        }
        // The check of a document refuses a program behind a name.
        UpstreamAddress::Url(_) => {}
    }
    for (name, value) in about.account.0.iter().chain(&about.upstream.0) {
        set(name, value.into());
    }
    all
}

/// The words that are executed: the wrapper's, then the program's.
pub(super) fn words(
    wrapper: &[String],
    command: &Command,
    account: &AccountName,
    upstream: &UpstreamName,
) -> Vec<String> {
    let name =
        |word: &String| word.replace("{account}", account.as_str()).replace("{upstream}", upstream.as_str());
    let mut words: Vec<String> = wrapper.iter().map(name).collect();
    match command {
        Command::Words(own) => words.extend_from_slice(own),
        Command::Shell(line) => words.extend([SHELL.to_owned(), "-c".to_owned(), format!("exec {line}")]),
    }
    words
}

/// Where programs are looked for.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What reads a line, and what programs take for the user's.
const SHELL: &str = "/bin/sh";

#[cfg(test)]
mod tests {
    use super::*;

    fn written(address: &UpstreamAddress, socket: Option<&Path>) -> Vec<String> {
        let pairs = |pairs: &[(&str, &str)]| {
            Environment(pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
        };
        let about = About {
            user: "alice",
            home: Path::new("/home/alice"),
            address,
            socket,
            account: &pairs(&[("COLOUR", "red"), ("PATH", "/opt/bin")]),
            upstream: &pairs(&[("COLOUR", "blue")]),
        };
        variables(&about).iter().map(|(name, value)| format!("{name}={}", value.display())).collect()
    }

    const ALWAYS: [&str; 5] =
        ["PATH=/opt/bin", "HOME=/home/alice", "USER=alice", "LOGNAME=alice", "SHELL=/bin/sh"];

    #[test]
    fn a_program_is_told_where_to_listen_and_what_its_document_says() {
        let expect = |address: UpstreamAddress, socket: Option<&str>, own: &[&str]| {
            let expected = [&ALWAYS[..], own, &["COLOUR=blue"]].concat();
            assert_eq!(written(&address, socket.map(Path::new)), expected);
        };
        let ip = |text: &str| UpstreamAddress::Ip(text.parse().unwrap());
        expect(
            ip("127.0.0.1:80"),
            None,
            &["IP=127.0.0.1", "PORT=80", "ADDRESS=127.0.0.1:80", "HOST=127.0.0.1"],
        );
        expect(
            ip("[fd00::2]:8100"),
            None,
            &["IP=fd00::2", "PORT=8100", "ADDRESS=[fd00::2]:8100", "HOST=[fd00::2]"],
        );
        expect(UpstreamAddress::Unix("/run/web.sock".into()), None, &["SOCKET=/run/web.sock"]);
        expect(UpstreamAddress::Auto, Some("/run/p/alice/1.sock"), &["SOCKET=/run/p/alice/1.sock"]);
    }

    #[test]
    fn the_wrapper_stands_in_front() {
        let (account, upstream) = (AccountName::new("alice").unwrap(), UpstreamName::new("web").unwrap());
        let wrapper = ["/usr/sbin/enter".to_owned(), "{account}/{upstream}".to_owned(), "--".to_owned()];
        let shell = Command::Shell("php {account}; ls".to_owned());
        let expected = ["/usr/sbin/enter", "alice/web", "--", "/bin/sh", "-c", "exec php {account}; ls"];
        assert_eq!(words(&wrapper, &shell, &account, &upstream), expected);
        let plain = Command::Words(vec!["node".to_owned(), "{account}".to_owned()]);
        assert_eq!(words(&[], &plain, &account, &upstream), ["node", "{account}"]);
    }
}
