//! `[[site]]` of an account document: addresses and what answers there.

use super::checked::{
    AccountLimits, FixedAnswer, Hsts, LogFile, LogFormat, Node, Site, SiteAction, SiteLimits, Timeouts,
};
use super::log_format;
use super::names::Names;
use super::reader::{Table, Value, Within};
use super::redirect;
use super::scalar::{Scalar, Wrong, quoted};
use super::source::Of;
use super::values::site_address;
use super::{defaults as d, keys};
use crate::base::{ByteSize, LogFileName, SiteAddress, SiteName, UpstreamName};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What a site's own limits and timeouts start from and are held against.
pub(super) struct Bounds<'a> {
    /// The account's.
    pub(super) limits: &'a AccountLimits,
    /// The account's.
    pub(super) timeouts: &'a Timeouts,
    /// The most.
    pub(super) node: &'a Node,
}

/// Reads every `[[site]]`; `upstreams` are the names there are.
pub(super) fn read(top: &Table<'_>, upstreams: &Names, bounds: &Bounds<'_>) -> Vec<Site> {
    let tables = top.tables(&keys::SITE);
    let mut names = Names::default();
    let mut places = HashMap::new();
    let mut sites = Vec::with_capacity(tables.len());
    let mut complete = true;
    for table in &tables {
        let site = site(table, upstreams, bounds, &mut names, &mut places);
        complete &= site.is_some();
        sites.extend(site);
    }
    if complete {
        redirect::refuse_loops(&tables, &sites);
    }
    sites
}

fn site(
    table: &Table<'_>,
    upstreams: &Names,
    bounds: &Bounds<'_>,
    names: &mut Names,
    places: &mut HashMap<String, String>,
) -> Option<Site> {
    let name = names.read(table, &keys::SITE_NAME, SiteName::new);
    let addresses = table.get(&keys::SITE_ADDRESSES).map(|value| addresses(value, places));
    let action = action(table, upstreams);
    let hsts = hsts(&table.table(&keys::HSTS));
    let shows = bounds.node.logs.credentials;
    let log_format = table.get(&keys::SITE_LOG_FORMAT).and_then(|value| log_format::read(value, shows));
    let log_file = table.get(&keys::SITE_LOG_FILE).and_then(|value| value.parse(log_file));
    let (force_https, lend) = (table.setting(&d::FORCE_HTTPS), table.setting(&d::LEND));
    let trim_path = table.setting(&d::TRIM_PATH);
    let (limits, timeouts) = bounds_of_its_own(table, action.as_ref(), bounds);
    Some(Site {
        name: name?,
        addresses: addresses?,
        action: action?,
        trim_path,
        limits,
        timeouts,
        force_https,
        hsts,
        lend,
        log_format: log_format.unwrap_or(LogFormat::Advanced),
        log_file: log_file.unwrap_or_default(),
    })
}

/// A name alone: which directory it is in and how it ends, the node says.
fn log_file(text: &str) -> Result<LogFile, Wrong> {
    LogFileName::new(text).map(LogFile::named).map_err(|error| {
        let plain = text.rsplit('/').next().unwrap_or(text);
        let plain = plain.strip_suffix(".log").unwrap_or(plain);
        let wrong = Wrong::new(format!("{} is not the name of a log file", quoted(text)));
        if plain != text && LogFileName::new(plain).is_ok() {
            return wrong.hint(format!("write \"{plain}\": `[logs] http` of the node makes a path of it"));
        }
        wrong.hint(error.to_string())
    })
}

/// The addresses, none of which may stand in the document before.
fn addresses(value: Value<'_, '_>, places: &mut HashMap<String, String>) -> Vec<SiteAddress> {
    let mut addresses = Vec::new();
    for item in value.items(MAX_ADDRESSES) {
        let Some(address) = item.parse(site_address) else { continue };
        match places.entry(address.to_string()) {
            Entry::Vacant(place) => {
                place.insert(item.path());
                addresses.push(address);
            }
            Entry::Occupied(place) => {
                item.refuse(Wrong::new(format!("\"{address}\" is already {}", place.get())));
            }
        }
    }
    addresses
}

