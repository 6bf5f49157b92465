//! The paths of logs below their directory: the accounts' by the templates of `[logs] http` and `[logs] sites`, that of
//! connections by one that is always the same.

use super::entry::{Entry, Log};
use super::local_time::Day;
use crate::config::Logs;
use std::path::{Component, Path};

/// The template of each log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Templates {
    access: PathTemplate,
    site: PathTemplate,
    connections: PathTemplate,
}

/// A template, parsed: `{account}/http/{year}/{file}-{date}.log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathTemplate(Vec<Piece>);

/// A part of a template: text, or the variable of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Account,
    File,
    Year,
    Month,
    Date,
}

/// Why a template is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A variable that does not exist.
    #[error(
        "`{{{0}}}` is not a variable of a log path: write {{account}}, {{file}}, {{year}}, {{month}} or {{date}}"
    )]
    UnknownVariable(String),
    /// A brace without its partner.
    #[error("a brace stands alone")]
    Brace,
    /// Not a relative path of plain names.
    #[error("a log path is a relative one, without `..`")]
    Path,
}

impl Templates {
    pub(super) fn parse(logs: &Logs) -> Result<Self, TemplateError> {
        let (access, site) = (PathTemplate::parse(&logs.http)?, PathTemplate::parse(&logs.sites)?);
        Ok(Self { access, site, connections: PathTemplate::of_connections() })
    }

    /// The templates of the accounts' files.
    pub(super) fn each(&self) -> [&PathTemplate; 2] {
        [&self.access, &self.site]
    }

    /// The relative path of an entry's file.
    pub(super) fn path(&self, entry: &Entry<'_>, day: &Day) -> String {
        let template = match entry.log {
            Log::Access => &self.access,
            Log::Site => &self.site,
            Log::Connections => &self.connections,
        };
        template.path(entry.account, entry.file, day)
    }
}

impl PathTemplate {
    pub(super) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            if brace > 0 {
                pieces.push(Piece::Text(rest[..brace].to_owned()));
            }
            let (variable, after) = rest[brace..]
                .strip_prefix('{')
                .and_then(|rest| rest.split_once('}'))
                .ok_or(TemplateError::Brace)?;
            pieces.push(match variable {
                "account" => Piece::Account,
                "file" => Piece::File,
                "year" => Piece::Year,
                "month" => Piece::Month,
                "date" => Piece::Date,
                other => return Err(TemplateError::UnknownVariable(other.to_owned())),
            });
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        // Values are plain names themselves, so what holds for one set of them holds for all.
        let sample = text.replace(['{', '}'], "");
        let is_below = Path::new(&sample).components().all(|part| matches!(part, Component::Normal(_)));
        if sample.is_empty() || !is_below || sample.ends_with('/') || sample.contains('\0') {
            return Err(TemplateError::Path);
        }
        Ok(Self(pieces))
    }

    /// `connections-{date}.log`
    pub(super) fn of_connections() -> Self {
        let text = |text: &str| Piece::Text(text.to_owned());
        Self(vec![text("connections-"), Piece::Date, text(".log")])
    }

    /// Its parts.
    pub(super) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// The relative path of one file.
    fn path(&self, account: &str, file: &str, day: &Day) -> String {
        let mut path = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => path.push_str(text),
                Piece::Account => path.push_str(account),
                Piece::File => path.push_str(file),
                Piece::Year => path.push_str(day.year()),
                Piece::Month => path.push_str(day.month()),
                Piece::Date => path.push_str(day.iso_date()),
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::super::local_time::LocalTime;
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn variables_become_parts_of_the_path() {
        let template = PathTemplate::parse("{account}/http/{year}/{file}-{date}.log").unwrap();
        let mut time = LocalTime::new(TimeZone::UTC);
        let path = template.path("alice", "http", time.day(1_773_446_400));
        assert_eq!(path, "alice/http/2026/http-2026-03-14.log");
        let template = PathTemplate::parse("{year}/{month}/{account}.log").unwrap();
        assert_eq!(template.path("alice", "http", time.day(1_773_446_400)), "2026/03/alice.log");
        assert_eq!(PathTemplate::parse("all.log").unwrap().path("a", "b", time.day(0)), "all.log");
    }

    #[test]
    fn a_template_that_is_none_says_why() {
        for (text, error) in [
            ("{host}.log", TemplateError::UnknownVariable("host".into())),
            ("{account", TemplateError::Brace),
            ("account}", TemplateError::Brace),
            ("{{account}}", TemplateError::UnknownVariable("{account".into())),
            ("", TemplateError::Path),
            ("/var/log/{file}", TemplateError::Path),
            ("{account}/", TemplateError::Path),
            ("../{account}", TemplateError::Path),
            ("{account}/../{file}", TemplateError::Path),
        ] {
            assert_eq!(PathTemplate::parse(text), Err(error), "{text}");
        }
    }
}
