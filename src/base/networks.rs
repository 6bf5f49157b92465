//! A set of networks that is asked for every request: sorted ranges of addresses that do not touch, so that an
//! answer costs a binary search however many networks somebody listed. Reads no text.

use ipnet::IpNet;
use std::net::IpAddr;

/// A set of networks. An IPv4-mapped IPv6 address is the IPv4 address, and so is a network of such addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl Networks {
    /// Whether one of the networks has `ip`. Cost: a binary search among the ranges of its family.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match ip.to_canonical() {
            IpAddr::V4(ip) => is_in(&self.v4, u32::from(ip)),
            IpAddr::V6(ip) => is_in(&self.v6, u128::from(ip)),
        }
    }

    /// Whether no address is in it.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// How many ranges there are: at most as many as networks were given.
    pub fn ranges(&self) -> usize {
        self.v4.len() + self.v6.len()
    }
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match (network, network.network().to_canonical(), network.broadcast().to_canonical()) {
                (IpNet::V6(network), ..) if network.prefix_len() < MAPPED_PREFIX => {
                    v6.push((u128::from(network.network()), u128::from(network.broadcast())));
                }
                (_, IpAddr::V4(first), IpAddr::V4(last)) => v4.push((u32::from(first), u32::from(last))),
                (_, IpAddr::V6(first), IpAddr::V6(last)) => v6.push((u128::from(first), u128::from(last))),
                // A network that lies within the mapped addresses or outside has both ends there.
                _ => {}
            }
        }
        Self { v4: merged(v4, |last| last.checked_add(1)), v6: merged(v6, |last| last.checked_add(1)) }
    }
}

/// Which addresses are let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// These are not.
    pub deny: Networks,
    /// Where there is such a list, only these are, and of them those that are not denied.
    pub allow: Option<Networks>,
}

impl Access {
    /// Whether `ip` is let in. Cost: two binary searches at most.
    pub fn lets_in(&self, ip: IpAddr) -> bool {
        !self.deny.contains(ip) && self.allow.as_ref().is_none_or(|allow| allow.contains(ip))
    }

    /// Whether everybody is let in.
    pub fn is_open(&self) -> bool {
        self.deny.is_empty() && self.allow.is_none()
    }
}

/// The ranges in order, those that touch or overlap made one.
fn merged<T: Copy + Ord>(mut ranges: Vec<(T, T)>, next: impl Fn(T) -> Option<T>) -> Box<[(T, T)]> {
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            // Behind the greatest address nothing begins.
            Some(before) if next(before.1).is_none_or(|next| first <= next) => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged.into()
}

fn is_in<T: Ord>(ranges: &[(T, T)], ip: T) -> bool {
    let behind = ranges.partition_point(|(first, _)| *first <= ip);
    behind.checked_sub(1).is_some_and(|at| ip <= ranges[at].1)
}

/// The prefix of the network of all IPv4-mapped addresses, `::ffff:0:0/96`.
const MAPPED_PREFIX: u8 = 96;

#[cfg(test)]
mod tests {
    use super::*;
    use ipnet::{Ipv4Net, Ipv6Net};
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn networks(texts: &[&str]) -> Networks {
        texts.iter().map(|text| text.parse::<IpNet>().unwrap()).collect()
    }

    #[test]
    fn neighbours_are_one_range() {
        assert_eq!(networks(&["192.0.2.0/25", "192.0.2.128/25", "192.0.2.7/32"]).ranges(), 1);
        assert_eq!(networks(&["192.0.2.0/25", "192.0.3.0/24", "2001:db8::/32"]).ranges(), 3);
        assert_eq!(networks(&["0.0.0.0/0", "255.255.255.255/32", "::/0", "::1/128"]).ranges(), 2);
        assert!(networks(&[]).is_empty() && !networks(&["::1/128"]).is_empty());
    }

