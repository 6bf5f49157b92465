//! Addresses that arrive with a new revision of a program: they go live when it serves, and until then the account's
//! sites are where they were. Pure: says what of a document takes effect now.

use crate::base::{SiteAddress, UpstreamName};
use crate::config::{Document, Site, SiteAction, Upstream};
use crate::upstream::Standing;
use std::collections::{BTreeSet, HashSet};

/// The upstreams of `new` that are to serve a new revision and do not yet: their program runs by another, or has failed to
/// start by this one. `old` is the document whose addresses are in effect; `standing` tells how a program is.
pub(super) fn unready<'a>(
    new: &Document,
    old: &Document,
    standing: impl Fn(&UpstreamName) -> Option<Standing> + 'a,
) -> BTreeSet<UpstreamName> {
    let revision = |upstream: &Upstream| upstream.program.as_ref().map(|program| program.revision.clone());
    let before = |name: &UpstreamName| old.upstreams.iter().find(|one| one.name == *name).and_then(revision);
    let is_unready = |upstream: &&Upstream| {
        let Some(wanted) = revision(upstream) else { return false };
        let is_new = before(&upstream.name).is_some_and(|before| before != wanted);
        is_new
            && standing(&upstream.name).is_some_and(|standing| {
                let runs = ["ready", "starting", "restarting"].contains(&standing.state);
                let has_failed = standing.failed_revision.as_ref() == Some(&wanted);
                let serves = standing.state == "ready" && standing.revision.as_ref() == Some(&wanted);
                !serves && (runs || has_failed)
            })
    };
    new.upstreams.iter().filter(is_unready).map(|upstream| upstream.name.clone()).collect()
}

