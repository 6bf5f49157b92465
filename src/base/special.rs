//! IP addresses that are nobody's on the public internet: what a name that a stranger controls must not lead to. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is instead of a public one, in a word for a person; `None`: it is public, as far as its number tells.
/// An IPv6 address that stands for an IPv4 one (RFC 4291 §2.5.5.2, RFC 6052, RFC 3056) is judged by that. Source: the
/// registries of special-purpose addresses, RFC 6890. Addresses for documentation lead nowhere and are let be.
pub fn special(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => special_v4(ip),
        IpAddr::V6(ip) => special_v6(ip),
    }
}

fn special_v4(ip: Ipv4Addr) -> Option<&'static str> {
    match ip.octets() {
        [0, ..] => Some("unspecified"),
        [127, ..] => Some("loopback"),
        [10, ..] | [192, 168, ..] => Some("private"),
        [172, second, ..] if second & 0xf0 == 16 => Some("private"),
        [100, second, ..] if second & 0xc0 == 64 => Some("shared (RFC 6598)"),
        [169, 254, ..] => Some("link-local"),
        [192, 0, 0, _] => Some("for protocols"),
        [198, second, ..] if second & 0xfe == 18 => Some("for benchmarks"),
        [first, ..] if first & 0xf0 == 224 => Some("multicast"),
        [first, ..] if first >= 240 => Some("reserved"),
        _ => None,
    }
}

fn special_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let octets = ip.octets();
    let v4 = |at: usize| Ipv4Addr::new(octets[at], octets[at + 1], octets[at + 2], octets[at + 3]);
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] => special_v4(v4(12)),
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => special_v4(v4(12)),
        [0x64, 0xff9b, 1, ..] => Some("private"),
        [0x2002, ..] => special_v4(v4(2)),
        [0x100, 0, 0, 0, ..] => Some("for discarding"),
        // Teredo: the IPv4 address behind it is not there to be read plainly.
        [0x2001, 0, ..] => Some("for protocols"),
        [first, ..] if first & 0xfe00 == 0xfc00 => Some("private"),
        [first, ..] if first & 0xffc0 == 0xfe80 => Some("link-local"),
        [first, ..] if first & 0xffc0 == 0xfec0 => Some("site-local"),
        [first, ..] if first & 0xff00 == 0xff00 => Some("multicast"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipnet::IpNet;
    use proptest::prelude::*;

    /// The registries' networks, and what this file calls them.
    const NETWORKS: &[(&str, &str)] = &[
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared (RFC 6598)"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "for protocols"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::1/128", "loopback"),
        ("64:ff9b:1::/48", "private"),
        ("100::/64", "for discarding"),
        ("2001::/32", "for protocols"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    ];

    fn by_network(ip: IpAddr) -> Option<&'static str> {
        let network = |text: &str| text.parse::<IpNet>().unwrap();
        NETWORKS.iter().find(|(text, _)| network(text).contains(&ip)).map(|(_, word)| *word)
    }

    proptest! {
        #[test]
        fn ipv4_addresses_are_told_by_their_network(number in any::<u32>()) {
            let ip = Ipv4Addr::from(number);
            prop_assert_eq!(special(ip.into()), by_network(ip.into()));
        }

        #[test]
        fn an_ipv4_address_is_the_same_in_any_clothes(number in any::<u32>()) {
            let ip = Ipv4Addr::from(number);
            let [a, b, c, d] = ip.octets();
            let [high, low] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
            for dressed in [
                ip.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ] {
                prop_assert_eq!(special(dressed.into()), special(ip.into()), "{}", dressed);
            }
        }

        #[test]
        fn ipv6_addresses_are_told_by_their_network(which in 0..NETWORKS.len(), bits in any::<u128>()) {
            let (text, word) = NETWORKS[which];
            if let Ok(IpNet::V6(network)) = text.parse::<IpNet>() {
                let ip = u128::from(network.network()) | (bits & u128::from(network.hostmask()));
                prop_assert_eq!(special(IpAddr::V6(Ipv6Addr::from(ip))), Some(word));
            }
        }
    }

    #[test]
    fn the_edges_of_the_networks_are_theirs_and_what_lies_beside_them_is_not() {
        for (text, word) in NETWORKS {
            let network: IpNet = text.parse().unwrap();
            assert_eq!(special(network.network()), Some(*word), "{text}");
            assert_eq!(special(network.broadcast()), Some(*word), "{text}");
        }
        for public in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:db8::7",
            "2001:1::1",
            "2606:4700::1111",
            "64:ff9b::101:101",
        ] {
            assert_eq!(special(public.parse().unwrap()), None, "{public}");
        }
        for (ip, word) in
            [("::ffff:127.0.0.1", "loopback"), ("64:ff9b::a00:1", "private"), ("::", "unspecified")]
        {
            assert_eq!(special(ip.parse().unwrap()), Some(word), "{ip}");
        }
    }
}
