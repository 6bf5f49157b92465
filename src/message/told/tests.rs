//! Whom believed peers name, and that nothing in front of their words changes it.

use super::*;
use crate::base::Buffer;
use crate::message::fields::Line;
use crate::message::fields::Lines as Parsed;
use proptest::prelude::*;

fn fields(lines: &[(&str, &[u8])]) -> Fields {
    let (mut block, mut parsed) = (Buffer::new(), Parsed::new());
    for (name, value) in lines {
        let start = block.len();
        block.extend(name.as_bytes());
        block.extend(b": ");
        let at = block.len();
        block.extend(value);
        block.extend(b"\r\n");
        parsed.push(Line::new(block.filled(), start..start + name.len(), at..at + value.len()));
    }
    Fields::in_block(block, parsed)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const PEER: &str = "10.0.0.1";

/// Everything in 10.0.0.0/8 and in fd00::/8 is believed.
fn is_believed(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.octets()[0] == 10,
        IpAddr::V6(ip) => ip.octets()[0] == 0xfd,
    }
}

fn told_by(header: &TrustHeader, lines: &[(&str, &[u8])]) -> (String, Option<&'static str>) {
    let told = told(&fields(lines), header, ip(PEER), is_believed);
    (told.client.to_string(), told.scheme.map(Scheme::as_str))
}

