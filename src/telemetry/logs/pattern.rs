//! Which files below a directory a template may have made, and what their paths say: the way back from a path to its
//! account and day. A path that a template cannot have made says nothing. Opens no file.

use super::template::{PathTemplate, Piece};
use jiff::civil::Date;

/// A template, read backwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Of each directory, and last of the file.
    names: Vec<Vec<Piece>>,
    whole: Vec<Piece>,
}

/// What a path may say of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// Whose it is, where the path says so.
    pub(super) account: Option<String>,
    /// The last day that it has lines of.
    pub(super) last: Date,
}

/// The values of variables that were read so far.
#[derive(Clone, Debug, Default)]
struct Values<'a> {
    account: Option<&'a str>,
    file: Option<&'a str>,
    year: Option<i16>,
    month: Option<i8>,
    date: Option<Date>,
}

impl Pattern {
    pub(super) fn new(template: &PathTemplate) -> Self {
        let mut names: Vec<Vec<Piece>> = vec![Vec::new()];
        for piece in template.pieces() {
            let Piece::Text(text) = piece else {
                names.last_mut().into_iter().for_each(|name| name.push(piece.clone()));
                continue;
            };
            for (place, part) in text.split('/').enumerate() {
                if place > 0 {
                    names.push(Vec::new());
                }
                if !part.is_empty() {
                    names.last_mut().into_iter().for_each(|name| name.push(Piece::Text(part.to_owned())));
                }
            }
        }
        // `a//b` and `a/./b` are `a/b`.
        names.retain(|name| !name.is_empty() && *name != [Piece::Text(".".to_owned())]);
        let slash = [Piece::Text("/".to_owned())];
        let whole = names.join(&slash[..]);
        Self { names, whole }
    }

    /// How many directories lead to its files.
    pub(super) fn depth(&self) -> usize {
        self.names.len().saturating_sub(1)
    }

    /// Whether a directory so deep, from 0, and of this name may lead to a file.
    pub(super) fn leads_through(&self, depth: usize, name: &str) -> bool {
        let mut leads = false;
        if let Some(pieces) = self.names.get(depth).filter(|_| depth < self.depth()) {
            read(pieces, name, &Values::default(), &mut |_| leads = true);
        }
        leads
    }

    /// Everything that the path of a file may say: nothing where the template cannot have made it, or where the path has
    /// no date, so that its last line may always be still to come. More than one where two names stand side by side and
    /// could be parted elsewhere.
    pub(super) fn readings(&self, path: &str) -> Vec<Reading> {
        let mut readings = Vec::new();
        read(&self.whole, path, &Values::default(), &mut |values| {
            let reading =
                values.last_day().map(|last| Reading { account: values.account.map(str::to_owned), last });
            if readings.len() < MOST_READINGS {
                readings.extend(reading.filter(|reading| !readings.contains(reading)));
            }
        });
        readings
    }
}

impl Values<'_> {
    /// The last day of what the path names, unless it contradicts itself.
    fn last_day(&self) -> Option<Date> {
        let day = match (self.date, self.year, self.month) {
            (Some(date), ..) => date,
            (None, Some(year), Some(month)) => Date::new(year, month, 1).ok()?.last_of_month(),
            (None, Some(year), None) => Date::new(year, 12, 31).ok()?,
            // A month of any year comes again.
            (None, None, _) => return None,
        };
        let agrees = self.year.is_none_or(|year| year == day.year())
            && self.month.is_none_or(|month| month == day.month());
        agrees.then_some(day)
    }
}

/// Calls `found` with every way in which `pieces` make `rest` whole.
fn read<'a>(pieces: &[Piece], rest: &'a str, values: &Values<'a>, found: &mut dyn FnMut(&Values<'a>)) {
    let Some((piece, pieces)) = pieces.split_first() else {
        if rest.is_empty() {
            found(values);
        }
        return;
    };
    match piece {
        Piece::Text(text) => {
            if let Some(rest) = rest.strip_prefix(text.as_str()) {
                read(pieces, rest, values, found);
            }
        }
        Piece::Account => each_name(rest, values.account, &mut |name, rest| {
            read(pieces, rest, &Values { account: Some(name), ..values.clone() }, found);
        }),
        Piece::File => each_name(rest, values.file, &mut |name, rest| {
            read(pieces, rest, &Values { file: Some(name), ..values.clone() }, found);
        }),
        Piece::Year => {
            if let Some((year, rest)) = digits(rest, 4)
                && values.year.is_none_or(|before| before == year)
            {
                read(pieces, rest, &Values { year: Some(year), ..values.clone() }, found);
            }
        }
        Piece::Month => {
            let month = digits(rest, 2).and_then(|(month, rest)| Some((i8::try_from(month).ok()?, rest)));
            if let Some((month, rest)) = month.filter(|(month, _)| (1..=12).contains(month))
                && values.month.is_none_or(|before| before == month)
            {
                read(pieces, rest, &Values { month: Some(month), ..values.clone() }, found);
            }
        }
        Piece::Date => {
            if let Some((date, rest)) =
                date(rest).filter(|(date, _)| values.date.is_none_or(|before| before == *date))
            {
                read(pieces, rest, &Values { date: Some(date), ..values.clone() }, found);
            }
        }
    }
}

