//! Requests byte for byte, each with what HTTP/1.1 says of it: the tables that the tests of refusals and of ways share.

/// A request, `start` and `rest`, and how it is refused.
pub struct Case {
    /// Names it in a failure.
    pub what: &'static str,
    start: &'static [u8],
    rest: &'static [u8],
    /// The answer's status.
    pub status: u16,
    /// The `details` of its `Proxy-Status`.
    pub word: &'static str,
}

impl Case {
    /// The request.
    pub fn bytes(&self) -> Vec<u8> {
        [self.start, self.rest].concat()
    }
}

/// Refused otherwise than by 400.
const fn case(what: &'static str, status: u16, word: &'static str, rest: &'static [u8]) -> Case {
    Case { what, start: b"", rest, status, word }
}

/// 400, close, nothing upstream.
const fn bad(what: &'static str, bytes: &'static [u8]) -> Case {
    case(what, 400, "bad_request", bytes)
}

/// The same for what follows the first two lines of a POST.
const fn post(what: &'static str, rest: &'static [u8]) -> Case {
    Case { start: POST, ..bad(what, rest) }
}

/// The same for what follows the first two lines of a GET.
const fn get(what: &'static str, rest: &'static [u8]) -> Case {
    Case { start: GET, ..bad(what, rest) }
}

/// The same for what follows `Host: `.
const fn host(what: &'static str, rest: &'static [u8]) -> Case {
    Case { start: b"GET / HTTP/1.1\r\nHost: ", ..bad(what, rest) }
}

const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a.test\r\n";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.test\r\n";

