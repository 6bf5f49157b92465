//! An answer is the same answer, and an upload the same upload, whatever way it goes: moved inside the kernel or copied, cut
//! anywhere, to a reader that takes all at once or little at a time, in the clear, over TLS or by HTTP/2.

use crate::support::edge::Files;
use crate::support::h2::H2;
use crate::support::way::*;
use crate::support::{Edge, Message, Origin, Raw};
use std::sync::{Arc, Mutex};

/// An answer of an upstream, and what a visitor must see of it.
struct Reply {
    what: &'static str,
    method: &'static str,
    bytes: Vec<u8>,
    /// Whether the connection ends behind it.
    ends: bool,
    body: Vec<u8>,
}

/// What an upstream does next: sends these bytes, cut at these places, and ends or not.
type Script = Arc<Mutex<(Vec<u8>, Vec<usize>, bool)>>;

#[test]
fn answers_by_every_way() {
    let script = Script::default();
    let play = |script: &Script| {
        let script = script.clone();
        move |raw: &mut Raw, _: &Message| {
            let (bytes, cuts, ends) = script.lock().expect("no panic here").clone();
            raw.send_cut(&bytes, &cuts);
            if ends {
                raw.finish();
            }
            !ends
        }
    };
    let clear = Origin::serving("127.0.0.1:0", play(&script));
    let sealed = Origin::over_tls(play(&script));
    let edge = edge(&clear, &sealed);
    let pipes = edge.descriptors().pipes;
    for Reply { what, method, bytes, ends, body } in replies() {
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let anywhere = |step: usize| (0..40).map(|n| head - 3 + n * step).collect::<Vec<_>>();
        let mut expected: Option<Seen> = None;
        for cuts in
            [vec![], (1..head + 30).collect(), anywhere(997), anywhere(16_411), vec![head, bytes.len() - 1]]
        {
            *script.lock().expect("no panic here") = (bytes.clone(), cuts.clone(), ends);
            for reader in Reader::ALL {
                // Byte by byte once is enough, and a slow reader makes cuts of its own.
                if cuts.len() > 41 && reader != Reader::ALL[0] || reader.slow && !cuts.is_empty() {
                    continue;
                }
                for host in ["a.test", "b.test"] {
                    let what = format!("{what}, {reader:?} from {host}, {} cuts", cuts.len());
                    let seen = reader.read(&edge, host, method);
                    assert!(seen.body == body, "{what}: {} bytes for {}", seen.body.len(), body.len());
                    assert_eq!(&seen, expected.get_or_insert_with(|| seen.clone()), "{what}");
                }
            }
        }
    }
    assert!(edge.descriptors().pipes > pipes, "none was moved inside the kernel");
}

#[test]
fn uploads_by_every_way() {
    let answer = |raw: &mut Raw, _: &Message| raw.try_send(crate::support::origin::answer("here")).is_ok();
    let (clear, sealed) = (Origin::serving("127.0.0.1:0", answer), Origin::over_tls(answer));
    let edge = edge(&clear, &sealed);
    let pipes = edge.descriptors().pipes;
    for size in [65_535, 65_536, 200_001, 1_500_000] {
        let body = pattern(size);
        let length = format!("POST /u HTTP/1.1\r\nHost: HOST\r\nContent-Length: {size}\r\n\r\n");
        let chunks = "POST /u HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
        let mut uploads = vec![(length, body.clone())];
        for chunk in [4099, 65_537, 300_000] {
            uploads.push((chunks.clone(), chunked(&body, chunk, &[("x-sum", "abc")])));
        }
        for (n, (head, bytes)) in uploads.iter().enumerate() {
            let mut expected: Option<Seen> = None;
            for tls in [false, true] {
                for (host, origin) in [("a.test", &clear), ("b.test", &sealed)] {
                    for step in [usize::MAX, 1013, 66_001] {
                        let head = head.replace("HOST", host);
                        let cuts: Vec<usize> = (1..40_usize)
                            .map(|n| head.len().saturating_add(n.saturating_mul(step)))
                            .collect();
                        let way = Way { tls, place: Place::First, cuts };
                        let (answer, _) = way.go(&edge, host, &[head.as_bytes(), bytes].concat(), false);
                        assert_eq!(answer.text(), "here");
                        let what = format!("{size} bytes, upload {n}, to {host}, {way:?}");
                        let mut seen = Seen::by_upstream(&origin.take_requests().pop().expect("a request"));
                        for (_, value) in &mut seen.fields {
                            *value = value.replace("b.test", "a.test");
                        }
                        assert!(seen.body == body, "{what}: {} bytes", seen.body.len());
                        assert_eq!(&seen, expected.get_or_insert_with(|| seen.clone()), "{what}");
                    }
                }
            }
        }
    }
    assert!(edge.descriptors().pipes > pipes, "none was moved inside the kernel");
}