/// Calls `found` with every name that `rest` may begin with, and what follows it: one name, where the variable stood before.
fn each_name<'a>(rest: &'a str, before: Option<&'a str>, found: &mut dyn FnMut(&'a str, &'a str)) {
    if let Some(name) = before {
        if let Some(rest) = rest.strip_prefix(name) {
            found(name, rest);
        }
        return;
    }
    if rest.starts_with('.') {
        return;
    }
    let most = rest.bytes().take_while(|byte| is_of_name(*byte)).count();
    for length in (1..=most).rev() {
        let (name, rest) = rest.split_at(length);
        found(name, rest);
    }
}

/// Whether a byte may stand in a name that becomes part of a path.
pub(super) fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn digits(text: &str, count: usize) -> Option<(i16, &str)> {
    let (digits, rest) = text.split_at_checked(count)?;
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some((number, rest))
}

/// `2026-03-14`, as a day that exists.
fn date(text: &str) -> Option<(Date, &str)> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    Some((Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?, rest))
}

/// Readings of one path that are told apart: no template in use has more than one.
const MOST_READINGS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn pattern(template: &str) -> Pattern {
        Pattern::new(&PathTemplate::parse(template).unwrap())
    }

    fn readings(template: &str, path: &str) -> Vec<(Option<String>, Date)> {
        pattern(template).readings(path).into_iter().map(|reading| (reading.account, reading.last)).collect()
    }

    #[test]
    fn a_path_says_whose_it_is_and_of_which_day() {
        const HTTP: &str = "{account}/http/{year}/{file}-{date}.log";
        let alice = |day| vec![(Some("alice".to_owned()), day)];
        let day = date(2026, 3, 14);
        assert_eq!(readings(HTTP, "alice/http/2026/http-2026-03-14.log"), alice(day));
        assert_eq!(readings(HTTP, "alice/http/2026/shop-2-2026-03-14.log"), alice(day));
        assert_eq!(readings("{account}/.//sites/./{date}.log", "alice/sites/2026-03-14.log"), alice(day));
        assert_eq!(readings("{year}/{month}/{account}.log", "2024/02/alice.log"), alice(date(2024, 2, 29)));
        assert_eq!(readings("{account}-{year}", "alice-2024"), alice(date(2024, 12, 31)));
        assert_eq!(readings("connections-{date}.log", "connections-2026-03-14.log"), [(None, day)]);
        for foreign in [
            "alice/http/2026/http-2026-03-14.log.bak",
            "alice/http/2025/http-2026-03-14.log",
            "alice/http/2026/http-2026-02-30.log",
            "alice/http/2026/-2026-03-14.log",
            "alice/http/2026/.x-2026-03-14.log",
            "alice/http/2026/x y-2026-03-14.log",
            "alice/http/2026/x/http-2026-03-14.log",
            "alice/http/2026/\u{e9}-2026-03-14.log",
            "../http/2026/http-2026-03-14.log",
            "alice/http/http-2026-03-14.log",
            "",
        ] {
            assert_eq!(readings(HTTP, foreign), [], "{foreign}");
        }
        assert_eq!(readings("{account}/{account}.{date}", "alice/bob.2026-03-14"), []);
        // Nothing says when these end.
        assert_eq!(readings("{account}/http.log", "alice/http.log"), []);
        assert_eq!(readings("{account}/{month}.log", "alice/03.log"), []);
    }

    #[test]
    fn names_side_by_side_are_read_in_every_way() {
        let found = readings("{account}-{file}-{date}", "a-b-c-2026-03-14");
        let accounts: Vec<_> = found.iter().map(|(account, _)| account.as_deref().unwrap()).collect();
        assert_eq!(accounts, ["a-b", "a"]);
    }

    #[test]
    fn only_directories_of_the_template_are_entered() {
        let pattern = pattern("{account}/http/{year}/{file}-{date}.log");
        assert_eq!(pattern.depth(), 3);
        for (depth, name, leads) in [
            (0, "alice", true),
            (0, "_node", true),
            (0, ".hidden", false),
            (0, "a b", false),
            (1, "http", true),
            (1, "sites", false),
            (2, "2026", true),
            (2, "26", false),
            (3, "http-2026-03-14.log", false),
        ] {
            assert_eq!(pattern.leads_through(depth, name), leads, "{depth} {name}");
        }
    }
}