fn action(table: &Table<'_>, upstreams: &Names) -> Option<SiteAction> {
    let upstream = table.get(&keys::SITE_UPSTREAM);
    let redirect = table.table(&keys::REDIRECT);
    let answer = table.table(&keys::ANSWER);
    let all = [keys::SITE_UPSTREAM.name, keys::REDIRECT.name, keys::ANSWER.name];
    let wrote: Vec<&str> = all.into_iter().filter(|name| table.wrote(name)).collect();
    if let [one, other, ..] = wrote[..] {
        let wrong = Wrong::new(format!("`{one}` and `{other}` cannot both answer"));
        table.refuse_key(one, wrong.hint("remove one of the two"));
        return None;
    }
    match upstream {
        Some(value) => named(value, upstreams).map(SiteAction::Upstream),
        None if redirect.is_present() => redirect::read(&redirect).map(SiteAction::Redirect),
        None if answer.is_present() => fixed(&answer).map(SiteAction::Answer),
        None if !wrote.is_empty() => None,
        None => {
            let wrong = Wrong::new("nothing answers here");
            table.refuse(
                Of::Absence,
                wrong.hint(
                    "write `upstream = \"NAME\"`, `redirect = { to = \"…\" }` or `answer = { status = 410 }`",
                ),
            );
            None
        }
    }
}

/// An answer that is always the same.
fn fixed(table: &Table<'_>) -> Option<FixedAnswer> {
    let page = table.get(&keys::ANSWER_PAGE).and_then(|value| {
        value.text().is_some_and(|text| !PAGES.iter().any(|kind| text.ends_with(kind))).then(|| {
            let wrong = Wrong::new("what is in it is told by how its name ends, and this is none of those");
            value.refuse(wrong.hint("write a file whose name ends in .html, .txt or .json"));
        });
        value.path_buf()
    });
    let value = table.get(&keys::ANSWER_STATUS)?;
    let number = value.scalar::<u32>()?;
    match u16::try_from(number) {
        Ok(status) if (200..600).contains(&status) && !matches!(status, 204 | 205 | 300..400) => {
            Some(FixedAnswer { status, page })
        }
        _ => {
            let wrong =
                Wrong::new(format!("{} is not the status of an answer with a page", number.written()));
            value.refuse(
                wrong.hint("write one such as 200, 404, 410, 451 or 503; `redirect` has those that redirect"),
            );
            None
        }
    }
}

/// How the names of pages end.
const PAGES: [&str; 3] = [".html", ".txt", ".json"];

/// The site's own limits, and timeouts where it has any.
fn bounds_of_its_own(
    table: &Table<'_>,
    action: Option<&SiteAction>,
    bounds: &Bounds<'_>,
) -> (SiteLimits, Option<Box<Timeouts>>) {
    let (limits, timeouts) = (table.table(&keys::SITE_LIMITS), table.table(&keys::SITE_TIMEOUTS));
    if !matches!(action, None | Some(SiteAction::Upstream(_))) {
        let own = [keys::SITE_LIMITS.name, keys::SITE_TIMEOUTS.name];
        for name in own.into_iter().filter(|name| table.wrote(name)) {
            let wrong = Wrong::new("no upstream is asked here");
            table.refuse_key(name, wrong.hint("it is for sites with an `upstream`"));
        }
    }
    let within = Within::Default {
        default: bounds.limits.body_bytes.map(ByteSize),
        most: bounds.node.limits.body_bytes.map(ByteSize),
    };
    let body_bytes = limits.setting_within(&d::BODY_BYTES, within).map(|size| size.0);
    let own = super::document::timeouts(&timeouts, bounds.timeouts, &bounds.node.timeouts);
    (SiteLimits { body_bytes }, timeouts.is_present().then(|| Box::new(own)))
}

fn named(value: Value<'_, '_>, upstreams: &Names) -> Option<UpstreamName> {
    let name = value.text()?;
    if upstreams.contains(name) {
        return UpstreamName::new(name).ok();
    }
    let wrong = Wrong::new(format!("no `[[upstream]]` is named {}", quoted(name)));
    value.refuse_as_absent(match upstreams.nearest(name) {
        Some(near) => wrong.hint(format!("did you mean \"{near}\"?")),
        None => wrong.hint("write an [[upstream]] with this name"),
    });
    None
}

fn hsts(table: &Table<'_>) -> Option<Hsts> {
    if !table.is_present() {
        return None;
    }
    let hsts = Hsts {
        max_age: table.setting(&d::HSTS_MAX_AGE),
        include_subdomains: table.setting(&d::HSTS_SUBDOMAINS),
        preload: table.setting(&d::HSTS_PRELOAD),
    };
    if hsts.preload && !(hsts.include_subdomains && hsts.max_age >= d::HSTS_YEAR) {
        let wrong = Wrong::new("the preload list takes no such site");
        let hint = "it asks for include_subdomains = true and a max_age of \"365d\" at least";
        table.refuse_key(d::HSTS_PRELOAD.name, wrong.hint(hint));
    }
    Some(hsts)
}

/// Addresses of one site: a thousand domains with a hundred names each.
const MAX_ADDRESSES: usize = 100_000;
