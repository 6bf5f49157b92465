//! The lists of networks in effect: whom the node believes, and whom it lets in. Compiled by the control thread from the
//! node file and the files it names, swapped whole; asked by workers for every connection and request, at the cost of one load where
//! there is no list at all.

use crate::base::{Access, Networks, TrustName};
use crate::config::TrustHeader;
use arc_swap::{ArcSwap, Guard};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The lists in effect, shared by all workers.
#[derive(Debug, Default)]
pub struct Lists {
    /// Whether there is anything in the rules.
    are_there: AtomicBool,
    rules: ArcSwap<Rules>,
}

/// What the lists say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whom to believe, in the order written.
    pub trust: Box<[TrustSet]>,
    /// Whom the node lets in.
    pub access: Access,
}

/// A set of peers that are believed.
#[derive(Debug, PartialEq, Eq)]
pub struct TrustSet {
    /// Its name.
    pub name: TrustName,
    /// Who is in it.
    pub networks: Networks,
    /// The field that names the visitor.
    pub header: TrustHeader,
    /// Whether it holds for every account.
    pub everywhere: bool,
}

impl Lists {
    /// The rules at this moment; `None` where there are none.
    pub fn rules(&self) -> Option<Guard<Arc<Rules>>> {
        // Relaxed: who sees the change a moment late is as right as who came a moment earlier.
        self.are_there.load(Ordering::Relaxed).then(|| self.rules.load())
    }

    /// Puts rules into effect, for requests that come from now on, on connections that are open too.
    pub fn publish(&self, rules: Rules) {
        let are_there = rules != Rules::default();
        self.rules.store(Arc::new(rules));
        self.are_there.store(are_there, Ordering::Relaxed);
    }
}

impl Rules {
    /// The set that makes `ip` believed for an account which names these sets: the first that has it, of those and of
    /// those that are everywhere. Cost: a binary search for each of them.
    pub fn believes(&self, ip: IpAddr, named: &[TrustName]) -> Option<&TrustSet> {
        let mut sets = self.trust.iter().filter(|set| set.everywhere || named.contains(&set.name));
        sets.find(|set| set.networks.contains(ip))
    }

    /// Whether `ip` is believed for any account at all: a proxy, and no visitor.
    pub fn is_proxy(&self, ip: IpAddr) -> bool {
        self.trust.iter().any(|set| set.networks.contains(ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, network: &str, everywhere: bool) -> TrustSet {
        TrustSet {
            name: TrustName::new(name).unwrap(),
            networks: [network.parse().unwrap()].into_iter().collect(),
            header: TrustHeader::XForwardedFor,
            everywhere,
        }
    }

    #[test]
    fn a_set_holds_for_those_who_name_it() {
        let lists = Lists::default();
        assert!(lists.rules().is_none());
        let trust = Box::new([
            set("cdn", "192.0.2.0/24", false),
            set("other", "192.0.2.0/23", false),
            set("front", "198.51.100.0/24", true),
        ]);
        lists.publish(Rules { trust, access: Access::default() });
        let rules = lists.rules().unwrap();
        let names =
            |names: &[&str]| names.iter().map(|name| TrustName::new(name).unwrap()).collect::<Vec<_>>();
        let believes = |ip: &str, named: &[&str]| {
            rules.believes(ip.parse().unwrap(), &names(named)).map(|set| set.name.to_string())
        };
        assert_eq!(believes("192.0.2.1", &[]), None);
        assert_eq!(believes("192.0.2.1", &["cdn"]).as_deref(), Some("cdn"));
        assert_eq!(
            believes("192.0.2.1", &["other", "cdn"]).as_deref(),
            Some("cdn"),
            "as the node file has them"
        );
        assert_eq!(believes("192.0.3.1", &["cdn"]), None);
        assert_eq!(believes("198.51.100.1", &[]).as_deref(), Some("front"));
        assert_eq!(believes("203.0.113.1", &["gone", "cdn", "other"]), None);
        assert!(rules.is_proxy("192.0.3.1".parse().unwrap()) && !rules.is_proxy("::1".parse().unwrap()));
        lists.publish(Rules::default());
        assert!(lists.rules().is_none());
    }
}
