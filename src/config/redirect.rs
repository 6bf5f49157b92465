//! `redirect` of a site: where it sends visitors, and that it does not send them in a circle.

use super::checked::{Redirect, Site, SiteAction};
use super::reader::{Table, Value};
use super::scalar::{Scalar, Wrong, quoted};
use super::values::{Url, check_visible};
use super::{defaults as d, keys};
use crate::base::{Host, HostPattern};

/// Reads a `redirect` that is there.
pub(super) fn read(table: &Table<'_>) -> Option<Redirect> {
    let keep_path = table.setting(&d::KEEP_PATH);
    let status = table.get(&keys::REDIRECT_STATUS).map_or(Some(d::REDIRECT_STATUS), status);
    let to = table.get(&keys::REDIRECT_TO)?.parse(|text| target(text, keep_path));
    Some(Redirect { to: to?, status: status?, keep_path })
}

fn status(value: Value<'_, '_>) -> Option<u16> {
    let number = value.scalar::<u32>()?;
    if let Some(status) = STATUSES.into_iter().find(|status| u32::from(*status) == number) {
        return Some(status);
    }
    let wrong = Wrong::new(format!("{} is not a status that redirects", number.written()));
    value.refuse(wrong.hint("write 301, 302, 303, 307 or 308"));
    None
}

fn target(text: &str, keep_path: bool) -> Result<String, Wrong> {
    let rest = match Url::parse(text) {
        Some(url) => url?.rest,
        None if text.starts_with('/') && !text.starts_with("//") => {
            check_visible(text)?;
            &text[text.find(['?', '#']).unwrap_or(text.len())..]
        }
        None => {
            let wrong = Wrong::new(format!("{} is neither an http(s) URL nor a path", quoted(text)));
            let is_host = text.split('/').next().is_some_and(|host| Host::parse(host.as_bytes()).is_ok());
            return Err(wrong.hint(if is_host {
                format!("write {}", quoted(&format!("https://{text}")))
            } else {
                "write it as in \"https://www.alice.test\" or \"/new\"".to_owned()
            }));
        }
    };
    if !keep_path {
        return Ok(text.to_owned());
    }
    if !rest.is_empty() {
        let wrong =
            Wrong::new(format!("{} has a query or fragment, behind which no path can stand", quoted(text)));
        return Err(wrong.hint("write keep_path = false, or end the URL with its path"));
    }
    match text.trim_end_matches('/') {
        "" => Err(Wrong::new("every path would be sent to itself").hint("name another host or path")),
        text => Ok(text.to_owned()),
    }
}

/// Notes every redirect that leads to its own site: the visitor's browser would go in a circle. `sites` are what
/// `tables` say, in the same order.
pub(super) fn refuse_loops(tables: &[Table<'_>], sites: &[Site]) {
    for (index, (table, site)) in tables.iter().zip(sites).enumerate() {
        let SiteAction::Redirect(redirect) = &site.action else { continue };
        if leads_to(redirect, index, sites) {
            let wrong = Wrong::new("the redirect leads to its own site");
            let to_https = redirect.to.starts_with("https://");
            let hint =
                if to_https { "for clear → https write force_https = true" } else { "name another place" };
            table.table(&keys::REDIRECT).refuse_key(keys::REDIRECT_TO.name, wrong.hint(hint));
        }
    }
}

fn leads_to(redirect: &Redirect, index: usize, sites: &[Site]) -> bool {
    match Url::parse(&redirect.to) {
        Some(Ok(url)) => url.has_default_port() && holder(sites, &url.host, url.path) == Some(index),
        Some(Err(_)) => false,
        None => sites[index].addresses.iter().any(|address| {
            let path = &redirect.to[..redirect.to.find(['?', '#']).unwrap_or(redirect.to.len())];
            longest(sites, &address.host, path).is_some_and(|(site, _)| site == index)
        }),
    }
}

/// The site that answers for `host` and `path`: its exact name, else the longest wildcard.
fn holder(sites: &[Site], host: &Host, path: &str) -> Option<usize> {
    let wildcards = host.parents().filter_map(|parent| Host::parse(parent.as_bytes()).ok());
    let patterns =
        std::iter::once(HostPattern::Exact(host.clone())).chain(wildcards.map(HostPattern::Wildcard));
    patterns.filter_map(|pattern| longest(sites, &pattern, path)).map(|(site, _)| site).next()
}

/// The site with the longest path of this pattern that covers `path`.
fn longest(sites: &[Site], pattern: &HostPattern, path: &str) -> Option<(usize, usize)> {
    let addresses =
        sites.iter().enumerate().flat_map(|(index, site)| site.addresses.iter().map(move |a| (index, a)));
    addresses
        .filter(|(_, address)| address.host == *pattern && address.path.covers(path.as_bytes()))
        .map(|(index, address)| (index, address.path.as_str().len()))
        .max_by_key(|(_, length)| *length)
}

/// RFC 9110 §15.4: those with a `Location` that a browser follows.
const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];
