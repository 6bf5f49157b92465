//! Pages that stand in the place of our own: files of a directory, read and checked when its node file or document is.
//! A page is told by its file's name what it is for: `CAUSE.html`, `BLAME.html` (client, site, limit, us), `all.html`; and
//! `CAUSE.fr.html` is for who reads French.

use super::{Language, Told};
use crate::base::{Blame, Cause, read_below};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// The pages of a node or an account.
#[derive(Debug, Default)]
pub struct Pages {
    pages: HashMap<(Subject, Option<Language>), Template>,
}

/// A file that is no page, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The file, or the directory.
    pub file: PathBuf,
    /// Why.
    pub why: String,
}

/// What a page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Cause(Cause),
    Blame(Blame),
    All,
}

/// A page with places to be filled in.
#[derive(Debug)]
struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(Box<str>),
    Variable(Variable),
}

#[derive(Clone, Copy, Debug)]
enum Variable {
    Status,
    Title,
    Text,
    Fault,
    Cause,
    RequestId,
    Language,
}

impl Pages {
    /// Reads the pages of `directory`, and tells which of its files are none. May block: not for a worker.
    pub fn read(directory: &Path) -> (Self, Vec<Unread>) {
        let (mut pages, mut unread) = (Self::default(), Vec::new());
        let mut left = MOST_BYTES;
        let files = files(directory).unwrap_or_else(|error| {
            unread.push(Unread { file: directory.to_owned(), why: error.to_string() });
            Vec::new()
        });
        for name in files {
            let (subject, file) = (Subject::of(&name), directory.join(format!("{name}.html")));
            let read = subject.and_then(|subject| {
                let text = read(directory, &name, left).map_err(|error| error.to_string())?;
                left -= text.len();
                Ok((subject, Template::parse(&text)?))
            });
            match read {
                Ok((subject, template)) => _ = pages.pages.insert(subject, template),
                Err(why) => unread.push(Unread { file, why }),
            }
        }
        (pages, unread)
    }

    /// The page for `told`: that of its cause, else of who is to blame, else the one for all.
    pub fn render(&self, told: &Told) -> Option<String> {
        let subjects = [Subject::Cause(told.cause), Subject::Blame(told.cause.verdict().blame), Subject::All];
        let template = subjects.into_iter().find_map(|subject| {
            self.pages.get(&(subject, Some(told.language))).or_else(|| self.pages.get(&(subject, None)))
        })?;
        Some(template.fill(told))
    }
}

/// The names of a directory's files that end in `.html`, without that, in their order. Others are somebody's own.
fn files(directory: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().and_then(|name| name.strip_suffix(".html")) {
            files.push(name.to_owned());
        }
        if files.len() > MOST_FILES {
            return Err(io::Error::other(format!("more than {MOST_FILES} pages")));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Reads a page. The directory may be the account's own, and whoever writes there must not have the node read for him what he
/// cannot.
fn read(directory: &Path, name: &str, left: usize) -> io::Result<String> {
    let most = MOST_PAGE_BYTES.min(left);
    let bytes = read_below(directory, &format!("{name}.html"), most)?;
    if bytes.len() > most {
        return Err(io::Error::other("a page has at most 64 KiB, and all of them 256 KiB"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))
}

impl Subject {
    /// What a file of this name, without `.html`, is for, and for readers of which language.
    fn of(name: &str) -> Result<(Self, Option<Language>), String> {
        let (subject, tag) = name.split_once('.').map_or((name, None), |(subject, tag)| (subject, Some(tag)));
        let language = match tag {
            None => None,
            Some(tag) => {
                let known = Language::ALL.into_iter().find(|language| language.tag() == tag);
                Some(known.ok_or_else(|| format!("there are pages in en and fr, not in {tag:?}"))?)
            }
        };
        let cause = Cause::ALL.iter().find(|cause| cause.verdict().word == subject);
        let blame = Blame::ALL.into_iter().find(|blame| blame.word() == subject);
        let subject = match (cause, blame) {
            (Some(cause), _) => Self::Cause(*cause),
            (_, Some(blame)) => Self::Blame(blame),
            _ if subject == "all" => Self::All,
            _ => {
                return Err(format!(
                    "{subject:?} is no cause: causes.md has them; or write client, site, limit, us or all"
                ));
            }
        };
        Ok((subject, language))
    }
}

impl Template {
    fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, behind)) = rest.split_once("{{") {
            parts.push(Part::Text(before.into()));
            let Some((name, behind)) = behind.split_once("}}") else {
                return Err("`{{` without its `}}`".to_owned());
            };
            let name = name.trim();
            let variable = VARIABLES.iter().find(|(known, _)| *known == name);
            let Some((_, variable)) = variable else {
                let known: Vec<&str> = VARIABLES.iter().map(|(known, _)| *known).collect();
                return Err(format!("there is no {name:?}: there are {}", known.join(", ")));
            };
            parts.push(Part::Variable(*variable));
            rest = behind;
        }
        parts.push(Part::Text(rest.into()));
        Ok(Self(parts))
    }

    /// Every value is ours: none of them has to be escaped.
    fn fill(&self, told: &Told) -> String {
        let mut page = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => page.push_str(text),
                Part::Variable(Variable::Status) => page.push_str(&told.status().to_string()),
                Part::Variable(Variable::Title) => page.push_str(told.title()),
                Part::Variable(Variable::Text) => page.push_str(told.text()),
                Part::Variable(Variable::Fault) => page.push_str(told.fault()),
                Part::Variable(Variable::Cause) => page.push_str(told.cause.verdict().word),
                Part::Variable(Variable::RequestId) => page.push_str(&told.id.to_string()),
                Part::Variable(Variable::Language) => page.push_str(told.language.tag()),
            }
        }
        page
    }
}

