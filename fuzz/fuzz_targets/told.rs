//! Any bytes as what a believed peer says of the visitor: whoever is found is the peer, or not believed, or the end of
//! a list; and nothing in front of a sound end changes what is found.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parvis::base::Buffer;
use parvis::config::{HeadLimits, TrustHeader};
use parvis::message::h1::RequestParser;
use parvis::message::{RequestHead, told};
use std::net::IpAddr;

fuzz_target!(|bytes: &[u8]| {
    if bytes.iter().any(|b| matches!(b, b'\r' | b'\n')) {
        return;
    }
    for (header, name, own) in [
        (TrustHeader::XForwardedFor, "X-Forwarded-For", "192.0.2.1, 10.0.0.2"),
        (TrustHeader::Forwarded, "Forwarded", "for=\"192.0.2.1:1\";proto=https, for=10.0.0.2"),
        (TrustHeader::Single("x-real-ip".into()), "X-Real-IP", ""),
    ] {
        if let Some(head) = head(name, &[bytes]) {
            told(head.fields(), &header, peer(), is_believed);
        }
        if own.is_empty() {
            continue;
        }
        for front in [&[bytes, own.as_bytes()][..], &[&[bytes, b",", own.as_bytes()].concat()]] {
            let Some(head) = head(name, front) else { continue };
            let found = told(head.fields(), &header, peer(), is_believed);
            assert_eq!(found.client, IpAddr::from([192, 0, 2, 1]));
        }
    }
});

fn peer() -> IpAddr {
    IpAddr::from([10, 0, 0, 1])
}

fn is_believed(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 10)
}

/// A head with these values of one field, where they are such.
fn head(name: &str, values: &[&[u8]]) -> Option<RequestHead> {
    let mut input = Buffer::new();
    input.extend(b"GET / HTTP/1.1\r\nHost: a.test\r\n");
    for value in values {
        input.extend(name.as_bytes());
        input.extend(b": ");
        input.extend(value);
        input.extend(b"\r\n");
    }
    input.extend(b"\r\n");
    RequestParser::new().parse(&mut input, &HeadLimits::default()).ok().flatten()
}