/// RFC 9112 §6: whatever leaves a doubt where the request ends.
pub const FRAMING: &[Case] = &[
    post("CL and TE", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    post("TE and CL", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    post("CL 0 and TE", b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    post("two CL that differ", b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    post("two CL that agree", b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    post("CL list", b"Content-Length: 5, 5\r\n\r\nhello"),
    post("CL with plus", b"Content-Length: +5\r\n\r\nhello"),
    post("CL with minus", b"Content-Length: -5\r\n\r\nhello"),
    post("CL in hex", b"Content-Length: 0x5\r\n\r\nhello"),
    post("CL with a blank inside", b"Content-Length: 5 5\r\n\r\nhello"),
    post("CL with an exponent", b"Content-Length: 5e0\r\n\r\nhello"),
    post("CL with a fraction", b"Content-Length: 5.0\r\n\r\nhello"),
    post("CL empty", b"Content-Length:\r\n\r\nhello"),
    post("CL of two to the 64", b"Content-Length: 18446744073709551616\r\n\r\nhello"),
    post("CL of two to the 63", b"Content-Length: 9223372036854775808\r\n\r\nhello"),
    post("CL with a vertical tab", b"Content-Length: \x0b5\r\n\r\nhello"),
    post("CL in other digits", b"Content-Length: \xef\xbc\x95\r\n\r\nhello"),
    post("TE twice chunked", b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    post("TE chunked in two lines", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    post("TE chunked and identity in two lines", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
    post("TE with an empty element before", b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"),
    post("TE with an empty element behind", b"Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n"),
    post("TE empty", b"Transfer-Encoding:\r\n\r\n0\r\n\r\n"),
    post("TE chunked not last", b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    post("TE identity", b"Transfer-Encoding: identity\r\n\r\n"),
    post("TE without chunked", b"Transfer-Encoding: gzip\r\n\r\n"),
    post("TE with a parameter", b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
    post("TE in quotes", b"Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    post("TE with a vertical tab", b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    post("TE with a NUL", b"Transfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n"),
    bad("TE on 1.0", b"POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    bad("TE on 1.0, kept alive", b"POST / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    post("obs-fold", b"X-Long: a\r\n b\r\n\r\n"),
    post("obs-fold with a tab", b"X-Long: a\r\n\tb\r\n\r\n"),
    post("obs-fold in TE", b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    bad("obs-fold as first field", b"GET / HTTP/1.1\r\n X: y\r\nHost: a.test\r\n\r\n"),
    post("blank before colon", b"Content-Length : 5\r\n\r\nhello"),
    post("tab before colon", b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    bad("bare LF behind the request line", b"GET / HTTP/1.1\nHost: a.test\r\n\r\n"),
    bad("bare LF behind a field", b"GET / HTTP/1.1\r\nHost: a.test\nX: y\r\n\r\n"),
    get("bare LF as the empty line", b"\n"),
    bad("bare LF throughout", b"GET / HTTP/1.1\nHost: a.test\n\n"),
    bad("bare CR behind a field", b"GET / HTTP/1.1\r\nHost: a.test\rX: y\r\n\r\n"),
    get("bare CR in a value", b"X: a\rb\r\n\r\n"),
    bad("CR CR LF", b"GET / HTTP/1.1\r\nHost: a.test\r\r\n\r\n"),
    bad("bare CR in the request line", b"GET /\r HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    post("CL with a list of nothing before", b"Content-Length: ,5\r\n\r\nhello"),
    post("CL with a list of nothing behind", b"Content-Length: 5,\r\n\r\nhello"),
    post("CL with a parameter", b"Content-Length: 5;x\r\n\r\nhello"),
    post("CL in quotes", b"Content-Length: \"5\"\r\n\r\nhello"),
    post("CL with an underscore", b"Content-Length: 1_0\r\n\r\nhellohello"),
    post("CL with a NUL", b"Content-Length: 5\x00\r\n\r\nhello"),
    post("CL with a form feed", b"Content-Length: 5\x0c\r\n\r\nhello"),
    post("CL with a no-break space", b"Content-Length: \xa05\r\n\r\nhello"),
    post("CL and another case of TE", b"Content-Length: 5\r\ntRaNsFeR-eNcOdInG: cHuNkEd\r\n\r\n0\r\n\r\n"),
    post("TE half a word", b"Transfer-Encoding: chunk\r\n\r\n0\r\n\r\n"),
    post("TE of two words", b"Transfer-Encoding: x chunked\r\n\r\n0\r\n\r\n"),
    post("TE in other quotes", b"Transfer-Encoding: 'chunked'\r\n\r\n0\r\n\r\n"),
    post("TE with a no-break space", b"Transfer-Encoding: \xa0chunked\r\n\r\n0\r\n\r\n"),
    post("TE with a byte over 127", b"Transfer-Encoding: \xffchunked\r\n\r\n0\r\n\r\n"),
    post("TE unknown and chunked in two lines", b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    post("TE behind a bare LF", b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    post("TE behind a bare CR", b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    post("TE with a CR before its name", b"\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    post("TE with a NUL in its name", b"Transfer\x00-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    post("TE with a bare LF inside", b"Transfer-Encoding:\n chunked\r\n\r\n0\r\n\r\n"),
    post("TE with a colon too many before", b":Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
];

/// RFC 9112 §2–5, RFC 9110 §5: whatever another parser could read otherwise.
pub const SYNTAX: &[Case] = &[
    bad("Host missing", b"GET / HTTP/1.1\r\nAccept: */*\r\n\r\n"),
    host("Host twice", b"a.test\r\nHost: b.test\r\n\r\n"),
    host("Host twice the same", b"a.test\r\nHost: a.test\r\n\r\n"),
    bad("Host twice, absolute-form", b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n"),
    bad("Host missing, absolute-form", b"GET http://a.test/ HTTP/1.1\r\nAccept: */*\r\n\r\n"),
    bad("Host empty", b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    host("Host list", b"a.test, b.test\r\n\r\n"),
    host("Host list without blank", b"a.test,b.test\r\n\r\n"),
    host("Host with userinfo", b"user@a.test\r\n\r\n"),
    host("Host with userinfo and port", b"a.test:80@b.test\r\n\r\n"),
    host("Host with a path", b"a.test/x\r\n\r\n"),
    host("Host with a query", b"a.test?x\r\n\r\n"),
    host("Host with a blank", b"a.test b.test\r\n\r\n"),
    host("Host with a percent", b"%61.test\r\n\r\n"),
    host("Host with a word as port", b"a.test:http\r\n\r\n"),
    host("Host with a port too large", b"a.test:65536\r\n\r\n"),
    host("Host with two ports", b"a.test:80:80\r\n\r\n"),
    host("Host with an empty label", b"a..test\r\n\r\n"),
    host("Host with a dot in front", b".a.test\r\n\r\n"),
    host("Host with two dots behind", b"a.test..\r\n\r\n"),
    host("Host with a byte over 127", b"\xe4.test\r\n\r\n"),
    host("Host with half a literal", b"[::1\r\n\r\n"),
    host("Host with a zone", b"[fe80::1%25eth0]\r\n\r\n"),
    host(
        "Host of 64 in a label",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test\r\n\r\n",
    ),
    bad("absolute-form of another host", b"GET http://a.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n"),
    bad("absolute-form without host", b"GET http:///x HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("absolute-form with userinfo", b"GET http://user@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("absolute-form of another scheme", b"GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("target without slash", b"GET index.html HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("target with a fragment", b"GET /a#b HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("target with a blank", b"GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("target with a NUL", b"GET /a\x00b HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("target with a control character", b"GET /a\x01b HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("target with DEL", b"GET /a\x7fb HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("asterisk-form of a GET", b"GET * HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("target missing", b"GET HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("two blanks", b"GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("two blanks before the version", b"GET /  HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("tab in the request line", b"GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("blank before the method", b" GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("blank behind the version", b"GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n"),
    bad("method with a delimiter", b"GE(T / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("method with a NUL", b"GE\x00T / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("method with a byte over 127", b"G\xc3\x8bT / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("version in lower case", b"GET / http/1.1\r\nHost: a.test\r\n\r\n"),
    bad("version without minor", b"GET / HTTP/1\r\nHost: a.test\r\n\r\n"),
    bad("version with two digits", b"GET / HTTP/1.10\r\nHost: a.test\r\n\r\n"),
    bad("version with letters", b"GET / HTTP/1.1a\r\nHost: a.test\r\n\r\n"),
    bad("HTTP/0.9", b"GET /\r\n"),
    bad("HTTP/0.9 with a field", b"GET /\r\nHost: a.test\r\n\r\n"),
    case("HTTP/2.0 in text", 505, "version_not_supported", b"GET / HTTP/2.0\r\nHost: a.test\r\n\r\n"),
    case("HTTP/3.0 in text", 505, "version_not_supported", b"GET / HTTP/3.0\r\nHost: a.test\r\n\r\n"),
    get("field without colon", b"X\r\n\r\n"),
    get("field without name", b": y\r\n\r\n"),
    get("field name with a blank", b"X Y: z\r\n\r\n"),
    get("field name with a NUL", b"X\x00: z\r\n\r\n"),
    get("field name with a delimiter", b"X(: z\r\n\r\n"),
    get("field name with a byte over 127", b"X\xc3\x8b: z\r\n\r\n"),
    get("NUL in a value", b"X: a\x00b\r\n\r\n"),
    get("control character in a value", b"X: a\x01b\r\n\r\n"),
    get("DEL in a value", b"X: a\x7fb\r\n\r\n"),
    get("Connection nominates Host", b"Connection: Host\r\n\r\n"),
    get("Connection nominates X-Forwarded-For", b"Connection: close, X-Forwarded-For\r\n\r\n"),
    get("Connection nominates X_Forwarded_For", b"Connection: X_Forwarded_For\r\n\r\n"),
    get("Connection nominates Cookie", b"Cookie: a=b\r\nConnection: cookie\r\n\r\n"),
    post("Connection nominates CL", b"Content-Length: 5\r\nConnection: Content-Length\r\n\r\nhello"),
    get("Connection option that is no token", b"Connection: a b\r\n\r\n"),
    host("Host with a NUL", b"a.test\x00\r\n\r\n"),
    host("Host with a fragment", b"a.test#\r\n\r\n"),
    host("Host with a backslash", b"a.test\\b\r\n\r\n"),
    host("Host with a semicolon", b"a.test;b\r\n\r\n"),
    host("Host with a no-break space", b"a.test\xa0\r\n\r\n"),
    host("Host with a scheme", b"http://a.test\r\n\r\n"),
    bad("absolute-form with one slash", b"GET http:/a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("absolute-form with backslashes", b"GET http:\\\\a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("absolute-form of another port", b"GET http://a.test:81/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("authority-form of a GET", b"GET a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("target of a query alone", b"GET ?x HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("target of backslashes", b"GET \\a HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("target with a byte over 127", b"GET /\xe4 HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("a byte order mark before the method", b"\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("a NUL before the method", b"\x00GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("three empty lines before", b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("an empty line in bare LF before", b"\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("vertical tab in the request line", b"GET\x0b/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    bad("tab behind the version", b"GET / HTTP/1.1\t\r\nHost: a.test\r\n\r\n"),
    bad("NUL behind the version", b"GET / HTTP/1.1\x00\r\nHost: a.test\r\n\r\n"),
    bad("version with a blank", b"GET / HTTP/ 1.1\r\nHost: a.test\r\n\r\n"),
    bad("version of another protocol", b"GET / ICAP/1.1\r\nHost: a.test\r\n\r\n"),
    get("Connection nominates Authorization", b"Authorization: x\r\nConnection: authorization\r\n\r\n"),
    bad("a TLS ClientHello", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03\r\n\r\n"),
];

/// Well formed, but not for us: RFC 9110 §9.3.6, §10.1.1, RFC 9112 §6.1.
pub const NOT_DONE: &[Case] = &[
    case("CONNECT", 501, "not_implemented", b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n"),
    case(
        "a transfer coding we do not know",
        501,
        "not_implemented",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    case(
        "an expectation nobody knows",
        417,
        "expectation_failed",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello",
    ),
];

/// What [`CHUNKS`] stand behind.
pub const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A chunked body that goes wrong behind a head that is right (RFC 9112 §7.1).
pub const CHUNKS: &[(&str, &[u8])] = &[
    ("size missing", b"\r\nhello\r\n0\r\n\r\n"),
    ("size no number", b"x\r\nhello\r\n0\r\n\r\n"),
    ("size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("size with plus", b"+5\r\nhello\r\n0\r\n\r\n"),
    ("size with minus", b"-5\r\nhello\r\n0\r\n\r\n"),
    ("size with a blank before", b" 5\r\nhello\r\n0\r\n\r\n"),
    ("size with an underscore", b"1_0\r\nhellohellohelloh\r\n0\r\n\r\n"),
    ("size over 64 bits", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("size over 64 bits by zeros and a digit", b"F0000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("size ends in a bare LF", b"5\nhello\r\n0\r\n\r\n"),
    ("size ends in a bare CR", b"5\rhello\r\n0\r\n\r\n"),
    ("size ends in CR CR LF", b"5\r\r\nhello\r\n0\r\n\r\n"),
    ("size and a NUL", b"5\x00\r\nhello\r\n0\r\n\r\n"),
    ("size and a word", b"5 x\r\nhello\r\n0\r\n\r\n"),
    ("extension ends in a bare LF", b"5;a=b\nhello\r\n0\r\n\r\n"),
    ("extension holds a bare CR", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    ("extension holds a NUL", b"5;a\x00b\r\nhello\r\n0\r\n\r\n"),
    ("data longer than its size", b"5\r\nhelloX\r\n0\r\n\r\n"),
    ("data shorter than its size", b"5\r\nhell\r\n0\r\n\r\n"),
    ("data ends in a bare LF", b"5\r\nhello\n0\r\n\r\n"),
    ("data ends in nothing", b"5\r\nhello0\r\n\r\n"),
    ("last size ends in a bare LF", b"5\r\nhello\r\n0\n\r\n"),
    ("last chunk ends in a bare LF", b"5\r\nhello\r\n0\r\n\n"),
    ("trailer without colon", b"5\r\nhello\r\n0\r\nX\r\n\r\n"),
    ("trailer with a blank before its colon", b"5\r\nhello\r\n0\r\nX : y\r\n\r\n"),
    ("trailer folded", b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n"),
    ("trailer with a bare LF", b"5\r\nhello\r\n0\r\nX: y\n\r\n"),
    ("trailer that frames by length", b"5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n"),
    ("trailer that frames by chunks", b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("trailer that routes", b"5\r\nhello\r\n0\r\nHost: b.test\r\n\r\n"),
    ("trailer that tells who asks", b"5\r\nhello\r\n0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"),
    ("trailer that tells it with underscores", b"5\r\nhello\r\n0\r\nX_Forwarded_For: 1.2.3.4\r\n\r\n"),
    ("trailer that authenticates", b"5\r\nhello\r\n0\r\nAuthorization: x\r\n\r\n"),
    ("trailer with a NUL", b"5\r\nhello\r\n0\r\nX: \x00\r\n\r\n"),
    ("size with a blank behind", b"5 \r\nhello\r\n0\r\n\r\n"),
    ("size with a vertical tab", b"5\x0b\r\nhello\r\n0\r\n\r\n"),
    ("size with a comma", b"5,a\r\nhello\r\n0\r\n\r\n"),
    ("size in seventeen zeros", b"00000000000000000\r\n\r\n"),
    ("last size with minus", b"5\r\nhello\r\n-0\r\n\r\n"),
    ("last size with a blank before", b"5\r\nhello\r\n 0\r\n\r\n"),
    ("last size with a blank behind", b"5\r\nhello\r\n0 \r\n\r\n"),
    ("last size with 0x", b"5\r\nhello\r\n0x0\r\n\r\n"),
    ("last chunk ends in CR and a byte", b"5\r\nhello\r\n0\r\n\rX\r\n\r\n"),
    ("an empty line behind the size", b"5\r\n\r\nhello\r\n0\r\n\r\n"),
    ("extension without name", b"5;\r\nhello\r\n0\r\n\r\n"),
    ("extension without value", b"5;a=\r\nhello\r\n0\r\n\r\n"),
    ("extension with an open quote", b"5;a=\"b\r\nhello\r\n0\r\n\r\n"),
    ("extension with a line end in quotes", b"5;a=\"\r\nhello\r\n0\r\n\r\n\"\r\nhello\r\n0\r\n\r\n"),
    ("extension of another kind of line", b"5;a\n\r\nhello\r\n0\r\n\r\n"),
];

/// What looks odd and is allowed: the tables above refuse nothing because they refuse everything.
pub const ALLOWED: &[(&str, &[u8])] = &[
    ("an empty line before", b"\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("TE in capitals", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n"),
    ("no blank behind the colon", b"GET / HTTP/1.1\r\nHost:a.test\r\n\r\n"),
    ("blanks around a value", b"GET / HTTP/1.1\r\nHost: \t a.test \t \r\n\r\n"),
    ("an empty value", b"GET / HTTP/1.1\r\nHost: a.test\r\nX:\r\n\r\n"),
    ("a tab in a value", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\tb\r\n\r\n"),
    ("a byte over 127 in a value", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: \xc3\xa4\xff\r\n\r\n"),
    (
        "every character of a token in a name",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n!#$%&'*+-.^_`|~09azAZ: y\r\n\r\n",
    ),
    ("a method nobody knows", b"BREW / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("a body on GET", b"GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello"),
    ("an empty body on GET", b"GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n"),
    ("a query with odd characters", b"GET /?a[]=\"{|}^`\\ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("two slashes", b"GET //x//y HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("dots and percents", b"GET /a/../%2e%2e/%00 HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("Host in capitals, with dot and port", b"GET / HTTP/1.1\r\nHost: A.TEST.:8080\r\n\r\n"),
    ("Host with an empty port", b"GET / HTTP/1.1\r\nHost: a.test:\r\n\r\n"),
    ("absolute-form", b"GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("absolute-form without a path", b"GET http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("asterisk-form of OPTIONS", b"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("HTTP/1.0 with a Host", b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n"),
    (
        "a chunk extension",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
        5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n",
    ),
    (
        "zeros before a chunk size",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
        0005\r\nhello\r\n000\r\n\r\n",
    ),
];