const VARIABLES: [(&str, Variable); 7] = [
    ("status", Variable::Status),
    ("title", Variable::Title),
    ("text", Variable::Text),
    ("fault", Variable::Fault),
    ("cause", Variable::Cause),
    ("request_id", Variable::RequestId),
    ("language", Variable::Language),
];

/// Bytes of a page.
const MOST_PAGE_BYTES: usize = 64 << 10;

/// Bytes of all pages of an account or the node: they stay in memory.
const MOST_BYTES: usize = 256 << 10;

/// Files that are looked at.
const MOST_FILES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::RequestId;
    use rustix::fs::{FileType, Mode};

    fn told(cause: Cause, language: Language) -> Told {
        Told { cause, id: RequestId::from_random(0), language }
    }

    #[test]
    fn the_nearest_page_is_shown() {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("refused.html", "refused {{request_id}}"),
            ("refused.fr.html", "refus {{ cause }}"),
            ("site.html", "site {{status}} {{title}}"),
            ("all.fr.html", "tout {{text}} {{fault}} {{language}}"),
            ("notes.txt", "{{"),
        ] {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let (pages, unread) = Pages::read(directory.path());
        assert_eq!(unread, []);
        let render = |cause, language| pages.render(&told(cause, language));
        assert_eq!(render(Cause::Refused, Language::English).unwrap(), "refused 0000000000000000");
        assert_eq!(render(Cause::Refused, Language::French).unwrap(), "refus refused");
        assert_eq!(
            render(Cause::Closed, Language::French).unwrap(),
            "site 502 Réponse incorrecte du serveur du site"
        );
        assert_eq!(render(Cause::Rate, Language::English), None);
        assert_eq!(
            render(Cause::Rate, Language::French).unwrap(),
            "tout Trop de requêtes sont arrivées en peu de temps. Merci de réessayer dans un instant.  fr"
        );
    }

    /// Whoever may write pages cannot have the node read for him what only it can read.
    #[test]
    fn a_link_is_no_page_and_neither_is_a_pipe() {
        let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(elsewhere.path().join("key.pem"), "PRIVATE KEY").unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join("key.pem"), directory.path().join("all.html"))
            .unwrap();
        let pipe = directory.path().join("site.html");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let (pages, unread) = Pages::read(directory.path());
        assert!(pages.pages.is_empty());
        let why: Vec<_> = unread.iter().map(|unread| unread.why.as_str()).collect();
        assert_eq!(why, ["it is a link, and no link is followed here", "it is not a file"]);
        // The directory itself is the operator's word, be it a link or not.
        let linked = elsewhere.path().join("pages");
        std::os::unix::fs::symlink(directory.path(), &linked).unwrap();
        std::fs::write(directory.path().join("us.html"), "ours").unwrap();
        assert_eq!(Pages::read(&linked).0.pages.len(), 1);
    }

    #[test]
    fn what_is_no_page_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for (name, text) in [
            ("refussed.html", ""),
            ("refused.de.html", ""),
            ("closed.html", "{{x"),
            ("rate.html", "{{host}}"),
        ] {
            std::fs::write(path(name), text).unwrap();
        }
        std::fs::write(path("denied.html"), vec![b'x'; MOST_PAGE_BYTES + 1]).unwrap();
        std::fs::write(path("loop.html"), [0xff]).unwrap();
        std::fs::create_dir(path("all.html")).unwrap();
        let (pages, unread) = Pages::read(directory.path());
        assert!(pages.pages.is_empty());
        let told: Vec<_> =
            unread.iter().map(|unread| unread.file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(
            told,
            [
                "all.html",
                "closed.html",
                "denied.html",
                "loop.html",
                "rate.html",
                "refused.de.html",
                "refussed.html"
            ]
        );
        let (_, unread) = Pages::read(&path("absent"));
        assert_eq!(unread[0].file, path("absent"));
    }
}
