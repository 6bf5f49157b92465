//! The PROXY header (v1 and v2) that trusted load balancers put in front of a connection. Reads that and not a byte
//! more; whom to trust is decided elsewhere.

use crate::base::Buffer;
use crate::net::Stream;
use proxy_header::{Error, ParseConfig, ProxyHeader};
use std::io;
use std::net::SocketAddr;

/// The ends of the connection that a load balancer passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    /// Who opened it.
    pub(super) client: SocketAddr,
    /// The address that was asked for.
    pub(super) destination: SocketAddr,
}

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    /// The peer left, or the connection broke, before it was complete. A health check that only connects is this.
    #[error("the connection ended before its PROXY header: {0}")]
    Gone(#[from] io::Error),
    /// What came is no PROXY header.
    #[error("no valid PROXY header")]
    Malformed,
}

/// Reads the header off the stream; what came behind it stays in the input. `None` where the header names nobody
/// (LOCAL, UNKNOWN): the load balancer speaks for itself. No deadline in here.
pub(super) async fn read(stream: &mut Stream) -> Result<Option<Ends>, HeaderError> {
    loop {
        if let Parsed::Whole(ends) = parse(stream.input())? {
            return Ok(ends);
        }
        if stream.fill().await? == 0 {
            return Err(HeaderError::Gone(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    Whole(Option<Ends>),
    Incomplete,
}

/// Takes a whole header off `input`.
fn parse(input: &mut Buffer) -> Result<Parsed, HeaderError> {
    let bytes = input.filled();
    // The parser takes a word for the header by its first byte, and any byte for the blank behind it.
    let begins_as = |version: &[u8]| bytes.iter().zip(version).all(|(got, want)| got == want);
    if !begins_as(V1) && !begins_as(V2) {
        return Err(HeaderError::Malformed);
    }
    let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
    match ProxyHeader::parse(bytes, config) {
        Ok((header, length)) if length <= HEADER_BYTES => {
            let ends = header.proxied_address();
            let ends = ends.map(|ends| Ends { client: ends.source, destination: ends.destination });
            input.consume(length);
            Ok(Parsed::Whole(ends))
        }
        Err(Error::BufferTooShort) if bytes.len() < HEADER_BYTES => Ok(Parsed::Incomplete),
        _ => Err(HeaderError::Malformed),
    }
}

/// How a header of version 1 begins.
const V1: &[u8] = b"PROXY ";

/// How a header of version 2 begins.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of a header: version 1 has 107 at most; in version 2 the addresses take 52, and the rest is for additions
/// (a TLS name, a certificate's subject, a connection id), which are skipped.
const HEADER_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(bytes: &[u8]) -> Result<Parsed, HeaderError> {
        let mut input = Buffer::new();
        input.extend(bytes);
        let result = parse(&mut input);
        if matches!(result, Ok(Parsed::Whole(_))) {
            assert_eq!(input.filled(), REST, "what follows stays");
        }
        result
    }

    const REST: &[u8] = b"GET / HTTP/1.1\r\n";

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut header = V2.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        header.extend(body);
        header
    }

    fn ends(client: &str, destination: &str) -> Ends {
        Ends { client: client.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    fn valid() -> Vec<(Vec<u8>, Option<Ends>)> {
        let ipv4 = [192, 0, 2, 1, 198, 51, 100, 7, 0x30, 0x39, 1, 187];
        let with_tlvs = [&ipv4[..], &[0x02, 0, 3, b'a', b'.', b'b', 0x04, 0, 1, 0]].concat();
        let mut ipv6 = [0; 36];
        (ipv6[15], ipv6[31], ipv6[33], ipv6[35]) = (1, 2, 80, 90);
        let named4 = Some(ends("192.0.2.1:12345", "198.51.100.7:443"));
        vec![
            (b"PROXY TCP4 192.0.2.1 198.51.100.7 12345 443\r\n".to_vec(), named4),
            (
                b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n".to_vec(),
                Some(ends("[2001:db8::1]:1", "[2001:db8::2]:65535")),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ff::1 ff::2 1 2\r\n".to_vec(), None),
            (v2(0x21, 0x11, &ipv4), named4),
            (v2(0x21, 0x11, &with_tlvs), named4),
            (v2(0x21, 0x21, &ipv6), Some(ends("[::1]:80", "[::2]:90"))),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x20, 0x11, &ipv4), None),
            (v2(0x21, 0x00, &[4, 0, 1, 0]), None),
        ]
    }

    #[test]
    fn headers_of_both_versions_whole_and_in_pieces() {
        for (header, ends) in valid() {
            assert_eq!(parsed(&[&header, REST].concat()).unwrap(), Parsed::Whole(ends));
            for cut in 0..header.len() {
                assert!(matches!(parsed(&header[..cut]), Ok(Parsed::Incomplete)), "{:?}", &header[..cut]);
            }
        }
    }

    #[test]
    fn what_is_no_header_is_told_at_its_first_wrong_byte() {
        for malformed in [
            &b"G"[..],
            b"PROXX",
            b"PROXY\tTCP4 192.0.2.1 198.51.100.7 12345 443\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 12345 99999\r\n",
            b"PROXY TCP4 ::1 ::2 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 12345 443\rX",
            b"PROXY UDP4 192.0.2.1 198.51.100.7 12345 443\r\n",
            b"\r\n\r\nG",
            b"\x16\x03\x01",
            &v2(0x22, 0x11, &[0; 12]),
            &v2(0x31, 0x11, &[0; 12]),
            &[v2(0x21, 0x11, &[0; 11]), vec![b'G']].concat(),
            &v2(0x21, 0x51, &[0; 12]),
        ] {
            assert!(matches!(parsed(malformed), Err(HeaderError::Malformed)), "{malformed:?}");
        }
    }

    #[test]
    fn a_header_has_an_end() {
        let endless = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; HEADER_BYTES]].concat();
        assert!(parsed(&endless).is_err());
        let large = v2(0x21, 0x11, &[0; HEADER_BYTES]);
        assert!(matches!(parsed(&large[..HEADER_BYTES - 1]), Ok(Parsed::Incomplete)));
        assert!(parsed(&large[..HEADER_BYTES]).is_err());
        assert!(parsed(&large).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), version in 0..3usize) {
            let front = [&b""[..], V1, V2][version];
            let _ = parsed(&[front, &bytes].concat()).is_ok();
        }
    }
}