    #[test]
    fn families_are_apart_and_a_mapped_address_is_ipv4() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let all_v6 = networks(&["::/0"]);
        assert!(all_v6.contains(ip("2001:db8::1")) && !all_v6.contains(ip("::ffff:192.0.2.1")));
        let mapped = networks(&["::ffff:192.0.2.0/120"]);
        assert!(mapped.contains(ip("192.0.2.7")) && !mapped.contains(ip("192.0.3.7")));
        assert!(networks(&["192.0.2.0/24"]).contains(ip("::ffff:192.0.2.7")));
    }

    #[test]
    fn a_denial_outweighs_an_allowance_and_a_list_of_the_allowed_is_whole() {
        let lets_in = |deny: &[&str], allow: Option<&[&str]>, ip: &str| {
            let access = Access { deny: networks(deny), allow: allow.map(networks) };
            assert_eq!(access.is_open(), deny.is_empty() && allow.is_none());
            access.lets_in(ip.parse().unwrap())
        };
        assert!(lets_in(&[], None, "192.0.2.1"));
        assert!(!lets_in(&["192.0.2.0/24"], None, "192.0.2.1") && lets_in(&["192.0.2.0/24"], None, "::1"));
        assert!(!lets_in(&[], Some(&[]), "::1"));
        let office: Option<&[&str]> = Some(&["192.0.2.0/24"]);
        assert!(lets_in(&[], office, "192.0.2.1") && !lets_in(&[], office, "192.0.3.1"));
        assert!(!lets_in(&["192.0.2.1/32"], office, "::ffff:192.0.2.1"));
        assert!(lets_in(&["192.0.2.1/32"], office, "192.0.2.2") && !lets_in(&["::/0"], office, "192.0.3.1"));
    }

    fn any_network() -> impl Strategy<Value = IpNet> {
        // Few bits, so that networks meet.
        let v4 = (any::<u8>(), any::<u8>(), 0u8..=32).prop_map(|(a, b, prefix)| {
            IpNet::from(Ipv4Net::new(Ipv4Addr::new(a & 0x83, 0, 0, b), prefix).unwrap().trunc())
        });
        let v6 = (any::<u8>(), any::<u8>(), 0u8..=128).prop_map(|(a, b, prefix)| {
            let ip = Ipv6Addr::from(u128::from(a & 0x83) << 120 | u128::from(b));
            IpNet::from(Ipv6Net::new(ip, prefix).unwrap().trunc())
        });
        prop_oneof![v4, v6]
    }

    proptest! {
        #[test]
        fn it_has_what_any_of_the_networks_has(
            listed in prop::collection::vec(any_network(), 0..40),
            asked in prop::collection::vec((any::<u32>(), any::<u128>()), 0..20),
        ) {
            let set: Networks = listed.iter().copied().collect();
            prop_assert!(set.ranges() <= listed.len());
            let edges = listed.iter().flat_map(|network| {
                let ends = [network.network(), network.broadcast()];
                ends.into_iter().flat_map(|ip| match ip {
                    IpAddr::V4(ip) => {
                        let ip = u32::from(ip);
                        [ip, ip.wrapping_add(1), ip.wrapping_sub(1)].map(|ip| IpAddr::V4(ip.into()))
                    }
                    IpAddr::V6(ip) => {
                        let ip = u128::from(ip);
                        [ip, ip.wrapping_add(1), ip.wrapping_sub(1)].map(|ip| IpAddr::V6(ip.into()))
                    }
                })
            });
            let random = asked.iter().flat_map(|(v4, v6)| {
                [IpAddr::V4(Ipv4Addr::from(*v4)), IpAddr::V6(Ipv6Addr::from(*v6))]
            });
            for ip in edges.chain(random) {
                let canonical = ip.to_canonical();
                prop_assert_eq!(set.contains(ip), listed.iter().any(|one| one.contains(&canonical)), "{}", ip);
            }
        }
    }
}