/// What of `new` takes effect while these of its upstreams are `unready`: all of it but the places of addresses that lead to
/// one of them, or led to one in `old`. Those stay where `old` has them, or nowhere.
pub(super) fn held_back(new: &Document, old: &Document, unready: &BTreeSet<UpstreamName>) -> Document {
    let leads_to_unready =
        |site: &Site| matches!(&site.action, SiteAction::Upstream(name) if unready.contains(name));
    let (waiting, live): (Vec<&Site>, Vec<&Site>) = new.sites.iter().partition(|site| leads_to_unready(site));
    let addresses = |sites: &[&Site]| -> HashSet<SiteAddress> {
        sites.iter().flat_map(|site| site.addresses.iter().cloned()).collect()
    };
    let (to_unready, elsewhere) = (addresses(&waiting), addresses(&live));
    let mut document = Document { sites: live.into_iter().cloned().collect(), ..new.clone() };
    for site in &old.sites {
        let stays = |address: &&SiteAddress| {
            !elsewhere.contains(*address) && (leads_to_unready(site) || to_unready.contains(*address))
        };
        let kept: Vec<SiteAddress> = site.addresses.iter().filter(stays).cloned().collect();
        if kept.is_empty() {
            continue;
        }
        // What else the new document says of the site holds already.
        let same = waiting.iter().find(|one| one.name == site.name && one.action == site.action);
        let of_site = same.map_or(site, |same| *same);
        document.sites.push(Site { addresses: kept, ..of_site.clone() });
        // What stays is shown the certificates that it had, behind those that come.
        let before = old.certificates.iter().filter(|one| !new.certificates.contains(one));
        document.certificates = new.certificates.iter().chain(before).cloned().collect();
        if let SiteAction::Upstream(name) = &of_site.action
            && document.upstreams.iter().all(|one| one.name != *name)
        {
            document.upstreams.extend(old.upstreams.iter().find(|one| one.name == *name).cloned());
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::AccountName;
    use crate::config::{self, Node};
    use std::path::Path;
    use std::time::Duration;

    fn document(sites: &str, revision: &str) -> Document {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("parvis.toml");
        std::fs::write(&file, "[[listen]]\naddress = \"[::1]:0\"\n[accounts]\ndirectory = \"a\"\n").unwrap();
        let node: Node = config::load_node(&file).unwrap();
        let mut text = format!(
            "[[upstream]]\nname = \"web\"\naddress = \"auto\"\ncommand = \"x\"\nrevision = \"{revision}\"\n\
             [[upstream]]\nname = \"other\"\naddress = \"[::1]:1\"\n"
        );
        for (number, site) in sites.split(' ').filter(|site| !site.is_empty()).enumerate() {
            let (addresses, upstream) = site.split_once('>').unwrap();
            let addresses: Vec<String> = addresses.split(',').map(|one| format!("\"{one}\"")).collect();
            let addresses = addresses.join(", ");
            let site = format!(
                "[[site]]\nname = \"s{number}\"\naddresses = [{addresses}]\nupstream = \"{upstream}\"\n"
            );
            text.push_str(&site);
        }
        config::check_document(&AccountName::new("alice").unwrap(), Path::new("alice.toml"), &text, &node)
            .unwrap()
    }

    fn web() -> BTreeSet<UpstreamName> {
        BTreeSet::from([UpstreamName::new("web").unwrap()])
    }

    /// What leads where, as it is written above.
    fn places(document: &Document) -> Vec<String> {
        let place = |site: &Site, address: &SiteAddress| match &site.action {
            SiteAction::Upstream(name) => format!("{address}>{name}"),
            SiteAction::Redirect(_) | SiteAction::Answer(_) => panic!("none here"),
        };
        let all =
            document.sites.iter().flat_map(|site| site.addresses.iter().map(move |one| place(site, one)));
        let mut all: Vec<String> = all.collect();
        all.sort();
        all
    }

    #[test]
    fn what_leads_to_a_program_that_is_not_ready_stays_where_it_was() {
        for (old, new, now) in [
            ("a.test>web", "a.test,b.test>web", "a.test>web"),
            ("a.test,b.test>web", "b.test>web", "a.test>web b.test>web"),
            ("a.test>web", "b.test>web", "a.test>web"),
            // Between a program that is ready and one that is not.
            ("a.test>other b.test>web", "a.test>web b.test>web", "a.test>other b.test>web"),
            ("a.test>web", "a.test>other", "a.test>other"),
            ("a.test>other", "a.test,c.test>other b.test>web", "a.test>other c.test>other"),
            ("", "a.test>web", ""),
            ("a.test/shop>web a.test>other", "a.test>web", "a.test/shop>web a.test>other"),
        ] {
            let held = held_back(&document(new, "2"), &document(old, "1"), &web());
            assert_eq!(places(&held).join(" "), now, "{old} to {new}");
        }
    }

    #[test]
    fn an_upstream_that_is_gone_stays_for_what_stays_with_it() {
        let (mut new, old) = (document("a.test>web", "2"), document("a.test>other", "1"));
        new.upstreams.retain(|one| one.name.as_str() == "web");
        let held = held_back(&new, &old, &web());
        assert_eq!(places(&held), ["a.test>other"]);
        assert_eq!(held.upstreams.len(), 2);
    }

    #[test]
    fn a_revision_is_waited_for_while_another_runs_or_after_it_failed() {
        let (old, new) = (document("a.test>web", "1"), document("b.test>web", "2"));
        let standing = |state, revision: &str, failed: &str| Standing {
            state,
            since: Duration::ZERO,
            pid: None,
            cgroup: None,
            revision: Some(revision.to_owned()),
            failed_revision: Some(failed.to_owned()),
            starts: 1,
            hangs: None,
            memory_kills: 0,
            failure: None,
        };
        for (state, revision, failed, waits) in [
            ("ready", "1", "", true),
            ("restarting", "1", "", true),
            ("starting", "2", "", true),
            ("ready", "2", "", false),
            ("stopped", "1", "", false),
            ("stopped", "1", "2", true),
            ("failed", "2", "2", true),
            ("failed", "1", "1", false),
            ("ready", "1", "2", true),
        ] {
            let found = unready(&new, &old, |name| {
                (name.as_str() == "web").then(|| standing(state, revision, failed))
            });
            assert_eq!(!found.is_empty(), waits, "{state} {revision} {failed}");
        }
        assert!(
            unready(&old, &old, |_| Some(standing("restarting", "1", "1"))).is_empty(),
            "no new revision"
        );
        assert!(unready(&new, &old, |_| None).is_empty());
    }
}
