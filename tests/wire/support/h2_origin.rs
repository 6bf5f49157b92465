//! An upstream that speaks HTTP/2 with prior knowledge, by the h2 crate, and counts what came.

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::net::TcpListener;

/// The upstream. What it does with a request is in the path; see [`answer`].
pub struct H2Origin {
    address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// Requests under way, and the most that ever were.
    open: AtomicUsize,
    most: AtomicUsize,
}

impl H2Origin {
    /// Starts it. It ends with the process.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a socket");
        listener.set_nonblocking(true).expect("a socket");
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    counted.connections.fetch_add(1, Relaxed);
                    tokio::spawn(serve(stream, Arc::clone(&counted)));
                }
            });
        });
        Self { address, counts }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Relaxed)
    }

    /// The most requests that were under way at once.
    pub fn most_at_once(&self) -> usize {
        self.counts.most.load(Relaxed)
    }

    /// Requests received so far.
    pub fn requests(&self) -> usize {
        self.counts.requests.load(Relaxed)
    }
}

async fn serve(stream: tokio::net::TcpStream, counts: Arc<Counts>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let before = counts.requests.fetch_add(1, Relaxed);
        if request.uri().path() == "/last" {
            connection.graceful_shutdown();
        }
        let counts = Arc::clone(&counts);
        tokio::spawn(async move {
            counts.most.fetch_max(counts.open.fetch_add(1, Relaxed) + 1, Relaxed);
            if request.uri().path() == "/busy" {
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }
            }
            counts.open.fetch_sub(1, Relaxed);
            answer(request, respond, before).await;
        });
    }
}

/// `/busy` has taken a few turns by now, `/refuse-once` refuses the second request of all, `/reset` resets, `/large` has
/// a head of 100 KiB, `/interim` says 103 first, `/204` and `/304` are those with a body they may not have. `/late-end-of-`
/// and `/more-than-`, then `0` or `5`, declare that length and have sent as much before they wait for the request's end;
/// then they end, or send a byte more. Everything else is echoed, with trailers: the method, the authority and the fields
/// of interest as header fields.
async fn answer(request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>, before: usize) {
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/refuse-once" if before == 1 => return respond.send_reset(Reason::REFUSED_STREAM),
        "/reset" => return respond.send_reset(Reason::INTERNAL_ERROR),
        "/204" | "/304" => {
            let status = if path == "/204" { 204 } else { 304 };
            let head = http::Response::builder().status(status).body(()).expect("a head");
            let mut send = respond.send_response(head, false).expect("an open stream");
            let _ = send.send_data(Bytes::from_static(b"a body"), true);
            return;
        }
        "/more-than-0" | "/more-than-5" | "/late-end-of-0" | "/late-end-of-5" => {
            let length = usize::from(path.as_bytes()[path.len() - 1] - b'0');
            let head = http::Response::builder().header("content-length", length).body(()).expect("a head");
            let mut send = respond.send_response(head, false).expect("an open stream");
            if length > 0 {
                let _ = send.send_data(Bytes::from_static(b"hello"), false);
            }
            let mut body = request.into_body();
            while body.data().await.is_some() {}
            let rest = if path.starts_with("/more") { &b"!"[..] } else { b"" };
            let _ = send.send_data(Bytes::from_static(rest), true);
            return;
        }
        "/interim" => {
            let early = http::Response::builder().status(103).header("link", "</style.css>").body(());
            respond.send_informational(early.expect("a head")).expect("an open stream");
        }
        _ => {}
    }
    let mut head = http::Response::builder().status(200);
    if let Some(authority) = request.uri().authority() {
        head = head.header("x-authority", authority.as_str());
    }
    for name in ["te", "connection", "upgrade", "host", "x-forwarded-for", "traceparent", "tracestate"] {
        for value in request.headers().get_all(name) {
            head = head.header(format!("x-got-{name}"), value);
        }
    }
    if path == "/large" {
        head = head.header("x-large", "x".repeat(100 * 1024));
    }
    let mut send = respond.send_response(head.body(()).expect("a head"), false).expect("an open stream");
    let mut body = request.into_body();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        let _ = send.send_data(data, false);
    }
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-trailer", http::HeaderValue::from_static("last"));
    let _ = send.send_trailers(trailers);
}