/// How a visitor reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reader {
    tls: bool,
    h2: bool,
    /// Little at a time, so that the kernel's buffers are full and every step stops in the middle.
    slow: bool,
}

impl Reader {
    const ALL: [Self; 5] = [
        Self { tls: false, h2: false, slow: false },
        Self { tls: false, h2: false, slow: true },
        Self { tls: true, h2: false, slow: false },
        Self { tls: true, h2: false, slow: true },
        Self { tls: true, h2: true, slow: false },
    ];

    /// Asks for the answer and reads it; interim answers count among its trailers.
    #[track_caller]
    fn read(self, edge: &Edge, host: &str, method: &str) -> Seen {
        let (message, interims) = if self.h2 {
            let mut h2 = H2::connect(edge, host);
            h2.request(1, method, host, "/", &[], true);
            let mut interims = Vec::new();
            loop {
                let (head, ends) = h2.head(1);
                if head.status() >= 200 {
                    break (if ends { head } else { answered("HTTP/2", h2.rest(1, head)) }, interims);
                }
                interims.push(head.start.clone());
            }
        } else {
            let mut raw = if self.tls { edge.connect_tls(host) } else { edge.connect() };
            if self.slow {
                raw.receive_at_most(64 * 1024);
            }
            raw.send(format!("{method} / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            if self.slow {
                raw.read_slowly();
            }
            let mut interims = Vec::new();
            loop {
                let message = if method == "HEAD" { raw.response_to_head() } else { raw.response() };
                if message.status() >= 200 {
                    // Nothing behind it: the connection serves another.
                    raw.send("GET /nothing HTTP/1.1\r\nHost: nobody.test\r\n\r\n");
                    assert!([404, 421].contains(&raw.response().status()), "{self:?}");
                    break (message, interims);
                }
                interims.push(message.start.clone());
            }
        };
        let mut seen = Seen::by_visitor(&message).in_any_version();
        seen.trailers.extend(interims.into_iter().map(|start| ("interim".to_owned(), status_of(&start))));
        seen
    }
}

fn status_of(start: &str) -> String {
    start.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn replies() -> Vec<Reply> {
    let mut replies = Vec::new();
    let mut push = |what, method, head: &str, body: &[u8], framed: Vec<u8>, ends| {
        let bytes = [head.as_bytes(), &framed].concat();
        replies.push(Reply { what, method, bytes, ends, body: body.to_vec() });
    };
    for size in [0, 1, 5_000, 65_536, 700_001] {
        let body = pattern(size);
        let head = format!("HTTP/1.1 200 OK\r\nX-Kept: 1\r\nContent-Length: {size}\r\n\r\n");
        push("a length", "GET", &head, &body, body.clone(), false);
        let head = "HTTP/1.1 200 OK\r\nX-Kept: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for chunk in [1 + size / 300, 65_537, 1 << 20] {
            push("chunks", "GET", head, &body, chunked(&body, chunk, &[("x-sum", "abc")]), false);
        }
        let head = "HTTP/1.1 200 OK\r\nX-Kept: 1\r\nConnection: close\r\n\r\n";
        push("until close", "GET", head, &body, body.clone(), true);
        push("until close, 1.0", "GET", "HTTP/1.0 200 OK\r\nX-Kept: 1\r\n\r\n", &body, body.clone(), true);
    }
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
                 HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    push("interim answers", "GET", early, &pattern(100_000), pattern(100_000), false);
    let none = Vec::new;
    push("HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"", none(), false);
    push("204", "GET", "HTTP/1.1 204 No Content\r\nX-Kept: 1\r\n\r\n", b"", none(), false);
    push("304", "GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", b"", none(), false);
    push("404", "GET", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n", b"no", b"no".to_vec(), false);
    replies
}

/// `a.test` is behind a clear upstream, `b.test` behind one over TLS.
fn edge(clear: &Origin, sealed: &Origin) -> Edge {
    let sealed = format!("https://{}", sealed.address());
    let sealed = site("sealed", "\"b.test\"", &sealed).replacen('\n', "\nverify = false\n", 1);
    let clear = site("clear", "\"a.test\"", &clear.address());
    Files::new()
        .set("node", "workers", "1")
        .set("limits", "handshakes_per_client", "\"unlimited\"")
        .set("upstreams", "allow", "[\"127.0.0.0/8\"]")
        .document("alice", &format!("{clear}{sealed}"))
        .start()
}
