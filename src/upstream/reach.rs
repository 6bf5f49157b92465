//! Where the URLs of upstreams may lead. Names are their owners', who may point them at this machine, at others of the
//! platform or at a neighbour's server: so every address is judged after it was found, each time a connection is opened.
//! Resolves nothing itself.

use super::names::Names;
use crate::base::{AccountName, special};
use crate::config::{self, Allowed, Outside, UpstreamAddress};
use arc_swap::ArcSwap;
use dashmap::DashMap;
use foldhash::fast::RandomState;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, getsockname, socket_with};
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Where URLs may lead, and how their names are found; shared by all workers. Cost: some 100 bytes for each address that an
/// account's own server listens at.
#[derive(Debug, Default)]
pub struct Reach {
    outside: ArcSwap<Outside>,
    /// The accounts whose documents say that a server of theirs listens there.
    served: DashMap<SocketAddr, SmallVec<[AccountName; 1]>, RandomState>,
    pub(super) names: Names,
}

/// Why an address may not be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prohibited {
    /// It is not a public one, in this way.
    Special(&'static str),
    /// It is this machine's own.
    Own,
    /// Another account's server listens there.
    Neighbour,
}

impl fmt::Display for Prohibited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Special(what) => write!(f, "an address that is {what}"),
            Self::Own => f.write_str("an address of this machine"),
            // Whose it is is nobody's business.
            Self::Neighbour => f.write_str("the server of another account"),
        }
    }
}

impl Reach {
    /// By these settings, and with names that are found by `names`.
    pub fn new(outside: Outside, names: Names) -> Arc<Self> {
        Arc::new(Self { outside: ArcSwap::from_pointee(outside), names, ..Self::default() })
    }

    /// Takes over changed settings, for connections that are opened from now on.
    pub fn set(&self, outside: Outside) {
        self.outside.store(Arc::new(outside));
    }

    /// The settings.
    pub(super) fn outside(&self) -> Arc<Outside> {
        self.outside.load_full()
    }

    /// The upstreams of `account` were `before` and are `after` from now on. Cost: grows with them.
    pub fn moved<'a>(
        &self,
        account: &AccountName,
        before: impl Iterator<Item = &'a config::Upstream>,
        after: impl Iterator<Item = &'a config::Upstream>,
    ) {
        let (before, after): (BTreeSet<_>, BTreeSet<_>) =
            (before.filter_map(own_server).collect(), after.filter_map(own_server).collect());
        for address in after.difference(&before) {
            self.served.entry(*address).or_default().push(account.clone());
        }
        for address in before.difference(&after) {
            self.served.remove_if_mut(address, |_, accounts| {
                accounts.retain(|one| one != account);
                accounts.is_empty()
            });
        }
    }

    /// Whether a URL of `account` may lead to `address`. At most three syscalls.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, account: &AccountName, address: SocketAddr) -> Result<(), Prohibited> {
        let allowed = self.outside.load().allows(address);
        if let Some(Allowed::Address(_)) = allowed {
            return Ok(());
        }
        let plain = SocketAddr::new(address.ip().to_canonical(), address.port());
        if self.served.get(&plain).is_some_and(|accounts| accounts.iter().any(|one| one != account)) {
            return Err(Prohibited::Neighbour);
        }
        match (allowed, special(address.ip())) {
            (Some(_), _) => Ok(()),
            (None, Some(what)) => Err(Prohibited::Special(what)),
            (None, None) if is_own(address.ip()) => Err(Prohibited::Own),
            (None, None) => Ok(()),
        }
    }
}

/// Where an account's own server listens, if it is not a socket that others cannot reach anyway.
fn own_server(upstream: &config::Upstream) -> Option<SocketAddr> {
    match &upstream.address {
        UpstreamAddress::Ip(address) => Some(*address),
        UpstreamAddress::Unix(_) | UpstreamAddress::Auto | UpstreamAddress::Url(_) => None,
    }
}

