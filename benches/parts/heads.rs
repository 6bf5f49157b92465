//! Heads over HTTP/1: parsed as they arrive, and written as the other side shall see them.

use crate::{Part, Prepared};
use parvis::base::{AddressText, Buffer, RequestId};
use parvis::config::HeadLimits;
use parvis::message::h1::{RequestParser, ResponseParser, write_request, write_response};
use parvis::message::{
    BodyLength, Forwarding, KnownSet, Persistence, Pseudonym, RequestEdits, RequestHead, ResponseEdits,
    ResponseHead, Scheme, Target,
};
use std::fmt::Write as _;
use std::net::IpAddr;

/// The parts.
pub fn parts() -> Vec<Part> {
    vec![
        Part { name: "parse request: GET", prepare: || parse(&small()) },
        Part { name: "parse request: browser", prepare: || parse(&browser()) },
        Part { name: "parse request: 40 fields", prepare: || parse(&many()) },
        Part { name: "write request: GET", prepare: || rewrite(&small()) },
        Part { name: "write request: browser", prepare: || rewrite(&browser()) },
        Part { name: "write request: 40 fields", prepare: || rewrite(&many()) },
        Part { name: "forwarding fields", prepare: forwarding },
        Part { name: "parse response", prepare: parse_answer },
        Part { name: "write response", prepare: rewrite_answer },
    ]
}

/// From the bytes of a read, copied into a pooled buffer as a read does, to a head and its end.
fn parse(text: &str) -> Prepared {
    let (text, mut input) = (text.to_owned(), Buffer::new());
    Prepared::new(move || {
        input.extend(text.as_bytes());
        request(&mut input);
    })
}

/// From a head to the bytes for the upstream, forwarding fields and all.
fn rewrite(text: &str) -> Prepared {
    let mut input = Buffer::new();
    input.extend(text.as_bytes());
    let (head, mut append, mut out) = (request(&mut input), Buffer::new(), Buffer::new());
    Prepared::new(move || {
        append.clear();
        out.clear();
        push_forwarding(&mut append, &head);
        let edits = RequestEdits {
            host: head.authority().host.as_bytes(),
            target: Target { base: b"", path_and_query: head.path_and_query() },
            body: head.body(),
            persistence: Persistence::Implied,
            expect_continue: false,
            drop: KnownSet::EMPTY,
            append: append.filled(),
        };
        write_request(&mut out, &head, &edits);
        out.len()
    })
}

fn forwarding() -> Prepared {
    let mut input = Buffer::new();
    input.extend(small().as_bytes());
    let (head, mut append) = (request(&mut input), Buffer::new());
    Prepared::new(move || {
        append.clear();
        push_forwarding(&mut append, &head);
        append.len()
    })
}

fn push_forwarding(append: &mut Buffer, head: &RequestHead) {
    Forwarding {
        client: &AddressText::new(IpAddr::from([203, 0, 113, 77])),
        scheme: Scheme::Https,
        authority: head.authority(),
        port: 443,
        prefix: None,
        version: head.version(),
        received: head.fields(),
        pseudonym: Pseudonym::from_random(1),
        id: RequestId::from_random(0x0123_4567_89ab_cdef_0123),
    }
    .push(append);
}

fn parse_answer() -> Prepared {
    let mut input = Buffer::new();
    Prepared::new(move || {
        input.extend(ANSWER);
        answer(&mut input);
    })
}

fn rewrite_answer() -> Prepared {
    let mut input = Buffer::new();
    input.extend(ANSWER);
    let (head, mut out) = (answer(&mut input), Buffer::new());
    Prepared::new(move || {
        out.clear();
        let edits = ResponseEdits {
            status: None,
            body: BodyLength::Length(1256),
            persistence: Persistence::Implied,
            drop: KnownSet::EMPTY,
            append: b"",
        };
        write_response(&mut out, &head, &edits);
        out.len()
    })
}

fn request(input: &mut Buffer) -> RequestHead {
    RequestParser::new().parse(input, &LIMITS).expect("a sound head").expect("a whole head")
}

fn answer(input: &mut Buffer) -> ResponseHead {
    ResponseParser::new().parse(input, LIMITS.header_bytes).expect("a sound head").expect("a whole head")
}

/// What a program sends.
fn small() -> String {
    "GET /index.html HTTP/1.1\r\nHost: www.example.test\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n"
        .into()
}

/// What a browser sends to a site it knows: some 1,100 bytes.
fn browser() -> String {
    "GET /shop/articles/4711?colour=blue&size=m HTTP/1.1\r\n\
     Host: www.example.test\r\n\
     Connection: keep-alive\r\n\
     Cache-Control: max-age=0\r\n\
     sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\n\
     sec-ch-ua-mobile: ?0\r\n\
     sec-ch-ua-platform: \"Linux\"\r\n\
     Upgrade-Insecure-Requests: 1\r\n\
     User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 \
     Safari/537.36\r\n\
     Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
     Sec-Fetch-Site: same-origin\r\n\
     Sec-Fetch-Mode: navigate\r\n\
     Sec-Fetch-User: ?1\r\n\
     Sec-Fetch-Dest: document\r\n\
     Referer: https://www.example.test/shop/articles\r\n\
     Accept-Encoding: gzip, deflate, br, zstd\r\n\
     Accept-Language: de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7\r\n\
     Cookie: session=5f2c1f4e9a7b4d0c8e6a3b2c1d0f9e8d; basket=3; consent=necessary%2Cstatistics; \
     _visit=GA1.2.1234567890.1700000000; theme=dark\r\n\
     If-None-Match: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"\r\n\r\n"
        .into()
}

/// What a gateway in front sends: 40 fields, most of them unknown to us.
fn many() -> String {
    let mut head =
        "GET /api/v1/things HTTP/1.1\r\nHost: www.example.test\r\nAccept: application/json\r\n".to_owned();
    for n in 0..38 {
        let _ = write!(head, "X-Gateway-Field-{n}: value-{n}-of-a-usual-length\r\n");
    }
    head + "\r\n"
}

/// What an application answers.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Tue, 04 Nov 2025 10:00:00 GMT\r\nServer: nginx\r\n\
    Content-Type: text/html; charset=utf-8\r\nContent-Length: 1256\r\nConnection: keep-alive\r\n\
    Cache-Control: no-store\r\nSet-Cookie: session=5f2c1f4e9a7b4d0c; Path=/; HttpOnly; Secure\r\n\
    X-Powered-By: PHP/8.4\r\nVary: Accept-Encoding\r\n\r\n";

/// As a node has them by default.
const LIMITS: HeadLimits =
    HeadLimits { header_bytes: 64 * 1024, header_count: 100, url_bytes: 16 * 1024, mends: false };