#[test]
fn a_list_is_read_from_its_end_past_those_who_are_believed() {
    for (lines, client) in [
        (&[][..], PEER),
        (&["192.0.2.1"], "192.0.2.1"),
        (&["6.6.6.6, 192.0.2.1"], "192.0.2.1"),
        (&["6.6.6.6, 192.0.2.1, 10.0.0.2, 10.0.0.3"], "192.0.2.1"),
        (&["6.6.6.6", "192.0.2.1", "10.0.0.2"], "192.0.2.1"),
        (&["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        (&["192.0.2.1:567"], "192.0.2.1"),
        (&["2001:db8::1"], "2001:db8::1"),
        (&["[2001:db8::1]"], "2001:db8::1"),
        (&["[2001:db8::1]:80, fd00::1"], "2001:db8::1"),
        (&["::ffff:192.0.2.1"], "192.0.2.1"),
        (&["192.0.2.1, , ,"], "192.0.2.1"),
        (&["  192.0.2.1\t"], "192.0.2.1"),
        // What is no address ends the walk.
        (&["192.0.2.1, unknown"], PEER),
        (&["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
        (&["192.0.2.1, 10.0.0.256"], PEER),
        (&["192.0.2.1:"], PEER),
        (&["192.0.2.1:123456"], PEER),
        (&["192.0.2.1:+1"], PEER),
        (&["[192.0.2.1]"], PEER),
        (&["[2001:db8::1"], PEER),
        (&["[2001:db8::1]80"], PEER),
        (&["fe80::1%eth0"], PEER),
        (&["\"192.0.2.1\""], PEER),
        (&["010.1.1.1"], PEER),
        (&["192.0.2.1 6.6.6.6"], PEER),
        (&["\u{e9}"], PEER),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| ("X-Forwarded-For", line.as_bytes())).collect();
        assert_eq!(told_by(&TrustHeader::XForwardedFor, &lines).0, client, "{lines:?}");
    }
    let long = "10.0.0.2, ".repeat(1000) + "10.0.0.3";
    assert_eq!(told_by(&TrustHeader::XForwardedFor, &[("x-forwarded-for", long.as_bytes())]).0, "10.0.0.2");
    let hidden = format!("192.0.2.1, {}", ["10.0.0.2"; MOST_HOPS].join(", "));
    assert_eq!(told_by(&TrustHeader::XForwardedFor, &[("x-forwarded-for", hidden.as_bytes())]).0, "10.0.0.2");
}

#[test]
fn forwarded_names_address_and_scheme_in_one_element() {
    for (lines, client, scheme) in [
        (&[][..], PEER, None),
        (&["for=192.0.2.1"], "192.0.2.1", None),
        (&["For=\"192.0.2.1:567\";Proto=HTTPS"], "192.0.2.1", Some("https")),
        (&["proto=http; by=10.0.0.1 ;for=\"[2001:db8::1]:80\";host=a.test"], "2001:db8::1", Some("http")),
        (
            &["for=6.6.6.6;proto=http, for=192.0.2.1;proto=https, for=10.0.0.2;proto=http"],
            "192.0.2.1",
            Some("https"),
        ),
        (&["for=6.6.6.6", "for=192.0.2.1;proto=https"], "192.0.2.1", Some("https")),
        (&["for=\"192.0.2.1\";host=\"a,b;for=6.6.6.6\""], "192.0.2.1", None),
        (&["for=192.0.2.1;host=\"a\\\",for=6.6.6.6\""], "192.0.2.1", None),
        (&["for=192.0.2.1;proto=gopher"], "192.0.2.1", None),
        // What can be taken for several things is none of them.
        (&["for=192.0.2.1;for=6.6.6.6"], PEER, None),
        (&["for=192.0.2.1;proto=http;proto=https"], PEER, None),
        (&["for=unknown;proto=https"], PEER, None),
        (&["for=_hidden, for=10.0.0.2;proto=https"], "10.0.0.2", Some("https")),
        (&["proto=https"], PEER, None),
        (&["for"], PEER, None),
        (&["for=\"192.0.2.1"], PEER, None),
        (&["for=\"192\\.0.2.1\""], PEER, None),
        // An open quote in front closes nothing behind it.
        (&["for=6.6.6.6;x=\", for=192.0.2.1"], "192.0.2.1", None),
        (&["for=\", for=\"[2001:db8::1]\""], "2001:db8::1", None),
        (&["for=\"\\, for=\"[2001:db8::1]\""], "2001:db8::1", None),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| ("Forwarded", line.as_bytes())).collect();
        assert_eq!(told_by(&TrustHeader::Forwarded, &lines), (client.to_owned(), scheme), "{lines:?}");
    }
    // Beside it nothing else is asked.
    let lines: [(&str, &[u8]); 3] =
        [("Forwarded", b"for=192.0.2.1"), ("X-Forwarded-Proto", b"https"), ("X-Forwarded-For", b"6.6.6.6")];
    assert_eq!(told_by(&TrustHeader::Forwarded, &lines), ("192.0.2.1".to_owned(), None));
}

#[test]
fn a_single_field_has_one_address_or_none() {
    let header = TrustHeader::Single("cf-connecting-ip".into());
    for (lines, client) in [
        (&[("CF-Connecting-IP", "192.0.2.1")][..], "192.0.2.1"),
        (&[("cf-connecting-ip", "2001:db8::1")], "2001:db8::1"),
        // It is the visitor, whoever else is believed.
        (&[("CF-Connecting-IP", "10.0.0.2")], "10.0.0.2"),
        (&[("CF-Connecting-IP", "192.0.2.1, 6.6.6.6")], PEER),
        (&[("CF-Connecting-IP", "192.0.2.1"), ("CF-Connecting-IP", "6.6.6.6")], PEER),
        (&[("CF_Connecting_IP", "192.0.2.1")], PEER),
        (&[("X-Forwarded-For", "192.0.2.1")], PEER),
    ] {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        assert_eq!(told_by(&header, &lines).0, client, "{lines:?}");
    }
}

#[test]
fn the_scheme_is_the_peers_own_word() {
    for (values, scheme) in [
        (&[][..], None),
        (&["https"], Some("https")),
        (&["HTTP"], Some("http")),
        (&["wss"], Some("https")),
        (&["http, https"], Some("https")),
        (&["https", "http"], Some("http")),
        (&["https,gopher"], None),
        (&["httpss"], None),
    ] {
        let lines: Vec<_> = values.iter().map(|value| ("X-Forwarded-Proto", value.as_bytes())).collect();
        assert_eq!(told_by(&TrustHeader::XForwardedFor, &lines), (PEER.to_owned(), scheme), "{values:?}");
        assert_eq!(told_by(&TrustHeader::Single("x-real-ip".into()), &lines).1, scheme);
    }
}

proptest! {
    /// Whatever a visitor sent, as the front of the last line or on lines before it, the peer's word holds.
    #[test]
    fn nothing_in_front_of_the_peers_word_changes_it(
        front in "[ -~\t]{0,60}",
        lines in prop::collection::vec("[ -~\t]{0,40}", 0..3),
        is_in_line in any::<bool>(),
        hops in 0usize..4,
    ) {
        let lists = [
            (TrustHeader::XForwardedFor, "X-Forwarded-For", "192.0.2.1", "10.0.0.2"),
            (TrustHeader::Forwarded, "Forwarded", "for=\"[2001:db8::1]:1\";proto=https", "for=10.0.0.2;host=\"a,\\\"b\""),
        ];
        for (header, name, visitor, hop) in lists {
            let own = [&[visitor][..], &vec![hop; hops]].concat().join(", ");
            let alone = told_by(&header, &[(name, own.as_bytes())]);
            let last = if is_in_line { format!("{front},{own}") } else { own };
            let mut sent: Vec<_> = lines.iter().map(|line| (name, line.as_bytes())).collect();
            sent.push((name, last.as_bytes()));
            prop_assert_eq!(told_by(&header, &sent), alone);
        }
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4)) {
        for (header, name) in [
            (TrustHeader::XForwardedFor, "X-Forwarded-For"),
            (TrustHeader::Forwarded, "Forwarded"),
            (TrustHeader::Single("x-real-ip".into()), "X-Real-IP"),
        ] {
            let lines: Vec<_> = values.iter().map(|value| (name, &value[..])).collect();
            told_by(&header, &lines);
        }
    }
}