/// Whether `ip` is one of this machine's: what would be sent there would come from there (RFC 6724 §5, rule 1; Linux does
/// the same for IPv4). Nothing is sent.
fn is_own(ip: IpAddr) -> bool {
    let ask = || -> rustix::io::Result<bool> {
        let family = if ip.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        connect(&socket, &SocketAddr::new(ip, 9))?;
        let own = SocketAddr::try_from(getsockname(&socket)?)?;
        Ok(own.ip() == ip)
    };
    // What cannot be asked cannot be connected to either: no route, or no descriptor.
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::super::testing::spec_at;
    use super::*;

    fn account(name: &str) -> AccountName {
        AccountName::new(name).unwrap()
    }

    fn reach(allow: &[&str]) -> Arc<Reach> {
        let allowed = |text: &&str| match text.parse() {
            Ok(address) => Allowed::Address(address),
            Err(_) => Allowed::Network(text.parse().unwrap()),
        };
        let allow = allow.iter().map(allowed).collect();
        Reach::new(Outside { allow, resolvers: Vec::new() }, Names::default())
    }

    #[test]
    fn what_is_not_public_is_refused_unless_it_is_listed() {
        let alice = account("alice");
        for (address, allow, expected) in [
            ("192.0.2.1:80", &[][..], Ok(())),
            ("127.0.0.1:80", &[], Err(Prohibited::Special("loopback"))),
            ("[::ffff:127.0.0.1]:80", &[], Err(Prohibited::Special("loopback"))),
            ("10.1.2.3:80", &[], Err(Prohibited::Special("private"))),
            ("[fe80::1]:80", &[], Err(Prohibited::Special("link-local"))),
            ("10.1.2.3:80", &["10.1.0.0/16"], Ok(())),
            ("10.2.2.3:80", &["10.1.0.0/16"], Err(Prohibited::Special("private"))),
            ("127.0.0.1:80", &["127.0.0.1:80"], Ok(())),
            ("[::ffff:127.0.0.1]:80", &["127.0.0.1:80"], Ok(())),
            ("127.0.0.1:81", &["127.0.0.1:80"], Err(Prohibited::Special("loopback"))),
        ] {
            assert_eq!(reach(allow).check(&alice, address.parse().unwrap()), expected, "{address} {allow:?}");
        }
    }

    /// A network that is allowed is not meant for reaching round to a neighbour; an address with its port is.
    #[test]
    fn a_neighbours_server_is_out_of_reach_until_it_moves() {
        let (alice, bob) = (account("alice"), account("bob"));
        let address: SocketAddr = "127.0.0.1:8100".parse().unwrap();
        let served = spec_at(UpstreamAddress::Ip(address), 1);
        for (allow, expected) in
            [(&["127.0.0.0/8"][..], Err(Prohibited::Neighbour)), (&["127.0.0.0/8", "127.0.0.1:8100"], Ok(()))]
        {
            let reach = reach(allow);
            reach.moved(&bob, [].into_iter(), [&served].into_iter());
            assert_eq!(reach.check(&alice, address), expected);
            assert_eq!(reach.check(&bob, address), Ok(()), "it is his own");
            reach.moved(&alice, [].into_iter(), [&served, &served].into_iter());
            assert_eq!(reach.check(&bob, address), expected, "both say that it is theirs");
            reach.moved(&bob, [&served].into_iter(), [].into_iter());
            assert_eq!(reach.check(&alice, address), Ok(()));
            reach.moved(&alice, [&served].into_iter(), [].into_iter());
            assert!(reach.served.is_empty());
        }
    }

    #[test]
    fn this_machines_addresses_are_known_without_a_list() {
        assert!(is_own("127.0.0.1".parse().unwrap()));
        assert!(is_own("::1".parse().unwrap()));
        assert!(!is_own("192.0.2.1".parse().unwrap()));
        let interfaces = nix::ifaddrs::getifaddrs().unwrap();
        let v4 = interfaces.filter_map(|one| Some(one.address?.as_sockaddr_in()?.ip()));
        for ip in v4 {
            assert!(is_own(ip.into()), "{ip}");
        }
    }
}
